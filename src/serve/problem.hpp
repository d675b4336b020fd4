// Failures as problem+json (RFC 9457).
#pragma once

#include <string>

#include <headroom/result.hpp>

#include "http/message.hpp"
#include "serve/backend.hpp"

namespace headroom::serve {

/// The status, type and title of a kind of failure.
struct ProblemKind {
  int status;
  const char* type;
  const char* title;
};
const ProblemKind& problem_kind(ErrorKind kind);

/// A failure as an answer. `verdict` adds what is short, what is in the way and what helps.
/// `status`: another one than the kind's own; 0 = that.
http::Response problem(const Error& error, const Verdict* verdict = nullptr,
                       const View* view = nullptr, int status = 0);

/// Every kind, for the pages under /problems.
const std::vector<ProblemKind>& problem_kinds();

/// The page that a problem's `type` leads to: what it means and what helps, as plain text.
std::string problem_page(std::string_view type);
/// The same as a page for browsers. Both are "" for a type that is none.
std::string problem_html(std::string_view type);

}  // namespace headroom::serve
