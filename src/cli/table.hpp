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
  bool flexible = false;  ///< what is cut first where the terminal is too narrow
};

/// Rows of cells under columns. Cells may carry colour codes; they count for no width.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Adds a row; missing cells are empty, cells beyond the columns are dropped.
  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  /// The lines, each ended by a newline: CSV (RFC 4180) with Output::csv, else aligned.
  std::string render(const Style& style) const;

 private:
  std::string render_csv(const Style& style) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace headroom::cli
