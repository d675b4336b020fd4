#include "http/response_parser.hpp"

#include <algorithm>
#include <charconv>

#include "http/message.hpp"

namespace headroom::http {
namespace {

constexpr std::size_t kHeadLimit = 64 << 10;
constexpr std::size_t kHeaderLimit = 128;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same_word(key, name)) return value;
  }
  return {};
}

ResponseParser::Step ResponseParser::bad(std::string_view why) {
  why_ = why;
  return {State::bad, 0};
}

ResponseParser::Step ResponseParser::feed(std::string_view piece) {
  std::size_t used = 0;
  while (!head_done_) {
    // A head that lies in one piece is parsed where it is.
    const std::size_t before = held_.size();
    const std::size_t from = before < 3 ? 0 : before - 3;
    if (before > 0) held_.append(piece.substr(used, kHeadLimit - before));
    const std::string_view all = before > 0 ? std::string_view(held_) : piece.substr(used);
    const std::size_t end = all.substr(0, kHeadLimit).find("\r\n\r\n", from);
    if (end == std::string_view::npos) {
      if (all.size() >= kHeadLimit) return bad("its headers are too long");
      if (!std::string_view("HTTP/1.").starts_with(all.substr(0, 7))) return bad("it is not HTTP");
      if (before == 0) held_.assign(all);
      return {State::more, piece.size()};
    }
    if (!parse_head(all.substr(0, end + 2))) {
      if (why_.empty()) why_ = "its headers are malformed";
      return {State::bad, used};
    }
    used += end + 4 - before;
    held_.clear();
    if (response_.status / 100 == 1 && response_.status != 101) continue;
    if (!plan_body()) return {State::bad, used};
    head_done_ = true;
  }
  const std::string_view rest = piece.substr(used);
  switch (body_) {
    case Body::none:
      return {State::complete, used};
    case Body::length: {
      const std::size_t n = std::min(missing_, rest.size());
      response_.body.append(rest.substr(0, n));
      missing_ -= n;
      return {missing_ == 0 ? State::complete : State::more, used + n};
    }
    case Body::chunked: {
      const ChunkDecoder::Step step = chunks_->feed(rest, response_.body);
      switch (step.state) {
        case ChunkDecoder::State::more:
          return {State::more, used + step.used};
        case ChunkDecoder::State::done:
          return {State::complete, used + step.used};
        case ChunkDecoder::State::too_large:
          return bad("its body is too large");
        case ChunkDecoder::State::bad:
          break;
      }
      return bad("its chunks are malformed");
    }
    case Body::until_end:
      if (rest.size() > body_limit_ - received_) return bad("its body is too large");
      received_ += rest.size();
      response_.body.append(rest);
      return {State::more, piece.size()};
  }
  return bad("");
}

ResponseParser::State ResponseParser::finish() {
  if (head_done_ && body_ == Body::until_end) return State::complete;
  if (why_.empty()) why_ = "it ended too early";
  return State::bad;
}

/// `head`: every line with its end, without the empty one.
bool ResponseParser::parse_head(std::string_view head) {
  response_.headers.clear();
  says_chunked_ = false;
  says_length_.reset();
  const std::size_t eol = head.find("\r\n");
  const std::string_view line = head.substr(0, eol);
  // HTTP/1.1 200 OK
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1') ||
      line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) {
    why_ = "it is not HTTP";
    return false;
  }
  int status = 0;
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, status);
  if (error != std::errc{} || end != line.data() + 12 || status < 100) return false;
  response_.status = status;
  keep_alive_ = line[7] == '1';
  head.remove_prefix(eol + 2);
  while (!head.empty()) {
    const std::size_t stop = head.find("\r\n");
    if (!parse_field(head.substr(0, stop))) return false;
    head.remove_prefix(stop + 2);
  }
  return true;
}

bool ResponseParser::parse_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || is_blank(line[0]) ||
      is_blank(line[colon - 1]) || response_.headers.size() == kHeaderLimit) {
    return false;
  }
  if (std::any_of(line.begin(), line.end(),
                  [](char c) { return c == '\0' || c == '\r' || c == '\n'; })) {
    return false;
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim(line.substr(colon + 1));
  response_.headers.emplace_back(name, value);
  if (same_word(name, "Content-Length")) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (value.empty() || error != std::errc{} || end != value.data() + value.size()) return false;
    if (says_length_ && *says_length_ != length) return false;
    says_length_ = length;
  } else if (same_word(name, "Transfer-Encoding")) {
    if (!same_word(value, "chunked") || says_chunked_) return false;
    says_chunked_ = true;
  } else if (same_word(name, "Connection")) {
    if (same_word(value, "close")) keep_alive_ = false;
    if (same_word(value, "keep-alive")) keep_alive_ = true;
  }
  return true;
}

bool ResponseParser::plan_body() {
  const int status = response_.status;
  if (head_request_ || status == 101 || status == 204 || status == 304) {
    body_ = Body::none;
  } else if (says_chunked_) {
    if (says_length_) {
      why_ = "it has two lengths";
      return false;
    }
    body_ = Body::chunked;
    chunks_.emplace(body_limit_);
  } else if (says_length_) {
    if (*says_length_ > body_limit_) {
      why_ = "its body is too large";
      return false;
    }
    missing_ = *says_length_;
    body_ = Body::length;
  } else {
    body_ = Body::until_end;
    keep_alive_ = false;
  }
  return true;
}

}  // namespace headroom::http
