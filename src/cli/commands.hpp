// The commands: what `headroom` can be asked, one file each.
#pragma once

#include <vector>

#include "cli/options.hpp"

namespace headroom::cli {

/// One command. `run` gets the words after the command's name and returns the exit code.
struct Command {
  const char* name;
  const char* plural;  ///< accepted too; "" where there is none
  const char* about;
  int (*run)(Words words);
};

/// All of them, in the order help shows them.
const std::vector<Command>& commands();

int status_command(Words words);
int top_command(Words words);
int gpu_command(Words words);
int ps_command(Words words);
int history_command(Words words);
int forecast_command(Words words);
int event_command(Words words);
int alert_command(Words words);
int fit_command(Words words);
int run_command(Words words);
int wait_command(Words words);
int lease_command(Words words);
int free_command(Words words);
int model_command(Words words);
int advise_command(Words words);
int drain_command(Words words);
int session_command(Words words);
int component_command(Words words);
int quota_command(Words words);
int strategy_command(Words words);
int resource_management_command(Words words);
int doctor_command(Words words);
int check_command(Words words);
int config_command(Words words);
int metrics_command(Words words);
int openapi_command(Words words);
int completion_command(Words words);
int version_command(Words words);
int help_command(Words words);

/// The whole program: finds the command in `words` (argv without the program's name) and runs it.
int headroom_command(Words words);

}  // namespace headroom::cli
