#include "cli/top_feed.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/local.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::value;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

using What = TopNews::What;

constexpr std::size_t kMostNews = 512;
constexpr milliseconds kSlow{10'000};      ///< between readings of what hardly changes
constexpr milliseconds kProcesses{2'000};  ///< between readings of the process table
constexpr milliseconds kLookAgain{5'000};  ///< for a daemon, while there is none
constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLongestRetry{2'000};

struct Document {
  What what;
  const char* target;
};
constexpr std::array<Document, 4> kAll{{{What::node, "/api/v1/node"},
                                        {What::config, "/api/v1/config"},
                                        {What::leases, "/api/v1/leases"},
                                        {What::alerts, "/api/v1/alerts"}}};

std::string percent_encoded(const std::string& text) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

/// Which histories fill the graphs: the series' name and what to ask for.
std::vector<std::pair<std::string, std::string>> histories(const value& snapshot) {
  const auto target = [](const std::string& resource, const std::string& device) {
    return "/api/v1/history?resource=" + resource +
           (device.empty() ? "" : "&device=" + percent_encoded(device)) +
           "&window=" + std::to_string(Series::kSeconds) + "&step=1";
  };
  std::vector<std::pair<std::string, std::string>> all{{"cpu", target("cpu", "")},
                                                       {"memory", target("memory", "")}};
  for (const auto& gpu : client::list(snapshot, "gpu")) {
    const auto id = client::text(gpu, "id");
    all.emplace_back("gpu:" + id, target("gpu_utilization", id));
    if (all.size() > 64) break;
  }
  return all;
}

std::string processes_target(const std::string& sort, bool all) {
  return "/api/v1/processes?sort=" + (sort == "pid" ? std::string("mem") : sort) +
         "&limit=" + (all ? "1000" : "100");
}

}  // namespace

void take_news(TopModel& model, TopNews news) {
  switch (news.what) {
    case What::node:
      return model.take_node(std::move(news.document));
    case What::snapshot:
      return model.take_snapshot(std::move(news.document));
    case What::leases:
      model.leases.clear();
      for (const auto& lease : client::list(news.document)) model.take_lease(lease);
      return;
    case What::lease:
      return model.take_lease(std::move(news.document));
    case What::alerts:
      model.alerts.clear();
      for (const auto& alert : client::list(news.document)) model.take_alert(alert);
      return;
    case What::alert:
      return model.take_alert(std::move(news.document));
    case What::processes:
      model.processes = std::move(news.document);
      return;
    case What::config:
      return model.take_config(news.document);
    case What::history:
      return model.take_history(news.text, news.document);
    case What::link:
      if (model.link != news.link || news.link != Link::gone) model.link_since = model.now;
      model.link = news.link;
      model.link_why = std::move(news.text);
      return;
    case What::ended:
      return;
  }
}

Result<void> read_once(TopModel& model, client::Daemon& daemon, bool local) {
  if (!local) {
    const auto connected = daemon.connect();
    if (!connected && connected.error().kind != ErrorKind::unavailable) {
      return tl::unexpected<Error>(connected.error());
    }
    local = !connected;
  }
  model.link = local ? Link::local : Link::daemon;
  const auto document = [&](std::string_view target) -> Result<value> {
    if (!local) return daemon.document(target);
    const auto body = read_locally(target);
    if (!body) return tl::unexpected<Error>(body.error());
    return client::parse_json(*body);
  };
  auto snapshot = document("/api/v1/snapshot");
  if (!snapshot) return tl::unexpected<Error>(snapshot.error());
  for (const auto& one : kAll) {
    if (auto answer = document(one.target))
      take_news(model, {one.what, std::move(*answer), {}, {}});
  }
  if (!local) {
    for (const auto& [name, target] : histories(*snapshot)) {
      if (auto answer = document(target)) model.take_history(name, *answer);
    }
  }
  model.take_snapshot(std::move(*snapshot));
  if (auto processes = document(processes_target("mem", false))) {
    model.processes = std::move(*processes);
  }
  return {};
}

struct TopFeed::Shared : std::enable_shared_from_this<TopFeed::Shared> {
  Query query;
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  std::deque<TopNews> inbox;
  std::vector<std::string> to_end;
  milliseconds interval{1000};
  std::string sort = "mem";
  bool all_processes = false;
  bool ask_now = false;  ///< something else is wanted, or the daemon has come back

  ~Shared() {
    if (event >= 0) close(event);
  }

  void publish(What what, value document, std::string text = {}, Link link = Link::daemon) {
    const std::lock_guard lock(mutex);
    if (inbox.size() >= kMostNews) {
      const auto reading = std::find_if(inbox.begin(), inbox.end(), [](const TopNews& news) {
        return news.what == What::snapshot || news.what == What::processes;
      });
      inbox.erase(reading == inbox.end() ? inbox.begin() : reading);
    }
    inbox.push_back({what, std::move(document), std::move(text), link});
    eventfd_write(event, 1);
  }

  bool stopped() {
    const std::lock_guard lock(mutex);
    return stop;
  }

  /// Waits; false when it was told to stop. Ends early when something is asked for.
  bool rest(milliseconds time) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, time, [this] { return stop || ask_now || !to_end.empty(); });
    ask_now = false;
    return !stop;
  }
  bool pause(milliseconds time) {
    std::unique_lock lock(mutex);
    return !changed.wait_for(lock, time, [this] { return stop; });
  }

  /// The thread that follows the stream, once there was a daemon.
  void follow() {
    client::Daemon daemon(query.url, query.timeout);
    auto retry = kFirstRetry;
    do {
      bool came = false;
      const auto ended = daemon.follow("/api/v1/stream?types=snapshot,alert,lease",
                                       [&](const client::StreamEvent& event_in) {
                                         if (stopped()) return false;
                                         auto document = client::parse_json(event_in.data);
                                         if (!document) return true;
                                         if (!came) {
                                           came = true;
                                           retry = kFirstRetry;
                                           publish(What::link, {}, {}, Link::daemon);
                                           // What changed while nobody listened.
                                           const std::lock_guard lock(mutex);
                                           refresh = ask_now = true;
                                           changed.notify_all();
                                         }
                                         if (event_in.type == "snapshot")
                                           publish(What::snapshot, std::move(*document));
                                         if (event_in.type == "lease")
                                           publish(What::lease, std::move(*document));
                                         if (event_in.type == "alert")
                                           publish(What::alert, std::move(*document));
                                         return true;
                                       });
      if (stopped()) return;
      publish(What::link, {}, ended ? std::string() : ended.error().why, Link::gone);
      if (!pause(retry)) return;
      retry = std::min(retry * 2, kLongestRetry);
    } while (true);
  }

  bool refresh = false;  ///< guarded by mutex

  /// What is asked and not streamed.
  void ask() {
    if (query.local || !start_with_daemon()) {
      if (!read_here()) return;
    }
    std::thread([self = shared_from_this()] { self->follow(); }).detach();
    client::Daemon daemon(query.url, query.timeout);
    steady_clock::time_point slow{};
    steady_clock::time_point processes{};
    do {
      std::vector<std::string> ending;
      std::string order;
      bool all = false;
      {
        const std::lock_guard lock(mutex);
        ending.swap(to_end);
        order = sort;
        all = all_processes;
        if (std::exchange(refresh, false)) slow = processes = {};
      }
      for (const auto& id : ending) end(daemon, id);
      const auto now = steady_clock::now();
      if (now - slow >= kSlow) {
        const bool first = slow == steady_clock::time_point();
        slow = now;
        for (const auto& one : kAll) {
          if (auto answer = daemon.document(one.target)) publish(one.what, std::move(*answer));
        }
        if (first) read_histories(daemon);
      }
      if (!order.empty() &&
          (now - processes >= kProcesses || order != asked_sort || all != asked_all)) {
        processes = now;
        asked_sort = order;
        asked_all = all;
        if (auto answer = daemon.document(processes_target(order, all))) {
          publish(What::processes, std::move(*answer));
        }
      }
    } while (rest(std::max(kProcesses, interval_now())));
  }
  std::string asked_sort;  ///< by ask() only
  bool asked_all = false;

  milliseconds interval_now() {
    const std::lock_guard lock(mutex);
    return interval;
  }

  bool start_with_daemon() {
    client::Daemon daemon(query.url, query.timeout);
    return daemon.connect().has_value();
  }

  void read_histories(client::Daemon& daemon) {
    const auto snapshot = daemon.document("/api/v1/snapshot");
    if (!snapshot) return;
    for (const auto& [name, target] : histories(*snapshot)) {
      if (auto answer = daemon.document(target)) publish(What::history, std::move(*answer), name);
    }
  }

  void end(client::Daemon& daemon, const std::string& id) {
    const auto ended = daemon.end(id);
    publish(What::ended, {},
            ended
                ? id + " has ended"
                : ended.error().what + (ended.error().why.empty() ? "" : ": " + ended.error().why));
  }

  /// This machine, until a daemon answers; false when it was told to stop.
  bool read_here() {
    publish(What::link, {}, {}, Link::local);
    const auto document = [](std::string_view target) -> Result<value> {
      const auto body = read_locally(target);
      if (!body) return tl::unexpected<Error>(body.error());
      return client::parse_json(*body);
    };
    steady_clock::time_point slow{};
    steady_clock::time_point processes{};
    auto looked = steady_clock::now();
    bool first = true;
    do {
      if (!std::exchange(first, false)) (void)sample_locally();
      if (auto snapshot = document("/api/v1/snapshot")) {
        publish(What::snapshot, std::move(*snapshot));
      }
      const auto now = steady_clock::now();
      if (now - slow >= kSlow) {
        slow = now;
        for (const auto& one : kAll) {
          if (auto answer = document(one.target)) publish(one.what, std::move(*answer));
        }
      } else if (auto answer = document("/api/v1/alerts")) {
        publish(What::alerts, std::move(*answer));
      }
      std::string order;
      bool all = false;
      {
        const std::lock_guard lock(mutex);
        order = sort;
        all = all_processes;
        for (const auto& id : std::exchange(to_end, {}))
          inbox.push_back({What::ended, {}, id + " is known to the daemon only", {}});
      }
      if (!order.empty() && now - processes >= kProcesses) {
        processes = now;
        if (auto answer = document(processes_target(order, all))) {
          publish(What::processes, std::move(*answer));
        }
      }
      if (!query.local && now - looked >= kLookAgain) {
        looked = now;
        if (start_with_daemon()) return true;
      }
    } while (rest(interval_now()));
    return false;
  }
};

TopFeed::TopFeed(Query query) : shared_(std::make_shared<Shared>()) {
  shared_->interval = query.interval;
  shared_->query = std::move(query);
  std::thread([shared = shared_] { shared->ask(); }).detach();
}

TopFeed::~TopFeed() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
}

int TopFeed::fd() const { return shared_->event; }

std::vector<TopNews> TopFeed::news() {
  const std::lock_guard lock(shared_->mutex);
  eventfd_t count = 0;
  eventfd_read(shared_->event, &count);
  std::vector<TopNews> all(std::make_move_iterator(shared_->inbox.begin()),
                           std::make_move_iterator(shared_->inbox.end()));
  shared_->inbox.clear();
  return all;
}

void TopFeed::end_lease(const std::string& id) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->to_end.size() < 16) shared_->to_end.push_back(id);
  shared_->changed.notify_all();
}

void TopFeed::set_interval(milliseconds interval) {
  const std::lock_guard lock(shared_->mutex);
  shared_->interval = interval;
}

void TopFeed::want_processes(const std::string& sort, bool all) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->sort == sort && shared_->all_processes == all) return;
  shared_->sort = sort;
  shared_->all_processes = all;
  shared_->ask_now = true;
  shared_->changed.notify_all();
}

}  // namespace headroom::cli
