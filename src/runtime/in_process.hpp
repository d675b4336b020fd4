// Components without a daemon: this process alone.
//
//   runtime::InProcess alone;
//   auto component = alone.register_component("feature_pipeline",
//       {{"cpu_percent", [&](double percent) { pool.resize(threads_for(percent)); }}},
//       {.priority = "high", .cpu_percent = 20});
//   if (!component) …  // component.error() has what, why and help
//   (void)alone.set_quota("feature_pipeline", {.cpu_percent = 30});
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/instant.hpp>
#include <headroom/result.hpp>
#include <headroom/sample.hpp>
#include <headroom/setter.hpp>

#include "runtime/quota_words.hpp"
#include "sense/holder.hpp"
#include "sense/sampler.hpp"
#include "words/config.hpp"
#include "words/strategy.hpp"

namespace headroom::runtime {

/// A component of this process; ends when it is destroyed. Every member may be called from any
/// thread, also from its own setters, but for moving and destroying.
class InProcessComponent {
 public:
  InProcessComponent(InProcessComponent&& other) noexcept;
  InProcessComponent& operator=(InProcessComponent&& other) noexcept;
  /// As leave().
  ~InProcessComponent();

  const std::string& name() const;

  /// Tells what it uses, where it knows better than what is measured of its process: it has to
  /// where there are several components in the process. Counts for a minute. Other names than
  /// cpu_percent, memory_mb, disk_iops and network_mb, and what is no amount, are left out.
  void report(const SetterValues& used);

  ComponentStatus status() const;

  /// Forgets it and its quota. No setter is called afterwards; one that is under way is waited for,
  /// unless it is the one that calls this, for ComponentOptions::end_within at most: what one
  /// refers to that hangs has to live as long as it does. With the last component the threads end.
  /// Once more changes nothing.
  Result<void> leave();

 private:
  friend class InProcess;
  struct Running;
  explicit InProcessComponent(std::unique_ptr<Running> running);

  std::unique_ptr<Running> running_;
};

/// headroom in this process: reads the machine, decides, and calls the setters of its components.
///
/// It keeps no files, opens no port, looks at no GPU, and the kernel holds nobody to what he is
/// given. What it gives is known to this process alone: another process, or a daemon, may give the
/// same again. Its components need no sign of life, since their process is this one.
///
/// Nothing runs before the first component registers. Then there is one thread, "headroom", that
/// reads the machine every sample.interval, and a few, "headroom setter", that call the setters:
/// those of one component one after the other, four components at the same time. One that takes
/// longer than 100 ms keeps its thread, and others get another one, up to 64 in all; beyond that
/// they wait, and their asks time out as if they hung themselves. With the last component the
/// threads end, but for those of setters that hang.
///
/// Every member may be called from any thread, also from a setter; none waits for a setter, but for
/// leaving and destroying. After a fork the child has none of the threads: there each call fails as
/// `unavailable`, and a component says that it is not connected; an InProcess of its own works.
class InProcess {
 public:
  /// Reads the machine, and what these hold, into the sample. One thread at a time.
  using Read = std::function<void(Instant at, const std::vector<sense::Target>& holders,
                                  sense::ReadOptions options, Sample& out)>;
  struct Options {
    Config config = {};  ///< the built-in values, or as settings::load() has them
    /// The time; runtime::now() where it is empty. Whoever moves one by hand calls catch_up().
    std::function<Instant()> now = {};
    /// This machine where it is empty.
    Read read = {};
  };

  InProcess() : InProcess(Options()) {}
  explicit InProcess(Options options);
  InProcess(const InProcess&) = delete;
  InProcess& operator=(const InProcess&) = delete;
  /// Ends all components, as InProcessComponent::leave() does.
  ~InProcess();

  /// Its setters may be called before this returns. Reads the machine first where nothing runs yet
  /// (some milliseconds). Errors: invalid_request as a daemon says it, for a setter without a call,
  /// and for `enforce`; conflict: there is one of this name; too_many_requests: 2000 components;
  /// unavailable: there is no thread left, or this is a forked process.
  Result<InProcessComponent> register_component(std::string name,
                                                std::vector<ComponentSetter> setters,
                                                ComponentOptions options = {});

  /// Returns how the component stands then. One that is not registered keeps its quota until it is.
  /// Errors: invalid_request as a daemon says it.
  Result<ComponentView> set_quota(const std::string& name, const QuotaWords& words);
  /// One of the seven words, or a posture and an estimator joined by "+".
  Result<void> set_strategy(std::string_view words);
  Result<Strategy> strategy() const;

  /// Error: not_found.
  Result<ComponentView> component(const std::string& name) const;
  /// By name, also those of which only the quota is known.
  Result<std::vector<ComponentView>> components() const;
  /// The newest first; of all components where the name is empty. 2000 are kept.
  Result<std::vector<Decision>> decisions(std::string_view component, std::size_t limit) const;

  /// Returns when everything has been done that is due by now, but for what setters take. Errors:
  /// timed_out after a minute.
  Result<void> catch_up();

 private:
  friend class InProcessComponent;
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace headroom::runtime
