#include "sense/stat.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  std::uint64_t total = 0;
  if (__builtin_add_overflow(a, b, &total)) return std::numeric_limits<std::uint64_t>::max();
  return total;
}

// iowait and idle are known to step back a little (proc(5)): that is no time at all.
std::uint64_t rise(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

std::chrono::nanoseconds as_time(std::uint64_t ticks, std::int64_t ticks_per_second) {
  const std::uint64_t tick = 1'000'000'000ULL / static_cast<std::uint64_t>(ticks_per_second);
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (ticks > kMost / tick) return std::chrono::nanoseconds(kMost);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ticks * tick));
}

// The numbers of a line. Old kernels end earlier; guests stand behind them and are part of user.
enum Kind { user, nice, system, idle, iowait, irq, softirq, steal, kKinds };
using Fields = std::array<std::uint64_t, kKinds>;

constexpr std::uint64_t kHighestNumber = 1'000'000;  // what a processor may be called

bool take_fields(Scan& scan, Fields& field) {
  field.fill(0);
  std::size_t fields = 0;
  while (fields < field.size()) {
    const auto value = scan.number();
    if (!value) break;
    field[fields++] = *value;
  }
  return fields > idle;
}

/// Fills the shares of one processor. They stay when no tick has passed.
void fill_core(const CoreTicks& now, const CoreTicks& before, CoreReading& out) {
  const std::uint64_t more_busy = rise(now.busy, before.busy);
  const std::uint64_t more_iowait = rise(now.iowait, before.iowait);
  const std::uint64_t all = sum(sum(more_busy, rise(now.idle, before.idle)), more_iowait);
  if (all == 0) return;
  const double scale = 1.0 / static_cast<double>(all);
  out.busy = Ratio(static_cast<double>(more_busy) * scale);
  out.iowait = Ratio(static_cast<double>(more_iowait) * scale);
  out.steal =
      Ratio(static_cast<double>(std::min(rise(now.steal, before.steal), more_busy)) * scale);
}

}  // namespace

std::optional<CpuTicks> parse_stat(std::string_view text, std::vector<CoreTicks>& cores) {
  cores.clear();
  Scan scan(text);
  if (!scan.take("cpu ")) return std::nullopt;
  Fields field{};
  if (!take_fields(scan, field)) return std::nullopt;
  CpuTicks ticks;
  ticks.user = sum(field[user], field[nice]);
  ticks.system = sum(sum(field[system], field[irq]), field[softirq]);
  ticks.idle = field[idle];
  ticks.iowait = field[iowait];
  ticks.steal = field[steal];
  scan.line();
  while (scan.take("cpu")) {
    ++ticks.cores;
    const char first = scan.peek();
    const auto number = first >= '0' && first <= '9' ? scan.number() : std::nullopt;
    if (number && *number <= kHighestNumber && cores.size() < kMostCores &&
        (cores.empty() || static_cast<int>(*number) > cores.back().number) &&
        take_fields(scan, field)) {
      std::uint64_t busy = 0;
      for (const Kind kind : {user, nice, system, irq, softirq, steal})
        busy = sum(busy, field[kind]);
      cores.push_back({static_cast<int>(*number), busy, field[idle], field[iowait], field[steal]});
    }
    scan.line();
  }
  return ticks;
}

std::optional<std::array<double, 3>> parse_loadavg(std::string_view text) {
  Scan scan(text);
  std::array<double, 3> load{};
  for (double& value : load) {
    const auto hundredths = scan.hundredths();
    if (!hundredths) return std::nullopt;
    value = static_cast<double>(*hundredths) / 100.0;
  }
  return load;
}

void fill_cpu(const CpuTicks& now, const CpuTicks* before, std::int64_t ticks_per_second,
              CpuReading& out) {
  out.cores = now.cores;
  out.busy_total = as_time(sum(sum(now.user, now.system), now.steal), ticks_per_second);
  out.idle_total = as_time(sum(now.idle, now.iowait), ticks_per_second);
  out.user_total = as_time(now.user, ticks_per_second);
  out.system_total = as_time(now.system, ticks_per_second);
  out.iowait_total = as_time(now.iowait, ticks_per_second);
  out.steal_total = as_time(now.steal, ticks_per_second);
  if (before == nullptr) return;
  const std::uint64_t more_user = rise(now.user, before->user);
  const std::uint64_t more_system = rise(now.system, before->system);
  const std::uint64_t more_steal = rise(now.steal, before->steal);
  const std::uint64_t more_iowait = rise(now.iowait, before->iowait);
  const std::uint64_t busy = sum(sum(more_user, more_system), more_steal);
  const std::uint64_t all = sum(sum(busy, rise(now.idle, before->idle)), more_iowait);
  if (all == 0) return;
  const auto share = [scale = 1.0 / static_cast<double>(all)](std::uint64_t part) {
    return Ratio(static_cast<double>(part) * scale);
  };
  out.busy = share(busy);
  out.user = share(more_user);
  out.system = share(more_system);
  out.iowait = share(more_iowait);
  out.steal = share(more_steal);
}

void fill_cores(const std::vector<CoreTicks>& now, const std::vector<CoreTicks>* before,
                std::vector<CoreReading>& out) {
  const bool same = std::equal(now.begin(), now.end(), out.begin(), out.end(),
                               [](const CoreTicks& core, const CoreReading& reading) {
                                 return core.number == reading.number;
                               });
  if (!same) {  // one went or came: what is known of the others stays
    std::vector<CoreReading> fresh(now.size());
    auto old = out.begin();
    for (std::size_t i = 0; i < now.size(); ++i) {
      fresh[i].number = now[i].number;
      while (old != out.end() && old->number < now[i].number) ++old;
      if (old != out.end() && old->number == now[i].number) fresh[i] = *old;
    }
    out = std::move(fresh);
  }
  if (before == nullptr) return;
  auto old = before->begin();
  for (std::size_t i = 0; i < now.size(); ++i) {
    while (old != before->end() && old->number < now[i].number) ++old;
    if (old != before->end() && old->number == now[i].number) {
      fill_core(now[i], *old, out[i]);
    } else {
      out[i] = {now[i].number, std::nullopt, std::nullopt, std::nullopt};
    }
  }
}

}  // namespace headroom::sense
