#include "cli/config.hpp"

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "settings/parse.hpp"
#include "settings/settings.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom config                        every setting, its value and origin\n"
    "  headroom config get http.listen        one value\n"
    "  headroom config check [FILE]           is this configuration right?\n"
    "  headroom config path                   the files that are read\n";

Result<settings::Loaded> load(const std::string& file) {
  settings::Input input;
  if (!file.empty()) input.config_file = file;
  input.environment = environment();
  input.for_command = true;
  return settings::load(input);
}

int check(const Common& common, const std::string& file) {
  const auto loaded = load(file);
  if (!loaded) return report(loaded.error());
  if (common.quiet) return 0;
  for (const auto& warning : loaded->warnings) write_out(stderr, "headroom: " + warning + "\n");
  std::string text = "the configuration is right";
  for (std::size_t i = 0; i < loaded->files.size(); ++i) {
    text += (i == 0 ? ": " : ", ") + loaded->files[i];
  }
  write_out(stdout, text + "\n");
  return 0;
}

int paths(const Common& common) {
  const auto loaded = load("");
  if (!loaded) return report(loaded.error());
  for (const auto& file : loaded->files) write_out(stdout, file + "\n");
  if (loaded->files.empty() && !common.quiet) {
    write_out(stderr,
              "headroom: no file is there; the built-in values hold\n"
              "  try: /etc/headroom/headroom.toml\n");
  }
  return 0;
}

int get(const Common& common, const value& config, const std::string& key) {
  std::vector<std::string> keys;
  for (const auto& setting : client::list(config)) {
    const auto one = client::text(setting, "key");
    if (one == key) {
      if (!print_document(common, client::write_json(setting))) {
        write_out(stdout, client::text(setting, "value") + "\n");
      }
      return 0;
    }
    keys.push_back(one);
  }
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  const auto near = settings::nearest(key, views);
  return report(Error{ErrorKind::not_found, "there is no setting '" + key + "'",
                      near ? "did you mean " + *near + "?" : "", "headroom config lists them"});
}

}  // namespace

std::string render_config(const value& config, const Style& style) {
  Table table({{"KEY"},
               {"VALUE"},
               {"ORIGIN"},
               {"ALIAS", Align::left, true},
               {"ABOUT", Align::left, true, true}});
  for (const auto& setting : client::list(config)) {
    table.row({text_cell(client::text(setting, "key")), text_cell(client::text(setting, "value")),
               text_cell(client::text(setting, "origin")),
               text_cell(client::text(setting, "alias")),
               text_cell(client::text(setting, "about"))});
  }
  return table.render(style);
}

int config_command(Words words) {
  Options options("config [show|get KEY|check [FILE]|path]", kHelp);
  Common common;
  Words given;
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "show" : given.front();
  const std::string what = given.size() > 1 ? given[1] : "";
  if (verb == "check") return check(common, what);
  if (verb == "path") return paths(common);
  if (verb != "show" && verb != "get") {
    return report(Error{ErrorKind::invalid_request, "config cannot '" + verb + "'", "",
                        "headroom config show, get, check or path"});
  }
  if (verb == "get" && what.empty()) {
    return report(Error{ErrorKind::invalid_request, "config get needs a key", "",
                        "headroom config get http.listen"});
  }
  Source source(common);
  const auto body = source.get("/api/v1/config");
  if (!body) return report(body.error());
  if (verb == "show" && print_document(common, *body)) return 0;
  const auto document = client::parse_json(*body);
  if (!document) return report(document.error());
  if (verb == "get") return get(common, *document, what);
  write_out(stdout, render_config(*document, style_for(common, stdout)));
  return 0;
}

}  // namespace headroom::cli
