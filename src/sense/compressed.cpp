#include "sense/compressed.hpp"

#include <cerrno>

#include "sense/scan.hpp"

namespace headroom::sense {

std::optional<Bytes> parse_zram(std::string_view text) {
  Scan scan(text);
  // orig_data_size compr_data_size mem_used_total mem_limit …
  if (!scan.number() || !scan.number()) return std::nullopt;
  return scan.bytes();
}

std::optional<Bytes> read_zram(const std::string& root, ReadBuffer& buffer,
                               std::vector<Absence>& absent) {
  std::optional<Bytes> sum;
  for (const std::string& name : names_in(root + "/sys/block")) {
    if (name.substr(0, 4) != "zram") continue;
    const std::string path = root + "/sys/block/" + name + "/mm_stat";
    const auto text = read_once(path.c_str(), buffer);
    const int problem = text ? KernelFile::kGarbled : errno;
    const auto used = text ? parse_zram(*text) : std::nullopt;
    if (used) {
      sum = sum.value_or(Bytes()) + *used;
      continue;
    }
    absent.push_back({"zram", reason_of(path, problem), ""});
    return std::nullopt;
  }
  return sum;
}

}  // namespace headroom::sense
