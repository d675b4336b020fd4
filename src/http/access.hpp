// Who may come in over TCP, and where the door is: pure checks on texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

namespace headroom::http {

/// True when a Host header names this machine's loopback: localhost (or a name under it),
/// 127.0.0.0/8 or [::1], any port, one trailing dot allowed. An absent ("") header does not; the
/// server has answered such an HTTP/1.1 request with 400 already. Stops DNS rebinding.
bool host_is_loopback(std::string_view host);

/// True when an Origin header is absent ("") or names the very host and port the request was sent
/// to; "null" is foreign. Stops other web pages.
bool origin_is_own(std::string_view origin, std::string_view host);

/// True when a Host header names this daemon: the loopback, the address that `listen`
/// ("192.168.1.5:8000", "0.0.0.0:8000") has, or one of `names`; any port. Where every address is
/// listened on, any numeric address will do: only a name can be made to mean another machine.
bool host_is_own(std::string_view host, std::string_view listen,
                 std::span<const std::string> names);

/// True when two texts are the same; takes as long wherever they differ, so that nobody can feel
/// his way to a secret. Only their lengths can be felt.
bool same_secret(std::string_view a, std::string_view b);

/// True when an Authorization header is "Bearer " and this token; never for an empty one.
bool is_bearer(std::string_view authorization, std::string_view token);

/// Where to listen on TCP. `host` has no brackets.
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};

/// Parses "127.0.0.1:8000", "[::1]:8000" or "localhost:8000"; anything else, a missing host too,
/// is an `invalid_request` that shows how to write it.
Result<ListenAddress> parse_listen(std::string_view text);

/// True when an address of ListenAddress is reachable from this machine only.
bool is_loopback(std::string_view host);

}  // namespace headroom::http
