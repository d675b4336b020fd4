// How much a thing will take, from what its last runs have taken.
#pragma once

#include <chrono>
#include <span>
#include <string_view>
#include <vector>

#include <headroom/size.hpp>
#include <headroom/units.hpp>

#include "decide/promises.hpp"

namespace headroom::decide {

/// What one run took at most.
struct Peak {
  Bytes bytes;          ///< not above 0: it was not measured, and says nothing
  bool killed = false;  ///< it died there for want of memory: a whole run takes more
};

/// How near the runs are to the one that is asked about: how much two such runs differ before
/// anything else is known of them.
enum class Kin {
  same,           ///< its own configuration, on such a device
  device,         ///< its own configuration, on other devices
  configuration,  ///< other configurations
};

/// The interval that the next run is expected in; empty where no peak says anything.
///
/// Works on logarithms, in which what programs add to their size is a share of it. Of n runs that
/// are exchangeable the next is above all with a chance of 1 / (n + 1), and what it has beyond them
/// falls off exponentially there with a mean that is estimated from how far the runs lie above
/// their least (the estimate of greatest likelihood for a shifted exponential distribution; Epstein
/// and Sobel, 1954), together with what is taken for granted of runs that are so near each other,
/// which counts as three runs. `p95` is where 5 % are above that, never below the highest of
/// `peaks`; `p50` the geometric mean of the last three, which follows a trend.
///
/// A death raises both to at least what it had, and where no whole run came after it, `p95` by a
/// quarter more: once, however often it dies in a row, so that what takes all there is does not
/// grow for ever. Both are above 0 and at most 2^62. `peaks`: oldest first.
std::optional<Interval> predict(std::span<const Peak> peaks, Kin kin);

/// What a process takes of a device beyond its model, from what others took there beyond theirs
/// (all of them at least 0; the last 8 count); `prior` where `measured` is empty.
Interval predict_beyond(Interval prior, std::span<const Bytes> measured);

/// `size` with `beyond` added to its GPU memory; nothing where it has none.
void add_beyond(Size& size, Interval beyond);

/// What is known from the runs of a name.
struct Known {
  Size size;                       ///< `from` is nobody where nothing is
  std::chrono::seconds length{0};  ///< of the longest of them; 0: not known
};

/// What `name` is known to need in `config` on `device` (the model of a GPU; "": none, or not one
/// of them alone). Of what was learned, the most specific counts: the same configuration on such a
/// device or on none, then on other devices, then other configurations. A `config` that is empty
/// means the one that ran last.
Known known_size(const std::map<LearnedKey, Learned>& learned, std::string_view name,
                 std::string_view config, std::string_view device);

/// Adds a run to those that are kept, of which the oldest goes where there are kLearnedRuns. Of
/// deaths in a row the first stays: the next booking is measured by it.
void keep_run(std::vector<LearnedRun>& runs, const LearnedRun& run);

inline constexpr std::size_t kMostLearned = 2000;  ///< sets of runs
inline constexpr std::size_t kMostLearnedOfName = 32;

/// What is to be forgotten before runs of `key` can be kept within these bounds: who ran longest
/// ago. Empty where there is room or it is known already.
std::optional<LearnedKey> crowded_out(const std::map<LearnedKey, Learned>& learned,
                                      const LearnedKey& key);

}  // namespace headroom::decide
