// Targets of requests, as anybody may send them: found, and their queries checked.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/compress.hpp"
#include "serve/operation.hpp"
#include "serve/pages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view path = text.substr(0, text.find('?'));
  const std::string_view query = text.substr(std::min(text.size(), path.size() + 1));
  for (const auto method : {http::Method::get, http::Method::post, http::Method::put,
                            http::Method::patch, http::Method::del}) {
    const serve::Found found = serve::find_operation(method, path);
    if (found.operation == nullptr) continue;
    // The path is the row's, with what was found in the place of its variable.
    const serve::PathTemplate& form = found.operation->path;
    if (found.rest.size() + form.stem.size() + form.tail.size() != path.size()) std::abort();
    if (form.variable && found.rest.empty()) std::abort();
    auto parsed = http::Query::parse(query);
    if (!parsed) continue;
    const auto arguments = serve::Arguments::check(std::move(*parsed), found.operation->parameters);
    if (!arguments) {
      if (arguments.error().what.empty()) std::abort();
      continue;
    }
    // What is let in is within the bounds that the row promises.
    for (const serve::Parameter& p : found.operation->parameters) {
      if (const auto number = arguments->whole(p.name);
          number && p.kind == serve::Parameter::Kind::whole) {
        if (*number < p.least || *number > p.most) std::abort();
      }
      if (const auto length = arguments->seconds(p.name);
          length && p.kind == serve::Parameter::Kind::seconds) {
        if (length->count() < p.least || length->count() > p.most) std::abort();
      }
    }
  }
  (void)serve::parse_since(query, WallTime());
  (void)serve::accepts_gzip(query);
  (void)serve::matches_tag(query, "\"x\"");
  return 0;
}
