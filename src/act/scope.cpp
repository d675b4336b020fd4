#include "act/scope.hpp"

#include "act/refusal.hpp"

#if !__has_include(<systemd/sd-bus.h>)

namespace headroom::act {

Result<Scope> hold_scope(const std::string& name, std::chrono::milliseconds) {
  return fail(ErrorKind::unavailable, "cannot ask systemd for " + name + ".scope",
              "headroom was built without libsystemd", "build it with libsystemd-dev installed");
}

void release_keeper(Scope&) {}

}  // namespace headroom::act

#else

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace headroom::act {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";

struct CloseBus {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};
struct DropMessage {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
struct DropSlot {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;
using Message = std::unique_ptr<sd_bus_message, DropMessage>;
using Slot = std::unique_ptr<sd_bus_slot, DropSlot>;

/// An error reply of the bus; freed at the end of its scope.
struct BusError {
  sd_bus_error raw{};
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&raw); }
  bool is(const char* name) const { return sd_bus_error_has_name(&raw, name) > 0; }
  Error into(std::string what, int result) const {
    Error error = refusal(std::move(what), -result, "start headroomd as a service of that systemd");
    if (raw.message != nullptr) error.why = raw.message;
    if (error.kind != ErrorKind::not_allowed) error.kind = ErrorKind::unavailable;
    return error;
  }
};

struct Job {
  std::string path;
  bool done = false;
  std::string outcome;
};

int on_job_removed(sd_bus_message* message, void* data, sd_bus_error*) {
  auto* job = static_cast<Job*>(data);
  std::uint32_t id = 0;
  const char* path = nullptr;
  const char* unit = nullptr;
  const char* outcome = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &outcome) >= 0 && job->path == path) {
    job->done = true;
    job->outcome = outcome;
  }
  return 0;
}

/// The group of a unit that is active; empty when there is none such.
Result<std::string> active_group(sd_bus* bus, const std::string& unit) {
  const std::string what = "cannot ask systemd for " + unit;
  BusError error;
  sd_bus_message* raw = nullptr;
  int result = sd_bus_call_method(bus, kService, kManagerPath, kManager, "GetUnit", &error.raw,
                                  &raw, "s", unit.c_str());
  const Message reply(raw);
  if (result < 0) {
    if (error.is("org.freedesktop.systemd1.NoSuchUnit")) return std::string();
    return tl::unexpected(error.into(what, result));
  }
  const char* object = nullptr;
  result = sd_bus_message_read(reply.get(), "o", &object);
  if (result < 0) return tl::unexpected(error.into(what, result));

  const auto property = [&](const char* interface, const char* name) -> Result<std::string> {
    BusError refused;
    char* text = nullptr;
    const int got =
        sd_bus_get_property_string(bus, kService, object, interface, name, &refused.raw, &text);
    if (got < 0) return tl::unexpected(refused.into(what, got));
    std::string value(text);
    std::free(text);
    return value;
  };
  const auto state = property("org.freedesktop.systemd1.Unit", "ActiveState");
  if (!state || *state != "active") return state ? Result<std::string>(std::string()) : state;
  return property("org.freedesktop.systemd1.Scope", "ControlGroup");
}

/// A process that does nothing and holds nothing of ours: no descriptor, no session, no memory.
/// Between fork and exec only calls that are safe in a process with threads.
pid_t start_keeper() {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::close_range(0, UINT_MAX, 0);
  ::setsid();
  if (::chdir("/") != 0) ::_exit(1);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("infinity"), nullptr};
  char* const environment[] = {nullptr};
  ::execve("/bin/sleep", arguments, environment);
  while (true) ::pause();  // no sleep here: then with our (shared) memory
}

Result<void> start_scope(sd_bus* bus, const std::string& unit, pid_t keeper,
                         Clock::time_point until) {
  const std::string what = "cannot start " + unit;
  BusError error;
  Job job;
  sd_bus_slot* raw_slot = nullptr;
  int result = sd_bus_match_signal(bus, &raw_slot, kService, kManagerPath, kManager, "JobRemoved",
                                   on_job_removed, &job);
  const Slot slot(raw_slot);
  if (result < 0) return tl::unexpected(error.into(what, result));
  sd_bus_message* raw = nullptr;
  result =
      sd_bus_call_method(bus, kService, kManagerPath, kManager, "StartTransientUnit", &error.raw,
                         &raw, "ssa(sv)a(sa(sv))", unit.c_str(), "fail", 4,                   //
                         "Description", "s", "jobs that headroom holds inside their leases",  //
                         "Delegate", "b", 1,                                                  //
                         "CollectMode", "s", "inactive-or-failed",                            //
                         "PIDs", "au", 1, static_cast<std::uint32_t>(keeper),                 //
                         0);
  const Message reply(raw);
  if (result < 0) return tl::unexpected(error.into(what, result));
  const char* path = nullptr;
  result = sd_bus_message_read(reply.get(), "o", &path);
  if (result < 0) return tl::unexpected(error.into(what, result));
  job.path = path;
  while (!job.done) {
    result = sd_bus_process(bus, nullptr);
    if (result == 0) {
      const auto left =
          std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now()).count();
      if (left <= 0) return tl::unexpected(error.into(what, -ETIMEDOUT));
      result = sd_bus_wait(bus, static_cast<std::uint64_t>(left));
    }
    if (result < 0 && result != -EINTR) return tl::unexpected(error.into(what, result));
  }
  if (job.outcome != "done") {
    return fail(ErrorKind::unavailable, what, "systemd says the job is " + job.outcome,
                "systemctl status " + unit);
  }
  return {};
}

}  // namespace

Result<Scope> hold_scope(const std::string& name, std::chrono::milliseconds deadline) {
  Scope scope;
  scope.unit = name + ".scope";
  const std::string what = "cannot ask systemd for " + scope.unit;
  if (sd_booted() <= 0) {
    return fail(ErrorKind::unavailable, what, "this machine was not started by systemd");
  }
  const auto until = Clock::now() + deadline;
  BusError error;
  sd_bus* raw = nullptr;
  int result = ::geteuid() == 0 ? sd_bus_open_system(&raw) : sd_bus_open_user(&raw);
  const Bus bus(raw);
  if (result >= 0) {
    result = sd_bus_set_method_call_timeout(
        bus.get(), static_cast<std::uint64_t>(
                       std::chrono::duration_cast<std::chrono::microseconds>(deadline).count()));
  }
  if (result < 0) return tl::unexpected(error.into(what, result));

  auto path = active_group(bus.get(), scope.unit);
  if (path && path->empty()) {
    scope.keeper = start_keeper();
    if (scope.keeper < 0) {
      scope.keeper = 0;
      return tl::unexpected(refusal("cannot start the keeper of " + scope.unit, errno));
    }
    const auto started = start_scope(bus.get(), scope.unit, scope.keeper, until);
    path = started ? active_group(bus.get(), scope.unit)
                   : Result<std::string>(tl::unexpected(started.error()));
  }
  if (!path || path->empty()) {
    release_keeper(scope);
    if (!path) return tl::unexpected(path.error());
    return fail(ErrorKind::unavailable, what, "it has no group", "systemctl status " + scope.unit);
  }
  scope.path = *path;
  return scope;
}

void release_keeper(Scope& scope) {
  if (scope.keeper <= 0) return;
  if (::waitpid(scope.keeper, nullptr, WNOHANG) != 0) {  // reaped now, or by somebody before us
    scope.keeper = 0;
    return;
  }
  // Still our child and not waited for: the pid is certainly its own.
  ::kill(scope.keeper, SIGKILL);
  while (::waitpid(scope.keeper, nullptr, 0) < 0 && errno == EINTR) {
  }
  scope.keeper = 0;
}

}  // namespace headroom::act

#endif
