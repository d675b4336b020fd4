#include "client/component.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/daemon.hpp"
#include "http/fd.hpp"
#include "http/query.hpp"

namespace headroom::client {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{2000};
constexpr milliseconds kBetweenReports{1000};
constexpr std::size_t kThreadName = 15;  // bytes the kernel keeps
constexpr std::size_t kSaidMost = 256;   // bytes of a failure's text

// As a daemon takes it: one line of ASCII, and not too long.
std::string sayable(std::string text) {
  if (text.size() > kSaidMost) text.resize(kSaidMost);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return text;
}

std::string url_of(std::string url) {
  if (!url.empty()) return url;
  const char* const named = std::getenv("HEADROOM_URL");
  return named != nullptr && *named != '\0' ? named : kDefaultUrl;
}

// A number of JSON: whole where it is.
json::value number_of(double amount) {
  if (std::abs(amount) < 1e15 && std::round(amount) == amount) {
    return static_cast<std::int64_t>(amount);
  }
  return amount;
}

json::object amounts_of(const Amounts& amounts) {
  json::object object;
  for (const auto& [name, amount] : amounts) {
    if (std::isfinite(amount)) object[name] = number_of(amount);
  }
  return object;
}

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

Result<void> check(const std::string& name, const std::vector<ComponentSetter>& setters) {
  if (name.empty()) {
    return fail(ErrorKind::invalid_request, "a component needs a name", "",
                "such as feature_pipeline");
  }
  std::set<std::string_view> names;
  for (const auto& setter : setters) {
    const bool nothing = !setter.call;
    if (!nothing && names.insert(setter.name).second) continue;
    return fail(ErrorKind::invalid_request,
                "setter '" + setter.name + "' of " + name +
                    (nothing ? " cannot be called" : " is there twice"),
                nothing ? "it is an empty function" : "a name has one setter", "");
  }
  return {};
}

}  // namespace

/// What the thread and the program's own threads share; outlives both.
struct Component::Shared {
  // Never changed once the thread runs.
  std::string url, name, target;
  std::vector<ComponentSetter> setters;
  ComponentOptions options;
  http::Fd timer;  ///< readable when the thread has something to do, or is to end
  const pid_t pid = getpid();

  mutable std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  bool left = false;  ///< unregistered by leave()
  bool done = false;  ///< the thread touches nothing of the program's any more
  ComponentStatus status;
  Amounts used;  ///< reported, not sent yet
  bool reported = false;
  Clock::time_point beaten{};  ///< the last sign of life

  // Of the thread alone.
  std::unique_ptr<Daemon> calls;
  std::optional<Error> told;

  bool stopping() const {
    const std::lock_guard lock(mutex);
    return stop;
  }

  // Makes the timer readable in so long; at once for 0.
  void wake_in(Clock::duration time) const {
    const auto whole = std::max<std::int64_t>(
        1, std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
    itimerspec at{};
    at.it_value.tv_sec = whole / 1'000'000'000;
    at.it_value.tv_nsec = whole % 1'000'000'000;
    timerfd_settime(timer.get(), 0, &at, nullptr);
  }

  // With the mutex held: when there is something to do next.
  void arm() const {
    if (stop) return wake_in({});
    const auto every = reported ? std::min(kBetweenReports, options.heartbeat) : options.heartbeat;
    wake_in(beaten + every - Clock::now());
  }

  // False when it was told to stop meanwhile.
  bool pause(milliseconds time) {
    std::unique_lock lock(mutex);
    return !changed.wait_for(lock, time, [this] { return stop; });
  }

  void problem(const Error& error) {
    {
      const std::lock_guard lock(mutex);
      status.problem = error;
    }
    if (told == error) return;
    told = error;
    if (!options.on_problem) return;
    try {
      options.on_problem(error);
    } catch (...) {  // NOLINT(bugprone-empty-catch): who is told of problems has one of their own
    }
  }

  void well() {
    told.reset();
    const std::lock_guard lock(mutex);
    status.problem.reset();
  }

  json::object registration(bool with_quota) const {
    json::object body{{"pid", pid}};
    if (with_quota) {
      if (!options.priority.empty()) body["priority"] = options.priority;
      const auto say = [&](const char* key, const std::optional<double>& amount) {
        if (amount) body[key] = number_of(*amount);
      };
      say("cpu_percent", options.cpu_percent);
      say("memory_mb", options.memory_mb);
      say("disk_iops", options.disk_iops);
      say("network_mb", options.network_mb);
      if (options.enforce) body["enforce"] = *options.enforce;
    }
    json::array list;
    for (const auto& setter : setters) {
      json::object one{{"name", setter.name}};
      if (setter.range.most > setter.range.least) {
        one["least"] = number_of(setter.range.least);
        one["most"] = number_of(setter.range.most);
        one["follows"] = setter.range.follows;
        if (!setter.range.unit.empty()) one["unit"] = setter.range.unit;
        one["whole"] = setter.range.whole;
      }
      list.push_back(std::move(one));
    }
    body["setters"] = std::move(list);
    const std::lock_guard lock(mutex);
    if (!status.values.empty()) body["values"] = amounts_of(status.values);
    return body;
  }

  Result<void> put(bool with_quota) {
    const auto answer = calls->send("PUT", target, registration(with_quota));
    if (!answer) return tl::unexpected<Error>(answer.error());
    const std::lock_guard lock(mutex);
    beaten = Clock::now();
    return {};
  }

  // After the daemon was away. What somebody has set meanwhile is not overwritten by what the
  // program has begun with, unless the daemon knows nothing of it any more.
  Result<void> put_again() {
    const auto known = calls->document(target);
    if (!known && known.error().kind != ErrorKind::not_found) {
      return tl::unexpected<Error>(known.error());
    }
    auto put_now = put(!known);
    bool gone = false;
    {
      const std::lock_guard lock(mutex);
      gone = left;
    }
    if (gone && put_now) (void)calls->send("DELETE", target, {});  // leave() came in between
    return put_now;
  }

  // What was asked; false: the daemon is gone.
  bool asked(const StreamEvent& event) {
    if (event.type != "allocation") return true;
    const auto ask = parse_json(event.data);
    const auto id = ask ? whole(*ask, "id") : std::nullopt;
    if (!id) {
      problem(Error{ErrorKind::internal, "what " + name + " was asked cannot be read",
                    ask ? "it has no id" : ask.error().why, ""});
      return true;
    }
    json::object applied;
    std::string said;
    const auto* const values = find(*ask, "values");
    if (values != nullptr && values->is_object()) {
      for (const auto& [key, value] : values->get_object()) {
        if (stopping()) return false;
        set(std::string(key), value, applied, said);
      }
    }
    {
      const std::lock_guard lock(mutex);
      ++status.asked;
      if (!said.empty()) ++status.failed;
    }
    if (stopping()) return false;
    const auto answer = calls->send("POST", target + "/ack",
                                    json::object{{"id", *id},
                                                 {"result", said.empty() ? "applied" : "failed"},
                                                 {"values", std::move(applied)},
                                                 {"said", sayable(said)}});
    if (answer) {
      well();
      return true;
    }
    problem(answer.error());
    return answer.error().kind != ErrorKind::unavailable;
  }

  void set(const std::string& key, const json::value& value, json::object& applied,
           std::string& said) {
    const auto failed = [&](const std::string& why) {
      said += (said.empty() ? "" : "; ") + key + ": " + why;
    };
    const auto setter = std::ranges::find(setters, key, &ComponentSetter::name);
    if (setter == setters.end()) return failed("there is no such setter");
    if (!value.is_number()) return failed("it was asked for what is no number");
    const Applied answer = setter->set(value.to_number<double>());
    if (!answer.ok) return failed(answer.said);
    applied[key] = number_of(*answer.value);
    const std::lock_guard lock(mutex);
    status.values[key] = *answer.value;
  }

  // Between the events: signs of life, and what was reported. False: end, or the daemon is gone.
  bool between() {
    std::uint64_t times = 0;
    (void)!read(timer.get(), &times, sizeof times);
    json::object body;
    {
      const std::lock_guard lock(mutex);
      if (stop) return false;
      const auto since = Clock::now() - beaten;
      if (since < options.heartbeat && !(reported && since >= kBetweenReports)) {
        arm();
        return true;
      }
      if (!used.empty()) body["used"] = amounts_of(used);
      reported = false;
      beaten = Clock::now();
      arm();
    }
    const auto answer = calls->send("POST", target + "/heartbeat", body);
    if (answer) {
      well();
      return true;
    }
    problem(answer.error());
    const auto kind = answer.error().kind;
    // It is not registered any more: that is done anew.
    return kind != ErrorKind::unavailable && kind != ErrorKind::not_found &&
           kind != ErrorKind::conflict;
  }

  void set_connected(bool connected) {
    const std::lock_guard lock(mutex);
    status.connected = connected;
  }

  void run(bool registered) {
    auto rest = kFirstPause;
    for (bool first = true; !stopping(); first = false) {
      if (!first || !registered) {
        // A component that begins without a daemon registers as it was told to.
        const auto again = registered ? put_again() : put(true);
        if (!again) {
          problem(again.error());
          if (!pause(rest)) break;
          rest = std::min(rest * 2, kLongestPause);
          continue;
        }
        registered = true;
        well();
      }
      {
        const std::lock_guard lock(mutex);
        arm();
      }
      Daemon listener(url, options.answer_within);
      const auto ended = listener.follow(target + "/stream",
                                         [this](const StreamEvent& event) {
                                           set_connected(true);
                                           return asked(event);
                                         },
                                         {timer.get(), [this, &rest](bool came) {
                                            if (came) {
                                              rest = kFirstPause;
                                              set_connected(true);
                                            }
                                            return between();
                                          }});
      set_connected(false);
      if (stopping()) break;
      if (!ended) problem(ended.error());
      if (!pause(rest)) break;
      rest = std::min(rest * 2, kLongestPause);
    }
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  }
};

/// The thread, and what ends it.
struct Component::Running {
  std::shared_ptr<Shared> shared;
  std::mutex ending;
  std::thread thread;

  explicit Running(std::shared_ptr<Shared> all, bool registered) : shared(std::move(all)) {
    const SignalsBlocked blocked;
    thread = std::thread([shared = shared, registered] { shared->run(registered); });
    pthread_setname_np(thread.native_handle(),
                       ("headroom " + shared->name).substr(0, kThreadName).c_str());
  }
  ~Running() { end(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // Waits for as long as it was told to, and not at all where it would wait for itself, or for a
  // thread that a fork has left behind.
  void end() {
    const std::lock_guard one(ending);
    bool over = false;
    {
      std::unique_lock lock(shared->mutex);
      shared->stop = true;
      shared->changed.notify_all();
      shared->wake_in({});
      if (thread.get_id() != std::this_thread::get_id() && getpid() == shared->pid) {
        over = shared->changed.wait_for(lock, shared->options.end_within,
                                        [this] { return shared->done; });
      }
    }
    if (!thread.joinable()) return;
    if (over) {
      thread.join();
    } else {
      thread.detach();
    }
  }
};

Component::Component(std::unique_ptr<Running> running) : running_(std::move(running)) {}
Component::Component(Component&& other) noexcept = default;
Component& Component::operator=(Component&& other) noexcept = default;
Component::~Component() = default;

const std::string& Component::name() const { return running_->shared->name; }

void Component::report(const Amounts& used) {
  auto& shared = *running_->shared;
  const std::lock_guard lock(shared.mutex);
  for (const auto& [name, amount] : used) shared.used[name] = amount;
  shared.reported = true;
  shared.arm();
}

ComponentStatus Component::status() const {
  const std::lock_guard lock(running_->shared->mutex);
  return running_->shared->status;
}

Result<void> Component::leave() {
  auto& shared = *running_->shared;
  {
    const std::lock_guard lock(shared.mutex);
    shared.left = true;
  }
  running_->end();
  Daemon daemon(shared.url, shared.options.answer_within);
  const auto gone = daemon.send("DELETE", shared.target, {});
  // One that the daemon does not know has left already.
  if (!gone && gone.error().kind != ErrorKind::not_found) {
    return tl::unexpected<Error>(gone.error());
  }
  return {};
}

Result<Component> register_component(std::string url, std::string name,
                                     std::vector<ComponentSetter> setters,
                                     ComponentOptions options) {
  if (const auto right = check(name, setters); !right) {
    return tl::unexpected<Error>(right.error());
  }
  auto shared = std::make_shared<Component::Shared>();
  shared->url = url_of(std::move(url));
  shared->target = "/api/v1/components/" + http::encode_segment(name);
  shared->name = std::move(name);
  shared->setters = std::move(setters);
  shared->options = std::move(options);
  shared->status.values = shared->options.values;
  shared->timer = http::Fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!shared->timer) {
    return fail(ErrorKind::internal, "component " + shared->name + " cannot listen",
                "there is no descriptor left for its timer", "raise the limit of open files");
  }
  shared->calls = std::make_unique<Daemon>(shared->url, shared->options.answer_within);
  const auto registered = shared->put(true);
  if (!registered) {
    const bool may_come = registered.error().kind == ErrorKind::unavailable;
    if (!may_come || !shared->options.later) return tl::unexpected<Error>(registered.error());
  }
  try {
    return Component(std::make_unique<Component::Running>(shared, registered.has_value()));
  } catch (const std::exception& error) {
    return fail(ErrorKind::internal, "component " + shared->name + " cannot listen", error.what(),
                "raise the limit of threads");
  }
}

}  // namespace headroom::client
