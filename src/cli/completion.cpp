#include "cli/completion.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <headroom/pressure.hpp>

namespace headroom::cli {
namespace {

using Kind = Candidates::Kind;

constexpr const char* kHelp =
    "  headroom completion bash > ~/.local/share/bash-completion/completions/headroom\n"
    "  headroom completion zsh > ~/.zfunc/_headroom        with fpath+=~/.zfunc before compinit\n"
    "  headroom completion fish > ~/.config/fish/completions/headroom.fish\n";

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || c == '_' || c == '-';
  });
}

std::vector<std::string> resources() {
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(Resource::network); ++i) {
    names.emplace_back(to_string(static_cast<Resource>(i)));
  }
  return names;
}

/// The words of "gpu, mem, cpu or io" and "add: low or high (…)"; none where it is no closed list.
std::vector<std::string> choices_in(std::string about) {
  if (const auto colon = about.find(": "); colon != std::string::npos) about.erase(0, colon + 2);
  about.resize(std::min(about.size(), about.find(" (")));
  const auto last = about.find(" or ");
  if (last == std::string::npos) return {};
  about.replace(last, 4, ", ");
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= about.size();) {
    const auto end = std::min(about.find(", ", at), about.size());
    words.push_back(about.substr(at, end - at));
    if (!is_word(words.back())) return {};
    at = end + 2;
  }
  return words;
}

Candidates values_of(const std::vector<std::string>& names, const std::string& about) {
  for (const auto& name : names) {
    if (name == "--gpu" || name == "--device") return {Kind::gpus, {}};
    if (name == "--lease" || name == "--parent") return {Kind::leases, {}};
    if (name == "--user") return {Kind::users, {}};
    if (name == "--resource") return {Kind::none, resources()};
    if (name == "--model") return {Kind::models, {}};
    if (name == "--component") return {Kind::components, {}};
    if (name == "--file" || name == "--output-file" || name == "--disk-path" ||
        name == "--model-file") {
      return {Kind::files, {}};
    }
  }
  return {Kind::none, choices_in(about)};
}

/// What a word in capitals of a usage stands for.
Candidates argument_of(const std::string& command, std::string_view word) {
  while (!word.empty() && (word.front() == '[' || word.front() == '\'')) word.remove_prefix(1);
  while (!word.empty() && (word.back() == ']' || word.back() == '\'')) word.remove_suffix(1);
  if (word == "ID" && command == "lease") return {Kind::leases, {}};
  if (word == "NAME" && command == "model") return {Kind::models, {}};
  if (word == "NAME" &&
      (command == "component" || command == "quota" || command == "resource-management")) {
    return {Kind::components, {}};
  }
  if (word == "ID" && command == "alert") return {Kind::alerts, {}};
  if (word == "ID" && command == "gpu") return {Kind::gpus, {}};
  if (word == "KEY") return {Kind::settings, {}};
  if (word == "FILE") return {Kind::files, {}};
  if (word == "RESOURCE" || word == "RES") return {Kind::none, resources()};
  if (word == "COMMAND" && command == "help") {
    Candidates all;
    for (const auto& one : commands()) all.words.emplace_back(one.name);
    return all;
  }
  return {};
}

/// The alternatives of "[ls|show ID|check [FILE]]": cut at the bars of the outermost brackets.
std::vector<std::string> alternatives(std::string_view text) {
  if (text.starts_with('[')) {
    int depth = 0;
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
      if (text[end] == '[') ++depth;
      if (text[end] == ']' && --depth == 0) break;
    }
    text = text.substr(1, end - 1);
  }
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '[') ++depth;
    if (c == ']') --depth;
    if (c == '|' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

void read_usage(const std::string& usage, Shape& shape) {
  const auto space = usage.find(' ');
  if (space == std::string::npos || shape.runs_command) return;
  for (const auto& part : alternatives(std::string_view(usage).substr(space + 1))) {
    const auto begin = std::min(part.find_first_not_of(' '), part.size());
    const auto end = std::min(part.find(' ', begin), part.size());
    const auto first = part.substr(begin, end - begin);
    const auto rest = part.substr(std::min(end + 1, part.size()));
    const auto second = rest.substr(0, rest.find(' '));
    if (is_word(first)) {
      shape.verbs.push_back({first, argument_of(shape.name, second)});
    } else if (shape.words.kind == Kind::none && shape.words.words.empty()) {
      shape.words = argument_of(shape.name, first);
    }
  }
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

/// `text` in single quotes.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

/// The command that prints what a kind stands for, first column first; "" where a shell knows.
const char* source_of(Kind kind) {
  switch (kind) {
    case Kind::leases:
      return "lease";
    case Kind::models:
      return "model";
    case Kind::components:
      return "component";
    case Kind::alerts:
      return "alert";
    case Kind::gpus:
      return "gpu";
    case Kind::settings:
      return "config";
    case Kind::none:
    case Kind::users:
    case Kind::files:
      return "";
  }
  return "";
}

constexpr const char* kAsk = " -q -o csv --no-header --timeout 1s 2>/dev/null | cut -d, -f1";

std::string head_of(const std::string& shell) {
  return "# Completion of headroom for " + shell + ". Made by \"headroom completion " + shell +
         "\": do not edit.\n";
}

// --- bash

std::string bash_reply(const Candidates& candidates) {
  switch (candidates.kind) {
    case Kind::users:
      return "COMPREPLY=($(compgen -u -- \"$cur\"))";
    case Kind::files:
      return "compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Kind::none:
      return "COMPREPLY=($(compgen -W " + quoted(joined(candidates.words)) + " -- \"$cur\"))";
    case Kind::leases:
    case Kind::models:
    case Kind::components:
    case Kind::alerts:
    case Kind::gpus:
    case Kind::settings:
      break;
  }
  return "COMPREPLY=($(compgen -W \"$(_headroom_ask " + std::string(source_of(candidates.kind)) +
         ")\" -- \"$cur\"))";
}

std::string bash(const std::vector<Shape>& shapes) {
  std::string commands, takers, values, words, options, runners;
  const auto label = [](const Shape& shape) {
    return shape.plural.empty() ? shape.name : shape.name + "|" + shape.plural;
  };
  const auto patterns = [](const std::string& before, const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : "|") + before + name;
    return text;
  };
  bool everywhere = false;
  for (const auto& shape : shapes) {
    commands += (commands.empty() ? "" : " ") + shape.name;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < shape.options.size(); ++i) {
      const auto& option = shape.options[i];
      names.insert(names.end(), option.names.begin(), option.names.end());
      if (!option.takes_value) continue;
      // Those of every command stand once.
      if (i >= shape.own && everywhere) continue;
      const auto before = i < shape.own ? shape.name + ":" : std::string("*:");
      takers += "    " + patterns(before, option.names) + ") return 0 ;;\n";
      if (option.values.kind == Kind::none && option.values.words.empty()) {
        values += "    " + patterns(before, option.names) + ") return ;;\n";
      } else {
        values += "    " + patterns(before, option.names) + ") " + bash_reply(option.values) +
                  "; return ;;\n";
      }
    }
    everywhere = everywhere || shape.options.size() > shape.own;
    options += "    " + label(shape) + ") options=" + quoted(joined(names)) + " ;;\n";
    if (shape.runs_command) runners += (runners.empty() ? "" : "|") + label(shape);
    std::vector<std::string> verbs;
    for (const auto& verb : shape.verbs) verbs.push_back(verb.word);
    if (!verbs.empty()) {
      words += "    " + shape.name + ":) " + bash_reply({Kind::none, verbs}) + " ;;\n";
    } else if (shape.words.kind != Kind::none || !shape.words.words.empty()) {
      words += "    " + shape.name + ":) " + bash_reply(shape.words) + " ;;\n";
    }
    for (const auto& verb : shape.verbs) {
      if (verb.after.kind == Kind::none && verb.after.words.empty()) continue;
      words += "    " + shape.name + ":" + verb.word + ") " + bash_reply(verb.after) + " ;;\n";
    }
  }
  std::string plurals;
  for (const auto& shape : shapes) {
    if (!shape.plural.empty()) {
      plurals += "    " + shape.plural + ") command=" + shape.name + " ;;\n";
    }
  }
  return head_of("bash") + "_headroom_ask() { headroom \"$@\"" + kAsk +
         "; }\n"
         "# Whether the option $2 of the command $1 takes a value.\n"
         "_headroom_takes_value() {\n"
         "  case \"$1:$2\" in\n" +
         takers +
         "  esac\n"
         "  return 1\n"
         "}\n"
         "_headroom() {\n"
         "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
         "  local command= verb= options= word i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    word=\"${COMP_WORDS[i]}\"\n"
         "    case \"$command\" in\n"
         "    " +
         (runners.empty() ? std::string("-") : runners) +
         ")\n"
         "      if [[ $word == -- || $word != -* ]]; then\n"
         "        [[ $word == -- ]] && ((++i))\n"
         "        if declare -F _comp_command_offset >/dev/null; then _comp_command_offset \"$i\"\n"
         "        elif declare -F _command_offset >/dev/null; then _command_offset \"$i\"\n"
         "        else COMPREPLY=($(compgen -c -f -- \"$cur\")); fi\n"
         "        return\n"
         "      fi ;;\n"
         "    esac\n"
         "    if [[ $word == -* ]]; then\n"
         "      _headroom_takes_value \"$command\" \"$word\" && ((++i))\n"
         "    elif [[ -z $command ]]; then\n"
         "      command=\"$word\"\n"
         "    elif [[ -z $verb ]]; then\n"
         "      verb=\"$word\"\n"
         "    fi\n"
         "    case \"$command\" in\n" +
         (plurals.empty() ? "    -) ;;\n" : plurals) +
         "    esac\n"
         "  done\n"
         "  case \"$command:$prev\" in\n" +
         values +
         "  esac\n"
         "  if [[ $cur == -* ]]; then\n"
         "    case \"${command:-status}\" in\n" +
         options +
         "    esac\n"
         "    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  if [[ -z $command ]]; then\n"
         "    COMPREPLY=($(compgen -W " +
         quoted(commands) +
         " -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"$command:$verb\" in\n" +
         words +
         "  esac\n"
         "}\n"
         "complete -F _headroom headroom\n";
}

// --- zsh

/// Text inside of the brackets and between the colons of _arguments.
std::string zsh_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_action(const Candidates& candidates) {
  switch (candidates.kind) {
    case Kind::users:
      return "_users";
    case Kind::files:
      return "_files";
    case Kind::none:
      return candidates.words.empty() ? " " : "(" + joined(candidates.words) + ")";
    case Kind::leases:
    case Kind::models:
    case Kind::components:
    case Kind::alerts:
    case Kind::gpus:
    case Kind::settings:
      break;
  }
  return "_headroom_ask " + std::string(source_of(candidates.kind));
}

std::string zsh_option(const Shape::Option& option) {
  const auto about = "[" + zsh_text(option.about) + "]";
  const auto value = option.takes_value ? ":value:" + zsh_action(option.values) : "";
  std::string text;
  for (const auto& name : option.names) {
    const auto alone = option.names.size() > 1 ? "(" + joined(option.names) + ")" : "";
    text += " \\\n      " + quoted(alone + name + about + value);
  }
  return text;
}

std::string zsh(const std::vector<Shape>& shapes) {
  std::string text = "#compdef headroom\n" + head_of("zsh");
  text += "_headroom_ask() {\n  local -a values\n  values=(${(f)\"$(headroom \"$@\"" +
          std::string(kAsk) + ")\"})\n  compadd -a values\n}\n";
  text +=
      "_headroom() {\n  local curcontext=\"$curcontext\" state line\n  typeset -A opt_args\n"
      "  local -a commands\n  commands=(\n";
  for (const auto& shape : shapes) {
    text += "    " + quoted(shape.name + ":" + zsh_text(shape.about)) + "\n";
  }
  text +=
      "  )\n  _arguments -C '1:command:->command' '*::word:->words'\n  case $state in\n"
      "  command) _describe command commands ;;\n  words)\n    case $words[1] in\n";
  for (const auto& shape : shapes) {
    text += "    " + shape.name + (shape.plural.empty() ? "" : "|" + shape.plural) +
            ")\n      _arguments -s";
    for (const auto& option : shape.options) text += zsh_option(option);
    if (shape.runs_command) {
      text += " \\\n      '(-)1:command:_command_names -e' '*::arguments:_normal'";
    } else if (!shape.verbs.empty()) {
      std::vector<std::string> verbs;
      for (const auto& verb : shape.verbs) verbs.push_back(verb.word);
      text += " \\\n      " + quoted("1:word:(" + joined(verbs) + ")") + " '2:word:->second'";
    } else if (shape.words.kind != Kind::none || !shape.words.words.empty()) {
      text += " \\\n      " + quoted("1:word:" + zsh_action(shape.words));
    }
    text += "\n";
    std::string seconds;
    for (const auto& verb : shape.verbs) {
      if (verb.after.kind == Kind::none && verb.after.words.empty()) continue;
      const bool list = verb.after.kind == Kind::none;
      seconds += "        " + verb.word + ") " +
                 (list ? "compadd -- " + joined(verb.after.words) : zsh_action(verb.after)) +
                 " ;;\n";
    }
    if (!seconds.empty()) {
      text += "      if [[ $state == second ]]; then\n        case $line[1] in\n" + seconds +
              "        esac\n      fi\n";
    }
    text += "      ;;\n";
  }
  text +=
      "    esac ;;\n  esac\n}\n"
      "if [[ $funcstack[1] == _headroom ]]; then _headroom \"$@\"; else compdef _headroom "
      "headroom; fi\n";
  return text;
}

// --- fish

std::string fish_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string fish_values(const Candidates& candidates) {
  switch (candidates.kind) {
    case Kind::users:
      return " -xa '(__fish_complete_users)'";
    case Kind::files:
      return " -rF";
    case Kind::none:
      return candidates.words.empty() ? " -x" : " -xa " + fish_quoted(joined(candidates.words));
    case Kind::leases:
    case Kind::models:
    case Kind::components:
    case Kind::alerts:
    case Kind::gpus:
    case Kind::settings:
      break;
  }
  return " -xa '(__headroom_ask " + std::string(source_of(candidates.kind)) + ")'";
}

std::string fish_option(const std::string& condition, const Shape::Option& option) {
  std::string text = "complete -c headroom" + condition;
  for (const auto& name : option.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (option.takes_value) text += fish_values(option.values);
  return text + " -d " + fish_quoted(option.about) + "\n";
}

std::string fish(const std::vector<Shape>& shapes) {
  std::string text = head_of("fish") + "function __headroom_ask\n  headroom $argv" + kAsk +
                     "\nend\ncomplete -c headroom -f\n";
  for (const auto& shape : shapes) {
    text += "complete -c headroom -n __fish_use_subcommand -a " + shape.name + " -d " +
            fish_quoted(shape.about) + "\n";
  }
  bool everywhere = false;
  for (const auto& shape : shapes) {
    const auto name = shape.plural.empty() ? shape.name : shape.name + " " + shape.plural;
    const auto seen = " -n '__fish_seen_subcommand_from " + name + "'";
    for (std::size_t i = 0; i < shape.options.size(); ++i) {
      if (i < shape.own) {
        text += fish_option(seen, shape.options[i]);
      } else if (!everywhere) {
        text += fish_option("", shape.options[i]);
      }
    }
    everywhere = everywhere || shape.options.size() > shape.own;
    std::vector<std::string> verbs;
    for (const auto& verb : shape.verbs) verbs.push_back(verb.word);
    if (!verbs.empty()) {
      text += "complete -c headroom -n '__fish_seen_subcommand_from " + name +
              "; and not __fish_seen_subcommand_from " + joined(verbs) + "' -a " +
              fish_quoted(joined(verbs)) + "\n";
    } else if (shape.words.kind != Kind::none || !shape.words.words.empty()) {
      text += "complete -c headroom" + seen + fish_values(shape.words) + "\n";
    }
    for (const auto& verb : shape.verbs) {
      if (verb.after.kind == Kind::none && verb.after.words.empty()) continue;
      text += "complete -c headroom -n '__fish_seen_subcommand_from " + name +
              "; and __fish_seen_subcommand_from " + verb.word + "'" + fish_values(verb.after) +
              "\n";
    }
    if (shape.runs_command) {
      text += "complete -c headroom" + seen + " -xa '(__fish_complete_subcommand)'\n";
    }
  }
  return text;
}

}  // namespace

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const auto& command : commands()) {
    const auto description = describe(command.run);
    Shape shape;
    shape.name = command.name;
    shape.plural = command.plural;
    shape.about = command.about;
    shape.own = description.own;
    shape.runs_command = description.runs_command;
    for (const auto& one : description.options) {
      Shape::Option option;
      for (std::size_t at = 0; at <= one.names.size();) {
        const auto end = std::min(one.names.find(',', at), one.names.size());
        option.names.push_back(one.names.substr(at, end - at));
        at = end + 1;
      }
      option.about = one.about;
      option.takes_value = one.takes_value;
      if (one.takes_value) option.values = values_of(option.names, one.about);
      shape.options.push_back(std::move(option));
    }
    read_usage(description.usage, shape);
    all.push_back(std::move(shape));
  }
  return all;
}

std::string completion_for(const std::string& shell, const std::vector<Shape>& shapes) {
  if (shell == "bash") return bash(shapes);
  if (shell == "zsh") return zsh(shapes);
  if (shell == "fish") return fish(shapes);
  return {};
}

int completion_command(Words words) {
  Options options("completion [bash|zsh|fish]", kHelp);
  Common common;
  Words shells;
  options.words("shell", shells, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const auto script = shells.empty() ? std::string() : completion_for(shells.front(), shapes());
  if (script.empty()) {
    return report(Error{ErrorKind::invalid_request,
                        shells.empty() ? "completion needs a shell"
                                       : "there is no completion for '" + shells.front() + "'",
                        "", "headroom completion bash, zsh or fish"});
  }
  write_out(stdout, script);
  return 0;
}

}  // namespace headroom::cli
