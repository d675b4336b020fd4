// `headroom metrics`: the Prometheus text.
#include "cli/commands.hpp"
#include "cli/source.hpp"

namespace headroom::cli {

int metrics_command(Words words) {
  Options options("metrics", "  headroom metrics | promtool check metrics\n");
  Common common;
  options.outputs("");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  Source source(common);
  return repeat(common, [&] {
    const auto body = source.get("/metrics");
    if (!body) return report(body.error());
    write_out(stdout, *body);
    return 0;
  });
}

}  // namespace headroom::cli
