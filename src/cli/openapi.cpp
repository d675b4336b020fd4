// `headroom openapi`: the document that describes the HTTP interface.
#include "cli/commands.hpp"
#include "cli/source.hpp"

namespace headroom::cli {

int openapi_command(Words words) {
  Options options("openapi", "  headroom openapi > openapi.json      the API as OpenAPI 3.1\n");
  Common common;
  options.outputs("json");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  Source source(common);
  const auto body = source.get("/openapi.json");
  if (!body) return report(body.error());
  write_out(stdout, *body);
  if (body->empty() || body->back() != '\n') write_out(stdout, "\n");
  return 0;
}

}  // namespace headroom::cli
