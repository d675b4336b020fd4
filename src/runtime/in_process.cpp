#include "runtime/in_process.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "act/process.hpp"
#include "control/control.hpp"
#include "runtime/clock.hpp"
#include "runtime/zone.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kSecondSample = 100ms;  // after the first: then there are rates
constexpr auto kZoneEvery = 1h;        // somebody may have moved the machine
constexpr auto kSlow = 100ms;          // a setter that takes longer has its thread for itself
constexpr std::size_t kAtOnce = 4;     // calls of setters that are not slow
constexpr std::size_t kMostThreads = 64;
constexpr auto kLongestCatchUp = 60s;
constexpr auto kLongestLook = 10s;      // at the machine; then it is taken to hang in the kernel
constexpr std::size_t kSaidMost = 256;  // bytes of a failure's text
constexpr double kFarthest = 1e12;      // what a setter may be called with, either way

// The signals of the program are for its own threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

tl::unexpected<Error> invalid(std::string what, std::string why, std::string help) {
  return fail(ErrorKind::invalid_request, std::move(what), std::move(why), std::move(help));
}

tl::unexpected<Error> forked() {
  return fail(ErrorKind::unavailable, "the components of this process are those of its parent",
              "a fork takes no threads along, and what they did nobody does here",
              "make an InProcess in the child, after the fork");
}

tl::unexpected<Error> no_thread(const std::exception& error) {
  return fail(ErrorKind::unavailable, "headroom cannot run in this process",
              std::string("there is no thread for it: ") + error.what(),
              "raise the limit of threads (ulimit -u, pids.max)");
}

// What only a daemon has and does is off, whatever the configuration says.
Config for_this_process(Config config) {
  config.sample.gpu = GpuSource::none;
  config.pressure.most = Step::watch;
  config.hooks.clear();
  config.notify.clear();
  return config;
}

std::optional<Allotted> allotted_of(std::string_view name) {
  for (const Allotted what : kAllAllotted) {
    if (facts_of(what).name == name) return what;
  }
  return {};
}

bool is_within(double value) { return std::abs(value) <= kFarthest; }  // and it is a number

Result<AskComponent> registration_of(const std::string& name,
                                     const std::vector<ComponentSetter>& setters,
                                     const ComponentOptions& options) {
  AskComponent ask;
  ask.what = AskComponent::What::put;
  ask.name = name;
  if (options.enforce.value_or(false)) {
    return invalid(name + " cannot be held to what it is given",
                   "in its own process nobody has control groups for it",
                   "register it with a daemon, or leave `enforce` out");
  }
  QuotaWords words;
  words.cpu_percent = options.cpu_percent;
  words.memory_mb = options.memory_mb;
  words.disk_iops = options.disk_iops;
  words.network_mb = options.network_mb;
  words.priority = options.priority;
  auto change = change_of(words);
  if (!change) return tl::unexpected<Error>(change.error());
  ask.quota = std::move(*change);
  for (const ComponentSetter& one : setters) {
    if (!one.call) {
      return invalid("setter '" + one.name + "' of " + name + " cannot be called",
                     "it is an empty function", "");
    }
    if (!is_within(one.range.least) || !is_within(one.range.most)) {
      return invalid("nobody can count as far as '" + one.name + "' of " + name + " goes",
                     "its range is not within 1000000000000 of 0", "");
    }
    const auto follows = allotted_of(one.range.follows);
    if (!follows) {
      return invalid("setter '" + one.name + "' follows " + one.range.follows,
                     "cpu, memory, disk_iops and network are known", "");
    }
    ask.setters.push_back(
        {one.name, one.range.unit, one.range.least, one.range.most, *follows, one.range.whole});
  }
  for (const auto& [setter, value] : options.values) {
    if (is_within(value)) continue;
    return invalid("what '" + setter + "' of " + name + " stands at is no number",
                   "it is not within 1000000000000 of 0", "leave it out where nobody knows it");
  }
  auto holder = act::identify(getpid());
  if (!holder) return tl::unexpected<Error>(holder.error());
  ask.holder = std::move(*holder);
  ask.values = options.values;
  return ask;
}

// Reads this machine; keeps its files open.
class ThisMachine {
 public:
  explicit ThisMachine(const Config& config) : sampler_(sources(config)) {}

  void read(Instant at, const std::vector<sense::Target>& holders, sense::ReadOptions options,
            Sample& out) {
    for (const sense::Target& one : read_) {
      const bool still = std::any_of(holders.begin(), holders.end(),
                                     [&](const auto& other) { return other.lease == one.lease; });
      if (!still) sampler_.untrack(one.lease);
    }
    for (const sense::Target& one : holders) sampler_.track(one);
    read_ = holders;
    sampler_.read(at, options, out);
  }

 private:
  static sense::Sources sources(const Config& config) {
    sense::Sources sources;
    sources.gpu = config.sample.gpu;
    return sources;
  }

  sense::Sampler sampler_;
  std::vector<sense::Target> read_;
};

// A registered component. What can change belongs to the mutex of Shared.
struct Member {
  std::string name;
  std::vector<ComponentSetter> setters;
  std::chrono::milliseconds end_within{};
  std::atomic<bool> gone = false;  ///< nothing of it is called any more

  std::optional<CallSetter> next;           ///< to be carried out; what it replaces was given up
  bool queued = false;                      ///< among those that wait for a thread
  std::optional<std::thread::id> calls_on;  ///< a setter of it is under way there
};

// Null: it ceased to be a component in between.
std::optional<SetterAnswered> carry_out(const Member& member, const CallSetter& call) {
  SetterAnswered answer;
  answer.component = member.name;
  answer.ask = call.ask;
  for (const CallSetter::Value& value : call.values) {
    if (member.gone) return {};
    const auto setter =
        std::find_if(member.setters.begin(), member.setters.end(),
                     [&](const ComponentSetter& one) { return one.name == value.setter; });
    if (setter == member.setters.end()) continue;  // control asks for those that it was told of
    const Applied applied = setter->set(value.to);
    if (applied.ok) {
      answer.values[value.setter] = *applied.value;
    } else {
      answer.said += (answer.said.empty() ? "" : "; ") + value.setter + ": " + applied.said;
    }
  }
  if (answer.said.size() > kSaidMost) answer.said.resize(kSaidMost);
  answer.done = answer.said.empty();
  return answer;
}

}  // namespace

/// What all threads share; outlives them. One mutex: nothing that may take long is done under it.
struct InProcess::Shared : std::enable_shared_from_this<InProcess::Shared> {
  struct Worker {
    std::thread thread;
    std::optional<BootTime> since;  ///< of the call that is under way
    bool done = false;              ///< takes the mutex no more
  };
  using Lock = std::unique_lock<std::mutex>;

  explicit Shared(Options options)
      : now(options.now ? std::move(options.now) : runtime::now),
        read(std::move(options.read)),
        control(for_this_process(std::move(options.config))) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  // By now no thread runs here, or this is a child that has only their handles.
  ~Shared() {
    if (machine.joinable()) machine.detach();
    for (Worker& worker : workers) {
      if (worker.thread.joinable()) worker.thread.detach();
    }
  }

  const pid_t pid = getpid();
  const std::function<Instant()> now;
  const Read read;

  std::mutex mutex;
  std::condition_variable look;     ///< of the machine thread: something may be due sooner
  std::condition_variable calls;    ///< of the workers: somebody waits to be called
  std::condition_variable settled;  ///< a call, a thread, a look at the machine is over
  control::Control control;
  std::map<std::string, std::shared_ptr<Member>, std::less<>> members;
  std::deque<std::shared_ptr<Member>> waiting;  ///< for a worker; each member once
  std::list<Worker> workers;
  std::size_t idle = 0;  ///< workers
  std::thread machine;
  bool running = false;  ///< the machine thread
  bool woken = false;
  bool closing = false;
  int registering = 0;  ///< who is about to be a member
  std::array<std::shared_ptr<Sample>, 3> samples;
  std::uint64_t sampled = 0;
  std::uint64_t sampled_since_start = 0;
  BootTime next_sample{};
  std::optional<sense::ReadOptions> wanted;  ///< another look before that
  std::optional<WallTime> zone_read;
  BootTime armed{};  ///< the machine thread sleeps until then
  BootTime done_until{};
  RequestId last_request = 0;

  // Before the mutex is taken: in a forked process somebody may hold it who is not there.
  bool is_forked() const { return getpid() != pid; }
  bool is_over() const { return closing || (members.empty() && registering == 0); }

  // ------------------------------------------------------------------------ events and effects

  struct Answered {
    std::optional<ComponentView> view;
    std::optional<Error> error;
  };

  /// With the mutex held.
  Answered apply(const Event& event) {
    Answered answered;
    for (Effect& effect : control.apply(event, now())) {
      if (auto* respond = std::get_if<Respond>(&effect)) {
        if (auto* view = std::get_if<ComponentView>(&respond->what)) {
          answered.view = std::move(*view);
        } else if (auto* refusal = std::get_if<Refusal>(&respond->what)) {
          answered.error = std::move(refusal->error);
        }
      } else if (auto* call = std::get_if<CallSetter>(&effect)) {
        take(std::move(*call));
      } else if (const auto* sense = std::get_if<Sense>(&effect)) {
        const bool per_cpu = sense->per_cpu || (wanted && wanted->per_cpu_free);
        wanted = sense::ReadOptions{per_cpu, false, false};
      }
      // Everything else is done by a daemon alone: nobody else is told, kept, or held to anything.
      // The holder of the leases is this process, whose end nobody here has to be told of.
    }
    start_workers();
    if (running && due() < armed) wake();
    return answered;
  }

  Answered ask(AskComponent what) {
    const Caller caller{geteuid(), true, true};
    return apply(Asked{++last_request, caller, std::move(what)});
  }

  Result<ComponentView> ask_for_view(AskComponent what) {
    Answered answered = ask(std::move(what));
    if (answered.view) return std::move(*answered.view);
    if (answered.error) return tl::unexpected<Error>(std::move(*answered.error));
    return fail(ErrorKind::internal, "a component's ask was not answered");
  }

  void wake() {
    woken = true;
    look.notify_one();
  }

  // ------------------------------------------------------------------------- the calls of setters

  void take(CallSetter call) {
    const auto found = members.find(call.component);
    if (found == members.end()) return;
    // One that was not carried out yet is over its time: control asks one thing at a time.
    found->second->next = std::move(call);
    queue(found->second);
  }

  void queue(const std::shared_ptr<Member>& member) {
    if (member->queued || member->calls_on || !member->next || member->gone) return;
    member->queued = true;
    waiting.push_back(member);
    calls.notify_one();
  }

  static bool is_slow(const Worker& worker, BootTime at) {
    return worker.since && at - *worker.since >= kSlow;
  }

  void start_workers() {
    if (waiting.size() <= idle) return;
    reap();
    const BootTime at = now().boot;
    auto quick = static_cast<std::size_t>(
        std::count_if(workers.begin(), workers.end(),
                      [&](const Worker& one) { return !one.done && !is_slow(one, at); }));
    while (waiting.size() > idle && quick < kAtOnce && workers.size() < kMostThreads && !closing) {
      // Those that were started, and not yet idle, are for what waits.
      if (quick >= waiting.size() + busy_and_quick(at)) return;
      if (!start_worker()) return;  // what waits is tried again with the next sample
      ++quick;
    }
  }

  std::size_t busy_and_quick(BootTime at) const {
    return static_cast<std::size_t>(std::count_if(
        workers.begin(), workers.end(),
        [&](const Worker& one) { return !one.done && one.since && !is_slow(one, at); }));
  }

  bool start_worker() {
    Worker& worker = workers.emplace_back();
    try {
      const SignalsBlocked blocked;
      worker.thread = std::thread([self = shared_from_this(), &worker] { self->work(worker); });
      pthread_setname_np(worker.thread.native_handle(), "headroom setter");
      return true;
    } catch (const std::exception&) {
      workers.pop_back();
      return false;
    }
  }

  void work(Worker& me) {
    Lock lock(mutex);
    while (!is_over()) {
      if (waiting.empty()) {
        if (idle >= kAtOnce) break;  // one that was slow, and is not needed any more
        ++idle;
        calls.wait(lock, [this] { return !waiting.empty() || is_over(); });
        --idle;
        continue;
      }
      std::shared_ptr<Member> member = std::move(waiting.front());
      waiting.pop_front();
      member->queued = false;
      if (!member->gone && member->next) call_setters(lock, me, *member);
      queue(member);
      // Its setters may be destroyed with it, which is the program's own code.
      lock.unlock();
      member.reset();
      lock.lock();
    }
    me.done = true;
    settled.notify_all();
  }

  void call_setters(Lock& lock, Worker& me, Member& member) {
    const CallSetter call = *std::exchange(member.next, std::nullopt);
    member.calls_on = std::this_thread::get_id();
    me.since = now().boot;
    lock.unlock();
    const auto answer = carry_out(member, call);
    lock.lock();
    member.calls_on.reset();
    me.since.reset();
    if (answer && !member.gone) (void)apply(*answer);
    settled.notify_all();
  }

  // Threads that have ended.
  void reap() {
    for (auto it = workers.begin(); it != workers.end();) {
      if (!it->done || it->thread.get_id() == std::this_thread::get_id()) {
        ++it;
        continue;
      }
      it->thread.join();
      it = workers.erase(it);
    }
  }

  // --------------------------------------------------------------------------- the machine thread

  Result<void> start() {
    if (running) return {};
    if (machine.joinable()) machine.join();
    forget_samples();
    armed = BootTime();
    try {
      const SignalsBlocked blocked;
      machine = std::thread([self = shared_from_this()] { self->run(); });
    } catch (const std::exception& error) {
      return no_thread(error);
    }
    pthread_setname_np(machine.native_handle(), "headroom");
    running = true;
    return {};
  }

  void run() {
    Lock lock(mutex);
    do {
      std::optional<ThisMachine> own;
      if (!read) own.emplace(*control.state().config);
      while (!is_over()) turn(lock, own ? &*own : nullptr);
      forget_samples();
      lock.unlock();  // while the files are closed somebody may begin anew
      own.reset();
      lock.lock();
    } while (!is_over());
    running = false;
    settled.notify_all();
  }

  void forget_samples() {
    sampled_since_start = 0;
    next_sample = now().boot;
  }

  // One thing that is due, or sleep until there is one.
  void turn(Lock& lock, ThisMachine* own) {
    const Instant at = now();
    woken = false;
    if (at.boot >= next_sample || wanted) return sample(lock, own, at);
    if (const auto deadline = control.next_deadline(); deadline && *deadline <= at.boot) {
      (void)apply(Ticked{});
      lock.unlock();  // whoever waits for it goes first
      std::this_thread::yield();
      lock.lock();
      return;
    }
    start_workers();
    reap();
    done_until = at.boot;
    settled.notify_all();
    armed = due();
    look.wait_for(lock, armed - at.boot, [this] { return woken || is_over(); });
    armed = BootTime();  // awake
  }

  // When the machine thread has something to do next.
  BootTime due() const {
    if (wanted) return {};
    BootTime next = next_sample;
    if (const auto deadline = control.next_deadline()) next = std::min(next, *deadline);
    if (waiting.size() > idle) next = std::min(next, first_slow(now().boot).value_or(next));
    return next;
  }

  // When the first of those that are under way will have taken long.
  std::optional<BootTime> first_slow(BootTime at) const {
    std::optional<BootTime> first;
    for (const Worker& worker : workers) {
      if (!worker.since || is_slow(worker, at)) continue;
      const BootTime then = *worker.since + kSlow;
      first = first ? std::min(*first, then) : then;
    }
    return first;
  }

  void sample(Lock& lock, ThisMachine* own, Instant at) {
    const bool whole = at.boot >= next_sample;
    const sense::ReadOptions options{wanted && wanted->per_cpu_free, false, whole};
    wanted.reset();
    std::vector<sense::Target> holders;
    for (const auto& [id, names] : control.state().component_leases) {
      const auto lease = control.state().promises.leases.find(id);
      if (lease == control.state().promises.leases.end()) continue;
      holders.push_back({id, lease->second.group, lease->second.holder});
    }
    // Samples go round: one is with the state, and one is filled.
    std::shared_ptr<Sample> slot;
    for (auto& one : samples) {
      if (!one) one = std::make_shared<Sample>();
      if (one.use_count() == 1) slot = one;
    }
    if (!slot) slot = std::make_shared<Sample>();
    const bool zone = !zone_read || at.wall - *zone_read >= kZoneEvery || at.wall < *zone_read;
    lock.unlock();
    if (own != nullptr) {
      own->read(at, holders, options, *slot);
    } else {
      read(at, holders, options, *slot);
    }
    std::optional<ZoneRules> rules;
    if (zone) rules = read_zone(at.wall);
    lock.lock();
    slot->number = ++sampled;
    slot->took = now().boot - at.boot;
    if (rules) {
      zone_read = at.wall;
      (void)apply(ZoneRead{std::move(*rules)});
    }
    (void)apply(Sampled{std::move(slot)});
    if (whole) {
      const std::chrono::nanoseconds interval = control.state().config->sample.interval;
      const bool first = sampled_since_start == 0;
      next_sample = at.boot + (first ? std::min<std::chrono::nanoseconds>(kSecondSample, interval)
                                     : interval);
    }
    ++sampled_since_start;
    settled.notify_all();
  }

  // -------------------------------------------------------------------------------------- the end

  // With the mutex held, which it lets go in between. What was a member is destroyed by whoever
  // called, without the mutex.
  void leave(Lock& lock, const std::shared_ptr<Member>& member) {
    if (member->gone.exchange(true)) return;
    members.erase(member->name);
    std::erase(waiting, member);
    AskComponent what;
    what.what = AskComponent::What::remove;
    what.name = member->name;
    (void)ask(std::move(what));
    await_calls(lock, {member});
    if (is_over()) await_threads(lock);
  }

  // Those under way, but for the one that this is called from.
  void await_calls(Lock& lock, const std::vector<std::shared_ptr<Member>>& of) {
    std::chrono::milliseconds most{0};
    for (const auto& one : of) most = std::max(most, one->end_within);
    settled.wait_for(lock, most, [&] {
      return std::none_of(of.begin(), of.end(), [](const auto& one) {
        return one->calls_on && *one->calls_on != std::this_thread::get_id();
      });
    });
  }

  // Those that are not held up by a setter.
  void await_threads(Lock& lock) {
    calls.notify_all();
    wake();
    settled.wait_for(lock, kLongestLook, [this] {
      if (!is_over()) return true;  // somebody else has begun anew
      return !running && std::all_of(workers.begin(), workers.end(),
                                     [](const Worker& one) { return one.done || one.since; });
    });
    if (!is_over()) return;
    reap();
    if (!running && machine.joinable()) machine.join();
  }

  // All of it, for good.
  void close() {
    std::vector<std::shared_ptr<Member>> last;
    Lock lock(mutex);
    closing = true;
    for (const auto& [name, member] : members) {
      member->gone = true;
      last.push_back(member);
    }
    members.clear();
    waiting.clear();
    await_calls(lock, last);
    await_threads(lock);
    for (Worker& worker : workers) {
      if (worker.thread.joinable()) worker.thread.detach();  // a setter hangs there
    }
    if (machine.joinable()) machine.detach();
  }
};

// ------------------------------------------------------------------------------------ a component

struct InProcessComponent::Running {
  std::shared_ptr<InProcess::Shared> shared;
  std::shared_ptr<Member> member;

  Running(std::shared_ptr<InProcess::Shared> all, std::shared_ptr<Member> one)
      : shared(std::move(all)), member(std::move(one)) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (shared->is_forked()) return;
    InProcess::Shared::Lock lock(shared->mutex);
    shared->leave(lock, member);
  }
};

InProcessComponent::InProcessComponent(std::unique_ptr<Running> running)
    : running_(std::move(running)) {}
InProcessComponent::InProcessComponent(InProcessComponent&& other) noexcept = default;
InProcessComponent& InProcessComponent::operator=(InProcessComponent&& other) noexcept = default;
InProcessComponent::~InProcessComponent() = default;

const std::string& InProcessComponent::name() const { return running_->member->name; }

void InProcessComponent::report(const SetterValues& used) {
  InProcess::Shared& shared = *running_->shared;
  if (shared.is_forked()) return;
  AskComponent heard;
  heard.what = AskComponent::What::heard;
  heard.name = running_->member->name;
  for (const Allotted what : kAllAllotted) {
    const auto said = used.find(std::string(facts_of(what).setter));
    if (said == used.end()) continue;
    if (const auto units = units_of(what, said->first, said->second)) {
      heard.used[index_of(what)] = *units;
    }
  }
  const std::lock_guard lock(shared.mutex);
  if (!running_->member->gone) (void)shared.ask(std::move(heard));
}

ComponentStatus InProcessComponent::status() const {
  InProcess::Shared& shared = *running_->shared;
  ComponentStatus status;
  if (shared.is_forked()) {
    status.problem = forked().value();
    return status;
  }
  const std::lock_guard lock(shared.mutex);
  if (running_->member->gone) return status;
  AskComponent nothing;  // changes nothing, and is answered with how it stands
  nothing.name = running_->member->name;
  const auto view = shared.ask_for_view(std::move(nothing));
  if (!view) {
    status.problem = view.error();
    return status;
  }
  status.connected = true;
  status.values = view->values;
  status.asked = view->asked;
  status.failed = view->failed + view->timed_out;
  if (!view->problem.empty()) {
    status.problem = Error{ErrorKind::unavailable, name() + " did not do what it was asked",
                           view->problem, "it is asked again"};
  }
  return status;
}

Result<void> InProcessComponent::leave() {
  InProcess::Shared& shared = *running_->shared;
  if (shared.is_forked()) return forked();
  InProcess::Shared::Lock lock(shared.mutex);
  shared.leave(lock, running_->member);
  return {};
}

// ---------------------------------------------------------------------------------- this process

InProcess::InProcess(Options options) : shared_(std::make_shared<Shared>(std::move(options))) {}

InProcess::~InProcess() {
  if (!shared_->is_forked()) shared_->close();
}

Result<InProcessComponent> InProcess::register_component(std::string name,
                                                         std::vector<ComponentSetter> setters,
                                                         ComponentOptions options) {
  Shared& shared = *shared_;
  if (shared.is_forked()) return forked();
  auto put = registration_of(name, setters, options);
  if (!put) return tl::unexpected<Error>(put.error());
  auto member = std::make_shared<Member>();
  member->name = std::move(name);
  member->setters = std::move(setters);
  member->end_within = options.end_within;

  Shared::Lock lock(shared.mutex);
  const auto there_is_one = [&]() -> tl::unexpected<Error> {
    return fail(ErrorKind::conflict, "there is a component " + member->name + " in this process",
                "it was registered before, and has not left", "let that one leave first");
  };
  if (shared.members.contains(member->name)) return there_is_one();
  ++shared.registering;
  std::optional<Error> error;
  if (const auto started = shared.start(); !started) {
    error = started.error();
  } else {
    // Nothing is given by what was read before the threads ended last.
    const bool read =
        shared.settled.wait_for(lock, kLongestLook, [&] { return shared.sampled_since_start > 0; });
    if (!read) {
      error = Error{ErrorKind::unavailable, "the machine cannot be read", "/proc does not answer",
                    "see what hangs: dmesg"};
    } else if (shared.members.contains(member->name)) {
      error = there_is_one().value();
    } else {
      error = shared.ask(std::move(*put)).error;
    }
  }
  if (!error) shared.members.emplace(member->name, member);
  --shared.registering;
  if (error) {
    if (shared.is_over()) shared.await_threads(lock);
    return tl::unexpected<Error>(std::move(*error));
  }
  (void)shared.apply(ComponentHeard{member->name, true});
  lock.unlock();
  return InProcessComponent(std::make_unique<InProcessComponent::Running>(shared_, member));
}

Result<ComponentView> InProcess::set_quota(const std::string& name, const QuotaWords& words) {
  if (shared_->is_forked()) return forked();
  auto change = change_of(words);
  if (!change) return tl::unexpected<Error>(change.error());
  AskComponent what;
  what.name = name;
  what.quota = std::move(*change);
  const std::lock_guard lock(shared_->mutex);
  return shared_->ask_for_view(std::move(what));
}

Result<void> InProcess::set_strategy(std::string_view words) {
  if (shared_->is_forked()) return forked();
  const auto strategy = strategy_of(words);
  if (!strategy) {
    std::string known;
    for (const std::string_view word : kStrategyWords) {
      known += (known.empty() ? "" : ", ") + std::string(word);
    }
    return invalid("that is no strategy", "it is one of " + known, "balanced+predictive");
  }
  const std::lock_guard lock(shared_->mutex);
  Config config = *shared_->control.state().config;
  config.strategy = *strategy;
  (void)shared_->apply(Configured{std::move(config)});
  return {};
}

Result<Strategy> InProcess::strategy() const {
  if (shared_->is_forked()) return forked();
  const std::lock_guard lock(shared_->mutex);
  return shared_->control.state().config->strategy;
}

Result<ComponentView> InProcess::component(const std::string& name) const {
  if (shared_->is_forked()) return forked();
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->control.state().promises.components.contains(name)) {
    return fail(ErrorKind::not_found, "there is no component " + name + " in this process", "",
                "register it, or say its quota");
  }
  AskComponent nothing;  // changes nothing, and is answered with how it stands
  nothing.name = name;
  return shared_->ask_for_view(std::move(nothing));
}

Result<std::vector<ComponentView>> InProcess::components() const {
  if (shared_->is_forked()) return forked();
  const std::lock_guard lock(shared_->mutex);
  return shared_->control.view(shared_->now()).components;
}

Result<std::vector<Decision>> InProcess::decisions(std::string_view component,
                                                   std::size_t limit) const {
  if (shared_->is_forked()) return forked();
  const std::lock_guard lock(shared_->mutex);
  std::vector<Decision> newest;
  const auto& all = shared_->control.state().promises.decisions;
  for (auto it = all.rbegin(); it != all.rend() && newest.size() < limit; ++it) {
    if (component.empty() || it->second.component == component) newest.push_back(it->second);
  }
  return newest;
}

Result<void> InProcess::catch_up() {
  if (shared_->is_forked()) return forked();
  Shared::Lock lock(shared_->mutex);
  const BootTime until = shared_->now().boot;
  shared_->wake();
  const bool done = shared_->settled.wait_for(
      lock, kLongestCatchUp, [&] { return !shared_->running || shared_->done_until >= until; });
  if (done) return {};
  return fail(ErrorKind::timed_out, "headroom has not caught up", "it took longer than a minute",
              "the machine does not answer, or is far too busy");
}

}  // namespace headroom::runtime
