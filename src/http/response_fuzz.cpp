// Bytes as a server may send them, through the client's parser, whole and split.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/response_parser.hpp"

namespace {

using headroom::http::ResponseParser;

std::string outcome(std::string_view bytes, std::size_t step, bool head_request) {
  constexpr std::size_t kLimit = 4096;
  ResponseParser parser(head_request, kLimit);
  ResponseParser::State state = ResponseParser::State::more;
  std::size_t used = 0;
  while (used < bytes.size() && state == ResponseParser::State::more) {
    const std::string piece(bytes.substr(used, step));
    const auto fed = parser.feed(piece);
    if (fed.used > piece.size()) std::abort();
    state = fed.state;
    if (state == ResponseParser::State::bad) return "bad";
    used += fed.used;
  }
  if (state == ResponseParser::State::more) {
    if (parser.finish() == ResponseParser::State::bad) return "bad";
  }
  const auto& response = parser.response();
  if (response.body.size() > kLimit) std::abort();
  std::string out = std::to_string(response.status) + " " + std::to_string(used) +
                    (parser.keep_alive() ? "+" : "-") + response.body;
  for (const auto& [name, value] : response.headers) out += name + value;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool head_request = (data[0] & 1) != 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = outcome(bytes, bytes.size(), head_request);
  if (outcome(bytes, std::size_t{data[0]} / 2 + 1, head_request) != whole) std::abort();
  if (outcome(bytes, 1, head_request) != whole) std::abort();
  return 0;
}
