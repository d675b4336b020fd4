#include "sense/sampler.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

#include <unistd.h>

#include <gtest/gtest.h>

#include "sense/disk.hpp"
#include "sense/process.hpp"

namespace {
std::atomic<long> allocations{0};
}

// Counts every allocation of this program, so that a test can say that there was none. Not inlined:
// g++ would see malloc and free meet delete and new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace headroom::sense {
namespace {

namespace fs = std::filesystem;
using namespace headroom::literals;
using std::chrono::milliseconds;

const std::string kMachines = HEADROOM_SOURCE_DIR "/tests/machines/";

Instant at(int ms) { return {BootTime(milliseconds(ms)), WallTime(milliseconds(ms))}; }

Sources captured(const std::string& name) { return {kMachines + name, GpuSource::none, "", ""}; }

const Absence* absence_of(const Sample& sample, std::string_view sensor) {
  const auto found = std::find_if(sample.absent.begin(), sample.absent.end(),
                                  [&](const Absence& absence) { return absence.sensor == sensor; });
  return found == sample.absent.end() ? nullptr : &*found;
}

/// A copy of a captured tree, to be changed.
class Tree {
 public:
  explicit Tree(const std::string& name) {
    if (::mkdtemp(folder_) != nullptr) {
      fs::copy(kMachines + name, folder_, fs::copy_options::recursive);
    }
  }
  ~Tree() { fs::remove_all(folder_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  std::string root() const { return folder_; }
  void write(const std::string& path, const std::string& text) const {
    std::ofstream(root() + path) << text;
  }
  void remove(const std::string& path) const { fs::remove(root() + path); }

 private:
  char folder_[32] = "/tmp/headroom-tree-XXXXXX";
};

TEST(Sampler, ReadsABoxOfTheOldKindWithoutLimits) {
  Sampler sampler(captured("hybrid_v1"));
  Sample sample;
  sampler.read(at(0), {.per_cpu_free = true}, sample);
  EXPECT_EQ(sample.number, 1u);
  EXPECT_EQ(sample.cpu.cores, 2);
  EXPECT_FALSE(sample.cpu.busy);
  EXPECT_EQ(sample.cpu.busy_total, milliseconds((2889 + 11 + 1096 + 4 + 48 + 7) * 10));
  EXPECT_TRUE(sample.cpu.load);
  EXPECT_TRUE(sample.memory.total && sample.memory.available && sample.memory.free &&
              sample.memory.cached);
  EXPECT_FALSE(sample.memory.limit);
  EXPECT_GT(sample.memory.kernel_reserve, 1_MiB);
  EXPECT_TRUE(sample.memory.per_cpu_free);
  EXPECT_TRUE(sample.stall.cpu_some && sample.stall.memory_full && sample.stall.io_some);
  ASSERT_EQ(sample.networks.size(), 4u);
  EXPECT_EQ(sample.networks[3].name, "eth0");
  EXPECT_FALSE(sample.networks[3].received_per_second);
  ASSERT_EQ(sample.disks.size(), 1u);
  EXPECT_EQ(sample.disks[0].name, "vda");
  EXPECT_FALSE(sample.disks[0].busy);
  ASSERT_EQ(sample.filesystems.size(), 1u);
  EXPECT_EQ(sample.filesystems[0].source, "/dev/vda");
  EXPECT_TRUE(sample.own.resident);
  EXPECT_GT(sample.own.cpu_total.count(), 0);
  EXPECT_TRUE(sample.absent.empty()) << sample.absent[0].reason;
}

TEST(Sampler, ReadsABoxOfTheNewKindWithALimitAboveTheJobs) {
  Sampler sampler(captured("v2_limits"));
  Sample sample;
  sampler.read(at(0), {.per_cpu_free = true}, sample);
  EXPECT_EQ(sample.cpu.cores, 4);
  EXPECT_EQ(sample.memory.total, Bytes(131072000LL * 1024));
  // The service's own 64 MiB are not the jobs' limit.
  EXPECT_EQ(sample.memory.limit, Bytes(64424509440));
  EXPECT_EQ(sample.memory.limit_path, "/sys/fs/cgroup/system.slice");
  EXPECT_EQ(sample.memory.kernel_reserve, pages_to_bytes(1500));
  EXPECT_EQ(sample.memory.per_cpu_free, pages_to_bytes(50));
  EXPECT_DOUBLE_EQ(sample.stall.memory_some->avg10.value(), 0.015);
  ASSERT_EQ(sample.disks.size(), 2u);
  EXPECT_EQ(sample.disks[0].name, "nvme0n1");
  EXPECT_EQ(sample.disks[0].read_total, 20000u * 512);
  EXPECT_EQ(sample.disks[1].name, "sda");
  EXPECT_EQ(sample.own.resident, pages_to_bytes(424));
  ASSERT_EQ(sample.absent.size(), 1u);
  EXPECT_EQ(sample.absent[0].sensor, "disk /media/my disk");
  sampler.read(at(1000), {}, sample);
  EXPECT_FALSE(sample.memory.per_cpu_free);  // only when asked for
}

TEST(Sampler, TheJobsGroupCanBeNamed) {
  Sources sources = captured("v2_limits");
  sources.jobs_group = sources.root + "/sys/fs/cgroup/jobs.slice/job-1.scope";
  Sampler sampler(sources);
  Sample sample;
  sampler.read(at(0), {}, sample);
  EXPECT_EQ(sample.memory.limit, 2_GiB);
  EXPECT_EQ(sample.memory.limit_path, "/sys/fs/cgroup/jobs.slice/job-1.scope");
}

TEST(Sampler, ALoweredLimitIsSeenWithinTenSeconds) {
  const Tree tree("v2_limits");
  Sampler sampler({tree.root(), GpuSource::none, "", ""});
  Sample sample;
  sampler.read(at(0), {}, sample);
  tree.write("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  sampler.read(at(10'000), {}, sample);
  EXPECT_EQ(sample.memory.limit, 1_GiB);
  tree.write("/sys/fs/cgroup/system.slice/memory.max", "max\n");
  sampler.read(at(20'000), {}, sample);
  EXPECT_FALSE(sample.memory.limit);
  EXPECT_EQ(sample.memory.limit_path, "");
}

TEST(Sampler, WithoutPressureInformationItSaysSoAndReadsTheRest) {
  Sampler sampler(captured("no_pressure"));
  Sample sample;
  sampler.read(at(0), {}, sample);
  EXPECT_FALSE(sample.stall.cpu_some || sample.stall.memory_some || sample.stall.io_some);
  EXPECT_TRUE(sample.memory.total);
  const Absence* const stall = absence_of(sample, "stall");
  ASSERT_NE(stall, nullptr);
  EXPECT_NE(stall->reason.find("/proc/pressure"), std::string::npos);
  EXPECT_NE(stall->fix.find("psi=1"), std::string::npos);
  ASSERT_NE(absence_of(sample, "limit"), nullptr);  // no group hierarchy is mounted there either
  EXPECT_EQ(sample.absent.size(), 2u);
}

/// A file of the kernel that can be opened and says "not supported" when it is read, as those of
/// /proc/pressure do where psi=0.
class Unsupported {
 public:
  Unsupported() {
    for (const char* mount : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      if (!fs::exists(std::string(mount) + "/cgroup.subtree_control")) continue;
      group_ = std::string(mount) + "/headroom-psi-test-" + std::to_string(::getpid());
      std::error_code error;
      fs::create_directories(group_ + "/threads", error);
      std::ofstream(group_ + "/threads/cgroup.type") << "threaded";
      return;
    }
  }
  ~Unsupported() {
    ::rmdir((group_ + "/threads").c_str());
    ::rmdir(group_.c_str());
  }
  std::string path() const { return group_ + "/threads/cgroup.procs"; }
  bool works() const {
    ReadBuffer buffer;
    return !group_.empty() && !read_once(path().c_str(), buffer) && errno == EOPNOTSUPP;
  }

 private:
  std::string group_;
};

TEST(Sampler, PressureInformationThatIsThereAndSwitchedOffIsUnknownAndSaysHowToTurnItOn) {
  const Unsupported unsupported;
  if (!unsupported.works()) GTEST_SKIP() << "no cgroup2 to make such a file with";
  const Tree tree("hybrid_v1");
  const std::string file = tree.root() + "/proc/pressure/memory";
  fs::remove(file);
  fs::create_symlink(unsupported.path(), file);
  Sampler sampler({tree.root(), GpuSource::none, "", ""});
  Sample sample;
  sampler.read(at(0), {}, sample);
  EXPECT_FALSE(sample.stall.memory_some || sample.stall.memory_full) << "unknown is not zero";
  EXPECT_TRUE(sample.stall.cpu_some && sample.memory.total);
  const Absence* const stall = absence_of(sample, "stall");
  ASSERT_NE(stall, nullptr);
  EXPECT_NE(stall->reason.find("switched off"), std::string::npos) << stall->reason;
  EXPECT_NE(stall->fix.find("psi=1"), std::string::npos);
}

TEST(Sampler, BrokenFilesGiveEmptyFieldsAndReasons) {
  Sampler sampler(captured("broken"));
  Sample sample;
  for (int i = 0; i < 3; ++i) sampler.read(at(i * 1000), {.per_cpu_free = true}, sample);
  EXPECT_EQ(sample.cpu.cores, 0);
  EXPECT_FALSE(sample.cpu.busy || sample.cpu.load);
  EXPECT_TRUE(sample.memory.total);  // this much could be read
  EXPECT_FALSE(sample.memory.available || sample.memory.per_cpu_free ||
               sample.memory.kernel_reserve);
  EXPECT_FALSE(sample.stall.cpu_some || sample.stall.memory_some || sample.stall.io_full);
  EXPECT_TRUE(sample.stall.io_some);
  EXPECT_TRUE(sample.networks.empty() && sample.filesystems.empty());
  EXPECT_TRUE(sample.disks.empty());
  EXPECT_FALSE(sample.own.resident);
  for (const char* sensor :
       {"cpu", "load", "memory", "network", "stall", "own", "filesystem", "limit"}) {
    const Absence* const absence = absence_of(sample, sensor);
    ASSERT_NE(absence, nullptr) << sensor;
    EXPECT_FALSE(absence->reason.empty());
  }
}

TEST(Sampler, AnEmptyTreeGivesOneReasonForEverySensor) {
  char folder[] = "/tmp/headroom-empty-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  Sampler sampler({folder, GpuSource::automatic, "", ""});
  Sample sample;
  sampler.read(at(0), {}, sample);
  for (const char* sensor :
       {"cpu", "load", "memory", "network", "disk", "stall", "own", "filesystem", "limit", "gpu"}) {
    EXPECT_NE(absence_of(sample, sensor), nullptr) << sensor;
  }
  EXPECT_EQ(sample.absent.size(), 10u);
  EXPECT_FALSE(sample.memory.total);
  fs::remove_all(folder);
}

TEST(Sampler, RatesAreOfTheTimeBetweenTwoReads) {
  const Tree tree("v2_limits");
  Sampler sampler({tree.root(), GpuSource::none, "", ""});
  Sample sample;
  sampler.read(at(0), {}, sample);
  EXPECT_FALSE(sample.cpu.busy);
  tree.write("/proc/stat", "cpu  1050 200 310 8030 510 10 20 30 40 0\ncpu0 1\n");
  tree.write(
      "/proc/net/dev",
      "enp5s0:123456791012 0 0 0 0 0 0 0 98765432209 0 0 0\n  new0: 5 0 0 0 0 0 0 0 5 0 0 0\n");
  tree.write("/proc/diskstats", " 259 0 nvme0n1 1010 0 20100 500 3030 0 40200 900 0 750 1400\n");
  sampler.read(at(500), {}, sample);
  EXPECT_DOUBLE_EQ(sample.cpu.busy->value(), 0.6);
  EXPECT_DOUBLE_EQ(sample.cpu.iowait->value(), 0.1);
  ASSERT_EQ(sample.networks.size(), 2u);  // lo went, new0 came
  EXPECT_EQ(sample.networks[0].name, "enp5s0");
  EXPECT_DOUBLE_EQ(*sample.networks[0].received_per_second, 4000);
  EXPECT_DOUBLE_EQ(*sample.networks[0].sent_per_second, 200);
  EXPECT_EQ(sample.networks[1].name, "new0");
  EXPECT_FALSE(sample.networks[1].received_per_second);
  ASSERT_EQ(sample.disks.size(), 1u);
  EXPECT_DOUBLE_EQ(*sample.disks[0].read_per_second, 100 * 512 * 2);
  EXPECT_DOUBLE_EQ(*sample.disks[0].written_per_second, 200 * 512 * 2);
  EXPECT_DOUBLE_EQ(*sample.disks[0].operations_per_second, 80);
  EXPECT_DOUBLE_EQ(sample.disks[0].busy->value(), 0.1);

  sampler.read(at(510), {}, sample);  // too soon to say anything new
  EXPECT_DOUBLE_EQ(sample.cpu.busy->value(), 0.6);
  EXPECT_DOUBLE_EQ(*sample.networks[0].received_per_second, 4000);

  tree.write("/proc/net/dev",
             "enp5s0: 7 0 0 0 0 0 0 0 98765432209 0 0 0\n  new0: 5 0 0 0 0 0 0 0 5 0 0 0\n");
  sampler.read(at(1500), {}, sample);
  EXPECT_FALSE(sample.networks[0].received_per_second);  // the counter began anew
  EXPECT_DOUBLE_EQ(*sample.networks[0].sent_per_second, 0);
  EXPECT_DOUBLE_EQ(*sample.networks[1].received_per_second, 0);
  EXPECT_DOUBLE_EQ(*sample.disks[0].read_per_second, 0);
}

TEST(Sampler, AFileThatVanishesIsAbsentUntilItIsBack) {
  const Tree tree("v2_limits");
  Sampler sampler({tree.root(), GpuSource::none, "", ""});
  Sample sample;
  sampler.read(at(0), {}, sample);
  sampler.read(at(1000), {}, sample);
  ASSERT_EQ(sample.absent.size(), 1u);
  for (const char* path : {"/proc/stat", "/proc/meminfo", "/proc/pressure/io", "/proc/net/dev"})
    tree.remove(path);
  sampler.read(at(2000), {}, sample);
  EXPECT_EQ(sample.cpu.cores, 0);
  EXPECT_FALSE(sample.cpu.busy);
  EXPECT_TRUE(sample.cpu.load);
  EXPECT_FALSE(sample.memory.total);
  EXPECT_FALSE(sample.stall.io_some);
  EXPECT_TRUE(sample.stall.cpu_some);
  EXPECT_TRUE(sample.networks.empty());
  for (const char* sensor : {"cpu", "memory", "stall", "network"})
    EXPECT_NE(absence_of(sample, sensor), nullptr);
  for (const char* path : {"/proc/stat", "/proc/meminfo", "/proc/pressure/io", "/proc/net/dev"}) {
    fs::copy(kMachines + "v2_limits" + path, tree.root() + path);
  }
  sampler.read(at(3000), {}, sample);
  EXPECT_EQ(sample.cpu.cores, 4);
  EXPECT_TRUE(sample.memory.total && sample.stall.io_some);
  EXPECT_EQ(sample.networks.size(), 2u);
  EXPECT_EQ(sample.absent.size(), 1u);
}

TEST(Sampler, FilesystemsAreRepeatedWhenTheyAreNotAskedFor) {
  Sampler sampler(captured("v2_limits"));
  Sample sample;
  sampler.read(at(0), {.per_cpu_free = false, .filesystems = false}, sample);
  EXPECT_TRUE(sample.filesystems.empty());
  sampler.read(at(1000), {}, sample);
  EXPECT_EQ(sample.filesystems.size(), 2u);
  sampler.read(at(2000), {.per_cpu_free = false, .filesystems = false}, sample);
  EXPECT_EQ(sample.filesystems.size(), 2u);
}

TEST(Sampler, SimulatedGpusAreThereAndAWrongTextIsAnAbsence) {
  Sources sources = captured("v2_limits");
  sources.gpu = GpuSource::sim;
  sources.gpu_sim = "24GiB,cc=8.6,used=4.2GiB,util=23.4,temp=67; 24GiB";
  Sample sample;
  Sampler(sources).read(at(0), {}, sample);
  ASSERT_EQ(sample.gpus.size(), 2u);
  EXPECT_EQ(sample.gpus[1].id, "GPU-sim-1");
  EXPECT_EQ(absence_of(sample, "gpu"), nullptr);
  sources.gpu_sim = "24GB,speed=9";
  Sampler(sources).read(at(0), {}, sample);
  EXPECT_TRUE(sample.gpus.empty());
  ASSERT_NE(absence_of(sample, "gpu"), nullptr);
  EXPECT_NE(absence_of(sample, "gpu")->reason.find("speed=9"), std::string::npos);
  sources.gpu = GpuSource::nvml;
  Sampler(sources).read(at(0), {}, sample);
  ASSERT_NE(absence_of(sample, "gpu"), nullptr);
  EXPECT_NE(absence_of(sample, "gpu")->reason.find("libnvidia-ml.so.1"), std::string::npos);
}

TEST(Sampler, HoldersAreReadInOrderAndKeepTheirCounters) {
  Sampler sampler(captured("v2_limits"));
  const std::string scope = kMachines + "v2_limits/sys/fs/cgroup/jobs.slice/job-1.scope";
  const Target grouped{1, {scope, scope, scope, "", true}, {5000, 7000}};
  const Target tree{2, {}, {5000, 7000}};
  Sample sample;
  sampler.track(tree);
  sampler.track(grouped);
  sampler.read(at(0), {}, sample);
  ASSERT_EQ(sample.holders.size(), 2u);
  EXPECT_EQ(sample.holders[0].lease, 1u);
  EXPECT_EQ(sample.holders[0].processes, 3);
  EXPECT_EQ(sample.holders[1].lease, 2u);
  EXPECT_EQ(sample.holders[1].memory, pages_to_bytes(1240));
  EXPECT_FALSE(sample.holders[1].cpu);
  sampler.track(grouped);  // as it was
  sampler.track({4, {}, {5003, 6000}});
  sampler.read(at(1000), {}, sample);
  ASSERT_EQ(sample.holders.size(), 3u);
  EXPECT_EQ(sample.holders[0].cpu, Cores(0));  // its second read
  EXPECT_EQ(sample.holders[1].cpu, Cores(0));
  EXPECT_FALSE(sample.holders[2].cpu);  // its first
  for (const LeaseId lease : {4, 2, 1, 4}) sampler.untrack(lease);
  sampler.read(at(2000), {}, sample);
  EXPECT_TRUE(sample.holders.empty());
}

TEST(Sampler, AGroupThatIsGoneLeavesItsHolderToTheProcessTable) {
  const Tree tree("v2_limits");
  Sampler sampler({tree.root(), GpuSource::none, "", ""});
  const std::string scope = tree.root() + "/sys/fs/cgroup/jobs.slice/job-1.scope";
  sampler.track({1, {scope, scope, scope, "", true}, {5000, 7000}});
  Sample sample;
  sampler.read(at(0), {}, sample);
  EXPECT_EQ(sample.holders[0].memory, Bytes(1005207));
  fs::remove_all(scope);
  sampler.read(at(1000), {}, sample);
  EXPECT_EQ(sample.holders[0].memory, pages_to_bytes(1240));
  EXPECT_EQ(sample.holders[0].processes, 3);
}

/// "Key:   number kB" of a file of the running kernel.
Bytes live_meminfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string word;
  std::int64_t value = 0;
  while (file >> word) {
    if (word == key && file >> value) break;
  }
  return Bytes(value * 1024);
}

TEST(LiveSampler, AgreesWithTheKernel) {
  Sampler sampler({"/", GpuSource::none, "", ""});
  Sample sample;
  sampler.read(at(1000), {}, sample);
  EXPECT_EQ(sample.memory.total, live_meminfo("MemTotal:"));
  EXPECT_EQ(sample.memory.swap_total, live_meminfo("SwapTotal:"));
  const auto near = [](std::optional<Bytes> a, Bytes b) {
    return a && std::llabs(a->count() - b.count()) < (2LL << 30);
  };
  EXPECT_TRUE(near(sample.memory.available, live_meminfo("MemAvailable:")));
  EXPECT_TRUE(near(sample.memory.free, live_meminfo("MemFree:")));
  EXPECT_EQ(sample.cpu.cores, ::sysconf(_SC_NPROCESSORS_ONLN));
  ASSERT_FALSE(sample.filesystems.empty());
  EXPECT_EQ(sample.filesystems[0].mount, "/");
  const auto space = fs::space("/");
  EXPECT_EQ(sample.filesystems[0].total, Bytes(static_cast<std::int64_t>(space.capacity)));
  EXPECT_TRUE(
      near(sample.filesystems[0].available, Bytes(static_cast<std::int64_t>(space.available))));
  EXPECT_GT(sample.own.resident, 1_MiB);
  // Burn more than a few ticks, so that the second read has something to share out.
  const auto start = sample.cpu.busy_total;
  int rounds = 0;
  do {
    volatile std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < 30'000'000; ++i) sum = sum + i;
    sampler.read(at(2000 + rounds * 1000), {}, sample);
  } while (sample.cpu.busy_total - start < milliseconds(50) && ++rounds < 1000);
  ASSERT_TRUE(sample.cpu.busy);
  EXPECT_GT(sample.cpu.busy->value(), 0.0);
  EXPECT_LE(sample.cpu.busy->value(), 1.0);
  for (const Absence& absence : sample.absent) {
    EXPECT_TRUE(absence.sensor == "stall" || absence.sensor == "limit")
        << absence.sensor << ": " << absence.reason;
  }
}

TEST(LiveSampler, DisksReadOneByOneAgreeWithTheListOfAll) {
  ReadBuffer buffer;
  Sampler sampler({"/", GpuSource::none, "", ""});
  Sample sample;
  for (int i = 0; i < 25; ++i) {  // the list is read now and then, the disks' own files in between
    std::vector<DiskCounters> before, after;
    const std::string text(read_once("/proc/diskstats", buffer).value_or(""));
    parse_diskstats(text, before);
    sampler.read(at(1000 * i), {}, sample);
    const std::string later(read_once("/proc/diskstats", buffer).value_or(""));
    parse_diskstats(later, after);
    ASSERT_EQ(sample.disks.size(), before.size());
    for (std::size_t disk = 0; disk < before.size(); ++disk) {
      EXPECT_EQ(sample.disks[disk].name, before[disk].name);
      EXPECT_GE(sample.disks[disk].written_total, before[disk].sectors_written * 512);
      EXPECT_LE(sample.disks[disk].written_total, after[disk].sectors_written * 512);
      EXPECT_GE(sample.disks[disk].operations_total, before[disk].operations);
      EXPECT_LE(sample.disks[disk].operations_total, after[disk].operations);
    }
  }
}

TEST(LiveSampler, AllocatesNothingInTheSteadyState) {
  Sampler sampler(
      {"/", GpuSource::sim, "24GiB,name=a name that is longer than a short string", ""});
  Sample sample;
  for (int i = 0; i < 20; ++i) sampler.read(at(1000 * i), {}, sample);
  const long before = allocations.load();
  for (int i = 20; i < 40; ++i) sampler.read(at(1000 * i), {.per_cpu_free = i % 2 == 0}, sample);
  EXPECT_EQ(allocations.load() - before, 0);
}

}  // namespace
}  // namespace headroom::sense
