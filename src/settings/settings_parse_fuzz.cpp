// The amounts and words of the configuration, the command line and requests, fed with anything.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "settings/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::settings;
  // NOLINTNEXTLINE: bytes as the characters they are
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = parse_bytes(text)) {
    if (bytes->count() < 0 || *parse_bytes(format_bytes_exact(*bytes)) != *bytes) std::abort();
  }
  if (const auto cores = parse_cores(text)) {
    if (cores->milli() < 0) std::abort();
  }
  if (const auto share = parse_share(text)) {
    if (share->ratio.has_value() == share->bytes.has_value()) std::abort();
    if (share->ratio && !(share->ratio->value() >= 0 && share->ratio->value() <= 1)) std::abort();
  }
  if (const auto time = parse_duration(text)) {
    if (time->count() < 0 || *parse_duration(format_duration_exact(*time)) != *time) std::abort();
  }
  (void)parse_percent(text);
  (void)parse_priority(text);
  (void)parse_level(text);
  if (const auto strategy = headroom::strategy_of(text)) {
    if (headroom::strategy_of(to_text(*strategy)) != strategy) std::abort();
  }
  (void)parse_resource(text);
  (void)parse_bool(text);
  return 0;
}
