#include "serve/advice.hpp"

#include <algorithm>

namespace headroom::serve {

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

int optimal_batch(const View& view, std::string_view name) {
  const auto model = std::find_if(view.models.begin(), view.models.end(), [&](const ModelView& m) {
    return m.model.name == name && m.batch > 0;
  });
  if (model == view.models.end() || !view.sample) return 0;
  const bool fits =
      std::any_of(view.sample->gpus.begin(), view.sample->gpus.end(), [&](const GpuReading& gpu) {
        return gpu.memory_used && gpu.memory_total - *gpu.memory_used >= model->needs.gpu_memory;
      });
  return fits ? model->batch : 0;
}

}  // namespace headroom::serve
