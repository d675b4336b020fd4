// Any text of simulated GPUs gives devices that make sense, or an error that says why not.
#include <cstdint>
#include <string_view>

#include "sense/gpu.hpp"

using namespace headroom;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto gpus = sense::parse_gpu_sim({reinterpret_cast<const char*>(data), size});
  if (!gpus) {
    if (gpus.error().what.empty() || gpus.error().why.empty()) __builtin_trap();
    return 0;
  }
  for (const GpuReading& gpu : *gpus) {
    if (gpu.memory_total <= Bytes() ||
        gpu.memory_used.value() + gpu.memory_reserved > gpu.memory_total)
      __builtin_trap();
    if (gpu.id.empty() || (gpu.busy && !(gpu.busy->value() >= 0 && gpu.busy->value() <= 1)))
      __builtin_trap();
  }
  return 0;
}
