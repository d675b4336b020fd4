// What models are known to need before anybody has measured one.
#pragma once

#include <span>
#include <string_view>

#include "words/config.hpp"

namespace headroom::decide {

/// The rows that every installation knows.
std::span<const CatalogueModel> built_in_catalogue();

struct CatalogueRow {
  const CatalogueModel* row = nullptr;  ///< nullptr: nothing is known of such a name
  bool configured = false;              ///< from models.catalogue; else built in
};
/// The row of this name: the configured one, else the built-in one; else the built-in row of the
/// size (small, medium, large) that the name says. Valid as long as the configuration.
CatalogueRow catalogue_row(const Config& config, std::string_view name);

}  // namespace headroom::decide
