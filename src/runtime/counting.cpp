#include "runtime/counting.hpp"

#include <algorithm>
#include <string_view>

#include <dirent.h>

namespace headroom::runtime {

namespace {

using namespace std::chrono_literals;

constexpr auto kFilesKnown = 5s;  // counting ten thousand of them takes milliseconds

}  // namespace

void Counting::effect(const Effect& effect, const control::State& state) {
  if (const auto* say = std::get_if<Say>(&effect)) {
    const std::string& type = say->line.type;
    if (type == "lease.overrun") {
      ++counts_.overruns[static_cast<std::size_t>(Resource::memory)];
      return;
    }
    if (type == "model.unloaded") ++counts_.unloaded;
    if (type == "model.kept") ++counts_.kept;
    if (type == "model.loaded") return loaded(say->line.lease, state);
    const bool granted = type == "lease.granted";
    if (!granted && type != "lease.ended") return;
    const auto lease = state.promises.leases.find(say->line.lease);
    if (lease == state.promises.leases.end()) return;
    const Instant& asked = lease->second.asked;
    const bool never = lease->second.granted.boot == BootTime();
    if (granted) counts_.granted.add(lease->second.granted.boot - asked.boot);
    if (!granted && never) counts_.given_up.add(lease->second.ended.boot - asked.boot);
  } else if (const auto* answer = std::get_if<Respond>(&effect)) {
    const auto* freed = std::get_if<Freed>(&answer->what);
    if (freed == nullptr || freed->dry_run) return;
    ++(freed->why.empty() ? counts_.cleanups : counts_.short_cleanups);
    counts_.freed_memory +=
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, freed->memory.count()));
    counts_.freed_gpu_memory +=
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, freed->gpu_memory.count()));
  } else if (const auto* changed = std::get_if<Changed>(&effect)) {
    const auto* alert = std::get_if<Alert>(&changed->what);
    if (alert == nullptr) return;
    if (alert->ended) {
      raised_.erase(alert->id);
      return;
    }
    Level& counted = raised_[alert->id];
    if (alert->level > counted) {
      ++alerts_[static_cast<std::size_t>(alert->level) - 1];
      counted = alert->level;
    }
  }
}

void Counting::loaded(LeaseId id, const control::State& state) {
  const auto lease = state.promises.leases.find(id);
  if (lease == state.promises.leases.end()) return;
  const auto model = state.promises.models.find(lease->second.model);
  if (model == state.promises.models.end() || model->second.load.count() <= 0) return;
  counts_.loads.add(model->second.load);
}

void Counting::answered(const HookAnswered& answer, BootTime at) {
  const auto asked = asked_.find(answer.ask);
  if (asked == asked_.end()) return;
  counts_.called(asked->second.hook, answer.result, at - asked->second.at);
  asked_.erase(asked);
}

void Counting::levels(const control::State& state) {
  for (const auto& [key, gauge] : state.gauges) {
    Level& before = levels_[key];
    const Level now = gauge.level();
    if (now > before) {
      ++pressure_.at(static_cast<std::size_t>(key.first)).at(static_cast<std::size_t>(now) - 1);
    }
    before = now;
  }
  if (levels_.size() > state.gauges.size()) {
    std::erase_if(levels_, [&](const auto& one) { return !state.gauges.contains(one.first); });
  }
}

void Counting::fill(serve::Costs& costs, Instant now) {
  std::copy(std::begin(alerts_), std::end(alerts_), std::begin(costs.alerts_raised));
  costs.pressure_events = pressure_;
  if (!counts_.open_files || now.boot - files_counted_ > kFilesKnown) {
    counts_.open_files = count_open_files();
    files_counted_ = now.boot;
  }
  costs.counts = &counts_;
}

std::uint64_t count_open_files() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::uint64_t count = 0;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(folder);
  return count - 1;  // the folder itself was open
}

}  // namespace headroom::runtime
