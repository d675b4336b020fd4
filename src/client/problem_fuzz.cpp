// Whatever a daemon, or what stands in its place, may answer.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/daemon.hpp"
#include "client/problem.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto error = headroom::client::parse_problem(size > 0 ? 400 + data[0] : 400, text);
  if (error.what.empty() && text.find("title") == std::string_view::npos) std::abort();
  headroom::client::EventCutter whole;
  headroom::client::EventCutter halves;
  std::size_t a = 0;
  std::size_t b = 0;
  whole.take(text, [&](const auto& event) { return a += 1 + event.data.size(), true; });
  const auto count = [&](const auto& event) { return b += 1 + event.data.size(), true; };
  halves.take(text.substr(0, size / 2), count);
  halves.take(text.substr(size / 2), count);
  if (a != b) std::abort();  // how the bytes are cut must not matter
  return 0;
}
