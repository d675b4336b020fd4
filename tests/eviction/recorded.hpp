// Loads made of recorded series of usage.
#pragma once

#include <string>
#include <vector>

#include "trace.hpp"

namespace headroom::eviction {

/// When a series counts as a use of its model.
enum class Reading {
  wakes,  ///< in the samples in which it rises through its own upper quartile
  works,  ///< in every sample in which it is above it
};

/// Series of one folder, as truth values per sample and series.
struct Recording {
  std::string name;
  std::vector<std::vector<int>> active;  ///< per sample, the series used in it
  int series = 0;
};

/// Reads DIR/*NAME.csv.gz ("timestamp,value" lines). No series: there is no such folder.
Recording read_recording(const std::string& dir, const std::string& ending, Reading reading);

/// Each series is a model. What a sample uses comes in an order drawn by the seed, and so do
/// sizes, reload times and the place there is: the recordings tell when something was busy, not
/// what it was.
Trace make(const Recording& recording, Kind kind, std::uint64_t seed, std::size_t most_uses);

}  // namespace headroom::eviction
