// Command lines as a whole: words in, output and exit code out.
#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"
#include "cli/event.hpp"
#include "cli/needs.hpp"
#include "cli/wait.hpp"

namespace headroom::cli {
namespace {

using test::Asked;
using test::Folder;
using test::Process;
using test::StandIn;
using test::Told;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CommandLine : public ::testing::Test {
 protected:
  Folder folder;
  StandIn daemon{folder / "socket"};

  /// Runs a command against a daemon that answers `body` to everything.
  int run(Words words, Told told,
          const std::vector<std::pair<std::string, std::string>>& more = {}) {
    auto environment = more;
    environment.emplace_back("HEADROOM_URL", daemon.url());
    Process process(folder, std::move(words), environment);
    daemon.serve([told](const Asked&) { return told; });
    const int code = process.wait();
    out = process.out();
    err = process.err();
    return code;
  }

  std::string out;
  std::string err;
};

TEST_F(CommandLine, AMistypedCommandGetsTheNearestOne) {
  EXPECT_EQ(run({"laese"}, {}), 2);
  EXPECT_THAT(err, HasSubstr("did you mean lease?"));
}

TEST_F(CommandLine, AMistypedOptionGetsTheNearestOne) {
  EXPECT_EQ(run({"fit", "--gpu-men", "3G"}, {}), 2);
  EXPECT_THAT(
      err, AllOf(HasSubstr("there is no option --gpu-men"), HasSubstr("did you mean --gpu-mem?")));
}

TEST_F(CommandLine, AWordTooManyIsNamed) {
  EXPECT_EQ(run({"alert", "mute", "a1", "2h", "please"}, {}), 2);
  EXPECT_THAT(err, StartsWith("headroom: 'please' is one word too many\n"));
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"fit", "a", "b"}, {}), 2);
  EXPECT_THAT(err, StartsWith("headroom: 'b' is one word too many\n"));
}

TEST_F(CommandLine, AnEmptyValueIsRefusedWithItsOption) {
  const std::vector<std::pair<Words, std::string>> rows{
      {{"run", "--at", "", "--", "true"}, "--at has an empty value"},
      {{"run", "--at=", "--no-fence", "--", "true"}, "--at has an empty value"},
      {{"forecast", "--horizon", ""}, "--horizon has an empty value"},
      {{"forecast", ""}, "forecast was given an empty name"},
      {{"event", "--type", ""}, "--type has an empty value"},
      {{"event", "-n", ""}, "--limit has an empty value"},
      {{"status", "--timeout", ""}, "--timeout has an empty value"}};
  for (const auto& [words, says] : rows) {
    Process process(folder, words, {{"HEADROOM_URL", daemon.url()}});
    EXPECT_EQ(process.wait(), 2) << says;
    EXPECT_THAT(process.err(), AllOf(StartsWith("headroom: " + says), HasSubstr("  try: ")));
  }
}

TEST_F(CommandLine, WordsArriveAsTheyWereTyped) {
  for (const char* word : {R"(["100MiB","8GiB"])", "[a,b]", "[]", "{}", "[[a,b]]", "a,b"}) {
    EXPECT_EQ(run({"config", "set", "some.key", word, "--json"}, {200, "{}"}), 0) << err;
    const auto body = client::parse_json(daemon.asked().back().body);
    ASSERT_TRUE(body) << word;
    EXPECT_EQ(body->at("changes").at("some.key").as_string(), word);
    daemon.stop();
    daemon.listen_again();
  }
  // In front of the "--" of a command they are named as they are, too.
  Process process(folder, {"run", "[a,b]", "--", "true"}, {{"HEADROOM_URL", daemon.url()}});
  EXPECT_EQ(process.wait(), 2);
  EXPECT_THAT(process.err(), StartsWith("headroom: '[a,b]' stands before --\n"));
}

TEST_F(CommandLine, AForecastOfANameIsAskedForByIt) {
  EXPECT_EQ(run({"forecast", "a b", "--horizon", "1h", "--json"}, {200, R"({"items":[]})"}), 0);
  EXPECT_EQ(daemon.asked().back().target, "/api/v1/forecasts/a%20b?horizon=3600");
  daemon.stop();
  daemon.listen_again();
  Process process(folder, {"forecast", "memroy", "--json"}, {{"HEADROOM_URL", daemon.url()}});
  daemon.serve([](const Asked& asked) {
    if (asked.target == "/api/v1/forecasts") {
      return Told{200, R"({"items":[{"resource":"memory","device":null}]})"};
    }
    return Told{404, R"({"title":"there is no forecast of memroy","status":404})"};
  });
  EXPECT_EQ(process.wait(), 4);
  EXPECT_EQ(process.err(),
            "headroom: there is no forecast of 'memroy'\n  did you mean memory?\n"
            "  try: headroom forecast lists them\n");
}

TEST_F(CommandLine, WhoStartsAtATimeWaitsForIt) {
  EXPECT_EQ(run({"run", "--at", "+1h", "--no-wait", "--", "true"}, {}), 2);
  EXPECT_THAT(err, AllOf(StartsWith("headroom: --at and --no-wait exclude each other\n"),
                         HasSubstr("who starts at a time waits for it")));
}

TEST_F(CommandLine, AProblemIsToldInItsOwnWords) {
  EXPECT_EQ(
      run({"lease", "rm", "l-9"}, {404, R"({"type":"/problems/not-found","title":"No such thing",
                          "detail":"there is no lease l-9: it never was",
                          "what":"there is no lease l-9","why":"it never was","help":["look"]})"}),
      4);
  EXPECT_EQ(err, "headroom: there is no lease l-9\n  it never was\n  try: look\n");
}

TEST_F(CommandLine, APluralIsTheSameCommand) {
  EXPECT_EQ(run({"leases"}, {200, R"({"items":[],"next":null})"}), 0);
  EXPECT_EQ(out, "no leases\n");
}

TEST_F(CommandLine, HelpBeginsWithExamples) {
  EXPECT_EQ(run({"run", "--help"}, {}), 0);
  EXPECT_THAT(out, StartsWith("headroom run [NEEDS] -- COMMAND\n\n  headroom run --mem 6G -- "));
}

TEST_F(CommandLine, JsonIsTheDaemonsDocumentAsItIs) {
  EXPECT_EQ(run({"lease", "--json"}, {200, R"({"items":[{"id":"l-1"}],"next":null})"}), 0);
  EXPECT_EQ(out, R"({"items":[{"id":"l-1"}],"next":null})"
                 "\n");
}

TEST_F(CommandLine, TheEnvironmentNamesTheOutput) {
  EXPECT_EQ(run({"lease"}, {200, R"({"items":[{"id":"l-1"},{"id":"l-2"}],"next":null})"},
                {{"HEADROOM_OUTPUT", "jsonl"}}),
            0);
  EXPECT_EQ(out, "{\"id\":\"l-1\"}\n{\"id\":\"l-2\"}\n");
}

TEST_F(CommandLine, AnOptionMayStandBeforeTheCommand) {
  EXPECT_EQ(run({"-o", "json", "lease"}, {200, "{}"}), 0);
  EXPECT_EQ(out, "{}\n");
}

TEST_F(CommandLine, FitEnds3WhenItDoesNotFit) {
  EXPECT_EQ(run({"fit", "--mem", "6G", "--json"}, {200, R"({"verdict":"after"})"}), 3);
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"fit", "--mem", "6G", "--json"}, {200, R"({"verdict":"now"})"}), 0);
  bool asked = false;
  for (const auto& one : daemon.asked())
    asked = asked || one.body == R"({"needs":{"memory_bytes":6442450944}})";
  EXPECT_TRUE(asked);
}

TEST_F(CommandLine, EachProblemHasItsExitCode) {
  const std::vector<std::pair<const char*, int>> rows{
      {"invalid-request", 2}, {"not-allowed", 5},       {"not-found", 4},   {"conflict", 7},
      {"can-never-fit", 3},   {"too-many-requests", 1}, {"unavailable", 6}, {"internal", 1}};
  for (const auto& [type, code] : rows) {
    EXPECT_EQ(run({"lease", "rm", "l-1"},
                  {500, std::string(R"({"type":"/problems/)") + type + R"(","title":"No"})"}),
              code)
        << type;
    daemon.stop();
    daemon.listen_again();
  }
}

TEST_F(CommandLine, FitWithoutADaemonLooksAtTheMachineAndSaysSo) {
  daemon.stop();
  EXPECT_EQ(run({"fit", "--mem", "6G", "--json"}, {}), 0);
  EXPECT_THAT(out, HasSubstr(R"("asked":{"needs":{"memory_bytes":6442450944}})"));
  EXPECT_THAT(err, HasSubstr("no daemon answers on"));
}

TEST_F(CommandLine, AReadWithoutADaemonReadsTheMachineAndSaysSo) {
  daemon.stop();
  EXPECT_EQ(run({"status", "--json"}, {}), 0);
  EXPECT_EQ(out, "{\"read_locally\":\"/api/v1/snapshot\"}\n");
  EXPECT_THAT(err, HasSubstr("no daemon answers on"));
}

TEST_F(CommandLine, LocalDoesNotAskTheDaemon) {
  EXPECT_EQ(run({"status", "--json", "--local"}, {}), 0);
  EXPECT_THAT(daemon.asked(), IsEmpty());
  EXPECT_THAT(err, IsEmpty());
}

TEST_F(CommandLine, ADaemonThatDoesNotAnswerIsNotPassedOver) {
  EXPECT_EQ(run({"status", "--timeout", "60s"}, {200, "", true}), 6);
  EXPECT_THAT(err, HasSubstr("no daemon answers"));
}

TEST_F(CommandLine, ALeaseNeedsAHolder) {
  EXPECT_EQ(run({"lease", "add", "x", "--mem", "1G"}, {}), 2);
  EXPECT_THAT(err, AllOf(HasSubstr("--pid PID"), HasSubstr("or --ttl 1h")));
}

TEST_F(CommandLine, ALeaseForATimeIsHeldByNoProcess) {
  EXPECT_EQ(run({"lease", "add", "x", "--mem", "1G", "--ttl", "1h", "--json"}, {201, "{}"}), 0);
  EXPECT_EQ(
      daemon.asked().at(0).body,
      R"({"name":"x","needs":{"memory_bytes":1073741824},"ttl_seconds":3600,"holder":{"pid":null}})");
}

TEST_F(CommandLine, WaitEndsWhenItFitsAndAtItsTime) {
  EXPECT_EQ(run({"wait", "--mem", "1G"}, {200, R"({"verdict":"now"})"}), 0);
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"wait", "--mem", "1G", "--timeout", "50ms"}, {200, R"({"verdict":"queued"})"}),
            124);
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"wait", "memory<80%"}, {200, R"({"items":[{"resource":"memory","value":41.0}]})"}),
            0);
}

TEST_F(CommandLine, WaitDoesNotDropTheNeedsForALine) {
  EXPECT_EQ(run({"wait", "--mem", "100G", "memory<80%"}, {}), 2);
  EXPECT_THAT(err, HasSubstr("at once"));
}

TEST_F(CommandLine, ASessionRootThatCannotBeReadIsNoSuccess) {
  EXPECT_EQ(run({"session", "ls"},
                {200, R"({"items":[],"problems":["cannot look into /nope: it is not there"]})"}),
            1);
  EXPECT_THAT(out, HasSubstr("/nope"));
}

TEST_F(CommandLine, AnOutputThatACommandHasNotIsRefused) {
  EXPECT_EQ(run({"metrics", "-o", "csv"}, {}), 2);
  EXPECT_THAT(err, HasSubstr("headroom metrics has no output as csv"));
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"check", "--json"}, {}), 3);
  EXPECT_THAT(err, HasSubstr("headroom check has no output as json"));
  daemon.stop();
  daemon.listen_again();
  // What the environment says is for those that have it.
  EXPECT_EQ(run({"metrics"}, {200, "up 1\n"}, {{"HEADROOM_OUTPUT", "csv"}}), 0);
  EXPECT_EQ(out, "up 1\n");
}

TEST_F(CommandLine, OneAlertIsATableRowAsCsv) {
  EXPECT_EQ(run({"alert", "show", "a1", "-o", "csv"},
                {200, R"({"id":"a1","severity":"warning","resource":"gpu_memory",
                          "device":"GPU-5d1f","name":"GPU 1","text":"High GPU memory usage"})"}),
            0);
  EXPECT_THAT(out, AllOf(StartsWith("id,severity,resource,device"),
                         HasSubstr("a1,warning,gpu_memory,GPU 1,")));
}

TEST_F(CommandLine, AnUnknownTypeOfEventGetsTheNearestOne) {
  const Told none{200, R"({"items":[],"next":null})"};
  EXPECT_EQ(run({"event", "--type", "lease.grantd"}, none), 2);
  EXPECT_THAT(err, AllOf(HasSubstr("there is no type of event 'lease.grantd'"),
                         HasSubstr("did you mean lease.granted?")));
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"event", "--type", "foo", "--json"}, none), 2);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_THAT(err, HasSubstr("try: --type alert, allocation, anomaly, cleanup, component, daemon, "
                             "decision, device, hook, ladder, lease, model, quota, sensor, "
                             "session, or one of them as a whole"));
  daemon.stop();
  daemon.listen_again();
  EXPECT_EQ(run({"event", "--type", "alert"}, none), 0);
}

TEST(EventType, ThatHasHappenedIsRight) {
  const auto seen = *client::parse_json(R"({"items":[{"type":"comet.seen"},{"type":""},{}]})");
  EXPECT_FALSE(wrong_type("comet", seen));
  EXPECT_FALSE(wrong_type("sensor.gpu", client::json::value()));
  EXPECT_TRUE(wrong_type("comets", seen));
}

TEST_F(CommandLine, AHistoryTooLongIsRefusedWithTheLimit) {
  for (const char* window : {"31d", "0s"}) {
    EXPECT_EQ(run({"history", "memory", "--window", window}, {}), 2) << window;
    EXPECT_THAT(err, HasSubstr("it is from 1s to 30d"));
    daemon.stop();
    daemon.listen_again();
  }
  EXPECT_THAT(daemon.asked(), IsEmpty());
}

TEST_F(CommandLine, TheOverviewAsksForTheHistoryOfEveryDevice) {
  Process process(folder, {"history"}, {{"HEADROOM_URL", daemon.url()}});
  daemon.serve([](const Asked& asked) -> Told {
    if (asked.target == "/api/v1/snapshot") {
      return {200, R"({"gpu":[{"id":"GPU-a"},{"id":"GPU-b"}],"filesystem":[{"mount":"/data"}]})"};
    }
    const auto at = asked.target.find("&device=");
    const auto device = at == std::string::npos ? "" : asked.target.substr(at + 8);
    if (asked.target.find("=gpu_power") != std::string::npos) return {404, R"({"title":"No"})"};
    return {200, R"({"resource":"x","unit":"percent","window_seconds":300,"name":"at )" + device +
                     R"(","statistics":{"min":1,"max":2,"avg":1.5},
                       "points":[["2026-01-12T14:10:03Z",1],["2026-01-12T14:10:04Z",2]]})"};
  });
  EXPECT_EQ(process.wait(), 0);
  const auto text = process.out();
  EXPECT_THAT(text, AllOf(HasSubstr("at GPU-a"), HasSubstr("at GPU-b"), HasSubstr("at %2Fdata")));
  EXPECT_TRUE(
      daemon.was_asked("GET", "/api/v1/history?resource=gpu_memory&window=300&device=GPU-b"));
}

TEST_F(CommandLine, WhatOnlyADaemonKeepsSaysSoOnce) {
  daemon.stop();
  for (const char* noun : {"event", "lease", "history"}) {
    EXPECT_EQ(run({noun}, {}), 6) << noun;
    EXPECT_THAT(out, IsEmpty());
    EXPECT_THAT(err, AllOf(StartsWith("headroom: no daemon answers on unix:"),
                           HasSubstr("are kept by the daemon: "),
                           HasSubstr("  try: sudo systemctl start headroomd")));
    EXPECT_THAT(err, ::testing::Not(HasSubstr("reading this machine")));
    daemon.stop();
  }
  EXPECT_EQ(run({"event", "--local"}, {}), 6);
  EXPECT_THAT(err, HasSubstr("the same without --local"));
}

TEST_F(CommandLine, ALeaseIsFoundByItsName) {
  const auto ask = [&](const std::string& items) {
    Process process(folder, {"lease", "show", "render"}, {{"HEADROOM_URL", daemon.url()}});
    daemon.serve([items](const Asked& asked) -> Told {
      if (asked.target.starts_with("/api/v1/leases/")) {
        return {200, R"({"id":"l-7","name":"render"})"};
      }
      const bool ended = asked.target.find("state=ended") != std::string::npos;
      return {200, R"({"items":[)" + (ended ? "" : items) + R"(],"next":null})"};
    });
    const int code = process.wait();
    out = process.out();
    err = process.err();
    daemon.stop();
    daemon.listen_again();
    return code;
  };
  EXPECT_EQ(ask(R"({"id":"l-7","name":"render"})"), 0);
  EXPECT_THAT(out, StartsWith("render (l-7)"));
  EXPECT_EQ(ask(R"({"id":"l-7","name":"render"},{"id":"l-8","name":"render"})"), 2);
  EXPECT_THAT(err, AllOf(HasSubstr("2 leases are called render"), HasSubstr("  l-7  render"),
                         HasSubstr("  l-8  render"), HasSubstr("try: its id, such as l-8")));
  EXPECT_EQ(ask(""), 4);
  EXPECT_THAT(err, HasSubstr("there is no lease 'render'"));
}

TEST_F(CommandLine, ASettingThatAnotherLiesOverSaysThatItHasNoEffect) {
  EXPECT_EQ(run({"config", "set", "pressure.memory.warning", "70"},
                {200, R"({"items":[{"key":"pressure.memory.warning","value":"60",
                                    "origin":"HEADROOM_PRESSURE__MEMORY__WARNING"}]})"}),
            0);
  EXPECT_THAT(err, AllOf(HasSubstr("has no effect while HEADROOM_PRESSURE__MEMORY__WARNING"),
                         HasSubstr("try: start the daemon without")));
}

TEST(WaitLine, NamesAResourceADeviceAndAValue) {
  const auto line = parse_line("gpu.memory:0<90%");
  ASSERT_TRUE(line && *line);
  EXPECT_EQ((*line)->resource, "gpu_memory");
  EXPECT_EQ((*line)->device, "0");
  EXPECT_EQ((*line)->below, 90);
  EXPECT_FALSE(parse_line("memroy<80%"));
  EXPECT_FALSE(parse_line("memory<much"));
  EXPECT_FALSE(parse_line("train-b").value().has_value());
}

TEST(WaitLine, KnowsOnlyBelow) {
  for (const char* text : {"memory>80%", "memory>=80%"}) {
    const auto line = parse_line(text);
    ASSERT_FALSE(line);
    EXPECT_THAT(line.error().why, HasSubstr("only < is understood"));
    EXPECT_EQ(line.error().help, "headroom wait 'memory<80%'");
  }
  EXPECT_EQ(parse_line("cpu>50%").error().help, "headroom wait 'cpu<50%'");
  EXPECT_EQ(parse_line("who>").error().help, "headroom wait 'memory<80%'");
}

TEST(WaitLine, UnknownIsNotBelow) {
  const Line line{"memory", "", 80};
  EXPECT_FALSE(is_below(line, *client::parse_json(R"({"items":[]})")));
  EXPECT_FALSE(
      *is_below(line, *client::parse_json(R"({"items":[{"resource":"memory","value":null}]})")));
  EXPECT_TRUE(
      *is_below(line, *client::parse_json(R"({"items":[{"resource":"memory","value":79.9}]})")));
}

TEST(Needs, BecomeTheBodyOfARequest) {
  NeedsOptions options;
  options.memory = "6G";
  options.cpu = "0.5";
  options.gpus = "1";
  options.compute = "8.0";
  EXPECT_EQ(client::write_json(*needs_of(options)),
            R"({"memory_bytes":6442450944,"cpu_cores":0.5,"gpus":1,"compute":8})");
}

TEST(Needs, ArePercentOfCapacityWhereItIsKnown) {
  NeedsOptions options;
  options.memory = "25%";
  const auto room =
      *client::parse_json(R"({"items":[{"resource":"memory","capacity_bytes":1000}]})");
  EXPECT_EQ(client::write_json(*needs_of(options, room)), R"({"memory_bytes":250})");
  EXPECT_FALSE(needs_of(options));
  options.memory = "125%";
  EXPECT_FALSE(needs_of(options, room));
}

TEST(Needs, OfNothingAreRefused) {
  for (const char* text : {"0", "-1G", "lots", ""}) {
    NeedsOptions options;
    options.memory = text;
    EXPECT_EQ(needs_of(options).has_value(), *text == '\0') << text;
  }
}

}  // namespace
}  // namespace headroom::cli
