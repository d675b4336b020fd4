// Those who listen for what components are asked to set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "words/effect.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// Hands asks to components, and tells when one begins or ceases to listen. Loop thread only.
class ComponentListeners {
 public:
  /// Takes one ask; false when it cannot any more.
  using Send = std::function<bool(const CallSetter& call)>;

  static constexpr std::size_t kMost = 4000;
  static constexpr std::size_t kMostOfOne = 8;

  /// `heard` may call this object again.
  explicit ComponentListeners(std::function<void(ComponentHeard)> heard)
      : heard_(std::move(heard)) {}

  /// 0: too many do already, and nothing is kept.
  std::uint64_t listen(const std::string& component, Send send);
  void stop_listening(const std::string& component, std::uint64_t listener);
  /// All who listen for it hear of it, and the first answer counts. Who cannot be told is dropped.
  void call(const CallSetter& call);
  /// Nobody listens any more, and nobody is told.
  void close() { listeners_.clear(); }

 private:
  std::size_t count(const std::string& component) const;

  std::function<void(ComponentHeard)> heard_;
  std::map<std::pair<std::string, std::uint64_t>, Send> listeners_;
  std::uint64_t last_ = 0;
};

}  // namespace headroom::runtime
