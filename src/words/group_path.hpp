// Paths of control groups in their hierarchy.
#pragma once

#include <string_view>

namespace headroom {

/// True when the group `path` is the group `outer` or lies below it. Both begin with a slash, and
/// none but the root, "/", ends with one.
inline bool lies_in(std::string_view path, std::string_view outer) {
  if (outer == "/" || path == outer) return true;
  return path.size() > outer.size() && path.starts_with(outer) && path[outer.size()] == '/';
}

}  // namespace headroom
