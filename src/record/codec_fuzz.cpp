// Any bytes are read as a column and as a block without harm; a column that was read, written anew,
// reads as the same.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "record/block.hpp"
#include "record/codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::record;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<double> values;
  // Slots that are told of and not there cost memory, as promised: not of interest here.
  if (decode_column(bytes, values) && values.size() < 10000) {
    std::string again;
    encode_column(values, again);
    std::vector<double> back;
    if (!decode_column(again, back) || back.size() != values.size()) std::abort();
    double largest = 0;
    for (const double value : values) {
      if (std::abs(value) <= 1e30) largest = std::max(largest, std::abs(value));
    }
    const double error = std::max(0.00501, largest / 10000 * 0.5001);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool gap = std::isnan(values[i]) || std::abs(values[i]) > 1e30;
      if (gap != std::isnan(back[i])) std::abort();
      if (!gap && std::abs(values[i] - back[i]) > error) std::abort();
    }
  }
  const auto length = head_size(bytes);
  if (length && *length <= size) {
    if (const auto head = read_head(bytes.substr(0, *length), size)) {
      for (const Entry& entry : head->entries) {
        (void)read_entry(*head, entry, bytes.substr(entry.at, entry.length));
      }
    }
  }
  return 0;
}
