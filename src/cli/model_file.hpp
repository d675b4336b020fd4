// What a model's file says that it will take, for fit.
#pragma once

#include <string>

#include <headroom/footprint.hpp>
#include <headroom/result.hpp>

#include "cli/options.hpp"
#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// --model-file and how it is to be run, as typed.
struct ModelFileOptions {
  std::string file, context, slots, batch, cache_type;

  void add_to(Options& options);
  bool any() const { return !file.empty(); }
};

/// A file that was read, and its footprint.
struct FileEstimate {
  ModelShape shape;
  ModelRun run;
  Footprint footprint;
};

/// Reads the header alone. Fails with `invalid_request` for options that are none and for files
/// that are no models, and where the footprint is not known.
Result<FileEstimate> estimate_file(const ModelFileOptions& options);

/// The needs of it (its p95): of a device where `gpu`, else of memory.
client::json::object needs_of(const FileEstimate& estimate, bool gpu);

/// The terms, and the largest context that fits into `room` bytes (below 0: not known).
std::string render_estimate(const FileEstimate& estimate, std::int64_t room, const Style& style);
client::json::object document_of(const FileEstimate& estimate, std::int64_t room);

}  // namespace headroom::cli
