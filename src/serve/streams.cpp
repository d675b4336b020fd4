#include "serve/streams.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

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

http::Stream begin(Client& client) {
  const std::array<http::Header, 2> headers = {http::Header{"Cache-Control", "no-store"},
                                               http::Header{"X-Accel-Buffering", "no"}};
  http::Stream stream = client.reply().open_stream(200, "text/event-stream", headers);
  stream.write("retry: 1000\n\n");
  return stream;
}

const LeaseView* find_lease(const View& view, LeaseId id) {
  const auto found = std::find_if(view.leases.begin(), view.leases.end(),
                                  [&](const LeaseView& l) { return l.lease.id == id; });
  return found == view.leases.end() ? nullptr : &*found;
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
  http::Stream stream = begin(client);
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
  const bool heard = std::any_of(listening_.begin(), listening_.end(),
                                 [&](const Listening& l) { return l.lease == id; });
  if (watching_.empty() && !heard) return;
  const auto view = backend_.view();
  const LeaseView* found = find_lease(*view, id);
  if (heard && (found == nullptr || found->lease.state == LeaseState::ended)) end_listening(id);
  if (watching_.empty() || found == nullptr) return;
  tell(kLeases, "", "lease", text_of([&](Json& json) { write_lease(json, *found, names_); }));
}

void Streams::tell_alert(const Alert& alert) {
  if (watching_.empty()) return;
  tell(kAlerts, "", "alert",
       text_of([&](Json& json) { write_alert(json, alert, *backend_.view()); }));
}

void Streams::listen(LeaseId lease, Client client) {
  std::erase_if(listening_, [](const Listening& l) { return !l.stream.open(); });
  // The stream is begun when it is known that it will be: else the answer is a problem.
  const auto stream = std::make_shared<http::Stream>();
  const std::uint64_t listener = backend_.listen(lease, [this, stream](const AskHook& ask) {
    const auto view = backend_.view();
    const LeaseView* asked = find_lease(*view, ask.lease);
    const bool on_gpu = asked != nullptr && !asked->lease.gpu.empty();
    return stream->write(
        http::sse_event("", "ask", text_of([&](Json& json) { write_ask(json, ask, on_gpu); })));
  });
  if (listener == 0) {
    return client.send(refuse(ErrorKind::too_many_requests, "too many listen already", "",
                              "end those streams that are not needed"));
  }
  *stream = begin(client);
  if (!stream->on_gone(
          [&backend = backend_, lease, listener] { backend.stop_listening(lease, listener); })) {
    return backend_.stop_listening(lease, listener);
  }
  listening_.push_back({*stream, lease, listener});
}

void Streams::listen(const std::string& component, Client client) {
  std::erase_if(component_listening_, [](const auto& l) { return !l.stream.open(); });
  // The stream is there before anything is asked: the first ask comes with the beginning.
  const auto stream = std::make_shared<http::Stream>();
  const auto early = std::make_shared<std::vector<std::string>>();
  const std::uint64_t listener =
      backend_.listen(component, [stream, early](const CallSetter& call) {
        std::string text = http::sse_event(std::to_string(call.ask), "allocation",
                                           text_of([&](Json& json) { write_call(json, call); }));
        if (!stream->open()) {
          early->push_back(std::move(text));
          return true;
        }
        return stream->write(text);
      });
  if (listener == 0) {
    return client.send(refuse(ErrorKind::too_many_requests, "too many listen already", "",
                              "end those streams that are not needed"));
  }
  *stream = begin(client);
  if (!stream->on_gone([&backend = backend_, component, listener] {
        backend.stop_listening(component, listener);
      })) {
    return backend_.stop_listening(component, listener);
  }
  for (const std::string& text : *early) stream->write(text);
  early->clear();
  component_listening_.push_back({*stream, component, listener});
}

void Streams::end_listening(const std::string& component) {
  std::vector<ComponentListening> ended;
  std::erase_if(component_listening_, [&](const ComponentListening& one) {
    if (one.component == component) ended.push_back(one);
    return one.component == component;
  });
  for (ComponentListening& one : ended) {
    one.stream.close();
    backend_.stop_listening(component, one.listener);
  }
}

void Streams::end_listening(LeaseId lease) {
  // Whoever stops may be asked something at once: the list is done with first.
  std::vector<Listening> ended;
  std::erase_if(listening_, [&](const Listening& one) {
    if (one.lease == lease) ended.push_back(one);
    return one.lease == lease;
  });
  for (Listening& one : ended) {
    one.stream.write(
        http::sse_event("", "ended", R"({"lease":"l-)" + std::to_string(lease) + "\"}"));
    one.stream.close();
    backend_.stop_listening(lease, one.listener);
  }
}

void Streams::close() {
  for (Listening& one : listening_) one.stream.close();
  listening_.clear();
  for (ComponentListening& one : component_listening_) one.stream.close();
  component_listening_.clear();
  for (Watching& watching : watching_) watching.stream.close();
  watching_.clear();
}

}  // namespace headroom::serve
