#include "http/url.hpp"

#include <algorithm>
#include <charconv>

namespace headroom::http {

Result<Url> Url::parse(std::string_view text) {
  const auto refuse = [&](std::string why) {
    return fail(ErrorKind::invalid_request,
                "\"" + std::string(text.substr(0, 200)) + "\" is not an address of a daemon",
                std::move(why), "write unix:///path/to/socket or http://host:port");
  };
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return refuse("it has control characters");
  }
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("unix://")) rest.remove_prefix(7);
  if (rest.starts_with('/')) {
    url.unix_socket = true;
    url.path = rest;
    return url;
  }
  if (rest.size() != text.size()) return refuse("the socket's path has to begin with /");
  if (rest.starts_with("https://")) return refuse("TLS is not spoken here");
  if (!rest.starts_with("http://")) return refuse("it begins with neither unix:// nor http://");
  rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return refuse("the closing ] is missing");
    url.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (url.host.find(':') == std::string::npos) return refuse("[] is for IPv6 addresses");
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    url.host = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (url.host.empty()) return refuse("the host is missing");
  if (url.host.find_first_of("/?#@ %") != std::string::npos) {
    return refuse("the host is not a name or an address, or a path follows it");
  }
  if (!rest.empty()) {
    if (rest[0] != ':') return refuse("something other than a port follows the host");
    rest.remove_prefix(1);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), url.port);
    if (rest.empty() || error != std::errc{} || end != rest.data() + rest.size() || url.port == 0) {
      return refuse("the port is not a number from 1 to 65535");
    }
  }
  return url;
}

std::string Url::text() const {
  if (unix_socket) return "unix://" + path;
  const bool in6 = host.find(':') != std::string::npos;
  return "http://" + (in6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace headroom::http
