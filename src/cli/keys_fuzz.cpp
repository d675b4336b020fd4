// Whatever a terminal sends, keys come out, printable and in bounds.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cli/keys.hpp"
#include "cli/screen.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  headroom::cli::KeyCutter cutter;
  headroom::cli::Canvas canvas(40, 2, size % 2 == 0);
  // In two pieces: where it is cut must not matter for bounds.
  for (const auto piece : {text.substr(0, size / 2), text.substr(size / 2)}) {
    for (const auto& key : cutter.take(piece)) {
      if (key.text.size() > 4) std::abort();
    }
  }
  (void)cutter.settle();
  canvas.put(static_cast<int>(size % 50) - 5, 0, text);
  canvas.put_right(30, 1, text);
  for (const char c : canvas.text({})) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') std::abort();
  }
  return 0;
}
