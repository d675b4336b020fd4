// What a decision costs with many leases and many waiters.
#pragma once

namespace headroom::schedule {

/// Measures on this machine's clock and prints median, 99th percentile and worst of: a question
/// that fits, one that has to wait, a request that joins the queue, and a release from the exit
/// of a holder until the next waiter is granted. 10 000 leases, 1 000 waiting.
void print_speed();

}  // namespace headroom::schedule
