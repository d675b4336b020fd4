// Any bytes are taken for what Foresight saved, without harm; also with a checksum that is right.
// What is taken up goes on, and can be saved and taken up again.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "judge/foresight.hpp"
#include "judge/saved.hpp"

namespace {

using namespace headroom;
using namespace headroom::judge;

void go_on(Foresight& foresight, Instant at) {
  const std::size_t known = foresight.series();
  if (known > Foresight::kMaxSeries) std::abort();
  for (int i = 0; i < 20; ++i) {
    at.boot += std::chrono::minutes(1);
    at.wall += std::chrono::minutes(1);
    const std::vector<Reading> readings{{"memory", 40.0 + i % 3}, {"disk:/", 12.0}};
    (void)foresight.push(at, readings);
  }
  for (const ForecastView& view : foresight.forecasts()) {
    if (!std::isfinite(view.value) || !(view.lo <= view.value) || !(view.value <= view.hi))
      std::abort();
  }
  Foresight again;
  if (!again.restore(foresight.save())) std::abort();
  if (again.series() != foresight.series()) std::abort();
}

std::string saved() {
  Foresight foresight;
  const std::vector<Reading> readings{{"memory", 40.0}, {"disk:/", 12.0}};
  (void)foresight.push({BootTime(std::chrono::hours(1)), WallTime(std::chrono::hours(490'000))},
                       readings);
  return foresight.save();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Instant at{BootTime(std::chrono::seconds(5)), WallTime(std::chrono::hours(490'010))};
  Foresight foresight;
  if (foresight.restore(bytes)) go_on(foresight, at);
  // Bytes of a saved text are replaced from a place on, what follows is cut off or not, and the
  // checksum is made right again.
  if (size < 3) return 0;
  static const std::string good = saved();
  std::string text = good.substr(0, good.size() - sizeof(std::uint64_t));
  const std::size_t from = (data[0] << 8U | data[1]) % text.size();
  const std::string_view other = bytes.substr(3);
  const std::size_t most = data[2] % 2 == 0 ? text.size() - from : other.size();
  text.replace(from, std::min(most, other.size()), other.substr(0, most));
  if (data[2] % 3 == 0) text.resize(std::min(text.size(), from + other.size()));
  const std::uint64_t sum = checksum(text);
  text.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  Foresight tampered;
  if (tampered.restore(text)) go_on(tampered, at);
  return 0;
}
