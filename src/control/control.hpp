// The one state machine. Every event of the daemon goes through here, one at a time.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/state.hpp"
#include "decide/verdict.hpp"
#include "decide/victims.hpp"
#include "words/effect.hpp"
#include "words/event.hpp"
#include "words/view.hpp"

namespace headroom::control {

/// Takes one event at one instant, changes the state, says what has to be done about it.
///
/// No clock, no I/O, no thread, no randomness: the same events give the same state and the same
/// effects. Not thread-safe; the loop thread owns it.
class Control {
 public:
  explicit Control(Config config);

  /// REQUIRES: `at.boot` does not go back.
  Effects apply(const Event& event, Instant at);

  const State& state() const { return state_; }
  /// When a `Ticked` is due; empty: never.
  std::optional<BootTime> next_deadline() const;
  /// Everything a reader may want to see, as of now. Work in proportion to the number of leases.
  View view(Instant at) const;
  /// What was learned of components, for Restored::foresight of a later run of the same build.
  std::string save_foresight() const;
  /// No alert gets a number up to this one. Before the first event.
  void number_alerts_after(std::uint64_t last) { state_.last_alert = last; }

 private:
  using Leases = std::map<LeaseId, Lease>;

  void on(const Sampled& event);
  void on(const Asked& event);
  void on(const Withdrawn& event);
  void on(const Exited& event);
  void on(const Ticked& event);
  void on(const Restored& event);
  void on(const Configured& event);
  void on(const Placed& event);
  void on(const Fenced& event);
  void on(const Frozen& event);
  void on(const Weighed& event);
  void on(const Terminated& event);
  void on(const Touched& event);
  void on(const Released& event);
  void on(const HookAnswered& event);
  void on(const EngineRead& event);
  void on(const SessionsSeen& event);
  void on(const SessionsCleaned& event);
  void on(const SessionMade& event);
  void on(const ComponentHeard& event);
  void on(const SetterAnswered& event);
  void on(const ZoneRead& event);

  // Requests (requests.cpp). Each answers, or leaves a poll behind.
  void ask(const Asked& asked, const AskFit& ask);
  void ask(const Asked& asked, const AskLease& ask);
  void ask(const Asked& asked, const AskWait& ask);
  void ask(const Asked& asked, const AskChange& ask);
  void ask(const Asked& asked, const AskEnd& ask);
  void ask(const Asked& asked, const AskAcknowledge& ask);
  void ask(const Asked& asked, const AskMute& ask);
  void ask(const Asked& asked, const AskDrain& ask);
  void ask(const Asked& asked, const AskModel& ask);
  void ask(const Asked& asked, const AskFree& ask);
  void ask(const Asked& asked, const AskSessions& ask);
  void ask(const Asked& asked, const AskComponent& ask);
  /// Takes in one that is to start at a time.
  void ask_start(const Asked& asked, const AskLease& ask, Lease lease);
  std::optional<Error> counted_twice(const AskLease& ask) const;
  Error measured_beside(const std::string& what, LeaseId id) const;
  /// Moves a lease whose device would not give `bytes` to another one; refuses where it cannot.
  void move_after_failure(const Asked& asked, const Lease& lease, Bytes bytes);
  Drains drains() const;
  /// For whom room is made.
  struct Asker {
    Priority priority = Priority::normal;
    std::string model;  ///< never a victim of its own
  };
  /// The verdict, with the models that would go, and those on the device whom nobody booked for.
  Verdict judge_request(const decide::Wanted& wanted, const Asker& asker) const;
  void tell(const Alert& alert, judge::AlertStep step);
  void say_of(const Alert& alert, const char* type, uid_t by);
  void respond(RequestId request, const Lease& lease);
  void refuse(RequestId request, Error error, std::optional<Verdict> verdict = {});
  /// The lease if the caller may change it; else it refuses.
  const Lease* owned(const Asked& asked, LeaseId id);

  // The life of a lease (lifecycle.cpp).
  /// Books it: on the pool `gpu` (-1: no device), and on further ones; all in one event.
  void grant(Lease lease, int gpu, const std::vector<int>& others = {});
  void end_late_waiters();
  void run_queue();
  /// Grants those whose time has come, and says who is late.
  void run_starts();
  /// Those whose time has come or is near, in its order.
  std::vector<LeaseId> near_starts() const;
  void holder_gone(LeaseId id);
  /// Ends it and what is nested in it. `gone`: its holder has died, and what it held was looked at.
  void end(LeaseId id, std::string reason, bool gone = false);
  /// Ends it unless something of it is still there. `gone`: it was looked at after its holder's
  /// death.
  void try_end(LeaseId id, bool gone);
  void release(LeaseId id, const Group& group);
  /// What a device still holds of it since its holder's death, it must give back.
  void owe(LeaseId id);
  /// Keeps what it may have taken unseen out of the room; true: that is worth a look at once.
  bool keep_unseen(LeaseId id, bool gone);

  // Leases of several devices (lifecycle.cpp).
  /// Its further devices, in the order of the grant; empty: it has none.
  std::set<LeaseId> parts_of(LeaseId id) const;
  /// All its devices, the first one first.
  std::vector<int> pools_of(const Lease& lease) const;
  /// What was measured of it on all its devices.
  Bytes measured_gpu(LeaseId id) const;
  /// Its further devices are as the lease says.
  void follow(const Lease& lead);
  /// A further device that is given back, or whose lease is over; true as for keep_unseen().
  bool drop_part(LeaseId id, bool gone);
  /// Between the records of a grant, or of an end, the daemon may have died: then all of it is not.
  void drop_incomplete();
  /// Says which of its devices have not given its memory back.
  void name_owing(Lease& lead) const;
  void forget_old();
  void answer_polls(LeaseId id);
  /// What a lease gives up of its booking, it may have taken since the last sample.
  void let_go(const Lease& after);
  /// Forgets what was measured of a lease that another process holds from now on.
  void hand_over(const Lease& lease);
  /// What the leases nested in this one have booked of it.
  Amounts booked_inside(LeaseId id) const;

  // Sizes (sizes.cpp).
  /// What a request books that does not say what it needs.
  struct KnownNeeds {
    Needs needs;                     ///< none where nothing is known
    Size size;                       ///< what they come from
    std::chrono::seconds length{0};  ///< how long it has run at most; 0: not known
  };
  /// What runs of the name have shown. `gpu`: the device that is asked for, or "".
  KnownNeeds needs_of_runs(const std::string& name, const std::string& config,
                           const std::string& gpu) const;
  /// What the next load of it needs: what was measured goes before what was declared, and that
  /// before the catalogues.
  KnownNeeds needs_of_model(const std::string& name, const std::string& config = "",
                            const std::string& gpu = "") const;
  /// What is known of that for which a request does not say everything. `Ask`: AskFit, AskLease.
  template <class Ask>
  KnownNeeds known_needs(const Ask& ask) const {
    if (ask.has_needs && ask.expected) return {};
    return ask.model.empty() ? needs_of_runs(ask.name, ask.config, ask.needs.gpu)
                             : needs_of_model(ask.model, ask.config, ask.needs.gpu);
  }
  Needs within_machine(Needs needs) const;
  /// The model of this GPU; for "": of all of them, or "" where they differ.
  std::string kind_of(const std::string& gpu) const;
  /// What somebody says that the model itself takes of a device; empty: nobody does.
  std::optional<Bytes> stated_gpu_memory(const std::string& model) const;
  void note_beyond(const std::string& model, const std::string& kind, Bytes peak);
  void note_all_beyond();
  /// Takes in what an ended lease has used.
  void learn(const Lease& lease);
  void forget_learned(const std::string& name);
  bool has_learned(const std::string& name) const;

  // Models (models.cpp, uses.cpp, engines.cpp, unloading.cpp, free.cpp).
  /// A model in memory.
  struct Held {
    decide::Resident as;
    LeaseId lease = 0;   ///< that holds it; 0: an engine does without one
    std::string engine;  ///< the hook of that engine; or empty
    std::string hook;    ///< who is asked to unload it; empty: nobody can be
    std::string spared;  ///< why it is not asked now, besides what `as` says; or empty
    bool is(const Held& other) const {
      return lease == other.lease && engine == other.engine && as.name == other.as.name;
    }
  };
  /// Who goes so that a request fits on one device, or why nobody does.
  struct RoomPlan {
    std::vector<std::pair<int, Held>> unload;  ///< with the pool that it is unloaded for
    std::int64_t regret = 0;
    Amounts short_by;  ///< what must come free
    std::string why;
    bool possible = false;
  };
  void ask_use(const Asked& asked, const AskLease& ask);
  void grant_use(Lease lease, LeaseId resident);
  /// Uses that waited for the model start, or end where it will not come.
  void run_uses(const std::string& model);
  const Lease* resident_lease(const std::string& model) const;
  bool engine_holds(const std::string& model) const;
  bool has_hook(const std::string& name) const;
  std::string hook_of(const std::string& model) const;
  std::vector<int> memory_pools() const;
  Held held_by(const Lease& lease, int pool) const;
  std::vector<Held> held_on(int pool) const;
  std::optional<int> pool_of(const EngineModel& model) const;
  decide::Victims victims_on(int pool, const std::vector<Held>& held, std::int64_t deficit,
                             const Asker& asker) const;
  RoomPlan plan_room(const decide::Wanted& wanted, const Asker& asker) const;
  struct Freeable;
  /// What could go of a device for a person: just enough for `want`, or all that may.
  Freeable freeable_on(int pool, std::optional<Bytes> want, const AskFree& ask) const;
  Result<std::vector<Freeable>> freeable_for(const AskFree& ask) const;
  FreeStep step_of(const Held& held, int pool, Bytes bytes) const;
  std::uint64_t unload(const Held& held, int pool, std::string reason);
  void unloaded(std::uint64_t ask, FreeStep::Outcome outcome, std::string why);
  void make_room();
  void check_unloading();
  void unload_idle();
  void limit_models();
  void touch(const std::string& model, bool request);
  void note_loaded(const Lease& lease);
  bool is_unloading(LeaseId lease, const std::string& engine, const std::string& model) const;
  ModelView model_view(const std::string& name) const;
  std::vector<ModelView> model_views() const;

  // Session folders (sessions.cpp).
  void start_session_run();
  std::optional<BootTime> sessions_late_at() const;
  void give_up_on_sessions();
  void clean_sessions_when_due();
  /// What becomes of the folders, in the report of the run; false: it was refused, and is over.
  bool plan_session_run(SessionRun& run);
  void end_session_run();
  void note_sessions(const std::vector<SessionRoot>& roots);
  Bytes missing_on(const SessionRoot& root) const;
  bool disk_is_full_under(const std::string& root) const;
  void restore_sessions(bool same_boot);
  std::vector<SessionRootView> session_root_views() const;

  // What it costs (cost.cpp).
  bool is_priced() const { return state_.config->cost.priced(); }
  Money per_hour(const Lease& lease) const;
  /// With what it has cost since it was charged last.
  Money cost_of(const Lease& lease) const;
  void charge(Lease& lease) const;
  void charge_all();
  void charge_some();
  void charge_anew();
  /// Adds the time since the last sample to what the month has cost.
  void spend(const Sample& sample);
  std::optional<decide::Spent> spent() const;
  double budget_percent() const;
  std::optional<CostView> cost_view() const;

  // Components (components.cpp).
  /// False: it was refused.
  bool may_change(const Asked& asked, const std::string& name);
  void put_component(const Asked& asked, const AskComponent& ask);
  void claim(Component& component, const ComponentRun& run,
             const std::map<std::string, double>& values);
  void book_component(Component& component, LeaseId beside);
  void unregister(const std::string& name, const std::string& why);
  /// Whose own lease it is; empty: nobody's.
  std::string component_of(LeaseId id) const;
  void restore_components(bool same_boot);
  void measure_components();
  ComponentView component_view(const Component& component) const;
  std::vector<ComponentView> component_views() const;

  // Quotas (quotas.cpp).
  /// The quota of a component that is in force now: no bound is 0, least <= amount <= most where
  /// an amount is said.
  struct InForce {
    QuotaParts parts;
    Priority priority = Priority::normal;
    std::string during;  ///< the times it is of; or empty
  };
  InForce in_force(const Quota& quota) const;
  /// The bounds of a quota as they count in one of its windows; null: outside of them.
  QuotaParts bounds_in(const Quota& quota, const QuotaWindow* window) const;
  QuotaParts configured_bounds() const;
  /// What the configuration says of a component that nobody told of.
  std::optional<Component> preset(const std::string& name) const;
  std::optional<Error> change_quota(Quota& quota, const QuotaChange& change) const;

  // Demands (demands.cpp).
  void restore_foresight(std::string_view saved);
  /// What an earlier run has learned of it, once.
  void remember(const std::string& name, Allotted what, Demand& demand);
  void judge_demand(const Component& component, ComponentRun& run, Allotted what,
                    const QuotaPart& part, const StrategyParameters& now, bool turn);

  // Allocations (allocations.cpp).
  void adopt(const Component& component, ComponentRun& run);
  bool takes_part(const Component& component, Allotted what) const;
  std::array<decide::Allocation, kAllotted>& pool_of_component(const Component& component);
  const std::array<decide::Allocation, kAllotted>* pool_of_component(
      const Component& component) const;
  Level tightness() const;
  StrategyParameters strategy_now() const;
  std::int64_t least_change(Allotted what) const;
  /// What can be given out; empty: nobody knows now.
  std::optional<std::int64_t> capacity_for(LeaseId pool, Allotted what,
                                           const StrategyParameters& now) const;
  std::chrono::nanoseconds between_cycles() const;
  std::optional<BootTime> next_wanted_cycle() const;
  void cycle_components_when_due();
  void cycle_components(bool turn);
  std::string move_reason(const ComponentRun& run, Allotted what, const decide::Move& move) const;
  void note_lending(const Component& component, ComponentRun& run, Allotted what);
  void book_allocation(const Component& component);
  void hold_component(LeaseId id, Bytes fence);
  void follow_enforcement(const Component& component);

  // Setters (setters.cpp).
  std::optional<Error> put_setters(Component& component, const std::vector<Setter>& setters) const;
  void call_setters(const std::string& name);
  void settle_call(const std::string& name, ComponentRun& run, const Call& call,
                   Decision::Outcome outcome, const std::map<std::string, double>& values,
                   const std::string& said);
  bool answered(const SetterAnswered& event);
  void expire_calls();
  void refuse_due(const std::string& name, ComponentRun& run);
  void drop_call(const std::string& name, ComponentRun& run);

  // Readings (readings.cpp).
  /// A lease that a sample says something new about, and what: none where it was not read.
  struct Read {
    LeaseId lease = 0;
    const HolderReading* reading = nullptr;
  };
  /// By lease, ascending. All other leases read as before, and nothing of theirs is due.
  std::vector<Read> what_changed(const Sample& sample, const Sample* before);
  /// Its next sample is looked at even where it reads as before.
  void look_again(LeaseId id) { state_.look_again.add(id); }
  void measure(const Sample& sample, const std::vector<Read>& reads);
  bool is_unified(const std::string& gpu) const;
  std::int64_t measured_on(const std::string& gpu) const;
  void measure_cpu(const Sample& sample, const Sample* before, const std::vector<Read>& reads);
  void settle(LeaseId id);
  /// Raises the fences of those who have come to them, as far as there is memory, and holds the
  /// others there.
  void credit_fences(const std::vector<Read>& reads);
  std::vector<LeaseId> at_their_fence(const std::vector<Read>& reads);
  std::int64_t lent_and_not_taken();
  /// By which a fence is raised first; it doubles while it is asked for.
  Bytes first_step() const;
  /// Bytes that may be taken until use is where this step is left; below 0 beyond it.
  std::int64_t below_line(Step step) const;
  /// Takes more than anybody merely misjudges.
  static bool is_far_beyond(const Lease& lease);
  /// It is held there no more.
  void leave_fence(LeaseId id);
  /// Tells the ledger what is kept for those at their fence, and what will not come back by itself.
  void count_fences();
  bool is_held_in_vain(const Use& use) const;
  /// The kernel alone does not hold it well enough.
  bool must_stand(const Lease& lease, const Use& use) const;
  /// It is not only near its fence, where it may be content: it came to it.
  bool wants_more(const Lease& lease, const Use& use) const;
  bool goes_before_the_queue(const Lease& lease, const Use& use) const;
  /// Bytes that leases can have at all beside what those at their fence have.
  std::int64_t beside_who_is_held(const std::vector<LeaseId>& there) const;
  /// Bytes that a waiter wants who lacks nothing else; empty for all others.
  std::optional<std::int64_t> memory_wanted_by(const Lease& waiting) const;
  /// By all who wait, by those above low, above normal and so on; the last is 0.
  using WaitedFor = std::array<std::int64_t, 5>;
  struct Waited {
    WaitedFor all{};
    WaitedFor helped{};        ///< by those of them who want no more than `beside`
    std::int64_t beside = 0;   ///< there is at all beside what those at their fence have
    std::int64_t largest = 0;  ///< that one of those who want no more than that wants
  };
  Waited memory_waited_for(std::int64_t beside) const;
  /// Its turn before the queue begins, if it is one of those and the others had theirs.
  void begin_turn(const Lease& lease, Use& use, const Waited& waited) const;
  /// That in which they are served.
  void put_in_order(std::vector<LeaseId>& there) const;
  void give_credit(const std::vector<LeaseId>& there, const Waited& by);
  /// `lacks`: what is to be kept for it.
  void hold(LeaseId id, const WaitedFor& helped, Bytes lacks);
  /// It is not at its fence, or does not want more.
  void be_content(LeaseId id);
  /// At its fence the kernel makes it sleep for seconds at each step: it would not hear in time
  /// that it is to end, nor could it save what it did.
  void let_end(LeaseId id);
  /// Ends who takes far more than it booked, one at a time, where a person said so.
  void end_overrunners(const Sample& sample);
  /// It is the only one that holds memory, what is left was not enough for it, and somebody waits.
  bool is_hopeless(LeaseId id) const;
  /// One lease alone holds memory, and somebody waits for it.
  bool is_alone_and_waited_for() const;
  struct Hopeless;
  std::optional<Hopeless> find_hopeless(const Sample& sample) const;
  void terminate(LeaseId id, bool hard, std::string reason);
  void raise_fence(LeaseId id, Bytes by);
  void set_fence(LeaseId id, Bytes at, std::string reason);
  /// Of what fences were raised by, what nobody takes.
  void take_back();
  void watch_over(const std::vector<Read>& reads);
  void watch_idle(const Sample& sample, const std::vector<Read>& reads);
  void watch_idle(const HolderReading& reading);
  void forget_use(LeaseId id);
  /// Books for it what it has used at most, and a tenth more.
  void return_idle(LeaseId id);
  std::string idle_text(const Lease& lease, const Use& use) const;
  void drain_broken(const Sample& sample, const Sample* before);
  void judge(const Sample& sample);
  /// A reading becomes a level, and that an alert.
  void gauge(Resource resource, const std::string& device, std::optional<double> value);
  /// What is told of components by alerts, to `feed`.
  void judge_components(
      const std::function<void(Resource, const std::string&, std::optional<double>)>& feed) const;
  void claim_no_more();
  void check_owed();

  // What is done about memory that runs short (pressure.cpp).
  void climb(const Sample& sample);
  decide::Strain strain_of(const Sample& sample);
  std::string cause_text() const;
  /// Asks models to go until use is at pressure.memory.cleanup_to.
  void shrink();
  /// Gives those of the class low, and those beyond their booking, less of the processors.
  void throttle();
  bool deserves_less(LeaseId id) const;
  void weigh(LeaseId id, int percent);
  /// Fences that were raised go back to what is there.
  void pull_fences();
  /// Stops who does not fit, and lets go who does.
  void contain(const Sample& sample);
  void freeze(LeaseId id, std::string reason);
  void thaw(LeaseId id, std::string reason);
  bool may_freeze(const Lease& lease) const;

  // Changes a promise: into the journal, the promises and every index.
  void keep(Record record);
  void index(const Lease& lease);
  void unindex(const Lease& lease);
  void say(std::string type, LeaseId lease, std::string text);
  /// Those who look at the lease are told that it has changed.
  void show(LeaseId id);

  decide::Books books() const;
  LeaseView lease_view(const Lease& lease, bool with_outlook = true) const;
  void add_devices(const Lease& lease, LeaseView& view) const;

  State state_;
  Instant at_;                   // of the event in hand
  Effects effects_;              // of the event in hand
  bool bookings_moved_ = false;  // those of components, in the event in hand
};

}  // namespace headroom::control
