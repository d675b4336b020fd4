#include "http/request_parser.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace headroom::http {
namespace {

constexpr std::string_view kNotHttp = "this is not an HTTP request";
constexpr std::size_t kMethodLimit = 32;
constexpr std::size_t kKeptCapacity = 16 << 10;

bool is_token(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') ||
         (u != 0 && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

/// False as soon as the bytes cannot begin a request, so that a client that speaks something else
/// hears it at once instead of when its time is up.
bool may_begin_request(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size() && i <= kMethodLimit; ++i) {
    if (bytes[i] == ' ') return i > 0;
    if (!is_token(bytes[i])) return false;
  }
  return bytes.size() <= kMethodLimit;
}

/// The size of the head, through its empty line; 0 when it has not ended. A line that ends in a
/// bare LF ends here too: such a head is malformed, and known to be so without waiting for more.
std::size_t find_head_end(std::string_view bytes, std::size_t from) {
  while (from < bytes.size()) {
    const std::size_t lf = bytes.find('\n', from);
    if (lf == std::string_view::npos) return 0;
    if (lf + 1 < bytes.size() && bytes[lf + 1] == '\n') return lf + 2;
    if (lf + 2 < bytes.size() && bytes[lf + 1] == '\r' && bytes[lf + 2] == '\n') return lf + 3;
    from = lf + 1;
  }
  return 0;
}

void shrink(std::string& text) {
  if (text.capacity() > kKeptCapacity) {
    std::string().swap(text);
  } else {
    text.clear();
  }
}

}  // namespace

bool RequestParser::take_wants_continue() { return std::exchange(plan_.wants_continue, false); }

void RequestParser::reset() {
  head_done_ = false;
  searched_ = 0;
  plan_ = {};
  refusal_ = {};
  chunks_.reset();
  shrink(held_);
  shrink(body_);
}

RequestParser::Step RequestParser::refuse(int status, std::string_view detail) {
  refusal_ = {status, detail};
  return {State::refused, 0};
}

RequestParser::Step RequestParser::feed(std::string_view piece) {
  std::size_t used = 0;
  if (!head_done_) {
    const Step step = take_head(piece);
    if (step.state == State::refused || !head_done_) return step;
    used = step.used;
  }
  Step step = take_body(piece.substr(used));
  step.used += used;
  return step;
}

RequestParser::Step RequestParser::take_head(std::string_view piece) {
  std::size_t skipped = 0;
  if (held_.empty()) {
    // An empty line before a request is left over from some clients' bodies (RFC 9112, 2.2).
    while (piece.size() >= skipped + 2 && piece[skipped] == '\r' && piece[skipped + 1] == '\n') {
      skipped += 2;
    }
    piece.remove_prefix(skipped);
    if (piece.empty()) return {State::more, skipped};
  }
  const std::size_t before = held_.size();
  if (before == 1 && held_[0] == '\r') {  // half of such an empty line
    held_.clear();
    if (piece.empty()) return {State::more, 0};
    if (piece[0] != '\n') return refuse(400, kNotHttp);
    Step step = take_head(piece.substr(1));
    step.used += 1;
    return step;
  }
  if (before > 0) {
    // No more than the limit is ever kept, whatever the size of the piece.
    held_.append(piece.substr(0, limits_->header_bytes - std::min(limits_->header_bytes, before)));
  }
  const std::string_view all =
      before > 0 ? std::string_view(held_) : piece.substr(0, limits_->header_bytes);
  const bool half_empty_line = all == "\r";
  if (!half_empty_line && !may_begin_request(all)) {
    return refuse(400, kNotHttp);
  }
  const std::size_t size = find_head_end(all, searched_);
  if (size == 0) {
    if (all.size() >= limits_->header_bytes) {
      return all.find('\n') == std::string_view::npos
                 ? refuse(414, "the request line is longer than accepted")
                 : refuse(431, "the headers are larger than accepted");
    }
    if (before == 0) held_.assign(all);
    searched_ = all.size() < 2 ? 0 : all.size() - 2;
    return {State::more, skipped + piece.size()};
  }
  const std::string_view head = all.substr(0, size);
  const Refusal refusal = parse_head(head, *limits_, request_, plan_);
  if (refusal.status != 0) return refuse(refusal.status, refusal.detail);
  if (before > 0) held_.resize(size);  // shorter: stays where it is, and so do the views
  head_done_ = true;
  const std::size_t used = size - before;
  // When the body is not all there, the piece will be gone before it is.
  const bool whole = !plan_.chunked && piece.size() - used >= plan_.length;
  if (before == 0 && !whole) keep_head(head);
  return {State::complete, skipped + used};
}

void RequestParser::keep_head(std::string_view head) {
  held_.assign(head);
  const auto moved = [&](std::string_view& view) {
    if (view.data() != nullptr && !view.empty()) {
      view = {held_.data() + (view.data() - head.data()), view.size()};
    } else {
      view = {};
    }
  };
  for (std::string_view* view :
       {&request_.method_text, &request_.target, &request_.path, &request_.query}) {
    moved(*view);
  }
  for (Header& header : request_.headers) {
    moved(header.name);
    moved(header.value);
  }
}

RequestParser::Step RequestParser::take_body(std::string_view piece) {
  request_.body = {};
  if (plan_.chunked) {
    if (!chunks_) chunks_.emplace(limits_->body_bytes);
    const ChunkDecoder::Step step = chunks_->feed(piece, body_);
    switch (step.state) {
      case ChunkDecoder::State::more:
        return {State::more, step.used};
      case ChunkDecoder::State::bad:
        return refuse(400, "the chunks of the body are malformed");
      case ChunkDecoder::State::too_large:
        return refuse(413, "the body is larger than accepted");
      case ChunkDecoder::State::done:
        break;
    }
    request_.body = body_;
    return {State::complete, step.used};
  }
  const std::size_t missing = plan_.length - body_.size();
  if (body_.empty() && piece.size() >= missing) {
    request_.body = piece.substr(0, missing);
    return {State::complete, missing};
  }
  const std::size_t used = std::min(missing, piece.size());
  body_.append(piece.substr(0, used));
  if (body_.size() < plan_.length) return {State::more, used};
  request_.body = body_;
  return {State::complete, used};
}

}  // namespace headroom::http
