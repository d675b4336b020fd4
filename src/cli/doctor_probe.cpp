#include "cli/doctor_probe.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include <sys/timex.h>
#include <unistd.h>

#include "act/hook.hpp"
#include "cli/units.hpp"
#include "client/json.hpp"
#include "http/client.hpp"
#include "sense/listener.hpp"
#include "settings/settings.hpp"

namespace headroom::cli {
namespace {

constexpr std::chrono::milliseconds kEnginesWithin{2400};  // all of them
constexpr std::chrono::milliseconds kHookWithin{2000};
constexpr std::chrono::milliseconds kWebhookWithin{3000};
constexpr std::size_t kMostShown = 8;  // models of one engine

/// "5.4G of GPU memory"; "" where it does not say.
std::string size_of(const act::Resident& resident) {
  if (resident.gpu_memory && *resident.gpu_memory > Bytes()) {
    return show_bytes(resident.gpu_memory->count()) + " of GPU memory";
  }
  if (resident.memory && *resident.memory > Bytes()) {
    return show_bytes(resident.memory->count()) + " of memory";
  }
  return {};
}

/// "holds llama3:8b (5.4G of GPU memory), phi3 (asleep)".
std::string holding(const std::vector<act::Resident>& residents) {
  if (residents.empty()) return "holds nothing";
  std::string text = "holds ";
  for (std::size_t i = 0; i < residents.size(); ++i) {
    if (i == kMostShown) {
      return text + " and " + std::to_string(residents.size() - kMostShown) + " more";
    }
    const act::Resident& one = residents[i];
    text += (i == 0 ? "" : ", ") + printable(one.name);
    std::string more = size_of(one);
    if (one.state != act::ResidentState::ready) {
      more += (more.empty() ? "" : ", ") + std::string(act::to_string(one.state));
    }
    if (one.busy == true) more += more.empty() ? "busy" : ", busy";
    if (!more.empty()) text += " (" + more + ")";
  }
  return text;
}

bool can_be_run(const std::string& program) {
  if (program.find('/') != std::string::npos) return access(program.c_str(), X_OK) == 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, end)) + "/" + program;
    if (end > 0 && access(file.c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

std::string who_listens(int port) {
  const auto listener = sense::read_listener(port);
  if (!listener) return {};
  const auto pid = sense::read_holder_of(listener->inode);
  if (!pid) return "a process of uid " + std::to_string(listener->uid);
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(*pid) + "/comm"), name);
  return "pid " + std::to_string(*pid) + " (" + printable(name) + ")";
}

std::vector<HookSetting> hooks_of(const client::json::value& config, std::string& why) {
  // Each value stands in the document as TOML has it.
  std::string toml;
  for (const auto& setting : client::list(config)) {
    const auto key = client::text(setting, "key");
    if (key.starts_with("hooks.")) toml += key + " = " + client::text(setting, "value") + "\n";
  }
  if (toml.empty()) return {};
  auto loaded = settings::load_text(toml, "/config");
  if (!loaded) {
    why = loaded.error().why.empty() ? loaded.error().what : loaded.error().why;
    return {};
  }
  return std::move(loaded->config.hooks);
}

Check check_hook(const HookSetting& hook) {
  const std::string title = "hooks." + printable(hook.name);
  const auto made = act::make_hook(hook);
  if (!made) {
    return {Check::Outcome::failed, title, printable(made.error().why), made.error().help};
  }
  if (hook.kind == HookKind::signal) {
    return {Check::Outcome::ok, title,
            "SIG" + hook.signal + " to the holder of a lease; nothing was sent", ""};
  }
  if (hook.kind == HookKind::command) {
    const std::string& program = hook.run.front();
    if (can_be_run(program)) {
      return {Check::Outcome::ok, title, printable(program) + " is there; it was not run", ""};
    }
    return {Check::Outcome::failed, title, printable(program) + " cannot be run",
            "look at " + title + ".run"};
  }
  const auto answer =
      (*made)->resident(std::chrono::steady_clock::now() + std::min(hook.timeout, kHookWithin));
  const std::string kind = act::to_string(*hook.kind);
  switch (answer.outcome) {
    case act::HookOutcome::answered:
      return {Check::Outcome::ok, title, kind + " answers; it " + holding(answer.residents), ""};
    case act::HookOutcome::refused:
      return {Check::Outcome::warn, title,
              kind + " does not tell what it holds: " + printable(answer.said), ""};
    default:
      break;
  }
  return {Check::Outcome::warn, title, kind + ": " + printable(answer.said),
          "start it, or look at " + title + ".url; docs/hooks.md"};
}

std::vector<Check> check_engines(const std::vector<HookSetting>& hooks) {
  std::vector<Check> checks;
  for (const auto& engine : act::probe_engines(std::chrono::steady_clock::now() + kEnginesWithin)) {
    const bool asked = std::any_of(hooks.begin(), hooks.end(), [&](const HookSetting& hook) {
      return hook.kind == engine.kind &&
             (hook.url.empty() ? act::usual_url(engine.kind) : hook.url) == engine.url;
    });
    if (asked) continue;
    checks.push_back({Check::Outcome::ok, act::to_string(engine.kind),
                      "answers on " + engine.url.substr(std::string_view("http://").size()) +
                          "; its memory is nobody's lease, and it can be asked to free some" +
                          (engine.note.empty() ? "" : " (not yet: " + engine.note + ")"),
                      "in headroom.toml: [hooks] " + engine.line});
  }
  return checks;
}

Check check_webhook(const std::string& name, const std::string& url) {
  const std::string title = "notify " + printable(name);
  if (url.empty()) {
    return {Check::Outcome::absent, title, "its address is kept in a file and not tried from here",
            ""};
  }
  // The address may hold a secret: only its host is said.
  auto parsed = http::Url::parse(url);
  if (!parsed && url.rfind("https://", 0) == 0) {
    auto plain = "http://" + url.substr(8);
    const auto slash = plain.find('/', 7);
    const auto host = plain.substr(7, slash == std::string::npos ? slash : slash - 7);
    if (host.rfind(':') == std::string::npos) plain = "http://" + host + ":443/";
    parsed = http::Url::parse(plain);
  }
  if (!parsed) return {Check::Outcome::failed, title, "its address is none", "headroom config"};
  const auto door = http::Client::connect(*parsed, kWebhookWithin);
  if (!door) {
    return {Check::Outcome::failed, title, "its host takes no connection: " + door.error().why,
            "look at notify." + printable(name) + ".url, and at the network"};
  }
  return {Check::Outcome::ok, title, "its host takes connections; nothing was sent", ""};
}

Check check_clock() {
  timex state{};
  const int code = adjtimex(&state);
  if (code < 0)
    return {Check::Outcome::absent, "clock", "the kernel does not say how it is set", ""};
  if ((state.status & STA_UNSYNC) != 0) {
    return {Check::Outcome::warn, "clock",
            "nobody keeps it right; times in events and histories may be wrong",
            "timedatectl set-ntp true, or what keeps the host's clock"};
  }
  return {Check::Outcome::ok, "clock", "is kept right", ""};
}

}  // namespace headroom::cli
