#include "sense/unified.hpp"

#include <algorithm>

namespace headroom::sense {

void fill_unified(Sample& sample) {
  const MemoryReading& memory = sample.memory;
  for (GpuReading& gpu : sample.gpus) {
    if (!gpu.unified) continue;
    gpu.memory_total = memory.total.value_or(Bytes());
    gpu.memory_reserved = Bytes();
    gpu.memory_used.reset();
    if (memory.total && memory.available) {
      gpu.memory_used = std::max(Bytes(), *memory.total - *memory.available);
    }
  }
}

}  // namespace headroom::sense
