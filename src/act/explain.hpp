// Says in one line how a command ended, from the kernel's own counters. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <headroom/units.hpp>

#include "act/groups.hpp"

namespace headroom::act {

/// What is known about the end of a command.
struct Ending {
  std::string name;  ///< of the lease
  int status = 0;    ///< as wait() gives it
  std::chrono::seconds lasted{};
  std::optional<Bytes> booked;  ///< memory; absent: none was booked
  std::optional<Bytes> limit;   ///< the hard memory limit that was in force; absent: none
  std::optional<Left> left;     ///< what the group counted; absent: there was no group
};

/// The last line about a command, without a full stop: "train-b ended 0 after 2h 03m, peak 22.9 of
/// 24.0 GiB". A death at the limit is told from one of the whole machine, and both say what to try.
std::string explain(const Ending& ending);

/// "41s", "12m 05s", "2h 03m", "3d 04h".
std::string words_for(std::chrono::seconds duration);

/// "22.9 GiB"; one decimal, two from TiB up.
std::string words_for(Bytes amount);

/// "22.9 of 24.0 GiB": both in the unit of the larger one.
std::string words_for(Bytes part, Bytes whole);

}  // namespace headroom::act
