// Whatever the helper says, the daemon takes whole frames from it or hangs up: and what it took it
// can say again.
#include <cstdint>
#include <string_view>

#include "sense/gpu_progress.hpp"
#include "sense/gpu_wire.hpp"

using namespace headroom;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sense::GpuFrames frames;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  int pieces = 0;
  while (!bytes.empty()) {
    const std::size_t piece = std::min<std::size_t>(bytes.size(), 1 + pieces++ % 97);
    frames.add(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
    while (const auto frame = frames.next()) {
      const std::string again = sense::encode_gpu_frame(*frame);
      sense::GpuFrames second;
      second.add(again);
      const auto same = second.next();
      if (!same || second.broken() || same->index() != frame->index()) __builtin_trap();
      if (sense::encode_gpu_frame(*same) != again) __builtin_trap();
    }
    if (frames.broken() && frames.next()) __builtin_trap();
  }
  return 0;
}
