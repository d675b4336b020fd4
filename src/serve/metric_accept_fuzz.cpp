// The Accept header of a scraper, as anybody may send it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/prometheus.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Config kConfig;
  const auto format = serve::negotiate_metrics(text, kConfig);
  // Nobody gets what they have not named.
  if (format == serve::MetricsFormat::openmetrics && size < 28) std::abort();
  return 0;
}
