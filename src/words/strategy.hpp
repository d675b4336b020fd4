// How allocations move: the seven names, and the one table of what they mean.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/pressure.hpp>

namespace headroom {

/// How boldly.
enum class Posture { conservative, balanced, aggressive, adaptive };
/// What the demand of a component is told from.
enum class Estimator {
  dynamic,      ///< what it uses now
  predictive,   ///< what is foreseen
  cooperative,  ///< what it uses now; what lies idle is lent to others until it is wanted back
  adaptive,     ///< whichever of these has proven better on that series
};

/// A posture and an estimator; either may be left to headroom.
struct Strategy {
  Posture posture = Posture::adaptive;
  Estimator estimator = Estimator::adaptive;
  bool operator==(const Strategy&) const = default;
};

/// What a strategy means at one level of the node.
struct StrategyParameters {
  double buffer = 0;     ///< share that is added over a demand
  double reserve = 0;    ///< share of the node's memory that nobody is given
  double shortfall = 0;  ///< what a unit too little weighs beside one too much
  double cycle = 1;      ///< of control.interval, between two moves of allocations
  std::chrono::minutes hold{
      0};                  ///< a demand must have been lower for so long before it is followed
  double shrink_most = 0;  ///< share of an allocation that goes at once, if nobody needs it
  double deadband = 0;     ///< smaller changes, as a share, are not worth one
  bool strict_classes =
      true;            ///< a lower class gets what the higher ones leave; else 8 : 4 : 2 : 1
  bool lends = false;  ///< what lies idle may be used by others
  bool operator==(const StrategyParameters&) const = default;
};

/// The parameters in force. Where the posture is adaptive the level of the node decides: aggressive
/// while all is well, balanced at warning, conservative with a buffer of 20 % at critical, and with
/// none in an emergency.
StrategyParameters parameters_of(const Strategy& strategy, Level level);

/// The seven words, in the order in which they are shown; "adaptive" is a posture and an estimator.
inline constexpr std::array<std::string_view, 7> kStrategyWords{
    "conservative", "balanced", "aggressive", "adaptive", "dynamic", "predictive", "cooperative"};

/// Reads one of the words, or a posture and an estimator joined by "+" in either order; empty for
/// anything else.
std::optional<Strategy> strategy_of(std::string_view text);
/// As strategy_of() reads it, without what is left to headroom; "adaptive" where all is.
std::string to_text(const Strategy& strategy);
const char* to_string(Posture posture);
const char* to_string(Estimator estimator);

}  // namespace headroom
