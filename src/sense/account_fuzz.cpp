// /proc/PID/cgroup in every shape: names stay short, and a job is a part of the text.
#include <cstdint>
#include <string_view>

#include "sense/account.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto found = headroom::sense::parse_membership(text);
  const headroom::Account& account = found.account;
  if (account.unit.size() > 256 || account.container.size() > 256 || account.pod.size() > 256)
    __builtin_trap();
  if (account.container.empty() && !account.engine.empty()) __builtin_trap();
  if (text.find(found.job) == std::string_view::npos) __builtin_trap();
  if (found.account.unit.find('/') != std::string::npos && text.find("\\x2f") == text.npos)
    __builtin_trap();
  return 0;
}
