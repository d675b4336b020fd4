#include "cli/table.hpp"

#include <algorithm>

#include "cli/units.hpp"

namespace headroom::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastFlexible = 8;

/// The first `width` columns of a text, with "…" where something was cut.
std::string cut(const std::string& text, std::size_t width) {
  if (width_of(text) <= width || width == 0) return text;
  std::string result;
  std::size_t taken = 0;
  bool colored = false;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\x1b') {
      const auto end = text.find('m', i);
      const auto length = end == std::string::npos ? text.size() - i : end - i + 1;
      result.append(text, i, length);
      i += length;
      colored = true;
      continue;
    }
    if (taken + 1 >= width) break;
    std::size_t length = 1;
    while (i + length < text.size() &&
           (static_cast<unsigned char>(text[i + length]) & 0xC0U) == 0x80U) {
      ++length;
    }
    result.append(text, i, length);
    i += length;
    ++taken;
  }
  result += "…";
  if (colored) result += "\x1b[0m";
  return result;
}

std::string csv_name(const std::string& name) {
  std::string result;
  for (const char c : name) {
    result += c == ' ' ? '_' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return result;
}

std::string csv_cell(const std::string& cell) {
  if (cell == kNone) return {};
  if (cell.find_first_of(",\"\n\r") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

void Table::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::render_csv(const Style& style) const {
  std::string result;
  if (style.header) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      result += (c > 0 ? "," : "") + csv_name(columns_[c].name);
    }
    result += "\n";
  }
  for (const auto& cells : rows_) {
    for (std::size_t c = 0; c < cells.size(); ++c)
      result += (c > 0 ? "," : "") + csv_cell(cells[c]);
    result += "\n";
  }
  return result;
}

std::string Table::render(const Style& style) const {
  if (style.output == Output::csv) return render_csv(style);
  std::vector<std::size_t> shown;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!columns_[c].wide || style.output == Output::wide) shown.push_back(c);
  }
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto c : shown) {
    if (style.header) widths[c] = width_of(columns_[c].name);
    for (const auto& cells : rows_) widths[c] = std::max(widths[c], width_of(cells[c]));
  }
  std::size_t total = 0;
  for (const auto c : shown) total += widths[c] + kGap;
  const auto limit = static_cast<std::size_t>(style.width);
  if (limit > 0 && total > limit + kGap) {
    for (const auto c : shown) {
      if (!columns_[c].flexible || total <= limit + kGap) continue;
      const auto excess = total - limit - kGap;
      const auto least = std::min(widths[c], kLeastFlexible);
      const auto less = std::min(excess, widths[c] - least);
      widths[c] -= less;
      total -= less;
    }
  }
  std::string result;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const auto c = shown[i];
      const auto cell = cut(cells[c], columns_[c].flexible ? widths[c] : 0);
      const auto width = width_of(cell);
      const std::string fill(widths[c] > width ? widths[c] - width : 0, ' ');
      text += columns_[c].align == Align::right ? fill + cell : cell + fill;
      if (i + 1 < shown.size()) text.append(kGap, ' ');
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    result += text + "\n";
  };
  if (style.header) {
    std::vector<std::string> names;
    for (const auto& column : columns_) names.push_back(column.name);
    line(names);
  }
  for (const auto& cells : rows_) line(cells);
  return result;
}

}  // namespace headroom::cli
