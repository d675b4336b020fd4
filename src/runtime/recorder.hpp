// The thread that owns the database: history and events on disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

#include "judge/window.hpp"
#include "record/event_store.hpp"
#include "record/history.hpp"
#include "serve/backend.hpp"
#include "words/view.hpp"

namespace headroom::runtime {

/// Keeps what is measured and what happens, and answers about it. All functions belong to the loop
/// thread and none waits for the disk, but for the constructor and stop().
///
/// Samples are collected without waking the thread, which takes them once a minute or when
/// somebody asks; events within a second. Where the thread does not follow (a disk that hangs), the
/// newest 600 samples and 1000 events wait; older ones are dropped and counted.
class Recorder {
 public:
  struct Options {
    std::string dir;  ///< there already
    record::HistoryOptions history;
    Bytes budget{10LL << 20};
  };
  struct Hooks {
    /// Has work done on the loop thread. Called on the recorder's thread.
    std::function<void(std::function<void()>)> post;
    /// Called on the loop thread: something about the database that people should know, once each
    /// time it changes. May call add_event().
    std::function<void(std::string)> say;
  };
  static constexpr std::size_t kSamples = 600;
  static constexpr std::size_t kEvents = 1000;
  static constexpr std::size_t kQueries = 64;
  static constexpr std::size_t kNames = 2000;

  /// Opens the database, or notes why not, and starts the thread. `now` is for the last hour.
  Recorder(Options options, Hooks hooks, Instant now);
  /// stop(), if nobody did.
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// What was there at the start; can be taken once.
  struct Restored {
    std::vector<EventLine> events;  ///< oldest first
    record::LastIds last;           ///< no number up to these may be given
    record::Recent hour;            ///< the last hour at full rate
  };
  Restored restored();

  /// Keeps one sample. Values beyond kNames series are dropped and counted.
  void append(Instant at, std::span<const judge::Reading> readings);
  /// Keeps an event, which has its number.
  void add_event(const EventLine& line);
  /// The highest number that an alert has; to be told when one is given.
  void alert_given(std::uint64_t id);
  /// The history before `now`. `render` makes the answer's body on the recorder's thread and must
  /// own all it uses; `done` is called on the loop thread, once, always later. Errors: those of
  /// record::History, too_many_requests when kQueries wait, unavailable after stop().
  void query(const serve::HistoryQuery& query, WallTime now,
             std::function<std::string(const serve::HistoryAnswer&)> render,
             std::function<void(Result<std::string>)> done);
  /// Goes on with other settings; what is in hand is kept.
  void configure(Options options);

  /// Bytes on disk, as of the last time something was written.
  std::uint64_t bytes() const;
  /// What is wrong now; empty: nothing.
  std::string problem() const;
  /// Samples and events that were dropped because the thread did not follow.
  std::uint64_t overflowed() const;

  /// Writes all there is and ends the thread; waits for it at most ten seconds, then a disk that
  /// hangs is left to itself. Queries that wait are answered with unavailable.
  void stop();

 private:
  struct Shared;

  Hooks hooks_;
  std::map<std::string, std::uint32_t, std::less<>> names_;
  Restored restored_;
  Instant woken_{};
  std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this object
};

}  // namespace headroom::runtime
