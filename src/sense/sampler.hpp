// The sampler: every source of this room, read into one Sample.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/gpu.hpp"
#include "sense/holder.hpp"
#include "sense/slow.hpp"
#include "words/config.hpp"

namespace headroom::sense {

/// Where to read.
struct Sources {
  std::string root = "/";  ///< a captured tree stands in for "/": its proc and sys are read
  GpuSource gpu = GpuSource::automatic;
  std::string gpu_sim;  ///< with GpuSource::sim, see parse_gpu_sim(); a wrong text is an absence
  /// Folder of the jobs' parent memory group, with the captured tree's path in front;
  /// "" = found from /proc/self/cgroup.
  std::string jobs_group;
};

struct ReadOptions {
  bool per_cpu_free = false;  ///< read what lies on the per-CPU free lists too (10 us more)
  /// Ask the filesystems how full they are; false repeats what they said last.
  bool filesystems = true;
  /// Make shares and rates anew; false repeats those of the read before: a look in between at what
  /// is there now must not make them shares of a moment.
  bool rates = true;
};

/// Reads the machine. Holds its files open and reuses its memory, so that a read in the steady
/// state allocates nothing. Not thread-safe; belongs to one thread.
class Sampler {
 public:
  explicit Sampler(Sources sources);
  ~Sampler();
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;

  /// Reads this holder from now on, in the order of the leases. One that was tracked before, and is
  /// as it was, keeps its counters.
  void track(Target target);
  /// Reads it no more; unknown ones are ignored.
  void untrack(LeaseId lease);

  /// What the slow sensors said last: every sample from now on carries it. It is read by
  /// SlowSensors, elsewhere; without it samples have none of its fields.
  void take(const SlowReading& slow);

  /// Reads everything into `out`, reusing its memory; `at` must not go backwards. `took` is left
  /// alone: this room has no clock. Shares and rates are since the read before, empty in the
  /// first; a read less than 50 ms after the last repeats them, since ticks are coarser than that.
  /// What a source did not give is empty and has its reason in `absent`.
  void read(Instant at, ReadOptions options, Sample& out);

 private:
  struct Files;
  std::unique_ptr<Files> files_;
};

}  // namespace headroom::sense
