// A job for the tests: does what its words say, one after the other.
//
//   say TEXT        a line on stdout             touch N        allocates and writes N MiB
//   print NAME      NAME=value of a variable     stamp F WORD   appends "WORD ns" (monotonic) to F
//   sleep MS        waits                        until F        waits until F is there
//   catch N         on signal N: says "got N"    exit N         ends with N
//   grow N          allocates and writes N MiB more again and again, until somebody ends it
//
// Whatever happens it ends after two minutes, and `until` ends it when the folder of F is gone: no
// failed test leaves it behind.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr unsigned kLongestLife = 120;  // seconds

void line(const std::string& text) {
  const std::string whole = text + "\n";
  if (write(STDOUT_FILENO, whole.data(), whole.size()) < 0) _exit(98);
}

void caught(int number) { line("got " + std::to_string(number)); }

void touch(std::size_t mebibytes) {
  const std::size_t size = mebibytes << 20U;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) _exit(97);
  std::memset(memory, 1, size);
}

void stamp(const char* path, const char* word) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::string text = std::string(word) + " " +
                           std::to_string(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec) +
                           "\n";
  const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text.data(), text.size()) < 0) _exit(96);
  close(fd);
}

void rest(long milliseconds) {
  timespec left{milliseconds / 1000, (milliseconds % 1000) * 1'000'000};
  while (nanosleep(&left, &left) < 0 && errno == EINTR) {
  }
}

void until(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  while (access(path.c_str(), F_OK) != 0) {
    if (access(folder.c_str(), F_OK) != 0) _exit(99);
    rest(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  alarm(kLongestLife);
  for (int i = 1; i < argc; ++i) {
    const std::string_view verb = argv[i];
    const char* word = i + 1 < argc ? argv[++i] : "";
    const int number = std::atoi(word);
    if (verb == "say") {
      line(word);
    } else if (verb == "print") {
      const char* value = std::getenv(word);
      line(std::string(word) + "=" + (value != nullptr ? value : "(unset)"));
    } else if (verb == "touch") {
      touch(static_cast<std::size_t>(number));
    } else if (verb == "grow") {
      for (;;) touch(static_cast<std::size_t>(number));
    } else if (verb == "stamp") {
      stamp(word, i + 1 < argc ? argv[++i] : "");
    } else if (verb == "sleep") {
      rest(number);
    } else if (verb == "until") {
      until(word);
    } else if (verb == "catch") {
      std::signal(number, caught);
    } else if (verb == "exit") {
      return number;
    } else {
      std::fprintf(stderr, "no such word: %s\n", argv[i]);
      return 95;
    }
  }
  return 0;
}
