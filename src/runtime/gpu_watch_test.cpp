// The daemon's side of the GPUs with the real helper process and a stand-in for NVIDIA's library
// (tests/fake_nvml): what is told, what hangs, what lies, what sleeps.
#ifdef HEADROOM_FAKE_NVML
#include "runtime/gpu_watch.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/steady_timer.hpp>

#include "runtime/clock.hpp"
#include "sense/gpu_once.hpp"

namespace headroom::runtime {
namespace {

namespace fs = std::filesystem;
using namespace headroom::literals;
using namespace std::chrono_literals;

constexpr auto kInterval = 300ms;
/// Of the tests in which something hangs. On a busy machine calls of a driver that is well may take
/// longer than that: these tests let such a helper be replaced.
constexpr auto kDeadline = 150ms;
/// How long a condition is waited for; only a failure takes so long.
constexpr auto kBound = 60s;
/// Of all the others: no machine is so slow.
constexpr auto kNever = 10min;

using Lines = std::map<std::string, std::string>;

/// A machine with GPUs in a folder: a sysfs tree, and the file that the stand-in speaks by.
class GpuWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = fs::temp_directory_path() / "headroom-gpus-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    fs::create_directories(root() / "sys/bus/pci/devices");
    fs::create_directories(root() / "dev");
    ::setenv("FAKE_NVML_FILE", (folder_ / "driver").c_str(), 1);
    ::setenv("FAKE_NVML_LOG", (folder_ / "calls").c_str(), 1);
    lines_ = {{"driver", "550.54.15"}, {"gpus", "2"}};
    add_gpu(0, "GPU-aaaa", "0000:65:00.0");
    add_gpu(1, "GPU-bbbb", "0000:b3:00.0");
    write();
    options_.root = root();
    options_.library = fs::path(HEADROOM_FAKE_NVML) / "libnvidia-ml.so.1";
    options_.helper = HEADROOM_GPU_HELPER;
    options_.helper_arguments = {};
    options_.interval = kInterval;
    options_.deadline = kNever;
    options_.start_deadline = kNever;
    options_.backoff = {100ms, 400ms};
    options_.pids_complete = true;
  }
  void TearDown() override {
    watch_.reset();
    fs::remove_all(folder_);
  }

  fs::path root() const { return folder_ / "root"; }

  static void put(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  fs::path device(const std::string& pci) const { return root() / "sys/bus/pci/devices" / pci; }
  void set_power(const std::string& pci, const char* control, const char* status) {
    put(device(pci) / "power/control", std::string(control) + "\n");
    put(device(pci) / "power/runtime_status", std::string(status) + "\n");
  }
  void add_gpu(int number, const std::string& uuid, const std::string& pci) {
    put(device(pci) / "class", "0x030200\n");
    put(device(pci) / "vendor", "0x10de\n");
    set_power(pci, "on", "active");
    const std::string gpu = "gpu" + std::to_string(number) + ".";
    for (const auto& [key, value] : Lines{{"uuid", uuid},
                                          {"name", "NVIDIA A10"},
                                          {"pci", "0000" + pci},
                                          {"memory.total", "24GiB"},
                                          {"memory.used", "4GiB"},
                                          {"memory.reserved", "512MiB"},
                                          {"busy", "40"},
                                          {"memory.busy", "12"},
                                          {"celsius", "61"},
                                          {"celsius.slowdown", "93"},
                                          {"milliwatts", "120500"},
                                          {"milliwatts.limit", "150000"},
                                          {"millijoules", "5000"},
                                          {"clock.sm", "1410"},
                                          {"clock.memory", "6251"},
                                          {"slowed", "0x24"},
                                          {"fan", "30"},
                                          {"pcie.rx", "1000"},
                                          {"pcie.tx", "500"},
                                          {"ecc.corrected", "3"},
                                          {"ecc.uncorrected", "0"},
                                          {"compute", "8.6"},
                                          {"processes", "compute:4121:2GiB graphics:77:na"}}) {
      lines_[gpu + key] = value;
    }
  }
  /// The stand-in sees either the old file or the new one.
  void write() {
    std::ostringstream text;
    for (const auto& [key, value] : lines_) text << key << " = " << value << "\n";
    std::ofstream(folder_ / "next") << text.str();
    fs::rename(folder_ / "next", folder_ / "driver");
  }
  void say(const std::string& key, const std::string& value) {
    lines_[key] = value;
    write();
  }
  void unsay(const std::string& key) {
    lines_.erase(key);
    write();
  }

  /// How often the stand-in was called since the log was emptied: "nvmlInit_v2", "… gpu0".
  int calls(const std::string& beginning) const {
    std::ifstream log(folder_ / "calls");
    int count = 0;
    for (std::string line; std::getline(log, line);) count += line.starts_with(beginning);
    return count;
  }
  int calls_about(const std::string& gpu) const {
    std::ifstream log(folder_ / "calls");
    int count = 0;
    for (std::string line; std::getline(log, line);) count += line.ends_with(" " + gpu);
    return count;
  }
  void forget_calls() { fs::remove(folder_ / "calls"); }

  GpuWatch& watch() {
    if (!watch_) {
      watch_.emplace(io_, options_);
      watch_->on_answer([this] { ++answers_; });
    }
    return *watch_;
  }
  /// What a sample has now.
  const Sample& look() {
    sample_.absent.clear();
    watch().readings(now(), sample_);
    return sample_;
  }
  /// One turn of the daemon: the sample is taken, then the helper is asked. `seen` gets the sample
  /// after each thing that happens.
  template <class Seen>
  void turn(Seen seen) {
    look();
    watch().poll();
    boost::asio::steady_timer timer(io_, kInterval);
    bool over = false;
    timer.async_wait([&](const boost::system::error_code&) { over = true; });
    io_.restart();  // the last look may have run out of work
    while (!over) {
      io_.run_one();
      seen(look());
    }
  }
  void turn() {
    turn([](const Sample&) {});
  }
  /// Lets things happen until `there`, polling often. False after kBound.
  template <class There>
  bool until(There there) {
    const auto end = std::chrono::steady_clock::now() + kBound;
    while (!there(look())) {
      if (std::chrono::steady_clock::now() > end) return false;
      watch().poll();
      io_.restart();
      io_.run_one_for(20ms);
    }
    return true;
  }
  bool until_answered(int times = 1) {
    const int wanted = answers_ + times;
    return until([&](const Sample&) { return answers_ >= wanted; });
  }
  const GpuReading* find(const Sample& sample, const std::string& id) {
    for (const GpuReading& gpu : sample.gpus) {
      if (gpu.id == id) return &gpu;
    }
    return nullptr;
  }
  bool is(const Sample& sample, const std::string& id, GpuState state) {
    const GpuReading* const gpu = find(sample, id);
    return gpu != nullptr && gpu->state == state;
  }
  std::string absences() {
    std::string text;
    for (const Absence& absence : look().absent) {
      text += absence.sensor + ": " + absence.reason + " / " + absence.fix + "\n";
    }
    return text;
  }

  fs::path folder_;
  Lines lines_;
  GpuWatchOptions options_;
  boost::asio::io_context io_{1};
  std::optional<GpuWatch> watch_;
  Sample sample_;
  int answers_ = 0;
};

TEST_F(GpuWatchTest, TellsWhatTheDriverTells) {
  ASSERT_TRUE(until([&](const Sample& sample) {
    return sample.gpus.size() == 2 && sample.gpus[0].received_per_second &&
           sample.gpus[1].received_per_second;
  })) << absences();
  const GpuReading& gpu = look().gpus[0];
  EXPECT_EQ(gpu.id, "GPU-aaaa");
  EXPECT_EQ(gpu.index, 0);
  EXPECT_EQ(gpu.name, "NVIDIA A10");
  EXPECT_EQ(gpu.pci, "0000:65:00.0");
  EXPECT_EQ(gpu.parent, "");
  EXPECT_EQ(gpu.state, GpuState::ok);
  EXPECT_EQ(gpu.memory_total, 24_GiB);
  EXPECT_EQ(gpu.memory_used, 4_GiB);
  EXPECT_EQ(gpu.memory_reserved, 512_MiB);
  EXPECT_DOUBLE_EQ(gpu.busy->value(), 0.4);
  EXPECT_DOUBLE_EQ(gpu.memory_busy->value(), 0.12);
  EXPECT_EQ(gpu.celsius, 61);
  EXPECT_EQ(gpu.celsius_limit, 93);
  EXPECT_DOUBLE_EQ(*gpu.watts, 120.5);
  EXPECT_DOUBLE_EQ(*gpu.watts_limit, 150);
  EXPECT_DOUBLE_EQ(*gpu.joules, 5);
  EXPECT_EQ(gpu.clock, 1410);
  EXPECT_EQ(gpu.memory_clock, 6251);
  EXPECT_EQ(gpu.slowed, (std::vector<std::string>{"power", "heat"}));
  EXPECT_DOUBLE_EQ(gpu.fan->value(), 0.3);
  EXPECT_DOUBLE_EQ(*gpu.received_per_second, 1000 * 1024);
  EXPECT_DOUBLE_EQ(*gpu.sent_per_second, 500 * 1024);
  EXPECT_EQ(gpu.ecc_corrected, 3u);
  EXPECT_EQ(gpu.ecc_uncorrected, 0u);
  EXPECT_FALSE(gpu.last_xid);
  EXPECT_DOUBLE_EQ(*gpu.compute, 8.6);
  EXPECT_TRUE(gpu.processes_known);
  ASSERT_EQ(gpu.processes.size(), 2u);
  EXPECT_EQ(gpu.processes[0].pid, 77);
  EXPECT_TRUE(gpu.processes[0].graphics);
  EXPECT_FALSE(gpu.processes[0].memory);
  EXPECT_EQ(gpu.processes[1].pid, 4121);
  EXPECT_EQ(gpu.processes[1].memory, 2_GiB);
  EXPECT_LT(gpu.age, 10s);
  EXPECT_EQ(look().gpus[1].id, "GPU-bbbb");
  EXPECT_EQ(look().gpus[1].index, 1);
  EXPECT_EQ(look().gpu_driver, "NVIDIA 550.54.15");
  EXPECT_EQ(absences(), "");
}

TEST_F(GpuWatchTest, WhatTheDriverLacksOrRefusesIsEmptyAndNeverZero) {
  for (const char* field :
       {"busy", "celsius", "celsius.slowdown", "milliwatts", "millijoules", "clock.sm",
        "clock.memory", "slowed", "fan", "pcie.rx", "ecc.corrected", "compute", "processes"}) {
    lines_.erase(std::string("gpu0.") + field);
  }
  lines_["gpu0.error.nvmlDeviceGetEnforcedPowerLimit"] = "4";  // no permission
  lines_["gpu0.error.nvmlDeviceGetMemoryInfo_v2"] = "4";
  write();
  ASSERT_TRUE(until_answered(4));
  const GpuReading& gpu = *find(look(), "GPU-aaaa");
  EXPECT_EQ(gpu.state, GpuState::ok);
  EXPECT_FALSE(gpu.memory_used);
  EXPECT_FALSE(gpu.busy);
  EXPECT_FALSE(gpu.memory_busy);
  EXPECT_FALSE(gpu.celsius);
  EXPECT_FALSE(gpu.celsius_limit);
  EXPECT_FALSE(gpu.watts);
  EXPECT_FALSE(gpu.watts_limit);
  EXPECT_FALSE(gpu.joules);
  EXPECT_FALSE(gpu.clock);
  EXPECT_FALSE(gpu.memory_clock);
  EXPECT_TRUE(gpu.slowed.empty());
  EXPECT_FALSE(gpu.fan);
  EXPECT_FALSE(gpu.received_per_second);
  EXPECT_FALSE(gpu.ecc_corrected);
  EXPECT_FALSE(gpu.compute);
  EXPECT_FALSE(gpu.processes_known);
  // What is not supported is not asked again.
  EXPECT_EQ(calls("nvmlDeviceGetFanSpeed gpu0"), 1);
}

TEST_F(GpuWatchTest, ADriverOfTenYearsAgoIsReadByItsOlderFunctions) {
  options_.library = std::string(HEADROOM_FAKE_NVML) + "_old/libnvidia-ml.so.1";
  lines_["order"] = "1,0";
  write();
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 2u);
  const GpuReading& gpu = look().gpus[0];
  EXPECT_EQ(gpu.id, "GPU-aaaa");
  EXPECT_EQ(gpu.memory_used, 4608_MiB);  // it counts the driver's reserve as used
  EXPECT_EQ(gpu.memory_reserved, 0_B);
  EXPECT_EQ(gpu.celsius, 61);
  EXPECT_EQ(gpu.slowed.size(), 2u);
  ASSERT_EQ(gpu.processes.size(), 2u);
  EXPECT_EQ(gpu.processes[1].memory, 2_GiB);
  EXPECT_EQ(look().gpus[1].id, "GPU-bbbb");
}

TEST_F(GpuWatchTest, TheLargerProcessListOfSomeDriversIsUnderstood) {
  options_.library = std::string(HEADROOM_FAKE_NVML) + "_protected/libnvidia-ml.so.1";
  lines_["gpu0.processes"] = "compute:11:1GiB compute:12:512MiB mps:13:256MiB";
  write();
  ASSERT_TRUE(until_answered());
  const auto& processes = look().gpus[0].processes;
  ASSERT_EQ(processes.size(), 3u);
  EXPECT_EQ(processes[1].pid, 12);
  EXPECT_EQ(processes[1].memory, 512_MiB);
  EXPECT_EQ(processes[2].pid, 13);
}

TEST_F(GpuWatchTest, AProcessInTwoListsIsOneAndOneWithoutANumberMakesTheListIncomplete) {
  lines_["gpu0.processes"] = "compute:11:1GiB graphics:11:1GiB compute:11:1GiB";
  lines_["gpu1.processes"] = "compute:0:1GiB compute:12:1GiB";
  write();
  ASSERT_TRUE(until_answered());
  const GpuReading& first = look().gpus[0];
  ASSERT_EQ(first.processes.size(), 1u);
  EXPECT_FALSE(first.processes[0].graphics);
  EXPECT_EQ(first.processes[0].memory, 1_GiB);
  EXPECT_TRUE(first.processes_known);
  const GpuReading& second = look().gpus[1];
  ASSERT_EQ(second.processes.size(), 1u);
  EXPECT_FALSE(second.processes_known);
}

TEST_F(GpuWatchTest, ManyProcessesAreAllRead) {
  std::string text;
  for (int pid = 1; pid <= 40; ++pid) text += "compute:" + std::to_string(pid) + ":1MiB ";
  // The stand-in's lines are short; two lists make more than fit into the first try's room of 64.
  for (int pid = 41; pid <= 45; ++pid) text += "graphics:" + std::to_string(pid) + ":na ";
  say("gpu0.processes", text);
  ASSERT_TRUE(until_answered());
  EXPECT_EQ(look().gpus[0].processes.size(), 45u);
}

TEST_F(GpuWatchTest, InAPidNamespaceTheProcessesAreNotComplete) {
  options_.pids_complete = false;
  ASSERT_TRUE(until_answered());
  EXPECT_FALSE(look().gpus[0].processes_known);
  EXPECT_EQ(look().gpus[0].processes.size(), 2u);
}

TEST_F(GpuWatchTest, ADeviceThatTellsNoMemoryWorksInTheMachines) {
  for (const char* line : {"gpu0.memory.total", "gpu0.memory.used", "gpu0.memory.reserved"}) {
    lines_.erase(line);
  }
  write();
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 2u) << absences();
  EXPECT_TRUE(look().gpus[0].unified);
  EXPECT_EQ(look().gpus[0].state, GpuState::ok);
  EXPECT_FALSE(look().gpus[0].memory_used);
  EXPECT_FALSE(look().gpus[1].unified);
}

TEST_F(GpuWatchTest, SlicesFollowTheirDevice) {
  lines_["gpu0.mig"] = "1";
  lines_["gpu0.mig0.uuid"] = "MIG-1";
  lines_["gpu0.mig0.name"] = "NVIDIA A100 MIG 1g.5gb";
  lines_["gpu0.mig0.memory.total"] = "4864MiB";
  lines_["gpu0.mig0.memory.used"] = "1GiB";
  lines_["gpu0.mig0.processes"] = "compute:4121:1GiB";
  lines_["gpu0.mig2.uuid"] = "MIG-2";
  lines_["gpu0.mig2.memory.mib"] = "9856";
  lines_["gpu1.mig"] = "0";
  write();
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 4u) << absences();
  const auto& gpus = look().gpus;
  EXPECT_EQ(gpus[0].id, "GPU-aaaa");
  EXPECT_EQ(gpus[1].id, "MIG-1");
  EXPECT_EQ(gpus[1].parent, "GPU-aaaa");
  EXPECT_EQ(gpus[1].pci, "0000:65:00.0");
  EXPECT_EQ(gpus[1].memory_total, 4864_MiB);
  EXPECT_EQ(gpus[1].memory_used, 1_GiB);
  EXPECT_DOUBLE_EQ(*gpus[1].compute, 8.6);
  ASSERT_EQ(gpus[1].processes.size(), 1u);
  EXPECT_EQ(gpus[2].id, "MIG-2");
  EXPECT_EQ(gpus[2].memory_total, 9856_MiB);
  EXPECT_FALSE(gpus[2].memory_used);
  EXPECT_EQ(gpus[2].name, "NVIDIA A10 MIG");
  EXPECT_EQ(gpus[3].id, "GPU-bbbb");
  EXPECT_EQ(gpus[3].index, 3);
}

TEST_F(GpuWatchTest, ALostDeviceIsLostAndTheOthersGoOn) {
  ASSERT_TRUE(until_answered());
  say("gpu0.lost", "1");
  ASSERT_TRUE(until([&](const Sample& sample) { return is(sample, "GPU-aaaa", GpuState::lost); }));
  const GpuReading gpu = *find(look(), "GPU-aaaa");
  EXPECT_THAT(gpu.state_reason, ::testing::HasSubstr("fell off the bus"));
  EXPECT_EQ(gpu.memory_total, 24_GiB);
  EXPECT_FALSE(gpu.memory_used);
  EXPECT_TRUE(gpu.processes.empty());
  EXPECT_EQ(gpu.index, 0);
  EXPECT_TRUE(is(look(), "GPU-bbbb", GpuState::ok));
  unsay("gpu0.lost");
  EXPECT_TRUE(until([&](const Sample& sample) { return is(sample, "GPU-aaaa", GpuState::ok); }));
  EXPECT_EQ(watch().replaced(), 0u);
}

TEST_F(GpuWatchTest, ADeviceThatNeedsAResetSaysSo) {
  say("gpu1.error.nvmlDeviceGetMemoryInfo_v2", "16");
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 2u);
  EXPECT_EQ(look().gpus[1].state, GpuState::lost);
  EXPECT_THAT(look().gpus[1].state_reason, ::testing::HasSubstr("reset"));
}

TEST_F(GpuWatchTest, FatalErrorsAreCountedOverTheLifeOfHelpers) {
  say("gpu1.xids", "31, 79");
  ASSERT_TRUE(until([&](const Sample& sample) {
    const GpuReading* const gpu = find(sample, "GPU-bbbb");
    return gpu != nullptr && gpu->xids == 2;
  }));
  EXPECT_EQ(find(look(), "GPU-bbbb")->last_xid, 79u);
  EXPECT_EQ(find(look(), "GPU-aaaa")->xids, 0u);
  ::kill(watch().helper_pid(), SIGKILL);
  unsay("gpu1.xids");
  ASSERT_TRUE(until([&](const Sample&) { return watch().replaced() == 1; }));
  ASSERT_TRUE(until_answered(2));
  EXPECT_EQ(find(look(), "GPU-bbbb")->xids, 2u);
  EXPECT_EQ(find(look(), "GPU-bbbb")->last_xid, 79u);
}

// ------------------------------------------------------------------------------------- what hangs

struct Hang {
  const char* call;
  bool at_start = false;  ///< made only when the driver is started or attached to
  enum { device, all, events } about = device;
  Lines with = {};
  bool seldom = false;  ///< not in every read
};
std::string name_of(const ::testing::TestParamInfo<Hang>& info) { return info.param.call; }
void PrintTo(const Hang& hang, std::ostream* out) { *out << hang.call; }

class GpuHangTest : public GpuWatchTest, public ::testing::WithParamInterface<Hang> {};

TEST_P(GpuHangTest, IsStaleWithinTwoIntervalsAndRecoversWithoutARestart) {
  const Hang& hang = GetParam();
  options_.deadline = kDeadline;
  options_.start_deadline = 1000ms;
  for (const auto& [key, value] : hang.with) lines_[key] = value;
  write();
  ASSERT_TRUE(until([&](const Sample& sample) {
    return is(sample, "GPU-aaaa", GpuState::ok) && is(sample, "GPU-bbbb", GpuState::ok);
  })) << absences();
  const auto used = find(look(), "GPU-aaaa")->memory_used;
  ASSERT_TRUE(until_answered());  // no request is under way
  forget_calls();
  say(hang.about == Hang::device ? "gpu0.hang" : "hang", hang.call);
  if (hang.at_start) {
    const auto replaced = watch().replaced();
    ::kill(watch().helper_pid(), SIGKILL);
    ASSERT_TRUE(until([&](const Sample&) { return watch().replaced() > replaced; }));
  }
  const std::string line = std::string(hang.call) + (hang.about == Hang::device ? " gpu0" : "");
  if (hang.about == Hang::events) {
    ASSERT_TRUE(until([&](const Sample&) { return calls(line) > 0; }));
    // The devices were told about, or are again as soon as events are left alone.
    EXPECT_TRUE(until([&](const Sample& sample) {
      return watch().replaced() > 0 && is(sample, "GPU-aaaa", GpuState::ok) &&
             is(sample, "GPU-bbbb", GpuState::ok);
    })) << absences();
  } else {
    // Some calls are not made in each turn. At the latest in the second turn after the one that
    // made it, it must show; the deadline and the turns are timers of one loop, so that holds at
    // any speed of the machine.
    bool named = false;
    const auto note = [&](const Sample& sample) {
      const GpuReading* const gpu = find(sample, "GPU-aaaa");
      named = named || (gpu != nullptr && gpu->state == GpuState::stale &&
                        gpu->state_reason.find(hang.call) != std::string::npos);
    };
    auto replaced = watch().replaced();
    const auto end = std::chrono::steady_clock::now() + kBound;
    for (int turns = 0; !named && turns < 3 && std::chrono::steady_clock::now() < end;) {
      turn(note);
      if (calls(line) == 0) continue;
      ++turns;
      if (watch().replaced() !=
          replaced) {  // so busy that another call was late: the next helper's
        replaced = watch().replaced();
        turns = 0;
        forget_calls();
      }
    }
    EXPECT_TRUE(named) << calls(line) << " calls; " << look().gpus[0].state_reason << absences();
  }
  if (hang.about == Hang::device) {
    // The other one is read while this one hangs.
    const auto since = now().boot;
    EXPECT_TRUE(until([&](const Sample& sample) {
      const GpuReading* const gpu = find(sample, "GPU-bbbb");
      return gpu->state == GpuState::ok && gpu->age < now().boot - since;
    })) << absences();
    // A read without that call is a good one.
    if (!hang.seldom) {
      EXPECT_TRUE(is(look(), "GPU-aaaa", GpuState::stale));
    }
    EXPECT_EQ(find(look(), "GPU-aaaa")->memory_used, used);  // as old as its age says
  }
  unsay(hang.about == Hang::device ? "gpu0.hang" : "hang");
  const auto since = now().boot;
  EXPECT_TRUE(until([&](const Sample& sample) {
    return std::all_of(sample.gpus.begin(), sample.gpus.end(), [&](const GpuReading& gpu) {
      return gpu.state == GpuState::ok && gpu.age < now().boot - since;
    });
  })) << absences();
}

const Lines kMig = {
    {"gpu0.mig", "1"}, {"gpu0.mig0.uuid", "MIG-1"}, {"gpu0.mig0.memory.mib", "4864"}};
const Hang kHangs[] = {
    {"nvmlInit_v2", true, Hang::all},
    {"nvmlSystemGetDriverVersion", true, Hang::all},
    {"nvmlEventSetCreate", true, Hang::events},
    {"nvmlDeviceRegisterEvents", true, Hang::events},
    {"nvmlEventSetWait_v2", false, Hang::events},
    {"nvmlDeviceGetHandleByPciBusId_v2", true},
    {"nvmlDeviceGetUUID"},
    {"nvmlDeviceGetName"},
    {"nvmlDeviceGetMemoryInfo_v2"},
    {"nvmlDeviceGetMemoryInfo", false, Hang::device, {{"without", "nvmlDeviceGetMemoryInfo_v2"}}},
    {"nvmlDeviceGetUtilizationRates"},
    {"nvmlDeviceGetTemperatureV"},
    {"nvmlDeviceGetTemperature", false, Hang::device, {{"without", "nvmlDeviceGetTemperatureV"}}},
    {"nvmlDeviceGetTemperatureThreshold"},
    {"nvmlDeviceGetPowerUsage"},
    {"nvmlDeviceGetEnforcedPowerLimit"},
    {"nvmlDeviceGetTotalEnergyConsumption"},
    {"nvmlDeviceGetClockInfo"},
    {"nvmlDeviceGetCurrentClocksEventReasons"},
    {"nvmlDeviceGetCurrentClocksThrottleReasons",
     false,
     Hang::device,
     {{"without", "nvmlDeviceGetCurrentClocksEventReasons"}}},
    {"nvmlDeviceGetFanSpeed"},
    {"nvmlDeviceGetPcieThroughput", false, Hang::device, {}, true},
    {"nvmlDeviceGetTotalEccErrors"},
    {"nvmlDeviceGetCudaComputeCapability"},
    {"nvmlDeviceGetComputeRunningProcesses_v3"},
    {"nvmlDeviceGetComputeRunningProcesses_v2",
     false,
     Hang::device,
     {{"without", "nvmlDeviceGetComputeRunningProcesses_v3"}}},
    {"nvmlDeviceGetComputeRunningProcesses",
     false,
     Hang::device,
     {{"without",
       "nvmlDeviceGetComputeRunningProcesses_v3,nvmlDeviceGetComputeRunningProcesses_v2"}}},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3"},
    {"nvmlDeviceGetGraphicsRunningProcesses_v3"},
    {"nvmlDeviceGetMigMode", false, Hang::device, kMig},
    {"nvmlDeviceGetMaxMigDeviceCount", false, Hang::device, kMig},
    {"nvmlDeviceGetMigDeviceHandleByIndex", false, Hang::device, kMig},
    {"nvmlDeviceGetDeviceHandleFromMigDeviceHandle", false, Hang::device, kMig},
    {"nvmlDeviceGetAttributes_v2", false, Hang::device, kMig},
};
INSTANTIATE_TEST_SUITE_P(EachCall, GpuHangTest, ::testing::ValuesIn(kHangs), name_of);

TEST_F(GpuWatchTest, AnOldDriversFirstCallsMayHangToo) {
  options_.library = std::string(HEADROOM_FAKE_NVML) + "_old/libnvidia-ml.so.1";
  options_.deadline = kDeadline;
  options_.start_deadline = 1000ms;
  ASSERT_TRUE(until_answered());
  for (const char* call :
       {"nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetPciInfo"}) {
    say("hang", call);
    ::kill(watch().helper_pid(), SIGKILL);
    ASSERT_TRUE(until([&](const Sample& sample) {
      const GpuReading* const gpu = find(sample, "GPU-aaaa");
      return gpu != nullptr && gpu->state == GpuState::stale &&
             gpu->state_reason.starts_with(std::string(call) + " did not answer");
    })) << call;
    unsay("hang");
    ASSERT_TRUE(until([&](const Sample& sample) {
      return is(sample, "GPU-aaaa", GpuState::ok) && is(sample, "GPU-bbbb", GpuState::ok);
    })) << call;
  }
}

TEST_F(GpuWatchTest, ASlowStartIsWaitedFor) {
  options_.deadline = kDeadline;
  say("hang", "nvmlInit_v2");
  ASSERT_TRUE(until([&](const Sample&) {
    return absences().find("nvmlInit_v2 did not answer") != std::string::npos;
  })) << absences();
  const pid_t helper = watch().helper_pid();
  ASSERT_NE(helper, 0) << "it was not waited for";
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_EQ(watch().helper_pid(), helper);
  unsay("hang");
  EXPECT_TRUE(until([&](const Sample& sample) { return is(sample, "GPU-aaaa", GpuState::ok); }));
}

// The time of the start once counted against the call that was under way when somebody looked.
TEST_F(GpuWatchTest, WhatComesAfterASlowStartHasTheWholeDeadline) {
  options_.deadline = 2 * kInterval;
  say("hang", "nvmlInit_v2");
  ASSERT_TRUE(until([&](const Sample&) {
    return absences().find("nvmlInit_v2 did not answer") != std::string::npos;
  })) << absences();
  turn();  // half the time until the next look at it
  const auto replaced = watch().replaced();
  const auto since = std::chrono::steady_clock::now();
  say("hang", "nvmlSystemGetDriverVersion");
  ASSERT_TRUE(until([&](const Sample&) { return watch().replaced() > replaced; }));
  EXPECT_GE(std::chrono::steady_clock::now() - since, *options_.deadline - 1ms);
  EXPECT_THAT(absences(), ::testing::HasSubstr("nvmlSystemGetDriverVersion did not answer"));
}

TEST_F(GpuWatchTest, ADriverThatKillsTheHelperCostsOneDevice) {
  ASSERT_TRUE(until_answered());
  say("gpu1.die", "nvmlDeviceGetPowerUsage");
  ASSERT_TRUE(until([&](const Sample& sample) {
    const GpuReading* const gpu = find(sample, "GPU-bbbb");
    return gpu->state == GpuState::stale &&
           gpu->state_reason == "the GPU helper ended in nvmlDeviceGetPowerUsage";
  })) << look().gpus[1].state_reason;
  const auto since = now().boot;
  EXPECT_TRUE(until([&](const Sample& sample) {
    const GpuReading* const gpu = find(sample, "GPU-aaaa");
    return gpu->state == GpuState::ok && gpu->age < now().boot - since;
  }));
  unsay("gpu1.die");
  EXPECT_TRUE(until([&](const Sample& sample) { return is(sample, "GPU-bbbb", GpuState::ok); }));
}

TEST_F(GpuWatchTest, TheHelperEndsWithTheDaemonsSide) {
  ASSERT_TRUE(until_answered());
  const pid_t pid = watch().helper_pid();
  ASSERT_GT(pid, 0);
  watch_.reset();
  // It was waited for too: the number is nobody's.
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(GpuWatchTest, AHelperInheritsNothingButItsSocketAndItsPage) {
  const int extra = ::open("/dev/null", O_RDONLY);  // without close-on-exec
  ASSERT_TRUE(until_answered());
  std::vector<int> open;
  for (const auto& entry :
       fs::directory_iterator("/proc/" + std::to_string(watch().helper_pid()) + "/fd")) {
    open.push_back(std::stoi(entry.path().filename()));
  }
  ::close(extra);
  std::sort(open.begin(), open.end());
  EXPECT_EQ(open, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(GpuWatchTest, AHelperThatCannotBeStartedIsSaid) {
  options_.helper = "/nowhere/headroomd";
  watch().poll();
  EXPECT_THAT(absences(), ::testing::HasSubstr("/nowhere/headroomd could not be started"));
}

TEST_F(GpuWatchTest, AHelperThatIsAnotherProgramIsRefused) {
  options_.helper = "/bin/sh";
  options_.helper_arguments = {"-c", "echo this is no frame of any version >&3; cat <&3"};
  ASSERT_TRUE(until([&](const Sample&) { return watch().replaced() >= 2; }));
  EXPECT_THAT(absences(), ::testing::HasSubstr("does not understand"));
}

// -------------------------------------------------------------------------------------- what lies

TEST_F(GpuWatchTest, LiesAreRefusedOneByOne) {
  ASSERT_TRUE(until_answered());
  lines_["gpu0.memory.used"] = "25GiB";
  lines_["gpu0.busy"] = "250";
  lines_["gpu0.celsius"] = "900";
  lines_["gpu0.milliwatts"] = "400000";
  lines_["gpu0.millijoules"] = "10";
  lines_["gpu1.memory.total"] = "80GiB";
  lines_["gpu1.celsius"] = "-100";
  lines_["gpu1.processes"] = "compute:9:20GiB";
  write();
  ASSERT_TRUE(until([&](const Sample& sample) { return !sample.gpus[0].memory_used; }));
  ASSERT_TRUE(until_answered(2));
  const GpuReading gpu = look().gpus[0];
  EXPECT_EQ(gpu.state, GpuState::ok);
  EXPECT_FALSE(gpu.busy);
  EXPECT_FALSE(gpu.celsius);
  EXPECT_FALSE(gpu.watts);
  EXPECT_FALSE(gpu.joules);
  EXPECT_EQ(gpu.clock, 1410);
  EXPECT_EQ(look().gpus[1].memory_total, 24_GiB);
  EXPECT_FALSE(look().gpus[1].celsius);
  EXPECT_FALSE(look().gpus[1].processes_known);
  const std::string said = absences();
  for (const char* words :
       {"gpu 0000:65:00.0: not believed: used memory of 25600 MiB is more than there is",
        "busy time of 250 % cannot be", "a temperature in degrees of 900 cannot be",
        "a power in watts of 400 cannot be", "its energy in joules went back from 5 to 0.01",
        "gpu 0000:b3:00.0: not believed: its memory changed from 24576 MiB to 81920 MiB"}) {
    EXPECT_THAT(said, ::testing::HasSubstr(words));
  }
}

TEST_F(GpuWatchTest, DevicesThatExchangeIndicesAndNamesStayWhatTheyAre) {
  lines_["gpu1.memory.total"] = "80GiB";
  write();
  ASSERT_TRUE(until_answered());
  const auto same = [&] {
    const auto& gpus = look().gpus;
    return gpus.size() == 2 && gpus[0].id == "GPU-aaaa" && gpus[0].memory_total == 24_GiB &&
           gpus[0].pci == "0000:65:00.0" && gpus[1].id == "GPU-bbbb" &&
           gpus[1].memory_total == 80_GiB && gpus[1].index == 1;
  };
  EXPECT_TRUE(same());
  for (const char* order : {"1,0", "0,1", "1,0"}) {
    say("order", order);
    ::kill(watch().helper_pid(), SIGKILL);
    ASSERT_TRUE(until_answered(2));
    EXPECT_TRUE(same());
  }
  // Now the driver answers for the other one's address.
  std::swap(lines_["gpu0.pci"], lines_["gpu1.pci"]);
  write();
  ::kill(watch().helper_pid(), SIGKILL);
  ASSERT_TRUE(until_answered(2));
  EXPECT_TRUE(same());
}

TEST_F(GpuWatchTest, TwoDevicesWithOneUuidAreToldApart) {
  ASSERT_TRUE(until_answered());
  say("gpu0.uuid", "GPU-bbbb");
  ASSERT_TRUE(
      until([&](const Sample& sample) { return find(sample, "pci-0000:65:00.0") != nullptr; }));
  EXPECT_EQ(look().gpus[1].id, "GPU-bbbb");
  EXPECT_THAT(absences(), ::testing::HasSubstr("claims the UUID"));
}

TEST_F(GpuWatchTest, ALibraryThatVanishesIsSaidAndTakenUpWhenItIsBack) {
  options_.library = folder_ / "libnvidia-ml.so.1";
  fs::copy_file(fs::path(HEADROOM_FAKE_NVML) / "libnvidia-ml.so.1", options_.library);
  ASSERT_TRUE(until_answered());
  fs::rename(options_.library, folder_ / "away");
  ::kill(watch().helper_pid(), SIGKILL);
  ASSERT_TRUE(until([&](const Sample& sample) {
    return is(sample, "GPU-aaaa", GpuState::stale) &&
           sample.gpus[0].state_reason.find("cannot open shared object") != std::string::npos;
  })) << absences();
  EXPECT_THAT(absences(), ::testing::HasSubstr("install the NVIDIA driver"));
  fs::rename(folder_ / "away", options_.library);
  EXPECT_TRUE(until([&](const Sample& sample) { return is(sample, "GPU-aaaa", GpuState::ok); }));
}

TEST_F(GpuWatchTest, ADriverThatDoesNotStartSaysWhy) {
  for (const auto& [code, words] :
       {std::pair{"18", "differ in version"}, std::pair{"9", "kernel module is not loaded"},
        std::pair{"4", "no permission"}}) {
    say("error.nvmlInit_v2", code);
    watch_.reset();
    ASSERT_TRUE(until_answered());
    EXPECT_THAT(absences(), ::testing::HasSubstr(words));
    EXPECT_TRUE(look().gpus.empty());
  }
}

TEST_F(GpuWatchTest, DevicesOfOthersAreNotListed) {
  // Bound to another driver, or given to another container: NVML does not know it.
  put(device("0000:17:00.0") / "class", "0x030000\n");
  put(device("0000:17:00.0") / "vendor", "0x10de\n");
  // Nothing that displays: its audio function.
  put(device("0000:65:00.1") / "class", "0x040300\n");
  put(device("0000:65:00.1") / "vendor", "0x10de\n");
  lines_["gpu1.error.nvmlDeviceGetHandleByPciBusId_v2"] = "4";
  write();
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 1u);
  EXPECT_THAT(absences(), ::testing::HasSubstr("gpu 0000:b3:00.0: no permission"));
}

// ------------------------------------------------------------------------------------ what sleeps

TEST_F(GpuWatchTest, NothingIsAskedOfSleepingDevices) {
  set_power("0000:65:00.0", "auto", "suspended");
  set_power("0000:b3:00.0", "auto", "suspended");
  ASSERT_TRUE(until_answered(5));
  ASSERT_EQ(look().gpus.size(), 2u);
  EXPECT_EQ(look().gpus[0].state, GpuState::asleep);
  EXPECT_EQ(look().gpus[0].id, "pci-0000:65:00.0");
  EXPECT_FALSE(fs::exists(folder_ / "calls"));  // not one call
  // One wakes: the other is still not touched.
  set_power("0000:b3:00.0", "auto", "active");
  ASSERT_TRUE(until([&](const Sample& sample) { return is(sample, "GPU-bbbb", GpuState::ok); }));
  ASSERT_TRUE(until_answered(3));
  EXPECT_EQ(calls_about("gpu0"), 0);
  EXPECT_GT(calls_about("gpu1"), 0);
  EXPECT_EQ(look().gpus[0].state, GpuState::asleep);
}

TEST_F(GpuWatchTest, ADeviceThatFallsAsleepKeepsItsName) {
  ASSERT_TRUE(until_answered());
  set_power("0000:65:00.0", "auto", "suspended");
  ASSERT_TRUE(
      until([&](const Sample& sample) { return is(sample, "GPU-aaaa", GpuState::asleep); }));
  forget_calls();
  ASSERT_TRUE(until_answered(3));
  EXPECT_EQ(calls_about("gpu0"), 0);
  const GpuReading gpu = *find(look(), "GPU-aaaa");
  EXPECT_EQ(gpu.memory_total, 24_GiB);
  EXPECT_FALSE(gpu.busy);
  EXPECT_FALSE(gpu.watts);
}

TEST_F(GpuWatchTest, AnIdleDeviceIsLetGoOfSoThatItCanFallAsleep) {
  set_power("0000:65:00.0", "auto", "active");
  lines_["gpu0.processes"] = "graphics:77:na";
  lines_["gpu0.busy"] = "0";
  write();
  ASSERT_TRUE(until([&](const Sample&) { return calls("nvmlShutdown") == 1; }));
  ASSERT_TRUE(until_answered(2));
  // The other one is in use: it was attached to anew, and this one was not.
  EXPECT_TRUE(is(look(), "GPU-aaaa", GpuState::ok));
  EXPECT_THAT(find(look(), "GPU-aaaa")->state_reason, ::testing::HasSubstr("fall asleep"));
  EXPECT_EQ(calls("nvmlInit_v2"), 2);
  EXPECT_EQ(calls("nvmlDeviceGetHandleByPciBusId_v2 gpu0"), 1);
  EXPECT_EQ(calls("nvmlDeviceGetHandleByPciBusId_v2 gpu1"), 2);
  set_power("0000:65:00.0", "auto", "suspended");
  ASSERT_TRUE(
      until([&](const Sample& sample) { return is(sample, "GPU-aaaa", GpuState::asleep); }));
  forget_calls();
  ASSERT_TRUE(until_answered(2));
  EXPECT_EQ(calls_about("gpu0"), 0);
  // Somebody uses it.
  lines_["gpu0.processes"] = "compute:4121:2GiB";
  write();
  set_power("0000:65:00.0", "auto", "active");
  EXPECT_TRUE(until([&](const Sample& sample) {
    const GpuReading* const gpu = find(sample, "GPU-aaaa");
    return gpu->state == GpuState::ok && gpu->processes.size() == 1;
  }));
}

TEST_F(GpuWatchTest, ADeviceThatIsUsedIsNotLetGoOf) {
  set_power("0000:65:00.0", "auto", "active");
  set_power("0000:b3:00.0", "auto", "active");
  ASSERT_TRUE(until_answered(12));
  EXPECT_EQ(calls("nvmlShutdown"), 0);
}

TEST_F(GpuWatchTest, SleepingDevicesAreAskedWhenToldSo) {
  options_.wake = true;
  set_power("0000:65:00.0", "auto", "suspended");
  ASSERT_TRUE(until_answered());
  EXPECT_TRUE(is(look(), "GPU-aaaa", GpuState::ok));
}

// ------------------------------------------------------------------------------------------- none

TEST_F(GpuWatchTest, WithoutADeviceThereIsNoHelperAndAReason) {
  fs::remove_all(root() / "sys");
  for (int i = 0; i < 3; ++i) watch().poll();
  io_.poll();
  EXPECT_EQ(watch().helper_pid(), 0);
  EXPECT_TRUE(look().gpus.empty());
  EXPECT_THAT(absences(), ::testing::HasSubstr("no NVIDIA or AMD device"));
}

TEST_F(GpuWatchTest, NvmlIsTriedWhereItIsAskedForAndTheLoaderIsQuoted) {
  fs::remove_all(root() / "sys");
  options_.source = GpuSource::nvml;
  options_.library = folder_ / "libnvidia-ml.so.1";
  ASSERT_TRUE(until_answered());
  EXPECT_THAT(absences(), ::testing::HasSubstr("cannot open shared object file"));
  // With a library, its devices are listed although the bus shows none, by address.
  options_.library = fs::path(HEADROOM_FAKE_NVML) / "libnvidia-ml.so.1";
  say("order", "1,0");
  watch_.reset();
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 2u);
  EXPECT_EQ(look().gpus[0].id, "GPU-aaaa");
}

TEST_F(GpuWatchTest, SimulatedOrSwitchedOffItDoesNothing) {
  for (const GpuSource source : {GpuSource::sim, GpuSource::none}) {
    options_.source = source;
    watch_.reset();
    sample_ = {};
    sample_.gpus.resize(1);
    watch().poll();
    sample_.absent = {{"gpu", "stays", ""}};
    watch().readings(now(), sample_);
    EXPECT_EQ(sample_.gpus.size(), 1u);
    EXPECT_EQ(sample_.absent.size(), 1u);
    EXPECT_EQ(watch().helper_pid(), 0);
  }
}

TEST_F(GpuWatchTest, ACardOfAmdIsReadBesideThem) {
  const fs::path card = device("0000:03:00.0");
  put(card / "class", "0x030000\n");
  put(card / "vendor", "0x1002\n");
  put(card / "uevent", "DRIVER=amdgpu\nPCI_CLASS=30000\n");
  put(card / "mem_info_vram_total", "17163091968\n");
  put(card / "mem_info_vram_used", "1073741824\n");
  set_power("0000:03:00.0", "auto", "active");
  put(root() / "sys/module/amdgpu/version", "6.8.5\n");
  ASSERT_TRUE(until_answered());
  ASSERT_EQ(look().gpus.size(), 3u);
  EXPECT_EQ(look().gpus[0].id, "amdgpu-0000:03:00.0");
  EXPECT_EQ(look().gpus[0].memory_used, 1_GiB);
  EXPECT_EQ(look().gpu_driver, "NVIDIA 550.54.15, amdgpu 6.8.5");
  // Asleep it is not read: its numbers may change as they like.
  set_power("0000:03:00.0", "auto", "suspended");
  ASSERT_TRUE(until(
      [&](const Sample& sample) { return is(sample, "amdgpu-0000:03:00.0", GpuState::asleep); }));
}

// ------------------------------------------------------------------------------ without a daemon

class GpuOnceTest : public GpuWatchTest {
 protected:
  Sample once(std::chrono::milliseconds deadline) {
    sense::GpuSetup setup;
    setup.root = root();
    setup.library = options_.library;
    setup.pids_complete = true;
    Sample sample;
    sense::read_gpus_once(setup, deadline, now().boot, sample);
    return sample;
  }
};

TEST_F(GpuOnceTest, TellsTheSame) {
  const Sample sample = once(30s);
  ASSERT_EQ(sample.gpus.size(), 2u);
  EXPECT_EQ(sample.gpus[0].id, "GPU-aaaa");
  EXPECT_EQ(sample.gpus[0].memory_used, 4_GiB);
  EXPECT_EQ(sample.gpu_driver, "NVIDIA 550.54.15");
  EXPECT_TRUE(sample.absent.empty());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no child is left
}

TEST_F(GpuOnceTest, ADriverThatHangsIsLeftAtTheDeadline) {
  say("gpu1.hang", "nvmlDeviceGetName");
  // On a machine so busy that the child has not got there, another call is named: once more.
  for (int attempt = 0; attempt < 20; ++attempt) {
    const Sample sample = once(500ms * (attempt + 1));
    ASSERT_FALSE(sample.absent.empty());
    if (sample.gpus.size() < 2) continue;
    EXPECT_EQ(sample.gpus[0].state, GpuState::ok);
    EXPECT_EQ(sample.gpus[1].state, GpuState::stale);
    EXPECT_EQ(sample.gpus[1].id, "pci-0000:b3:00.0");
    EXPECT_THAT(sample.gpus[1].state_reason, ::testing::HasSubstr("nvmlDeviceGetName"));
    return;
  }
  FAIL() << "the second device was never reached";
}

}  // namespace
}  // namespace headroom::runtime
#endif
