// Sends metrics to an OpenTelemetry collector, beside the loop and never in its way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "http/url.hpp"
#include "serve/otlp.hpp"
#include "words/config.hpp"

namespace headroom::runtime {

/// Where metrics go, and how.
struct OtlpTarget {
  http::Url url;
  std::string path = "/v1/metrics";
  std::vector<std::pair<std::string, std::string>> headers;
  serve::OtlpEncoding encoding = serve::OtlpEncoding::protobuf;
  std::chrono::milliseconds timeout{10000};    ///< of one attempt
  std::chrono::milliseconds first_wait{1000};  ///< before it is tried again; doubles
  std::chrono::milliseconds longest_wait{30000};
};

/// From the configuration and OTEL_EXPORTER_OTLP_{,METRICS_}{ENDPOINT,HEADERS,PROTOCOL,TIMEOUT};
/// `metrics.otlp` is stronger than an endpoint of the environment. Nothing: nobody is named.
/// `invalid_request` for what cannot be sent to, with what to do instead.
Result<std::optional<OtlpTarget>> otlp_target(
    const Config::Metrics& config, const std::map<std::string, std::string>& environment);

/// What a Retry-After header asks for: seconds or a date. Empty for what is neither; never
/// negative.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, WallTime now);

/// One thread that sends bodies, one at a time. At most one waits: a newer one takes its place,
/// since sums are cumulative and nothing is lost by that. A collector that is busy or away is tried
/// again, ever more rarely, with the newest body. offer() and counts() never wait for the network.
class OtlpPush {
 public:
  /// Told when sending begins to fail and when it works again; called on the sender's thread.
  using Say = std::function<void(std::string type, std::string text)>;
  struct Counts {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;   ///< attempts
    std::uint64_t dropped = 0;  ///< bodies that were never taken: replaced, or refused for good
  };

  OtlpPush(OtlpTarget target, Say say);
  /// Ends an attempt in hand; waits at most for a connection that is being made, two seconds.
  ~OtlpPush();
  OtlpPush(const OtlpPush&) = delete;
  OtlpPush& operator=(const OtlpPush&) = delete;

  /// Any thread. The body is what serve::otlp_metrics() gives, in the target's encoding.
  void offer(std::string body);
  /// Any thread.
  Counts counts() const;
  const OtlpTarget& target() const { return target_; }

 private:
  /// How one attempt ended; `again` where the same body may be taken later.
  struct Attempt {
    bool taken = false;
    bool again = false;
    std::chrono::milliseconds wait{0};  ///< at least, as the collector asks
    std::string why;
  };

  void run();
  Attempt send(const std::string& body);
  void tell(const Attempt& attempt);

  const OtlpTarget target_;
  const Say say_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> waiting_;  // guarded by mutex_, as are the next three
  bool stopping_ = false;
  int socket_ = -1;  // a duplicate of the one in use: shut down to end an attempt
  Counts counts_;
  bool failing_ = false;  // the sender's own, as is the next
  std::uint64_t failures_ = 0;
  std::thread thread_;
};

}  // namespace headroom::runtime
