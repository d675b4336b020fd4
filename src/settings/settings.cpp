#include "settings/settings.hpp"

#include <algorithm>
#include <utility>

#include "settings/file.hpp"
#include "settings/keys.hpp"
#include "settings/parse.hpp"
#include "settings/toml.hpp"

namespace headroom::settings {

namespace {

constexpr std::size_t kMostProblems = 20;
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
  Loader() : keys_(make_keys()), origins_(keys_.size(), kBuiltIn) {}

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
        if (found != environment.end()) add_plain(key.name, found->second, alias);
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

  void add_flag(const Flag& flag) { add_known({flag.key, Value{flag.value, true}, flag.name}); }

  Result<Loaded> finish() {
    apply_profile();
    for (const Assignment& assignment : assignments_) apply(assignment);
    if (problems_.empty()) cross_check();
    if (!problems_.empty()) return refuse();

    Loaded loaded;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      loaded.settings.push_back({keys_[i].name, keys_[i].get(config_), origins_[i],
                                 join(keys_[i].aliases, ", "), keys_[i].about});
    }
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
    if (const Key* key = find(assignment.key)) {
      assignment.key = key->name;
      assignments_.push_back(std::move(assignment));
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

  std::string origin_of(const std::string& name) const {
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
  std::vector<std::string> origins_;  // beside keys_
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
  return all;
}

std::vector<std::string> profiles() {
  std::vector<std::string> names;
  for (const Profile& profile : make_profiles()) names.push_back(profile.name);
  return names;
}

}  // namespace headroom::settings
