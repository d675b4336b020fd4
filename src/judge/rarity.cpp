#include "judge/rarity.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

namespace headroom::judge {
namespace {

// Counts are kept in eighths, so that what was seen once outlasts three halvings.
constexpr int kOne = 8;
constexpr int kFull = 8000 * kOne;  // then all counts are halved
constexpr double kPerOctave = 2;    // buckets of a MagnitudeHistogram
constexpr double kBinsPerE = 4;     // bins of a NoveltyHistogram far from zero

template <std::size_t N>
void halve(std::array<std::uint16_t, N>& counts, std::uint16_t& total) {
  int sum = 0;
  for (std::uint16_t& count : counts) {
    count = static_cast<std::uint16_t>(count / 2);
    sum += count;
  }
  total = static_cast<std::uint16_t>(sum);
}

template <std::size_t N>
bool adds_up(const std::array<std::uint16_t, N>& counts, std::uint16_t total) {
  int sum = 0;
  for (const std::uint16_t count : counts) sum += count;
  return sum == total && sum <= kFull;
}

}  // namespace

// The bucket down to which the largest magnitudes add up to a count, seen from the top.
struct MagnitudeHistogram::Top {
  int bucket = 0;
  double count = 0;          // in it and above
  double mean_excess = 0.5;  // of these, in buckets above the lower edge of `bucket`
};

MagnitudeHistogram::Top MagnitudeHistogram::top(double count) const {
  int sum = 0;
  int weighted = 0;
  int bucket = kBuckets - 1;
  for (;; --bucket) {
    sum += counts_[bucket];
    weighted += counts_[bucket] * bucket;
    if (bucket == 0 || sum >= count * kOne) break;
  }
  Top top{bucket, static_cast<double>(sum) / kOne, 0.5};
  if (sum > 0) top.mean_excess = static_cast<double>(weighted) / sum + 0.5 - bucket;
  return top;
}

void MagnitudeHistogram::widen(int buckets) {
  std::array<std::uint16_t, kBuckets> moved{};
  for (int i = 0; i < kBuckets; ++i) {
    const int to = std::max(0, i - buckets);
    moved[to] = static_cast<std::uint16_t>(moved[to] + counts_[i]);
  }
  counts_ = moved;
  lowest_ = static_cast<std::int16_t>(lowest_ + buckets);
}

double MagnitudeHistogram::seen() const { return static_cast<double>(total_) / kOne; }

void MagnitudeHistogram::add(double magnitude) {
  int bucket = 0;
  if (magnitude > 0) {
    const int octave = static_cast<int>(std::floor(kPerOctave * std::log2(magnitude)));
    if (lowest_ == kUnset) lowest_ = static_cast<std::int16_t>(octave - 2 * kBuckets / 3);
    if (octave >= lowest_ + kBuckets) widen(octave - (lowest_ + kBuckets - 1));
    bucket = std::max(0, octave - lowest_);
  }
  counts_[bucket] = static_cast<std::uint16_t>(counts_[bucket] + kOne);
  total_ = static_cast<std::uint16_t>(total_ + kOne);
  if (total_ >= kFull) halve(counts_, total_);
}

double MagnitudeHistogram::surprise(double magnitude) const {
  constexpr double kLeastSeen = 80;
  constexpr double kAnchor = 4;  // so many seen beyond, and the rank no longer tells
  constexpr double kPriorIndex = 0.5, kPriorCount = 4, kLeastIndex = 0.08;
  const double seen = this->seen();
  if (seen < kLeastSeen || !(magnitude > 0) || lowest_ == kUnset) return 0;
  const double position = kPerOctave * std::log2(magnitude) - lowest_;
  const Top anchor = top(kAnchor);
  const double beyond = position - anchor.bucket - 0.5;
  if (beyond > 0) {
    const double count = anchor.count;
    const double hill = anchor.mean_excess / kPerOctave * std::log(2.0);
    const double index =
        std::max((hill * count + kPriorIndex * kPriorCount) / (count + kPriorCount), kLeastIndex);
    return std::log10((seen + 1) / (count + 0.5)) + beyond / kPerOctave * std::log10(2.0) / index;
  }
  if (position < 0) return 0;
  const int bucket = static_cast<int>(position);
  int above = 0;
  for (int i = bucket + 1; i < kBuckets; ++i) above += counts_[i];
  const double rank = (above + counts_[bucket] * (bucket + 1 - position)) / kOne;
  return std::max(0.0, std::log10((seen + 1) / (rank + 0.5)));
}

double MagnitudeHistogram::exceeded_by(double tail) const {
  if (total_ == 0 || lowest_ == kUnset) return 0;
  const double wanted = tail * total_;
  double sum = 0;
  for (int i = kBuckets - 1; i > 0; --i) {
    if (sum + counts_[i] >= wanted) {
      const double share = counts_[i] > 0 ? (wanted - sum) / counts_[i] : 0;
      return std::exp2((lowest_ + i + 1 - share) / kPerOctave);
    }
    sum += counts_[i];
  }
  return std::exp2((lowest_ + 1) / kPerOctave);
}

bool MagnitudeHistogram::valid() const {
  return adds_up(counts_, total_) && (lowest_ == kUnset || std::abs(lowest_) < 2200);
}

double NoveltyHistogram::place_of(double value, double scale) {
  // A step short of the ends: every place has two bins on either side or counts none.
  return std::clamp<double>(std::asinh(value / scale) * kBinsPerE, 1 - kReach, kReach - 1);
}

double NoveltyHistogram::seen() const { return static_cast<double>(total_) / kOne; }

void NoveltyHistogram::add(double place) {
  const double below = std::floor(place);
  const int bin = static_cast<int>(below) + kReach;
  const int above = static_cast<int>(std::lround((place - below) * kOne));
  counts_[bin] = static_cast<std::uint16_t>(counts_[bin] + kOne - above);
  counts_[bin + 1] = static_cast<std::uint16_t>(counts_[bin + 1] + above);
  total_ = static_cast<std::uint16_t>(total_ + kOne);
  if (total_ >= kFull) halve(counts_, total_);
}

double NoveltyHistogram::surprise(double place) const {
  constexpr int kLeastNovel = 30 * kOne;
  if (total_ < kLeastNovel) return 0;
  const double below = std::floor(place);
  const double part = place - below;
  const int bin = static_cast<int>(below) + kReach;
  const auto count = [&](int at) { return at >= 0 && at <= 2 * kReach ? counts_[at] : 0; };
  // A triangle that reaches two bins.
  const double near = (1 - part) / 2 * count(bin - 1) + (1 - part / 2) * count(bin) +
                      (1 + part) / 2 * count(bin + 1) + part / 2 * count(bin + 2);
  return std::max(0.0, std::log10((total_ + 1.0 * kOne) / (near + 0.5 * kOne)));
}

bool NoveltyHistogram::valid() const { return adds_up(counts_, total_); }

}  // namespace headroom::judge
