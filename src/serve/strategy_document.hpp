// How allocations move, as JSON.
#pragma once

#include <string_view>
#include <tuple>
#include <vector>

#include "serve/schema.hpp"
#include "words/strategy.hpp"
#include "words/view.hpp"

namespace headroom::serve {

/// What one word means at one level of the node.
struct StrategyRow {
  std::string_view name;
  StrategyParameters parameters;
};
/// The one that is set, what it means now, and the words there are.
struct StrategyDocument {
  const Strategy& set;
  Level level;
  std::chrono::milliseconds interval;
  std::vector<StrategyRow> words;
  StrategyParameters now() const { return parameters_of(set, level); }
};

constexpr double kPercent = 100;

template <>
struct Described<StrategyRow> {
  using D = StrategyRow;
  static constexpr std::string_view name = "StrategyWord";
  static constexpr auto fields = std::tuple{
      Field{"name", "", [](const D& d) { return d.name; }},
      Field{"buffer_percent", "Added over a demand.",
            [](const D& d) { return kPercent * d.parameters.buffer; }},
      Field{"reserve_percent", "Of the node's memory, which nobody is given.",
            [](const D& d) { return kPercent * d.parameters.reserve; }},
      Field{"shortfall_weight", "What a unit too little weighs beside one too much.",
            [](const D& d) { return d.parameters.shortfall; }},
      Field{"lends", "What lies idle may be used by others.",
            [](const D& d) { return d.parameters.lends; }},
  };
};

template <>
struct Described<StrategyDocument> {
  using D = StrategyDocument;
  static constexpr std::string_view name = "Strategy";
  static constexpr auto fields = std::tuple{
      Field{"name", "The posture and the estimator, without what is left to headroom.",
            [](const D& d) { return to_text(d.set); }},
      Field{"posture", "How boldly: conservative, balanced, aggressive or adaptive.",
            [](const D& d) -> std::string_view { return to_string(d.set.posture); }},
      Field{"estimator",
            "What a demand is told from: dynamic, predictive, cooperative or adaptive.",
            [](const D& d) -> std::string_view { return to_string(d.set.estimator); }},
      Field{"level", "Of the node; it decides where the posture is adaptive.",
            [](const D& d) { return d.level; }},
      Field{"buffer_percent", "Added over a demand, now.",
            [](const D& d) { return kPercent * d.now().buffer; }},
      Field{"reserve_percent",
            "Of the node's memory, which nobody is given; it does not move with the level.",
            [](const D& d) { return kPercent * d.now().reserve; }},
      Field{"shortfall_weight", "What a unit too little weighs beside one too much.",
            [](const D& d) { return d.now().shortfall; }},
      Field{"cycle_seconds", "Between two moves of allocations.",
            [](const D& d) {
              return d.now().cycle * std::chrono::duration<double>(d.interval).count();
            }},
      Field{"hold_seconds", "A demand must have been lower for so long before it is followed down.",
            [](const D& d) { return std::chrono::duration<double>(d.now().hold).count(); }},
      Field{"shrink_percent",
            "Of an allocation, at most, that goes in one cycle if nobody needs it.",
            [](const D& d) { return kPercent * d.now().shrink_most; }},
      Field{"lends", "What lies idle may be used by others.",
            [](const D& d) { return d.now().lends; }},
      Field{"strategies", "The seven words, as they would be now.", &D::words},
  };
};

}  // namespace headroom::serve
