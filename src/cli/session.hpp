// `headroom session`: folders of temporary files, and which of them go.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <headroom/result.hpp>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// Session folders, one line each, and what came of a cleaning (the answers of /api/v1/sessions).
/// `listed`: somebody only asked what there is. Pure.
std::string render_sessions(const client::json::value& sessions, bool listed, const Style& style);

/// What is to be done about session folders without a daemon.
struct SessionsAsk {
  std::vector<std::string> roots;  ///< absolute paths
  std::string pattern = "session_*";
  std::string name;                         ///< only this one, whatever its age; "": all
  std::optional<std::chrono::seconds> age;  ///< those unchanged for so long go; empty: none
  bool dry_run = false;
};

/// Looks at session folders in this process, removes them unless it is a dry run, and answers with
/// the document that the daemon would answer with. Who is in use it sees by locks and changes only:
/// what was told to a daemon is not known here. Errors: not_found and conflict for a name.
Result<std::string> sessions_locally(const SessionsAsk& ask);

/// Makes a session folder for this user; its path.
Result<std::string> add_session_locally(const std::string& root, const std::string& name);

}  // namespace headroom::cli
