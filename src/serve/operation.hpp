// What the interface can do: one row for each method of each path. The router dispatches by these
// rows, and the OpenAPI document is made from them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>

#include "http/message.hpp"
#include "http/query.hpp"
#include "http/server.hpp"
#include "serve/backend.hpp"
#include "serve/json.hpp"
#include "serve/user_names.hpp"

namespace headroom::serve {

class Pages;
class Streams;

/// One parameter of a query.
struct Parameter {
  enum class Kind {
    text,
    whole,    ///< a whole number within `least` and `most`
    seconds,  ///< a duration: 600, 90s, 10m, 1h, 30d; within `least` and `most` seconds
    word,     ///< one of `words`
    words,    ///< some of `words`, commas between them
    flag,     ///< 1, true or nothing; 0 or false
    time,     ///< a duration back from now, or an RFC 3339 time in UTC
  };
  std::string_view name;
  Kind kind = Kind::text;
  std::string_view about;
  std::string_view words = {};  ///< "a|b|c"
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::string_view usual = {};  ///< what its absence means
  bool required = false;
};

/// The values of a query, each checked against its parameter.
class Arguments {
 public:
  Arguments() = default;
  /// Fails with `invalid_request` that names the parameter; for an unknown one, with the nearest
  /// right name.
  static Result<Arguments> check(http::Query query, std::span<const Parameter> parameters);

  std::optional<std::string_view> text(std::string_view name) const { return query_.get(name); }
  std::optional<std::int64_t> whole(std::string_view name) const;
  std::optional<std::chrono::seconds> seconds(std::string_view name) const;
  /// One of a parameter's words, with "_" where "." was written.
  std::string word(std::string_view name, std::string_view usual = "") const;
  bool flag(std::string_view name) const;

 private:
  http::Query query_;
};

/// "600", "90s", "10m", "1h", "30d"; empty when it is none, or longer than ten years.
std::optional<std::chrono::seconds> parse_seconds(std::string_view text);
/// A duration back from `now`, or a time such as 2026-01-12T14:10:03Z.
std::optional<WallTime> parse_since(std::string_view text, WallTime now);
/// Whether a word is one of "a|b|c".
bool is_one_of(std::string_view word, std::string_view words);
/// "a, b, c".
std::string listed(std::string_view words);
/// The one of `names` that is most like `name`; "" when none is.
std::string_view nearest(std::string_view name, std::span<const std::string_view> names);

/// One request, as its handler sees it. Valid only while the handler runs.
struct Call {
  Backend& backend;
  UserNames& names;
  Pages& pages;
  Streams* streams = nullptr;              ///< null in the command's own process
  const http::Request* request = nullptr;  ///< null there, too
  Arguments arguments = {};
  std::string item = {};  ///< what stands for {…} in the path, decoded
  bool gzip = false;      ///< the answer may be compressed
  bool by_token = false;  ///< from another machine, with the token
  Caller caller() const;
  std::string_view header(std::string_view name) const;
  std::string_view body() const;
};

/// Where an answer goes: to the one who asked over HTTP, or into a value. A weak handle, as
/// http::Reply is; a value must outlive it.
/// Told of every answer: the path of its operation ("" where there is none), its status, and how
/// long it took.
using CountAnswer =
    std::function<void(std::string_view route, int status, std::chrono::nanoseconds took)>;

class Client {
 public:
  Client(http::Reply reply, bool gzip) : reply_(std::move(reply)), gzip_(gzip) {}
  explicit Client(std::optional<http::Response>& into, bool gzip = false)
      : into_(&into), gzip_(gzip) {}

  /// `count` is told of the answer; it and `backend` outlive the client.
  void count_as(std::string_view route, const CountAnswer& count, Backend& backend);

  /// Compresses what is worth it.
  void send(http::Response response);
  /// The same without a Response and never compressed: for short answers made often.
  void send(int status, std::string_view type, std::string_view body);
  /// See http::Reply::on_gone().
  void on_gone(std::function<void()> gone);
  http::Reply& reply() { return reply_; }
  /// It understands gzip.
  bool takes_gzip() const { return gzip_; }

 private:
  http::Reply reply_;
  void counted(int status) const;

  std::optional<http::Response>* into_ = nullptr;
  bool gzip_ = false;
  const CountAnswer* count_ = nullptr;
  Backend* backend_ = nullptr;
  std::string_view route_;
  BootTime asked_{};
};

enum class Who {
  open,     ///< nothing of it is private: pages, and that the daemon lives
  anybody,  ///< a read: everybody on the machine; from other machines as http.private says
  writer,   ///< everybody who is known; who owns a thing is checked where it is changed
  trusted,  ///< root and the group headroom
};

/// One kind of answer.
struct AnswerShape {
  int status = 0;           ///< 0: no more answers
  std::string_view type;    ///< "application/json"; "" = no body
  std::string_view schema;  ///< of the components; "A|B" = one of these; "" = text
  std::string_view about = "";
};

/// A path: "/api/v1/leases/{id}" or "/api/v1/leases/{id}/stream"; one segment may be variable.
struct PathTemplate {
  consteval PathTemplate(const char* path)
      : text(path),
        stem(text.substr(0, text.find('{'))),
        variable(stem.size() != text.size()),
        tail(variable ? text.substr(text.find('}') + 1) : std::string_view()) {}
  std::string_view text;
  std::string_view stem;  ///< up to the variable
  bool variable;
  std::string_view tail;  ///< behind it
  std::string_view name() const {
    return variable ? text.substr(stem.size() + 1, text.size() - stem.size() - tail.size() - 2)
                    : std::string_view();
  }
};

struct Operation {
  http::Method method = http::Method::get;  ///< get answers HEAD, too
  PathTemplate path = "";
  std::string_view id;       ///< "list_leases"
  std::string_view noun;     ///< the group it is shown in
  std::string_view summary;  ///< one line
  std::string_view about = "";
  Who who = Who::anybody;
  std::string_view item = "";  ///< what the variable of the path is
  bool slashes = false;        ///< it may hold "/" as it is, not only escaped
  std::span<const Parameter> parameters = {};
  std::string_view body_type = "";
  std::string_view body = "";  ///< its schema; "" with a body_type: text
  std::array<AnswerShape, 4> answers{};
  /// Exactly one of these: answers before it returns, or at any later time.
  http::Response (*answer)(const Call&) = nullptr;
  void (*begin)(const Call&, Client) = nullptr;
};

/// All of them, grouped by noun.
std::span<const Operation> operations();

/// The path's operations, and what stands for its variable, not decoded.
struct Found {
  const Operation* operation = nullptr;  ///< null: the path has none with this method
  std::string_view rest;
  std::string allowed;  ///< the methods that the path has; "" when there is no such path
};
Found find_operation(http::Method method, std::string_view path);

/// "GET".
std::string_view method_word(http::Method method);

// ---- answers, for the handlers

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kPlain = "text/plain; charset=utf-8";
inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
inline constexpr std::string_view kCsv = "text/csv; charset=utf-8";

http::Response text_response(std::string_view type, std::string body);
http::Response refuse(ErrorKind kind, std::string what, std::string why = {},
                      std::string help = {});
template <class Write>
http::Response document(Write write) {
  std::string body;
  body.reserve(4096);
  Json json(body);
  write(json);
  return text_response(kJson, std::move(body));
}

}  // namespace headroom::serve
