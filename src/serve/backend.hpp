// What the routes need from whoever runs them: the daemon's loop, or the command in its own
// process.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <headroom/pressure.hpp>
#include <headroom/process.hpp>
#include <headroom/result.hpp>
#include <headroom/sample.hpp>

#include "http/message.hpp"
#include "http/peer.hpp"
#include "http/server.hpp"
#include "words/effect.hpp"
#include "words/event.hpp"
#include "words/forecast.hpp"
#include "words/view.hpp"

namespace headroom::serve {

/// What does not change while the daemon runs.
struct NodeFacts {
  std::string name;
  std::string version;
  std::string boot_id;
  std::string kernel;
  Instant started;
  std::string tier;             ///< what control groups can do here: v2, hybrid, v1, none
  std::vector<Absence> cannot;  ///< what cannot be done on this machine, and why
  std::string socket;           ///< path of the Unix socket; empty in the command's own process
  std::string listen;           ///< the TCP address that is served, with its real port; or empty
};

struct HistoryQuery {
  std::string series;  ///< "memory", "gpu_memory:GPU-…"
  std::chrono::seconds window{300};
  std::chrono::seconds step{0};  ///< 0 = as sampled
};
struct HistoryAnswer {  ///< the statistics are over values, not over averaged points
  std::vector<std::pair<WallTime, std::optional<double>>> points;
  std::optional<double> average, max, min, p95;
  std::optional<WallTime> oldest;
};

struct EventQuery {
  std::optional<WallTime> since;
  std::uint64_t after = 0;
  std::string type;
  std::size_t limit = 100;
};

struct MetricCounts;

/// Per Resource and level above ok.
using PressureEvents = std::array<std::array<std::uint64_t, 3>, kResources>;

/// Counters that are not in the view.
struct Costs {
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;
  std::uint64_t refused_connections = 0;
  std::uint64_t bad_requests = 0;
  std::uint64_t dropped_streams = 0;
  std::uint64_t events_total = 0;
  std::uint64_t journal_failures = 0;
  std::uint64_t loop_overruns = 0;      ///< turns of the loop over 10 ms
  std::uint64_t alerts_raised[3] = {};  ///< warnings, criticals, emergencies since the start
  PressureEvents pressure_events{};     ///< since the start
  std::uint64_t history_bytes = 0;      ///< on disk
  std::uint64_t notifications_failed = 0;
  const MetricCounts* counts = nullptr;  ///< the backend's own, if it keeps any
};

struct GroupHolder {
  Holder holder;
  LeaseId beside = 0;  ///< a living lease of a process in the group; 0: none
};

using Answered = std::variant<Verdict, LeaseView, Alert, Refusal, Drains, ModelView, Freed,
                              Sessions, ComponentView>;

/// All on the loop thread.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Instant now() = 0;
  virtual std::shared_ptr<const View> view() = 0;
  /// The configuration in force, without making a view.
  virtual const Config& config() = 0;
  virtual const NodeFacts& node() = 0;
  virtual const std::vector<Setting>& settings() = 0;
  /// Changes settings (key, value as typed or "" to take it back) in the configuration's own file
  /// and puts them in force. Nothing is changed when one of them is wrong.
  virtual Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>& changes) = 0;
  /// Whether a configuration's text is right, and what it would make.
  virtual Result<std::vector<Setting>> check_config(std::string_view toml) = 0;
  /// Where the token for callers from other machines is; empty: there is none.
  virtual const std::string& token() = 0;
  virtual Costs costs() = 0;
  virtual Result<HistoryAnswer> history(const HistoryQuery& query) = 0;
  /// A history that may reach further back than memory. `render` makes the body of the answer from
  /// it and may run on another thread: it must own all it uses. `done` is called once on the loop
  /// thread, at once or later.
  virtual void history(const HistoryQuery& query,
                       std::function<std::string(const HistoryAnswer&)> render,
                       std::function<void(Result<std::string>)> done) = 0;
  /// What the series of the node are going to be `ahead` from their newest samples; empty: in the
  /// time that forecasts are made for.
  virtual Result<std::vector<ForecastView>> forecasts(
      std::optional<std::chrono::seconds> ahead) = 0;
  /// The processes as last read; null before the first time. `wanted` has them read anew soon.
  virtual std::shared_ptr<const ProcessList> processes() = 0;
  /// The processes read now: `done` is called once on the loop thread, at once or later.
  virtual void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) = 0;
  virtual std::vector<EventLine> events(const EventQuery& query) = 0;
  /// Asks the control machine; `done` is called once, at once or later. Returns the request's
  /// number.
  virtual RequestId ask(const Caller& caller, Ask ask,
                        std::function<void(const Answered&)> done) = 0;
  /// The client of this request has gone: `done` is not called any more.
  virtual void withdraw(RequestId request) = 0;
  virtual Caller caller(const http::Peer& peer) = 0;
  /// The holder of this lease listens for what it is asked: `send` is called with each ask, and is
  /// false when nobody can be told that way any more. Returns the listener's number; 0: too many
  /// listen already.
  virtual std::uint64_t listen(LeaseId lease, std::function<bool(const AskHook&)> send) = 0;
  virtual void stop_listening(LeaseId lease, std::uint64_t listener) = 0;
  /// What the holder says to an ask. Errors: not_found, when it is not asked that (any more).
  virtual Result<void> answer(LeaseId lease, std::uint64_t ask, HookResult result,
                              std::string said) = 0;
  /// What components were asked to set, the newest first; of all of them for "".
  virtual std::vector<Decision> decisions(std::string_view component, std::size_t limit) = 0;
  /// As listen(), for what a component is asked to set.
  virtual std::uint64_t listen(const std::string& component,
                               std::function<bool(const CallSetter&)> send) = 0;
  virtual void stop_listening(const std::string& component, std::uint64_t listener) = 0;
  /// The process as a holder, if this caller may hold leases for it.
  virtual Result<Holder> holder(const Caller& caller, pid_t pid) = 0;
  /// A control group that somebody else made as a holder, if this caller may hold leases for it:
  /// all of its processes are the caller's, or the caller is trusted. `done` is called once, at
  /// once or later.
  virtual void holder(const Caller& caller, const GroupName& group,
                      std::function<void(Result<GroupHolder>)> done) = 0;
};

}  // namespace headroom::serve
