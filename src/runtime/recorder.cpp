#include "runtime/recorder.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kEvery = 60s;    // between writes of samples
constexpr auto kTogether = 1s;  // events that come within it are written at once
constexpr auto kPatience = 10s;

struct Question {
  serve::HistoryQuery query;
  WallTime now{};
  std::function<std::string(const serve::HistoryAnswer&)> render;
  std::function<void(Result<std::string>)> done;
};

// A sample with names as numbers.
struct Waiting {
  Instant at;
  std::vector<std::pair<std::uint32_t, double>> values;
};

}  // namespace

struct Recorder::Shared {
  std::mutex lock;
  std::condition_variable changed;
  // Under the lock.
  std::vector<std::string> names;  // by number
  std::deque<Waiting> samples;
  std::deque<EventLine> events;
  std::deque<Question> questions;
  record::LastIds given;
  std::optional<Options> options;  // new ones
  bool due = false;                // samples are to be written
  bool stop = false;
  bool ended = false;
  std::uint64_t bytes = 0;
  std::string problem;
  std::uint64_t overflowed = 0;

  Hooks hooks;
  std::thread thread;

  // Of the thread alone, once it runs.
  struct Store {
    explicit Store(const Options& options)
        : database(options.dir, options.budget),
          history(database, options.history),
          events(database, options.budget) {}
    record::Database database;
    record::History history;
    record::EventStore events;
  };
  std::unique_ptr<Store> store;
  std::vector<std::string> known;  // names, as far as the thread has seen them
  std::vector<record::Named> scratch;
  std::deque<EventLine> unwritten;

  static void run(const std::shared_ptr<Shared>& self);
  void append(const Waiting& sample);
  void write_events(const record::LastIds& last, bool exact);
  void answer(Question& question);
  void tell();
};

void Recorder::Shared::append(const Waiting& sample) {
  scratch.resize(sample.values.size());
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    scratch[i].first = known[sample.values[i].first];
    scratch[i].second = sample.values[i].second;
  }
  store->history.append(sample.at, scratch);
}

void Recorder::Shared::write_events(const record::LastIds& last, bool exact) {
  const std::vector<EventLine> lines(unwritten.begin(), unwritten.end());
  if (store->events.store(lines, last, exact)) unwritten.clear();
}

void Recorder::Shared::answer(Question& question) {
  const auto& [query, now, render, done] = question;
  Result<std::string> body = std::string();
  auto series = store->history.query(query.series, now - query.window, now, query.step);
  if (series) {
    serve::HistoryAnswer answer;
    answer.points = std::move(series->points);
    answer.average = series->average;
    answer.min = series->least;
    answer.max = series->largest;
    answer.p95 = series->p95;
    answer.oldest = series->oldest;
    body = render(answer);
  } else {
    body = tl::unexpected(series.error());
  }
  hooks.post([done = done, body = std::move(body)] { done(body); });
}

// Says what has changed, once.
void Recorder::Shared::tell() {
  std::vector<std::string> said = store->database.take_notes();
  const std::string now = store->database.problem();
  const auto bytes_now = static_cast<std::uint64_t>(store->database.bytes_on_disk());
  {
    const std::lock_guard guard(lock);
    bytes = bytes_now;
    if (now != problem) {
      said.push_back(now.empty()
                         ? "history and events are written to disk again"
                         : now + "; history goes on in memory, and the disk is tried again");
      problem = now;
    }
  }
  if (!hooks.say) return;
  for (std::string& text : said) {
    hooks.post([say = hooks.say, text = std::move(text)] { say(text); });
  }
}

void Recorder::Shared::run(const std::shared_ptr<Shared>& self) {
  ::pthread_setname_np(::pthread_self(), "record");
  std::unique_lock guard(self->lock);
  bool over = false;
  while (!over) {
    const auto wanted = [&] {
      return self->stop || self->due || self->options || !self->questions.empty();
    };
    self->changed.wait(guard, [&] { return wanted() || !self->events.empty(); });
    // Events come in groups.
    if (!wanted()) self->changed.wait_for(guard, kTogether, wanted);
    over = self->stop;
    const bool due = std::exchange(self->due, false);
    const auto options = std::exchange(self->options, std::nullopt);
    auto samples = std::exchange(self->samples, {});
    auto events = std::exchange(self->events, {});
    auto questions = std::exchange(self->questions, {});
    const record::LastIds given = self->given;
    for (std::size_t i = self->known.size(); i < self->names.size(); ++i) {
      self->known.push_back(self->names[i]);
    }
    guard.unlock();

    for (const Waiting& sample : samples) self->append(sample);
    for (EventLine& line : events) {
      self->unwritten.push_back(std::move(line));
      if (self->unwritten.size() > kEvents) self->unwritten.pop_front();
    }
    if (over) {
      self->store->history.finish();
    } else if (due || options) {
      self->store->history.store();
    }
    if (over || due || options || !events.empty() || self->store->events.runs_out(given)) {
      self->write_events(given, over);
    }
    if (options) {
      self->store->history.finish();
      self->store.reset();  // its lock must be free for the next
      self->store = std::make_unique<Store>(*options);
    }
    for (Question& question : questions) {
      if (over) {
        self->hooks.post([done = std::move(question.done)] {
          done(fail(ErrorKind::unavailable, "the history cannot be read", "the daemon stops"));
        });
      } else {
        self->answer(question);
      }
    }
    self->tell();
    guard.lock();
  }
  self->store.reset();
  self->ended = true;
  self->changed.notify_all();
}

Recorder::Recorder(Options options, Hooks hooks, Instant now)
    : hooks_(std::move(hooks)), woken_(now), shared_(std::make_shared<Shared>()) {
  shared_->hooks = hooks_;
  shared_->store = std::make_unique<Shared::Store>(options);
  restored_.events = shared_->store->events.newest(record::EventStore::kKept);
  restored_.last = shared_->store->events.last();
  restored_.hour = shared_->store->history.recent(now.wall, 1h);
  shared_->given = restored_.last;
  shared_->tell();
  shared_->thread = std::thread([shared = shared_] { Shared::run(shared); });
}

Recorder::~Recorder() { stop(); }

Recorder::Restored Recorder::restored() { return std::exchange(restored_, {}); }

void Recorder::append(Instant at, std::span<const judge::Reading> readings) {
  Waiting sample{at, {}};
  sample.values.reserve(readings.size());
  const std::lock_guard guard(shared_->lock);
  if (shared_->stop) return;
  for (const judge::Reading& reading : readings) {
    if (!reading.value) continue;
    auto found = names_.find(reading.series);
    if (found == names_.end()) {
      if (names_.size() >= kNames) {
        ++shared_->overflowed;
        continue;
      }
      const auto number = static_cast<std::uint32_t>(names_.size());
      found = names_.emplace(std::string(reading.series), number).first;
      shared_->names.push_back(found->first);
    }
    sample.values.emplace_back(found->second, *reading.value);
  }
  shared_->samples.push_back(std::move(sample));
  if (shared_->samples.size() > kSamples) {
    shared_->samples.pop_front();
    ++shared_->overflowed;
  }
  if (at.boot - woken_.boot < kEvery) return;
  woken_ = at;
  shared_->due = true;
  shared_->changed.notify_all();
}

void Recorder::add_event(const EventLine& line) {
  const std::lock_guard guard(shared_->lock);
  if (shared_->stop) return;
  shared_->given.event = std::max(shared_->given.event, line.id);
  shared_->events.push_back(line);
  if (shared_->events.size() > kEvents) {
    shared_->events.pop_front();
    ++shared_->overflowed;
  }
  if (shared_->events.size() == 1) shared_->changed.notify_all();
}

void Recorder::alert_given(std::uint64_t id) {
  // It is written with the event that says so.
  const std::lock_guard guard(shared_->lock);
  shared_->given.alert = std::max(shared_->given.alert, id);
}

void Recorder::query(const serve::HistoryQuery& query, WallTime now,
                     std::function<std::string(const serve::HistoryAnswer&)> render,
                     std::function<void(Result<std::string>)> done) {
  const std::lock_guard guard(shared_->lock);
  if (shared_->stop || shared_->questions.size() >= kQueries) {
    const bool stopped = shared_->stop;
    hooks_.post([done = std::move(done), stopped] {
      done(stopped ? fail(ErrorKind::unavailable, "the history cannot be read", "the daemon stops")
                   : fail(ErrorKind::too_many_requests, "the history cannot be read now",
                          std::to_string(kQueries) + " others wait for theirs", "ask again later"));
    });
    return;
  }
  shared_->questions.push_back({query, now, std::move(render), std::move(done)});
  shared_->changed.notify_all();
}

void Recorder::configure(Options options) {
  const std::lock_guard guard(shared_->lock);
  shared_->options = std::move(options);
  shared_->changed.notify_all();
}

std::uint64_t Recorder::bytes() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->bytes;
}

std::string Recorder::problem() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->problem;
}

std::uint64_t Recorder::overflowed() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->overflowed;
}

void Recorder::stop() {
  std::unique_lock guard(shared_->lock);
  shared_->stop = true;
  shared_->changed.notify_all();
  const bool ended = shared_->changed.wait_for(guard, kPatience, [this] { return shared_->ended; });
  guard.unlock();
  if (!shared_->thread.joinable()) return;
  if (ended) {
    shared_->thread.join();
  } else {
    shared_->thread.detach();
  }
}

}  // namespace headroom::runtime
