// A linear regression that is learned sample by sample and shrugs off spikes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "judge/float24.hpp"

namespace headroom::judge {

/// Recursive regression of N features on a target under the absolute error: least squares, each
/// sample weighted by the inverse of its error (iteratively reweighted least squares: Holland and
/// Welsch 1977), older samples forgotten exponentially. The covariance is kept factored as U D Uᵀ
/// (Bierman 1977), which stays positive in low precision; U, whose entries are of order one, is
/// kept in a byte each: it only steers how fast the weights are learned. Features and target should
/// be of order one, too. Trivially copyable, N (N + 11) / 2 bytes; not thread-safe.
template <std::size_t N>
class Regression {
 public:
  using Features = std::array<float, N>;

  double predict(const Features& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < N; ++i) sum += static_cast<double>(weight_[i]) * x[i];
    return sum;
  }

  /// Learns that `x` was followed by `target`. What is not finite is not learned.
  void learn(const Features& x, double target) {
    const double error = target - predict(x);
    if (!std::isfinite(error)) return;
    std::array<double, N> f;  // Uᵀ x
    std::array<double, N> g;  // D Uᵀ x
    for (std::size_t j = 0; j < N; ++j) {
      double sum = x[j];
      for (std::size_t i = 0; i < j; ++i) sum += entry(i, j) * x[i];
      f[j] = sum;
      diagonal_[j] = std::min(diagonal_[j] / kForget, kPrior);
      g[j] = diagonal_[j] * sum;
    }
    double before = std::max(std::abs(error), kSmallest);  // the variance of this sample
    for (std::size_t j = 0; j < N; ++j) {
      const double after = before + f[j] * g[j];
      diagonal_[j] = static_cast<float>(diagonal_[j] * before / after);
      const double pull = -f[j] / before;
      const double gain = g[j];
      for (std::size_t i = 0; i < j; ++i) {
        const double old = entry(i, j);
        set_entry(i, j, old + g[i] * pull);
        g[i] += old * gain;
      }
      before = after;
    }
    for (std::size_t i = 0; i < N; ++i)
      weight_[i] = static_cast<float>(weight_[i] + g[i] / before * error);
    if (!sound()) *this = Regression();  // rather nothing learned than nonsense
  }

  /// Whether all of it are numbers that learn() could have left.
  bool sound() const {
    for (std::size_t i = 0; i < N; ++i) {
      if (!std::isfinite(weight_[i]) || !(diagonal_[i] >= 0 && diagonal_[i] <= kPrior))
        return false;
    }
    return true;
  }

 private:
  static constexpr float kForget = 0.998F;
  /// Variance of a weight of which nothing is known: 1 / 30, as a Float24 has it.
  static constexpr float kPrior = 0x1.111p-5F;
  static constexpr double kSmallest = 0.3;  ///< errors below count alike
  static constexpr double kOne = 64;        ///< in the codes of U: entries up to 2

  static constexpr std::size_t at(std::size_t i, std::size_t j) { return j * (j - 1) / 2 + i; }
  double entry(std::size_t i, std::size_t j) const { return upper_[at(i, j)] / kOne; }
  void set_entry(std::size_t i, std::size_t j, double value) {
    const double code = std::isfinite(value) ? std::clamp(value * kOne, -127.0, 127.0) : 0;
    upper_[at(i, j)] = static_cast<std::int8_t>(std::lround(code));
  }

  std::array<Float24, N> weight_{};
  std::array<Float24, N> diagonal_ = filled();
  std::array<std::int8_t, N*(N - 1) / 2> upper_{};

  static std::array<Float24, N> filled() {
    std::array<Float24, N> all;
    all.fill(kPrior);
    return all;
  }
};

}  // namespace headroom::judge
