// `headroom top`: the whole machine, live. What is known (TopModel), what the person looks at
// (TopView), the places of the panels, and the picture made of them; all pure.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/graph.hpp"
#include "cli/keys.hpp"
#include "cli/screen.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The panels, in the order of the keys 1 to 6.
enum class Panel : std::uint8_t { gpu, cpu, memory, traffic, leases, processes };
inline constexpr int kPanels = 6;
const char* to_string(Panel panel);

/// Where the picture comes from.
enum class Link : std::uint8_t {
  daemon,
  local,  ///< no daemon: this process reads the machine
  gone,   ///< there was a daemon; the picture is the last it gave
};

/// Everything that is known.
struct TopModel {
  client::json::value node;
  client::json::value snapshot;
  client::json::array leases;     ///< living ones, in the order the daemon lists them
  client::json::array alerts;     ///< open ones
  client::json::value processes;  ///< null: not known
  std::map<std::string, std::array<std::optional<double>, 3>> thresholds;  ///< by resource, percent
  /// By name: "cpu", "memory", "swap", "stall_memory" and "gpu_memory:ID", "gpu:ID" as ratios;
  /// "receive:NAME", "send:NAME", "read:NAME", "write:NAME" in bytes per second.
  std::map<std::string, Series> series;
  Link link = Link::daemon;
  std::string link_why;  ///< of `gone`, and of `local`
  double link_since = 0;
  double now = 0;  ///< seconds since 1970
  double interval = 1;
  std::int64_t uid = -1;            ///< of the person who looks
  std::optional<double> own_cores;  ///< what the daemon takes itself

  /// Takes in one /node document; two of them give the daemon's own cost.
  void take_node(client::json::value document);
  /// Takes in one /snapshot document.
  void take_snapshot(client::json::value document);
  /// Takes in one /history document as the series `name`.
  void take_history(const std::string& name, const client::json::value& document);
  /// One lease or alert that changed; ended ones leave the list.
  void take_lease(client::json::value lease);
  void take_alert(client::json::value alert);
  /// The thresholds among the settings.
  void take_config(const client::json::value& document);
  /// The second of the newest snapshot, where graphs end.
  std::int64_t until() const;
};

/// What the person has chosen.
struct TopView {
  std::array<bool, kPanels> hidden{};
  Panel focus = Panel::processes;
  std::map<Panel, std::string> selected;  ///< the row's key: pid, lease, GPU
  std::map<Panel, int> scroll;
  std::string sort = "mem";  ///< gpu mem cpu pid
  std::string filter;
  bool typing = false;  ///< the filter is being typed
  bool paused = false;
  bool help = false;
  bool details = false;
  std::string ending;   ///< the lease whose end waits for a yes
  std::string message;  ///< the outcome of what was asked, until the next key
  double interval = 1;  ///< seconds between pictures
  int page = 10;        ///< rows of the focused panel, as drawn last
};

/// What a key asks of whoever runs the view.
struct TopAction {
  enum class What : std::uint8_t { none, quit, end_lease, interval };
  What what = What::none;
  std::string lease;
};

/// One key. `model` tells which rows there are.
TopAction press(TopView& view, const TopModel& model, const Key& key);

/// The rows of a panel as they are shown: sorted, filtered. Only gpu, leases and processes have.
std::vector<const client::json::value*> rows_of(Panel panel, const TopModel& model,
                                                const TopView& view);
/// What names a row: the GPU's id, the lease's id, the pid.
std::string row_key(Panel panel, const client::json::value& row);

/// How much each panel has to show.
struct TopNeeds {
  int gpus = 0;
  int cores = 0;
  int traffic = 0;  ///< lines of interfaces, disks and filesystems
  int leases = 0;
  int alerts = 0;
  std::array<bool, kPanels> hidden{};
};
struct Placed {
  Panel panel;
  Rect rect;
  bool operator==(const Placed&) const = default;
};
struct TopLayout {
  bool too_small = false;
  Rect alerts;  ///< lines below the header; may have no height
  std::vector<Placed> panels;
};
inline constexpr int kLeastWidth = 60;
inline constexpr int kLeastHeight = 18;

/// Where everything stands on a screen of this size. Panels never overlap and never leave it.
TopLayout arrange(int width, int height, const TopNeeds& needs);

/// The whole picture.
Canvas draw_top(const TopModel& model, TopView& view, const Look& look, int width, int height);

}  // namespace headroom::cli
