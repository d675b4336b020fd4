#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "act/layout.hpp"

using namespace headroom::act;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto mounts = parse_mounts(text);
  const auto memberships = parse_memberships(text);
  if (mounts.size() > 64 || memberships.size() > 64) std::abort();
  for (const auto& mount : mounts) {
    const auto path = path_in(mount, memberships);
    const auto folder = path ? directory_of(mount, *path) : std::nullopt;
    if (folder && !folder->starts_with(mount.point)) std::abort();
  }
  const auto lease = parse_lease_name(text);
  if (lease && text.substr(0, text.find('.')) != lease_name(*lease, 1)) std::abort();
  const auto amount = parse_amount(text);
  if (amount && amount->count() < 0) std::abort();
  (void)parse_keyed(text, "oom_kill");
  for (const pid_t pid : parse_pids(text, 16)) {
    if (pid < 0) std::abort();
  }
  return 0;
}
