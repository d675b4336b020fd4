// A program as a component: headroom gives it a share of the machine by calling its setters.
//
//   auto component = client::register_component("", "feature_pipeline",
//       {{"cpu_percent", [&](double percent) { pool.resize(threads_for(percent)); }},
//        {"batch_size", [&](double size) { batch = int(size); }, {.least = 1, .most = 64}}},
//       {.priority = "high", .cpu_percent = 20, .memory_mb = 400});
//   if (!component) …  // component.error() has what, why and help
//   component->report({{"cpu_percent", 12.5}, {"memory_mb", 310}});
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <headroom/result.hpp>

namespace headroom::client {

/// What became of a value that a setter was called with.
struct Applied {
  bool ok = true;
  std::optional<double> value;  ///< what was really applied; empty: what it was called with
  std::string said;             ///< where it is not ok: why, for people

  static Applied as_asked() { return {}; }
  static Applied other(double value) { return {true, value, {}}; }
  static Applied failed(std::string why) { return {false, std::nullopt, std::move(why)}; }
};

/// Something that can be called with one number. It may return nothing (applied as asked), a bool
/// (false: failed), a number (what was really applied), a std::optional of one (empty: failed) or
/// an Applied; what it throws is a failure with its text.
class SetterCall {
 public:
  SetterCall() = default;
  template <class F>
    requires(std::is_invocable_v<F&, double> && !std::is_same_v<std::remove_cvref_t<F>, SetterCall>)
  SetterCall(F call)  // NOLINT(google-explicit-constructor): a lambda is a setter
      : call_([call = std::move(call)](double value) mutable -> Applied {
          using Answer = std::remove_cvref_t<std::invoke_result_t<F&, double>>;
          if constexpr (std::is_void_v<Answer>) {
            call(value);
            return Applied::as_asked();
          } else if constexpr (std::is_same_v<Answer, Applied>) {
            return call(value);
          } else if constexpr (std::is_same_v<Answer, bool>) {
            return call(value) ? Applied::as_asked() : Applied::failed("the setter said no");
          } else if constexpr (std::is_arithmetic_v<Answer>) {
            return Applied::other(static_cast<double>(call(value)));
          } else {
            const auto applied = call(value);  // a std::optional
            return applied ? Applied::other(static_cast<double>(*applied))
                           : Applied::failed("the setter said no");
          }
        }) {}
  explicit operator bool() const { return static_cast<bool>(call_); }
  Applied operator()(double value) const { return call_(value); }

 private:
  std::function<Applied(double)> call_;
};

/// What a setter that headroom has no own name for goes by. "cpu_percent", "memory_mb", "disk_iops"
/// and "network_mb" are called with the allocation and need none of it.
struct SetterRange {
  double least = 0;
  double most = 0;                 ///< it is called with `least` to `most`, as `follows` is given
  std::string follows = "memory";  ///< cpu, memory, disk_iops or network
  std::string unit = {};           ///< for people
  bool whole = true;               ///< only with whole numbers
};

struct ComponentSetter {
  std::string name;
  SetterCall call;
  SetterRange range = {};
};

/// Amounts by the names of setters: {"cpu_percent", 12.5}, {"memory_mb", 310}.
using Amounts = std::map<std::string, double>;

/// How a component registers. What is empty is left as it is, or as configured.
struct ComponentOptions {
  std::string priority = {};  ///< low normal high critical
  std::optional<double> cpu_percent = {};
  std::optional<double> memory_mb = {};
  std::optional<double> disk_iops = {};
  std::optional<double> network_mb = {};
  std::optional<bool> enforce = {};  ///< the kernel holds this process to what it is given
  Amounts values = {};               ///< what its setters stand at now
  /// Go on without a daemon: register when there is one. Else registering fails as `unavailable`.
  bool later = false;
  std::chrono::milliseconds answer_within{5000};  ///< for one answer of the daemon
  std::chrono::milliseconds heartbeat{10000};     ///< between two signs of life
  std::chrono::milliseconds end_within{1000};     ///< how long the destructor waits at most
  /// Told what goes wrong, each failure once in a row; on the component's thread.
  std::function<void(const Error&)> on_problem = {};
};

/// How a component stands.
struct ComponentStatus {
  bool connected = false;   ///< a daemon can ask it
  Amounts values;           ///< of its setters, as last applied
  std::uint64_t asked = 0;  ///< so often since it was registered
  std::uint64_t failed = 0;
  std::optional<Error> problem;  ///< the last one, while it lasts
};

/// This process, registered as a component. One thread of its own, "headroom NAME", listens for
/// what it is asked, calls the setters one after the other, acknowledges what was really applied,
/// and gives signs of life. When the daemon goes away it is looked for with pauses that grow to two
/// seconds, and told of this component again.
///
/// A setter that fails or throws is reported, and ends nothing. One that hangs holds up this
/// component's thread and nobody else's; the daemon says so after control.setter_timeout.
///
/// The destructor ends the listening and leaves the component registered, since unregistering
/// forgets its quota too; the daemon sees that nobody listens, and when the process ends. It waits
/// for a setter that is under way, or an answer, for ComponentOptions::end_within at most. After
/// that the thread is left behind and calls nothing any more once what holds it up returns: what
/// that setter refers to has to live so long.
///
/// Every member may be called from any thread, also from a setter, but for moving and destroying.
class Component {
 public:
  Component(Component&& other) noexcept;
  Component& operator=(Component&& other) noexcept;
  ~Component();

  const std::string& name() const;

  /// Tells what it uses, where it knows better than what is measured of its process. Does not
  /// block; at most one a second is sent, with the newest of each amount.
  void report(const Amounts& used);

  ComponentStatus status() const;

  /// Unregisters it, which forgets its quota, and ends the listening; afterwards no setter is
  /// called. Blocks as the destructor does, and for one answer of the daemon.
  Result<void> leave();

 private:
  struct Shared;
  struct Running;
  friend Result<Component> register_component(std::string url, std::string name,
                                              std::vector<ComponentSetter> setters,
                                              ComponentOptions options);
  explicit Component(std::unique_ptr<Running> running);

  std::unique_ptr<Running> running_;
};

/// Registers this process with the daemon at `url` ("": as HEADROOM_URL says, or the usual socket).
/// A component of the same name is replaced. Fails as the daemon answers, with `unavailable` when
/// none does (but see ComponentOptions::later), and with `invalid_request` for setters without a
/// call or with the same name.
Result<Component> register_component(std::string url, std::string name,
                                     std::vector<ComponentSetter> setters,
                                     ComponentOptions options = {});

}  // namespace headroom::client
