// What components are allotted: its units, its words, and the setters that it is told by.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <headroom/component.hpp>

#include "judge/gauge.hpp"

namespace headroom::control {

// Where nobody knows what there is.
inline constexpr std::int64_t kUnbounded = std::int64_t{1} << 40;
inline constexpr std::int64_t kWhole = 1000;  // tenths of a percent
inline constexpr std::int64_t kMiB = 1 << 20;
inline constexpr double kNearly = 0.95;  // of what it has: it may lack more at once
inline constexpr double kTrust = 0.3;    // below, its quota counts more than what was learned
inline constexpr int kUnresponsive = judge::kUnresponsive;                    // asks in a row
inline constexpr std::string_view kMeantToHave = "what it is meant to have";  // told from that

inline std::optional<Allotted> allotted_by(std::string_view setter) {
  for (const Allotted what : kAllAllotted) {
    if (facts_of(what).setter == setter) return what;
  }
  return {};
}

inline const Setter* setter_of(const Component& component, std::string_view name) {
  const auto found = std::find_if(component.setters.begin(), component.setters.end(),
                                  [&](const Setter& one) { return one.name == name; });
  return found == component.setters.end() ? nullptr : &*found;
}

inline bool sets(const Component& component, Allotted what) {
  return setter_of(component, facts_of(what).setter) != nullptr;
}

/// "24.5", "600": in the unit of its setter.
inline std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}
inline double shown(Allotted what, std::int64_t units) {
  return static_cast<double>(units) / facts_of(what).scale;
}
inline std::string amount_text(Allotted what, std::int64_t units) {
  return number_text(shown(what, units)) + " " + std::string(facts_of(what).unit);
}

inline std::int64_t units_of(Allotted what, double value) {
  const double units = std::round(value * facts_of(what).scale);
  return static_cast<std::int64_t>(std::clamp(units, 0.0, static_cast<double>(kUnbounded)));
}

inline std::int64_t up(double value) {
  return static_cast<std::int64_t>(
      std::ceil(std::clamp(value, 0.0, static_cast<double>(kUnbounded)) - 1e-9));
}

}  // namespace headroom::control
