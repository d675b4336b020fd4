// Captured machines: what headroom tells of each is compared with tests/golden/machines/NAME.txt
// (HEADROOM_UPDATE_GOLDEN=1 or UPDATE_GOLDEN=1 rewrites it), and each is read again with one of its
// files broken in every way: nothing may crash, and no other sensor may tell anything else.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "sense/sampler.hpp"
#include "sense/slow.hpp"

namespace headroom::sense {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

const fs::path kMachines = HEADROOM_SOURCE_DIR "/tests/machines";
const fs::path kGolden = HEADROOM_SOURCE_DIR "/tests/golden/machines";

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_text(const fs::path& path, const std::string& text) {
  fs::remove(path);  // ext4 would write a file that is cut and filled again to the disk at once
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

/// What was told, by name. Space of filesystems is the test machine's own and is not among it.
using Told = std::map<std::string, std::string>;

class Teller {
 public:
  explicit Teller(std::string root) : root_(std::move(root)) {}

  Told tell(const Sample& sample) {
    told_.clear();
    cpu(sample.cpu);
    memory(sample.memory);
    for (const NumaReading& node : sample.numa) {
      const std::string at = "numa." + std::to_string(node.number);
      say(at + ".total", node.total);
      say(at + ".free", node.free);
      say(at + ".file", node.file);
    }
    stall("cpu.some", sample.stall.cpu_some);
    stall("cpu.full", sample.stall.cpu_full);
    stall("memory.some", sample.stall.memory_some);
    stall("memory.full", sample.stall.memory_full);
    stall("io.some", sample.stall.io_some);
    stall("io.full", sample.stall.io_full);
    say("networks", static_cast<std::uint64_t>(sample.networks.size()));
    say("disks", static_cast<std::uint64_t>(sample.disks.size()));
    for (const NetworkReading& network : first(sample.networks)) {
      const std::string at = "network." + network.name;
      say(at + ".received_total", network.received_total);
      say(at + ".sent_total", network.sent_total);
      say(at + ".received_per_second", network.received_per_second);
      say(at + ".sent_per_second", network.sent_per_second);
      say(at + ".errors_total", network.errors_total);
      say(at + ".dropped_total", network.dropped_total);
      say(at + ".speed", network.speed);
      if (network.up) put(at + ".up", *network.up ? "yes" : "no");
    }
    for (const DiskReading& disk : first(sample.disks)) {
      const std::string at = "disk." + disk.name;
      say(at + ".read_total", disk.read_total);
      say(at + ".written_total", disk.written_total);
      say(at + ".operations_total", disk.operations_total);
      say(at + ".read_per_second", disk.read_per_second);
      say(at + ".written_per_second", disk.written_per_second);
      say(at + ".operations_per_second", disk.operations_per_second);
      say(at + ".busy", disk.busy);
    }
    for (const FilesystemReading& each : sample.filesystems) {
      put("filesystem." + each.mount, each.source + " (" + each.type + ")" +
                                          (each.network ? " network" : "") +
                                          (each.stale ? " stale" : ""));
    }
    for (const TemperatureReading& each : sample.temperatures) {
      say("temperature." + each.sensor, each.celsius);
      say("temperature." + each.sensor + ".limit", each.limit);
    }
    for (const PowerReading& each : sample.powers) {
      say("power." + each.sensor + ".watts", each.watts);
      say("power." + each.sensor + ".joules", each.joules);
    }
    say("own.resident", sample.own.resident);
    for (const Absence& absence : sample.absent) {
      std::string why = absence.reason + (absence.fix.empty() ? "" : "; " + absence.fix);
      for (std::size_t at = 0; (at = why.find(root_, at)) != std::string::npos;) {
        why.erase(at, root_.size());
      }
      put("absent." + absence.sensor, why);
    }
    return told_;
  }

 private:
  /// Long lists are told by their beginning.
  template <class T>
  static std::span<const T> first(const std::vector<T>& all) {
    return {all.data(), std::min<std::size_t>(all.size(), 6)};
  }
  void put(const std::string& key, std::string value) {
    std::string name = key;
    for (int again = 2; told_.count(name) != 0; ++again) name = key + "#" + std::to_string(again);
    told_[name] = std::move(value);
  }
  void say(const std::string& key, Bytes bytes) { put(key, std::to_string(bytes.count())); }
  void say(const std::string& key, std::uint64_t value) { put(key, std::to_string(value)); }
  void say(const std::string& key, double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", value);
    put(key, text);
  }
  void say(const std::string& key, Ratio ratio) { say(key, ratio.value()); }
  void say(const std::string& key, std::chrono::nanoseconds time) {
    say(key, std::chrono::duration<double>(time).count());
  }
  template <class T>
  void say(const std::string& key, const std::optional<T>& value) {
    if (value) say(key, *value);
  }
  void cpu(const CpuReading& cpu) {
    say("cpu.cores", static_cast<std::uint64_t>(cpu.cores));
    say("cpu.busy", cpu.busy);
    say("cpu.user", cpu.user);
    say("cpu.system", cpu.system);
    say("cpu.iowait", cpu.iowait);
    say("cpu.steal", cpu.steal);
    say("cpu.busy_total", cpu.busy_total);
    say("cpu.idle_total", cpu.idle_total);
    say("cpu.user_total", cpu.user_total);
    say("cpu.system_total", cpu.system_total);
    say("cpu.iowait_total", cpu.iowait_total);
    say("cpu.steal_total", cpu.steal_total);
    for (int i = 0; cpu.load && i < 3; ++i) {
      say("load." + std::to_string(i), (*cpu.load)[static_cast<std::size_t>(i)]);
    }
    for (const CoreReading& core : cpu.each) {
      char text[100] = "-";
      if (core.busy) {
        std::snprintf(text, sizeof text, "busy %.4g iowait %.4g steal %.4g", core.busy->value(),
                      core.iowait->value(), core.steal->value());
      }
      char name[40];
      std::snprintf(name, sizeof name, "cpu.core.%03d", core.number);
      put(name, text);
    }
  }
  void memory(const MemoryReading& memory) {
    say("memory.total", memory.total);
    say("memory.available", memory.available);
    say("memory.free", memory.free);
    say("memory.cached", memory.cached);
    say("memory.swap_total", memory.swap_total);
    say("memory.swap_free", memory.swap_free);
    say("memory.limit", memory.limit);
    say("memory.limit_used", memory.limit_used);
    if (!memory.limit_path.empty()) put("memory.limit_path", memory.limit_path);
    say("memory.per_cpu_free", memory.per_cpu_free);
    say("memory.kernel_reserve", memory.kernel_reserve);
    say("memory.shared", memory.shared);
    say("memory.dirty", memory.dirty);
    say("memory.huge_total", memory.huge_total);
    say("memory.huge_free", memory.huge_free);
    say("memory.arc", memory.arc);
    say("memory.arc_least", memory.arc_least);
    say("memory.zram", memory.zram);
    say("memory.zswap", memory.zswap);
  }
  void stall(const std::string& name, const std::optional<StallLine>& line) {
    if (!line) return;
    say("stall." + name + ".avg10", line->avg10);
    say("stall." + name + ".total_us", static_cast<std::uint64_t>(line->total.count()));
  }

  std::string root_;
  Told told_;
};

/// A copy of a captured machine, in the state of the first or of the second instant.
class Machine {
 public:
  explicit Machine(const std::string& name) {
    if (::mkdtemp(folder_) == nullptr) std::abort();
    const fs::path from = kMachines / name;
    fs::copy(from, root(), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    fs::remove_all(root() / "later");
    if (fs::exists(from / "later")) list_later(from / "later");
  }
  ~Machine() { fs::remove_all(folder_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  fs::path root() const { return folder_; }
  /// What is written at the second instant, unless `broken` is in its place.
  void pass_time(const fs::path& broken) const {
    for (const auto& [path, text] : later_) {
      if (path != broken) write_text(root() / path, text);
    }
  }
  void turn_back(const fs::path& broken) const {
    for (const auto& [path, text] : first_) {
      if (path != broken) write_text(root() / path, text);
    }
  }
  /// Every file, by its path in the tree.
  std::vector<fs::path> files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(root())) {
      if (entry.is_symlink() || !entry.is_regular_file()) continue;
      if (entry.path().filename() != ".keep")
        files.push_back(entry.path().lexically_relative(root()));
    }
    std::sort(files.begin(), files.end());
    return files;
  }

 private:
  void list_later(const fs::path& later) {
    for (const auto& entry : fs::recursive_directory_iterator(later)) {
      if (!entry.is_regular_file()) continue;
      const fs::path path = entry.path().lexically_relative(later);
      later_[path] = read_text(entry.path());
      first_[path] = read_text(root() / path);
    }
  }

  char folder_[40] = "/tmp/headroom-machine-XXXXXX";
  std::map<fs::path, std::string> first_;
  std::map<fs::path, std::string> later_;
};

void expect_sane(const Sample& sample) {
  const auto share = [](const std::optional<Ratio>& ratio) {
    return !ratio || (ratio->value() >= 0 && ratio->value() <= 1.000001);
  };
  EXPECT_TRUE(share(sample.cpu.busy) && share(sample.cpu.user) && share(sample.cpu.system) &&
              share(sample.cpu.iowait) && share(sample.cpu.steal));
  for (const CoreReading& core : sample.cpu.each) {
    EXPECT_TRUE(share(core.busy) && share(core.iowait) && share(core.steal));
  }
  for (const DiskReading& disk : sample.disks) EXPECT_TRUE(share(disk.busy));
  const auto amount = [](const std::optional<Bytes>& bytes) { return !bytes || *bytes >= Bytes(); };
  const MemoryReading& memory = sample.memory;
  EXPECT_TRUE(amount(memory.total) && amount(memory.available) && amount(memory.cached) &&
              amount(memory.limit) && amount(memory.limit_used) && amount(memory.huge_free) &&
              amount(memory.arc) && amount(memory.zram) && amount(memory.kernel_reserve));
  for (const TemperatureReading& each : sample.temperatures) {
    EXPECT_TRUE(each.celsius >= -40 && each.celsius <= 126) << each.sensor;
  }
  for (const PowerReading& each : sample.powers) {
    EXPECT_TRUE(!each.watts || (*each.watts >= 0 && *each.watts <= 1e6)) << each.sensor;
  }
  EXPECT_LE(sample.networks.size(), kMostInterfaces);
  EXPECT_LE(sample.absent.size(), 200u);
}

/// The machine read twice, ten seconds apart.
Told read_machine(const Machine& machine, const fs::path& broken = {}) {
  const std::string root = machine.root();
  Sampler sampler({root, GpuSource::none, "", ""});
  SlowSensors sensors(root);
  SlowReading slow;
  Sample sample;
  for (const int second : {0, 10}) {
    if (second > 0) machine.pass_time(broken);
    const Instant at{BootTime(seconds(1000 + second)), WallTime(seconds(1000 + second))};
    sensors.read(at, slow);
    sampler.take(slow);
    sampler.read(at, {.per_cpu_free = true, .filesystems = true}, sample);
    expect_sane(sample);
  }
  machine.turn_back(broken);
  return Teller(root).tell(sample);
}

std::string text_of(const Told& told) {
  std::string text;
  for (const auto& [key, value] : told) text += key + ": " + value + "\n";
  return text;
}

std::vector<std::string> machine_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kMachines)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Machines : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captured, Machines, testing::ValuesIn(machine_names()),
                         [](const auto& param_info) { return param_info.param; });

TEST(Captured, ThereAreAtLeastTwelve) { EXPECT_GE(machine_names().size(), 12u); }

TEST_P(Machines, TellsWhatItAlwaysTold) {
  const Machine machine(GetParam());
  const std::string text = text_of(read_machine(machine));
  const fs::path golden = kGolden / (GetParam() + ".txt");
  if (std::getenv("HEADROOM_UPDATE_GOLDEN") != nullptr || std::getenv("UPDATE_GOLDEN") != nullptr) {
    fs::create_directories(kGolden);
    write_text(golden, text);
  }
  EXPECT_EQ(text, read_text(golden)) << golden;
}

// ------------------------------------------------------------------------------- broken twins

/// What a file may change when it is broken: names that begin so, and the absences of such.
std::vector<std::string> area_of(const std::string& path) {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> kAreas = {
      {"proc/stat", {"cpu."}},
      {"proc/loadavg", {"load."}},
      {"proc/meminfo", {"memory."}},
      {"proc/zoneinfo", {"memory.kernel_reserve", "memory.per_cpu_free"}},
      {"proc/net/dev", {"network"}},
      {"proc/diskstats", {"disk"}},
      {"proc/pressure/cpu", {"stall.cpu."}},
      {"proc/pressure/memory", {"stall.memory."}},
      {"proc/pressure/io", {"stall.io."}},
      {"proc/self/statm", {"own."}},
      {"proc/self/cgroup", {"memory.limit"}},
      {"proc/self/mountinfo", {"filesystem.", "memory.limit"}},
      {"proc/spl/", {"memory.arc"}},
      {"sys/kernel/mm/hugepages/", {"memory.huge_free"}},
      {"sys/fs/cgroup/", {"memory.limit"}},
      {"sys/class/net/", {"network."}},
      {"sys/class/hwmon/", {"temperature.", "power."}},
      {"sys/class/thermal/", {"temperature."}},
      {"sys/class/powercap/", {"power."}},
      {"sys/devices/system/node/", {"numa."}},
      {"sys/block/zram", {"memory.zram"}},
  };
  for (const auto& [start, names] : kAreas) {
    if (path.compare(0, start.size(), start) == 0) return names;
  }
  return {};  // a file that these sensors do not read
}

bool begins_with_any(const std::string& key, const std::vector<std::string>& starts) {
  return std::any_of(starts.begin(), starts.end(), [&](const std::string& start) {
    return key.compare(0, start.size(), start) == 0;
  });
}

/// Files that only refine what another one tells: without them it is told less finely, and nothing
/// is absent that a person could mend.
bool only_refines(const std::string& path) {
  const std::string name = fs::path(path).filename();
  for (const char* end : {"_label", "_crit", "_max", "_fault", "_enable", "_type", "_temp"}) {
    const std::string text = end;
    if (name.size() > text.size() &&
        name.compare(name.size() - text.size(), text.size(), text) == 0) {
      return true;
    }
  }
  const std::set<std::string> names = {
      "name",    "type",     "mode",           "max_energy_range_uj", "speed",
      "carrier", "zoneinfo", "free_hugepages", "runtime_status"};
  return names.count(name) != 0 || path.compare(0, 14, "sys/fs/cgroup/") == 0 ||
         path == "proc/self/cgroup";
}

struct Twin {
  const char* how;
  bool gone;  ///< nothing of the file is left
  void (*make)(const fs::path& path, const std::string& text);
};

const Twin kTwins[] = {
    {"missing", true, [](const fs::path& path, const std::string&) { fs::remove(path); }},
    {"a folder", true,
     [](const fs::path& path, const std::string&) {
       fs::remove(path);
       fs::create_directory(path);
     }},
    {"a link to itself", true,
     [](const fs::path& path, const std::string&) {
       fs::remove(path);
       fs::create_symlink(path.filename(), path);
     }},
    {"unreadable", true,
     [](const fs::path& path, const std::string&) { ::chmod(path.c_str(), 0); }},
    {"empty", true, [](const fs::path& path, const std::string&) { write_text(path, ""); }},
    {"garbage", true,
     [](const fs::path& path, const std::string&) {
       std::string bytes;
       for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(i * 37 % 251);
       write_text(path, bytes);
     }},
    {"a quarter", false,
     [](const fs::path& path, const std::string& text) {
       write_text(path, text.substr(0, text.size() / 4));
     }},
    {"half", false,
     [](const fs::path& path, const std::string& text) {
       write_text(path, text.substr(0, text.size() / 2));
     }},
    {"all but the end", false,
     [](const fs::path& path, const std::string& text) {
       write_text(path, text.substr(0, text.size() - std::min<std::size_t>(text.size(), 3)));
     }},
    {"very long lines", false,
     [](const fs::path& path, const std::string& text) {
       write_text(path, text + std::string(70'000, ' ') + std::string(70'000, 'x') + "\n" + text);
     }},
    {"numbers of 40 digits", false,
     [](const fs::path& path, const std::string& text) {
       std::string large;
       for (std::size_t i = 0; i < text.size(); ++i) {
         if (std::isdigit(static_cast<unsigned char>(text[i])) == 0) {
           large += text[i];
         } else if (i == 0 || std::isdigit(static_cast<unsigned char>(text[i - 1])) == 0) {
           large += std::string(40, '9');
         }
       }
       write_text(path, large);
     }},
};

/// A machine may have no disk; and a sensor that nothing else names is not there without its file.
bool says_nothing_of_itself(const fs::path& file, const std::string& how) {
  if (file.filename() == "diskstats") return how == "empty";
  if (how != "missing" || file.parent_path().filename().string().compare(0, 5, "hwmon") != 0) {
    return false;
  }
  const std::string name = file.filename();
  const std::string stem = name.substr(0, name.find('_'));
  return !fs::exists(file.parent_path() / (stem + "_label"));
}

/// Compares what a broken twin tells with what the healthy machine tells.
void compare(const Told& healthy, const Told& twin, const std::string& path, bool gone) {
  const std::vector<std::string> area = area_of(path);
  bool lost = false;
  std::vector<std::string> reasons;
  for (const auto& [key, value] : twin) {
    const auto same = healthy.find(key);
    if (same != healthy.end() && same->second == value) continue;
    if (key.compare(0, 7, "absent.") == 0) {
      reasons.push_back(key);
      EXPECT_FALSE(area.empty()) << key << " is said of a file that is not read";
    } else {
      EXPECT_TRUE(begins_with_any(key, area)) << key << " became " << value;
    }
  }
  for (const auto& [key, value] : healthy) {
    if (twin.count(key) != 0) continue;
    if (key.compare(0, 7, "absent.") == 0) continue;
    lost = true;
    EXPECT_TRUE(begins_with_any(key, area)) << key << " is gone";
  }
  const std::string sensor = area.empty() ? "" : area[0].substr(0, area[0].find('.'));
  const bool said = !reasons.empty() || twin.count("absent." + sensor) != 0;
  if (gone && lost && !only_refines(path)) {
    EXPECT_TRUE(said) << "nobody says why something is missing";
  }
}

TEST_P(Machines, ABrokenFileIsAbsentWithAReasonAndChangesNothingElse) {
  const Machine machine(GetParam());
  const Told healthy = read_machine(machine);
  for (const fs::path& path : machine.files()) {
    const fs::path file = machine.root() / path;
    const std::string text = read_text(file);
    for (const Twin& twin : kTwins) {
      if (std::string(twin.how) == "unreadable" && ::geteuid() == 0) continue;  // root may
      SCOPED_TRACE(path.string() + ": " + twin.how);
      twin.make(file, text);
      compare(healthy, read_machine(machine, path), path,
              twin.gone && !says_nothing_of_itself(file, twin.how));
      fs::remove_all(file);
      write_text(file, text);
      if (testing::Test::HasFailure() && std::getenv("HEADROOM_ALL_TWINS") == nullptr) return;
    }
  }
}

}  // namespace
}  // namespace headroom::sense
