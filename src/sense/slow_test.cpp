#include "sense/slow.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "sense/compressed.hpp"
#include "sense/numa.hpp"
#include "sense/power.hpp"
#include "sense/sampler.hpp"
#include "sense/scan.hpp"
#include "sense/thermal.hpp"
#include "sense/zfs.hpp"

namespace headroom::sense {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

const std::string kMachines = HEADROOM_SOURCE_DIR "/tests/machines/";

Instant at(int second) { return {BootTime(seconds(second)), WallTime(seconds(second))}; }

const Absence* absence_of(const std::vector<Absence>& absent, std::string_view sensor) {
  const auto found = std::find_if(absent.begin(), absent.end(),
                                  [&](const Absence& each) { return each.sensor == sensor; });
  return found == absent.end() ? nullptr : &*found;
}

TEST(WholeNumber, IsOneNumberAndNothingElse) {
  EXPECT_EQ(whole_number("42000\n"), 42000);
  EXPECT_EQ(whole_number(" -7 \n"), -7);
  for (const std::string_view text :
       {"", "\n", "x", "4 2", "4x", "--4", "- 4", "9223372036854775808", "1\n2\n"}) {
    EXPECT_FALSE(whole_number(text)) << text;
  }
}

TEST(Temperature, OutsideOfWhatAChipCanHaveIsNone) {
  EXPECT_DOUBLE_EQ(*degrees(-10'500), -10.5);
  for (const std::int64_t milli : {-62'000LL, 127'500LL, 65'261'850LL})
    EXPECT_FALSE(degrees(milli));
}

TEST(Energy, ACounterThatBeganAgainAddsItsRange) {
  EXPECT_EQ(energy_between(10, 30, std::nullopt), 20u);
  EXPECT_EQ(energy_between(90, 10, 100), 20u);
  EXPECT_FALSE(energy_between(90, 10, std::nullopt));
  EXPECT_FALSE(energy_between(190, 10, 100));  // the range is not its own
}

TEST(Numa, ReadsOneNode) {
  const auto node = parse_node_meminfo(
      "\nNode 1 MemTotal:   8 kB\nNode 1 MemFree:    3 kB\nNode 1 FilePages:  2 kB\n");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->total, Bytes(8192));
  EXPECT_EQ(node->free, Bytes(3072));
  EXPECT_EQ(node->file, Bytes(2048));
  for (const std::string_view text : {"", "MemTotal: 8 kB\nMemFree: 3 kB", "Node 1 MemTotal: 8 kB"})
    EXPECT_FALSE(parse_node_meminfo(text)) << text;
}

TEST(Zfs, ReadsTheSizeOfTheCache) {
  const auto arc = parse_arcstats(
      "9 1 0x01 147\nname type data\nc 4 9\nc_min 4 1000\nc_max 4 7\nsize 4 5000\nsize_x 4 1\n");
  ASSERT_TRUE(arc);
  EXPECT_EQ(arc->size, Bytes(5000));
  EXPECT_EQ(arc->least, Bytes(1000));
  EXPECT_FALSE(parse_arcstats("c_min 4 1000\n"));
  EXPECT_FALSE(parse_arcstats("size 4\n"));
  EXPECT_FALSE(parse_arcstats("size 4 5000\n")->least);
}

TEST(Zram, ReadsTheMemoryThatIsTaken) {
  EXPECT_EQ(parse_zram("  800 200 4096 0 9 0\n"), Bytes(4096));
  for (const std::string_view text : {"", "800", "800 200", "800 x 4096"})
    EXPECT_FALSE(parse_zram(text)) << text;
}

TEST(SlowSensors, ReadsTemperaturesWithTheirLimitsAndLeavesOutWhatIsNone) {
  SlowSensors sensors(kMachines + "gpu_box");
  SlowReading slow;
  sensors.read(at(0), slow);
  const auto celsius = [&](std::string_view name) -> double {
    for (const TemperatureReading& each : slow.temperatures) {
      if (each.sensor == name) return each.celsius;
    }
    return -1;
  };
  EXPECT_DOUBLE_EQ(celsius("k10temp Tctl"), 52.375);
  EXPECT_DOUBLE_EQ(celsius("nvme (nvme1) Composite"), 36.85);
  EXPECT_EQ(slow.temperatures.size(), 6u);  // none of a GPU, of one that sleeps, of no wire
  const Absence* const asleep = absence_of(slow.absent, "temperature mlx5");
  ASSERT_NE(asleep, nullptr);
  EXPECT_NE(asleep->reason.find("sleeps"), std::string::npos);
  EXPECT_NE(absence_of(slow.absent, "temperature nct6775 AUXTIN2"), nullptr);
  for (const PowerReading& each : slow.powers)
    EXPECT_EQ(each.sensor.find("amdgpu"), std::string::npos);
}

TEST(SlowSensors, WattsNeedTwoReadsAndSurviveTheCountersEnd) {
  char folder[] = "/tmp/headroom-slow-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string zone = std::string(folder) + "/sys/class/powercap/intel-rapl:0/";
  fs::create_directories(zone);
  const auto energy = [&](const char* text) { std::ofstream(zone + "energy_uj") << text; };
  std::ofstream(zone + "name") << "package-0\n";
  std::ofstream(zone + "max_energy_range_uj") << "262143328850\n";
  SlowSensors sensors(folder);
  SlowReading slow;
  energy("262000000000\n");
  sensors.read(at(100), slow);
  ASSERT_EQ(slow.powers.size(), 1u);
  EXPECT_FALSE(slow.powers[0].watts);
  EXPECT_DOUBLE_EQ(*slow.powers[0].joules, 262000);
  energy("856671150\n");
  sensors.read(at(110), slow);
  EXPECT_DOUBLE_EQ(slow.powers[0].watts.value_or(0), 100);
  energy("956671150\n");
  sensors.read(at(110), slow);
  EXPECT_FALSE(slow.powers[0].watts);  // no time has passed
  sensors.read(at(2000), slow);
  EXPECT_FALSE(slow.powers[0].watts);  // it may have gone round twice
  energy("what\n");
  sensors.read(at(2010), slow);
  EXPECT_TRUE(slow.powers.empty());
  EXPECT_NE(absence_of(slow.absent, "power package-0"), nullptr);
  EXPECT_EQ(absence_of(slow.absent, "power"), nullptr);
  fs::remove_all(folder);
}

TEST(SlowSensors, AMeterThatIsForbiddenSaysWhatHelps) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  char folder[] = "/tmp/headroom-slow-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string zone = std::string(folder) + "/sys/class/powercap/intel-rapl:0/";
  fs::create_directories(zone);
  std::ofstream(zone + "name") << "package-0\n";
  std::ofstream(zone + "energy_uj") << "1\n";
  fs::permissions(zone + "energy_uj", fs::perms::none);
  SlowSensors sensors(folder);
  SlowReading slow;
  sensors.read(at(0), slow);
  EXPECT_TRUE(slow.powers.empty());
  const Absence* const absence = absence_of(slow.absent, "power package-0");
  ASSERT_NE(absence, nullptr);
  EXPECT_NE(absence->reason.find("Permission denied"), std::string::npos);
  EXPECT_NE(absence->fix.find("udev"), std::string::npos);
  fs::remove_all(folder);
}

TEST(SlowSensors, ABoardsRailsAreVoltsTimesAmperes) {
  SlowSensors sensors(kMachines + "arm_board");
  SlowReading slow;
  sensors.read(at(0), slow);
  ASSERT_EQ(slow.powers.size(), 2u);
  EXPECT_EQ(slow.powers[0].sensor, "hwmon ina3221 VDD_IN");
  EXPECT_DOUBLE_EQ(*slow.powers[0].watts, 5.952);
  EXPECT_EQ(slow.zram, Bytes(311296));
  EXPECT_EQ(slow.temperatures.size(), 4u);  // the chip that shows a zone again is left out
}

TEST(SlowSensors, AMachineWithoutAnySaysSo) {
  char folder[] = "/tmp/headroom-slow-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  SlowSensors sensors(folder);
  SlowReading slow;
  sensors.read(at(0), slow);
  EXPECT_TRUE(slow.temperatures.empty() && slow.powers.empty() && slow.numa.empty());
  EXPECT_NE(absence_of(slow.absent, "temperature"), nullptr);
  EXPECT_NE(absence_of(slow.absent, "power"), nullptr);
  EXPECT_EQ(slow.absent.size(), 2u);
  fs::remove_all(folder);
}

TEST(SlowSensors, SamplesCarryWhatWasTaken) {
  SlowSensors sensors(kMachines + "many_mounts");
  SlowReading slow;
  sensors.read(at(0), slow);
  Sampler sampler({kMachines + "many_mounts", GpuSource::none, "", ""});
  Sample sample;
  sampler.read(at(0), {}, sample);
  const std::size_t local = sample.filesystems.size();
  sampler.take(slow);
  for (int second = 1; second < 3; ++second) {
    sampler.read(at(second), {}, sample);
    EXPECT_EQ(sample.filesystems.size(), local + slow.filesystems.size());
    EXPECT_TRUE(sample.filesystems.back().network || sample.filesystems[local].network);
    EXPECT_NE(absence_of(sample.absent, "disk /gone"), nullptr);
  }
  sampler.take(SlowReading());
  sampler.read(at(3), {}, sample);
  EXPECT_EQ(sample.filesystems.size(), local);
  EXPECT_EQ(absence_of(sample.absent, "disk /gone"), nullptr);
}

TEST(LiveSlowSensors, TellOfThisMachineWhatItsFilesSay) {
  SlowSensors sensors;
  SlowReading slow;
  sensors.read(at(1), slow);
  for (const TemperatureReading& each : slow.temperatures) {
    EXPECT_GT(each.celsius, -40);
    EXPECT_LT(each.celsius, 126);
  }
  EXPECT_TRUE(!slow.temperatures.empty() || absence_of(slow.absent, "temperature") != nullptr ||
              !slow.absent.empty());
  std::size_t interfaces = 0;
  for (const auto& entry : fs::directory_iterator("/sys/class/net"))
    interfaces += entry.is_directory();
  EXPECT_EQ(slow.links.size(), interfaces);
  for (const LinkReading& link : slow.links) {
    if (link.name == "lo") {
      EXPECT_FALSE(link.speed);
    }
  }
}

TEST(LiveSlowSensors, AFilesystemWhoseProcessIsDumbHoldsUpNobody) {
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  char folder[] = "/tmp/headroom-dumb-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  // In a mount table of this test's own, so that nobody else runs into it.
  const std::string options =
      "fd=" + std::to_string(device) + ",rootmode=40000,user_id=0,group_id=0";
  if (device < 0 || ::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("dumb", folder, "fuse.dumb", 0, options.c_str()) != 0) {
    if (device >= 0) ::close(device);
    fs::remove(folder);
    GTEST_SKIP() << "a FUSE mount is not allowed here";
  }
  SlowSensors sensors("/", std::chrono::milliseconds(20));
  SlowReading slow;
  for (int i = 0; i < 3; ++i) sensors.read(at(i), slow);  // nobody answers the statfs
  const Absence* const absence = absence_of(slow.absent, std::string("disk ") + folder);
  Sampler sampler({"/", GpuSource::none, "", ""});
  Sample sample;
  sampler.take(slow);
  sampler.read(at(4), {}, sample);  // would hang here if it asked
  ::umount2(folder, MNT_DETACH);
  ::close(device);  // now the kernel gives the waiting thread an error
  ASSERT_NE(absence, nullptr);
  EXPECT_EQ(absence->reason, "dumb does not answer");
  for (const FilesystemReading& each : sample.filesystems) EXPECT_NE(each.mount, folder);
  EXPECT_NE(absence_of(sample.absent, std::string("disk ") + folder), nullptr);
  fs::remove(folder);
}

}  // namespace
}  // namespace headroom::sense
