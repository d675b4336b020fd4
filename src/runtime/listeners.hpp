// The holders of leases that listen for what they are asked.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "words/effect.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// Hands asks to the holders that listen, and takes their answers. Every ask is answered once: by
/// its holder, or `unreachable` as soon as nobody listens, or `timed_out`. Loop thread only.
class Listeners {
 public:
  /// Takes one ask; false when it cannot any more.
  using Send = std::function<bool(const AskHook& ask)>;

  static constexpr std::size_t kMost = 1000;
  static constexpr std::size_t kMostOfLease = 8;
  static constexpr std::size_t kMostAsked = 1000;  ///< without an answer yet
  static constexpr std::chrono::seconds kWithin{10};

  /// `answered` may call this object again.
  explicit Listeners(std::function<void(HookAnswered)> answered) : answered_(std::move(answered)) {}

  /// Whoever holds this lease listens from now on. 0: too many do already, and nothing is kept.
  std::uint64_t listen(LeaseId lease, Send send);
  void stop_listening(LeaseId lease, std::uint64_t listener);

  /// All who listen for its lease hear of it, and the first answer counts.
  void ask(const AskHook& ask, BootTime at);
  /// Errors: not_found, when nobody of this lease is asked that (any more); invalid_request, for a
  /// result that is not a holder's to say.
  Result<void> answer(LeaseId lease, std::uint64_t ask, HookResult result, std::string said);

  /// Nobody listens any more, and nobody is told.
  void close();

  /// Ends the asks whose time is over.
  void tick(BootTime at);
  /// When tick() has something to do.
  std::optional<BootTime> next() const;

 private:
  struct Asked {
    LeaseId lease = 0;
    BootTime until;
  };
  bool listens(LeaseId lease) const;
  void end(std::uint64_t ask, HookResult result, std::string said);
  void end_all_of(LeaseId lease);

  std::function<void(HookAnswered)> answered_;
  std::map<std::pair<LeaseId, std::uint64_t>, Send> listeners_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_ = 0;
};

}  // namespace headroom::runtime
