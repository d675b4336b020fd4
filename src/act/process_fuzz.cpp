#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "act/process.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto stat = headroom::act::parse_process_stat(text);
  if (stat && (stat->pid <= 0 || stat->parent < 0)) std::abort();
  (void)headroom::act::parse_real_uid(text);
  return 0;
}
