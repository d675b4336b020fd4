// How large things are: what ended leases teach, and what that and the catalogues say of the next.
#include <algorithm>
#include <utility>

#include "control/control.hpp"
#include "decide/catalogue.hpp"
#include "decide/footprint.hpp"
#include "decide/size.hpp"

namespace headroom::control {
namespace {

// What a model takes beyond its declared size that is more than this is no context of a process:
// what was declared was wrong.
constexpr std::int64_t kMostBeyond = 4LL << 30;
constexpr std::size_t kKeptBeyond = 8;  // of one kind of device

Needs booked_for(const Size& size) {
  Needs needs;
  if (size.memory) needs.memory = size.memory->p95;
  if (size.gpu_memory) needs.gpu_memory = size.gpu_memory->p95;
  return needs;
}

}  // namespace

std::string Control::kind_of(const std::string& gpu) const {
  if (!state_.sample) return {};
  const auto name = [](const GpuReading& one) { return one.name.empty() ? "GPU" : one.name; };
  const auto& gpus = state_.sample->gpus;
  if (!gpu.empty()) {
    const int pool = state_.ledger.gpu(gpu);
    for (const GpuReading& one : gpus) {
      if (pool >= 0 && one.id == state_.ledger.pool(pool).device) return name(one);
    }
    return {};
  }
  for (const GpuReading& one : gpus) {
    if (one.name != gpus.front().name) return {};
  }
  return gpus.empty() ? std::string() : name(gpus.front());
}

std::optional<Bytes> Control::stated_gpu_memory(const std::string& model) const {
  const auto told = state_.promises.models.find(model);
  if (told != state_.promises.models.end() &&
      (told->second.memory.count() > 0 || told->second.gpu_memory.count() > 0)) {
    return told->second.gpu_memory;
  }
  const decide::CatalogueRow row = decide::catalogue_row(*state_.config, model);
  if (row.row == nullptr) return std::nullopt;
  return row.row->gpu_memory;
}

void Control::note_beyond(const std::string& model, const std::string& kind, Bytes peak) {
  const auto stated = stated_gpu_memory(model);
  if (kind.empty() || !stated || stated->count() <= 0 || peak < *stated) return;
  const Bytes beyond = peak - *stated;
  if (beyond.count() > kMostBeyond) return;
  std::vector<Bytes>& all = state_.beyond[kind];
  if (all.size() == kKeptBeyond) all.erase(all.begin());
  all.push_back(beyond);
}

void Control::note_all_beyond() {
  state_.beyond.clear();
  for (const auto& [key, set] : state_.promises.learned) {
    if (!set.runs.empty()) note_beyond(key.name, key.device, set.runs.back().peak.gpu_memory);
  }
}

void Control::learn(const Lease& lease) {
  const bool is_model = !lease.model.empty();
  const std::string& name = is_model ? lease.model : lease.name;
  if (name.empty() || lease.parent != 0 || lease.use) return;
  LearnedRun run;
  run.peak = lease.peak;
  // What it needs of each of its devices.
  if (lease.needs.gpus > 1) {
    run.peak.gpu_memory = Bytes(run.peak.gpu_memory.count() / lease.needs.gpus);
  }
  run.killed = lease.oom_kills > 0;
  if (run.killed) {
    if (run.peak.memory.count() <= 0) return;  // nobody saw what it had
  } else if (is_model) {
    // A model is whole once it was loaded.
    const auto use = state_.uses.find(lease.id);
    if (use == state_.uses.end() || !use->second.loaded) return;
  } else {
    // A run that failed or was ended early says little about what a whole one needs.
    if (!lease.exit_status || *lease.exit_status != 0) return;
    run.length = std::chrono::ceil<std::chrono::seconds>(lease.ended.boot - lease.granted.boot);
  }
  decide::LearnedKey key{name, lease.config, lease.gpu.empty() ? "" : kind_of(lease.gpu)};
  if (key.device.empty() && !lease.gpu.empty()) return;  // the device has gone, and its name
  if (const auto out = decide::crowded_out(state_.promises.learned, key)) {
    keep(PutLearned{out->name, {}, out->config, out->device});
  }
  std::vector<LearnedRun> runs;
  if (const auto before = state_.promises.learned.find(key);
      before != state_.promises.learned.end()) {
    runs = before->second.runs;
  }
  decide::keep_run(runs, run);
  if (is_model && !run.killed) note_beyond(name, key.device, run.peak.gpu_memory);
  keep(PutLearned{key.name, std::move(runs), key.config, key.device, lease.ended.wall});
}

void Control::forget_learned(const std::string& name) {
  std::vector<decide::LearnedKey> keys;
  for (auto it = state_.promises.learned.lower_bound(decide::LearnedKey{name, {}, {}});
       it != state_.promises.learned.end() && it->first.name == name; ++it) {
    keys.push_back(it->first);
  }
  for (const decide::LearnedKey& key : keys) {
    keep(PutLearned{key.name, {}, key.config, key.device});
  }
}

bool Control::has_learned(const std::string& name) const {
  const auto first = state_.promises.learned.lower_bound(decide::LearnedKey{name, {}, {}});
  return first != state_.promises.learned.end() && first->first.name == name;
}

Control::KnownNeeds Control::needs_of_runs(const std::string& name, const std::string& config,
                                           const std::string& gpu) const {
  if (!has_learned(name)) return {};
  const decide::Known known =
      decide::known_size(state_.promises.learned, name, config, kind_of(gpu));
  return {within_machine(booked_for(known.size)), known.size, known.length};
}

Control::KnownNeeds Control::needs_of_model(const std::string& name, const std::string& config,
                                            const std::string& gpu) const {
  KnownNeeds known = needs_of_runs(name, config, gpu);
  if (known.size.from == SizeFrom::nobody) {
    const auto take = [&](Bytes memory, Bytes gpu_memory, SizeFrom from) {
      if (memory.count() > 0) known.size.memory = Interval{memory, memory};
      if (gpu_memory.count() > 0) known.size.gpu_memory = Interval{gpu_memory, gpu_memory};
      known.size.from = from;
    };
    const auto told = state_.promises.models.find(name);
    const bool declared = told != state_.promises.models.end() &&
                          (told->second.memory.count() > 0 || told->second.gpu_memory.count() > 0);
    const decide::CatalogueRow row = decide::catalogue_row(*state_.config, name);
    if (declared) {
      take(told->second.memory, told->second.gpu_memory, SizeFrom::declared);
    } else if (row.row != nullptr) {
      take(row.row->memory, row.row->gpu_memory,
           row.configured ? SizeFrom::configuration : SizeFrom::built_in);
    }
    known.needs = booked_for(known.size);
  }
  Needs& needs = known.needs;
  if (needs.gpu_memory && !state_.ledger.has_gpus() && !state_.config->models.require_gpu) {
    // It can run on the processor where it is not said that it must not.
    const Interval there = known.size.memory.value_or(Interval());
    known.size.memory = Interval{std::max(there.p50, known.size.gpu_memory->p50),
                                 std::max(there.p95, known.size.gpu_memory->p95)};
    known.size.gpu_memory.reset();
    needs.memory = known.size.memory->p95;
    needs.gpu_memory.reset();
    return known.size.runs > 0 ? KnownNeeds{within_machine(needs), known.size, known.length}
                               : known;
  }
  if (needs.gpu_memory && known.size.runs == 0) {
    // Such a size is of the model alone; the process that loads it takes more.
    const auto there = state_.beyond.find(kind_of(gpu));
    decide::add_beyond(known.size,
                       decide::predict_beyond(decide::driver_prior(ModelFormat::safetensors),
                                              there == state_.beyond.end()
                                                  ? std::span<const Bytes>()
                                                  : std::span<const Bytes>(there->second)));
    // What fits without it is not refused for it.
    const Bytes stated = *needs.gpu_memory;
    Needs more;
    more.gpu_memory = known.size.gpu_memory->p95;
    needs.gpu_memory = std::max(stated, *within_machine(more).gpu_memory);
  }
  return known;
}

// A p95 may be more than there is: then all there is.
Needs Control::within_machine(Needs needs) const {
  std::int64_t gpu = 0;
  for (const decide::Pool& pool : state_.ledger.pools()) {
    if (pool.resource == Resource::gpu_memory) gpu = std::max(gpu, pool.most());
  }
  const std::int64_t memory = state_.ledger.pool(decide::Ledger::kMemory).most();
  if (needs.gpu_memory && gpu > 0) needs.gpu_memory = std::min(*needs.gpu_memory, Bytes(gpu));
  if (needs.memory && memory > 0) needs.memory = std::min(*needs.memory, Bytes(memory));
  return needs;
}

}  // namespace headroom::control
