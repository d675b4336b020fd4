#include "sense/gpu.hpp"

#include <filesystem>
#include <fstream>

#include <stdlib.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using namespace headroom::literals;

TEST(GpuSim, ReadsEveryWord) {
  const auto gpus = parse_gpu_sim(
      "24GiB,cc=8.6,used=4.5GiB,util=23.4,temp=67,power=210.5,reserve=512MiB,name=RTX "
      "3090,uuid=GPU-a; 80 GiB ;");
  ASSERT_TRUE(gpus) << gpus.error().why;
  ASSERT_EQ(gpus->size(), 2u);
  const GpuReading& first = gpus->front();
  EXPECT_EQ(first.id, "GPU-a");
  EXPECT_EQ(first.name, "RTX 3090");
  EXPECT_EQ(first.index, 0);
  EXPECT_EQ(first.memory_total, 24_GiB);
  EXPECT_EQ(first.memory_used, 4608_MiB);
  EXPECT_EQ(first.memory_reserved, 512_MiB);
  EXPECT_DOUBLE_EQ(first.busy->value(), 0.234);
  EXPECT_DOUBLE_EQ(*first.celsius, 67);
  EXPECT_DOUBLE_EQ(*first.watts, 210.5);
  EXPECT_DOUBLE_EQ(*first.compute, 8.6);
  EXPECT_TRUE(first.simulated);
  const GpuReading& second = gpus->back();
  EXPECT_EQ(second.id, "GPU-sim-1");
  EXPECT_EQ(second.index, 1);
  EXPECT_EQ(second.memory_total, 80_GiB);
  EXPECT_EQ(second.memory_used, 0_B);
  EXPECT_FALSE(second.busy);
  EXPECT_FALSE(second.compute);
}

TEST(GpuSim, NothingIsNoDevice) {
  EXPECT_TRUE(parse_gpu_sim("")->empty());
  EXPECT_TRUE(parse_gpu_sim("1GiB,unified=yes")->front().unified);
  EXPECT_FALSE(parse_gpu_sim("1GiB,unified=no")->front().unified);
  EXPECT_FALSE(parse_gpu_sim("1GiB,unified=maybe"));
  EXPECT_TRUE(parse_gpu_sim("  ")->empty());
}

TEST(GpuSim, AWrongTextIsRefusedWithTheWordThatIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"24", "24"},
      {"24GiB,used=4.2", "used=4.2"},
      {"24GiB,util=101", "util=101"},
      {"24GiB,temp=-1", "temp=-1"},
      {"24GiB,temp=hot", "temp=hot"},
      {"24GiB,heat=7", "heat=7"},
      {"24GiB,fast", "fast"},
      {"24GiB,cc=8.6,cc=8.6", "cc=8.6"},
      {"24GiB,used=25GiB", "24GiB"},
      {"24GiB,uuid=x;24GiB,uuid=x", "x"},
      {"0GiB", "0GiB"},
      {"24GiB;;24GiB", ""},
      {"infGiB", "infGiB"},
      {"99999999999999999999TiB", "99999999999999999999TiB"},
      {"used=1GiB", "used=1GiB"},
  };
  for (const auto& [text, word] : rows) {
    const auto gpus = parse_gpu_sim(text);
    ASSERT_FALSE(gpus) << text;
    EXPECT_EQ(gpus.error().kind, ErrorKind::invalid_request);
    EXPECT_NE(gpus.error().what.find("\"" + std::string(word) + "\""), std::string::npos)
        << gpus.error().what;
    EXPECT_FALSE(gpus.error().why.empty());
    EXPECT_FALSE(gpus.error().help.empty());
  }
}

TEST(AbsentGpu, SaysWhatWasLookedForAndWhatWasFound) {
  char folder[] = "/tmp/headroom-gpu-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const Absence none = absent_gpu(folder, true);
  EXPECT_EQ(none.sensor, "gpu");
  EXPECT_NE(none.reason.find("/dev/nvidia*"), std::string::npos);
  EXPECT_NE(none.reason.find("libnvidia-ml.so.1"), std::string::npos);
  EXPECT_FALSE(none.fix.empty());
  std::filesystem::create_directories(std::string(folder) + "/dev");
  std::ofstream(std::string(folder) + "/dev/nvidia0");
  const Absence there = absent_gpu(folder, false);
  EXPECT_NE(there.reason.find("/dev/nvidia0"), std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace headroom::sense
