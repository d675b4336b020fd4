// Any series at any times, cut off by a restored state: answers stay finite and in range.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "judge/anomaly.hpp"
#include "judge/saved.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  judge::Anomaly anomaly;
  std::int64_t boot = 0;
  std::int64_t wall = 0;
  // A byte that says what comes, then 8 bytes of a time or a value; or a whole state.
  while (size >= 9) {
    std::int64_t whole = 0;
    std::memcpy(&whole, data + 1, 8);
    double value = 0;
    std::memcpy(&value, data + 1, 8);
    const int what = data[0] % 8;
    data += 9;
    size -= 9;
    // Times are those of a clock that counts nanoseconds for some centuries.
    if (what == 0) boot = whole / 4;
    if (what == 1) wall = whole / 4;
    if (what == 2) {
      // Bytes of a state are replaced and the checksum made right again.
      std::string state = anomaly.save();
      state.resize(state.size() - sizeof(std::uint64_t));
      const std::size_t name = state.find('\n') + 1;
      std::memcpy(state.data() + name, data, std::min(size, state.size() - name));
      const std::uint64_t sum = judge::checksum(state);
      state.append(reinterpret_cast<const char*>(&sum), sizeof sum);
      if (const auto restored = judge::Anomaly::restore(state)) anomaly = *restored;
    }
    const int times = what == 3 ? 200 : what > 3 ? 1 : 0;
    for (int i = 0; i < times; ++i) {
      boot += 60'000'000'000 * (what - 2);
      wall += 60'000'000'000 * (what - 2);
      const Instant at{BootTime(std::chrono::nanoseconds(boot)),
                       WallTime(std::chrono::nanoseconds(wall))};
      const auto verdict = anomaly.update(at, value + i % 3);
      if (!(verdict.score >= 0 && verdict.score < 1)) std::abort();
      if (verdict.lo && !(std::isfinite(*verdict.lo) && *verdict.lo <= *verdict.hi)) std::abort();
    }
    if (!judge::Anomaly::restore(anomaly.save())) std::abort();
  }
  return 0;
}
