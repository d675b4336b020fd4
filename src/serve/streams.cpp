#include "serve/streams.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/sse.hpp"
#include "serve/documents.hpp"

namespace headroom::serve {
namespace {

constexpr std::size_t kMost = 64;
constexpr std::size_t kMissed = 1000;
constexpr unsigned kSnapshots = 1, kEvents = 2, kAlerts = 4, kLeases = 8;

template <class Write>
std::string text_of(Write write) {
  std::string data;
  Json json(data);
  write(json);
  return data;
}

}  // namespace

void Streams::open(const Call& call, Client client) {
  unsigned types = 0;
  const std::string_view wanted =
      call.arguments.text("types").value_or("snapshot,event,alert,lease");
  const auto wants = [&](std::string_view word, unsigned type) {
    if (wanted.find(word) != std::string_view::npos) types |= type;
  };
  wants("snapshot", kSnapshots);
  wants("event", kEvents);
  wants("alert", kAlerts);
  wants("lease", kLeases);
  std::erase_if(watching_, [](const Watching& w) { return !w.stream.open(); });
  if (watching_.size() >= kMost) {
    client.send(refuse(ErrorKind::too_many_requests, "too many watch already",
                       std::to_string(kMost) + " streams are open", "poll instead"));
    return;
  }
  const std::array<http::Header, 2> headers = {http::Header{"Cache-Control", "no-store"},
                                               http::Header{"X-Accel-Buffering", "no"}};
  http::Stream stream = client.reply().open_stream(200, "text/event-stream", headers);
  stream.write("retry: 1000\n\n");
  // What was missed since the last one seen.
  if ((types & kEvents) != 0) {
    EventQuery missed;
    const std::string_view last = call.header("last-event-id");
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), missed.after);
    if (!last.empty() && error == std::errc() && end == last.data() + last.size()) {
      missed.limit = kMissed;
      auto lines = backend_.events(missed);
      for (auto it = lines.rbegin(); it != lines.rend(); ++it) {
        stream.write(http::sse_event(std::to_string(it->id), "event",
                                     text_of([&](Json& json) { write_event(json, *it); })));
      }
    }
  }
  if ((types & kSnapshots) != 0) {
    stream.write(http::sse_event("", "snapshot", text_of([&](Json& json) {
                                   write_snapshot(json, *backend_.view(), backend_.now());
                                 })));
  }
  watching_.push_back({stream, types});
}

void Streams::tell(unsigned type, std::string_view id, std::string_view name,
                   std::string_view data) {
  const std::string event = http::sse_event(id, name, data);
  std::erase_if(watching_, [&](Watching& watching) {
    if ((watching.types & type) != 0) watching.stream.write(event);
    return !watching.stream.open();
  });
}

void Streams::tell_sample() {
  const bool wanted = std::any_of(watching_.begin(), watching_.end(),
                                  [](const Watching& w) { return (w.types & kSnapshots) != 0; });
  if (!wanted) return;
  tell(kSnapshots, "", "snapshot",
       text_of([&](Json& json) { write_snapshot(json, *backend_.view(), backend_.now()); }));
}

void Streams::tell_event(const EventLine& line) {
  if (watching_.empty()) return;
  tell(kEvents, std::to_string(line.id), "event",
       text_of([&](Json& json) { write_event(json, line); }));
}

void Streams::tell_lease(LeaseId id) {
  if (watching_.empty()) return;
  const auto view = backend_.view();
  const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                  [&](const LeaseView& l) { return l.lease.id == id; });
  if (found == view->leases.end()) return;
  tell(kLeases, "", "lease", text_of([&](Json& json) { write_lease(json, *found, names_); }));
}

void Streams::tell_alert(const Alert& alert) {
  if (watching_.empty()) return;
  tell(kAlerts, "", "alert",
       text_of([&](Json& json) { write_alert(json, alert, *backend_.view()); }));
}

void Streams::close() {
  for (Watching& watching : watching_) watching.stream.close();
  watching_.clear();
}

}  // namespace headroom::serve
