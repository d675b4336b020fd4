#include "cli/lease.hpp"

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "cli/at.hpp"
#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/needs.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom lease                               living leases and the queue\n"
    "  headroom lease show l-73                     one of them, by its id or its name\n"
    "  headroom lease add render --mem 6G --pid 4121    for a process that runs already\n"
    "  headroom lease add chat --gpu-mem 9G --unit ollama.service   or --container, --cgroup\n"
    "  headroom lease add night --gpus 1 --ttl 8h   for a time\n"
    "  headroom lease add night --at 22:00 --for 3h --gpu-mem 20G   kept for it from then on\n"
    "  headroom lease renew l-73 --ttl 1h\n"
    "  headroom lease give l-73 --pid 4122          another process holds it from now on\n"
    "  headroom lease failed l-73 --gpu-mem 2G      its device refused this: it is moved, once\n"
    "  headroom lease rm l-73                       end it, or leave the queue\n"
    "\n"
    "For a command to be started, headroom run is simpler. A unit, a container and a cgroup\n"
    "are measured and never touched; their lease lasts until they are gone.\n";

/// An amount that counts now: what is booked, or what is wanted while it waits.
std::optional<std::int64_t> bytes_of(const value& lease, const std::string& amount) {
  const bool waits = client::text(lease, "state") == "waiting";
  return client::whole(lease, (waits ? "needs." : "booked.") + amount);
}

std::optional<double> cores_of(const value& lease) {
  const bool waits = client::text(lease, "state") == "waiting";
  return client::number(lease, waits ? "needs.cpu_cores" : "booked.cpu_cores");
}

std::string state_cell(const value& lease, const Style& style) {
  const auto state = client::text(lease, "state");
  std::string cell = text_cell(state);
  if (state == "waiting") cell = paint(style, "warning", cell);
  if (state == "quarantined") cell = paint(style, "critical", cell);
  if (client::is_true(lease, "over")) cell += " " + paint(style, "warning", "OVER");
  if (client::is_true(lease, "frozen")) cell += " " + paint(style, "critical", "FROZEN");
  return cell;
}

std::string note_of(const value& lease, const Style& style) {
  if (client::text(lease, "state") == "waiting") {
    std::string note;
    if (const auto place = client::whole(lease, "place"); place && *place > 0) {
      note = "place " + std::to_string(*place);
    }
    if (const auto starts = parse_time(client::text(lease, "starts_at"))) {
      const bool late = client::text(lease, "earliest").empty();
      note = (late ? "late, from " : "from ") + show_time(*starts, style.now);
    } else if (const auto earliest = parse_time(client::text(lease, "earliest"))) {
      note += (note.empty() ? "" : ", ") + ("earliest " + show_time(*earliest, style.now));
    }
    const auto why = printable(client::text(lease, "why"));
    return note + (note.empty() || why.empty() ? "" : "; ") + why;
  }
  const auto reason = printable(client::text(lease, "reason"));
  return reason.empty() ? printable(client::text(lease, "idle")) : reason;
}

int show_lease(const Common& common, const Result<value>& lease) {
  if (!lease) return report(lease.error());
  if (print_document(common, client::write_json(*lease))) return 0;
  const auto style = style_for(common, stdout);
  const value only = object{{"items", client::json::array{*lease}}};
  write_out(stdout, common.output == Output::csv ? render_leases(only, style)
                                                 : render_lease(*lease, style));
  return 0;
}

bool is_id(const std::string& word) {
  const auto digits = word.substr(word.starts_with("l-") ? 2 : 0);
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
}

/// The id of the lease that a word means: an id as it is, or the name that one living lease has.
Result<std::string> id_of(client::Daemon& daemon, const std::string& word, const Style& style) {
  if (is_id(word)) return word;
  const auto target = "/api/v1/leases?name=" + http::encode_segment(word);
  auto found = daemon.document(target);
  if (!found) return tl::unexpected<Error>(found.error());
  // What has ended may still be looked at.
  if (client::list(*found).empty()) {
    found = daemon.document(target + "&state=ended");
    if (!found) return tl::unexpected<Error>(found.error());
  }
  const auto& leases = client::list(*found);
  if (leases.size() == 1) return client::text(leases.front(), "id");
  if (leases.empty()) {
    return fail(ErrorKind::not_found, "there is no lease '" + printable(word) + "'",
                "neither an id nor a name is so", "headroom lease");
  }
  auto list = style;
  list.output = Output::table;
  auto all = render_leases(*found, list);
  while (!all.empty() && all.back() == '\n') all.pop_back();
  return fail(ErrorKind::invalid_request,
              std::to_string(leases.size()) + " leases are called " + printable(word), all,
              "its id, such as " + client::text(leases.back(), "id"));
}

struct AddOptions {
  NeedsOptions needs;
  std::string pid;
  std::string cgroup;
  std::string unit;
  std::string container;
  std::string ttl;
  std::string wait;
  std::string expected;
  std::string at;
  std::string priority;
  std::string model;
  bool enforce = false;
  bool no_fence = false;
  bool return_idle = false;
};

Result<std::int64_t> seconds_of(const std::string& text) {
  const auto time = settings::parse_duration(text);
  if (!time) return tl::unexpected<Error>(time.error());
  return std::chrono::ceil<std::chrono::seconds>(*time).count();
}

Result<object> holder_of(const std::string& text) {
  char* end = nullptr;
  const long pid = std::strtol(text.c_str(), &end, 10);
  if (*end != '\0' || pid <= 0 || pid > 4194304) {
    return fail(ErrorKind::invalid_request, "'" + text + "' is no pid", "", "--pid 4121");
  }
  return object{{"pid", pid}};
}

Result<object> booking_of(const AddOptions& add, const std::string& name, const value& room) {
  object body;
  body["name"] = name;
  if (add.needs.any()) {
    auto needs = needs_of(add.needs, room);
    if (!needs) return tl::unexpected<Error>(needs.error());
    body["needs"] = std::move(*needs);
  }
  if (!add.priority.empty()) body["priority"] = add.priority;
  if (!add.model.empty()) body["model"] = add.model;
  const auto time = [&](const char* key, const std::string& text) -> Result<void> {
    if (text.empty()) return {};
    const auto seconds = seconds_of(text);
    if (!seconds) return tl::unexpected<Error>(seconds.error());
    body[key] = *seconds;
    return {};
  };
  if (auto r = time("ttl_seconds", add.ttl); !r) return tl::unexpected<Error>(r.error());
  if (auto r = time("wait_seconds", add.wait); !r) return tl::unexpected<Error>(r.error());
  if (auto r = time("for_seconds", add.expected); !r) return tl::unexpected<Error>(r.error());
  if (!add.at.empty()) {
    const auto starts = parse_at(add.at, std::time(nullptr));
    if (!starts) return tl::unexpected<Error>(starts.error());
    body["starts_at"] = at_text(*starts);
  }
  if (add.return_idle) body["return_idle"] = true;
  int holders = 0;
  for (const auto& [key, text] :
       {std::pair<const char*, const std::string&>("pid", add.pid),
        std::pair<const char*, const std::string&>("cgroup", add.cgroup),
        std::pair<const char*, const std::string&>("unit", add.unit),
        std::pair<const char*, const std::string&>("container", add.container)}) {
    if (text.empty()) continue;
    ++holders;
    body["holder"] = object{{key, text}};
  }
  if (holders > 1) {
    return fail(ErrorKind::invalid_request, "a lease has one holder", "several were named",
                "one of --pid, --cgroup, --unit and --container");
  }
  if (holders == 0) {
    // Our own process is over in a moment; a lease of its would end with it.
    if (add.ttl.empty() && (add.at.empty() || add.expected.empty())) {
      return fail(ErrorKind::invalid_request, "a lease needs a holder",
                  "without a process or a time it would end at once",
                  "--pid PID, --unit NAME, --container ID, --cgroup PATH or --ttl 1h");
    }
    // From --at on for --for: nothing else says when it ends.
    if (add.ttl.empty()) body["ttl_seconds"] = body["for_seconds"];
    body["holder"] = object{{"pid", nullptr}};
  } else if (!add.pid.empty()) {
    auto holder = holder_of(add.pid);
    if (!holder) return tl::unexpected<Error>(holder.error());
    body["holder"] = std::move(*holder);
  }
  if (add.enforce) body["enforce"] = true;
  if (add.no_fence) body["fence"] = false;
  return body;
}

constexpr int kTimedOut = 124;

int add_lease(const Common& common, client::Daemon& daemon, const AddOptions& add,
              const std::string& name) {
  value room;
  if (has_percent(add.needs)) {
    auto document = daemon.document("/api/v1/room");
    if (!document) return report(document.error());
    room = std::move(*document);
  }
  const auto body = booking_of(add, name, room);
  if (!body) return report(body.error());
  auto lease = daemon.book(*body, "");
  const bool waits = lease && client::text(*lease, "state") == "waiting";
  // With --wait the answer comes when it is granted, or has waited as long as it was told to. One
  // with a time of its own is promised: that is the answer.
  while (lease && add.at.empty() && client::text(*lease, "state") == "waiting") {
    lease = daemon.lease(client::text(*lease, "id"), std::chrono::seconds(30));
  }
  if (waits && lease && client::text(*lease, "state") == "ended") {
    report(Error{ErrorKind::timed_out, client::text(*lease, "name") + " was not granted",
                 printable(client::text(*lease, "reason")), "a longer --wait"});
    return kTimedOut;
  }
  return show_lease(common, lease);
}

// Ends a lease, and says what that does not do: nobody's process is ended.
int remove_lease(const Common& common, client::Daemon& daemon, const std::string& id) {
  const auto lease = daemon.end(id);
  const int code = show_lease(common, lease);
  if (code != 0 || common.quiet) return code;
  const auto pid = client::whole(*lease, "holder.pid");
  if (pid && kill(static_cast<pid_t>(*pid), 0) == 0) {
    write_out(stderr, "headroom: pid " + std::to_string(*pid) +
                          " still runs; what it uses was booked by nobody from now on\n");
  }
  if (const auto cgroup = client::text(*lease, "holder.cgroup"); !cgroup.empty()) {
    write_out(stderr, "headroom: what runs in cgroup " + printable(cgroup) +
                          " was not touched; what it uses is booked by nobody from now on\n");
  }
  return code;
}

}  // namespace

std::string render_leases(const value& leases, const Style& style) {
  if (client::list(leases).empty() && style.output != Output::csv) return "no leases\n";
  Table table({{"ID"},
               {"NAME", Align::left, false, true, 0, 12},
               {"STATE"},
               {"OWNER", Align::left, false, false, 2},
               {"PRIORITY", Align::left, true},
               {"GPU"},
               {"GPU MEM", Align::right},
               {"MEM", Align::right},
               {"CPU", Align::right, false, false, 4},
               {"DISK", Align::right, true},
               {"USED MEM", Align::right, false, false, 3},
               {"PEAK MEM", Align::right, true},
               {"PID", Align::right, true},
               {"COST", Align::right, true},
               {"PER HOUR", Align::right, true},
               {"SINCE", Align::right, false, false, 1},
               {"NOTE", Align::left, false, true, 0, 12}});
  for (const auto& lease : client::list(leases)) {
    const auto gpus = gpu_indices(lease);
    const auto pid = client::whole(lease, "holder.pid");
    auto since = client::text(lease, "granted_at");
    if (since.empty()) since = client::text(lease, "asked_at");
    table.row({text_cell(client::text(lease, "id")), text_cell(client::text(lease, "name")),
               state_cell(lease, style), text_cell(client::text(lease, "owner")),
               text_cell(client::text(lease, "priority")), gpus.empty() ? kNone : gpus,
               bytes_cell(style, bytes_of(lease, "gpu_memory_bytes")),
               bytes_cell(style, bytes_of(lease, "memory_bytes")),
               number_cell(style, cores_of(lease), 1),
               bytes_cell(style, bytes_of(lease, "disk_bytes")),
               bytes_cell(style, client::whole(lease, "measured.memory_bytes")),
               bytes_cell(style, client::whole(lease, "peak.memory_bytes")),
               pid ? std::to_string(*pid) : kNone, money_cell(client::number(lease, "cost")),
               money_cell(client::number(lease, "cost_per_hour")), since_cell(style, since),
               note_of(lease, style)});
  }
  return table.render(style);
}

std::string render_lease(const value& lease, const Style& style) {
  std::string text = lease_name(lease) + "  " + state_cell(lease, style) + "\n";
  const auto line = [&](const char* name, const std::string& cell) {
    if (cell.empty()) return;
    std::string head = name;
    head.resize(11, ' ');
    text += folded("  " + head + cell, static_cast<std::size_t>(style.width), 13) + "\n";
  };
  const auto amounts = [&](const char* key) {
    const auto* found = client::find(lease, key);
    return found != nullptr ? show_amounts(*found) : std::string();
  };
  line("owner", printable(client::text(lease, "owner")));
  line("priority", printable(client::text(lease, "priority")));
  line("needs", amounts("needs"));
  line("booked", amounts("booked"));
  line("measured", amounts("measured"));
  line("peak", amounts("peak"));
  const auto& devices = client::list(lease, "devices");
  if (devices.empty()) line("device", printable(client::text(lease, "device")));
  for (const auto& device : devices) {
    std::string about = printable(client::text(device, "device"));
    if (const auto index = client::whole(device, "gpu_index")) {
      about = "GPU " + std::to_string(*index) + " (" + about + ")";
    }
    const auto booked = client::whole(device, "booked_bytes").value_or(0);
    const auto measured = client::whole(device, "measured_bytes");
    about += measured ? ", " + show_bytes_of(*measured, booked) : ", " + show_bytes(booked);
    line("device", about);
  }
  line("disk on", printable(client::text(lease, "mount")));
  if (const auto pid = client::whole(lease, "holder.pid")) {
    const auto command = printable(client::text(lease, "holder.command"));
    line("holder", "pid " + std::to_string(*pid) + (command.empty() ? "" : " (" + command + ")"));
  }
  if (const auto cgroup = printable(client::text(lease, "holder.cgroup")); !cgroup.empty()) {
    line("holder", "cgroup " + cgroup + " (not headroom's: measured, never touched)");
  }
  line("inside", printable(client::text(lease, "parent")));
  line("asked", printable(client::text(lease, "asked_at")));
  line("starts", printable(client::text(lease, "starts_at")));
  line("granted", printable(client::text(lease, "granted_at")));
  if (const auto expected = client::number(lease, "expected_seconds")) {
    line("expected",
         show_span(*expected) + " (" + text_cell(client::text(lease, "expected_from")) + ")");
  }
  line("expires", printable(client::text(lease, "expires_at")));
  if (client::text(lease, "state") == "waiting") line("waits", note_of(lease, style));
  line("group", printable(client::text(lease, "group.path")));
  line("fence", client::whole(lease, "group.fence_bytes")
                    ? show_bytes(*client::whole(lease, "group.fence_bytes"))
                    : "");
  line("idle", printable(client::text(lease, "idle")));
  if (const auto cost = client::number(lease, "cost");
      cost && client::text(lease, "state") != "waiting") {
    line("cost",
         money_cell(cost) + ", " + money_cell(client::number(lease, "cost_per_hour")) + " an hour");
  }
  line("ended", printable(client::text(lease, "ended_at")));
  line("reason", printable(client::text(lease, "reason")));
  if (const auto kills = client::whole(lease, "oom_kills"); kills && *kills > 0) {
    line("oom kills", std::to_string(*kills));
  }
  return text;
}

int lease_command(Words words) {
  Options options("lease [ls|show ID|add NAME NEEDS|renew ID|give ID|rm ID]", kHelp);
  Common common;
  Words given;
  AddOptions add;
  std::string state;
  std::string name;
  options.value("--state", state, "ls: only these: waiting, active, ended and so on");
  options.value("--name", name, "ls: only this name; add: the name");
  add.needs.add_to(options);
  options.value("--pid", add.pid, "add, give: the process that holds it");
  options.value("--cgroup", add.cgroup, "add: all that runs in this control group");
  options.value("--unit", add.unit, "add: this unit of systemd, such as ollama.service");
  options.value("--container", add.container, "add: this container, by the beginning of its id");
  options.value("--ttl", add.ttl, "add, renew: ends after this time, such as 1h");
  options.value("--at", add.at, "add: start then, such as 08:00 or +2h; its room is kept for it");
  options.value("--wait", add.wait, "add: stay in the queue at most so long");
  options.value("--for", add.expected, "add, renew: how long it will take");
  options.value("--priority", add.priority, "add: low, normal, high or critical");
  options.value("--model", add.model, "add: the model that it keeps in memory");
  options.flag("--enforce", add.enforce, "add: hard limits at what was booked");
  options.flag("--no-fence", add.no_fence, "add: no soft fence");
  options.flag("--return-idle", add.return_idle,
               "add, renew: lets go of what is booked and not used for long");
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "ls" : given.front();

  if (verb == "ls") {
    Source source(common);
    std::string target = "/api/v1/leases";
    if (!state.empty()) target += "?state=" + http::encode_segment(state);
    if (!name.empty()) {
      target += (state.empty() ? "?" : "&") + ("name=" + http::encode_segment(name));
    }
    return repeat(common, [&] {
      const auto body = source.kept(target, "leases");
      if (!body) return report(body.error());
      if (print_document(common, *body)) return 0;
      const auto document = client::parse_json(*body);
      if (!document) return report(document.error());
      write_out(stdout, render_leases(*document, style_for(common, stdout)));
      return 0;
    });
  }

  client::Daemon daemon(common.url, common.answer_within());
  const std::string what = given.size() > 1 ? given[1] : "";
  if (verb == "add") {
    const auto called = name.empty() ? what : name;
    if (called.empty()) {
      return report(Error{ErrorKind::invalid_request, "lease add needs a name", "",
                          "headroom lease add render --mem 6G --ttl 1h"});
    }
    return add_lease(common, daemon, add, called);
  }
  if (verb != "show" && verb != "renew" && verb != "give" && verb != "failed" && verb != "rm") {
    return report(Error{ErrorKind::invalid_request, "lease cannot '" + verb + "'", "",
                        "headroom lease ls, show, add, renew, give, failed or rm"});
  }
  if (what.empty()) {
    return report(Error{ErrorKind::invalid_request, "lease " + verb + " needs an id",
                        "headroom lease lists them", "headroom lease " + verb + " l-73"});
  }
  const auto id = id_of(daemon, what, style_for(common, stderr));
  if (!id) return report(id.error());
  if (verb == "show") return show_lease(common, daemon.lease(*id));
  if (verb == "rm") return remove_lease(common, daemon, *id);
  object change;
  if (verb == "give") {
    if (!add.cgroup.empty() || !add.unit.empty() || !add.container.empty()) {
      return report(Error{ErrorKind::invalid_request, "a lease is handed over to a process only",
                          "what runs in a cgroup cannot take one over: it is not headroom's",
                          "end it, and book one for the cgroup: headroom lease add"});
    }
    if (add.pid.empty()) {
      return report(Error{ErrorKind::invalid_request, "lease give needs the process that gets it",
                          "", "headroom lease give " + what + " --pid 4122"});
    }
    auto holder = holder_of(add.pid);
    if (!holder) return report(holder.error());
    change["holder"] = std::move(*holder);
    return show_lease(common, daemon.change(*id, change));
  }
  if (verb == "failed") {
    const auto needs = needs_of(add.needs);
    if (!needs) return report(needs.error());
    const auto* bytes = needs->if_contains("gpu_memory_bytes");
    if (bytes == nullptr || needs->size() != 1) {
      return report(Error{ErrorKind::invalid_request,
                          "lease failed needs the allocation that its device refused", "",
                          "headroom lease failed " + what + " --gpu-mem 2G"});
    }
    change["failed_gpu_memory_bytes"] = *bytes;
    return show_lease(common, daemon.change(*id, change));
  }
  if (add.return_idle) change["return_idle"] = true;
  for (const auto& [key, text] :
       {std::pair<const char*, const std::string&>("ttl_seconds", add.ttl),
        std::pair<const char*, const std::string&>("for_seconds", add.expected)}) {
    if (text.empty()) continue;
    const auto seconds = seconds_of(text);
    if (!seconds) return report(seconds.error());
    change[key] = *seconds;
  }
  if (add.needs.any()) {
    const auto needs = needs_of(add.needs);
    if (!needs) return report(needs.error());
    change["needs"] = *needs;
  }
  if (change.empty()) {
    return report(Error{ErrorKind::invalid_request, "lease renew needs something to change", "",
                        "--ttl 1h, --for 40m, --mem 8G or --return-idle"});
  }
  return show_lease(common, daemon.change(*id, change));
}

}  // namespace headroom::cli
