#include "cli/config.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "settings/file.hpp"
#include "settings/parse.hpp"
#include "settings/settings.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom config                        every setting, its value and origin\n"
    "  headroom config show cleanup           those with this word in them\n"
    "  headroom config get http.listen        one value\n"
    "  headroom config set pressure.memory.warning 70    from now on, and kept\n"
    "  headroom config unset pressure.memory.warning     as the files say again\n"
    "  headroom config defaults               a file with every key, for /etc/headroom\n"
    "  headroom config migrate config.toml    an older file in today's names\n"
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

// Changes one setting through the daemon; an empty value takes it back.
int set(const Common& common, const std::string& key, const std::string& value) {
  Source source(common);
  client::json::object changes;
  if (value.empty()) {
    changes[key] = nullptr;
  } else {
    changes[key] = value;
  }
  const auto answer = source.daemon().send("PATCH", "/api/v1/config", {{"changes", changes}});
  if (!answer) return report(answer.error());
  if (print_document(common, client::write_json(*answer)) || common.quiet) return 0;
  for (const auto& setting : client::list(*answer)) {
    write_out(stdout, text_cell(client::text(setting, "key")) + " = " +
                          text_cell(client::text(setting, "value")) + "\n");
    const auto origin = client::text(setting, "origin");
    if (!value.empty() && origin.find("set.toml") == std::string::npos) {
      write_out(stderr, "headroom: what was set is kept and has no effect while " +
                            text_cell(origin) + " gives " +
                            text_cell(client::text(setting, "key")) +
                            "\n  try: start the daemon without " + text_cell(origin) + "\n");
    } else if (client::is_true(setting, "at_start")) {
      write_out(stderr, "headroom: it takes effect when the daemon starts again\n");
    }
  }
  return 0;
}

int migrate(const std::string& file) {
  const auto content = settings::read_file(file);
  if (!content) return report(content.error());
  if (!*content) {
    return report(Error{ErrorKind::not_found, "there is no file " + file, "", ""});
  }
  const auto loaded = settings::load_text(**content, file);
  if (!loaded) return report(loaded.error());
  write_out(stdout, settings::canonical(*loaded));
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

std::string render_config(const value& config, const std::string& with, const Style& style) {
  Table table({{"KEY", Align::left, false, true, 0, 32},
               {"VALUE", Align::left, false, true, 0, 16},
               {"ORIGIN", Align::left, false, true, 0, 12},
               {"ALIAS", Align::left, true},
               {"ABOUT", Align::left, true, true}});
  for (const auto& setting : client::list(config)) {
    if (client::text(setting, "key").find(with) == std::string::npos &&
        client::text(setting, "alias").find(with) == std::string::npos) {
      continue;
    }
    table.row({text_cell(client::text(setting, "key")), text_cell(client::text(setting, "value")),
               text_cell(client::text(setting, "origin")),
               text_cell(client::text(setting, "alias")),
               text_cell(client::text(setting, "about"))});
  }
  return table.render(style);
}

int config_command(Words words) {
  Options options(
      "config [show [TEXT]|get KEY|set KEY VALUE|unset KEY|check [FILE]|defaults|migrate "
      "FILE|path]",
      kHelp);
  Common common;
  Words given;
  options.words("words", given, 3);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "show" : given.front();
  const std::string what = given.size() > 1 ? given[1] : "";
  if (verb == "check") return check(common, what);
  if (verb == "path") return paths(common);
  if (verb == "defaults") {
    write_out(stdout, settings::defaults_text());
    return 0;
  }
  static constexpr std::pair<const char*, const char*> kVerbs[] = {
      {"show", "headroom config show pressure"},
      {"get", "headroom config get http.listen"},
      {"set", "headroom config set pressure.memory.warning 70"},
      {"unset", "headroom config unset pressure.memory.warning"},
      {"migrate", "headroom config migrate config.toml"}};
  const auto known = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                  [&](const auto& one) { return verb == one.first; });
  if (known == std::end(kVerbs)) {
    return report(Error{ErrorKind::invalid_request, "config cannot '" + verb + "'", "",
                        "headroom config show, get, set, unset, check, defaults, migrate or path"});
  }
  const std::size_t wanted = verb == "set" ? 3 : verb == "show" ? given.size() : 2;
  if (given.size() != wanted) {
    return report(Error{ErrorKind::invalid_request,
                        "config " + verb + " takes " +
                            (verb == "set"       ? "a key and a value"
                             : verb == "migrate" ? "a file"
                                                 : "a key"),
                        "", known->second});
  }
  if (verb == "set" && given[2].empty()) {
    return report(Error{ErrorKind::invalid_request, "the value of " + what + " is empty",
                        "an empty text is written with its quotes",
                        "headroom config set " + what + " '\"\"', or config unset " + what});
  }
  if (verb == "set") return set(common, what, given[2]);
  if (verb == "unset") return set(common, what, "");
  if (verb == "migrate") return migrate(what);
  Source source(common);
  const auto body = source.get("/api/v1/config");
  if (!body) return report(body.error());
  if (verb == "show" && print_document(common, *body)) return 0;
  const auto document = client::parse_json(*body);
  if (!document) return report(document.error());
  if (verb == "get") return get(common, *document, what);
  write_out(stdout, render_config(*document, what, style_for(common, stdout)));
  return 0;
}

}  // namespace headroom::cli
