#include "sense/process_owner.hpp"

#include <gmock/gmock.h>

namespace headroom::sense {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

ProcessReading process(pid_t pid, pid_t parent, std::uint64_t start, const char* job = "") {
  ProcessReading one;
  one.pid = pid;
  one.parent = parent;
  one.start_time = start;
  one.name = "p";
  one.job = job;
  return one;
}

std::vector<std::uint64_t> leases_of(const ProcessList& list) {
  std::vector<std::uint64_t> leases;
  for (const ProcessReading& one : list.items) leases.push_back(one.lease);
  return leases;
}

TEST(LeaseOfAProcess, IsThatOfItsGroup) {
  ProcessList list;
  list.items = {process(1, 0, 1), process(10, 1, 5, "/headroom/lease-7"),
                process(11, 1, 5, "/headroom/lease-8"), process(12, 1, 5, "/x/headroom/lease-7")};
  assign_leases(list, {{7, 0, 0, {"/sys/fs/cgroup/memory/headroom/lease-7", ""}}}, nullptr);
  EXPECT_THAT(leases_of(list), ElementsAre(0, 7, 0, 0));
}

TEST(LeaseOfAProcess, IsThatOfItsNearestHolder) {
  ProcessList list;
  list.items = {process(1, 0, 1),   process(10, 1, 5), process(11, 10, 6), process(12, 11, 7),
                process(13, 12, 8), process(20, 1, 5), process(30, 40, 9), process(40, 10, 10)};
  assign_leases(list, {{7, 10, 5, {}}, {8, 12, 0, {}}, {9, 20, 4, {}}}, nullptr);
  // 20 is a later process than the holder of that number; 30 is older than its parent's number.
  EXPECT_THAT(leases_of(list), ElementsAre(0, 7, 7, 8, 8, 0, 0, 7));
}

TEST(LeaseOfAProcess, StaysWhenItsParentsEnd) {
  ProcessList before;
  before.items = {process(1, 0, 1), process(10, 1, 5), process(11, 10, 6), process(12, 10, 6)};
  assign_leases(before, {{7, 10, 5, {}}}, nullptr);
  ProcessList now;
  now.items = {process(1, 0, 1), process(11, 1, 6), process(12, 1, 9)};
  assign_leases(now, {{7, 10, 5, {}}}, &before);
  EXPECT_THAT(leases_of(now), ElementsAre(0, 7, 0));  // 12 is another one by now
  assign_leases(now, {}, &before);
  EXPECT_THAT(leases_of(now), ElementsAre(0, 0, 0));  // the lease has ended
}

TEST(LeaseOfAProcess, IsFoundWhereParentsGoInARing) {
  ProcessList list;
  list.items = {process(10, 11, 5), process(11, 10, 5), process(12, 12, 5)};
  assign_leases(list, {{7, 12, 5, {}}}, nullptr);
  EXPECT_THAT(leases_of(list), ElementsAre(0, 0, 7));
}

TEST(Leases, OfAGroupThatOthersMadeAreItsProcessesAndNotTheirChildrenElsewhere) {
  ProcessList list;
  list.items = {process(10, 1, 5), process(11, 10, 5), process(20, 1, 5)};
  LeaseMark mark{7, 0, 0, {}, "/docker/a", {10}};
  assign_leases(list, {mark}, nullptr);
  EXPECT_THAT(leases_of(list), ElementsAre(7, 0, 0)) << "the child is in another group";
  // Who has left the group has left the lease.
  ProcessList next = list;
  mark.members = {20};
  assign_leases(next, {mark}, &list);
  EXPECT_THAT(leases_of(next), ElementsAre(0, 0, 7));
}

GpuReading gpu(const char* id, std::optional<std::int64_t> used,
               std::vector<GpuProcess> processes) {
  GpuReading one;
  one.id = id;
  if (used) one.memory_used = Bytes(*used);
  one.memory_reserved = Bytes(5);
  one.processes_known = true;
  one.processes = std::move(processes);
  return one;
}

TEST(GpuProcesses, AreMatchedAndTheRestIsNobodys) {
  ProcessList list;
  list.items = {process(10, 1, 5), process(20, 1, 5)};
  const auto rest = match_gpu_processes(
      list,
      {gpu("GPU-a", 100, {{10, Bytes(60), false}, {10, Bytes(60), true}, {20, Bytes(7), true}}),
       gpu("GPU-b", std::nullopt, {{10, std::nullopt, false}})});
  EXPECT_THAT(list.items[0].gpus,
              ElementsAre(Pair("GPU-a", Bytes(60)), Pair("GPU-b", std::nullopt)));
  EXPECT_THAT(list.items[1].gpus, ElementsAre(Pair("GPU-a", Bytes(7))));
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].memory, Bytes(33));
  EXPECT_EQ(rest[0].reserved, Bytes(5));
  EXPECT_FALSE(rest[1].memory);
}

TEST(GpuProcesses, OfAnotherNamespaceAreListedWithoutAName) {
  ProcessList list;
  list.items = {process(10, 1, 5), process(30, 1, 5)};
  match_gpu_processes(list, {gpu("GPU-a", 100, {{20, Bytes(60), false}, {0, Bytes(1), false}}),
                             gpu("GPU-b", 100, {{20, Bytes(70), false}})});
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_EQ(list.items[1].pid, 20);
  EXPECT_THAT(list.items[1].name, IsEmpty());
  EXPECT_FALSE(list.items[1].uid);
  EXPECT_EQ(list.items[1].gpus.size(), 2u);
}

TEST(GpuProcesses, NeverHoldMoreThanIsUsed) {
  ProcessList list;
  EXPECT_EQ(match_gpu_processes(list, {gpu("GPU-a", 50, {{10, Bytes(60), false}})})[0].memory,
            Bytes(0));
}

}  // namespace
}  // namespace headroom::sense
