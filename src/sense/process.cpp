#include "sense/process.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <limits>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

/// The clock of a process's CPU time, as the kernel's interface numbers it: the pid inverted, the
/// kind "time on a processor" in the low bits. clock_getcpuclockid makes the same number, for a
/// system call more.
clockid_t cpu_clock(pid_t pid) {
  constexpr unsigned kScheduled = 2;
  return static_cast<clockid_t>((~static_cast<unsigned>(pid) << 3) | kScheduled);
}

bool cpu_time(pid_t pid, std::chrono::nanoseconds& out) {
  timespec time{};
  if (::clock_gettime(cpu_clock(pid), &time) != 0) return false;
  out = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  return true;
}

struct ProcPath {
  char text[40];
  ProcPath(pid_t pid, const char* file) { std::snprintf(text, sizeof text, "%d/%s", pid, file); }
};

/// A file of one process: it is small, and one read has all of it.
std::optional<std::string_view> read_small(int descriptor, ReadBuffer& buffer) {
  const ssize_t got = ::pread(descriptor, buffer.data(), buffer.size(), 0);
  if (got <= 0) return std::nullopt;
  return std::string_view(buffer.data(), static_cast<std::size_t>(got));
}

void set_memory(Process& process, const ProcessPages& pages) {
  process.has_memory = pages.size > 0;
  process.size = pages_to_bytes(pages.size);
  process.resident = pages_to_bytes(pages.resident);
  process.anonymous = pages_to_bytes(pages.resident - std::min(pages.shared, pages.resident));
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  // The name stands in parentheses and may hold anything, parentheses and line ends too.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  Scan scan(text.substr(name_end + 1));
  const std::string_view state = scan.word();
  const auto parent = scan.number();
  if (state.size() != 1 || !parent || *parent > std::numeric_limits<pid_t>::max())
    return std::nullopt;
  scan.skip_words(4);  // pgrp session tty tpgid
  const auto flags = scan.number();
  scan.skip_words(4);  // minflt cminflt majflt cmajflt
  const auto user = scan.number();
  const auto system = scan.number();
  scan.skip_words(6);  // cutime cstime priority nice threads itrealvalue
  const auto start = scan.number();
  if (!user || !system || !start) return std::nullopt;
  ProcessStat stat;
  const std::size_t name_start = text.find('(');
  if (name_start < name_end) stat.name = text.substr(name_start + 1, name_end - name_start - 1);
  constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD
  stat.kernel = flags && (*flags & kKernelThread) != 0;
  stat.state = state.front();
  stat.parent = static_cast<pid_t>(*parent);
  stat.start_time = *start;
  if (__builtin_add_overflow(*user, *system, &stat.cpu_ticks)) {
    stat.cpu_ticks = std::numeric_limits<std::uint64_t>::max();
  }
  return stat;
}

std::optional<ProcessPages> parse_statm(std::string_view text) {
  Scan scan(text);
  const auto size = scan.number();
  const auto resident = scan.number();
  const auto shared = scan.number();
  if (!size || !resident || !shared) return std::nullopt;
  return ProcessPages{*size, *resident, *shared};
}

std::optional<Bytes> parse_process_io(std::string_view text) {
  Scan scan(text);
  while (!scan.done()) {
    if (scan.take("write_bytes:")) return scan.bytes();
    scan.line();
  }
  return std::nullopt;
}

std::optional<Bytes> parse_process_traffic(std::string_view text) {
  Scan scan(text);
  std::optional<Bytes> read, written;
  while (!scan.done()) {
    if (scan.take("read_bytes:")) read = scan.bytes();
    if (scan.take("write_bytes:")) written = scan.bytes();
    scan.line();
  }
  if (!read || !written) return std::nullopt;
  return *read + *written;
}

Bytes pages_to_bytes(std::uint64_t pages) {
  static const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (pages > static_cast<std::uint64_t>(kMost / page)) return Bytes(kMost);
  return Bytes(static_cast<std::int64_t>(pages) * page);
}

ProcessTable::ProcessTable(const std::string& root, std::size_t most_open)
    : root_(root),
      most_open_(root.empty() ? most_open : 0),
      ticks_per_second_(::sysconf(_SC_CLK_TCK)) {}

ProcessTable::~ProcessTable() {
  for (const int file : files_) {
    if (file >= 0) ::close(file);
  }
  if (folder_ >= 0) ::close(folder_);
}

bool ProcessTable::list(ReadBuffer& buffer) {
  if (folder_ < 0) {
    folder_ = ::open((root_ + "/proc").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0) return false;
  }
  ::lseek(folder_, 0, SEEK_SET);
  pids_.clear();
  beyond_ = 0;
  for (;;) {
    // The system call itself: readdir would keep a second buffer and copy each name.
    const long got = ::syscall(SYS_getdents64, folder_, buffer.data(), buffer.size());
    if (got < 0) return false;
    if (got == 0) break;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
      Scan scan{std::string_view(entry->d_name)};
      const auto pid = scan.number();
      if (!scan.done() || *pid > std::numeric_limits<pid_t>::max()) continue;
      if (pids_.size() < kMostProcesses) {
        pids_.push_back(static_cast<pid_t>(*pid));
      } else {
        ++beyond_;
      }
    }
  }
  if (!std::is_sorted(pids_.begin(), pids_.end())) std::sort(pids_.begin(), pids_.end());
  return true;
}

/// Reads memory and CPU time of a process whose statm is open. False if it is no more.
bool ProcessTable::refresh(Process& process, int statm, ReadBuffer& buffer) {
  // The clock goes by the pid. The file goes by the process, so that when it can still be read
  // afterwards the pid cannot have been anybody else's.
  if (!cpu_time(process.pid, process.cpu)) return false;
  const auto text = read_small(statm, buffer);
  const auto pages = text ? parse_statm(*text) : std::nullopt;
  if (!pages) return false;
  set_memory(process, *pages);
  return true;
}

/// Reads a process from the beginning. `statm` is its file, or -1 where it is not kept open.
bool ProcessTable::meet(pid_t pid, Process& process, int& statm, ReadBuffer& buffer) {
  statm = ::openat(folder_, ProcPath(pid, "statm").text, O_RDONLY | O_CLOEXEC);
  const int stat = ::openat(folder_, ProcPath(pid, "stat").text, O_RDONLY | O_CLOEXEC);
  if (stat < 0 && (errno == EACCES || errno == EPERM)) ++hidden_;
  const auto text = stat < 0 ? std::nullopt : read_small(stat, buffer);
  const auto known = text ? parse_process_stat(*text) : std::nullopt;
  if (stat >= 0) ::close(stat);
  bool there = known.has_value() && statm >= 0;
  if (there) {
    process = Process{};
    process.pid = pid;
    process.parent = known->parent;
    process.start_time = known->start_time;
    if (root_.empty()) {
      there = refresh(process, statm, buffer);
    } else {
      const auto statm_text = read_small(statm, buffer);
      const auto pages = statm_text ? parse_statm(*statm_text) : std::nullopt;
      there = pages.has_value();
      if (there) {
        set_memory(process, *pages);
        const std::uint64_t tick = 1'000'000'000ULL / static_cast<std::uint64_t>(ticks_per_second_);
        constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
        process.cpu = std::chrono::nanoseconds(
            static_cast<std::int64_t>(std::min(known->cpu_ticks, kMost / tick) * tick));
      }
    }
  }
  if (statm >= 0 && (!there || open_ >= most_open_)) ::close(std::exchange(statm, -1));
  if (statm >= 0) ++open_;
  return there;
}

bool ProcessTable::read(ReadBuffer& buffer) {
  next_.clear();
  next_files_.clear();
  hidden_ = 0;
  const bool listed = list(buffer);
  if (!listed) pids_.clear();
  std::size_t old = 0;
  const auto drop = [this](std::size_t index) {
    if (files_[index] < 0) return;
    ::close(files_[index]);
    --open_;
  };
  for (const pid_t pid : pids_) {
    while (old < processes_.size() && processes_[old].pid < pid) drop(old++);
    if (old < processes_.size() && processes_[old].pid == pid) {
      const std::size_t known = old++;
      if (files_[known] >= 0) {
        if (refresh(processes_[known], files_[known], buffer)) {
          next_.push_back(processes_[known]);
          next_files_.push_back(files_[known]);
          continue;
        }
        drop(known);
      }
    }
    Process process;
    int statm = -1;
    if (meet(pid, process, statm, buffer)) {
      next_.push_back(process);
      next_files_.push_back(statm);
    }
  }
  while (old < processes_.size()) drop(old++);
  processes_.swap(next_);
  files_.swap(next_files_);
  return listed;
}

const Process* ProcessTable::find(pid_t pid) const {
  const auto at =
      std::lower_bound(processes_.begin(), processes_.end(), pid,
                       [](const Process& process, pid_t wanted) { return process.pid < wanted; });
  return at != processes_.end() && at->pid == pid ? &*at : nullptr;
}

}  // namespace headroom::sense
