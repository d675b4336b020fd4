// What a model will take of its device, worked out from the shape that its header tells.
#pragma once

#include <cstdint>
#include <optional>

#include <headroom/footprint.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

namespace headroom::decide {

inline constexpr std::uint32_t kMostContext = 1U << 24;    ///< tokens of one slot
inline constexpr std::uint32_t kMostSlots = 4096;          ///< sequences at once
inline constexpr std::uint32_t kMostBatch = 1U << 20;      ///< tokens computed at once
inline constexpr std::uint32_t kMostCacheStep = 1U << 16;  ///< tokens
inline constexpr std::uint32_t kMostDeviceLayers = 1U << 16;

/// What a process of an engine of this format is taken to take of a device beyond its model, until
/// that is measured: its context, libraries and workspaces.
Interval driver_prior(ModelFormat format);

/// Works out the footprint term by term.
///
/// Weights, cache and state follow from the header and are exact for the engines whose rules they
/// are (llama.cpp for GGUF; a cache of fixed pages for safetensors), but for one case: a quantised
/// cache with windows, whose windowed layers newer engines keep in 16 bits (p95). Compute and
/// driver are priors with an interval: what the first load measures replaces them.
/// Errors: invalid_request for a run outside of the limits above, a cache type that the model's
/// heads cannot be cut into, and sizes beyond 2^63 bytes.
Result<Footprint> estimate(const ModelShape& shape, const ModelRun& run);

/// What may be turned to make a model fit.
enum class Knob { context, slots, batch, device_layers };

constexpr const char* to_string(Knob knob) {
  switch (knob) {
    case Knob::context:
      return "context";
    case Knob::slots:
      return "slots";
    case Knob::batch:
      return "batch";
    case Knob::device_layers:
      return "device_layers";
  }
  return "context";
}

/// The largest value of `knob`, all else as `run` says, with which the p95 of the footprint stays
/// within `room`; empty where not even the smallest does. The context goes up to what the model was
/// trained with, where that is known. Errors: those of estimate(), and invalid_request where the
/// footprint is unknown.
Result<std::optional<std::uint32_t>> largest_that_fits(const ModelShape& shape, ModelRun run,
                                                       Knob knob, Bytes room);

}  // namespace headroom::decide
