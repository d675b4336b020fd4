// What helps when memory is tight, and how large a batch fits.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "words/view.hpp"

namespace headroom::serve {

/// The models that are known without anybody having said so.
std::span<const CatalogueModel> built_in_catalogue();

/// The row of this name: the user's own before the built-in one; null when there is none.
const CatalogueModel* find_model(const Config& config, std::string_view name);

/// A heading and its lines, for each thing that is tight now.
std::vector<std::string> suggestions(const View& view);

/// The recommended batch of a generic row, or 0 where its GPU memory is more than any GPU has left.
int optimal_batch(const View& view, std::string_view row);

}  // namespace headroom::serve
