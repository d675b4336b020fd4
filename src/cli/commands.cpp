#include "cli/commands.hpp"

#include <csignal>

#include "settings/parse.hpp"

namespace headroom::cli {

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands{
      {"status", "", "one screen: room, pressure, alerts, leases", status_command},
      {"top", "", "the same, live, full screen", top_command},
      {"gpu", "gpus", "the devices, or one of them", gpu_command},
      {"ps", "", "who uses what", ps_command},
      {"history", "", "one resource over time", history_command},
      {"forecast", "forecasts", "what the readings are going to be", forecast_command},
      {"event", "events", "what happened and why", event_command},
      {"alert", "alerts", "what is not ok", alert_command},
      {"fit", "", "would it fit now, where, and if not, what would help", fit_command},
      {"run", "", "book, place, run, release", run_command},
      {"wait", "", "block until it fits, or until pressure falls", wait_command},
      {"lease", "leases", "what is booked, and by whom", lease_command},
      {"free", "", "make room: ask idle models to go", free_command},
      {"model", "models", "what takes memory by name, and where it is", model_command},
      {"advise", "advice", "what to change, why, and how", advise_command},
      {"component", "components", "who is given a share of the machine, and how much",
       component_command},
      {"quota", "quotas", "a component's bounds and priority", quota_command},
      {"strategy", "strategies", "how allocations move", strategy_command},
      {"drain", "drains", "a device, or the node, takes nobody new", drain_command},
      {"session", "sessions", "folders of temporary files: how old, how large, which go",
       session_command},
      {"doctor", "", "every check, with a fix for each that fails", doctor_command},
      {"check", "", "one line and an exit code for monitoring systems", check_command},
      {"config", "", "the settings in force, and where each comes from", config_command},
      {"metrics", "", "the Prometheus text", metrics_command},
      {"openapi", "", "the HTTP interface as a document", openapi_command},
      {"completion", "", "what a shell needs to complete these words", completion_command},
      {"resource-management", "", "the older words for strategy, component and quota",
       resource_management_command},
      {"version", "", "the version", version_command},
      {"help", "", "this list, or a command's own help", help_command},
  };
  return kCommands;
}

int headroom_command(Words words) {
  // A reader that goes away ends us through a failed write, not through a signal.
  std::signal(SIGPIPE, SIG_IGN);
  // Options before a command belong to it: "headroom --json lease".
  std::size_t at = 0;
  while (at < words.size() && words[at].size() > 1 && words[at][0] == '-') {
    const bool takes_value = words[at] == "-o" || words[at] == "--output" ||
                             words[at] == "--color" || words[at] == "--timeout" ||
                             words[at] == "--url";
    at += takes_value ? 2 : 1;
  }
  if (at >= words.size()) {
    if (words.size() == 1 && (words[0] == "-h" || words[0] == "--help")) return help_command({});
    if (words.size() == 1 && words[0] == "--version") return version_command({});
    return status_command(std::move(words));
  }
  const std::string name = words[at];
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
  std::vector<std::string_view> names;
  for (const auto& command : commands()) {
    if (name == command.name || (*command.plural != '\0' && name == command.plural)) {
      return command.run(std::move(words));
    }
    names.emplace_back(command.name);
  }
  const auto near = settings::nearest(name, names);
  return report(Error{ErrorKind::invalid_request, "there is no command '" + name + "'",
                      near ? "did you mean " + *near + "?" : "",
                      near ? "headroom " + *near : "headroom help"});
}

}  // namespace headroom::cli
