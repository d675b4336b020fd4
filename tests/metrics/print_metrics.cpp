// Prints the metrics of a machine that has everything: text, openmetrics, protobuf or json.
#include <cstdio>
#include <string_view>

#include "serve/metric_backend_for_test.hpp"
#include "serve/otlp.hpp"
#include "serve/prometheus.hpp"

int main(int count, char** words) {
  using namespace headroom::serve;
  testing::StillMachine machine;
  testing::fill(machine);
  machine.sample_->networks[0].name = "eth\xFF";  // whatever a kernel may say
  const std::string_view form = count == 2 ? words[1] : "";
  std::string out;
  if (form == "text") out = metrics_text(machine, MetricsFormat::text);
  if (form == "openmetrics") out = metrics_text(machine, MetricsFormat::openmetrics);
  if (form == "protobuf") out = otlp_metrics(machine, OtlpEncoding::protobuf);
  if (form == "json") out = otlp_metrics(machine, OtlpEncoding::json);
  if (out.empty()) {
    std::fputs("usage: print_metrics text|openmetrics|protobuf|json\n", stderr);
    return 2;
  }
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size() ? 0 : 1;
}
