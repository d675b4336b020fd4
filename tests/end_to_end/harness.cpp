#include "harness.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <openapi/schema_check.hpp>

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::end_to_end {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr std::chrono::milliseconds kLookAgain{2};

/// In the child of a fork, where only what is safe after it may be called.
struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::string program;
  int in = -1;
  int out = -1;
  int err = -1;
  bool terminal = false;
  int group = -1;  ///< the tasks file of a control group
  uid_t uid = 0;
  std::string folder;
};

[[noreturn]] void become(const Prepared& p) {
  if (p.terminal) {
    setsid();
    ioctl(p.in, TIOCSCTTY, 0);
  } else {
    setpgid(0, 0);  // a ^C at the tests' own terminal is theirs
  }
  if (p.group >= 0 && write(p.group, "0", 1) != 1) _exit(90);
  dup2(p.in, 0);
  dup2(p.out, 1);
  dup2(p.err, 2);
  if (p.uid != 0 && (setgroups(0, nullptr) != 0 || setgid(p.uid) != 0 || setuid(p.uid) != 0)) {
    _exit(91);
  }
  if (!p.folder.empty() && chdir(p.folder.c_str()) != 0) _exit(92);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  execvpe(p.program.c_str(), p.argv.data(), p.environment.data());
  _exit(93);
}

/// The group itself; or the leaf that a daemon has made below it for itself, once the group has
/// those of the jobs too: on v2 such a one may have no processes.
std::string entry_of(const std::string& group) {
  std::error_code none;
  for (const auto& below : fs::directory_iterator(group, none)) {
    if (below.path().filename().string().ends_with("-daemon")) return below.path();
  }
  return group;
}

/// Behind this mark in /proc/self/cgroup: ":memory:" of v1, "0::" of v2.
std::string own_group(const std::string& mark) {
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find(mark);
    if (at != std::string::npos) return line.substr(at + mark.size());
  }
  return {};
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = fs::temp_directory_path() / "headroom-e2e-XXXXXX";
  path_ = mkdtemp(pattern.data());
  chmod(path_.c_str(), 0755);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

bool eventually(const std::function<bool()>& is_so, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (is_so()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
}

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// ------------------------------------------------------------------------------------- programs

Program::Program(const Words& words, const StartOptions& options) {
  Prepared p;
  p.program = words.front();
  p.uid = options.uid;
  p.folder = options.folder;
  p.terminal = options.terminal;
  for (const auto& word : words) p.argv.push_back(const_cast<char*>(word.c_str()));
  p.argv.push_back(nullptr);
  Variables variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view one = *entry;
    const auto equals = one.find('=');
    if (equals == std::string_view::npos || one.starts_with("HEADROOM_")) continue;
    variables[std::string(one.substr(0, equals))] = one.substr(equals + 1);
  }
  variables["XDG_STATE_HOME"] = folder_.path();
  variables["XDG_CONFIG_HOME"] = folder_.path();
  variables["LC_ALL"] = "C.UTF-8";
  for (const auto& [name, text] : options.variables) variables[name] = text;
  std::vector<std::string> lines;
  lines.reserve(variables.size());
  for (const auto& [name, text] : variables) lines.push_back(name + "=" + text);
  for (auto& line : lines) p.environment.push_back(line.data());
  p.environment.push_back(nullptr);

  if (options.terminal) {
    terminal_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    grantpt(terminal_);
    unlockpt(terminal_);
    std::array<char, 64> name{};
    ptsname_r(terminal_, name.data(), name.size());
    p.in = open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    p.out = p.err = p.in;
    const winsize size{50, 200, 0, 0};
    ioctl(terminal_, TIOCSWINSZ, &size);
  } else {
    p.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    p.out = open(folder_.file("out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    p.err = open(folder_.file("err").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  if (!options.memory_group.empty()) {
    p.group =
        open((entry_of(options.memory_group) + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  }
  pid_ = fork();
  if (pid_ == 0) become(p);
  for (const int fd : {p.in, p.group}) {
    if (fd >= 0) close(fd);
  }
  if (!options.terminal) {
    close(p.out);
    close(p.err);
  }
}

Program::~Program() {
  kill_and_reap();
  if (terminal_ >= 0) close(terminal_);
}

bool Program::running() {
  if (reaped_) return false;
  if (waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  return !reaped_;
}

void Program::signal(int number) const {
  if (!reaped_ && pid_ > 0) kill(pid_, number);
}

void Program::kill_and_reap() {
  if (reaped_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

Outcome Program::finish(std::chrono::milliseconds patience) {
  Outcome outcome;
  const bool ended = eventually(
      [this] {
        take_terminal();  // a full terminal would hold it
        return !running();
      },
      patience);
  if (ended) outcome.code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  outcome.out = out();
  outcome.err = err();
  return outcome;
}

void Program::take_terminal() {
  if (terminal_ < 0) return;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = read(terminal_, buffer.data(), buffer.size());
    if (n <= 0) return;
    shown_.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

std::string Program::out() {
  take_terminal();
  return terminal_ >= 0 ? shown_ : read_text(folder_.file("out"));
}

std::string Program::err() {
  take_terminal();
  return terminal_ >= 0 ? shown_ : read_text(folder_.file("err"));
}

bool Program::says(std::string_view what, std::chrono::milliseconds patience) {
  return eventually([&] { return out().find(what) != std::string::npos; }, patience);
}

bool Program::complains(std::string_view what, std::chrono::milliseconds patience) {
  return eventually([&] { return err().find(what) != std::string::npos; }, patience);
}

void Program::type(std::string_view keys) const { send_all(terminal_, keys); }

SmallMachine::SmallMachine(std::int64_t mebibytes) {
  static int count = 0;
  const auto own = own_group(":memory:");
  const auto name = "/headroom-e2e-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  const auto limit = std::to_string(mebibytes * kMiB);
  if (!own.empty()) {
    const auto path = "/sys/fs/cgroup/memory" + own + name;
    if (mkdir(path.c_str(), 0755) != 0) return;
    group_ = home_ = path;
    write_text(path + "/memory.limit_in_bytes", limit);
    return;
  }
  constexpr const char* kLeaf = "/home";
  const auto above = "/sys/fs/cgroup" + own_group("0::");
  for (const char* controller : {"+memory", "+cpu", "+pids"}) {
    write_text(above + "/cgroup.subtree_control", controller);
  }
  const std::string path = above + name;
  if (mkdir(path.c_str(), 0755) != 0) return;
  if (access((path + "/memory.max").c_str(), W_OK) != 0 ||
      mkdir((path + kLeaf).c_str(), 0755) != 0) {
    rmdir(path.c_str());
    return;
  }
  group_ = path;
  home_ = path + kLeaf;
  write_text(path + "/memory.max", limit);
  for (const char* controller : {"+memory", "+cpu", "+pids"}) {
    write_text(path + "/cgroup.subtree_control", controller);
  }
}

SmallMachine::~SmallMachine() {
  if (group_.empty()) return;
  // What the daemon left below is empty once its jobs are gone.
  eventually(
      [this] {
        std::error_code ignored;
        std::vector<fs::path> below;
        for (const auto& entry : fs::recursive_directory_iterator(group_, ignored)) {
          if (entry.is_directory(ignored)) below.push_back(entry.path());
        }
        for (auto it = below.rbegin(); it != below.rend(); ++it) rmdir(it->c_str());
        return rmdir(group_.c_str()) == 0 || errno == ENOENT;
      },
      5s);
}

// ---------------------------------------------------------------------------------- the daemon

DaemonOptions simulated_gpus(const std::string& gpus) {
  DaemonOptions options;
  options.variables = {{"HEADROOM_SAMPLE__GPU", "sim"}, {"HEADROOM_SAMPLE__GPU_SIM", gpus}};
  return options;
}

Daemon::Daemon(DaemonOptions options) : options_(std::move(options)) {
  write_text(file("headroom.toml"), options_.configuration);
  for (const char* name : {"run", "state"}) {
    mkdir(file(name).c_str(), 0755);
    if (options_.uid != 0 && chown(file(name).c_str(), options_.uid, options_.uid) != 0) {
      ADD_FAILURE() << "cannot give " << name << " away";
    }
  }
}

Daemon::~Daemon() {
  if (!program_) return;
  // Jobs that still run would keep their control groups, and no daemon comes back for those.
  for (const char* name : {"over", "go"}) write_text(file(name), "");
  if (program_->running()) {
    eventually([this] { return list(get("/api/v1/leases")).empty(); }, 2s);
    stop();
  }
  launch();  // a start sweeps what the last moment left
  if (serves()) stop();
}

void Daemon::launch() {
  StartOptions start;
  start.variables = options_.variables;
  start.memory_group = options_.memory_group;
  start.uid = options_.uid;
  program_.reset();  // one at a time
  program_ = std::make_unique<Program>(
      options_.wrapper +
          Words{HEADROOM_DAEMON, "--config", file("headroom.toml"), "--socket", socket(), "--state",
                state(), "--listen", options_.listen} +
          options_.arguments,
      start);
}

bool Daemon::serves() {
  return eventually(
             [this] { return ask("GET", "/healthz").status == 200 || !program_->running(); }) &&
         program_->running();
}

bool Daemon::start() {
  launch();
  if (serves()) return true;
  ADD_FAILURE() << "headroomd does not serve:\n" << program_->err();
  return false;
}

Outcome Daemon::stop() {
  program_->signal(SIGTERM);
  return program_->finish();
}

void Daemon::kill_and_reap() { program_->kill_and_reap(); }

namespace {

// Holds every answer of every test against what the program promises in /openapi.json, which is the
// same for all its daemons.
void hold_to_contract(http::Client& client, std::string_view method, const std::string& target,
                      const Answer& answer) {
  static std::unique_ptr<openapi::Contract> contract;
  if (!contract) {
    auto got = client.request("GET", "/openapi.json", "", {}, kPatience);
    if (!got || got->status != 200) return;  // it has gone meanwhile; the next answer asks again
    contract = std::make_unique<openapi::Contract>(json::parse(got->body));
  }
  std::string type;
  for (const auto& [name, text] : answer.headers) {
    if (http::same_word(name, "content-type")) type = text;
  }
  for (const auto& mistake : contract->mistakes(method, target, answer.status, type, answer.body)) {
    ADD_FAILURE() << mistake;
  }
}

}  // namespace

Answer Daemon::ask(std::string_view method, const std::string& target, const std::string& body,
                   std::span<const http::Header> headers) {
  Answer answer;
  auto client = http::Client::connect(*http::Url::parse(url()), kPatience);
  if (!client) return answer;
  auto got = client->request(method, target, body, headers, kPatience);
  if (!got) return answer;
  answer.status = got->status;
  answer.body = std::move(got->body);
  answer.headers = std::move(got->headers);
  if (auto parsed = client::parse_json(answer.body)) answer.json = std::move(*parsed);
  hold_to_contract(*client, method, target, answer);
  return answer;
}

value Daemon::room(const std::string& resource) {
  const auto all = get("/api/v1/room");
  for (const auto& item : list(all)) {
    if (text(item, "resource") == resource) return item;
  }
  return {};
}

value Daemon::lease(const std::string& name) {
  const auto all = get("/api/v1/leases");
  for (const auto& item : list(all)) {
    if (text(item, "name") == name) return item;
  }
  return {};
}

bool Daemon::lease_is(const std::string& name, const std::string& state,
                      std::chrono::milliseconds patience) {
  return eventually([&] { return text(lease(name), "state") == state; }, patience);
}

bool Daemon::lease_ends(const std::string& name, std::chrono::milliseconds patience) {
  return eventually(
      [&] {
        const auto all = ask("GET", "/api/v1/leases");
        if (all.status != 200) return false;
        for (const auto& item : list(all.json)) {
          if (text(item, "name") == name) return false;
        }
        return true;
      },
      patience);
}

std::unique_ptr<Program> Daemon::command(const Words& words, StartOptions options) const {
  options.variables.emplace("HEADROOM_URL", url());
  return std::make_unique<Program>(Words{HEADROOM_COMMAND} + words, options);
}

Outcome Daemon::run(const Words& words, const StartOptions& options) const {
  return command(words, options)->finish();
}

Outcome headroomd(const Words& words, const StartOptions& options) {
  return Program(Words{HEADROOM_DAEMON} + words, options).finish();
}

Words job(const Words& words) { return Words{HEADROOM_JOB} + words; }

Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// --------------------------------------------------------------------------------- connections

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int port = 0;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  close(fd);
  return port;
}

int connect_unix(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

int connect_tcp(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = isatty(fd) == 1 ? write(fd, bytes.data(), bytes.size())
                                   : send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string receive(int fd, std::string_view end, std::chrono::milliseconds patience) {
  std::string got;
  const auto until = std::chrono::steady_clock::now() + patience;
  std::array<char, 4096> buffer{};
  while (got.find(end) == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd one{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&one, 1, static_cast<int>(left.count())) <= 0) break;
    const auto n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    got.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return got;
}

}  // namespace headroom::end_to_end
