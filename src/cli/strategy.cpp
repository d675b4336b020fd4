#include "cli/strategy.hpp"

#include <utility>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "settings/parse.hpp"
#include "words/strategy.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom strategy                           what is set, and what it means now\n"
    "  headroom strategy set balanced              from now on, and kept\n"
    "  headroom strategy set aggressive+predictive how boldly, and by what is foreseen\n"
    "\n"
    "How boldly: conservative, balanced, aggressive. What demand is told from: dynamic (what is\n"
    "used now), predictive (what is foreseen), cooperative (what is used; idle share is lent).\n"
    "What is left out, or adaptive, headroom chooses: by how tight the node is, and by what has\n"
    "proven better.\n";

std::string plain(const value& document, const char* field) {
  const auto number = client::number(document, field);
  return number ? show_number(*number) : kNone;
}

std::string percent(const value& document, const char* field) {
  const std::string text = plain(document, field);
  return text == kNone ? text : text + " %";
}

}  // namespace

std::string render_strategy(const value& strategy, const Style& style) {
  std::string out;
  const auto name = client::text(strategy, "name");
  if (style.output != Output::csv) {
    out += "strategy " + text_cell(name) + "   node " + text_cell(client::text(strategy, "level")) +
           "   buffer " + percent(strategy, "buffer_percent") + "   kept back " +
           percent(strategy, "reserve_percent") + "   every " +
           show_span(client::number(strategy, "cycle_seconds").value_or(0)) + "\n\n";
  }
  Table table({{"STRATEGY"},
               {"BUFFER", Align::right},
               {"KEPT BACK", Align::right},
               {"SHORTFALL", Align::right},
               {"LENDS"}});
  for (const auto& word : client::list(strategy, "strategies")) {
    table.row({text_cell(client::text(word, "name")), percent(word, "buffer_percent"),
               percent(word, "reserve_percent"), plain(word, "shortfall_weight"),
               client::is_true(word, "lends") ? "yes" : "no"});
  }
  return out + table.render(style);
}

int strategy_command(Words words) {
  Options options("strategy [show|set NAME]", kHelp);
  Common common;
  Words given;
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "show" : given.front();
  if ((verb != "show" && verb != "set") || given.size() > (verb == "set" ? 2U : 1U)) {
    return report(Error{
        ErrorKind::invalid_request,
        "strategy does not know '" + (verb == "show" || verb == "set" ? given.back() : verb) + "'",
        "", "headroom strategy show, or strategy set balanced"});
  }
  if (verb == "set" && given.size() < 2) {
    return report(Error{ErrorKind::invalid_request, "strategy set takes a name", "",
                        "headroom strategy set balanced"});
  }
  if (verb == "set" && !strategy_of(given[1])) {
    const auto near = settings::nearest(given[1], kStrategyWords);
    return report(
        Error{ErrorKind::invalid_request, "there is no strategy '" + given[1] + "'",
              near ? "did you mean " + *near + "?" : "",
              "headroom strategy lists them; two are joined as in aggressive+predictive"});
  }
  Source source(common);
  const std::string target = "/api/v1/strategy";
  const auto strategy =
      verb == "show"
          ? source.document(target)
          : source.daemon().send("PUT", target, client::json::object{{"name", given[1]}});
  if (!strategy) return report(strategy.error());
  if (print_document(common, client::write_json(*strategy)) || (verb == "set" && common.quiet)) {
    return 0;
  }
  write_out(stdout, render_strategy(*strategy, style_for(common, stdout)));
  return 0;
}

}  // namespace headroom::cli
