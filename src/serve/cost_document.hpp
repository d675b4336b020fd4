// What the node costs, as JSON.
#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "serve/schema.hpp"
#include "words/view.hpp"

namespace headroom::serve {

struct CostDocument {
  const CostView& cost;
  std::string_view currency;
};

/// "2026-11"
inline std::string month_text(std::chrono::year_month month) {
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u", static_cast<int>(month.year()),
                static_cast<unsigned>(month.month()));
  return text;
}

inline std::optional<double> value_of(const std::optional<Money>& money) {
  return money ? std::optional(money->value()) : std::nullopt;
}

template <>
struct Described<CostDocument> {
  using D = CostDocument;
  static constexpr std::string_view name = "Cost";
  static constexpr auto fields = std::tuple{
      Field{"currency", "cost.currency.", [](const D& d) { return MaybeText{d.currency}; }},
      Field{"per_hour", "Of the node with its GPUs and the energy that it draws, now.",
            [](const D& d) { return d.cost.per_hour.value(); }},
      Field{"leases_per_hour", "Of that, what leases have booked; the rest lies idle.",
            [](const D& d) { return d.cost.leases_per_hour.value(); }},
      Field{"month", "By the node's clock.", [](const D& d) { return month_text(d.cost.month); }},
      Field{"spent", "In it, while a daemon ran.", [](const D& d) { return d.cost.spent.value(); }},
      Field{"spent_before", "In the month before; null: not known.",
            [](const D& d) { return value_of(d.cost.spent_before); }},
      Field{"budget", "Of a month; null: none.",
            [](const D& d) {
              return d.cost.budget > Money() ? std::optional(d.cost.budget.value()) : std::nullopt;
            }},
      Field{"spent_at", "When the budget is spent if it goes on so; null: not in this month.",
            [](const D& d) { return d.cost.spent_at; }},
      Field{"until", "The month's end.", [](const D& d) { return d.cost.until; }},
  };
};

}  // namespace headroom::serve
