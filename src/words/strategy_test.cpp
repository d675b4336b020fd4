#include "words/strategy.hpp"

#include <gmock/gmock.h>

namespace headroom {
namespace {

TEST(Strategy, SevenWordsAndTheirPairs) {
  for (const std::string_view word : kStrategyWords) {
    const auto read = strategy_of(word);
    ASSERT_TRUE(read) << word;
    EXPECT_EQ(to_text(*read), word);
  }
  EXPECT_EQ(strategy_of("aggressive+predictive"),
            (Strategy{Posture::aggressive, Estimator::predictive}));
  EXPECT_EQ(strategy_of("predictive+aggressive"), strategy_of("aggressive+predictive"));
  EXPECT_EQ(to_text({Posture::conservative, Estimator::cooperative}), "conservative+cooperative");
  EXPECT_EQ(strategy_of("adaptive+predictive"), strategy_of("predictive"));
  EXPECT_EQ(strategy_of("balanced+adaptive"), strategy_of("balanced"));
}

TEST(Strategy, AnythingElseIsNone) {
  for (const char* text :
       {"", "+", "bold", "aggressive+", "+aggressive", "aggressive+balanced", "dynamic+predictive",
        "adaptive+adaptive", "aggressive+predictive+dynamic", "Aggressive",
        "aggressive predictive"}) {
    EXPECT_EQ(strategy_of(text), std::nullopt) << text;
  }
}

TEST(Strategy, TheNumbersOfTheSpecifications) {
  const auto of = [](std::string_view word) {
    return parameters_of(*strategy_of(word), Level::ok);
  };
  EXPECT_EQ(of("conservative").buffer, 0.25);
  EXPECT_EQ(of("balanced").buffer, 0.35);
  EXPECT_EQ(of("aggressive").buffer, 0.55);
  EXPECT_EQ(of("conservative").reserve, 0.20);
  EXPECT_EQ(of("balanced").reserve, 0.12);
  EXPECT_EQ(of("aggressive").reserve, 0.05);
  EXPECT_EQ(of("conservative").shortfall, 800);
  EXPECT_EQ(of("balanced").shortfall, 200);
  EXPECT_EQ(of("aggressive").shortfall, 50);
  EXPECT_EQ(of("conservative").cycle, 2);
  EXPECT_EQ(of("aggressive").cycle, 0.5);
  EXPECT_TRUE(of("cooperative").lends);
  EXPECT_FALSE(of("aggressive+dynamic").lends);
}

TEST(Strategy, AdaptiveIsLessBoldTheTighterItGets) {
  double buffer = 1;
  for (const Level level : {Level::ok, Level::warning, Level::critical, Level::emergency}) {
    const StrategyParameters now = parameters_of({}, level);
    EXPECT_LT(now.buffer, buffer) << to_string(level);
    buffer = now.buffer;
  }
  EXPECT_EQ(parameters_of({}, Level::ok).buffer, 0.55);
  EXPECT_EQ(parameters_of({}, Level::warning).buffer, 0.35);
  EXPECT_EQ(parameters_of({}, Level::critical).buffer, 0.20);
  EXPECT_EQ(parameters_of({}, Level::emergency).buffer, 0);
  EXPECT_EQ(parameters_of({}, Level::emergency).reserve, parameters_of({}, Level::ok).reserve)
      << "what is booked does not shrink";
  const Strategy fixed{Posture::balanced, Estimator::adaptive};
  EXPECT_EQ(parameters_of(fixed, Level::ok), parameters_of(fixed, Level::emergency));
}

}  // namespace
}  // namespace headroom
