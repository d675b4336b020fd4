#include "serve/routes.hpp"

#include <optional>
#include <utility>

#include "http/access.hpp"
#include "http/query.hpp"
#include "serve/assets.hpp"
#include "serve/compress.hpp"
#include "serve/operation.hpp"
#include "serve/problem.hpp"

namespace headroom::serve {
namespace {

using http::Request;
using http::Response;

constexpr std::size_t kShown = 128;
constexpr int kUnauthorized = 401;
constexpr int kMethodNotAllowed = 405;

Response no_such_path(std::string_view path) {
  return refuse(ErrorKind::not_found, "there is nothing at " + std::string(path.substr(0, kShown)),
                "", "/docs and /openapi.json list the paths");
}

// A web page can make a browser send requests here; it cannot make it lie about where from.
std::optional<Response> foreign_page(const Request& request, Backend& backend) {
  const std::string_view host = request.header("host");
  const Config::Http& config = backend.config().http;
  if (!http::host_is_own(host, config.listen, config.names)) {
    return refuse(ErrorKind::not_allowed, "this address is not for that host name",
                  "Host is \"" + std::string(host.substr(0, kShown)) + "\"",
                  "use 127.0.0.1 or localhost, or name it in http.names");
  }
  if (!http::origin_is_own(request.header("origin"), host)) {
    return refuse(ErrorKind::not_allowed, "requests of other web pages are refused",
                  "Origin is \"" + std::string(request.header("origin").substr(0, kShown)) + "\"");
  }
  return std::nullopt;
}

// Why somebody that this machine's kernel does not know may not do this.
std::optional<Response> stranger(const Operation& operation, bool by_token, Backend& backend) {
  const bool wanted = operation.who == Who::writer || operation.who == Who::trusted ||
                      (operation.who == Who::anybody && backend.config().http.private_reads);
  if (!wanted || by_token) return std::nullopt;
  if (backend.token().empty()) {
    return refuse(ErrorKind::not_allowed, "it is not known who asks",
                  "the caller is no user of this machine, and there is no token for others",
                  "ask on the machine itself, or set http.token_file");
  }
  Response response =
      problem({ErrorKind::not_allowed, "the token is wanted",
               "the caller is no user of this machine", "send Authorization: Bearer TOKEN"},
              nullptr, nullptr, kUnauthorized);
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"headroom\"");
  return response;
}

// Checks the query, fills in the call and has it answered.
void carry_out(const Operation& operation, std::string_view rest, std::string_view query_text,
               Call& call, Client client) {
  if (query_text.empty() && operation.parameters.empty()) {
    // The common case has nothing to check.
  } else {
    auto query = http::Query::parse(query_text);
    if (!query) return client.send(problem(query.error()));
    auto arguments = Arguments::check(std::move(*query), operation.parameters);
    if (!arguments) return client.send(problem(arguments.error()));
    call.arguments = std::move(*arguments);
  }
  if (operation.path.variable) {
    auto item = http::decode_segment(rest);
    if (!item) return client.send(problem(item.error()));
    call.item = std::move(*item);
  }
  if (operation.begin != nullptr) return operation.begin(call, std::move(client));
  client.send(operation.answer(call));
}

}  // namespace

Response read(Backend& backend, std::string_view path, std::string_view query) {
  const Found found = find_operation(http::Method::get, path);
  if (found.operation == nullptr) return no_such_path(path);
  UserNames names;
  Pages pages;
  Call call{.backend = backend, .names = names, .pages = pages};
  std::optional<Response> response;
  carry_out(*found.operation, found.rest, query, call, Client(response));
  if (response) return std::move(*response);
  return refuse(ErrorKind::unavailable, "the answer is not there at once");
}

Routes::Routes(Backend& backend) : backend_(backend), streams_(backend, names_) {}
Routes::~Routes() = default;

void Routes::handle(const Request& request, http::Reply reply) {
  handle(request, Client(std::move(reply), accepts_gzip(request.header("accept-encoding"))));
}

void Routes::handle(const Request& request, Client client) {
  const http::Peer& peer = request.peer();
  Call call{.backend = backend_,
            .names = names_,
            .pages = pages_,
            .streams = &streams_,
            .request = &request,
            .gzip = client.takes_gzip()};
  if (!peer.unix_socket) {
    if (auto refusal = foreign_page(request, backend_)) return client.send(std::move(*refusal));
  }
  const std::string_view path = request.path;
  const Found found = find_operation(request.method, path);
  client.count_as(found.operation != nullptr ? found.operation->path.text : std::string_view(),
                  count_, backend_);
  if (found.operation == nullptr) {
    const bool get = request.method == http::Method::get || request.method == http::Method::head;
    if (const Asset* asset = get ? find_asset(path) : nullptr) {
      return client.send(pages_.asset(*asset, call));
    }
    if (found.allowed.empty()) return client.send(no_such_path(path));
    Response response = problem({ErrorKind::invalid_request,
                                 std::string(request.method_text.substr(0, 16)) + " is not for " +
                                     std::string(path.substr(0, kShown)),
                                 "", found.allowed},
                                nullptr, nullptr, kMethodNotAllowed);
    response.headers.emplace_back("Allow", found.allowed);
    return client.send(std::move(response));
  }
  const Operation& operation = *found.operation;
  if (!peer.unix_socket && !peer.known) {
    call.by_token = http::is_bearer(request.header("authorization"), backend_.token());
    if (auto refusal = stranger(operation, call.by_token, backend_)) {
      return client.send(std::move(*refusal));
    }
  }
  const bool changes = operation.who == Who::writer || operation.who == Who::trusted;
  if (changes && backend_.config().http.readonly) {
    return client.send(
        refuse(ErrorKind::not_allowed, "this daemon answers reads only", "http.readonly is true"));
  }
  if (operation.who == Who::trusted && !call.caller().trusted) {
    return client.send(refuse(ErrorKind::not_allowed, "that is for root and the group headroom",
                              "the caller is neither", "use sudo, or join the group"));
  }
  carry_out(operation, found.rest, request.query, call, std::move(client));
}

}  // namespace headroom::serve
