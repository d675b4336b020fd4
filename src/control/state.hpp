// All state of the daemon: promises, which the journal keeps, and readings, which are learned anew.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/lease.hpp>
#include <headroom/sample.hpp>

#include "decide/allocation.hpp"
#include "decide/ladder.hpp"
#include "decide/ledger.hpp"
#include "decide/promises.hpp"
#include "decide/queue.hpp"
#include "decide/uses.hpp"
#include "judge/alerts.hpp"
#include "judge/forecast.hpp"
#include "judge/gauge.hpp"
#include "judge/limit.hpp"
#include "words/changed_leases.hpp"
#include "words/config.hpp"
#include "words/effect.hpp"
#include "words/event.hpp"

namespace headroom::control {

/// How long a lease has used less than half of something that it booked, and how much at most.
struct Quiet {
  BootTime since{};
  Bytes most;
  bool said = false;  ///< its owner was told
};

/// What is known of a lease's use.
struct Use {
  std::optional<Amounts> measured;  ///< empty: nothing was read yet
  Amounts peak;
  Bytes highest;    ///< of what decides between loading and active
  BootTime rose{};  ///< when that last rose
  Bytes credit;     ///< the last step of the soft fence; doubles while it is asked for
  std::optional<BootTime> handed_over;  ///< readings up to then are of another holder
  std::optional<BootTime> credited;     ///< when it was last raised
  std::optional<BootTime> lent_since;   ///< since when what it takes of what it was lent is watched
  Bytes most_taken;                     ///< since then
  bool held = false;                    ///< at its fence, and no room to raise it
  std::optional<BootTime> held_since;
  Bytes granted_before;             ///< State::granted when it was held, or its last turn began
  Bytes turn;                       ///< what it is still served with before the queue
  std::optional<BootTime> touched;  ///< the kernel last told that it came to its fence
  bool hopeless = false;            ///< it was said that it would be ended, had a person allowed it
  std::optional<BootTime> rests_until;  ///< it stood still for as long as it may
  bool no_weight = false;               ///< its share of the processors cannot be changed
  bool over = false;                    ///< it was said that it uses more than it booked
  bool loaded = false;                  ///< it has been active
  Bytes others_peak;                    ///< of its further devices that are back already
  std::optional<Quiet> quiet_memory;    ///< empty: it uses it, or nobody can say
  std::optional<Quiet> quiet_gpu;
  std::optional<BootTime> idle_due;  ///< its place in State::idle_due
};

/// An ended or ending lease whose groups still have to be looked at.
struct Look {
  BootTime next{};
  std::chrono::milliseconds delay{0};
  Group group;
};

/// GPU bytes that a lease whose holder has died must still give back.
struct Owed {
  std::int64_t held = 0;     ///< what was measured of it at last
  std::int64_t foreign = 0;  ///< of the device's use then, what no lease accounted for
  BootTime since{};          ///< a sample says something only when it is newer
  BootTime patience{};       ///< after this they are quarantined
};

/// What is known of the use of a model since the daemon started.
struct ModelUse {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;         ///< of the requests, while it was resident
  std::optional<BootTime> used;   ///< last
  std::optional<BootTime> quiet;  ///< asked in vain: not asked again until then
  int in_vain = 0;                ///< how often in a row
};

/// What an engine last told.
struct Engine {
  bool answers = false;
  std::vector<EngineModel> models;
  std::map<std::string, BootTime> since;  ///< when each of them was told of first
};

/// Somebody was asked to unload a model. Its memory counts when a sample shows it back.
struct Unloading {
  FreeStep step;
  int pool = -1;            ///< the device whose memory is meant
  std::string engine;       ///< that holds it without a lease; or empty
  std::int64_t before = 0;  ///< what of it was in use
  BootTime asked{};
  std::optional<BootTime> answered;  ///< empty: no answer yet
  std::optional<BootTime> patience;  ///< after the answer: until when it may come back
  std::string reason;
};

/// A client that waits for what was asked to be freed.
struct Freeing {
  Freed freed;
  std::vector<std::uint64_t> asks;  ///< whose steps are at the same place in `freed`
  std::size_t open = 0;             ///< of these, not ended yet
  BootTime until{};
};

/// What is being done about session folders: one thing at a time.
struct SessionRun {
  std::uint64_t number = 0;
  RequestId request = 0;  ///< who waits for it; 0: headroom began it by itself
  Caller caller;
  AskSessions ask;
  BootTime began{};
  bool cleaning = false;  ///< the folders were seen; now it may take its time
  bool late = false;      ///< they did not answer, and who asked has been told so
  Sessions report;        ///< once the plan is made
};

/// A client that waits for a lease to leave the queue.
struct Poll {
  LeaseId lease = 0;
  std::optional<BootTime> until;  ///< empty: as long as it takes
};

/// A lease that headroom ends.
struct Killing {
  BootTime since{};
  bool hard = false;      ///< its time to end by itself is over
  bool hopeless = false;  ///< alone and at its fence in vain when it was asked, so for any overrun
  std::string reason;
};

/// How fast memory fills.
struct Filling {
  std::optional<std::int64_t> left;  ///< at the last look
  BootTime at{};
  double fast = 0;  ///< bytes per second, over about a second
  double slow = 0;  ///< over about ten
  std::optional<std::int64_t> swap_free;
  std::optional<BootTime> swapped;  ///< when swap was last taken
};

/// What is learned of one amount of a component.
struct Demand {
  std::optional<std::int64_t> used;    ///< now; empty: nobody says
  std::optional<std::int64_t> peak;    ///< since the last cycle
  std::optional<std::int64_t> judged;  ///< what it used at the last cycle
  /// The most that it has set, where that is less than it was asked to; and when.
  std::optional<std::pair<std::int64_t, BootTime>> own_most;
  std::optional<std::int64_t> wanted;  ///< what it would be given if there were enough
  std::string method;                  ///< what that was told from
  double confidence = 0;
  std::optional<BootTime> told;  ///< it said itself what it uses
  std::optional<judge::Forecaster> forecaster;
  std::optional<judge::LimitEstimator> limit;
  std::optional<BootTime> fed;
  std::uint64_t samples = 0;
  std::uint64_t changes = 0, failures = 0;  ///< of the allocation
  bool lent = false;  ///< it was said that others have a part of what it is meant to have
};

/// A component was asked to set something.
struct Call {
  std::uint64_t ask = 0;
  BootTime since{};
  BootTime until{};  ///< its place in State::calls_due
  std::vector<std::pair<Allotted, decide::Move>> moves;
  std::vector<CallSetter::Value> values;
};

/// What is known of a registered component besides what is promised.
struct ComponentRun {
  std::uint64_t number = 0;  ///< its id among the allocations
  bool listens = false;
  std::optional<Instant> heard;
  std::array<Demand, kAllotted> demands;
  std::map<Allotted, decide::Move> due;  ///< moves that wait for the answer to the last ask
  std::optional<Call> call;              ///< asked and not answered
  bool call_sent = false;                ///< the last one; else nobody was there to hear it
  std::optional<Call> late;              ///< its time was over, and nothing else was asked since
  std::map<std::string, double> values;  ///< of its setters, as applied
  std::uint64_t asked = 0, applied = 0, failed = 0, timed_out = 0;
  double failures = 0;               ///< share of the last fifty or so asks that were not done
  std::optional<BootTime> asked_at;  ///< last
  int in_vain = 0;                   ///< times in a row that it did not answer in time
  std::optional<std::chrono::microseconds> answers_in;
  std::string problem;
  std::string window;  ///< the times whose bounds are in force
};

struct State {
  std::shared_ptr<const Config> config;
  std::uint64_t revision = 0;  ///< counts the events that changed anything

  decide::Promises promises;

  // Indices of the promises.
  decide::Ledger ledger;
  decide::Queue queue;
  std::map<Holder, std::set<LeaseId>> holders;      ///< of leases that have not ended
  std::map<LeaseId, std::set<LeaseId>> nested;      ///< living leases inside a lease
  std::map<LeaseId, std::set<LeaseId>> parts;       ///< further devices of a lease of several
  std::map<std::string, std::set<LeaseId>> on_gpu;  ///< living leases that were given a device
  /// Living leases that hold a model or use it.
  std::map<std::string, std::set<LeaseId>, std::less<>> model_leases;
  std::map<std::pair<uid_t, std::string>, LeaseId> keys;
  std::set<std::pair<BootTime, LeaseId>> give_up;
  std::set<std::pair<BootTime, LeaseId>> expires;
  decide::Starts starts;  ///< of those who wait for a time of their own
  /// In the order they ended, or were last told about: neither clock orders the ends of several
  /// boots.
  std::map<std::uint64_t, LeaseId> ended;
  std::map<LeaseId, std::uint64_t> ended_place;  ///< the keys of `ended`
  std::uint64_t last_ended = 0;

  // Readings.
  std::shared_ptr<const Sample> sample;
  std::map<LeaseId, Use> uses;
  ChangedLeases look_again;  ///< the next sample concerns them even where they read as before
  /// When something is to be said or done about a booking that lies idle.
  std::set<std::pair<BootTime, LeaseId>> idle_due;
  std::map<LeaseId, Look> looks;
  std::map<LeaseId, Owed> owed;
  std::set<LeaseId> placing;  ///< granted, the groups are not made yet
  std::map<RequestId, Poll> polls;
  std::map<std::pair<Resource, std::string>, judge::Gauge> gauges;
  std::map<std::string, ModelUse, std::less<>> model_uses;
  std::map<std::string, decide::Uses> model_history;  ///< by device
  std::map<std::string, Engine> engines;              ///< by the name of their hook
  std::map<std::uint64_t, Unloading> unloading;       ///< by the number of the ask
  std::map<RequestId, Freeing> freeing;
  /// What loads of models took beyond what is stated of these, newest last, by the model of the
  /// GPU.
  std::map<std::string, std::vector<Bytes>> beyond;
  std::uint64_t last_ask = 0;
  decide::Ladder ladder;
  Filling filling;
  std::set<std::pair<Resource, std::string>> shrinking;  ///< until use is at cleanup_to
  std::set<LeaseId> frozen;                              ///< an index of the promises
  Bytes granted;           ///< memory of all leases that were granted since the start
  std::set<LeaseId> lent;  ///< whose fence was raised, and may not be there yet
  std::map<LeaseId, std::int64_t> at_fence;  ///< held there, and what is kept for each
  std::map<LeaseId, int> slowed;             ///< percent of the processors' share that they have
  LeaseId weighed = 0;                    ///< up to here those were looked for who should have less
  std::map<LeaseId, Killing> killing;     ///< one, and those that do not go
  std::optional<BootTime> killed;         ///< when the last one was told to end
  std::optional<BootTime> thawed;         ///< when the last one was let go because there is room
  std::optional<BootTime> touched;        ///< when somebody last came to its fence
  std::optional<BootTime> held_at;        ///< when somebody last was held there, and not stopped
  std::optional<SessionRun> session_run;  ///< under way
  std::deque<SessionRun> session_runs;    ///< waiting
  std::uint64_t last_session_run = 0;
  std::map<std::string, SessionRootView> session_roots;
  std::vector<SessionRoot> sessions_seen;  ///< by the last look
  std::optional<BootTime> sessions_seen_at;
  std::optional<BootTime> session_due;  ///< when cleaning by itself is thought of again
  bool sessions_interrupted = false;    ///< the daemon died in a cleaning
  std::map<std::string, ComponentRun, std::less<>> component_runs;  ///< of those registered
  std::map<Holder, std::set<std::string>> component_holders;
  std::map<LeaseId, std::set<std::string>> component_leases;  ///< who is in it; never an empty set
  std::set<std::pair<BootTime, std::string>> calls_due;       ///< asks that nobody may answer later
  /// What components have and were asked to have: of the node's (0), or inside a lease that
  /// somebody else booked.
  std::map<LeaseId, std::array<decide::Allocation, kAllotted>> allocations;
  std::uint64_t last_component = 0;  ///< number
  /// What an earlier run learned of components that have not come back yet: the states of
  /// forecaster and limit.
  std::map<std::pair<std::string, Allotted>, std::pair<std::string, std::string>> remembered;
  std::uint64_t last_call = 0;
  std::optional<BootTime> turned;  ///< the last regular cycle
  std::uint64_t turns = 0;
  std::optional<BootTime> cycled;       ///< the last one
  bool cycle_wanted = false;            ///< something has changed since
  bool cycle_at_sample = false;         ///< what there is was not known
  std::optional<BootTime> cycles_paid;  ///< see between_cycles()
  bool rebook_components = false;       ///< their leases book what was so before a restart
  ZoneRules zone;
  std::optional<BootTime> spent_at;  ///< up to when the month's cost was counted
  Money unsaved;                     ///< of it, what the promises do not have yet
  Money rate;                        ///< of the node in an hour, at the last sample
  std::optional<BootTime> saved_at;  ///< when the promises last took it
  judge::Alerts alerts;
  std::uint64_t last_alert = 0;
  std::optional<double> cpu_unbooked;  ///< cores, averaged over the last minute
};

}  // namespace headroom::control
