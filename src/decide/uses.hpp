// How the models of one device were used, and what that says about the next use.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/units.hpp>

namespace headroom::decide {

/// A way to guess when a model is used again. Each is right on some loads and wrong on others.
enum class Guess : std::uint8_t {
  oldest,  ///< no guess: whoever was used longest ago goes, whatever it costs (LRU)
  age,     ///< as long again as it has not been used
  rhythm,  ///< its last gaps between uses, those longer than it has waited already
  often,   ///< how often it was used, older uses counting less
};
inline constexpr std::size_t kGuesses = 4;

constexpr const char* to_string(Guess guess) {
  switch (guess) {
    case Guess::oldest:
      return "oldest";
    case Guess::age:
      return "age";
    case Guess::rhythm:
      return "rhythm";
    case Guess::often:
      return "often";
  }
  return "oldest";
}

/// What is remembered of one model: plain values of fixed size.
///
/// Waits are counted in turns: a turn is a use of another model than the one used before, so that
/// a hundred requests in a row to one model count as one use, and a quiet night as no time.
struct UseHistory {
  std::uint64_t turn = 0;               ///< of its last use; 0: not used yet
  std::array<std::uint32_t, 8> gaps{};  ///< turns between its last uses, a ring
  std::array<BootTime, 4> loads{};      ///< when it was loaded last, a ring
  Bytes bytes;                          ///< when it was used last
  std::chrono::milliseconds reload{};   ///< when it was used last
  std::uint32_t heat = 0;               ///< uses, halved every 256 turns, in 65536ths
  std::uint8_t gap_count = 0;
  std::uint8_t gap_next = 0;
  std::uint8_t load_count = 0;
  std::uint8_t load_next = 0;
  std::uint8_t shadows = 0;  ///< bit g: it would be resident had guess g decided all along
  bool operator==(const UseHistory&) const = default;
};
static_assert(sizeof(UseHistory) <= 112);

/// The uses of the models of one device, and which guess has served them best.
///
/// For each guess it keeps, as one bit per model, who would be resident had that guess chosen
/// every victim, and what the loads would have cost. The guess with the least cost of late leads;
/// where the leaders together have cost more than LRU would have, LRU leads. So a load that no
/// guess understands costs little more than with LRU, and nobody has to say what kind of load it
/// is. Pure: the same calls give the same state everywhere. Not kept by the journal: after a
/// restart it is learned anew, and until then `age` decides.
/// At most kMostModels models (about 200 KiB); beyond, the one used longest ago is forgotten.
class Uses {
 public:
  static constexpr std::size_t kMostModels = 1024;

  /// The model is asked for, whether it is resident or not. To be called before victims are
  /// chosen for it. `bytes`: what it takes on the device; `reload`: what loading it takes, measured
  /// or expected; `capacity`: what all models together may take there now. O(models × log).
  void used(std::string_view model, Bytes bytes, std::chrono::milliseconds reload, Bytes capacity);
  /// The model has been loaded.
  void loaded(std::string_view model, BootTime at);
  /// The model is no longer known.
  void forget(std::string_view model);

  /// Empty: never used. Valid until the next change.
  const UseHistory* find(std::string_view model) const;
  std::size_t size() const { return models_.size(); }
  Guess leader() const { return leader_; }
  /// Cost of the loads had `guess` decided all along; of the leaders' own choices.
  std::chrono::milliseconds cost(Guess guess) const;
  std::chrono::milliseconds own_cost() const;

  /// How likely the model is the next one used, in 65536ths, 1 to 65536. For `oldest` as for
  /// `age`. nullptr: as if used longest ago.
  std::uint32_t likelihood(const UseHistory* history, Guess guess) const;
  /// When the model, loaded `most` times within `window` before `now`, will have been loaded less
  /// often than that; `now` where it has not. `most`: 1 to 4.
  static BootTime calm_at(const UseHistory& history, int most, std::chrono::seconds window,
                          BootTime now);

  /// One of those among whom victims are chosen.
  struct Candidate {
    const UseHistory* history = nullptr;
    std::int64_t bytes = 0;   ///< more than 0
    std::int64_t reload = 0;  ///< milliseconds
    std::int64_t weight = 1;  ///< of its priority
  };
  struct Picked {
    std::vector<std::size_t> chosen;  ///< indices, ascending
    bool exact = true;                ///< see cheapest_cover; not exact with `oldest`
  };
  /// Who goes so that `need` bytes come free, as the leader says; nobody where they do not suffice.
  /// REQUIRES: `of` in the order of last use, oldest first, at most kMostItems.
  Picked pick(std::span<const Candidate> of, std::int64_t need) const;
  /// reload × likelihood × weight, as `pick` minimises its sum.
  std::int64_t regret(const Candidate& candidate) const;

  bool operator==(const Uses&) const = default;

 private:
  Picked pick_as(std::span<const Candidate> of, std::int64_t need, Guess guess, int like,
                 std::uint32_t most_steps) const;
  std::int64_t regret_as(const Candidate& candidate, Guess guess, int like) const;
  UseHistory& at(std::string_view model);
  void count_use(UseHistory& history, bool first);
  void load_shadow(std::size_t shadow, const UseHistory& asker, Bytes capacity);
  void elect(std::int64_t reload);

  std::map<std::string, UseHistory, std::less<>> models_;
  std::string newest_;  // the model used last
  std::uint64_t turn_ = 0;
  std::array<std::int64_t, kGuesses> lately_{};     // cost of the last 64 loads or so
  std::array<std::int64_t, kGuesses + 1> total_{};  // the last: of the leaders' own choices
  Guess leader_ = Guess::age;
};

}  // namespace headroom::decide
