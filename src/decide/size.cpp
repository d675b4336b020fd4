#include "decide/size.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

namespace headroom::decide {
namespace {

// How many runs what is taken for granted counts for.
constexpr double kPriorRuns = 3;
// How often the next run may be above the p95.
constexpr double kAbove = 0.05;
// How many of the last runs the p50 is the mean of.
constexpr std::size_t kRecent = 3;
// What a death adds to what it had.
constexpr double kAfterDeath = 1.25;
// No size is larger, so that sums of some stay within their range.
constexpr std::int64_t kMost = 1LL << 62;
constexpr std::size_t kCounted = 8;

// The mean, in logarithms, of what a run lies above the least of runs of this kind.
constexpr double spread_of(Kin kin) {
  switch (kin) {
    case Kin::same:
      return 0.041;  // a tenth above the only run
    case Kin::device:
      return 0.1;
    case Kin::configuration:
      return 0.33;
  }
  return 0.33;
}

std::int64_t whole(double bytes) {
  if (!(bytes > 1)) return 1;
  return bytes >= static_cast<double>(kMost) ? kMost : static_cast<std::int64_t>(std::ceil(bytes));
}

// What the p95 lies above the highest of these values, which are not empty.
double beyond_highest(std::span<const double> values, double spread) {
  const double least = *std::min_element(values.begin(), values.end());
  double above = kPriorRuns * spread;
  for (const double value : values) above += value - least;
  const auto n = static_cast<double>(values.size());
  const double mean = above / (kPriorRuns + n - 1);
  return mean * std::max(0.0, std::log(1 / (kAbove * (n + 1))));
}

std::int64_t capped_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kMost : std::min(sum, kMost);
}

// What deaths raise the interval to.
struct Floor {
  std::int64_t p50 = 0;
  std::int64_t p95 = 0;
};

Floor floor_of(std::span<const Peak> peaks) {
  Floor floor;
  std::int64_t first = 0;  // of the deaths since the last whole run
  for (const Peak& peak : peaks) {
    if (peak.bytes.count() <= 0) continue;
    const std::int64_t bytes = std::min(peak.bytes.count(), kMost);
    floor.p95 = std::max(floor.p95, bytes);
    if (!peak.killed) {
      first = floor.p50 = 0;
      continue;
    }
    if (first == 0) first = bytes;
    floor.p50 = std::max(floor.p50, bytes);
  }
  if (first > 0) {
    floor.p95 = std::max(floor.p95, whole(static_cast<double>(first) * kAfterDeath));
  }
  return floor;
}

}  // namespace

std::optional<Interval> predict(std::span<const Peak> peaks, Kin kin) {
  if (peaks.size() > kCounted) peaks = peaks.last(kCounted);
  const auto counts = [](const Peak& peak) { return !peak.killed && peak.bytes.count() > 0; };
  double highest = 0;
  for (const Peak& peak : peaks) {
    if (counts(peak)) highest = std::max(highest, static_cast<double>(peak.bytes.count()));
  }
  std::vector<double> logs;  // of their shares of the highest
  logs.reserve(peaks.size());
  for (const Peak& peak : peaks) {
    if (counts(peak)) logs.push_back(std::log(static_cast<double>(peak.bytes.count()) / highest));
  }
  Interval out;
  if (!logs.empty()) {
    const std::size_t n = std::min(kRecent, logs.size());
    const auto recent = logs.end() - static_cast<std::ptrdiff_t>(n);
    const double middle = std::accumulate(recent, logs.end(), 0.0) / static_cast<double>(n);
    out.p50 = Bytes(whole(highest * std::exp(middle)));
    out.p95 = Bytes(whole(highest * std::exp(beyond_highest(logs, spread_of(kin)))));
  }
  const Floor floor = floor_of(peaks);
  out.p50 = std::max(out.p50, Bytes(floor.p50));
  out.p95 = std::max({out.p95, Bytes(floor.p95), out.p50});
  if (out.p95.count() == 0) return std::nullopt;
  return out;
}

Interval predict_beyond(Interval prior, std::span<const Bytes> measured) {
  if (measured.empty()) return prior;
  if (measured.size() > kCounted) measured = measured.last(kCounted);
  std::vector<double> values;
  values.reserve(measured.size());
  for (const Bytes one : measured) values.push_back(static_cast<double>(one.count()));
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  // For granted is taken that processes differ as the prior says.
  const auto spread = static_cast<double>((prior.p95 - prior.p50).count()) / 3;
  const double highest = *std::max_element(values.begin(), values.end());
  Interval out{Bytes(whole(mean)), Bytes(whole(highest + beyond_highest(values, spread)))};
  out.p95 = std::max(out.p50, out.p95);
  return out;
}

void add_beyond(Size& size, Interval beyond) {
  if (!size.gpu_memory) return;
  size.gpu_memory->p50 = Bytes(capped_sum(size.gpu_memory->p50.count(), beyond.p50.count()));
  size.gpu_memory->p95 = Bytes(capped_sum(size.gpu_memory->p95.count(), beyond.p95.count()));
  size.beyond_model = beyond;
}

namespace {

using Set = std::pair<const LearnedKey, Learned>;

// The size that these sets say together; each of several stands for one peak, its highest.
Known known_from(std::vector<const Set*> sets, Kin kin, SizeFrom from) {
  std::sort(sets.begin(), sets.end(), [](const Set* a, const Set* b) {
    return std::tie(a->second.used, a->first) < std::tie(b->second.used, b->first);
  });
  if (sets.size() > kCounted) sets.erase(sets.begin(), sets.end() - kCounted);
  Known known;
  const auto interval_of = [&](Bytes Amounts::* amount) {
    std::vector<Peak> peaks;
    for (const Set* set : sets) {
      // Only the machine's own memory kills.
      const bool kills = amount == &Amounts::memory;
      Peak most;
      for (const LearnedRun& run : set->second.runs) {
        const Peak one{run.peak.*amount, kills && run.killed};
        if (kin == Kin::same) {
          peaks.push_back(one);
        } else if (one.bytes > most.bytes) {
          most = {one.bytes, false};
        }
      }
      if (kin != Kin::same) peaks.push_back(most);
    }
    return predict(peaks, kin);
  };
  known.size.memory = interval_of(&Amounts::memory);
  known.size.gpu_memory = interval_of(&Amounts::gpu_memory);
  if (known.size.memory || known.size.gpu_memory) known.size.from = from;
  for (const Set* set : sets) {
    for (const LearnedRun& run : set->second.runs) {
      known.length = std::max(known.length, run.length);
      known.size.deaths += run.killed ? 1 : 0;
      ++known.size.runs;
    }
  }
  return known;
}

}  // namespace

Known known_size(const std::map<LearnedKey, Learned>& learned, std::string_view name,
                 std::string_view config, std::string_view device) {
  std::vector<const Set*> all;
  const Set* newest = nullptr;
  for (auto it = learned.lower_bound(LearnedKey{std::string(name), {}, {}});
       it != learned.end() && it->first.name == name; ++it) {
    all.push_back(&*it);
    if (newest == nullptr || newest->second.used <= it->second.used) newest = &*it;
  }
  if (newest == nullptr) return {};
  if (config.empty()) config = newest->first.config;
  const auto where = [&](const auto& good) {
    std::vector<const Set*> some;
    for (const Set* set : all) {
      if (good(set->first)) some.push_back(set);
    }
    return some;
  };
  // What ran without a device needs none, whatever there is.
  for (const std::string_view on : {device, std::string_view()}) {
    const auto same =
        where([&](const LearnedKey& key) { return key.config == config && key.device == on; });
    if (!same.empty()) return known_from(same, Kin::same, SizeFrom::learned);
  }
  const auto elsewhere = where([&](const LearnedKey& key) { return key.config == config; });
  if (!elsewhere.empty()) return known_from(elsewhere, Kin::device, SizeFrom::other_device);
  auto others = where([&](const LearnedKey& key) { return key.device == device; });
  if (others.empty()) others = all;
  return known_from(others, Kin::configuration, SizeFrom::other_configuration);
}

void keep_run(std::vector<LearnedRun>& runs, const LearnedRun& run) {
  if (runs.size() >= kLearnedRuns) {
    const bool deaths =
        std::all_of(runs.begin(), runs.end(), [](const LearnedRun& one) { return one.killed; });
    runs.erase(deaths && run.killed ? runs.begin() + 1 : runs.begin());
  }
  runs.push_back(run);
}

std::optional<LearnedKey> crowded_out(const std::map<LearnedKey, Learned>& learned,
                                      const LearnedKey& key) {
  if (learned.contains(key)) return std::nullopt;
  const auto oldest = [](auto first, auto last) {
    return std::min_element(
        first, last, [](const Set& a, const Set& b) { return a.second.used < b.second.used; });
  };
  const auto first = learned.lower_bound(LearnedKey{key.name, {}, {}});
  auto last = first;
  std::size_t of_name = 0;
  for (; last != learned.end() && last->first.name == key.name; ++last) ++of_name;
  if (of_name >= kMostLearnedOfName) return oldest(first, last)->first;
  if (learned.size() >= kMostLearned) return oldest(learned.begin(), learned.end())->first;
  return std::nullopt;
}

}  // namespace headroom::decide
