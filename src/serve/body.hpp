// Request bodies as values: JSON in, every field checked, unknown ones refused by name.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/result.hpp>

#include "words/event.hpp"

namespace headroom::serve {

class Schemas;

/// The holder that a request for a lease names.
struct HolderField {
  bool given = false;
  std::optional<pid_t> pid;  ///< empty with `given` and no group: tied to time only
  std::optional<GroupName> group;
};

Result<AskFit> parse_fit(std::string_view body);
/// `holder` gets what the body says of it; the kernel is asked by the caller.
Result<AskLease> parse_lease(std::string_view body, HolderField& holder);
/// `holder` gets who is to hold it from now on, as with parse_lease().
Result<AskChange> parse_change(std::string_view body, HolderField& holder);
/// What is told of a model.
/// Registers a component; `pid` is the process whose end is its own.
Result<AskComponent> parse_component(std::string_view body, std::optional<pid_t>& pid);
Result<QuotaChange> parse_quota_change(std::string_view body);
/// What a component says that it uses; the body may be empty.
Result<AskComponent> parse_component_heard(std::string_view body);
/// What it did that it was asked.
Result<AskComponent> parse_component_answer(std::string_view body);
Result<AskModel> parse_model(std::string_view body);
/// {"resident": false}, {"pinned": true}, {"touched": true} and so on, at least one.
Result<AskModel> parse_model_change(std::string_view body);
Result<AskFree> parse_cleanup(std::string_view body);
/// {"name": "run-1", "root": "/srv/sessions", "pid": 4121}: `pid` gets the process, if one is
/// named.
Result<AskSessions> parse_session(std::string_view body, std::optional<pid_t>& pid);
/// {"older_seconds": 86400, "root": "/srv/sessions", "dry_run": true}
Result<AskSessions> parse_session_clean(std::string_view body);
/// {"ask": 17, "result": "freed", "said": "…"}: what a holder says to what it was asked.
struct HolderAnswer {
  std::uint64_t ask = 0;
  HookResult result = HookResult::refused;
  std::string said;
};
Result<HolderAnswer> parse_answer(std::string_view body);
/// {"acknowledged": true} or {"mute_seconds": 3600}; one of them.
struct AlertChange {
  std::optional<bool> acknowledged;
  std::optional<std::chrono::seconds> mute;  ///< 0 takes it back
};
Result<AlertChange> parse_alert_change(std::string_view body);

/// {"name": "aggressive+predictive"}: a strategy, as typed.
Result<std::string> parse_strategy_change(std::string_view body);

/// {"changes": {"pressure.memory.warning": "70", "http.listen": null}}: keys and values as typed,
/// "" to take one back.
Result<std::vector<std::pair<std::string, std::string>>> parse_config_changes(
    std::string_view body);

/// Adds "FitRequest", "LeaseRequest", "LeaseChange", "ModelRequest", "ModelChange",
/// "CleanupRequest", "SessionRequest", "SessionClean", "HolderAnswer", "AlertChange" and
/// "ConfigChange".
void describe_bodies(Schemas& all);

}  // namespace headroom::serve
