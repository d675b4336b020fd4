#include "runtime/component_listeners.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace headroom::runtime {
namespace {

struct ComponentListening : ::testing::Test {
  ComponentListeners listeners{
      [this](ComponentHeard event) { heard.emplace_back(event.component, event.listens); }};
  std::vector<std::pair<std::string, bool>> heard;
  static CallSetter call(const char* component) {
    CallSetter one;
    one.ask = 1;
    one.component = component;
    return one;
  }
};

TEST_F(ComponentListening, EveryoneOfAComponentIsToldAndNobodyElse) {
  int a = 0;
  int b = 0;
  listeners.listen("a", [&](const CallSetter&) { return ++a > 0; });
  listeners.listen("a", [&](const CallSetter&) { return ++a > 0; });
  listeners.listen("ab", [&](const CallSetter&) { return ++b > 0; });
  listeners.call(call("a"));
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 0);
}

TEST_F(ComponentListening, ItIsSaidWhenTheLastOneStops) {
  const auto first = listeners.listen("a", [](const CallSetter&) { return true; });
  const auto second = listeners.listen("a", [](const CallSetter&) { return true; });
  heard.clear();
  listeners.stop_listening("a", first);
  EXPECT_TRUE(heard.empty());
  listeners.stop_listening("a", second);
  listeners.stop_listening("a", second);
  EXPECT_EQ(heard, (std::vector<std::pair<std::string, bool>>{{"a", false}}));
}

TEST_F(ComponentListening, WhoCannotBeToldListensNoMore) {
  listeners.listen("a", [](const CallSetter&) { return false; });
  heard.clear();
  listeners.call(call("a"));
  EXPECT_EQ(heard, (std::vector<std::pair<std::string, bool>>{{"a", false}}));
}

TEST_F(ComponentListening, TooManyAreRefused) {
  for (std::size_t i = 0; i < ComponentListeners::kMostOfOne; ++i) {
    EXPECT_NE(listeners.listen("a", [](const CallSetter&) { return true; }), 0U);
  }
  EXPECT_EQ(listeners.listen("a", [](const CallSetter&) { return true; }), 0U);
  EXPECT_NE(listeners.listen("b", [](const CallSetter&) { return true; }), 0U);
}

}  // namespace
}  // namespace headroom::runtime
