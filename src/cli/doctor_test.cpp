#include <gmock/gmock.h>

#include "cli/doctor_probe.hpp"

namespace headroom::cli {
namespace {

using ::testing::HasSubstr;

TEST(Doctor, SaysWhatCannotBeDoneWithJobsAndWhatWouldHelp) {
  const auto node = client::parse_json(
      R"({"tier":"none","sensors":[{"name":"stall","up":false,"reason":"it is switched off","fix":"boot with psi=1"}],
          "cannot":[{"what":"groups","reason":"no job is fenced","fix":"run headroomd as root"}]})");
  ASSERT_TRUE(node);
  const auto checks = checks_of_node(*node);
  ASSERT_EQ(checks.size(), 4U);
  EXPECT_EQ(checks[0].outcome, Check::Outcome::absent);
  EXPECT_EQ(checks[0].fix, "boot with psi=1");
  EXPECT_EQ(checks[1].name, "cgroup");
  EXPECT_EQ(checks[1].outcome, Check::Outcome::absent);
  EXPECT_EQ(checks[2].text, "no job is fenced");
  EXPECT_EQ(checks[2].fix, "run headroomd as root");
  const auto text = render_checks(checks, Style{});
  EXPECT_THAT(text, HasSubstr("run headroomd as root"));
  EXPECT_THAT(text, HasSubstr("boot with psi=1"));
}

TEST(Doctor, SaysHowEachGPUIs) {
  const auto snapshot = client::parse_json(
      R"({"gpu":[{"index":0,"name":"H100","state":"lost","state_reason":"XID 79"},
                 {"index":1,"name":"H100","state":"asleep"},
                 {"index":2,"name":"A2","state":"ok","processes_known":false,"memory_total_bytes":1073741824}],
          "filesystem":[{"mount":"/mnt/a","source":"nas:/a","stale":true},{"mount":"/"}]})");
  ASSERT_TRUE(snapshot);
  const auto checks = checks_of_snapshot(*snapshot);
  ASSERT_EQ(checks.size(), 4U);
  EXPECT_EQ(checks[0].outcome, Check::Outcome::failed);
  EXPECT_THAT(checks[0].text, HasSubstr("XID 79"));
  EXPECT_EQ(checks[1].outcome, Check::Outcome::ok);
  EXPECT_EQ(checks[2].outcome, Check::Outcome::absent);
  EXPECT_EQ(checks[3].outcome, Check::Outcome::warn);
  EXPECT_THAT(checks[3].fix, HasSubstr("umount -l /mnt/a"));
}

TEST(Doctor, SaysWhichTargetCannotBeTold) {
  const auto config = client::parse_json(
      R"({"items":[{"key":"notify.pager.kind","value":"webhook"},{"key":"notify.log.kind","value":"command"},
                   {"key":"http.listen","value":""}]})");
  const auto node = client::parse_json(
      R"({"cannot":[{"what":"notify.pager","reason":"notify.pager could not be told: nobody listens there",
                     "fix":"headroom config show notify.pager shows where"}]})");
  ASSERT_TRUE(config && node);
  auto checks = checks_of_telling(*config, *node, 3);
  ASSERT_EQ(checks.size(), 2U);
  EXPECT_EQ(checks[0].outcome, Check::Outcome::warn);
  EXPECT_EQ(checks[0].name, "notify.pager");
  EXPECT_EQ(checks[0].text, "could not be told: nobody listens there");
  EXPECT_EQ(checks[1].outcome, Check::Outcome::ok);
  EXPECT_EQ(checks[1].text, "notify.log can be told");
  for (const auto& check : checks_of_node(*node)) EXPECT_NE(check.name, "notify.pager");

  checks = checks_of_telling(*config, *client::parse_json(R"({"cannot":[]})"), 3);
  ASSERT_EQ(checks.size(), 1U);
  EXPECT_EQ(checks[0].outcome, Check::Outcome::ok);
  EXPECT_THAT(checks[0].text, HasSubstr("notify.pager, notify.log; 3 times"));
  EXPECT_TRUE(checks_of_telling(*client::parse_json(R"({"items":[]})"), *node, 3).empty());
}

TEST(Doctor, ReadsTheHooksOfADaemon) {
  const auto config = client::parse_json(
      R"({"items":[{"key":"hooks.\"a.b\".kind","value":"\"ollama\""},
                   {"key":"hooks.\"a.b\".url","value":"\"http://127.0.0.1:1\""},
                   {"key":"hooks.mine.kind","value":"\"command\""},
                   {"key":"hooks.mine.run","value":"[\"true\", \"(removed)\"]"},
                   {"key":"http.listen","value":"\"\""}]})");
  ASSERT_TRUE(config);
  std::string why;
  const auto hooks = hooks_of(*config, why);
  EXPECT_EQ(why, "");
  ASSERT_EQ(hooks.size(), 2U);
  EXPECT_EQ(hooks[0].name, "a.b");
  EXPECT_EQ(hooks[0].kind, HookKind::ollama);
  EXPECT_EQ(hooks[0].url, "http://127.0.0.1:1");
  EXPECT_EQ(hooks[1].run.front(), "true");
  EXPECT_TRUE(hooks_of(*client::parse_json(R"({"items":[{"key":"hooks.a.new","value":"1"}]})"), why)
                  .empty());
  EXPECT_THAT(why, HasSubstr("hooks.a.new"));
}

TEST(Doctor, AHookThatCannotBeAskedSaysWhy) {
  HookSetting hook;
  hook.name = "mine";
  hook.kind = HookKind::ollama;
  hook.url = "http://127.0.0.1:1";
  auto check = check_hook(hook);
  EXPECT_EQ(check.outcome, Check::Outcome::warn);
  EXPECT_EQ(check.name, "hooks.mine");
  EXPECT_THAT(check.text, HasSubstr("ollama: "));
  hook.kind = HookKind::command;
  hook.url.clear();
  hook.run = {"no-such-program-anywhere", "secret"};
  check = check_hook(hook);
  EXPECT_EQ(check.outcome, Check::Outcome::failed);
  EXPECT_EQ(check.text, "no-such-program-anywhere cannot be run");
  hook.run.front() = "true";
  EXPECT_EQ(check_hook(hook).outcome, Check::Outcome::ok);
  hook.kind = HookKind::signal;
  hook.signal = "USR1";
  EXPECT_THAT(check_hook(hook).text, HasSubstr("nothing was sent"));
}

TEST(Doctor, AWebhookIsTriedWithoutBeingSentAnything) {
  EXPECT_EQ(check_webhook("team", "").outcome, Check::Outcome::absent);
  EXPECT_EQ(check_webhook("team", "no address").outcome, Check::Outcome::failed);
  const auto closed = check_webhook("team", "http://127.0.0.1:1/secret-token");
  EXPECT_EQ(closed.outcome, Check::Outcome::failed);
  EXPECT_EQ(closed.text.find("secret-token"), std::string::npos);
}

}  // namespace
}  // namespace headroom::cli
