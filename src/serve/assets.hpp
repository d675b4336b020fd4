// The built dashboard: the files of web/dist, inside the program.
#pragma once

#include <string_view>

namespace headroom::serve {

struct Asset {
  std::string_view path;  ///< "/index.html"
  std::string_view content_type;
  std::string_view bytes;
};

/// The file at a path of the dashboard; null when there is none.
const Asset* find_asset(std::string_view path);

}  // namespace headroom::serve
