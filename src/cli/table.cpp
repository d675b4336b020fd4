#include "cli/table.hpp"

#include <algorithm>

#include "cli/units.hpp"

namespace headroom::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastFlexible = 8;
// One cell that is longer does not push the column behind it away from all other rows.
constexpr std::size_t kLongest = 60;

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

std::size_t sum_of(const std::vector<std::size_t>& shown, const std::vector<std::size_t>& widths) {
  std::size_t total = 0;
  for (const auto c : shown) total += widths[c] + kGap;
  return total > kGap ? total - kGap : 0;
}

}  // namespace

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
  while (!result.empty() && result.back() == ' ') result.pop_back();
  result += "…";
  if (colored) result += "\x1b[0m";
  return result;
}

std::string folded(const std::string& text, std::size_t width, std::size_t indent) {
  if (width == 0 || width_of(text) <= width) return text;
  std::string result;
  std::size_t taken = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    const auto word = text.substr(at, end - at);
    const auto columns = width_of(word);
    if (at > 0 && taken + 1 + columns > width && taken > indent) {
      while (!result.empty() && result.back() == ' ') result.pop_back();
      result += "\n" + std::string(indent, ' ');
      taken = indent;
    } else if (at > 0) {
      result += ' ';
      ++taken;
    }
    result += word;
    taken += columns;
    at = end + 1;
  }
  return result;
}

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

std::vector<std::size_t> Table::fitting(const Style& style,
                                        std::vector<std::size_t>& widths) const {
  const bool wide = style.output == Output::wide;
  std::vector<std::size_t> shown;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!columns_[c].wide || wide) shown.push_back(c);
  }
  const auto limit = static_cast<std::size_t>(style.width);
  if (limit == 0) return shown;
  // First what can be left out, until the rest has the room it wants at least.
  while (!wide) {
    std::vector<std::size_t> least = widths;
    auto most = shown.end();
    for (auto c = shown.begin(); c != shown.end(); ++c) {
      if (columns_[*c].flexible) least[*c] = std::min(least[*c], columns_[*c].least);
      const int spare = columns_[*c].spare;
      if (spare > 0 && (most == shown.end() || spare > columns_[*most].spare)) most = c;
    }
    if (most == shown.end() || sum_of(shown, least) <= limit) break;
    shown.erase(most);
  }
  // Then the widest of those that may be cut.
  for (auto total = sum_of(shown, widths); total > limit; --total) {
    std::size_t* widest = nullptr;
    for (const auto c : shown) {
      if (columns_[c].flexible && widths[c] > kLeastFlexible &&
          (widest == nullptr || widths[c] > *widest)) {
        widest = &widths[c];
      }
    }
    if (widest == nullptr) break;
    --*widest;
  }
  return shown;
}

std::string Table::render(const Style& style) const {
  if (style.output == Output::csv) return render_csv(style);
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (style.header) widths[c] = width_of(columns_[c].name);
    const bool counts_all = style.width > 0 || !columns_[c].flexible;
    for (const auto& cells : rows_) {
      const auto own = width_of(cells[c]);
      if (counts_all || own <= kLongest) widths[c] = std::max(widths[c], own);
    }
  }
  const auto shown = fitting(style, widths);
  const auto limit = static_cast<std::size_t>(style.width);
  std::string result;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const auto c = shown[i];
      const auto cell = cut(cells[c], columns_[c].flexible && limit > 0 ? widths[c] : 0);
      const auto width = width_of(cell);
      const std::string fill(widths[c] > width ? widths[c] - width : 0, ' ');
      text += columns_[c].align == Align::right ? fill + cell : cell + fill;
      if (i + 1 < shown.size()) text.append(kGap, ' ');
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    result += (style.output == Output::wide ? text : cut(text, limit)) + "\n";
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
