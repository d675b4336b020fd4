// Every parser of a file of the node gets every input: none may crash, hang or read outside of it.
#include <cstdint>
#include <string_view>
#include <vector>

#include "sense/disk.hpp"
#include "sense/filesystem.hpp"
#include "sense/meminfo.hpp"
#include "sense/network.hpp"
#include "sense/stall.hpp"
#include "sense/stat.hpp"
#include "sense/zoneinfo.hpp"

using namespace headroom;
using namespace headroom::sense;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view half = text.substr(0, size / 2);
  std::vector<CoreTicks> cores;
  if (const auto ticks = parse_stat(text, cores)) {
    CpuReading cpu;
    std::vector<CoreTicks> cores_before;
    const auto before = parse_stat(half, cores_before);
    fill_cores(cores_before, nullptr, cpu.each);
    fill_cores(cores, &cores_before, cpu.each);
    for (const CoreReading& core : cpu.each) {
      if (core.busy && !(core.busy->value() >= 0 && core.busy->value() <= 1)) __builtin_trap();
    }
    fill_cpu(*ticks, before ? &*before : nullptr, 100, cpu);
    if (cpu.busy && !(cpu.busy->value() >= 0 && cpu.busy->value() <= 1.000001)) __builtin_trap();
  }
  parse_loadavg(text);
  MeminfoLayout layout;
  MemoryReading first, again;
  parse_meminfo(half, layout, first);
  parse_meminfo(text, layout, again);
  parse_zoneinfo(text);
  parse_stall(text);
  std::vector<InterfaceCounters> interfaces;
  parse_network(text, interfaces);
  std::vector<DiskCounters> disks;
  parse_diskstats(text, disks);
  parse_block_stat(text);
  storage_mounts(parse_mountinfo(text));
  return 0;
}
