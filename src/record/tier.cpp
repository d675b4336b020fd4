#include "record/tier.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headroom::record {
namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

std::vector<double> part(const std::vector<double>& of, std::size_t begin, std::size_t end) {
  if (of.empty()) return {};
  return {of.begin() + static_cast<std::ptrdiff_t>(begin),
          of.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

Grid::Grid(Millis begin, Millis between, std::size_t slots, bool coarse)
    : at(begin), step(between), average(slots, kGap) {
  if (!coarse) return;
  least.assign(slots, kGap);
  largest.assign(slots, kGap);
}

Grid Grid::trimmed() const {
  std::size_t begin = 0;
  std::size_t end = average.size();
  while (begin < end && std::isnan(average[begin])) ++begin;
  while (end > begin && std::isnan(average[end - 1])) --end;
  Grid out;
  out.at = at + step * static_cast<Millis>(begin);
  out.step = step;
  out.average = part(average, begin, end);
  out.least = part(least, begin, end);
  out.largest = part(largest, begin, end);
  return out;
}

void lay_over(Grid& to, const Grid& from) {
  const auto slots = static_cast<Millis>(to.average.size());
  if (to.step == from.step && (from.at - to.at) % to.step == 0) {  // nearly always
    const Millis shift = (from.at - to.at) / to.step;
    const Millis end = std::min(static_cast<Millis>(from.average.size()), slots - shift);
    for (Millis at = std::max<Millis>(0, -shift); at < end; ++at) {
      const auto i = static_cast<std::size_t>(at);
      const auto slot = static_cast<std::size_t>(at + shift);
      if (std::isnan(from.average[i])) continue;
      to.average[slot] = from.average[i];
      if (!to.coarse()) continue;
      to.least[slot] = from.coarse() ? from.least[i] : from.average[i];
      to.largest[slot] = from.coarse() ? from.largest[i] : from.average[i];
    }
    return;
  }
  std::size_t touched = std::numeric_limits<std::size_t>::max();
  double count = 0;  // of the values that went into that slot
  for (std::size_t i = 0; i < from.average.size(); ++i) {
    if (std::isnan(from.average[i])) continue;
    const Millis begin = from.at + from.step * static_cast<Millis>(i);
    const Millis end = begin + from.step;
    if (end <= to.at || begin >= to.until()) continue;
    const double low = from.coarse() ? from.least[i] : from.average[i];
    const double high = from.coarse() ? from.largest[i] : from.average[i];
    const Millis first = std::max<Millis>(0, floor_to(begin - to.at, to.step) / to.step);
    const Millis last = std::min(slots - 1, floor_to(end - 1 - to.at, to.step) / to.step);
    for (Millis at = first; at <= last; ++at) {
      const auto slot = static_cast<std::size_t>(at);
      const bool again = slot == touched;
      count = again ? count + 1 : 1;
      touched = slot;
      to.average[slot] =
          again ? to.average[slot] + (from.average[i] - to.average[slot]) / count : from.average[i];
      if (!to.coarse()) continue;
      to.least[slot] = again ? std::min(low, to.least[slot]) : low;
      to.largest[slot] = again ? std::max(high, to.largest[slot]) : high;
    }
  }
}

void coarsen_onto(Grid& to, const Grid& from) {
  const Millis begin = std::max(to.at, floor_to(from.at, to.step));
  const Millis end = std::min(to.until(), from.until());
  const Millis parts = to.step / from.step;
  const auto whole = static_cast<double>(parts);
  for (Millis at = begin; at < end; at += to.step) {
    const auto slot = static_cast<std::size_t>((at - to.at) / to.step);
    const Millis first = std::max<Millis>(0, (at - from.at) / from.step);
    const Millis last =
        std::min(static_cast<Millis>(from.average.size()), (at + to.step - from.at) / from.step);
    double sum = 0;
    double known = 0;
    double least = std::numeric_limits<double>::infinity();
    double largest = -least;
    for (Millis i = first; i < last; ++i) {
      const auto each = static_cast<std::size_t>(i);
      if (std::isnan(from.average[each])) continue;
      sum += from.average[each];
      ++known;
      least = std::min(least, from.coarse() ? from.least[each] : from.average[each]);
      largest = std::max(largest, from.coarse() ? from.largest[each] : from.average[each]);
    }
    if (known == 0) continue;
    const double average = sum / known;
    if (std::isnan(to.average[slot]) || known >= whole) {
      to.average[slot] = average;
      to.least[slot] = least;
      to.largest[slot] = largest;
      continue;
    }
    to.average[slot] += (average - to.average[slot]) * (known / whole);
    to.least[slot] = std::min(to.least[slot], least);
    to.largest[slot] = std::max(to.largest[slot], largest);
  }
}

}  // namespace headroom::record
