// The processes of the machine as documents: who uses what, as far as the caller may see it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <headroom/process.hpp>

#include "serve/backend.hpp"
#include "serve/json.hpp"
#include "serve/user_names.hpp"

namespace headroom::serve {

class Schemas;

/// Which processes, and in which order.
struct ProcessQuery {
  std::optional<std::string> gpu;   ///< UUID: those that hold memory there
  std::optional<std::string> user;  ///< name or number
  bool unbooked = false;            ///< those that run under no lease
  enum class Sort { pid, gpu, mem, cpu } sort = Sort::pid;
  std::size_t limit = 1000;
};

/// The words of a process are for its owner, for the owner of its lease and for trusted callers.
bool may_see_command(const Caller& caller, const ProcessReading& process, const View& view);

/// What the documents of processes are written from.
struct ProcessContext {
  const ProcessList& list;
  const View& view;
  const Caller& caller;
  UserNames& names;
  Instant now;
};

void write_processes(Json& json, const ProcessContext& context, const ProcessQuery& query);
/// One process, with the sum over it and all below it. False when there is none of this pid.
bool write_process_snapshot(Json& json, const ProcessContext& context, pid_t pid);
/// A lease with its processes.
void write_lease_snapshot(Json& json, const ProcessContext& context, const LeaseView& lease);

/// Adds "Processes", "ProcessSnapshot" and "LeaseSnapshot".
void describe_processes(Schemas& all);

}  // namespace headroom::serve
