#include "demo/view.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <gtest/gtest.h>

namespace headroom::demo {
namespace {

void expect_golden(const std::string& text, const std::string& name) {
  const std::string path = std::string(HEADROOM_SOURCE_DIR) + "/demo/golden/" + name;
  if (std::getenv("HEADROOM_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(file), {}))
      << "HEADROOM_UPDATE_GOLDEN=1 rewrites " << path;
}

std::string without_colour(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b')
      i = text.find('m', i);
    else
      plain += text[i];
  }
  return plain;
}

/// A moment in the middle of a bare run, with every state there is.
Frame middle(const Instance& instance) {
  Frame frame;
  frame.title = "1  bare: all jobs at once, as people start them";
  frame.elapsed_s = 7.25;
  for (std::size_t i = 0; i < instance.jobs.size(); ++i) {
    const double whole = instance.jobs[i].seconds;
    switch (i % 6) {
      case 0:
        frame.jobs.push_back({JobState::done, whole, 0});
        break;
      case 1:
        frame.jobs.push_back({JobState::running, whole / 3, 0});
        break;
      case 2:
        frame.jobs.push_back({JobState::waiting, 0, 0});
        break;
      case 3:
        frame.jobs.push_back({JobState::pausing, 1, 2});
        break;
      case 4:
        frame.jobs.push_back({JobState::failed, 0, 4});
        break;
      default:
        frame.jobs.push_back({JobState::done, whole, 1});
        break;
    }
  }
  for (int i = 0; i < 72; ++i) frame.used_mib.push_back(std::min(2048, i * 45));
  frame.used_mib.push_back(1536);
  return frame;
}

Outcome bare_outcome() {
  Outcome bare;
  bare.phase = "bare";
  bare.jobs = 24;
  bare.completed = 20;
  bare.killed_jobs = 17;
  bare.kills = 40;
  bare.lost_s = 45.5;
  bare.useful_s = 91;
  bare.time_s = 24.38;
  bare.optimum_s = 23;
  bare.peak_mib = 2048;
  bare.limit_mib = 2048;
  bare.kernel_kills = 40;
  for (int i = 0; i < 244; ++i) bare.used_mib.push_back(i < 180 ? std::min(2048, i * 100) : 430);
  bare.gave_up = {"finetune-chat", "quantize", "finetune-code", "train-large"};
  return bare;
}

Outcome headroom_outcome() {
  Outcome held;
  held.phase = "headroom";
  held.jobs = held.completed = 24;
  held.useful_s = 111;
  held.time_s = 23.6;
  held.optimum_s = 23;
  held.peak_mib = 1880;
  held.limit_mib = 2048;
  for (int i = 0; i < 236; ++i) held.used_mib.push_back(std::min(1800 + i % 80, i * 200));
  return held;
}

TEST(DemoView, PlainLinesTellWhatHappened) {
  std::string text;
  for (const Happening& each : std::vector<Happening>{
           {0, Happening::Kind::note, {}, 0, "bare begins"},
           {0.06, Happening::Kind::started, "train-large", 0, {}},
           {2.34, Happening::Kind::killed, "train-large", 1.26, {}},
           {3.4, Happening::Kind::resumed, "train-large", 2, {}},
           {12.5, Happening::Kind::failed, "train-large", 0, "given up after being killed 4 times"},
           {101.23, Happening::Kind::done, "report", 0, {}}}) {
    text += plain_line(each);
  }
  expect_golden(text, "plain.txt");
}

TEST(DemoView, TheScreenShowsEveryStateAndFitsASmallTerminal) {
  const auto instance = built_in_instance();
  ASSERT_TRUE(instance);
  const std::string text = screen(*instance, middle(*instance), Colour::off);
  expect_golden(text, "screen.txt");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), kScreenRows - 1);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto width = std::count_if(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    EXPECT_LE(width, kScreenColumns) << line;
  }
}

TEST(DemoView, ColourAddsNothingButColour) {
  const auto instance = built_in_instance();
  ASSERT_TRUE(instance);
  const Frame frame = middle(*instance);
  const std::string coloured = screen(*instance, frame, Colour::on);
  EXPECT_NE(coloured.find("\x1b[31m"), std::string::npos);
  EXPECT_EQ(without_colour(coloured), screen(*instance, frame, Colour::off));
  const std::vector<Outcome> outcomes = {bare_outcome(), headroom_outcome()};
  EXPECT_EQ(without_colour(report(outcomes, Colour::on)), report(outcomes, Colour::off));
}

TEST(DemoView, TheScreenStandsBeforeTheFirstSample) {
  const auto instance = built_in_instance();
  ASSERT_TRUE(instance);
  Frame frame;
  frame.jobs.resize(instance->jobs.size());
  const std::string text = screen(*instance, frame, Colour::off);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), kScreenRows - 1);
}

TEST(DemoView, TheReportComparesBothHalves) {
  expect_golden(report({bare_outcome(), headroom_outcome()}, Colour::off), "report.txt");
}

TEST(DemoView, TheReportSaysWhyJobsFailed) {
  Outcome broken = headroom_outcome();
  broken.completed = 0;
  broken.useful_s = 0;
  for (int i = 0; i < 24; ++i) broken.trouble.push_back("job ended with 6: no daemon");
  const std::string text = report({broken}, Colour::off);
  EXPECT_NE(text.find("headroom: job ended with 6: no daemon\n"), std::string::npos);
  EXPECT_NE(text.find("headroom: and 19 more of that kind\n"), std::string::npos);
}

TEST(DemoView, TimesAreComparedOnlyWhereAllWasDone) {
  EXPECT_FALSE(bare_outcome().against_optimum());
  ASSERT_TRUE(headroom_outcome().against_optimum());
  EXPECT_NEAR(*headroom_outcome().against_optimum(), 1.026, 0.001);
  EXPECT_FALSE(Outcome{}.lost_ratio());
}

TEST(DemoView, JsonIsOneFlatObjectPerPhase) {
  expect_golden(to_json(bare_outcome()) + to_json(headroom_outcome()), "result.jsonl");
}

}  // namespace
}  // namespace headroom::demo
