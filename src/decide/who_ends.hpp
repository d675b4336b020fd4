// Who is ended when nothing else helps, where a person said that somebody may be.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>

namespace headroom::decide {

/// Above so many times its booking somebody may be ended. Nobody else ever is.
inline constexpr double kOverrun = 1.25;

/// One who holds memory and may be ended as far as everything but its overrun goes.
struct Overrunner {
  LeaseId lease = 0;
  std::int64_t measured = 0;  ///< bytes
  std::int64_t booked = 0;
  Priority priority = Priority::normal;
  BootTime granted{};
  /// It wants more than there is even without all others: any overrun is enough.
  bool hopeless = false;
};

/// It takes more than kOverrun times its booking, and 16 MiB more; or more at all, and is hopeless.
bool overran(const Overrunner& one);

/// The one to end, or nobody: only who overran(); of these one whose end frees `deficit` bytes, of
/// these the lower class, then the one that began last (it loses least), then the higher number.
/// Where none frees so much, the one that frees most. The order of `all` does not matter.
std::optional<LeaseId> who_ends(const std::vector<Overrunner>& all, std::int64_t deficit);

}  // namespace headroom::decide
