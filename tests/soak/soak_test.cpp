// A day of a machine's life in simulated time, through the state machine, the ring in memory and
// the history on disk.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "control/control.hpp"
#include "judge/window.hpp"
#include "record/database.hpp"
#include "record/event_list.hpp"
#include "record/event_store.hpp"
#include "record/history.hpp"
#include "runtime/series.hpp"

namespace headroom {
namespace {

using namespace literals;
using namespace std::chrono_literals;

#ifdef HEADROOM_SANITIZED
constexpr bool kSanitized = true;
constexpr int kDay = 21600;  ///< a quarter of it runs through the same lines
#else
constexpr bool kSanitized = false;
constexpr int kDay = 86400;
#endif
constexpr Bytes kBudget = 10_MiB;
constexpr WallTime kStart{1'790'000'000s};

std::int64_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t pages = 0;
  statm >> size >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-soak-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().extension() == ".db") sum += static_cast<std::int64_t>(entry.file_size());
    }
    return sum;
  }

 private:
  std::string path_;
};

// A machine with four GPUs whose readings have daily and hourly waves, and noise that repeats.
Sample machine(int second) {
  const double day = std::sin(2 * std::numbers::pi * second / kDay);
  const double hour = std::sin(2 * std::numbers::pi * second / 3600);
  const double noise = static_cast<double>((second * 2654435761U) >> 20 & 0xfff) / 4096.0;
  Sample s;
  s.at = {BootTime(std::chrono::seconds(1000 + second)), kStart + std::chrono::seconds(second)};
  s.number = static_cast<std::uint64_t>(second) + 1;
  s.cpu.cores = 16;
  s.cpu.busy = Ratio(0.4 + 0.2 * day + 0.1 * hour + 0.2 * noise);
  s.cpu.load = {{4 + 2 * day, 4, 4}};
  s.memory.total = 128_GiB;
  s.memory.available = Bytes(static_cast<std::int64_t>((64 + 20 * day + noise) * (1LL << 30)));
  for (int g = 0; g < 4; ++g) {
    GpuReading gpu;
    gpu.id = "GPU-" + std::to_string(g);
    gpu.index = g;
    gpu.memory_total = 80_GiB;
    gpu.memory_used = Bytes(static_cast<std::int64_t>((30 + 10 * hour) * (1LL << 30)));
    gpu.busy = Ratio(0.5 + 0.4 * noise);
    gpu.celsius = 60 + 10 * day;
    gpu.watts = 300 + 100 * noise;
    s.gpus.push_back(gpu);
  }
  for (const char* mount : {"/", "/data", "/home"}) {
    FilesystemReading fs;
    fs.mount = mount;
    fs.total = 2048_GiB;
    fs.free = fs.available = Bytes((1024LL << 30) - std::int64_t{second} * 4096);
    s.filesystems.push_back(fs);
  }
  return s;
}

TEST(Soak, ADayOfSamplesStaysWithinItsBounds) {
  const Folder folder;
  record::Database database(folder.path(), kBudget);
  auto history = std::make_unique<record::History>(database, record::HistoryOptions{});
  record::EventStore store(database, kBudget);
  record::EventList events;
  judge::History ring(judge::History::kHour);
  runtime::SeriesOf series;
  control::Control control{Config{}};
  std::vector<record::Named> named;
  std::int64_t warm = 0;
  std::int64_t largest_file = 0;
  std::uint64_t request = 0;
  double sum = 0;
  for (int second = 0; second < kDay; ++second) {
    const auto sample = std::make_shared<const Sample>(machine(second));
    const auto handle = [&](const Event& event) {
      for (Effect& effect : control.apply(event, sample->at)) {
        if (auto* say = std::get_if<Say>(&effect)) events.add(std::move(say->line));
      }
    };
    handle(Sampled{sample});
    if (second % 60 == 30) {  // somebody books for ten minutes
      AskLease ask;
      ask.name = "job-" + std::to_string(second / 600 % 50);
      ask.needs.memory = 1_GiB;
      ask.ttl = 600s;
      handle(Asked{++request, {1000, true, false}, ask});
    }
    const auto readings = series.of(*sample);
    ring.push(sample->at, readings);
    named.clear();
    for (const judge::Reading& one : readings) {
      if (one.value) named.emplace_back(one.series, *one.value);
    }
    history->append(sample->at, named);
    sum += sample->cpu.busy->percent();
    if (second % 60 == 59) {
      ASSERT_TRUE(history->store()) << second;
      ASSERT_TRUE(store.store({}, {events.last(), 0}, false));
      largest_file = std::max(largest_file, folder.bytes());
    }
    if (second == 3 * 3600) warm = resident();
  }
  ASSERT_TRUE(history->finish());
  const std::int64_t grown = resident() - warm;
  if (!kSanitized) {  // which keep freed memory for a while
    EXPECT_LT(grown, (4_MiB).count()) << "from the third hour to the end";
  }
  EXPECT_LE(largest_file, kBudget.count());

  // Nothing wandered: the day's average, from the disk, is the average of what went in; the newest
  // point is where the newest sample was.
  const WallTime end = kStart + std::chrono::seconds(kDay);
  const auto day = history->query("cpu", kStart, end, 0ms);
  ASSERT_TRUE(day) << day.error().what;
  EXPECT_NEAR(*day->average, sum / kDay, 0.05);
  EXPECT_EQ(day->points.size(), static_cast<std::size_t>(kDay) / 10);
  EXPECT_EQ(day->points.back().first, end - 10s);
  const auto hour = history->query("cpu", end - 1h, end, 0ms);
  ASSERT_TRUE(hour);
  EXPECT_EQ(hour->points.size(), 3600U);
  EXPECT_EQ(hour->points.back().first, end - 1s);
  EXPECT_NEAR(*hour->points.back().second, machine(kDay - 1).cpu.busy->percent(), 0.1);
  std::printf("grown %.2f MiB; file %.2f MiB at most; %zu series\n",
              static_cast<double>(grown) / 1048576.0, static_cast<double>(largest_file) / 1048576.0,
              history->names().size());

  // And all of it is there for the next run.
  history.reset();
  record::History again(database, record::HistoryOptions{});
  EXPECT_EQ(again.query("cpu", kStart, end, 0ms)->points.size(), day->points.size());
}

}  // namespace
}  // namespace headroom
