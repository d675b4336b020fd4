// Cells of tables: one member of a document as text, raw where the style wants raw numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// An amount of money, without its currency.
std::string money_cell(std::optional<double> amount);

/// "15.4 GiB", the number alone with raw numbers, "–" for nothing.
std::string bytes_cell(const Style& style, std::optional<std::int64_t> bytes);
/// "2.1".
std::string number_cell(const Style& style, std::optional<double> value, int digits);
/// An allocation or a bound of one: "24.5 %", "512 MB", "500/s"; the number alone with raw numbers.
std::string amount_cell(const Style& style, std::optional<double> amount, const std::string& unit);
/// How long ago an RFC 3339 time was: "2d 1h"; the time itself with raw numbers.
std::string since_cell(const Style& style, const std::string& time);
/// A text that came from elsewhere, made safe; "–" for none.
std::string text_cell(const std::string& text);

/// How a device is called in a column: "GPU 0" by the snapshot's or room's names, else the id cut
/// to twelve characters.
std::string device_name(const client::json::value& room, const std::string& device);

/// "H100 80GB HBM3": a device's model without the maker that all of them begin with. Safe to show.
std::string short_model(const std::string& model);

/// "0", or "0,1" where it holds several devices; empty: none, or it is not known which.
std::string gpu_indices(const client::json::value& lease);

/// What a lease is called in a sentence: "render (l-70)".
std::string lease_name(const client::json::value& lease);

}  // namespace headroom::cli
