#include "serve/routes.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "serve/documents.hpp"
#include "serve/problem.hpp"
#include "serve/prometheus.hpp"

namespace headroom::serve {
namespace {

using namespace literals;
namespace json = boost::json;

// Stands in for the loop: one view, and nothing that moves.
class Still final : public Backend {
 public:
  Still() {
    auto sample = std::make_shared<Sample>();
    sample->at = now();
    sample->number = 7;
    sample->cpu.cores = 16;
    sample->cpu.busy = Ratio(0.38);
    sample->memory.total = 128_GiB;
    sample->memory.available = 96_GiB;
    GpuReading gpu;
    gpu.id = "GPU-5d1f";
    gpu.name = "H\"100";
    gpu.memory_total = 80_GiB;
    gpu.memory_used = 60_GiB;
    gpu.celsius = 67;
    sample->gpus.push_back(gpu);
    sample->absent.push_back({"stall", "the kernel was booted with psi=0", "boot with psi=1"});
    view_.sample = sample;
    view_.config = std::make_shared<const Config>();
    view_.revision = 41;
    Room room;
    room.name = "memory";
    room.room = 1000;
    room.capacity = 5000;
    room.reserve = 500;
    room.booked = 3000;
    room.unbooked = 400;
    room.margin = 100;
    view_.rooms.push_back(room);
    Alert alert;
    alert.id = 12;
    alert.level = Level::critical;
    alert.text = "High CPU memory usage";
    alert.value = 91.2;
    alert.threshold = 85;
    view_.alerts.push_back(alert);
    LeaseView lease;
    lease.lease.id = 73;
    lease.lease.name = "train";
    lease.lease.state = LeaseState::active;
    lease.lease.booked.memory = 4_GiB;
    lease.lease.needs.memory = 4_GiB;
    view_.leases.push_back(lease);
    lease.lease.id = 60;
    lease.lease.state = LeaseState::ended;
    view_.leases.push_back(lease);
  }
  Instant now() override {
    return {BootTime(std::chrono::seconds(100)), WallTime(std::chrono::seconds(1768227003))};
  }
  std::shared_ptr<const View> view() override { return std::make_shared<const View>(view_); }
  const Config& config() override { return *view_.config; }
  const NodeFacts& node() override { return node_; }
  const std::vector<Setting>& settings() override { return settings_; }
  Costs costs() override { return {}; }
  Result<HistoryAnswer> history(const HistoryQuery& query) override {
    asked_series = query.series;
    HistoryAnswer answer;
    answer.points = {{now().wall, 41.5}, {now().wall, std::nullopt}};
    answer.average = 41.5;
    return answer;
  }
  void history(const HistoryQuery& query, std::function<std::string(const HistoryAnswer&)> render,
               std::function<void(Result<std::string>)> done) override {
    const auto answer = history(query);
    done(answer ? Result<std::string>(render(*answer)) : tl::unexpected(answer.error()));
  }
  std::shared_ptr<const ProcessList> processes() override { return nullptr; }
  void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) override {
    done(nullptr);
  }
  Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>&) override {
    return fail(ErrorKind::unavailable, "settings are changed by the daemon");
  }
  Result<std::vector<Setting>> check_config(std::string_view) override {
    return fail(ErrorKind::unavailable, "a configuration is checked with headroomd --check");
  }
  const std::string& token() override {
    static const std::string kNone;
    return kNone;
  }
  std::vector<EventLine> events(const EventQuery&) override { return {}; }
  RequestId ask(const Caller&, Ask, std::function<void(const Answered&)>) override { return 0; }
  void withdraw(RequestId) override {}
  Caller caller(const http::Peer&) override { return {}; }
  Result<Holder> holder(const Caller&, pid_t) override { return Holder{}; }

  View view_;
  NodeFacts node_{"box", "1", "boot", "6.1", now_at(), "v2", {}, ""};
  std::vector<Setting> settings_{{"http.listen", "\"127.0.0.1:8000\"", "built-in", "", "where"}};
  std::string asked_series;

 private:
  static Instant now_at() { return {}; }
};

json::value answer(Still& backend, const std::string& target, int status = 200) {
  const auto mark = target.find('?');
  const auto response = read(backend, target.substr(0, mark),
                             mark == std::string::npos ? "" : target.substr(mark + 1));
  EXPECT_EQ(response.status, status) << target << ": " << response.body;
  boost::system::error_code error;
  json::value value = json::parse(response.body, error);
  EXPECT_FALSE(error) << target << ": " << response.body;
  return value;
}

TEST(Routes, AnswerEveryDocumentAsJson) {
  Still backend;
  for (const char* path : {"/api/v1/node",
                           "/api/v1/snapshot",
                           "/api/v1/room",
                           "/api/v1/pressure",
                           "/api/v1/alerts",
                           "/api/v1/alerts/a12",
                           "/api/v1/events",
                           "/api/v1/history?resource=memory",
                           "/api/v1/leases",
                           "/api/v1/leases/l-73",
                           "/api/v1/config",
                           "/api/v1/health",
                           "/api/v1/monitoring/status",
                           "/api/v1/monitoring/report",
                           "/api/v1/monitoring/alerts",
                           "/api/v1/monitoring/history",
                           "/resources/cpu",
                           "/resources/memory",
                           "/resources/gpu",
                           "/resources/network",
                           "/resources/all"}) {
    answer(backend, path);
  }
}

TEST(Routes, SayWhatIsMissingAndWhatIsThere) {
  Still backend;
  answer(backend, "/api/v1/nothing", 404);
  answer(backend, "/api/v1/leases/l-99", 404);
  answer(backend, "/api/v1/alerts/a99", 404);
  answer(backend, "/resources/heat", 404);
  const auto severity = answer(backend, "/api/v1/alerts?severity=loud", 400);
  EXPECT_NE(severity.at("detail").as_string().find("warning, critical"), std::string::npos);
  answer(backend, "/api/v1/alerts?limit=0", 400);
  answer(backend, "/api/v1/history?resource=weather", 400);
  answer(backend, "/api/v1/leases?state=asleep", 400);
  answer(backend, "/api/v1/events?since=yesterday", 400);
  EXPECT_EQ(answer(backend, "/api/v1/%zz", 404).at("type").as_string(), "/problems/not-found");
  answer(backend, "/api/v1/leases/%zz", 400);
}

TEST(Routes, ListOnlyLivingLeasesUnlessAsked) {
  Still backend;
  EXPECT_EQ(answer(backend, "/api/v1/leases").at("items").as_array().size(), 1U);
  const auto ended = answer(backend, "/api/v1/leases?state=ended").at("items").as_array();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].at("id").as_string(), "l-60");
}

TEST(Routes, KeepUnknownApartFromZero) {
  Still backend;
  const auto snapshot = answer(backend, "/api/v1/snapshot");
  EXPECT_TRUE(snapshot.at("memory").at("swap_total_bytes").is_null());
  EXPECT_TRUE(snapshot.at("gpu").as_array()[0].at("power_watts").is_null());
  EXPECT_TRUE(snapshot.at("stall").at("memory").at("some").is_null());
  EXPECT_EQ(snapshot.at("absent").as_array()[0].at("sensor").as_string(), "stall");
}

TEST(Routes, FindAGpuByItsNumber) {
  Still backend;
  answer(backend, "/api/v1/history?resource=gpu_memory&device=0");
  EXPECT_EQ(backend.asked_series, "gpu_memory:GPU-5d1f");
}

TEST(Routes, TermsOfRoomAddUp) {
  Still backend;
  const auto room = answer(backend, "/api/v1/room").at("items").as_array()[0];
  const auto n = [&](const char* key) { return room.at(key).as_int64(); };
  EXPECT_EQ(n("capacity_bytes"), n("reserve_bytes") + n("booked_bytes") + n("unbooked_bytes") +
                                     n("margin_bytes") + n("room_bytes"));
}

TEST(Routes, ResourcesKeepTheSpecifiedKeys) {
  Still backend;
  const auto all = answer(backend, "/resources/all");
  for (const char* key : {"cpu_percent", "memory_usage_mb", "gpu_percent", "gpu_memory_percent",
                          "network_usage_bytes_per_second", "timestamp", "gpu_available"}) {
    EXPECT_TRUE(all.as_object().contains(key)) << key;
  }
  EXPECT_DOUBLE_EQ(all.at("timestamp").as_double(), 1768227003.0);
}

TEST(Routes, NotReadyIsAnError) {
  Still backend;
  EXPECT_EQ(read(backend, "/readyz", "").status, 200);
  backend.view_.readiness = "the machine was not read yet";
  EXPECT_EQ(read(backend, "/readyz", "").status, 503);
}

TEST(Problem, EveryKindHasAPage) {
  for (const ProblemKind& kind : problem_kinds()) {
    EXPECT_FALSE(problem_page(kind.type).empty()) << kind.type;
  }
}

TEST(Problem, CarriesTheVerdict) {
  Verdict verdict;
  verdict.answer = Answer::queued;
  verdict.short_by.memory = 1_GiB;
  verdict.in_the_way.push_back(73);
  Still backend;
  const auto view = backend.view();
  const auto response = problem(
      {ErrorKind::insufficient_resources, "it does not fit", "no room", ""}, &verdict, view.get());
  EXPECT_EQ(response.status, 409);
  const auto value = json::parse(response.body);
  EXPECT_EQ(value.at("short").at("memory_bytes").as_int64(), 1 << 30);
  EXPECT_EQ(value.at("in_the_way").as_array()[0].at("name").as_string(), "train");
}

TEST(Metrics, NoFamilyTwiceAndNoValueWithoutType) {
  Still backend;
  const std::string text = metrics_text(backend);
  std::map<std::string, int> types;
  std::string family;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_EQ(++types[family], 1) << family;
    } else if (!line.starts_with("#")) {
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_EQ(line.find("nan"), std::string::npos) << line;
    }
  }
  EXPECT_NE(text.find("ml_resource_memory_percent 25\n"), std::string::npos);
}

}  // namespace
}  // namespace headroom::serve
