// Engines: the models that they say they hold, and on which device.
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "control/control.hpp"
#include "control/model_rules.hpp"

namespace headroom::control {
namespace {

constexpr std::size_t kMostTold = 256;  // of one engine

}  // namespace

bool Control::engine_holds(const std::string& model) const {
  for (const auto& [hook, engine] : state_.engines) {
    for (const EngineModel& one : engine.models) {
      if (one.name == model && !is_unloading(0, hook, model)) return true;
    }
  }
  return false;
}

// The device that an engine's model is on: the one on which its process has memory, or the only one
// it can be on. Empty: it cannot be said.
std::optional<int> Control::pool_of(const EngineModel& model) const {
  if (!model.gpu_memory || model.gpu_memory->count() == 0) {
    if (model.memory && model.memory->count() > 0) return decide::Ledger::kMemory;
    return {};
  }
  if (model.pid && state_.sample) {
    for (const GpuReading& gpu : state_.sample->gpus) {
      for (const GpuProcess& process : gpu.processes) {
        if (process.pid == *model.pid) return state_.ledger.gpu(gpu.id);
      }
    }
  }
  std::optional<int> only;
  int large_enough = 0;
  const auto& pools = state_.ledger.pools();
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const decide::Pool& pool = pools[i];
    if (pool.resource != Resource::gpu_memory || !pool.unknown.empty()) continue;
    const std::int64_t unbooked = pool.capacity - pool.reserve - pool.free - pool.measured;
    if (unbooked < model.gpu_memory->count() / 2) continue;
    ++large_enough;
    only = static_cast<int>(i);
  }
  return large_enough == 1 ? only : std::nullopt;
}

void Control::on(const EngineRead& event) {
  if (!has_hook(event.hook)) {
    state_.engines.erase(event.hook);  // it is configured no more
    return;
  }
  const bool first = !state_.engines.contains(event.hook);
  Engine& engine = state_.engines[event.hook];
  if (event.answered != engine.answers || (first && !event.answered)) {
    say(event.answered ? "hook.answers" : "hook.silent", 0,
        event.hook + (event.answered ? " answers" : " does not answer: " + event.said));
  }
  engine.answers = event.answered;
  if (!event.answered) return;  // what it holds is not known to be different
  engine.models = event.models;
  if (engine.models.size() > kMostTold) engine.models.resize(kMostTold);
  std::erase_if(engine.models, [](const EngineModel& one) { return !is_name(one.name); });
  std::map<std::string, BootTime> since;
  for (const EngineModel& model : engine.models) {
    const auto before = engine.since.find(model.name);
    since.emplace(model.name, before == engine.since.end() ? at_.boot : before->second);
    if (before != engine.since.end()) continue;
    if (const auto pool = pool_of(model); pool && !model.loading) {
      state_.model_history[state_.ledger.pool(*pool).device].loaded(model.name, at_.boot);
    }
  }
  const auto gone = std::exchange(engine.since, std::move(since));
  for (const auto& [name, when] : gone) {
    if (!engine.since.contains(name)) run_uses(name);
  }
  limit_models();
  run_queue();
}

}  // namespace headroom::control
