// The plan: in which order equals had best go, so that all of them have ended soonest.
#pragma once

#include <vector>

#include "decide/queue.hpp"
#include "decide/verdict.hpp"

namespace headroom::decide {

/// How long a waiter may be put behind others of its class that asked after it: `leases.ageing`, or
/// as long as it runs, whichever is more. After that it goes before all of them, but for those who
/// have no patience left either and asked together with it.
std::chrono::seconds patience(const Config& config, std::chrono::seconds expected);

/// Whoever asks within this of another asked together with it. A tenth of `leases.ageing`.
std::chrono::seconds asked_together(const Config& config);

/// An order of the first waiters (256 of one class at most), for `Queue::follow`: the best that was
/// found among those that put nobody off beyond its patience. The first one stays first. Each start
/// is played as `next_start` would decide it, backfill included. Empty where there is nothing to
/// order: fewer than two waiters. The order of the keys where the future is not known: the first of
/// the waiters, or a lease in their way, did not say how long; or the leases that will end are too
/// many to look ahead.
///
/// Deterministic, and bounded: some 10^5 comparisons, under a millisecond. What it finds is at
/// least as good as the order that the queue has now; called again it goes on from there.
std::vector<Queue::Key> plan(const Books& books);

}  // namespace headroom::decide
