// `headroom run`: a command inside a lease. What of it is pure stands here.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <headroom/result.hpp>

#include "cli/needs.hpp"
#include "cli/options.hpp"
#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// What a run was asked for.
struct RunRequest {
  Words command;
  client::json::object needs;  ///< empty: what the name has been learned to need
  std::string name;            ///< "" = the command's own
  std::string model;           ///< that it keeps in memory; or empty
  std::string config;          ///< "" = config_of(command)
  std::int64_t asked = 0;      ///< seconds since 1970, for the name of a load
  std::string priority = "normal";
  std::optional<std::int64_t> for_seconds;   ///< how long it is expected to take
  std::optional<std::int64_t> wait_seconds;  ///< empty: without limit; 0: not at all
  std::optional<std::int64_t> starts;        ///< not before: seconds since 1970
  bool fence = true;
  bool spread = false;  ///< the emptiest device
  bool return_idle = false;
  bool enforce = false;
  std::string parent;  ///< the lease this run draws from, "" = none
};

/// The last part of the path of the command, without what a lease's name may not hold.
std::string name_of(const std::string& command);

/// What a command is called when nobody says: its program, or what an interpreter is given to run.
/// ("python3 big.py" is big.py; "sh -c …" has no better name than sh.)
std::string default_name(const Words& command);

/// What tells runs of a name apart when nobody says: a short digest of the command's words.
/// ("train.py --batch 32" and "train.py --batch 64" differ.)
std::string config_of(const Words& command);

/// What the lease of a run that loads a model is called when nobody says:
/// model_load_facebook_musicgen_small_1734260000.
std::string load_name(const std::string& model, std::int64_t at);

/// The body of POST /leases for a run held by `pid`.
client::json::object booking_of(const RunRequest& request, int pid);

/// What the command finds in its environment, by the lease as the daemon granted it:
/// CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER where it has a device, HEADROOM_LEASE and the
/// amounts it has.
std::vector<std::pair<std::string, std::string>> environment_of(const client::json::value& lease);

/// `words` with {gpu_fraction} {gpu_id} {gpu_mem_mb} {mem_mb} {lease} filled in. Fails with
/// `invalid_request` for one that this lease has no value for.
Result<Words> fill_in(const Words& words, const client::json::value& lease);

/// The first placeholder in `words` that stated needs can give no value to; "" when there is none.
std::string missing_value(const Words& words, const client::json::object& needs);

/// "headroom: waiting for 24.0 GiB GPU memory, place 1, earliest 14:32      00:41".
std::string waiting_line(const client::json::value& lease, double waited_seconds,
                         const Style& style);

/// "headroom: lease qwen (l-73) on GPU 0 (GPU-5d1f…), 24.0 GiB GPU memory".
std::string granted_line(const client::json::value& lease);

/// The last line: how it ended, how long it took, the peak, and after a death at a limit what
/// helps. `lease` is the lease as the daemon has it after the end, or as it was granted when the
/// daemon is gone. `enforced`: it had hard limits while it ran; afterwards it has no group to say
/// so.
std::string ended_line(const client::json::value& lease, bool enforced, int wait_status,
                       double seconds);

}  // namespace headroom::cli
