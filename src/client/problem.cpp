#include "client/problem.hpp"

#include <string>

#include "client/json.hpp"

namespace headroom::client {
namespace {

ErrorKind kind_of(std::string_view type, int status) {
  const auto slash = type.rfind('/');
  const auto word = slash == std::string_view::npos ? type : type.substr(slash + 1);
  if (word == "invalid-request") return ErrorKind::invalid_request;
  if (word == "not-allowed") return ErrorKind::not_allowed;
  if (word == "not-found") return ErrorKind::not_found;
  if (word == "insufficient-resources") return ErrorKind::insufficient_resources;
  if (word == "can-never-fit") return ErrorKind::can_never_fit;
  if (word == "conflict" || word == "precondition-failed") return ErrorKind::conflict;
  if (word == "too-many-requests") return ErrorKind::too_many_requests;
  if (word == "unavailable" || word == "sensor-unavailable") return ErrorKind::unavailable;
  switch (status) {
    case 400:
      return ErrorKind::invalid_request;
    case 401:
    case 403:
      return ErrorKind::not_allowed;
    case 404:
      return ErrorKind::not_found;
    case 409:
    case 412:
      return ErrorKind::conflict;
    case 422:
      return ErrorKind::can_never_fit;
    case 429:
      return ErrorKind::too_many_requests;
    case 503:
      return ErrorKind::unavailable;
    default:
      return ErrorKind::internal;
  }
}

void add_line(std::string& lines, const std::string& line) {
  if (line.empty()) return;
  if (!lines.empty()) lines += '\n';
  lines += line;
}

}  // namespace

Error parse_problem(int status, std::string_view body) {
  const auto document = parse_json(body);
  if (!document || !document->is_object()) {
    return Error{kind_of("", status), "the daemon answered " + std::to_string(status), "", ""};
  }
  Error error;
  error.kind = kind_of(text(*document, "type"), status);
  // Its own three parts where it has them: the title says only of which kind it is.
  error.what = text(*document, "what");
  error.why = text(*document, error.what.empty() ? "detail" : "why");
  if (error.what.empty()) error.what = text(*document, "title");
  if (error.what.empty()) error.what = "the daemon answered " + std::to_string(status);
  for (const auto& lease : list(*document, "in_the_way")) {
    const auto id = lease.is_string() ? text(lease, "") : text(lease, "lease");
    const auto name = text(lease, "name");
    // The detail often names the lease already; saying it twice helps nobody.
    if (id.empty() || error.why.find(id) != std::string::npos) continue;
    add_line(error.why, "in the way: lease " + (name.empty() ? id : name + " (" + id + ")"));
  }
  if (const auto* help = find(*document, "help"); help != nullptr && help->is_string()) {
    error.help = text(*document, "help");
  }
  for (const auto& help : list(*document, "help")) {
    add_line(error.help, help.is_string() ? text(help, "") : text(help, "text"));
  }
  // A verdict's list says all that helps; what has none says it in "try".
  if (error.help.empty()) error.help = text(*document, "try");
  return error;
}

}  // namespace headroom::client
