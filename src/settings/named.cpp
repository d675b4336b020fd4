#include "settings/named.hpp"

#include <algorithm>
#include <utility>

#include "settings/field.hpp"

namespace headroom::settings {

namespace {

constexpr const char* kModels = "models.catalogue";
constexpr const char* kComponents = "components";
constexpr const char* kHooks = "hooks";
constexpr const char* kNotify = "notify";

Problem check_text(const std::string& text) {
  if (text.size() > 4096) return "is too long";
  return {};
}

Problem check_url(const std::string& url) {
  if (!url.empty() && !url.starts_with("http://")) {
    return "does not begin with http://; for https let a command do it: run = [\"curl\", …]";
  }
  return check_text(url);
}

// What follows the scheme of an address is looked at once it is used: here only what would
// surprise.
Problem check_engine(const std::string& url) {
  if (url.empty()) return {};
  if (url.starts_with("https://")) {
    return "begins with https://, which headroom does not speak to others; let a command do it: "
           "run = [\"curl\", …]";
  }
  if (!url.starts_with("http://")) return "does not begin with http://";
  const std::string_view rest = std::string_view(url).substr(7);
  const std::string_view host = rest.substr(0, rest.find('/'));
  if (host.empty()) return "names no host";
  if (host.find('@') != std::string_view::npos) {
    return "has a name or a password in it; put the word that is wanted into a file, and name that "
           "with token_file";
  }
  if (rest.find_first_of(" ?#") != std::string_view::npos) {
    return "has a blank, a ? or a # in it; it is http://host:port/path";
  }
  return check_text(url);
}

// Those that ask. Killing is no asking.
Problem check_signal(const std::string& name) {
  for (const char* known : {"", "HUP", "INT", "USR1", "USR2", "TERM"}) {
    if (name == known) return {};
  }
  return "is none of HUP, INT, USR1, USR2, TERM";
}

Problem check_secret_file(const std::string& path) {
  if (!path.empty() && path.front() != '/') return "is not an absolute path";
  return check_text(path);
}

Problem check_level(const std::string& word) {
  if (word != "warning" && word != "critical" && word != "emergency") {
    return "is none of warning, critical, emergency";
  }
  return {};
}

// `List` gives the things of one kind in a Config.
template <class Target, class List>
void add(std::vector<NamedKey>& keys, const char* prefix, const char* name, List list,
         Field<Target> field, const char* about) {
  NamedKey key;
  key.prefix = prefix;
  key.field = name;
  key.allowed = field.allowed;
  key.about = about;
  const auto named = [](const std::string& wanted) {
    return [&wanted](const Target& one) { return one.name == wanted; };
  };
  key.set = [=](Config& config, const std::string& wanted, const Value& value) -> Problem {
    if (wanted.empty() || wanted.size() > 200) return "has a name that is not 1 to 200 bytes long";
    auto& all = list(config);
    auto found = std::find_if(all.begin(), all.end(), named(wanted));
    Target changed = found == all.end() ? Target{} : *found;
    changed.name = wanted;
    if (auto problem = field.set(changed, value)) return problem;
    if (found != all.end()) {
      *found = std::move(changed);
    } else if (all.size() < kMostNamed) {
      all.push_back(std::move(changed));
    } else {
      return "is one more than the " + std::to_string(kMostNamed) + " that may be named";
    }
    return {};
  };
  key.get = [=](const Config& config, const std::string& wanted) -> std::optional<std::string> {
    const auto& all = list(config);
    const auto found = std::find_if(all.begin(), all.end(), named(wanted));
    if (found == all.end()) return std::nullopt;
    return field.get(*found);
  };
  key.names = [=](const Config& config) {
    std::vector<std::string> names;
    for (const Target& one : list(config)) names.push_back(one.name);
    return names;
  };
  keys.push_back(std::move(key));
}

// Levels as a list of words.
Field<NotifyTarget> levels_field() {
  const auto words =
      texts<NotifyTarget>([](auto& t) -> auto& { return t.run; },
                          "a list of warning, critical and emergency", 3, check_level);
  return {words.allowed,
          [words](NotifyTarget& target, const Value& value) -> Problem {
            NotifyTarget as_words;
            if (auto problem = words.set(as_words, value)) return problem;
            target.levels.clear();
            for (const std::string& word : as_words.run) {
              target.levels.push_back(*parse_level(word));
            }
            return {};
          },
          [](const NotifyTarget& target) {
            std::vector<std::string> out;
            for (const Level level : target.levels) out.emplace_back(to_string(level));
            return toml_list(out);
          }};
}

bool is_bare(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

}  // namespace

std::vector<NamedKey> make_named_keys() {
  std::vector<NamedKey> keys;
// NOLINTNEXTLINE(bugprone-macro-parentheses): a member cannot stand in parentheses
#define HEADROOM_MEMBER(member) [](auto& c) -> auto& { return c.member; }
  using Model = CatalogueModel;
  const auto models = HEADROOM_MEMBER(models.catalogue);
  const Bytes most(1LL << 50);
  add(keys, kModels, "memory", models, bytes<Model>(HEADROOM_MEMBER(memory), Bytes(), most),
      "Memory that the model takes.");
  add(keys, kModels, "gpu_memory", models, bytes<Model>(HEADROOM_MEMBER(gpu_memory), Bytes(), most),
      "GPU memory that the model takes.");
  add(keys, kModels, "compute", models, number<Model>(HEADROOM_MEMBER(compute), 0, 99, ""),
      "The least compute capability it runs on.");
  add(keys, kModels, "batch", models, whole_number<Model>(HEADROOM_MEMBER(batch), 1, 1'000'000),
      "The batch size that is recommended for it.");
  add(keys, kModels, "notes", models, text<Model>(HEADROOM_MEMBER(notes), "text", check_text),
      "What else is known of it.");

  using Part = ComponentSetting;
  const auto components = HEADROOM_MEMBER(components);
  Words<std::string> priorities;
  for (const char* word : {"critical", "high", "normal", "low"})
    priorities.emplace_back(word, word);
  add(keys, kComponents, "priority", components,
      choice<Part>(HEADROOM_MEMBER(priority), priorities), "Who loses last.");
  add(keys, kComponents, "cpu", components,
      number<Part>(HEADROOM_MEMBER(cpu_percent), 0, 100, " (percent)"), "Its share of the CPU.");
  add(keys, kComponents, "memory", components, bytes<Part>(HEADROOM_MEMBER(memory), Bytes(), most),
      "Its share of memory.");

  using Asked = HookSetting;
  const auto hooks = HEADROOM_MEMBER(hooks);
  add(keys, kHooks, "kind", hooks,
      choice<Asked>(HEADROOM_MEMBER(kind), Words<HookKind>{{"ollama", HookKind::ollama},
                                                           {"comfyui", HookKind::comfyui},
                                                           {"llama-server", HookKind::llama_server},
                                                           {"llama-swap", HookKind::llama_swap},
                                                           {"vllm-sleep", HookKind::vllm_sleep},
                                                           {"http", HookKind::http},
                                                           {"command", HookKind::command},
                                                           {"signal", HookKind::signal}}),
      "Who is asked to free memory, or in which way.");
  add(keys, kHooks, "url", hooks, text<Asked>(HEADROOM_MEMBER(url), "http://…", check_engine),
      "Where it listens; left out, an engine's usual port on this machine.");
  add(keys, kHooks, "token_file", hooks,
      text<Asked>(HEADROOM_MEMBER(token_file), "an absolute path", check_secret_file),
      "A file with the word that it wants to hear (Authorization: Bearer).");
  add(keys, kHooks, "run", hooks,
      texts<Asked>(HEADROOM_MEMBER(run), "a list of words", 64, check_text),
      "The command that frees; {ask}, {model} and {bytes} in it are filled in.");
  add(keys, kHooks, "signal", hooks,
      text<Asked>(HEADROOM_MEMBER(signal), "HUP, INT, USR1, USR2, TERM", check_signal),
      "The signal that the lease's own processes get.");
  add(keys, kHooks, "level", hooks, whole_number<Asked>(HEADROOM_MEMBER(level), 1, 2),
      "How deep vLLM sleeps: 1 keeps the weights in memory, 2 forgets them.");
  add(keys, kHooks, "timeout", hooks,
      duration<Asked>(HEADROOM_MEMBER(timeout), std::chrono::milliseconds(100),
                      std::chrono::minutes(10)),
      "How long one ask may take.");

  const auto notify = HEADROOM_MEMBER(notify);
  add(keys, kNotify, "kind", notify,
      choice<NotifyTarget>(HEADROOM_MEMBER(kind),
                           Words<NotifyKind>{{"webhook", NotifyKind::webhook},
                                             {"command", NotifyKind::command},
                                             {"journal", NotifyKind::journal}}),
      "How somebody is told of alerts.");
  add(keys, kNotify, "url", notify, text<NotifyTarget>(HEADROOM_MEMBER(url), "http://…", check_url),
      "Where a webhook's POST goes.");
  add(keys, kNotify, "url_file", notify,
      text<NotifyTarget>(HEADROOM_MEMBER(url_file), "an absolute path", check_secret_file),
      "A file with that address, where it is a secret.");
  add(keys, kNotify, "run", notify,
      texts<NotifyTarget>(HEADROOM_MEMBER(run), "a list of words", 64, check_text),
      "The command that gets the alert as JSON on its input.");
  add(keys, kNotify, "levels", notify, levels_field(),
      "The levels somebody is told of; none means pressure.notify and above.");
#undef HEADROOM_MEMBER
  return keys;
}

std::optional<NamedParts> split_named(std::string_view key) {
  for (const char* prefix : {kModels, kComponents, kHooks, kNotify}) {
    const std::string_view begin = prefix;
    if (!key.starts_with(begin) || key.size() <= begin.size() + 1 || key[begin.size()] != '.') {
      continue;
    }
    std::string_view rest = key.substr(begin.size() + 1);
    NamedParts parts;
    parts.prefix = prefix;
    if (rest.front() == '"') {
      std::size_t at = 1;
      for (; at < rest.size() && rest[at] != '"'; ++at) {
        if (rest[at] == '\\' && at + 1 < rest.size()) ++at;
        parts.name += rest[at];
      }
      if (at + 2 >= rest.size() || rest[at + 1] != '.') return std::nullopt;
      parts.field = rest.substr(at + 2);
    } else {
      const std::size_t dot = rest.find('.');
      if (dot == std::string_view::npos) return std::nullopt;
      parts.name = rest.substr(0, dot);
      parts.field = rest.substr(dot + 1);
    }
    if (parts.name.empty() || parts.field.empty()) return std::nullopt;
    return parts;
  }
  return std::nullopt;
}

std::string quote_part(std::string_view name) {
  if (is_bare(name)) return std::string(name);
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string join_named(const NamedParts& parts) {
  return parts.prefix + "." + quote_part(parts.name) + "." + parts.field;
}

namespace {

void find_hook_conflicts(const Config& config, std::vector<Conflict>& conflicts) {
  for (const HookSetting& hook : config.hooks) {
    const auto key = [&](const char* field) { return join_named({kHooks, hook.name, field}); };
    const auto complain = [&](const char* field, const std::string& what) {
      conflicts.push_back({{key(field)}, "hooks." + quote_part(hook.name) + " " + what});
    };
    if (!hook.kind) {
      // Said where the first field that is there stands.
      const char* field = !hook.url.empty()          ? "url"
                          : !hook.run.empty()        ? "run"
                          : !hook.signal.empty()     ? "signal"
                          : !hook.token_file.empty() ? "token_file"
                          : hook.level != 1          ? "level"
                                                     : "timeout";
      complain(field,
               "has no kind (ollama, comfyui, llama-server, llama-swap, vllm-sleep, http, command "
               "or signal)");
      continue;
    }
    const bool talks = hook.kind != HookKind::command && hook.kind != HookKind::signal;
    if (hook.kind == HookKind::http && hook.url.empty()) complain("kind", "is http without url");
    if (hook.kind == HookKind::command && hook.run.empty()) {
      complain("kind", "is a command without run");
    }
    if (hook.kind == HookKind::command && !hook.run.empty() && hook.run.front().empty()) {
      complain("run", "runs nothing: its first word is empty");
    }
    if (hook.kind == HookKind::signal && hook.signal.empty()) {
      complain("kind", "is a signal, and signal does not say which");
    }
    if (!talks && !hook.url.empty()) complain("url", "has a url that nobody would use");
    if (!talks && !hook.token_file.empty()) {
      complain("token_file", "has a token_file that nobody would use");
    }
    if (hook.kind != HookKind::command && !hook.run.empty()) {
      complain("run", "has run, which only a command has");
    }
    if (hook.kind != HookKind::signal && !hook.signal.empty()) {
      complain("signal", "has signal, which only the kind signal has");
    }
  }
}

}  // namespace

bool is_loopback_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  url = url.substr(0, url.find('/'));
  if (url.starts_with("[::1]")) return url.size() == 5 || url[5] == ':';
  const std::string_view host = url.substr(0, url.find(':'));
  return host == "localhost" || is_loopback_v4(host);
}

void find_named_conflicts(const Config& config, std::vector<Conflict>& conflicts) {
  find_hook_conflicts(config, conflicts);
  for (const NotifyTarget& target : config.notify) {
    const auto key = [&](const char* field) { return join_named({kNotify, target.name, field}); };
    const bool has_url = !target.url.empty() || !target.url_file.empty();
    if (target.kind == NotifyKind::webhook && !has_url) {
      conflicts.push_back(
          {{key("kind")},
           "notify." + quote_part(target.name) + " is a webhook without url or url_file"});
    }
    if (!target.url.empty() && !target.url_file.empty()) {
      conflicts.push_back(
          {{key("url"), key("url_file")},
           "notify." + quote_part(target.name) + " has both url and url_file; leave one out"});
    }
    if (target.kind == NotifyKind::command && target.run.empty()) {
      conflicts.push_back(
          {{key("kind")}, "notify." + quote_part(target.name) + " is a command without run"});
    }
  }
}

}  // namespace headroom::settings
