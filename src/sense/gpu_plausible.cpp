#include "sense/gpu_plausible.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "sense/pci.hpp"

namespace headroom::sense {
namespace {

/// More devices than this were never in one machine: the oldest knowledge goes.
constexpr std::size_t kMostKnown = 1024;
constexpr double kColdest = -20;
constexpr double kHottest = 150;
constexpr double kMostWatts = 2000;
constexpr double kMostClock = 20000;  // MHz

std::string number(double value) {
  char text[48];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string mebibytes(Bytes value) { return std::to_string(value.count() / (1 << 20)) + " MiB"; }

void refuse(std::optional<double>& value, bool absurd, const char* what,
            std::vector<std::string>& doubts) {
  if (!value || !absurd) return;
  doubts.push_back(std::string(what) + " of " + number(*value) + " cannot be");
  value.reset();
}

void refuse_share(std::optional<Ratio>& value, const char* what, std::vector<std::string>& doubts) {
  if (!value || (value->value() >= 0 && value->value() <= 1)) return;
  doubts.push_back(std::string(what) + " of " + number(value->percent()) + " % cannot be");
  value.reset();
}

/// A sort key; devices without an address come last.
PciAddress place_of(const std::string& address) {
  return parse_pci_address(address).value_or(~PciAddress{0});
}

}  // namespace

template <class Value>
void GpuPlausible::mend_counter(std::optional<Value>& value, Counter& counter, const char* name,
                                std::vector<std::string>& doubts) {
  if (!value) return;
  const double now = static_cast<double>(*value);
  if (counter.last && now < *counter.last && ++counter.back < kBelieveAfter) {
    doubts.push_back(std::string(name) + " went back from " + number(*counter.last) + " to " +
                     number(now));
    value.reset();
    return;
  }
  counter.last = now;
  counter.back = 0;
}

void GpuPlausible::mend(GpuReading& reading, std::vector<std::string>& doubts) {
  if (known_.size() > kMostKnown) known_.clear();
  Known& known = known_[{reading.pci, reading.id}];
  // Memory.
  if (reading.memory_total < Bytes()) reading.memory_total = Bytes();
  if (reading.memory_total > Bytes()) {
    if (!known.total || reading.memory_total == *known.total) {
      known.total = reading.memory_total;
      known.other_seen = 0;
    } else {
      if (known.other_total != reading.memory_total) known.other_seen = 0;
      known.other_total = reading.memory_total;
      if (++known.other_seen >= kBelieveAfter) {
        known.total = reading.memory_total;
        known.other_seen = 0;
      } else {
        doubts.push_back("its memory changed from " + mebibytes(*known.total) + " to " +
                         mebibytes(reading.memory_total));
        reading.memory_total = *known.total;
      }
    }
  } else if (known.total) {
    doubts.emplace_back("it does not say how much memory it has");
    reading.memory_total = *known.total;
  }
  const bool total_known = reading.memory_total > Bytes();
  if (reading.memory_reserved < Bytes() ||
      (total_known && reading.memory_reserved > reading.memory_total)) {
    doubts.push_back("a reserve of " + mebibytes(reading.memory_reserved) +
                     " is more than its memory");
    reading.memory_reserved = Bytes();
  }
  if (reading.memory_used &&
      (*reading.memory_used < Bytes() ||
       (total_known && *reading.memory_used + reading.memory_reserved > reading.memory_total))) {
    doubts.push_back("used memory of " + mebibytes(*reading.memory_used) +
                     " is more than there is (" + mebibytes(reading.memory_total) + ")");
    reading.memory_used.reset();
  }
  // Rates and states.
  refuse_share(reading.busy, "busy time", doubts);
  refuse_share(reading.memory_busy, "memory's busy time", doubts);
  // Some fans turn faster than the speed that is called full.
  if (reading.fan && (reading.fan->value() < 0 || reading.fan->value() > 3)) {
    doubts.push_back("a fan at " + number(reading.fan->percent()) + " % cannot be");
    reading.fan.reset();
  }
  const auto absurd_heat = [](const std::optional<double>& value) {
    return value && (*value < kColdest || *value > kHottest);
  };
  refuse(reading.celsius, absurd_heat(reading.celsius), "a temperature in degrees", doubts);
  refuse(reading.celsius_limit, absurd_heat(reading.celsius_limit) || reading.celsius_limit == 0.0,
         "a slowdown temperature in degrees", doubts);
  refuse(reading.watts_limit,
         reading.watts_limit && (*reading.watts_limit <= 0 || *reading.watts_limit > kMostWatts),
         "a power limit in watts", doubts);
  refuse(reading.watts,
         reading.watts && (*reading.watts < 0 || *reading.watts > kMostWatts ||
                           (reading.watts_limit && *reading.watts > 2 * *reading.watts_limit)),
         "a power in watts", doubts);
  const auto absurd_clock = [](const std::optional<double>& value) {
    return value && (*value < 0 || *value > kMostClock);
  };
  refuse(reading.clock, absurd_clock(reading.clock), "a clock in MHz", doubts);
  refuse(reading.memory_clock, absurd_clock(reading.memory_clock), "a memory clock in MHz", doubts);
  // Counters.
  mend_counter(reading.joules, known.joules, "its energy in joules", doubts);
  mend_counter(reading.ecc_corrected, known.ecc_corrected, "its count of corrected errors", doubts);
  mend_counter(reading.ecc_uncorrected, known.ecc_uncorrected, "its count of uncorrected errors",
               doubts);
  // Processes. They are read a moment after the memory, so a little more is no lie.
  Bytes sum;
  for (GpuProcess& process : reading.processes) {
    if (process.memory &&
        (*process.memory < Bytes() || (total_known && *process.memory > reading.memory_total))) {
      doubts.push_back("process " + std::to_string(process.pid) + " cannot hold " +
                       mebibytes(*process.memory));
      process.memory.reset();
      reading.processes_known = false;
    }
    sum += process.memory.value_or(Bytes());
  }
  const Bytes moment(reading.memory_total.count() / 50);
  if (reading.memory_used && sum > *reading.memory_used + moment) {
    doubts.push_back("its processes hold " + mebibytes(sum) + " together, more than the " +
                     mebibytes(*reading.memory_used) + " in use");
    reading.processes_known = false;
  }
}

void GpuPlausible::identify(std::vector<GpuReading>& readings, std::vector<std::string>& doubts) {
  if (home_.size() > kMostKnown) home_.clear();
  std::set<std::string> present;
  std::map<std::string, std::vector<const GpuReading*>> claims;
  for (const GpuReading& reading : readings) {
    if (!reading.parent.empty()) continue;
    present.insert(reading.pci);
    claims[reading.id].push_back(&reading);
  }
  // Where each one is: at home, or, when nothing is left there, where it turned up.
  std::map<const GpuReading*, std::string> place;
  std::map<const GpuReading*, std::string> new_id;
  for (const auto& [id, claimants] : claims) {
    const auto home = home_.find(id);
    const GpuReading* owner = claimants.front();
    if (home != home_.end()) {
      for (const GpuReading* claimant : claimants) {
        if (claimant->pci == home->second) owner = claimant;
      }
    }
    if (home == home_.end() || !present.contains(home->second)) home_[id] = owner->pci;
    for (const GpuReading* claimant : claimants) {
      if (claimant == owner) {
        place[claimant] = home_[id];
        continue;
      }
      place[claimant] = claimant->pci;
      new_id[claimant] = "pci-" + claimant->pci;
      doubts.push_back("the device at " + claimant->pci + " claims the UUID of the one at " +
                       owner->pci + "; it is called pci-" + claimant->pci);
    }
  }
  struct Family {
    std::string place;
    std::size_t first = 0;
    std::size_t count = 0;
  };
  std::vector<Family> families;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    GpuReading& reading = readings[i];
    if (reading.parent.empty() || families.empty()) {
      const auto at = place.find(&reading);
      families.push_back({at == place.end() ? reading.pci : at->second, i, 1});
      if (const auto id = new_id.find(&reading); id != new_id.end()) reading.id = id->second;
    } else {
      ++families.back().count;
      reading.parent = readings[families.back().first].id;
    }
    reading.pci = families.back().place;
  }
  // Families of one place stay in their order.
  std::sort(families.begin(), families.end(), [](const Family& a, const Family& b) {
    return std::pair(place_of(a.place), a.first) < std::pair(place_of(b.place), b.first);
  });
  std::vector<GpuReading> sorted;
  sorted.reserve(readings.size());
  for (const Family& family : families) {
    for (std::size_t i = 0; i < family.count; ++i) {
      GpuReading& reading = sorted.emplace_back(std::move(readings[family.first + i]));
      reading.index = static_cast<int>(sorted.size()) - 1;
    }
  }
  readings = std::move(sorted);
}

}  // namespace headroom::sense
