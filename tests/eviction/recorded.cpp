#include "recorded.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <zlib.h>

namespace headroom::eviction {
namespace {

std::vector<double> read_values(const std::string& path) {
  std::vector<double> values;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return values;
  char line[256];
  while (gzgets(file, line, sizeof line) != nullptr) {
    const char* comma = std::strchr(line, ',');
    if (comma == nullptr) continue;
    char* end = nullptr;
    const double value = std::strtod(comma + 1, &end);
    if (end != comma + 1) values.push_back(value);
  }
  gzclose(file);
  return values;
}

}  // namespace

Recording read_recording(const std::string& dir, const std::string& ending, Reading reading) {
  namespace fs = std::filesystem;
  Recording recording;
  recording.name =
      fs::path(dir).filename().string() + (reading == Reading::wakes ? " wakes" : " works");
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const std::string path = entry.path().string();
    if (path.ends_with(ending + ".csv.gz")) paths.push_back(path);
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const std::vector<double> values = read_values(path);
    if (values.size() < 8) continue;
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const double high = sorted[sorted.size() * 3 / 4];
    if (recording.active.size() < values.size()) recording.active.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool above = values[i] > high;
      const bool was = i > 0 && values[i - 1] > high;
      if (above && (reading == Reading::works || !was)) {
        recording.active[i].push_back(recording.series);
      }
    }
    ++recording.series;
  }
  return recording;
}

Trace make(const Recording& recording, Kind kind, std::uint64_t seed, std::size_t most_uses) {
  Random random(seed * 31 + static_cast<std::uint64_t>(kind));
  Trace trace;
  trace.name = recording.name + ", " + std::to_string(recording.series) + " " + to_string(kind) +
               ", seed " + std::to_string(seed);
  furnish(trace, kind, recording.series, random);
  std::int64_t now = 0;
  for (std::vector<int> active : recording.active) {
    now += 300'000;
    for (std::size_t i = active.size(); i > 1; --i) {
      std::swap(active[i - 1], active[static_cast<std::size_t>(random.below(static_cast<int>(i)))]);
    }
    std::int64_t at = now;
    for (const int model : active) {
      if (trace.uses.size() >= most_uses) return trace;
      trace.uses.push_back({at, model});
      at += 1'000;
    }
  }
  return trace;
}

}  // namespace headroom::eviction
