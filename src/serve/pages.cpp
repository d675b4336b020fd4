#include "serve/pages.hpp"

#include <algorithm>
#include <cstdio>

#include "serve/compress.hpp"
#include "serve/openapi.hpp"

namespace headroom::serve {
namespace {

constexpr int kSmallest = 9;  // done once

// FNV-1a: the same bytes have the same tag, in every daemon of a version.
std::string tag_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  char text[24];
  const int length =
      std::snprintf(text, sizeof text, "\"%016llx\"", static_cast<unsigned long long>(hash));
  return std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

bool matches_tag(std::string_view header, std::string_view tag) {
  while (!header.empty()) {
    std::string_view one = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), one.size() + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);  // proxies that compress weaken it
    if (one == tag || one == "*") return true;
  }
  return false;
}

void add_page_headers(http::Response& response) {
  response.headers.emplace_back(
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
      "form-action 'none'");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
}

http::Response Pages::answer(std::string_view path, std::string_view type, std::string_view bytes,
                             const Call& call) {
  auto found = kept_.find(path);
  if (found == kept_.end()) {
    Kept kept{tag_of(bytes), bytes.size() >= kWorthCompressing ? gzip(bytes, kSmallest) : ""};
    if (kept.gzip.size() >= bytes.size()) kept.gzip.clear();
    found = kept_.emplace(path, std::move(kept)).first;
  }
  const Kept& kept = found->second;
  http::Response response;
  response.content_type = type;
  response.headers = {{"ETag", kept.tag}, {"Cache-Control", "no-cache"}};
  if (matches_tag(call.header("if-none-match"), kept.tag)) {
    response.status = 304;
    response.content_type.clear();
    return response;
  }
  response.body = call.gzip && !kept.gzip.empty() ? kept.gzip : std::string(bytes);
  if (!is_gzip(response.body)) response.headers.emplace_back("Vary", "Accept-Encoding");
  return response;
}

http::Response Pages::asset(const Asset& asset, const Call& call) {
  http::Response response = answer(asset.path, asset.content_type, asset.bytes, call);
  add_page_headers(response);
  return response;
}

http::Response Pages::openapi(const Call& call) {
  if (openapi_.empty()) openapi_ = openapi_document(call.backend.node().version);
  return answer("/openapi.json", kJson, openapi_, call);
}

}  // namespace headroom::serve
