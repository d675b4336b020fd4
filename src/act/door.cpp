#include "act/door.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "http/client.hpp"

namespace headroom::act {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::string_view kScheme = "http://";

milliseconds left_until(Clock::time_point deadline) {
  return std::max(milliseconds(0), std::chrono::floor<milliseconds>(deadline - Clock::now()));
}

Heard not_heard(const Error& error, bool sent) {
  Heard heard;
  heard.sent = sent;
  heard.why = error.why;
  switch (error.kind) {
    case ErrorKind::timed_out:
      heard.how = Heard::How::timed_out;
      heard.why = sent ? "it did not answer in time" : "it took no connection in time";
      break;
    case ErrorKind::internal:
      // One that dies in the middle of its answer has not talked nonsense.
      heard.how = error.why == "it ended too early" ? Heard::How::broke_off : Heard::How::nonsense;
      break;
    default:
      heard.how = sent ? Heard::How::broke_off : Heard::How::unreachable;
      break;
  }
  if (heard.why.empty()) heard.why = error.what;
  return heard;
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  const std::size_t slash =
      text.starts_with(kScheme) ? text.find('/', kScheme.size()) : std::string_view::npos;
  const auto url = http::Url::parse(text.substr(0, slash));
  if (!text.starts_with(kScheme) || !url) {
    return fail(ErrorKind::invalid_request, "an address is not right",
                text.starts_with("https://") ? "TLS is not spoken here" : "",
                "it looks like http://host:port/path");
  }
  Address address{*url, slash == std::string_view::npos ? "" : std::string(text.substr(slash))};
  // What would end the request's line early makes another request of it.
  const bool plain = std::all_of(address.base.begin(), address.base.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
  if (!plain || address.base.size() > 4096) {
    return fail(ErrorKind::invalid_request, "an address is not right",
                "its path is too long, or has characters that are written as %XX",
                "it looks like http://host:port/path");
  }
  return address;
}

Heard ask(const Address& address, std::string_view method, std::string_view path,
          std::string_view body, const std::string& token, const AskLimits& limits) {
  const milliseconds connect_within = left_until(limits.deadline);
  if (connect_within <= milliseconds(0)) {
    Heard late;
    late.how = Heard::How::timed_out;
    late.why = "there was no time left to ask";
    return late;
  }
  auto client = http::Client::connect(address.url, connect_within);
  if (!client) return not_heard(client.error(), false);
  client->limit_body(limits.body_bytes);
  std::vector<http::Header> headers;
  const std::string word = "Bearer " + token;
  if (!token.empty()) headers.push_back({"Authorization", word});
  std::string target = address.base;
  while (!path.empty() && target.ends_with('/')) target.pop_back();
  target += path;
  auto answer = client->request(method, target.empty() ? "/" : target, body, headers,
                                std::max(milliseconds(1), left_until(limits.deadline)));
  if (!answer) return not_heard(answer.error(), true);
  Heard heard;
  heard.how = Heard::How::answered;
  heard.sent = true;
  heard.status = answer->status;
  heard.type = std::string(answer->header("Content-Type"));
  heard.body = std::move(answer->body);
  return heard;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

}  // namespace headroom::act
