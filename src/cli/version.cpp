// `headroom version`.
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

int version_command(Words words) {
  Options options("version",
                  "  headroom version              of this command\n"
                  "  headroom version -v           and of the daemon\n");
  Common common;
  options.outputs("json|jsonl");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  client::json::object document{{"version", HEADROOM_VERSION}, {"daemon", nullptr}};
  std::string text = "headroom " HEADROOM_VERSION "\n";
  if (common.verbose) {
    client::Daemon daemon(common.url, common.answer_within());
    const auto node = daemon.document("/api/v1/node");
    if (!node) return report(node.error());
    const auto version = client::text(*node, "version");
    document["daemon"] = version;
    text += "headroomd " + printable(version) + " on " + printable(daemon.url()) + "\n";
  }
  if (!print_document(common, client::write_json(document))) write_out(stdout, text);
  return 0;
}

}  // namespace headroom::cli
