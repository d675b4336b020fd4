// Changing settings: the set file, and writing configurations.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "settings/file.hpp"
#include "settings/keys.hpp"
#include "settings/named.hpp"
#include "settings/parse.hpp"
#include "settings/settings.hpp"
#include "settings/toml.hpp"

namespace headroom::settings {

namespace {

constexpr std::size_t kMostChanges = 1000;  // kept in the set file
constexpr const char* kHeading =
    "# Set with: headroom config set KEY VALUE. Lies over /etc/headroom; the environment and the\n"
    "# daemon's flags lie over this. Take one back with: headroom config unset KEY\n";

/// What is in the set file now: key → value as TOML.
Result<std::map<std::string, std::string>> read_set(const std::string& path) {
  std::map<std::string, std::string> set;
  const auto content = read_file(path);
  if (!content) return tl::unexpected(content.error());
  if (!*content) return set;
  std::vector<std::string> problems;
  for (const Assignment& one : parse_toml(**content, path, problems)) {
    set[one.key] = one.value.toml();
  }
  if (!problems.empty()) {
    return fail(ErrorKind::invalid_request, "what was set before cannot be read", problems.front(),
                "mend or remove " + path);
  }
  return set;
}

tl::unexpected<Error> cannot_write(const std::string& path) {
  return fail(ErrorKind::unavailable, path + " cannot be written", std::strerror(errno),
              "the daemon needs to own its state folder");
}

Result<void> replace_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return cannot_write(fresh);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  const bool kept = done == text.size() && fsync(fd) == 0;
  if (close(fd) != 0 || !kept || rename(fresh.c_str(), path.c_str()) != 0) {
    const auto failure = cannot_write(path);
    unlink(fresh.c_str());
    return failure;
  }
  return {};
}

/// The value of `key` that `text` means, as TOML.
Result<std::string> as_toml(const std::string& key, const std::string& text) {
  Config scratch;
  const Value value{text == "\"\"" ? "" : text, true};  // an empty text takes a setting back
  if (const auto parts = split_named(key)) {
    for (const NamedKey& named : make_named_keys()) {
      if (named.prefix != parts->prefix || named.field != parts->field) continue;
      if (const auto problem = named.set(scratch, parts->name, value)) {
        return fail(ErrorKind::invalid_request, key + " = " + value.shown() + " " + *problem,
                    "allowed: " + named.allowed);
      }
      return named.get(scratch, parts->name).value_or("");
    }
  }
  std::vector<std::string_view> names;
  const std::vector<Key> keys = make_keys();
  for (const Key& one : keys) {
    names.push_back(one.name);
    if (one.name != key) continue;
    if (const auto problem = one.set(scratch, value)) {
      return fail(ErrorKind::invalid_request, key + " = " + value.shown() + " " + *problem,
                  "allowed: " + one.allowed);
    }
    return one.get(scratch);
  }
  const auto near = nearest(key, names);
  return fail(ErrorKind::not_found, "there is no setting " + key.substr(0, 100),
              near ? "did you mean " + *near + "?" : "", "headroom config lists them");
}

}  // namespace

Result<Loaded> change(const Input& input,
                      const std::vector<std::pair<std::string, std::string>>& changes) {
  auto now = load(input);
  if (!now) return now;
  auto set = read_set(now->set_file);
  if (!set) return tl::unexpected(set.error());
  for (const auto& [key, text] : changes) {
    if (text.empty()) {
      // To take back what does not exist is no mistake, unless there is no such key at all.
      const bool known = std::any_of(now->settings.begin(), now->settings.end(),
                                     [&](const Setting& one) { return one.key == key; });
      if (!known) return tl::unexpected(as_toml(key, "").error());
      set->erase(key);
      continue;
    }
    if (key == "state.dir" || key == "profile") {
      return fail(ErrorKind::invalid_request, key + " is not set this way",
                  "it decides where settings are read from, and stands in the configuration's file",
                  "write it into /etc/headroom/headroom.toml");
    }
    auto value = as_toml(key, text);
    // What the daemon runs and whom elsewhere it talks to is for whoever owns its files.
    const auto parts = split_named(key);
    if (value && parts && parts->prefix == "hooks" &&
        (parts->field == "run" || parts->field == "token_file" ||
         (parts->field == "url" && !is_loopback_url(text)))) {
      return fail(ErrorKind::invalid_request, key + " is not set this way",
                  parts->field == "url" ? "it leads to another machine"
                                        : "it stands in the configuration's file only",
                  "write it into a file in /etc/headroom/conf.d");
    }
    if (key == "sessions.roots" || key == "sessions.pattern") {
      return fail(
          ErrorKind::invalid_request, key + " is not set this way",
          "it decides which folders are removed, and stands in the configuration's file only",
          "write it into a file in /etc/headroom/conf.d");
    }
    if (!value) return tl::unexpected(value.error());
    (*set)[key] = std::move(*value);
  }
  if (set->size() > kMostChanges) {
    return fail(ErrorKind::invalid_request,
                "more than " + std::to_string(kMostChanges) + " settings are set", "",
                "write them into a file in /etc/headroom/conf.d");
  }
  std::string text = kHeading;
  for (const auto& [key, value] : *set) text += key + " = " + value + "\n";
  // Together with everything else they must still make a configuration.
  Input trial = input;
  trial.set_text = text;
  auto loaded = load(trial);
  if (!loaded) return loaded;
  if (auto done = replace_file(now->set_file, text); !done) return tl::unexpected(done.error());
  return load(input);
}

std::string canonical(const Loaded& loaded) {
  const std::vector<KeyInfo> built_in = keys();
  std::string out;
  for (const Setting& setting : loaded.settings) {
    const auto known = std::find_if(built_in.begin(), built_in.end(),
                                    [&](const KeyInfo& one) { return one.key == setting.key; });
    if (known != built_in.end() && known->built_in == setting.value) continue;
    out += setting.key + " = " + setting.value + "\n";
  }
  return out;
}

std::string defaults_text() {
  std::string out =
      "# Every setting with its built-in value. A file in /etc/headroom/conf.d needs only what\n"
      "# differs.\n";
  for (const KeyInfo& key : keys()) {
    out += "\n# " + key.about + "\n# " + key.allowed;
    if (!key.alias.empty()) out += "; also: " + key.alias;
    // Things that users name have no built-in ones.
    out += key.variable.empty() ? "\n# " + key.key + " = …\n"
                                : "\n" + key.key + " = " + key.built_in + "\n";
  }
  return out;
}

}  // namespace headroom::settings
