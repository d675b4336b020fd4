// What models, their uses, engines and unloading take for granted of each other.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "decide/promises.hpp"

namespace headroom::control {

/// Why one is spared that has not given back what it was asked for lately.
inline constexpr const char* kInVain = "asked in vain";

/// Whether a lease of a model will hold it, and does not yet.
inline bool is_loading(LeaseState state) {
  return state == LeaseState::waiting || state == LeaseState::reserved ||
         state == LeaseState::loading;
}
/// Whether it has its place.
inline bool is_resident(LeaseState state) {
  return state == LeaseState::reserved || state == LeaseState::loading ||
         state == LeaseState::active || state == LeaseState::draining;
}

/// How long it takes to load a model again; where nobody has measured it, from a disk that reads a
/// gibibyte a second. `model` may be null.
inline std::chrono::milliseconds reload_of(const Model* model, Bytes bytes) {
  constexpr std::int64_t kBytesPerMillisecond = (1LL << 30) / 1000;
  if (model != nullptr && model->load.count() > 0) return model->load;
  return std::chrono::milliseconds(1 + bytes.count() / kBytesPerMillisecond);
}

inline bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 200 &&
         std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}
inline Error bad_name() {
  return {ErrorKind::invalid_request, "that is no name of a model",
          "it is 1 to 200 bytes without control characters", ""};
}

}  // namespace headroom::control
