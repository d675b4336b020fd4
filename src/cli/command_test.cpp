// Command lines as a whole: words in, output and exit code out.
#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"
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
  EXPECT_EQ(run({"status", "--timeout", "100ms"}, {200, "", true}), 6);
  EXPECT_THAT(err, HasSubstr("no daemon answers"));
}

TEST_F(CommandLine, ALeaseNeedsAHolder) {
  EXPECT_EQ(run({"lease", "add", "x", "--mem", "1G"}, {}), 2);
  EXPECT_THAT(err, HasSubstr("--pid PID or --ttl 1h"));
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
            R"({"memory_bytes":6442450944,"cpu_cores":5E-1,"gpus":1,"compute":8E0})");
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
