#include "sense/process_list.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kLongestCommand = 4096;
constexpr std::uint64_t kRefresh = 32;  ///< reads after which everything of a process is read anew
constexpr std::chrono::milliseconds kShortest{50};  ///< for a rate
constexpr std::size_t kMostOpen = 4096;

/// Files that may be held open: a part of what this process may have, for it has other work.
std::size_t most_open() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::min<std::size_t>(limit.rlim_cur / 4, kMostOpen);
}

/// A process's folder, held while several of its files are read: it belongs to the process, so
/// that none of them can be of another one with the same number.
class Folder {
 public:
  Folder(int proc, pid_t pid) {
    char name[16];
    std::snprintf(name, sizeof name, "%d", pid);
    descriptor_ = ::openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~Folder() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  bool there() const { return descriptor_ >= 0; }
  /// The first `most` bytes of one of its files; they stay until the next read.
  std::optional<std::string_view> read(const char* name, ReadBuffer& buffer,
                                       std::size_t most = ~std::size_t{0}) const {
    const int file = ::openat(descriptor_, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return std::nullopt;
    const ssize_t got = ::read(file, buffer.data(), std::min(most, buffer.size()));
    ::close(file);
    if (got < 0) return std::nullopt;
    return std::string_view(buffer.data(), static_cast<std::size_t>(got));
  }
  /// The effective user: the kernel gives the folder to them.
  std::optional<uid_t> owner() const {
    struct stat about{};
    if (::fstat(descriptor_, &about) != 0) return std::nullopt;
    return about.st_uid;
  }

 private:
  int descriptor_ = -1;
};

/// The effective user in the text of /proc/PID/status.
std::optional<uid_t> parse_owner(std::string_view text) {
  Scan scan(text);
  while (!scan.done()) {
    if (scan.take("Uid:")) {
      scan.number();
      const auto uid = scan.number();
      if (!uid || *uid > 0xFFFFFFFFULL) return std::nullopt;
      return static_cast<uid_t>(*uid);
    }
    scan.line();
  }
  return std::nullopt;
}

/// The words of /proc/PID/cmdline with spaces between them.
void set_command(std::string& command, std::string_view text) {
  while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.remove_suffix(1);
  command = text;
  std::ranges::replace(command, '\0', ' ');
}

}  // namespace

struct ProcessLister::Known {
  ProcessReading is;    ///< as it goes into the list
  bool kernel = false;  ///< counted, not listed
  Bytes size;           ///< of the address space, at the read before
  std::uint64_t reads = 0;
  std::optional<Bytes> traffic;  ///< to and from disks; a counter
  bool traffic_denied = false;
  BootTime rates_from{};
  std::chrono::nanoseconds cpu_then{};
  std::optional<Bytes> traffic_then;
};

ProcessLister::ProcessLister(const std::string& root) : root_(root), table_(root, most_open()) {}
ProcessLister::~ProcessLister() = default;

/// Whether what is known of the process may be true no longer.
bool ProcessLister::is_stale(const Known& known, const Process& process) const {
  if (known.kernel) return false;
  if (known.reads == 1) return true;  // it was perhaps met between its fork and its exec
  if ((round_ + static_cast<std::uint64_t>(process.pid)) % kRefresh == 0) return true;
  if (known.is.parent != 0 && table_.find(known.is.parent) == nullptr) return true;
  if (process.size == known.size || process.cpu == known.is.cpu_total) return false;
  // Another program has another size; but most that change theirs only allocate.
  char path[32];
  std::snprintf(path, sizeof path, "%d/comm", process.pid);
  const int file = ::openat(table_.folder(), path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char name[64];
  const ssize_t got = ::read(file, name, sizeof name);
  ::close(file);
  if (got <= 0) return false;
  std::string_view text(name, static_cast<std::size_t>(got));
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text != known.is.name;
}

/// Reads what does not change from moment to moment. False if the process is no more.
bool ProcessLister::read_facts(Known& known, const Process& process) {
  const Folder folder(table_.folder(), process.pid);
  if (!folder.there()) return false;
  const auto stat_text = folder.read("stat", buffer_);
  const auto stat = stat_text ? parse_process_stat(*stat_text) : std::nullopt;
  if (!stat || stat->start_time != process.start_time) return false;
  ProcessReading& is = known.is;
  known.kernel = stat->kernel;
  is.pid = process.pid;
  is.start_time = process.start_time;
  is.parent = stat->parent;
  is.name = stat->name;
  known.traffic_denied = false;
  if (known.kernel) return true;
  if (root_.empty()) {
    is.uid = folder.owner();
  } else if (const auto text = folder.read("status", buffer_)) {
    is.uid = parse_owner(*text);
  }
  if (const auto text = folder.read("cmdline", buffer_, kLongestCommand)) {
    set_command(is.command, *text);
  } else {
    is.command.clear();
  }
  Membership membership;
  if (const auto text = folder.read("cgroup", buffer_)) membership = parse_membership(*text);
  is.account = std::move(membership.account);
  is.job = std::move(membership.job);
  return true;
}

void ProcessLister::read_traffic(Known& known) {
  if (known.traffic_denied) return;
  char path[32];
  std::snprintf(path, sizeof path, "%d/io", known.is.pid);
  std::optional<Bytes> traffic;
  const int file = ::openat(table_.folder(), path, O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    const ssize_t got = ::read(file, buffer_.data(), buffer_.size());
    ::close(file);
    if (got > 0) {
      traffic = parse_process_traffic({buffer_.data(), static_cast<std::size_t>(got)});
    }
  }
  known.traffic = traffic;
  known.traffic_denied = !traffic;  // asked again when everything is
}

void ProcessLister::set_rates(Known& known, const Process& process, BootTime now) {
  const std::chrono::duration<double> passed = now - known.rates_from;
  if (passed < kShortest) return;
  const std::chrono::duration<double> used = std::max(process.cpu - known.cpu_then, {});
  known.is.cpu = Cores(std::llround(std::min(used / passed, 1e6) * 1000.0));
  known.is.io_per_second.reset();
  if (known.traffic && known.traffic_then) {
    const std::int64_t bytes =
        std::max((*known.traffic - *known.traffic_then).count(), std::int64_t{0});
    known.is.io_per_second = static_cast<double>(bytes) / passed.count();
  }
  known.rates_from = now;
  known.cpu_then = process.cpu;
  known.traffic_then = known.traffic;
}

void ProcessLister::explain(ProcessList& out) const {
  out.unlisted = table_.beyond() + table_.hidden();
  out.reason.clear();
  if (table_.hidden() > 0) {
    out.reason =
        "the kernel keeps the processes of others from this user (hidepid, or a security module)";
  } else if (table_.beyond() > 0) {
    out.reason =
        "more than " + std::to_string(ProcessTable::kMostProcesses) + " processes are there";
  } else if (root_.empty() && table_.find(1) == nullptr) {
    out.reason = "/proc shows only the processes of this user (hidepid)";
  }
}

void ProcessLister::read(Instant at, ProcessList& out) {
  ++round_;
  const bool there = table_.read(buffer_);
  next_.clear();
  out.at = at;
  out.kernel_threads = 0;
  std::size_t listed = 0;
  std::size_t old = 0;
  for (const Process& process : table_.processes()) {
    while (old < known_.size() && known_[old]->is.pid < process.pid) ++old;
    std::unique_ptr<Known> known;
    if (old < known_.size() && known_[old]->is.pid == process.pid) {
      if (known_[old]->is.start_time == process.start_time) known = std::move(known_[old]);
      ++old;
    }
    const bool met = known == nullptr;
    if (met) {
      known = std::make_unique<Known>();
      known->rates_from = at.boot;
      known->cpu_then = process.cpu;
    }
    if ((met || is_stale(*known, process)) && !read_facts(*known, process)) continue;
    ++known->reads;
    if (known->kernel) {
      ++out.kernel_threads;
      next_.push_back(std::move(known));
      continue;
    }
    // Who had no processor since has moved nothing to or from a disk.
    if (root_.empty() && (met || process.cpu != known->is.cpu_total)) read_traffic(*known);
    if (met) known->traffic_then = known->traffic;
    set_rates(*known, process, at.boot);
    known->size = process.size;
    known->is.memory = process.anonymous;
    known->is.resident = process.resident;
    known->is.cpu_total = process.cpu;
    if (listed == out.items.size()) out.items.emplace_back();
    out.items[listed++] = known->is;
    next_.push_back(std::move(known));
  }
  out.items.resize(listed);
  known_.swap(next_);
  next_.clear();
  explain(out);
  if (!there) out.reason = "there is no " + root_ + "/proc";
}

}  // namespace headroom::sense
