#include "serve/body.hpp"

#include <string>

#include <gtest/gtest.h>

namespace headroom::serve {
namespace {

using namespace literals;

Result<AskLease> lease(const std::string& text) {
  HolderField holder;
  return parse_lease(text, holder);
}

TEST(Body, ReadsAWholeLease) {
  HolderField holder;
  const auto ask = parse_lease(
      R"({"name":"train-b","needs":{"memory_bytes":1073741824,"gpu_memory_bytes":2147483648,"cpu_cores":1.5,
          "disk_bytes":4096,"disk_path":"/data","gpus":1,"gpu":0,"compute":8.0},"priority":"high","spread":true,
          "wait_seconds":600,"for_seconds":2400,"ttl_seconds":60,"holder":{"pid":4121},"parent":"l-70",
          "fence":true,"enforce":false})",
      holder);
  ASSERT_TRUE(ask) << ask.error().what;
  EXPECT_EQ(ask->name, "train-b");
  EXPECT_EQ(ask->needs.memory, 1_GiB);
  EXPECT_EQ(ask->needs.gpu_memory, 2_GiB);
  EXPECT_EQ(ask->needs.cpu, Cores(1500));
  EXPECT_EQ(ask->needs.disk, Bytes(4096));
  EXPECT_EQ(ask->needs.disk_path, "/data");
  EXPECT_EQ(ask->needs.gpus, 1);
  EXPECT_EQ(ask->needs.gpu, "0");
  EXPECT_EQ(ask->needs.compute, 8.0);
  EXPECT_EQ(ask->priority, Priority::high);
  EXPECT_TRUE(ask->spread);
  EXPECT_EQ(ask->wait, std::chrono::seconds(600));
  EXPECT_EQ(ask->expected, std::chrono::seconds(2400));
  EXPECT_EQ(ask->ttl, std::chrono::seconds(60));
  EXPECT_EQ(holder.pid, 4121);
  EXPECT_EQ(ask->parent, 70U);
  EXPECT_TRUE(ask->fence);
  EXPECT_TRUE(ask->group) << "a fence needs a group";
}

TEST(Body, TakesGroupsThatOthersMadeAsHolders) {
  const struct {
    const char* holder;
    GroupName::By by;
    const char* text;
  } rows[] = {
      {R"({"cgroup":"/docker/ab"})", GroupName::By::path, "/docker/ab"},
      {R"({"unit":"ollama.service"})", GroupName::By::unit, "ollama.service"},
      {R"({"container":"3f2a"})", GroupName::By::container, "3f2a"},
  };
  for (const auto& row : rows) {
    HolderField holder;
    const auto ask = parse_lease(
        std::string(R"({"needs":{"memory_bytes":1},"holder":)") + row.holder + "}", holder);
    ASSERT_TRUE(ask) << ask.error().why;
    ASSERT_TRUE(holder.group);
    EXPECT_EQ(holder.group->by, row.by);
    EXPECT_EQ(holder.group->text, row.text);
    EXPECT_FALSE(holder.pid);
  }
  for (const char* wrong :
       {R"({"pid":4,"unit":"a"})", R"({"pid":null,"unit":"a"})", R"({"cgroup":"/a","unit":"a"})",
        R"({"unit":""})", R"({"unit":7})", R"({"slice":"a"})", R"({"unit":"a\u0000"})"}) {
    HolderField holder;
    EXPECT_FALSE(
        parse_lease(std::string(R"({"needs":{"memory_bytes":1},"holder":)") + wrong + "}", holder))
        << wrong;
  }
  HolderField holder;
  const auto given = parse_change(R"({"holder":{"unit":"a"}})", holder);
  ASSERT_FALSE(given);
  EXPECT_NE(given.error().why.find("a process is wanted"), std::string::npos);
}

TEST(Body, TellsNoWaitFromNoLimit) {
  EXPECT_EQ(lease(R"({"needs":{"memory_bytes":1}})")->wait, std::chrono::milliseconds(0));
  EXPECT_FALSE(lease(R"({"needs":{"memory_bytes":1},"wait_seconds":null})")->wait.has_value());
}

TEST(Body, ReadsWhenALeaseStarts) {
  const auto starts = [](const std::string& at, const std::string& more = "") {
    HolderField holder;
    return parse_lease(R"({"needs":{"memory_bytes":1},"starts_at":)" + at + more + "}", holder);
  };
  const WallTime at =
      std::chrono::sys_days(std::chrono::year(2026) / 11 / 23) + std::chrono::hours(8);
  for (const char* text : {R"("2026-11-23T08:00:00Z")", R"("2026-11-23T08:00:00.000Z")"}) {
    const auto ask = starts(text);
    ASSERT_TRUE(ask) << text;
    EXPECT_EQ(ask->starts, at);
    EXPECT_FALSE(ask->wait) << "who names a time means to wait for it";
  }
  EXPECT_EQ(starts(R"("2026-11-23T08:00:00Z")", R"(,"wait_seconds":0)")->wait,
            std::chrono::seconds(0));
  const auto none = starts("null");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->starts);
  EXPECT_EQ(none->wait, std::chrono::seconds(0));
  for (const char* text :
       {R"("08:00")", R"("2026-11-23 08:00:00Z")", R"("2026-11-23T08:00:00")",
        R"("2026-11-23T08:00:00+01:00")", R"("2026-02-30T08:00:00Z")", R"("2026-11-23T25:00:00Z")",
        R"("2026-11-23T08:00:00.Z")", R"("2026-11-23T08:00:00xZ")", R"("2026/11/23T08:00:00Z")",
        "1795420800", R"("1h")"}) {
    const auto ask = starts(text);
    ASSERT_FALSE(ask) << text;
    EXPECT_NE(ask.error().what.find("starts_at"), std::string::npos) << ask.error().what;
  }
}

TEST(Body, TakesMissingNeedsForLearnedOnes) {
  EXPECT_FALSE(lease(R"({"name":"a"})")->has_needs);
  EXPECT_FALSE(lease(R"({"name":"a","needs":{}})")->has_needs);
  EXPECT_EQ(lease(R"({"name":"a","config":"batch=32"})")->config, "batch=32");
  EXPECT_EQ(parse_fit(R"({"name":"a","config":"batch=32"})")->config, "batch=32");
  EXPECT_FALSE(parse_fit(R"({"name":"a","config":32})"));
}

TEST(Body, RefusesByName) {
  const struct {
    const char* text;
    const char* says;
  } rows[] = {
      {"", "empty"},
      {"{", "no JSON"},
      {"[]", "no JSON object"},
      {R"({"needs":{"memory_bytes":0}})", "needs.memory_bytes"},
      {R"({"needs":{"memory_bytes":-1}})", "needs.memory_bytes"},
      {R"({"needs":{"memory_bytes":1e30}})", "needs.memory_bytes"},
      {R"({"needs":{"memory_bytes":"1G"}})", "needs.memory_bytes"},
      {R"({"needs":{"memory_bytes":1},"wait_seconds":-1})", "wait_seconds"},
      {R"({"needs":{"memory_bytes":1},"wait":3})", "unknown field wait"},
      {R"({"needs":{"memory":1}})", "unknown field needs.memory"},
      {R"({"needs":{"memory_bytes":1},"priority":"urgent"})", "priority"},
      {R"({"needs":{"memory_bytes":1},"name":"a\u0000b"})", "name"},
      {R"({"needs":{"memory_bytes":1.5}})", "needs.memory_bytes"},
      {R"({"needs":{"memory_bytes":1},"holder":{"pid":-4}})", "holder.pid"},
      {R"({"needs":{"memory_bytes":1},"holder":{"pid":2.5}})", "holder.pid"},
      {R"({"needs":{"memory_bytes":1},"holder":{}})", "holder"},
      {R"({"needs":{"memory_bytes":1},"parent":"seven"})", "parent"},
  };
  for (const auto& row : rows) {
    HolderField holder;
    const auto ask = parse_lease(row.text, holder);
    ASSERT_FALSE(ask) << row.text;
    EXPECT_EQ(ask.error().kind, ErrorKind::invalid_request);
    EXPECT_NE(ask.error().what.find(row.says), std::string::npos)
        << row.text << " said: " << ask.error().what;
  }
}

TEST(Body, ANumberThatIsRefusedSaysWhatIsWanted) {
  EXPECT_EQ(lease(R"({"needs":{"gpus":99}})").error().why, "it is to be 0 to 64");
  EXPECT_EQ(lease(R"({"needs":{"gpus":1.5}})").error().why, "a whole number is wanted");
}

TEST(Body, RefusesDeepNesting) {
  std::string deep(1000, '[');
  EXPECT_FALSE(lease(R"({"needs":)" + deep));
}

TEST(Body, ReadsChanges) {
  HolderField holder;
  EXPECT_EQ(parse_change(R"({"exit_status":0})", holder)->exit_status, 0);
  EXPECT_EQ(parse_change(R"({"ttl_seconds":600})", holder)->ttl, std::chrono::seconds(600));
  EXPECT_FALSE(parse_change("{}", holder));
  EXPECT_TRUE(*parse_change(R"({"return_idle":true})", holder)->return_idle);
  EXPECT_EQ(parse_change(R"({"failed_gpu_memory_bytes":8589934592})", holder)->failed_gpu_memory,
            Bytes(8589934592));
  EXPECT_FALSE(parse_change(R"({"failed_gpu_memory_bytes":1,"ttl_seconds":5})", holder))
      << "told by itself";
  HolderField next;
  EXPECT_TRUE(parse_change(R"({"holder":{"pid":4121}})", next));
  EXPECT_EQ(next.pid, 4121);
  for (const char* wrong : {R"({"holder":{"pid":null}})", R"({"holder":{}})", R"({"holder":7})",
                            R"({"holder":{"pid":-1}})", R"({"holder":{"pid":1,"x":1}})"}) {
    HolderField none;
    EXPECT_FALSE(parse_change(wrong, none)) << wrong;
  }
  EXPECT_TRUE(*parse_alert_change(R"({"acknowledged":true})")->acknowledged);
}

TEST(Body, AnAnswerIsNotLostBecauseOfHowItIsWorded) {
  const auto coloured =
      parse_component_answer(R"({"id":7,"result":"failed","said":"\u001b[31mno\u001b[0m room\n"})");
  ASSERT_TRUE(coloured);
  EXPECT_EQ(coloured->said, " [31mno [0m room ");
  const std::string trace(5000, 'x');
  const auto cut = parse_component_answer(R"({"id":7,"result":"failed","said":")" + trace + "\"}");
  ASSERT_TRUE(cut);
  EXPECT_FALSE(cut->done);
  EXPECT_LT(cut->said.size(), 5000U);
}

TEST(Body, AnAnswerThatDoesNotSayWhetherItWasDoneIsToldHow) {
  const auto wrong = parse_component_answer(R"({"id":7,"done":true})");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().help.find(R"("result":"applied")"), std::string::npos)
      << wrong.error().help;
}

}  // namespace
}  // namespace headroom::serve
