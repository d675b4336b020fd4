// `headroom history`: one resource over time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// "▁▂▅█": one sign for each of `width` equal parts of the time, by their largest value; a blank
/// where nothing is known. Pure.
std::string sparkline(const std::vector<std::optional<double>>& values, double low, double high,
                      std::size_t width);

/// The answer to GET /history, drawn with its axes and its statistics; with CSV the points. Pure.
std::string render_history(const client::json::value& history, const Style& style);

/// Several such answers, a line each. Pure.
std::string render_histories(const std::vector<client::json::value>& histories, const Style& style);

/// A value in the unit of its history, as people read it: "38.1 %", "71 °C"; nothing known: "–".
std::string show_reading(const Style& style, const std::string& unit, std::optional<double> value,
                         int digits);

}  // namespace headroom::cli
