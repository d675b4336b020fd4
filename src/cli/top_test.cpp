// `headroom top` as whole pictures (tests/golden/cli/top_*), its places at every size, its keys.
#include <cmath>
#include <ctime>

#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"
#include "cli/top.hpp"

namespace headroom::cli {
namespace {

using client::json::value;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNow = 1768227003.12;  // 2026-01-12T14:10:03.120Z
constexpr std::int64_t kSecond = 1768227003;

std::string golden_path(const std::string& name) {
  return HEADROOM_SOURCE_DIR "/tests/golden/cli/" + name;
}

value document(const std::string& name) {
  const auto parsed = client::parse_json(test::read_file(golden_path(name + ".json")));
  EXPECT_TRUE(parsed) << name;
  return parsed.value_or(value());
}

Key text(const char* character) { return {Key::Name::text, character}; }

class Top : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
    model.now = kNow;
    model.uid = 1000;
    model.take_node(document("top_node"));
    model.take_config(document("top_config"));
    // Ten minutes of the past: hills, a gap, and a GPU that has been busy since a while.
    for (int i = 0; i < 600; ++i) {
      const double wave = 0.5 + 0.4 * std::sin(i / 25.0);
      const std::int64_t at = kSecond - 600 + i;
      model.series["cpu"].put(at, wave * wave);
      model.series["memory"].put(at, 0.3 + i / 6000.0);
      if (i < 400 || i > 430) model.series["gpu:" + gpu_id(0)].put(at, wave);
      model.series["gpu:" + gpu_id(1)].put(at, i < 300 ? 0.02 : 0.97);
      model.series["receive:eth0"].put(at, 1.3e7 * wave);
      model.series["send:eth0"].put(at, 1e6 * (1 - wave));
      model.series["read:nvme0n1"].put(at, i % 60 < 20 ? 4e8 : 0);
    }
    model.take_snapshot(document("top_snapshot"));
    const auto leases = document("top_leases");
    for (const auto& lease : client::list(leases)) model.take_lease(lease);
    const auto alerts = document("top_alerts");
    for (const auto& alert : client::list(alerts)) model.take_alert(alert);
    model.processes = document("top_processes");
  }

  static std::string gpu_id(int index) {
    return "GPU-5d1f0000-0000-4000-8000-00000000000" + std::to_string(index);
  }

  std::string picture(int width, int height, Look look = {}) {
    return draw_top(model, view, look, width, height).text(look);
  }

  static void compare(const std::string& name, const std::string& text) {
    const auto path = golden_path(name + ".txt");
    if (std::getenv("HEADROOM_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << text;
    }
    EXPECT_EQ(text, test::read_file(path)) << name;
  }

  void without_gpus() {
    value snapshot = model.snapshot;
    snapshot.as_object()["gpu"] = client::json::array();
    model.take_snapshot(snapshot);
  }

  TopModel model;
  TopView view;
};

TEST_F(Top, FillsATerminalOfAnySize) {
  for (const auto& [width, height] : std::vector<std::pair<int, int>>{
           {60, 18}, {80, 24}, {100, 30}, {120, 40}, {160, 50}, {220, 60}}) {
    compare("top_" + std::to_string(width) + "x" + std::to_string(height), picture(width, height));
  }
}

TEST_F(Top, SaysThatATerminalIsTooSmall) {
  EXPECT_EQ(picture(40, 3), "too small: 60 by 18 is needed\nthis is 40 by 3; q quits\n\n");
  EXPECT_EQ(picture(1, 1), "…\n");
}

TEST_F(Top, IsDrawnWithASCII) {
  Look look;
  look.utf8 = false;
  // What others wrote in other letters is a question mark each; nothing else is beyond ASCII.
  const auto text = picture(120, 40, look);
  for (const char c : text) ASSERT_LT(static_cast<unsigned char>(c), 0x7F);
  compare("top_ascii", text);
}

TEST_F(Top, HasColoursAndAWordForEachLevel) {
  Look look;
  look.depth = Depth::full;
  compare("top_color", picture(120, 40, look));
  const auto plain = picture(160, 50);
  for (const char* word : {"emergency", "warning", "lost", "asleep", "OVER", "moderate"}) {
    EXPECT_THAT(plain, HasSubstr(word));
  }
}

TEST_F(Top, WithoutGPUsTheOthersTakeTheirPlace) {
  without_gpus();
  compare("top_no_gpu", picture(120, 40));
  EXPECT_THAT(picture(120, 40), Not(HasSubstr("GPU MEM")));
}

TEST_F(Top, WithoutADaemonItSaysSo) {
  model.link = Link::local;
  model.leases.clear();
  model.processes = value();
  const auto text = picture(120, 40);
  EXPECT_THAT(text, HasSubstr("no daemon: read here"));
  EXPECT_THAT(text, HasSubstr("leases need the daemon"));
  EXPECT_THAT(text, HasSubstr("the processes are not known"));
}

TEST_F(Top, KeepsTheLastPictureFadedWhenTheDaemonHasGone) {
  model.link = Link::gone;
  model.link_since = kNow - 12;
  EXPECT_THAT(picture(120, 40), HasSubstr("daemon gone, trying again  the picture is 12s old"));
  Look look;
  look.depth = Depth::full;
  const auto canvas = draw_top(model, view, look, 120, 40);
  EXPECT_EQ(canvas.at(2, 2).pen, Pen{Ink::frame});
}

TEST_F(Top, KnowsNothingAndDrawsIt) {
  model = {};
  model.now = kNow;
  const auto text = picture(120, 40);
  EXPECT_THAT(text, HasSubstr("memory"));
  EXPECT_THAT(text, Not(HasSubstr("0.0 GiB")));  // unknown is no zero
}

TEST_F(Top, SurvivesDocumentsThatAreNotWhatTheyShouldBe) {
  const auto strange = client::parse_json(
      R"({"at":5,"cpu":[],"memory":"x","gpu":[1,null,{"id":7,"memory_used_bytes":-1,"memory_total_bytes":0},
          {"id":"g","memory_used_bytes":9e18,"memory_total_bytes":1,"slowed":[1,{}],"processes":[3]}],
          "network":[{}],"disk":[[]],"filesystem":[{"total_bytes":-5,"available_bytes":9}],
          "room":{"items":[{"resource":"gpu_memory","device":"g","unmaterialised_bytes":-1e300}]}})");
  ASSERT_TRUE(strange);
  model.take_snapshot(*strange);
  model.take_history("cpu", *client::parse_json(R"({"points":[[1],["x",2],[[],{}],5]})"));
  model.take_lease(*client::parse_json(R"({"id":"l-1","booked":5,"gpu_index":"x"})"));
  model.take_alert(*client::parse_json(R"({"id":"a1"})"));
  model.processes = *client::parse_json(R"({"items":[{},[],{"pid":"x","gpus":[[]]}]})");
  for (const auto panel : {Panel::gpu, Panel::leases, Panel::processes}) {
    view.focus = panel;
    press(view, model, {Key::Name::enter, ""});
    EXPECT_FALSE(picture(160, 50).empty());
  }
}

TEST_F(Top, LetsNoNameSteerTheTerminal) {
  const auto text = picture(160, 50);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_THAT(text, HasSubstr("evil?[2Jname"));
}

TEST(TopLayout, NeverOverlapsNorLeavesTheScreen) {
  for (int width = 60; width <= 300; width += 7) {
    for (int height = 18; height <= 100; height += 3) {
      for (int hidden = 0; hidden < 64; ++hidden) {
        for (const int gpus : {0, 1, 4, 16}) {
          TopNeeds needs;
          needs.gpus = gpus;
          needs.cores = 16;
          needs.traffic = 5;
          needs.leases = gpus;
          needs.alerts = gpus / 2;
          for (int i = 0; i < kPanels; ++i) {
            needs.hidden[static_cast<std::size_t>(i)] = ((hidden >> i) & 1) != 0;
          }
          const auto layout = arrange(width, height, needs);
          int area = layout.alerts.width * layout.alerts.height;
          for (const auto& [panel, rect] : layout.panels) {
            ASSERT_FALSE(needs.hidden[static_cast<std::size_t>(panel)]);
            ASSERT_GE(rect.x, 0);
            ASSERT_GE(rect.y, 1 + layout.alerts.height);
            ASSERT_LE(rect.x + rect.width, width);
            ASSERT_LE(rect.y + rect.height, height - 1);
            ASSERT_GE(rect.height, 3);
            area += rect.width * rect.height;
            for (const auto& other : layout.panels) {
              if (other.panel == panel) continue;
              const bool apart = rect.x + rect.width <= other.rect.x ||
                                 other.rect.x + other.rect.width <= rect.x ||
                                 rect.y + rect.height <= other.rect.y ||
                                 other.rect.y + other.rect.height <= rect.y;
              ASSERT_TRUE(apart) << width << "x" << height;
            }
          }
          // Together they fill it: nothing between the header and the footer is left bare.
          if (!layout.panels.empty()) {
            ASSERT_EQ(area, width * (height - 2)) << width << "x" << height << " " << hidden;
          }
        }
      }
    }
  }
}

TEST(TopLayout, GPUsAndCPUStayWhenThereIsLittleSpace) {
  TopNeeds needs;
  needs.gpus = 8;
  needs.leases = 3;
  const auto layout = arrange(60, 18, needs);
  ASSERT_GE(layout.panels.size(), 2U);
  EXPECT_EQ(layout.panels[0].panel, Panel::gpu);
  EXPECT_EQ(layout.panels[1].panel, Panel::cpu);
}

TEST_F(Top, SortsFiltersAndKeepsTheChosenRow) {
  const auto first = [&] {
    return row_key(Panel::processes, *rows_of(Panel::processes, model, view)[0]);
  };
  EXPECT_EQ(first(), "5110");
  press(view, model, text("s"));  // cpu
  EXPECT_EQ(view.sort, "cpu");
  press(view, model, text("s"));  // pid
  EXPECT_EQ(first(), "800");
  press(view, model, text("s"));  // gpu
  EXPECT_EQ(first(), "4121");
  press(view, model, {Key::Name::down, ""});
  EXPECT_EQ(view.selected[Panel::processes], "4121");
  press(view, model, text("s"));
  EXPECT_EQ(view.selected[Panel::processes], "4121");  // the process, not the line
  press(view, model, text("/"));
  for (const char* c : {"R", "E", "N", "D"}) press(view, model, text(c));
  EXPECT_EQ(rows_of(Panel::processes, model, view).size(), 1U);
  press(view, model, text("q"));  // a letter of the filter, not the end
  EXPECT_TRUE(rows_of(Panel::processes, model, view).empty());
  EXPECT_THAT(picture(120, 40), HasSubstr("none matches"));
  press(view, model, {Key::Name::backspace, ""});
  press(view, model, {Key::Name::enter, ""});
  EXPECT_FALSE(view.typing);
  EXPECT_EQ(view.filter, "REND");
  press(view, model, {Key::Name::escape, ""});
  EXPECT_EQ(view.filter, "");
}

TEST_F(Top, HidesAndShowsPanels) {
  press(view, model, text("2"));
  EXPECT_EQ(view.focus, Panel::cpu);
  press(view, model, text("2"));
  EXPECT_TRUE(view.hidden[1]);
  EXPECT_EQ(view.focus, Panel::memory);
  EXPECT_THAT(picture(120, 40), Not(HasSubstr("2 CPU")));
  press(view, model, text("2"));
  EXPECT_FALSE(view.hidden[1]);
  // All hidden is a choice too.
  for (int i = 0; i < kPanels; ++i) view.hidden[static_cast<std::size_t>(i)] = true;
  EXPECT_FALSE(picture(120, 40).empty());
  press(view, model, {Key::Name::tab, ""});
}

TEST_F(Top, ShowsDetailsAndHelp) {
  view.focus = Panel::leases;
  press(view, model, {Key::Name::down, ""});
  press(view, model, {Key::Name::enter, ""});
  compare("top_lease_details", picture(100, 30));
  press(view, model, {Key::Name::escape, ""});
  press(view, model, text("?"));
  compare("top_help", picture(100, 30));
  EXPECT_EQ(press(view, model, text("q")).what, TopAction::What::none);  // closes the help
  EXPECT_EQ(press(view, model, text("q")).what, TopAction::What::quit);
}

TEST_F(Top, AWordOfAGPUNeverStandsWithoutItsNumber) {
  for (int width = 60; width <= 240; ++width) {
    const auto shown = picture(width, 50);
    for (const char* word : {" room  ", " booked  ", "unbooked  "}) {
      EXPECT_THAT(shown.substr(0, shown.find("CPU")), Not(HasSubstr(word))) << width;
    }
  }
}

TEST_F(Top, DetailsOfAGPUHaveItsBusyTimeHeatAndPower) {
  view.focus = Panel::gpu;
  press(view, model, {Key::Name::down, ""});
  press(view, model, {Key::Name::enter, ""});
  const auto shown = picture(120, 50);
  EXPECT_THAT(shown, ::testing::ContainsRegex("busy +[0-9]+ %"));
  EXPECT_THAT(shown, ::testing::ContainsRegex("temperature +[0-9]+"));
  EXPECT_THAT(shown, ::testing::ContainsRegex("power +[0-9]+.* W"));
}

TEST_F(Top, EndsOnlyOnesOwnLeaseAndOnlyAfterAYes) {
  press(view, model, text("l"));
  EXPECT_THAT(view.message, HasSubstr("choose a lease"));
  view.focus = Panel::leases;
  view.selected[Panel::leases] = "l-70";
  press(view, model, text("l"));
  EXPECT_THAT(view.message, HasSubstr("render (l-70) belongs to joe"));
  view.selected[Panel::leases] = "l-71";
  press(view, model, text("l"));
  EXPECT_EQ(view.ending, "l-71");
  EXPECT_THAT(picture(100, 30), HasSubstr("End train-a (l-71)?"));
  EXPECT_EQ(press(view, model, text("n")).what, TopAction::What::none);
  press(view, model, text("l"));
  const auto action = press(view, model, text("y"));
  EXPECT_EQ(action.what, TopAction::What::end_lease);
  EXPECT_EQ(action.lease, "l-71");
  model.link = Link::gone;
  press(view, model, text("l"));
  EXPECT_THAT(view.message, HasSubstr("no daemon"));
}

TEST_F(Top, ChangesHowOftenItIsDrawn) {
  EXPECT_EQ(press(view, model, text("+")).what, TopAction::What::interval);
  EXPECT_EQ(view.interval, 2);
  for (int i = 0; i < 9; ++i) press(view, model, text("-"));
  EXPECT_EQ(view.interval, 0.25);
}

TEST_F(Top, LeasesAndAlertsFollowWhatTheStreamTells) {
  model.take_lease(*client::parse_json(R"({"id":"l-70","state":"ended"})"));
  EXPECT_EQ(model.leases.size(), 3U);
  model.take_alert(*client::parse_json(R"({"id":"a12","ended":"2026-01-12T14:10:03.120Z"})"));
  EXPECT_EQ(model.alerts.size(), 1U);
}

}  // namespace
}  // namespace headroom::cli
