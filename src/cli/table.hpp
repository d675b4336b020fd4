// A table of text: aligned for people, comma-separated for programs.
#pragma once

#include <string>
#include <vector>

#include "cli/style.hpp"

namespace headroom::cli {

enum class Align : bool { left, right };

struct Column {
  std::string name;  ///< "GPU MEM"; for CSV it becomes gpu_mem
  Align align = Align::left;
  bool wide = false;      ///< shown with -o wide (and in CSV) only
  bool flexible = false;  ///< is cut where the terminal is too narrow
  int spare = 0;          ///< then it is left out, the greatest first; 0: never. Not with -o wide
  std::size_t least = 8;  ///< a flexible one is made narrower only when nothing can be left out
};

/// The first `width` columns of a text, ending in "…" where something was cut; 0: all of it.
/// Colour codes count for nothing and are ended.
std::string cut(const std::string& text, std::size_t width);

/// `text` broken at blanks into lines of at most `width` columns, those after the first behind
/// `indent` blanks. All on one line with width 0. No newline at the end.
std::string folded(const std::string& text, std::size_t width, std::size_t indent);

/// Rows of cells under columns. Cells may carry colour codes; they count for no width.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Adds a row; missing cells are empty, cells beyond the columns are dropped.
  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  /// The lines, each ended by a newline: CSV (RFC 4180) with Output::csv, else aligned and no wider
  /// than the terminal; only what -o wide asked for may be wider.
  std::string render(const Style& style) const;

 private:
  std::string render_csv(const Style& style) const;
  /// The columns that a terminal has room for; `widths` becomes what each then has.
  std::vector<std::size_t> fitting(const Style& style, std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace headroom::cli
