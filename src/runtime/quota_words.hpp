// A quota in the words that a program says it in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <headroom/component.hpp>
#include <headroom/result.hpp>

#include "words/event.hpp"

namespace headroom::runtime {

/// What of a quota is to change, in the words of PUT /api/v1/components/NAME/quota; what is empty
/// stays.
struct QuotaWords {
  std::optional<double> cpu_percent = {}, min_cpu_percent = {}, max_cpu_percent = {};  ///< 0: none
  std::optional<double> memory_mb = {}, min_memory_mb = {}, max_memory_mb = {};        ///< 0: none
  std::optional<double> disk_iops = {}, min_disk_iops = {}, max_disk_iops = {};        ///< 0: none
  std::optional<double> network_mb = {}, min_network_mb = {}, max_network_mb = {};     ///< 0: none
  std::string priority = {};                  ///< low normal high critical
  std::optional<double> buffer_percent = {};  ///< 0 to 1000; below 0: the strategy's again
  std::string during =
      {};  ///< "Mon-Fri 08:00-18:00": of these times alone; by itself: forgets them
};

/// Errors: invalid_request, for what is no amount, no share or no priority.
Result<QuotaChange> change_of(const QuotaWords& words);

/// An amount that goes by `name`, in the allocator's units; empty stays empty. Errors:
/// invalid_request.
Result<std::optional<std::int64_t>> units_of(Allotted what, const std::string& name,
                                             const std::optional<double>& value);

}  // namespace headroom::runtime
