#include "decide/cost.hpp"

#include <algorithm>
#include <cmath>

namespace headroom::decide {
namespace {

constexpr double kNano = 1e9;
constexpr double kMost = 9e18;  // what fits into 64 bits

double share(std::int64_t part, std::int64_t whole) {
  if (whole <= 0 || part <= 0) return 0;
  return std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

double energy(const Config::Cost& cost, double watts) { return cost.per_kwh * watts / 1000; }

}  // namespace

Money money(double amount) {
  return Money(static_cast<std::int64_t>(std::llround(std::clamp(amount * kNano, -kMost, kMost))));
}

Money node_per_hour(const Config::Cost& cost, int gpus, std::optional<double> watts) {
  return money(cost.per_hour + cost.gpu_per_hour * gpus +
               energy(cost, cost.idle_watts + watts.value_or(0)));
}

Money booking_per_hour(const Config::Cost& cost, const Ledger& ledger, const Amounts& booked,
                       int gpu, bool exclusive) {
  const double memory = share(booked.memory.count(), ledger.pool(Ledger::kMemory).capacity);
  const double cpu = share(booked.cpu.milli(), ledger.pool(Ledger::kCpu).capacity);
  double device = 0;
  if (gpu >= 0) {
    const Pool& pool = ledger.pool(gpu);
    device = exclusive ? 1 : share(booked.gpu_memory.count(), pool.capacity);
    // A slice is its part of all slices of the device.
    if (!pool.parent.empty()) {
      std::int64_t all = 0;
      for (const Pool& other : ledger.pools())
        all += other.parent == pool.parent ? other.capacity : 0;
      device *= share(pool.capacity, all);
    }
  }
  const double node = cost.per_hour + energy(cost, cost.idle_watts);
  return money(node * (memory + cpu) / 2 + cost.gpu_per_hour * device);
}

Money over(Money per_hour, std::chrono::nanoseconds time) {
  if (time.count() <= 0) return Money();
  const double hours = std::chrono::duration<double, std::ratio<3600>>(time).count();
  return money(per_hour.value() * hours);
}

}  // namespace headroom::decide
