// What a query of the history costs without the transport: the last hour of seconds, and a day.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include "record/codec.hpp"
#include "record/history.hpp"

namespace {

using namespace headroom;
using namespace headroom::record;
using namespace std::chrono_literals;

std::vector<double> noise(std::size_t count) {
  std::vector<double> values;
  std::uint64_t random = 1;
  for (std::size_t i = 0; i < count; ++i) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    values.push_back(40 + std::round(static_cast<double>(random >> 40) / 1e5) / 100);
  }
  return values;
}

void encode_an_hour(benchmark::State& state) {
  const auto values = noise(3600);
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    encode_column(values, bytes);
    benchmark::DoNotOptimize(bytes);
  }
  state.counters["bytes_per_sample"] = static_cast<double>(bytes.size()) / 3600;
}
BENCHMARK(encode_an_hour);

void decode_an_hour(benchmark::State& state) {
  std::string bytes;
  encode_column(noise(3600), bytes);
  std::vector<double> values;
  for (auto _ : state) benchmark::DoNotOptimize(decode_column(bytes, values));
}
BENCHMARK(decode_an_hour);

// A day of 40 series at one a second.
struct Day {
  explicit Day(std::size_t seconds = 86400) {
    std::string name = (std::filesystem::temp_directory_path() / "history-bench-XXXXXX").string();
    dir = mkdtemp(name.data());
    database.emplace(dir, Bytes(10 << 20));
    history.emplace(*database, HistoryOptions());
    const auto values = noise(seconds);
    std::vector<Named> sample;
    for (int s = 0; s < 40; ++s) sample.emplace_back("series " + std::to_string(s), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      for (std::size_t s = 0; s < sample.size(); ++s) {
        sample[s].second = values[(i + s * 977) % values.size()];
      }
      append(sample);
    }
  }
  void append(const std::vector<Named>& sample) {
    history->append(now, sample);
    now.boot += 1s;
    now.wall += 1s;
    if (++samples % 60 == 0) history->store();
  }
  ~Day() { std::filesystem::remove_all(dir); }
  std::string dir;
  std::uint64_t samples = 0;
  std::optional<Database> database;
  std::optional<History> history;
  Instant now{BootTime(1000s), WallTime(1800000000s)};
};

void query(benchmark::State& state) {
  static Day day;
  const std::chrono::seconds window(state.range(0));
  std::size_t points = 0;
  for (auto _ : state) {
    auto series = day.history->query("series 7", day.now.wall - window, day.now.wall, 0ms);
    points = series->points.size();
    benchmark::DoNotOptimize(series);
  }
  state.counters["points"] = static_cast<double>(points);
  state.counters["disk_bytes"] = static_cast<double>(day.database->bytes_on_disk());
}
BENCHMARK(query)->Arg(300)->Arg(3600)->Arg(86400)->Arg(30 * 86400);

// A day of 22 series of a set that others store too: bench/serving.py names the file.
void on_disk(benchmark::State& state) {
  const char* path = std::getenv("HEADROOM_HISTORY_SET");
  if (path == nullptr) {
    state.SkipWithError("HEADROOM_HISTORY_SET names no set: see bench/serving.py");
    return;
  }
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  constexpr std::size_t kSeries = 22;
  const std::size_t count = bytes.size() / sizeof(double) / kSeries;
  std::vector<double> values(count * kSeries);
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
  for (auto _ : state) {
    Day day(0);
    // Seconds are kept for all of it, and nothing coarser counts: what the others do.
    HistoryOptions options;
    options.keep_fine = std::chrono::hours(48);
    day.history.emplace(*day.database, options);
    std::vector<Named> sample;
    for (std::size_t s = 0; s < kSeries; ++s) sample.emplace_back("s" + std::to_string(s), 0.0);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t s = 0; s < kSeries; ++s) sample[s].second = values[s * count + i];
      day.append(sample);
    }
    day.history->finish();
    const auto of_tier = [&](const char* which) {
      auto rows = day.database->rows(which);
      return rows.next() ? static_cast<double>(rows.integer(0)) : 0.0;
    };
    const double seconds = of_tier("SELECT sum(length(data)) FROM block WHERE tier<2");
    const double coarse = of_tier("SELECT sum(length(data)) FROM block WHERE tier>1");
    day.database->checkpoint();
    const auto whole = static_cast<double>(day.database->bytes_on_disk());
    const auto samples = static_cast<double>(count * kSeries);
    state.counters["seconds_bytes_per_sample"] = seconds / samples;
    state.counters["with_coarser_tiers"] = (seconds + coarse) / samples;
    state.counters["whole_file"] = whole / samples;
  }
}
BENCHMARK(on_disk)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
