// Metrics for scrapers: the Prometheus text (0.0.4) and OpenMetrics (1.0.0).
#pragma once

#include <string>
#include <string_view>

#include "serve/backend.hpp"

namespace headroom::serve {

enum class MetricsFormat { text, openmetrics };

/// Which one an Accept header asks for, "" being none. Text where both would do, where neither
/// would, and where the configuration does not want OpenMetrics.
MetricsFormat negotiate_metrics(std::string_view accept, const Config& config);

std::string_view content_type(MetricsFormat format);

/// All metrics the configuration wants: readings under OpenTelemetry's names, decisions under
/// headroom_, and the names of others. What is unknown is not there. Loop thread.
std::string metrics_text(Backend& backend, MetricsFormat format = MetricsFormat::text);

}  // namespace headroom::serve
