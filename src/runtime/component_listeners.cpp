#include "runtime/component_listeners.hpp"

#include <vector>

namespace headroom::runtime {

std::size_t ComponentListeners::count(const std::string& component) const {
  std::size_t found = 0;
  for (auto it = listeners_.lower_bound({component, 0});
       it != listeners_.end() && it->first.first == component; ++it) {
    ++found;
  }
  return found;
}

std::uint64_t ComponentListeners::listen(const std::string& component, Send send) {
  if (listeners_.size() >= kMost || count(component) >= kMostOfOne) return 0;
  const std::uint64_t number = ++last_;
  listeners_.emplace(std::pair(component, number), std::move(send));
  heard_({component, true});
  return number;
}

void ComponentListeners::stop_listening(const std::string& component, std::uint64_t listener) {
  if (listeners_.erase({component, listener}) > 0 && count(component) == 0) {
    heard_({component, false});
  }
}

void ComponentListeners::call(const CallSetter& call) {
  // Whoever is told may leave while it is told.
  std::vector<std::uint64_t> told;
  for (auto it = listeners_.lower_bound({call.component, 0});
       it != listeners_.end() && it->first.first == call.component; ++it) {
    told.push_back(it->first.second);
  }
  for (const std::uint64_t listener : told) {
    const auto found = listeners_.find({call.component, listener});
    if (found == listeners_.end()) continue;
    const Send send = found->second;
    if (!send(call)) stop_listening(call.component, listener);
  }
}

}  // namespace headroom::runtime
