#include "cli/check.hpp"

#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"

namespace headroom::cli {
namespace {

using test::Asked;
using test::Folder;
using test::Process;
using test::StandIn;
using test::Told;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kFresh = R"({"age_seconds":0.4,"gpu":[
  {"id":"GPU-a","index":0,"state":"ok"},{"id":"GPU-b","index":1,"state":"ok"}]})";
constexpr const char* kConfig = R"({"items":[{"key":"pressure.memory.warning","value":"80"},
  {"key":"pressure.memory.critical","value":"90"},{"key":"pressure.disk.warning","value":"\"off\""}]})";

CheckLine judge(const std::string& pressure, const CheckOptions& options = {},
                const std::string& snapshot = kFresh) {
  const auto parsed = [](const std::string& text) { return *client::parse_json(text); };
  return judge_check({parsed(snapshot), parsed(R"({"items":[)" + pressure + "]}"), parsed(kConfig)},
                     options);
}

std::string item(const std::string& resource, const std::string& device, const std::string& level,
                 const std::string& number) {
  const auto name = device == "GPU-a" ? "GPU 0" : device == "GPU-b" ? "GPU 1" : device;
  return R"({"resource":")" + resource + R"(","device":")" + device + R"(","name":")" + name +
         R"(","level":")" + level + R"(","value":)" + number + R"(,"threshold":80})";
}

TEST(Check, SaysTheWorstFirstAndGivesFigures) {
  const auto line =
      judge(item("cpu", "", "ok", "38") + "," + item("memory", "", "warning", "84.26"));
  EXPECT_EQ(line.outcome, Outcome::warning);
  EXPECT_EQ(line.text,
            "WARNING - memory 84.3 % is warning (line 80), cpu 38.0 % | memory=84.3%;80;90;0;100 "
            "cpu=38.0%;;;0;100");
  EXPECT_EQ(judge(item("cpu", "", "ok", "38")).outcome, Outcome::ok);
  EXPECT_EQ(judge(item("cpu", "", "critical", "98")).outcome, Outcome::critical);
  EXPECT_EQ(judge(item("cpu", "", "emergency", "99")).outcome, Outcome::critical);
}

TEST(Check, UnknownIsWorseThanOkAndLessThanAWarning) {
  const auto unknown = item("disk", "/data", "ok", "null");
  EXPECT_EQ(judge(item("cpu", "", "ok", "1") + "," + unknown).outcome, Outcome::unknown);
  EXPECT_EQ(judge(unknown + "," + item("cpu", "", "warning", "90")).outcome, Outcome::warning);
  EXPECT_THAT(judge(unknown).text, HasSubstr("disk /data is unknown"));
  EXPECT_EQ(judge(item("cpu", "", "odd", "1")).outcome, Outcome::unknown);
}

TEST(Check, AnOldSampleTellsNothing) {
  const auto old = judge(item("cpu", "", "ok", "1"), {}, R"({"age_seconds":11})");
  EXPECT_EQ(old.outcome, Outcome::unknown);
  EXPECT_EQ(old.text, "UNKNOWN - the newest sample is 11s old");
  EXPECT_EQ(judge(item("cpu", "", "ok", "1"), {"", "", 20}, R"({"age_seconds":11})").outcome,
            Outcome::ok);
  EXPECT_EQ(judge("", {}, R"({"age_seconds":null})").outcome, Outcome::unknown);
}

TEST(Check, LooksAtWhatWasAskedFor) {
  const auto both = item("memory", "", "critical", "99") + "," +
                    item("gpu_memory", "GPU-a", "ok", "10") + "," +
                    item("gpu_memory", "GPU-b", "warning", "85");
  EXPECT_EQ(judge(both, {"gpu_memory", "", 10}).outcome, Outcome::warning);
  EXPECT_EQ(judge(both, {"gpu_memory,cpu", "0", 10}).outcome, Outcome::ok);
  EXPECT_EQ(
      judge(both, {"", "GPU-b", 10}).text,
      "WARNING - gpu_memory GPU 1 85.0 % is warning (line 80) | 'gpu_memory GPU 1'=85.0%;;;0;100");
  EXPECT_EQ(judge(both, {"power", "", 10}).text, "UNKNOWN - nothing here has a level of power");
  EXPECT_EQ(judge(both, {"", "7", 10}).text, "UNKNOWN - there is no GPU '7'");
}

TEST(Check, ASilentDeviceIsUnknownAndALostOneCritical) {
  const auto one = item("gpu_memory", "GPU-a", "ok", "10");
  const auto with = [&](const char* state) {
    return judge(one, {},
                 std::string(R"({"age_seconds":0,"gpu":[{"id":"GPU-a","index":0,"state":")") +
                     state + R"(","state_reason":"why | so"}]})");
  };
  EXPECT_EQ(with("stale").outcome, Outcome::unknown);
  EXPECT_EQ(with("lost").outcome, Outcome::critical);
  EXPECT_EQ(with("asleep").outcome, Outcome::ok);
  EXPECT_THAT(with("lost").text, StartsWith("CRITICAL - GPU 0 is lost: why / so, "));
}

TEST(Check, NamesCannotBreakTheFigures) {
  EXPECT_THAT(judge(item("disk", "/a'b=c d|e", "ok", "5")).text,
              HasSubstr(" | 'disk /a_b_c d_e'=5.0%;;;0;100"));
}

TEST(Check, HeatHasNoPercent) {
  EXPECT_THAT(judge(item("gpu_temperature", "GPU-a", "ok", "67")).text,
              HasSubstr("gpu_temperature GPU 0 67.0 °C | 'gpu_temperature GPU 0'=67.0;;;0;"));
}

TEST(CheckCommand, WithoutADaemonOrWithWrongWordsIsUnknown) {
  const Folder folder;
  Process missing(folder, {"check", "--url", "unix://" + (folder / "nobody")});
  EXPECT_EQ(missing.wait(), 3);
  EXPECT_THAT(missing.out(), StartsWith("UNKNOWN - "));
  Process wrong(folder, {"check", "--wrong"});
  EXPECT_EQ(wrong.wait(), 3);
  Process help(folder, {"check", "--help"});
  EXPECT_EQ(help.wait(), 0);
  EXPECT_THAT(help.out(), StartsWith("headroom check\n\n  exit codes: 0 OK, 1 WARNING"));
}

TEST(CheckCommand, EndsWithTheCodeOfTheWorst) {
  const Folder folder;
  StandIn daemon(folder / "socket");
  Process process(folder, {"check", "--url", daemon.url()});
  daemon.serve([](const Asked& asked) -> Told {
    if (asked.target.starts_with("/api/v1/snapshot")) return {200, kFresh};
    if (asked.target.starts_with("/api/v1/pressure"))
      return {200, R"({"items":[)" + item("cpu", "", "critical", "99") + "]}"};
    return {500, "{}"};
  });
  EXPECT_EQ(process.wait(), 2);
  EXPECT_EQ(process.out(), "CRITICAL - cpu 99.0 % is critical (line 80) | cpu=99.0%;;;0;100\n");
}

}  // namespace
}  // namespace headroom::cli
