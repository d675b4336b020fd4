// The plan: in which order equals had best go, so that all of them have ended soonest.
#pragma once

#include <vector>

#include "decide/queue.hpp"
#include "decide/verdict.hpp"

namespace headroom::decide {

/// How long a waiter may be put behind others of its class that asked after it: `leases.ageing`, or
/// as long as it runs, whichever is more. After that it goes before all who have patience left.
std::chrono::seconds patience(const Config& config, std::chrono::seconds expected);

/// An order of the first waiters, for `Queue::follow`: whoever is out of patience by key, then the
/// others in the best order that was found, each start of which is played as `next_start` would
/// decide it (backfill included). Empty where there is nothing to order: fewer than two waiters.
/// The order of the keys where the future is not known: one of the first waiters, or a lease in
/// their way, did not say how long; or the leases that will end are too many to look ahead.
///
/// Deterministic, and bounded: some 10^5 comparisons, under a millisecond. What it finds is at
/// least as good as the order that the queue has now; called again it goes on from there.
std::vector<Queue::Key> plan(const Books& books);

}  // namespace headroom::decide
