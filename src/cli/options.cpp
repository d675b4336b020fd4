#include "cli/options.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>

#include "client/json.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {
namespace {

constexpr std::chrono::milliseconds kWatchDefault{2000};
constexpr std::chrono::milliseconds kWatchLeast{100};
constexpr int kManyWords = 1000000;  ///< parse() says itself which is one too many

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

Result<Output> parse_output(const std::string& word) {
  if (word == "table") return Output::table;
  if (word == "wide") return Output::wide;
  if (word == "json") return Output::json;
  if (word == "jsonl") return Output::jsonl;
  if (word == "csv") return Output::csv;
  return fail(ErrorKind::invalid_request, "there is no output '" + word + "'", "",
              "-o table, wide, json, jsonl or csv");
}

/// CLI11 would take the word after -w for its value; the value is optional and joined by "=".
bool is_watch(const std::string& word) {
  return word == "-w" || word == "--watch" || word.rfind("--watch=", 0) == 0 ||
         word.rfind("-w=", 0) == 0;
}

/// Where parse() leaves what a command takes instead of parsing; null: it parses. The way from
/// describe() to the parser leads through the command itself, which knows nothing of this.
thread_local Description* describing = nullptr;

}  // namespace

Description describe(int (*command)(Words words)) {
  Description description;
  describing = &description;
  command({"--help"});
  describing = nullptr;
  return description;
}

namespace {

/// An option that takes a value, as CLI11 has it.
struct Valued {
  std::string names;
  std::string* to = nullptr;
  const CLI::Option* option = nullptr;
};

// CLI11 takes a word such as "[a,b]" or "{}" for a list, and a word is what was typed: it gets such
// a word with a mark in front.
constexpr char kMark = '\x01';

Words marked(Words words) {
  for (auto& word : words) {
    if (!word.empty() && std::string_view("[{%\x01").find(word.front()) != std::string_view::npos) {
      word.insert(word.begin(), kMark);
    }
  }
  return words;
}

void unmark(std::string& word) {
  if (!word.empty() && word.front() == kMark) word.erase(0, 1);
}

Words unmarked(Words words) {
  for (auto& word : words) unmark(word);
  return words;
}

/// The name of `names` that stands in `word` in front of its "=" and nothing, or "".
std::string name_without_value(const std::string& names, const std::string& word) {
  if (word.size() < 2 || word.back() != '=') return {};
  const auto name = word.substr(0, word.size() - 1);
  return ("," + names + ",").find("," + name + ",") != std::string::npos ? name : "";
}

/// The option that was given with nothing as its value; "" where each has one. `typed`: the words
/// that were read, for CLI11 takes the word after "--name=" for the value.
std::string option_with_empty_value(const std::vector<Valued>& all, const Words& typed) {
  for (const auto& one : all) {
    const auto& values = one.option->results();
    if (std::find(values.begin(), values.end(), "") != values.end()) {
      const auto& names = one.option->get_lnames();
      return names.empty() ? one.names : "--" + names.front();
    }
    const auto end = std::find(typed.begin(), typed.end(), "--");
    for (auto it = typed.begin(); it != end; ++it) {
      if (auto name = name_without_value(one.names, *it); !name.empty()) return name;
    }
  }
  return {};
}

}  // namespace

struct Options::Parser {
  CLI::App app;
  std::vector<Valued> valued;
  std::vector<Described> described;
  std::vector<std::string> names;
  bool help = false;
  bool help_json = false;
  bool json = false;
  std::string output;
  std::string timeout;
};

Options::Options(std::string command, std::string help)
    : command_(std::move(command)), help_(std::move(help)), parser_(std::make_unique<Parser>()) {
  parser_->app.set_help_flag();
}

Options::~Options() = default;

void Options::flag(const std::string& names, bool& to, const std::string& about) {
  parser_->app.add_flag(names, to);
  parser_->described.push_back({names, about, false});
}

void Options::value(const std::string& names, std::string& to, const std::string& about) {
  parser_->valued.push_back({names, &to, parser_->app.add_option(names, to)->expected(1)});
  parser_->described.push_back({names, about, true});
}

void Options::words(const std::string& name, Words& to, int most) {
  parser_->app.add_option(name, to)->expected(0, kManyWords);
  words_ = &to;
  most_words_ = static_cast<std::size_t>(most);
}

void Options::outputs(std::string_view words) { outputs_ = words; }

bool Options::has_output(const std::string& output) const {
  if (!outputs_ || output == "table" || output == "wide") return true;
  const auto found = ("|" + *outputs_ + "|").find("|" + output + "|");
  return found != std::string::npos;
}

void Options::command(Words& to) {
  parser_->app.prefix_command();
  command_words_ = &to;
}

std::optional<int> Options::wrong(const std::string& what, const std::string& why) const {
  return report(Error{ErrorKind::invalid_request, what, why,
                      "headroom " + command_.substr(0, command_.find(' ')) + " --help"});
}

std::string Options::unknown_option(const std::string& option) const {
  std::vector<std::string_view> known;
  for (const auto& one : parser_->described) {
    std::string_view names = one.names;
    while (!names.empty()) {
      const auto comma = names.find(',');
      const auto name = names.substr(0, comma);
      if (name.substr(0, 2) == "--") known.push_back(name);
      names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
    }
  }
  const auto near = settings::nearest(option.substr(0, option.find('=')), known);
  return near ? "did you mean " + *near + "?" : "";
}

std::optional<int> Options::parse(Words args, Common& common) {
  auto& parser = *parser_;
  const auto own = parser.described.size();
  value("-o,--output", parser.output, "table, wide, json, jsonl or csv");
  flag("--json", parser.json, "the daemon's document as it is");
  flag("-q,--quiet", common.quiet, "say nothing beside the data");
  flag("-v,--verbose", common.verbose, "say more");
  value("--color", common.color, "auto, always or never (and NO_COLOR)");
  flag("--bytes", common.bytes, "raw numbers instead of GiB");
  flag("--no-header", common.no_header, "no line of column names");
  value("--timeout", parser.timeout, "how long to wait for an answer, such as 5s");
  flag("--local", common.local, "read this machine, do not ask the daemon");
  value("--url", common.url, "where the daemon answers: unix:///path or http://host:port");
  flag("-h,--help", parser.help, "this text");
  flag("--help-json", parser.help_json, "the same for programs");
  if (command_words_ == nullptr) {
    parser.described.push_back({"-w,--watch", "again every 2 s, or --watch=5s", false});
  }
  if (describing != nullptr) {
    *describing = {command_, parser.described, own, command_words_ != nullptr};
    return 0;
  }

  // What follows "--" is the command's, and no option of ours.
  Words after;
  bool split = false;
  if (const auto dashes = std::find(args.begin(), args.end(), "--");
      command_words_ != nullptr && dashes != args.end()) {
    after.assign(dashes + 1, args.end());
    args.erase(dashes, args.end());
    split = true;
  }
  if (command_words_ == nullptr) {
    const auto end = std::find(args.begin(), args.end(), "--");
    for (auto it = args.begin(); it != end; ++it) {
      if (!is_watch(*it)) continue;
      common.watch = kWatchDefault;
      if (const auto equals = it->find('='); equals != std::string::npos) {
        const auto every = settings::parse_duration(it->substr(equals + 1));
        if (!every) return report(every.error());
        common.watch = std::max(*every, kWatchLeast);
      }
    }
    args.erase(std::remove_if(args.begin(), end, is_watch), end);
  }

  Words typed = args;
  try {
    args = marked(std::move(args));
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    parser.app.parse(args);
    if (command_words_ != nullptr) {
      const auto rest = unmarked(parser.app.remaining());
      const bool strange = !rest.empty() && rest.front().size() > 1 && rest.front()[0] == '-';
      if (strange || (split && !rest.empty())) {
        return wrong(strange ? "there is no option " + rest.front()
                             : "'" + rest.front() + "' stands before --",
                     strange ? unknown_option(rest.front()) : "the command begins after --");
      }
      *command_words_ = split ? after : rest;
    }
  } catch (const CLI::ExtrasError&) {
    const auto rest = unmarked(parser.app.remaining());
    for (const auto& word : rest) {
      if (word.size() > 1 && word[0] == '-') {
        return wrong("there is no option " + word, unknown_option(word));
      }
    }
    return wrong("'" + (rest.empty() ? std::string() : rest.front()) + "' is one word too many",
                 "");
  } catch (const CLI::ArgumentMismatch& error) {
    return wrong("an option lacks its value", error.what());
  } catch (const CLI::ParseError& error) {
    return wrong("the options could not be read", error.what());
  }

  if (command_words_ != nullptr) {
    typed.resize(typed.size() - std::min(typed.size(), parser.app.remaining().size()));
  }
  if (const auto option = option_with_empty_value(parser.valued, typed); !option.empty()) {
    return wrong(option + " has an empty value", "what is not to be said is left out");
  }
  for (const auto& one : parser.valued) unmark(*one.to);
  if (words_ != nullptr) *words_ = unmarked(std::move(*words_));
  if (words_ != nullptr && words_->size() > most_words_) {
    return wrong("'" + (*words_)[most_words_] + "' is one word too many", "");
  }

  if (parser.help_json) {
    client::json::array list;
    for (const auto& one : parser.described) {
      list.push_back({{"names", one.names}, {"about", one.about}, {"value", one.takes_value}});
    }
    write_out(stdout,
              client::write_json({{"usage", "headroom " + command_}, {"options", list}}) + "\n");
    return 0;
  }
  if (parser.help) {
    std::string text = "headroom " + command_ + "\n\n" + help_ + "\noptions\n";
    for (std::size_t i = 0; i < parser.described.size(); ++i) {
      if (i == own) text += "everywhere\n";
      auto names = parser.described[i].names;
      if (const auto comma = names.find(','); comma != std::string::npos)
        names.insert(comma + 1, " ");
      names.resize(std::max<std::size_t>(names.size(), 24), ' ');
      text += "  " + names + "  " + parser.described[i].about + "\n";
    }
    write_out(stdout, text);
    return 0;
  }

  const bool given = parser.json || !parser.output.empty();
  if (parser.json) {
    parser.output = "json";
  } else if (!given) {
    parser.output = environment("HEADROOM_OUTPUT");
  }
  if (!parser.output.empty()) {
    const auto output = parse_output(parser.output);
    if (!output) return report(output.error());
    if (has_output(parser.output)) {
      common.output = *output;
    } else if (given) {
      std::string known = "table, wide";
      for (const char c : outputs_->empty() ? std::string() : "|" + *outputs_) {
        known += c == '|' ? std::string(", ") : std::string(1, c);
      }
      return wrong("headroom " + command_.substr(0, command_.find(' ')) + " has no output as " +
                       parser.output,
                   "it has " + known);
    }
  }
  if (common.color != "auto" && common.color != "always" && common.color != "never") {
    return wrong("--color takes auto, always or never", "'" + common.color + "' is none of them");
  }
  if (!parser.timeout.empty()) {
    const auto timeout = settings::parse_duration(parser.timeout);
    if (!timeout) return report(timeout.error());
    common.timeout = *timeout;
  }
  if (common.url.empty()) common.url = environment("HEADROOM_URL");
  if (common.url.empty()) common.url = "unix:///run/headroom/headroom.sock";
  return std::nullopt;
}

Style style_for(const Common& common, std::FILE* stream) {
  Style style;
  style.output = common.output;
  style.bytes = common.bytes || common.output == Output::csv;
  style.header = !common.no_header;
  const bool terminal = isatty(fileno(stream)) == 1;
  style.color = common.output != Output::csv &&
                (common.color == "always" ||
                 (common.color == "auto" && terminal && environment("NO_COLOR").empty() &&
                  environment("TERM") != "dumb"));
  if (terminal) {
    winsize size{};
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0) style.width = size.ws_col;
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  style.now = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  return style;
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_request:
      return 2;
    case ErrorKind::not_allowed:
      return 5;
    case ErrorKind::not_found:
      return 4;
    case ErrorKind::conflict:
      return 7;
    case ErrorKind::insufficient_resources:
    case ErrorKind::can_never_fit:
      return 3;
    case ErrorKind::too_many_requests:
      return 1;
    case ErrorKind::unavailable:
      return 6;
    case ErrorKind::timed_out:
      return 124;
    case ErrorKind::internal:
      return 1;
  }
  return 1;
}

std::string render_error(const Error& error) {
  std::string text = "headroom: " + error.what + "\n";
  const auto lines = [&](std::string_view part, const char* before) {
    while (!part.empty()) {
      const auto end = part.find('\n');
      text += before;
      text += part.substr(0, end);
      text += '\n';
      part = end == std::string_view::npos ? std::string_view() : part.substr(end + 1);
    }
  };
  lines(error.why, "  ");
  lines(error.help, "  try: ");
  return text;
}

int report(const Error& error) {
  write_out(stderr, render_error(error));
  return exit_code(error.kind);
}

int repeat(const Common& common, const std::function<int()>& once) {
  if (!common.watch) return once();
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  for (;;) {
    if (terminal) write_out(stdout, "\x1b[H\x1b[2J");
    if (const int code = once(); code != 0) return code;
    if (std::ferror(stdout) != 0) return 0;  // the reader has gone
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*common.watch);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(*common.watch - seconds);
    const timespec pause{seconds.count(), static_cast<long>(rest.count())};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace headroom::cli
