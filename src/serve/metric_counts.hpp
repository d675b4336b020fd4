// Counts and distributions since the start that neither a view nor a sample holds: whoever runs the
// daemon keeps them, the metrics show them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/pressure.hpp>

#include "words/event.hpp"

namespace headroom::serve {

/// How often values lay at or below each of some bounds. Never forgets.
class Histogram {
 public:
  static constexpr std::size_t kBounds = 16;  ///< at most

  /// `bounds` rise, and live as long as the histogram does; those beyond kBounds are not used.
  explicit Histogram(std::span<const double> bounds)
      : bounds_(bounds.first(bounds.size() < kBounds ? bounds.size() : kBounds)) {}

  /// Counts one value; one that is not finite is not counted.
  void add(double value);
  void add(std::chrono::nanoseconds value) { add(std::chrono::duration<double>(value).count()); }

  std::span<const double> bounds() const { return bounds_; }
  /// One more than there are bounds: the last counts what lay above all of them. Not summed up.
  std::span<const std::uint64_t> buckets() const { return {buckets_.data(), bounds_.size() + 1}; }
  std::uint64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::array<std::uint64_t, kBounds + 1> buckets_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

/// Loop thread only.
struct MetricCounts {
  static constexpr std::array kShort{0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                                     0.0025,  0.005,    0.01,    0.025,  0.1,     1.0};
  static constexpr std::array kWaits{0.01, 0.1,   1.0,   5.0,    15.0,
                                     60.0, 300.0, 900.0, 3600.0, 14400.0};
  static constexpr std::array kLoads{0.1,  0.5,  1.0,   2.5,   5.0,   10.0,
                                     30.0, 60.0, 120.0, 300.0, 600.0, 1800.0};
  static constexpr std::size_t kRoutes = 256;
  static constexpr std::size_t kHooks = 64;

  Histogram samples{kShort};                ///< reading the machine, seconds
  Histogram decisions{kShort};              ///< one turn of the control machine, seconds
  Histogram requests{kShort};               ///< from a request's last byte to its answer, seconds
  Histogram granted{kWaits};                ///< seconds from asking to granted
  Histogram given_up{kWaits};               ///< seconds from asking to no longer waiting
  std::array<std::uint64_t, 4> overruns{};  ///< by Resource, those that can be booked
  std::optional<std::uint64_t> open_files;  ///< of the daemon, now

  Histogram loads{kLoads};           ///< from a model's lease to the end of its loading, seconds
  std::uint64_t unloaded = 0;        ///< models that were asked to go, and their memory came back
  std::uint64_t kept = 0;            ///< that were asked, and it did not
  std::uint64_t cleanups = 0;        ///< that somebody asked for and that reached what was wanted
  std::uint64_t short_cleanups = 0;  ///< that did not
  std::uint64_t freed_memory = 0;    ///< bytes that cleanups brought back
  std::uint64_t freed_gpu_memory = 0;

  struct HookCalls {
    std::string hook;
    std::array<std::uint64_t, kHookResults> results{};  ///< by HookResult
    Histogram took{kLoads};                             ///< seconds from the ask to its answer
  };
  std::vector<HookCalls> hooks;  ///< at most kHooks, then everything else as hook "other"

  /// Counts the answer of a hook.
  void called(std::string_view hook, HookResult result, std::chrono::nanoseconds took);

  struct Answered {
    std::string_view route;  ///< "/api/v1/leases/*"
    int status = 0;
    std::uint64_t count = 0;
  };
  std::vector<Answered> answers;  ///< at most kRoutes, then everything else as route "other"

  /// Counts an answer. `route` is one of the program's own words and lives for ever.
  void answered(std::string_view route, int status);
};

}  // namespace headroom::serve
