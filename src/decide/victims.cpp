#include "decide/victims.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "decide/cover.hpp"
#include "decide/verdict.hpp"

namespace headroom::decide {
namespace {

std::string text(Bytes bytes) { return amount_text(Resource::gpu_memory, bytes.count()); }

// Among those that may go, a class is worth twice the one below it: a model of high priority goes
// before a normal one only where its expected reload is less than half as long.
std::int64_t weight(Priority priority) { return std::int64_t{1} << static_cast<int>(priority); }

std::optional<Spared> never(const Resident& resident, const Shortage& shortage) {
  if (!shortage.model.empty() && resident.name == shortage.model) return Spared::asker;
  if (resident.bytes.count() <= 0) return Spared::empty;
  if (resident.priority > shortage.priority) return Spared::outranks;
  if (resident.pinned) return Spared::pinned;
  if (resident.loading) return Spared::loading;
  if (resident.busy > 0) return Spared::busy;
  if (!resident.askable) return Spared::unaskable;
  return {};
}

// Adds who rests still, and until when.
std::optional<Kept> rests(const Resident& resident, const UseHistory* history,
                          const Shortage& shortage, const VictimRules& rules) {
  if (resident.priority < shortage.priority) return {};
  Kept kept;
  const BootTime calm = history == nullptr ? shortage.now
                                           : Uses::calm_at(*history, rules.churn_loads,
                                                           rules.churn_window, shortage.now);
  const BootTime rested = resident.since + rules.min_residency;
  kept.until = std::max(calm, rested);
  if (kept.until <= shortage.now) return {};
  kept.why = rested >= calm ? Spared::resting : Spared::churning;
  return kept;
}

// Everything that stands in the way, and how much of it.
class Account {
 public:
  void add(Spared why, Bytes bytes) {
    const auto place = static_cast<std::size_t>(why);
    ++count_[place];
    bytes_[place] += std::max(bytes, Bytes(0));
  }
  Bytes bytes(Spared why) const { return bytes_[static_cast<std::size_t>(why)]; }
  /// "2 pinned (9.0 GiB), 1 busy (4.0 GiB)"
  std::string list() const {
    std::string all;
    for (std::size_t i = 0; i < kSpared; ++i) {
      const auto why = static_cast<Spared>(i);
      if (count_[i] == 0 || why == Spared::dearer || why == Spared::empty) continue;
      const std::string word = why == Spared::asker       ? "the asker itself"
                               : why == Spared::unaskable ? "with nobody to ask"
                               : why == Spared::outranks  ? "of higher priority"
                                                          : to_string(why);
      all += (all.empty() ? "" : ", ") + std::to_string(count_[i]) + " " + word + " (" +
             text(bytes_[i]) + ")";
    }
    return all;
  }

 private:
  std::array<int, kSpared> count_{};
  std::array<Bytes, kSpared> bytes_{};
};

// When enough of those that rest may go.
std::optional<BootTime> covered_at(std::span<const Resident> residents,
                                   const std::vector<Kept>& kept, Bytes missing) {
  std::vector<const Kept*> resting;
  for (const Kept& one : kept) {
    if (one.why == Spared::resting || one.why == Spared::churning) resting.push_back(&one);
  }
  std::sort(resting.begin(), resting.end(),
            [](const Kept* a, const Kept* b) { return a->until < b->until; });
  for (const Kept* one : resting) {
    missing -= residents[one->resident].bytes;
    if (missing <= Bytes(0)) return one->until;
  }
  return {};
}

// Why nothing is unloaded: the least that would have to change.
void refuse(std::span<const Resident> residents, const Shortage& shortage, const Account& account,
            Victims& victims) {
  Bytes covered = victims.allowed;
  const auto with = [&](std::initializer_list<Spared> reasons) {
    for (const Spared why : reasons) covered += account.bytes(why);
    return covered >= shortage.deficit;
  };
  std::string when;
  if (with({Spared::resting, Spared::churning})) {
    victims.outcome = Eviction::later;
    victims.retry = covered_at(residents, victims.kept, shortage.deficit - victims.allowed);
    when = "; what was loaded lately may go soon";
  } else if (with({Spared::busy, Spared::loading})) {
    victims.outcome = Eviction::busy;
    when = "; what is in use may go once it is done";
  } else if (with({Spared::pinned})) {
    victims.outcome = Eviction::pinned;
    when = "; pins are in the way";
  } else if (with({Spared::outranks})) {
    victims.outcome = Eviction::outranked;
    when = "; models of a higher priority are in the way";
  } else if (with({Spared::unaskable})) {
    victims.outcome = Eviction::futile;
    when = "; nobody can be asked to unload the others";
  } else {
    victims.outcome = Eviction::futile;
    when = "; all models together hold " + text(covered) + ": something else takes the memory";
  }
  const std::string list = account.list();
  victims.why = "nothing is unloaded: " + text(shortage.deficit) + " must come free, and " +
                (victims.allowed > Bytes(0) ? "all that may go holds " + text(victims.allowed)
                                            : std::string("nobody may go")) +
                (list.empty() ? "" : "; not to be had: " + list) + when;
}

}  // namespace

Victims choose_victims(std::span<const Resident> residents, const Uses& uses,
                       const Shortage& shortage, const VictimRules& rules) {
  Victims victims;
  victims.guess = uses.leader();
  Account account;
  std::vector<std::pair<std::size_t, const UseHistory*>> may_go;
  for (std::size_t i = 0; i < residents.size(); ++i) {
    const Resident& resident = residents[i];
    const UseHistory* history = uses.find(resident.name);
    std::optional<Kept> kept;
    if (const auto why = never(resident, shortage)) {
      kept = Kept{i, *why, 0, {}};
    } else {
      kept = rests(resident, history, shortage, rules);
      if (kept) kept->resident = i;
    }
    if (kept) {
      account.add(kept->why, resident.bytes);
      victims.kept.push_back(*kept);
    } else {
      may_go.emplace_back(i, history);
      victims.allowed += resident.bytes;
    }
  }

  // The order of last use: turns where they are known, since they are never equal.
  std::sort(may_go.begin(), may_go.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const auto& one) {
      const Resident& resident = residents[one.first];
      return std::tuple(one.second == nullptr ? 0 : one.second->turn, resident.last_used,
                        resident.since, std::string_view(resident.name), one.first);
    };
    return key(a) < key(b);
  });
  const std::size_t considered = std::min(may_go.size(), kMostItems);
  std::vector<Uses::Candidate> candidates;
  candidates.reserve(considered);
  for (std::size_t i = 0; i < considered; ++i) {
    const Resident& resident = residents[may_go[i].first];
    candidates.push_back({may_go[i].second, std::min(resident.bytes.count(), kMostItemBytes),
                          resident.reload.count(), weight(resident.priority)});
  }
  Uses::Picked picked;
  if (shortage.deficit > Bytes(0)) picked = uses.pick(candidates, shortage.deficit.count());

  std::vector<bool> goes(may_go.size(), false);
  for (const std::size_t chosen : picked.chosen) {
    goes[chosen] = true;
    const auto& [resident, history] = may_go[chosen];
    victims.unload.push_back(
        {resident, uses.likelihood(history, victims.guess), uses.regret(candidates[chosen])});
    victims.freed += residents[resident].bytes;
  }
  std::sort(victims.unload.begin(), victims.unload.end(), [](const Victim& a, const Victim& b) {
    return std::pair(a.regret, a.resident) < std::pair(b.regret, b.resident);
  });
  for (std::size_t i = 0; i < may_go.size(); ++i) {
    if (goes[i]) continue;
    const std::int64_t regret = i < considered ? uses.regret(candidates[i]) : 0;
    victims.kept.push_back({may_go[i].first, Spared::dearer, regret, {}});
  }
  std::sort(victims.kept.begin(), victims.kept.end(),
            [](const Kept& a, const Kept& b) { return a.resident < b.resident; });

  if (shortage.deficit <= Bytes(0)) {
    victims.why = "nothing is unloaded: nothing is missing";
  } else if (victims.unload.empty()) {
    refuse(residents, shortage, account, victims);
  } else {
    victims.outcome = Eviction::chosen;
    victims.exact = picked.exact;
    victims.why = text(shortage.deficit) + " must come free: ";
    constexpr std::size_t kNamed = 5;
    for (std::size_t i = 0; i < std::min(victims.unload.size(), kNamed); ++i) {
      const Resident& resident = residents[victims.unload[i].resident];
      victims.why += (i == 0 ? "" : ", ") + resident.name + " (" + text(resident.bytes) +
                     ", reload " + std::to_string((resident.reload.count() + 500) / 1000) + " s)";
    }
    if (victims.unload.size() > kNamed) {
      victims.why += " and " + std::to_string(victims.unload.size() - kNamed) + " more";
    }
    victims.why += victims.unload.size() == 1 ? " goes" : " go";
  }
  return victims;
}

}  // namespace headroom::decide
