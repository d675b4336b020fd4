// What helps: suggestions with the reading behind each, and how large a batch fits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "words/view.hpp"

namespace headroom::serve {

/// One thing that would help now.
struct Advice {
  std::string
      about;         ///< "memory", "gpu_memory", "model", "lease", "device", "budget", "peak hours"
  std::string text;  ///< what, in words
  std::string reading;  ///< the numbers that it comes from
  std::string command;  ///< that applies it; or empty
};

/// At most so many are given.
inline constexpr std::size_t kMostAdvice = 50;

/// What helps now, the most urgent first: tight resources, hot and drained devices, waiters,
/// bookings that are not as their use is, models.
std::vector<Advice> advice(const View& view);

/// A heading and its lines, for each thing that is tight now.
std::vector<std::string> suggestions(const View& view);

/// The recommended batch of a model, or 0 where it needs more GPU memory than any GPU has left, and
/// where nobody recommends one.
int optimal_batch(const View& view, std::string_view model);

}  // namespace headroom::serve
