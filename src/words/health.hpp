// One word for the health of the whole node.
#pragma once

#include <headroom/pressure.hpp>

namespace headroom {

/// "healthy", "moderate" (warning) or "critical" (critical and emergency).
constexpr const char* health_word(Level level) {
  switch (level) {
    case Level::ok:
      return "healthy";
    case Level::warning:
      return "moderate";
    case Level::critical:
    case Level::emergency:
      return "critical";
  }
  return "critical";
}

}  // namespace headroom
