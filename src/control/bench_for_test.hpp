// A control machine with a small machine around it and time by hand, for tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "control/control.hpp"

namespace headroom::control {

using namespace literals;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A machine of 100 GiB, 8 cores and two devices of 24 GiB, without margins; a shadow that is fed
/// the journal alone; time by hand. After every event the shadow and all sums are compared.
class Bench {
 public:
  explicit Bench(Config config = make()) : control(config), config_(std::move(config)) {
    for (const char* id : {"A", "B"}) {
      GpuReading gpu;
      gpu.id = std::string("GPU-") + id;
      gpu.index = static_cast<int>(sample.gpus.size());
      gpu.memory_total = 24_GiB;
      gpu.memory_used = Bytes();
      sample.gpus.push_back(gpu);
    }
    sample.cpu.cores = 8;
    sample.cpu.busy = Ratio(0);
    sample.memory.total = 100_GiB;
    sample.memory.available = 100_GiB;
    sample.filesystems = {
        {"/", "disk", "ext4", 100_GiB, 100_GiB, 100_GiB, false, false, {}, {}},
        {"/data", "disk", "ext4", 100_GiB, 100_GiB, 100_GiB, false, false, {}, {}}};
  }
  static Config make() {
    Config config;
    config.node.margin_memory = {{}, Bytes(0)};
    config.node.margin_gpu_memory = {{}, Bytes(0)};
    config.node.margin_disk = {{}, Bytes(0)};
    return config;
  }
  Instant now() const { return {BootTime(milliseconds(boot_ms)), WallTime(milliseconds(wall_ms))}; }
  void pass(milliseconds time) {
    boot_ms += time.count();
    wall_ms += time.count();
  }
  const Effects& apply(const Event& event) {
    effects = control.apply(event, now());
    for (const Effect& effect : effects) {
      if (const auto* journal = std::get_if<Journal>(&effect)) {
        std::string bytes;  // as it would come back from the disk
        encode(journal->record, bytes);
        const auto back = decode(bytes);
        EXPECT_TRUE(back && *back == journal->record);
        shadow.keep(journal->record);
      }
    }
    EXPECT_TRUE(shadow == control.state().promises) << "the journal and the promises differ";
    check_ledger();
    return effects;
  }
  // The sums, made anew from the promises.
  void check_ledger() {
    std::map<int, std::int64_t> booked;
    std::map<int, std::int64_t> rest;
    std::size_t entries = 0;
    std::map<uid_t, int> users;
    for (const auto& [id, lease] : shadow.leases) {
      const decide::Entry* entry = control.state().ledger.entry(id);
      const bool counts = decide::holds(lease.state) && lease.parent == 0 && !lease.use;
      ASSERT_EQ(entry != nullptr, counts) << id;
      if (!counts) continue;
      ++entries;
      ++users[lease.owner];
      ASSERT_TRUE(entry->booked == lease.booked) << id;
      const bool ends = control.state().ledger.by_end().contains(
          {lease.granted.boot + lease.expected.value_or(seconds(0)), id});
      EXPECT_EQ(ends, lease.expected.has_value()) << id;
      for (const auto& slot : decide::slots(entry->booked, entry->gpu, entry->disk))
        booked[slot.pool] += slot.amount;
      for (const auto& slot :
           decide::slots(decide::unmaterialised(*entry), entry->gpu, entry->disk)) {
        rest[slot.pool] += slot.amount;
      }
    }
    EXPECT_EQ(entries, control.state().ledger.entries().size());
    EXPECT_EQ(users.size(), control.state().ledger.users().size());
    for (std::size_t i = 0; i < control.state().ledger.pools().size(); ++i) {
      const decide::Pool& pool = control.state().ledger.pools()[i];
      EXPECT_EQ(pool.booked, booked[static_cast<int>(i)]) << pool.name;
      EXPECT_EQ(pool.unmaterialised, rest[static_cast<int>(i)]) << pool.name;
    }
  }
  void read() {
    sample.at = now();
    ++sample.number;
    apply(Sampled{std::make_shared<Sample>(sample)});
  }
  void uses(LeaseId id, Bytes memory, Bytes gpu = Bytes(), const std::string& device = "GPU-A") {
    auto found = std::find_if(sample.holders.begin(), sample.holders.end(),
                              [id](const auto& h) { return h.lease == id; });
    if (found == sample.holders.end()) found = sample.holders.insert(found, HolderReading{});
    found->lease = id;
    found->memory = memory;
    found->gpu_memory = gpu;
    found->gpu = device;
  }
  RequestId ask(const Ask& what, uid_t uid = 1000, bool trusted = false) {
    apply(Asked{++request, {uid, true, trusted}, what});
    return request;
  }
  LeaseId granted(AskLease what, uid_t uid = 1000) {
    const LeaseView* view = lease(ask(what, uid));
    EXPECT_NE(view, nullptr);
    return view == nullptr ? 0 : view->lease.id;
  }
  template <class T>
  const T* answer(RequestId id) const {
    const T* found = nullptr;
    for (const Effect& effect : effects) {
      const auto* respond = std::get_if<Respond>(&effect);
      if (respond == nullptr || respond->request != id) continue;
      EXPECT_EQ(found, nullptr) << "answered twice";
      found = std::get_if<T>(&respond->what);
    }
    return found;
  }
  const LeaseView* lease(RequestId id) const { return answer<LeaseView>(id); }
  const Refusal* refusal(RequestId id) const { return answer<Refusal>(id); }
  template <class T>
  int count() const {
    return static_cast<int>(std::count_if(effects.begin(), effects.end(), [](const Effect& e) {
      return std::holds_alternative<T>(e);
    }));
  }
  int said(const std::string& type) const {
    return static_cast<int>(std::count_if(effects.begin(), effects.end(), [&](const Effect& e) {
      const auto* say = std::get_if<Say>(&e);
      return say != nullptr && say->line.type == type;
    }));
  }
  LeaseState state(LeaseId id) const { return shadow.leases.at(id).state; }
  // The daemon dies and a new one reads the journal.
  void restart(std::vector<Holder> alive, bool same_boot = true, std::string foresight = {}) {
    const std::vector<Record> records = shadow.records();
    control = Control(config_);
    apply(Restored{records, std::move(alive), same_boot, std::move(foresight)});
  }

  Control control;
  decide::Promises shadow;
  Effects effects;
  Sample sample;
  RequestId request = 0;
  std::int64_t boot_ms = 1000;
  std::int64_t wall_ms = 1'700'000'000'000;

 private:
  Config config_;
};

inline Needs memory(Bytes bytes) {
  Needs needs;
  needs.memory = bytes;
  return needs;
}
inline Needs gpu_memory(Bytes bytes) {
  Needs needs;
  needs.gpu_memory = bytes;
  return needs;
}
inline AskLease want(Needs needs, pid_t pid = 0) {
  AskLease ask;
  ask.name = "job";
  ask.needs = std::move(needs);
  ask.wait = milliseconds(0);
  if (pid != 0) ask.holder = {pid, 7};
  return ask;
}
inline AskLease patient(Needs needs, pid_t pid = 0) {
  AskLease ask = want(std::move(needs), pid);
  ask.wait.reset();
  return ask;
}
inline Holder holder(pid_t pid) { return {pid, 7}; }
inline Group group(LeaseId id) {
  Group made;
  made.memory = "/g/l-" + std::to_string(id);
  return made;
}

}  // namespace headroom::control
