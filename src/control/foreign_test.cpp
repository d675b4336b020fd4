// Leases whose holder is a control group that headroom did not make.
#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

Holder group_holder(const std::string& path, std::uint64_t inode = 5) {
  Holder holder;
  holder.group = path;
  holder.inode = inode;
  return holder;
}

AskLease want_for(const std::string& path, Needs needs = memory(10_GiB)) {
  AskLease ask = want(std::move(needs));
  ask.holder = group_holder(path);
  return ask;
}

TEST(ForeignGroup, IsWatchedAndNothingOfItIsMadeOrMoved) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want_for("/system.slice/a.service"));
  EXPECT_EQ(b.count<Watch>(), 1);
  EXPECT_EQ(b.count<PlaceHolder>() + b.count<Fence>() + b.count<Release>(), 0);
  b.uses(id, 30_GiB);  // far beyond its booking
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.said("lease.over"), 1);
  EXPECT_EQ(b.count<Fence>(), 0);
  AskChange resize;
  resize.lease = id;
  resize.needs = memory(20_GiB);
  b.ask(resize);
  EXPECT_EQ(b.count<Fence>(), 0);
  b.ask(AskEnd{id});
  EXPECT_EQ(b.state(id), LeaseState::ended);
  EXPECT_EQ(b.count<Fence>() + b.count<Release>(), 0);
  EXPECT_FALSE(b.control.next_deadline()) << "nobody goes back to look at its group";
}

TEST(ForeignGroup, EndsItsLeaseWhenItIsGoneAndGpuBytesComeBackMeasured) {
  Bench b;
  b.sample.gpus[0].memory_used = 8_GiB;
  b.read();
  const LeaseId id = b.granted(want_for("/docker/a", gpu_memory(12_GiB)));
  const std::string device = b.shadow.leases.at(id).gpu;
  auto& gpu = b.sample.gpus[device == "GPU-A" ? 0 : 1];
  const Bytes beside = *gpu.memory_used;
  gpu.memory_used = beside + 12_GiB;
  b.uses(id, Bytes(), 12_GiB, device);
  b.pass(seconds(1));
  b.read();
  b.sample.holders.clear();
  b.pass(seconds(1));
  b.apply(Exited{group_holder("/docker/a")});
  EXPECT_EQ(b.state(id), LeaseState::releasing);
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::releasing) << "its device has not given them back";
  gpu.memory_used = beside;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::ended);
  EXPECT_EQ(b.shadow.leases.at(id).reason, "its cgroup is gone");
}

TEST(ForeignGroup, ThatWasMadeAnewIsAnotherOne) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want_for("/docker/a"));
  b.apply(Exited{group_holder("/docker/a", 6)});
  EXPECT_EQ(b.state(id), LeaseState::reserved) << "the end of another one";
  b.restart({group_holder("/docker/a", 6)});
  EXPECT_EQ(b.state(id), LeaseState::ended);
}

TEST(ForeignGroup, IsAdoptedAfterARestartAndNotAfterAReboot) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want_for("/docker/a"));
  b.restart({group_holder("/docker/a")});
  EXPECT_EQ(b.state(id), LeaseState::reserved);
  EXPECT_EQ(b.count<Watch>(), 1);
  EXPECT_EQ(b.count<PlaceHolder>(), 0);
  b.restart({group_holder("/docker/a")}, false);
  EXPECT_EQ(b.state(id), LeaseState::ended);
}

TEST(ForeignGroup, ThatGoesWhileItWaitsLeavesTheQueue) {
  Bench b;
  b.read();
  b.granted(want(memory(95_GiB), 50));
  AskLease ask = want_for("/docker/a");
  ask.wait.reset();
  const LeaseId id = b.granted(ask);
  EXPECT_EQ(b.state(id), LeaseState::waiting);
  b.apply(Exited{group_holder("/docker/a")});
  EXPECT_EQ(b.state(id), LeaseState::ended);
  EXPECT_EQ(b.shadow.leases.at(id).reason, "its cgroup is gone while it waited");
}

TEST(ForeignGroup, InsideOrAroundOneThatHoldsALeaseIsAConflict) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want_for("/a.slice/b"));
  const auto kind = [&](const AskLease& ask) {
    const Refusal* refusal = b.refusal(b.ask(ask));
    return refusal == nullptr ? ErrorKind::internal : refusal->error.kind;
  };
  for (const char* path : {"/a.slice", "/a.slice/b", "/a.slice/b/c"}) {
    EXPECT_EQ(kind(want_for(path)), ErrorKind::conflict) << path;
    EXPECT_NE(b.refusal(b.ask(want_for(path)))->error.what.find("l-" + std::to_string(id)),
              std::string::npos);
  }
  for (const char* path : {"/a.slice/bc", "/a.slice/c", "/a.slice.d", "/b"}) {
    EXPECT_NE(b.lease(b.ask(want_for(path))), nullptr) << path;
  }
  // What has gone is in nobody's way, though its bytes are still owed.
  b.ask(AskEnd{id});
  EXPECT_NE(b.lease(b.ask(want_for("/a.slice/b/c"))), nullptr);
}

TEST(ForeignGroup, AProcessInALeasesGroupIsCountedOnce) {
  Bench b;
  b.read();
  const LeaseId outer = b.granted(want_for("/docker/a"));
  AskLease inside = want(memory(1_GiB), 60);
  inside.beside = outer;
  const Refusal* refusal = b.refusal(b.ask(inside));
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->error.kind, ErrorKind::conflict);
  EXPECT_NE(refusal->error.help.find("l-" + std::to_string(outer)), std::string::npos);
  // Drawn from that booking it is not measured by itself.
  inside.parent = outer;
  EXPECT_NE(b.lease(b.ask(inside)), nullptr);
  // Moved into a group of its own it is no longer in the other.
  AskLease moved = want(memory(1_GiB), 61);
  moved.beside = outer;
  moved.group = true;
  b.ask(moved);
  EXPECT_EQ(b.count<PlaceHolder>(), 1);
  // Nor is a lease handed over to one inside, or one of a group to anybody.
  const LeaseId other = b.granted(want(memory(1_GiB), 62));
  AskChange give;
  give.lease = other;
  give.holder = holder(63);
  give.beside = outer;
  ASSERT_NE(b.refusal(b.ask(give)), nullptr);
  EXPECT_EQ(b.shadow.leases.at(other).holder, holder(62));
  give.lease = outer;
  give.beside = 0;
  ASSERT_NE(b.refusal(b.ask(give)), nullptr);
  EXPECT_EQ(b.shadow.leases.at(outer).holder.group, "/docker/a");
}

TEST(ForeignGroup, IsNotLimitedAndDrawsFromNobody) {
  Bench b;
  b.read();
  const LeaseId outer = b.granted(want(memory(20_GiB), 50));
  for (const int which : {0, 1, 2, 3}) {
    AskLease ask = want_for("/docker/a", memory(1_GiB));
    ask.fence = which == 0;
    ask.enforce = which == 1;
    ask.group = which == 2;
    if (which == 3) ask.parent = outer;
    const Refusal* refusal = b.refusal(b.ask(ask));
    ASSERT_NE(refusal, nullptr) << which;
    EXPECT_EQ(refusal->error.kind, ErrorKind::invalid_request);
    EXPECT_FALSE(refusal->error.why.empty());
  }
}

TEST(ForeignGroup, ARepeatedRequestFindsItsLease) {
  Bench b;
  b.read();
  AskLease ask = want_for("/docker/a");
  ask.idempotency_key = "k";
  const LeaseId first = b.granted(ask);
  EXPECT_EQ(b.granted(ask), first) << "and is no conflict with itself";
}

}  // namespace
}  // namespace headroom::control
