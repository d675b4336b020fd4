// What the server accepts at most, and what it counted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace headroom::http {

/// The bounds of a server. All are enforced by the transport; none may be 0.
struct Limits {
  std::size_t connections = 12000;                ///< open at once; one more gets 503 and is closed
  std::size_t header_bytes = 16 << 10;            ///< request line and headers; more: 431
  std::size_t header_count = 64;                  ///< more: 431
  std::size_t target_bytes = 8 << 10;             ///< path and query; more: 414
  std::size_t body_bytes = 1 << 20;               ///< more: 413, without reading it
  std::size_t stream_pending = 256 << 10;         ///< unsent bytes of one stream; more: dropped
  std::size_t pipelined_bytes = 64 << 10;         ///< read ahead while a request is being answered
  std::chrono::milliseconds header_time{10'000};  ///< from a header's first byte to its last
  std::chrono::milliseconds body_time{30'000};    ///< from a header's end to the body's end
  std::chrono::milliseconds write_time{30'000};   ///< without any progress of an answer
  std::chrono::milliseconds idle_time{300'000};   ///< between requests; up to a quarter more
};

/// Counts since the server was made, but for `open_now`.
struct Counters {
  std::uint64_t accepted = 0;              ///< connections, refused ones not included
  std::uint64_t requests = 0;              ///< given to the handler
  std::uint64_t refused_full = 0;          ///< connections over the limit
  std::uint64_t too_large = 0;             ///< requests answered with 413, 414 or 431
  std::uint64_t bad_requests = 0;          ///< requests answered with 400, 501 or 505
  std::uint64_t timeouts = 0;              ///< header, body or write time ran out
  std::uint64_t slow_streams_dropped = 0;  ///< readers that let `stream_pending` fill
  std::uint64_t accept_errors = 0;         ///< accept() failed, for instance by lack of descriptors
  std::uint64_t open_now = 0;              ///< connections open
};

}  // namespace headroom::http
