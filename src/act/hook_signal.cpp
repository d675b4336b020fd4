// A signal to the processes of a lease. They come as pidfds, held since their identity was
// checked: a process that has taken over the number of one that ended never gets it.
#include <array>
#include <csignal>
#include <fstream>
#include <string>

#include "act/hook_engine.hpp"

namespace headroom::act {

namespace {

struct Named {
  const char* name;
  int number;
};
constexpr std::array<Named, 5> kSignals{
    {{"HUP", SIGHUP}, {"INT", SIGINT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}}};

/// True when the pidfd is of the process that its watch names: whoever mixed two up must not make a
/// stranger pay for it.
bool holds_its_process(const ProcessWatch& process) {
  std::ifstream facts("/proc/self/fdinfo/" + std::to_string(process.fd()));
  std::string word;
  while (facts >> word) {
    if (word != "Pid:") continue;
    long pid = 0;
    return facts >> pid && pid == process.holder().pid && process.alive();
  }
  return false;
}

class BySignal : public Hook {
 public:
  explicit BySignal(HookSetting setting) : Hook(std::move(setting)) {}
  HookGrain grain() const override { return HookGrain::everything; }

 private:
  HookAnswer do_resident(Deadline) const override {
    return answer(HookOutcome::refused, "a signal asks for no answer", false);
  }
  HookAnswer do_load(const HookAsk&, Deadline) const override {
    return answer(HookOutcome::refused, "a signal only asks to free", false);
  }
  bool load_needs_name() const override { return false; }

  HookAnswer do_free(const HookAsk& ask, Deadline) const override {
    int number = 0;
    for (const Named& one : kSignals) {
      if (setting().signal == one.name) number = one.number;
    }
    if (number == 0) return answer(HookOutcome::refused, "there is no such signal", false);
    std::size_t sent = 0;
    std::string trouble;
    for (const ProcessWatch* process : ask.processes) {
      if (process == nullptr || !holds_its_process(*process)) continue;
      const auto done = end(*process, number);
      if (done) {
        ++sent;
      } else if (done.error().kind != ErrorKind::not_found) {
        trouble = done.error().why.empty() ? done.error().what : done.error().why;
      }
    }
    if (!trouble.empty()) return answer(HookOutcome::refused, trouble, sent > 0);
    if (sent == 0) return answer(HookOutcome::not_found, "no process of it lives", false);
    return answer(HookOutcome::acknowledged,
                  "SIG" + setting().signal + " sent to " + std::to_string(sent) + " processes");
  }
};

}  // namespace

std::unique_ptr<Hook> make_signal(HookSetting setting) {
  return std::make_unique<BySignal>(std::move(setting));
}

}  // namespace headroom::act
