// What a verdict says besides its answer: the place, why not, and who is in the way.
#pragma once

#include <cstdint>
#include <string>

#include "decide/space.hpp"

namespace headroom::decide {

/// Most leases that a refusal names.
inline constexpr std::size_t kNamed = 3;

std::string budget_text(const Books& books);
std::string lease_text(const Books& books, LeaseId id);
std::int64_t amount_in(const Books& books, LeaseId id, int pool);

/// Why it does not fit now, in one sentence; fills who is in the way.
void explain(const Books& books, const Wanted& wanted, const Fit& fit, LeaseId ends_first,
             Verdict& verdict);
/// Why a request that would fit now has to wait: what it would take is kept for later. Says with
/// what length it would fit now.
void explain_kept(const Books& books, const Keeps& keeps, const Space& space, const Wanted& wanted,
                  const Fit& fit, Verdict& verdict);
/// Larger than anything this machine could ever give? Then says why.
bool never(const Books& books, const Wanted& wanted, Verdict& verdict);
void fill_place(const Books& books, const Wanted& wanted, const Fit& fit, Verdict& verdict);

}  // namespace headroom::decide
