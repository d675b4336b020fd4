// Counts what happens, for the metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <headroom/pressure.hpp>

#include "control/state.hpp"
#include "serve/backend.hpp"
#include "serve/metric_counts.hpp"
#include "words/effect.hpp"

namespace headroom::runtime {

/// Loop thread only.
class Counting {
 public:
  /// One effect of the control machine, whose state is `state` now.
  void effect(const Effect& effect, const control::State& state);
  /// A sample was judged.
  void levels(const control::State& state);
  /// The machine was read in that time.
  void sampled(std::chrono::nanoseconds took) { counts_.samples.add(took); }
  /// One turn of the control machine.
  void decided(std::chrono::nanoseconds took) { counts_.decisions.add(took); }

  /// A request of that path ("" = none of ours) was answered.
  void answered(std::string_view route, int status, std::chrono::nanoseconds took) {
    counts_.answered(route, status);
    counts_.requests.add(took);
  }

  /// A hook was asked at that time, and has answered.
  void asked(const AskHook& ask, BootTime at) { asked_[ask.ask] = {ask.hook, at}; }
  void answered(const HookAnswered& answer, BootTime at);

  serve::MetricCounts& counts() { return counts_; }
  /// Fills in what is counted here.
  void fill(serve::Costs& costs, Instant now);

 private:
  void loaded(LeaseId id, const control::State& state);

  struct Asked {
    std::string hook;
    BootTime at;
  };
  using Key = std::pair<Resource, std::string>;

  serve::MetricCounts counts_;
  std::map<std::uint64_t, Asked> asked_;  ///< each is answered once
  std::map<Key, Level> levels_;
  std::map<std::uint64_t, Level> raised_;  ///< open alerts, and the highest level counted
  std::uint64_t alerts_[3] = {};
  serve::PressureEvents pressure_{};
  BootTime files_counted_{};
};

/// The descriptors this process has open.
std::uint64_t count_open_files();

}  // namespace headroom::runtime
