// What it costs: the node, and what leases book of it.
#pragma once

#include <chrono>
#include <optional>

#include <headroom/lease.hpp>
#include <headroom/units.hpp>

#include "decide/ledger.hpp"
#include "words/config.hpp"

namespace headroom::decide {

/// An amount in units of the currency.
Money money(double amount);

/// What the node costs in an hour as it is now: its price, that of `gpus` GPUs, and the energy of
/// cost.idle_watts and of `watts`, which its meters tell.
Money node_per_hour(const Config::Cost& cost, int gpus, std::optional<double> watts);

/// What a booking costs in an hour: half of the node's price, idle watts included, for its share of
/// the memory and half for that of the processors; of the device `gpu` (a pool; -1: none) the price
/// for its share of that one's memory, all of it where nobody else may be there. Of a capacity that
/// is not known, nothing. All that can be booked at once never costs more than the node does.
Money booking_per_hour(const Config::Cost& cost, const Ledger& ledger, const Amounts& booked,
                       int gpu, bool exclusive);

/// What that comes to in a time; nothing where the time is negative.
Money over(Money per_hour, std::chrono::nanoseconds time);

}  // namespace headroom::decide
