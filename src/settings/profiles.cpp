#include "settings/field.hpp"
#include "settings/keys.hpp"

namespace headroom::settings {

std::vector<Profile> make_profiles() {
  const auto off = [](std::vector<std::pair<std::string, std::string>>& values,
                      std::initializer_list<const char*> lines) {
    for (const char* line : lines) values.emplace_back(std::string("pressure.") + line, kOff);
  };
  std::vector<Profile> profiles;
  profiles.push_back({"default", {}});

  Profile enterprise{"enterprise",
                     {{"pressure.memory.warning", "80"},
                      {"pressure.memory.critical", "90"},
                      {"pressure.gpu_memory.basis", "total"},
                      {"models.cache_size", "5"},
                      {"models.cache_dir", "/tmp/models"}}};
  off(enterprise.values,
      {"cpu.warning", "cpu.critical", "cpu.emergency", "memory.emergency", "disk.warning",
       "disk.critical", "disk.emergency", "gpu_memory.emergency"});
  profiles.push_back(std::move(enterprise));

  Profile general{"general",
                  {{"sample.interval", "10s"},
                   {"pressure.cpu.warning", "90"},
                   {"pressure.memory.warning", "85"},
                   {"pressure.disk.warning", "80"},
                   {"pressure.memory.cleanup_at", "80"},
                   {"pressure.memory.cleanup_to", "70"},
                   {"pressure.gpu_memory.cleanup_at", "80"},
                   {"pressure.gpu_memory.cleanup_to", "70"},
                   {"models.pinned", "whisper_base"},
                   {"sessions.max_age", "24h"}}};
  off(general.values,
      {"cpu.critical", "cpu.emergency", "memory.critical", "memory.emergency", "disk.critical",
       "disk.emergency", "gpu_memory.critical", "gpu_memory.emergency", "gpu_temperature.warning"});
  profiles.push_back(std::move(general));

  // Programs of these two set limits for themselves; the node has no lines.
  const std::initializer_list<const char*> kNoLines = {
      "cpu.warning",       "cpu.critical",          "cpu.emergency",        "memory.warning",
      "memory.critical",   "memory.emergency",      "disk.warning",         "disk.critical",
      "disk.emergency",    "gpu_memory.critical",   "gpu_memory.emergency", "memory.cleanup_at",
      "memory.cleanup_to", "gpu_memory.cleanup_at", "gpu_memory.cleanup_to"};
  Profile edge{"edge", {{"control.interval", "1s"}, {"pressure.gpu_temperature.warning", "80"}}};
  off(edge.values, kNoLines);
  profiles.push_back(std::move(edge));

  Profile pipeline{"pipeline",
                   {{"sample.interval", "10s"},
                    {"components.prediction_service.priority", "critical"},
                    {"components.prediction_service.cpu", "25"},
                    {"components.prediction_service.memory", "512MiB"},
                    {"components.feature_pipeline.priority", "high"},
                    {"components.feature_pipeline.cpu", "20"},
                    {"components.feature_pipeline.memory", "400MiB"},
                    {"components.redis_feature_store.priority", "high"},
                    {"components.redis_feature_store.cpu", "15"},
                    {"components.redis_feature_store.memory", "300MiB"},
                    {"components.comprehensive_monitor.priority", "normal"},
                    {"components.comprehensive_monitor.cpu", "8"},
                    {"components.comprehensive_monitor.memory", "150MiB"}}};
  profiles.push_back(std::move(pipeline));

  Profile app{"app", {}};
  off(app.values, kNoLines);
  off(app.values, {"gpu_temperature.warning"});
  profiles.push_back(std::move(app));
  return profiles;
}

}  // namespace headroom::settings
