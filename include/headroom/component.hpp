// Components: registered workloads that headroom gives parts of the machine to, and tells so.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// What components share. Amounts of it are whole units: tenths of a percent of the node's
/// processors; MiB; operations per second; KiB per second.
enum class Allotted { cpu, memory, disk_iops, network };
inline constexpr std::size_t kAllotted = 4;
inline constexpr std::array<Allotted, kAllotted> kAllAllotted{
    Allotted::cpu, Allotted::memory, Allotted::disk_iops, Allotted::network};

/// How an amount is called, and what people and setters count it in.
struct AllottedFacts {
  std::string_view name;    ///< "memory"
  std::string_view setter;  ///< "memory_mb"
  std::string_view unit;    ///< of a setter's value: "%", "MB", "1/s", "MB/s"
  double scale = 1;         ///< units of the allocator in one of a setter's
};
constexpr AllottedFacts facts_of(Allotted what) {
  switch (what) {
    case Allotted::cpu:
      return {"cpu", "cpu_percent", "%", 10};
    case Allotted::memory:
      return {"memory", "memory_mb", "MB", 1};
    case Allotted::disk_iops:
      return {"disk_iops", "disk_iops", "1/s", 1};
    case Allotted::network:
      return {"network", "network_mb", "MB/s", 1024};
  }
  return {"cpu", "cpu_percent", "%", 10};
}
constexpr std::size_t index_of(Allotted what) { return static_cast<std::size_t>(what); }

/// Bounds of one amount, in the units above.
struct QuotaPart {
  std::int64_t amount = 0;  ///< what it is meant to have while nothing better is known; 0: not said
  std::int64_t least = 0;   ///< 0: as configured
  std::int64_t most = 0;    ///< 0: as configured
  bool operator==(const QuotaPart&) const = default;
};
using QuotaParts = std::array<QuotaPart, kAllotted>;

/// Other bounds at times of the week. What is 0 in it stays as it is outside of these times.
struct QuotaWindow {
  std::string during;  ///< "Mon-Fri 08:00-18:00", by the node's clock on the wall
  QuotaParts parts;
  std::optional<Priority> priority;
  bool operator==(const QuotaWindow&) const = default;
};
inline constexpr std::size_t kMostQuotaWindows = 8;

/// A component's bounds and priority.
struct Quota {
  Priority priority = Priority::normal;
  QuotaParts parts;
  std::optional<double> buffer;      ///< share added over its demand; empty: the strategy's
  bool enforce = false;              ///< its processes are held to it by the kernel
  std::vector<QuotaWindow> windows;  ///< the first one whose time it is counts
  bool operator==(const Quota&) const = default;
};

/// Something that a component lets headroom set. "cpu_percent", "memory_mb", "disk_iops" and
/// "network_mb" are given its allocation; any other one lies between `least` and `most` as the
/// allocation that it follows lies in the component's bounds.
struct Setter {
  std::string name;  ///< 1 to 64 of a-z, 0-9 and _
  std::string unit;  ///< for people; or empty
  double least = 0, most = 0;
  Allotted follows = Allotted::memory;
  bool whole = true;  ///< only whole numbers are set
  bool operator==(const Setter&) const = default;
};
inline constexpr std::size_t kMostSetters = 16;

/// What is kept of a component.
struct Component {
  std::string name;  ///< 1 to 64 of A-Z, a-z, 0-9, _, - and .
  uid_t owner = 0;
  Quota quota;
  bool registered = false;  ///< else only its quota is known
  std::vector<Setter> setters;
  Holder holder;       ///< whose end is its own; nobody: it has to be heard of
  LeaseId lease = 0;   ///< that measures and books it; 0: none
  bool books = false;  ///< that lease is its own, and books what it is given
  WallTime since{};    ///< registered
  std::array<std::int64_t, kAllotted> has{};  ///< its allocation; 0: nothing was given
  bool operator==(const Component&) const = default;
};
inline constexpr std::size_t kMostComponents = 2000;

/// One change of an allocation, or why there was none.
struct Decision {
  enum class Outcome {
    asked,        ///< no answer yet
    applied,      ///< perhaps to another value than was asked
    failed,       ///< it said no, or threw
    timed_out,    ///< no answer within control.setter_timeout
    unreachable,  ///< nobody listens for it
    shadow,       ///< only said: control.shadow is on
  };
  std::uint64_t id = 0;  ///< of the ask; all that was asked together has the same
  std::string component;
  WallTime at{};
  Allotted what = Allotted::cpu;
  std::int64_t from = 0, to = 0;  ///< units
  std::optional<std::int64_t> applied;
  Outcome outcome = Outcome::asked;
  std::string reason;                 ///< one clause, for people
  double confidence = 0;              ///< 0 to 1, of the demand that it follows
  std::chrono::microseconds took{0};  ///< until it was answered
  bool operator==(const Decision&) const = default;
};
inline constexpr std::size_t kMostDecisions = 2000;  ///< of all components, kept

constexpr const char* to_string(Decision::Outcome outcome) {
  switch (outcome) {
    case Decision::Outcome::asked:
      return "asked";
    case Decision::Outcome::applied:
      return "applied";
    case Decision::Outcome::failed:
      return "failed";
    case Decision::Outcome::timed_out:
      return "timed_out";
    case Decision::Outcome::unreachable:
      return "unreachable";
    case Decision::Outcome::shadow:
      return "shadow";
  }
  return "asked";
}

enum class ComponentState {
  known,         ///< has a quota, and is not registered
  registered,    ///< nobody listens for what it is asked
  connected,     ///< its setters are called
  unresponsive,  ///< did not answer three times in a row
};
constexpr const char* to_string(ComponentState state) {
  switch (state) {
    case ComponentState::known:
      return "known";
    case ComponentState::registered:
      return "registered";
    case ComponentState::connected:
      return "connected";
    case ComponentState::unresponsive:
      return "unresponsive";
  }
  return "known";
}

/// One amount of a component, as it is shown. In units.
struct AllottedView {
  Allotted what = Allotted::cpu;
  std::int64_t amount = 0, least = 0;  ///< of the quota in force; amount 0: not said
  std::optional<std::int64_t> most;    ///< likewise; empty: nothing bounds it
  std::int64_t has = 0;
  std::optional<std::int64_t> asked;
  std::optional<std::int64_t> demand;  ///< what it would be given if there were enough
  std::optional<std::int64_t> used;    ///< measured, or told by it
  std::int64_t lent = 0;               ///< of its amount, to others
  std::string method;                  ///< what the demand was told from: "forecast_quantile"
  double confidence = 0;
  std::optional<std::int64_t> forecast, forecast_lo, forecast_hi;  ///< 15 minutes on
  std::uint64_t changes = 0, failures = 0;                         ///< since the start
  std::optional<double> accuracy;  ///< 0 to 1: of values, that lay within their forecast
  std::optional<double> sure;      ///< 0 to 1: that it will be within 10 % of the forecast
  std::optional<double> error;     ///< of its forecasts, over that of assuming the last value stays
};

/// A component as it is shown.
struct ComponentView {
  Component component;
  ComponentState state = ComponentState::known;
  Priority priority = Priority::normal;  ///< in force now
  std::string window;                    ///< the times whose bounds are in force; or empty
  /// The quota as it counts outside of its windows, and in each of them: what is not said of a
  /// bound is as configured. A most of 0: nothing bounds it.
  QuotaParts bounds{};
  std::vector<QuotaParts> window_bounds;
  std::vector<AllottedView> allotted;
  std::map<std::string, double> values;  ///< of its setters, as it has applied them
  std::uint64_t asked = 0, applied = 0, failed = 0, timed_out = 0;  ///< asks, since the start
  std::optional<std::chrono::microseconds> answers_in;              ///< the last time
  std::string problem;                                              ///< or empty
  std::optional<WallTime> heard;  ///< of it last; empty: not since the start
  /// Of its own lease, until now and in an hour; empty: nothing has a price, or it has none.
  std::optional<Money> cost, cost_per_hour;
};

}  // namespace headroom
