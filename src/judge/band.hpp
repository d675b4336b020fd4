// The interval around a forecast that is to hold what comes with 90 % probability.
#pragma once

#include <algorithm>
#include <cmath>

namespace headroom::judge {

/// Learns how far below and above a forecast the lines have to be so that 5 % of the values fall
/// beyond each. The distances are multiples of the recent mean absolute error; the two multiples
/// are adapted online by every hit and miss (quantile tracking, as in adaptive conformal
/// inference: Gibbs and Candès 2021), so that the shares hold in the long run for any series.
/// Trivially copyable; not thread-safe.
class Band {
 public:
  /// How far below the forecast the lower line is, and above it the upper one; at least 0.
  double below() const { return low_ * size(); }
  double above() const { return high_ * size(); }

  /// Learns that a forecast was `error` too low, when the lines were `below` and `above` it.
  void learn(double error, double below, double above) {
    const double distance = std::min(std::abs(error), kLargest);
    count_ = std::min(count_ + 1, kSlow);
    fast_ += static_cast<float>((distance - fast_) / std::min(count_, kFast));
    slow_ += static_cast<float>((distance - slow_) / count_);
    low_ = moved(low_, error < -below);
    high_ = moved(high_, error > above);
  }

  /// Whether all of it are numbers that learn() could have left.
  bool sound() const {
    const auto within = [](float x, double least, double most) { return x >= least && x <= most; };
    return within(low_, kLeast, kMost) && within(high_, kLeast, kMost) &&
           within(fast_, 0, 2 * kLargest) && within(slow_, 0, 2 * kLargest) &&
           within(count_, 0, kSlow);
  }

 private:
  static constexpr float kFast = 12;     ///< errors: an hour of five minutes
  static constexpr float kSlow = 300;    ///< about a day
  static constexpr double kShare = 0.8;  ///< of the fast mean in the size
  static constexpr double kStep = 0.05;
  static constexpr double kBeyond = 0.05;
  static constexpr double kLeast = 1e-3, kMost = 1e3, kLargest = 1e30;

  double size() const { return kShare * fast_ + (1 - kShare) * slow_; }
  static float moved(float multiple, bool missed) {
    const double step = 1 + kStep * ((missed ? 1 : 0) - kBeyond);
    return static_cast<float>(std::clamp(multiple * step, kLeast, kMost));
  }

  float low_ = 2, high_ = 2;  // of errors with a Laplace distribution it is 2.3
  float fast_ = 0, slow_ = 0;
  float count_ = 0;
};

}  // namespace headroom::judge
