#include "trace.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <numeric>
#include <string_view>

namespace headroom::eviction {
namespace {

std::uint64_t root(std::uint64_t n) {
  std::uint64_t low = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 31; bit > 0; bit >>= 1) {
    if ((low + bit) * (low + bit) <= n) low += bit;
  }
  return low;
}

// Draws 0 to n − 1, the r-th with a weight of r^(−quarters/4). In integers.
class Zipf {
 public:
  Zipf(int n, int quarters) {
    std::uint64_t sum = 0;
    for (int r = 1; r <= n; ++r) {
      std::uint64_t power = 1;
      for (int i = 0; i < quarters; ++i) power *= static_cast<std::uint64_t>(r);
      sum += root(root((std::uint64_t{1} << 60) / power)) + 1;
      until_.push_back(sum);
    }
  }
  int draw(Random& random) const {
    const std::uint64_t at = random.next() % until_.back();
    return static_cast<int>(std::upper_bound(until_.begin(), until_.end(), at) - until_.begin());
  }

 private:
  std::vector<std::uint64_t> until_;
};

std::vector<int> shuffled(Random& random, int n) {
  std::vector<int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size() - 1; i > 0; --i) {
    std::swap(order[i], order[static_cast<std::size_t>(random.below(static_cast<int>(i) + 1))]);
  }
  return order;
}

// Appends to a load until it is full.
struct Maker {
  Random& random;
  int n;
  std::size_t length;
  std::vector<int> order{shuffled(random, n)};
  std::vector<int> uses{};

  bool full() const { return uses.size() >= length; }
  void use(int model) { uses.push_back(model); }
  int named(int rank) const { return order[static_cast<std::size_t>(rank % n)]; }
  int any() { return random.below(n); }

  void cyclic(int noise) {
    const int period = std::max(3, n - random.below(n / 2 + 1));
    for (int k = 0; !full();) use(random.percent(noise) ? any() : named(k++ % period));
  }
  void zipf(int least, int most) {
    const Zipf ranks(n, random.between(least, most));
    while (!full()) use(named(ranks.draw(random)));
  }
  void bursty() {
    while (!full()) {
      std::vector<int> few(static_cast<std::size_t>(random.between(1, 3)));
      for (int& model : few) model = any();
      for (int i = random.between(5, 44); i > 0; --i) {
        use(few[static_cast<std::size_t>(random.below(static_cast<int>(few.size())))]);
      }
    }
  }
  void bursty_zipf() {
    const Zipf ranks(n, 4);
    while (!full()) {
      const int model = named(ranks.draw(random));
      for (int i = random.between(1, 12); i > 0; --i) {
        use(random.percent(80) ? model : named(ranks.draw(random)));
      }
    }
  }
  void drift() {
    const Zipf ranks(n, 4);
    int off = 0;
    while (!full()) {
      if (random.below(60) == 0) ++off;
      use(named(ranks.draw(random) + off));
    }
  }
  void shock() {
    const Zipf ranks(n, 4);
    while (!full()) {
      if (random.below(200) == 0) order = shuffled(random, n);
      use(named(ranks.draw(random)));
    }
  }
  void scan() {
    const Zipf ranks(n, 4);
    while (!full()) {
      if (random.below(60) == 0) {
        for (const int model : shuffled(random, n)) use(model);
      }
      use(named(ranks.draw(random)));
    }
  }
  void phases() {
    const Zipf ranks(n, 3);
    while (!full()) {
      const int kind = random.below(3);
      const int period = random.between(3, n);
      const std::vector<int> other = shuffled(random, n);
      const int length_here = random.between(40, 140);
      for (int i = 0; i < length_here; ++i) {
        const int place = kind == 0 ? i % period : random.below(std::min(4, n));
        use(kind == 1 ? named(ranks.draw(random)) : other[static_cast<std::size_t>(place)]);
      }
    }
  }
  void pipelines() {
    std::vector<std::vector<int>> chains;
    for (int i = 0; i < 4; ++i) {
      chains.push_back(shuffled(random, n));
      chains.back().resize(static_cast<std::size_t>(random.between(2, 4)));
    }
    const Zipf ranks(4, 3);
    while (!full()) {
      for (const int model : chains[static_cast<std::size_t>(ranks.draw(random))]) use(model);
    }
  }
  void periodic() {
    std::vector<int> period, next;
    for (int i = 0; i < n; ++i) {
      period.push_back(10 + random.below(40 * (i + 1)));
      next.push_back(random.below(period.back()));
    }
    while (!full()) {
      const auto first = std::min_element(next.begin(), next.end()) - next.begin();
      const auto model = static_cast<std::size_t>(first);
      use(static_cast<int>(first));
      next[model] += period[model] + random.below(period[model] / 8 + 1);
    }
  }
  void walk() {
    for (int at = 0; !full();) {
      at = (at + n + random.below(5) - 2) % n;
      use(named(at));
    }
  }
  void day_and_night() {  // two sets, each with its own favourites, in turn
    const Zipf ranks(n, 5);
    for (int off = 0; !full(); off = off == 0 ? n / 2 : 0) {
      for (int i = random.between(120, 180); i > 0; --i) {
        use(named(ranks.draw(random) + off));
      }
    }
  }
  void two_loops() {  // two users, each in a loop of his own, at speeds of their own
    const int first = random.between(2, n / 2);
    const int share = random.between(30, 70);
    for (int a = 0, b = 0; !full();) {
      use(random.percent(share) ? named(a++ % first) : named(first + b++ % (n - first)));
    }
  }
  void to_and_fro() {  // up and down the list, where a wait tells nothing of the next
    for (int at = 0, step = 1; !full(); at += step) {
      use(named(at));
      if (at + step < 0 || at + step >= n) step = -step;
    }
  }
  void changing_period() {  // as soon as a period is learned it is another
    while (!full()) {
      const int period = random.between(3, n);
      const int rounds = random.between(2, 9);
      for (int i = 0; i < period * rounds; ++i) use(named(i % period));
    }
  }
  void chain() {  // who follows whom is drawn once, with favourites
    std::vector<std::vector<int>> followers;
    for (int i = 0; i < n; ++i) followers.push_back(shuffled(random, n));
    const Zipf ranks(n, 5);
    for (int at = 0; !full();) {
      at = followers[static_cast<std::size_t>(at)][static_cast<std::size_t>(ranks.draw(random))];
      use(at);
    }
  }
};

std::vector<int> uses_of(std::string_view family, Random& random, int n, std::size_t length) {
  Maker make{random, n, length};
  if (family == "cyclic") make.cyclic(0);
  if (family == "cyclic-noisy") make.cyclic(15);
  if (family == "zipf") make.zipf(2, 5);
  if (family == "bursty") make.bursty();
  if (family == "bursty-zipf") make.bursty_zipf();
  if (family == "drift") make.drift();
  if (family == "shock") make.shock();
  if (family == "scan") make.scan();
  if (family == "phases") make.phases();
  if (family == "pipelines") make.pipelines();
  if (family == "periodic") make.periodic();
  if (family == "walk") make.walk();
  if (family == "uniform") make.zipf(0, 0);
  if (family == "day-and-night") make.day_and_night();
  if (family == "two-loops") make.two_loops();
  if (family == "to-and-fro") make.to_and_fro();
  if (family == "changing-period") make.changing_period();
  if (family == "chain") make.chain();
  if (make.uses.empty()) std::abort();  // a family without a maker
  make.uses.resize(length);
  return make.uses;
}

}  // namespace

const char* to_string(Kind kind) {
  return kind == Kind::equal ? "equal" : kind == Kind::sized ? "sized" : "mixed";
}

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"cyclic", true, "a fixed round of half to all of the models"},
      {"cyclic-noisy", true, "the same, 15 % of the uses of any model"},
      {"zipf", true, "independent uses, rank^-0.5 to rank^-1.25"},
      {"bursty", true, "one to three models for 5 to 44 uses, then others"},
      {"bursty-zipf", true, "bursts of favourites, 20 % of others between"},
      {"drift", true, "the favourites move on by one every 60 uses"},
      {"shock", true, "the favourites are drawn anew every 200 uses"},
      {"scan", true, "favourites, and every 60 uses all models once"},
      {"phases", true, "rounds, favourites and small sets, 40 to 140 uses each"},
      {"pipelines", true, "four fixed chains of two to four models"},
      {"periodic", true, "each model at its own period, with 12 % jitter"},
      {"walk", true, "to a neighbour at most two places on"},
      {"uniform", true, "any model, independently"},
      {"day-and-night", false, "two sets of favourites in turn, 150 uses each"},
      {"two-loops", false, "two rounds at once, each at its own speed"},
      {"to-and-fro", false, "up the list and down again"},
      {"changing-period", false, "a round whose length changes after 2 to 9 rounds"},
      {"chain", false, "who follows whom is drawn once"},
  };
  return all;
}

void furnish(Trace& trace, Kind kind, int count, Random& random) {
  static constexpr int kGb10[] = {4, 9, 17, 26, 49, 55, 80, 92, 130, 170, 240};
  std::int64_t sum = 0;
  std::int64_t largest = 0;
  for (int i = 0; i < count; ++i) {
    Model model{std::int64_t{4'000'000'000}, 5000};
    if (kind != Kind::equal) {
      const std::int64_t gb10 = kGb10[random.below(static_cast<int>(std::size(kGb10)))];
      model.bytes = gb10 * (90'000'000 + 200'000 * random.below(100));
      const std::int64_t speed = kind == Kind::sized ? 1'500 : random.between(300, 3'300);  // MB/s
      const std::int64_t start = kind == Kind::sized ? 1'000 : random.between(500, 20'500);
      model.reload = model.bytes / (speed * 1'000) + start;
    }
    sum += model.bytes;
    largest = std::max(largest, model.bytes);
    trace.models.push_back(model);
  }
  static constexpr int kShare[] = {25, 35, 50, 65, 80};
  trace.capacity = std::max(largest, sum / 100 * kShare[random.below(5)]);
}

Trace make(const Family& family, Kind kind, int models, int uses, std::uint64_t seed) {
  std::uint64_t mixed = seed;
  for (const char c : std::string_view(family.name)) {
    mixed = mixed * 1'000'003 + static_cast<std::uint64_t>(c);
  }
  Random random(mixed * 31 + static_cast<std::uint64_t>(models) * 3 +
                static_cast<std::uint64_t>(kind));
  Trace trace;
  trace.name = std::string(family.name) + ", " + std::to_string(models) + " " + to_string(kind) +
               ", seed " + std::to_string(seed);
  furnish(trace, kind, models, random);
  std::int64_t now = 0;
  for (const int model : uses_of(family.name, random, models, static_cast<std::size_t>(uses))) {
    now += random.between(1'000, 59'000);
    trace.uses.push_back({now, model});
  }
  return trace;
}

}  // namespace headroom::eviction
