#include "settings/settings.hpp"

#include <algorithm>
#include <utility>

#include "settings/file.hpp"
#include "settings/keys.hpp"
#include "settings/named.hpp"
#include "settings/parse.hpp"
#include "settings/toml.hpp"

namespace headroom::settings {

namespace {

constexpr std::size_t kMostProblems = 20;
constexpr const char* kSetFile = "set.toml";
constexpr const char* kBuiltIn = "built-in";
constexpr std::string_view kPrefix = "HEADROOM_";

std::string cut(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return text.size() > 80 ? out + "…" : out;
}

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// Gathers from all sources first, since the last of them may choose the profile that lies under
// all of them; then applies in order.
class Loader {
 public:
  Loader() : keys_(make_keys()), named_(make_named_keys()), origins_(keys_.size(), kBuiltIn) {}

  void add_file(const std::string& path, bool asked_for) {
    const auto content = read_file(path);
    if (!content) {
      complain(content.error().why);
    } else if (*content) {
      files_.push_back(path);
      add_text(**content, path);
    } else if (asked_for) {
      complain(path + ": no such file");
    }
  }

  void add_folder(const std::string& path) {
    const auto found = read_folder(path);
    if (!found) {
      complain(found.error().why);
      return;
    }
    for (const std::string& file : *found) add_file(file, true);
  }

  void add_text(std::string_view toml, const std::string& name) {
    std::vector<std::string> problems;
    for (Assignment& assignment : parse_toml(toml, name, problems)) {
      add_known(std::move(assignment));
    }
    for (std::string& problem : problems) complain(std::move(problem));
  }

  void add_environment(const std::map<std::string, std::string>& environment) {
    for (const Key& key : keys_) {
      for (const std::string& alias : key.aliases) {
        const auto found = environment.find(alias);
        if (found == environment.end()) continue;
        add_plain(key.name, key.alias_is_fraction ? as_percent(found->second) : found->second,
                  alias);
      }
    }
    std::vector<std::string> variables;
    for (const Key& key : keys_) variables.push_back(variable_of(key.name));
    const std::vector<std::string_view> views(variables.begin(), variables.end());
    for (const auto& [name, value] : environment) {
      if (!name.starts_with(kPrefix)) continue;
      const auto known = std::find(variables.begin(), variables.end(), name);
      if (known != variables.end()) {
        add_plain(keys_[static_cast<std::size_t>(known - variables.begin())].name, value, name);
      } else if (name.find("__") != std::string::npos) {
        complain(cut(name) + ": no key has this variable" + did_you_mean(name, views));
      } else if (const auto meant = nearest(name.substr(kPrefix.size()), top_level(views))) {
        // Not surely ours: HEADROOM_LEASE and others are no keys.
        warnings_.push_back("the variable " + cut(name) + " is no key; did you mean " +
                            std::string(kPrefix) + *meant + "?");
      }
    }
  }

  /// What was set through the daemon: it lies in the state's folder, which only the other sources
  /// say, and beneath the environment and the flags.
  void add_set_file(const std::string& root, const std::string& flag_dir,
                    const std::optional<std::string>& set_text) {
    std::string dir = flag_dir;
    for (const Assignment& assignment : assignments_) {
      const auto* text = std::get_if<std::string>(&assignment.value.data);
      if (flag_dir.empty() && assignment.key == "state.dir" && text != nullptr) dir = root + *text;
    }
    if (dir.empty()) dir = root + config_.state.dir;
    set_file_ = dir + "/" + kSetFile;
    if (set_text) {
      add_text(*set_text, set_file_);
    } else {
      add_file(set_file_, false);
    }
  }

  void add_flag(const Flag& flag) { add_known({flag.key, Value{flag.value, true}, flag.name}); }

  Result<Loaded> finish() {
    apply_profile();
    for (const Assignment& assignment : assignments_) apply(assignment);
    if (problems_.empty()) cross_check();
    if (!problems_.empty()) return refuse();

    Loaded loaded;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      loaded.settings.push_back({keys_[i].name, keys_[i].get(config_), origins_[i],
                                 join(keys_[i].aliases, ", "), keys_[i].about, keys_[i].at_start});
    }
    std::string last;
    for (const NamedKey& kind : named_) {
      if (kind.prefix == last) continue;
      last = kind.prefix;
      for (const std::string& name : kind.names(config_)) add_named_settings(last, name, loaded);
    }
    loaded.set_file = std::move(set_file_);
    loaded.config = std::move(config_);
    loaded.warnings = std::move(warnings_);
    loaded.files = std::move(files_);
    return loaded;
  }

 private:
  static std::vector<std::string_view> top_level(const std::vector<std::string_view>& variables) {
    std::vector<std::string_view> names;
    for (const std::string_view variable : variables) {
      if (variable.find("__") == std::string_view::npos) {
        names.push_back(variable.substr(kPrefix.size()));
      }
    }
    return names;
  }

  // "0.85" as "85"; what is no number is left for the key to refuse.
  static std::string as_percent(const std::string& text) {
    const auto fraction = plain_number(text);
    return fraction ? number_text(*fraction * 100) : text;
  }

  void add_named_settings(const std::string& prefix, const std::string& name, Loaded& loaded) {
    for (const NamedKey& key : named_) {
      if (key.prefix != prefix) continue;
      const std::string full = join_named({prefix, name, key.field});
      const auto origin = named_origins_.find(full);
      loaded.settings.push_back({full, key.get(config_, name).value_or(""),
                                 origin == named_origins_.end() ? kBuiltIn : origin->second, "",
                                 key.about, false});
    }
  }

  // Keys of the same alias are set together.
  std::vector<const Key*> find_all(std::string_view name) const {
    std::vector<const Key*> found;
    if (const Key* key = find(name); key != nullptr && key->name == name) return {key};
    for (const Key& key : keys_) {
      for (const std::string& alias : key.aliases) {
        if (alias == name && alias.find('.') != std::string::npos) found.push_back(&key);
      }
    }
    return found;
  }

  const NamedKey* find_named(const NamedParts& parts) const {
    for (const NamedKey& key : named_) {
      if (key.prefix == parts.prefix && key.field == parts.field) return &key;
    }
    return nullptr;
  }

  const Key* find(std::string_view name) const {
    for (const Key& key : keys_) {
      if (key.name == name) return &key;
      // Aliases without a dot are variables, and no keys of a file.
      for (const std::string& alias : key.aliases) {
        if (alias == name && alias.find('.') != std::string::npos) return &key;
      }
    }
    return nullptr;
  }

  void complain(std::string problem) {
    if (++problem_count_ <= kMostProblems) problems_.push_back(std::move(problem));
  }

  void add_plain(const std::string& key, const std::string& value, const std::string& origin) {
    assignments_.push_back({key, Value{value, true}, origin});
  }

  void add_known(Assignment assignment) {
    const auto found = find_all(assignment.key);
    const auto named = found.empty() ? split_named(assignment.key) : std::nullopt;
    if (!found.empty()) {
      for (const Key* key : found) {
        assignments_.push_back({key->name, assignment.value, assignment.origin});
      }
    } else if (named && find_named(*named) != nullptr) {
      assignment.key = join_named(*named);
      assignments_.push_back(std::move(assignment));
    } else if (named) {
      std::vector<std::string_view> fields;
      std::string all;
      for (const NamedKey& key : named_) {
        if (key.prefix != named->prefix) continue;
        fields.push_back(key.field);
        all += (all.empty() ? "" : ", ") + key.field;
      }
      complain(assignment.origin + ": unknown key " + cut(assignment.key) +
               did_you_mean(named->field, fields) + " (" + named->prefix + " has " + all + ")");
    } else {
      // Looking for what was meant costs time, and only the first few are shown.
      const bool shown = problem_count_ < kMostProblems;
      complain(assignment.origin + ": unknown key " + cut(assignment.key) +
               (shown ? hint(assignment.key) : ""));
    }
  }

  // What somebody who wrote an unknown key may have wanted.
  std::string hint(const std::string& written) const {
    std::vector<std::string_view> same_ending;
    std::vector<std::string_view> names;
    const std::string ending = "." + written.substr(written.rfind('.') + 1);
    for (const Key& key : keys_) {
      if (key.name.starts_with(written + ".")) {
        return " (a table, not a value; it holds for example " + key.name + ")";
      }
      if (written.starts_with(key.name + ".")) return " (" + key.name + " is a value, not a table)";
      if (key.name.ends_with(ending)) same_ending.push_back(key.name);
      names.push_back(key.name);
      for (const std::string& alias : key.aliases) {
        if (alias.find('.') != std::string::npos) names.push_back(alias);
      }
    }
    std::string near = did_you_mean(written, names);
    if (near.empty() && same_ending.size() == 1) {
      near = ", did you mean " + std::string(same_ending[0]) + "?";
    }
    return near;
  }

  void apply_profile() {
    std::string name;
    for (const Assignment& assignment : assignments_) {
      const auto* text = std::get_if<std::string>(&assignment.value.data);
      if (assignment.key == "profile" && text != nullptr) name = *text;
    }
    for (const Profile& profile : make_profiles()) {
      if (profile.name != name) continue;
      for (const auto& [key, value] : profile.values) {
        apply({key, Value{value, true}, "profile " + name});
      }
    }
  }

  void apply(const Assignment& assignment) {
    if (const auto named = split_named(assignment.key)) return apply_named(assignment, *named);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i].name != assignment.key) continue;
      if (const auto problem = keys_[i].set(config_, assignment.value)) {
        complain(assignment.origin + ": " + assignment.key + " = " + assignment.value.shown() +
                 " " + *problem + "; allowed: " + keys_[i].allowed);
      } else {
        origins_[i] = assignment.origin;
      }
    }
  }

  void apply_named(const Assignment& assignment, const NamedParts& parts) {
    const NamedKey* key = find_named(parts);
    if (key == nullptr) return;
    if (const auto problem = key->set(config_, parts.name, assignment.value)) {
      complain(assignment.origin + ": " + assignment.key + " = " + assignment.value.shown() + " " +
               *problem + "; allowed: " + key->allowed);
    } else {
      named_origins_[assignment.key] = assignment.origin;
    }
  }

  std::string origin_of(const std::string& name) const {
    if (const auto named = named_origins_.find(name); named != named_origins_.end()) {
      return named->second;
    }
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i].name == name) return origins_[i];
    }
    return kBuiltIn;
  }

  void cross_check() {
    for (const Conflict& conflict : find_conflicts(config_)) {
      std::vector<std::string> origins;
      for (const std::string& key : conflict.keys) origins.push_back(origin_of(key));
      complain(join(origins, " and ") + ": " + conflict.problem);
    }
    const bool simulated = config_.sample.gpu == GpuSource::sim;
    if (simulated && config_.sample.gpu_sim.empty()) {
      warnings_.push_back("sample.gpu is \"sim\" and sample.gpu_sim is empty: there is no GPU");
    } else if (!simulated && !config_.sample.gpu_sim.empty()) {
      warnings_.push_back("sample.gpu_sim has no effect, because sample.gpu is not \"sim\"");
    }
  }

  Result<Loaded> refuse() const {
    std::string lines = join(problems_, "\n");
    if (problem_count_ > kMostProblems) {
      lines += "\nand " + std::to_string(problem_count_ - kMostProblems) + " more";
    }
    return fail(ErrorKind::invalid_request,
                problem_count_ == 1
                    ? "a problem in the configuration"
                    : std::to_string(problem_count_) + " problems in the configuration",
                lines, "correct what is named, then look with: headroom config check");
  }

  std::vector<Key> keys_;
  std::vector<NamedKey> named_;
  std::vector<std::string> origins_;  // beside keys_
  std::map<std::string, std::string> named_origins_;
  std::string set_file_;
  Config config_;
  std::vector<Assignment> assignments_;
  std::vector<std::string> problems_;  // the first kMostProblems
  std::size_t problem_count_ = 0;
  std::vector<std::string> warnings_;
  std::vector<std::string> files_;
};

std::string value_in(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

}  // namespace

Result<Loaded> load(const Input& input) {
  Loader loader;
  const std::string etc = input.root + "/etc/headroom";
  if (input.config_file) {
    loader.add_file(*input.config_file, true);
  } else {
    loader.add_file(etc + "/headroom.toml", false);
  }
  loader.add_folder(etc + "/conf.d");
  if (input.for_command) {
    std::string home = value_in(input.environment, "XDG_CONFIG_HOME");
    if (!home.starts_with('/')) {  // relative ones are to be ignored, as the XDG rules say
      home = value_in(input.environment, "HOME");
      if (home.starts_with('/')) home += "/.config";
    }
    if (home.starts_with('/')) {
      loader.add_file(input.root + home + "/headroom/headroom.toml", false);
    }
  }
  std::string state_dir;
  for (const Flag& flag : input.flags) {
    if (flag.key == "state.dir") state_dir = flag.value;
  }
  if (const std::string variable = value_in(input.environment, "HEADROOM_STATE__DIR");
      state_dir.empty() && !variable.empty()) {
    state_dir = variable;
  }
  loader.add_set_file(input.root, state_dir.empty() ? "" : input.root + state_dir, input.set_text);
  loader.add_environment(input.environment);
  if (input.profile) loader.add_flag({"--profile", "profile", *input.profile});
  for (const Flag& flag : input.flags) loader.add_flag(flag);
  return loader.finish();
}

Result<Loaded> load_text(std::string_view toml, const std::string& name) {
  Loader loader;
  if (toml.size() > kLargestFile) {
    return fail(ErrorKind::invalid_request, "a problem in the configuration",
                name + ": larger than 1 MiB; this is no configuration");
  }
  loader.add_text(toml, name);
  return loader.finish();
}

std::vector<KeyInfo> keys() {
  const Config built_in;
  std::vector<KeyInfo> all;
  for (const Key& key : make_keys()) {
    all.push_back({key.name, key.allowed, key.get(built_in), variable_of(key.name),
                   join(key.aliases, ", "), key.about});
  }
  for (const NamedKey& key : make_named_keys()) {
    all.push_back({key.prefix + ".NAME." + key.field, key.allowed, "", "", "", key.about});
  }
  return all;
}

std::vector<std::string> profiles() {
  std::vector<std::string> names;
  for (const Profile& profile : make_profiles()) names.push_back(profile.name);
  return names;
}

}  // namespace headroom::settings
