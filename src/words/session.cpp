#include "words/session.hpp"

namespace headroom {

bool session_name_matches(std::string_view pattern, std::string_view name) {
  if (name.starts_with(".") && !pattern.starts_with(".")) return false;
  std::size_t p = 0, n = 0;
  std::size_t star = std::string_view::npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

void take_removal(SessionView& session, const SessionRemoval& removal) {
  if (removal.gone) {
    session.state = SessionState::gone;
    return;
  }
  session.state = SessionState::left;
  session.why.clear();
  for (const std::string& why : removal.why) session.why += (session.why.empty() ? "" : "; ") + why;
  if (removal.left > kNamedLeft) {
    session.why += "; and " + std::to_string(removal.left - kNamedLeft) + " more";
  }
}

}  // namespace headroom
