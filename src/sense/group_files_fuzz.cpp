// Every parser of a file of a control group or a process gets every input.
#include <cstdint>
#include <string_view>
#include <vector>

#include "sense/cgroup.hpp"
#include "sense/process.hpp"

using namespace headroom::sense;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_limit(text);
  parse_amount(text);
  parse_keyed(text, "oom_kill");
  parse_keyed(text, "usage_usec");
  parse_io_stat(text);
  std::vector<int> pids;
  parse_procs(text, pids);
  if (const auto memory = parse_memory_stat_v2(text); memory && memory->held.count() < 0)
    __builtin_trap();
  if (const auto memory = parse_memory_stat_v1(text); memory && memory->held.count() < 0)
    __builtin_trap();
  jobs_group_of(parse_cgroup(text), parse_mountinfo(text));
  parse_process_stat(text);
  if (const auto pages = parse_statm(text)) pages_to_bytes(pages->resident);
  parse_process_io(text);
  parse_process_traffic(text);
  return 0;
}
