#include "record/event_store.hpp"

#include <algorithm>
#include <string>

namespace headroom::record {
namespace {

constexpr std::int64_t kRow = 40;  // bytes of a row besides its texts

// Cut between characters, not inside one.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

std::optional<Resource> resource_named(std::string_view word) {
  for (int i = 0; i <= static_cast<int>(kLastResource); ++i) {
    const auto each = static_cast<Resource>(i);
    if (word == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace

EventStore::EventStore(Database& database, Bytes budget)
    : database_(database), budget_(budget.count() / 4) {}

std::vector<EventLine> EventStore::newest(std::size_t most) {
  std::vector<EventLine> all;
  if (!database_.open()) return all;
  auto rows = database_.rows(
      "SELECT id, at, type, lease, resource, device, text FROM event ORDER BY id DESC LIMIT ?1",
      {static_cast<std::int64_t>(most)});
  while (rows.next()) {
    EventLine line;
    line.id = static_cast<std::uint64_t>(rows.integer(0));
    line.at = WallTime(std::chrono::nanoseconds(rows.integer(1)));
    line.type = rows.text(2);
    line.lease = static_cast<LeaseId>(rows.integer(3));
    line.resource = resource_named(rows.bytes(4));
    line.device = rows.text(5);
    line.text = rows.text(6);
    all.push_back(std::move(line));
  }
  std::reverse(all.begin(), all.end());
  return all;
}

LastIds EventStore::last() {
  LastIds ids;
  if (!database_.open()) return ids;
  auto rows = database_.rows(
      "SELECT name, value FROM counter WHERE name IN ('event', 'alert')"
      " UNION ALL SELECT 'event', max(id) FROM event");
  while (rows.next()) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(0, rows.integer(1)));
    std::uint64_t& id = rows.text(0) == "event" ? ids.event : ids.alert;
    id = std::max(id, value);
  }
  return ids;
}

bool EventStore::runs_out(const LastIds& given) const {
  return given.event + kAhead / 2 > written_.event || given.alert + kAhead / 2 > written_.alert;
}

bool EventStore::sum(std::int64_t& bytes) {
  auto rows = database_.rows(
      "SELECT total(length(CAST(type || device || text AS BLOB)) + ?1) FROM event", {kRow});
  if (!rows.next()) return false;
  bytes = rows.integer(0);
  return true;
}

bool EventStore::store(std::span<const EventLine> lines, const LastIds& given, bool exact) {
  if (!database_.open()) return false;
  if (opened_ != database_.opened()) {
    opened_ = database_.opened();
    written_ = {};
    bytes_ = -1;
  }
  LastIds ahead = written_;
  if (exact) {
    ahead = given;
  } else if (runs_out(given)) {
    ahead = {given.event + kAhead, given.alert + kAhead};
  }
  if (lines.empty() && ahead == written_) return true;
  std::int64_t bytes = bytes_;
  const bool done = database_.write([&] {
    if (ahead != written_ && !database_.run("INSERT OR REPLACE INTO counter (name, value)"
                                            " VALUES ('event', ?1), ('alert', ?2)",
                                            {static_cast<std::int64_t>(ahead.event),
                                             static_cast<std::int64_t>(ahead.alert)})) {
      return false;
    }
    if (bytes < 0 && !sum(bytes)) return false;
    for (const EventLine& line : lines) {
      const std::string_view text = cut(line.text, kText);
      const std::string_view type = cut(line.type, 100);
      const std::string_view device = cut(line.device, 200);
      if (!database_.run(
              "INSERT OR REPLACE INTO event (id, at, type, lease, resource, device, text)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
              {static_cast<std::int64_t>(line.id), line.at.time_since_epoch().count(), type,
               static_cast<std::int64_t>(line.lease),
               std::string_view(line.resource ? to_string(*line.resource) : ""), device, text})) {
        return false;
      }
      bytes += static_cast<std::int64_t>(text.size() + type.size() + device.size()) + kRow;
    }
    if (!lines.empty() &&
        !database_.run("DELETE FROM event WHERE id <="
                       " (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                       {static_cast<std::int64_t>(kKept)})) {
      return false;
    }
    while (bytes > budget_) {
      // An eighth of them at once, so that this is rare.
      if (!database_.run("DELETE FROM event WHERE id <= (SELECT id FROM event ORDER BY id"
                         " LIMIT 1 OFFSET (SELECT count(*) / 8 FROM event))") ||
          !sum(bytes)) {
        return false;
      }
    }
    return true;
  });
  if (!done) return false;
  written_ = ahead;
  bytes_ = bytes;
  return true;
}

}  // namespace headroom::record
