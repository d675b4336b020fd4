// How large a thing is expected to be, as an interval, and who says so.
#pragma once

#include <cstdint>
#include <optional>

#include <headroom/footprint.hpp>

namespace headroom {

/// Who says how large it is, the surest first. A size from further down is wider.
enum class SizeFrom {
  nobody,               ///< the request said it, or nobody knows
  learned,              ///< measured: this configuration, on such a device
  other_device,         ///< measured: this configuration, on another device
  other_configuration,  ///< measured: the name, in other configurations
  declared,
  configuration,
  built_in,
};

constexpr const char* to_string(SizeFrom from) {
  switch (from) {
    case SizeFrom::nobody:
      return "";
    case SizeFrom::learned:
      return "learned";
    case SizeFrom::other_device:
      return "learned on another device";
    case SizeFrom::other_configuration:
      return "learned from other configurations";
    case SizeFrom::declared:
      return "declared";
    case SizeFrom::configuration:
      return "configuration";
    case SizeFrom::built_in:
      return "built in";
  }
  return "";
}

/// What a request books where it does not say: the `p95`, or all there is where that is less.
struct Size {
  std::optional<Interval> memory;      ///< empty: not measured, or none
  std::optional<Interval> gpu_memory;  ///< likewise; on one device
  /// Of `gpu_memory`, what a process takes of the device beyond its model (its context, libraries,
  /// buffers). Empty where the size was measured and so has it in it.
  std::optional<Interval> beyond_model;
  std::uint32_t runs = 0;    ///< that it was learned from; 0: from none
  std::uint32_t deaths = 0;  ///< of these, that ended for want of memory
  SizeFrom from = SizeFrom::nobody;
  bool operator==(const Size&) const = default;
};

/// Whether it was measured, whatever on.
constexpr bool is_learned(SizeFrom from) {
  return from == SizeFrom::learned || from == SizeFrom::other_device ||
         from == SizeFrom::other_configuration;
}

}  // namespace headroom
