#include "serve/problem.hpp"

#include <algorithm>
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
  write_problem(json, {std::string("/problems/") + kind.type, kind.title, response.status,
                       error.why.empty() ? error.what : error.what + ": " + error.why, error.what,
                       error.why, error.help, verdict, view});
  return response;
}

std::string problem_page(std::string_view type) {
  struct Page {
    const char* type;
    const char* text;
  };
  static constexpr Page kPages[] = {
      {"invalid-request",
       "Something in the request is not as /docs says: a field with another name or type, an "
       "amount of nothing, a body that is no JSON. \"detail\" names it. Nothing was changed.\n"},
      {"not-allowed",
       "Leases belong to the user who asked for them: that user, root and the group headroom may "
       "change "
       "them, and only root and that group change the configuration. Over TCP, a web page of "
       "another "
       "origin is refused, and so is a host name that this machine was not told is its own "
       "(http.names). From other machines, writes need the token (http.token_file), as "
       "Authorization: Bearer TOKEN; reads need it where http.private is true. Use the Unix "
       "socket, "
       "or the right user.\n"},
      {"not-found",
       "There is no such path, lease, model or alert. Leases that ended are listed for a day.\n"},
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

std::string problem_html(std::string_view type) {
  const std::string text = problem_page(type);
  if (text.empty()) return {};
  const auto& kinds = problem_kinds();
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const ProblemKind& one) { return type == one.type; });
  // All of this is our own text; what has to be escaped in HTML is not in it.
  std::string out =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>";
  out.append(kind->title)
      .append(
          " - headroom</title><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" "
          "href=\"../docs/docs.css\"></head>")
      .append("<body><main class=\"page\"><p class=\"status\">")
      .append(std::to_string(kind->status))
      .append(" ")
      .append(kind->type)
      .append("</p><h1>")
      .append(kind->title)
      .append("</h1><p>")
      .append(text, 0, text.size() - 1)
      .append("</p><h2>Other kinds</h2><ul>");
  for (const ProblemKind& one : kinds) {
    if (type == one.type) continue;
    out.append("<li><a href=\"").append(one.type).append("\">").append(one.type).append("</a> ");
    out.append(std::to_string(one.status)).append("</li>");
  }
  return out.append("</ul><p><a href=\"../docs\">Reference</a> · <a href=\"../\">Dashboard</a></p>")
      .append("</main></body></html>\n");
}

}  // namespace headroom::serve
