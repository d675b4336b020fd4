#include "serve/problem.hpp"

#include <string_view>

#include "serve/documents.hpp"
#include "serve/json.hpp"

namespace headroom::serve {

const std::vector<ProblemKind>& problem_kinds() {
  // In the order of ErrorKind.
  static const std::vector<ProblemKind> kinds = {
      {400, "invalid-request", "The request is not right"},
      {403, "not-allowed", "Not allowed"},
      {404, "not-found", "No such thing"},
      {409, "conflict", "Conflict"},
      {409, "insufficient-resources", "Not enough room"},
      {422, "can-never-fit", "It can never fit"},
      {429, "too-many-requests", "Too many requests"},
      {503, "unavailable", "Not available"},
      {408, "timed-out", "Waited as long as asked"},
      {500, "internal", "Something is wrong in headroom"},
  };
  return kinds;
}

const ProblemKind& problem_kind(ErrorKind kind) {
  return problem_kinds()[static_cast<std::size_t>(kind)];
}

http::Response problem(const Error& error, const Verdict* verdict, const View* view, int status) {
  const ProblemKind& kind = problem_kind(error.kind);
  http::Response response;
  response.status = status != 0 ? status : kind.status;
  response.content_type = "application/problem+json";
  Json json(response.body);
  std::string detail = error.what;
  if (!error.why.empty()) detail += ": " + error.why;
  json.open()
      .text("type", std::string("/problems/") + kind.type)
      .text("title", kind.title)
      .number("status", response.status)
      .text("detail", detail)
      .text("what", error.what)
      .maybe_text("why", error.why)
      .maybe_text("try", error.help);
  if (verdict != nullptr) {
    // The members of the verdict stand in the problem as they do in an answer to fit.
    std::string inner;
    Json writer(inner);
    write_verdict(writer, *verdict, view);
    response.body += ',';
    response.body.append(inner, 1, inner.size() - 2);
  }
  response.body += '}';
  return response;
}

std::string problem_page(std::string_view type) {
  struct Page {
    const char* type;
    const char* text;
  };
  static constexpr Page kPages[] = {
      {"invalid-request",
       "Something in the request is not as docs/api.md says: a field with another name or type, an "
       "amount of nothing, a body that is no JSON. \"detail\" names it. Nothing was changed.\n"},
      {"not-allowed",
       "Leases belong to the user who asked for them: that user, root and the group headroom may "
       "change "
       "them. Over TCP, requests must come from this machine, and not from a web page of "
       "another origin. Use the Unix socket, or the right user.\n"},
      {"not-found",
       "There is no such path, lease or alert. Leases that ended are listed for a day.\n"},
      {"conflict",
       "The thing is not in the state that the request needs; for example, the lease has ended.\n"},
      {"insufficient-resources",
       "It does not fit now. \"short\" says by how much, \"in_the_way\" which leases hold what is "
       "missing, \"help\" what can be done; with wait_seconds the request queues instead.\n"},
      {"can-never-fit",
       "It is larger than anything this machine can ever book: capacity less what is kept in "
       "reserve and "
       "the margin of measurement. Ask for less.\n"},
      {"too-many-requests", "A queue or a limit of the daemon is full. Try again later.\n"},
      {"unavailable",
       "A sensor, or the daemon itself, does not answer. headroom doctor says more.\n"},
      {"timed-out", "What was waited for did not happen within the time that was asked for.\n"},
      {"internal", "This is a mistake in headroom. Its log has more.\n"},
  };
  for (const Page& page : kPages) {
    if (type == page.type) return page.text;
  }
  return {};
}

}  // namespace headroom::serve
