// The one verdict: would it fit, now or when, and if not, what is in the way.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>
#include <headroom/room.hpp>

#include "decide/ledger.hpp"
#include "decide/promises.hpp"
#include "decide/queue.hpp"
#include "words/config.hpp"
#include "words/zone.hpp"

namespace headroom::decide {

/// The month's budget is spent.
struct Spent {
  LeastPriority least = LeastPriority::low;  ///< who may still start something
  WallTime until{};                          ///< the month's end
};

/// Everything a decision looks at. Refers to the state; REQUIRES that it outlives the decision.
struct Books {
  const Promises& promises;
  const Ledger& ledger;
  const Queue& queue;
  const Config& config;
  Instant now;
  std::uint64_t revision = 0;
  const Starts* starts = nullptr;   ///< what is kept for later; null: nothing
  const ZoneRules* zone = nullptr;  ///< for times in sentences; null: UTC
  std::optional<Spent> spent = {};
};

/// A request as the ledger sees it.
struct Wanted {
  uid_t owner = 0;
  Amounts amounts;        ///< GPU memory on each device
  std::vector<int> gpus;  ///< pools it may be placed on; empty: it wants no device
  int count = 1;          ///< of devices; several are whole ones, and come all at once
  int disk = -1;
  bool exclusive = false;
  bool whole = false;  ///< all of a device, whatever its size; then the amount is the least size
  bool spread = false;
  std::optional<std::chrono::seconds> expected;
  Queue::Key key{};    ///< its place in the order of waiters
  LeaseId parent = 0;  ///< draws from this lease
  bool more = false;   ///< for a lease that is there already: on its device, and no further lease
  Priority priority = Priority::normal;
  bool start = false;  ///< of a lease: a budget that is spent may hold it back
};

/// Reads needs against what this machine has. Fails with can_never_fit when no device qualifies,
/// with not_found for an unknown device or path, with invalid_request for an amount of nothing.
Result<Wanted> want(const Ledger& ledger, const Needs& needs);

/// What is booked when `wanted` is placed on the pool `gpu` (-1: none), of its GPU memory what is
/// booked there.
Amounts amounts_at(const Ledger& ledger, const Wanted& wanted, int gpu);

/// Decides about one request: the function behind fit and lease alike. Changes nothing.
/// REQUIRES: `wanted.key` is not that of a waiter, or is that of the waiter itself.
Verdict decide(const Books& books, const Wanted& wanted);

/// How much more a device, or memory, would have to have so that a request fits.
struct Lack {
  int pool = -1;
  std::int64_t booked = 0;  ///< that would have to be booked by nobody; not above 0: enough is
  std::int64_t free = 0;    ///< that would have to come free; not above 0: enough is
};
/// What a request lacks on these devices together, where memory is all that is missing. Empty:
/// nothing is, or something else is in the way too: a device that is closed, not known or not
/// shared, a processor or a disk. A user's cap is not looked at.
std::vector<Lack> lacks_on(const Books& books, const Wanted& wanted, const std::vector<int>& gpus);

/// On which devices room may be made for a request: each that it may be placed on; where it wants
/// several, those together that lack least. One empty set: it wants none.
std::vector<std::vector<int>> placings(const Books& books, const Wanted& wanted);

/// Whether its user's caps leave it that much once leases of his that booked `less` have ended.
bool is_within_cap(const Books& books, const Wanted& wanted, const Amounts& less);

/// Where a waiter that may start now is placed.
struct Start {
  LeaseId lease = 0;
  int gpu = -1;
  std::vector<int> others = {};  ///< further devices, where it wants several
};
/// What a start may differ by from the time that was foretold: an end is noticed and read a little
/// after it was due, and whoever ends together with it delays nobody.
inline constexpr std::chrono::milliseconds kGrace{100};

/// Most leases at once that wait for a time of their own: each is looked at with every request.
inline constexpr std::size_t kMostStarts = 64;
/// Of one user, so that nobody takes the place of all others.
inline constexpr std::size_t kMostStartsOfOne = 24;
/// From so long before its start room is made for a lease: about what a large model takes to be
/// unloaded, whose memory comes back some seconds after its answer.
inline constexpr std::chrono::minutes kRoomBefore{2};
/// A lease is late when it could not start by then: the end of one that was due at the same moment
/// is noticed, and its memory is seen back, within a sample or two.
inline constexpr std::chrono::seconds kStartGrace{2};

/// Whether the time of a lease that waits for it has come.
bool is_due(const Lease& lease, WallTime now);

/// Whether a lease may be promised for a time, and where.
struct StartPlan {
  bool kept = false;
  bool never = false;                ///< it fits at no time, and `verdict` says why
  Verdict verdict;                   ///< with `never`
  std::vector<std::string> devices;  ///< the devices that are kept for it
  /// Not kept: who is promised what is missing at that time, and why it is too little.
  std::vector<LeaseId> in_the_way;
  std::string why;
  /// Not kept: when all of these are over; empty: one of them does not say.
  std::optional<WallTime> after;
};
/// Whether a lease can be kept room for from `lease.starts` on, as long as it is expected to last
/// (for ever where nobody says): beside all that others were promised for that time, on an
/// otherwise empty machine.
/// REQUIRES: `lease.starts`.
StartPlan plan_start(const Books& books, const Lease& lease);

/// The next lease whose time has come and that can start now: in the order of their starts, each
/// beside what those before it still want. Empty: nobody.
std::optional<Start> next_due(const Books& books);

/// Why a lease that waits for its time has not started, in one sentence: when it will, and what is
/// not sure about that; or who is in the way of one whose time has come.
std::string why_not_yet(const Books& books, const Lease& lease);

/// "08:00", of another day "2026-11-23 08:00": as the clocks of the zone show it, or UTC, and then
/// it says so.
std::string time_text(const Books& books, WallTime at);

/// The next waiter that may start now: the head of the queue if it fits, else the first one behind
/// it whose start does not delay the head. Empty: nobody.
std::optional<Start> next_start(const Books& books);

/// The lease that people know: of a further device, the one that holds it.
LeaseId lead_of(const Promises& promises, LeaseId id);

/// The pool indices and amounts of a waiting lease, as `want` gave them when it asked; of one that
/// waits for its time, the devices that are kept for it.
Result<Wanted> wanted_of(const Books& books, const Lease& lease);

/// Whether the month's budget is spent, and it is one of those that wait for the next month.
bool is_over_budget(const Books& books, const Wanted& wanted);

/// Whether too much of what it could be placed on takes nobody new, or the month's budget is spent:
/// it waits for that, and keeps nobody.
bool is_shut_out(const Books& books, const Wanted& wanted);

/// Place and earliest time of every waiter, in order.
struct Outlook {
  LeaseId lease = 0;
  int place = 0;
  std::optional<WallTime> earliest;
};
std::vector<Outlook> outlook(const Books& books);

/// "3.0 GiB" and "0.5 cores" for sentences.
std::string amount_text(Resource resource, std::int64_t amount);

}  // namespace headroom::decide
