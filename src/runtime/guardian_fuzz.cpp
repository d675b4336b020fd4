#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/guardian.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::runtime;
  const auto message = decode_guardian({reinterpret_cast<const char*>(data), size});
  // What is understood is the same when it is told again.
  if (message && decode_guardian(encode(*message)) != message) std::abort();
  return 0;
}
