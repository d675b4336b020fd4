// Allocations: what components are given of what there is, and what their leases book for that.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/allotted.hpp"
#include "control/control.hpp"

namespace headroom::control {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenCycles = 1s;  // at least, however much somebody lacks
constexpr auto kOwnBound = 10min;    // that a component has shown by what it set
constexpr double kRises = 1.05;
constexpr std::chrono::nanoseconds kLeastBetween{1'000'000};
constexpr std::chrono::nanoseconds kBetweenOfEach{20'000};
constexpr int kFreeCycles = 20;

/// What a demand was told from, for people; empty where that needs more words than these.
std::string_view words_of(std::string_view method) {
  if (method == "window_maximum") return "its highest use lately";
  if (method == "peak_quantile") return "its usual peaks";
  if (method == "forecast_quantile" || method == "forecast") return "its forecast";
  if (method == "current_use") return "its use now";
  return "";
}

/// What one needs now, and what it has.
struct Need {
  std::int64_t now = 0;
  std::int64_t has = 0;
};

/// Where too little is there for all, what is only foreseen yields to what is needed now: the
/// demands of `wishes` are lowered to what they get so. What is left beside the needs is kept by
/// who has it, and moves nothing. `needs` are in the order of the wishes.
void yield_to_needs(std::vector<decide::Wish>& wishes, const std::vector<Need>& needs,
                    std::int64_t capacity, decide::Classes classes) {
  std::vector<decide::Claim> claims;
  std::int64_t all = 0;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const decide::Wish& wish = wishes[i];
    const std::int64_t need = std::clamp(needs[i].now, wish.floor, wish.ceiling);
    claims.push_back({wish.id, wish.floor, wish.ceiling, need, wish.weight, wish.priority});
    all += std::clamp(wish.demand.value_or(need), wish.floor, wish.ceiling);
  }
  if (all <= capacity) return;
  const decide::Shares needed = decide::allocate(claims, capacity, classes);
  if (needed.floors_unmet > 0) return;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    claims[i].floor = needed.given[i];
    const std::int64_t kept = std::min(wishes[i].demand.value_or(0), needs[i].has);
    claims[i].demand = std::max(needed.given[i], kept);
  }
  const decide::Shares shares = decide::allocate(claims, capacity, classes);
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (wishes[i].demand) wishes[i].demand = shares.given[i];
  }
}

/// How short the node is of this resource; empty where nobody looks at that.
template <class Gauges>
std::optional<Level> level_of(Allotted what, const Gauges& gauges) {
  if (what != Allotted::cpu && what != Allotted::memory) return {};
  const auto found =
      gauges.find({what == Allotted::cpu ? Resource::cpu : Resource::memory, std::string()});
  return found == gauges.end() ? Level::ok : found->second.level();
}

}  // namespace

void Control::adopt(const Component& component, ComponentRun& run) {
  if (run.number == 0) run.number = ++state_.last_component;
  auto& pool = pool_of_component(component);
  for (const Allotted what : kAllAllotted) {
    if (takes_part(component, what)) {
      pool[index_of(what)].adopt(run.number, component.has[index_of(what)]);
    }
  }
}

bool Control::takes_part(const Component& component, Allotted what) const {
  if (what == Allotted::cpu || what == Allotted::memory || sets(component, what)) return true;
  const auto said = [&](const QuotaParts& parts) {
    const QuotaPart& part = parts[index_of(what)];
    return part.amount != 0 || part.least != 0 || part.most != 0;
  };
  return said(component.quota.parts) ||
         std::any_of(component.quota.windows.begin(), component.quota.windows.end(),
                     [&](const QuotaWindow& window) { return said(window.parts); });
}

std::array<decide::Allocation, kAllotted>& Control::pool_of_component(const Component& component) {
  return state_.allocations[component.books ? 0 : component.lease];
}
const std::array<decide::Allocation, kAllotted>* Control::pool_of_component(
    const Component& component) const {
  const auto found = state_.allocations.find(component.books ? 0 : component.lease);
  return found == state_.allocations.end() ? nullptr : &found->second;
}

// ------------------------------------------------------------------------------------------- cycle

Level Control::tightness() const {
  Level level = Level::ok;
  for (const auto& [key, gauge] : state_.gauges) {
    if (key.first == Resource::memory || key.first == Resource::cpu) {
      level = std::max(level, gauge.level());
    }
  }
  return level;
}

StrategyParameters Control::strategy_now() const {
  return parameters_of(state_.config->strategy, tightness());
}

std::int64_t Control::least_change(Allotted what) const {
  const Config::Control& settings = state_.config->control;
  if (what == Allotted::cpu) return units_of(what, std::max(1.0, settings.cpu_change));
  if (what == Allotted::memory) return settings.memory_change.count() / kMiB;
  return units_of(what, 1);
}

std::optional<std::int64_t> Control::capacity_for(LeaseId pool, Allotted what,
                                                  const StrategyParameters& now) const {
  if (what != Allotted::cpu && what != Allotted::memory) return kUnbounded;
  const decide::Pool& cpu = state_.ledger.pool(decide::Ledger::kCpu);
  if (pool != 0) {
    const auto lease = state_.promises.leases.find(pool);
    if (lease == state_.promises.leases.end()) return {};
    const Amounts& booked = lease->second.booked;
    if (what == Allotted::memory) {
      return booked.memory.count() > 0 ? booked.memory.count() / kMiB : kUnbounded;
    }
    return booked.cpu.milli() > 0 && cpu.capacity > 0 ? booked.cpu.milli() * kWhole / cpu.capacity
                                                      : kWhole;
  }
  const decide::Pool& device =
      what == Allotted::memory ? state_.ledger.pool(decide::Ledger::kMemory) : cpu;
  // What was just given back may have been taken since: the next sample says.
  if (!device.unknown.empty() || device.capacity <= 0 || device.unseen > 0) return {};
  // What is only booked, and nobody's any more, is given to nobody before it is free.
  std::int64_t own = 0;
  const auto shared = state_.allocations.find(0);
  for (const auto& [id, names] : state_.component_leases) {
    const decide::Entry* entry = state_.ledger.entry(id);
    if (entry == nullptr || shared == state_.allocations.end()) continue;
    std::int64_t held = 0;
    for (const std::string& name : names) {
      if (!state_.promises.components.at(name).books) continue;
      held += shared->second[index_of(what)].held(state_.component_runs.at(name).number);
    }
    own += what == Allotted::memory
               ? std::min(entry->booked.memory.count(), held * kMiB)
               : std::min(entry->booked.cpu.milli(), held * device.capacity / kWhole);
  }
  // A lease whose time has come or is near goes before: what it needs is given back until then.
  std::int64_t promised = 0;
  for (const LeaseId id : near_starts()) {
    const Needs& needs = state_.promises.leases.at(id).needs;
    promised += what == Allotted::memory ? needs.memory.value_or(Bytes()).count()
                                         : needs.cpu.value_or(Cores()).milli();
  }
  // A node that takes nobody new gives nobody more.
  const std::int64_t balance = device.balance() - promised;
  const std::int64_t more = device.drained ? std::min<std::int64_t>(0, balance) : balance;
  std::int64_t all = std::max<std::int64_t>(0, own + more);
  if (what == Allotted::cpu) {
    // Processors are shared whoever uses them: what nobody booked keeps components from growing,
    // and does not make what they have waver.
    const std::int64_t there =
        own + device.capacity - device.reserve - device.margin - device.booked - promised;
    all = std::max(all, std::min(own, there));
  }
  if (what == Allotted::memory) return all / kMiB;
  const auto kept = static_cast<std::int64_t>(std::ceil(kWhole * now.reserve));
  return std::min(all * kWhole / device.capacity, kWhole - kept);
}

// An answer of one is what another waits for; but a thousand answers are not as many cycles. So
// many at once are free, and then each takes its time (the generic cell rate algorithm, ITU-T
// I.371).
std::chrono::nanoseconds Control::between_cycles() const {
  return kLeastBetween + kBetweenOfEach * state_.component_runs.size();
}

std::optional<BootTime> Control::next_wanted_cycle() const {
  if (!state_.cycles_paid) return {};
  return *state_.cycles_paid - kFreeCycles * between_cycles();
}

void Control::cycle_components_when_due() {
  if (!state_.sample || (state_.component_runs.empty() && state_.allocations.empty())) return;
  const StrategyParameters now = strategy_now();
  const auto interval = std::chrono::duration_cast<std::chrono::nanoseconds>(
      state_.config->control.interval * std::max(0.1, now.cycle));
  if (!state_.turned || at_.boot - *state_.turned >= interval) {
    state_.turned = at_.boot;
    ++state_.turns;
    return cycle_components(true);
  }
  if (state_.cycle_wanted) {
    const auto next = next_wanted_cycle();
    if (next && *next > at_.boot) return;
    const BootTime from = std::max(state_.cycles_paid.value_or(at_.boot), at_.boot);
    state_.cycles_paid = from + between_cycles();
    return cycle_components(false);
  }
  if (state_.cycled && at_.boot - *state_.cycled < kBetweenCycles) return;
  // Who comes to the end of what he has is not left to wait for the next turn.
  for (const auto& [name, run] : state_.component_runs) {
    const Component& component = state_.promises.components.at(name);
    for (const Allotted what : {Allotted::cpu, Allotted::memory}) {
      const Demand& demand = run.demands[index_of(what)];
      const auto has = static_cast<double>(component.has[index_of(what)]);
      const auto used = static_cast<double>(demand.used.value_or(0));
      const auto then = static_cast<double>(demand.judged.value_or(0));
      if (has > 0 && used >= kNearly * has && used > kRises * then) {
        return cycle_components(false);
      }
    }
  }
}

// `turn`: one of the regular ones, in which allocations may shrink because of less demand.
void Control::cycle_components(bool turn) {
  state_.cycled = at_.boot;
  state_.cycle_wanted = false;
  const StrategyParameters now = strategy_now();
  const Config::Control& settings = state_.config->control;
  decide::Pace pace;
  pace.shrink_most = turn ? now.shrink_most : 0;
  pace.hold = now.hold;
  pace.deadband = now.deadband;
  const decide::Classes classes =
      now.strict_classes ? decide::Classes::strict : decide::Classes::weighted;

  // What was asked of them before a restart, and never answered, is booked no more.
  if (state_.rebook_components && state_.ledger.pool(decide::Ledger::kCpu).capacity > 0) {
    state_.rebook_components = false;
    for (const auto& [name, run] : state_.component_runs) {
      book_allocation(state_.promises.components.at(name));
    }
  }
  std::map<std::uint64_t, std::string> names;
  std::map<LeaseId, std::array<std::vector<decide::Wish>, kAllotted>> wishes;
  std::map<LeaseId, std::array<std::vector<Need>, kAllotted>> needs;  // beside their wishes
  for (auto& [pool, all] : state_.allocations) wishes[pool];
  for (auto& [name, run] : state_.component_runs) {
    const Component& component = state_.promises.components.at(name);
    names.emplace(run.number, name);
    const InForce quota = in_force(component.quota);
    if (quota.during != run.window) {
      run.window = quota.during;
      say("quota.window", 0,
          name + (quota.during.empty() ? ": its usual bounds are in force again"
                                       : ": the bounds of " + quota.during + " are in force"));
    }
    const bool reachable = component.setters.empty() || run.listens || settings.shadow;
    for (const Allotted what : kAllAllotted) {
      if (!takes_part(component, what)) continue;
      const QuotaPart& part = quota.parts[index_of(what)];
      Demand& demand = run.demands[index_of(what)];
      const std::int64_t used = std::max(demand.used.value_or(0), demand.peak.value_or(0));
      const StrategyParameters meant = parameters_of(
          state_.config->strategy, level_of(what, state_.gauges).value_or(tightness()));
      judge_demand(component, run, what, part, meant, turn);
      decide::Wish wish;
      wish.id = run.number;
      // What is not lent is kept for its owner, whether or not he uses it.
      wish.floor = now.lends ? part.least : std::max(part.least, part.amount);
      wish.ceiling = part.most;
      wish.weight = std::max<std::int64_t>(1, part.amount != 0 ? part.amount : part.least);
      wish.priority = quota.priority;
      const std::int64_t has = component.has[index_of(what)];
      auto& own = demand.own_most;
      if (own && at_.boot - own->second > kOwnBound) own.reset();
      if (own) wish.ceiling = std::max(wish.floor, std::min(wish.ceiling, own->first));
      if (reachable) {
        wish.demand = demand.wanted;
        if (!wish.demand && has == 0) wish.demand = wish.floor;
      } else {
        // Nobody can tell it: what it has, it keeps.
        wish.floor = std::min(wish.floor, has);
        wish.ceiling = std::max(wish.ceiling, has);
        wish.demand = has;
      }
      const LeaseId pool = component.books ? 0 : component.lease;
      wishes[pool][index_of(what)].push_back(wish);
      // Processors are back within a second or two. Memory that somebody has filled is not: what
      // one has of that is kept for what is foreseen, but nothing is taken from others for it.
      std::int64_t need = wish.demand.value_or(has);
      if (now.lends && reachable) {
        const bool keeps = demand.method == kMeantToHave || demand.confidence < kTrust;
        std::int64_t kept = !keeps ? 0 : part.amount != 0 ? part.amount : has;
        if (what != Allotted::cpu) kept = std::max(part.amount, has);
        const double buffer = 1 + component.quota.buffer.value_or(meant.buffer);
        need = std::min(need, std::max(kept, up(static_cast<double>(used) * buffer)));
      }
      needs[pool][index_of(what)].push_back({need, has});
    }
  }
  std::vector<std::string> to_call;
  bool again = false;
  for (auto& [pool, of_pool] : wishes) {
    for (const Allotted what : kAllAllotted) {
      const auto capacity = capacity_for(pool, what, now);
      if (!capacity) {
        again = true;
        continue;
      }
      pace.least = 1;
      if (what == Allotted::cpu) pace.least = units_of(what, settings.cpu_change);
      if (what == Allotted::memory) pace.least = settings.memory_change.count() / kMiB;
      yield_to_needs(of_pool[index_of(what)], needs[pool][index_of(what)], *capacity, classes);
      auto& allocation = state_.allocations[pool][index_of(what)];
      for (const decide::Move& move :
           allocation.cycle(of_pool[index_of(what)], *capacity, classes, pace, at_.boot)) {
        const std::string& name = names.at(move.id);
        state_.component_runs.at(name).due[what] = move;
        if (to_call.empty() || to_call.back() != name) to_call.push_back(name);
      }
    }
  }
  state_.cycle_at_sample = again;
  std::sort(to_call.begin(), to_call.end());
  to_call.erase(std::unique(to_call.begin(), to_call.end()), to_call.end());
  // What is promised is booked before anybody is told.
  for (const std::string& name : to_call) book_allocation(state_.promises.components.at(name));
  for (const std::string& name : to_call) call_setters(name);
  std::erase_if(state_.allocations, [&](const auto& one) {
    const auto& of_pool = wishes.at(one.first);
    return std::all_of(of_pool.begin(), of_pool.end(), [](const auto& all) { return all.empty(); });
  });
}

std::string Control::move_reason(const ComponentRun& run, Allotted what,
                                 const decide::Move& move) const {
  using Why = decide::Move::Why;
  const Demand& demand = run.demands[index_of(what)];
  const std::string more = move.to > move.from ? "more" : "less";
  switch (move.why) {
    case Why::others:
      return demand.used ? "others need it, and it uses " + amount_text(what, *demand.used)
                         : "others need it, and nobody knows what it uses";
    case Why::capacity:
      return "more is given out than there is";
    case Why::quota:
      return "its quota says so";
    case Why::demand:
      break;
  }
  // A step of less than a twentieth is not worth a word.
  const bool is_short =
      demand.wanted && move.to > move.from && 20 * (*demand.wanted - move.to) > *demand.wanted;
  const std::string lack =
      is_short ? "; it would get " + amount_text(what, *demand.wanted) + " if as much were free"
               : "";
  if (!demand.used) return "its quota says so, and nobody knows what it uses" + lack;
  std::string text = "it uses " + amount_text(what, *demand.used);
  if (demand.method == "use") {
    text += "; with a buffer it needs " + more;
  } else if (demand.method == "quota") {
    text += "; too little is known of it to go by that";
  } else if (demand.method == "limit reached") {
    text += ", which is all that it was given";
  } else if (demand.method == kMeantToHave) {
    return "it has used nearly all that it kept: at least what it is meant to have is its own "
           "again";
  } else if (const std::string_view from = words_of(demand.method); !from.empty()) {
    text += "; going by " + std::string(from) + " it needs " + amount_text(what, *demand.wanted);
  } else {
    text += "; it keeps " + demand.method;
  }
  const Level level = level_of(what, state_.gauges).value_or(tightness());
  if (state_.config->strategy.posture == Posture::adaptive && level != Level::ok) {
    text += ", and the node's " + std::string(facts_of(what).name) + " is at " +
            std::string(to_string(level));
  }
  return text + lack;
}

void Control::note_lending(const Component& component, ComponentRun& run, Allotted what) {
  Demand& demand = run.demands[index_of(what)];
  const std::int64_t amount = in_force(component.quota).parts[index_of(what)].amount;
  const std::int64_t has = component.has[index_of(what)];
  // Who uses all that it has, or is not known to use less, lends nothing: it has too little.
  const bool idle = demand.confidence >= kTrust && demand.used &&
                    static_cast<double>(*demand.used) < kNearly * static_cast<double>(has);
  const bool lends = has < amount && (idle || demand.wanted.value_or(amount) < amount);
  if (lends && !demand.lent) {
    say("allocation.lent", 0,
        component.name + " has " + amount_text(what, has) + " of the " + amount_text(what, amount) +
            " that it is meant to have: the rest may be " +
            "used by others until it is wanted back");
  } else if (has >= amount && demand.lent) {
    say("allocation.returned", 0,
        component.name + " has the " + amount_text(what, amount) +
            " again that it is meant to have");
  }
  demand.lent = has < amount && (lends || demand.lent);
}

// ------------------------------------------------------------------------------------------ leases

// Its lease books what it has, and what it was asked to have where that is more.
void Control::book_allocation(const Component& component) {
  if (!component.books || state_.config->control.shadow) return;
  const auto found = state_.promises.leases.find(component.lease);
  if (found == state_.promises.leases.end() || !decide::holds_for_somebody(found->second.state)) {
    return;
  }
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  const auto there = state_.component_leases.find(component.lease);
  if (there == state_.component_leases.end()) return;
  for (const std::string& name : there->second) {
    const Component& one = state_.promises.components.at(name);
    const ComponentRun& run = state_.component_runs.at(name);
    const auto* pool = std::as_const(*this).pool_of_component(one);
    const auto held = [&](Allotted what) {
      const std::int64_t out = pool == nullptr ? 0 : (*pool)[index_of(what)].held(run.number);
      return std::max(one.has[index_of(what)], out);
    };
    cpu += held(Allotted::cpu);
    memory += held(Allotted::memory);
  }
  Lease lease = found->second;
  const std::int64_t cores = state_.ledger.pool(decide::Ledger::kCpu).capacity;
  if (cores <= 0) return;  // the machine was not read yet
  const Amounts booked{Bytes(memory * kMiB), lease.booked.gpu_memory, Cores(cpu * cores / kWhole),
                       lease.booked.disk};
  if (lease.booked == booked) return;
  // What it is lent on top stays with it, unless it is to have less: that was not lent to it.
  const bool lent = lease.fence_at > lease.booked.memory && lease.booked.memory.count() > 0 &&
                    booked.memory >= lease.booked.memory;
  const Bytes fence = lent ? std::max(lease.fence_at, booked.memory) : booked.memory;
  lease.booked = booked;
  lease.needs.memory = memory > 0 ? std::optional(booked.memory) : std::nullopt;
  lease.needs.cpu = cpu > 0 ? std::optional(booked.cpu) : std::nullopt;
  let_go(lease);
  bookings_moved_ = true;
  const LeaseId id = lease.id;
  keep(PutLease{std::move(lease)});
  hold_component(id, fence);
  show(id);
}

// The fence, and the limit of the processors that it has been given.
void Control::hold_component(LeaseId id, Bytes at) {
  const auto found = state_.promises.leases.find(id);
  if (found == state_.promises.leases.end() || !found->second.fence ||
      found->second.group == Group() || !decide::holds(found->second.state)) {
    return;
  }
  Lease lease = found->second;
  const Group group = lease.group;
  const auto cores = lease.booked.cpu.milli() > 0 ? std::optional(lease.booked.cpu) : std::nullopt;
  if (lease.fence_at != at) {
    lease.fence_at = at;
    lease.fence_set = false;
    keep(PutLease{std::move(lease)});
    effects_.emplace_back(Fence{id, group, at, "its allocation has changed"});
  }
  effects_.emplace_back(LimitCpu{id, group, cores, "its allocation has changed"});
}

// After its quota says otherwise whether the kernel holds it.
void Control::follow_enforcement(const Component& component) {
  const auto found = state_.promises.leases.find(component.lease);
  if (!component.books || found == state_.promises.leases.end() ||
      !decide::holds(found->second.state) || found->second.fence == component.quota.enforce) {
    return;
  }
  Lease lease = found->second;
  const LeaseId id = lease.id;
  const Group group = lease.group;
  if (!component.quota.enforce) {
    thaw(id, "its quota is enforced no more");
    leave_fence(id);
    lease = state_.promises.leases.at(id);
    lease.fence = false;
    lease.fence_at = Bytes();
    lease.fence_set = false;
    keep(PutLease{std::move(lease)});
    effects_.emplace_back(Fence{id, group, Bytes(), "its quota is enforced no more"});
    effects_.emplace_back(LimitCpu{id, group, std::nullopt, "its quota is enforced no more"});
    return;
  }
  const auto sharers = state_.holders.find(lease.holder);
  const bool alone = sharers != state_.holders.end() && sharers->second.size() == 1;
  if (lease.holder.pid == 0 || !alone) return;
  lease.fence = true;
  const bool placed = lease.grouped;
  lease.grouped = true;
  const Holder holder = lease.holder;
  const uid_t owner = lease.owner;
  keep(PutLease{std::move(lease)});
  if (placed) return hold_component(id, state_.promises.leases.at(id).booked.memory);
  state_.placing.insert(id);
  effects_.emplace_back(PlaceHolder{id, holder, owner, Bytes(), {}, {}});
}

}  // namespace headroom::control
