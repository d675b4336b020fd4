// What a lease is told and asked while it lives: idle bookings, drains, hand-over.
#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using std::chrono::minutes;

class Quietly : public Bench {
 public:
  Quietly() { sample.gpus.pop_back(); }
  void after(seconds time) {
    pass(time);
    read();
  }
  Bytes room() const {
    return Bytes(control.state().ledger.pool(control.state().ledger.gpu("GPU-A")).room());
  }
  /// Samples every ten seconds; counts what was said.
  int hear(minutes time, const std::string& type) {
    int heard = 0;
    for (seconds passed{0}; passed < time; passed += seconds(10)) {
      after(seconds(10));
      heard += said(type);
    }
    return heard;
  }
};

// GPUStack counts a claim of 90 % that uses 2 %: the device is full of nothing.
TEST(Idle, gpustack_1047_phantom_full) {
  Quietly b;
  b.read();
  AskLease ask = want(gpu_memory(Bytes((24_GiB).count() / 10 * 9)), 50);
  ask.return_idle = true;
  const LeaseId id = b.granted(ask);
  b.sample.gpus[0].memory_used = Bytes((24_GiB).count() / 50);
  b.uses(id, Bytes(), Bytes((24_GiB).count() / 50));
  EXPECT_EQ(b.hear(minutes(9), "lease.idle"), 0);
  EXPECT_EQ(b.hear(minutes(3), "lease.idle"), 1) << "warned first, once";
  EXPECT_NE(b.control.view(b.now()).leases[0].idle, "");
  EXPECT_LT(b.room(), 3_GiB) << "and nothing is taken yet";
  EXPECT_EQ(b.hear(minutes(10), "lease.returned"), 1) << "then returned, once";
  b.after(seconds(10));
  EXPECT_GT(b.room(), 23_GiB);
  EXPECT_EQ(b.state(id), LeaseState::active);
  EXPECT_GE(b.shadow.leases.at(id).booked.gpu_memory, Bytes((24_GiB).count() / 50))
      << "what it uses stays booked, and a little more";
  EXPECT_TRUE(b.shadow.leases.at(id).needs == ask.needs) << "what it asked for is remembered";
  EXPECT_EQ(b.hear(minutes(60), "lease.idle"), 0);
}

TEST(Idle, OneThatDidNotAgreeIsToldAndKeepsWhatItBooked) {
  Quietly b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.uses(id, Bytes(), 1_GiB);
  b.sample.gpus[0].memory_used = 1_GiB;
  EXPECT_EQ(b.hear(minutes(60), "lease.idle"), 1);
  EXPECT_EQ(b.shadow.leases.at(id).booked.gpu_memory, 20_GiB);
  // It may agree later.
  AskChange change;
  change.lease = id;
  change.return_idle = true;
  EXPECT_NE(b.lease(b.ask(change)), nullptr);
  EXPECT_EQ(b.hear(minutes(1), "lease.returned"), 1);
}

TEST(Idle, UseStartsTheCountAnew) {
  Quietly b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  for (int i = 0; i < 8; ++i) {
    b.uses(id, Bytes(), 1_GiB);
    EXPECT_EQ(b.hear(minutes(9), "lease.idle"), 0);
    b.uses(id, Bytes(), 12_GiB);  // a batch
    b.after(seconds(10));
  }
}

TEST(Idle, WhatNobodyCanTellApartIsNotSaidToBeIdle) {
  Quietly b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  b.uses(id, Bytes(), Bytes());
  b.sample.holders[0].gpu_memory.reset();  // the driver names no processes
  b.sample.holders[0].memory.reset();
  EXPECT_EQ(b.hear(minutes(60), "lease.idle"), 0);
  // Two leases of one process share what it uses.
  AskLease second = want(gpu_memory(2_GiB), 50);
  b.granted(second);
  b.uses(id, Bytes(), 1_GiB);
  EXPECT_EQ(b.hear(minutes(60), "lease.idle"), 0);
}

TEST(Idle, AWholeDeviceAndAHardLimitAreKept) {
  Quietly b;
  b.read();
  AskLease whole = want({}, 50);
  whole.needs.gpus = 1;
  whole.return_idle = true;
  const LeaseId alone = b.granted(whole);
  AskLease hard = want(memory(20_GiB), 51);
  hard.enforce = hard.return_idle = true;
  const LeaseId limited = b.granted(hard);
  b.uses(alone, Bytes(), 1_GiB);
  b.uses(limited, 1_GiB);
  EXPECT_EQ(b.hear(minutes(60), "lease.idle"), 0);
}

TEST(Idle, MemoryComesBackWithItsFenceAndNeverBelowWhatIsNestedInIt) {
  Quietly b;
  b.read();
  AskLease ask = want(memory(40_GiB), 50);
  ask.group = ask.fence = ask.return_idle = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), true, ""});
  AskLease inner = want(memory(10_GiB), 51);
  inner.parent = 1;
  b.granted(inner);
  b.uses(1, 1_GiB);
  int fences = 0;
  for (int i = 0; i < 150; ++i) {
    b.after(seconds(10));
    fences += b.count<Fence>();
  }
  EXPECT_EQ(fences, 1);
  EXPECT_EQ(b.shadow.leases.at(1).booked.memory, 10_GiB);
  EXPECT_EQ(b.shadow.leases.at(1).fence_at, 10_GiB);
}

TEST(Idle, ZeroSaysNothing) {
  Config config = Bench::make();
  config.leases.idle = seconds(0);
  Bench b(config);
  b.read();
  AskLease ask = want(memory(40_GiB), 50);
  ask.return_idle = true;
  const LeaseId id = b.granted(ask);
  b.uses(id, 1_GiB);
  int said = 0;
  for (int i = 0; i < 500; ++i) {
    b.pass(seconds(10));
    b.read();
    said += b.said("lease.idle") + b.said("lease.returned");
  }
  EXPECT_EQ(said, 0);
}

// What comes back is not given to the next one before the machine was read again.
TEST(Idle, WhatIsReturnedIsRoomAtTheNextSample) {
  Quietly b;
  b.read();
  AskLease ask = want(gpu_memory(20_GiB), 50);
  ask.return_idle = true;
  const LeaseId id = b.granted(ask);
  b.uses(id, Bytes(), 1_GiB);
  b.sample.gpus[0].memory_used = 1_GiB;
  int returned = 0;
  for (int i = 0; i < 200 && returned == 0; ++i) {
    b.after(seconds(10));
    returned = b.said("lease.returned");
    if (returned == 0) continue;
    EXPECT_EQ(b.room(), 4_GiB);
    EXPECT_EQ(b.count<Sense>(), 1);
  }
  ASSERT_EQ(returned, 1);
  b.uses(id, Bytes(), 20_GiB);  // it took it all in between
  b.sample.gpus[0].memory_used = 20_GiB;
  b.after(seconds(1));
  EXPECT_EQ(b.room(), 4_GiB);
  EXPECT_EQ(b.said("lease.over"), 1);
}

AskDrain drain(const std::string& device, bool drained = true) { return {device, drained}; }

TEST(Drain, ADeviceTakesNobodyNewAndKeepsWhoIsThere) {
  Bench b;
  b.read();
  Needs there = gpu_memory(4_GiB);
  there.gpu = "GPU-A";
  const LeaseId old = b.granted(want(there, 50));
  const RequestId request = b.ask(drain("0"), 0, true);
  ASSERT_NE(b.answer<Drains>(request), nullptr);
  EXPECT_EQ(b.answer<Drains>(request)->items.size(), 1U);
  EXPECT_EQ(b.answer<Drains>(request)->items[0].device, "GPU-A");
  EXPECT_EQ(b.said("device.drained"), 1);
  const RequestId refused = b.ask(want(there, 51));
  ASSERT_NE(b.refusal(refused), nullptr);
  EXPECT_EQ(b.refusal(refused)->error.kind, ErrorKind::insufficient_resources) << "not never";
  EXPECT_EQ(b.refusal(refused)->error.why, "GPU 0 is drained: it takes nobody new");
  EXPECT_EQ(b.refusal(refused)->verdict->help.front().act, "drain");
  const LeaseId other = b.granted(want(gpu_memory(4_GiB), 52));
  EXPECT_EQ(b.shadow.leases.at(other).gpu, "GPU-B");
  b.pass(seconds(60));
  b.read();
  EXPECT_EQ(b.state(old), LeaseState::reserved);
  AskChange change;
  change.lease = old;
  change.needs = there;
  change.needs->gpu_memory = 5_GiB;
  EXPECT_NE(b.refusal(b.ask(change)), nullptr) << "it does not grow there";
  change.needs->gpu_memory = 3_GiB;
  EXPECT_NE(b.lease(b.ask(change)), nullptr) << "and may shrink";
}

TEST(Drain, WaitersStartWhenItIsTakenBack) {
  Bench b;
  b.read();
  b.ask(drain(""), 0, true);
  EXPECT_NE(b.refusal(b.ask(want(memory(1_GiB), 50))), nullptr);
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(1_GiB), 50))), nullptr);
  const LeaseId waits = b.granted(patient(memory(1_GiB), 50));
  b.pass(seconds(3600));
  b.read();
  EXPECT_EQ(b.state(waits), LeaseState::waiting);
  EXPECT_NE(b.control.view(b.now()).leases[0].why.find("memory is drained"), std::string::npos)
      << b.control.view(b.now()).leases[0].why;
  b.ask(drain("", false), 0, true);
  EXPECT_EQ(b.said("device.opened"), 1);
  EXPECT_EQ(b.state(waits), LeaseState::reserved) << "in the same instant";
}

TEST(Drain, OneThatWaitsForADrainedDeviceKeepsNobody) {
  Bench b;
  b.read();
  b.ask(drain("GPU-A"), 0, true);
  Needs there = gpu_memory(4_GiB);
  there.gpu = "GPU-A";
  there.memory = 90_GiB;
  const LeaseId head = b.granted(patient(there, 50));
  EXPECT_EQ(b.state(head), LeaseState::waiting);
  EXPECT_NE(b.lease(b.ask(want(memory(50_GiB), 51))), nullptr);
  const LeaseId second = b.granted(patient(memory(60_GiB), 52));
  EXPECT_EQ(b.state(second), LeaseState::waiting);
  b.apply(Exited{holder(51)});
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(second), LeaseState::reserved);
  EXPECT_EQ(b.state(head), LeaseState::waiting);
}

TEST(Drain, SurvivesRestartsAndReboots) {
  for (const bool same_boot : {true, false}) {
    Bench b;
    b.read();
    b.ask(drain("GPU-A"), 0, true);
    b.restart({}, same_boot);
    EXPECT_EQ(b.control.view(b.now()).drains.size(), 1U);
    b.read();
    const LeaseId id = b.granted(want(gpu_memory(1_GiB), 50));
    EXPECT_EQ(b.shadow.leases.at(id).gpu, "GPU-B");
    b.ask(drain("GPU-A", false), 0, true);
    b.restart({holder(50)}, true);
    EXPECT_TRUE(b.control.view(b.now()).drains.empty());
  }
}

TEST(Drain, IsForTheTrustedAndForDevicesThatAreThere) {
  Bench b;
  b.read();
  EXPECT_EQ(b.refusal(b.ask(drain("0"), 1000, false))->error.kind, ErrorKind::not_allowed);
  EXPECT_EQ(b.refusal(b.ask(drain("7"), 0, true))->error.kind, ErrorKind::not_found);
  EXPECT_EQ(b.refusal(b.ask(drain("GPU-Z", false), 0, true))->error.kind, ErrorKind::not_found);
  EXPECT_TRUE(b.shadow.drained.empty());
  // Asking twice is asking once.
  b.ask(drain("0"), 0, true);
  b.ask(drain("0"), 0, true);
  EXPECT_EQ(b.count<Journal>(), 0);
  b.ask(drain("0", false), 0, true);
  b.ask(drain("0", false), 0, true);
  EXPECT_EQ(b.count<Journal>(), 0);
}

TEST(Drain, ASliceFollowsItsDevice) {
  Bench b;
  GpuReading slice = b.sample.gpus[0];
  slice.id = "MIG-1";
  slice.index = 2;
  slice.parent = "GPU-A";
  slice.memory_total = 10_GiB;
  b.sample.gpus.push_back(slice);
  b.ask(drain(""), 0, true);
  b.ask(drain("", false), 0, true);
  b.read();
  b.ask(drain("GPU-A"), 0, true);
  Needs there = gpu_memory(1_GiB);
  there.gpu = "MIG-1";
  EXPECT_NE(b.refusal(b.ask(want(there, 50))), nullptr);
}

// What is booked inside a lease was given long ago.
TEST(Drain, CommandsInsideALeaseGoOn) {
  Bench b;
  b.read();
  const LeaseId outer = b.granted(want(memory(10_GiB), 50));
  b.ask(drain(""), 0, true);
  AskLease inner = want(memory(2_GiB), 51);
  inner.parent = outer;
  EXPECT_NE(b.lease(b.ask(inner)), nullptr);
}

TEST(Drain, ADeviceWithAFatalErrorTakesNobodyUntilSomebodyLooked) {
  Bench b;
  b.read();
  b.sample.gpus[0].xids = 1;
  b.sample.gpus[0].last_xid = 31;  // a program's own mistake
  b.pass(seconds(1));
  b.read();
  EXPECT_TRUE(b.shadow.drained.empty());
  b.sample.gpus[0].xids = 2;
  b.sample.gpus[0].last_xid = 79;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.said("device.drained"), 1);
  ASSERT_TRUE(b.shadow.drained.contains("GPU-A"));
  EXPECT_EQ(b.shadow.drained.at("GPU-A").reason, "the driver reported error 79");
  const LeaseId id = b.granted(want(gpu_memory(1_GiB), 50));
  EXPECT_EQ(b.shadow.leases.at(id).gpu, "GPU-B");
  b.ask(drain("GPU-A", false), 0, true);
  b.pass(seconds(1));
  b.read();
  EXPECT_TRUE(b.shadow.drained.empty()) << "the same error is not told twice";
}

TEST(HandOver, TheNextProcessHoldsItAndTheLastOneNoMore) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(10_GiB), 50));
  AskChange give;
  give.lease = id;
  give.holder = holder(60);
  ASSERT_NE(b.lease(b.ask(give)), nullptr);
  EXPECT_EQ(b.count<Watch>(), 1);
  EXPECT_EQ(b.said("lease.handed_over"), 1);
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.state(id), LeaseState::reserved);
  b.restart({holder(60)});
  EXPECT_EQ(b.state(id), LeaseState::reserved) << "the journal knows its new holder";
  b.apply(Exited{holder(60)});
  EXPECT_EQ(b.state(id), LeaseState::ended);
}

TEST(HandOver, IsRefusedWhereItWouldNotMeanAnything) {
  Bench b;
  b.read();
  AskLease grouped = want(memory(10_GiB), 50);
  grouped.group = true;
  b.ask(grouped);
  b.apply(Placed{1, group(1), false, ""});
  AskChange give;
  give.lease = 1;
  give.holder = holder(60);
  EXPECT_EQ(b.refusal(b.ask(give))->error.kind, ErrorKind::conflict)
      << "its group is what it holds";
  EXPECT_EQ(b.refusal(b.ask(give, 2000))->error.kind, ErrorKind::not_allowed);
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.refusal(b.ask(give))->error.kind, ErrorKind::conflict) << "it is ending";
  b.apply(Released{1, true, 0, {}, 0});
  EXPECT_EQ(b.refusal(b.ask(give))->error.kind, ErrorKind::conflict) << "it has ended";
}

TEST(HandOver, AWaiterAndALeaseOfTimeMayGetAProcessToo) {
  Bench b;
  b.read();
  AskLease timed = want(memory(60_GiB));
  timed.ttl = seconds(1000);
  const LeaseId holds = b.granted(timed);
  const LeaseId waits = b.granted(patient(memory(60_GiB), 50));
  AskChange give;
  give.lease = waits;
  give.holder = holder(60);
  ASSERT_NE(b.lease(b.ask(give)), nullptr);
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.state(waits), LeaseState::waiting);
  give.lease = holds;
  give.holder = holder(61);
  ASSERT_NE(b.lease(b.ask(give)), nullptr);
  b.apply(Exited{holder(61)});
  EXPECT_EQ(b.state(holds), LeaseState::ended);
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(waits), LeaseState::reserved);
}

}  // namespace
}  // namespace headroom::control
