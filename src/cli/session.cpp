#include "cli/session.hpp"

#include <filesystem>
#include <utility>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"
#include "settings/parse.hpp"
#include "settings/settings.hpp"
#include "words/session.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom session                            session folders, their age and size\n"
    "  headroom session clean --older 24h --dry-run    which would go, and why the others stay\n"
    "  headroom session clean --older 24h          removes them\n"
    "  headroom session rm run-1                   this one, whatever its age\n"
    "  headroom session add run-1 --pid $$         makes one, in use while the process lives\n"
    "  headroom session clean --root /srv/tmp --older 7d --local    without a daemon\n"
    "\n"
    "Session folders are those in sessions.roots (or --root) that match sessions.pattern. One "
    "that\n"
    "a process has locked (flock), or that somebody told of while its process lives, stays. Links\n"
    "are never followed, and what is mounted inside is never entered. 1: not all could be "
    "removed.\n";

constexpr auto kCleanWithin = std::chrono::minutes(30);

struct Asked {
  std::string action = "ls";
  std::string name;
  std::string root;  ///< absolute, or ""
  std::optional<std::chrono::seconds> older;
  std::optional<std::int64_t> pid;
  bool dry_run = false;
};

Error wrong(std::string what, std::string help) {
  return Error{ErrorKind::invalid_request, std::move(what), "", std::move(help)};
}

Result<std::string> ask_daemon(client::Daemon& daemon, const Asked& asked) {
  const std::string target = "/api/v1/sessions";
  const std::string root =
      asked.root.empty() ? std::string() : "root=" + http::encode_segment(asked.root);
  Result<value> answer;
  if (asked.action == "ls") return daemon.get(target + (root.empty() ? "" : "?" + root));
  if (asked.action == "rm") {
    const std::string dry = asked.dry_run ? "dry_run=1" : "";
    const std::string both = root + (root.empty() || dry.empty() ? "" : "&") + dry;
    answer = daemon.send(
        "DELETE",
        target + "/" + http::encode_segment(asked.name) + (both.empty() ? "" : "?" + both), {});
  } else if (asked.action == "add") {
    object body{{"name", asked.name}};
    if (!asked.root.empty()) body["root"] = asked.root;
    if (asked.pid) body["pid"] = *asked.pid;
    answer = daemon.send("POST", target, body);
  } else {
    object body{{"dry_run", asked.dry_run}};
    if (!asked.root.empty()) body["root"] = asked.root;
    if (asked.older) body["older_seconds"] = asked.older->count();
    answer = daemon.send("POST", target + "/clean", body);
  }
  if (!answer) return tl::unexpected(answer.error());
  return client::write_json(*answer);
}

Result<std::string> ask_locally(const Asked& asked) {
  settings::Input input;
  input.environment = environment();
  input.for_command = true;
  const auto loaded = settings::load(input);
  if (!loaded) return tl::unexpected(loaded.error());
  const auto& sessions = loaded->config.sessions;
  SessionsAsk ask;
  ask.roots = asked.root.empty() ? sessions.roots : std::vector<std::string>{asked.root};
  ask.pattern = sessions.pattern;
  ask.name = asked.name;
  ask.dry_run = asked.dry_run || asked.action == "ls";
  if (ask.roots.empty()) {
    return tl::unexpected(Error{ErrorKind::not_found, "no folder is named that holds sessions",
                                "sessions.roots is empty, and there is no --root",
                                "headroom session clean --root /srv/sessions --older 24h"});
  }
  if (asked.action == "clean" || asked.action == "ls") {
    ask.age = asked.older;
    if (!ask.age && sessions.max_age.count() > 0) ask.age = sessions.max_age;
    if (!ask.age && asked.action == "clean") {
      return tl::unexpected(Error{ErrorKind::invalid_request, "it is not said how old they may be",
                                  "sessions.max_age is off", "headroom session clean --older 24h"});
    }
  }
  return sessions_locally(ask);
}

/// One that is told of while a process lives needs a daemon that watches the process.
Result<std::string> add_locally(const Asked& asked) {
  if (asked.pid) {
    return fail(ErrorKind::unavailable, "a process is watched by the daemon, and none answers", "",
                "the same without --pid; lock the folder with flock instead");
  }
  if (asked.root.empty()) {
    return tl::unexpected(wrong("it is not said where", "headroom session add run-1 --root DIR"));
  }
  return add_session_locally(asked.root, asked.name);
}

Result<Asked> understand(const Words& given, const std::string& older, const std::string& root,
                         const std::string& pid, bool dry_run) {
  Asked asked;
  if (!given.empty()) asked.action = given[0];
  if (given.size() > 1) asked.name = given[1];
  asked.dry_run = dry_run;
  const bool named = asked.action == "rm" || asked.action == "add";
  if (!named && asked.action != "ls" && asked.action != "clean") {
    return tl::unexpected(wrong("session does not know '" + asked.action + "'",
                                "headroom session ls, add NAME, clean or rm NAME"));
  }
  if (named != !asked.name.empty()) {
    return tl::unexpected(
        wrong(named ? "session " + asked.action + " wants a name"
                    : "session " + asked.action + " takes no name",
              named ? "headroom session " + asked.action + " run-1" : "headroom session rm run-1"));
  }
  if (!root.empty()) {
    std::error_code error;
    const auto path = std::filesystem::absolute(root, error);
    asked.root = path.lexically_normal().string();
    while (asked.root.size() > 1 && asked.root.back() == '/') asked.root.pop_back();
  }
  if (!older.empty()) {
    const auto time = settings::parse_duration(older);
    if (!time) return tl::unexpected(time.error());
    asked.older = std::chrono::duration_cast<std::chrono::seconds>(*time);
    if (asked.older->count() < 1) {
      return tl::unexpected(wrong("--older is to be a second at least", "--older 24h"));
    }
  }
  if (!pid.empty()) {
    std::int64_t number = 0;
    for (const char c : pid)
      number = c < '0' || c > '9' || pid.size() > 9 ? -1 : number * 10 + c - '0';
    if (number <= 0) return tl::unexpected(wrong("--pid is to be a process", "--pid 4121"));
    asked.pid = number;
  }
  return asked;
}

}  // namespace

std::string render_sessions(const value& sessions, bool listed, const Style& style) {
  Table table({{"NAME", Align::left, false, true, 0, 16},
               {"STATE"},
               {"SIZE", Align::right},
               {"CHANGED", Align::right},
               {"ENTRIES", Align::right, true},
               {"OWNER", Align::left, false, false, 2},
               {"ROOT", Align::left, true},
               {"WHY", Align::left, false, true}});
  int gone = 0, going = 0, left = 0;
  for (const auto& session : client::list(sessions)) {
    const auto state = client::text(session, "state");
    gone += state == "gone" ? 1 : 0;
    going += state == "going" ? 1 : 0;
    left += state == "left" ? 1 : 0;
    table.row({text_cell(client::text(session, "name")),
               state == "left" ? paint(style, "warning", state) : printable(state),
               bytes_cell(style, client::whole(session, "bytes")),
               since_cell(style, client::text(session, "changed")),
               std::to_string(client::whole(session, "entries").value_or(0)),
               text_cell(client::text(session, "owner")), text_cell(client::text(session, "root")),
               printable(client::text(session, "why"))});
  }
  if (style.output == Output::csv) return table.render(style);
  std::string text = table.empty() ? "" : table.render(style);
  if (table.empty() && listed) text = "there are no session folders\n";
  if (!listed) {
    const bool dry = client::is_true(sessions, "dry_run");
    const int count = dry ? going : gone;
    const std::string size = show_bytes(client::whole(sessions, "freed_bytes").value_or(0));
    text += (dry ? "would remove " : "removed ") + std::to_string(count) +
            (count == 1 ? " session, " : " sessions, ") + size + "\n";
    if (left > 0) text += std::to_string(left) + " could not be removed as a whole\n";
    if (dry) text += "nothing was changed: this was a dry run\n";
  }
  for (const auto& problem : client::list(sessions, "problems")) {
    if (problem.is_string()) text += printable(std::string_view(problem.get_string())) + "\n";
  }
  return text;
}

int session_command(Words words) {
  Options options("session [ls|add NAME|clean|rm NAME]", kHelp);
  Common common;
  Words given;
  std::string older, root, pid;
  bool dry_run = false;
  options.value("--older", older,
                "clean: those unchanged for so long; sessions.max_age unless said");
  options.value("--root", root, "in this folder only");
  options.value("--pid", pid, "add: in use as long as this process lives");
  options.flag("--dry-run", dry_run, "clean, rm: only tell what would go");
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const auto asked = understand(given, older, root, pid, dry_run);
  if (!asked) return report(asked.error());

  const bool waits = !common.timeout && asked->action != "add";
  client::Daemon daemon(common.url, waits ? kCleanWithin : common.answer_within());
  bool local = common.local;
  if (!local) {
    const auto connected = daemon.connect();
    const bool unix_socket = daemon.url().starts_with("unix:") || daemon.url().starts_with('/');
    if (!connected && (connected.error().kind != ErrorKind::unavailable || !unix_socket)) {
      return report(connected.error());
    }
    local = !connected;
    if (local && root.empty() && !dry_run && (asked->action == "clean" || asked->action == "rm")) {
      return report({ErrorKind::unavailable, "no daemon answers on " + daemon.url(),
                     "without it nobody knows which sessions processes still hold",
                     "--dry-run, --root DIR for one folder, or --local if it is meant"});
    }
    if (local && !common.quiet) {
      write_out(stderr, "headroom: no daemon answers on " + daemon.url() +
                            "; working on the folders directly\n");
    }
  }
  if (local && asked->action == "add") {
    const auto path = add_locally(*asked);
    if (!path) return report(path.error());
    write_out(stdout, *path + "\n");
    return 0;
  }
  const auto body = local ? ask_locally(*asked) : ask_daemon(daemon, *asked);
  if (!body) return report(body.error());
  const auto sessions = client::parse_json(*body);
  if (!sessions) return report(sessions.error());
  if (!print_document(common, *body)) {
    if (asked->action == "add" && !client::list(*sessions).empty()) {
      const auto& made = client::list(*sessions).front();
      write_out(stdout, client::text(made, "root") + "/" + client::text(made, "name") + "\n");
    } else {
      write_out(stdout,
                render_sessions(*sessions, asked->action == "ls", style_for(common, stdout)));
    }
  }
  for (const auto& session : client::list(*sessions)) {
    if (client::text(session, "state") == "left") return 1;
  }
  // A root that cannot be looked into: what is in it was neither listed nor removed.
  return client::list(*sessions, "problems").empty() ? 0 : 1;
}

}  // namespace headroom::cli
