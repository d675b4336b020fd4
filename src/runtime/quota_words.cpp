#include "runtime/quota_words.hpp"

#include <array>
#include <cmath>
#include <utility>

#include "settings/parse.hpp"

namespace headroom::runtime {
namespace {

constexpr double kLargestAmount = 1e9;   // in the unit of a setter, as by HTTP
constexpr double kLargestBuffer = 1000;  // percent

Result<std::optional<Priority>> priority_of(const std::string& word) {
  if (word.empty()) return std::optional<Priority>();
  auto priority = settings::parse_priority(word);
  if (!priority) return tl::unexpected<Error>(priority.error());
  return std::optional<Priority>(*priority);
}

}  // namespace

Result<std::optional<std::int64_t>> units_of(Allotted what, const std::string& name,
                                             const std::optional<double>& value) {
  if (!value) return std::optional<std::int64_t>();
  if (!std::isfinite(*value) || *value < 0 || *value > kLargestAmount) {
    return fail(ErrorKind::invalid_request, name + " is no amount",
                "it is not between 0 and 1000000000",
                "say it in " + std::string(facts_of(what).unit) + "; 0 takes it back");
  }
  return std::optional<std::int64_t>(std::llround(*value * facts_of(what).scale));
}

Result<QuotaChange> change_of(const QuotaWords& words) {
  QuotaChange change;
  const std::array<std::array<const std::optional<double>*, 3>, kAllotted> said{
      {{&words.cpu_percent, &words.min_cpu_percent, &words.max_cpu_percent},
       {&words.memory_mb, &words.min_memory_mb, &words.max_memory_mb},
       {&words.disk_iops, &words.min_disk_iops, &words.max_disk_iops},
       {&words.network_mb, &words.min_network_mb, &words.max_network_mb}}};
  for (const Allotted what : kAllAllotted) {
    auto& part = change.parts[index_of(what)];
    const std::string setter(facts_of(what).setter);
    const std::array<std::pair<std::string, std::optional<std::int64_t>*>, 3> into{
        {{setter, &part.amount}, {"min_" + setter, &part.least}, {"max_" + setter, &part.most}}};
    for (std::size_t i = 0; i < into.size(); ++i) {
      auto units = units_of(what, into[i].first, *said[index_of(what)][i]);
      if (!units) return tl::unexpected<Error>(units.error());
      *into[i].second = *units;
    }
  }
  const auto priority = priority_of(words.priority);
  if (!priority) return tl::unexpected<Error>(priority.error());
  change.priority = *priority;
  if (words.buffer_percent) {
    if (std::isnan(*words.buffer_percent) || *words.buffer_percent > kLargestBuffer) {
      return fail(ErrorKind::invalid_request, "buffer_percent is no share",
                  "it is not between 0 and 1000",
                  "40 adds four tenths; below 0 it is the strategy's again");
    }
    change.buffer = *words.buffer_percent < 0 ? -1 : *words.buffer_percent / 100;
  }
  change.during = words.during;
  return change;
}

}  // namespace headroom::runtime
