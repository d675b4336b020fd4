#include <gmock/gmock.h>

#include "cli/doctor_probe.hpp"

namespace headroom::cli {
namespace {

using ::testing::HasSubstr;

constexpr const char* kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
    "4711 1 0000000000000000 100 0 0 10 0\n"
    "   1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 "
    "4712 1 0000000000000000 100 0 0 10 0\n";

TEST(Listener, IsReadFromTheKernelsTable) {
  EXPECT_EQ(parse_listener(kTcp, 8000), (Listener{4711, 1000}));
  EXPECT_EQ(parse_listener(kTcp, 8001), std::nullopt);  // connected, not listening
  EXPECT_EQ(parse_listener(kTcp, 80), std::nullopt);
}

TEST(Listener, BrokenTwinsGiveNothing) {
  EXPECT_EQ(parse_listener("", 8000), std::nullopt);
  EXPECT_EQ(parse_listener("one line", 8000), std::nullopt);
  const std::string text = kTcp;
  for (std::size_t i = 0; i < text.size(); ++i) (void)parse_listener(text.substr(0, i), 8000);
  EXPECT_EQ(parse_listener("sl\n 0: 1F40 x 0A 0 0 0 y 0 z\n", 8000), std::nullopt);
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

TEST(Doctor, AWebhookIsTriedWithoutBeingSentAnything) {
  EXPECT_EQ(check_webhook("team", "").outcome, Check::Outcome::absent);
  EXPECT_EQ(check_webhook("team", "no address").outcome, Check::Outcome::failed);
  const auto closed = check_webhook("team", "http://127.0.0.1:1/secret-token");
  EXPECT_EQ(closed.outcome, Check::Outcome::failed);
  EXPECT_EQ(closed.text.find("secret-token"), std::string::npos);
}

}  // namespace
}  // namespace headroom::cli
