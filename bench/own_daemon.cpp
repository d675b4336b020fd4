#include "bench/own_daemon.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace headroom::bench {

std::string beside_this_program(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? name : (self.parent_path() / name).string();
}

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket >= 0 &&
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  if (socket >= 0) ::close(socket);
  return -1;
}

OwnDaemon::OwnDaemon(const std::string& program) : program_(program) {
  char folder[] = "/tmp/headroom-bench.XXXXXX";
  if (::mkdtemp(folder) == nullptr) return;
  folder_ = folder;
  const std::string configuration = folder_ + "/headroom.toml";
  if (std::FILE* file = std::fopen(configuration.c_str(), "w"); file != nullptr) std::fclose(file);
  const std::string where = socket();
  const std::string state = folder_ + "/state";
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(0);
  // What it says is shown only when it does not start.
  (void)!std::freopen((folder_ + "/log").c_str(), "w", stderr);
  ::execl(program_.c_str(), program_.c_str(), "--config", configuration.c_str(), "--socket",
          where.c_str(), "--state", state.c_str(), "--listen", "", static_cast<char*>(nullptr));
  std::fprintf(stderr, "%s: %s\n", program_.c_str(), std::strerror(errno));
  ::_exit(127);
}

bool OwnDaemon::serves() {
  for (int i = 0; i < 1000 && pid_ > 0; ++i) {
    if (const int connected = connect_to(socket()); connected >= 0) {
      ::close(connected);
      return true;
    }
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      break;
    }
    ::poll(nullptr, 0, 10);
  }
  std::fprintf(stderr, "headroom-bench: %s did not start\n", program_.c_str());
  if (std::FILE* log = std::fopen((folder_ + "/log").c_str(), "r"); log != nullptr) {
    for (char line[512]; std::fgets(line, sizeof line, log) != nullptr;)
      std::fprintf(stderr, "  %s", line);
    std::fclose(log);
  }
  return false;
}

OwnDaemon::~OwnDaemon() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace headroom::bench
