// Session folders without a daemon.
#include <algorithm>
#include <ctime>
#include <utility>

#include <unistd.h>

#include "act/folder.hpp"
#include "act/refusal.hpp"
#include "cli/session.hpp"
#include "decide/sessions.hpp"
#include "serve/documents.hpp"
#include "serve/json.hpp"
#include "serve/user_names.hpp"

namespace headroom::cli {
namespace {

WallTime now() {
  timespec at{};
  ::clock_gettime(CLOCK_REALTIME, &at);
  return WallTime(std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec));
}

Result<void> refuse(const std::string& name, ErrorKind kind, std::string why) {
  return fail(kind, "cannot remove session " + name, std::move(why), "headroom session ls");
}

/// Marks the one that was asked for by its name.
Result<void> choose(Sessions& sessions, const std::string& name) {
  auto& items = sessions.items;
  std::erase_if(items, [&](const SessionView& one) { return one.folder.name != name; });
  if (items.empty()) {
    return refuse(
        name, ErrorKind::not_found,
        sessions.problems.empty() ? "there is none of that name" : sessions.problems.front());
  }
  if (items.size() > 1) return refuse(name, ErrorKind::conflict, "several roots have one");
  SessionView& one = items.front();
  if (!one.folder.held.empty()) {
    return refuse(name, ErrorKind::conflict, "it is in use by " + one.folder.held);
  }
  if (!one.folder.spared.empty()) return refuse(name, ErrorKind::conflict, one.folder.spared);
  one.state = SessionState::going;
  one.why = "somebody asked for it";
  return {};
}

void clean(act::FolderRoot& root, bool even_if_changed, Sessions& sessions) {
  act::FolderRemoval how;
  how.even_if_changed = even_if_changed;
  for (const SessionRemoval& removal : root.finish(how)) {
    how.entries -= std::min(how.entries, removal.entries);
    if (removal.gone) continue;
    std::string problem = "what an earlier run has left in " + root.path() + "/" + removal.name;
    for (const std::string& why : removal.why) problem += ": " + why;
    sessions.problems.push_back(std::move(problem));
  }
  for (SessionView& session : sessions.items) {
    if (session.state != SessionState::going || session.folder.root != root.path()) continue;
    const SessionRemoval removal = root.remove(session.folder, how);
    how.entries -= std::min(how.entries, removal.entries);
    take_removal(session, removal);
    if (removal.gone) sessions.freed += removal.bytes;
  }
}

}  // namespace

Result<std::string> sessions_locally(const SessionsAsk& ask) {
  Sessions sessions;
  sessions.dry_run = ask.dry_run;
  std::vector<act::FolderRoot> roots;
  std::optional<Error> first;
  for (const std::string& path : ask.roots) {
    auto root = act::FolderRoot::open(path);
    act::FolderRule rule;
    rule.pattern = ask.pattern;
    if (::geteuid() != 0) rule.owner = ::geteuid();  // others' cannot be removed
    auto folders = root ? root->scan(rule) : tl::unexpected(root.error());
    if (!folders) {
      if (!first) first = folders.error();
      sessions.problems.push_back(act::sentence(folders.error()));
      continue;
    }
    decide::SessionRules rules;
    rules.max_age = ask.age.value_or(std::chrono::seconds(0));
    for (SessionView& one : decide::plan_sessions(std::move(*folders), rules, now())) {
      sessions.items.push_back(std::move(one));
    }
    roots.push_back(std::move(*root));
  }
  if (roots.empty() && first) return tl::unexpected(*first);
  std::stable_sort(sessions.items.begin(), sessions.items.end(),
                   [](const SessionView& a, const SessionView& b) {
                     return (a.state == SessionState::going) > (b.state == SessionState::going);
                   });
  if (!ask.name.empty()) {
    if (const auto chosen = choose(sessions, ask.name); !chosen) {
      return tl::unexpected(chosen.error());
    }
  }
  if (ask.dry_run) {
    for (const SessionView& one : sessions.items) {
      if (one.state == SessionState::going) sessions.freed += one.folder.bytes;
    }
  } else {
    for (act::FolderRoot& root : roots) clean(root, !ask.name.empty(), sessions);
  }
  std::string body;
  serve::Json json(body);
  serve::UserNames names;
  serve::write_sessions(json, sessions, names);
  return body;
}

Result<std::string> add_session_locally(const std::string& root, const std::string& name) {
  auto opened = act::FolderRoot::open(root);
  if (!opened) return tl::unexpected(opened.error());
  const auto made = opened->make(name, ::geteuid());
  if (!made) return tl::unexpected(made.error());
  return made->root + "/" + made->name;
}

}  // namespace headroom::cli
