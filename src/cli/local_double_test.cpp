// What reading the machine without a daemon answers in these tests.
#include "cli/local.hpp"

namespace headroom::cli {

Result<std::string> read_locally(std::string_view target) {
  if (target == "/api/v1/leases" || target == "/api/v1/alerts") {
    return fail(ErrorKind::unavailable, "only a daemon knows that");
  }
  return "{\"read_locally\":\"" + std::string(target) + "\"}";
}

Result<void> sample_locally() { return {}; }

Result<std::string> fit_locally(std::string_view body) {
  return "{\"verdict\":\"now\",\"asked\":" + std::string(body) + "}";
}

}  // namespace headroom::cli
