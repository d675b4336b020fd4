// The open alerts, at most one per resource and device, and the newest that have ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/pressure.hpp>
#include <headroom/result.hpp>

#include "judge/gauge.hpp"

namespace headroom::judge {

/// What an alert of `resource` says, for people: "High CPU memory usage".
const char* alert_text(Resource resource);

/// Keeps the alerts that the gauges open and end. Not thread-safe; control thread only.
class Alerts {
 public:
  static constexpr std::size_t kKeptEnded = 1000;

  explicit Alerts(std::size_t keep_ended = kKeptEnded) : keep_ended_(keep_ended) {}

  /// Carries one change of the gauge of (`resource`, `device`) over. A new alert takes
  /// `++last_id` for its id. Returns the alert as it stands when this changed or reminded of it,
  /// and nothing else: an acknowledged alert is not reminded of, and escalating takes the
  /// acknowledgement back, because somebody agreed to less.
  std::optional<Alert> apply(Resource resource, const std::string& device,
                             const GaugeChange& change, std::uint64_t& last_id, Instant at);

  /// Marks an open alert as seen. Errors: not_found for an id that is unknown or has ended.
  Result<Alert> acknowledge(std::uint64_t id);

  /// Notes until when nobody is to be told of an open alert; empty takes it back. Errors: not_found
  /// as above.
  Result<Alert> mute(std::uint64_t id, std::optional<WallTime> until);

  /// The open ones, ordered by resource and device.
  std::vector<Alert> open() const;
  /// Those that have ended, newest first; older ones than the newest `keep_ended` are gone.
  const std::deque<Alert>& ended() const { return ended_; }
  /// Open or ended; empty when unknown.
  std::optional<Alert> find(std::uint64_t id) const;

 private:
  Result<Alert*> find_open(std::uint64_t id);

  std::size_t keep_ended_;
  std::map<std::pair<Resource, std::string>, Alert> open_;
  std::deque<Alert> ended_;
};

}  // namespace headroom::judge
