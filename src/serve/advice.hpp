// What helps when memory is tight, and how large a batch fits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "words/view.hpp"

namespace headroom::serve {

/// A heading and its lines, for each thing that is tight now.
std::vector<std::string> suggestions(const View& view);

/// The recommended batch of a model, or 0 where it needs more GPU memory than any GPU has left, and
/// where nobody recommends one.
int optimal_batch(const View& view, std::string_view model);

}  // namespace headroom::serve
