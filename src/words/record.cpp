#include "words/record.hpp"

#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace headroom {
namespace {

enum class Kind : std::uint8_t {
  put_lease = 1,
  drop_lease,
  put_learned,
  acknowledged,
  next_lease,
  muted,
  drain,
  model,
  session,
  component,
  decision,
  spent
};

// A field is: tag (1 byte), length (2 bytes, little endian), value. A value that equals its default
// is left out. Strings longer than a field are cut by the edge that takes them in, never here.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void number(std::uint8_t tag, std::int64_t value) {
    if (value == 0) return;
    char field[11] = {static_cast<char>(tag), 8, 0};
    std::memcpy(field + 3, &value, 8);
    out_.append(field, sizeof field);
  }
  void text(std::uint8_t tag, std::string_view value) {
    if (value.empty()) return;
    const auto length = static_cast<std::uint16_t>(
        std::min<std::size_t>(value.size(), std::numeric_limits<std::uint16_t>::max()));
    const char head[3] = {static_cast<char>(tag), static_cast<char>(length & 0xff),
                          static_cast<char>(length >> 8)};
    out_.append(head, sizeof head);
    out_.append(value.data(), length);
  }
  template <class T>
  void maybe(std::uint8_t tag, const std::optional<T>& value) {
    if (!value) return;
    std::int64_t raw = 0;
    if constexpr (std::is_same_v<T, Bytes>) {
      raw = value->count();
    } else if constexpr (std::is_same_v<T, Cores>) {
      raw = value->milli();
    } else if constexpr (std::is_same_v<T, double>) {
      std::memcpy(&raw, &*value, sizeof raw);
    } else if constexpr (std::is_same_v<T, BootTime>) {
      raw = value->time_since_epoch().count();
    } else if constexpr (std::is_integral_v<T>) {
      raw = *value;
    } else {
      raw = value->count();
    }
    char field[11] = {static_cast<char>(tag), 8, 0};
    std::memcpy(field + 3, &raw, 8);
    out_.append(field, sizeof field);
  }

 private:
  std::string& out_;
};

struct Field {
  std::uint8_t tag = 0;
  std::string_view value;
  bool number(std::int64_t& out) const {
    if (value.size() != 8) return false;
    std::memcpy(&out, value.data(), 8);
    return true;
  }
};

// Walks the fields; false at the end or where one is cut (then `bad`).
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool next(Field& field) {
    if (rest_.empty()) return false;
    if (rest_.size() < 3) {
      bad = true;
      return false;
    }
    const std::size_t length = static_cast<std::uint8_t>(rest_[1]) |
                               static_cast<std::size_t>(static_cast<std::uint8_t>(rest_[2])) << 8;
    if (rest_.size() < 3 + length) {
      bad = true;
      return false;
    }
    field = {static_cast<std::uint8_t>(rest_[0]), rest_.substr(3, length)};
    rest_.remove_prefix(3 + length);
    return true;
  }
  bool bad = false;

 private:
  std::string_view rest_;
};

tl::unexpected<Error> broken(const char* why) {
  return fail(ErrorKind::internal, "a journal record cannot be read", why);
}

// Tags of a lease. They are on disk: never renumber, only append.
enum LeaseTag : std::uint8_t {
  id = 1,
  name,
  owner,
  state,
  priority,
  need_memory,
  need_gpu_memory,
  need_cpu,
  need_disk,
  need_disk_path,
  need_gpus,
  need_gpu,
  need_compute,
  booked_memory,
  booked_gpu_memory,
  booked_cpu,
  booked_disk,
  gpu,
  mount,
  pid,
  start_time,
  parent,
  fence,
  enforce,
  group_memory,
  group_cpu,
  group_unified,
  group_scope,
  group_v2,
  fence_at,
  fence_set,
  asked_boot,
  asked_wall,
  granted_boot,
  granted_wall,
  ended_boot,
  ended_wall,
  expected,
  expected_learned,
  give_up,
  expires,
  key,
  reason,
  peak_memory,
  peak_gpu_memory,
  peak_cpu,
  peak_disk,
  oom_kills,
  exit_status,
  grouped,
  spread,
  return_idle,
  held_model,
  use,
  config,
  size_memory_p50,
  size_memory_p95,
  size_gpu_p50,
  size_gpu_p95,
  size_beyond_p50,
  size_beyond_p95,
  size_runs,
  size_deaths,
  size_from,
  part_of,
  holder_group,
  holder_inode,
  moved,
  frozen,
  starts,
  late,
  cost,
  charged,
  last_tag = charged,
};

void write(Writer& w, const Size& size) {
  const auto interval = [&](LeaseTag p50, LeaseTag p95, const std::optional<Interval>& one) {
    if (!one) return;
    w.maybe(p50, std::optional(one->p50));
    w.maybe(p95, std::optional(one->p95));
  };
  interval(size_memory_p50, size_memory_p95, size.memory);
  interval(size_gpu_p50, size_gpu_p95, size.gpu_memory);
  interval(size_beyond_p50, size_beyond_p95, size.beyond_model);
  w.number(size_runs, size.runs);
  w.number(size_deaths, size.deaths);
  w.number(size_from, static_cast<int>(size.from));
}

void write(Writer& w, const Lease& l) {
  w.number(id, static_cast<std::int64_t>(l.id));
  w.text(name, l.name);
  w.number(owner, l.owner);
  w.number(state, static_cast<int>(l.state));
  if (l.priority != Priority::normal)
    w.maybe(priority, std::optional(static_cast<int>(l.priority)));
  w.maybe(need_memory, l.needs.memory);
  w.maybe(need_gpu_memory, l.needs.gpu_memory);
  w.maybe(need_cpu, l.needs.cpu);
  w.maybe(need_disk, l.needs.disk);
  w.text(need_disk_path, l.needs.disk_path);
  w.number(need_gpus, l.needs.gpus);
  w.text(need_gpu, l.needs.gpu);
  w.maybe(need_compute, l.needs.compute);
  w.number(booked_memory, l.booked.memory.count());
  w.number(booked_gpu_memory, l.booked.gpu_memory.count());
  w.number(booked_cpu, l.booked.cpu.milli());
  w.number(booked_disk, l.booked.disk.count());
  w.text(gpu, l.gpu);
  w.text(mount, l.mount);
  w.number(pid, l.holder.pid);
  w.number(start_time, static_cast<std::int64_t>(l.holder.start_time));
  w.number(parent, static_cast<std::int64_t>(l.parent));
  w.number(fence, l.fence);
  w.number(enforce, l.enforce);
  w.text(group_memory, l.group.memory);
  w.text(group_cpu, l.group.cpu);
  w.text(group_unified, l.group.unified);
  w.text(group_scope, l.group.scope);
  w.number(group_v2, l.group.v2);
  w.number(fence_at, l.fence_at.count());
  w.number(fence_set, l.fence_set);
  w.number(asked_boot, l.asked.boot.time_since_epoch().count());
  w.number(asked_wall, l.asked.wall.time_since_epoch().count());
  w.number(granted_boot, l.granted.boot.time_since_epoch().count());
  w.number(granted_wall, l.granted.wall.time_since_epoch().count());
  w.number(ended_boot, l.ended.boot.time_since_epoch().count());
  w.number(ended_wall, l.ended.wall.time_since_epoch().count());
  w.maybe(expected, l.expected);
  w.number(expected_learned, l.expected_learned);
  w.maybe(give_up, l.give_up);
  w.maybe(expires, l.expires);
  w.text(key, l.idempotency_key);
  w.text(reason, l.reason);
  w.number(peak_memory, l.peak.memory.count());
  w.number(peak_gpu_memory, l.peak.gpu_memory.count());
  w.number(peak_cpu, l.peak.cpu.milli());
  w.number(peak_disk, l.peak.disk.count());
  w.number(oom_kills, static_cast<std::int64_t>(l.oom_kills));
  w.maybe(exit_status, l.exit_status);
  w.number(grouped, l.grouped);
  w.number(spread, l.spread);
  w.number(return_idle, l.return_idle);
  w.text(held_model, l.model);
  w.number(use, l.use);
  w.text(config, l.config);
  write(w, l.size);
  w.number(part_of, static_cast<std::int64_t>(l.part_of));
  w.text(holder_group, l.holder.group);
  w.number(holder_inode, static_cast<std::int64_t>(l.holder.inode));
  w.number(moved, l.moved);
  w.maybe(frozen, l.frozen);
  if (l.starts) w.maybe(starts, std::optional(l.starts->time_since_epoch().count()));
  w.number(late, l.late);
  w.number(cost, l.cost.nano());
  w.number(charged, l.charged.time_since_epoch().count());
}

bool is_text(std::uint8_t tag) {
  switch (tag) {
    case name:
    case need_disk_path:
    case need_gpu:
    case gpu:
    case mount:
    case group_memory:
    case group_cpu:
    case group_unified:
    case group_scope:
    case key:
    case reason:
    case held_model:
    case config:
    case holder_group:
      return true;
    default:
      return false;
  }
}

template <class E>
bool enumerator(std::int64_t raw, E last, E& out) {
  if (raw < 0 || raw > static_cast<std::int64_t>(last)) return false;
  out = static_cast<E>(raw);
  return true;
}

Result<Record> read_lease(std::string_view bytes) {
  Lease l;
  Reader reader(bytes);
  Field field;
  const auto interval = [](std::optional<Interval>& one) -> Interval& {
    return one ? *one : one.emplace();
  };
  const auto boot = [](std::int64_t v) { return BootTime(std::chrono::nanoseconds(v)); };
  const auto wall = [](std::int64_t v) { return WallTime(std::chrono::nanoseconds(v)); };
  while (reader.next(field)) {
    if (is_text(field.tag)) {
      std::string text(field.value);
      switch (field.tag) {
        case name:
          l.name = std::move(text);
          break;
        case need_disk_path:
          l.needs.disk_path = std::move(text);
          break;
        case need_gpu:
          l.needs.gpu = std::move(text);
          break;
        case gpu:
          l.gpu = std::move(text);
          break;
        case mount:
          l.mount = std::move(text);
          break;
        case group_memory:
          l.group.memory = std::move(text);
          break;
        case group_cpu:
          l.group.cpu = std::move(text);
          break;
        case group_unified:
          l.group.unified = std::move(text);
          break;
        case group_scope:
          l.group.scope = std::move(text);
          break;
        case key:
          l.idempotency_key = std::move(text);
          break;
        case reason:
          l.reason = std::move(text);
          break;
        case held_model:
          l.model = std::move(text);
          break;
        case config:
          l.config = std::move(text);
          break;
        case holder_group:
          l.holder.group = std::move(text);
          break;
        default:
          break;
      }
      continue;
    }
    if (field.tag > last_tag) continue;  // a field of a newer version
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    switch (field.tag) {
      case id:
        l.id = static_cast<LeaseId>(v);
        break;
      case owner:
        l.owner = static_cast<uid_t>(v);
        break;
      case state:
        if (!enumerator(v, LeaseState::draining, l.state)) return broken("unknown lease state");
        break;
      case priority:
        if (!enumerator(v, Priority::critical, l.priority)) return broken("unknown priority");
        break;
      case need_memory:
        l.needs.memory = Bytes(v);
        break;
      case need_gpu_memory:
        l.needs.gpu_memory = Bytes(v);
        break;
      case need_cpu:
        l.needs.cpu = Cores(v);
        break;
      case need_disk:
        l.needs.disk = Bytes(v);
        break;
      case need_gpus:
        l.needs.gpus = static_cast<int>(v);
        break;
      case need_compute: {
        double compute = 0;
        std::memcpy(&compute, &v, sizeof compute);
        // A flipped bit can make a number that compares with nothing, itself included.
        if (!(compute >= 0 && compute < 1000)) return broken("a compute capability is no number");
        l.needs.compute = compute;
        break;
      }
      case booked_memory:
        l.booked.memory = Bytes(v);
        break;
      case booked_gpu_memory:
        l.booked.gpu_memory = Bytes(v);
        break;
      case booked_cpu:
        l.booked.cpu = Cores(v);
        break;
      case booked_disk:
        l.booked.disk = Bytes(v);
        break;
      case pid:
        l.holder.pid = static_cast<pid_t>(v);
        break;
      case start_time:
        l.holder.start_time = static_cast<std::uint64_t>(v);
        break;
      case parent:
        l.parent = static_cast<LeaseId>(v);
        break;
      case fence:
        l.fence = v != 0;
        break;
      case enforce:
        l.enforce = v != 0;
        break;
      case group_v2:
        l.group.v2 = v != 0;
        break;
      case fence_at:
        l.fence_at = Bytes(v);
        break;
      case fence_set:
        l.fence_set = v != 0;
        break;
      case asked_boot:
        l.asked.boot = boot(v);
        break;
      case asked_wall:
        l.asked.wall = wall(v);
        break;
      case granted_boot:
        l.granted.boot = boot(v);
        break;
      case granted_wall:
        l.granted.wall = wall(v);
        break;
      case ended_boot:
        l.ended.boot = boot(v);
        break;
      case ended_wall:
        l.ended.wall = wall(v);
        break;
      case expected:
        l.expected = std::chrono::seconds(v);
        break;
      case expected_learned:
        l.expected_learned = v != 0;
        break;
      case give_up:
        l.give_up = boot(v);
        break;
      case expires:
        l.expires = boot(v);
        break;
      case peak_memory:
        l.peak.memory = Bytes(v);
        break;
      case peak_gpu_memory:
        l.peak.gpu_memory = Bytes(v);
        break;
      case peak_cpu:
        l.peak.cpu = Cores(v);
        break;
      case peak_disk:
        l.peak.disk = Bytes(v);
        break;
      case oom_kills:
        l.oom_kills = static_cast<std::uint64_t>(v);
        break;
      case exit_status:
        l.exit_status = static_cast<int>(v);
        break;
      case grouped:
        l.grouped = v != 0;
        break;
      case spread:
        l.spread = v != 0;
        break;
      case return_idle:
        l.return_idle = v != 0;
        break;
      case use:
        l.use = v != 0;
        break;
      case size_memory_p50:
        interval(l.size.memory).p50 = Bytes(v);
        break;
      case size_memory_p95:
        interval(l.size.memory).p95 = Bytes(v);
        break;
      case size_gpu_p50:
        interval(l.size.gpu_memory).p50 = Bytes(v);
        break;
      case size_gpu_p95:
        interval(l.size.gpu_memory).p95 = Bytes(v);
        break;
      case size_beyond_p50:
        interval(l.size.beyond_model).p50 = Bytes(v);
        break;
      case size_beyond_p95:
        interval(l.size.beyond_model).p95 = Bytes(v);
        break;
      case size_runs:
        l.size.runs = static_cast<std::uint32_t>(v);
        break;
      case size_deaths:
        l.size.deaths = static_cast<std::uint32_t>(v);
        break;
      case size_from:
        if (!enumerator(v, SizeFrom::built_in, l.size.from)) return broken("unknown kind of size");
        break;
      case part_of:
        l.part_of = static_cast<LeaseId>(v);
        break;
      case holder_inode:
        l.holder.inode = static_cast<std::uint64_t>(v);
        break;
      case moved:
        l.moved = v != 0;
        break;
      case frozen:
        l.frozen = boot(v);
        break;
      case starts:
        l.starts = wall(v);
        break;
      case late:
        l.late = v != 0;
        break;
      case cost:
        l.cost = Money(v);
        break;
      case charged:
        l.charged = boot(v);
        break;
      default:
        break;
    }
  }
  if (reader.bad) return broken("a field is cut");
  if (l.id == 0) return broken("a lease has no id");
  return Record(PutLease{std::move(l)});
}

Result<Record> read_spent(std::string_view bytes) {
  PutSpent put;
  Reader reader(bytes);
  Field field;
  std::int64_t year = 0;
  std::int64_t month = 0;
  while (reader.next(field)) {
    if (field.tag > 3) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    if (field.tag == 1) year = v;
    if (field.tag == 2) month = v;
    if (field.tag == 3) put.spent = Money(v);
  }
  if (reader.bad) return broken("a field is cut");
  if (year < 1970 || year > 9999 || month < 1 || month > 12) return broken("no month");
  put.month = std::chrono::year(static_cast<int>(year)) / static_cast<int>(month);
  return Record(put);
}

Result<Record> read_drain(std::string_view bytes) {
  PutDrain put;
  put.drained = false;
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == 2 || field.tag == 5) {
      (field.tag == 2 ? put.drain.device : put.drain.reason) = std::string(field.value);
      continue;
    }
    if (field.tag > 4) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    if (field.tag == 1) put.drain.by = static_cast<uid_t>(v);
    if (field.tag == 3) put.drain.since = WallTime(WallTime::duration(v));
    if (field.tag == 4) put.drained = v != 0;
  }
  if (reader.bad) return broken("a field is cut");
  return Record(std::move(put));
}

// Of a model; never renumber, only append.
enum ModelTag : std::uint8_t {
  model_name = 1,
  model_hook,
  model_owner,
  model_memory,
  model_gpu_memory,
  model_compute,
  model_priority,
  model_pinned,
  model_load,
  model_used,
  model_known,
};

void write(Writer& w, const PutModel& put) {
  const Model& m = put.model;
  w.text(model_name, m.name);
  w.text(model_hook, m.hook);
  w.number(model_owner, m.owner);
  w.number(model_memory, m.memory.count());
  w.number(model_gpu_memory, m.gpu_memory.count());
  if (m.compute != 0) w.maybe(model_compute, std::optional(m.compute));
  w.maybe(model_priority, std::optional(static_cast<int>(m.priority)));
  w.number(model_pinned, m.pinned);
  w.number(model_load, m.load.count());
  w.number(model_used, m.used.time_since_epoch().count());
  w.number(model_known, put.known);
}

enum SessionTag : std::uint8_t {
  session_root = 1,
  session_name,
  session_owner,
  session_pid,
  session_start_time,
  session_since,
  session_going,
  session_known,
};

void write(Writer& w, const PutSession& put) {
  const Session& s = put.session;
  w.text(session_root, s.root);
  w.text(session_name, s.name);
  w.number(session_owner, s.owner);
  w.number(session_pid, s.holder.pid);
  w.number(session_start_time, static_cast<std::int64_t>(s.holder.start_time));
  w.number(session_since, s.since.time_since_epoch().count());
  w.number(session_going, s.going);
  w.number(session_known, put.known);
}

Result<Record> read_session(std::string_view bytes) {
  PutSession put;
  put.known = false;
  Session& s = put.session;
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == session_root || field.tag == session_name) {
      (field.tag == session_root ? s.root : s.name) = std::string(field.value);
      continue;
    }
    if (field.tag > session_known) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    switch (field.tag) {
      case session_owner:
        s.owner = static_cast<uid_t>(v);
        break;
      case session_pid:
        s.holder.pid = static_cast<pid_t>(v);
        break;
      case session_start_time:
        s.holder.start_time = static_cast<std::uint64_t>(v);
        break;
      case session_since:
        s.since = WallTime(std::chrono::nanoseconds(v));
        break;
      case session_going:
        s.going = v != 0;
        break;
      case session_known:
        put.known = v != 0;
        break;
      default:
        break;
    }
  }
  if (reader.bad) return broken("a field is cut");
  if (s.root.empty() || s.name.empty()) return broken("a session has no name");
  return Record(std::move(put));
}

Result<Record> read_model(std::string_view bytes) {
  PutModel put;
  put.known = false;
  Model& m = put.model;
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == model_name || field.tag == model_hook) {
      (field.tag == model_name ? m.name : m.hook) = std::string(field.value);
      continue;
    }
    if (field.tag > model_known) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    switch (field.tag) {
      case model_owner:
        m.owner = static_cast<uid_t>(v);
        break;
      case model_memory:
        m.memory = Bytes(v);
        break;
      case model_gpu_memory:
        m.gpu_memory = Bytes(v);
        break;
      case model_compute:
        std::memcpy(&m.compute, &v, sizeof m.compute);
        if (!(m.compute >= 0 && m.compute < 1000)) {
          return broken("a compute capability is no number");
        }
        break;
      case model_priority:
        if (!enumerator(v, Priority::critical, m.priority)) return broken("unknown priority");
        break;
      case model_pinned:
        m.pinned = v != 0;
        break;
      case model_load:
        m.load = std::chrono::milliseconds(v);
        break;
      case model_used:
        m.used = WallTime(WallTime::duration(v));
        break;
      case model_known:
        put.known = v != 0;
        break;
      default:
        break;
    }
  }
  if (reader.bad) return broken("a field is cut");
  if (m.name.empty()) return broken("a model has no name");
  return Record(std::move(put));
}

// Of a quota, or of its times. Three per amount, from quota_parts on.
enum QuotaTag : std::uint8_t {
  quota_priority = 1,
  quota_buffer,
  quota_enforce,
  quota_during,
  quota_window,
  quota_parts = 16,
};

void write(Writer& w, const QuotaParts& parts) {
  for (std::size_t i = 0; i < kAllotted; ++i) {
    const auto tag = static_cast<std::uint8_t>(quota_parts + 3 * i);
    w.number(tag, parts[i].amount);
    w.number(static_cast<std::uint8_t>(tag + 1), parts[i].least);
    w.number(static_cast<std::uint8_t>(tag + 2), parts[i].most);
  }
}

std::string packed(const Quota& quota) {
  std::string out;
  Writer w(out);
  w.maybe(quota_priority, std::optional(static_cast<int>(quota.priority)));
  w.maybe(quota_buffer, quota.buffer);
  w.number(quota_enforce, quota.enforce);
  write(w, quota.parts);
  for (const QuotaWindow& window : quota.windows) {
    std::string inner;
    Writer v(inner);
    v.text(quota_during, window.during);
    if (window.priority) v.maybe(quota_priority, std::optional(static_cast<int>(*window.priority)));
    write(v, window.parts);
    w.text(quota_window, inner);
  }
  return out;
}

bool read_part(const Field& field, std::int64_t v, QuotaParts& parts) {
  if (field.tag < quota_parts || field.tag >= quota_parts + 3 * kAllotted) return true;
  if (v < 0) return false;
  QuotaPart& part = parts[(field.tag - quota_parts) / 3U];
  const int which = (field.tag - quota_parts) % 3;
  (which == 0 ? part.amount : which == 1 ? part.least : part.most) = v;
  return true;
}

bool read_window(std::string_view bytes, QuotaWindow& window) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == quota_during) {
      window.during = std::string(field.value);
      continue;
    }
    std::int64_t v = 0;
    if (!field.number(v)) return false;
    if (field.tag == quota_priority) {
      Priority priority = Priority::normal;
      if (!enumerator(v, Priority::critical, priority)) return false;
      window.priority = priority;
    } else if (!read_part(field, v, window.parts)) {
      return false;
    }
  }
  return !reader.bad;
}

bool read_quota(std::string_view bytes, Quota& quota) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == quota_window) {
      if (quota.windows.size() == kMostQuotaWindows) return false;
      if (!read_window(field.value, quota.windows.emplace_back())) return false;
      continue;
    }
    std::int64_t v = 0;
    if (!field.number(v)) return false;
    if (field.tag == quota_priority) {
      if (!enumerator(v, Priority::critical, quota.priority)) return false;
    } else if (field.tag == quota_buffer) {
      double buffer = 0;
      std::memcpy(&buffer, &v, sizeof buffer);
      if (!(buffer >= 0 && buffer <= 10)) return false;
      quota.buffer = buffer;
    } else if (field.tag == quota_enforce) {
      quota.enforce = v != 0;
    } else if (!read_part(field, v, quota.parts)) {
      return false;
    }
  }
  return !reader.bad;
}

enum SetterTag : std::uint8_t {
  setter_name = 1,
  setter_unit,
  setter_least,
  setter_most,
  setter_follows,
  setter_whole,
};

std::string packed(const Setter& setter) {
  std::string out;
  Writer w(out);
  w.text(setter_name, setter.name);
  w.text(setter_unit, setter.unit);
  w.maybe(setter_least, std::optional(setter.least));
  w.maybe(setter_most, std::optional(setter.most));
  w.maybe(setter_follows, std::optional(static_cast<int>(setter.follows)));
  w.maybe(setter_whole, std::optional(static_cast<int>(setter.whole)));
  return out;
}

bool read_setter(std::string_view bytes, Setter& setter) {
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == setter_name || field.tag == setter_unit) {
      (field.tag == setter_name ? setter.name : setter.unit) = std::string(field.value);
      continue;
    }
    std::int64_t v = 0;
    if (!field.number(v)) return false;
    if (field.tag == setter_least || field.tag == setter_most) {
      double& bound = field.tag == setter_least ? setter.least : setter.most;
      std::memcpy(&bound, &v, sizeof bound);
      if (!(bound >= -1e15 && bound <= 1e15)) return false;
    } else if (field.tag == setter_follows) {
      if (!enumerator(v, Allotted::network, setter.follows)) return false;
    } else if (field.tag == setter_whole) {
      setter.whole = v != 0;
    }
  }
  return !reader.bad && !setter.name.empty();
}

enum ComponentTag : std::uint8_t {
  component_name = 1,
  component_owner,
  component_quota,
  component_registered,
  component_setter,
  component_pid,
  component_start_time,
  component_group,
  component_inode,
  component_lease,
  component_books,
  component_since,
  component_known,
  component_has = 32,  // one per amount
};

void write(Writer& w, const PutComponent& put) {
  const Component& c = put.component;
  w.text(component_name, c.name);
  w.number(component_owner, c.owner);
  w.text(component_quota, packed(c.quota));
  w.number(component_registered, c.registered);
  for (const Setter& setter : c.setters) w.text(component_setter, packed(setter));
  w.number(component_pid, c.holder.pid);
  w.number(component_start_time, static_cast<std::int64_t>(c.holder.start_time));
  w.text(component_group, c.holder.group);
  w.number(component_inode, static_cast<std::int64_t>(c.holder.inode));
  w.number(component_lease, static_cast<std::int64_t>(c.lease));
  w.number(component_books, c.books);
  w.number(component_since, c.since.time_since_epoch().count());
  w.number(component_known, put.known);
  for (std::size_t i = 0; i < kAllotted; ++i) {
    w.number(static_cast<std::uint8_t>(component_has + i), c.has[i]);
  }
}

Result<Record> read_component(std::string_view bytes) {
  PutComponent put;
  put.known = false;
  Component& c = put.component;
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == component_name || field.tag == component_group) {
      (field.tag == component_name ? c.name : c.holder.group) = std::string(field.value);
      continue;
    }
    if (field.tag == component_quota) {
      if (!read_quota(field.value, c.quota)) return broken("a quota cannot be read");
      continue;
    }
    if (field.tag == component_setter) {
      if (c.setters.size() == kMostSetters || !read_setter(field.value, c.setters.emplace_back())) {
        return broken("a setter cannot be read");
      }
      continue;
    }
    const bool has = field.tag >= component_has && field.tag < component_has + kAllotted;
    if (field.tag > component_known && !has) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    if (has) {
      if (v < 0) return broken("an allocation is below 0");
      c.has[field.tag - component_has] = v;
      continue;
    }
    switch (field.tag) {
      case component_owner:
        c.owner = static_cast<uid_t>(v);
        break;
      case component_registered:
        c.registered = v != 0;
        break;
      case component_pid:
        c.holder.pid = static_cast<pid_t>(v);
        break;
      case component_start_time:
        c.holder.start_time = static_cast<std::uint64_t>(v);
        break;
      case component_inode:
        c.holder.inode = static_cast<std::uint64_t>(v);
        break;
      case component_lease:
        c.lease = static_cast<LeaseId>(v);
        break;
      case component_books:
        c.books = v != 0;
        break;
      case component_since:
        c.since = WallTime(WallTime::duration(v));
        break;
      case component_known:
        put.known = v != 0;
        break;
      default:
        break;
    }
  }
  if (reader.bad) return broken("a field is cut");
  if (c.name.empty()) return broken("a component has no name");
  return Record(std::move(put));
}

enum DecisionTag : std::uint8_t {
  decision_id = 1,
  decision_component,
  decision_at,
  decision_what,
  decision_from,
  decision_to,
  decision_applied,
  decision_outcome,
  decision_reason,
  decision_confidence,
  decision_took,
};

void write(Writer& w, const Decision& d) {
  w.number(decision_id, static_cast<std::int64_t>(d.id));
  w.text(decision_component, d.component);
  w.number(decision_at, d.at.time_since_epoch().count());
  w.number(decision_what, static_cast<int>(d.what));
  w.number(decision_from, d.from);
  w.number(decision_to, d.to);
  w.maybe(decision_applied, d.applied);
  w.number(decision_outcome, static_cast<int>(d.outcome));
  w.text(decision_reason, d.reason);
  if (d.confidence != 0) w.maybe(decision_confidence, std::optional(d.confidence));
  w.number(decision_took, d.took.count());
}

Result<Record> read_decision(std::string_view bytes) {
  Decision d;
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == decision_component || field.tag == decision_reason) {
      (field.tag == decision_component ? d.component : d.reason) = std::string(field.value);
      continue;
    }
    if (field.tag > decision_took) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    switch (field.tag) {
      case decision_id:
        d.id = static_cast<std::uint64_t>(v);
        break;
      case decision_at:
        d.at = WallTime(WallTime::duration(v));
        break;
      case decision_what:
        if (!enumerator(v, Allotted::network, d.what)) return broken("unknown amount");
        break;
      case decision_from:
        d.from = v;
        break;
      case decision_to:
        d.to = v;
        break;
      case decision_applied:
        d.applied = v;
        break;
      case decision_outcome:
        if (!enumerator(v, Decision::Outcome::shadow, d.outcome)) return broken("unknown outcome");
        break;
      case decision_confidence:
        std::memcpy(&d.confidence, &v, sizeof d.confidence);
        if (!(d.confidence >= 0 && d.confidence <= 1)) return broken("a confidence is no share");
        break;
      case decision_took:
        d.took = std::chrono::microseconds(v);
        break;
      default:
        break;
    }
  }
  if (reader.bad) return broken("a field is cut");
  if (d.component.empty()) return broken("a decision has no component");
  return Record(PutDecision{std::move(d)});
}

enum LearnedTag : std::uint8_t {
  learned_name = 1,
  run_start,
  run_memory,
  run_gpu_memory,
  run_cpu,
  run_disk,
  run_length,
  run_killed,
  learned_config,
  learned_device,
  learned_used,
  last_learned_tag = learned_used
};

Result<Record> read_learned(std::string_view bytes) {
  PutLearned learned;
  Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.tag == learned_name || field.tag == learned_config || field.tag == learned_device) {
      std::string& text = field.tag == learned_name     ? learned.name
                          : field.tag == learned_config ? learned.config
                                                        : learned.device;
      text = std::string(field.value);
      continue;
    }
    if (field.tag > last_learned_tag) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    if (field.tag == run_start) {
      if (learned.runs.size() == kLearnedRuns) return broken("too many runs");
      learned.runs.emplace_back();
      continue;
    }
    if (field.tag == learned_used) {
      learned.used = WallTime(WallTime::duration(v));
      continue;
    }
    if (learned.runs.empty()) return broken("a run has no start");
    LearnedRun& run = learned.runs.back();
    switch (field.tag) {
      case run_memory:
        run.peak.memory = Bytes(v);
        break;
      case run_gpu_memory:
        run.peak.gpu_memory = Bytes(v);
        break;
      case run_cpu:
        run.peak.cpu = Cores(v);
        break;
      case run_disk:
        run.peak.disk = Bytes(v);
        break;
      case run_length:
        run.length = std::chrono::seconds(v);
        break;
      case run_killed:
        run.killed = v != 0;
        break;
      default:
        break;
    }
  }
  if (reader.bad) return broken("a field is cut");
  if (learned.name.empty()) return broken("a learned name is empty");
  return Record(std::move(learned));
}

}  // namespace

void encode(const Record& record, std::string& out) {
  Writer w(out);
  if (const auto* put = std::get_if<PutLease>(&record)) {
    out += static_cast<char>(Kind::put_lease);
    write(w, put->lease);
  } else if (const auto* drop = std::get_if<DropLease>(&record)) {
    out += static_cast<char>(Kind::drop_lease);
    w.number(1, static_cast<std::int64_t>(drop->id));
  } else if (const auto* learned = std::get_if<PutLearned>(&record)) {
    out += static_cast<char>(Kind::put_learned);
    w.text(learned_name, learned->name);
    w.text(learned_config, learned->config);
    w.text(learned_device, learned->device);
    w.number(learned_used, learned->used.time_since_epoch().count());
    for (const LearnedRun& run : learned->runs) {
      w.number(run_start, 1);
      w.number(run_memory, run.peak.memory.count());
      w.number(run_gpu_memory, run.peak.gpu_memory.count());
      w.number(run_cpu, run.peak.cpu.milli());
      w.number(run_disk, run.peak.disk.count());
      w.number(run_length, run.length.count());
      w.number(run_killed, run.killed);
    }
  } else if (const auto* seen = std::get_if<PutAcknowledged>(&record)) {
    out += static_cast<char>(Kind::acknowledged);
    w.number(1, static_cast<int>(seen->resource));
    w.text(2, seen->device);
    w.number(3, seen->acknowledged);
  } else if (const auto* muted = std::get_if<PutMuted>(&record)) {
    out += static_cast<char>(Kind::muted);
    w.number(1, static_cast<int>(muted->resource));
    w.text(2, muted->device);
    w.number(3, muted->until.time_since_epoch().count());
  } else if (const auto* closed = std::get_if<PutDrain>(&record)) {
    out += static_cast<char>(Kind::drain);
    w.number(1, closed->drain.by);
    w.text(2, closed->drain.device);
    w.number(3, closed->drain.since.time_since_epoch().count());
    w.number(4, closed->drained);
    w.text(5, closed->drain.reason);
  } else if (const auto* put_model = std::get_if<PutModel>(&record)) {
    out += static_cast<char>(Kind::model);
    write(w, *put_model);
  } else if (const auto* put_session = std::get_if<PutSession>(&record)) {
    out += static_cast<char>(Kind::session);
    write(w, *put_session);
  } else if (const auto* component = std::get_if<PutComponent>(&record)) {
    out += static_cast<char>(Kind::component);
    write(w, *component);
  } else if (const auto* decision = std::get_if<PutDecision>(&record)) {
    out += static_cast<char>(Kind::decision);
    write(w, decision->decision);
  } else if (const auto* spent = std::get_if<PutSpent>(&record)) {
    out += static_cast<char>(Kind::spent);
    w.number(1, static_cast<int>(spent->month.year()));
    w.number(2, static_cast<unsigned>(spent->month.month()));
    w.number(3, spent->spent.nano());
  } else if (const auto* next = std::get_if<PutNextLease>(&record)) {
    out += static_cast<char>(Kind::next_lease);
    w.number(1, static_cast<std::int64_t>(next->next));
  }
}

Result<Record> decode(std::string_view bytes) {
  if (bytes.empty()) return broken("it is empty");
  const auto kind = static_cast<Kind>(bytes.front());
  const std::string_view fields = bytes.substr(1);
  if (kind == Kind::put_lease) return read_lease(fields);
  if (kind == Kind::put_learned) return read_learned(fields);
  if (kind == Kind::drain) return read_drain(fields);
  if (kind == Kind::model) return read_model(fields);
  if (kind == Kind::session) return read_session(fields);
  if (kind == Kind::component) return read_component(fields);
  if (kind == Kind::decision) return read_decision(fields);
  if (kind == Kind::spent) return read_spent(fields);
  if (kind != Kind::drop_lease && kind != Kind::acknowledged && kind != Kind::next_lease &&
      kind != Kind::muted) {
    return broken("unknown kind of record");
  }
  DropLease drop;
  PutNextLease next;
  PutAcknowledged seen;
  seen.acknowledged = false;
  PutMuted muted;
  // Both name what an alert is about with the same two fields.
  const bool about_alert = kind == Kind::acknowledged || kind == Kind::muted;
  Reader reader(fields);
  Field field;
  while (reader.next(field)) {
    if (about_alert && field.tag == 2) {
      seen.device = std::string(field.value);
      continue;
    }
    if (field.tag > 3) continue;
    std::int64_t v = 0;
    if (!field.number(v)) return broken("a number has the wrong length");
    if (kind == Kind::drop_lease && field.tag == 1) drop.id = static_cast<LeaseId>(v);
    if (kind == Kind::next_lease && field.tag == 1) next.next = static_cast<LeaseId>(v);
    if (about_alert && field.tag == 1 && !enumerator(v, kLastResource, seen.resource)) {
      return broken("unknown resource");
    }
    if (kind == Kind::acknowledged && field.tag == 3) seen.acknowledged = v != 0;
    if (kind == Kind::muted && field.tag == 3) muted.until = WallTime(WallTime::duration(v));
  }
  if (reader.bad) return broken("a field is cut");
  if (kind == Kind::drop_lease) return Record(drop);
  if (kind == Kind::next_lease) {
    if (next.next == 0) return broken("a number of no lease");
    return Record(next);
  }
  if (kind == Kind::muted) {
    muted.resource = seen.resource;
    muted.device = std::move(seen.device);
    return Record(std::move(muted));
  }
  return Record(std::move(seen));
}

}  // namespace headroom
