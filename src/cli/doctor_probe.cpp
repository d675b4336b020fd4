#include "cli/doctor_probe.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <sys/timex.h>
#include <unistd.h>

#include "cli/units.hpp"
#include "client/json.hpp"
#include "http/client.hpp"

namespace headroom::cli {
namespace {

constexpr std::chrono::milliseconds kWithin{400};
constexpr std::chrono::milliseconds kWebhookWithin{3000};
constexpr std::size_t kMostFile = 8U << 20;

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  std::array<char, 65536> buffer{};
  while (text.size() < kMostFile && (in.read(buffer.data(), buffer.size()) || in.gcount() > 0)) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  return text;
}

/// The words of a line.
std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto from = line.find_first_not_of(" \t");
    if (from == std::string_view::npos) break;
    line.remove_prefix(from);
    const auto to = line.find_first_of(" \t");
    words.push_back(line.substr(0, to));
    if (to == std::string_view::npos) break;
    line.remove_prefix(to);
  }
  return words;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The process that has this socket open, where its files may be seen.
std::string holder_of(std::uint64_t inode) {
  const auto wanted = "socket:[" + std::to_string(inode) + "]";
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    const auto name = process.path().filename().string();
    if (!number_of<int>(name)) continue;
    std::error_code closed;
    for (const auto& file : std::filesystem::directory_iterator(process.path() / "fd", closed)) {
      std::error_code gone;
      if (std::filesystem::read_symlink(file.path(), gone).string() != wanted) continue;
      auto comm = read_whole("/proc/" + name + "/comm");
      while (!comm.empty() && comm.back() == '\n') comm.pop_back();
      return "pid " + name + " (" + printable(comm) + ")";
    }
  }
  return {};
}

struct Engine {
  const char* name;
  int port;
  const char* path;
  const char* sign;  ///< in the answer's body; says that it is this one
  const char* command;
};

// Each one's own page that says who it is.
constexpr std::array<Engine, 4> kEngines{
    {{"Ollama", 11434, "/api/version", "\"version\"", "ollama serve"},
     {"vLLM", 8000, "/v1/models", "\"vllm\"", "vllm serve MODEL"},
     {"ComfyUI", 8188, "/system_stats", "comfyui_version", "python main.py"},
     {"llama-server", 8080, "/props", "default_generation_settings", "llama-server -m MODEL"}}};

}  // namespace

std::optional<Listener> parse_listener(std::string_view text, int port) {
  constexpr std::string_view kListening = "0A";
  bool heading = true;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (std::exchange(heading, false)) continue;
    const auto words = split(line);
    if (words.size() < 10 || words[3] != kListening) continue;
    const auto colon = words[1].rfind(':');
    if (colon == std::string_view::npos) continue;
    if (number_of<int>(words[1].substr(colon + 1), 16) != port) continue;
    const auto uid = number_of<std::int64_t>(words[7]);
    const auto inode = number_of<std::uint64_t>(words[9]);
    if (uid && inode) return Listener{*inode, *uid};
  }
  return std::nullopt;
}

std::string who_listens(int port) {
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const auto listener = parse_listener(read_whole(path), port);
    if (!listener) continue;
    const auto holder = holder_of(listener->inode);
    return holder.empty() ? "a process of uid " + std::to_string(listener->uid) : holder;
  }
  return {};
}

std::vector<Check> check_engines() {
  std::vector<Check> checks;
  for (const auto& engine : kEngines) {
    const auto url = http::Url::parse("http://127.0.0.1:" + std::to_string(engine.port));
    if (!url) continue;
    auto door = http::Client::connect(*url, kWithin);
    if (!door) continue;
    const auto answer = door->request("GET", engine.path, {}, {}, kWithin);
    if (!answer || answer->status != 200 || answer->body.find(engine.sign) == std::string::npos) {
      continue;
    }
    checks.push_back({Check::Outcome::ok, engine.name,
                      "answers on 127.0.0.1:" + std::to_string(engine.port) +
                          "; its memory counts as used by nobody's lease unless it is booked",
                      std::string("headroom run --gpu-mem SIZE -- ") + engine.command});
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
