// `headroom component`, `quota` and `resource-management`: words in, requests and output out.
#include "cli/component.hpp"

#include <csignal>

#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"
#include "cli/quota.hpp"
#include "cli/trial.hpp"

namespace headroom::cli {
namespace {

using client::json::value;
using test::Asked;
using test::Folder;
using test::Process;
using test::StandIn;
using test::Told;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

value parsed(const std::string& text) { return *client::parse_json(text); }

std::string body_of(const QuotaOptions& options, BareMemory bare = BareMemory::bytes) {
  const auto body = quota_of(options, bare);
  return body ? client::write_json(*body) : "refused: " + body.error().what;
}

TEST(QuotaOptions, BecomeTheBodyOfARequest) {
  QuotaOptions options;
  options.cpu = "30";
  options.memory = "600M";
  options.disk_iops = "500";
  options.network = "10M";
  options.min_cpu = "5%";
  options.max_memory = "2G";
  options.priority = "critical";
  const std::string bounds = R"({"cpu_percent":30,"memory_mb":600,"disk_iops":500,"network_mb":10,)"
                             R"("min_cpu_percent":5,"max_memory_mb":2048,"priority":"critical",)";
  QuotaOptions at_times = options;
  at_times.during = "Mon-Fri 08:00-18:00";
  EXPECT_EQ(body_of(at_times), bounds + R"("during":"Mon-Fri 08:00-18:00"})");
  options.buffer = "40";
  options.enforce = true;
  EXPECT_EQ(body_of(options), bounds + R"("buffer_percent":40,"enforce":true})");
}

TEST(QuotaOptions, AreTakenBackWithNone) {
  QuotaOptions options;
  options.cpu = options.max_memory = options.buffer = "none";
  options.no_enforce = true;
  EXPECT_EQ(body_of(options),
            R"({"cpu_percent":null,"max_memory_mb":null,"buffer_percent":null,"enforce":false})");
}

TEST(QuotaOptions, ABareMemoryIsBytesAndOnlyInTheOldWordsMegabytes) {
  QuotaOptions options;
  options.memory = "600";
  EXPECT_EQ(body_of(options, BareMemory::megabytes), R"({"memory_mb":600})");
  const auto refused = quota_of(options, BareMemory::bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "--memory 600 is less than 1 MB");
  EXPECT_EQ(refused.error().why, "a number without a unit is bytes");
  EXPECT_EQ(refused.error().help, "--memory 600M");
  options.memory = "629145600";
  EXPECT_EQ(body_of(options), R"({"memory_mb":600})");
  options.memory = "1.5G";
  EXPECT_EQ(body_of(options, BareMemory::megabytes), R"({"memory_mb":1536})");
  options.memory = "0.5";
  EXPECT_EQ(quota_of(options, BareMemory::megabytes).error().why,
            "a number without a unit is MB here");
  EXPECT_EQ(quota_of(options, BareMemory::megabytes).error().help, "--memory 600");
  EXPECT_EQ(quota_of(options, BareMemory::bytes).error().help, "--memory 600M");
  EXPECT_EQ(body_of(options, BareMemory::megabytes), "refused: --memory 0.5 is less than 1 MB");
}

TEST(QuotaOptions, ThatMeanNothingAreRefusedWithTheFlag) {
  const auto refused = [](std::string QuotaOptions::* member, const char* text) {
    QuotaOptions options;
    options.*member = text;
    return body_of(options);
  };
  EXPECT_THAT(refused(&QuotaOptions::cpu, "lots"), StartsWith("refused: --cpu: "));
  EXPECT_THAT(refused(&QuotaOptions::cpu, "0"), StartsWith("refused: --cpu cannot be '0'"));
  EXPECT_THAT(refused(&QuotaOptions::max_cpu, "120"), StartsWith("refused: --max-cpu: "));
  EXPECT_THAT(refused(&QuotaOptions::memory, "6Q"), StartsWith("refused: --memory: "));
  EXPECT_THAT(refused(&QuotaOptions::disk_iops, "inf"), StartsWith("refused: --disk-iops cannot"));
  EXPECT_THAT(refused(&QuotaOptions::disk_iops, "-3"), StartsWith("refused: --disk-iops cannot"));
  EXPECT_THAT(refused(&QuotaOptions::network, "-1"), StartsWith("refused: --net: "));
  EXPECT_THAT(refused(&QuotaOptions::priority, "hihg"), StartsWith("refused: --priority: "));
  EXPECT_THAT(refused(&QuotaOptions::buffer, "x"), StartsWith("refused: --buffer: "));
  QuotaOptions both;
  both.enforce = both.no_enforce = true;
  EXPECT_THAT(body_of(both), StartsWith("refused: --enforce and --no-enforce"));
  QuotaOptions crossed;
  crossed.min_cpu = "50";
  crossed.max_cpu = "5";
  EXPECT_EQ(body_of(crossed), "refused: --min-cpu 50 is above --max-cpu 5");
}

TEST(QuotaOptions, KeepTheirPercents) {
  for (int percent = 1; percent <= 100; ++percent) {
    QuotaOptions options;
    options.cpu = std::to_string(percent);
    EXPECT_EQ(body_of(options), "{\"cpu_percent\":" + options.cpu + "}");
  }
}

constexpr const char* kBefore = R"({"component":"p","priority":"critical","enforce":false,
  "buffer_percent":35,"resources":[{"resource":"cpu","unit":"%","amount":25,"least":5,"most":80},
  {"resource":"memory","unit":"MB","amount":512,"least":100,"most":4096}],"windows":[]})";
constexpr const char* kAfter = R"({"component":"p","priority":"critical","enforce":true,
  "buffer_percent":40,"resources":[{"resource":"cpu","unit":"%","amount":30,"least":10,"most":80},
  {"resource":"memory","unit":"MB","amount":600,"least":100,"most":4096}],
  "windows":[{"during":"daily 22:00-06:00","priority":null,
   "resources":[{"resource":"cpu","unit":"%","amount":60,"least":null,"most":null}]}]})";

std::string change(const char* said, const char* before = kBefore) {
  return render_quota_change("p", before == nullptr ? value() : parsed(before), parsed(kAfter),
                             parsed(said).as_object());
}

TEST(QuotaChange, SaysWhatItWasAndWhatItIs) {
  EXPECT_EQ(change(R"({"cpu_percent":30,"memory_mb":600,"priority":"critical"})"),
            "p: cpu 25 → 30 %, memory 512 → 600 MB, priority critical\n");
  EXPECT_EQ(change(R"({"cpu_percent":30,"priority":"low"})", nullptr),
            "p: cpu 30 %, priority low\n");
  EXPECT_EQ(change(R"({"min_cpu_percent":10,"max_cpu_percent":80,"buffer_percent":40,)"
                   R"("enforce":true,"priority":"low"})"),
            "p: cpu at least 5 → 10 %, cpu at most 80 %, priority critical → low, "
            "buffer 35 → 40 %, held to it by the kernel\n");
  EXPECT_EQ(change(R"({"max_memory_mb":null,"disk_iops":null,"buffer_percent":null})"),
            "p: memory at most 4096 MB as configured, disk_iops not set, "
            "buffer as the strategy has it\n");
}

TEST(QuotaChange, OfSomeTimesNamesThem) {
  EXPECT_EQ(change(R"({"cpu_percent":60,"during":"daily 22:00-06:00"})"),
            "p: daily 22:00-06:00, cpu 60 %\n");
  EXPECT_EQ(change(R"({"during":"daily 22:00-06:00"})"),
            "p: what was said for daily 22:00-06:00 is forgotten\n");
}

TEST(QuotaOutcome, IsThatOfTheFirstAskAfterwards) {
  const auto component = parsed(R"({"pid":6120})");
  const auto of = [&](const std::string& outcome, int id) {
    return render_outcome(
        component,
        parsed(R"({"items":[{"id":)" + std::to_string(id) + R"(,"outcome":")" + outcome +
               R"(","took_seconds":0.012},{"id":4,"outcome":"failed"}]})"),
        4);
  };
  EXPECT_EQ(of("applied", 5), "applied by pid 6120 in 12 ms\n");
  EXPECT_EQ(of("asked", 5), "");
  EXPECT_EQ(of("applied", 4), "");
  EXPECT_EQ(of("failed", 5), "pid 6120 did not apply it\n");
  EXPECT_EQ(of("timed_out", 5), "pid 6120 did not answer\n");
  EXPECT_EQ(of("unreachable", 5), "nobody listens for it now\n");
  EXPECT_EQ(of("shadow", 5), "not asked for: control.shadow is on\n");
  EXPECT_EQ(render_outcome(component, value(), 0), "");
}

TEST(SelfTest, CountsWhatPassedAndWhatFailed) {
  EXPECT_EQ(render_tried({{true, "daemon", "answers"}, {false, "quota", "no\n"}}, Style()),
            "PASS  daemon  answers\nFAIL  quota   no?\n1 passed, 1 failed\n");
}

/// Command lines against a stand-in for the daemon.
class Components : public ::testing::Test {
 protected:
  int run(Words words, StandIn::Handler handler) {
    if (!fresh) {
      daemon.stop();
      daemon.listen_again();
    }
    fresh = false;
    Process process(folder, std::move(words), {{"HEADROOM_URL", daemon.url()}, {"TZ", "UTC"}});
    daemon.serve(std::move(handler));
    const int code = process.wait();
    out = process.out();
    err = process.err();
    return code;
  }
  int run(Words words) {
    return run(std::move(words), [](const Asked&) { return Told{200, "{}"}; });
  }

  /// The body of the last request of this method and target; "" where there was none.
  std::string told(const std::string& method, const std::string& target) {
    std::string body;
    for (const auto& one : daemon.asked()) {
      if (one.method == method && one.target == target) body = one.body;
    }
    return body;
  }

  Folder folder;
  StandIn daemon{folder / "socket"};
  bool fresh = true;
  std::string out;
  std::string err;
};

constexpr const char* kComponent = R"({"name":"p","state":"connected","priority":"critical",
  "pid":6120,"resources":[],"setters":[],"quota":{"component":"p","priority":"critical"}})";

TEST_F(Components, AreListedShownAndTheirHistoryRead) {
  const auto list = [](const Asked&) {
    return Told{200, std::string(R"({"items":[)") + kComponent + R"(],"next":null})"};
  };
  for (const Words& words : {Words{"component"}, {"component", "ls"}, {"components"}}) {
    EXPECT_EQ(run(words, list), 0);
    EXPECT_THAT(out, AllOf(StartsWith("NAME  STATE"), HasSubstr("\np     connected")));
  }
  EXPECT_EQ(run({"component", "show", "a b"}, [](const Asked&) { return Told{200, kComponent}; }),
            0);
  EXPECT_TRUE(daemon.was_asked("GET", "/api/v1/components/a%20b/allocations?limit=5"));
  EXPECT_THAT(out, StartsWith("p  connected, priority critical\n"));
  const auto none = [](const Asked&) { return Told{200, R"({"items":[],"next":null})"}; };
  EXPECT_EQ(run({"component", "history", "-n", "7"}, none), 0);
  EXPECT_TRUE(daemon.was_asked("GET", "/api/v1/components/-/allocations?limit=7"));
  EXPECT_EQ(run({"component", "history", "p"}, none), 0);
  EXPECT_TRUE(daemon.was_asked("GET", "/api/v1/components/p/allocations?limit=20"));
  EXPECT_EQ(out, "no decisions yet\n");
}

TEST_F(Components, AreForgottenUnlessItIsADryRun) {
  const auto component = [](const Asked&) { return Told{200, kComponent}; };
  EXPECT_EQ(run({"component", "rm", "p", "--dry-run"}, component), 0);
  EXPECT_THAT(out, EndsWith("nothing was changed\n"));
  for (const auto& one : daemon.asked()) EXPECT_EQ(one.method, "GET");
  EXPECT_EQ(run({"component", "rm", "p"}, component), 0);
  EXPECT_TRUE(daemon.was_asked("DELETE", "/api/v1/components/p"));
  EXPECT_EQ(out, "p is forgotten, and its quota; pid 6120 runs on, and may register again\n");
}

TEST_F(Components, NeedADaemonAndSaySo) {
  daemon.stop();
  for (const Words& words : {Words{"component"},
                             {"component", "show", "p"},
                             {"component", "history"},
                             {"quota"},
                             {"quota", "show", "p"},
                             {"resource-management", "history"},
                             {"resource-management", "export"}}) {
    Process process(folder, words, {{"HEADROOM_URL", daemon.url()}});
    EXPECT_EQ(process.wait(), 6) << words[0];
    EXPECT_THAT(process.err(), AllOf(HasSubstr(" are kept by the daemon: "),
                                     HasSubstr("  try: sudo systemctl start headroomd")));
  }
  daemon.listen_again();
}

TEST_F(Components, WrongUseIsRefusedWithWhatHelps) {
  const std::vector<std::pair<Words, std::string>> rows{
      {{"component", "shwo", "p"}, "did you mean show?"},
      {{"component", "show"}, "component show wants a name"},
      {{"component", "rm"}, "component rm wants a name"},
      {{"component", "ls", "p"}, "try: headroom component show p"},
      {{"component", "history", "-n", "0"}, "--limit cannot be '0'"},
      {{"component", "show", "p", "-n", "3"}, "--limit goes with history"},
      {{"component", "history", "--dry-run"}, "--dry-run goes with rm"},
      {{"quota", "ste", "p"}, "did you mean set?"},
      {{"quota", "set"}, "quota set wants a name"},
      {{"quota", "set", "p"}, "it is not said what the quota of p is to be"},
      {{"quota", "show", "p", "--cpu", "3"}, "quota show changes nothing"},
      {{"quota", "set", "p", "--memory", "600"}, "try: --memory 600M"},
      {{"quota", "set", "p", "--buffer", "40", "--during", "Mon 08:00-18:00"},
       "--buffer cannot be set for some times only"},
      {{"quota", "set", "p", "--enforce", "--during", "Mon 08:00-18:00"},
       "--enforce cannot be set for some times only"},
      {{"quota", "set", "p", "--no-enforce", "--cpu", "3", "--during", "Mon 08:00-18:00"},
       "try: headroom quota set NAME --no-enforce, and the rest with --during by itself"},
      {{"quota", "set", "p", "--cpu", "30", "--during", ""}, "--during has an empty value"},
      {{"quota", "set", "p", "--cpu", ""}, "--cpu has an empty value"},
      {{"quota", "set", "p", "--mem=", "--cpu", "30"}, "--mem has an empty value"},
      {{"quota", "set", "p", "--priority", "hihg"}, "did you mean high?"},
      {{"resource-management"}, "try: headroom resource-management start, status"},
      {{"resource-management", "strat"}, "did you mean start?"},
      {{"resource-management", "status", "--cpu", "3"},
       "resource-management status takes no --cpu"},
      {{"resource-management", "set-quota"}, "set-quota wants a component"},
      {{"resource-management", "set-quota", "p"}, "it is not said what the quota of p is to be"},
      {{"resource-management", "history", "p"}, "history --component p"},
      {{"resource-management", "start", "--strategy", "adaptve"}, "did you mean adaptive?"},
      {{"resource-management", "start", "--duration", "soon"}, "is not a time"}};
  for (const auto& [words, says] : rows) {
    EXPECT_EQ(run(words), 2) << says;
    EXPECT_THAT(err, AllOf(StartsWith("headroom: "), HasSubstr(says), HasSubstr("  try: ")));
    EXPECT_THAT(out, IsEmpty()) << says;
  }
  EXPECT_THAT(daemon.asked(), IsEmpty());
}

/// A daemon that has one component, which applies a quota as soon as it is set.
StandIn::Handler one_component() {
  auto set = std::make_shared<std::atomic<bool>>(false);
  return [set](const Asked& asked) -> Told {
    if (asked.target == "/api/v1/components/p") return {200, kComponent};
    if (asked.target.starts_with("/api/v1/components/p/allocations")) {
      const std::string old = R"({"id":4,"outcome":"applied","took_seconds":1})";
      const std::string now = R"({"id":5,"outcome":"applied","took_seconds":0.012},)";
      return {200, R"({"items":[)" + (*set ? now : "") + old + "]}"};
    }
    if (asked.method == "PUT") *set = true;
    return {200, *set ? kAfter : kBefore};
  };
}

TEST_F(Components, AQuotaIsSetAndItsApplicationSeen) {
  EXPECT_EQ(run({"quota", "set", "p", "--cpu", "30", "--memory", "600M", "--priority", "critical"},
                one_component()),
            0);
  EXPECT_EQ(told("PUT", "/api/v1/components/p/quota"),
            R"({"cpu_percent":30,"memory_mb":600,"priority":"critical"})");
  EXPECT_EQ(out,
            "p: cpu 25 → 30 %, memory 512 → 600 MB, priority critical\n"
            "applied by pid 6120 in 12 ms\n");
  EXPECT_EQ(run({"quota", "set", "p", "--cpu", "30", "--json"}, one_component()), 0);
  EXPECT_EQ(client::text(parsed(out), "component"), "p");
}

TEST_F(Components, AQuotaOfANameThatNobodyHasIsKept) {
  EXPECT_EQ(run({"quota", "set", "q", "--cpu", "30"},
                [](const Asked& asked) -> Told {
                  if (asked.method == "PUT") return {200, kAfter};
                  if (asked.target == "/api/v1/components/q") {
                    return {200, R"({"name":"q","state":"known"})"};
                  }
                  return {404, R"({"type":"/problems/not-found","title":"No"})"};
                }),
            0);
  EXPECT_EQ(out, "q: cpu 30 %\nit is kept until the component registers\n");
}

TEST_F(Components, AQuotaOutsideOfItsRangeIsToldInTheDaemonsWords) {
  EXPECT_EQ(run({"quota", "set", "p", "--cpu", "95"},
                [](const Asked& asked) -> Told {
                  if (asked.method != "PUT") return {200, kBefore};
                  return {400, R"({"type":"/problems/invalid-request","title":"No",
                    "what":"cpu 95 % is outside 5-80 %","why":"the range is control.cpu_range",
                    "help":["--cpu 80"]})"};
                }),
            2);
  EXPECT_EQ(err,
            "headroom: cpu 95 % is outside 5-80 %\n  the range is control.cpu_range\n"
            "  try: --cpu 80\n");
}

TEST_F(Components, QuotasAreThoseOfTheComponents) {
  const auto list = [](const Asked&) {
    return Told{200, std::string(R"({"items":[{"name":"p","quota":)") + kAfter + "}]}"};
  };
  EXPECT_EQ(run({"quota", "--json"}, list), 0);
  EXPECT_EQ(client::text(client::list(parsed(out)).at(0), "component"), "p");
  EXPECT_EQ(run({"quotas"}, list), 0);
  EXPECT_THAT(out, HasSubstr("p          cpu         60 %"));
}

Told node_of_old_words(const Asked& asked) {
  if (asked.target == "/api/v1/strategy") return {200, R"({"name":"adaptive"})"};
  if (asked.target == "/api/v1/node") {
    return {200, R"({"name":"box","strategy":"adaptive","health":"healthy"})"};
  }
  if (asked.target == "/api/v1/snapshot") return {200, R"({"cpu":{"busy_ratio":0.5}})"};
  if (asked.target == "/api/v1/components") {
    return {200, std::string(R"({"items":[)") + kComponent + R"(],"next":null})"};
  }
  if (asked.target == "/api/v1/export") return {200, R"({"at":"2026-01-12T14:10:03Z","node":{}})"};
  return {200, R"({"items":[],"next":null})"};
}

TEST_F(Components, StartSetsTheStrategyAndEndsWithItsDuration) {
  EXPECT_EQ(run({"resource-management", "start", "--strategy", "adaptive", "--duration", "10ms"},
                node_of_old_words),
            0);
  EXPECT_EQ(told("PUT", "/api/v1/strategy"), R"({"name":"adaptive"})");
  EXPECT_EQ(out,
            "strategy adaptive is set\n"
            "strategy adaptive   health healthy   cpu 50 %   1 component   "
            "0 allocations applied\n");
  EXPECT_THAT(err, IsEmpty());
  EXPECT_EQ(run({"resource-management", "start", "--json"}, node_of_old_words), 0);
  EXPECT_EQ(client::text(parsed(out), "node.name"), "box");
}

TEST_F(Components, TheOldStatusShowsComponentsToo) {
  EXPECT_EQ(run({"resource-management", "status", "-v"}, node_of_old_words), 0);
  EXPECT_THAT(out, AllOf(StartsWith("box   strategy adaptive"), HasSubstr("\np     connected")));
  EXPECT_EQ(err, "headroom: in its own words: headroom status; headroom component\n");
  EXPECT_EQ(run({"resource-management", "status", "--json"}, node_of_old_words), 0);
  EXPECT_EQ(client::text(parsed(out), "strategy.name"), "adaptive");
  EXPECT_EQ(client::list(parsed(out), "components.items").size(), 1u);
}

TEST_F(Components, TheOldWordsForHistoryAndQuota) {
  EXPECT_EQ(run({"resource-management", "history", "--component", "p", "--limit", "3"},
                node_of_old_words),
            0);
  EXPECT_TRUE(daemon.was_asked("GET", "/api/v1/components/p/allocations?limit=3"));
  EXPECT_EQ(run({"resource-management", "set-quota", "p", "--cpu", "30", "--memory", "600",
                 "--priority", "critical", "-v"},
                one_component()),
            0);
  EXPECT_EQ(told("PUT", "/api/v1/components/p/quota"),
            R"({"cpu_percent":30,"memory_mb":600,"priority":"critical"})");
  EXPECT_EQ(err,
            "headroom: in its own words: headroom quota set p --cpu 30 --memory 600M "
            "--priority critical\n");
}

TEST_F(Components, ExportIsOneDocumentOrTables) {
  EXPECT_EQ(run({"resource-management", "export"}, node_of_old_words), 0);
  EXPECT_EQ(client::text(parsed(out), "strategy.name"), "adaptive");
  EXPECT_EQ(client::list(parsed(out), "components.items").size(), 1u);
  EXPECT_EQ(run({"resource-management", "export", "--output", "table"}, node_of_old_words), 0);
  EXPECT_THAT(out, AllOf(StartsWith("strategy adaptive"), HasSubstr("p     connected")));
}

TEST_F(Components, MonitorGoesOnUntilItIsInterruptedAndEndsWell) {
  Process process(folder, {"resource-management", "monitor", "--watch=100ms"},
                  {{"HEADROOM_URL", daemon.url()}});
  daemon.serve(node_of_old_words);
  EXPECT_TRUE(daemon.was_asked("GET", "/api/v1/components", 2));
  kill(process.pid(), SIGINT);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_THAT(process.out(), HasSubstr("strategy adaptive"));
}

/// A daemon on which all works, but for what `broken` names.
StandIn::Handler daemon_for_self_test(const std::string& broken = "nothing") {
  auto there = std::make_shared<std::atomic<bool>>(false);
  auto name = std::make_shared<std::string>();
  return [there, name, broken](const Asked& asked) -> Told {
    if (asked.target.find(broken) != std::string::npos) {
      return {500, R"({"type":"/problems/internal","title":"No","detail":"it broke"})"};
    }
    const std::string root = "/api/v1/components/";
    if (asked.target.starts_with(root) && asked.target.ends_with("/quota")) {
      return {200, R"({"resources":[{"resource":"cpu","amount":5},
                       {"resource":"memory","amount":100}]})"};
    }
    if (asked.target.starts_with(root)) {
      if (asked.method == "PUT") {
        *name = asked.target.substr(root.size());
        *there = true;
      } else if (!*there) {
        return {404, R"({"type":"/problems/not-found","title":"No"})"};
      } else if (asked.method == "DELETE") {
        *there = false;
      }
      return {200, R"({"name":")" + *name + R"("})"};
    }
    if (asked.target == "/api/v1/components") {
      return {200, R"({"items":[{"name":")" + *name + R"("}]})"};
    }
    if (asked.target == "/metrics") return {200, "# TYPE headroom_up gauge\nheadroom_up 1\n"};
    if (asked.target == "/api/v1/snapshot") return {200, R"({"age_seconds":0.3})"};
    return {200, R"({"name":"adaptive","items":[],"steps":[]})"};
  };
}

TEST_F(Components, TheSelfTestTriesADaemonOutAndLeavesNothing) {
  EXPECT_EQ(run({"resource-management", "test"}, daemon_for_self_test()), 0);
  EXPECT_THAT(out, AllOf(StartsWith("PASS  daemon      answers in "), Not(HasSubstr("FAIL")),
                         EndsWith("9 passed, 0 failed\n")));
  std::string name;
  int gone = 0;
  for (const auto& one : daemon.asked()) gone += one.method == "DELETE" ? 1 : 0;
  EXPECT_EQ(gone, 1);
  EXPECT_THAT(err, IsEmpty());
}

TEST_F(Components, TheSelfTestFailsWhereSomethingIsBrokenAndGoesOn) {
  EXPECT_EQ(run({"resource-management", "test"}, daemon_for_self_test("/quota")), 1);
  EXPECT_THAT(out, AllOf(HasSubstr("FAIL  quota       No: it broke\n"),
                         HasSubstr("PASS  unregister"), EndsWith("8 passed, 1 failed\n")));
  EXPECT_EQ(run({"resource-management", "test", "--json"}, daemon_for_self_test("/metrics")), 1);
  EXPECT_EQ(client::text(client::list(parsed(out)).back(), "result"), "fail");
}

TEST_F(Components, TheSelfTestNeedsADaemon) {
  daemon.stop();
  Process process(folder, {"resource-management", "test"}, {{"HEADROOM_URL", daemon.url()}});
  EXPECT_EQ(process.wait(), 6);
  EXPECT_THAT(process.out(), AllOf(StartsWith("FAIL  daemon"), EndsWith("0 passed, 1 failed\n")));
  daemon.listen_again();
}

}  // namespace
}  // namespace headroom::cli
