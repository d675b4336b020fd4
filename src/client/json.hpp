// JSON documents as the daemon answers them: reading a member without asking five questions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <headroom/result.hpp>

namespace headroom::client {

namespace json = boost::json;

/// Parses one document. Fails with `internal` when `text` is not JSON or deeper than 32 levels.
Result<json::value> parse_json(std::string_view text);

/// Writes a document on one line, numbers as plain decimals (0.91, not 9.1E-1) as the daemon does.
std::string write_json(const json::value& document);

/// The member at a path of names joined by dots ("holder.pid"); nullptr when absent or null.
const json::value* find(const json::value& document, std::string_view path);

/// A text member; "" when it is absent, null or no text.
std::string text(const json::value& document, std::string_view path);

/// A number member of either kind; empty when it is absent, null or no number.
std::optional<double> number(const json::value& document, std::string_view path);

/// A whole-number member; a fraction is cut off. Empty as for number().
std::optional<std::int64_t> whole(const json::value& document, std::string_view path);

/// True when the member is there and is true.
bool is_true(const json::value& document, std::string_view path);

/// A list member; an empty list when it is absent or no list.
const json::array& list(const json::value& document, std::string_view path = "items");

}  // namespace headroom::client
