// Bytes as a client may send them, through the parser the server uses: whole, and split where the
// first byte says. Both have to come to the same end, and keep no more than the limits allow.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/request_parser.hpp"

namespace {

using headroom::http::Header;
using headroom::http::Limits;
using headroom::http::RequestParser;

/// What came of the bytes: every request in full, then why it stopped.
std::string outcome(std::string_view bytes, std::size_t step, const Limits& limits) {
  std::string out;
  RequestParser parser(limits);
  while (!bytes.empty()) {
    std::string piece(bytes.substr(0, step));  // of its own, so that a stale view is noticed
    bytes.remove_prefix(piece.size());
    std::string_view rest = piece;
    while (!rest.empty()) {
      const RequestParser::Step fed = parser.feed(rest);
      if (fed.used > rest.size()) std::abort();
      if (fed.state == RequestParser::State::refused) {
        return out + "refused " + std::to_string(parser.refusal().status);
      }
      rest.remove_prefix(fed.used);
      if (fed.state == RequestParser::State::more) {
        if (!rest.empty()) std::abort();
        break;
      }
      const auto& request = parser.request();
      if (request.body.size() > limits.body_bytes || request.headers.size() > limits.header_count ||
          request.target.size() > limits.target_bytes) {
        std::abort();
      }
      out.append(request.method_text).append(request.target).append(request.path);
      out.append(request.query).append(request.body).append(request.keep_alive ? "+" : "-");
      for (const Header& header : request.headers) out.append(header.name).append(header.value);
      out += '\n';
      parser.reset();
    }
  }
  return out + (parser.empty() ? "nothing" : "more");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Limits limits;
  limits.header_bytes = 1024;
  limits.target_bytes = 256;
  limits.header_count = 16;
  limits.body_bytes = 2048;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = outcome(bytes, bytes.size(), limits);
  if (outcome(bytes, std::size_t{data[0]} + 1, limits) != whole) std::abort();
  if (outcome(bytes, 1, limits) != whole) std::abort();
  return 0;
}
