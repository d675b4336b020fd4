#include "replay.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "decide/victims.hpp"

namespace headroom::eviction {
namespace {

std::size_t at(int model) { return static_cast<std::size_t>(model); }

// The device: who is resident since when, and used last when.
struct Device {
  const Trace& trace;
  std::vector<bool> resident;
  std::vector<std::int64_t> last;
  std::int64_t used = 0;

  explicit Device(const Trace& t)
      : trace(t), resident(t.models.size(), false), last(t.models.size(), -1) {}

  std::vector<int> residents() const {
    std::vector<int> all;
    for (std::size_t i = 0; i < resident.size(); ++i) {
      if (resident[i]) all.push_back(static_cast<int>(i));
    }
    return all;
  }
  void unload(int model) {
    if (!resident[at(model)]) std::abort();
    resident[at(model)] = false;
    used -= trace.models[at(model)].bytes;
  }
};

// Whether `a` goes before `b`.
bool before(const Device& device, Policy policy, std::int64_t now, int a, int b) {
  const Model& x = device.trace.models[at(a)];
  const Model& y = device.trace.models[at(b)];
  if (policy == Policy::largest && x.bytes != y.bytes) return x.bytes > y.bytes;
  if (policy == Policy::score) {
    const std::int64_t left = (now - device.last[at(a)]) * y.reload;
    const std::int64_t right = (now - device.last[at(b)]) * x.reload;
    if (left != right) return left > right;
  }
  return device.last[at(a)] < device.last[at(b)];
}

std::string name(int model) { return "m" + std::to_string(model); }

class Chooser {
 public:
  explicit Chooser(const Trace& trace) : trace_(trace) {}

  void asked(const Use& use) {
    const Model& model = trace_.models[at(use.model)];
    uses_.used(name(use.model), Bytes(model.bytes), std::chrono::milliseconds(model.reload),
               Bytes(trace_.capacity));
  }
  std::vector<int> choose(const Device& device, const Use& use, std::int64_t need) const {
    const std::vector<int> all = device.residents();
    std::vector<decide::Resident> residents;
    for (const int model : all) {
      decide::Resident one;
      one.name = name(model);
      one.bytes = Bytes(trace_.models[at(model)].bytes);
      one.reload = std::chrono::milliseconds(trace_.models[at(model)].reload);
      one.last_used = BootTime(std::chrono::milliseconds(device.last[at(model)]));
      residents.push_back(std::move(one));
    }
    decide::VictimRules rules;
    rules.min_residency = std::chrono::seconds(0);
    rules.churn_window = std::chrono::seconds(0);
    const auto victims = decide::choose_victims(residents, uses_,
                                                {Bytes(need), Priority::normal, name(use.model),
                                                 BootTime(std::chrono::milliseconds(use.at))},
                                                rules);
    std::vector<int> chosen;
    for (const decide::Victim& victim : victims.unload) chosen.push_back(all[victim.resident]);
    return chosen;
  }

 private:
  const Trace& trace_;
  decide::Uses uses_;
};

}  // namespace

Cost replay(const Trace& trace, Policy policy) {
  Device device(trace);
  Chooser chooser(trace);
  Cost cost;
  for (const Use& use : trace.uses) {
    const Model& model = trace.models[at(use.model)];
    if (policy == Policy::ours) chooser.asked(use);
    if (!device.resident[at(use.model)]) {
      std::int64_t need = device.used + model.bytes - trace.capacity;
      if (need > 0 && policy == Policy::ours) {
        for (const int victim : chooser.choose(device, use, need)) device.unload(victim);
      } else if (need > 0) {
        std::vector<int> order = device.residents();
        std::sort(order.begin(), order.end(),
                  [&](int a, int b) { return before(device, policy, use.at, a, b); });
        for (std::size_t i = 0; need > 0; ++i) {
          need -= trace.models[at(order[i])].bytes;
          device.unload(order[i]);
        }
      }
      device.resident[at(use.model)] = true;
      device.used += model.bytes;
      cost.reload += model.reload;
      ++cost.loads;
      if (device.used > trace.capacity) {
        std::fprintf(stderr, "%s: more resident than fits\n", trace.name.c_str());
        std::abort();
      }
    }
    device.last[at(use.model)] = use.at;
  }
  return cost;
}

std::optional<std::int64_t> optimum(const Trace& trace) {
  const std::size_t n = trace.models.size();
  if (n > 10) return {};
  constexpr std::int64_t kNever = INT64_MAX / 4;
  const std::size_t sets = std::size_t{1} << n;
  std::vector<std::int64_t> bytes(sets, 0);
  for (std::size_t set = 1; set < sets; ++set) {
    bytes[set] = bytes[set & (set - 1)] +
                 trace.models[static_cast<std::size_t>(std::countr_zero(set))].bytes;
  }
  // least[set]: the cheapest way to have exactly this set resident after the uses so far.
  std::vector<std::int64_t> least(sets, kNever), next(sets);
  least[0] = 0;
  for (const Use& use : trace.uses) {
    const std::size_t bit = std::size_t{1} << use.model;
    for (std::size_t i = 0; i < n; ++i) {  // anybody may be unloaded at any time
      const std::size_t one = std::size_t{1} << i;
      for (std::size_t set = 0; set < sets; ++set) {
        if ((set & one) == 0) least[set] = std::min(least[set], least[set | one]);
      }
    }
    std::fill(next.begin(), next.end(), kNever);
    for (std::size_t set = 0; set < sets; ++set) {
      if (least[set] == kNever) continue;
      if ((set & bit) != 0) {
        next[set] = std::min(next[set], least[set]);
      } else if (bytes[set | bit] <= trace.capacity) {
        next[set | bit] =
            std::min(next[set | bit], least[set] + trace.models[at(use.model)].reload);
      }
    }
    least.swap(next);
  }
  return *std::min_element(least.begin(), least.end());
}

std::int64_t belady(const Trace& trace) {
  std::vector<std::vector<std::size_t>> when(trace.models.size());
  for (std::size_t i = trace.uses.size(); i-- > 0;) when[at(trace.uses[i].model)].push_back(i);
  Device device(trace);
  std::int64_t cost = 0;
  for (const Use& use : trace.uses) {
    when[at(use.model)].pop_back();  // from now on the last is the next use
    if (device.resident[at(use.model)]) continue;
    const Model& model = trace.models[at(use.model)];
    while (device.used + model.bytes > trace.capacity) {
      const auto next = [&](int one) {
        return when[at(one)].empty() ? SIZE_MAX : when[at(one)].back();
      };
      const std::vector<int> all = device.residents();
      device.unload(*std::max_element(all.begin(), all.end(),
                                      [&](int a, int b) { return next(a) < next(b); }));
    }
    device.resident[at(use.model)] = true;
    device.used += model.bytes;
    cost += model.reload;
  }
  return cost;
}

}  // namespace headroom::eviction
