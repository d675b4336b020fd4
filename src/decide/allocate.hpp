// How much of one resource each component gets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <headroom/lease.hpp>

namespace headroom::decide {

/// What one component may, should and wants to get of one resource, in whole units of it.
struct Claim {
  std::uint64_t id = 0;      ///< breaks ties, the smaller one first; no two are equal
  std::int64_t floor = 0;    ///< it gets this much before anybody gets more than that
  std::int64_t ceiling = 0;  ///< and never more than this; at least the floor
  std::int64_t demand = 0;   ///< what it would use
  std::int64_t weight = 1;   ///< its part of what is too little for all of its class; at least 1
  Priority priority = Priority::normal;
};

/// How the classes share what is left above the floors.
enum class Classes {
  strict,    ///< a lower class gets what the higher ones leave
  weighted,  ///< 8 : 4 : 2 : 1, times the weights
};

struct Shares {
  std::vector<std::int64_t> given;  ///< in the order of the claims
  std::int64_t floors_unmet =
      0;  ///< what the floors want beyond all there is: nothing else is given then
};

/// Shares `capacity` units out: first the floors, and where these do not fit those of higher
/// classes before those of lower ones; then up to what each demands (never beyond its ceiling), one
/// level of given units per weight for all of a class.
///
/// Units go one by one to whoever would have the least per weight with it (the divisor method of
/// Jefferson): so nobody loses a unit when there is more to share, or when its weight or its demand
/// rises, as happens with the method of the largest remainder (the Alabama paradox; Balinski and
/// Young, "Fair Representation", 1982). All of it is given that anybody demands. The result does
/// not depend on the order of the claims. Amounts below 0 count as 0, and above 2^44 as that.
/// O(n log n).
Shares allocate(std::span<const Claim> claims, std::int64_t capacity,
                Classes classes = Classes::strict);

}  // namespace headroom::decide
