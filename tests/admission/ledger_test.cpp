// Failures of others that a wrong sum or a wrong moment makes, on the real control machine.
#include <cstdio>

#include <gmock/gmock.h>

#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using std::chrono::minutes;

/// The bench with one device of 24 GiB.
class OneCard : public Bench {
 public:
  explicit OneCard(Config config = make()) : Bench(std::move(config)) { sample.gpus.pop_back(); }
  /// What everybody uses on the device now.
  void used(Bytes bytes) { sample.gpus[0].memory_used = bytes; }
  void after(milliseconds time) {
    pass(time);
    read();
  }
  Bytes room() const {
    return Bytes(control.state().ledger.pool(control.state().ledger.gpu("GPU-A")).room());
  }
  Verdict fit(Needs needs) {
    AskFit ask;
    ask.needs = std::move(needs);
    const RequestId id = this->ask(ask);
    const auto* verdict = answer<Verdict>(id);
    EXPECT_NE(verdict, nullptr);
    return verdict == nullptr ? Verdict() : *verdict;
  }
};

GpuProcess process(pid_t pid, Bytes memory, LeaseId lease = 0) {
  GpuProcess one;
  one.pid = pid;
  one.memory = memory;
  one.lease = lease;
  one.uid = 1001;
  one.name = "python";
  return one;
}

// The sequence of ADMISSION.md, section 3, item 1, with the figure at each step.
TEST(Admission, ACardOf24GibibytesStepByStep) {
  OneCard b;
  b.read();
  const LeaseId a = b.granted(want(gpu_memory(20_GiB), 50));
  std::printf("granted 20 GiB, nothing used: room %.1f GiB\n",
              static_cast<double>(b.room().count()) / (1 << 30));
  EXPECT_EQ(b.room(), 4_GiB);
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(8_GiB), 51))), nullptr);
  b.used(20_GiB);
  b.uses(a, Bytes(), 20_GiB);
  b.after(seconds(1));
  std::printf("all of it used: room %.1f GiB\n", static_cast<double>(b.room().count()) / (1 << 30));
  EXPECT_EQ(b.room(), 4_GiB) << "counted once";
  b.used(23_GiB);
  b.sample.gpus[0].processes = {process(50, 20_GiB, a), process(4711, 3_GiB)};
  b.after(seconds(1));
  std::printf("a stranger takes 3 GiB: room %.1f GiB\n",
              static_cast<double>(b.room().count()) / (1 << 30));
  EXPECT_EQ(b.room(), 1_GiB);
  const Verdict verdict = b.fit(gpu_memory(2_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  std::printf("%s\n", verdict.why.c_str());
  ASSERT_EQ(verdict.strangers.size(), 1U) << "the lease's own process is none";
  EXPECT_EQ(verdict.strangers[0].pid, 4711);
  EXPECT_EQ(verdict.strangers[0].memory, 3_GiB);
  EXPECT_NE(verdict.why.find("pid 4711 (python, uid 1001) with 3.0 GiB"), std::string::npos)
      << verdict.why;
}

TEST(Admission, TwelveAndTwelveAreNotTwenty) {
  Bench b;
  b.sample.gpus[0].memory_total = b.sample.gpus[1].memory_total = 12_GiB;
  b.read();
  const RequestId request = b.ask(patient(gpu_memory(20_GiB), 50));
  ASSERT_NE(b.refusal(request), nullptr) << "it would wait for ever";
  EXPECT_EQ(b.refusal(request)->error.kind, ErrorKind::can_never_fit);
}

TEST(Admission, Pitfall01_two_admissions_of_the_same_bytes) {
  OneCard b;
  b.read();
  int granted = 0;
  for (pid_t pid = 50; pid < 82; ++pid) {  // in one instant, with no sample between
    granted += b.lease(b.ask(want(gpu_memory(13_GiB), pid))) != nullptr ? 1 : 0;
  }
  EXPECT_EQ(granted, 1);
}

TEST(Admission, ray_52915_two_hold_what_one_may) {
  OneCard b;
  b.read();
  AskLease whole = want({}, 50);
  whole.needs.gpus = 1;
  EXPECT_NE(b.lease(b.ask(whole)), nullptr);
  whole.holder = holder(51);
  EXPECT_NE(b.refusal(b.ask(whole)), nullptr);
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(1_GiB), 52))), nullptr);
}

// LocalAI forgets a reservation at each heartbeat; a load takes minutes.
TEST(Admission, Pitfall02_localai_heartbeat_drops_the_reservation) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  for (int i = 0; i < 300; ++i) {
    b.uses(id, Bytes(), Bytes());
    b.after(seconds(1));
    ASSERT_EQ(b.room(), 4_GiB) << "after " << i << " s";
  }
}

TEST(Admission, Pitfall03_double_count_after_materialising) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  Bytes before = b.room();
  std::int64_t jump = 0;
  constexpr int kSteps = 1000;
  for (int i = 0; i <= kSteps; ++i) {
    const Bytes now((20_GiB).count() / kSteps * i);
    b.used(now);
    b.uses(id, Bytes(), now);
    b.after(milliseconds(100));
    EXPECT_LE(b.room(), before) << "monotone";
    jump = std::max(jump, (before - b.room()).count());
    before = b.room();
  }
  std::printf("0 to 100 %% in %d steps: the largest jump of room is %lld bytes\n", kSteps,
              static_cast<long long>(jump));
  EXPECT_EQ(jump, 0);
}

TEST(Admission, gpustack_6044_foreign_memory_counts) {
  OneCard b;
  b.read();
  for (int gib = 0; gib <= 24; ++gib) {
    const Bytes foreign(std::int64_t{gib} << 30);
    b.used(foreign);
    b.sample.gpus[0].processes = {process(4711, foreign)};
    b.after(seconds(1));
    ASSERT_EQ(b.room(), 24_GiB - foreign);
    const Verdict verdict = b.fit(gpu_memory(24_GiB));
    ASSERT_EQ(verdict.answer == Answer::now, gib == 0);
    if (gib > 0) {
      ASSERT_NE(verdict.why.find("pid 4711"), std::string::npos) << verdict.why;
    }
  }
}

TEST(Admission, gflow_208_what_runs_beside_is_seen_before_the_start) {
  Bench b;
  b.sample.gpus[0].memory_used = 23_GiB;  // somebody computes there without asking
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(8_GiB), 50));
  EXPECT_EQ(b.shadow.leases.at(id).gpu, "GPU-B");
}

TEST(Admission, OfManyStrangersTheLargestAreNamedOnce) {
  OneCard b;
  b.used(20_GiB);
  for (int i = 1; i <= 10; ++i) {
    b.sample.gpus[0].processes.push_back(process(1000 + i, Bytes(std::int64_t{i} << 28)));
  }
  GpuProcess draws = process(1010, Bytes(std::int64_t{10} << 28));
  draws.graphics = true;
  b.sample.gpus[0].processes.push_back(draws);  // one that computes and draws is listed twice
  b.sample.gpus[0].processes.push_back(process(2000, 0_GiB));
  b.read();
  const Verdict verdict = b.fit(gpu_memory(10_GiB));
  ASSERT_EQ(verdict.strangers.size(), 3U);
  EXPECT_EQ(verdict.strangers[0].pid, 1010);
  EXPECT_EQ(verdict.strangers[1].pid, 1009);
  EXPECT_EQ(verdict.strangers[2].pid, 1008);
}

// LM Studio believes the free counter alone: what was promised and is not taken yet is free to it.
TEST(Admission, lmstudio_2295_promised_is_not_free) {
  OneCard b;
  b.read();
  b.granted(want(gpu_memory(16_GiB), 50));
  b.after(seconds(1));
  const RequestId request = b.ask(want(gpu_memory(16_GiB), 51));
  ASSERT_NE(b.refusal(request), nullptr);
  EXPECT_EQ(b.refusal(request)->error.kind, ErrorKind::insufficient_resources);
  ASSERT_TRUE(b.refusal(request)->verdict) << "the reason reaches the client as numbers";
  EXPECT_EQ(b.refusal(request)->verdict->short_by.gpu_memory, 8_GiB);
}

// LocalAI adds devices up: a full one beside an empty one looks like half a device of pressure.
TEST(Admission, localai_sum_hides_a_full_device) {
  Bench b;
  b.sample.gpus[0].memory_used = 24_GiB;
  b.read();
  b.pass(seconds(5));
  b.read();
  const auto& gauges = b.control.state().gauges;
  EXPECT_GE(gauges.at({Resource::gpu_memory, "GPU-A"}).level(), Level::critical);
  EXPECT_EQ(gauges.at({Resource::gpu_memory, "GPU-B"}).level(), Level::ok);
}

TEST(Admission, Pitfall06_ollama_9016_the_driver_frees_late) {
  for (const int late_ms : {0, 500, 1500, 5000, 9000}) {
    OneCard b;
    b.read();
    const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
    b.used(20_GiB);
    b.uses(id, Bytes(), 20_GiB);
    b.after(seconds(1));
    const LeaseId waiting = b.granted(patient(gpu_memory(20_GiB), 51));
    b.sample.holders.clear();
    b.apply(Exited{holder(50)});
    for (int ms = 0; ms < late_ms; ms += 100) {
      b.after(milliseconds(100));
      ASSERT_EQ(b.state(waiting), LeaseState::waiting) << "its bytes are still in use";
    }
    b.used(0_GiB);
    b.after(milliseconds(100));
    if (b.count<Sense>() > 0) b.after(milliseconds(1));  // the daemon looks again at once
    EXPECT_EQ(b.state(waiting), LeaseState::reserved) << "at the first look after " << late_ms;
    EXPECT_EQ(b.state(id), LeaseState::ended);
  }
}

// A look at a device may carry numbers from before: they say nothing of what happened since.
TEST(Admission, ALookWithOldNumbersGivesNothingBack) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.uses(id, Bytes(), Bytes());
  b.after(seconds(1));
  const LeaseId waiting = b.granted(patient(gpu_memory(20_GiB), 51));
  // It takes all of it after the driver was last asked, and dies.
  b.pass(milliseconds(400));
  b.sample.holders.clear();
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.count<Sense>(), 1);
  b.pass(milliseconds(1));
  b.sample.gpus[0].age = milliseconds(401);
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::releasing);
  EXPECT_EQ(b.state(waiting), LeaseState::waiting);
  b.sample.gpus[0].age = {};
  b.used(20_GiB);  // as it really is: the driver frees late
  b.after(milliseconds(100));
  EXPECT_EQ(b.state(waiting), LeaseState::waiting);
  b.used(0_GiB);
  b.after(milliseconds(100));
  EXPECT_EQ(b.state(waiting), LeaseState::reserved);
}

// The same of a lease that its owner ends, on a device that is asleep: nobody uses that.
TEST(Admission, ABookingOnASleepingDeviceComesBackAtOnce) {
  OneCard b;
  b.sample.gpus[0].state = GpuState::asleep;
  b.sample.gpus[0].age = minutes(10);
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.after(seconds(1));
  b.ask(AskEnd{id});
  EXPECT_EQ(b.room(), 4_GiB) << "it may have taken it since";
  b.after(seconds(1));
  EXPECT_EQ(b.room(), 24_GiB);
}

// Ollama takes its baseline after the crash and waits for a rise that never comes.
TEST(Admission, Pitfall07_ollama_11997_baseline_after_the_crash) {
  OneCard b;
  b.used(2_GiB);  // somebody else's
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.used(22_GiB);
  b.uses(id, Bytes(), 20_GiB);
  b.after(seconds(1));
  // It crashes, and its memory is back before anybody learns of it.
  b.used(2_GiB);
  b.sample.holders.clear();
  b.after(milliseconds(100));
  b.apply(Exited{holder(50)});
  b.after(milliseconds(100));
  EXPECT_EQ(b.state(id), LeaseState::ended) << "credited at once, without a rise to wait for";
  EXPECT_EQ(b.room(), 22_GiB);
}

// vLLM takes the device's rise and fall for its own: with others about, both are wrong.
TEST(Admission, Pitfall08_vllm_55827_two_releases_and_a_load_in_one_window) {
  OneCard b;
  b.sample.gpus[0].memory_total = 80_GiB;
  b.read();
  const LeaseId first = b.granted(want(gpu_memory(20_GiB), 50));
  const LeaseId second = b.granted(want(gpu_memory(20_GiB), 51));
  const LeaseId loads = b.granted(want(gpu_memory(30_GiB), 52));
  b.used(40_GiB);
  b.uses(first, Bytes(), 20_GiB);
  b.uses(second, Bytes(), 20_GiB);
  b.uses(loads, Bytes(), Bytes());
  b.after(seconds(1));
  b.apply(Exited{holder(50)});
  b.apply(Exited{holder(51)});
  // The first one's bytes come back while the third loads as many: the device's use stays.
  b.sample.holders.clear();
  b.uses(loads, Bytes(), 20_GiB);
  b.after(milliseconds(100));
  EXPECT_EQ(b.state(loads), LeaseState::loading);
  EXPECT_EQ(b.room(), 30_GiB) << "20 loaded, 10 promised, and one of them still holds 20";
  b.used(20_GiB);
  b.after(milliseconds(100));
  EXPECT_EQ(b.state(first), LeaseState::ended);
  EXPECT_EQ(b.state(second), LeaseState::ended);
  EXPECT_EQ(b.room(), 50_GiB);
}

// vLLM's sleep mode answers OK and keeps the memory.
TEST(Admission, Pitfall09_vllm_47654_released_and_kept) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.used(20_GiB);
  b.uses(id, Bytes(), 20_GiB);
  b.after(seconds(1));
  EXPECT_NE(b.lease(b.ask(AskEnd{id})), nullptr);
  b.sample.holders.clear();
  for (int i = 0; i < 60; ++i) {
    b.after(seconds(1));
    ASSERT_EQ(b.room(), 4_GiB) << "what is in use is no room, whatever was said";
  }
  b.used(0_GiB);
  b.after(seconds(1));
  EXPECT_EQ(b.room(), 24_GiB);
}

TEST(Admission, Pitfall10_ray_19131_a_lease_is_given_back_once) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(10_GiB), 50));
  b.granted(want(gpu_memory(10_GiB), 51));
  for (int i = 0; i < 3; ++i) {
    b.ask(AskEnd{id});
    b.apply(Exited{holder(50)});
    b.apply(Released{id, true, 0, {}, 0});
  }
  b.after(seconds(1));
  EXPECT_EQ(b.room(), 14_GiB) << "never more than was there";
}

TEST(Admission, Pitfall11_a_client_that_vanishes_at_each_step_leaves_nothing) {
  for (int step = 0; step < 5; ++step) {
    Bench b;
    b.read();
    const LeaseId blocker = b.granted(want(memory(60_GiB), 49));
    AskLease ask = patient(memory(60_GiB), 50);
    ask.group = true;
    const RequestId request = b.ask(ask);
    const LeaseId id = b.lease(request)->lease.id;
    const RequestId poll = b.ask(AskWait{id, seconds(60)});
    if (step == 0) b.apply(Withdrawn{poll});
    if (step > 0) {
      b.ask(AskEnd{blocker});
      b.pass(seconds(1));
      b.read();
      ASSERT_EQ(b.state(id), LeaseState::reserved);
    }
    if (step > 1) b.apply(Placed{id, group(id), true, ""});
    if (step > 2) b.uses(id, 30_GiB);
    if (step > 3) b.pass(seconds(20));
    b.pass(seconds(1));
    b.read();
    b.apply(Exited{holder(50)});
    if (step == 1) b.apply(Placed{id, group(id), true, ""});
    b.apply(Released{id, true, 0, {}, 0});
    EXPECT_EQ(b.state(id), LeaseState::ended) << step;
    b.sample.holders.clear();
    b.pass(seconds(1));
    b.read();
    EXPECT_TRUE(b.control.state().polls.empty());
    EXPECT_TRUE(b.control.state().uses.empty() || !b.control.state().uses.contains(id)) << step;
  }
}

// The estimate was too low: what is missing is a deficit, shown, and paid before anybody new.
TEST(Admission, Pitfall17_gpustack_1126_estimate_too_low) {
  OneCard b;
  b.read();
  const LeaseId under = b.granted(want(gpu_memory(8_GiB), 50));
  b.granted(want(gpu_memory(12_GiB), 51));  // uses nothing yet
  b.used(14_GiB);
  b.uses(under, Bytes(), 14_GiB);  // 6 more than it booked
  b.after(seconds(1));
  EXPECT_EQ(b.said("lease.over"), 1);
  const auto rooms = b.control.state().ledger.rooms();
  const auto device = std::find_if(rooms.begin(), rooms.end(),
                                   [](const Room& room) { return room.device == "GPU-A"; });
  ASSERT_NE(device, rooms.end());
  EXPECT_EQ(device->room, 0);
  EXPECT_EQ(device->deficit, (2_GiB).count()) << "10 free, 12 promised";
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(1_MiB), 52))), nullptr);
  // The first to come waits until the deficit is paid, not until bytes are free.
  const LeaseId waiting = b.granted(patient(gpu_memory(1_GiB), 53));
  b.used(12_GiB);
  b.uses(under, Bytes(), 12_GiB);
  b.after(seconds(1));
  EXPECT_EQ(b.said("lease.over"), 0) << "said once";
  EXPECT_EQ(b.state(waiting), LeaseState::waiting) << "paid, and no byte over";
  b.used(8_GiB);
  b.uses(under, Bytes(), 8_GiB);
  b.after(seconds(1));
  EXPECT_EQ(b.said("lease.within"), 1);
  EXPECT_EQ(b.state(waiting), LeaseState::reserved);
}

TEST(Admission, Pitfall19_serve_3253_growth_after_the_load) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(10_GiB), 50));
  int said = 0;
  Bytes before = b.room();
  for (int gib = 0; gib <= 20; ++gib) {
    const Bytes now(std::int64_t{gib} << 30);
    b.used(now);
    b.uses(id, Bytes(), now);
    b.after(seconds(10));
    said += b.said("lease.over");
    EXPECT_LE(b.room(), before);
    before = b.room();
    // What it may still take of its own, and what it took beyond: both are others' no more.
    EXPECT_EQ(b.room(), 24_GiB - std::max(now, 10_GiB));
  }
  EXPECT_EQ(said, 1);
}

TEST(Admission, Pitfall22_holder_dies_in_each_state) {
  for (const char* state : {"waiting", "reserved", "loading", "active", "releasing"}) {
    OneCard b;
    b.read();
    const std::string is = state;
    LeaseId blocker = 0;
    if (is == "waiting") blocker = b.granted(want(gpu_memory(20_GiB), 49));
    const LeaseId id = b.granted(patient(gpu_memory(20_GiB), 50));
    if (is != "waiting" && is != "reserved") {
      b.used(20_GiB);
      b.uses(id, Bytes(), 20_GiB);
      b.after(seconds(1));
    }
    if (is == "active") b.after(seconds(10));
    if (is == "releasing") b.apply(Exited{holder(50)});
    EXPECT_STREQ(to_string(b.state(id)), state);
    b.apply(Exited{holder(50)});
    b.sample.holders.clear();
    b.used(0_GiB);
    b.after(seconds(1));
    EXPECT_EQ(b.state(id), LeaseState::ended) << state;
    EXPECT_EQ(b.room(), blocker != 0 ? 4_GiB : 24_GiB) << state;
  }
}

TEST(Admission, Pitfall24_a_pid_that_is_used_again_is_another_holder) {
  OneCard b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.apply(Exited{{50, 8}});  // the same number, another start
  EXPECT_EQ(b.state(id), LeaseState::reserved);
  b.restart({{50, 8}});
  EXPECT_EQ(b.state(id), LeaseState::ended) << "the number alone does not adopt it";
}

TEST(Admission, Pitfall25_vllm_34643_orphans_hold_what_their_parent_booked) {
  OneCard b;
  b.read();
  AskLease ask = want(gpu_memory(20_GiB), 50);
  ask.group = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), false, ""});
  b.used(20_GiB);
  b.uses(1, Bytes(), 20_GiB);
  b.after(seconds(1));
  b.apply(Exited{holder(50)});
  b.apply(Released{1, false, 2, {}, 0});
  EXPECT_EQ(b.said("lease.orphans"), 1);
  EXPECT_EQ(b.shadow.leases.at(1).reason, "2 processes of it still run");
  for (int i = 0; i < 20; ++i) {
    b.after(seconds(1));
    EXPECT_NE(b.refusal(b.ask(want(gpu_memory(20_GiB), 51))), nullptr);
  }
  b.sample.holders.clear();
  b.used(0_GiB);
  b.apply(Released{1, true, 0, {}, 0});
  b.after(seconds(1));
  EXPECT_EQ(b.state(1), LeaseState::ended);
  EXPECT_NE(b.lease(b.ask(want(gpu_memory(20_GiB), 51))), nullptr);
}

TEST(Admission, Pitfall33_taos_1766_what_is_not_known_is_not_free) {
  const auto refused = [](auto spoil, Needs needs) {
    Bench b;
    spoil(b.sample);
    b.read();
    return b.refusal(b.ask(want(std::move(needs), 50))) != nullptr;
  };
  Needs cores;
  cores.cpu = Cores(1000);
  Needs disk;
  disk.disk = 1_GiB;
  EXPECT_TRUE(refused([](Sample& s) { s.memory.available.reset(); }, memory(1_MiB)));
  EXPECT_TRUE(refused([](Sample& s) { s.memory.total.reset(); }, memory(1_MiB)));
  EXPECT_TRUE(refused([](Sample& s) { s.cpu.cores = 0; }, cores));
  EXPECT_TRUE(refused([](Sample& s) { s.filesystems[0].stale = true; }, disk));
  for (const auto state : {GpuState::stale, GpuState::lost}) {
    EXPECT_TRUE(refused(
        [state](Sample& s) {
          for (GpuReading& gpu : s.gpus) gpu.state = state;
        },
        gpu_memory(1_MiB)));
  }
  EXPECT_TRUE(refused(
      [](Sample& s) {
        for (GpuReading& gpu : s.gpus) gpu.memory_used.reset();
      },
      gpu_memory(1_MiB)));
  EXPECT_FALSE(refused([](Sample&) {}, gpu_memory(1_MiB)));
}

TEST(Admission, Pitfall36_a_free_quota_on_a_full_device_and_the_reverse) {
  Config config = Bench::make();
  config.leases.user_gpu_memory = {{}, 8_GiB};
  OneCard b(config);
  b.used(20_GiB);
  b.read();
  const RequestId full = b.ask(want(gpu_memory(6_GiB), 50));
  ASSERT_NE(b.refusal(full), nullptr) << "the quota allows it, the device does not";
  EXPECT_EQ(b.refusal(full)->verdict->short_by.gpu_memory, 2_GiB);
  b.used(0_GiB);
  b.after(seconds(1));
  EXPECT_NE(b.lease(b.ask(want(gpu_memory(6_GiB), 50))), nullptr);
  const RequestId over = b.ask(want(gpu_memory(6_GiB), 51));
  ASSERT_NE(b.refusal(over), nullptr) << "the device allows it, the quota does not";
  EXPECT_NE(b.refusal(over)->error.why.find("one user"), std::string::npos)
      << b.refusal(over)->error.why;
  EXPECT_NE(b.lease(b.ask(want(gpu_memory(6_GiB), 52), 2000)), nullptr) << "another user's";
}

TEST(Admission, Pitfall37_lemonade_2314_a_reload_keeps_every_lease) {
  OneCard b;
  b.read();
  const LeaseId holds = b.granted(want(gpu_memory(20_GiB), 50));
  const LeaseId waits = b.granted(patient(gpu_memory(20_GiB), 51));
  Config other = Bench::make();
  other.strategy.posture = Posture::conservative;
  other.leases.place = Place::spread;
  other.leases.user_leases = 1;
  b.apply(Configured{other});
  EXPECT_EQ(b.state(holds), LeaseState::reserved);
  EXPECT_EQ(b.state(waits), LeaseState::waiting);
  EXPECT_EQ(b.room(), 4_GiB);
}

Bytes room_of(const Bench& b, const std::string& gpu) {
  const decide::Ledger& ledger = b.control.state().ledger;
  return Bytes(ledger.pool(ledger.gpu(gpu)).room());
}

// A chip that holds processor and GPU: what is booked of either is booked of both.
TEST(Admission, Pitfall32_unified_memory_is_one_pool) {
  Bench b;
  b.sample.gpus.resize(1);
  GpuReading& gpu = b.sample.gpus[0];
  gpu.unified = true;
  gpu.memory_total = *b.sample.memory.total;
  b.read();
  const auto memory_room = [&] {
    return Bytes(b.control.state().ledger.pool(decide::Ledger::kMemory).room());
  };
  const auto gpu_room = [&] {
    for (const Room& room : b.control.state().ledger.rooms()) {
      if (room.device == "GPU-A") return Bytes(room.room.value_or(-1));
    }
    return Bytes(-1);
  };
  ASSERT_EQ(memory_room(), 95_GiB) << "100 GiB but for the reserve";
  EXPECT_EQ(gpu_room(), 95_GiB);
  const LeaseId model = b.granted(want(gpu_memory(60_GiB), 50));
  EXPECT_EQ(memory_room(), 35_GiB);
  EXPECT_EQ(gpu_room(), 35_GiB);
  const RequestId more = b.ask(want(gpu_memory(40_GiB), 51));
  ASSERT_NE(b.refusal(more), nullptr);
  EXPECT_EQ(b.refusal(more)->verdict->short_by.memory, 5_GiB);
  EXPECT_THAT(b.refusal(more)->verdict->in_the_way, ::testing::ElementsAre(model));
  EXPECT_NE(b.refusal(b.ask(want(memory(40_GiB), 52))), nullptr);
  AskLease both = want(gpu_memory(20_GiB), 53);
  both.needs.memory = 20_GiB;
  EXPECT_NE(b.refusal(b.ask(both)), nullptr) << "each fits, both together do not";
  b.granted(want(memory(30_GiB), 54));
  EXPECT_EQ(gpu_room(), 5_GiB);

  // What it takes of the device is taken of the machine: nothing is counted twice.
  b.uses(model, 1_GiB, 59_GiB, "GPU-A");
  b.sample.memory.available = 40_GiB;
  b.sample.gpus[0].memory_used = 60_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(memory_room(), 5_GiB);
  EXPECT_EQ(gpu_room(), 5_GiB);

  // Its end gives all of it back, at the sample that shows it.
  std::erase_if(b.sample.holders, [&](const auto& one) { return one.lease == model; });
  b.sample.memory.available = 100_GiB;
  b.sample.gpus[0].memory_used = Bytes();
  b.pass(seconds(1));
  b.apply(Exited{holder(50)});
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(model), LeaseState::ended);
  EXPECT_EQ(gpu_room(), 65_GiB);

  // A device that is there no more has no say in it; one with memory of its own has.
  GpuReading own;
  own.id = "GPU-own";
  own.index = 1;
  own.memory_total = 24_GiB;
  own.memory_used = Bytes();
  b.sample.gpus.push_back(own);
  b.pass(seconds(1));
  b.read();
  const LeaseId there = b.granted(want(gpu_memory(4_GiB), 56));
  EXPECT_EQ(b.control.state().promises.leases.at(there).gpu, "GPU-own");
  AskLease by_name = want(gpu_memory(4_GiB), 57);
  by_name.needs.gpu = "GPU-A";
  EXPECT_EQ(b.control.state().promises.leases.at(b.granted(by_name)).booked.memory, 4_GiB);
  b.sample.gpus.pop_back();
  b.pass(seconds(1));
  b.read();
  const LeaseId next = b.granted(want(gpu_memory(4_GiB), 58));
  EXPECT_EQ(b.control.state().promises.leases.at(next).gpu, "GPU-A");

  AskLease whole = want({}, 55);
  whole.needs.gpus = 1;
  const RequestId alone = b.ask(whole);
  ASSERT_NE(b.refusal(alone), nullptr) << "all of the machine's memory is meant by nobody";
  EXPECT_THAT(b.refusal(alone)->error.help, ::testing::HasSubstr("--gpu-mem"));
}

TEST(Admission, Pitfall20_ollama_13235_free_memory_in_pieces_is_no_room) {
  Bench b;
  b.sample.gpus.resize(1);
  b.sample.gpus[0].memory_used = 10_GiB;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(12_GiB), 50));
  EXPECT_EQ(room_of(b, "GPU-A"), 2_GiB);
  b.pass(seconds(1));
  AskChange failed;
  failed.lease = id;
  failed.failed_gpu_memory = 8_GiB;  // the driver says that 14 GiB are free
  const RequestId told = b.ask(failed);
  ASSERT_NE(b.refusal(told), nullptr) << "there is no other device";
  EXPECT_NE(b.refusal(told)->error.why.find("no other device"), std::string::npos)
      << b.refusal(told)->error.why;
  EXPECT_EQ(b.said("lease.allocation_failed"), 1);
  EXPECT_EQ(b.state(id), LeaseState::reserved) << "what it does about it is its own";
  b.ask(AskEnd{id});
  b.pass(seconds(1));
  b.read();
  // 14 GiB are free by the driver's word, in pieces of less than 8 GiB.
  const RequestId large = b.ask(want(gpu_memory(8_GiB), 51));
  ASSERT_NE(b.refusal(large), nullptr);
  EXPECT_NE(b.refusal(large)->error.why.find("would not give"), std::string::npos)
      << b.refusal(large)->error.why;
  const LeaseId small = b.granted(want(gpu_memory(7_GiB), 52));
  b.ask(AskEnd{small});
  // Something comes back, and with it the pieces become larger: it is believed again.
  b.sample.gpus[0].memory_used = 6_GiB;
  b.pass(seconds(1));
  b.read();
  b.granted(want(gpu_memory(16_GiB), 53));
}

TEST(Admission, Pitfall21_an_allocation_that_fails_is_tried_once_elsewhere) {
  Bench b;
  b.sample.gpus[0].memory_used = 2_GiB;  // the fuller one is taken first
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(12_GiB), 50));
  b.uses(id, Bytes(), 4_GiB, "GPU-A");
  b.sample.gpus[0].memory_used = 6_GiB;
  b.pass(seconds(1));
  b.read();
  AskChange failed;
  failed.lease = id;
  failed.failed_gpu_memory = 6_GiB;
  const RequestId stranger = b.ask(failed, 4000);
  ASSERT_NE(b.refusal(stranger), nullptr) << "only its owner may";
  b.pass(seconds(1));
  const LeaseView* moved = b.lease(b.ask(failed));
  ASSERT_NE(moved, nullptr);
  EXPECT_EQ(moved->lease.gpu, "GPU-B");
  EXPECT_TRUE(moved->lease.moved);
  EXPECT_EQ(moved->lease.booked.gpu_memory, 12_GiB);
  EXPECT_EQ(moved->lease.state, LeaseState::loading);
  EXPECT_EQ(b.said("lease.moved"), 1);
  // Its 4 GiB are still on the first one, whose next 6 GiB in one piece nobody is promised.
  EXPECT_EQ(room_of(b, "GPU-B"), 12_GiB);
  EXPECT_LT(room_of(b, "GPU-A"), 6_GiB);
  b.uses(id, Bytes(), 12_GiB, "GPU-B");
  b.sample.gpus[0].memory_used = 2_GiB;
  b.sample.gpus[1].memory_used = 12_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(room_of(b, "GPU-A"), 22_GiB);
  EXPECT_EQ(room_of(b, "GPU-B"), 12_GiB);
  // Not for ever: what fails on the second one as well is refused with its reason.
  const RequestId again = b.ask(failed);
  ASSERT_NE(b.refusal(again), nullptr);
  EXPECT_NE(b.refusal(again)->error.why.find("moved once before"), std::string::npos)
      << b.refusal(again)->error.why;
  EXPECT_EQ(b.control.state().promises.leases.at(id).gpu, "GPU-B");
}

TEST(Admission, AFailedAllocationOfOneThatNobodyElseHasRoomForIsRefusedWithWhoIsInTheWay) {
  Bench b;
  b.read();
  AskLease other = want(gpu_memory(20_GiB), 60);
  other.name = "other";
  other.needs.gpu = "GPU-B";
  b.granted(other);
  AskLease mine = want(gpu_memory(20_GiB), 61);
  const LeaseId id = b.granted(mine);
  ASSERT_EQ(b.control.state().promises.leases.at(id).gpu, "GPU-A");
  b.pass(seconds(1));
  AskChange failed;
  failed.lease = id;
  failed.failed_gpu_memory = 1_GiB;
  const Refusal* refused = b.refusal(b.ask(failed));
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->error.kind, ErrorKind::insufficient_resources);
  EXPECT_NE(refused->error.why.find("other"), std::string::npos) << refused->error.why;
  EXPECT_EQ(b.control.state().promises.leases.at(id).gpu, "GPU-A") << "it keeps what it has";
}

// Whatever is with the k-th of four devices: then nothing is booked on any of them.
TEST(Admission, Pitfall39_several_devices_are_never_given_in_part) {
  enum class Fault { drained, hot, held, shared, unknown, lost, small, foreign };
  const std::pair<Fault, const char*> faults[] = {
      {Fault::drained, "is drained"}, {Fault::hot, "is too hot"},
      {Fault::held, "is held by"},    {Fault::shared, "is held by"},
      {Fault::unknown, "how much"},   {Fault::lost, "is lost"},
      {Fault::small, "have as much"}, {Fault::foreign, "booked by nobody"}};
  for (const auto& [fault, why] : faults) {
    for (std::size_t k = 0; k < 4; ++k) {
      Config config = Bench::make();
      config.pressure.gpu_temperature.critical = 95;
      Bench b(config);
      for (const char* id : {"C", "D"}) {
        GpuReading gpu = b.sample.gpus[0];
        gpu.id = std::string("GPU-") + id;
        gpu.index = static_cast<int>(b.sample.gpus.size());
        b.sample.gpus.push_back(gpu);
      }
      b.read();
      GpuReading& gpu = b.sample.gpus[k];
      AskLease other = want(gpu_memory(1_GiB), 49);
      other.needs.gpu = gpu.id;
      other.needs.gpus = fault == Fault::held ? 1 : 0;
      if (fault == Fault::held || fault == Fault::shared) b.granted(other);
      if (fault == Fault::drained) b.ask(AskDrain{gpu.id, true}, 0, true);
      if (fault == Fault::hot) gpu.celsius = 110;
      if (fault == Fault::unknown) gpu.memory_used.reset();
      if (fault == Fault::lost) gpu.state = GpuState::lost;
      if (fault == Fault::small) gpu.memory_total = 12_GiB;
      if (fault == Fault::foreign) gpu.memory_used = 10_GiB;
      for (int i = 0; i < 40; ++i) {  // heat is believed when it stays
        b.pass(seconds(1));
        b.read();
      }
      const std::size_t entries = b.control.state().ledger.entries().size();
      const decide::Promises before = b.shadow;
      AskLease ask = want(gpu_memory(20_GiB), 50);
      ask.needs.gpus = 4;
      const RequestId request = b.ask(ask);
      ASSERT_NE(b.refusal(request), nullptr) << why << " " << k;
      EXPECT_NE(b.refusal(request)->error.why.find(why), std::string::npos)
          << why << " " << k << ": " << b.refusal(request)->error.why;
      EXPECT_EQ(b.control.state().ledger.entries().size(), entries);
      EXPECT_TRUE(b.shadow == before) << "nothing of it is promised";
      // And one that waits gets nothing of it either.
      ask.wait.reset();
      const bool never = b.refusal(b.ask(ask)) != nullptr;
      EXPECT_EQ(never, fault == Fault::small);
      b.pass(seconds(1));
      b.read();
      EXPECT_EQ(b.control.state().ledger.entries().size(), entries);
      ask.needs.gpus = 3;
      ask.holder = holder(51);
      const RequestId three = b.ask(ask);
      if (!never) continue;  // it stands behind the one that waits
      ASSERT_NE(b.lease(three), nullptr);
      EXPECT_EQ(b.lease(three)->devices.size(), 3U);
      EXPECT_EQ(b.control.state().ledger.entries().size(), entries + 3);
    }
  }
}

}  // namespace
}  // namespace headroom::control
