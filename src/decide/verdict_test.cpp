#include "decide/verdict.hpp"

#include <random>

#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using namespace literals;
using std::chrono::seconds;

Instant at(int second) {
  return {BootTime(seconds(second)), WallTime(seconds(1'000'000 + second))};
}

// Books with leases put in by hand.
class Box {
 public:
  Box() {
    config_.strategy.posture = Posture::aggressive;
    config_.node.margin_memory = {{}, Bytes(0)};
    config_.node.margin_gpu_memory = {{}, Bytes(0)};
    config_.node.margin_disk = {{}, Bytes(0)};
    sample_.cpu.cores = 8;
    sample_.memory.total = 100_GiB;
    sample_.memory.available = 100_GiB;
  }
  void gpu(const std::string& id, Bytes total, Bytes used = Bytes(),
           std::optional<double> compute = 8.0) {
    GpuReading reading;
    reading.id = id;
    reading.index = static_cast<int>(sample_.gpus.size());
    reading.memory_total = total;
    reading.memory_used = used;
    reading.compute = compute;
    sample_.gpus.push_back(reading);
  }
  Box& refresh(int second = 1) {
    sample_.at = at(second);
    ledger_.refresh(sample_, config_, cpu_unbooked_);
    return *this;
  }
  LeaseId lease(const Needs& needs, const std::string& gpu = "", uid_t owner = 1000,
                std::optional<seconds> expected = {}) {
    Lease lease;
    lease.id = promises_.next_lease;
    lease.name = "job" + std::to_string(lease.id);
    lease.owner = owner;
    lease.state = LeaseState::active;
    lease.needs = needs;
    lease.booked = {needs.memory.value_or(Bytes()), needs.gpu_memory.value_or(Bytes()),
                    needs.cpu.value_or(Cores()), needs.disk.value_or(Bytes())};
    lease.gpu = gpu;
    lease.expected = expected;
    promises_.keep(PutLease{lease});
    Entry entry;
    entry.owner = owner;
    entry.booked = lease.booked;
    if (!gpu.empty()) entry.gpu = ledger_.device(Resource::gpu_memory, gpu);
    if (lease.booked.disk.count() > 0) entry.disk = ledger_.device(Resource::disk, "/");
    entry.exclusive = needs.gpus == 1;
    if (expected) entry.ends = BootTime(seconds(0)) + *expected;
    ledger_.book(lease.id, entry);
    return lease.id;
  }
  LeaseId waiter(const Needs& needs, Priority priority, int asked,
                 std::optional<seconds> expected = {}, uid_t owner = 1000) {
    Lease lease;
    lease.id = promises_.next_lease;
    lease.owner = owner;
    lease.needs = needs;
    lease.priority = priority;
    lease.asked = at(asked);
    lease.expected = expected;
    promises_.keep(PutLease{lease});
    queue_.insert(Queue::key(lease, config_.leases.ageing));
    return lease.id;
  }
  Verdict ask(const Needs& needs, uid_t owner = 1000, bool spread = false,
              std::optional<seconds> expected = {}, int now = 10) {
    auto wanted = want(ledger_, needs);
    if (!wanted) {
      Verdict refused;
      refused.why = wanted.error().what;
      return refused;
    }
    wanted->owner = owner;
    wanted->spread = spread;
    wanted->expected = expected;
    Lease order;
    order.id = promises_.next_lease;
    order.asked = at(now);
    wanted->key = Queue::key(order, config_.leases.ageing);
    return decide(books(now), *wanted);
  }
  Books books(int now = 10) const {
    return {promises_, ledger_, queue_, config_, at(now), 1, &starts_};
  }
  // One that is to start at this second; kept for it is what the plan says.
  Lease asks_for(const Needs& needs, int start, std::optional<seconds> expected = {},
                 uid_t owner = 1000) const {
    Lease lease;
    lease.id = promises_.next_lease;
    lease.name = "later" + std::to_string(lease.id);
    lease.owner = owner;
    lease.needs = needs;
    lease.asked = at(1);
    lease.expected = expected;
    lease.starts = at(start).wall;
    return lease;
  }
  LeaseId later(const Needs& needs, int start, std::optional<seconds> expected = {},
                uid_t owner = 1000) {
    Lease lease = asks_for(needs, start, expected, owner);
    const StartPlan plan = plan_start(books(1), lease);
    EXPECT_TRUE(plan.kept) << plan.why;
    for (const std::string& device : plan.devices) {
      lease.gpu += (lease.gpu.empty() ? "" : ",") + device;
    }
    promises_.keep(PutLease{lease});
    starts_.emplace(*lease.starts, lease.id);
    return lease.id;
  }

  Config config_;
  Sample sample_;
  Ledger ledger_;
  Promises promises_;
  Queue queue_;
  Starts starts_;
  Cores cpu_unbooked_;
};

Needs memory(Bytes bytes) {
  Needs needs;
  needs.memory = bytes;
  return needs;
}
Needs gpu_memory(Bytes bytes) {
  Needs needs;
  needs.gpu_memory = bytes;
  return needs;
}
std::int64_t room_of(const Box& box, const std::string& gpu) {
  return box.ledger_.pool(box.ledger_.gpu(gpu)).room();
}

TEST(Ledger, CountsWhatIsNotClaimedYetOnceAndWhatIsClaimedOnce) {
  Box box;
  box.gpu("A", 24_GiB);
  box.refresh();
  const LeaseId a = box.lease(gpu_memory(20_GiB), "A");
  EXPECT_EQ(box.ask(gpu_memory(8_GiB)).answer, Answer::queued);
  EXPECT_EQ(room_of(box, "A"), (4_GiB).count());
  for (int gib = 0; gib <= 20;
       ++gib) {  // the room does not jump while the lease takes what it booked
    box.ledger_.measure(a, {Bytes(), Bytes(std::int64_t{gib} << 30), Cores(), Bytes()});
    box.sample_.gpus[0].memory_used = Bytes(std::int64_t{gib} << 30);
    box.refresh(2 + gib);
    ASSERT_EQ(room_of(box, "A"), (4_GiB).count()) << gib;
  }
  box.sample_.gpus[0].memory_used = 23_GiB;  // a foreign process takes three
  box.refresh(40);
  EXPECT_EQ(room_of(box, "A"), (1_GiB).count());
  const Verdict verdict = box.ask(gpu_memory(2_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_NE(verdict.why.find("l-1"), std::string::npos) << verdict.why;
}

TEST(Ledger, NeverAddsUpDevices) {
  Box box;
  box.gpu("A", 12_GiB);
  box.gpu("B", 12_GiB);
  box.refresh();
  EXPECT_EQ(box.ask(gpu_memory(20_GiB)).answer, Answer::never);
  EXPECT_EQ(box.ask(gpu_memory(12_GiB)).answer, Answer::now);
}

TEST(Ledger, TermsOfRoomAddUp) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto bytes = [&](std::int64_t most) {
      return Bytes(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1)));
    };
    Box box;
    box.config_ = Config();
    box.sample_.memory.available = bytes((100_GiB).count());
    if (random() % 3 == 0) {
      box.sample_.memory.limit = bytes((100_GiB).count());
      box.sample_.memory.limit_used = bytes(box.sample_.memory.limit->count());
    }
    box.gpu("A", 24_GiB, bytes((24_GiB).count()));
    box.cpu_unbooked_ = Cores(static_cast<std::int64_t>(random() % 8000));
    box.refresh();
    for (int i = 0; i < 5; ++i) {
      Needs needs = memory(Bytes(1 + bytes((30_GiB).count()).count()));
      needs.cpu = Cores(1 + static_cast<std::int64_t>(random() % 2000));
      const bool on_gpu = random() % 2 == 0;
      if (on_gpu) needs.gpu_memory = Bytes(1 + bytes((6_GiB).count()).count());
      const LeaseId id = box.lease(needs, on_gpu ? "A" : "");
      if (random() % 2 == 0) {
        box.ledger_.measure(id,
                            {bytes((40_GiB).count()), bytes((8_GiB).count()), Cores(500), Bytes()});
      }
      if (random() % 4 == 0) {
        const Amounts kept{bytes((1_GiB).count()), {}, {}, {}};
        box.ledger_.keep_until_read(id, kept, kept, at(2).boot);
      }
      if (random() % 4 == 0) box.ledger_.unbook(id);
    }
    for (const Room& room : box.ledger_.rooms()) {
      ASSERT_TRUE(room.room);
      ASSERT_GE(*room.room, 0);
      if (*room.room > 0) {
        EXPECT_EQ(room.capacity,
                  room.reserve + room.booked + room.unbooked + room.margin + *room.room)
            << room.name;
      }
      EXPECT_EQ(room.booked, room.measured + room.unmaterialised) << room.name;
    }
  }
}

TEST(Ledger, UnknownIsNeitherZeroNorFull) {
  Box box;
  EXPECT_EQ(box.ask(memory(1_GiB)).answer, Answer::queued)
      << "nothing was read: not refused for ever";
  EXPECT_FALSE(box.ledger_.rooms()[0].room);
  box.gpu("A", 24_GiB);
  box.refresh();
  box.sample_.gpus[0].memory_used.reset();
  box.refresh(2);
  const Verdict verdict = box.ask(gpu_memory(1_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_NE(verdict.why.find("does not say"), std::string::npos) << verdict.why;
  box.sample_.gpus.clear();  // fallen off the bus
  box.refresh(3);
  EXPECT_EQ(box.ask(gpu_memory(1_GiB)).answer, Answer::queued);
  EXPECT_EQ(box.ask(memory(1_GiB)).answer, Answer::now);
}

TEST(Ledger, WhatIsGivenUpUnseenIsNoRoomBeforeANewerSample) {
  Box box;
  box.refresh(1);
  const LeaseId a = box.lease(memory(60_GiB));
  box.ledger_.keep_until_read(a, {60_GiB, {}, {}, {}}, {60_GiB, {}, {}, {}}, at(5).boot);
  box.ledger_.unbook(a);
  EXPECT_EQ(box.ask(memory(50_GiB)).answer, Answer::queued);
  box.refresh(4);  // taken before it was given up
  EXPECT_EQ(box.ask(memory(50_GiB)).answer, Answer::queued);
  box.refresh(6);
  EXPECT_EQ(box.ask(memory(50_GiB)).answer, Answer::now);
}

TEST(Ledger, AnOlderSampleMayShowLessOfAHolderThanItTookBeforeItGaveUp) {
  Box box;
  box.refresh(1);
  const LeaseId a = box.lease(memory(60_GiB));
  box.ledger_.measure(a, {60_GiB, {}, {}, {}});
  box.sample_.memory.available = 40_GiB;
  box.refresh(2);
  box.ledger_.keep_until_read(a, {}, {60_GiB, {}, {}, {}}, at(5).boot);
  box.ledger_.unbook(a);
  EXPECT_EQ(box.ask(memory(30_GiB)).answer, Answer::now) << "nothing of it is unseen";
  // At 4 it had given back what it had taken again at 5.
  box.sample_.memory.available = 100_GiB;
  box.refresh(4);
  EXPECT_EQ(box.ask(memory(50_GiB)).answer, Answer::queued);
  EXPECT_EQ(box.ask(memory(30_GiB)).answer, Answer::now);
  box.refresh(6);
  EXPECT_EQ(box.ask(memory(50_GiB)).answer, Answer::now);
}

TEST(Ledger, HostileSizesAreImpossibleAndNeverWrapRound) {
  Box box;
  box.gpu("A", 24_GiB);
  box.refresh();
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t size : {most, most - 1, most / 2}) {
    EXPECT_EQ(box.ask(memory(Bytes(size))).answer, Answer::never);
    EXPECT_EQ(box.ask(gpu_memory(Bytes(size))).answer, Answer::never);
    Needs cpu;
    cpu.cpu = Cores(size);
    EXPECT_EQ(box.ask(cpu).answer, Answer::never);
  }
  for (const std::int64_t size :
       {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(want(box.ledger_, memory(Bytes(size))).error().kind, ErrorKind::invalid_request);
  }
}

TEST(Ledger, TheIndexOfAGoneDeviceMeansTheOneThatHasItNow) {
  Box box;
  box.gpu("OLD", 24_GiB);
  box.refresh();
  box.sample_.gpus[0].id = "NEW";
  box.refresh(2);
  EXPECT_EQ(box.ledger_.pool(box.ledger_.gpu("0")).device, "NEW");
  EXPECT_EQ(box.ledger_.pool(box.ledger_.gpu("OLD")).device, "OLD");
}

TEST(Ledger, APathIsOnTheLongestMountThatHoldsIt) {
  Box box;
  box.sample_.filesystems = {{"/", "a", "ext4", 10_GiB, 10_GiB, 10_GiB, false, false, {}, {}},
                             {"/data", "b", "ext4", 10_GiB, 10_GiB, 10_GiB, false, false, {}, {}}};
  box.refresh();
  EXPECT_EQ(box.ledger_.pool(box.ledger_.disk("/data/x")).device, "/data");
  EXPECT_EQ(box.ledger_.pool(box.ledger_.disk("/data")).device, "/data");
  EXPECT_EQ(box.ledger_.pool(box.ledger_.disk("/database")).device, "/");
  EXPECT_EQ(box.ledger_.disk("relative"), -1);
}

TEST(Placement, PacksOrSpreads) {
  Box box;
  box.gpu("A", 24_GiB, 4_GiB);
  box.gpu("B", 24_GiB, 10_GiB);
  box.gpu("C", 24_GiB, 20_GiB);
  box.refresh();
  EXPECT_EQ(box.ask(gpu_memory(8_GiB)).gpu, "B");
  EXPECT_EQ(box.ask(gpu_memory(2_GiB)).gpu, "C");
  EXPECT_EQ(box.ask(gpu_memory(2_GiB), 1000, true).gpu, "A");
  box.config_.leases.place = Place::spread;
  EXPECT_EQ(box.ask(gpu_memory(2_GiB)).gpu, "A");
}

TEST(Placement, KeepsToTheDeviceThatWasNamed) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  Needs needs = gpu_memory(2_GiB);
  needs.gpu = "B";
  EXPECT_EQ(box.ask(needs).gpu, "B");
  needs.gpu = "0";
  EXPECT_EQ(box.ask(needs).gpu, "A");
  needs.gpu = "7";
  EXPECT_EQ(want(box.ledger_, needs).error().kind, ErrorKind::not_found);
  Needs none = memory(1_GiB);
  none.gpu = "A";
  EXPECT_EQ(want(box.ledger_, none).error().kind, ErrorKind::invalid_request);
}

TEST(Placement, WantsTheComputeCapability) {
  Box box;
  box.gpu("OLD", 24_GiB, Bytes(), 7.0);
  box.gpu("MUTE", 24_GiB, Bytes(), std::nullopt);
  box.gpu("NEW", 24_GiB, 20_GiB, 9.0);
  box.refresh();
  Needs needs = gpu_memory(2_GiB);
  needs.compute = 8.0;
  EXPECT_EQ(box.ask(needs).gpu, "NEW");
  needs.compute = 10.0;
  EXPECT_EQ(want(box.ledger_, needs).error().kind, ErrorKind::can_never_fit);
  for (const double wrong : {-1.0, std::numeric_limits<double>::quiet_NaN(), 1e9}) {
    needs.compute = wrong;
    EXPECT_EQ(want(box.ledger_, needs).error().kind, ErrorKind::invalid_request)
        << "the journal cannot keep it";
  }
}

TEST(Placement, PutsNothingOnAHotDevice) {
  Box box;
  box.gpu("A", 24_GiB);
  box.refresh();
  box.ledger_.set_hot(box.ledger_.gpu("A"), true);
  const Verdict verdict = box.ask(gpu_memory(1_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_NE(verdict.why.find("hot"), std::string::npos) << verdict.why;
}

TEST(Placement, AWholeDeviceIsSharedWithNobodyAndMayHaveAScreenOnIt) {
  Box box;
  box.gpu("A", 24_GiB, 300_MiB);  // what a screen takes
  box.gpu("B", 12_GiB, 6_GiB);
  box.refresh();
  Needs whole;
  whole.gpus = 1;
  const Verdict verdict = box.ask(whole);
  EXPECT_EQ(verdict.answer, Answer::now);
  EXPECT_EQ(verdict.gpu, "A");
  EXPECT_EQ(verdict.amounts.gpu_memory, 24_GiB - 300_MiB);
  Needs small = whole;
  small.gpu_memory = 1_GiB;
  box.lease(small, "A");
  EXPECT_EQ(box.ask(gpu_memory(8_GiB)).answer, Answer::queued) << "somebody is alone on A";
  EXPECT_EQ(box.ask(gpu_memory(4_GiB)).gpu, "B");
  box.lease(gpu_memory(1_GiB), "B");
  EXPECT_EQ(box.ask(small).answer, Answer::queued) << "nobody is alone where another is";
  whole.gpus = 3;
  EXPECT_EQ(want(box.ledger_, whole).error().kind, ErrorKind::can_never_fit);
}

Needs devices(int count, std::optional<Bytes> each = {}) {
  Needs needs;
  needs.gpus = count;
  needs.gpu_memory = each;
  return needs;
}
using Names = std::vector<std::string>;

TEST(Several, TheSmallestThatSufficeAreTakenAndTheLargestWhereWorkIsSpread) {
  Box box;
  box.gpu("A", 80_GiB);
  box.gpu("B", 12_GiB);
  box.gpu("C", 24_GiB);
  box.gpu("D", 24_GiB);
  box.refresh();
  const Verdict two = box.ask(devices(2, 20_GiB));
  EXPECT_EQ(two.answer, Answer::now);
  EXPECT_EQ(two.gpus, (Names{"C", "D"})) << "B is too small, A is larger than it must be";
  EXPECT_EQ(two.gpu, "C");
  EXPECT_EQ(two.amounts.gpu_memory, 40_GiB);
  EXPECT_EQ(box.ask(devices(2, 20_GiB), 1000, true).gpus, (Names{"A", "C"}));
  const Verdict whole = box.ask(devices(3));
  EXPECT_EQ(whole.gpus, (Names{"B", "C", "D"}));
  EXPECT_EQ(whole.amounts.gpu_memory, 60_GiB) << "each is booked by what it has";
}

TEST(Several, OneThatIsNotFreeIsNamedWithWhoHoldsIt) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  const LeaseId other = box.lease(gpu_memory(1_GiB), "B", 1000, seconds(300));
  const Verdict verdict = box.ask(devices(2));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_EQ(verdict.why, "2 whole GPUs wanted, 1 is free; GPU 1 is held by lease job1 (l-1)");
  EXPECT_EQ(verdict.in_the_way, std::vector<LeaseId>{other});
  EXPECT_EQ(verdict.best_gpu, "B");
  ASSERT_TRUE(verdict.earliest);
  EXPECT_EQ(*verdict.earliest, at(300).wall);
  ASSERT_EQ(verdict.help.size(), 2U);
  EXPECT_EQ(verdict.help[1].text, "ask for at most 1 whole GPU");
  EXPECT_TRUE(verdict.gpus.empty());
}

TEST(Several, WhatTheMachineDoesNotHaveNeverFits) {
  Box box;
  box.gpu("A", 24_GiB, Bytes(), 8.0);
  box.gpu("B", 12_GiB, Bytes(), 8.0);
  box.gpu("C", 24_GiB, Bytes(), 7.0);
  box.refresh();
  EXPECT_EQ(want(box.ledger_, devices(4)).error().what,
            "4 whole GPUs were wanted, and there are 3");
  EXPECT_EQ(want(box.ledger_, devices(65)).error().kind, ErrorKind::invalid_request);
  EXPECT_EQ(want(box.ledger_, devices(-1)).error().kind, ErrorKind::invalid_request);
  Needs modern = devices(3);
  modern.compute = 8.0;
  EXPECT_EQ(want(box.ledger_, modern).error().kind, ErrorKind::can_never_fit);
  const Verdict large = box.ask(devices(3, 20_GiB));
  EXPECT_EQ(large.answer, Answer::never);
  EXPECT_EQ(large.why, "3 whole GPUs with 20.0 GiB each wanted, and 2 have as much at all");
  EXPECT_EQ(large.short_by.gpu_memory, 8_GiB);
  EXPECT_EQ(box.ask(devices(2, 20_GiB)).gpus, (Names{"A", "C"}));
  modern.gpus = 2;
  modern.gpu_memory = 20_GiB;
  EXPECT_EQ(box.ask(modern).answer, Answer::never) << "compute is asked of each of them";
  EXPECT_EQ(box.ask(devices(2, Bytes(INT64_MAX))).answer, Answer::never);
}

TEST(Several, NamedOnesAreAmongThose) {
  Box box;
  for (const char* id : {"A", "B", "C"}) box.gpu(id, 24_GiB);
  box.refresh();
  Needs needs = devices(2);
  needs.gpu = "2,A";
  EXPECT_EQ(box.ask(needs).gpus, (Names{"C", "A"}));
  needs.gpu = "0";
  EXPECT_EQ(want(box.ledger_, needs).error().kind, ErrorKind::invalid_request);
  needs.gpu = "0,A";
  EXPECT_EQ(want(box.ledger_, needs).error().kind, ErrorKind::invalid_request)
      << "one, named twice";
  for (const char* none : {"0,7", "0,", ",", "0,,1"}) {
    needs.gpu = none;
    EXPECT_EQ(want(box.ledger_, needs).error().kind, ErrorKind::not_found) << none;
  }
  needs.gpu = "1,2";
  needs.gpus = 0;
  needs.gpu_memory = 1_GiB;
  EXPECT_EQ(box.ask(needs).gpu, "B") << "one of these";
}

TEST(Several, AHeadThatWantsTwoIsNotStarvedByThoseWhoWantOne) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  box.lease(devices(1, 20_GiB), "A", 1000, seconds(300));
  box.waiter(devices(2), Priority::normal, 1);
  EXPECT_EQ(box.ask(devices(1)).answer, Answer::queued) << "nobody knows how long";
  EXPECT_EQ(box.ask(gpu_memory(1_GiB)).answer, Answer::queued);
  EXPECT_EQ(box.ask(devices(1), 1000, false, seconds(200)).answer, Answer::now) << "it ends before";
  EXPECT_EQ(box.ask(memory(10_GiB)).answer, Answer::now) << "the head wants no memory";
}

TEST(Several, AHeadWhoseStartNobodyKnowsKeepsItsDevices) {
  Box box;
  for (const char* id : {"A", "B", "C"}) box.gpu(id, 24_GiB);
  box.refresh();
  box.lease(devices(1, 20_GiB), "A");
  box.lease(gpu_memory(2_GiB), "B");
  box.waiter(devices(2), Priority::normal, 1);
  EXPECT_EQ(box.ask(devices(1), 1000, false, seconds(1)).answer, Answer::queued);
  EXPECT_EQ(box.ask(gpu_memory(2_GiB), 1000, false, seconds(1)).answer, Answer::queued);
}

TEST(Several, TheyStartTogetherWhenTheLastOfThemIsFree) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  const LeaseId a = box.lease(devices(1, 20_GiB), "A", 1000, seconds(300));
  const LeaseId b = box.lease(devices(1, 20_GiB), "B", 1000, seconds(500));
  const LeaseId head = box.waiter(devices(2, 20_GiB), Priority::normal, 1, seconds(100));
  const LeaseId behind = box.waiter(devices(1), Priority::normal, 2, seconds(100));
  const std::vector<Outlook> all = outlook(box.books());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(*all[0].earliest, at(500).wall);
  EXPECT_EQ(*all[1].earliest, at(600).wall) << "after the head's two devices came back";
  EXPECT_FALSE(next_start(box.books()));
  box.ledger_.unbook(a);
  const auto before = next_start(box.books(310));
  ASSERT_TRUE(before) << "one that ends before the head starts";
  EXPECT_EQ(before->lease, behind);
  EXPECT_FALSE(next_start(box.books(450))) << "it would not end before";
  box.ledger_.unbook(b);
  const auto start = next_start(box.books(500));
  ASSERT_TRUE(start);
  EXPECT_EQ(start->lease, head);
  EXPECT_EQ(start->others.size(), 1U);
  EXPECT_NE(start->others[0], start->gpu);
}

TEST(Several, TheCapOfAUserCountsAllOfThem) {
  Box box;
  box.config_.leases.user_gpu_memory = Share{{}, 40_GiB};
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.gpu("C", 12_GiB);
  box.refresh();
  EXPECT_EQ(box.ask(devices(2, 20_GiB)).answer, Answer::now);
  EXPECT_EQ(box.ask(devices(2, 21_GiB)).answer, Answer::never);
  EXPECT_EQ(box.ask(devices(2)).gpus, (Names{"C", "A"}));
  EXPECT_EQ(box.ask(devices(2), 1000, true).gpus, (Names{"C", "A"}))
      << "the two largest would be over the cap";
  box.config_.leases.user_leases = 1;
  EXPECT_EQ(box.ask(devices(2, 20_GiB)).answer, Answer::now) << "it is one lease";
}

TEST(Verdict, SaysWhoIsInTheWayAndWhenItFits) {
  Box box;
  box.refresh();
  box.lease(memory(10_GiB), "", 1000, seconds(500));
  const LeaseId large = box.lease(memory(60_GiB), "", 1000, seconds(300));
  const Verdict verdict = box.ask(memory(50_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_EQ(verdict.place, 1);
  ASSERT_FALSE(verdict.in_the_way.empty());
  EXPECT_EQ(verdict.in_the_way[0], large);
  EXPECT_EQ(verdict.short_by.memory, 25_GiB);
  ASSERT_TRUE(verdict.earliest);
  EXPECT_EQ(*verdict.earliest, at(300).wall);
  EXPECT_FALSE(verdict.help.empty());
}

TEST(Verdict, EarliestIsUnknownWhereNobodySaidHowLong) {
  Box box;
  box.refresh();
  box.lease(memory(60_GiB));
  const Verdict verdict = box.ask(memory(50_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_FALSE(verdict.earliest);
}

TEST(Verdict, WhatIsOverdrawnMustComeBackFirst) {
  Box box;
  box.refresh();
  box.lease(memory(40_GiB), "", 1000, seconds(100));
  box.lease(memory(40_GiB), "", 1000, seconds(200));
  box.sample_.memory.available = 60_GiB;  // foreign programs have taken 40
  box.refresh(2);
  // 100 - 40 foreign - 80 booked: 20 too much. After the first end 20 are left, after the
  // second 60.
  const Verdict verdict = box.ask(memory(30_GiB));
  ASSERT_TRUE(verdict.earliest);
  EXPECT_EQ(*verdict.earliest, at(200).wall);
}

TEST(Verdict, NeverIsForWhatIsLargerThanTheMachine) {
  Box box;
  box.refresh();
  EXPECT_EQ(box.ask(memory(96_GiB)).answer, Answer::never) << "5 % are kept back";
  EXPECT_EQ(box.ask(memory(95_GiB)).answer, Answer::now);
  EXPECT_EQ(box.ask(gpu_memory(1_GiB)).answer, Answer::never);
  box.sample_.memory.available = 90_GiB;
  box.refresh(2);
  const Verdict verdict = box.ask(memory(96_GiB));
  ASSERT_EQ(verdict.help.size(), 1U);
  EXPECT_EQ(verdict.help[0].text,
            "ask for at most 90.0 GiB of memory: the rest is used by what nobody booked for");
}

TEST(Verdict, OneUserIsCappedAndRootIsNot) {
  Box box;
  box.config_.leases.user_memory = {Ratio(0.5), {}};
  box.config_.leases.user_leases = 2;
  box.refresh();
  EXPECT_EQ(box.ask(memory(51_GiB)).answer, Answer::never);
  EXPECT_EQ(box.ask(memory(51_GiB), 0).answer, Answer::now);
  box.lease(memory(30_GiB));
  const Verdict verdict = box.ask(memory(30_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_NE(verdict.why.find("one user"), std::string::npos);
  EXPECT_EQ(box.ask(memory(30_GiB), 2000).answer, Answer::now);
  box.lease(memory(1_GiB));
  EXPECT_EQ(box.ask(memory(1_GiB)).answer, Answer::queued) << "two leases already";
}

TEST(Verdict, ANestedRequestDrawsFromItsParentOnly) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  Needs outer = memory(10_GiB);
  outer.gpu_memory = 8_GiB;
  const LeaseId parent = box.lease(outer, "A");
  const auto ask = [&](const Needs& needs) {
    auto wanted = want(box.ledger_, needs);
    wanted->parent = parent;
    return decide(box.books(), *wanted);
  };
  EXPECT_EQ(ask(memory(10_GiB)).answer, Answer::now);
  EXPECT_EQ(ask(memory(11_GiB)).answer, Answer::never);
  EXPECT_EQ(ask(gpu_memory(8_GiB)).gpu, "A");
  Needs other = gpu_memory(1_GiB);
  other.gpu = "B";
  EXPECT_EQ(ask(other).answer, Answer::never) << "its outer run is on another device";
}

TEST(Queue, AHigherClassIsWorthItsAgeingAndNoMore) {
  Lease low;
  low.id = 1;
  low.priority = Priority::low;
  low.asked = at(0);
  Lease critical = low;
  critical.id = 2;
  critical.priority = Priority::critical;
  critical.asked = at(1799);
  EXPECT_LT(Queue::key(critical, seconds(600)), Queue::key(low, seconds(600)));
  critical.asked = at(1801);
  EXPECT_LT(Queue::key(low, seconds(600)), Queue::key(critical, seconds(600)));
}

TEST(Queue, AStreamOfUrgentRequestsDoesNotStarveALowOne) {
  Box box;
  box.refresh();
  const LeaseId low = box.waiter(memory(60_GiB), Priority::low, 0);
  // One job runs at a time, 60 s each; each minute another urgent one asks.
  for (int now = 60; now < 7200; now += 60) {
    box.waiter(memory(60_GiB), Priority::critical, now);
    const auto start = next_start(box.books(now));
    ASSERT_TRUE(start);
    const Lease& lease = box.promises_.leases.at(start->lease);
    box.queue_.erase(Queue::key(lease, box.config_.leases.ageing));
    if (start->lease == low) {
      EXPECT_LE(now, 3 * 600 + 60);
      return;
    }
  }
  FAIL() << "it never had its turn";
}

TEST(Backfill, TakesOnlyWhatDoesNotDelayTheHead) {
  Box box;
  box.refresh();
  box.lease(memory(60_GiB), "", 1000, seconds(600));
  box.waiter(memory(80_GiB), Priority::normal, 1);
  EXPECT_EQ(box.ask(memory(30_GiB), 1000, false, seconds(300)).answer, Answer::now)
      << "it ends before";
  EXPECT_EQ(box.ask(memory(30_GiB), 1000, false, seconds(900)).answer, Answer::queued)
      << "it would be in the way";
  EXPECT_EQ(box.ask(memory(30_GiB)).answer, Answer::queued) << "nobody knows how long";
  EXPECT_EQ(box.ask(memory(15_GiB)).answer, Answer::now) << "that is left beside the head";
}

// Somebody who wanted nearly all of a machine of which a little was used by nobody's lease stood
// first, and it stood idle for ever: nobody behind him was let in.
TEST(Backfill, AHeadThatTheEndOfNoLeaseHelpsKeepsNobodyFromTheRest) {
  Box box;
  box.sample_.memory.available = 90_GiB;
  box.refresh();
  const LeaseId head = box.waiter(memory(94_GiB), Priority::normal, 1);
  const LeaseId behind = box.waiter(memory(50_GiB), Priority::normal, 2);
  auto start = next_start(box.books());
  ASSERT_TRUE(start);
  EXPECT_EQ(start->lease, behind);
  EXPECT_EQ(box.ask(memory(45_GiB)).answer, Answer::queued) << "one that can start is before it";
  EXPECT_TRUE(outlook(box.books())[1].earliest);
  box.sample_.memory.available = 95_GiB;
  box.refresh(2);
  start = next_start(box.books());
  ASSERT_TRUE(start);
  EXPECT_EQ(start->lease, head) << "it was first all the time";
}

TEST(Backfill, WhatALeaseTakesBeyondItsBookingIsBackWhenItEnds) {
  Box box;
  box.refresh();
  const LeaseId over = box.lease(memory(10_GiB));
  box.ledger_.measure(over, {40_GiB, {}, {}, {}});
  box.sample_.memory.available = 60_GiB;
  box.refresh(2);
  box.waiter(memory(80_GiB), Priority::normal, 1);
  EXPECT_EQ(box.ask(memory(30_GiB)).answer, Answer::queued)
      << "the end of that lease helps him who is first";
  box.sample_.memory.available = 50_GiB;
  box.refresh(3);
  box.waiter(memory(95_GiB), Priority::high, 2);
  EXPECT_EQ(box.ask(memory(5_GiB)).answer, Answer::queued) << "it helps one of them still";
}

TEST(Backfill, AHeadThatADeviceUsedByOthersIsTooSmallForKeepsNobody) {
  Box box;
  box.gpu("A", 24_GiB, 4_GiB);
  box.refresh();
  box.waiter(gpu_memory(22_GiB), Priority::normal, 1);
  EXPECT_EQ(box.ask(gpu_memory(10_GiB)).answer, Answer::now);
  box.sample_.gpus[0].memory_used = Bytes();
  box.refresh(2);
  EXPECT_EQ(box.ask(gpu_memory(10_GiB)).answer, Answer::queued);
}

TEST(Backfill, AHeadThatNeverFitsBesideWhatIsKeptForGoodKeepsNobody) {
  Box box;
  box.refresh();
  box.later(memory(60_GiB), 5000);
  box.waiter(memory(50_GiB), Priority::normal, 1);
  EXPECT_EQ(box.ask(memory(20_GiB)).answer, Answer::now);
  box.starts_.clear();
  box.later(memory(60_GiB), 5000, seconds(100));
  box.lease(memory(60_GiB));
  EXPECT_EQ(box.ask(memory(20_GiB), 1000, false, seconds(100)).answer, Answer::queued)
      << "what is kept ends: it waits for that";
}

TEST(Backfill, LeavesADeviceToAHeadThatWantsItAlone) {
  Box box;
  box.gpu("A", 24_GiB);
  box.refresh();
  box.lease(gpu_memory(4_GiB), "A", 1000, seconds(600));
  Needs alone = gpu_memory(2_GiB);
  alone.gpus = 1;
  box.waiter(alone, Priority::normal, 1);
  EXPECT_EQ(box.ask(gpu_memory(2_GiB)).answer, Answer::queued);
  EXPECT_EQ(box.ask(gpu_memory(2_GiB), 1000, false, seconds(60)).answer, Answer::now);
}

TEST(Backfill, NeverDelaysTheHead) {
  int filled = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto some = [&](std::int64_t most) {
      return 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
    };
    Box box;
    box.gpu("A", 24_GiB);
    box.gpu("B", 24_GiB);
    if (seed % 3 == 0) box.config_.leases.user_memory = {Ratio(0.5), {}};
    box.refresh();
    const auto needs = [&] {
      Needs n = memory(Bytes(some((40_GiB).count())));
      if (random() % 2 == 0) n.gpu_memory = Bytes(some((20_GiB).count()));
      if (n.gpu_memory && random() % 6 == 0) n.gpus = 1;
      return n;
    };
    const auto user = [&] { return static_cast<uid_t>(1000 + random() % 2); };
    const auto length = [&] {
      return random() % 3 == 0 ? std::nullopt : std::optional(seconds(20 + some(600)));
    };
    for (int i = 0; i < 4; ++i) {
      const Needs n = needs();
      const Verdict verdict = box.ask(n, 0);
      if (verdict.answer == Answer::now) box.lease(n, verdict.gpu, user(), length());
    }
    for (int i = 0; i < 3; ++i)
      box.waiter(needs(), static_cast<Priority>(random() % 4), i, length(), user());
    // What could start has started.
    while (const auto start = next_start(box.books())) {
      const auto before = outlook(box.books());
      const Lease lease = box.promises_.leases.at(start->lease);
      box.queue_.erase(Queue::key(lease, box.config_.leases.ageing));
      box.promises_.keep(DropLease{lease.id});
      box.lease(lease.needs, start->gpu >= 0 ? box.ledger_.pool(start->gpu).device : "",
                lease.owner,
                lease.expected ? std::optional(*lease.expected + seconds(10)) : std::nullopt);
      if (before.front().lease == lease.id) continue;
      ++filled;
      const auto after = outlook(box.books());
      ASSERT_EQ(after.front().lease, before.front().lease);
      if (before.front().earliest) {
        ASSERT_TRUE(after.front().earliest);
        EXPECT_LE(*after.front().earliest, *before.front().earliest);
      }
    }
  }
  EXPECT_GT(filled, 20) << "the property was hardly tried";
}

TEST(Promises, RecordsMakeThemAgain) {
  Promises promises;
  promises.keep(PutNextLease{9});
  Lease lease;
  lease.id = 4;
  promises.keep(PutLease{lease});
  lease.id = 12;
  promises.keep(PutLease{lease});
  promises.keep(DropLease{12});
  promises.keep(PutLearned{"job", {LearnedRun{}}});
  promises.keep(PutLearned{"gone", {LearnedRun{}}});
  promises.keep(PutLearned{"gone", {}});
  promises.keep(PutAcknowledged{Resource::disk, "/", true});
  promises.keep(PutAcknowledged{Resource::memory, "", true});
  promises.keep(PutAcknowledged{Resource::memory, "", false});
  EXPECT_EQ(promises.next_lease, 13U) << "numbers are not given twice";
  Promises again;
  for (const Record& record : promises.records()) again.keep(record);
  EXPECT_TRUE(again == promises);
  EXPECT_EQ(again.learned.size(), 1U);
  EXPECT_EQ(again.acknowledged.size(), 1U);
}

// What is kept for leases that start at a time.

TEST(Starts, WhoIsSureToHaveEndedBeforeFitsAndNobodyElse) {
  Box box;
  box.gpu("A", 100_GiB);
  box.refresh();
  const LeaseId kept = box.later(gpu_memory(60_GiB), 1000, seconds(100));
  EXPECT_EQ(box.ask(gpu_memory(50_GiB), 1000, false, seconds(990)).answer, Answer::now)
      << "it ends when that starts";
  for (const std::optional<seconds> expected :
       {std::optional(seconds(991)), std::optional<seconds>()}) {
    const Verdict verdict = box.ask(gpu_memory(50_GiB), 1000, false, expected);
    EXPECT_EQ(verdict.answer, Answer::queued);
    EXPECT_NE(verdict.why.find("60.0 GiB of GPU 0 are kept for lease later1 (l-1) from "),
              std::string::npos)
        << verdict.why;
    EXPECT_EQ(verdict.in_the_way, std::vector<LeaseId>{kept});
    ASSERT_FALSE(verdict.help.empty());
    EXPECT_EQ(verdict.help.front().act, "shorter");
    EXPECT_EQ(verdict.help.front().text, "with --for of at most 16m it fits now");
    EXPECT_EQ(verdict.short_by, Amounts()) << "nothing is missing now";
    // When that is over.
    EXPECT_EQ(verdict.earliest, at(1100).wall);
  }
  EXPECT_EQ(box.ask(gpu_memory(40_GiB)).answer, Answer::now) << "beside it";
}

TEST(Starts, OnlyWhatIsKeptAtTheSameTimeIsAddedUp) {
  Box box;
  box.gpu("A", 100_GiB);
  box.refresh();
  box.later(gpu_memory(60_GiB), 1000, seconds(100));
  box.later(gpu_memory(60_GiB), 1100, seconds(100));
  box.later(gpu_memory(60_GiB), 1300, seconds(100));
  EXPECT_EQ(box.ask(gpu_memory(40_GiB)).answer, Answer::now);
  EXPECT_EQ(box.ask(gpu_memory(41_GiB)).answer, Answer::queued);
  EXPECT_EQ(box.ask(gpu_memory(41_GiB)).earliest, at(1400).wall);
  EXPECT_EQ(box.ask(gpu_memory(41_GiB), 1000, false, seconds(100)).answer, Answer::now);
  // Between two of them there is time enough for this one.
  EXPECT_EQ(box.ask(gpu_memory(41_GiB), 1000, false, seconds(991)).earliest, at(1400).wall);
}

TEST(Starts, WhatEndsBeforeIsCountedOnAndWhatIsLateIsNot) {
  Box box;
  box.gpu("A", 100_GiB);
  box.refresh();
  const LeaseId runs = box.lease(gpu_memory(50_GiB), "A", 1000, seconds(500));
  box.later(gpu_memory(60_GiB), 1000, seconds(100));
  // 50 and 60 are more than there is, but never at the same time.
  EXPECT_EQ(box.ask(gpu_memory(40_GiB), 1000, false, seconds(5000)).answer, Answer::now);
  EXPECT_EQ(box.ask(gpu_memory(41_GiB), 1000, false, seconds(5000)).answer, Answer::queued);
  // It should have ended long ago, and nobody knows any more when it will.
  EXPECT_EQ(box.ask(gpu_memory(40_GiB), 1000, false, seconds(5000), 600).answer, Answer::queued);
  EXPECT_EQ(box.ask(gpu_memory(40_GiB), 1000, false, seconds(300), 600).answer, Answer::now);
  EXPECT_NE(box.ledger_.entry(runs), nullptr);
}

TEST(Starts, ADeviceIsChosenWhereLeastIsPromised) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  const LeaseId first = box.later(gpu_memory(20_GiB), 1000, seconds(100));
  const LeaseId second = box.later(gpu_memory(20_GiB), 1000, seconds(100));
  EXPECT_NE(box.promises_.leases.at(first).gpu, box.promises_.leases.at(second).gpu);
  const StartPlan third =
      plan_start(box.books(), box.asks_for(gpu_memory(20_GiB), 1050, seconds(9)));
  EXPECT_FALSE(third.kept);
  EXPECT_EQ(third.after, at(1100).wall);
  EXPECT_FALSE(third.in_the_way.empty());
  EXPECT_NE(third.why.find("4.0 GiB left then; lease later"), std::string::npos) << third.why;
  EXPECT_TRUE(plan_start(box.books(), box.asks_for(gpu_memory(20_GiB), 1100, seconds(9))).kept);
  EXPECT_TRUE(plan_start(box.books(), box.asks_for(gpu_memory(4_GiB), 1050)).kept);
  EXPECT_TRUE(plan_start(box.books(), box.asks_for(gpu_memory(25_GiB), 1000)).never);
}

TEST(Starts, WhoHoldsADeviceAndSaysHowLongIsPromisedItToo) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  box.lease(gpu_memory(20_GiB), "A", 1000, seconds(2000));
  const LeaseId kept = box.later(gpu_memory(20_GiB), 1000, seconds(10));
  EXPECT_EQ(box.promises_.leases.at(kept).gpu, "B");
  const StartPlan another = plan_start(box.books(), box.asks_for(gpu_memory(20_GiB), 1005));
  EXPECT_FALSE(another.kept);
  // One who has not said is not known to be there then, and is named.
  Box open;
  open.gpu("A", 24_GiB);
  open.refresh();
  open.lease(gpu_memory(20_GiB), "A");
  const LeaseId perhaps = open.later(gpu_memory(20_GiB), 1000, seconds(10));
  EXPECT_NE(why_not_yet(open.books(), open.promises_.leases.at(perhaps))
                .find("lease job1 (l-1) holds 20.0 GiB of GPU 0 and has not said"),
            std::string::npos)
      << why_not_yet(open.books(), open.promises_.leases.at(perhaps));
}

TEST(Starts, AWholeDeviceIsKeptForOneAlone) {
  Box box;
  box.gpu("A", 24_GiB);
  box.gpu("B", 24_GiB);
  box.refresh();
  Needs both;
  both.gpus = 2;
  box.later(both, 1000, seconds(100));
  EXPECT_EQ(box.ask(gpu_memory(1_GiB)).answer, Answer::queued);
  EXPECT_EQ(box.ask(gpu_memory(1_GiB), 1000, false, seconds(900)).answer, Answer::now);
  Needs one;
  one.gpus = 1;
  EXPECT_EQ(box.ask(one).answer, Answer::queued);
  EXPECT_FALSE(plan_start(box.books(), box.asks_for(gpu_memory(1_GiB), 1099)).kept);
  EXPECT_TRUE(plan_start(box.books(), box.asks_for(gpu_memory(1_GiB), 1100)).kept);
  const auto start = next_due(box.books(1000));
  ASSERT_TRUE(start);
  EXPECT_EQ(start->others.size(), 1U);
}

TEST(Starts, TheCapsOfUsersCountThenToo) {
  Box box;
  box.config_.leases.user_memory = {{}, 50_GiB};
  box.refresh();
  box.later(memory(40_GiB), 1000, seconds(100));
  EXPECT_FALSE(plan_start(box.books(), box.asks_for(memory(11_GiB), 1050, seconds(1))).kept);
  EXPECT_TRUE(plan_start(box.books(), box.asks_for(memory(11_GiB), 1050, seconds(1), 1001)).kept);
  const Verdict verdict = box.ask(memory(11_GiB));
  EXPECT_EQ(verdict.answer, Answer::queued);
  EXPECT_NE(verdict.why.find("kept for lease later1 (l-1)"), std::string::npos) << verdict.why;
  EXPECT_EQ(box.ask(memory(11_GiB), 1001).answer, Answer::now);
  EXPECT_EQ(box.ask(memory(11_GiB), 1000, false, seconds(900)).answer, Answer::now);
}

TEST(Starts, InTheOrderOfTheirTimesAndWhoCannotKeepsWhatComesFree) {
  Box box;
  box.gpu("A", 100_GiB);
  box.refresh();
  const LeaseId runs = box.lease(gpu_memory(50_GiB), "A");
  const LeaseId second = box.later(gpu_memory(60_GiB), 200, seconds(10));
  const LeaseId first = box.later(gpu_memory(60_GiB), 100, seconds(10));
  const LeaseId small = box.later(gpu_memory(10_GiB), 200, seconds(10));
  EXPECT_FALSE(next_due(box.books(99)));
  EXPECT_FALSE(next_due(box.books(100))) << "somebody has not said that he stays";
  EXPECT_NE(why_not_yet(box.books(100), box.promises_.leases.at(first)).find("lease job1 (l-1)"),
            std::string::npos);
  const auto beside = next_due(box.books(200));
  EXPECT_FALSE(beside) << "50 are free, and 60 are kept for the first";
  EXPECT_EQ(box.ask(gpu_memory(1_GiB), 1000, false, {}, 200).answer, Answer::queued);
  box.ledger_.unbook(runs);
  const auto start = next_due(box.books(200));
  ASSERT_TRUE(start);
  EXPECT_EQ(start->lease, first);
  EXPECT_NE(second, small);
}

TEST(Starts, NobodyInTheQueueIsPromisedWhatIsKept) {
  Box box;
  box.gpu("A", 100_GiB);
  box.refresh();
  const LeaseId runs = box.lease(gpu_memory(70_GiB), "A", 1000, seconds(100));
  box.later(gpu_memory(60_GiB), 200, seconds(100));
  const LeaseId head = box.waiter(gpu_memory(50_GiB), Priority::normal, 5, seconds(150));
  const LeaseId next = box.waiter(gpu_memory(30_GiB), Priority::normal, 6, seconds(150));
  // The head would meet what is kept until that is over at 300.
  auto all = outlook(box.books());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].lease, head);
  EXPECT_EQ(all[0].earliest, at(300).wall);
  // The one behind fits beside everything, and delays nobody.
  const auto start = next_start(box.books());
  ASSERT_TRUE(start);
  EXPECT_EQ(start->lease, next);
  EXPECT_NE(runs, head);
}

// Promises, answers and times are those that a plain count over all moments gives.
TEST(Starts, WhenSomethingFitsIsWhatACountOfEveryMomentSays) {
  std::mt19937_64 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 300; ++round) {
    Box box;
    box.gpu("A", 100_GiB);
    box.refresh();
    struct Use {
      int from, to, gib;
    };
    std::vector<Use> uses;
    int now_used = 0;
    for (int i = below(4); i > 0; --i) {
      const int gib = 1 + below(25), to = 11 + below(90);
      if (now_used + gib > 100) continue;
      now_used += gib;
      box.lease(gpu_memory(Bytes(std::int64_t{gib} << 30)), "A", 1000, seconds(to));
      uses.push_back({0, to, gib});
    }
    for (int i = below(5); i > 0; --i) {
      const int gib = 1 + below(60), from = 11 + below(90), length = 1 + below(60);
      const Lease lease =
          box.asks_for(gpu_memory(Bytes(std::int64_t{gib} << 30)), from, seconds(length));
      // As many as can be promised: what is there at every moment of its time.
      int most = 0;
      for (int t = from; t < from + length; ++t) {
        int sum = 0;
        for (const Use& use : uses) sum += use.from <= t && t < use.to ? use.gib : 0;
        most = std::max(most, sum);
      }
      ASSERT_EQ(plan_start(box.books(), lease).kept, most + gib <= 100) << round;
      if (most + gib > 100) continue;
      box.later(gpu_memory(Bytes(std::int64_t{gib} << 30)), from, seconds(length));
      uses.push_back({from, from + length, gib});
    }
    const int gib = 1 + below(90), length = 1 + below(150);
    const auto fits_from = [&](int start) {
      for (int t = start; t < start + length; ++t) {
        int sum = gib;
        for (const Use& use : uses) sum += use.from <= t && t < use.to ? use.gib : 0;
        if (sum > 100) return false;
      }
      return true;
    };
    int earliest = 10;
    while (!fits_from(earliest)) ++earliest;
    const Verdict verdict =
        box.ask(gpu_memory(Bytes(std::int64_t{gib} << 30)), 1000, false, seconds(length));
    ASSERT_EQ(verdict.answer == Answer::now, earliest == 10) << round << ": " << verdict.why;
    if (earliest > 10) ASSERT_EQ(verdict.earliest, at(earliest).wall) << round;
  }
}

}  // namespace
}  // namespace headroom::decide
