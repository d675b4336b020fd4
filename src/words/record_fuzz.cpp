// Any bytes are a record or are refused; what is read back is written and read as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "words/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto record = headroom::decode({reinterpret_cast<const char*>(data), size});
  if (!record) return 0;
  std::string bytes;
  headroom::encode(*record, bytes);
  const auto again = headroom::decode(bytes);
  if (!again || !(*again == *record)) std::abort();
  return 0;
}
