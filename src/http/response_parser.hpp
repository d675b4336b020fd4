// Bytes → responses.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/chunked.hpp"

namespace headroom::http {

/// One answer, as a client sees it.
struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  /// The first header of this name, whatever its case; "" when absent.
  std::string_view header(std::string_view name) const;
};

/// Parses one response, fed in pieces of any size; "100 Continue" and its like are passed over.
/// Pure. Written by hand: the command starts in a millisecond, and needs little of HTTP.
class ResponseParser {
 public:
  enum class State { more, complete, bad };
  struct Step {
    State state = State::more;
    std::size_t used = 0;
  };

  /// `head_request`: the answer has no body whatever it says. `body_limit`: a larger body is bad.
  ResponseParser(bool head_request, std::size_t body_limit)
      : head_request_(head_request), body_limit_(body_limit) {}

  Step feed(std::string_view piece);
  /// The connection has ended: a body without a length is complete by it, anything else is bad.
  State finish();

  bool head_done() const { return head_done_; }
  /// The connection may be used for another request.
  bool keep_alive() const { return keep_alive_; }
  /// Nothing has been fed yet.
  bool empty() const { return !head_done_ && held_.empty(); }

  ClientResponse& response() { return response_; }
  /// Why it is bad; a literal.
  std::string_view why() const { return why_; }

 private:
  enum class Body { none, length, chunked, until_end };
  Step bad(std::string_view why);
  bool parse_head(std::string_view head);
  bool parse_field(std::string_view line);
  bool plan_body();

  bool head_request_;
  std::size_t body_limit_;
  ClientResponse response_;
  std::string held_;
  std::string_view why_;
  bool head_done_ = false;
  bool keep_alive_ = true;
  bool says_chunked_ = false;
  std::optional<std::size_t> says_length_;
  Body body_ = Body::none;
  std::size_t missing_ = 0;
  std::size_t received_ = 0;  ///< of a body without a length
  std::optional<ChunkDecoder> chunks_;
};

}  // namespace headroom::http
