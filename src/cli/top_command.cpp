// `headroom top` as it runs: the terminal, the feed, and a picture when something changed.
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>

#include <poll.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/screen_terminal.hpp"
#include "cli/source.hpp"
#include "cli/top_feed.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {
namespace {

constexpr const char* kHelp =
    "  headroom top                          the whole machine, live\n"
    "  headroom top --watch=5s               a picture every five seconds\n"
    "  headroom top --once --size 120x40     one picture as text\n"
    "\n"
    "Keys: q quits, ? shows the others.\n";

constexpr int kEscapeWait = 50;  ///< ms after which a lone ESC is the key
constexpr int kIdleWait = 1000;  ///< ms; what counts up by itself is drawn that often

double wall_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double steady_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::optional<std::pair<int, int>> parse_size(const std::string& text) {
  int width = 0;
  int height = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%4dx%4d%c", &width, &height, &rest) != 2 || width < 1 ||
      height < 1 || width > 1000 || height > 1000) {
    return std::nullopt;
  }
  return std::pair(width, height);
}

int draw_once(const Common& common, const Look& look, std::pair<int, int> size) {
  TopModel model;
  TopView view;
  model.now = wall_now();
  model.uid = geteuid();
  client::Daemon daemon(common.url, common.answer_within());
  if (const auto read = read_once(model, daemon, common.local); !read) return report(read.error());
  model.now = wall_now();
  write_out(stdout, draw_top(model, view, look, size.first, size.second).text(look));
  return 0;
}

/// The view while it runs. One thread; the feed's threads only hand it news.
class Running {
 public:
  Running(const Common& common, Look look)
      : look_(look),
        feed_({common.url, common.answer_within(), common.local,
               common.watch.value_or(std::chrono::milliseconds(1000))}),
        screen_(true),
        painter_(look) {
    model_.uid = geteuid();
    model_.now = wall_now();
    if (common.watch) view_.interval = static_cast<double>(common.watch->count()) / 1000;
  }

  int run() {
    bool draw_now = true;
    double drawn = 0;
    while (true) {
      model_.now = wall_now();
      const double since = steady_now() - drawn;
      // A little early is in time: a stream of one a second is not drawn every other time.
      const bool due = changed_ && since >= view_.interval * 0.8;
      const bool counts = since >= 1 && (model_.link == Link::gone || quiet_);
      if (draw_now || due || counts) {
        if (!draw()) return 1;
        drawn = steady_now();
        changed_ = draw_now = false;
      }
      std::array<pollfd, 3> waiting{
          {{STDIN_FILENO, POLLIN, 0}, {screen_.fd(), POLLIN, 0}, {feed_.fd(), POLLIN, 0}}};
      int wait =
          changed_
              ? std::max(
                    1, static_cast<int>((view_.interval * 0.8 - (steady_now() - drawn)) * 1000) + 1)
              : kIdleWait;
      if (keys_.waits()) wait = kEscapeWait;
      const int ready = poll(waiting.data(), waiting.size(), wait);
      quiet_ = ready == 0;
      if (waiting[1].revents != 0) {
        const auto asked = screen_.signals();
        if (asked.end != 0) ScreenTerminal::end_by(asked.end);
        if (asked.redraw) {
          painter_.forget();
          draw_now = true;
        }
      }
      if (waiting[2].revents != 0 && take_news()) draw_now = true;
      if (waiting[0].revents != 0) {
        std::array<char, 512> bytes{};
        const auto n = read(STDIN_FILENO, bytes.data(), bytes.size());
        if (n <= 0 && (waiting[0].revents & (POLLHUP | POLLERR)) != 0) return 1;  // hung up
        if (n > 0) {
          for (const auto& key : keys_.take({bytes.data(), static_cast<std::size_t>(n)})) {
            if (pressed(key)) return 0;
          }
          draw_now = true;
        }
      } else if (ready == 0 && keys_.waits()) {
        for (const auto& key : keys_.settle()) {
          if (pressed(key)) return 0;
        }
        draw_now = true;
      }
    }
  }

 private:
  /// True when the picture must not wait for its turn.
  bool take_news() {
    bool at_once = false;
    for (auto& news : feed_.news()) {
      using What = TopNews::What;
      at_once = at_once || news.what == What::link || news.what == What::ended ||
                news.what == What::history || !any_;
      if (news.what == What::snapshot) any_ = true;
      if (news.what == What::ended) view_.message = news.text;
      cli::take_news(model_, std::move(news));
      changed_ = true;
    }
    return at_once && any_;
  }

  /// True when the view is over.
  bool pressed(const Key& key) {
    const bool was_paused = view_.paused;
    const auto action = press(view_, view_.paused ? held_ : model_, key);
    if (view_.paused && !was_paused) held_ = model_;
    if (!view_.paused && was_paused) held_ = {};
    using What = TopAction::What;
    if (action.what == What::end_lease) feed_.end_lease(action.lease);
    if (action.what == What::interval) {
      feed_.set_interval(std::chrono::milliseconds(std::lround(view_.interval * 1000)));
    }
    const bool hidden = view_.hidden[static_cast<std::size_t>(Panel::processes)];
    feed_.want_processes(hidden ? "" : view_.sort, !view_.filter.empty());
    return action.what == What::quit;
  }

  bool draw() {
    const auto [width, height] = ScreenTerminal::size();
    TopModel& shown = view_.paused ? held_ : model_;
    shown.now = model_.now;
    shown.interval = view_.interval;
    return ScreenTerminal::write(painter_.paint(draw_top(shown, view_, look_, width, height)));
  }

  Look look_;
  TopModel model_;
  TopModel held_;  ///< while paused: what is looked at
  TopView view_;
  TopFeed feed_;
  ScreenTerminal screen_;
  Painter painter_;
  KeyCutter keys_;
  bool changed_ = false;
  bool quiet_ = false;  ///< nothing came for a while
  bool any_ = false;    ///< a snapshot has come
};

}  // namespace

int top_command(Words words) {
  Options options("top", kHelp);
  Common common;
  bool once = false;
  bool ascii = false;
  std::string size_text;
  options.flag("--once", once, "one picture as text, then end");
  options.value("--size", size_text, "columns and rows of --once, such as 120x40");
  options.flag("--ascii", ascii, "draw with ASCII characters only");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (common.output != Output::table) {
    return report(Error{ErrorKind::invalid_request, "the full-screen view has one form only", "",
                        "headroom status --json or headroom status -w"});
  }
  std::optional<std::pair<int, int>> size;
  if (!size_text.empty()) {
    size = parse_size(size_text);
    if (!size || !once) {
      return report(Error{ErrorKind::invalid_request,
                          size ? "--size goes with --once" : "'" + size_text + "' is no size",
                          size ? "the terminal has its own" : "columns x rows, at most 1000x1000",
                          "headroom top --once --size 120x40"});
    }
  }
  auto look = look_for(common.color, isatty(STDOUT_FILENO) == 1);
  if (ascii) look.utf8 = false;
  if (once) {
    return draw_once(
        common, look,
        size.value_or(isatty(STDOUT_FILENO) == 1 ? ScreenTerminal::size() : std::pair(120, 40)));
  }
  if (const auto terminal = ScreenTerminal::check(); !terminal) return report(terminal.error());
  const char* term = std::getenv("TERM");
  if (term == nullptr || *term == '\0' || std::string_view(term) == "dumb") {
    return report(Error{ErrorKind::invalid_request, "the full-screen view cannot be drawn here",
                        "TERM says that this terminal cannot place its cursor",
                        "headroom status -w, or headroom top --once"});
  }
  if (!common.local) {
    // An address that is none is said now; a daemon that is not there may come later.
    client::Daemon daemon(common.url, common.answer_within());
    if (const auto connected = daemon.connect();
        !connected && connected.error().kind != ErrorKind::unavailable) {
      return report(connected.error());
    }
  }
  return Running(common, look).run();
}

}  // namespace headroom::cli
