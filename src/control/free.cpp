// Room that a person asks for: which models go for it, and which stay and why.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "control/model_rules.hpp"

namespace headroom::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A model used within this is not idle for those who do not insist.
constexpr seconds kIdle{60};

/// Why one stays, for people.
std::string stays_because(decide::Spared why) {
  switch (why) {
    case decide::Spared::busy:
      return "in use";
    case decide::Spared::pinned:
      return "pinned";
    case decide::Spared::loading:
      return "loading";
    case decide::Spared::outranks:
      return "of higher priority";
    case decide::Spared::empty:
      return "it holds nothing here";
    case decide::Spared::resting:
    case decide::Spared::churning:
      return "loaded lately";
    case decide::Spared::dearer:
      return "others suffice";
    default:
      return "not needed";
  }
}

}  // namespace

/// What goes of one device, and what stays.
struct Control::Freeable {
  int pool = -1;
  std::vector<Held> held;
  std::vector<std::size_t> go;                              // in `held`
  std::vector<std::pair<std::size_t, std::string>> stay{};  // and why
  Bytes freed;
  std::int64_t regret = 0;
  bool enough = true;
  std::string why;  // it is not enough
};

Control::Freeable Control::freeable_on(int pool, std::optional<Bytes> want,
                                       const AskFree& ask) const {
  Freeable one;
  one.pool = pool;
  one.held = held_on(pool);
  for (Held& held : one.held) {
    if (ask.force) {
      if (held.spared == kInVain) held.spared.clear();
      held.as.askable = held.spared.empty();
    } else if (held.as.askable && at_.boot - held.as.last_used < kIdle) {
      held.spared = "used in the last minute";
      held.as.askable = false;
    }
  }
  const Asker asker{ask.priority, ""};
  const auto victims_for = [&](std::int64_t deficit) {
    return victims_on(pool, one.held, deficit, asker);
  };
  const std::int64_t deficit =
      want ? want->count()
           : victims_for(std::numeric_limits<std::int64_t>::max() / 4).allowed.count();
  const decide::Victims victims = victims_for(deficit);
  one.enough = !want || victims.outcome == decide::Eviction::chosen;
  if (!one.enough) one.why = victims.why;
  for (const decide::Victim& victim : victims.unload) {
    one.go.push_back(victim.resident);
    one.freed += one.held[victim.resident].as.bytes;
    one.regret += victim.regret;
  }
  for (const decide::Kept& kept : victims.kept) {
    const Held& held = one.held[kept.resident];
    const bool asked = kept.why == decide::Spared::loading && held.as.loading &&
                       is_unloading(held.lease, held.engine, held.as.name);
    one.stay.emplace_back(kept.resident, !held.spared.empty() ? held.spared
                                         : asked              ? "asked already"
                                                              : stays_because(kept.why));
  }
  return one;
}

Result<std::vector<Control::Freeable>> Control::freeable_for(const AskFree& ask) const {
  int only = -1;
  if (!ask.gpu.empty()) {
    only = state_.ledger.gpu(ask.gpu);
    if (only < 0) {
      return fail(ErrorKind::not_found, "there is no GPU " + ask.gpu, "it is not in this machine",
                  "headroom gpu lists the devices");
    }
  }
  for (const auto& amount : {ask.memory, ask.gpu_memory}) {
    if (amount && *amount <= Bytes()) {
      return fail(ErrorKind::invalid_request, "an amount is zero or less",
                  "what is to come free is more than nothing");
    }
  }
  std::vector<int> gpus;
  for (std::size_t i = 0; i < state_.ledger.pools().size(); ++i) {
    const int pool = static_cast<int>(i);
    if (state_.ledger.pool(pool).resource != Resource::gpu_memory) continue;
    if (only < 0 || only == pool) gpus.push_back(pool);
  }
  std::vector<Freeable> all;
  if (!ask.memory && !ask.gpu_memory) {  // all that may go
    for (const int gpu : gpus) all.push_back(freeable_on(gpu, {}, ask));
    if (only < 0) all.push_back(freeable_on(decide::Ledger::kMemory, {}, ask));
    return all;
  }
  if (ask.gpu_memory) {
    if (gpus.empty()) {
      return fail(ErrorKind::can_never_fit, "GPU memory was wanted, and this machine has no GPU",
                  "none is known to headroom", "headroom doctor says what was looked for");
    }
    const auto rank = [](const Freeable& one) {
      return std::tuple(!one.enough, one.regret, one.freed);
    };
    std::optional<Freeable> best;
    for (const int gpu : gpus) {
      Freeable one = freeable_on(gpu, ask.gpu_memory, ask);
      if (!best || rank(one) < rank(*best)) best = std::move(one);
    }
    all.push_back(std::move(*best));
  }
  if (ask.memory) all.push_back(freeable_on(decide::Ledger::kMemory, ask.memory, ask));
  return all;
}

void Control::ask(const Asked& asked, const AskFree& ask) {
  if (!asked.caller.known && !ask.dry_run) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the kernel does not tell the user of this connection", "use the Unix socket"});
  }
  const auto all = freeable_for(ask);
  if (!all) return refuse(asked.request, all.error());
  Freeing freeing;
  freeing.freed.dry_run = ask.dry_run;
  std::vector<std::pair<int, Held>> go;
  const auto listed = [&](const Held& held) {
    return std::any_of(go.begin(), go.end(),
                       [&](const auto& other) { return other.second.is(held); });
  };
  for (const Freeable& one : *all) {
    if (!one.enough && freeing.freed.why.empty()) freeing.freed.why = one.why;
    for (const std::size_t i : one.go) {
      if (!listed(one.held[i])) go.emplace_back(one.pool, one.held[i]);
    }
  }
  for (const auto& [pool, held] : go) {
    freeing.freed.steps.push_back(step_of(held, pool, held.as.bytes));
  }
  for (const Freeable& one : *all) {
    for (const auto& [i, why] : one.stay) {
      if (listed(one.held[i])) continue;
      FreeStep step = step_of(one.held[i], one.pool, one.held[i].as.bytes);
      step.outcome = FreeStep::Outcome::skipped;
      step.why = why;
      freeing.freed.steps.push_back(std::move(step));
    }
  }
  if (ask.dry_run || go.empty()) {
    for (const auto& [pool, held] : go) {
      const bool gpu = state_.ledger.pool(pool).resource == Resource::gpu_memory;
      (gpu ? freeing.freed.gpu_memory : freeing.freed.memory) += held.as.bytes;
    }
    effects_.emplace_back(Respond{asked.request, std::move(freeing.freed)});
    return;
  }
  for (std::size_t i = 0; i < go.size(); ++i) {
    freeing.asks.push_back(unload(go[i].second, go[i].first,
                                  "room was wanted by uid " + std::to_string(asked.caller.uid)));
    freeing.freed.steps[i].outcome = FreeStep::Outcome::asked;
  }
  freeing.open = freeing.asks.size();
  freeing.until =
      at_.boot + std::clamp<milliseconds>(ask.patience, milliseconds(0), std::chrono::hours(1));
  state_.freeing.emplace(asked.request, std::move(freeing));
}

}  // namespace headroom::control
