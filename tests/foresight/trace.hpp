// A recorded series: what headroom-replay reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

namespace headroom::foresight {

/// One recorded sample.
struct Sample {
  std::string stamp;  ///< the time as the file has it, to be written again unchanged
  Instant at;         ///< boot and wall time alike, in UTC, until the wall clock is set back
  double value = 0;   ///< finite
};

/// A file of samples, oldest first.
struct Trace {
  std::filesystem::path name;  ///< below the folder of data, ending in .csv
  std::string kind;            ///< "cpu", "memory", … as the folder's manifest.csv says; else empty
  std::vector<Sample> samples;
};

/// The files below `folder` that end in .csv or .csv.gz, sorted by name; manifest.csv is none.
/// Errors: not_found when the folder cannot be read or holds none.
Result<std::vector<std::filesystem::path>> find_traces(const std::filesystem::path& folder);

/// Reads `folder / file`: a header with the columns timestamp and value, then rows. A timestamp is
/// seconds as a number, or YYYY-MM-DD HH:MM:SS. Where times decrease, the wall clock was set back
/// and boot time goes on by the step before.
/// Errors: not_found where the columns are others, invalid_request for all else, naming the file
/// and the line.
Result<Trace> read_trace(const std::filesystem::path& folder, const std::filesystem::path& file);

}  // namespace headroom::foresight
