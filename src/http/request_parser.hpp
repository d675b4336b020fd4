// Bytes → requests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/chunked.hpp"
#include "http/limits.hpp"
#include "http/message.hpp"

namespace headroom::http {

/// Why the transport refuses a request itself. Status 0: it does not.
struct Refusal {
  int status = 0;
  std::string_view detail;  ///< a literal
};

/// What the head of a request says about its body.
struct BodyPlan {
  bool chunked = false;
  std::size_t length = 0;
  bool wants_continue = false;
};

/// Parses a complete head (request line and headers, through the empty line) into `request`, whose
/// views then point into `head`. The only place that knows Beast. Pure.
Refusal parse_head(std::string_view head, const Limits& limits, Request& request, BodyPlan& body);

/// Parses one request, fed in pieces of any size. A request that lies in one piece is not copied:
/// its views point into the piece; otherwise what came so far is kept here.
class RequestParser {
 public:
  enum class State { more, complete, refused };
  struct Step {
    State state = State::more;
    std::size_t used = 0;  ///< bytes of the piece that belong to this request
  };

  /// `limits` must outlive the parser.
  explicit RequestParser(const Limits& limits) : limits_(&limits) {}

  /// After `complete`, request() is valid until the piece goes or reset() is called.
  /// With `more`, the whole piece was used.
  Step feed(std::string_view piece);

  const Request& request() const { return request_; }
  Request& request() { return request_; }
  const Refusal& refusal() const { return refusal_; }

  /// Nothing of a request has been seen.
  bool empty() const { return !head_done_ && held_.empty(); }
  bool head_done() const { return head_done_; }
  /// True once after a head that asked for "100 Continue" before it sends the body.
  bool take_wants_continue();

  /// Makes it ready for the next request; keeps small buffers.
  void reset();

 private:
  Step refuse(int status, std::string_view detail);
  Step take_head(std::string_view piece);
  Step take_body(std::string_view piece);
  /// Copies the head and lets the request's views point at the copy.
  void keep_head(std::string_view head);

  const Limits* limits_;
  Request request_;
  Refusal refusal_;
  BodyPlan plan_;
  bool head_done_ = false;
  std::size_t searched_ = 0;  ///< bytes of held_ that hold no end of the head
  std::string held_;          ///< the head, or the part of it that came
  std::string body_;
  std::optional<ChunkDecoder> chunks_;
};

}  // namespace headroom::http
