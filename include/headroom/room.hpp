// Room: how much of a resource can still be booked now, with the terms of its sum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/model.hpp>
#include <headroom/pressure.hpp>
#include <headroom/size.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// One resource of one device. Amounts are bytes, or thousandths of a core for cpu.
///
///     room = max(0, min(capacity − reserve − booked, free − unmaterialised) − margin)
///          = capacity − reserve − booked − unbooked − margin, where it is above 0
struct Room {
  Resource resource = Resource::memory;
  std::string device;                ///< GPU UUID or mount; empty for memory and cpu
  std::string name;                  ///< how to show it: "GPU 0", "memory", "/data"
  std::optional<std::int64_t> room;  ///< empty: a term is unknown, and `why` says which
  std::int64_t capacity = 0;
  std::int64_t reserve = 0;
  std::int64_t booked = 0;
  std::int64_t measured = 0;  ///< what the leases' holders use
  std::int64_t unbooked = 0;  ///< what is used beyond the bookings and the reserve
  std::int64_t free = 0;
  std::int64_t unmaterialised = 0;  ///< booked, not used yet
  std::int64_t margin = 0;          ///< for the error of measurement
  std::int64_t deficit =
      0;               ///< what must come back before anything can be booked; 0 where there is room
  std::string closed;  ///< why nobody new is placed on it, whatever its room; empty: it is open
  Level pressure = Level::ok;
  std::string why;
};

/// One thing that stands in the way of a request, or one way out.
struct Help {
  std::string act;   ///< "wait", "end", "smaller", "device", "drain"
  std::string text;  ///< for people
  LeaseId lease = 0;
  std::optional<WallTime> until;
};

/// A process that holds memory of a device and that nobody booked for.
struct Stranger {
  pid_t pid = 0;
  Bytes memory;
  std::optional<uid_t> uid;  ///< empty where it is not known
  std::string name;          ///< what the kernel calls it, or empty
  std::string container;     ///< or empty
};

enum class Answer { now, after, queued, never };

constexpr const char* to_string(Answer answer) {
  switch (answer) {
    case Answer::now:
      return "now";
    case Answer::after:
      return "after";
    case Answer::queued:
      return "queued";
    case Answer::never:
      return "never";
  }
  return "never";
}

/// The one answer to "would it fit?". Serves fit and lease alike.
struct Verdict {
  Answer answer = Answer::never;
  std::uint64_t revision = 0;     ///< of the state it was computed from
  Amounts amounts;                ///< what would be booked
  std::string gpu;                ///< where it would be placed
  std::vector<std::string> gpus;  ///< all of these, where several are wanted; else empty
  std::string best_gpu;           ///< the device that comes nearest
  std::string mount;
  Amounts short_by;  ///< how much is missing, zero where it fits
  std::vector<LeaseId> in_the_way;
  std::vector<Stranger> strangers;   ///< on `best_gpu`, the largest first
  int place = 0;                     ///< 1 = next; 0 when not queued
  std::optional<WallTime> earliest;  ///< empty: unknown
  std::string why;                   ///< one sentence, for people
  std::vector<Help> help;
  std::vector<FreeStep> steps;  ///< after: what would be unloaded, in this order
  Size size;                    ///< what the amounts come from; from nobody: they were said
};

}  // namespace headroom
