// Removing a folder with many small files, beside `rm -rf` of the same one in the same run.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/folder.hpp"

namespace headroom::act {
namespace {

namespace fs = std::filesystem;

constexpr int kFilesPerFolder = 1000;

/// A root with `session_x`, where TMPDIR is.
class Root {
 public:
  Root() {
    std::string path = (fs::temp_directory_path() / "headroom-bench-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = fs::canonical(path);
  }
  ~Root() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  /// `bytes`: in each file; 0 where the disk should have nothing to do but forget names.
  void fill(std::int64_t files, std::int64_t bytes) const {
    const std::string text(static_cast<std::size_t>(bytes), 'x');
    const fs::path top = path_ / "session_x";
    for (std::int64_t i = 0; i < files; i += kFilesPerFolder) {
      const fs::path folder = top / ("d" + std::to_string(i));
      fs::create_directories(folder);
      const int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
      for (int j = 0; j < kFilesPerFolder && i + j < files; ++j) {
        const std::string name = "part-" + std::to_string(j) + ".bin";
        const int file = ::openat(at, name.c_str(), O_CREAT | O_WRONLY, 0600);
        if (file < 0 || ::write(file, text.data(), text.size()) != bytes) std::abort();
        ::close(file);
      }
      ::close(at);
    }
  }

 private:
  fs::path path_;
};

void rm_rf(benchmark::State& state) {
  const Root root;
  const std::string top = root.path() / "session_x";
  for (auto _ : state) {
    state.PauseTiming();
    root.fill(state.range(0), state.range(1));
    state.ResumeTiming();
    const char* arguments[] = {"rm", "-rf", "--", top.c_str(), nullptr};
    pid_t pid = 0;
    int status = 0;
    if (::posix_spawnp(&pid, "rm", nullptr, nullptr, const_cast<char**>(arguments), environ) != 0 ||
        ::waitpid(pid, &status, 0) != pid || status != 0) {
      state.SkipWithError("rm failed");
      break;
    }
  }
}

void remove(benchmark::State& state, bool looked) {
  const Root path;
  for (auto _ : state) {
    state.PauseTiming();
    path.fill(state.range(0), state.range(1));
    auto root = FolderRoot::open(path.path());
    FolderRemoval how;
    how.even_if_changed = !looked;
    const auto folder = looked || !root ? Result<SessionFolder>() : root->look("session_x", {});
    state.ResumeTiming();
    const auto seen = looked ? root->look("session_x", {}) : folder;
    if (!seen || !root->remove(*seen, how).gone) {
      state.SkipWithError("not removed");
      break;
    }
  }
}
/// The removal alone.
void remove_folder(benchmark::State& state) { remove(state, false); }
/// With the look that finds its age and size, and the one that sees that nothing has changed.
void look_and_remove_folder(benchmark::State& state) { remove(state, true); }

#define HEADROOM_SIZES       \
  ->Args({1'000, 1})         \
      ->Args({100'000, 1})   \
      ->Args({1'000'000, 1}) \
      ->Args({1'000'000, 0}) \
      ->Unit(benchmark::kMillisecond)
BENCHMARK(rm_rf) HEADROOM_SIZES;
BENCHMARK(remove_folder) HEADROOM_SIZES;
BENCHMARK(look_and_remove_folder) HEADROOM_SIZES;

}  // namespace
}  // namespace headroom::act
