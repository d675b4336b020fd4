#include "serve/advice.hpp"

#include <algorithm>

namespace headroom::serve {

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

const CatalogueModel* find_model(const Config& config, std::string_view name) {
  for (const CatalogueModel& model : config.models.catalogue) {
    if (model.name == name) return &model;
  }
  for (const CatalogueModel& model : built_in_catalogue()) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

std::vector<std::string> suggestions(const View& view) {
  const auto tight = [&](Resource resource) {
    return std::any_of(view.pressures.begin(), view.pressures.end(), [&](const Pressure& p) {
      return p.resource == resource && p.level != Level::ok;
    });
  };
  std::vector<std::string> out;
  if (tight(Resource::memory)) {
    out.insert(out.end(),
               {"High CPU memory usage detected:", "- Consider reducing model cache size",
                "- Enable model offloading to disk", "- Use smaller model variants"});
  }
  if (tight(Resource::gpu_memory)) {
    out.insert(out.end(), {"High GPU memory usage detected:", "- Reduce the batch size",
                           "- Use half precision (float16) where the model allows it",
                           "- Unload models that are not in use"});
  }
  if (tight(Resource::gpu_temperature)) {
    out.insert(out.end(), {"High GPU temperature detected:", "- Look after the cooling",
                           "- Place no more work on this device"});
  }
  return out;
}

int optimal_batch(const View& view, std::string_view row) {
  const CatalogueModel* model = find_model(*view.config, row);
  if (model == nullptr || !view.sample) return 0;
  const bool fits =
      std::any_of(view.sample->gpus.begin(), view.sample->gpus.end(), [&](const GpuReading& gpu) {
        return gpu.memory_used && gpu.memory_total - *gpu.memory_used >= model->gpu_memory;
      });
  return fits ? model->batch : 0;
}

}  // namespace headroom::serve
