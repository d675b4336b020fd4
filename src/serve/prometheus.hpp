// The Prometheus text (format 0.0.4).
#pragma once

#include <string>

#include "serve/backend.hpp"

namespace headroom::serve {

/// Readings under OpenTelemetry's names, decisions under headroom_, and the specification's
/// ml_resource_.
std::string metrics_text(Backend& backend);

}  // namespace headroom::serve
