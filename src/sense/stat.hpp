// CPU time and load: /proc/stat and /proc/loadavg.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <headroom/sample.hpp>

namespace headroom::sense {

/// CPU time since boot, summed over all processors, in clock ticks.
struct CpuTicks {
  std::uint64_t user = 0;    ///< with nice and guests
  std::uint64_t system = 0;  ///< with interrupts
  std::uint64_t idle = 0;
  std::uint64_t iowait = 0;
  std::uint64_t steal = 0;
  int cores = 0;  ///< processors that are online
};

/// CPU time of one processor since it was started, in clock ticks.
struct CoreTicks {
  int number = 0;          ///< as the kernel counts: those that are offline leave gaps
  std::uint64_t busy = 0;  ///< everything but idle and iowait
  std::uint64_t idle = 0;
  std::uint64_t iowait = 0;
  std::uint64_t steal = 0;  ///< part of `busy`
};

/// Processors that are told one by one; more are counted only.
constexpr std::size_t kMostCores = 4096;

/// Text of /proc/stat: the sum, and into `cores`, replacing what it held, those processors whose
/// line is understood, by number. Empty if it does not begin with the line of all processors.
/// What stands behind the processors' lines, most of it interrupts, is not looked at.
std::optional<CpuTicks> parse_stat(std::string_view text, std::vector<CoreTicks>& cores);

/// Text of /proc/loadavg: the load over 1, 5 and 15 minutes.
std::optional<std::array<double, 3>> parse_loadavg(std::string_view text);

/// Fills the counters of `out`, and with `before` its shares of the time in between. A share
/// stays as it is when no tick has passed.
void fill_cpu(const CpuTicks& now, const CpuTicks* before, std::int64_t ticks_per_second,
              CpuReading& out);

/// Brings `out` to the processors of `now`, and with `before` fills their shares of the time in
/// between; one that was not there before has none yet. A share stays as it is when no tick has
/// passed.
void fill_cores(const std::vector<CoreTicks>& now, const std::vector<CoreTicks>* before,
                std::vector<CoreReading>& out);

}  // namespace headroom::sense
