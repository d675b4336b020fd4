#include "sense/gpu_holder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using namespace literals;

class GpuHoldersTest : public testing::Test {
 protected:
  GpuHoldersTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
  }
  ~GpuHoldersTest() override { std::filesystem::remove_all(root_); }

  void process(pid_t pid, pid_t parent, std::uint64_t start, const std::string& group) {
    const std::string folder = root_ + "/proc/" + std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/stat")
        << pid << " (python) S " << parent << " 1 1 0 -1 4194304 1 1 0 0 1 1 0 0 20 0 1 0 " << start
        << " 1 1\n";
    std::ofstream(folder + "/cgroup") << "0::" << group << "\n";
  }
  static GpuReading gpu(const std::string& id, std::vector<GpuProcess> processes) {
    GpuReading reading;
    reading.id = id;
    reading.processes = std::move(processes);
    reading.processes_known = true;
    return reading;
  }
  static GpuProcess taken(pid_t pid, std::optional<Bytes> memory, bool graphics = false) {
    GpuProcess process;
    process.pid = pid;
    process.memory = memory;
    process.graphics = graphics;
    return process;
  }
  std::vector<HolderReading> holders() const {
    std::vector<HolderReading> all(3);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].lease = i + 1;
    return all;
  }

  std::string root_;
};

TEST_F(GpuHoldersTest, AFurtherDeviceOfALeaseHasAReadingOfItsOwn) {
  process(100, 1, 5000, "/headroom/lease-1");
  GpuHolders gpus(root_);
  Target lead;
  lead.lease = 1;
  lead.group.unified = "/sys/fs/cgroup/headroom/lease-1";
  lead.gpu = "GPU-A";
  Target silent{4, {}, {}, "GPU-C", 1};  // whose driver does not tell
  Target other{2, {}, {}, "GPU-B", 1};
  Target unread{5, {}, {}, "GPU-B", 4711};  // whose lease was not read
  for (const Target& target : {lead, silent, other, unread}) gpus.track(target);
  std::vector<HolderReading> readings(2);
  readings[0].lease = 1;
  readings[0].memory = 1_GiB;
  readings[1].lease = 3;
  std::vector<GpuReading> devices = {gpu("GPU-A", {taken(100, 4_GiB)}),
                                     gpu("GPU-B", {taken(100, 5_GiB)}),
                                     gpu("GPU-C", {taken(100, {})})};
  gpus.read(devices, readings);
  ASSERT_EQ(readings.size(), 4U);
  for (std::size_t i = 0; i < readings.size(); ++i) EXPECT_EQ(readings[i].lease, i + 1);
  EXPECT_EQ(readings[0].gpu_memory, 4_GiB);
  EXPECT_EQ(readings[1].gpu_memory, 5_GiB);
  EXPECT_EQ(readings[1].gpu, "GPU-B");
  EXPECT_FALSE(readings[1].memory) << "that is the lease's";
  EXPECT_FALSE(readings[3].gpu_memory);
  EXPECT_EQ(devices[1].processes[0].lease, 1U);
}

TEST_F(GpuHoldersTest, AProcessIsItsGroupsOrItsAncestorsLease) {
  process(100, 1, 5000, "/headroom/lease-1");  // in the group of lease 1
  process(200, 1, 6000, "/user.slice");        // holds lease 2
  process(201, 200, 6100, "/user.slice");      // its child
  process(300, 1, 7000, "/user.slice");        // nobody's
  GpuHolders gpus(root_);
  Target one;
  one.lease = 1;
  one.group.unified = "/sys/fs/cgroup/headroom/lease-1";
  one.gpu = "GPU-A";
  Target two;
  two.lease = 2;
  two.holder.pid = 200;
  two.holder.start_time = 6000;
  two.gpu = "GPU-A";
  Target three;  // its number was used again: the process of now is another
  three.lease = 3;
  three.holder.pid = 300;
  three.holder.start_time = 1;
  three.gpu = "GPU-A";
  for (const Target& target : {one, two, three}) gpus.track(target);
  auto readings = holders();
  std::vector<GpuReading> devices = {gpu("GPU-A", {taken(100, 4_GiB), taken(100, 4_GiB, true),
                                                   taken(201, 2_GiB), taken(300, 1_GiB)}),
                                     gpu("GPU-B", {taken(201, 8_GiB)})};
  gpus.read(devices, readings);
  EXPECT_EQ(readings[0].gpu_memory, 4_GiB) << "named twice, counted once";
  EXPECT_EQ(readings[1].gpu_memory, 2_GiB) << "on its own device";
  EXPECT_EQ(readings[2].gpu_memory, Bytes()) << "known to be nothing";
  EXPECT_EQ(readings[1].gpu, "GPU-A");
  const auto& processes = devices[0].processes;
  EXPECT_EQ(processes[0].lease, 1U);
  EXPECT_EQ(processes[2].lease, 2U) << "its parent holds it";
  EXPECT_EQ(processes[3].lease, 0U) << "nobody booked for it";
  EXPECT_FALSE(processes[3].name.empty());
  EXPECT_TRUE(processes[3].uid);
  EXPECT_EQ(devices[1].processes[0].lease, 2U) << "on a device that it did not book, too";
}

TEST_F(GpuHoldersTest, AProcessInAGroupThatHoldsALeaseIsThatLeases) {
  process(100, 1, 5000, "/system.slice/a.service/worker");  // below the group
  process(200, 1, 6000, "/system.slice/a.services");        // of another that begins so
  process(300, 100, 7000, "/headroom/lease-3");             // moved out of it by a run
  GpuHolders gpus(root_);
  Target one;
  one.lease = 1;
  one.holder.group = "/system.slice/a.service";
  one.group.unified = "/sys/fs/cgroup/system.slice/a.service";
  one.gpu = "GPU-A";
  Target three;
  three.lease = 3;
  three.group.unified = "/sys/fs/cgroup/headroom/lease-3";
  three.gpu = "GPU-A";
  for (const Target& target : {one, three}) gpus.track(target);
  auto readings = holders();
  std::vector<GpuReading> devices = {
      gpu("GPU-A", {taken(100, 4_GiB), taken(200, 2_GiB), taken(300, 1_GiB)})};
  gpus.read(devices, readings);
  EXPECT_EQ(readings[0].gpu_memory, 4_GiB);
  EXPECT_EQ(readings[2].gpu_memory, 1_GiB);
  EXPECT_EQ(devices[0].processes[1].lease, 0U);
}

TEST_F(GpuHoldersTest, WhatADriverDoesNotSayStaysUnknown) {
  process(100, 1, 5000, "/headroom/lease-1");
  GpuHolders gpus(root_);
  Target one;
  one.lease = 1;
  one.holder.pid = 100;
  one.holder.start_time = 5000;
  one.gpu = "GPU-A";
  gpus.track(one);
  for (const bool silent : {true, false}) {
    GpuReading reading = gpu("GPU-A", {taken(100, {})});
    if (!silent) {
      reading.processes = {taken(100, 1_GiB)};
      reading.processes_known = false;
    }
    auto readings = holders();
    std::vector<GpuReading> devices = {reading};
    gpus.read(devices, readings);
    EXPECT_FALSE(readings[0].gpu_memory);
  }
  GpuReading stale = gpu("GPU-A", {taken(100, 1_GiB)});
  stale.state = GpuState::stale;
  auto readings = holders();
  std::vector<GpuReading> devices = {stale};
  gpus.read(devices, readings);
  EXPECT_FALSE(readings[0].gpu_memory);
}

}  // namespace
}  // namespace headroom::sense
