// A program as a component: headroom gives it a share of the machine by calling its setters.
//
//   auto component = client::register_component("", "feature_pipeline",
//       {{"cpu_percent", [&](double percent) { pool.resize(threads_for(percent)); }},
//        {"batch_size", [&](double size) { batch = int(size); }, {.least = 1, .most = 64}}},
//       {.priority = "high", .cpu_percent = 20, .memory_mb = 400});
//   if (!component) …  // component.error() has what, why and help
//   component->report({{"cpu_percent", 12.5}, {"memory_mb", 310}});
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <headroom/result.hpp>
#include <headroom/setter.hpp>

namespace headroom::client {

using headroom::Applied;
using headroom::ComponentOptions;
using headroom::ComponentSetter;
using headroom::ComponentStatus;
using headroom::SetterCall;
using headroom::SetterRange;
using Amounts = SetterValues;

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
