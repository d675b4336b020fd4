// headroom-demo: the same jobs in the same memory, bare and under headroom.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include "demo/run.hpp"

namespace headroom::demo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "headroom-demo [--bare-only | --headroom-only] [--plain] [--json FILE]\n"
    "headroom-demo --certificate\n"
    "\n"
    "Runs 24 jobs inside one memory limit twice: all at once, and by headroom run.\n"
    "\n"
    "  --bare-only      the first half only\n"
    "  --headroom-only  the second half only\n"
    "  --plain          one line for each event instead of a screen\n"
    "  --json FILE      also writes each half's result as one JSON object on one line\n"
    "  --certificate    shows the jobs and the certified optimum, checks it, runs nothing\n"
    "\n"
    "Needs the right to make a control group. Exit status: 0 when under headroom every job\n"
    "completed and none was killed (with --bare-only: when it ran), 1 when not, 2 for wrong\n"
    "usage, 5 without the right, 130 when interrupted.\n";

struct Options {
  bool bare = true;
  bool headroom = true;
  bool plain = false;
  bool certificate = false;
  bool help = false;
  std::string json;
};

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--bare-only")
      options.headroom = false;
    else if (flag == "--headroom-only")
      options.bare = false;
    else if (flag == "--plain")
      options.plain = true;
    else if (flag == "--certificate")
      options.certificate = true;
    else if (flag == "--help" || flag == "-h")
      options.help = true;
    else if (flag == "--json" && i + 1 < argc)
      options.json = argv[++i];
    else
      return std::nullopt;
  }
  if (!options.bare && !options.headroom) return std::nullopt;
  return options;
}

int say(const Error& error) {
  std::fprintf(stderr, "headroom-demo: %s\n", error.what.c_str());
  if (!error.why.empty()) std::fprintf(stderr, "  %s\n", error.why.c_str());
  if (!error.help.empty()) std::fprintf(stderr, "  %s\n", error.help.c_str());
  if (error.kind == ErrorKind::not_allowed) {
    std::fputs("  without that right this works: headroom-demo --certificate\n", stderr);
    return 5;
  }
  return 1;
}

/// A folder for this run, removed with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* base = std::getenv("TMPDIR");
    std::string pattern =
        std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/headroom-demo-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  /// A new folder inside; empty when it cannot be made.
  std::string make(const std::string& name) const {
    std::error_code error;
    const fs::path inside = fs::path(path_) / name;
    return fs::create_directory(inside, error) ? inside.string() : std::string();
  }

 private:
  std::string path_;
};

bool terminal_is_large_enough() {
  winsize size{};
  return isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
         size.ws_col >= kScreenColumns && size.ws_row >= kScreenRows;
}

Colour wanted_colour() {
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::strcmp(terminal, "dumb") == 0;
  return isatty(STDOUT_FILENO) == 1 && (none == nullptr || *none == '\0') && !dumb ? Colour::on
                                                                                   : Colour::off;
}

/// Memory that new work can get, in MiB; 0 when the kernel does not say.
int available_mib() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (long kib = 0; file >> name >> kib; std::getline(file, unit)) {
    if (name == "MemAvailable:") return static_cast<int>(kib >> 10);
  }
  return 0;
}

void print_certificate(const Instance& instance, const Schedule& optimum) {
  std::printf("%zu jobs, limit %d MiB, usable %d MiB\n\n", instance.jobs.size(), instance.limit_mib,
              optimum.usable_mib);
  // One cell is one second of one job.
  for (std::size_t i = 0; i < instance.jobs.size(); ++i) {
    const Job& job = instance.jobs[i];
    const auto before = static_cast<std::size_t>(optimum.starts[i]);
    std::string row(before, ' ');
    for (int second = 0; second < job.seconds; ++second) row += "█";
    std::printf("%-14s %4d MiB %2d s  %s\n", job.name.c_str(), job.memory_mib, job.seconds,
                row.c_str());
  }
  const long queue_ms =
      simulate_backfill(instance, optimum.usable_mib, [](std::size_t) { return 0L; });
  std::printf(
      "\nschedule feasible; it ends at %d s, and no schedule can end before %d s\n"
      "a queue with backfill, in the order of submission, would need %.1f s (%.2f)\n",
      optimum.makespan, lower_bound_seconds(instance, optimum.usable_mib),
      static_cast<double>(queue_ms) / 1000,
      static_cast<double>(queue_ms) / 1000 / optimum.makespan);
}

Result<std::vector<Outcome>> run_phases(const Options& options, const Instance& instance,
                                        const Schedule& optimum, Signals& signals) {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path();
  const Programs programs{(beside / "headroom-demo-job").string(), (beside / "headroomd").string(),
                          (beside / "headroom").string()};
  for (const std::string& program : {programs.job, programs.daemon, programs.command}) {
    if (!options.headroom && program != programs.job) continue;
    if (access(program.c_str(), X_OK) != 0) {
      return fail(ErrorKind::not_found, "cannot find " + program, std::strerror(errno),
                  "build it (make), or run the first half: --bare-only");
    }
  }
  if (const int there = available_mib(); there < instance.limit_mib) {
    return fail(ErrorKind::insufficient_resources,
                "the demo needs " + std::to_string(instance.limit_mib) + " MiB of memory",
                std::to_string(there) + " MiB are available on this machine",
                "close something large, then try again");
  }
  const TemporaryFolder folder;
  if (folder.path().empty()) {
    return fail(ErrorKind::internal, "cannot make a temporary folder", std::strerror(errno));
  }
  const bool live = !options.plain && terminal_is_large_enough();
  std::vector<Outcome> outcomes;
  const auto run = [&](const std::string& name, auto phase) -> Result<void> {
    // A fresh group for each half: nothing of the first is charged to the second.
    const auto group = LimitedGroup::create(instance.limit_mib);
    if (!group) return tl::unexpected(group.error());
    Display display(live, wanted_colour());
    display.tell({0, Happening::Kind::note, {}, 0, name + " begins"});
    auto outcome =
        phase(Stage{instance, optimum, programs, *group, folder.make(name), signals, display});
    if (!outcome) return tl::unexpected(outcome.error());
    outcomes.push_back(std::move(*outcome));
    return {};
  };
  if (options.bare) {
    if (auto done = run("bare", run_bare); !done) return tl::unexpected(done.error());
  }
  if (options.headroom) {
    if (auto done = run("headroom", run_headroom); !done) return tl::unexpected(done.error());
  }
  return outcomes;
}

int demo(const Options& options) {
  const auto instance = built_in_instance();
  if (!instance) return say(instance.error());
  const auto optimum = certified_optimum(*instance);
  if (!optimum) return say(optimum.error());
  if (options.certificate) {
    print_certificate(*instance, *optimum);
    return 0;
  }
  Signals signals;
  const auto outcomes = run_phases(options, *instance, *optimum, signals);
  if (!outcomes) {
    const int code = say(outcomes.error());
    return signals.interrupted() ? 130 : code;
  }
  std::fputs(report(*outcomes, wanted_colour()).c_str(), stdout);
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    for (const Outcome& each : *outcomes) file << to_json(each);
    if (!file.flush()) {
      return say({ErrorKind::internal, "cannot write " + options.json, std::strerror(errno), {}});
    }
  }
  const Outcome& last = outcomes->back();
  const bool good = !options.headroom || (last.completed == last.jobs && last.kills == 0);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace headroom::demo

int main(int argc, char** argv) {
  const auto options = headroom::demo::parse_options(argc, argv);
  if (!options) {
    std::fputs(headroom::demo::kUsage, stderr);
    return 2;
  }
  if (options->help) {
    std::fputs(headroom::demo::kUsage, stdout);
    return 0;
  }
  return headroom::demo::demo(*options);
}
