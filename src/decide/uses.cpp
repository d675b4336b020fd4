#include "decide/uses.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "decide/cover.hpp"

namespace headroom::decide {
namespace {

// None of these is sharp: halving or doubling one moves the mean of tests/eviction by less than
// one percent.
constexpr std::uint64_t kHalfLife = 256;  // turns after which a use counts half
constexpr std::int64_t kWindow = 64;      // loads over which the costs of a guess are forgotten
constexpr std::int64_t kClearly = 32;     // another guess leads when it is better by 1/32
constexpr std::int64_t kPatience = 256;   // the leaders may cost 1/256 more than LRU
constexpr int kAsTheShadow = 3;           // who is not in the leader's shadow counts an eighth
constexpr std::size_t kOwn = kGuesses;    // the shadow of the leaders' own choices
constexpr int kNobody = -1;
constexpr std::uint32_t kShadowSteps = 256;  // bounds of the search for a set
constexpr std::uint32_t kSteps = 2048;
constexpr std::int64_t kMostReload = 24 * 3600 * 1000;
constexpr std::int64_t kMostTotal = INT64_MAX / 4;

std::uint32_t cooled(std::uint32_t heat, std::uint64_t turns) {
  const std::uint64_t halvings = turns / kHalfLife;
  if (halvings >= 32) return 0;
  const std::uint64_t left = heat >> halvings;
  return static_cast<std::uint32_t>(left - left * (turns % kHalfLife) / (2 * kHalfLife));
}

constexpr std::uint8_t bit(std::size_t shadow) { return static_cast<std::uint8_t>(1U << shadow); }

std::size_t index(Guess guess) { return static_cast<std::size_t>(guess); }

// Turns until the next use, in sixteenths.
std::int64_t expected_wait(const UseHistory& history, std::int64_t age, Guess guess) {
  switch (guess) {
    case Guess::oldest:
    case Guess::age:
      break;
    case Guess::rhythm: {
      // The gap it is in is one of those that were longer, or one not seen yet.
      std::int64_t rest = age;
      std::int64_t count = 1;
      for (std::size_t i = 0; i < history.gap_count; ++i) {
        if (history.gaps[i] <= age) continue;
        rest += history.gaps[i] - age;
        ++count;
      }
      return rest * 16 / count;
    }
    case Guess::often: {
      // Used every n turns, the heat comes to 65536 × kHalfLife ÷ (n × ln 2).
      const std::int64_t heat =
          std::max<std::int64_t>(cooled(history.heat, static_cast<std::uint64_t>(age)), 1);
      return static_cast<std::int64_t>(kHalfLife) * 94548 * 16 / heat;
    }
  }
  return std::max<std::int64_t>(age, 1) * 16;
}

}  // namespace

const UseHistory* Uses::find(std::string_view model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? nullptr : &found->second;
}

std::chrono::milliseconds Uses::cost(Guess guess) const {
  return std::chrono::milliseconds(total_[index(guess)]);
}

std::chrono::milliseconds Uses::own_cost() const { return std::chrono::milliseconds(total_[kOwn]); }

std::uint32_t Uses::likelihood(const UseHistory* history, Guess guess) const {
  static const UseHistory never;
  const UseHistory& known = history == nullptr ? never : *history;
  constexpr std::uint64_t kMostAge = std::uint64_t{1} << 40;
  const auto age = static_cast<std::int64_t>(std::min(turn_ - known.turn, kMostAge));
  const std::int64_t wait = expected_wait(known, age, guess);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(
      (std::int64_t{16} << 16) / std::max<std::int64_t>(wait, 1), 1, 65536));
}

BootTime Uses::calm_at(const UseHistory& history, int most, std::chrono::seconds window,
                       BootTime now) {
  const auto size = history.loads.size();
  const auto wanted = static_cast<std::size_t>(std::clamp<int>(most, 1, static_cast<int>(size)));
  if (history.load_count < wanted) return now;
  const BootTime since = history.loads[(history.load_next + size - wanted) % size];
  return std::max(now, since + window);
}

UseHistory& Uses::at(std::string_view model) {
  const auto found = models_.find(model);
  if (found != models_.end()) return found->second;
  if (models_.size() >= kMostModels) {
    models_.erase(std::min_element(
        models_.begin(), models_.end(),
        [](const auto& a, const auto& b) { return a.second.turn < b.second.turn; }));
  }
  return models_.emplace(std::string(model), UseHistory()).first->second;
}

void Uses::loaded(std::string_view model, BootTime when) {
  UseHistory& history = at(model);
  history.loads[history.load_next] = when;
  const auto size = static_cast<std::uint8_t>(history.loads.size());
  history.load_next = static_cast<std::uint8_t>((history.load_next + 1) % size);
  history.load_count =
      std::min<std::uint8_t>(static_cast<std::uint8_t>(history.load_count + 1), size);
}

void Uses::forget(std::string_view model) {
  const auto found = models_.find(model);
  if (found != models_.end()) models_.erase(found);
  if (newest_ == model) newest_.clear();
}

void Uses::count_use(UseHistory& history, bool first) {
  ++turn_;
  const std::uint64_t gap = turn_ - history.turn;
  history.heat = (first ? 0 : cooled(history.heat, gap)) + 65536;
  history.turn = turn_;
  if (first) return;
  history.gaps[history.gap_next] =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(gap, UINT32_MAX));
  const auto size = static_cast<std::uint8_t>(history.gaps.size());
  history.gap_next = static_cast<std::uint8_t>((history.gap_next + 1) % size);
  history.gap_count =
      std::min<std::uint8_t>(static_cast<std::uint8_t>(history.gap_count + 1), size);
}

void Uses::used(std::string_view model, Bytes bytes, std::chrono::milliseconds reload,
                Bytes capacity) {
  UseHistory& history = at(model);
  history.bytes = Bytes(std::clamp<std::int64_t>(bytes.count(), 1, kMostItemBytes));
  history.reload =
      std::chrono::milliseconds(std::clamp<std::int64_t>(reload.count(), 1, kMostReload));
  if (newest_ != model || history.turn == 0) {
    count_use(history, history.turn == 0);
    newest_ = model;
  }
  bool missed = false;
  for (std::size_t shadow = 0; shadow <= kOwn; ++shadow) {
    if ((history.shadows & bit(shadow)) != 0) continue;
    load_shadow(shadow, history, capacity);
    history.shadows = static_cast<std::uint8_t>(history.shadows | bit(shadow));
    total_[shadow] = std::min(total_[shadow] + history.reload.count(), kMostTotal);
    if (shadow < kGuesses) lately_[shadow] += history.reload.count();
    missed = true;
  }
  if (missed) elect(history.reload.count());
}

// Makes place for the asker among those who would be resident.
void Uses::load_shadow(std::size_t shadow, const UseHistory& asker, Bytes capacity) {
  std::vector<UseHistory*> others;
  std::int64_t need = asker.bytes.count() - std::max<std::int64_t>(capacity.count(), 0);
  for (auto& [name, other] : models_) {
    if (&other == &asker || (other.shadows & bit(shadow)) == 0) continue;
    need += other.bytes.count();
    others.push_back(&other);
  }
  if (need <= 0) return;
  std::sort(others.begin(), others.end(),
            [](const UseHistory* a, const UseHistory* b) { return a->turn < b->turn; });
  std::vector<Candidate> of;
  of.reserve(others.size());
  std::int64_t all = 0;
  for (const UseHistory* other : others) {
    of.push_back({other, other->bytes.count(), other->reload.count(), 1});
    all += other->bytes.count();
  }
  const bool own = shadow == kOwn;
  const Guess guess = own ? leader_ : static_cast<Guess>(shadow);
  const Picked picked = pick_as(of, std::min(need, all), guess,
                                own ? static_cast<int>(index(leader_)) : kNobody, kShadowSteps);
  for (const std::size_t chosen : picked.chosen) {
    others[chosen]->shadows = static_cast<std::uint8_t>(others[chosen]->shadows & ~bit(shadow));
  }
}

// Who leads after a load of this cost.
void Uses::elect(std::int64_t reload) {
  for (std::int64_t& cost : lately_) cost -= cost / kWindow;
  const auto lru = index(Guess::oldest);
  const auto base = index(Guess::age);
  std::size_t best = index(leader_);
  const std::int64_t now = lately_[best];
  for (std::size_t guess = 0; guess < kGuesses; ++guess) {
    // What was learned must have saved a load before it is believed.
    const bool proven =
        guess == base || lately_[guess] + lately_[base] / kClearly + reload <= lately_[base];
    if (proven && lately_[guess] < lately_[best] && lately_[guess] + now / kClearly < now) {
      best = guess;
    }
  }
  if (lately_[best] >= lately_[base]) best = base;
  if (total_[kOwn] > total_[lru] + total_[lru] / kPatience) best = lru;
  leader_ = static_cast<Guess>(best);
}

std::int64_t Uses::regret_as(const Candidate& candidate, Guess guess, int like) const {
  const std::int64_t reload = std::clamp<std::int64_t>(candidate.reload, 1, kMostReload);
  std::int64_t sum = reload * static_cast<std::int64_t>(likelihood(candidate.history, guess)) *
                     std::clamp<std::int64_t>(candidate.weight, 1, 16);
  // Where the leader changed, what is resident nears what it would have kept.
  if (like >= 0 && candidate.history != nullptr &&
      (candidate.history->shadows & bit(static_cast<std::size_t>(like))) == 0) {
    sum >>= kAsTheShadow;
  }
  return std::min(sum, kMostItemCost);
}

std::int64_t Uses::regret(const Candidate& candidate) const {
  return regret_as(candidate, leader_, static_cast<int>(kOwn));
}

Uses::Picked Uses::pick(std::span<const Candidate> of, std::int64_t need) const {
  return pick_as(of, need, leader_, static_cast<int>(kOwn), kSteps);
}

Uses::Picked Uses::pick_as(std::span<const Candidate> of, std::int64_t need, Guess guess, int like,
                           std::uint32_t most_steps) const {
  Picked picked;
  if (guess != Guess::oldest) {
    std::vector<CoverItem> items;
    items.reserve(of.size());
    for (const Candidate& candidate : of) {
      items.push_back({candidate.bytes, regret_as(candidate, guess, like),
                       static_cast<std::int64_t>(items.size()) + 1});
    }
    Cover cover = cheapest_cover(items, need, most_steps);
    picked.chosen = std::move(cover.chosen);
    picked.exact = cover.exact;
    return picked;
  }
  picked.exact = false;
  std::vector<std::size_t> order(of.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (like >= 0) {  // the lower priority first, then whom LRU would not have kept
    const auto kept = [&](std::size_t i) {
      return of[i].history != nullptr &&
             (of[i].history->shadows & bit(static_cast<std::size_t>(like))) != 0;
    };
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::tuple(of[a].weight, kept(a), a) < std::tuple(of[b].weight, kept(b), b);
    });
  }
  std::int64_t got = 0;
  for (std::size_t i = 0; i < order.size() && got < need; ++i) {
    got += of[order[i]].bytes;
    picked.chosen.push_back(order[i]);
  }
  if (got < need) {
    picked.chosen.clear();
    return picked;
  }
  if (like >= 0) {  // whom a later, larger one made needless stays, the newest first
    for (std::size_t i = picked.chosen.size(); i-- > 0;) {
      const std::int64_t bytes = of[picked.chosen[i]].bytes;
      if (got - bytes < need) continue;
      got -= bytes;
      picked.chosen.erase(picked.chosen.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  std::sort(picked.chosen.begin(), picked.chosen.end());
  return picked;
}

}  // namespace headroom::decide
