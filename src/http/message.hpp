// Requests and responses as values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/peer.hpp"

namespace headroom::http {

class Connection;

enum class Method { get, head, post, put, patch, del, options, other };

/// A header line; views into somebody else's bytes.
struct Header {
  std::string_view name;
  std::string_view value;
};

/// True when two header names or tokens are the same but for the case of ASCII letters.
bool same_word(std::string_view a, std::string_view b);

/// One request. All views are valid only while the handler runs: copy what is needed later.
struct Request {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;  ///< as sent: "/a?b=c"
  std::string_view path;    ///< the target before '?', not decoded
  std::string_view query;   ///< the target after '?', not decoded; "" when there is none
  std::string_view body;    ///< whole, chunks joined
  std::vector<Header> headers;
  int minor_version = 1;         ///< of HTTP/1.x
  bool keep_alive = true;        ///< the client wants to send more on this connection
  std::uint64_t connection = 0;  ///< counts up from 1 over a server's life

  /// The first header of this name, whatever its case; "" when absent.
  std::string_view header(std::string_view name) const;

  /// Who asks. Looked up on first use, then remembered for the connection.
  const Peer& peer() const;

  Connection* via = nullptr;  ///< set by the server; null in a request parsed without one
};

/// One answer. Content-Length, Connection and the server's own headers are added when it is sent.
struct Response {
  int status = 200;
  std::string content_type;  ///< "" = no such header
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// "Not Found" for 404; "Unknown" for a status not in the table.
std::string_view status_text(int status);

/// Appends "Name: value\r\n". Control characters become spaces, so that no value can end its line.
void append_header(std::string& out, std::string_view name, std::string_view value);

/// Appends a number in decimal.
void append_number(std::string& out, std::uint64_t value);

/// A problem+json body (RFC 9457) of the transport's own refusals. `detail` is plain ASCII text
/// without quotes.
std::string problem_body(int status, std::string_view detail);

}  // namespace headroom::http
