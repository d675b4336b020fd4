#include "runtime/machine.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include "act/process.hpp"
#include "words/config.hpp"

namespace headroom::runtime {

namespace {

/// The name of the group that holds the jobs of the daemon whose state lies there.
std::string jobs_name(const std::string& state_dir) {
  if (state_dir == Config{}.state.dir) return "headroom";
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const char c : state_dir) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  char text[40];
  std::snprintf(text, sizeof text, "headroom-%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace

Machine::Machine(bool captured, const std::string& state_dir, Post post)
    : guardian_({.state_dir = state_dir}), way_(std::make_shared<Way>()) {
  way_->post = std::move(post);
  if (captured) return;
  act::GroupsConfig config;
  config.name = jobs_name(state_dir);
  groups_.emplace(act::Groups::probe(config));
}

Machine::~Machine() {
  const std::lock_guard lock(way_->lock);
  way_->post = nullptr;
}

const char* Machine::tier() const { return groups_ ? act::to_string(groups_->tier()) : "none"; }

std::string Machine::jobs_group() const { return groups_ ? groups_->jobs_memory_group() : ""; }

std::vector<Absence> Machine::cannot() const {
  std::vector<Absence> out;
  if (!groups_) {
    out.push_back({"groups", "the readings come from a captured tree", "start without --root"});
    return out;
  }
  if (groups_->tier() == act::Tier::none) {
    out.push_back({"groups",
                   "no control group can be made: bookings count, but no job is fenced, limited or "
                   "stopped, and what its children take is not measured",
                   "the next lines say why and what would help"});
  }
  for (const std::string& reason : groups_->reasons()) {
    constexpr std::string_view kFix = "; fix: ";
    const auto fix = reason.rfind(kFix);
    out.push_back({"groups", reason.substr(0, fix),
                   fix == std::string::npos ? "" : reason.substr(fix + kFix.size())});
  }
  return out;
}

void Machine::place(const PlaceHolder& effect, std::function<void(Placed)> done) {
  Placed placed = place(effect);
  const bool later = way_->post != nullptr && placed.fenced && !placed.group->v2;
  // The thread does one after the other: its threshold comes before this.
  const auto tell = [way = way_, placed, done] {
    const std::lock_guard lock(way->lock);
    if (way->post) way->post([placed, done] { done(placed); });
  };
  if (!later || !slow_.post(tell)) done(std::move(placed));
}

Placed Machine::place(const PlaceHolder& effect) {
  Placed placed{effect.lease, Group(), false, {}};
  if (!groups_ || groups_->tier() == act::Tier::none) {
    placed.group = fail(ErrorKind::not_allowed, "no control group could be made",
                        groups_ && !groups_->reasons().empty() ? groups_->reasons().front()
                                                               : "the tree is a captured one");
    return placed;
  }
  if (effect.holder.pid == 0) {
    placed.group = fail(ErrorKind::invalid_request, "a lease without a process has no group");
    return placed;
  }
  placed.group = groups_->make(effect.lease, effect.owner);
  if (!placed.group) return placed;
  // The pid must still be the process that asked.
  const auto same = act::watch(effect.holder);
  const auto moved = same ? groups_->place(*placed.group, effect.holder.pid)
                          : Result<void>(tl::unexpected(same.error()));
  if (!moved) {
    (void)groups_->remove(*placed.group);
    placed.group = tl::unexpected(moved.error());
    return placed;
  }
  if (effect.fence_at.count() > 0) {
    const auto fenced = fence(effect.lease, *placed.group, effect.fence_at);
    placed.fenced = fenced.has_value();
    if (!fenced) {
      placed.problem = fenced.error().what + ": " + fenced.error().why;
      // As where no guardian could be started just now.
      placed.fence_comes = !placed.group->memory.empty();
      if (placed.fence_comes) {
        fences_failed_[effect.lease] = {effect.lease, *placed.group, effect.fence_at, "granted"};
      }
    }
  }
  if (effect.memory_limit || effect.cpu_limit) {
    const auto limited = groups_->limit(*placed.group, effect.memory_limit, effect.cpu_limit);
    if (!limited) placed.problem = limited.error().what + ": " + limited.error().why;
  }
  return placed;
}

Fenced Machine::fence(const Fence& effect) {
  if (!groups_) return {effect.lease, false, Bytes()};
  const auto stands = fence(effect.lease, effect.group, effect.at);
  if (stands || stands.error().kind == ErrorKind::not_found) {
    fences_failed_.erase(effect.lease);
  } else {
    fences_failed_[effect.lease] = effect;
  }
  return {effect.lease, stands.has_value(), stands.value_or(Bytes())};
}

Result<Bytes> Machine::fence(LeaseId lease, const Group& group, Bytes at) {
  if (at.count() > 0) {
    if (auto held = guardian_.hold(lease, group); !held) return tl::unexpected(held.error());
  }
  auto stands = groups_->fence(group, at);
  Held& held = held_[lease];
  held.fence = stands ? at.count() > 0 : held.fence;
  if (stands && held.fence) {
    // Where it cannot be told of at once, a sample tells.
    (void)fences_.watch(lease, group, *stands);
  } else if (!held.fence) {
    fences_.forget(lease);
    if (!held.any()) forget(lease);
  }
  return stands;
}

Frozen Machine::freeze(const Freeze& effect) {
  Frozen outcome{effect.lease, effect.frozen, {}};
  if (!groups_) {
    outcome.problem = "the readings come from a captured tree";
    return outcome;
  }
  if (effect.frozen) {
    if (const auto guarded = guardian_.hold(effect.lease, effect.group); !guarded) {
      outcome.problem = guarded.error().what + ": " + guarded.error().why;
      return outcome;
    }
  }
  const auto done = groups_->freeze(effect.group, effect.frozen);
  // A group that is gone stands still no more.
  if (!done && (effect.frozen || done.error().kind != ErrorKind::not_found)) {
    outcome.problem = done.error().what + ": " + done.error().why;
  }
  if (effect.frozen || outcome.problem.empty()) {
    thaws_failed_.erase(effect.lease);
  } else {
    thaws_failed_[effect.lease] = effect;
  }
  Held& held = held_[effect.lease];
  held.frozen = effect.frozen == outcome.problem.empty();
  if (!held.any()) forget(effect.lease);
  return outcome;
}

std::string Machine::limit_cpu(const LimitCpu& effect) {
  if (!groups_ || effect.group.cpu.empty()) return {};
  // Nobody stands still: a hundredth of a core is the least that the kernel knows.
  const auto at = effect.at ? std::optional(std::max(*effect.at, Cores(10))) : std::nullopt;
  const auto done = groups_->limit_cpu(effect.group, at);
  if (done || done.error().kind == ErrorKind::not_found) return {};
  return done.error().what + ": " + done.error().why;
}

std::string Machine::limit_memory(const LimitMemory& effect) {
  if (!groups_ || effect.group.memory.empty()) return {};
  const auto done = groups_->limit_memory(effect.group, effect.at);
  if (done || done.error().kind == ErrorKind::not_found) return {};
  return done.error().what + ": " + done.error().why;
}

Weighed Machine::weigh(const Weigh& effect) {
  Weighed outcome{effect.lease, effect.percent, {}};
  if (!groups_) {
    outcome.problem = "the readings come from a captured tree";
    return outcome;
  }
  constexpr int kWhole = 100;
  const bool slowed = effect.percent < kWhole;
  auto done = slowed ? guardian_.hold(effect.lease, effect.group) : Result<void>();
  if (done) done = groups_->weigh(effect.group, effect.percent);
  if (!done && done.error().kind != ErrorKind::not_found) {
    outcome.problem = done.error().what + ": " + done.error().why;
  }
  // What it may still have too little of is given back until that succeeds.
  bool whole = done && !slowed;
  if (!done && slowed) {
    const auto back = groups_->weigh(effect.group, kWhole);
    whole = back || back.error().kind == ErrorKind::not_found;
  }
  const bool gone = !done && done.error().kind == ErrorKind::not_found;
  weights_failed_.erase(effect.lease);
  if (!done && !whole && !gone) {
    weights_failed_[effect.lease] = {effect.lease, effect.group, kWhole, effect.reason};
  }
  Held& held = held_[effect.lease];
  held.slowed = !whole && !gone;
  if (!held.any()) forget(effect.lease);
  return outcome;
}

Terminated Machine::terminate(const Terminate& effect) {
  Terminated outcome{effect.lease, effect.hard, 0, {}};
  if (!groups_) {
    outcome.problem = "the readings come from a captured tree";
    return outcome;
  }
  const auto ended = groups_->end(effect.group, effect.hard);
  if (ended) {
    outcome.processes = *ended;
  } else if (ended.error().kind != ErrorKind::not_found) {
    outcome.problem = ended.error().what + ": " + ended.error().why;
  }
  return outcome;
}

void Machine::forget(LeaseId lease) {
  held_.erase(lease);
  fences_failed_.erase(lease);
  thaws_failed_.erase(lease);
  weights_failed_.erase(lease);
  fences_.forget(lease);
  guardian_.forget(lease);
}

std::vector<Event> Machine::look_after() {
  guardian_.look();
  std::vector<Event> done;
  for (const auto& [lease, effect] : std::map(fences_failed_)) {
    const Fenced outcome = fence(effect);
    if (outcome.done) done.emplace_back(outcome);
  }
  for (const auto& [lease, effect] : std::map(thaws_failed_)) (void)freeze(effect);
  for (const auto& [lease, effect] : std::map(weights_failed_)) (void)weigh(effect);
  return done;
}

Released Machine::release(const Release& effect) {
  Released released{effect.lease, false, 0, Bytes(), 0};
  if (!groups_) {
    released.gone = true;
    return released;
  }
  if (const auto left = groups_->look(effect.group)) {
    released.processes = left->processes;
    released.memory_peak = left->memory_peak.value_or(Bytes());
    released.oom_kills = left->oom_kills;
    // An orphan may have become a zombie that nobody waits for: only what still runs counts.
    if (left->processes > 0) return released;
  } else if (left.error().kind == ErrorKind::not_found) {
    forget(effect.lease);
    released.gone = true;
    return released;
  }
  const auto removed = groups_->remove(effect.group);
  if (removed.value_or(false)) forget(effect.lease);
  released.gone = removed.has_value() ? *removed
                                      : removed.error().kind == ErrorKind::not_found ||
                                            removed.error().kind == ErrorKind::not_allowed;
  return released;
}

void Machine::sweep(const std::vector<LeaseId>& living) {
  if (!groups_) return;
  for (const Group& group : groups_->leftovers()) {
    // Whatever the journal knows of it: nobody was there to raise or to thaw it.
    (void)act::Groups::let_go(group);
    const auto id = act::Groups::lease_of(group);
    if (!id || std::find(living.begin(), living.end(), *id) != living.end()) continue;
    (void)groups_->remove(group);  // with something still running in it, it stays
  }
}

}  // namespace headroom::runtime
