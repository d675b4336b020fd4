// What the GPU helper is about to do, told through one word of shared memory: when it hangs, the
// daemon can name the call and the device without an answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "sense/nvml_api.hpp"
#include "sense/pci.hpp"

namespace headroom::sense {

/// Lies at the start of a page that daemon and helper share. Written by the helper alone, and not
/// trusted by the reader: any bits give some call and some device.
class GpuProgress {
 public:
  /// About to make this call; `device` is its key (see GpuAnswer), none = it is of no device.
  void enter(NvmlCall call, std::optional<PciAddress> device) {
    const std::uint64_t place = device ? (*device & kDeviceMask) + 1 : 0;
    word_.store(static_cast<std::uint64_t>(call) << 49 | place, std::memory_order_relaxed);
  }
  /// It came back.
  void leave() { word_.store(0, std::memory_order_relaxed); }

  struct Step {
    NvmlCall call = NvmlCall::none;
    std::optional<PciAddress> device;
    bool operator==(const Step&) const = default;
  };
  Step now() const {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    Step step;
    const std::uint64_t call = word >> 49;
    if (call < static_cast<std::uint64_t>(NvmlCall::count)) step.call = static_cast<NvmlCall>(call);
    const std::uint64_t place = word & ((std::uint64_t{1} << 49) - 1);
    if (place != 0) step.device = place - 1;
    return step;
  }

 private:
  static constexpr std::uint64_t kDeviceMask = (std::uint64_t{1} << 48) - 1;
  std::atomic<std::uint64_t> word_{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace headroom::sense
