// What is the same for everybody: the files inside the program and the OpenAPI document, each with
// a tag of its bytes, compressed once and kept.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "serve/assets.hpp"
#include "serve/operation.hpp"

namespace headroom::serve {

/// Loop thread only.
class Pages {
 public:
  http::Response asset(const Asset& asset, const Call& call);
  http::Response openapi(const Call& call);

 private:
  struct Kept {
    std::string tag;   ///< an ETag, with its quotes
    std::string gzip;  ///< "" when it is not smaller
  };
  http::Response answer(std::string_view path, std::string_view type, std::string_view bytes,
                        const Call& call);

  std::map<std::string, Kept, std::less<>> kept_;
  std::string openapi_;
};

/// The headers that keep a page from reaching beyond this daemon.
void add_page_headers(http::Response& response);

/// True when If-None-Match names this tag, or anything.
bool matches_tag(std::string_view if_none_match, std::string_view tag);

}  // namespace headroom::serve
