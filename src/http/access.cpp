#include "http/access.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include <arpa/inet.h>

#include "http/message.hpp"

namespace headroom::http {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// Parses a numeric address into `out`; inet_pton wants an end of string, a view has none.
bool parse_address(int family, std::string_view text, void* out) {
  std::array<char, 64> copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return false;
  text.copy(copy.data(), text.size());  // of no text, where memcpy() may not be asked to
  return ::inet_pton(family, copy.data(), out) == 1;
}

struct HostPort {
  std::string_view host;  ///< without brackets
  bool bracketed = false;
  std::optional<std::uint16_t> port;
};

/// Splits "host", "host:port", "[v6]" or "[v6]:port".
std::optional<HostPort> split_host(std::string_view text) {
  HostPort out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, end - 1);
    out.bracketed = true;
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  }
  if (rest.empty()) return out;
  if (rest[0] != ':') return std::nullopt;
  out.port = parse_port(rest.substr(1));
  if (!out.port) return std::nullopt;
  return out;
}

}  // namespace

bool is_loopback(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  constexpr std::string_view kName = "localhost";
  if (same_word(host, kName)) return true;
  // RFC 6761, 6.3: names under localhost never leave the machine.
  if (host.size() > kName.size() + 1 && host[host.size() - kName.size() - 1] == '.' &&
      same_word(host.substr(host.size() - kName.size()), kName)) {
    return true;
  }
  std::array<unsigned char, 16> address{};
  if (parse_address(AF_INET, host, address.data())) return address[0] == 127;
  if (!parse_address(AF_INET6, host, address.data())) return false;
  in6_addr in6;
  std::memcpy(&in6, address.data(), sizeof in6);
  return IN6_IS_ADDR_LOOPBACK(&in6);
}

bool host_is_loopback(std::string_view host) {
  const auto split = split_host(host);
  if (!split) return false;
  const bool has_colon = split->host.find(':') != std::string_view::npos;
  return split->bracketed == has_colon && is_loopback(split->host);
}

bool host_is_own(std::string_view host, std::string_view listen,
                 std::span<const std::string> names) {
  if (host_is_loopback(host)) return true;
  const auto theirs = split_host(host);
  if (!theirs || theirs->host.empty()) return false;
  const bool has_colon = theirs->host.find(':') != std::string_view::npos;
  if (theirs->bracketed != has_colon) return false;
  for (const std::string& name : names) {
    if (same_word(theirs->host, name)) return true;
  }
  const auto ours = split_host(listen);
  if (!ours) return false;
  if (ours->host == "0.0.0.0" || ours->host == "::") {
    std::array<unsigned char, 16> address{};
    return parse_address(has_colon ? AF_INET6 : AF_INET, theirs->host, address.data());
  }
  return !ours->host.empty() && same_word(theirs->host, ours->host);
}

bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

bool is_bearer(std::string_view authorization, std::string_view token) {
  constexpr std::string_view kScheme = "bearer ";
  if (token.empty() || authorization.size() <= kScheme.size()) return false;
  if (!same_word(authorization.substr(0, kScheme.size()), kScheme)) return false;
  return same_secret(authorization.substr(kScheme.size()), token);
}

bool origin_is_own(std::string_view origin, std::string_view host) {
  if (origin.empty()) return true;
  std::uint16_t usual_port = 0;
  if (origin.starts_with("http://")) {
    origin.remove_prefix(7);
    usual_port = 80;
  } else if (origin.starts_with("https://")) {
    origin.remove_prefix(8);
    usual_port = 443;
  } else {
    return false;
  }
  const auto theirs = split_host(origin);
  const auto ours = split_host(host);
  if (!theirs || !ours || ours->host.empty()) return false;
  return theirs->bracketed == ours->bracketed && same_word(theirs->host, ours->host) &&
         theirs->port.value_or(usual_port) == ours->port.value_or(usual_port);
}

Result<ListenAddress> parse_listen(std::string_view text) {
  const auto refuse = [&](std::string why) {
    return fail(ErrorKind::invalid_request,
                "\"" + std::string(text) + "\" is not a place to listen", std::move(why),
                "write 127.0.0.1:8000 or [::1]:8000");
  };
  const auto split = split_host(text);
  if (!split) return refuse("it has to be an address, a colon and a port from 0 to 65535");
  if (!split->port) return refuse("the port is missing");
  if (split->host.empty()) return refuse("the address is missing; 0.0.0.0 means every interface");
  std::array<unsigned char, 16> address;
  const bool good = split->bracketed ? parse_address(AF_INET6, split->host, address.data())
                                     : split->host == "localhost" ||
                                           parse_address(AF_INET, split->host, address.data());
  if (!good) return refuse("\"" + std::string(split->host) + "\" is not a numeric address");
  return ListenAddress{std::string(split->host), *split->port};
}

}  // namespace headroom::http
