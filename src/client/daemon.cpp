#include "client/daemon.hpp"

#include <cstdlib>
#include <fstream>
#include <span>
#include <utility>
#include <vector>

#include "client/problem.hpp"
#include "http/query.hpp"

namespace headroom::client {
namespace {

constexpr std::size_t kEventLimit = 16U << 20U;
constexpr std::size_t kTokenLimit = 4096;

std::string lease_target(std::string_view id) {
  return "/api/v1/leases/" + http::encode_segment(id);
}

// "Bearer …" from the file that HEADROOM_TOKEN_FILE names; "" when it names none.
Result<std::string> authorization() {
  const char* path = std::getenv("HEADROOM_TOKEN_FILE");
  if (path == nullptr || *path == '\0') return std::string();
  std::ifstream file(path);
  std::string word;
  if (!(file >> word) || word.size() > kTokenLimit) {
    return fail(ErrorKind::invalid_request,
                std::string("there is no token in ") + path + ", as HEADROOM_TOKEN_FILE says",
                file.is_open() ? "its first word is the token, of at most 4096 characters"
                               : "the file cannot be read",
                "name another file, or unset HEADROOM_TOKEN_FILE");
  }
  return "Bearer " + word;
}

}  // namespace

bool EventCutter::take(std::string_view piece,
                       const std::function<bool(const StreamEvent&)>& on_event) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    const auto part = piece.substr(0, end);
    if (line_.size() + part.size() > kEventLimit) {
      too_long_ = true;
      line_.clear();
    } else {
      line_ += part;
    }
    if (end == std::string_view::npos) return true;
    piece.remove_prefix(end + 1);
    std::string line = std::exchange(line_, {});
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() && !too_long_) {  // the empty line ends the event
      const bool complete = std::exchange(has_data_, false);
      StreamEvent event = std::exchange(event_, {});
      if (event.type.empty()) event.type = "message";
      if (complete && !on_event(event)) return false;
      continue;
    }
    if (line.empty()) {  // the end of what was too long
      too_long_ = false;
      has_data_ = false;
      event_ = {};
      continue;
    }
    const auto colon = line.find(':');
    if (colon == 0) continue;  // a comment keeps the connection alive
    const auto field = line.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.erase(0, 1);
    if (field == "event") event_.type = value;
    if (field == "id") event_.id = value;
    if (field == "data") {
      if (event_.data.size() + value.size() > kEventLimit) {
        too_long_ = true;
        continue;
      }
      if (has_data_) event_.data += '\n';
      event_.data += value;
      has_data_ = true;
    }
  }
  return true;
}

Error no_daemon(std::string_view url, std::string_view why) {
  return Error{ErrorKind::unavailable, "no daemon answers on " + std::string(url), std::string(why),
               "sudo systemctl start headroomd, or headroomd in another terminal; --url and "
               "HEADROOM_URL name another one"};
}

Result<void> Daemon::connect() {
  if (connection_) return {};
  const auto url = http::Url::parse(url_);
  if (!url) return tl::unexpected<Error>(url.error());
  if (!url->unix_socket) {  // a socket knows who asks
    auto word = authorization();
    if (!word) return tl::unexpected<Error>(std::move(word.error()));
    authorization_ = std::move(*word);
  }
  auto client = http::Client::connect(*url, timeout_);
  if (!client) {
    const auto kind = client.error().kind;
    if (kind != ErrorKind::unavailable && kind != ErrorKind::timed_out) {
      return tl::unexpected<Error>(client.error());
    }
    return tl::unexpected<Error>(no_daemon(url_, client.error().why));
  }
  connection_.emplace(std::move(*client));
  return {};
}

Result<std::string> Daemon::exchange(std::string_view method, std::string_view target,
                                     std::string_view body, std::string_view idempotency_key,
                                     std::chrono::milliseconds within) {
  late_ = false;
  if (auto connected = connect(); !connected) return tl::unexpected<Error>(connected.error());
  std::vector<http::Header> headers;
  if (!idempotency_key.empty()) headers.push_back({"Idempotency-Key", idempotency_key});
  if (!authorization_.empty()) headers.push_back({"Authorization", authorization_});
  auto response = connection_->request(method, target, body, headers, within);
  if (!response) {
    connection_.reset();
    const auto kind = response.error().kind;
    if (kind != ErrorKind::unavailable && kind != ErrorKind::timed_out) {
      return tl::unexpected<Error>(response.error());
    }
    Error error = no_daemon(url_, response.error().why);
    late_ = kind == ErrorKind::timed_out;
    if (late_) {  // it runs: starting one would not help
      error.why = "it was reached but gave no answer in time";
      error.help = "a longer --timeout";
    }
    return tl::unexpected<Error>(std::move(error));
  }
  if (response->status >= 400) {
    return tl::unexpected<Error>(parse_problem(response->status, response->body));
  }
  return std::move(response->body);
}

Result<json::value> Daemon::exchange_json(std::string_view method, std::string_view target,
                                          std::string_view body, std::string_view idempotency_key,
                                          std::chrono::milliseconds within) {
  auto answer = exchange(method, target, body, idempotency_key, within);
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  return parse_json(*answer);
}

Result<std::string> Daemon::get(std::string_view target) {
  return exchange("GET", target, {}, {}, timeout_);
}

Result<json::value> Daemon::document(std::string_view target) {
  return exchange_json("GET", target, {}, {}, timeout_);
}

Result<json::value> Daemon::fit(const json::object& request) {
  return send("POST", "/api/v1/fit", request);
}

Result<json::value> Daemon::book(const json::object& request, std::string_view idempotency_key) {
  return exchange_json("POST", "/api/v1/leases", write_json(request), idempotency_key, timeout_);
}

Result<json::value> Daemon::lease(std::string_view id, std::chrono::seconds wait) {
  auto target = lease_target(id);
  if (wait.count() > 0) target += "?wait=" + std::to_string(wait.count()) + "s";
  return exchange_json("GET", target, {}, {}, timeout_ + wait);
}

Result<json::value> Daemon::change(std::string_view id, const json::object& what) {
  return send("PATCH", lease_target(id), what);
}

Result<json::value> Daemon::end(std::string_view id) {
  return exchange_json("DELETE", lease_target(id), {}, {}, timeout_);
}

Result<json::value> Daemon::send(std::string_view method, std::string_view target,
                                 const json::object& body) {
  return exchange_json(method, target, write_json(body), {}, timeout_);
}

Result<void> Daemon::follow(std::string_view target,
                            const std::function<bool(const StreamEvent&)>& on_event,
                            const BetweenEvents& between) {
  if (auto connected = connect(); !connected) return tl::unexpected<Error>(connected.error());
  EventCutter cutter;
  bool wanted = true;
  const http::Header word{"Authorization", authorization_};
  const auto response = connection_->stream(
      target,
      [&](std::string_view piece) {
        wanted = cutter.take(piece, on_event) && (!between.then || between.then(!piece.empty()));
        return wanted;
      },
      std::span<const http::Header>(&word, authorization_.empty() ? 0 : 1), between.wake);
  connection_.reset();
  if (!response) {
    if (response.error().kind != ErrorKind::unavailable) {
      return tl::unexpected<Error>(response.error());
    }
    return tl::unexpected<Error>(no_daemon(url_, response.error().why));
  }
  if (response->status >= 400) {
    return tl::unexpected<Error>(parse_problem(response->status, response->body));
  }
  if (wanted) return tl::unexpected<Error>(no_daemon(url_, "it ended the stream"));
  return {};
}

}  // namespace headroom::client
