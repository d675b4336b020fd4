// Session folders: who may look, make and remove, and when headroom cleans by itself.
#include <algorithm>
#include <map>
#include <utility>

#include "control/control.hpp"
#include "decide/sessions.hpp"

namespace headroom::control {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostWaiting = 16;
constexpr std::size_t kMostTold = 4096;
constexpr std::size_t kMostFolders = 10'000;  // of one root that a look tells of
constexpr std::size_t kMostToldOfOne = 256;
constexpr auto kFirstClean = 60s;    // after the start
constexpr auto kCleanAgain = 60s;    // after a run that removed something: perhaps not all of it
constexpr auto kCleanEvery = 600s;   // else
constexpr auto kLongestLook = 300s;  // two million files of a slow disk take their time
constexpr auto kSeenLately = 5s;     // lists are answered from a look as old as that

/// The folder that is meant by a session's name: "x" is session_x under "session_*".
std::string folder_name(const std::string& pattern, const std::string& name) {
  if (session_name_matches(pattern, name)) return name;
  const auto star = pattern.find('*');
  if (star == std::string::npos || pattern.find('*', star + 1) != std::string::npos ||
      pattern.find('?') != std::string::npos) {
    return {};
  }
  return pattern.substr(0, star) + name + pattern.substr(star + 1);
}

/// For people and logs: whoever makes a folder chooses its name.
std::string place_of(const SessionFolder& folder) {
  std::string place = folder.root + "/" + folder.name;
  for (char& c : place) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return place;
}

/// What is told while the folders do not answer.
Error hung(const SessionRun& run) {
  return {ErrorKind::unavailable, "the folders of sessions do not answer",
          (run.ask.root.empty() ? std::string("one of sessions.roots") : run.ask.root) +
              " was not read within five minutes; none is listed, made or removed until it is",
          "ls on each of them: one may lie on a filesystem whose server is gone"};
}

}  // namespace

void Control::ask(const Asked& asked, const AskSessions& ask) {
  const auto& settings = state_.config->sessions;
  const bool changes = ask.what != AskSessions::What::list && !ask.dry_run;
  if (settings.roots.empty()) {
    return refuse(
        asked.request,
        {ErrorKind::not_found, "no folder is set that holds sessions", "sessions.roots is empty",
         "write sessions.roots into a file in /etc/headroom/conf.d, or headroom session --root DIR "
         "--local"});
  }
  if (!ask.root.empty() &&
      std::find(settings.roots.begin(), settings.roots.end(), ask.root) == settings.roots.end()) {
    return refuse(asked.request, {ErrorKind::not_found, ask.root + " is no root of sessions",
                                  "sessions.roots does not name it", "headroom session ls"});
  }
  if (changes && !asked.caller.known) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the request did not come over the Unix socket", "use the socket"});
  }
  SessionRun run;
  run.request = asked.request;
  run.caller = asked.caller;
  run.ask = ask;
  if (ask.what == AskSessions::What::clean && !ask.older && settings.max_age == 0s) {
    return refuse(asked.request, {ErrorKind::invalid_request, "it is not said how old they may be",
                                  "sessions.max_age is off", "headroom session clean --older 24h"});
  }
  if (!ask.name.empty()) {
    run.ask.name = folder_name(settings.pattern, ask.name);
    if (run.ask.name.empty() || run.ask.name.find('/') != std::string::npos) {
      return refuse(asked.request,
                    {ErrorKind::invalid_request, "that is no name of a session",
                     "session folders match " + settings.pattern, "headroom session add run-1"});
    }
  }
  if (ask.what == AskSessions::What::add) {
    run.ask.root = ask.root.empty() ? settings.roots.front() : ask.root;
    const auto mine =
        std::count_if(state_.promises.sessions.begin(), state_.promises.sessions.end(),
                      [&](const auto& one) { return one.second.owner == asked.caller.uid; });
    if (state_.promises.sessions.size() >= kMostTold ||
        (!asked.caller.trusted && static_cast<std::size_t>(mine) >= kMostToldOfOne)) {
      return refuse(asked.request,
                    {ErrorKind::too_many_requests, "there are too many sessions",
                     std::to_string(mine) + " of them are yours", "headroom session rm NAME"});
    }
  }
  // Somebody who asks again and again does not keep the disk busy.
  if (ask.what == AskSessions::What::list && state_.sessions_seen_at &&
      at_.boot - *state_.sessions_seen_at < kSeenLately) {
    (void)plan_session_run(run);
    effects_.emplace_back(Respond{asked.request, std::move(run.report)});
    return;
  }
  if (state_.session_run && state_.session_run->late) {
    return refuse(asked.request, hung(*state_.session_run));
  }
  if (state_.session_runs.size() >= kMostWaiting) {
    return refuse(asked.request,
                  {ErrorKind::too_many_requests, "too many ask for sessions",
                   std::to_string(kMostWaiting) + " of them wait already", "try later"});
  }
  state_.session_runs.push_back(std::move(run));
  start_session_run();
}

void Control::start_session_run() {
  if (state_.session_run || state_.session_runs.empty()) return;
  state_.session_run = std::move(state_.session_runs.front());
  state_.session_runs.pop_front();
  SessionRun& run = *state_.session_run;
  run.number = ++state_.last_session_run;
  run.began = at_.boot;
  const auto& settings = state_.config->sessions;
  if (run.ask.what == AskSessions::What::add) {
    effects_.emplace_back(MakeSession{run.number, run.ask.root, run.ask.name, run.caller.uid});
    return;
  }
  LookAtSessions look;
  look.run = run.number;
  look.roots = run.ask.root.empty() ? settings.roots : std::vector<std::string>{run.ask.root};
  look.pattern = settings.pattern;
  for (const auto& [key, session] : state_.promises.sessions) look.told.push_back(session);
  effects_.emplace_back(std::move(look));
}

std::optional<BootTime> Control::sessions_late_at() const {
  if (!state_.session_run || state_.session_run->cleaning || state_.session_run->late) return {};
  return state_.session_run->began + kLongestLook;
}

// A filesystem whose server is gone: whoever asks is told, and the one thread goes on waiting.
void Control::give_up_on_sessions() {
  const auto late = sessions_late_at();
  if (!late || at_.boot < *late) return;
  SessionRun& run = *state_.session_run;
  run.late = true;
  const Error error = hung(run);
  say("session.hung", 0, error.what + ": " + error.why);
  if (run.request != 0) refuse(run.request, error);
  for (const SessionRun& one : std::exchange(state_.session_runs, {})) {
    if (one.request != 0) refuse(one.request, error);
  }
}

void Control::clean_sessions_when_due() {
  const auto& settings = state_.config->sessions;
  if (settings.roots.empty() || state_.session_run || !state_.session_runs.empty()) return;
  if (!state_.session_due) state_.session_due = at_.boot + kFirstClean;
  if (at_.boot < *state_.session_due) return;
  const bool full = std::any_of(settings.roots.begin(), settings.roots.end(),
                                [this](const auto& root) { return disk_is_full_under(root); });
  if (settings.max_age == 0s && !full && !state_.sessions_interrupted) return;
  SessionRun run;
  run.ask.what = AskSessions::What::clean;
  state_.session_runs.push_back(std::move(run));
  start_session_run();
}

bool Control::disk_is_full_under(const std::string& root) const {
  const int disk = state_.ledger.disk(root);
  if (disk < 0) return false;
  const auto gauge = state_.gauges.find({Resource::disk, state_.ledger.pool(disk).device});
  return gauge != state_.gauges.end() && gauge->second.level() != Level::ok;
}

Bytes Control::missing_on(const SessionRoot& root) const {
  const auto& lines = state_.config->pressure;
  if (!lines.disk.warning) return Bytes(0);
  return decide::to_free_of(root.total, root.free, *lines.disk.warning,
                            *lines.disk.warning - lines.clear_below);
}

void Control::note_sessions(const std::vector<SessionRoot>& roots) {
  for (const SessionRoot& root : roots) {
    if (!root.problem.empty()) continue;
    SessionRootView& view = state_.session_roots[root.root];
    view.root = root.root;
    view.sessions = root.folders.size();
    view.bytes = Bytes(0);
    std::set<std::string_view> there;
    for (const SessionFolder& folder : root.folders) {
      *view.bytes += folder.bytes;
      there.insert(folder.name);
    }
    // Whoever told of a session has removed it without a word; or its filesystem is not mounted,
    // there are more folders than were looked at, or the pattern is another one now.
    std::vector<Session> lost;
    for (const auto& [key, session] : state_.promises.sessions) {
      if (session.root == root.root && !there.contains(session.name) && !there.empty() &&
          there.size() < kMostFolders &&
          session_name_matches(state_.config->sessions.pattern, session.name)) {
        lost.push_back(session);
      }
    }
    for (Session& session : lost) keep(PutSession{std::move(session), false});
  }
}

void Control::on(const SessionsSeen& event) {
  if (!state_.session_run || state_.session_run->number != event.run) return;
  SessionRun& run = *state_.session_run;
  if (std::exchange(run.late, false)) {
    say("session.hung", 0, "the folders of sessions answer again");
    if (run.request != 0) return end_session_run();  // who asked was told that nothing came of it
  }
  note_sessions(event.roots);
  state_.sessions_seen = event.roots;
  state_.sessions_seen_at.reset();
  if (run.ask.root.empty()) state_.sessions_seen_at = at_.boot;
  if (!plan_session_run(run)) return end_session_run();
  if (run.report.dry_run) {
    effects_.emplace_back(Respond{run.request, std::move(run.report)});
    return end_session_run();
  }
  state_.sessions_seen_at.reset();  // it is different soon
  run.cleaning = true;
  CleanSessions clean;
  clean.run = run.number;
  for (const SessionRoot& root : event.roots) {
    if (root.problem.empty()) clean.roots.push_back(root.root);
  }
  clean.even_if_changed = run.ask.what == AskSessions::What::remove;
  if (run.request != 0 && !run.caller.trusted) clean.owner = run.caller.uid;
  clean.reason = run.request == 0 ? "their age, or the disk" : "somebody asked for it";
  for (const SessionView& session : run.report.items) {
    if (session.state != SessionState::going) continue;
    const auto told = state_.promises.sessions.find({session.folder.root, session.folder.name});
    Session going = told == state_.promises.sessions.end() ? Session() : told->second;
    going.root = session.folder.root;
    going.name = session.folder.name;
    going.owner = session.folder.owner;
    going.going = true;
    keep(PutSession{std::move(going), true});
    clean.folders.push_back(session.folder);
  }
  effects_.emplace_back(std::move(clean));
}

bool Control::plan_session_run(SessionRun& run) {
  const auto& settings = state_.config->sessions;
  const AskSessions& ask = run.ask;
  const bool own = run.request == 0;
  const bool remove = ask.what == AskSessions::What::remove;
  Sessions& report = run.report;
  report.dry_run = ask.dry_run || ask.what == AskSessions::What::list;
  std::map<std::uint64_t, Bytes> freed_on;  // by device
  for (const SessionRoot& root : state_.sessions_seen) {
    if (!ask.root.empty() && root.root != ask.root) continue;
    if (!root.problem.empty()) {
      report.problems.push_back(root.problem);
      continue;
    }
    decide::SessionRules rules;
    rules.max_age = ask.older.value_or(settings.max_age);
    std::vector<SessionFolder> folders = root.folders;
    // What goes from one root need not go from another one on the same disk.
    Bytes& freed = freed_on[folders.empty() ? 0 : folders.front().device];
    if (own || ask.what == AskSessions::What::list) {
      rules.to_free = std::max(Bytes(), missing_on(root) - freed);
    }
    if (remove) {
      rules = {};
      std::erase_if(folders, [&](const SessionFolder& one) { return one.name != ask.name; });
    } else if (!own && !run.caller.trusted && ask.what == AskSessions::What::clean) {
      for (SessionFolder& folder : folders) {
        if (folder.owner != run.caller.uid && folder.spared.empty()) {
          folder.spared = "it belongs to another user";
        }
      }
    }
    auto plan = decide::plan_sessions(std::move(folders), rules, at_.wall);
    for (const SessionView& one : plan) {
      if (one.state == SessionState::going) freed += one.folder.bytes;
    }
    const auto goes = std::find_if(report.items.begin(), report.items.end(), [](const auto& one) {
      return one.state != SessionState::going;
    });
    const auto stays = std::find_if(
        plan.begin(), plan.end(), [](const auto& one) { return one.state != SessionState::going; });
    report.items.insert(goes, plan.begin(), stays);
    report.items.insert(report.items.end(), stays, plan.end());
  }
  if (remove) {
    const auto no = [&](ErrorKind kind, std::string why, std::string help) {
      refuse(run.request,
             {kind, "cannot remove session " + ask.name, std::move(why), std::move(help)});
      return false;
    };
    if (report.items.empty()) {
      return no(ErrorKind::not_found,
                report.problems.empty() ? "there is none of that name" : report.problems.front(),
                "headroom session ls");
    }
    if (report.items.size() > 1) {
      return no(ErrorKind::conflict, "several roots have one of that name",
                "headroom session rm NAME --root " + report.items.front().folder.root);
    }
    SessionView& one = report.items.front();
    if (!run.caller.trusted && one.folder.owner != run.caller.uid) {
      return no(ErrorKind::not_allowed, "it belongs to another user", "ask its owner, or root");
    }
    if (!one.folder.held.empty()) {
      return no(ErrorKind::conflict, "it is in use by " + one.folder.held, "end that first");
    }
    if (!one.folder.spared.empty()) {
      return no(ErrorKind::conflict, one.folder.spared, "headroom session ls");
    }
    one.state = SessionState::going;
    one.why = "somebody asked for it";
  }
  if (!report.dry_run) return true;
  for (const SessionView& session : report.items) {
    if (session.state == SessionState::going) report.freed += session.folder.bytes;
  }
  return true;
}

void Control::on(const SessionsCleaned& event) {
  if (!state_.session_run || state_.session_run->number != event.run) return;
  SessionRun& run = *state_.session_run;
  state_.sessions_interrupted = false;
  for (const SessionRemoval& removal : event.removals) {
    const auto item =
        std::find_if(run.report.items.begin(), run.report.items.end(), [&](const auto& one) {
          return one.folder.root == removal.root && one.folder.name == removal.name;
        });
    if (item == run.report.items.end()) continue;
    const std::string why = item->why;
    take_removal(*item, removal);
    if (const auto told = state_.promises.sessions.find({removal.root, removal.name});
        told != state_.promises.sessions.end()) {
      Session after = told->second;
      after.going = false;
      const bool known = !removal.taken && after.since != WallTime();
      keep(PutSession{std::move(after), known});
    }
    if (!removal.gone) {
      say("session.left", 0,
          "could not remove session " + place_of(item->folder) + ": " + item->why);
      continue;
    }
    run.report.freed += removal.bytes;
    SessionRootView& root = state_.session_roots[removal.root];
    root.root = removal.root;
    ++root.removed;
    root.removed_bytes += removal.bytes;
    if (root.sessions > 0) --root.sessions;
    if (root.bytes) *root.bytes -= std::min(*root.bytes, removal.bytes);
    say("session.removed", 0,
        "Cleaned up old session: " + place_of(item->folder) + " (" + why + "; " +
            std::to_string(removal.entries) + (removal.entries == 1 ? " entry, " : " entries, ") +
            std::to_string(removal.bytes.count()) + " bytes)");
  }
  for (const SessionRemoval& removal : event.finished) {
    if (removal.gone) {
      say("session.removed", 0, "finished a removal in " + removal.root + " that was cut short");
      continue;
    }
    std::string problem = "what an earlier run has left in " + removal.root + "/" + removal.name;
    for (const std::string& why : removal.why)
      problem += (why == removal.why[0] ? ": " : "; ") + why;
    run.report.problems.push_back(std::move(problem));
  }
  if (run.request != 0) effects_.emplace_back(Respond{run.request, std::move(run.report)});
  end_session_run();
}

void Control::on(const SessionMade& event) {
  if (!state_.session_run || state_.session_run->number != event.run) return;
  SessionRun& run = *state_.session_run;
  if (!event.folder) {
    if (!run.late) refuse(run.request, event.folder.error());
    return end_session_run();
  }
  Session session;
  session.root = event.folder->root;
  session.name = event.folder->name;
  session.owner = event.folder->owner;
  session.holder = run.ask.holder;
  session.since = at_.wall;
  keep(PutSession{std::move(session), true});
  say("session.added", 0, "made session " + place_of(*event.folder));
  SessionView made;
  made.folder = *event.folder;
  if (run.ask.holder.somebody()) {
    made.folder.held = "process " + std::to_string(run.ask.holder.pid);
  }
  made.state = SessionState::live;
  made.why = "it was made just now";
  run.report.items.push_back(std::move(made));
  if (!run.late) effects_.emplace_back(Respond{run.request, std::move(run.report)});
  state_.sessions_seen_at.reset();
  end_session_run();
}

void Control::end_session_run() {
  const bool removed =
      std::any_of(state_.session_run->report.items.begin(), state_.session_run->report.items.end(),
                  [](const SessionView& one) { return one.state == SessionState::gone; });
  if (state_.session_run->request == 0) {
    state_.session_due = at_.boot + (removed ? kCleanAgain : kCleanEvery);
  }
  state_.session_run.reset();
  start_session_run();
}

void Control::restore_sessions(bool same_boot) {
  std::vector<Session> stale;
  for (const auto& [key, session] : state_.promises.sessions) {
    if (session.going || (!same_boot && session.holder.somebody())) stale.push_back(session);
  }
  for (Session& session : stale) {
    // What had begun is in the root's trash, or was not touched: the next cleaning sees.
    state_.sessions_interrupted = state_.sessions_interrupted || session.going;
    const bool known = session.since != WallTime();
    session.going = false;
    if (!same_boot) session.holder = Holder();
    keep(PutSession{std::move(session), known});
  }
}

std::vector<SessionRootView> Control::session_root_views() const {
  std::vector<SessionRootView> roots;
  for (const std::string& root : state_.config->sessions.roots) {
    const auto known = state_.session_roots.find(root);
    roots.push_back(known == state_.session_roots.end() ? SessionRootView() : known->second);
    roots.back().root = root;
  }
  return roots;
}

}  // namespace headroom::control
