#include "sense/stat.hpp"

#include <limits>

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

}  // namespace

std::optional<CpuTicks> parse_stat(std::string_view text) {
  Scan scan(text);
  if (!scan.take("cpu ")) return std::nullopt;
  // user nice system idle iowait irq softirq steal; old kernels end earlier. Guests are part of
  // user.
  std::array<std::uint64_t, 8> field{};
  std::size_t fields = 0;
  while (fields < field.size()) {
    const auto value = scan.number();
    if (!value) break;
    field[fields++] = *value;
  }
  if (fields < 4) return std::nullopt;
  CpuTicks ticks;
  ticks.user = sum(field[0], field[1]);
  ticks.system = sum(sum(field[2], field[5]), field[6]);
  ticks.idle = field[3];
  ticks.iowait = field[4];
  ticks.steal = field[7];
  scan.line();
  while (scan.take("cpu")) {  // the rest, most of it interrupts, is not looked at
    ++ticks.cores;
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
  if (before == nullptr) return;
  const std::uint64_t user = rise(now.user, before->user);
  const std::uint64_t system = rise(now.system, before->system);
  const std::uint64_t steal = rise(now.steal, before->steal);
  const std::uint64_t idle = rise(now.idle, before->idle);
  const std::uint64_t iowait = rise(now.iowait, before->iowait);
  const std::uint64_t busy = sum(sum(user, system), steal);
  const std::uint64_t all = sum(sum(busy, idle), iowait);
  if (all == 0) return;
  const auto share = [scale = 1.0 / static_cast<double>(all)](std::uint64_t part) {
    return Ratio(static_cast<double>(part) * scale);
  };
  out.busy = share(busy);
  out.user = share(user);
  out.system = share(system);
  out.iowait = share(iowait);
  out.steal = share(steal);
}

}  // namespace headroom::sense
