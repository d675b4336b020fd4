#include "decide/verdict.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "decide/reason.hpp"
#include "decide/space.hpp"

namespace headroom::decide {

using later::Kept;

namespace {

// Whoever has more than these before it is told its place, and no time: it would be a guess, and
// dear. The list of leases tells it.
constexpr std::size_t kForeseen = 100;

// Looks ahead: ends leases one by one in the order they are expected to end.
class Future {
 public:
  Future(const Books& books, const Keeps& keeps, Space space)
      : books_(books),
        keeps_(keeps),
        space_(std::move(space)),
        most_(space_.room),
        next_(books.ledger.by_end().begin()) {
    const auto& pools = books.ledger.pools();
    for (std::size_t i = 0; i < most_.size(); ++i) most_[i] += pools[i].ending;
    for (const Kept& kept : keeps) {
      if (kept.until) kept_ends_.emplace_back(*kept.until, kept.lease);
    }
    std::sort(kept_ends_.begin(), kept_ends_.end());
  }

  Space& space() { return space_; }
  LeaseId last_ended() const { return last_; }
  BootTime at() const { return at_; }
  Moment moment() const { return {at_, next_}; }

  /// Goes on until the request fits. Empty: it cannot be said when.
  std::optional<Fit> until_fits(const Wanted& wanted) {
    if (!may_ever_fit(wanted)) return std::nullopt;
    // What is kept for later stays in its way while others only end: that was counted on already.
    // It is otherwise on another device, and once the time of one has come.
    bool blocked = false;
    while (true) {
      if (!blocked) {
        Fit fit = fit_now(books_, space_, wanted);
        if (fit.fits && !keeps_.empty()) {
          fit = fit_into(books_, keeps_, space_, wanted, moment());
          blocked = !fit.fits;
        }
        if (fit.fits) return fit;
      }
      const std::size_t over = kept_over_;
      const std::size_t started = started_.size();
      if (!step()) return std::nullopt;
      const auto has_begun = [&](const Kept& kept) {
        return kept.from <= at_ && !kept.is_over(at_);
      };
      if (over != kept_over_ || started != started_.size() || wanted.gpus.size() > 1 ||
          std::any_of(keeps_.begin(), keeps_.end(), has_begun)) {
        blocked = false;
      }
    }
  }
  void start(const Wanted& wanted, const Fit& fit) {
    // It gives back what it took.
    Running running{space_.amounts_on(wanted, fit.gpu),
                    fit.gpu,
                    {},
                    wanted.disk,
                    wanted.exclusive,
                    wanted.owner};
    for (const int other : fit.others) {
      running.parts.emplace_back(other, space_.part_on(wanted, other));
    }
    add(running, +1);
    if (wanted.expected) started_.emplace(at_ + *wanted.expected, std::move(running));
  }

 private:
  struct Running {
    Amounts amounts;
    int gpu;
    std::vector<std::pair<int, Amounts>> parts;  // on further devices
    int disk;
    bool exclusive;
    uid_t owner;
  };
  void add(const Running& one, int sign) {
    space_.add(one.amounts, one.gpu, one.disk, one.exclusive, one.owner, sign);
    for (const auto& [gpu, amounts] : one.parts) {
      space_.add(amounts, gpu, -1, one.exclusive, one.owner, sign, true);
    }
  }
  bool step() {
    const auto& by_end = books_.ledger.by_end();
    const bool real = next_ != by_end.end();
    // What was kept for one is there again when that has ended.
    if (kept_over_ < kept_ends_.size()) {
      const auto& [at, lease] = kept_ends_[kept_over_];
      if ((!real || at < next_->first) && (started_.empty() || at < started_.begin()->first)) {
        at_ = std::max(at_, at);
        last_ = lease;
        ++kept_over_;
        return true;
      }
    }
    if (!started_.empty() && (!real || started_.begin()->first < next_->first)) {
      const auto first = started_.begin();
      at_ = std::max(at_, first->first);
      add(first->second, -1);
      started_.erase(first);
      return true;
    }
    if (!real) return false;
    at_ = std::max(at_, next_->first);
    last_ = next_->second;
    space_.end(*books_.ledger.entry(last_));
    ++next_;
    return true;
  }

  // Whether there is room once all have ended who say when: without a look at each of them.
  bool may_ever_fit(const Wanted& wanted) const {
    const auto enough = [this](int pool, std::int64_t amount) {
      return amount <= 0 || most_[static_cast<std::size_t>(pool)] >= amount;
    };
    const Amounts& a = wanted.amounts;
    return enough(Ledger::kMemory, a.memory.count()) && enough(Ledger::kCpu, a.cpu.milli()) &&
           (wanted.disk < 0 || enough(wanted.disk, a.disk.count())) &&
           (wanted.gpus.empty() ||
            std::any_of(wanted.gpus.begin(), wanted.gpus.end(),
                        [&](int gpu) { return enough(gpu, a.gpu_memory.count()); }));
  }

  const Books& books_;
  const Keeps& keeps_;
  Space space_;
  std::vector<std::int64_t> most_;  // the room that there can be at any time
  std::set<std::pair<BootTime, LeaseId>>::const_iterator next_;
  std::multimap<BootTime, Running> started_;
  std::vector<std::pair<BootTime, LeaseId>> kept_ends_;
  std::size_t kept_over_ = 0;
  // A lease that runs longer than expected is expected to end any moment: never in the past.
  BootTime at_ = books_.now.boot;
  LeaseId last_ = 0;
};

// What the head of the queue must not lose to those that start before it.
struct Head {
  Wanted wanted;
  std::optional<BootTime> starts;  // empty: it cannot be said when
  std::optional<Space> beside;     // what is left beside it, at its start
  Moment moment;                   // that start
};

Head look_at_head(const Books& books, const Keeps& keeps, const Space& space,
                  const Wanted& wanted) {
  Head head{wanted, {}, {}, moment_of(books)};
  Future future(books, keeps, space);
  if (const auto fit = future.until_fits(wanted)) {
    head.starts = future.at();
    head.moment = future.moment();
    future.space().start(wanted, fit->gpu, fit->others);
    head.beside = future.space();
  }
  return head;
}

// Whether starting `wanted` as it fits now leaves the head its earliest start (EASY backfill:
// Lifka, "The ANL/IBM SP scheduling system", 1995). Where that start is unknown, only what the head
// cannot use may be taken: nothing of a pool that it is short of, and of the others no more than
// leaves its need.
bool leaves_head_alone(const Books& books, const Keeps& keeps, const Space& space, const Head& head,
                       const Wanted& wanted, const Fit& fit) {
  const int gpu = fit.gpu;
  if (head.starts) {
    if (wanted.expected && books.now.boot + *wanted.expected <= *head.starts + kGrace) return true;
    Wanted there = wanted;
    if (wanted.count > 1 && gpu >= 0) {  // more memory alone wants no device
      there.gpus = fit.others;
      there.gpus.push_back(gpu);
    } else {
      there.amounts = space.amounts_on(wanted, gpu);
      there.whole = false;
      if (gpu >= 0) there.gpus = {gpu};
    }
    // It has run for a while then.
    if (there.expected) {
      *there.expected -=
          std::chrono::duration_cast<std::chrono::seconds>(*head.starts - books.now.boot);
    }
    return fit_into(books, keeps, *head.beside, there, head.moment).fits;
  }
  if (wanted.owner == head.wanted.owner) {  // they share the user's cap
    UserSum sum = space.sum_of(wanted.owner);
    const Amounts amounts = space.all_on(wanted, gpu, fit.others);
    sum.booked.memory += amounts.memory;
    sum.booked.gpu_memory += amounts.gpu_memory;
    sum.booked.cpu = Cores(sum.booked.cpu.milli() + amounts.cpu.milli());
    sum.leases += wanted.more ? 0 : 1;
    if (!over_cap(books, wanted.owner, sum, sum_of(head.wanted)).empty()) return false;
  }
  const auto is_heads = [&](int pool) {
    const auto& gpus = head.wanted.gpus;
    return std::find(gpus.begin(), gpus.end(), pool) != gpus.end();
  };
  // Several devices are whole ones: the head could not use them.
  if (std::any_of(fit.others.begin(), fit.others.end(), is_heads)) return false;
  for (const Slot& slot : slots(wanted.amounts, gpu, wanted.disk)) {
    std::int64_t need = 0;
    if (slot.pool == Ledger::kMemory) need = head.wanted.amounts.memory.count();
    if (slot.pool == Ledger::kCpu) need = head.wanted.amounts.cpu.milli();
    if (slot.pool == head.wanted.disk) need = head.wanted.amounts.disk.count();
    if (is_heads(slot.pool)) {
      if (head.wanted.exclusive || wanted.exclusive) return false;
      need = head.wanted.amounts.gpu_memory.count();
    }
    if (need > 0 && space.room[static_cast<std::size_t>(slot.pool)] - slot.amount < need) {
      return false;
    }
  }
  return true;
}

// People know leases, not their further devices.
void name_leads(const Books& books, std::vector<LeaseId>& ids) {
  std::vector<LeaseId> leads;
  for (const LeaseId id : ids) {
    const LeaseId lead = lead_of(books.promises, id);
    if (std::find(leads.begin(), leads.end(), lead) == leads.end()) leads.push_back(lead);
  }
  ids = std::move(leads);
}

Verdict decide_nested(const Books& books, const Wanted& wanted) {
  Verdict verdict;
  verdict.revision = books.revision;
  const auto parent = books.promises.leases.find(wanted.parent);
  const Amounts whole = parent == books.promises.leases.end() ? Amounts() : parent->second.booked;
  const Fit fit = fit_into_parent(books, wanted);
  fill_place(books, wanted, fit, verdict);
  if (fit.fits) {
    verdict.answer = Answer::now;
    return verdict;
  }
  verdict.short_by = fit.short_by;
  verdict.in_the_way.push_back(wanted.parent);
  const bool there = fit.there;
  const bool could = there && wanted.amounts.memory <= whole.memory &&
                     wanted.amounts.gpu_memory <= fit.most_gpu && wanted.amounts.cpu <= whole.cpu &&
                     wanted.amounts.disk <= whole.disk;
  verdict.answer = could ? Answer::queued : Answer::never;
  verdict.place = could ? 1 : 0;
  verdict.why =
      could
          ? "other commands inside " + lease_text(books, wanted.parent) + " have taken its booking"
      : !there ? "it runs inside " + lease_text(books, wanted.parent) + ", which has no such device"
               : "it runs inside " + lease_text(books, wanted.parent) +
                     ", which has booked less than that";
  verdict.help.push_back({"larger", "book more for the outer run", wanted.parent, {}});
  return verdict;
}

}  // namespace

Verdict decide(const Books& books, const Wanted& wanted) {
  if (wanted.parent != 0) return decide_nested(books, wanted);
  Verdict verdict;
  verdict.revision = books.revision;
  fill_place(books, wanted, Fit(), verdict);
  if (never(books, wanted, verdict)) {
    verdict.answer = Answer::never;
    if (verdict.help.empty()) verdict.help.push_back({"smaller", "ask for less", 0, {}});
    return verdict;
  }

  if (is_over_budget(books, wanted)) {
    verdict.answer = Answer::queued;
    verdict.place = static_cast<int>(books.queue.place_of(wanted.key)) + 1;
    verdict.earliest = books.spent->until;
    verdict.why = budget_text(books);
    verdict.help.push_back({"wait", "the next month begins", 0, verdict.earliest});
    return verdict;
  }
  const Space space(books.ledger);
  const Keeps keeps = keeps_of(books);
  const Fit beside = fit_into(books, keeps, space, wanted, moment_of(books));
  // Whether it would fit if nothing was kept for later: then that is the reason.
  const Fit fit = beside.fits || keeps.empty() ? beside : fit_now(books, space, wanted);
  const bool is_kept = fit.fits && !beside.fits;
  const std::size_t before = books.queue.place_of(wanted.key);
  std::size_t looked = 0;
  const auto next_ahead = [&]() -> std::optional<Wanted> {
    while (looked < before) {
      const Lease& waiter = books.promises.leases.at(books.queue.in_order()[looked++].second);
      // Nested waiters stand in the queue too, but wait for nothing that others could take.
      if (waiter.parent != 0) continue;
      auto other = wanted_of(books, waiter);
      if (other && !keeps_nobody(books, keeps, *other)) return std::move(*other);
    }
    return std::nullopt;
  };
  std::optional<Wanted> ahead = next_ahead();
  const bool may =
      beside.fits &&
      (!ahead || leaves_head_alone(books, keeps, space, look_at_head(books, keeps, space, *ahead),
                                   wanted, fit));
  if (fit.best_gpu >= 0) verdict.best_gpu = books.ledger.pool(fit.best_gpu).device;
  if (may) {
    verdict.answer = Answer::now;
    fill_place(books, wanted, fit, verdict);
    return verdict;
  }

  verdict.answer = Answer::queued;
  verdict.place = static_cast<int>(before) + 1;
  verdict.short_by = fit.short_by;
  Future future(books, keeps, space);
  bool known = before <= kForeseen;
  for (; ahead && known; ahead = next_ahead()) {
    const auto there = future.until_fits(*ahead);
    known = there.has_value();
    if (known) future.start(*ahead, *there);
  }
  LeaseId ends_first = 0;
  if (known) {
    if (future.until_fits(wanted)) {
      verdict.earliest = wall(books, future.at());
      ends_first = future.last_ended();
    }
  }
  if (is_kept) {
    explain_kept(books, keeps, space, wanted, beside, verdict);
  } else {
    explain(books, wanted, fit, ends_first, verdict);
  }
  name_leads(books, verdict.in_the_way);
  ends_first = lead_of(books.promises, ends_first);
  if (verdict.earliest) {
    verdict.help.push_back(
        {"wait",
         ends_first == 0 ? std::string("it fits when those who wait before it have had their turn")
                         : "it fits when " + lease_text(books, ends_first) + " ends",
         ends_first, verdict.earliest});
  } else if (!verdict.in_the_way.empty()) {
    verdict.help.push_back({"wait",
                            "it fits after " + lease_text(books, verdict.in_the_way.front()) +
                                (verdict.in_the_way.size() > 1 ? " and others have" : " has") +
                                (known ? " ended; when that is, not all have said"
                                       : " ended and those who wait before it have had their "
                                         "turn; when that is, not all have said"),
                            verdict.in_the_way.front(),
                            {}});
  }
  const bool devices = wanted.count > 1 && fit.short_pool >= 0 &&
                       books.ledger.pool(fit.short_pool).resource == Resource::gpu_memory;
  if (fit.short_pool >= 0 && books.ledger.pool(fit.short_pool).drained) {
    verdict.help.push_back(
        {"drain", "root or the group headroom ends it: headroom drain --undo", 0, {}});
  } else if (devices) {
    const auto free = std::count_if(wanted.gpus.begin(), wanted.gpus.end(),
                                    [&](int gpu) { return takes(books, space, wanted, gpu); });
    if (free > 0 && wanted.exclusive) {
      verdict.help.push_back(
          {"smaller",
           "ask for at most " + std::to_string(free) + (free == 1 ? " whole GPU" : " whole GPUs"),
           0,
           {}});
    }
  } else if (fit.short_pool >= 0 && fit.capped.empty()) {
    const Pool& pool = books.ledger.pool(fit.short_pool);
    std::int64_t room = pool.room();
    if (const auto least = least_room(books, keeps, space, wanted, moment_of(books))) {
      room = std::min(room, least->room[static_cast<std::size_t>(fit.short_pool)]);
    }
    if (room > 0) {
      verdict.help.push_back(
          {"smaller",
           "ask for at most " + amount_text(pool.resource, room) + " of " + pool.name,
           0,
           {}});
    }
  }
  return verdict;
}

std::vector<Lack> lacks_on(const Books& books, const Wanted& wanted, const std::vector<int>& gpus) {
  const Ledger& ledger = books.ledger;
  std::vector<Lack> lacks;
  bool only_memory = true;
  std::optional<Space> least;
  if (const Keeps keeps = keeps_of(books); !keeps.empty()) {
    Wanted here = wanted;
    if (!wanted.gpus.empty()) here.gpus = gpus;
    least = least_room(books, keeps, Space(ledger), here, moment_of(books));
  }
  const auto look = [&](int index, std::int64_t need) {
    if (index < 0 || need <= 0) return;
    const Pool& pool = ledger.pool(index);
    // What is kept for others has to be there besides.
    if (least && pool.unknown.empty()) {
      need += pool.balance() - least->room[static_cast<std::size_t>(index)];
    }
    const bool open = pool.unknown.empty() && !pool.drained && !pool.hot;
    if (open && pool.balance() >= need) return;
    if (!open || (pool.resource != Resource::memory && pool.resource != Resource::gpu_memory)) {
      only_memory = false;
      return;
    }
    lacks.push_back(
        {index, need + pool.margin - (pool.capacity - pool.reserve - pool.booked),
         need + pool.margin - (pool.free - pool.refused - pool.unmaterialised - pool.unseen)});
  };
  for (const int gpu : gpus) {
    const Pool& pool = ledger.pool(gpu);
    if (pool.exclusive > 0 || (wanted.exclusive && pool.leases > 0)) return {};
    if (least && (least->exclusive[static_cast<std::size_t>(gpu)] > 0 ||
                  (wanted.exclusive && least->leases[static_cast<std::size_t>(gpu)] > 0))) {
      return {};
    }
    look(gpu, least_on(pool, wanted));
  }
  look(Ledger::kMemory, wanted.amounts.memory.count());
  look(Ledger::kCpu, wanted.amounts.cpu.milli());
  look(wanted.disk, wanted.amounts.disk.count());
  if (!only_memory) return {};
  return lacks;
}

std::vector<std::vector<int>> placings(const Books& books, const Wanted& wanted) {
  std::vector<std::vector<int>> all;
  if (wanted.gpus.empty()) return {{}};
  if (wanted.count == 1) {
    for (const int gpu : wanted.gpus) all.push_back({gpu});
    return all;
  }
  std::vector<std::pair<std::int64_t, int>> lacks;
  for (const int gpu : wanted.gpus) {
    const Pool& pool = books.ledger.pool(gpu);
    if (!pool.unknown.empty() || pool.drained || pool.hot || pool.exclusive > 0) continue;
    if (wanted.exclusive && pool.leases > 0) continue;
    lacks.emplace_back(std::max<std::int64_t>(0, least_on(pool, wanted) - pool.room()), gpu);
  }
  const auto count = static_cast<std::size_t>(wanted.count);
  if (lacks.size() < count) return {};
  std::sort(lacks.begin(), lacks.end());
  std::vector<int>& least = all.emplace_back();
  for (std::size_t i = 0; i < count; ++i) least.push_back(lacks[i].second);
  return all;
}

std::optional<Start> next_start(const Books& books) {
  if (books.queue.empty()) return std::nullopt;
  const Space space(books.ledger);
  const Keeps keeps = keeps_of(books);
  std::optional<Head> head;
  for (const Queue::Key& key : books.queue.in_order()) {
    const Lease& waiter = books.promises.leases.at(key.second);
    auto wanted = wanted_of(books, waiter);
    if (!wanted) continue;
    if (waiter.parent != 0) {
      if (const Fit fit = fit_into_parent(books, *wanted); fit.fits)
        return Start{waiter.id, fit.gpu, fit.others};
      continue;
    }
    if (is_shut_out(books, *wanted)) continue;
    const Fit fit = fit_into(books, keeps, space, *wanted, moment_of(books));
    if (!head) {
      if (fit.fits) return Start{waiter.id, fit.gpu, fit.others};
      if (!keeps_nobody(books, keeps, *wanted)) head = look_at_head(books, keeps, space, *wanted);
    } else if (fit.fits && leaves_head_alone(books, keeps, space, *head, *wanted, fit)) {
      return Start{waiter.id, fit.gpu, fit.others};
    }
  }
  return std::nullopt;
}

std::vector<Outlook> outlook(const Books& books) {
  std::vector<Outlook> out;
  const Keeps keeps = keeps_of(books);
  Future future(books, keeps, Space(books.ledger));
  bool known = true;
  int place = 0;
  for (const Queue::Key& key : books.queue.in_order()) {
    const Lease& waiter = books.promises.leases.at(key.second);
    Outlook one{waiter.id, ++place, {}};
    const auto wanted = wanted_of(books, waiter);
    if (wanted && waiter.parent == 0 && known && !keeps_nobody(books, keeps, *wanted)) {
      if (const auto fit = future.until_fits(*wanted)) {
        one.earliest = wall(books, future.at());
        future.start(*wanted, *fit);
      } else {
        known = false;
      }
    }
    out.push_back(one);
  }
  return out;
}

}  // namespace headroom::decide
