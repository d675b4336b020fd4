// Any bytes are replayed without harm, end within themselves, and count up.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "record/journal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::record;
  const Replay replayed = replay({reinterpret_cast<const char*>(data), size}, 0);
  if (replayed.end > size || replayed.next_sequence == 0) std::abort();
  // What was read, written anew, reads as the same.
  std::string bytes;
  std::uint64_t sequence = 1;
  for (const auto& record : replayed.records) append_frame(record, sequence++, bytes);
  if (replay(bytes, 0).records != replayed.records) std::abort();
  return 0;
}
