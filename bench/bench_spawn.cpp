#include "bench/bench_spawn.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/timing.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::bench {

int bench_spawn(std::span<char*> arguments) {
  bool ns = false;
  int rounds = 300;
  std::size_t i = 0;
  for (; i < arguments.size() && std::string_view(arguments[i]) != "--"; ++i) {
    const std::string_view word = arguments[i];
    if (word == "--ns") {
      ns = true;
    } else if (word == "-n" && i + 1 < arguments.size() && std::atoi(arguments[i + 1]) > 0) {
      rounds = std::atoi(arguments[++i]);
    } else {
      break;
    }
  }
  if (i + 1 >= arguments.size() || std::string_view(arguments[i]) != "--") {
    std::fprintf(stderr, "usage: headroom-bench spawn [--ns] [-n COUNT] -- COMMAND [WORD…]\n");
    return 2;
  }
  char** command = &arguments[i + 1];  // argv ends in a null, and so does this part of it
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  int problem = 0;
  int failed = 0;
  const auto times = Times::of(rounds, [&](int) {
    pid_t child = 0;
    if (const int error = ::posix_spawnp(&child, command[0], &actions, nullptr, command, environ);
        error != 0) {
      problem = error;
      return;
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) ++failed;
  });
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem != 0 || failed > 0) {
    std::fprintf(stderr, "headroom-bench: %s: %s\n", command[0],
                 problem != 0 ? std::strerror(problem) : "it ended with an exit code other than 0");
    return 1;
  }
  std::printf("%s as a process: min %" PRId64 " ns, median %" PRId64 " ns, p99 %" PRId64 " ns\n",
              command[0], times.least(), times.median(), times.p99());
  if (ns) std::printf("%" PRId64 "\n", times.median());
  return 0;
}

}  // namespace headroom::bench
