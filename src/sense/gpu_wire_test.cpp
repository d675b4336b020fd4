#include "sense/gpu_wire.hpp"

#include <gtest/gtest.h>

#include "sense/gpu_progress.hpp"

namespace headroom::sense {
namespace {

using namespace headroom::literals;

GpuAnswer full_answer() {
  GpuAnswer answer;
  answer.number = 7;
  answer.device = *parse_pci_address("0000:65:00.0");
  answer.nvidia = true;
  GpuReading gpu;
  gpu.id = "GPU-a";
  gpu.name = "RTX";
  gpu.pci = "0000:65:00.0";
  gpu.memory_total = 24_GiB;
  gpu.memory_used = 4_GiB;
  gpu.memory_reserved = 512_MiB;
  gpu.busy = Ratio(0.25);
  gpu.celsius = -3;
  gpu.slowed = {"power", "heat"};
  gpu.ecc_corrected = 3;
  gpu.xids = 2;
  gpu.last_xid = 79;
  gpu.compute = 8.6;
  gpu.processes_known = true;
  gpu.processes = {{4121, 2_GiB, false}, {77, {}, true}};
  answer.readings = {gpu, GpuReading{}};
  return answer;
}

TEST(GpuWire, WhatIsSaidIsHeardByteByByte) {
  const std::string bytes = encode_gpu_frame(full_answer()) +
                            encode_gpu_frame(GpuDone{7, "NVIDIA 550.54.15", {{"gpu", "w", "f"}}});
  GpuFrames frames;
  std::vector<GpuFrame> heard;
  for (const char byte : bytes) {
    frames.add({&byte, 1});
    while (auto frame = frames.next()) heard.push_back(std::move(*frame));
  }
  ASSERT_EQ(heard.size(), 2u);
  const auto& answer = std::get<GpuAnswer>(heard[0]);
  EXPECT_EQ(answer.number, 7u);
  EXPECT_EQ(pci_text(answer.device), "0000:65:00.0");
  ASSERT_EQ(answer.readings.size(), 2u);
  const GpuReading& gpu = answer.readings[0];
  EXPECT_EQ(gpu.id, "GPU-a");
  EXPECT_EQ(gpu.memory_used, 4_GiB);
  EXPECT_DOUBLE_EQ(*gpu.celsius, -3);
  EXPECT_FALSE(gpu.watts);
  EXPECT_EQ(gpu.slowed, (std::vector<std::string>{"power", "heat"}));
  EXPECT_EQ(gpu.last_xid, 79u);
  ASSERT_EQ(gpu.processes.size(), 2u);
  EXPECT_FALSE(gpu.processes[1].memory);
  EXPECT_TRUE(gpu.processes[1].graphics);
  EXPECT_FALSE(answer.readings[1].memory_used);
  EXPECT_EQ(std::get<GpuDone>(heard[1]).driver, "NVIDIA 550.54.15");
  EXPECT_FALSE(frames.broken());
}

TEST(GpuWire, ABrokenFrameEndsTheStream) {
  const std::string whole = encode_gpu_frame(full_answer());
  // Each byte of the head and of the first fields, changed: a frame, nothing yet, or broken; never
  // two frames.
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string twin = whole;
    twin[at] = static_cast<char>(twin[at] ^ 0x80);
    GpuFrames frames;
    frames.add(twin);
    int heard = 0;
    while (frames.next()) ++heard;
    EXPECT_LE(heard, 1);
  }
  GpuFrames frames;
  frames.add(std::string(16, '\xff'));
  EXPECT_FALSE(frames.next());
  EXPECT_TRUE(frames.broken());
  frames.add(whole);
  EXPECT_FALSE(frames.next());
}

TEST(GpuWire, AListThatIsTooLongIsNotSaidAndNotBelieved) {
  GpuAnswer answer = full_answer();
  GpuReading many = answer.readings[0];
  many.processes.assign(4096, GpuProcess{1, 1_MiB, false});
  answer.readings.assign(40, many);
  const std::string bytes = encode_gpu_frame(answer);
  EXPECT_LE(bytes.size(), kMostGpuFrame);
  GpuFrames frames;
  frames.add(bytes);
  const auto heard = frames.next();
  ASSERT_TRUE(heard);
  EXPECT_EQ(std::get<GpuAnswer>(*heard).readings.size(), 40u);
  EXPECT_FALSE(std::get<GpuAnswer>(*heard).readings[0].processes_known);
}

TEST(GpuProgress, NamesTheCallAndTheDevice) {
  GpuProgress progress;
  EXPECT_EQ(progress.now().call, NvmlCall::none);
  progress.enter(NvmlCall::nvmlDeviceGetTemperature, parse_pci_address("10000:e1:00.0"));
  EXPECT_EQ(to_string(progress.now().call), "nvmlDeviceGetTemperature");
  EXPECT_EQ(pci_text(*progress.now().device), "10000:e1:00.0");
  progress.enter(NvmlCall::nvmlInit_v2, {});
  EXPECT_EQ(to_string(progress.now().call), "nvmlInit_v2");
  EXPECT_FALSE(progress.now().device);
  progress.leave();
  EXPECT_EQ(progress.now().call, NvmlCall::none);
}

}  // namespace
}  // namespace headroom::sense
