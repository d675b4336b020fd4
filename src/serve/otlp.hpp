// Metrics as OpenTelemetry's protocol carries them over HTTP.
#pragma once

#include <string>
#include <string_view>

#include "serve/backend.hpp"

namespace headroom::serve {

enum class OtlpEncoding { protobuf, json };

std::string_view content_type(OtlpEncoding encoding);

/// The body of a POST to a collector's /v1/metrics: an ExportMetricsServiceRequest with all that
/// the configuration wants, sums cumulative since the daemon's or the machine's start. Loop thread.
std::string otlp_metrics(Backend& backend, OtlpEncoding encoding);

}  // namespace headroom::serve
