#include "serve/routes.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <openapi/schema_check.hpp>

#include "serve/body.hpp"
#include "serve/compress.hpp"
#include "serve/documents.hpp"
#include "serve/export.hpp"
#include "serve/openapi.hpp"
#include "serve/operation.hpp"
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
    ModelView model;
    model.model.name = "facebook/musicgen-small";
    model.source = model.needs_from = "built in";
    model.model.compute = 6;
    model.needs.memory = 3_GiB;
    model.needs.gpu_memory = 6_GiB;
    model.batch = 2;
    view_.models.push_back(model);
    model = {};
    model.model.name = "sdxl";
    model.model.priority = Priority::low;
    model.model.hook = "comfy";
    model.model.load = std::chrono::milliseconds(12500);
    model.source = "told";
    model.needs_from = "learned";
    model.state = ModelState::resident;
    model.lease = 73;
    model.gpu = "GPU-5d1f";
    model.gpu_index = 0;
    model.needs.gpu_memory = 10_GiB;
    model.size.gpu_memory = 9_GiB;
    model.used = now().wall - std::chrono::minutes(14);
    model.since = now().wall - std::chrono::hours(3);
    model.order = 1;
    model.until = "evictable";
    model.requests = 40;
    model.hits = 38;
    view_.models.push_back(model);
    auto list = std::make_shared<ProcessList>();
    list->at = now();
    list->kernel_threads = 88;
    ProcessReading process;
    process.pid = 4121;
    process.parent = 1;
    process.uid = 1000;
    process.name = "python3";
    process.command = "python3 train.py --token=secret";
    process.memory = 2_GiB;
    process.gpus = {{"GPU-5d1f", 20_GiB}};
    process.lease = 73;
    list->items.push_back(process);
    process = {};
    process.pid = 4122;
    process.parent = 4121;
    process.uid = 1001;
    process.name = "worker";
    process.command = "worker --key=other";
    process.memory = 1_GiB;
    process.cpu = Cores(1500);
    list->items.push_back(process);
    processes_ = list;
    FreeStep step;
    step.model = "sdxl";
    step.lease = 73;
    step.hook = "comfy";
    step.gpu = "GPU-5d1f";
    step.gpu_index = 0;
    step.bytes = 9_GiB;
    step.priority = Priority::low;
    step.idle = std::chrono::minutes(14);
    step.outcome = FreeStep::Outcome::freed;
    freed_.steps.push_back(step);
    step = {};
    step.model = "whisper_base";
    step.outcome = FreeStep::Outcome::skipped;
    step.why = "pinned";
    freed_.steps.push_back(step);
    freed_.gpu_memory = 9_GiB;
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
  Result<std::vector<ForecastView>> forecasts(std::optional<std::chrono::seconds> ahead) override {
    ForecastView view;
    view.series = "disk:/var";
    view.now = 40;
    view.value = 45;
    view.lo = 41;
    view.hi = 52;
    view.horizon = ahead.value_or(std::chrono::seconds(900));
    view.method = "moving_median";
    view.limited_by = "nothing";
    view.full_in = std::chrono::seconds(7200);
    view.full_confidence = 0.8;
    view.judged = ahead ? 40 : 0;
    return std::vector<ForecastView>{view};
  }
  void history(const HistoryQuery& query, std::function<std::string(const HistoryAnswer&)> render,
               std::function<void(Result<std::string>)> done) override {
    const auto answer = history(query);
    done(answer ? Result<std::string>(render(*answer)) : tl::unexpected(answer.error()));
  }
  std::shared_ptr<const ProcessList> processes() override { return processes_; }
  void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) override {
    done(processes_);
  }
  Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>& changes) override {
    changes_ = changes;
    return settings_;
  }
  Result<std::vector<Setting>> check_config(std::string_view toml) override {
    if (toml.empty()) return settings_;
    return fail(ErrorKind::invalid_request, "the configuration is not right",
                "line 1: that is no TOML\nline 2: nor is that");
  }
  const std::string& token() override { return token_; }
  std::vector<EventLine> events(const EventQuery&) override {
    EventLine line;
    line.id = 5;
    line.type = "lease.granted";
    line.lease = 73;
    line.text = "train got 4.0 GiB";
    return {line};
  }
  RequestId ask(const Caller& who, Ask what, std::function<void(const Answered&)> done) override {
    asked_by_ = who;
    asked_ = what;
    if (std::holds_alternative<AskFit>(what)) {
      Verdict verdict;
      verdict.place = 1;
      verdict.help.push_back({"wait", "wait for train", 73, now().wall});
      verdict.steps = freed_.steps;
      done(verdict);
    } else if (const auto* model = std::get_if<AskModel>(&what)) {
      ModelView one;
      one.model.name = model->name;
      done(one);
    } else if (std::holds_alternative<AskFree>(what)) {
      done(freed_);
    } else if (std::holds_alternative<AskAcknowledge>(what) ||
               std::holds_alternative<AskMute>(what)) {
      done(view_.alerts.front());
    } else if (std::holds_alternative<AskEnd>(what)) {
      Verdict verdict;
      verdict.why = "the verdict has a reason, too";
      done(Refusal{{ErrorKind::conflict, "the lease has ended", "its holder did", ""}, verdict});
    } else {
      done(view_.leases.front());
    }
    return 1;
  }
  void withdraw(RequestId) override {}
  Caller caller(const http::Peer&) override { return caller_; }
  std::uint64_t listen(LeaseId, std::function<bool(const AskHook&)>) override { return 0; }
  std::vector<Decision> decisions(std::string_view, std::size_t) override { return {}; }
  std::uint64_t listen(const std::string&, std::function<bool(const CallSetter&)>) override {
    return 0;
  }
  void stop_listening(const std::string&, std::uint64_t) override {}
  void stop_listening(LeaseId, std::uint64_t) override {}
  Result<void> answer(LeaseId, std::uint64_t, HookResult, std::string) override { return {}; }
  Result<Holder> holder(const Caller&, pid_t) override { return Holder{}; }
  void holder(const Caller&, const GroupName& group,
              std::function<void(Result<GroupHolder>)> done) override {
    Holder holder;
    holder.group = group.text;
    holder.inode = 7;
    done(GroupHolder{holder, 0});
  }

  View view_;
  NodeFacts node_{"box", "1", "boot", "6.1", now_at(), "v2", {}, "", ""};
  std::vector<Setting> settings_{{"http.listen", "\"127.0.0.1:8000\"", "built-in", "", "where"}};
  std::string asked_series;
  std::shared_ptr<const ProcessList> processes_;
  std::vector<std::pair<std::string, std::string>> changes_;
  std::string token_;
  Freed freed_;
  Caller caller_;
  Caller asked_by_;
  std::optional<Ask> asked_;

 private:
  static Instant now_at() { return {}; }
};

const openapi::Contract& contract() {
  static const openapi::Contract kContract(json::parse(openapi_document("1")));
  return kContract;
}

void hold_to_contract(std::string_view method, const std::string& target,
                      const http::Response& response) {
  for (const std::string& mistake :
       contract().mistakes(method, target, response.status, response.content_type, response.body)) {
    ADD_FAILURE() << mistake;
  }
}

json::value answer(Still& backend, const std::string& target, int status = 200) {
  const auto mark = target.find('?');
  const auto response = read(backend, target.substr(0, mark),
                             mark == std::string::npos ? "" : target.substr(mark + 1));
  EXPECT_EQ(response.status, status) << target << ": " << response.body;
  hold_to_contract("GET", target, response);
  boost::system::error_code error;
  json::value value = json::parse(response.body, error);
  EXPECT_FALSE(error) << target << ": " << response.body;
  return value;
}

// A request as the daemon gets it over TCP, from nobody that the kernel knows.
struct Sent {
  std::string method = "GET";
  std::string target;
  std::string body = {};
  std::vector<http::Header> headers = {{"Host", "127.0.0.1:8000"}};
  bool gzip = false;
};

http::Response send(Routes& routes, const Sent& sent) {
  http::Request request;
  request.method_text = sent.method;
  for (const http::Method one : {http::Method::get, http::Method::head, http::Method::post,
                                 http::Method::put, http::Method::patch, http::Method::del}) {
    if (sent.method == method_word(one)) request.method = one;
  }
  const std::string_view target = sent.target;
  const auto mark = std::min(target.find('?'), target.size());
  request.target = target;
  request.path = target.substr(0, mark);
  request.query = target.substr(std::min(mark + 1, target.size()));
  request.body = sent.body;
  request.headers = sent.headers;
  std::optional<http::Response> response;
  routes.handle(request, Client(response, sent.gzip));
  EXPECT_TRUE(response) << sent.target;
  if (!response) return {};
  if (!is_gzip(response->body)) hold_to_contract(sent.method, sent.target, *response);
  return *response;
}

std::string header(const http::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
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
                           "/api/v1/models",
                           "/api/v1/models?state=resident&engine=ollama",
                           "/api/v1/models/sdxl",
                           "/api/v1/advice",
                           "/api/v1/models/facebook/musicgen-small",
                           "/api/v1/models/facebook%2Fmusicgen-small",
                           "/api/v1/config",
                           "/api/v1/health",
                           "/api/v1/monitoring/status",
                           "/api/v1/monitoring/report",
                           "/api/v1/monitoring/alerts",
                           "/api/v1/monitoring/history",
                           "/api/v1/monitoring/status?pid=4121",
                           "/api/v1/monitoring/optimization-suggestions",
                           "/api/v1/snapshot?scope=process&id=4121",
                           "/api/v1/snapshot?scope=lease&id=l-73",
                           "/api/v1/devices",
                           "/api/v1/devices/0",
                           "/api/v1/devices/gpu0",
                           "/api/v1/processes",
                           "/api/v1/processes?sort=gpu&gpu=0&unbooked=0&user=1000&limit=1",
                           "/api/v1/history?resource=gpu.memory&window=10m&step=1s",
                           "/api/v1/events?since=1h&type=lease&limit=3",
                           "/api/v1/export",
                           "/openapi.json",
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
  answer(backend, "/api/v1/history?resource=memory&window=31d", 400);
  answer(backend, "/api/v1/history?resource=memory&window=soon", 400);
  answer(backend, "/api/v1/stream", 503);
  answer(backend, "/api/v1/stream?types=snapshot,weather", 400);
  answer(backend, "/api/v1/processes?gpu=7", 404);
  answer(backend, "/api/v1/devices/vdz", 404);
  answer(backend, "/api/v1/snapshot?scope=process&id=nobody", 400);
  answer(backend, "/api/v1/snapshot?scope=process&id=1", 404);
  answer(backend, "/api/v1/snapshot?scope=lease&id=l-99", 404);
  backend.processes_.reset();
  answer(backend, "/api/v1/processes", 503);
  EXPECT_EQ(answer(backend, "/api/v1/%zz", 404).at("type").as_string(), "/problems/not-found");
  answer(backend, "/api/v1/leases/%zz", 400);
}

TEST(Routes, AnAlertNamesItsDevice) {
  Still backend;
  EXPECT_TRUE(answer(backend, "/api/v1/alerts/a12").at("name").is_null());
  backend.view_.alerts.front().resource = Resource::gpu_memory;
  backend.view_.alerts.front().device = "GPU-5d1f";
  EXPECT_EQ(answer(backend, "/api/v1/alerts/a12").at("name").as_string(), "GPU 0");
  EXPECT_EQ(answer(backend, "/api/v1/alerts").at("items").at(0).at("name").as_string(), "GPU 0");
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

TEST(Routes, AnUnknownQueryIsRefusedWithTheNearestName) {
  Still backend;
  const auto refused = answer(backend, "/api/v1/history?resource=memory&windw=300", 400);
  EXPECT_EQ(refused.at("what").as_string(), "unknown query parameter windw");
  EXPECT_EQ(refused.at("try").as_string(), "did you mean window?");
  EXPECT_EQ(answer(backend, "/api/v1/node?x=1", 400).at("why").as_string(), "none is known here");
}

TEST(Routes, WordsOfAProcessAreForItsOwnerAndForTheOwnerOfItsLease) {
  Still backend;
  const auto commands = [&](Caller caller) {
    backend.caller_ = caller;
    std::string out;
    const auto list = answer(backend, "/api/v1/processes");
    for (const auto& item : list.at("items").as_array()) {
      out += item.at("command").is_null() ? '-' : '+';
    }
    return out;
  };
  backend.view_.leases.front().lease.owner = 1002;  // and 1000 runs a process under it
  EXPECT_EQ(commands({0, false, false}), "--") << "it is not known who asks";
  EXPECT_EQ(commands({1000, true, false}), "+-");
  EXPECT_EQ(commands({1001, true, false}), "-+");
  EXPECT_EQ(commands({1002, true, false}), "+-") << "the owner of the lease";
  EXPECT_EQ(commands({1003, true, false}), "--");
  EXPECT_EQ(commands({1003, true, true}), "++");
}

TEST(Routes, ProcessesAreSortedAndPickedAndWhatIsLeftIsToldApart) {
  Still backend;
  const auto pids = [&](const std::string& query) {
    std::vector<std::int64_t> out;
    const auto list = answer(backend, "/api/v1/processes" + query);
    for (const auto& item : list.at("items").as_array()) out.push_back(item.at("pid").as_int64());
    return out;
  };
  using Pids = std::vector<std::int64_t>;
  EXPECT_EQ(pids(""), (Pids{4121, 4122}));
  EXPECT_EQ(pids("?sort=cpu"), (Pids{4122, 4121}));
  EXPECT_EQ(pids("?sort=mem&limit=1"), (Pids{4121}));
  EXPECT_EQ(pids("?gpu=gpu0"), (Pids{4121}));
  EXPECT_EQ(pids("?unbooked=1"), (Pids{4122}));
  EXPECT_EQ(pids("?user=1001"), (Pids{4122}));
  const auto all = answer(backend, "/api/v1/processes");
  EXPECT_EQ(all.at("total").as_int64(), 2);
  EXPECT_TRUE(all.at("unattributed").at(0).at("memory_bytes").is_null())
      << "the driver names no processes here";
  auto sample = std::make_shared<Sample>(*backend.view_.sample);
  sample->gpus[0].processes_known = true;
  backend.view_.sample = sample;
  EXPECT_EQ(answer(backend, "/api/v1/processes").at("unattributed").at(0).at("memory_bytes"),
            (40_GiB).count());
}

TEST(Routes, AProcessIsSummedWithAllBelowIt) {
  Still backend;
  const auto tree = answer(backend, "/api/v1/snapshot?scope=process&id=4121").at("tree");
  EXPECT_EQ(tree.at("processes").as_int64(), 2);
  EXPECT_EQ(tree.at("memory_bytes").as_int64(), (3_GiB).count());
  EXPECT_DOUBLE_EQ(tree.at("cpu_cores").as_double(), 1.5);
  EXPECT_EQ(tree.at("gpu_memory_bytes").as_int64(), (20_GiB).count());
}

TEST(Routes, BatchesThatFitAreAdvised) {
  Still backend;
  backend.view_.models.clear();
  EXPECT_EQ(
      json::serialize(
          answer(backend, "/api/v1/monitoring/optimization-suggestions").at("optimal_batch_sizes")),
      R"({"small":0,"medium":0,"large":0})")
      << "nobody recommends any";
  const struct {
    const char* name;
    Bytes gpu_memory;
    int batch;
  } rows[] = {{"small", 4_GiB, 4}, {"medium", 8_GiB, 2}, {"large", 16_GiB, 1}};
  for (const auto& row : rows) {
    ModelView model;
    model.model.name = row.name;
    model.needs.gpu_memory = row.gpu_memory;
    model.batch = row.batch;
    backend.view_.models.push_back(model);
  }
  const auto batches = [&](Bytes total, Bytes used) {
    auto sample = std::make_shared<Sample>(*backend.view_.sample);
    sample->gpus[0].memory_total = total;
    sample->gpus[0].memory_used = used;
    backend.view_.sample = sample;
    const auto sizes =
        answer(backend, "/api/v1/monitoring/optimization-suggestions").at("optimal_batch_sizes");
    return json::serialize(sizes);
  };
  EXPECT_EQ(batches(24_GiB, 0_B), R"({"small":4,"medium":2,"large":1})");
  EXPECT_EQ(batches(6_GiB, 0_B), R"({"small":4,"medium":0,"large":0})");
  EXPECT_EQ(batches(24_GiB, 20_GiB), R"({"small":4,"medium":0,"large":0})");
  backend.view_.models[0].needs.gpu_memory = 2_GiB;
  backend.view_.models[0].batch = 8;
  EXPECT_EQ(batches(6_GiB, 3_GiB), R"({"small":8,"medium":0,"large":0})");
  EXPECT_TRUE(answer(backend, "/api/v1/monitoring/optimization-suggestions")
                  .at("suggestions")
                  .as_array()
                  .empty());
  Pressure pressure;
  pressure.level = Level::warning;
  backend.view_.pressures.push_back(pressure);
  const auto lines =
      answer(backend, "/api/v1/monitoring/optimization-suggestions").at("suggestions").as_array();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].as_string(), "High CPU memory usage detected:");
}

TEST(Routes, HistoryIsCsvWhereItIsAskedFor) {
  Still backend;
  Routes routes(backend);
  const auto csv = send(routes, {.target = "/api/v1/history?resource=memory",
                                 .headers = {{"Host", "localhost"}, {"Accept", "text/csv"}}});
  EXPECT_EQ(csv.content_type, "text/csv; charset=utf-8");
  EXPECT_EQ(csv.body, "time,value\n2026-01-12T14:10:03.000Z,41.5\n2026-01-12T14:10:03.000Z,\n");
}

TEST(Routes, WritesOfStrangersNeedTheToken) {
  Still backend;
  Routes routes(backend);
  const Sent end{.method = "DELETE", .target = "/api/v1/leases/l-73"};
  EXPECT_EQ(send(routes, end).status, 403) << "nobody set a token";
  backend.token_ = "sesame";
  const auto refused = send(routes, end);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(header(refused, "WWW-Authenticate"), "Bearer realm=\"headroom\"");
  const auto with = [&](const char* value) {
    Sent sent = end;
    sent.headers.push_back({"Authorization", value});
    return send(routes, sent).status;
  };
  EXPECT_EQ(with("Bearer sesam"), 401);
  EXPECT_EQ(with("Bearer sesame2"), 401);
  EXPECT_EQ(with("Basic sesame"), 401);
  EXPECT_EQ(with("Bearer "), 401);
  EXPECT_EQ(with("Bearer sesame"), 409) << "it came through, and the lease had ended";
  EXPECT_EQ(backend.asked_by_.uid, 65534U);
  EXPECT_FALSE(backend.asked_by_.trusted);
}

TEST(Routes, ReadsOfStrangersNeedTheTokenOnlyWherePrivate) {
  Still backend;
  Routes routes(backend);
  backend.token_ = "sesame";
  EXPECT_EQ(send(routes, {.target = "/api/v1/room"}).status, 200);
  auto config = std::make_shared<Config>();
  config->http.private_reads = true;
  backend.view_.config = config;
  EXPECT_EQ(send(routes, {.target = "/api/v1/room"}).status, 401);
  EXPECT_EQ(send(routes, {.target = "/metrics"}).status, 401);
  EXPECT_EQ(send(routes, {.target = "/healthz"}).status, 200) << "nothing of it is private";
  EXPECT_EQ(send(routes, {.target = "/api/v1/room",
                          .headers = {{"Host", "localhost"}, {"Authorization", "bearer sesame"}}})
                .status,
            200);
}

TEST(Routes, OtherHostsAndOriginsAreRefused) {
  Still backend;
  Routes routes(backend);
  const auto from = [&](std::vector<http::Header> headers) {
    return send(routes, {.target = "/api/v1/room", .headers = std::move(headers)}).status;
  };
  EXPECT_EQ(from({{"Host", "localhost:8000"}}), 200);
  EXPECT_EQ(from({{"Host", "evil.example"}}), 403);
  EXPECT_EQ(from({{"Host", "localhost"}, {"Origin", "http://evil.example"}}), 403);
  EXPECT_EQ(from({{"Host", "gpubox.lan"}}), 403);
  auto config = std::make_shared<Config>();
  config->http.names = {"gpubox.lan"};
  config->http.listen = "0.0.0.0:8000";
  backend.view_.config = config;
  EXPECT_EQ(from({{"Host", "192.168.1.5:8000"}}), 200) << "a number cannot be made to mean another";
  EXPECT_EQ(from({{"Host", "gpubox.lan:8000"}}), 200);
  EXPECT_EQ(from({{"Host", "gpubox.lan"}, {"Origin", "http://localhost"}}), 403);
}

TEST(Routes, TheConfigurationIsChangedByTrustedCallersOnly) {
  Still backend;
  backend.token_ = "sesame";
  Routes routes(backend);
  const Sent change{.method = "PATCH",
                    .target = "/api/v1/config",
                    .body = R"({"changes":{"pressure.memory.warning":70,"http.listen":null}})",
                    .headers = {{"Host", "localhost"}, {"Authorization", "Bearer sesame"}}};
  EXPECT_EQ(send(routes, change).status, 403) << "the token is not root";
  EXPECT_TRUE(backend.changes_.empty());
}

TEST(Routes, AReadOnlyDaemonStillAnswersWhatChangesNothing) {
  Still backend;
  auto config = std::make_shared<Config>();
  config->http.readonly = true;
  backend.view_.config = config;
  backend.token_ = "sesame";
  Routes routes(backend);
  const std::vector<http::Header> with = {{"Host", "localhost"},
                                          {"Authorization", "Bearer sesame"}};
  const auto status = [&](const char* method, const char* target, const char* body) {
    return send(routes, {method, target, body, with}).status;
  };
  EXPECT_EQ(status("POST", "/api/v1/fit", R"({"needs":{"memory_bytes":1}})"), 200);
  EXPECT_EQ(status("POST", "/api/v1/config/check", ""), 200);
  EXPECT_EQ(status("DELETE", "/api/v1/leases/l-73", ""), 403);
  EXPECT_EQ(status("PATCH", "/api/v1/alerts/a12", R"({"acknowledged":true})"), 403);
}

TEST(Routes, ForecastsSayWhatHowSureAndWhenItIsFull) {
  Still backend;
  Routes routes(backend);
  const std::vector<http::Header> local = {{"Host", "localhost"}};
  const auto all =
      json::parse(send(routes, {"GET", "/api/v1/forecasts?horizon=1h", "", local}).body);
  const auto& one = all.at("items").at(0);
  EXPECT_EQ(one.at("resource").as_string(), "disk");
  EXPECT_EQ(one.at("device").as_string(), "/var");
  EXPECT_EQ(one.at("unit").as_string(), "percent");
  EXPECT_EQ(one.at("horizon_seconds").to_number<double>(), 3600);
  EXPECT_EQ(one.at("value").to_number<double>(), 45);
  EXPECT_EQ(one.at("full_in_seconds").to_number<double>(), 7200);
  EXPECT_TRUE(one.at("limited_by").is_null());
  EXPECT_EQ(one.at("low").to_number<double>(), 41);
  const auto new_one = json::parse(send(routes, {"GET", "/api/v1/forecasts", "", local}).body);
  for (const char* field : {"low", "high", "confidence", "relative_error", "coverage"}) {
    EXPECT_TRUE(new_one.at("items").at(0).at(field).is_null())
        << field << " of what was never judged";
  }
  EXPECT_EQ(send(routes, {"GET", "/api/v1/forecasts?horizon=8d", "", local}).status, 400);
}

TEST(Routes, ForecastsOfOneNameAreThoseOfAResourceOrOfWhoUsesIt) {
  Still backend;
  Routes routes(backend);
  const std::vector<http::Header> local = {{"Host", "localhost"}};
  const auto ask = [&](const char* path) { return send(routes, {"GET", path, "", local}); };
  for (const char* path : {"/api/v1/forecasts/disk", "/api/v1/forecasts/%2Fvar?horizon=1h"}) {
    const auto found = ask(path);
    ASSERT_EQ(found.status, 200) << path;
    EXPECT_EQ(json::parse(found.body).at("items").at(0).at("device").as_string(), "/var");
  }
  const auto none = ask("/api/v1/forecasts/trainer");
  EXPECT_EQ(none.status, 404);
  EXPECT_NE(none.body.find("there is no forecast of trainer"), std::string::npos) << none.body;
}

TEST(Routes, AStrategyIsShownBesideTheOthersAndSetByTrustedCallersOnly) {
  Still backend;
  backend.token_ = "sesame";
  Routes routes(backend);
  const std::vector<http::Header> with = {{"Host", "localhost"},
                                          {"Authorization", "Bearer sesame"}};
  const auto shown = json::parse(send(routes, {"GET", "/api/v1/strategy", "", with}).body);
  EXPECT_EQ(shown.at("name").as_string(), "adaptive");
  EXPECT_EQ(shown.at("reserve_percent").to_number<double>(), 5);
  EXPECT_NEAR(shown.at("buffer_percent").to_number<double>(),
              100 * parameters_of({}, backend.view()->health).buffer, 0.01);
  EXPECT_EQ(shown.at("strategies").as_array().size(), 7U);
  const Sent change{"PUT", "/api/v1/strategy", R"({"name":"balanced"})", with};
  EXPECT_EQ(send(routes, change).status, 403) << "the token is not root";
  EXPECT_TRUE(backend.changes_.empty());
}

TEST(Routes, AStrategyIsOneOfTheWordsOrTwoOfThem) {
  EXPECT_EQ(parse_strategy_change(R"({"name":"aggressive+predictive"})"), "aggressive+predictive");
  for (const char* body :
       {"", "{}", R"({"name":7})", R"({"name":"bold"})", R"({"name":"balanced","more":1})"}) {
    EXPECT_FALSE(parse_strategy_change(body)) << body;
  }
}

TEST(Routes, EveryWriteAnswersAsPromised) {
  Still backend;
  backend.token_ = "sesame";
  Routes routes(backend);
  const std::vector<http::Header> with = {{"Host", "localhost"},
                                          {"Authorization", "Bearer sesame"}};
  const auto status = [&](const char* method, const char* target, const char* body) {
    return send(routes, {method, target, body, with}).status;
  };
  EXPECT_EQ(status("POST", "/api/v1/leases",
                   R"({"needs":{"memory_bytes":1},"holder":{"pid":null},"ttl_seconds":9})"),
            201);
  EXPECT_EQ(status("POST", "/api/v1/leases", R"({"needs":{"memory_bytes":1}})"), 400)
      << "nobody would hold it";
  EXPECT_EQ(status("PATCH", "/api/v1/leases/l-73", R"({"ttl_seconds":600})"), 200);
  EXPECT_EQ(status("PATCH", "/api/v1/leases/zero", R"({"ttl_seconds":600})"), 404);
  EXPECT_EQ(status("GET", "/api/v1/leases/l-73?wait=500ms", ""), 200);
  EXPECT_EQ(std::get<AskWait>(*backend.asked_).patience, std::chrono::milliseconds(500));
  EXPECT_EQ(status("PATCH", "/api/v1/alerts/a12", R"({"mute_seconds":3600})"), 200);
  EXPECT_EQ(std::get<AskMute>(*backend.asked_).until, backend.now().wall + std::chrono::hours(1));
  EXPECT_EQ(status("PATCH", "/api/v1/alerts/a12", "{}"), 400);
  EXPECT_EQ(status("POST", "/api/v1/config/check", "nonsense"), 400);
  EXPECT_EQ(status("PUT", "/api/v1/leases", ""), 405);
  EXPECT_NE(send(routes, {"PUT", "/api/v1/leases", "", with}).body.find(R"("try":"GET)"),
            std::string::npos);
  EXPECT_EQ(header(send(routes, {"PUT", "/api/v1/leases/l-73", "", with}), "Allow"),
            "GET, HEAD, PATCH, DELETE");
  const auto conflict = json::parse(send(routes, {"DELETE", "/api/v1/leases/l-73", "", with}).body);
  EXPECT_EQ(conflict.at("why").as_string(), "its holder did");
}

TEST(Routes, AModelSaysWhereItIsAndWhyItStays) {
  Still backend;
  const auto sdxl = answer(backend, "/api/v1/models/sdxl");
  EXPECT_EQ(sdxl.at("state").as_string(), "resident");
  EXPECT_EQ(sdxl.at("lease").as_string(), "l-73");
  EXPECT_TRUE(sdxl.at("engine").is_null());
  EXPECT_EQ(sdxl.at("device_index").as_int64(), 0);
  EXPECT_EQ(sdxl.at("size").at("gpu_memory_bytes").as_int64(), (9_GiB).count());
  EXPECT_EQ(sdxl.at("needs"), json::parse(R"({"gpu_memory_bytes":10737418240})"));
  EXPECT_EQ(sdxl.at("needs_from").as_string(), "learned");
  EXPECT_DOUBLE_EQ(sdxl.at("load_seconds").as_double(), 12.5);
  EXPECT_EQ(sdxl.at("unload_order").as_int64(), 1);
  EXPECT_EQ(sdxl.at("last_used").as_string(), "2026-01-12T13:56:03.000Z");
  const auto small = answer(backend, "/api/v1/models/facebook/musicgen-small");
  EXPECT_EQ(small.at("batch").as_int64(), 2);
  for (const char* unknown : {"lease", "engine", "device", "device_index", "size", "hook",
                              "load_seconds", "last_used", "resident_since", "unload_order"}) {
    EXPECT_TRUE(small.at(unknown).is_null()) << unknown;
  }
  const auto names = [&](const char* target) {
    std::string out;
    const auto list = answer(backend, target);
    EXPECT_EQ(list.at("revision").as_int64(), 41);
    for (const auto& item : list.at("items").as_array()) out += item.at("name").as_string();
    return out;
  };
  EXPECT_EQ(names("/api/v1/models?state=resident"), "sdxl");
  EXPECT_EQ(names("/api/v1/models?state=known"), "facebook/musicgen-small");
  EXPECT_EQ(names("/api/v1/models?engine=ollama"), "");
  answer(backend, "/api/v1/models?state=asleep", 400);
}

TEST(Routes, AModelThatNobodyKnowsIsRefusedWithTheNearestName) {
  Still backend;
  const auto refused = answer(backend, "/api/v1/models/facebook/musicgen-smal", 404);
  EXPECT_EQ(refused.at("what").as_string(), "there is no model facebook/musicgen-smal");
  EXPECT_EQ(refused.at("try").as_string(), "did you mean facebook/musicgen-small?");
  answer(backend, "/api/v1/models/llama", 404);
  answer(backend, "/api/v1/models/" + std::string(201, 'x'), 400);
  answer(backend, "/api/v1/models/a%0Ab", 400);
  answer(backend, "/api/v1/models/a%FFb", 400);
}

TEST(Routes, ModelsAreToldOfChangedAndForgotten) {
  Still backend;
  backend.token_ = "sesame";
  Routes routes(backend);
  const std::vector<http::Header> with = {{"Host", "localhost"},
                                          {"Authorization", "Bearer sesame"}};
  const auto status = [&](const char* method, const char* target, const char* body) {
    backend.asked_.reset();
    return send(routes, {method, target, body, with}).status;
  };
  const auto asked = [&]() -> const AskModel& { return std::get<AskModel>(*backend.asked_); };
  EXPECT_EQ(send(routes, {.method = "PUT", .target = "/api/v1/models/x", .body = "{}"}).status,
            401);
  EXPECT_EQ(status("PUT", "/api/v1/models/org/new",
                   R"({"gpu_memory_bytes":1073741824,"compute":8,"priority":"high","pinned":true,
                       "hook":"comfy"})"),
            201);
  EXPECT_EQ(asked().name, "org/new");
  EXPECT_TRUE(asked().create);
  EXPECT_EQ(asked().gpu_memory, 1_GiB);
  EXPECT_FALSE(asked().memory);
  EXPECT_EQ(asked().compute, 8.0);
  EXPECT_EQ(asked().priority, Priority::high);
  EXPECT_EQ(asked().pinned, true);
  EXPECT_EQ(asked().hook, "comfy");
  EXPECT_EQ(status("PUT", "/api/v1/models/sdxl", "{}"), 200) << "it is known";
  EXPECT_EQ(status("PATCH", "/api/v1/models/sdxl", R"({"resident":false})"), 200);
  EXPECT_TRUE(asked().unload);
  EXPECT_FALSE(asked().create || asked().forget || asked().touched || asked().hook);
  EXPECT_EQ(
      status("PATCH", "/api/v1/models/sdxl", R"({"touched":true,"hook":null,"load_seconds":1.5})"),
      200);
  EXPECT_TRUE(asked().touched);
  EXPECT_EQ(asked().hook, "");
  EXPECT_EQ(asked().load, std::chrono::milliseconds(1500));
  EXPECT_EQ(status("PATCH", "/api/v1/models/sdxl", R"({"pinned":false})"), 200);
  EXPECT_EQ(asked().pinned, false);
  EXPECT_EQ(status("DELETE", "/api/v1/models/sdxl", ""), 200);
  EXPECT_TRUE(asked().forget);
  for (const char* wrong : {"", "{}", R"({"resident":true})", R"({"touched":false})",
                            R"({"pinned":1})", R"({"load_seconds":-1})", R"({"residnt":false})"}) {
    EXPECT_EQ(status("PATCH", "/api/v1/models/sdxl", wrong), 400) << wrong;
    EXPECT_FALSE(backend.asked_) << wrong;
  }
  EXPECT_EQ(status("PATCH", "/api/v1/models/sdx", R"({"pinned":true})"), 404);
  EXPECT_EQ(status("DELETE", "/api/v1/models/sdx", ""), 404);
  EXPECT_EQ(status("POST", "/api/v1/models/sdxl", "{}"), 405);
}

TEST(Routes, FitAndLeasesGoByModel) {
  Still backend;
  backend.token_ = "sesame";
  Routes routes(backend);
  const std::vector<http::Header> with = {{"Host", "localhost"},
                                          {"Authorization", "Bearer sesame"}};
  const auto fit = send(routes, {"POST", "/api/v1/fit", R"({"model":"sdxl"})", with});
  EXPECT_EQ(fit.status, 200);
  EXPECT_EQ(std::get<AskFit>(*backend.asked_).model, "sdxl");
  EXPECT_FALSE(std::get<AskFit>(*backend.asked_).has_needs);
  const auto steps = json::parse(fit.body).at("steps").as_array();
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].at("do").as_string(), "free");
  EXPECT_EQ(steps[0].at("gpu_memory_bytes").as_int64(), (9_GiB).count());
  EXPECT_FALSE(steps[0].as_object().contains("memory_bytes"));
  EXPECT_EQ(steps[0].at("idle_seconds").as_int64(), 840);
  EXPECT_EQ(steps[1].at("outcome").as_string(), "skipped");
  EXPECT_EQ(steps[1].at("why").as_string(), "pinned");
  const auto lease = [&](const char* body) {
    return send(routes, {"POST", "/api/v1/leases", body, with}).status;
  };
  EXPECT_EQ(lease(R"({"model":"sdxl","holder":{"pid":null},"ttl_seconds":9})"), 201);
  EXPECT_EQ(std::get<AskLease>(*backend.asked_).model, "sdxl");
  EXPECT_FALSE(std::get<AskLease>(*backend.asked_).use);
  EXPECT_EQ(lease(R"({"model":"sdxl","use":true,"holder":{"pid":4121}})"), 201);
  EXPECT_TRUE(std::get<AskLease>(*backend.asked_).use);
  EXPECT_EQ(lease(R"({"use":true,"holder":{"pid":4121}})"), 400) << "of which model?";
  EXPECT_EQ(lease(R"({"model":"sdxl","use":true,"needs":{"memory_bytes":1},"ttl_seconds":9})"),
            400);
}

TEST(Routes, RoomIsMadeAndWhatCameBackIsTold) {
  Still backend;
  backend.token_ = "sesame";
  Routes routes(backend);
  const std::vector<http::Header> with = {{"Host", "localhost"},
                                          {"Authorization", "Bearer sesame"}};
  const auto free = [&](const char* target, const char* body) {
    const auto response = send(routes, {"POST", target, body, with});
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body);
  };
  const auto asked = [&]() -> const AskFree& { return std::get<AskFree>(*backend.asked_); };
  const auto freed = free("/api/v1/cleanup",
                          R"({"needs":{"gpu_memory_bytes":1073741824},"device":1,"priority":"high",
                              "force":true,"dry_run":true,"wait_seconds":2.5})");
  EXPECT_EQ(asked().gpu_memory, 1_GiB);
  EXPECT_FALSE(asked().memory);
  EXPECT_EQ(asked().gpu, "1");
  EXPECT_EQ(asked().priority, Priority::high);
  EXPECT_TRUE(asked().force && asked().dry_run);
  EXPECT_EQ(asked().patience, std::chrono::milliseconds(2500));
  EXPECT_EQ(freed.at("freed").at("gpu_memory_bytes").as_int64(), (9_GiB).count());
  EXPECT_EQ(freed.at("steps").as_array().size(), 2U);
  EXPECT_TRUE(freed.at("why").is_null());
  free("/api/v1/cleanup", "{}");
  EXPECT_FALSE(asked().memory || asked().gpu_memory || asked().force || asked().dry_run);
  for (const char* wrong : {"", R"({"needs":{"cpu_cores":1}})", R"({"needs":7})",
                            R"({"needs":{"memory_bytes":0}})", R"({"wait_seconds":3601})"}) {
    EXPECT_EQ(send(routes, {"POST", "/api/v1/cleanup", wrong, with}).status, 400) << wrong;
  }
  auto spec = free("/api/v1/monitoring/cleanup", "");
  EXPECT_FALSE(asked().force);
  EXPECT_TRUE(spec.at("success").as_bool());
  EXPECT_EQ(spec.at("message").as_string(),
            "Cleanup completed. CPU: 0.0GB freed, GPU: 9.0GB freed");
  free("/api/v1/monitoring/cleanup?force=true", "");
  EXPECT_TRUE(asked().force);
  backend.freed_.steps[0].outcome = FreeStep::Outcome::kept;
  EXPECT_FALSE(free("/api/v1/monitoring/cleanup", "").at("success").as_bool());
}

TEST(Routes, TheReportHasModelsInMemoryWithSizeAndLastUse) {
  Still backend;
  const auto cached = [&] {
    return json::serialize(answer(backend, "/api/v1/monitoring/report").at("cached_models"));
  };
  EXPECT_EQ(cached(), R"({"sdxl":[9E0,"2026-01-12T13:56:03.000Z"]})");
  ModelView twice = backend.view_.models[1];
  twice.used.reset();
  twice.size.memory = 1_GiB;
  backend.view_.models.push_back(twice);
  EXPECT_EQ(cached(), R"({"sdxl":[1.9E1,"2026-01-12T13:56:03.000Z"]})") << "one key";
}

TEST(Routes, LongJsonIsCompressedAndShortIsNot) {
  Still backend;
  auto sample = std::make_shared<Sample>(*backend.view_.sample);
  sample->gpus.push_back(sample->gpus.front());
  backend.view_.sample = sample;
  Routes routes(backend);
  const auto plain = send(routes, {.target = "/api/v1/snapshot"});
  ASSERT_GE(plain.body.size(), kWorthCompressing);
  const auto small = send(routes, {.target = "/api/v1/snapshot", .gzip = true});
  EXPECT_TRUE(is_gzip(small.body));
  EXPECT_LT(small.body.size(), plain.body.size() / 2);
  EXPECT_EQ(header(small, "Content-Encoding"), "gzip");
  EXPECT_EQ(header(small, "Vary"), "Accept-Encoding");
  EXPECT_FALSE(is_gzip(send(routes, {.target = "/api/v1/health", .gzip = true}).body));
  EXPECT_FALSE(is_gzip(send(routes, {.target = "/metrics", .gzip = true}).body));
}

TEST(Routes, PagesHaveATagAndAreNotSentTwice) {
  Still backend;
  Routes routes(backend);
  for (const char* target : {"/", "/docs", "/docs/docs.js", "/openapi.json"}) {
    const auto first = send(routes, {.target = target});
    ASSERT_EQ(first.status, 200) << target;
    const std::string tag = header(first, "ETag");
    ASSERT_FALSE(tag.empty()) << target;
    const auto again = send(
        routes, {.target = target, .headers = {{"Host", "localhost"}, {"If-None-Match", tag}}});
    EXPECT_EQ(again.status, 304) << target;
    EXPECT_TRUE(again.body.empty());
    EXPECT_EQ(header(again, "ETag"), tag);
    EXPECT_TRUE(is_gzip(send(routes, {.target = target, .gzip = true}).body) ||
                first.body.size() < kWorthCompressing)
        << target;
  }
  EXPECT_NE(header(send(routes, {.target = "/docs"}), "Content-Security-Policy").find("'none'"),
            std::string::npos);
}

TEST(Routes, ProblemsExplainThemselvesToPeopleAndPrograms) {
  Still backend;
  Routes routes(backend);
  const auto text = send(routes, {.target = "/problems/can-never-fit"});
  EXPECT_EQ(text.content_type, "text/plain; charset=utf-8");
  const auto page = send(routes, {.target = "/problems/can-never-fit",
                                  .headers = {{"Host", "localhost"}, {"Accept", "text/html,*/*"}}});
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("<h1>It can never fit</h1>"), std::string::npos);
  EXPECT_EQ(send(routes, {.target = "/problems/bad-weather"}).status, 404);
}

TEST(Routes, SecretsOfTheConfigurationStayInTheHouse) {
  std::vector<Setting> settings = {
      {"notify.0.url", "\"https://hooks.example/T0/secret\"", "file", "", ""},
      {"metrics.otlp", "\"http://me:secret@collector:4318\"", "file", "", ""},
      {"http.listen", "\"127.0.0.1:8000\"", "built-in", "", ""},
      {"hooks.mine.run", R"(["/bin/a \"b", "-H", "token: secret"])", "file", "", ""},
      {"notify.pager.run", R"(["page"])", "file", "", ""},
      {"hooks.odd.run", R"(["secret\)", "file", "", ""}};
  const auto shown = without_secrets(settings);
  EXPECT_EQ(shown[0].value, "\"(removed)\"");
  EXPECT_EQ(shown[1].value, "\"http://(removed)@collector:4318\"");
  EXPECT_EQ(shown[2].value, settings[2].value);
  EXPECT_EQ(shown[3].value, R"x(["/bin/a \"b", "(removed)"])x");
  EXPECT_EQ(shown[4].value, settings[4].value);
  Still backend;
  backend.settings_ = settings;
  EXPECT_EQ(json::serialize(answer(backend, "/api/v1/export")).find("secret"), std::string::npos);
  EXPECT_EQ(json::serialize(answer(backend, "/api/v1/config")).find("secret"), std::string::npos);
  backend.caller_ = {0, true, true};
  EXPECT_NE(json::serialize(answer(backend, "/api/v1/config")).find("secret"), std::string::npos);
}

TEST(OpenApi, EveryRowCanBeAnsweredAndItsSchemasAreThere) {
  const json::value document = json::parse(openapi_document("1"));
  const auto& schemas = document.at("components").at("schemas").as_object();
  std::map<std::string_view, int> ids;
  for (const Operation& operation : operations()) {
    EXPECT_EQ(++ids[operation.id], 1) << operation.id;
    EXPECT_NE(operation.answer == nullptr, operation.begin == nullptr) << operation.id;
    EXPECT_NE(operation.answers[0].status, 0) << operation.id;
    const Found found = find_operation(operation.method, std::string(operation.path.stem) +
                                                             (operation.path.variable ? "x" : "") +
                                                             std::string(operation.path.tail));
    EXPECT_EQ(found.operation, &operation) << operation.id;
  }
  // Every $ref leads somewhere.
  const std::string text = openapi_document("1");
  constexpr std::string_view kRef = "#/components/schemas/";
  for (auto at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at + 1)) {
    const auto from = at + kRef.size();
    EXPECT_TRUE(schemas.contains(text.substr(from, text.find('"', from) - from)))
        << text.substr(at, 60);
  }
  for (const auto& [name, schema] : schemas) {
    EXPECT_FALSE(schema.as_object().empty()) << name;
  }
}

TEST(OpenApi, AnAnswerThatDriftsIsSeen) {
  Still backend;
  json::value room = answer(backend, "/api/v1/room");
  EXPECT_TRUE(contract().mistakes(room, "Rooms").empty());
  json::value more = room;
  more.as_object()["colour"] = "red";
  EXPECT_FALSE(contract().mistakes(more, "Rooms").empty());
  json::value less = room;
  less.as_object().erase("revision");
  EXPECT_FALSE(contract().mistakes(less, "Rooms").empty());
  json::value other = room;
  other.as_object()["items"].as_array()[0].as_object()["pressure"] = "purple";
  EXPECT_FALSE(contract().mistakes(other, "Rooms").empty());
  EXPECT_FALSE(contract().mistakes("GET", "/api/v1/colour", 200, "application/json", "{}").empty());
}

TEST(OpenApi, BodiesAreDescribedAsTheyAreRead) {
  const json::value document = json::parse(openapi_document("1"));
  // What a reader says it knows when it meets a field that nobody asked for.
  const auto known = [](const auto& parse) {
    const auto refused = parse(R"({"zzz":1})");
    EXPECT_FALSE(refused);
    const std::string why = refused ? "" : refused.error().why;
    std::vector<std::string> names;
    constexpr std::string_view kBefore = "known here: ";
    EXPECT_TRUE(why.starts_with(kBefore)) << why;
    std::string_view rest = std::string_view(why).substr(kBefore.size());
    while (!rest.empty()) {
      names.emplace_back(rest.substr(0, rest.find(", ")));
      rest.remove_prefix(std::min(rest.size(), names.back().size() + 2));
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  const auto described = [&](const char* name) {
    std::vector<std::string> names;
    for (const auto& [key, schema] :
         document.at("components").at("schemas").at(name).at("properties").as_object()) {
      names.emplace_back(key);
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  EXPECT_EQ(known([](auto t) { return parse_fit(t); }), described("FitRequest"));
  EXPECT_EQ(known([](auto t) {
              HolderField holder;
              return parse_lease(t, holder);
            }),
            described("LeaseRequest"));
  EXPECT_EQ(known([](auto t) {
              HolderField holder;
              return parse_change(t, holder);
            }),
            described("LeaseChange"));
  EXPECT_EQ(known([](auto t) { return parse_model(t); }), described("ModelRequest"));
  EXPECT_EQ(known([](auto t) { return parse_model_change(t); }), described("ModelChange"));
  EXPECT_EQ(known([](auto t) { return parse_cleanup(t); }), described("CleanupRequest"));
  EXPECT_EQ(known([](auto t) {
              std::optional<pid_t> pid;
              return parse_session(t, pid);
            }),
            described("SessionRequest"));
  EXPECT_EQ(known([](auto t) { return parse_session_clean(t); }), described("SessionClean"));
  EXPECT_EQ(known([](auto t) { return parse_alert_change(t); }), described("AlertChange"));
  EXPECT_EQ(known([](auto t) { return parse_fit(std::string(R"({"needs":)") + t + "}"); }),
            described("NeedsRequest"));
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
