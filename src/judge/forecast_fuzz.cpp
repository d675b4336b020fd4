// Any samples at any times leave a state that is sound and forecasts that are finite; any bytes are
// taken for a saved state without harm.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "judge/forecast.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  using namespace headroom::judge;
  (void)Forecaster::restore({reinterpret_cast<const char*>(data), size});
  if (size < 2) return 0;
  Forecaster forecaster(std::chrono::seconds(data[0] * 300 + data[1]));
  data += 2;
  size -= 2;
  // A sample: how long after the last (seconds, halved or times 60), a step of the wall clock, and
  // a value, as eight bytes or as one.
  constexpr std::int64_t kMinute = 60'000'000'000;
  constexpr std::int64_t kHalfSecond = 500'000'000;
  std::int64_t boot = 0;
  std::int64_t step = 0;
  while (size >= 4) {
    boot += data[1] * ((data[0] & 1) != 0 ? kMinute : kHalfSecond);
    if ((data[0] & 2) != 0) step += (data[2] - 128) * std::int64_t{3'600'000'000'000};
    if ((data[0] & 4) != 0) boot = -boot;
    double value = data[3];
    std::size_t used = 4;
    if ((data[0] & 8) != 0 && size >= 12) {
      std::memcpy(&value, data + 4, sizeof value);
      used = 12;
    }
    data += used;
    size -= used;
    const std::chrono::nanoseconds wall(static_cast<std::int64_t>(
        static_cast<std::uint64_t>(boot) + static_cast<std::uint64_t>(step)));
    forecaster.update({BootTime(std::chrono::nanoseconds(boot)), WallTime(wall)}, value);
    const auto forecast = forecaster.predict();
    if (!forecast) continue;
    if (!std::isfinite(forecast->value) || !(forecast->lo <= forecast->value) ||
        !(forecast->value <= forecast->hi) || !std::isfinite(forecast->hi - forecast->lo) ||
        !(forecast->confidence >= 0 && forecast->confidence <= 1))
      std::abort();
  }
  if (forecaster.predict()) {
    const auto full = forecaster.time_to(100);
    if (full && !(full->confidence >= 0 && full->confidence <= 1)) std::abort();
  }
  const auto again = Forecaster::restore(forecaster.save());
  if (!again) std::abort();
  if (again->predict() && again->predict()->value != forecaster.predict()->value) std::abort();
  return 0;
}
