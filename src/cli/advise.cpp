#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/model.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom advise          what to change, why, and the command that does it\n"
    "\n"
    "Changes nothing.\n";

}  // namespace

std::string render_advice(const value& advice, const Style& style) {
  if (style.output == Output::csv) {
    Table table({{"ABOUT"}, {"TEXT"}, {"READING"}, {"COMMAND"}});
    for (const auto& one : client::list(advice)) {
      table.row({printable(client::text(one, "about")), printable(client::text(one, "text")),
                 printable(client::text(one, "reading")), printable(client::text(one, "command"))});
    }
    return table.render(style);
  }
  if (client::list(advice).empty()) return "nothing to change\n";
  const auto width = static_cast<std::size_t>(style.width);
  std::string text;
  for (const auto& one : client::list(advice)) {
    text += folded(printable(client::text(one, "text")), width, 2) + "\n";
    const auto line = [&](const std::string& cell) {
      if (!cell.empty()) text += folded("    " + cell, width, 6) + "\n";
    };
    line(printable(client::text(one, "reading")));
    line(printable(client::text(one, "command")));
  }
  return text;
}

int advise_command(Words words) {
  Options options("advise", kHelp);
  Common common;
  if (const auto over = options.parse(std::move(words), common)) return *over;
  Source source(common);
  return repeat(common, [&] {
    const auto body = source.kept("/api/v1/advice", "suggestions");
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_advice(*document, style_for(common, stdout)));
    return 0;
  });
}

}  // namespace headroom::cli
