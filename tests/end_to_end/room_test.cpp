// Show 2: every surface says the same, and the sum is right; metrics, the stream, the specs' paths.
#include "harness.hpp"

#include <cmath>
#include <cstdlib>
#include <sstream>

#include <unistd.h>

#include "client/daemon.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A daemon whose sample stays as it is after the second, so that answers can be compared to the
/// byte.
Daemon& still(Daemon& daemon) {
  EXPECT_TRUE(daemon.start());
  EXPECT_TRUE(
      eventually([&] { return whole(daemon.get("/api/v1/snapshot"), "sample").value_or(0) >= 2; }));
  return daemon;
}

DaemonOptions unmoving() {
  auto options = simulated_gpus("24GiB,used=4.2GiB; 8GiB");
  options.configuration = "[sample]\ninterval = \"1h\"\n";
  return options;
}

std::int64_t meminfo(const std::string& field) {
  std::istringstream lines(read_text("/proc/meminfo"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::atoll(line.c_str() + field.size() + 1) * 1024;
  }
  return -1;
}

std::string promtool() {
  for (const char* path : {"/usr/bin/promtool", "/usr/local/bin/promtool"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return {};
}

TEST(Room, IsTheSameOnEverySurface) {
  Daemon daemon(unmoving());
  still(daemon);
  const auto holder = std::make_unique<Program>(job({"until", daemon.file("over")}));
  ASSERT_EQ(
      daemon
          .ask(
              "POST", "/api/v1/leases",
              R"({"name":"a","needs":{"memory_bytes":1073741824,"gpu_memory_bytes":1073741824},"holder":{"pid":)" +
                  std::to_string(holder->pid()) + "}}")
          .status,
      201);
  const auto room = daemon.get("/api/v1/room");
  const auto json = daemon.run({"--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const auto command = client::parse_json(json.out);
  ASSERT_TRUE(command) << json.out;
  const auto snapshot = daemon.get("/api/v1/snapshot");
  EXPECT_EQ(list(room), list(*command, "room.items"));
  EXPECT_EQ(list(room), list(snapshot, "room.items"));
  ASSERT_GE(list(room).size(), 5U);  // memory, CPU, two GPUs, a disk

  const auto page = daemon.run({"--bytes"});
  EXPECT_EQ(page.code, 0);
  EXPECT_EQ(page.err, "");
  const auto metrics = daemon.ask("GET", "/metrics").body;
  for (const auto& item : list(room)) {
    if (text(item, "resource") == "cpu") continue;
    const auto bytes = std::to_string(*whole(item, "room_bytes"));
    EXPECT_THAT(page.out, HasSubstr(bytes)) << text(item, "name");
    EXPECT_THAT(metrics, HasSubstr(" " + bytes + "\n")) << text(item, "name");
  }
  const auto people = daemon.run({});
  char words[32];
  std::snprintf(words, sizeof words, "%.1f GiB",
                static_cast<double>(*whole(daemon.room("memory"), "room_bytes")) / 1073741824);
  EXPECT_THAT(people.out, HasSubstr(words));
  EXPECT_THAT(people.out, AllOf(HasSubstr("booked"), HasSubstr("unbooked"), HasSubstr("reserve"),
                                HasSubstr("margin")));
}

TEST(Room, IsTheSumOfItsTerms) {
  Daemon daemon(unmoving());
  still(daemon);
  const auto room = daemon.get("/api/v1/room");
  for (const auto& item : list(room)) {
    const std::string unit = text(item, "resource") == "cpu" ? "_cores" : "_bytes";
    const auto term = [&](const char* name) { return number(item, name + unit).value_or(NAN); };
    const double least = std::min(term("capacity") - term("reserve") - term("booked"),
                                  term("free") - term("unmaterialised")) -
                         term("margin");
    const double slack = unit == "_cores" ? 0.01 : 1;
    EXPECT_NEAR(term("room"), std::max(0.0, least), slack) << text(item, "name");
    if (term("room") <= 0) continue;
    EXPECT_NEAR(term("reserve") + term("booked") + term("unbooked") + term("margin") + term("room"),
                term("capacity"), slack)
        << text(item, "name");
  }
  EXPECT_EQ(whole(daemon.room("gpu_memory"), "capacity_bytes"), 24LL << 30);
}

TEST(Room, OfMemoryAgreesWithTheKernelWithinOnePercent) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto total = meminfo("MemTotal");
  EXPECT_EQ(whole(daemon.get("/api/v1/snapshot"), "memory.total_bytes"), total);
  // Other programs move memory between two looks: one look of several has to agree.
  EXPECT_TRUE(eventually([&] {
    const auto before = meminfo("MemAvailable");
    const auto seen = whole(daemon.get("/api/v1/snapshot"), "memory.available_bytes").value_or(-1);
    return std::llabs(seen - before) <= total / 100;
  }));
}

TEST(Room, IsReadWithoutADaemonAndSaysSo) {
  TempFolder folder;
  StartOptions nobody;
  nobody.variables = {{"HEADROOM_URL", "unix://" + folder.file("s")}};
  for (const Words& words : std::vector<Words>{
           {}, {"--json"}, {"ps"}, {"metrics"}, {"config"}, {"fit", "--mem", "1M"}}) {
    const auto outcome = Program(Words{HEADROOM_COMMAND} + words, nobody).finish();
    EXPECT_EQ(outcome.code, 0) << (words.empty() ? "" : words[0]) << outcome.err;
    EXPECT_NE(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(folder.file("s"))) << (words.empty() ? "status" : words[0]);
  }
  const auto local = Program(Words{HEADROOM_COMMAND, "--local", "--json"}, nobody).finish();
  EXPECT_EQ(local.code, 0);
  EXPECT_THAT(local.err, Not(HasSubstr("no daemon")));
  const auto document = client::parse_json(local.out);
  ASSERT_TRUE(document) << local.out;
  EXPECT_EQ(whole(*document, "memory.total_bytes"), meminfo("MemTotal"));
  EXPECT_EQ(Program({HEADROOM_COMMAND, "fit", "--mem", "900T"}, nobody).finish().code, 3);
  EXPECT_EQ(Program({HEADROOM_COMMAND, "lease", "rm", "l-1"}, nobody).finish().code, 6);
}

TEST(Metrics, FindsNothingToSayAboutThem) {
  if (promtool().empty()) GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  Daemon daemon(unmoving());
  still(daemon);
  const auto holder = std::make_unique<Program>(job({"until", daemon.file("over")}));
  const auto body =
      R"({"name":"quote\" and \\ back","needs":{"gpu_memory_bytes":1073741824},"holder":{"pid":)" +
      std::to_string(holder->pid()) + "}}";
  daemon.ask("POST", "/api/v1/leases", body);
  const auto answer = daemon.ask("GET", "/metrics");
  ASSERT_EQ(answer.status, 200);
  write_text(daemon.file("metrics"), answer.body);
  const auto checked =
      Program({"sh", "-c", promtool() + " check metrics < " + daemon.file("metrics")}).finish();
  EXPECT_EQ(checked.code, 0) << checked.out << checked.err;
  EXPECT_EQ(checked.out + checked.err, "");
  EXPECT_THAT(answer.body, HasSubstr("headroom_room_bytes{"));
  write_text(daemon.file("metrics"), answer.body + "broken{ 1\n");
  EXPECT_NE(Program({"sh", "-c", promtool() + " check metrics < " + daemon.file("metrics")})
                .finish()
                .code,
            0)
      << "the checker checks nothing";
}

/// The events of a stream until there are as many as wanted.
std::vector<client::StreamEvent> follow(Daemon& daemon, const std::string& target,
                                        std::size_t wanted, const std::string& last_id = "") {
  std::vector<client::StreamEvent> events;
  auto connection = http::Client::connect(*http::Url::parse(daemon.url()), kPatience);
  if (!connection) return events;
  client::EventCutter cutter;
  const http::Header resume{"Last-Event-ID", last_id};
  (void)connection->stream(
      target,
      [&](std::string_view piece) {
        return cutter.take(piece, [&](const client::StreamEvent& event) {
          events.push_back(event);
          return events.size() < wanted;
        });
      },
      std::span(&resume, last_id.empty() ? 0U : 1U));
  return events;
}

TEST(Stream, BringsASnapshotAfterEachSample) {
  DaemonOptions options;
  options.configuration = "[sample]\ninterval = \"50ms\"\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const auto events = follow(daemon, "/api/v1/stream?types=snapshot", 4);
  ASSERT_EQ(events.size(), 4U);
  std::int64_t before = 0;
  for (const auto& event : events) {
    EXPECT_EQ(event.type, "snapshot");
    const auto document = client::parse_json(event.data);
    ASSERT_TRUE(document) << event.data;
    EXPECT_GT(whole(*document, "sample"), before);
    before = *whole(*document, "sample");
    EXPECT_FALSE(list(*document, "room.items").empty());
  }
}

TEST(Stream, GoesOnWhereItWasCutOff) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  const auto one_lease = [&](const std::string& name) {
    EXPECT_EQ(daemon.run({"run", "--gpu-mem", "1G", "--name", name, "--", "true"}).code, 0);
    EXPECT_TRUE(daemon.lease_ends(name));
  };
  one_lease("before");
  const auto history = daemon.get("/api/v1/events?type=lease");
  ASSERT_FALSE(list(history).empty());
  const auto last = *whole(list(history).front(), "id");
  one_lease("between");
  const auto events = follow(daemon, "/api/v1/stream?types=event", 2, std::to_string(last));
  ASSERT_EQ(events.size(), 2U);
  std::string said;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].id, std::to_string(last + 1 + static_cast<std::int64_t>(i)));
    said += events[i].data + "\n";
  }
  EXPECT_THAT(said, HasSubstr("between"));
}

TEST(SpecPaths, AnswerWithThePromisedKeys) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  const std::vector<std::pair<std::string, Words>> promised = {
      {"/api/v1/monitoring/status",
       {"timestamp", "cpu.usage_percent", "cpu.memory_used_gb", "cpu.memory_available_gb",
        "cpu.memory_percent", "gpu.available", "gpu.memory_used_gb", "gpu.memory_total_gb",
        "gpu.memory_percent", "process.memory_gb"}},
      {"/api/v1/monitoring/report",
       {"timestamp", "current", "average_5min.cpu_percent", "average_5min.gpu_memory_percent",
        "allocated_resources", "cached_models", "alerts.total", "alerts.recent", "health_status"}},
      {"/api/v1/monitoring/history", {"window_seconds", "data_points", "statistics", "history"}},
      {"/resources/cpu", {"cpu_percent"}},
      {"/resources/memory", {"memory_usage_mb", "timestamp"}},
      {"/resources/gpu", {"gpu_available", "gpu_memory_percent"}},
      {"/resources/network", {"network_usage_bytes_per_second"}},
      {"/resources/all",
       {"cpu_percent", "memory_usage_mb", "gpu_percent", "gpu_memory_percent", "gpu_available",
        "network_usage_bytes_per_second", "timestamp"}}};
  for (const auto& [path, keys] : promised) {
    const auto answer = daemon.ask("GET", path);
    ASSERT_EQ(answer.status, 200) << path << answer.body;
    for (const auto& key : keys) {
      EXPECT_NE(client::find(answer.json, key), nullptr)
          << path << " has no " << key << ": " << answer.body;
    }
  }
  const auto alerts = daemon.ask("GET", "/api/v1/monitoring/alerts");
  EXPECT_EQ(alerts.status, 200);
  EXPECT_TRUE(alerts.json.is_array()) << alerts.body;
}

TEST(Pages, AreServedFromTheProgramItself) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto page = daemon.ask("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<html"));
  EXPECT_THAT(page.body, Not(HasSubstr("https://")));
  EXPECT_EQ(daemon.ask("GET", "/no-such-page").status, 404);
  EXPECT_EQ(daemon.ask("DELETE", "/api/v1/room").status, 405);
}

}  // namespace
}  // namespace headroom::end_to_end
