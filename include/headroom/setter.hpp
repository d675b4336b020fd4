// What a program hands over as a component: its setters, and what it says of itself. The same
// for a daemon (src/client/component.hpp) and for the program's own process
// (src/runtime/in_process.hpp).
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <headroom/result.hpp>

namespace headroom {

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

  /// Calls it. What it throws, and what it says that is no number, is a failure; else `value` is
  /// what it stands at now. REQUIRES: there is a call.
  Applied set(double wanted) const {
    try {
      Applied applied = call(wanted);
      if (!applied.ok) {
        return Applied::failed(applied.said.empty() ? "the setter said no" : applied.said);
      }
      applied.value = applied.value.value_or(wanted);
      if (std::isfinite(*applied.value)) return applied;
      return Applied::failed("it says that it has applied what is no number");
    } catch (const std::exception& error) {
      return Applied::failed(error.what());
    } catch (...) {
      return Applied::failed("it threw something that is no exception");
    }
  }
};

/// Values by the names of setters: {"cpu_percent", 12.5}, {"memory_mb", 310}.
using SetterValues = std::map<std::string, double>;

/// How a component registers: with a daemon, or in its own process, which has no use for `later`,
/// `answer_within`, `heartbeat` and `on_problem`. What is empty is left as it is, or as configured.
struct ComponentOptions {
  std::string priority = {};  ///< low normal high critical
  std::optional<double> cpu_percent = {};
  std::optional<double> memory_mb = {};
  std::optional<double> disk_iops = {};
  std::optional<double> network_mb = {};
  /// The kernel holds this process to what it is given; only a daemon can see to that.
  std::optional<bool> enforce = {};
  SetterValues values = {};  ///< what its setters stand at now
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
  bool connected = false;   ///< it can be asked: its daemon is there, or it is in its own process
  SetterValues values;      ///< of its setters, as last applied
  std::uint64_t asked = 0;  ///< so often since it was registered
  std::uint64_t failed = 0;
  std::optional<Error> problem;  ///< the last one, while it lasts
};

}  // namespace headroom
