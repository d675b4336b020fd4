// Leases of several devices.
#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

class Devices : public Bench, public testing::Test {
 public:
  explicit Devices() {
    GpuReading gpu = sample.gpus[0];
    gpu.id = "GPU-C";
    gpu.index = 2;
    gpu.memory_total = 80_GiB;
    sample.gpus.push_back(gpu);
    read();
  }
  static AskLease several(int count, std::optional<Bytes> each, pid_t pid) {
    Needs needs = memory(1_GiB);
    needs.gpus = count;
    needs.gpu_memory = each;
    return want(std::move(needs), pid);
  }
  void used(std::size_t gpu, Bytes bytes) { sample.gpus[gpu].memory_used = bytes; }
  void after(milliseconds time) {
    pass(time);
    read();
  }
  const decide::Pool& pool(const std::string& gpu) const {
    return control.state().ledger.pool(control.state().ledger.gpu(gpu));
  }
  std::set<LeaseId> parts(LeaseId id) const {
    const auto found = control.state().parts.find(id);
    return found == control.state().parts.end() ? std::set<LeaseId>() : found->second;
  }
  LeaseView shown(LeaseId id) {
    for (const LeaseView& one : control.view(now()).leases) {
      if (one.lease.id == id) return one;
    }
    ADD_FAILURE() << "l-" << id << " is not shown";
    return {};
  }
  std::vector<LeaseId> records() const {  // of the leases of the last event
    std::vector<LeaseId> ids;
    for (const Effect& effect : effects) {
      const auto* journal = std::get_if<Journal>(&effect);
      const auto* put = journal == nullptr ? nullptr : std::get_if<PutLease>(&journal->record);
      if (put != nullptr) ids.push_back(put->lease.id);
    }
    return ids;
  }
};

TEST_F(Devices, AreBookedInOneEventAndShownAsOneLease) {
  const LeaseView* view = lease(ask(several(2, 20_GiB, 50)));
  ASSERT_NE(view, nullptr);
  const LeaseId id = view->lease.id;
  ASSERT_EQ(view->devices.size(), 2U);
  EXPECT_EQ(view->devices[0].gpu, "GPU-A");
  EXPECT_EQ(view->devices[1].gpu, "GPU-B");
  EXPECT_EQ(view->devices[1].index, 1);
  EXPECT_EQ(view->devices[1].booked, 20_GiB);
  EXPECT_EQ(view->lease.booked.gpu_memory, 40_GiB);
  EXPECT_EQ(view->lease.booked.memory, 1_GiB);
  ASSERT_TRUE(view->gpu_fraction);
  EXPECT_NEAR(*view->gpu_fraction, 20.0 / 24, 0.001);
  EXPECT_EQ(records().back(), id) << "its own record is the last";
  EXPECT_EQ(said("lease.granted"), 1);
  EXPECT_EQ(count<Watch>(), 1);
  const View all = control.view(now());
  EXPECT_EQ(all.leases.size(), 1U);
  EXPECT_EQ(control.state().ledger.users().at(1000).leases, 1);
  EXPECT_EQ(control.state().ledger.users().at(1000).booked.gpu_memory, 40_GiB);
  EXPECT_EQ(pool("GPU-B").exclusive, 1);
  EXPECT_EQ(pool("GPU-C").leases, 0);
  Needs one = gpu_memory(1_GiB);
  one.gpu = "1";
  EXPECT_NE(refusal(ask(want(one, 51))), nullptr) << "shared with nobody";
}

TEST_F(Devices, MoreMemoryAloneForALeaseOfSeveralLooksAtNoDeviceThatIsNotThere) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  AskLease timed = want(memory(60_GiB), 51);
  timed.expected = seconds(60);
  granted(timed);
  ask(patient(memory(80_GiB), 52));  // the head of the queue, whose start is known
  AskChange change;
  change.lease = id;
  change.needs = memory(2_GiB);
  change.needs->gpus = 2;
  change.needs->gpu_memory = 20_GiB;
  const RequestId more = ask(change);
  ASSERT_NE(lease(more), nullptr);
  EXPECT_EQ(lease(more)->lease.booked.memory, 2_GiB);
}

TEST_F(Devices, UnequalOnesAreBookedByWhatEachHas) {
  const LeaseId id = granted(several(3, {}, 50));
  const LeaseView view = shown(id);
  ASSERT_EQ(view.devices.size(), 3U);
  EXPECT_EQ(view.devices[2].gpu, "GPU-C");
  EXPECT_EQ(view.devices[2].booked, 80_GiB);
  EXPECT_EQ(view.lease.booked.gpu_memory, 128_GiB);
}

TEST_F(Devices, APartIsNobodysLease) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  const LeaseId part = *parts(id).begin();
  EXPECT_EQ(refusal(ask(AskEnd{part}))->error.kind, ErrorKind::not_found);
  EXPECT_EQ(refusal(ask(AskWait{part}))->error.kind, ErrorKind::not_found);
  AskChange change;
  change.lease = part;
  change.ttl = seconds(1);
  EXPECT_EQ(refusal(ask(change))->error.kind, ErrorKind::not_found);
  AskLease inner = want(memory(1_MiB), 51);
  inner.parent = part;
  EXPECT_EQ(lease(ask(inner))->lease.parent, id);
}

TEST_F(Devices, AreAllGivenBackWhenItsOwnerEndsIt) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  ask(AskEnd{id});
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_TRUE(parts(id).empty());
  EXPECT_EQ(control.state().ledger.entries().size(), 0U);
  EXPECT_EQ(shadow.leases.size(), 1U) << "of a device nothing is kept";
  EXPECT_EQ(said("lease.ended"), 1);
  after(seconds(1));
  EXPECT_EQ(pool("GPU-A").room(), 24_GiB .count());
  EXPECT_EQ(pool("GPU-B").room(), 24_GiB .count());
}

TEST_F(Devices, EndWithItsTime) {
  AskLease timed = several(2, {}, 0);
  timed.ttl = seconds(10);
  const LeaseId id = granted(timed);
  AskChange change;
  change.lease = id;
  change.ttl = seconds(30);
  ask(change);
  for (const LeaseId part : parts(id)) {
    EXPECT_EQ(shadow.leases.at(part).expires, shadow.leases.at(id).expires);
  }
  pass(seconds(29));
  apply(Ticked{});
  EXPECT_EQ(state(id), LeaseState::reserved);
  pass(seconds(2));
  apply(Ticked{});
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_EQ(control.state().ledger.entries().size(), 0U);
}

TEST_F(Devices, OneThatFreesLateKeepsTheLeaseAndItselfAlone) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  const LeaseId part = *parts(id).begin();
  used(0, 18_GiB);
  used(1, 19_GiB);
  uses(id, 1_GiB, 18_GiB);
  uses(part, Bytes(), 19_GiB, "GPU-B");
  after(seconds(1));
  EXPECT_EQ(shown(id).measured->gpu_memory, 37_GiB);
  EXPECT_EQ(shown(id).measured->memory, 1_GiB) << "read once";
  sample.holders.clear();
  pass(seconds(1));
  apply(Exited{holder(50)});
  EXPECT_EQ(state(id), LeaseState::releasing);
  EXPECT_EQ(state(part), LeaseState::releasing);
  used(0, Bytes());
  after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::releasing);
  EXPECT_EQ(shown(id).lease.reason, "GPU 1 has not given its memory back");
  EXPECT_EQ(pool("GPU-A").room(), 24_GiB .count()) << "this one is back";
  EXPECT_EQ(shown(id).lease.booked.gpu_memory, 20_GiB);
  ASSERT_EQ(shown(id).devices.size(), 1U);
  EXPECT_EQ(shown(id).devices[0].gpu, "GPU-B");
  Needs other = gpu_memory(1_GiB);
  other.gpu = "1";
  EXPECT_NE(refusal(ask(want(other, 51))), nullptr);
  other.gpu = "0";
  EXPECT_NE(lease(ask(want(other, 52))), nullptr);
  for (int i = 0; i < 12; ++i) after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::quarantined);
  EXPECT_EQ(shown(id).lease.reason,
            "its process has ended, and GPU 1 has not given its memory back");
  used(1, Bytes());
  after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_EQ(said("lease.ended"), 1);
  EXPECT_EQ(shadow.leases.at(id).peak.gpu_memory, 37_GiB);
  EXPECT_EQ(pool("GPU-B").room(), 24_GiB .count());
}

TEST_F(Devices, TheFirstMayBeTheLateOne) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  const LeaseId part = *parts(id).begin();
  used(0, 18_GiB);
  used(1, 19_GiB);
  uses(id, 1_GiB, 18_GiB);
  uses(part, Bytes(), 19_GiB, "GPU-B");
  after(seconds(1));
  sample.holders.clear();
  pass(seconds(1));
  apply(Exited{holder(50)});
  used(1, Bytes());
  for (int i = 0; i < 12; ++i) after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::quarantined);
  EXPECT_EQ(shown(id).lease.reason,
            "its process has ended, and GPU 0 has not given its memory back");
  EXPECT_TRUE(parts(id).empty());
  EXPECT_EQ(pool("GPU-B").room(), 24_GiB .count());
  used(0, Bytes());
  after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::ended);
}

TEST_F(Devices, WaitForItsGroupAsWell) {
  AskLease grouped = several(2, 20_GiB, 50);
  grouped.group = true;
  ask(grouped);
  const LeaseId id = 1;
  apply(Placed{id, group(id), false, ""});
  apply(Exited{holder(50)});
  after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::releasing);
  EXPECT_EQ(parts(id).size(), 1U) << "somebody may still run in its group";
  apply(Released{id, true, 0, {}, 0});
  after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_EQ(control.state().ledger.entries().size(), 0U);
}

TEST_F(Devices, AHeadThatWantsTwoGetsThemBeforeThoseBehindIt) {
  const LeaseId one = granted(several(1, 20_GiB, 50));
  const LeaseId two = granted(several(1, 60_GiB, 51));
  AskLease head = several(2, 20_GiB, 52);
  head.wait.reset();
  const LeaseId waits = lease(ask(head))->lease.id;
  EXPECT_EQ(state(waits), LeaseState::waiting);
  EXPECT_EQ(shown(waits).why,
            "2 whole GPUs with 20.0 GiB each wanted, 1 is free; GPU 0 is held by lease job (l-1); "
            "GPU 2 is held by lease job (l-2)");
  for (pid_t pid = 60; pid < 70; ++pid) {  // a stream of those who want one
    EXPECT_NE(refusal(ask(several(1, 10_GiB, pid))), nullptr);
    AskLease small = several(1, 10_GiB, static_cast<pid_t>(pid + 100));
    small.wait.reset();
    EXPECT_EQ(lease(ask(small))->lease.state, LeaseState::waiting);
  }
  ask(AskEnd{one});
  after(seconds(1));
  EXPECT_EQ(state(waits), LeaseState::reserved);
  EXPECT_EQ(parts(waits).size(), 1U);
  EXPECT_EQ(records().size() >= 2, true);
  ask(AskEnd{two});
}

TEST_F(Devices, FollowItWhenItIsResizedAndHandedOver) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  const LeaseId part = *parts(id).begin();
  AskChange change;
  change.lease = id;
  change.needs = several(2, 24_GiB, 0).needs;
  EXPECT_EQ(lease(ask(change))->lease.booked.gpu_memory, 48_GiB);
  EXPECT_EQ(shadow.leases.at(part).booked.gpu_memory, 24_GiB);
  change.needs->gpu_memory = 25_GiB;
  EXPECT_NE(refusal(ask(change)), nullptr);
  EXPECT_EQ(shown(id).lease.booked.gpu_memory, 48_GiB);
  change.needs->gpu_memory = 10_GiB;
  EXPECT_EQ(lease(ask(change))->lease.booked.gpu_memory, 20_GiB);
  EXPECT_EQ(pool("GPU-B").booked, 10_GiB .count());
  for (const int count : {0, 1, 3}) {
    change.needs->gpus = count;
    EXPECT_EQ(refusal(ask(change))->error.kind, ErrorKind::conflict) << count;
  }
  change = {};
  change.lease = id;
  change.holder = holder(77);
  ask(change);
  EXPECT_EQ(shadow.leases.at(part).holder, holder(77));
  apply(Exited{holder(50)});
  EXPECT_EQ(state(id), LeaseState::reserved);
  apply(Exited{holder(77)});
  after(seconds(1));
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_EQ(control.state().ledger.entries().size(), 0U);
}

TEST_F(Devices, OneThatIsUsedBeyondItsBookingIsSaid) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  uses(id, Bytes(), 1_GiB);
  uses(*parts(id).begin(), Bytes(), 23_GiB, "GPU-B");
  used(1, 23_GiB);
  after(seconds(1));
  EXPECT_EQ(said("lease.over"), 1);
  EXPECT_TRUE(shown(id).over);
  for (const Effect& effect : effects) {
    const auto* say = std::get_if<Say>(&effect);
    if (say != nullptr && say->line.type == "lease.over") {
      EXPECT_EQ(say->line.lease, id);
    }
    const auto* changed = std::get_if<Changed>(&effect);
    const auto* lease = changed == nullptr ? nullptr : std::get_if<LeaseId>(&changed->what);
    if (lease != nullptr) {
      EXPECT_EQ(*lease, id);
    }
  }
}

TEST_F(Devices, AreThereAfterARestart) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  const decide::Promises before = shadow;
  restart({holder(50)});
  read();
  EXPECT_TRUE(shadow.leases == before.leases);
  EXPECT_EQ(shown(id).devices.size(), 2U);
  EXPECT_EQ(pool("GPU-B").exclusive, 1);
  restart({});
  read();
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_EQ(shadow.leases.size(), 1U);
}

TEST_F(Devices, WhatIsIncompleteAfterACrashIsDroppedWhole) {
  AskLease head = several(2, 20_GiB, 50);
  head.wait.reset();
  const LeaseId blocker = granted(several(2, 24_GiB, 49));
  const LeaseId id = lease(ask(head))->lease.id;
  const decide::Promises waiting = shadow;
  ask(AskEnd{blocker});
  after(seconds(1));
  ASSERT_EQ(state(id), LeaseState::reserved);
  const Lease lead = shadow.leases.at(id);
  const Lease part = shadow.leases.at(*parts(id).begin());
  const auto again = [&](std::vector<Record> records) {
    shadow = decide::Promises();
    for (const Record& record : records) shadow.keep(record);
    control = Control(make());
    apply(Restored{std::move(records), {holder(50), holder(49)}, true});
    EXPECT_FALSE(shadow.leases.contains(part.id));
    EXPECT_FALSE(shadow.leases.contains(part.id + 1));
    EXPECT_TRUE(parts(id).empty());
  };
  // The device is written, its lease is not: it waits, or nobody knows of it.
  std::vector<Record> records = waiting.records();
  records.emplace_back(PutLease{part});
  again(records);
  EXPECT_EQ(state(id), LeaseState::waiting);
  again({PutLease{part}});
  EXPECT_TRUE(shadow.leases.empty());
  EXPECT_GT(shadow.next_lease, part.id);
  // The end of the lease is written, that of its device is not.
  Lease over = lead;
  over.state = LeaseState::ended;
  again({PutLease{part}, PutLease{lead}, PutLease{over}});
  // The record of the device was damaged.
  again({PutLease{lead}});
  EXPECT_EQ(state(id), LeaseState::ended);
  EXPECT_EQ(shadow.leases.at(id).reason, "the record of one of its devices is lost");
  // Records that no daemon wrote: of itself, of another part.
  Lease itself = part;
  itself.part_of = part.id;
  again({PutLease{itself}});
  Lease of_part = part;
  of_part.id = part.id + 1;
  of_part.part_of = part.id;
  again({PutLease{part}, PutLease{of_part}});
}

TEST_F(Devices, ACommandInsideMayHaveOneOrAllOfThem) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  Needs second = gpu_memory(15_GiB);
  second.gpu = "1";
  AskLease inner = want(second, 51);
  inner.parent = id;
  EXPECT_EQ(lease(ask(inner))->lease.gpu, "GPU-B");
  inner.needs.gpu.clear();
  inner.holder = holder(52);
  EXPECT_EQ(lease(ask(inner))->lease.gpu, "GPU-A") << "there is less left of the other";
  inner.needs.gpu_memory = 5_GiB;
  inner.needs.gpus = 2;
  inner.holder = holder(53);
  const RequestId all = ask(inner);
  ASSERT_NE(lease(all), nullptr);
  EXPECT_EQ(lease(all)->devices.size(), 2U);
  inner.holder = holder(54);
  EXPECT_NE(refusal(ask(inner)), nullptr) << "nothing is left";
  inner.needs.gpus = 3;
  EXPECT_EQ(refusal(ask(inner))->error.kind, ErrorKind::can_never_fit);
  inner.needs.gpus = 0;
  inner.needs.gpu = "2";
  EXPECT_EQ(refusal(ask(inner))->error.kind, ErrorKind::can_never_fit) << "not a device of it";
}

TEST_F(Devices, WhereTheDriverDoesNotTellTheRiseOfEachCounts) {
  const LeaseId id = granted(several(2, 20_GiB, 50));
  uses(id, 1_GiB);
  uses(*parts(id).begin(), Bytes());
  for (HolderReading& one : sample.holders) one.gpu_memory.reset();
  used(0, 3_GiB);
  used(1, 5_GiB);
  after(seconds(1));
  const LeaseView view = shown(id);
  EXPECT_EQ(view.devices[0].measured, 3_GiB);
  EXPECT_EQ(view.devices[1].measured, 5_GiB);
  EXPECT_EQ(pool("GPU-B").room(), 4_GiB .count());
}

}  // namespace
}  // namespace headroom::control
