#include "day.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "record/database.hpp"
#include "record/history.hpp"

namespace headroom::load {
namespace {

using namespace std::chrono_literals;

constexpr Bytes kBudget(10LL << 20);  // the daemon's own

double wave(int second, int period) { return std::sin(2 * std::numbers::pi * second / period); }

double noise(int second, unsigned seed) {
  const auto mixed = (static_cast<std::uint32_t>(second) + seed * 977) * 2654435761U;
  return static_cast<double>(mixed >> 20) / 4096.0;
}

// As a sensor tells it: with the digits that it has.
double told(double value, double unit) { return std::round(value / unit) * unit; }

}  // namespace

Result<void> fill_history(const std::string& state, int hours, WallTime until) {
  record::Database database(state, kBudget);
  record::History history(database, record::HistoryOptions{});
  const int seconds = hours * 3600;
  std::vector<record::Named> sample;
  for (int second = 0; second < seconds; ++second) {
    const double day = wave(second, 86400);
    const double hour = wave(second, 3600);
    sample.clear();
    sample.emplace_back("cpu", told(40 + 20 * day + 10 * hour + 20 * noise(second, 1), 0.01));
    sample.emplace_back("load", told(2 + day + 0.3 * noise(second / 5, 2), 0.01));
    sample.emplace_back("memory", told(50 + 15 * day + noise(second, 3), 0.0001));
    sample.emplace_back("swap", 0.0);
    sample.emplace_back("stall_cpu", told(3 * noise(second / 2, 4), 0.01));
    sample.emplace_back("stall_memory", 0.0);
    sample.emplace_back("stall_io", told(std::fmax(0, noise(second / 2, 5) - 0.8), 0.01));
    sample.emplace_back("network", told(1e5 * noise(second, 6), 1));
    sample.emplace_back("disk_io", told(4096 * std::round(200 * noise(second, 7)), 1));
    sample.emplace_back("temperature", told(50 + 10 * day + 2 * noise(second / 3, 8), 1));
    sample.emplace_back("disk:/", told(40 + static_cast<double>(second) / 86400, 0.001));
    const Instant at{BootTime(1000s + std::chrono::seconds(second)),
                     until - std::chrono::seconds(seconds - second)};
    history.append(at, sample);
    if (second % 60 == 59) history.store();
  }
  if (!history.finish()) {
    return fail(ErrorKind::internal, "the history could not be filled", database.problem());
  }
  return {};
}

}  // namespace headroom::load
