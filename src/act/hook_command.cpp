// A command that frees, loads or tells: its words with {ask}, {model} and {bytes} filled in, as
// docs/hooks.md describes. What it gets of our environment is a short list.
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "act/command.hpp"
#include "act/hook_engine.hpp"

namespace headroom::act {

namespace {

constexpr std::size_t kMostOutput = 256 << 10;
constexpr std::array kHandedOn{"PATH",   "HOME", "USER",   "LOGNAME",        "LANG",
                               "LC_ALL", "TZ",   "TMPDIR", "XDG_RUNTIME_DIR"};

std::string filled(std::string word, std::string_view blank, std::string_view with) {
  for (std::size_t at = 0; (at = word.find(blank, at)) != std::string::npos; at += with.size()) {
    word.replace(at, blank.size(), with);
  }
  return word;
}

class ByCommand : public Hook {
 public:
  explicit ByCommand(HookSetting setting) : Hook(std::move(setting)) {}

 private:
  /// One that is not told what is asked knows only to free.
  bool knows_asks() const {
    for (const std::string& word : setting().run) {
      if (word.find("{ask}") != std::string::npos) return true;
    }
    return false;
  }

  CommandEnd run(const char* what, const HookAsk& ask, Deadline deadline) const {
    const std::string bytes = std::to_string(ask.bytes.count());
    Command command;
    for (const std::string& word : setting().run) {
      // The name comes last: what it holds is never filled in again.
      command.words.push_back(
          filled(filled(filled(word, "{ask}", what), "{bytes}", bytes), "{model}", ask.model));
    }
    for (const char* name : kHandedOn) {
      // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
      if (const char* value = std::getenv(name)) {
        command.environment.push_back(std::string(name) + "=" + value);
      }
    }
    command.environment.push_back(std::string("HEADROOM_ASK=") + what);
    command.environment.push_back("HEADROOM_MODEL=" + ask.model);
    command.environment.push_back("HEADROOM_BYTES=" + bytes);
    command.environment.push_back(std::string("HEADROOM_BUSY_TOO=") + (ask.busy_too ? "1" : "0"));
    command.output_bytes = kMostOutput;
    return run_command(command, deadline);
  }

  HookAnswer judge(const CommandEnd& end) const {
    const std::string& program = setting().run.front();
    const std::string said = end.output.empty() ? "" : ": " + end.output.substr(0, 4 * kMostSaid);
    switch (end.how) {
      case CommandEnd::How::not_run:
        return answer(HookOutcome::unreachable, end.why, false);
      case CommandEnd::How::late:
        return answer(HookOutcome::timed_out, program + " took too long and was ended" + said);
      case CommandEnd::How::killed:
        return answer(HookOutcome::refused,
                      program + " died of signal " + std::to_string(end.number) + said);
      case CommandEnd::How::exited:
        break;
    }
    if (end.number != 0) {
      return answer(HookOutcome::refused,
                    program + " ended with " + std::to_string(end.number) + said);
    }
    return answer(HookOutcome::acknowledged, end.output.substr(0, 4 * kMostSaid));
  }

  HookAnswer send(const char* what, const HookAsk& ask, Deadline deadline) const {
    if (ask.model.starts_with('-')) {
      return answer(HookOutcome::refused, "a name that begins with - could be taken for an option",
                    false);
    }
    return judge(run(what, ask, deadline));
  }

  HookAnswer do_resident(Deadline deadline) const override {
    if (!knows_asks()) {
      return answer(HookOutcome::refused, "it has no {ask} among its words: it only frees", false);
    }
    const CommandEnd end = run("resident", {}, deadline);
    HookAnswer out = judge(end);
    if (out.outcome != HookOutcome::acknowledged) return out;
    if (end.output.size() >= kMostOutput) {
      return answer(HookOutcome::nonsense, "it writes too much");
    }
    auto residents = parse_told_residents(end.output);
    if (!residents) return nonsense(residents.error());
    out = answer(HookOutcome::answered, std::to_string(residents->size()) + " models resident");
    out.residents = std::move(*residents);
    return out;
  }
  HookAnswer do_free(const HookAsk& ask, Deadline deadline) const override {
    return send("free", ask, deadline);
  }
  HookAnswer do_load(const HookAsk& ask, Deadline deadline) const override {
    if (!knows_asks()) {
      return answer(HookOutcome::refused, "it has no {ask} among its words: it only frees", false);
    }
    return send("load", ask, deadline);
  }
  bool load_needs_name() const override { return false; }
};

}  // namespace

std::unique_ptr<Hook> make_command(HookSetting setting) {
  return std::make_unique<ByCommand>(std::move(setting));
}

}  // namespace headroom::act
