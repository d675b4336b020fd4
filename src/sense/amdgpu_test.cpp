#include "sense/amdgpu.hpp"

#include <filesystem>
#include <fstream>

#include <stdlib.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

namespace fs = std::filesystem;
using namespace headroom::literals;

class AmdgpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = fs::temp_directory_path() / "headroom-amdgpu-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    root_ = folder;
    put("uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C\n");
    put("class", "0x030000\n");
    put("vendor", "0x1002\n");
    put("device", "0x744c\n");
    put("mem_info_vram_total", "25753026560\n");
    put("mem_info_vram_used", "2147483648\n");
  }
  void TearDown() override { fs::remove_all(root_); }
  void put(const std::string& name, const std::string& text) {
    const fs::path path = root_ / "sys/bus/pci/devices/0000:03:00.0" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::optional<GpuReading> read() {
    return read_amdgpu(root_, *parse_pci_address("0000:03:00.0"));
  }
  fs::path root_;
};

TEST_F(AmdgpuTest, ReadsWhatTheCardTells) {
  put("unique_id", "d4f7e1a2b3c45566\n");
  put("product_name", "Radeon RX 7900 XTX\n");
  put("gpu_busy_percent", "37\n");
  put("mem_busy_percent", "9\n");
  put("hwmon/hwmon3/temp1_input", "54000\n");
  put("hwmon/hwmon3/temp1_crit", "100000\n");
  put("hwmon/hwmon3/power1_average", "212000000\n");
  put("hwmon/hwmon3/power1_cap", "339000000\n");
  put("hwmon/hwmon3/pwm1", "51\n");
  put("hwmon/hwmon3/pwm1_max", "255\n");
  put("pp_dpm_sclk", "0: 500Mhz \n1: 2304Mhz *\n2: 2526Mhz \n");
  put("ras/umc_err_count", "ue: 1\nce: 12\n");
  put("ras/gfx_err_count", "ue: 0\nce: 3\n");
  put("ras/features", "feature mask: 0x5\n");
  const auto gpu = read();
  ASSERT_TRUE(gpu);
  EXPECT_EQ(gpu->id, "amdgpu-d4f7e1a2b3c45566");
  EXPECT_EQ(gpu->name, "Radeon RX 7900 XTX");
  EXPECT_EQ(gpu->pci, "0000:03:00.0");
  EXPECT_EQ(gpu->memory_total, Bytes(25753026560));
  EXPECT_EQ(gpu->memory_used, 2_GiB);
  EXPECT_DOUBLE_EQ(gpu->busy->value(), 0.37);
  EXPECT_DOUBLE_EQ(gpu->memory_busy->value(), 0.09);
  EXPECT_DOUBLE_EQ(*gpu->celsius, 54);
  EXPECT_DOUBLE_EQ(*gpu->celsius_limit, 100);
  EXPECT_DOUBLE_EQ(*gpu->watts, 212);
  EXPECT_DOUBLE_EQ(*gpu->watts_limit, 339);
  EXPECT_DOUBLE_EQ(gpu->fan->value(), 0.2);
  EXPECT_DOUBLE_EQ(*gpu->clock, 2304);
  EXPECT_EQ(gpu->ecc_corrected, 15u);
  EXPECT_EQ(gpu->ecc_uncorrected, 1u);
  EXPECT_FALSE(gpu->processes_known);
}

TEST_F(AmdgpuTest, WhatItDoesNotTellIsEmpty) {
  put("gpu_busy_percent", "N/A\n");
  put("hwmon/hwmon0/power1_input", "35000000\n");
  const auto gpu = read();
  ASSERT_TRUE(gpu);
  EXPECT_EQ(gpu->id, "amdgpu-0000:03:00.0");
  EXPECT_EQ(gpu->name, "AMD GPU 0x744c");
  EXPECT_FALSE(gpu->busy);
  EXPECT_FALSE(gpu->celsius);
  EXPECT_FALSE(gpu->clock);
  EXPECT_FALSE(gpu->ecc_corrected);
  EXPECT_DOUBLE_EQ(*gpu->watts, 35);  // newer cards have no average
}

TEST_F(AmdgpuTest, ACardOfAnotherDriverIsNone) {
  put("uevent", "DRIVER=vfio-pci\n");
  EXPECT_FALSE(read());
  fs::remove_all(root_ / "sys");
  EXPECT_FALSE(read());
}

TEST(AmdgpuFiles, BrokenTextsGiveNothing) {
  EXPECT_FALSE(parse_dpm_clock(""));
  EXPECT_FALSE(parse_dpm_clock("0: 500Mhz\n1: 900Mhz\n"));
  EXPECT_FALSE(parse_dpm_clock("*"));
  EXPECT_FALSE(parse_dpm_clock("S: *"));
  EXPECT_FALSE(parse_ras_counts("ue: 1\n"));
  EXPECT_FALSE(parse_ras_counts("ue:\nce: 3\n"));
}

TEST_F(AmdgpuTest, TheBusShowsItAndWhetherItSleeps) {
  put("power/control", "auto\n");
  put("power/runtime_status", "suspended\n");
  auto displays = read_pci_displays(root_);
  ASSERT_EQ(displays.size(), 1u);
  EXPECT_EQ(pci_text(displays[0].address), "0000:03:00.0");
  EXPECT_EQ(displays[0].vendor, kAmdVendor);
  EXPECT_TRUE(displays[0].managed);
  EXPECT_TRUE(displays[0].suspended);
  put("power/runtime_status", "active\n");
  read_pci_power(root_, displays[0]);
  EXPECT_FALSE(displays[0].suspended);
  EXPECT_TRUE(read_pci_displays("/nowhere").empty());
}

TEST(PciAddress, ReadsBothSpellingsAndRefusesTheRest) {
  EXPECT_EQ(parse_pci_address("00000000:65:00.0"), parse_pci_address("0000:65:00.0"));
  EXPECT_EQ(pci_text(*parse_pci_address("00010000:E1:1F.7")), "10000:e1:1f.7");
  for (const char* text :
       {"", "65:00.0", "0000:65:00", "0000:65:00.", "0000:65:00.8", "0000:65:20.0", "0000:100:00.0",
        "0000:65:00.0 ", "x", "-1:0:0.0", "100000000:00:00.0", "pcieport"}) {
    EXPECT_FALSE(parse_pci_address(text)) << text;
  }
}

}  // namespace
}  // namespace headroom::sense
