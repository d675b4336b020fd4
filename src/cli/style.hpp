// How the output is to look; decided once, so that everything that renders is pure.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace headroom::cli {

enum class Output { table, wide, json, jsonl, csv };

struct Style {
  Output output = Output::table;
  bool color = false;
  int width = 0;       ///< columns of the terminal; 0 = no terminal, nothing is cut
  bool bytes = false;  ///< raw numbers instead of units chosen for reading
  bool header = true;  ///< the line of column names
  double now = 0;      ///< seconds since 1970, for "since" and "until"
};

/// `text` in the colour of a level or of a check's outcome (ok, warning, critical, emergency, warn,
/// absent, failed, healthy, moderate); the word itself is always there. Unchanged without colour.
std::string paint(const Style& style, std::string_view level, std::string_view text);

/// `text` less bright, for what is said beside the thing itself.
std::string dim(const Style& style, std::string_view text);

/// Writes all of `text` to a stream; a closed pipe is no failure.
void write_out(std::FILE* stream, std::string_view text);

}  // namespace headroom::cli
