// All processes with who and what they are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <headroom/process.hpp>

#include "sense/account.hpp"
#include "sense/process.hpp"

namespace headroom::sense {

/// Reads all processes again and again. Memory and CPU time are read each time; what a process is
/// (user, name, words, group) once when it is met, again when it may have become another program,
/// and now and then. Not thread-safe; a read can last as long as the kernel keeps one of the files
/// locked, so it does not belong on a thread that must answer.
class ProcessLister {
 public:
  /// `root` stands in for "/" ("" is the machine itself).
  explicit ProcessLister(const std::string& root);
  ~ProcessLister();
  ProcessLister(const ProcessLister&) = delete;
  ProcessLister& operator=(const ProcessLister&) = delete;

  /// Reads into `out`, whose memory is used again. `at` is the instant of the rates, and must not
  /// go backwards; within 50 ms of the read before the rates stay as they were. Leases and GPUs
  /// are left empty: see process_owner.hpp. `took` is left to who has a clock.
  void read(Instant at, ProcessList& out);

 private:
  struct Known;

  bool is_stale(const Known& known, const Process& process) const;
  bool read_facts(Known& known, const Process& process);
  void read_traffic(Known& known);
  static void set_rates(Known& known, const Process& process, BootTime now);
  void explain(ProcessList& out) const;

  std::string root_;
  ProcessTable table_;
  ReadBuffer buffer_;
  std::uint64_t round_ = 0;
  std::vector<std::unique_ptr<Known>> known_, next_;  ///< by ascending pid
};

}  // namespace headroom::sense
