// The head of a request, read by Beast's parser without its containers.
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "http/request_parser.hpp"

namespace headroom::http {
namespace {

namespace beast = boost::beast;
using beast::http::field;
using beast::http::verb;

std::string_view std_view(beast::string_view text) { return {text.data(), text.size()}; }

Method method_of(verb method) {
  switch (method) {
    case verb::get:
      return Method::get;
    case verb::head:
      return Method::head;
    case verb::post:
      return Method::post;
    case verb::put:
      return Method::put;
    case verb::patch:
      return Method::patch;
    case verb::delete_:
      return Method::del;
    case verb::options:
      return Method::options;
    default:
      return Method::other;
  }
}

class HeadReader final : public beast::http::basic_parser<true> {
 public:
  HeadReader(std::string_view head, const Limits& limits, Request& request, BodyPlan& body)
      : head_(head), limits_(limits), request_(request), body_(body) {
    header_limit(static_cast<std::uint32_t>(head.size()) + 1);
    body_limit(boost::none);  // judged by the caller, so that the answer is 413
  }

  Refusal read() {
    beast::error_code error;
    const std::size_t used = put({head_.data(), head_.size()}, error);
    if (refusal_.status != 0) return refusal_;
    const bool whole_line = head_.substr(0, head_.find('\n')).ends_with('\r');
    if (error == beast::http::error::bad_version && whole_line) {
      return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    }
    if (error == beast::http::error::bad_content_length ||
        error == beast::http::error::multiple_content_length ||
        error == beast::http::error::bad_transfer_encoding) {
      return {400, "the length of the body is contradictory or not a number"};
    }
    if (error || !is_header_done() || used != head_.size()) {
      return {400, "the request line or a header is malformed"};
    }
    return judge();
  }

 private:
  Refusal judge() {
    const bool old = request_.minor_version == 0;
    if (hosts_ > 1 || (hosts_ == 0 && !old)) {
      return {400, "exactly one Host header is needed"};
    }
    if (has_transfer_encoding_) {
      // Anything but a lone "chunked" would leave the end of the body open to interpretation.
      if (!only_chunked_) return {501, "the only transfer coding known is chunked"};
      if (old || !chunked()) return {400, "chunked bodies need HTTP/1.1 and no other coding"};
    }
    body_.chunked = chunked();
    const auto length = content_length();
    if (length && *length > limits_.body_bytes) return {413, "the body is larger than accepted"};
    body_.length = length ? static_cast<std::size_t>(*length) : 0;
    request_.keep_alive = keep_alive();
    return {};
  }

  void refuse(int status, std::string_view detail, beast::error_code& error) {
    refusal_ = {status, detail};
    error = beast::http::error::bad_field;
  }

  void on_request_impl(verb method, beast::string_view method_text, beast::string_view target,
                       int version, beast::error_code& error) override {
    request_.method = method_of(method);
    request_.method_text = std_view(method_text);
    request_.target = std_view(target);
    request_.minor_version = version - 10;
    if (request_.target.size() > limits_.target_bytes) {
      return refuse(414, "the path and query are longer than accepted", error);
    }
    if (!request_.target.starts_with('/') && request_.target != "*") {
      return refuse(400, "the target has to be a path", error);
    }
    const std::size_t mark = request_.target.find('?');
    request_.path = request_.target.substr(0, mark);
    request_.query =
        mark == std::string_view::npos ? std::string_view{} : request_.target.substr(mark + 1);
  }

  void on_field_impl(field name, beast::string_view name_text, beast::string_view value_text,
                     beast::error_code& error) override {
    const std::string_view value = std_view(value_text);
    // A folded value is joined in a temporary of the parser's; folding is obsolete and refused.
    if (!value.empty() &&
        (value.data() < head_.data() || value.data() >= head_.data() + head_.size())) {
      return refuse(400, "a header goes on in the next line", error);
    }
    if (request_.headers.size() >= limits_.header_count) {
      return refuse(431, "there are more headers than accepted", error);
    }
    if (name == field::host) ++hosts_;
    if (name == field::transfer_encoding) {
      only_chunked_ = !has_transfer_encoding_ && same_word(value, "chunked");
      has_transfer_encoding_ = true;
    }
    if (name == field::expect && same_word(value, "100-continue")) body_.wants_continue = true;
    request_.headers.push_back({std_view(name_text), value});
  }

  void on_header_impl(beast::error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view, beast::error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, beast::error_code&) override {
    return 0;
  }
  void on_finish_impl(beast::error_code&) override {}
  // Called by nobody for requests, but pure in the base class.
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}

  std::string_view head_;
  const Limits& limits_;
  Request& request_;
  BodyPlan& body_;
  Refusal refusal_;
  int hosts_ = 0;
  bool has_transfer_encoding_ = false;
  bool only_chunked_ = false;
};

}  // namespace

Refusal parse_head(std::string_view head, const Limits& limits, Request& request, BodyPlan& body) {
  request.headers.clear();
  return HeadReader(head, limits, request, body).read();
}

}  // namespace headroom::http
