// How headroom says that the world said no.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace headroom {

/// The kind of a failure; each has one HTTP problem type and one exit code of the command.
enum class ErrorKind {
  invalid_request,         ///< 400, exit 2: wrong usage or configuration; nothing was done
  not_allowed,             ///< 403, exit 5
  not_found,               ///< 404, exit 4
  conflict,                ///< 409, exit 7: name in use, changed meanwhile
  insufficient_resources,  ///< 409, exit 3: may fit later
  can_never_fit,           ///< 422, exit 3: larger than any device
  too_many_requests,       ///< 429, exit 1: a bounded queue is full
  unavailable,             ///< 503, exit 6: the daemon or a sensor does not answer
  timed_out,               ///< exit 124: waited as long as asked
  internal,                ///< 500, exit 1
};

/// A failure in three parts: what was tried, why it failed, what helps. `why` and `help` may be
/// empty; `what` never is.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string what;
  std::string why;
  std::string help;
  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string what, std::string why = {},
                                  std::string help = {}) {
  return tl::unexpected<Error>(Error{kind, std::move(what), std::move(why), std::move(help)});
}

}  // namespace headroom
