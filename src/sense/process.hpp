// Processes: /proc/PID/stat, statm and io, and the table of all of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <headroom/units.hpp>

#include "sense/kernel_file.hpp"

namespace headroom::sense {

struct ProcessStat {
  std::string_view name;  ///< what the kernel calls it, in the text that was parsed
  bool kernel = false;    ///< a thread of the kernel
  char state = '?';       ///< R, S, D, Z, …
  pid_t parent = 0;
  std::uint64_t start_time = 0;  ///< clock ticks since boot: with the pid it names a process
  std::uint64_t cpu_ticks = 0;   ///< user and system
};

/// Text of /proc/PID/stat, whatever the program calls itself. Empty if it is not understood.
std::optional<ProcessStat> parse_process_stat(std::string_view text);

struct ProcessPages {
  std::uint64_t size = 0;  ///< of the address space; 0 for kernel threads and the dead
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;  ///< the part of resident that is file pages and shared memory
};

/// Text of /proc/PID/statm. Empty if it is not understood.
std::optional<ProcessPages> parse_statm(std::string_view text);

/// Text of /proc/PID/io: the bytes it made go to a disk. Empty if it is not understood.
std::optional<Bytes> parse_process_io(std::string_view text);
/// The same text: the bytes it made come from and go to disks. Empty if it is not understood.
std::optional<Bytes> parse_process_traffic(std::string_view text);

/// `pages` as bytes; saturates.
Bytes pages_to_bytes(std::uint64_t pages);

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;  ///< when it was first seen
  std::uint64_t start_time = 0;
  Bytes size;  ///< of the address space; changes when another program is started in it
  Bytes resident;
  Bytes anonymous;  ///< its own memory: resident without file pages and shared memory
  std::chrono::nanoseconds cpu{};  ///< a counter
  bool has_memory = false;         ///< false for kernel threads and the dead that nobody waited for
};

/// Reads all processes. Of each it keeps one file open, up to a bound; such a file belongs to one
/// process, not to its number, so a pid used again is a new process. Not thread-safe.
class ProcessTable {
 public:
  /// `root` stands in for "/" ("" is the machine itself); there CPU time has the resolution of a
  /// clock tick. At most `most_open` files are kept open; processes beyond cost four times as much.
  explicit ProcessTable(const std::string& root, std::size_t most_open = 256);
  ~ProcessTable();
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  /// Reads the table; false if there is no /proc.
  bool read(ReadBuffer& buffer);
  /// What the last read found, by ascending pid.
  const std::vector<Process>& processes() const { return processes_; }
  /// The process with that pid in the last read; null if there was none.
  const Process* find(pid_t pid) const;
  /// Processes that the last read found and could not take: more than kMostProcesses are there.
  std::size_t beyond() const { return beyond_; }
  /// Processes whose files this user may not read.
  std::size_t hidden() const { return hidden_; }
  /// The folder of all processes, to open others of their files in; -1 before the first read.
  int folder() const { return folder_; }

  static constexpr std::size_t kMostProcesses = 100'000;

 private:
  bool list(ReadBuffer& buffer);
  bool refresh(Process& process, int statm, ReadBuffer& buffer);
  bool meet(pid_t pid, Process& process, int& statm, ReadBuffer& buffer);

  std::string root_;
  std::size_t most_open_;
  std::size_t open_ = 0;
  std::size_t beyond_ = 0;
  std::size_t hidden_ = 0;
  int folder_ = -1;
  std::int64_t ticks_per_second_;
  std::vector<pid_t> pids_;
  std::vector<Process> processes_, next_;
  std::vector<int> files_, next_files_;  ///< statm of each process; -1 = not kept open
};

}  // namespace headroom::sense
