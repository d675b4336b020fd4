// Graphs and bars of characters on a canvas.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/screen.hpp"

namespace headroom::cli {

/// A value a second, the newest kSeconds of them; a second that nobody told is empty.
class Series {
 public:
  static constexpr int kSeconds = 900;

  /// The value at a second since 1970. What is older than the newest by kSeconds or more is left
  /// out; seconds that are skipped are empty. Several in one second: the greatest stays.
  void put(std::int64_t second, double value);
  /// The newest second that was put; empty when there is none.
  std::optional<std::int64_t> newest() const;
  /// The last `count` buckets of `step` seconds up to the second `until`, each its greatest value;
  /// empty where nothing is known. Buckets lie on multiples of `step`, so that a graph moves and
  /// does not flicker.
  std::vector<std::optional<double>> window(std::int64_t until, int count, int step) const;
  /// The greatest value known in the last `seconds`; 0 when there is none.
  double greatest(std::int64_t until, int seconds) const;

 private:
  std::vector<std::optional<float>> ring_;
  std::int64_t newest_ = 0;
};

/// How many values fit side by side into a graph of `width` columns.
int graph_values(const Canvas& canvas, int width);

/// The area below a curve. Values from 0 to 1, the newest at the right edge; an unknown one leaves
/// its place empty while 0 draws the base line. Two values in one column where the canvas has
/// braille, else one.
void draw_graph(Canvas& canvas, const Rect& rect, const std::vector<std::optional<double>>& values,
                Ink ink);

/// A part of a bar: so much of the whole, how it is drawn.
struct Segment {
  double share = 0;  ///< of the bar, 0 to 1
  const char* fill = "█";
  Pen pen;
};

/// A bar of segments, left to right; what remains is drawn as room. `ticks` are shares at which a
/// threshold stands, in the pens given.
void draw_bar(Canvas& canvas, int x, int y, int width, const std::vector<Segment>& segments,
              const std::vector<std::pair<double, Pen>>& ticks = {});

/// One column: a block as high as `share` (0 to 1); a blank with a dot below for unknown.
const char* block_of(std::optional<double> share);

/// A frame with rounded corners. `title` stands in its upper edge, `right` and, in a pen of its
/// own, `word` at that edge's end; where there is no space for both, the word alone.
void draw_frame(Canvas& canvas, const Rect& rect, const std::string& number,
                const std::string& title, const std::string& right, const std::string& word,
                Pen word_pen, bool focus);

}  // namespace headroom::cli
