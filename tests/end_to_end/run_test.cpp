// `headroom run` as the shell sees it: exit codes, signals, the terminal, limits.
#include "harness.hpp"

#include <algorithm>
#include <csignal>

#include <unistd.h>

namespace headroom::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uid_t kNobody = 65534;

std::size_t count_of(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of('\n');
  const auto begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

class RunCommand : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.start()); }

  /// A job that has nearly the whole GPU, until "over" is written.
  std::unique_ptr<Program> full(const Words& more = {}) {
    auto program = daemon_.command(Words{"run", "--gpu-mem", "6G", "--name", "full"} + more +
                                   Words{"--"} + job({"say", "up", "until", daemon_.file("over")}));
    EXPECT_TRUE(program->says("up")) << program->err();
    return program;
  }

  Daemon daemon_{simulated_gpus("8GiB")};
};

TEST_F(RunCommand, EndsAsItsCommandEnded) {
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M", "--", "true"}).code, 0);
  EXPECT_EQ(daemon_.run(Words{"run", "--mem", "10M", "--"} + job({"exit", "42"})).code, 42);
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M", "--", "sh", "-c", "kill -TERM $$"}).code, 143);
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M", "--", "sh", "-c", "kill -KILL $$"}).code, 137);
  EXPECT_TRUE(eventually([&] { return list(daemon_.get("/api/v1/leases")).empty(); }));
}

TEST_F(RunCommand, EndsWithTwoAndStartsNothingWhenItIsUsedWrongly) {
  for (const Words& words :
       std::vector<Words>{{"run", "--mem", "5Q", "--", "touch"},
                          {"run", "--mem", "-5M", "--", "touch"},
                          {"run", "--memm", "5M", "--", "touch"},
                          {"run", "--wait", "soon", "--", "touch"},
                          {"run", "--mem", "1M", "--priority", "urgent", "--", "touch"},
                          {"fit", "--gpu-mem", "much"}}) {
    const auto outcome =
        daemon_.run(words.front() == "run" ? words + Words{daemon_.file("ran")} : words);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("headroom: "));
  }
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M"}).code, 2) << "no command";
  EXPECT_THAT(daemon_.run({"run", "--memm", "5M", "--", "true"}).err, HasSubstr("--mem"));
  EXPECT_THAT(daemon_.run({"staus"}).err, HasSubstr("status"));
  EXPECT_NE(access(daemon_.file("ran").c_str(), F_OK), 0);
  EXPECT_TRUE(list(daemon_.get("/api/v1/leases?state=ended")).empty()) << "something was booked";
}

TEST_F(RunCommand, TellsApartWhatDoesNotFitWhatIsNotThereAndWhatIsNotAllowed) {
  EXPECT_EQ(daemon_.run({"run", "--mem", "900T", "--", "true"}).code, 3);
  EXPECT_EQ(daemon_.run({"fit", "--mem", "900T"}).code, 3);
  EXPECT_EQ(daemon_.run({"lease", "rm", "l-999"}).code, 4);
  const auto root = full();
  StartOptions nobody;
  nobody.uid = kNobody;
  if (geteuid() == 0) {
    const auto id = text(daemon_.lease("full"), "id");
    const auto refused = daemon_.run({"lease", "rm", id}, nobody);
    EXPECT_EQ(refused.code, 5) << refused.err;
    EXPECT_EQ(text(daemon_.lease("full"), "id"), id);
  }
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(root->finish().code, 0);
  EXPECT_EQ(daemon_.stop().code, 0);
  const auto alone = daemon_.run({"run", "--mem", "10M", "--", "touch", daemon_.file("ran")});
  EXPECT_EQ(alone.code, 6);
  EXPECT_THAT(alone.err, HasSubstr(daemon_.socket()));
  EXPECT_NE(access(daemon_.file("ran").c_str(), F_OK), 0);
}

TEST_F(RunCommand, TellsApartItsOwnFailureAndACommandThatIsMissingOrNoProgram) {
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M", "--", "no-such-command"}).code, 127);
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M", "--", "/etc/passwd"}).code, 126);
  StartOptions nowhere;
  nowhere.variables = {{"XDG_STATE_HOME", "/proc/nowhere"}};
  EXPECT_EQ(daemon_.run({"run", "--mem", "10M", "--detach", "--", "true"}, nowhere).code, 125);
  EXPECT_TRUE(eventually([&] { return list(daemon_.get("/api/v1/leases")).empty(); }))
      << "a lease without a process is left";
}

TEST_F(RunCommand, WaitsAsLongAsAskedAndNoLonger) {
  const auto first = full();
  const double began = seconds();
  const auto second =
      daemon_.run({"run", "--gpu-mem", "6G", "--wait", "1s", "--", "touch", daemon_.file("ran")});
  EXPECT_EQ(second.code, 124) << second.err;
  EXPECT_GE(seconds() - began, 0.95);
  EXPECT_THAT(second.err, HasSubstr("full"));
  EXPECT_NE(access(daemon_.file("ran").c_str(), F_OK), 0);
  EXPECT_TRUE(eventually([&] { return list(daemon_.get("/api/v1/leases")).size() == 1; }));
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
}

TEST_F(RunCommand, TellsWhenItsTurnComesWhereTheOthersSaidHowLongTheyTake) {
  const auto first = full({"--for", "1h"});
  const auto second = daemon_.command({"run", "--gpu-mem", "6G", "--name", "second", "--", "true"});
  ASSERT_TRUE(daemon_.lease_is("second", "waiting"));
  const auto third = daemon_.command({"run", "--gpu-mem", "6G", "--name", "third", "--", "true"});
  ASSERT_TRUE(daemon_.lease_is("third", "waiting"));
  const auto lease = daemon_.lease("second");
  EXPECT_EQ(whole(lease, "place"), 1);
  EXPECT_EQ(whole(daemon_.lease("third"), "place"), 2);
  EXPECT_FALSE(text(lease, "earliest").empty());
  EXPECT_GT(text(lease, "earliest"), text(lease, "asked_at"));
  EXPECT_THAT(text(lease, "why"), HasSubstr("full"));
  EXPECT_TRUE(second->complains("waiting for 6.0 GiB"));
  EXPECT_TRUE(second->complains("place 1"));
  EXPECT_THAT(second->err(), Not(HasSubstr("earliest unknown")));
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
  EXPECT_EQ(second->finish().code, 0);
  EXPECT_EQ(third->finish().code, 0);
}

TEST_F(RunCommand, PassesSignalsToItsCommand) {
  const auto run = daemon_.command(
      Words{"run", "--mem", "10M", "--"} +
      job({"catch", "10", "catch", "1", "say", "up", "until", daemon_.file("over")}));
  ASSERT_TRUE(run->says("up"));
  run->signal(SIGUSR1);
  EXPECT_TRUE(run->says("got 10"));
  run->signal(SIGHUP);
  EXPECT_TRUE(run->says("got 1\n"));
  run->signal(SIGTERM);
  const auto outcome = run->finish();
  EXPECT_EQ(outcome.code, 143) << outcome.err;
  EXPECT_THAT(last_line(outcome.err), HasSubstr("SIGTERM"));
  EXPECT_TRUE(eventually([&] { return list(daemon_.get("/api/v1/leases")).empty(); }));
}

TEST_F(RunCommand, LeavesTheQueueOnControlC) {
  const auto first = full();
  StartOptions terminal;
  terminal.terminal = true;
  const auto second = daemon_.command(
      {"run", "--gpu-mem", "6G", "--name", "second", "--", "touch", daemon_.file("ran")}, terminal);
  ASSERT_TRUE(second->says("place 1")) << second->out();
  second->type("\x03");
  EXPECT_EQ(second->finish().code, 130);
  EXPECT_TRUE(daemon_.lease_ends("second"));
  EXPECT_NE(access(daemon_.file("ran").c_str(), F_OK), 0);
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
}

TEST_F(RunCommand, LetsTheTerminalInterruptItsCommandOnce) {
  StartOptions terminal;
  terminal.terminal = true;
  const auto run = daemon_.command(
      Words{"run", "--mem", "10M", "--"} +
          job({"catch", "2", "say", "up", "until", daemon_.file("over"), "say", "done"}),
      terminal);
  ASSERT_TRUE(run->says("up"));
  run->type("\x03");
  ASSERT_TRUE(run->says("got 2"));
  write_text(daemon_.file("over"), "");
  const auto outcome = run->finish();
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("done"));
  EXPECT_EQ(count_of(outcome.out, "got 2"), 1U) << outcome.out;
}

TEST_F(RunCommand, StopsAndContinuesUnderAShell) {
  StartOptions terminal;
  terminal.terminal = true;
  terminal.variables = {{"HEADROOM_URL", daemon_.url()}, {"PS1", "ready> "}};
  Program shell({"bash", "--norc", "--noprofile", "-i"}, terminal);
  ASSERT_TRUE(shell.says("ready> "));
  shell.type(std::string(HEADROOM_COMMAND) + " run --mem 10M --name j -- " + HEADROOM_JOB +
             " print HEADROOM_LEASE until " + daemon_.file("over") + " exit 7\n");
  ASSERT_TRUE(shell.says("HEADROOM_LEASE=l-")) << shell.out();
  shell.type("\x1a");
  ASSERT_TRUE(shell.says("Stopped")) << shell.out();
  EXPECT_EQ(text(daemon_.lease("j"), "name"), "j") << "a stopped job keeps its lease";
  write_text(daemon_.file("over"), "");
  shell.type("fg\n");
  ASSERT_TRUE(shell.says(" ended 7")) << shell.out();
  shell.type("echo code=$?\n");
  EXPECT_TRUE(shell.says("code=7")) << shell.out();
  EXPECT_TRUE(daemon_.lease_ends("j"));
  shell.type("exit\n");
  EXPECT_EQ(shell.finish().code, 0);
}

TEST_F(RunCommand, GoesOnInTheBackgroundAndKeepsWhatItWrites) {
  StartOptions state;
  state.variables = {{"XDG_STATE_HOME", daemon_.folder()}};
  const auto front =
      daemon_.run(Words{"run", "--mem", "10M", "--name", "night", "--detach", "--"} +
                      job({"say", "hello", "until", daemon_.file("over"), "exit", "5"}),
                  state);
  EXPECT_EQ(front.code, 0) << front.err;
  // Its job waits for what is written below: it was not waited for.
  const auto id = text(daemon_.lease("night"), "id");
  ASSERT_THAT(front.out, StartsWith(id + " " + daemon_.folder()));
  const auto path = front.out.substr(id.size() + 1, front.out.find('\n') - id.size() - 1);
  EXPECT_TRUE(eventually([&] { return read_text(path).find("hello\n") != std::string::npos; }));
  write_text(daemon_.file("over"), "");
  EXPECT_TRUE(daemon_.lease_ends("night"));
  const auto ended = daemon_.get("/api/v1/leases/" + id);
  EXPECT_EQ(text(ended, "state"), "ended");
  EXPECT_TRUE(eventually([&] {
    return whole(daemon_.get("/api/v1/leases/" + id), "exit_status") == 5;
  })) << daemon_.ask("GET", "/api/v1/leases/" + id).body;
}

TEST_F(RunCommand, DetachedWhileItWaitsReturnsAtOnce) {
  const auto first = full();
  StartOptions state;
  state.variables = {{"XDG_STATE_HOME", daemon_.folder()}};
  const auto front =
      daemon_.run({"run", "--gpu-mem", "6G", "--name", "later", "--detach", "--", "true"}, state);
  EXPECT_EQ(front.code, 0) << front.err;
  EXPECT_TRUE(daemon_.lease_is("later", "waiting")) << "it came back with the end of its turn";
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
  EXPECT_TRUE(daemon_.lease_ends("later"));
}

TEST_F(RunCommand, BooksNothingForACommandThatIsNotThere) {
  const auto first = full();
  EXPECT_EQ(daemon_.run({"run", "--gpu-mem", "6G", "--", "no-such-command"}).code, 127)
      << "it would have waited for its turn";
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
}

TEST_F(RunCommand, LeaseAddWaitsForItsTurnAsLongAsTold) {
  const auto first = full();
  const auto second =
      daemon_.run({"lease", "add", "second", "--gpu-mem", "6G", "--ttl", "1h", "--wait", "1s"});
  EXPECT_EQ(second.code, 124) << second.out << second.err;
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
}

TEST_F(RunCommand, RemovingALeaseSaysWhatStillRuns) {
  const auto first = full();
  const auto id = text(daemon_.lease("full"), "id");
  const auto removed = daemon_.run({"lease", "rm", id});
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_THAT(removed.err, HasSubstr("still runs"));
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
}

TEST_F(RunCommand, ExplainsAJobThatDiedAtItsLimit) {
  const auto node = daemon_.get("/api/v1/node");
  if (text(node, "tier") == "none") GTEST_SKIP() << "no control group can be made here";
  const auto outcome = daemon_.run(
      Words{"run", "--mem", "64M", "--enforce", "--name", "greedy", "--"} + job({"grow", "8"}));
  EXPECT_EQ(outcome.code, 137) << outcome.err;
  const auto last = last_line(outcome.err);
  EXPECT_THAT(last, AllOf(HasSubstr("greedy"), HasSubstr("limit of 64.0 MiB"),
                          ContainsRegex("[1-9][0-9]* .*kill"), HasSubstr("try --mem")));
}

TEST_F(RunCommand, BooksTheSecondTimeWhatTheFirstHasShown) {
  const auto eater = [&](const char* mebibytes, const Words& more = {}) {
    // Long enough for a sample, where no group tells of the peak.
    return daemon_.run(Words{"run", "--name", "eater"} + more + Words{"--"} +
                       job({"touch", mebibytes, "sleep", "1100"}));
  };
  const auto unknown = eater("100");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("try: say it once, for example --mem 2G"));
  EXPECT_EQ(eater("100", {"--mem", "1G"}).code, 0);
  const auto booked = [&](const char* key) {
    const auto ended = list(daemon_.get("/api/v1/leases?state=ended&name=eater"));
    return ended.empty() ? -1.0 : number(ended.back(), key).value_or(-1);
  };
  ASSERT_TRUE(eventually([&] { return booked("peak.memory_bytes") >= 100e6; }));
  const auto again = eater("100");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("learned from 1 run: "));
  const double peak = booked("size.memory.p50_bytes");
  EXPECT_GE(peak, 100 * 1048576.0);
  EXPECT_LT(peak, 150 * 1048576.0);
  EXPECT_LT(booked("size.memory.p95_bytes"), 1.15 * peak);
  // Other words: another size, and until it ran, a wider one.
  const auto other = eater("101");
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_THAT(other.err, HasSubstr("learned from other configurations (2 runs): "));
  EXPECT_GT(booked("size.memory.p95_bytes"), 1.5 * peak);
  const auto fit = daemon_.run({"fit", "eater"});
  EXPECT_THAT(fit.out, HasSubstr("learned from 1 run: ")) << "the one that ran last";
}

TEST_F(RunCommand, LetsAJobGoBeyondItsSoftFence) {
  const auto outcome = daemon_.run(Words{"run", "--mem", "32M", "--name", "soft", "--"} +
                                   job({"touch", "64", "say", "through"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("through"));
}

TEST_F(RunCommand, WaitsForRoomWithoutBooking) {
  const auto first = full();
  const auto waits = daemon_.command({"wait", "--gpu-mem", "6G"});
  EXPECT_EQ(daemon_.run({"wait", "--gpu-mem", "6G", "--timeout", "1s"}).code, 124);
  EXPECT_TRUE(waits->running());
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
  EXPECT_EQ(waits->finish().code, 0) << waits->err();
  EXPECT_TRUE(eventually([&] { return list(daemon_.get("/api/v1/leases")).empty(); }));
}

}  // namespace
}  // namespace headroom::end_to_end
