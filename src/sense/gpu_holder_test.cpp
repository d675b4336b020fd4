#include "sense/gpu_holder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

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
  std::vector<HolderReading> holders() const {
    std::vector<HolderReading> all(3);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].lease = i + 1;
    return all;
  }

  std::string root_;
};

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
  gpus.track({one, two, three});
  auto readings = holders();
  gpus.read(
      {gpu("GPU-A",
           {{100, 4_GiB, false}, {100, 4_GiB, true}, {201, 2_GiB, false}, {300, 1_GiB, false}}),
       gpu("GPU-B", {{201, 8_GiB, false}})},
      readings);
  EXPECT_EQ(readings[0].gpu_memory, 4_GiB) << "named twice, counted once";
  EXPECT_EQ(readings[1].gpu_memory, 2_GiB) << "on its own device";
  EXPECT_EQ(readings[2].gpu_memory, Bytes()) << "known to be nothing";
  EXPECT_EQ(readings[1].gpu, "GPU-A");
}

TEST_F(GpuHoldersTest, WhatADriverDoesNotSayStaysUnknown) {
  process(100, 1, 5000, "/headroom/lease-1");
  GpuHolders gpus(root_);
  Target one;
  one.lease = 1;
  one.holder.pid = 100;
  one.holder.start_time = 5000;
  one.gpu = "GPU-A";
  gpus.track({one});
  for (const bool silent : {true, false}) {
    GpuReading reading = gpu("GPU-A", {{100, {}, false}});
    if (!silent) {
      reading.processes = {{100, 1_GiB, false}};
      reading.processes_known = false;
    }
    auto readings = holders();
    gpus.read({reading}, readings);
    EXPECT_FALSE(readings[0].gpu_memory);
  }
  GpuReading stale = gpu("GPU-A", {{100, 1_GiB, false}});
  stale.state = GpuState::stale;
  auto readings = holders();
  gpus.read({stale}, readings);
  EXPECT_FALSE(readings[0].gpu_memory);
}

}  // namespace
}  // namespace headroom::sense
