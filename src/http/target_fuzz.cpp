// Texts that strangers choose: queries, path segments, Host and Origin headers, URLs, times, rows
// of the kernel's socket table.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/access.hpp"
#include "http/peer.hpp"
#include "http/query.hpp"
#include "http/sse.hpp"
#include "http/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::http;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto query = Query::parse(text)) {
    for (const auto& [name, value] : query->all()) {
      if (name.find('\0') != name.npos || value.find('\0') != value.npos) std::abort();
      if (!query->has(name)) std::abort();
    }
  }
  if (const auto segment = decode_segment(text)) {
    if (decode_segment(encode_segment(*segment)) != segment) std::abort();
  }
  if (const auto url = Url::parse(text)) {
    if (Url::parse(url->text()) != url) std::abort();
  }
  if (const auto listen = parse_listen(text)) {
    // What may be listened on as loopback must be what the Host check lets through.
    if (is_loopback(listen->host) != host_is_loopback(text)) std::abort();
  }
  if (host_is_loopback(text) && !origin_is_own("http://" + std::string(text), text)) std::abort();
  if (origin_is_own(text, "localhost:8000") && !text.empty() && text.size() < 21) std::abort();
  static_cast<void>(parse_wait(text));
  static_cast<void>(find_owner(text, "0100007F:1F40", "0100007F:C350"));
  const std::string event = sse_event(text, text, text);
  if (event.find("\n\n") != event.size() - 2) std::abort();
  return 0;
}
