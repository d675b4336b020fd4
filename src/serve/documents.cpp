#include "serve/documents.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include <pwd.h>
#include <unistd.h>

namespace headroom::serve {
namespace {

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

// Looking a name up may read files or ask a server: once for each user.
const std::string& user_name(uid_t uid) {
  thread_local std::map<uid_t, std::string> names;
  const auto known = names.find(uid);
  if (known != names.end()) return known->second;
  if (names.size() > 1000) names.clear();
  char buffer[1024];
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(uid, &entry, buffer, sizeof buffer, &found);
  return names.emplace(uid, found != nullptr ? found->pw_name : std::to_string(uid)).first->second;
}

void lease_id(Json& json, std::string_view key, LeaseId id) {
  if (id == 0) {
    json.null(key);
    return;
  }
  char text[24] = "l-";
  const auto [end, error] = std::to_chars(text + 2, text + sizeof text, id);
  (void)error;
  json.text(key, std::string_view(text, static_cast<std::size_t>(end - text)));
}

void amounts(Json& json, std::string_view key, const Amounts& value, const Amounts& shown) {
  json.open(key);
  if (shown.memory.count() != 0) json.bytes("memory_bytes", value.memory);
  if (shown.gpu_memory.count() != 0) json.bytes("gpu_memory_bytes", value.gpu_memory);
  if (shown.cpu.milli() != 0) json.real("cpu_cores", value.cpu.value());
  if (shown.disk.count() != 0) json.bytes("disk_bytes", value.disk);
  json.close();
}

void needs(Json& json, const Needs& n) {
  json.open("needs");
  if (n.memory) json.bytes("memory_bytes", *n.memory);
  if (n.gpu_memory) json.bytes("gpu_memory_bytes", *n.gpu_memory);
  if (n.cpu) json.real("cpu_cores", n.cpu->value());
  if (n.disk) json.bytes("disk_bytes", *n.disk);
  if (!n.disk_path.empty()) json.text("disk_path", n.disk_path);
  if (n.gpus != 0) json.number("gpus", n.gpus);
  if (!n.gpu.empty()) json.text("gpu", n.gpu);
  if (n.compute) json.real("compute", *n.compute);
  json.close();
}

void maybe_time(Json& json, std::string_view key, const Instant& at) {
  if (at == Instant()) {
    json.null(key);
  } else {
    json.time(key, at.wall);
  }
}

void amount(Json& json, Resource resource, std::string_view word, std::int64_t value) {
  std::string key(word);
  if (resource == Resource::cpu) {
    json.real(key + "_cores", Cores(value).value());
  } else {
    json.number(key + "_bytes", value);
  }
}

void stall_line(Json& json, std::string_view key, const std::optional<StallLine>& line) {
  if (!line) {
    json.null(key);
    return;
  }
  json.open(key)
      .real("avg10_ratio", line->avg10.value())
      .real("avg60_ratio", line->avg60.value())
      .real("avg300_ratio", line->avg300.value())
      .real("total_seconds", seconds(line->total))
      .close();
}

void stall(Json& json, std::string_view key, const std::optional<StallLine>& some,
           const std::optional<StallLine>& full) {
  json.open(key);
  stall_line(json, "some", some);
  stall_line(json, "full", full);
  json.close();
}

}  // namespace

LeaseId parse_lease_id(std::string_view text) {
  if (text.starts_with("l-")) text.remove_prefix(2);
  LeaseId id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc() && end == text.data() + text.size() ? id : 0;
}

std::uint64_t parse_alert_id(std::string_view text) {
  if (text.starts_with("a")) text.remove_prefix(1);
  return parse_lease_id(text);
}

std::string device_name(const View& view, Resource resource, const std::string& device) {
  if (device.empty() || resource == Resource::disk || !view.sample) return device;
  for (const GpuReading& gpu : view.sample->gpus) {
    if (gpu.id == device) return "GPU " + std::to_string(gpu.index);
  }
  return device;
}

std::vector<std::string> recommendations(const Alert& alert) {
  switch (alert.resource) {
    case Resource::memory:
      return {"headroom ps shows what each lease uses, and what nobody booked",
              "start what can wait with headroom run --mem …, so that it queues"};
    case Resource::gpu_memory:
      return {"headroom ps shows who uses the device",
              "run jobs under headroom run --gpu-mem …, so that they wait for room"};
    case Resource::gpu_temperature:
      return {"look after the cooling; place no more work on this device"};
    case Resource::cpu:
      return {"start what can wait with headroom run --cpu …, so that it queues"};
    case Resource::disk:
      return {"make space on " + (alert.device.empty() ? "the disk" : alert.device)};
    case Resource::power:
    case Resource::network:
      return {};
  }
  return {};
}

void write_lease(Json& json, const LeaseView& view) {
  const Lease& l = view.lease;
  json.open();
  lease_id(json, "id", l.id);
  json.text("name", l.name)
      .text("state", to_string(l.state))
      .text("owner", user_name(l.owner))
      .number("uid", std::int64_t{l.owner})
      .text("priority", to_string(l.priority));
  needs(json, l.needs);
  amounts(json, "booked", l.booked, l.booked);
  if (view.measured) {
    amounts(json, "measured", *view.measured, l.booked);
  } else {
    json.null("measured");
  }
  amounts(json, "peak", l.peak, l.booked);
  json.boolean("over", view.over).maybe_text("device", l.gpu);
  if (view.gpu_index) {
    json.number("gpu_index", *view.gpu_index);
  } else {
    json.null("gpu_index");
  }
  json.maybe_text("mount", l.mount);
  if (l.holder.pid != 0) {
    json.open("holder").number("pid", l.holder.pid).close();
  } else {
    json.null("holder");
  }
  lease_id(json, "parent", l.parent);
  maybe_time(json, "asked_at", l.asked);
  maybe_time(json, "granted_at", l.granted);
  maybe_time(json, "ended_at", l.ended);
  if (l.expected) {
    json.number("expected_seconds", std::int64_t{l.expected->count()})
        .text("expected_from", l.expected_learned ? "learned" : "declared");
  } else {
    json.null("expected_seconds").null("expected_from");
  }
  if (l.expires) {
    json.time("expires_at", l.asked.wall + (*l.expires - l.asked.boot));
  } else {
    json.null("expires_at");
  }
  if (l.state == LeaseState::waiting) {
    json.number("place", view.place);
    if (view.earliest) {
      json.time("earliest", *view.earliest);
    } else {
      json.null("earliest");
    }
    json.maybe_text("why", view.why);
  } else {
    json.null("place").null("earliest").null("why");
  }
  const std::string& path = !l.group.memory.empty() ? l.group.memory : l.group.unified;
  if (path.empty()) {
    json.null("group");
  } else {
    json.open("group").text("path", path);
    if (l.fence_set && l.fence_at.count() > 0) {
      json.bytes("fence_bytes", l.fence_at);
    } else {
      json.null("fence_bytes");
    }
    json.boolean("enforced", l.enforce).close();
  }
  json.maybe_text("reason", l.reason);
  if (l.exit_status) {
    json.number("exit_status", *l.exit_status);
  } else {
    json.null("exit_status");
  }
  json.number("oom_kills", l.oom_kills);
  json.real("gpu_fraction", view.gpu_fraction);
  json.close();
}

void write_alert(Json& json, const Alert& a) {
  json.open()
      .text("id", "a" + std::to_string(a.id))
      .text("severity", to_string(a.level))
      .text("resource", to_string(a.resource))
      .maybe_text("device", a.device)
      .text("text", a.text)
      .real("value", a.value)
      .real("threshold", a.threshold)
      .time("since", a.since);
  if (a.ended) {
    json.time("ended", *a.ended);
  } else {
    json.null("ended");
  }
  if (a.lasted) {
    json.number("lasted_seconds", std::int64_t{a.lasted->count()});
  } else {
    json.null("lasted_seconds");
  }
  json.boolean("acknowledged", a.acknowledged).list("recommendations");
  for (const std::string& one : recommendations(a)) json.text(one);
  json.end_list().close();
}

void write_event(Json& json, const EventLine& e) {
  json.open().number("id", e.id).time("at", e.at).text("type", e.type);
  lease_id(json, "lease", e.lease);
  if (e.resource) {
    json.text("resource", to_string(*e.resource));
  } else {
    json.null("resource");
  }
  json.maybe_text("device", e.device).text("text", e.text).close();
}

void write_rooms(Json& json, const View& view) {
  json.open().number("revision", view.revision);
  if (view.sample) {
    json.time("at", view.sample->at.wall);
  } else {
    json.null("at");
  }
  json.list("items");
  for (const Room& r : view.rooms) {
    json.open().text("resource", to_string(r.resource)).maybe_text("device", r.device);
    json.text("name", r.name);
    if (r.room) {
      amount(json, r.resource, "room", *r.room);
    } else {
      json.null(r.resource == Resource::cpu ? "room_cores" : "room_bytes");
    }
    amount(json, r.resource, "capacity", r.capacity);
    amount(json, r.resource, "reserve", r.reserve);
    amount(json, r.resource, "booked", r.booked);
    amount(json, r.resource, "measured", r.measured);
    amount(json, r.resource, "unbooked", r.unbooked);
    amount(json, r.resource, "free", r.free);
    amount(json, r.resource, "unmaterialised", r.unmaterialised);
    amount(json, r.resource, "margin", r.margin);
    json.text("pressure", to_string(r.pressure)).maybe_text("why", r.why).close();
  }
  json.end_list().close();
}

void write_snapshot(Json& json, const View& view, Instant now) {
  json.open().number("revision", view.revision);
  if (!view.sample) {
    json.null("at").null("age_seconds").close();
    return;
  }
  const Sample& s = *view.sample;
  json.time("at", s.at.wall)
      .real("age_seconds", seconds(now.boot - s.at.boot))
      .number("sample", s.number)
      .real("took_seconds", seconds(s.took));
  json.open("cpu")
      .number("cores", s.cpu.cores)
      .ratio("busy_ratio", s.cpu.busy)
      .ratio("user_ratio", s.cpu.user)
      .ratio("system_ratio", s.cpu.system)
      .ratio("iowait_ratio", s.cpu.iowait)
      .ratio("steal_ratio", s.cpu.steal);
  if (s.cpu.load) {
    json.list("load");
    for (const double load : *s.cpu.load) json.real(load);
    json.end_list();
  } else {
    json.null("load");
  }
  json.close();
  const MemoryReading& m = s.memory;
  json.open("memory")
      .bytes("total_bytes", m.total)
      .bytes("available_bytes", m.available)
      .bytes("free_bytes", m.free);
  if (m.total && m.available) {
    json.bytes("used_bytes", *m.total - *m.available);
  } else {
    json.null("used_bytes");
  }
  json.bytes("cached_bytes", m.cached)
      .bytes("swap_total_bytes", m.swap_total)
      .bytes("swap_free_bytes", m.swap_free)
      .bytes("limit_bytes", m.limit)
      .bytes("limit_used_bytes", m.limit_used)
      .maybe_text("limit_group", m.limit_path)
      .close();
  json.open("stall");
  stall(json, "cpu", s.stall.cpu_some, s.stall.cpu_full);
  stall(json, "memory", s.stall.memory_some, s.stall.memory_full);
  stall(json, "io", s.stall.io_some, s.stall.io_full);
  json.close().list("network");
  for (const NetworkReading& n : s.networks) {
    json.open()
        .text("name", n.name)
        .number("received_bytes_total", n.received_total)
        .number("sent_bytes_total", n.sent_total)
        .real("received_bytes_per_second", n.received_per_second)
        .real("sent_bytes_per_second", n.sent_per_second)
        .close();
  }
  json.end_list().list("disk");
  for (const DiskReading& d : s.disks) {
    json.open()
        .text("name", d.name)
        .number("read_bytes_total", d.read_total)
        .number("written_bytes_total", d.written_total)
        .real("read_bytes_per_second", d.read_per_second)
        .real("written_bytes_per_second", d.written_per_second)
        .real("operations_per_second", d.operations_per_second)
        .ratio("busy_ratio", d.busy)
        .close();
  }
  json.end_list().list("filesystem");
  for (const FilesystemReading& f : s.filesystems) {
    json.open()
        .text("mount", f.mount)
        .text("source", f.source)
        .text("type", f.type)
        .bytes("total_bytes", f.total)
        .bytes("free_bytes", f.free)
        .bytes("available_bytes", f.available)
        .close();
  }
  json.end_list().list("gpu");
  for (const GpuReading& g : s.gpus) {
    json.open()
        .text("id", g.id)
        .number("index", g.index)
        .text("name", g.name)
        .bytes("memory_total_bytes", g.memory_total)
        .bytes("memory_used_bytes", g.memory_used)
        .bytes("memory_reserved_bytes", g.memory_reserved)
        .ratio("busy_ratio", g.busy)
        .real("temperature_celsius", g.celsius)
        .real("power_watts", g.watts)
        .real("compute", g.compute)
        .boolean("simulated", g.simulated)
        .close();
  }
  json.end_list().list("absent");
  for (const Absence& a : s.absent) {
    json.open().text("sensor", a.sensor).text("reason", a.reason).maybe_text("fix", a.fix).close();
  }
  std::string rooms;
  Json inner(rooms);
  write_rooms(inner, view);
  json.end_list().raw("room", rooms).close();
}

void write_node(Json& json, const View& view, const NodeFacts& node, Instant now) {
  const Config& config = *view.config;
  static constexpr const char* kStrategies[] = {
      "conservative", "balanced", "aggressive", "adaptive", "dynamic", "predictive", "cooperative"};
  json.open()
      .text("name", node.name)
      .text("version", node.version)
      .real("uptime_seconds", seconds(now.boot.time_since_epoch()))
      .text("boot_id", node.boot_id)
      .text("kernel", node.kernel)
      .time("started_at", node.started.wall)
      .number("revision", view.revision)
      .text("strategy", kStrategies[static_cast<std::size_t>(config.strategy)])
      .text("profile", config.profile)
      .text("health", health_word(view.health))
      .number("cores", view.sample ? view.sample->cpu.cores : 0)
      .list("limits");
  if (view.sample && view.sample->memory.limit) {
    json.open()
        .text("resource", "memory")
        .bytes("limit_bytes", *view.sample->memory.limit)
        .text("group", view.sample->memory.limit_path)
        .close();
  }
  json.end_list().text("tier", node.tier).list("cannot");
  for (const Absence& a : node.cannot) {
    json.open().text("what", a.sensor).text("reason", a.reason).maybe_text("fix", a.fix).close();
  }
  json.end_list().list("sensors");
  static constexpr const char* kSensors[] = {"cpu", "memory", "stall", "network", "disk", "gpu"};
  if (view.sample) {
    const auto& absent = view.sample->absent;
    for (const char* sensor : kSensors) {
      const bool missing = std::any_of(absent.begin(), absent.end(),
                                       [&](const Absence& a) { return a.sensor == sensor; });
      if (!missing)
        json.open().text("name", sensor).boolean("up", true).null("reason").null("fix").close();
    }
    for (const Absence& a : absent) {
      json.open()
          .text("name", a.sensor)
          .boolean("up", false)
          .text("reason", a.reason)
          .maybe_text("fix", a.fix)
          .close();
    }
  }
  json.end_list().open("own");
  json.bytes("memory_bytes", view.sample ? view.sample->own.resident : std::optional<Bytes>());
  json.real("cpu_seconds", view.sample ? seconds(view.sample->own.cpu_total) : 0.0);
  json.close().close();
}

void write_pressures(Json& json, const View& view) {
  json.open().list("items");
  for (const Pressure& p : view.pressures) {
    json.open()
        .text("resource", to_string(p.resource))
        .maybe_text("device", p.device)
        .maybe_text("name", device_name(view, p.resource, p.device))
        .text("level", to_string(p.level))
        .real("value", p.value)
        .text("unit", p.resource == Resource::gpu_temperature ? "celsius" : "percent")
        .real("threshold", p.threshold)
        .real("clears_below", p.clears_below);
    if (p.since == WallTime()) {
      json.null("since");
    } else {
      json.time("since", p.since);
    }
    json.close();
  }
  json.end_list().null("next").close();
}

void write_health(Json& json, const View& view, Instant now) {
  json.open().text("health", health_word(view.health)).text("level", to_string(view.health));
  json.list("causes");
  for (const Pressure& p : view.pressures) {
    // A level above the health is one that does not count: a CPU that is busy, and nobody waits for
    // it.
    if (p.level == Level::ok || p.level > view.health) continue;
    json.open()
        .text("resource", to_string(p.resource))
        .maybe_text("device", p.device)
        .text("level", to_string(p.level))
        .close();
  }
  json.end_list();
  if (view.sample) {
    json.real("sample_age_seconds", seconds(now.boot - view.sample->at.boot));
  } else {
    json.null("sample_age_seconds");
  }
  json.close();
}

void write_settings(Json& json, const std::vector<Setting>& settings) {
  json.open().list("items");
  for (const Setting& s : settings) {
    json.open()
        .text("key", s.key)
        .text("value", s.value)
        .text("origin", s.origin)
        .maybe_text("alias", s.alias)
        .text("about", s.about)
        .close();
  }
  json.end_list().null("next").close();
}

void write_verdict(Json& json, const Verdict& v, const View* view) {
  json.open()
      .number("revision", v.revision)
      .text("verdict", to_string(v.answer))
      .maybe_text("device", v.gpu)
      .maybe_text("best_device", v.best_gpu)
      .maybe_text("mount", v.mount);
  amounts(json, "booked", v.amounts, v.amounts);
  amounts(json, "short", v.short_by, v.short_by);
  json.list("in_the_way");
  for (const LeaseId id : v.in_the_way) {
    json.open();
    lease_id(json, "lease", id);
    if (view != nullptr) {
      const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                      [&](const LeaseView& l) { return l.lease.id == id; });
      if (found != view->leases.end()) {
        json.text("name", found->lease.name);
        amounts(json, "booked", found->lease.booked, found->lease.booked);
      }
    }
    json.close();
  }
  json.end_list();
  if (v.place > 0) {
    json.open("queue").number("place", v.place);
    if (v.earliest) {
      json.time("earliest", *v.earliest);
    } else {
      json.null("earliest");
    }
    json.close();
  } else {
    json.null("queue");
  }
  json.maybe_text("why", v.why).list("help");
  for (const Help& help : v.help) {
    json.open().text("do", help.act).text("text", help.text);
    lease_id(json, "lease", help.lease);
    if (help.until) {
      json.time("until", *help.until);
    } else {
      json.null("until");
    }
    json.close();
  }
  json.end_list().close();
}

void write_history(Json& json, const HistoryQuery& query, std::string_view resource,
                   std::string_view device, const HistoryAnswer& answer) {
  json.open()
      .text("resource", resource)
      .maybe_text("device", device)
      .text("unit", resource == "gpu_temperature" ? "celsius" : "percent")
      .number("window_seconds", std::int64_t{query.window.count()})
      .number("step_seconds", std::int64_t{query.step.count()});
  if (answer.oldest) {
    json.time("oldest", *answer.oldest);
  } else {
    json.null("oldest");
  }
  json.open("statistics")
      .real("avg", answer.average)
      .real("max", answer.max)
      .real("min", answer.min)
      .real("p95", answer.p95)
      .close()
      .list("points");
  for (const auto& [at, value] : answer.points) {
    json.list().time(at);
    if (value) {
      json.real(*value);
    } else {
      json.null();
    }
    json.end_list();
  }
  json.end_list().close();
}

}  // namespace headroom::serve
