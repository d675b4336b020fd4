// What a series is going to be, as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "serve/lists.hpp"
#include "words/forecast.hpp"

namespace headroom::serve {

struct ForecastDocument {
  const ForecastView& view;
  std::string_view unit;

  /// Before the first forecast could be held against what came, nothing is known of how sure it is.
  std::optional<double> once_judged(double value) const {
    return view.judged > 0 ? std::optional(value) : std::nullopt;
  }
  std::string_view resource() const {
    return std::string_view(view.series).substr(0, view.series.find(':'));
  }
  std::string_view device() const {
    const auto colon = view.series.find(':');
    return colon == std::string::npos ? std::string_view()
                                      : std::string_view(view.series).substr(colon + 1);
  }
};

template <>
struct Described<ForecastDocument> {
  using D = ForecastDocument;
  static constexpr std::string_view name = "Forecast";
  static constexpr auto fields = std::tuple{
      Field{"resource", "As GET /api/v1/history has it.", [](const D& d) { return d.resource(); }},
      Field{"device", "A GPU's UUID, or a mount.",
            [](const D& d) { return MaybeText{d.device()}; }},
      Field{"unit", "", [](const D& d) { return d.unit; }},
      Field{"updated_at", "The newest sample it is told from.",
            [](const D& d) { return d.view.updated; }},
      Field{"now", "Its value.", [](const D& d) { return d.view.now; }},
      Field{"horizon_seconds", "How far ahead.", [](const D& d) { return d.view.horizon; }},
      Field{"value", "What is expected then.", [](const D& d) { return d.view.value; }},
      Field{
          "low",
          "low to high holds it with a probability of 90 %. Null, as is all that says how sure it "
          "is, before the first forecast was held against what came.",
          [](const D& d) { return d.once_judged(d.view.lo); }},
      Field{"high", "", [](const D& d) { return d.once_judged(d.view.hi); }},
      Field{"confidence", "The probability that it will lie within 10 % of value.",
            [](const D& d) { return d.once_judged(d.view.confidence); }},
      Field{"method", "The one that counts most, by what has proven better on this series.",
            [](const D& d) -> const auto& { return d.view.method; }},
      Field{"limited_by", "What keeps it from being better: short_history, volatility, horizon.",
            [](const D& d) {
              return MaybeText{d.view.limited_by == "nothing"
                                   ? std::string_view()
                                   : std::string_view(d.view.limited_by)};
            }},
      Field{"relative_error",
            "Mean absolute error over that of assuming that the last value stays; 1: no better.",
            [](const D& d) { return d.once_judged(d.view.relative_error); }},
      Field{"coverage", "Share of values that lay between low and high; 0.9 is meant.",
            [](const D& d) { return d.once_judged(d.view.coverage); }},
      Field{"samples", "Taken in.", [](const D& d) { return d.view.samples; }},
      Field{"judged", "Forecasts whose value has come.", [](const D& d) { return d.view.judged; }},
      Field{"seen_seconds", "Since the first sample.", [](const D& d) { return d.view.seen; }},
      Field{"full_in_seconds", "Until it is at 100 %, where it goes there within a week.",
            [](const D& d) { return d.view.full_in; }},
      Field{"full_confidence", "The probability that it is full at twice that time.",
            [](const D& d) { return d.view.full_confidence; }},
  };
};

template <>
struct Described<ListOf<ForecastDocument>> {
  static constexpr std::string_view name = "Forecasts";
  static constexpr auto fields = kListFields<ForecastDocument>;
};

}  // namespace headroom::serve
