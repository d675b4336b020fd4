// What of a sample is kept as history.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include <headroom/sample.hpp>

#include "control/state.hpp"
#include "judge/window.hpp"

namespace headroom::runtime {

/// Makes the readings of a sample that have a history: shares in percent, temperatures in degrees,
/// power in watts, rates in bytes per second, load as it is. A device's series is
/// "resource:device". Keeps the names, so that a sample makes none anew.
class SeriesOf {
 public:
  /// Valid until the next call.
  std::span<const judge::Reading> of(const Sample& sample);

 private:
  std::string_view name(const char* resource, const std::string& device);

  std::vector<judge::Reading> readings_;
  std::map<std::pair<const char*, std::string>, std::string> names_;
};

/// The readings of leases and components: what they use, in bytes and in percent of the processors.
/// The series are "lease_memory:l-73", "lease_gpu_memory:l-73", "component_cpu:NAME" and
/// "component_memory:NAME"; of the oldest kMost leases that are a minute old, and the first kMost
/// components by name. A lease that ends keeps its place for an hour, for so long is its history
/// kept: so leases that come and go never crowd the series of the machine out.
class WorkloadSeries {
 public:
  static constexpr std::size_t kMost = 40;
  static constexpr std::chrono::hours kKept{1};

  /// Valid until the next call.
  std::span<const judge::Reading> of(const control::State& state, Instant at);

 private:
  std::vector<std::string> names_;
  std::vector<judge::Reading> readings_;
  std::map<LeaseId, BootTime> placed_;  ///< when each of them was last seen
};

}  // namespace headroom::runtime
