#include "daemon.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/client.hpp"

namespace headroom::load {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
constexpr std::size_t kLogShown = 4000;

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "VmHWM:    1234 kB" in bytes.
std::int64_t kibibytes(const std::string& status, const char* name) {
  const auto at = status.find(name);
  return at == std::string::npos
             ? 0
             : std::strtoll(status.c_str() + at + std::strlen(name), nullptr, 10) * 1024;
}

}  // namespace

Daemon::Daemon(std::string program, int port) : program_(std::move(program)), port_(port) {
  std::string name = fs::temp_directory_path() / "headroom-load-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  folder_ = name;
  fs::create_directory(state());
  std::ofstream(folder_ + "/headroom.toml");
}

Daemon::~Daemon() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Result<void> Daemon::start() {
  const std::vector<std::string> words = {
      program_, "--config", folder_ + "/headroom.toml",          "--socket", socket(), "--state",
      state(),  "--listen", "127.0.0.1:" + std::to_string(port_)};
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int out = open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(out, 1);
    dup2(out, 2);
    execv(arguments.front(), arguments.data());
    _exit(127);
  }
  close(out);
  const auto url = http::Url::parse("unix://" + socket());
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (running() && std::chrono::steady_clock::now() < end) {
    if (auto client = http::Client::connect(*url, 1s)) {
      const auto ready = client->request("GET", "/readyz", {}, {}, 1s);
      if (ready && ready->status == 200) return {};
    }
    std::this_thread::sleep_for(20ms);
  }
  return fail(ErrorKind::unavailable, "the daemon did not start", log());
}

bool Daemon::running() {
  if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

int Daemon::stop() {
  if (pid_ > 0) kill(pid_, SIGTERM);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (running()) {
    if (std::chrono::steady_clock::now() > end) return -1;
    std::this_thread::sleep_for(20ms);
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

Facts Daemon::facts() const {
  const std::string proc = "/proc/" + std::to_string(pid_);
  Facts facts;
  std::error_code error;
  for (fs::directory_iterator at(proc + "/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++facts.descriptors;
  }
  const std::string status = text_of(proc + "/status");
  facts.resident = kibibytes(status, "VmRSS:");
  facts.most_resident = kibibytes(status, "VmHWM:");
  for (fs::directory_iterator at(proc + "/task", error), end; !error && at != end;
       at.increment(error)) {
    std::istringstream times(text_of(at->path() / "schedstat"));
    double ran = 0;
    double waited = 0;
    times >> ran >> waited;
    facts.cpu += ran / 1e9;
    if (at->path().filename() == std::to_string(pid_)) {
      facts.loop_cpu = ran / 1e9;
      facts.loop_waited = waited / 1e9;
    }
  }
  return facts;
}

std::string Daemon::log() const {
  const std::string all = text_of(folder_ + "/log");
  return all.size() > kLogShown ? all.substr(all.size() - kLogShown) : all;
}

}  // namespace headroom::load
