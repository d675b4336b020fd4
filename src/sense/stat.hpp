// CPU time and load: /proc/stat and /proc/loadavg.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

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

/// Text of /proc/stat. Empty if it does not begin with the line of all processors.
std::optional<CpuTicks> parse_stat(std::string_view text);

/// Text of /proc/loadavg: the load over 1, 5 and 15 minutes.
std::optional<std::array<double, 3>> parse_loadavg(std::string_view text);

/// Fills the counters of `out`, and with `before` its shares of the time in between. A share
/// stays as it is when no tick has passed.
void fill_cpu(const CpuTicks& now, const CpuTicks* before, std::int64_t ticks_per_second,
              CpuReading& out);

}  // namespace headroom::sense
