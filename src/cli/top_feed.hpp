// Where `headroom top` gets its documents while it runs: a daemon's stream, or this machine.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <headroom/result.hpp>

#include "cli/top.hpp"
#include "client/daemon.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// One thing that became known.
struct TopNews {
  enum class What : std::uint8_t {
    node,
    snapshot,
    leases,  ///< all of them
    lease,   ///< one that changed
    alerts,
    alert,
    processes,
    config,
    history,  ///< `text` is the name of the series
    link,     ///< `link` and, in `text`, why
    ended,    ///< the outcome of end_lease(), as a sentence in `text`
  };
  What what = What::link;
  client::json::value document;
  std::string text;
  Link link = Link::daemon;
};

/// Puts one piece of news into the model; ended is for the view.
void take_news(TopModel& model, TopNews news);

/// Everything once, for a single picture. Fails when neither daemon nor machine could be read.
Result<void> read_once(TopModel& model, client::Daemon& daemon, bool local);

/// Follows the daemon in threads of its own, connecting again for as long as it lives; without a
/// daemon it reads this machine and looks for one now and then. The destructor does not wait for
/// an answer that is still under way.
class TopFeed {
 public:
  struct Query {
    std::string url;
    std::chrono::milliseconds timeout{5000};   ///< for one answer
    bool local = false;                        ///< never ask a daemon
    std::chrono::milliseconds interval{1000};  ///< of local readings
  };
  explicit TopFeed(Query query);
  ~TopFeed();
  TopFeed(const TopFeed&) = delete;
  TopFeed& operator=(const TopFeed&) = delete;

  int fd() const;  ///< readable when there is news
  /// What became known since the last call, in order. At most 512 pieces wait; beyond that the
  /// oldest readings are dropped.
  std::vector<TopNews> news();

  void end_lease(const std::string& id);
  void set_interval(std::chrono::milliseconds interval);
  /// What the processes are asked for; an empty `sort` stops asking.
  void want_processes(const std::string& sort, bool all);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace headroom::cli
