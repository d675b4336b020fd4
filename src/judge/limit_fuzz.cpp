// Any use at any times leaves a state that is sound and limits that are finite; any bytes are taken
// for a saved state without harm.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "judge/limit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  using namespace headroom::judge;
  (void)LimitEstimator::restore({reinterpret_cast<const char*>(data), size});
  if (size < 4) return 0;
  LimitPolicy policy;
  policy.kappa = data[0] * 10.0;
  policy.hold = std::chrono::seconds(data[1] * 300);
  policy.least = data[2] / 64.0;
  LimitEstimator estimator(policy);
  data += 4;
  size -= 4;
  // A sample: how long after the last (seconds, halved or times 60), and use and forecast, as eight
  // bytes or as one.
  constexpr std::int64_t kMinute = 60'000'000'000;
  constexpr std::int64_t kHalfSecond = 500'000'000;
  std::int64_t boot = 0;
  while (size >= 4) {
    boot += data[1] * ((data[0] & 1) != 0 ? kMinute : kHalfSecond);
    double used = data[2];
    Forecast forecast;
    forecast.value = data[3];
    forecast.hi = data[3] * 1.5;
    std::size_t taken = 4;
    if ((data[0] & 8) != 0 && size >= 20) {
      std::memcpy(&used, data + 4, sizeof used);
      std::memcpy(&forecast.hi, data + 12, sizeof forecast.hi);
      taken = 20;
    }
    const bool told = (data[0] & 16) == 0;
    data += taken;
    size -= taken;
    estimator.update(BootTime(std::chrono::nanoseconds(boot)), used,
                     told ? std::optional<Forecast>(forecast) : std::nullopt);
    const auto limit = estimator.limit();
    if (limit && !(std::isfinite(limit->value) && limit->value >= 0 && limit->confidence >= 0 &&
                   limit->confidence <= 1))
      std::abort();
    if (const auto raised = estimator.raise(100); raised && !(raised->value > 100)) std::abort();
  }
  const auto again = LimitEstimator::restore(estimator.save());
  if (!again) std::abort();
  if (again->limit() && again->limit()->value != estimator.limit()->value) std::abort();
  return 0;
}
