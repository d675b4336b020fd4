// Answers made smaller.
#pragma once

#include <string>
#include <string_view>

namespace headroom::serve {

/// Answers shorter than this are sent as they are.
inline constexpr std::size_t kWorthCompressing = 2048;

/// Whether an Accept-Encoding header lets an answer be gzipped: it names gzip or *, not with q=0.
bool accepts_gzip(std::string_view accept_encoding);

/// The bytes as gzip (RFC 1952), by the fastest level unless said otherwise; "" when there is no
/// memory for it. Any thread.
std::string gzip(std::string_view bytes, int level = 1);

/// The bytes are gzip's: no JSON and no CSV begins so.
bool is_gzip(std::string_view bytes);

}  // namespace headroom::serve
