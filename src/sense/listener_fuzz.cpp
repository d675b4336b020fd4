// The kernel's table of sockets gets every input: none may crash it or be read outside of.
#include <cstdint>
#include <string_view>

#include "sense/listener.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const int port : {0, 80, 8000, 65535}) {
    const auto found = headroom::sense::parse_listener(text, port);
    if (found && text.find("0A") == std::string_view::npos) __builtin_trap();
  }
  return 0;
}
