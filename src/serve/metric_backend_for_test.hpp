// For this room's tests: a backend that holds still, and a machine that has everything.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/backend.hpp"
#include "serve/metric_counts.hpp"

namespace headroom::serve::testing {

/// One view and nothing that moves. Its sample is the caller's to change.
class StillMachine : public Backend {
 public:
  StillMachine() {
    view_.sample = sample_;
    view_.at = now();
    costs_.counts = &counts_;
  }
  Instant now() override {
    return {BootTime(std::chrono::seconds(100)), WallTime(std::chrono::seconds(1768227003))};
  }
  std::shared_ptr<const View> view() override { return std::make_shared<const View>(view_); }
  const Config& config() override { return config_; }
  const NodeFacts& node() override { return node_; }
  const std::vector<Setting>& settings() override { return settings_; }
  Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>&) override {
    return no();
  }
  Result<std::vector<Setting>> check_config(std::string_view) override { return no(); }
  const std::string& token() override { return token_; }
  Costs costs() override { return costs_; }
  Result<HistoryAnswer> history(const HistoryQuery&) override { return no(); }
  Result<std::vector<ForecastView>> forecasts(std::optional<std::chrono::seconds>) override {
    return no();
  }
  void history(const HistoryQuery&, std::function<std::string(const HistoryAnswer&)>,
               std::function<void(Result<std::string>)> done) override {
    done(no());
  }
  std::shared_ptr<const ProcessList> processes() override { return nullptr; }
  void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) override {
    done(nullptr);
  }
  std::vector<EventLine> events(const EventQuery&) override { return {}; }
  RequestId ask(const Caller&, Ask, std::function<void(const Answered&)>) override { return 0; }
  void withdraw(RequestId) override {}
  Caller caller(const http::Peer&) override { return {}; }
  std::uint64_t listen(LeaseId, std::function<bool(const AskHook&)>) override { return 0; }
  std::vector<Decision> decisions(std::string_view, std::size_t) override { return {}; }
  std::uint64_t listen(const std::string&, std::function<bool(const CallSetter&)>) override {
    return 0;
  }
  void stop_listening(const std::string&, std::uint64_t) override {}
  void stop_listening(LeaseId, std::uint64_t) override {}
  Result<void> answer(LeaseId, std::uint64_t, HookResult, std::string) override { return no(); }
  Result<Holder> holder(const Caller&, pid_t) override { return Holder{}; }
  void holder(const Caller&, const GroupName&,
              std::function<void(Result<GroupHolder>)> done) override {
    done(GroupHolder{});
  }

  /// A lease that is active and uses half of what it booked.
  void add_lease(LeaseId id, std::string name, Bytes memory) {
    LeaseView lease;
    lease.lease.id = id;
    lease.lease.name = std::move(name);
    lease.lease.state = LeaseState::active;
    lease.lease.booked.memory = memory;
    lease.measured.emplace().memory = Bytes(memory.count() / 2);
    view_.leases.push_back(std::move(lease));
  }

  std::shared_ptr<Sample> sample_ = std::make_shared<Sample>();
  View view_;
  Config config_;
  NodeFacts node_{"box", "1.2.3", "5f0c", "6.1", {}, "v2", {}, "/run/h.sock", ""};
  Costs costs_;
  MetricCounts counts_;

 private:
  static tl::unexpected<Error> no() { return fail(ErrorKind::unavailable, "not in this test"); }
  std::vector<Setting> settings_;
  std::string token_;
};

/// Fills a backend with at least one point of every family that has any today.
inline void fill(StillMachine& machine) {
  using namespace literals;
  Sample& s = *machine.sample_;
  s.at = machine.now();
  s.at.wall -= std::chrono::milliseconds(250);
  s.cpu.cores = 16;
  s.cpu.busy = Ratio(0.38);
  s.cpu.user_total = std::chrono::seconds(1000);
  s.cpu.system_total = std::chrono::seconds(200);
  s.cpu.iowait_total = std::chrono::seconds(50);
  s.cpu.idle_total = std::chrono::seconds(9050);
  s.memory.total = 128_GiB;
  s.memory.available = 96_GiB;
  s.memory.free = 60_GiB;
  s.memory.cached = 30_GiB;
  s.memory.swap_total = 8_GiB;
  s.memory.swap_free = 7_GiB;
  s.stall.cpu_some = s.stall.memory_some = s.stall.memory_full =
      StallLine{Ratio(0.01), Ratio(0.02), Ratio(0.03), {}};
  NetworkReading network;
  network.name = "eth0";
  network.received_total = 1000;
  network.sent_total = 2000;
  s.networks.push_back(network);
  DiskReading disk;
  disk.name = "nvme0n1";
  disk.read_total = 1 << 20;
  disk.written_total = 1 << 21;
  disk.operations_total = 99;
  s.disks.push_back(disk);
  FilesystemReading filesystem;
  filesystem.mount = "/data \"a\"\\b";
  filesystem.source = "/dev/nvme0n1p1";
  filesystem.type = "ext4";
  filesystem.total = 1000_GiB;
  filesystem.free = 400_GiB;
  filesystem.available = 350_GiB;
  s.filesystems.push_back(filesystem);
  s.temperatures.push_back({"nvme Composite", 41.5, 84.8});
  s.temperatures.push_back({"nvme Composite", 43.0, {}});
  s.powers.push_back({"package-0", 65.25, 123456.5});
  for (int i = 0; i < 4; ++i) {
    GpuReading gpu;
    gpu.id = "GPU-" + std::to_string(i);
    gpu.index = i;
    gpu.name = "NVIDIA H100";
    gpu.memory_total = 80_GiB;
    gpu.memory_used = 20_GiB;
    gpu.busy = Ratio(0.5);
    gpu.celsius = 60 + i;
    gpu.celsius_limit = 89;
    gpu.watts = 400.5;
    gpu.joules = 1e6;
    gpu.clock = 1980;
    gpu.memory_clock = 2619;
    gpu.ecc_corrected = 3;
    gpu.ecc_uncorrected = 0;
    gpu.last_xid = 79;
    gpu.xids = 1;
    s.gpus.push_back(gpu);
    Room room;
    room.resource = Resource::gpu_memory;
    room.device = gpu.id;
    room.room = 50LL << 30;
    room.booked = 10LL << 30;
    machine.view_.rooms.push_back(room);
  }
  HolderReading holder;
  holder.lease = 73;
  holder.memory = 2_GiB;
  holder.memory_with_cache = 3_GiB;
  holder.cpu = Cores(1600);
  s.holders.push_back(holder);
  s.own.resident = 9_MiB;
  s.own.cpu_total = std::chrono::milliseconds(1250);
  s.absent.push_back({"temperature", "there is no \"hwmon\"", ""});
  Room memory;
  memory.room = 40LL << 30;
  machine.view_.rooms.push_back(memory);
  Room cpu;
  cpu.resource = Resource::cpu;
  cpu.room = 7500;
  machine.view_.rooms.push_back(cpu);
  machine.view_.pressures.push_back({Resource::memory,
                                     "",
                                     Level::warning,
                                     77.0,
                                     75.0,
                                     70.0,
                                     {},
                                     Step::warn,
                                     "77.0 % is in use, the line is 75 %"});
  Alert alert;
  alert.id = 12;
  alert.level = Level::critical;
  machine.view_.alerts.push_back(alert);
  machine.add_lease(73, "train", 4_GiB);
  machine.view_.leases.back().lease.booked.gpu_memory = 10_GiB;
  machine.view_.leases.back().measured->gpu_memory = 6_GiB;
  ComponentView component;
  component.component.name = "feature \"a\"";
  component.component.registered = true;
  component.applied = 12;
  component.failed = 1;
  AllottedView amount;
  amount.has = 245;
  amount.least = 50;
  amount.most = 800;
  amount.demand = 240;
  amount.forecast = 260;
  amount.changes = 11;
  amount.failures = 1;
  amount.accuracy = 0.93;
  amount.sure = 0.62;
  amount.error = 0.8;
  component.allotted.push_back(amount);
  machine.view_.components.push_back(component);
  CostView cost;
  cost.per_hour = Money(2'500'000'000);
  cost.leases_per_hour = Money(1'000'000'000);
  cost.spent = Money(312'400'000'000);
  cost.budget = Money(900'000'000'000);
  machine.view_.cost = cost;
  ModelView model;
  model.model.name = "org/sd \"xl\"";
  model.source = "told";
  model.state = ModelState::resident;
  model.lease = 73;
  model.gpu = "GPU-1";
  model.gpu_index = 1;
  model.size.gpu_memory = 9_GiB;
  model.model.load = std::chrono::milliseconds(12500);
  model.batch = 2;
  model.requests = 40;
  model.hits = 38;
  machine.view_.models.push_back(model);
  model = {};
  model.model.name = "small";
  model.source = "built in";
  model.needs.gpu_memory = 4_GiB;
  model.batch = 4;
  machine.view_.models.push_back(model);
  machine.node_.started = machine.now();
  machine.node_.started.wall -= std::chrono::seconds(50);
  MetricCounts& counts = machine.counts_;
  counts.samples.add(0.00002);
  counts.samples.add(0.00002);
  counts.samples.add(5.0);
  counts.decisions.add(0.00003);
  counts.requests.add(0.0004);
  counts.granted.add(2.0);
  counts.given_up.add(600.0);
  counts.overruns[0] = 2;
  counts.open_files = 17;
  counts.loads.add(12.5);
  counts.called("ollama", HookResult::freed, std::chrono::seconds(2));
  counts.unloaded = 3;
  counts.kept = counts.cleanups = 1;
  counts.freed_gpu_memory = 1 << 30;
  machine.view_.drains.push_back({"GPU-3", 0, {}, "XID 79"});
  machine.view_.drains.push_back({});
  machine.view_.session_roots.push_back(
      {"/srv/sessions", Bytes(1LL << 30), 2, 3, Bytes(5LL << 30)});
  counts.answered("/api/v1/leases/*", 200);
  machine.costs_.pressure_events[0][0] = 4;
}

}  // namespace headroom::serve::testing
