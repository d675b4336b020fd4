#include "serve/operation.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "serve/compress.hpp"
#include "serve/problem.hpp"

namespace headroom::serve {
namespace {

using Kind = Parameter::Kind;

constexpr std::size_t kShown = 64;
// Callers from other machines who know the token act as this user: nobody, by the kernel's own
// convention. They own the leases that they ask for, and are not trusted with more.
constexpr uid_t kNobody = 65534;

template <class Each>
void each_word(std::string_view words, char separator, Each each) {
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(separator));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    each(word);
  }
}

std::optional<std::int64_t> parse_whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> parse_flag(std::string_view text) {
  if (text.empty() || text == "1" || text == "true" || text == "yes") return true;
  if (text == "0" || text == "false" || text == "no") return false;
  return std::nullopt;
}

// gpu.memory is gpu_memory.
std::string undotted(std::string_view word) {
  std::string out(word);
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

std::string period(std::int64_t seconds) {
  if (seconds % 86400 == 0 && seconds > 0) return std::to_string(seconds / 86400) + "d";
  return std::to_string(seconds) + "s";
}

// Why a value is not right; "" when it is.
std::string mistake(const Parameter& p, std::string_view value) {
  const std::string shown = "\"" + std::string(value.substr(0, kShown)) + "\" ";
  switch (p.kind) {
    case Kind::text:
      return value.empty() && p.required ? "it is empty" : "";
    case Kind::whole: {
      const auto number = parse_whole(value);
      if (number && *number >= p.least && *number <= p.most) return "";
      return shown + "is no whole number from " + std::to_string(p.least) + " to " +
             std::to_string(p.most);
    }
    case Kind::seconds: {
      const auto length = parse_seconds(value);
      if (length && length->count() >= p.least && length->count() <= p.most) return "";
      return shown + "is no duration from " + period(p.least) + " to " + period(p.most) +
             ", such as 600, 90s, 10m or 1h";
    }
    case Kind::word:
      if (is_one_of(undotted(value), p.words)) return "";
      return shown + "is none of " + listed(p.words);
    case Kind::words: {
      std::string wrong;
      each_word(value, ',', [&](std::string_view word) {
        if (wrong.empty() && !is_one_of(word, p.words)) {
          wrong = "\"" + std::string(word.substr(0, kShown)) + "\" is none of " + listed(p.words);
        }
      });
      return wrong;
    }
    case Kind::flag:
      return parse_flag(value) ? "" : shown + "is neither 1 nor 0";
    case Kind::time:
      if (parse_since(value, WallTime())) return "";
      return shown + "is no duration such as 1h, and no time such as 2026-01-12T14:10:03Z";
  }
  return "";
}

// How many letters have to be changed to make one word of the other; both are short.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

// What stands for the variable of an operation's path, "" where it has none; empty: this is another
// path.
std::optional<std::string_view> rest_of(const Operation& operation, std::string_view path) {
  const PathTemplate& p = operation.path;
  if (!p.variable) return path == p.text ? std::optional(std::string_view()) : std::nullopt;
  if (path.size() <= p.stem.size() + p.tail.size() || !path.starts_with(p.stem) ||
      !path.ends_with(p.tail)) {
    return std::nullopt;
  }
  const auto rest = path.substr(p.stem.size(), path.size() - p.stem.size() - p.tail.size());
  if (!operation.slashes && rest.find('/') != std::string_view::npos) return std::nullopt;
  return rest;
}

bool worth_compressing(const http::Response& response) {
  return response.body.size() >= kWorthCompressing &&
         (response.content_type == kJson || response.content_type == kCsv ||
          response.content_type == "application/problem+json");
}

}  // namespace

bool is_one_of(std::string_view word, std::string_view words) {
  bool found = false;
  each_word(words, '|', [&](std::string_view one) { found = found || one == word; });
  return found;
}

std::string listed(std::string_view words) {
  std::string out;
  each_word(words, '|', [&](std::string_view one) { out.append(out.empty() ? "" : ", ") += one; });
  return out;
}

std::string_view nearest(std::string_view name, std::span<const std::string_view> names) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string_view one : names) {
    const std::size_t longer = std::max(one.size(), name.size());
    if (longer - std::min(one.size(), name.size()) >= least) continue;  // so many letters at least
    const std::size_t d = distance(name.substr(0, kShown), one);
    if (d < least) {
      least = d;
      best = one;
    }
  }
  return best;
}

std::optional<std::chrono::seconds> parse_seconds(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  double factor = 0;
  if (unit.empty() || unit == "s") factor = 1;
  if (unit == "ms") factor = 0.001;
  if (unit == "m" || unit == "min") factor = 60;
  if (unit == "h") factor = 3600;
  if (unit == "d") factor = 86400;
  const double total = number * factor;
  if (factor == 0 || !(total >= 0 && total <= 3650.0 * 86400)) return std::nullopt;
  return std::chrono::seconds(std::llround(total));
}

std::optional<WallTime> parse_since(std::string_view text, WallTime now) {
  if (const auto back = parse_seconds(text)) return now - *back;
  const auto digits = [&](std::size_t at, std::size_t count, int& out) {
    if (at + count > text.size()) return false;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + count, out);
    return error == std::errc() && end == text.data() + at + count;
  };
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (!digits(0, 4, y) || !digits(5, 2, mo) || !digits(8, 2, d) || !digits(11, 2, h) ||
      !digits(14, 2, mi) || !digits(17, 2, s) || !text.ends_with('Z')) {
    return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)),
                            day(static_cast<unsigned>(d))};
  // Nanoseconds since 1970 reach to 2262.
  if (y < 1970 || y > 2261) return std::nullopt;
  if (!date.ok() || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60) return std::nullopt;
  return WallTime(sys_days(date)) + hours(h) + minutes(mi) + std::chrono::seconds(s);
}

Result<Arguments> Arguments::check(http::Query query, std::span<const Parameter> parameters) {
  for (const auto& [name, value] : query.all()) {
    const auto known = std::find_if(parameters.begin(), parameters.end(),
                                    [&](const Parameter& p) { return p.name == name; });
    const std::string shown = name.substr(0, kShown);
    if (known == parameters.end()) {
      std::vector<std::string_view> names;
      std::string all;
      for (const Parameter& p : parameters) {
        names.push_back(p.name);
        all.append(all.empty() ? "" : ", ").append(p.name);
      }
      const std::string_view like = nearest(name, names);
      return fail(ErrorKind::invalid_request, "unknown query parameter " + shown,
                  all.empty() ? "none is known here" : "known here: " + all,
                  like.empty() ? "" : "did you mean " + std::string(like) + "?");
    }
    const std::string wrong = mistake(*known, value);
    if (!wrong.empty()) {
      return fail(ErrorKind::invalid_request, "query " + shown + " is not right", wrong);
    }
  }
  for (const Parameter& p : parameters) {
    if (!p.required || query.has(p.name)) continue;
    return fail(ErrorKind::invalid_request, "query " + std::string(p.name) + " is missing",
                p.words.empty() ? std::string(p.about) : "it is one of " + listed(p.words));
  }
  Arguments arguments;
  arguments.query_ = std::move(query);
  return arguments;
}

std::optional<std::int64_t> Arguments::whole(std::string_view name) const {
  const auto value = text(name);
  return value ? parse_whole(*value) : std::nullopt;
}

std::optional<std::chrono::seconds> Arguments::seconds(std::string_view name) const {
  const auto value = text(name);
  return value ? parse_seconds(*value) : std::nullopt;
}

std::string Arguments::word(std::string_view name, std::string_view usual) const {
  return undotted(text(name).value_or(usual));
}

bool Arguments::flag(std::string_view name) const {
  const auto value = text(name);
  return value && parse_flag(*value).value_or(false);
}

Caller Call::caller() const {
  if (by_token) return {kNobody, true, false};
  return backend.caller(request != nullptr ? request->peer() : http::Peer());
}

std::string_view Call::header(std::string_view name) const {
  return request != nullptr ? request->header(name) : std::string_view();
}

std::string_view Call::body() const {
  return request != nullptr ? request->body : std::string_view();
}

void Client::count_as(std::string_view route, const CountAnswer& count, Backend& backend) {
  if (!count) return;
  route_ = route;
  count_ = &count;
  backend_ = &backend;
  asked_ = backend.now().boot;
}

void Client::counted(int status) const {
  if (count_ != nullptr) (*count_)(route_, status, backend_->now().boot - asked_);
}

void Client::send(http::Response response) {
  counted(response.status);
  // A body that was compressed where it was made says so by its first bytes.
  bool compressed = is_gzip(response.body);
  if (gzip_ && !compressed && worth_compressing(response)) {
    if (std::string smaller = gzip(response.body); !smaller.empty()) {
      response.body = std::move(smaller);
      compressed = true;
    }
  }
  if (compressed) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.headers.emplace_back("Vary", "Accept-Encoding");
  }
  if (into_ != nullptr) {
    *into_ = std::move(response);
  } else {
    reply_.send(response);
  }
}

void Client::send(int status, std::string_view type, std::string_view body) {
  counted(status);
  if (into_ != nullptr) {
    http::Response response = text_response(type, std::string(body));
    response.status = status;
    *into_ = std::move(response);
    return;
  }
  reply_.send(status, type, body);
}

void Client::on_gone(std::function<void()> gone) {
  if (into_ == nullptr) reply_.on_gone(std::move(gone));
}

std::string_view method_word(http::Method method) {
  switch (method) {
    case http::Method::get:
      return "GET";
    case http::Method::head:
      return "HEAD";
    case http::Method::post:
      return "POST";
    case http::Method::put:
      return "PUT";
    case http::Method::patch:
      return "PATCH";
    case http::Method::del:
      return "DELETE";
    case http::Method::options:
      return "OPTIONS";
    case http::Method::other:
      break;
  }
  return "";
}

Found find_operation(http::Method method, std::string_view path) {
  if (method == http::Method::head) method = http::Method::get;
  Found found;
  for (const Operation& operation : operations()) {
    const auto rest = rest_of(operation, path);
    if (!rest) continue;
    if (operation.method == method) {
      found.operation = &operation;
      found.rest = *rest;
      return found;
    }
    found.allowed.append(found.allowed.empty() ? "" : ", ").append(method_word(operation.method));
    if (operation.method == http::Method::get) found.allowed += ", HEAD";
  }
  return found;
}

http::Response text_response(std::string_view type, std::string body) {
  http::Response response;
  response.content_type = type;
  response.body = std::move(body);
  return response;
}

http::Response refuse(ErrorKind kind, std::string what, std::string why, std::string help) {
  return problem({kind, std::move(what), std::move(why), std::move(help)});
}

}  // namespace headroom::serve
