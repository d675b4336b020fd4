// Lines that a process draws for itself, and whether it should cut down because of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/pressure.hpp>
#include <headroom/result.hpp>

namespace headroom::judge {

/// So much and no more, in the unit in which the resource is read (bytes, percent, watts …).
struct OwnLimit {
  Resource resource = Resource::memory;
  double most = 0;
};

/// Why to cut down: it is above its limit now, and has been near it all along.
struct PruneReason {
  Resource resource = Resource::memory;
  double now = 0;
  double mean = 0;  ///< over the period
  double most = 0;  ///< the limit
  double line = 0;  ///< what the mean is above: the target's share of the limit
  bool operator==(const PruneReason&) const = default;
};

/// Tells a plateau from a spike: to cut down is advised for a resource that is above its limit and
/// whose mean over the period is above `target` of the limit. Only tells; nothing is done.
///
/// Before something is known of three quarters of the period it advises nothing, nor on a value
/// older than a quarter of it: what is unknown is neither zero nor full. Time is passed in and must
/// not go back for a resource. At most kMost pieces of time are kept for each; a look costs one
/// addition. Not thread-safe.
class OwnLimits {
 public:
  static constexpr std::size_t kMost = 256;

  /// Errors: invalid_request naming the field: a limit that is not above 0 or named twice, a period
  /// that is not above 0, a target outside of 0 to 1.
  static Result<OwnLimits> make(std::vector<OwnLimit> limits, std::chrono::nanoseconds period,
                                double target);

  /// Takes one reading in: what it was since the reading before, if that is at most a quarter of
  /// the period ago. Empty, not finite, or of a resource without a limit: nothing.
  void update(Resource resource, std::optional<double> value, BootTime at);
  /// Whether it is above its limit at this moment; empty: not known, or it has none.
  std::optional<bool> is_over(Resource resource, BootTime at) const;
  /// One for each resource that says so, in the order of the limits; empty: no need to cut down.
  std::vector<PruneReason> reasons(BootTime at) const;

 private:
  struct Piece {
    BootTime from{}, to{};
    double mean = 0;
  };
  struct Watched {
    OwnLimit limit;
    std::optional<double> now;
    BootTime at{};
    std::deque<Piece> pieces;
  };
  OwnLimits(std::vector<OwnLimit> limits, std::chrono::nanoseconds period, double target);
  const Watched* find(Resource resource) const;
  bool is_fresh(const Watched& one, BootTime at) const;

  std::vector<Watched> watched_;
  std::chrono::nanoseconds period_;
  double target_;
};

}  // namespace headroom::judge
