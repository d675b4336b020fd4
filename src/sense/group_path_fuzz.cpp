// Paths of groups as people write them, with any mounts beside: what is taken is a plain path below
// the root. The text is the path, and after its first line the mounts.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sense/account.hpp"
#include "sense/group_tree.hpp"
#include "words/group_path.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::sense;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view mounts =
      line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  const auto path = parse_group_path(text.substr(0, line), parse_mountinfo(mounts));
  if (!path) {
    if (path.error().what.empty() || path.error().why.empty()) std::abort();
    return 0;
  }
  if (path->size() < 2 || path->front() != '/' || path->back() == '/') std::abort();
  if ((*path + "/").find("/../") != std::string::npos) std::abort();
  if (path->find("//") != std::string::npos || path->size() > 1024) std::abort();
  if (!headroom::lies_in(*path, *path) || !headroom::lies_in(*path + "/a", *path)) std::abort();
  if (headroom::lies_in(*path, *path + "/a")) std::abort();
  (void)parse_group(*path);
  return 0;
}
