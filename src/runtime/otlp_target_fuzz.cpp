// What the environment says of a collector, and what a collector says of waiting.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runtime/otlp_push.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  // Lines: endpoint, headers, protocol, timeout, Retry-After.
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&] {
    const std::size_t end = rest.find('\n');
    const std::string_view first = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return std::string(first);
  };
  std::map<std::string, std::string> environment;
  environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = line();
  environment["OTEL_EXPORTER_OTLP_HEADERS"] = line();
  environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = line();
  environment["OTEL_EXPORTER_OTLP_TIMEOUT"] = line();
  if (const auto target = runtime::otlp_target({}, environment); target && *target) {
    // Nothing that ends a line of a request is let through.
    const auto sendable = [](std::string_view text) {
      return text.find_first_of("\r\n") == std::string_view::npos;
    };
    if (!sendable((*target)->path) || !(*target)->path.starts_with('/')) std::abort();
    for (const auto& [name, value] : (*target)->headers) {
      if (name.empty() || !sendable(name) || !sendable(value)) std::abort();
    }
    if ((*target)->timeout.count() <= 0) std::abort();
  }
  const auto wait = runtime::parse_retry_after(rest, WallTime{});
  if (wait && wait->count() < 0) std::abort();
  return 0;
}
