#include "runtime/otlp_push.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client.hpp"
#include "runtime/clock.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kConnect = 2000ms;     // at most, since it cannot be broken off
constexpr auto kLongestAsked = 300s;  // of a Retry-After
constexpr std::size_t kHeaders = 32, kHeaderBytes = 8192, kLongestAddress = 2048;

using Environment = std::map<std::string, std::string>;

// OTEL_EXPORTER_OTLP_METRICS_X, else OTEL_EXPORTER_OTLP_X. Empty is unset, as the specification has
// it.
struct Variable {
  std::string name;
  std::string value;
};
Variable variable(const Environment& environment, const char* what) {
  for (const char* prefix : {"OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"}) {
    std::string name = std::string(prefix) + what;
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) return {name, found->second};
  }
  return {};
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "a%20b" is "a b"; empty for a % that nothing right follows, and for control characters.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      unsigned value = 0;
      const auto [end, error] =
          std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
      c = static_cast<char>(value);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return std::nullopt;
    out += c;
  }
  return out;
}

// "api-key=abc,tenant=a%20b"
Result<void> read_headers(const Variable& from, OtlpTarget& target) {
  const auto wrong = [&](std::string why) {
    return fail(ErrorKind::invalid_request, from.name + " is not right", std::move(why),
                "it is key=value,key=value with %20 for a space");
  };
  if (from.value.size() > kHeaderBytes) return wrong("it is longer than 8 KiB");
  std::string_view rest = from.value;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view pair = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view key = trimmed(pair.substr(0, equals));
    // The value may be a secret: it is not shown.
    if (equals == std::string_view::npos || !is_token(key)) return wrong("a header has no name");
    auto value = decoded(trimmed(pair.substr(equals + 1)));
    if (!value) return wrong("the value of \"" + std::string(key) + "\" cannot be sent");
    if (target.headers.size() == kHeaders) return wrong("there are more than 32 headers");
    target.headers.emplace_back(key, std::move(*value));
  }
  return {};
}

Result<void> read_address(std::string_view address, bool whole, OtlpTarget& target) {
  const std::string shown(address.substr(0, 128));
  constexpr const char* kHelp =
      "http://host:4318 is what a collector listens on; one on this machine can pass metrics on "
      "elsewhere";
  if (address.size() > kLongestAddress) {
    return fail(ErrorKind::invalid_request, "metrics cannot be sent to " + shown + "…",
                "the address is longer than 2 KiB", kHelp);
  }
  if (address.starts_with("https://")) {
    return fail(ErrorKind::invalid_request, "metrics cannot be sent to " + shown,
                "sending by TLS is not supported yet",
                "send to a collector on this machine, http://127.0.0.1:4318, which passes them on");
  }
  constexpr std::string_view kScheme = "http://";
  if (!address.starts_with(kScheme)) {
    return fail(ErrorKind::invalid_request, "metrics cannot be sent to " + shown,
                "it is no http:// address", kHelp);
  }
  const std::size_t slash = address.find('/', kScheme.size());
  std::string_view path = slash == std::string_view::npos ? "" : address.substr(slash);
  auto url = http::Url::parse(address.substr(0, slash));
  if (!url) {
    return fail(ErrorKind::invalid_request, "metrics cannot be sent to " + shown,
                url.error().why.empty() ? url.error().what : url.error().why, kHelp);
  }
  const bool fit =
      std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!fit || path.find('#') != std::string_view::npos) {
    return fail(ErrorKind::invalid_request, "metrics cannot be sent to " + shown,
                "its path cannot be asked for", kHelp);
  }
  target.url = std::move(*url);
  if (whole) {
    target.path = path.empty() ? "/" : std::string(path);
  } else {  // the base of all signals
    while (path.ends_with('/')) path.remove_suffix(1);
    target.path = std::string(path) + "/v1/metrics";
  }
  return {};
}

Result<void> read_protocol(const Variable& from, OtlpTarget& target) {
  if (from.value == "http/protobuf") {
    target.encoding = serve::OtlpEncoding::protobuf;
  } else if (from.value == "http/json") {
    target.encoding = serve::OtlpEncoding::json;
  } else {
    return fail(ErrorKind::invalid_request, from.name + " is not right",
                "\"" + from.value.substr(0, 64) + "\" is not spoken here",
                "http/protobuf and http/json are; collectors take them on port 4318");
  }
  return {};
}

Result<void> read_timeout(const Variable& from, OtlpTarget& target) {
  int ms = 0;
  const char* last = from.value.data() + from.value.size();
  const auto [end, error] = std::from_chars(from.value.data(), last, ms);
  if (error != std::errc() || end != last || ms < 1 || ms > 600'000) {
    return fail(ErrorKind::invalid_request, from.name + " is not right",
                "\"" + from.value.substr(0, 64) + "\" is no number from 1 to 600000",
                "it is milliseconds");
  }
  target.timeout = std::chrono::milliseconds(ms);
  return {};
}

}  // namespace

Result<std::optional<OtlpTarget>> otlp_target(const Config::Metrics& config,
                                              const Environment& environment) {
  OtlpTarget target;
  target.encoding = config.otlp_json ? serve::OtlpEncoding::json : serve::OtlpEncoding::protobuf;
  const Variable endpoint = variable(environment, "ENDPOINT");
  if (config.otlp.empty() && endpoint.value.empty()) return std::optional<OtlpTarget>();

  // The endpoint of metrics alone is taken as it is; that of all signals is a base. Ours is either.
  Result<void> done;
  if (config.otlp.empty()) {
    const bool whole = endpoint.name == "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    done = read_address(trimmed(endpoint.value), whole, target);
  } else {
    const std::size_t slash = config.otlp.find('/', config.otlp.find("//") + 2);
    const bool whole = slash != std::string::npos && slash + 1 < config.otlp.size();
    done = read_address(config.otlp, whole, target);
  }
  if (!done) return tl::unexpected(done.error());
  using Read = Result<void> (*)(const Variable&, OtlpTarget&);
  for (const auto& [what, read] : {std::pair<const char*, Read>{"HEADERS", read_headers},
                                   {"PROTOCOL", read_protocol},
                                   {"TIMEOUT", read_timeout}}) {
    const Variable from = variable(environment, what);
    if (from.value.empty()) continue;
    if (auto right = read(from, target); !right) return tl::unexpected(right.error());
  }
  return std::optional(std::move(target));
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, WallTime now) {
  text = trimmed(text);
  if (text.empty() || text.size() > 64) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end == text.data() + text.size()) {
    if (error != std::errc() || seconds < 0) return std::nullopt;
    return std::chrono::seconds(std::min<std::int64_t>(seconds, 1'000'000'000));
  }
  tm date{};
  const std::string copy(text);
  const char* rest = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const auto at = std::chrono::seconds(timegm(&date));
  return std::max(0s, at - std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()));
}

OtlpPush::OtlpPush(OtlpTarget target, Say say) : target_(std::move(target)), say_(std::move(say)) {
  // Signals are the loop's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "otlp");
}

OtlpPush::~OtlpPush() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
  }
  changed_.notify_all();
  thread_.join();
}

void OtlpPush::offer(std::string body) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_) ++counts_.dropped;
    waiting_ = std::move(body);
  }
  changed_.notify_all();
}

OtlpPush::Counts OtlpPush::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void OtlpPush::run() {
  std::chrono::milliseconds backoff = target_.first_wait;
  std::optional<std::string> body;
  std::unique_lock lock(mutex_);
  while (true) {
    if (!body) changed_.wait(lock, [&] { return stopping_ || waiting_; });
    if (stopping_) return;
    if (waiting_) {
      if (body) ++counts_.dropped;  // the newer one says all that this one would
      body = std::move(waiting_);
      waiting_.reset();
    }
    lock.unlock();
    const Attempt attempt = send(*body);
    lock.lock();
    if (stopping_) return;
    ++(attempt.taken ? counts_.sent : counts_.failed);
    if (!attempt.taken && !attempt.again) ++counts_.dropped;
    lock.unlock();
    tell(attempt);
    lock.lock();
    if (attempt.taken || !attempt.again) {
      body.reset();
      backoff = target_.first_wait;
      continue;
    }
    changed_.wait_for(lock, std::max(backoff, attempt.wait), [&] { return stopping_; });
    backoff = std::min(backoff * 2, target_.longest_wait);
  }
}

OtlpPush::Attempt OtlpPush::send(const std::string& body) {
  const auto broken = [](const Error& error) {
    return Attempt{false, true, 0ms,
                   error.why.empty() ? error.what : error.what + ": " + error.why};
  };
  auto client = http::Client::connect(target_.url, std::min(target_.timeout, kConnect));
  if (!client) return broken(client.error());
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return {};
    socket_ = fcntl(client->fd(), F_DUPFD_CLOEXEC, 0);
  }
  std::vector<http::Header> headers;
  headers.push_back({"Content-Type", serve::content_type(target_.encoding)});
  for (const auto& [name, value] : target_.headers) headers.push_back({name, value});
  const auto answer = client->request("POST", target_.path, body, headers, target_.timeout);
  {
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  if (!answer) return broken(answer.error());
  if (answer->status >= 200 && answer->status < 300) return {.taken = true, .why = {}};
  Attempt attempt;
  attempt.why = "it answered " + std::to_string(answer->status);
  // These say that it may work later; everything else would be said again of the same body.
  for (const int later : {429, 502, 503, 504})
    attempt.again = attempt.again || answer->status == later;
  if (const auto asked = parse_retry_after(answer->header("retry-after"), now().wall)) {
    attempt.wait = std::min<std::chrono::seconds>(*asked, kLongestAsked);
  }
  return attempt;
}

void OtlpPush::tell(const Attempt& attempt) {
  const std::string where = target_.url.text() + target_.path;
  if (attempt.taken) {
    if (failing_) {
      say_("metrics.sent",
           "metrics reach " + where + " again, after " + std::to_string(failures_) + " failures");
    }
    failing_ = false;
    failures_ = 0;
    return;
  }
  ++failures_;
  if (failing_) return;
  failing_ = true;
  say_("metrics.failed", "metrics do not reach " + where + ": " + attempt.why +
                             (attempt.again ? "; it is tried again" : "; the next ones are tried"));
}

}  // namespace headroom::runtime
