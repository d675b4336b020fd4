#include "runtime/otlp_push.hpp"

#include <atomic>
#include <mutex>

#include <gmock/gmock.h>

#include "http/testing.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;
using http::testing::eventually;
using http::testing::Served;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

using Environment = std::map<std::string, std::string>;

OtlpTarget target_of(const Config::Metrics& config, const Environment& environment) {
  auto target = otlp_target(config, environment);
  EXPECT_TRUE(target) << (target ? "" : target.error().what + ": " + target.error().why);
  EXPECT_TRUE(target && *target);
  return target && *target ? **target : OtlpTarget{};
}

std::string refused(const Config::Metrics& config, const Environment& environment) {
  const auto target = otlp_target(config, environment);
  if (target) return "not refused";
  EXPECT_EQ(target.error().kind, ErrorKind::invalid_request);
  EXPECT_FALSE(target.error().help.empty());
  return target.error().what + ": " + target.error().why;
}

// ---------------------------------------------------------------------------------- target

TEST(OtlpTarget, NobodyIsNamedSoNothingIsSent) {
  const auto target = otlp_target({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}});
  ASSERT_TRUE(target);
  EXPECT_FALSE(*target);
}

TEST(OtlpTarget, PathsFollowTheSpecification) {
  const auto path = [](const std::string& own, const Environment& environment) {
    Config::Metrics config;
    config.otlp = own;
    const OtlpTarget target = target_of(config, environment);
    return target.url.host + ":" + std::to_string(target.url.port) + target.path;
  };
  EXPECT_EQ(path("http://a:4318", {}), "a:4318/v1/metrics");
  EXPECT_EQ(path("http://a:4318/", {}), "a:4318/v1/metrics");
  EXPECT_EQ(path("http://a:4318/x/push", {}), "a:4318/x/push");
  EXPECT_EQ(path("http://a", {}), "a:80/v1/metrics");
  // The general endpoint is a base, the one of metrics is taken as it is.
  EXPECT_EQ(path("", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:1/base/"}}), "b:1/base/v1/metrics");
  EXPECT_EQ(path("", {{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:2"},
                      {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:1"}}),
            "c:2/");
  EXPECT_EQ(path("http://a:4318", {{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:2/x"}}),
            "a:4318/v1/metrics");
}

TEST(OtlpTarget, TakesTheRestFromTheEnvironment) {
  Config::Metrics config;
  config.otlp = "http://a:4318";
  const OtlpTarget target =
      target_of(config, {{"OTEL_EXPORTER_OTLP_HEADERS", "old=1"},
                         {"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "api-key=a%20b%3D, tenant = x ,"},
                         {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                         {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"}});
  EXPECT_THAT(target.headers, ElementsAre(Pair("api-key", "a b="), Pair("tenant", "x")));
  EXPECT_EQ(target.encoding, serve::OtlpEncoding::json);
  EXPECT_EQ(target.timeout, 2500ms);
  config.otlp_json = true;
  EXPECT_EQ(target_of(config, {}).encoding, serve::OtlpEncoding::json);
}

TEST(OtlpTarget, SaysWhatItCannotSendToAndWhy) {
  Config::Metrics config;
  const auto by = [&](const char* key, const std::string& value) {
    return refused(config, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"}, {key, value}});
  };
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://a:4318"), HasSubstr("TLS"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "a:4318"), HasSubstr("no http://"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://"), HasSubstr("http://"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a/b\r\nX: y"), HasSubstr("path"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a/" + std::string(3000, 'x')),
              HasSubstr("longer"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), HasSubstr("\"grpc\" is not spoken"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"), HasSubstr("\"10s\""));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_HEADERS", "no-equals"), HasSubstr("no name"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_HEADERS", "a b=1"), HasSubstr("no name"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_HEADERS", "a=%0d%0a"), HasSubstr("cannot be sent"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_HEADERS", "a=%2"), HasSubstr("cannot be sent"));
  EXPECT_THAT(by("OTEL_EXPORTER_OTLP_HEADERS", "key=secret%"),
              Not(HasSubstr("secret")));  // it is logged
}

TEST(RetryAfter, IsSecondsOrADate) {
  const WallTime now{std::chrono::seconds(784111777)};  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(parse_retry_after("120", now), 120s);
  EXPECT_EQ(parse_retry_after(" 0 ", now), 0s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), 60s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), 0s);
  for (const char* bad : {"", "-1", "soon", "1.5", "99999999999999999999", "Sun, 06 Nov 1994"}) {
    EXPECT_EQ(parse_retry_after(bad, now), std::nullopt) << bad;
  }
}

// ------------------------------------------------------------------------------------ push

// A collector that answers as it is told, and remembers.
class Collector {
 public:
  Collector()
      : served_([this](const http::Request& request, http::Reply reply) {
          const std::lock_guard lock(mutex_);
          bodies_.emplace_back(request.body);
          seen_ = std::string(request.method_text) + " " + std::string(request.target) + " " +
                  std::string(request.header("content-type")) + " " +
                  std::string(request.header("x-key"));
          if (silent_) {
            unanswered_.push_back(std::move(reply));
            return;
          }
          http::Response response;
          response.status = status_;
          if (!retry_after_.empty()) response.headers.emplace_back("Retry-After", retry_after_);
          reply.send(response);
        }) {}

  OtlpTarget target() const {
    OtlpTarget target;
    target.url.host = "127.0.0.1";
    target.url.port = served_.port();
    target.headers = {{"X-Key", "abc"}};
    target.first_wait = 5ms;
    target.longest_wait = 20ms;
    target.timeout = http::testing::kPatience;
    return target;
  }
  void answer(int status, std::string retry_after = {}) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    retry_after_ = std::move(retry_after);
  }
  void be_silent() {
    const std::lock_guard lock(mutex_);
    silent_ = true;
  }
  std::vector<std::string> bodies() const {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }
  std::string seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  mutable std::mutex mutex_;
  int status_ = 200;
  bool silent_ = false;
  std::string retry_after_, seen_;
  std::vector<std::string> bodies_;
  std::vector<http::Reply> unanswered_;
  Served served_;
};

struct Said {
  std::mutex mutex;
  std::vector<std::string> lines;
  OtlpPush::Say say() {
    return [this](std::string type, std::string text) {
      const std::lock_guard lock(mutex);
      lines.push_back(type + " " + text);
    };
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex);
    return lines;
  }
};

TEST(OtlpPush, SendsWhatIsOfferedAndSaysNothing) {
  Collector collector;
  Said said;
  OtlpPush push(collector.target(), said.say());
  push.offer("one");
  ASSERT_TRUE(eventually([&] { return push.counts().sent == 1; }));
  push.offer("two");
  ASSERT_TRUE(eventually([&] { return push.counts().sent == 2; }));
  EXPECT_THAT(collector.bodies(), ElementsAre("one", "two"));
  EXPECT_EQ(collector.seen(), "POST /v1/metrics application/x-protobuf abc");
  EXPECT_EQ(push.counts().failed + push.counts().dropped, 0U);
  EXPECT_TRUE(said.all().empty());
}

TEST(OtlpPush, TriesABusyCollectorAgainAndSaysItOnceEach) {
  for (const int busy : {429, 502, 503, 504}) {
    Collector collector;
    collector.answer(busy);
    Said said;
    OtlpPush push(collector.target(), said.say());
    push.offer("one");
    ASSERT_TRUE(eventually([&] { return push.counts().failed >= 3; }));
    collector.answer(200);
    ASSERT_TRUE(eventually([&] { return push.counts().sent == 1; }));
    ASSERT_TRUE(eventually([&] { return said.all().size() == 2; }));
    EXPECT_THAT(said.all()[0], HasSubstr("metrics.failed metrics do not reach http://127.0.0.1:"));
    EXPECT_THAT(said.all()[0], HasSubstr("it answered " + std::to_string(busy)));
    EXPECT_THAT(said.all()[1], HasSubstr("again, after "));
    EXPECT_EQ(push.counts().dropped, 0U);
  }
}

TEST(OtlpPush, TheNewestTakesThePlaceOfOlderOnesWhileItFails) {
  Collector collector;
  collector.answer(503);
  Said said;
  OtlpPush push(collector.target(), said.say());
  push.offer("first");
  ASSERT_TRUE(eventually([&] { return push.counts().failed >= 1; }));
  for (int i = 0; i < 50; ++i) push.offer("old");
  push.offer("newest");
  ASSERT_TRUE(eventually([&] { return collector.bodies().back() == "newest"; }));
  collector.answer(200);
  ASSERT_TRUE(eventually([&] { return push.counts().sent == 1; }));
  EXPECT_EQ(collector.bodies().back(), "newest");
  EXPECT_EQ(push.counts().dropped, 51U);
}

TEST(OtlpPush, WhatIsRefusedForGoodIsNotSaidAgain) {
  Collector collector;
  collector.answer(400);
  Said said;
  OtlpPush push(collector.target(), said.say());
  push.offer("one");
  ASSERT_TRUE(eventually([&] { return push.counts().dropped == 1; }));
  push.offer("two");
  ASSERT_TRUE(eventually([&] { return push.counts().dropped == 2; }));
  EXPECT_THAT(collector.bodies(), ElementsAre("one", "two"));
  EXPECT_EQ(said.all().size(), 1U);
}

TEST(OtlpPush, WaitsAsLongAsTheCollectorAsks) {
  Collector collector;
  collector.answer(429, "1");  // 20 ms would be its own longest wait
  Said said;
  OtlpPush push(collector.target(), said.say());
  const auto begin = std::chrono::steady_clock::now();
  push.offer("one");
  ASSERT_TRUE(eventually([&] { return collector.bodies().size() == 1; }));
  collector.answer(200);
  ASSERT_TRUE(eventually([&] { return push.counts().sent == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
}

TEST(OtlpPush, EndsWhileACollectorSaysNothing) {
  Collector collector;
  collector.be_silent();
  Said said;
  OtlpTarget target = collector.target();
  target.timeout = std::chrono::hours(1);
  auto push = std::make_unique<OtlpPush>(target, said.say());
  push->offer("one");
  ASSERT_TRUE(eventually([&] { return collector.bodies().size() == 1; }));
  push.reset();  // returns, or this test does not end
}

TEST(OtlpPush, ACollectorThatIsNotThereIsTriedUntilItIs) {
  Said said;
  OtlpTarget target = Collector().target();
  // Bound and not listened on, the port is nobody else's meanwhile.
  const http::Fd port(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(port.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(port.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  target.url.port = ntohs(address.sin_port);
  OtlpPush push(target, said.say());
  push.offer("one");
  ASSERT_TRUE(eventually([&] { return push.counts().failed >= 2; }));
  EXPECT_EQ(said.all().size(), 1U);
}

}  // namespace
}  // namespace headroom::runtime
