#include "demo/instance.hpp"

#include <algorithm>
#include <sstream>

#include "demo/built_in.hpp"

namespace headroom::demo {

Result<Instance> parse_instance(std::string_view text) {
  Instance instance;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto refuse = [&](const std::string& why) {
      return fail(ErrorKind::invalid_request, "line " + std::to_string(number) + ": " + line, why);
    };
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    if (word == "limit") {
      if (!(words >> instance.limit_mib) || instance.limit_mib <= 0) {
        return refuse("a limit is a number of MiB above 0");
      }
    } else if (word == "job") {
      Job job;
      if (!(words >> job.name >> job.memory_mib >> job.seconds >> job.checkpoint) ||
          job.seconds <= 0 || job.checkpoint <= 0) {
        return refuse("a job is: job NAME MIB SECONDS CHECKPOINT");
      }
      if (job.memory_mib <= 0 || job.memory_mib > usable_mib(instance.limit_mib)) {
        return refuse("does not fit into " + std::to_string(usable_mib(instance.limit_mib)) +
                      " MiB, what is usable of the limit");
      }
      const bool known = std::any_of(instance.jobs.begin(), instance.jobs.end(),
                                     [&](const Job& other) { return other.name == job.name; });
      if (known) return refuse("there is a job of that name already");
      instance.jobs.push_back(std::move(job));
    } else {
      return refuse("a line starts with limit or job");
    }
    if (words >> word) return refuse("there is more than expected at the end of the line");
  }
  if (instance.jobs.empty()) {
    return fail(ErrorKind::invalid_request, "the instance has no jobs");
  }
  return instance;
}

Result<Instance> built_in_instance() { return parse_instance(kInstanceText); }

}  // namespace headroom::demo
