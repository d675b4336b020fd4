#include "runtime/helper_process.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::runtime {

pid_t start_helper(const std::string& program, const std::vector<std::string>& arguments,
                   const std::vector<int>& descriptors) {
  // Moved away first, so that none of them is in the way when the child's own are filled.
  constexpr int kOutOfTheWay = 16;
  std::vector<int> moved;
  int problem = 0;
  for (const int fd : descriptors) {
    const int far = ::fcntl(fd, F_DUPFD_CLOEXEC, kOutOfTheWay);
    if (far < 0) problem = errno;
    moved.push_back(far);
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  int next = kHelperDescriptor;
  for (const int fd : moved) ::posix_spawn_file_actions_adddup2(&actions, fd, next++);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, next);
  // Ctrl-C in the daemon's terminal is for the daemon, and its signal handlers are not the
  // helper's.
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> words;
  words.push_back(const_cast<char*>(program.c_str()));
  for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  if (problem == 0) {
    problem = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, words.data(), environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  for (const int fd : moved) {
    if (fd >= 0) ::close(fd);
  }
  return problem == 0 ? pid : -problem;
}

}  // namespace headroom::runtime
