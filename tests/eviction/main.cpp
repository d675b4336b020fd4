// headroom-evict: replays loads under several ways of choosing victims, and tells what each costs.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "recorded.hpp"
#include "replay.hpp"
#include "trace.hpp"

namespace {

using namespace headroom::eviction;

constexpr const char* kHelp =
    "usage: headroom-evict [--seeds N] [--from SEED] [--uses N] [--recorded DIR] [--traces]\n"
    "\n"
    "Replays loads on one device and compares what loading costs with victims chosen by headroom,\n"
    "by LRU, largest first, by idle time / reload time, and at best. Equal seeds, equal output.\n"
    "\n"
    "  --seeds N       loads per family, number and kind of models (20)\n"
    "  --from SEED     the first seed (500001)\n"
    "  --uses N        uses per load (2000)\n"
    "  --recorded DIR  also loads made of the series in DIR (shared/data/traces)\n"
    "  --traces        also every load that costs more than with LRU\n"
    "\n"
    "The last lines are the bars; the exit status is 1 if one of them does not hold, 3 if\n"
    "the replay contradicts itself.\n";

// A load must make LRU load so often before a ratio to it says something.
constexpr std::int64_t kManyLoads = 100;

struct Sum {
  int count = 0;
  double total = 0;
  double most = 0;
  void add(double value) {
    total += value;
    most = count == 0 ? value : std::max(most, value);
    ++count;
  }
  double mean() const { return count == 0 ? 0 : total / count; }
};

struct Row {
  explicit Row(std::string named = {}) : name(std::move(named)) {}

  std::string name;
  Sum lru_seconds, largest, score, ours, worst_many, worst_few, lru_to_best, ours_to_best;

  void add(const Row& other) {
    const auto join = [](Sum& into, const Sum& from) {
      if (from.count == 0) return;
      into.most = into.count == 0 ? from.most : std::max(into.most, from.most);
      into.count += from.count;
      into.total += from.total;
    };
    join(lru_seconds, other.lru_seconds);
    join(largest, other.largest);
    join(score, other.score);
    join(ours, other.ours);
    join(worst_many, other.worst_many);
    join(worst_few, other.worst_few);
    join(lru_to_best, other.lru_to_best);
    join(ours_to_best, other.ours_to_best);
  }
};

[[noreturn]] void complain(const Trace& trace, const char* what) {
  std::fprintf(stderr, "headroom-evict: %s: %s\n", trace.name.c_str(), what);
  std::exit(3);
}

// One load into a row; where it is small and mixed also into `small`.
void compare(const Trace& trace, Kind kind, bool verbose, Row& row, Row& small) {
  const Cost lru = replay(trace, Policy::lru);
  const Cost largest = replay(trace, Policy::largest);
  const Cost score = replay(trace, Policy::score);
  const Cost ours = replay(trace, Policy::ours);
  if (lru.reload == 0) return;
  const auto ratio = [](const Cost& a, const Cost& b) {
    return static_cast<double>(a.reload) / static_cast<double>(b.reload);
  };
  Row one;
  one.lru_seconds.add(static_cast<double>(lru.reload) / 1000);
  one.largest.add(ratio(largest, lru));
  one.score.add(ratio(score, lru));
  one.ours.add(ratio(ours, lru));
  // With few loads: how many mean loads more.
  const double mean = static_cast<double>(lru.reload) / static_cast<double>(lru.loads);
  if (lru.loads >= kManyLoads) {
    one.worst_many.add(ratio(ours, lru));
  } else {
    one.worst_few.add(static_cast<double>(ours.reload - lru.reload) / mean);
  }
  std::optional<std::int64_t> best = optimum(trace);
  if (kind == Kind::equal) {
    const std::int64_t other = belady(trace);
    if (best.value_or(other) != other) complain(trace, "the two ways to the optimum differ");
    best = other;
  }
  if (best && *best > std::min({lru.reload, largest.reload, score.reload, ours.reload})) {
    complain(trace, "something costs less than the optimum");
  }
  if (best) {
    one.lru_to_best.add(static_cast<double>(lru.reload) / static_cast<double>(*best));
    one.ours_to_best.add(static_cast<double>(ours.reload) / static_cast<double>(*best));
    if (kind == Kind::mixed) small.add(one);
  }
  row.add(one);
  if (verbose && ours.reload > lru.reload) {
    std::printf("%s: %.3f of LRU, which took %" PRId64 " loads, %.0f s\n", trace.name.c_str(),
                ratio(ours, lru), lru.loads, static_cast<double>(lru.reload) / 1000);
  }
}

void print(const Row& row) {
  const auto number = [](const Sum& sum, double value) {
    char text[32] = "";
    if (sum.count > 0) std::snprintf(text, sizeof text, "%.3f", value);
    return std::string(text);
  };
  std::printf(
      "| %s | %d | %.0f | %s | %s | **%s** | %s | %s | %s |\n", row.name.c_str(), row.ours.count,
      row.lru_seconds.mean(), number(row.largest, row.largest.mean()).c_str(),
      number(row.score, row.score.mean()).c_str(), number(row.ours, row.ours.mean()).c_str(),
      number(row.worst_many, row.worst_many.most).c_str(),
      number(row.lru_to_best, row.lru_to_best.mean()).c_str(),
      number(row.ours_to_best, row.ours_to_best.mean()).c_str());
}

bool bar(const char* what, double value, double most) {
  std::printf("%s %.3f, at most %.2f: %s\n", what, value, most, value <= most ? "holds" : "BROKEN");
  return value <= most;
}

}  // namespace

int main(int argc, char** argv) {
  int seeds = 20, uses = 2000;
  std::uint64_t from = 500'001;
  std::string recorded;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    const auto number = [&] {
      const int read = std::atoi(value);
      if (read <= 0) {
        std::fprintf(stderr, "headroom-evict: %s wants a number above 0, not \"%s\"\n", argv[i],
                     value);
        std::exit(2);
      }
      ++i;
      return read;
    };
    if (word == "--help" || word == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    } else if (word == "--seeds") {
      seeds = number();
    } else if (word == "--from") {
      from = static_cast<std::uint64_t>(number());
    } else if (word == "--uses") {
      uses = number();
    } else if (word == "--recorded") {
      recorded = value;
      ++i;
    } else if (word == "--traces") {
      verbose = true;
    } else {
      std::fprintf(stderr, "headroom-evict: %s is not an option; --help tells them\n", argv[i]);
      return 2;
    }
  }

  std::vector<Row> rows;
  Row developed("**seen while developed**"), held("**not seen**"), small("**small, mixed**");
  constexpr Kind kKinds[] = {Kind::equal, Kind::sized, Kind::mixed};
  for (const Family& family : families()) {
    Row row(family.developed ? family.name : std::string(family.name) + " °");
    for (int s = 0; s < seeds; ++s) {
      const std::uint64_t seed = from + static_cast<std::uint64_t>(s);
      for (const Kind kind : kKinds) {
        for (const int models : {5 + s % 5, 24}) {
          compare(make(family, kind, models, uses, seed), kind, verbose, row, small);
        }
      }
    }
    (family.developed ? developed : held).add(row);
    rows.push_back(row);
  }
  if (!recorded.empty()) {
    struct Set {
      const char* folder;
      const char* ending;
    };
    for (const Set set :
         {Set{"azure", "_cpumax"}, Set{"gcd", "_cpu"}, Set{"smd", ""}, Set{"asd", ""}}) {
      for (const Reading reading : {Reading::wakes, Reading::works}) {
        const Recording recording =
            read_recording(recorded + "/" + set.folder, set.ending, reading);
        if (recording.series == 0) {
          std::fprintf(stderr, "headroom-evict: no series *%s.csv.gz in %s/%s\n", set.ending,
                       recorded.c_str(), set.folder);
          return 2;
        }
        Row row(recording.name + " °");
        for (int s = 0; s < std::min(seeds, 10); ++s) {
          for (const Kind kind : kKinds) {
            compare(make(recording, kind, from + static_cast<std::uint64_t>(s),
                         4 * static_cast<std::size_t>(uses)),
                    kind, verbose, row, small);
          }
        }
        held.add(row);
        rows.push_back(row);
      }
    }
  }

  std::printf(
      "| load | traces | LRU, s | largest ÷ LRU | score ÷ LRU | ours ÷ LRU | worst | LRU ÷ best | "
      "ours ÷ best |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Row& row : rows) print(row);
  print(developed);
  print(held);
  print(small);
  Row all("all");
  double family_mean = 0;
  for (const Row& row : rows) {
    all.add(row);
    family_mean = std::max(family_mean, row.ours.mean());
  }
  bool holds = bar("mean of the worst family, ours / LRU:", family_mean, 1.0);
  holds &= bar("worst trace with 100 loads of LRU or more, ours / LRU:", all.worst_many.most, 1.05);
  holds &= bar("worst trace with fewer, loads more than LRU:", all.worst_few.most, 6.0);
  holds &= bar("mean over the small mixed set, ours / best:", small.ours_to_best.mean(), 1.25);
  return holds ? 0 : 1;
}
