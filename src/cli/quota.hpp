// `headroom quota`: a component's bounds and priority.
#pragma once

#include <cstdint>
#include <string>

#include <headroom/result.hpp>

#include "cli/options.hpp"
#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// What `quota set` was given, as typed; "" is not said, "none" takes a value back.
struct QuotaOptions {
  std::string cpu, memory, disk_iops, network;
  std::string min_cpu, min_memory, min_disk_iops, min_network;
  std::string max_cpu, max_memory, max_disk_iops, max_network;
  std::string priority, buffer, during;
  bool enforce = false;
  bool no_enforce = false;

  void add_to(Options& options);
  bool any() const;
};

/// What a number without a unit means as an amount of memory.
enum class BareMemory : bool { bytes, megabytes };

/// The body of PUT …/quota. Fails with `invalid_request` and the flag at fault.
Result<client::json::object> quota_of(const QuotaOptions& options, BareMemory bare);

/// Quotas, a row for each resource and for each of their windows: {"items":[QUOTA…]}. Pure.
std::string render_quotas(const client::json::value& quotas, const Style& style);

/// "prediction_service: cpu 25 → 30 %, memory 512 → 600 MB, priority critical": what of `said`, the
/// body of the PUT, has changed between `before` (an empty value where there was none) and `after`.
/// Pure.
std::string render_quota_change(const std::string& name, const client::json::value& before,
                                const client::json::value& after, const client::json::object& said);

/// "applied by pid 6120 in 12 ms": what came of the first ask after `seen`, the id of the newest
/// decision before; "" while it is not known. Pure.
std::string render_outcome(const client::json::value& component,
                           const client::json::value& decisions, std::int64_t seen);

/// Sets a quota, says what has changed, and for up to a second waits for the component to apply it;
/// the exit code.
int set_quota(const Common& common, const std::string& name, const QuotaOptions& options,
              BareMemory bare);

}  // namespace headroom::cli
