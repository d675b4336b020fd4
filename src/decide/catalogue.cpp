#include "decide/catalogue.hpp"

namespace headroom::decide {

using namespace literals;

std::span<const CatalogueModel> built_in_catalogue() {
  static const CatalogueModel kRows[] = {
      {"facebook/musicgen-small", 3_GiB, 6_GiB, 6.0, 2, ""},
      {"facebook/musicgen-medium", 6_GiB, 12_GiB, 7.0, 1, ""},
      {"facebook/musicgen-large", 12_GiB, 24_GiB, 8.0, 1, ""},
      {"small", 2_GiB, 4_GiB, 6.0, 4, "any model of this size"},
      {"medium", 4_GiB, 8_GiB, 7.0, 2, "any model of this size"},
      {"large", 8_GiB, 16_GiB, 7.5, 1, "any model of this size"},
  };
  return kRows;
}

CatalogueRow catalogue_row(const Config& config, std::string_view name) {
  for (const CatalogueModel& model : config.models.catalogue) {
    if (model.name == name) return {&model, true};
  }
  for (const CatalogueModel& model : built_in_catalogue()) {
    if (model.name == name) return {&model, false};
  }
  for (const CatalogueModel& model : built_in_catalogue()) {
    // The generic rows are named by their size alone.
    if (model.name.find('/') == std::string::npos && name.find(model.name) != std::string::npos) {
      return {&model, false};
    }
  }
  return {};
}

}  // namespace headroom::decide
