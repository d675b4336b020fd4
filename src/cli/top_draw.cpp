// The picture of `headroom top`: header, panels, overlays. Pure: what is known and chosen in, a
// canvas out.
#include <algorithm>
#include <cmath>

#include "cli/cells.hpp"
#include "cli/top.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr int kSeconds = 300;  ///< what a graph shows at least, if the history reaches

constexpr Pen kFaint{Ink::faint};
constexpr Pen kBold{Ink::plain, kShades - 1, true, false};

struct Piece {
  std::string text;
  Pen pen;
  int gap = 2;  ///< blanks before it
};

Pen pen_of(const std::string& level) {
  if (level == "ok" || level == "healthy") return {Ink::ok};
  if (level == "warning" || level == "moderate") return {Ink::warning};
  if (level == "critical") return {Ink::critical};
  if (level == "emergency") return {Ink::emergency};
  return {Ink::faint};
}

std::string percent(std::optional<double> ratio) {
  if (!ratio) return std::string(kNone);
  return show_number(std::clamp(*ratio, -9.99, 99.99) * 100) + " %";
}

std::string bytes(std::optional<std::int64_t> amount) {
  return amount ? show_bytes(*amount) : std::string(kNone);
}

/// A rate in a column of its own: "12.3 M", always 8 columns or fewer.
std::string rate(std::optional<double> per_second) {
  if (!per_second) return kNone;
  double amount = std::max(*per_second, 0.0);
  for (const char* unit : {"B/s", "K/s", "M/s", "G/s"}) {
    if (amount < 999.5 || unit[0] == 'G') {
      return show_number(amount, amount < 9.95 && unit[0] != 'B' ? 1 : 0) + " " + unit;
    }
    amount /= 1024;
  }
  return kNone;
}

class Picture {
 public:
  Picture(const TopModel& model, TopView& view, const Look& look, Canvas& canvas)
      : model_(model), view_(view), look_(look), canvas_(canvas) {}

  void draw() {
    const auto layout = arrange(canvas_.width(), canvas_.height(), needs());
    if (layout.too_small) {
      canvas_.put(0, 0,
                  "too small: " + std::to_string(kLeastWidth) + " by " +
                      std::to_string(kLeastHeight) + " is needed",
                  kBold);
      canvas_.put(0, 1,
                  "this is " + std::to_string(canvas_.width()) + " by " +
                      std::to_string(canvas_.height()) + "; q quits",
                  kFaint);
      return;
    }
    for (const auto& placed : layout.panels) panel(placed);
    alerts(layout.alerts);
    if (model_.link == Link::gone) canvas_.fade();
    header();
    footer();
    if (view_.help) help();
    if (view_.details) details();
    if (!view_.ending.empty()) confirm();
  }

 private:
  TopNeeds needs() const {
    TopNeeds needs;
    needs.hidden = view_.hidden;
    needs.gpus = static_cast<int>(client::list(model_.snapshot, "gpu").size());
    needs.cores = static_cast<int>(client::whole(model_.snapshot, "cpu.cores").value_or(0));
    needs.traffic = static_cast<int>(interfaces().size() + disks().size() +
                                     client::list(model_.snapshot, "filesystem").size());
    needs.leases = static_cast<int>(model_.leases.size());
    needs.alerts = static_cast<int>(model_.alerts.size());
    return needs;
  }

  // ---- small helpers

  /// Pieces from left to right as long as they fit whole, a faint word only with what it says;
  /// returns the column after the last.
  int flow(int x, int y, int end, const std::vector<Piece>& pieces) {
    bool first = true;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const auto& piece = pieces[i];
      if (piece.text.empty()) continue;
      const int gap = first ? 0 : piece.gap;
      const int columns = columns_of(piece.text);
      const bool says = piece.pen == kFaint && i + 1 < pieces.size() && pieces[i + 1].gap == 1;
      const int beside = says ? 1 + columns_of(pieces[i + 1].text) : 0;
      if (x + gap + columns + beside > end) {
        if (says) ++i;
        continue;
      }
      x += gap;
      x += canvas_.put(x, y, piece.text, piece.pen, columns);
      first = false;
    }
    return x;
  }

  static int step_for(int values) { return std::max(1, kSeconds / std::max(values, 1)); }

  std::vector<std::optional<double>> window(const std::string& name, int values, int step) const {
    const auto known = model_.series.find(name);
    if (known == model_.series.end()) {
      return std::vector<std::optional<double>>(static_cast<std::size_t>(values));
    }
    return known->second.window(model_.until(), values, step);
  }

  void graph(const Rect& rect, const std::string& name, Ink ink) {
    const int values = graph_values(canvas_, rect.width);
    draw_graph(canvas_, rect, window(name, values, step_for(values)), ink);
  }

  /// A graph of something without a whole: the greatest value seen in it fills it.
  void rate_graph(const Rect& rect, const std::string& name, double least, Ink ink) {
    const int values = graph_values(canvas_, rect.width);
    auto window_values = window(name, values, step_for(values));
    double most = least;
    for (const auto& one : window_values) most = std::max(most, one.value_or(0));
    for (auto& one : window_values) {
      if (one) *one /= most;
    }
    draw_graph(canvas_, rect, window_values, ink);
  }

  const value* room_of(const std::string& resource, const std::string& device = {}) const {
    for (const auto& item : client::list(model_.snapshot, "room.items")) {
      if (client::text(item, "resource") == resource && client::text(item, "device") == device) {
        return &item;
      }
    }
    return nullptr;
  }

  std::string level_of(const std::string& resource, const std::string& device = {}) const {
    const auto* room = room_of(resource, device);
    return room == nullptr ? "" : client::text(*room, "pressure");
  }

  std::vector<std::pair<double, Pen>> ticks(const std::string& resource) const {
    std::vector<std::pair<double, Pen>> out;
    const auto known = model_.thresholds.find(resource);
    if (known == model_.thresholds.end()) return out;
    constexpr std::array<Ink, 3> kInks{Ink::warning, Ink::critical, Ink::emergency};
    for (std::size_t i = 0; i < 3; ++i) {
      if (known->second[i] && *known->second[i] < 100) {
        out.emplace_back(*known->second[i] / 100, Pen{kInks[i]});
      }
    }
    return out;
  }

  /// What a bar of memory shows: used, booked and not yet used, kept back, room.
  std::vector<Segment> segments(double used, double total, const value* room, Ink ink) const {
    if (total <= 0) return {};
    const double unused =
        room != nullptr ? client::number(*room, "unmaterialised_bytes").value_or(0) : 0.0;
    const double kept = room != nullptr ? client::number(*room, "reserve_bytes").value_or(0) +
                                              client::number(*room, "margin_bytes").value_or(0)
                                        : 0.0;
    const double used_share = std::clamp(used / total, 0.0, 1.0);
    const double unused_share = std::clamp(unused / total, 0.0, 1 - used_share);
    const double kept_share = std::clamp(kept / total, 0.0, 1 - used_share - unused_share);
    return {{used_share, "█", Pen{ink, kShades - 2}},
            {unused_share, "▒", Pen{Ink::booked}},
            {kept_share, "╱", Pen{Ink::reserve}}};
  }

  Rect frame(const Placed& placed, const std::string& title, const std::string& right,
             const std::string& level = {}) {
    auto pen = pen_of(level);
    pen.bold = level != "ok";
    draw_frame(canvas_, placed.rect, std::to_string(static_cast<int>(placed.panel) + 1), title,
               right, level, pen, view_.focus == placed.panel);
    return {placed.rect.x + 2, placed.rect.y + 1, placed.rect.width - 4, placed.rect.height - 2};
  }

  void panel(const Placed& placed) {
    if (placed.rect.height < 3) return;
    switch (placed.panel) {
      case Panel::gpu:
        return gpus(placed);
      case Panel::cpu:
        return cpu(placed);
      case Panel::memory:
        return memory(placed);
      case Panel::traffic:
        return traffic(placed);
      case Panel::leases:
        return leases(placed);
      case Panel::processes:
        return processes(placed);
    }
  }

  // ---- header and footer

  void header() {
    const int width = canvas_.width();
    std::string clock = show_time(model_.now, model_.now);
    std::vector<Piece> right;
    if (view_.paused) right.push_back({"paused", Pen{Ink::warning, kShades - 1, true, true}});
    right.push_back({clock, kBold});
    int right_width = 0;
    for (const auto& piece : right) right_width += columns_of(piece.text) + 2;

    std::vector<Piece> pieces;
    pieces.push_back({text_cell(client::text(model_.node, "name")), Pen{Ink::title}, 0});
    if (model_.link == Link::gone) {
      pieces.push_back({"daemon gone, trying again", Pen{Ink::critical, kShades - 1, true, false}});
      pieces.push_back(
          {"the picture is " + show_span(std::max(0.0, model_.now - model_.link_since)) + " old",
           kFaint});
    } else {
      if (model_.link == Link::local) pieces.push_back({"no daemon: read here", Pen{Ink::warning}});
      const auto health = client::text(model_.node, "health");
      if (!health.empty()) pieces.push_back({printable(health), pen_of(health)});
      if (const auto age = parse_time(client::text(model_.snapshot, "at"));
          age && model_.now - *age > 3 * std::max(1.0, model_.interval)) {
        pieces.push_back({"silent for " + show_span(model_.now - *age), Pen{Ink::warning}});
      }
      if (const auto up = client::number(model_.node, "uptime_seconds");
          up && model_.link == Link::daemon) {
        pieces.push_back({"up " + show_span(*up), kFaint});
      }
      if (const auto strategy = client::text(model_.node, "strategy"); !strategy.empty()) {
        pieces.push_back({"strategy " + printable(strategy), kFaint});
      }
      if (const auto driver = client::text(model_.snapshot, "gpu_driver"); !driver.empty()) {
        pieces.push_back({printable(driver), kFaint});
      }
      if (client::list(model_.snapshot, "gpu").empty() && !model_.snapshot.is_null()) {
        pieces.push_back({"no GPU", kFaint});
      }
      if (const auto own = client::whole(model_.node, "own.memory_bytes");
          own && model_.link == Link::daemon) {
        std::string cost = "headroomd " + show_bytes(*own);
        if (model_.own_cores) cost += ", " + show_number(*model_.own_cores * 100, 2) + " % CPU";
        pieces.push_back({cost, kFaint});
      }
      if (const auto kernel = client::text(model_.node, "kernel"); !kernel.empty()) {
        pieces.push_back({"Linux " + printable(kernel), kFaint});
      }
    }
    flow(1, 0, width - right_width - 1, pieces);
    flow(width - right_width + 1, 0, width, right);
  }

  void footer() {
    const int y = canvas_.height() - 1;
    const int end = canvas_.width() - 1;
    if (view_.typing) {
      canvas_.put(flow(1, y, end, {{"filter:", kBold}, {view_.filter, {}, 1}}), y, " ",
                  Pen{Ink::plain, kShades - 1, false, true});
      canvas_.put_right(end - 1, y, "enter keeps it, esc clears it", kFaint);
      return;
    }
    if (!view_.message.empty()) {
      canvas_.put(1, y, view_.message, kBold, end - 1);
      return;
    }
    std::vector<Piece> pieces;
    const auto hint = [&](const char* key, const std::string& what) {
      pieces.push_back({key, kBold, 3});
      pieces.push_back({what, kFaint, 1});
    };
    hint("q", "quit");
    hint("?", "help");
    hint("tab", "panel");
    hint("1-6", "go, hide");
    hint("s", "by " + view_.sort);
    hint("/", view_.filter.empty() ? "filter" : "filter: " + view_.filter);
    hint("enter", "details");
    hint("space", view_.paused ? "go on" : "pause");
    hint("+ -", show_number(view_.interval, view_.interval < 1 ? 2 : 0) + " s");
    if (!model_.leases.empty()) hint("l", "end a lease");
    // A key and what it does go together.
    int x = 1;
    for (std::size_t i = 0; i + 1 < pieces.size(); i += 2) {
      const int need = columns_of(pieces[i].text) + 1 + columns_of(pieces[i + 1].text);
      if (x + need > end) break;
      x = flow(x, y, end, {pieces[i], pieces[i + 1]}) + 3;
    }
    // What the fills of the bars mean, where there is space for it.
    const std::vector<Piece> legend{{"█", Pen{Ink::plain}},   {"used", kFaint, 1},
                                    {"▒", Pen{Ink::booked}},  {"booked", kFaint, 1},
                                    {"╱", Pen{Ink::reserve}}, {"kept back", kFaint, 1},
                                    {"·", Pen{Ink::frame}},   {"room", kFaint, 1}};
    constexpr int kLegend = 38;
    if (x + kLegend < end) flow(end - kLegend, y, end, legend);
  }

  void alerts(const Rect& rect) {
    std::vector<const value*> open;
    for (const auto& alert : model_.alerts) open.push_back(&alert);
    const auto rank = [](const value* alert) {
      const auto severity = client::text(*alert, "severity");
      return severity == "emergency" ? 0 : severity == "critical" ? 1 : 2;
    };
    std::stable_sort(open.begin(), open.end(),
                     [&](const value* a, const value* b) { return rank(a) < rank(b); });
    for (int i = 0; i < rect.height && i < static_cast<int>(open.size()); ++i) {
      const auto& alert = *open[static_cast<std::size_t>(i)];
      const auto severity = client::text(alert, "severity");
      auto pen = pen_of(severity);
      pen.bold = true;
      std::string sentence = printable(client::text(alert, "text"));
      const auto number = client::number(alert, "value");
      const auto threshold = client::number(alert, "threshold");
      if (number && threshold) {
        sentence += ": " + show_number(*number, 1) + ", threshold " + show_number(*threshold);
      }
      std::string rest;
      if (const auto since = parse_time(client::text(alert, "since"))) {
        rest = show_span(model_.now - *since);
      }
      if (client::is_true(alert, "acknowledged"))
        rest += rest.empty() ? "acknowledged" : ", acknowledged";
      const int more = static_cast<int>(open.size()) - rect.height;
      if (i == rect.height - 1 && more > 0) rest += "   and " + std::to_string(more) + " more";
      int x = flow(rect.x + 1, rect.y + i, rect.x + rect.width - 1,
                   {{severity, pen}, {device_name(rooms(), client::text(alert, "device")), kBold}});
      const int left = rect.x + rect.width - 1 - x - 2 - columns_of(rest) - 2;
      x += 2;
      x += canvas_.put(x, rect.y + i, sentence, {}, std::max(left, 10));
      flow(x + 2, rect.y + i, rect.x + rect.width - 1, {{rest, kFaint}});
    }
  }

  value rooms() const {
    const auto* found = client::find(model_.snapshot, "room");
    return found == nullptr ? value() : *found;
  }

  // ---- GPUs

  void gpus(const Placed& placed) {
    const auto rows = rows_of(Panel::gpu, model_, view_);
    const int count = static_cast<int>(rows.size());
    const Rect inner = frame(placed, count == 1 ? "GPU" : "GPUs",
                             count == 1 ? "" : std::to_string(count) + " devices");
    const int columns = canvas_.width() >= 150 && count > 1 ? 2 : 1;
    const int lines_of_all = (count + columns - 1) / columns;
    const int each = std::clamp(inner.height / std::max(lines_of_all, 1), 1, 4);
    const int fit_rows = std::max(inner.height / each, 1);
    int first = 0;
    if (lines_of_all > fit_rows) first = scroll_to(Panel::gpu, rows, fit_rows * columns) / columns;
    view_.page = view_.focus == Panel::gpu ? fit_rows : view_.page;
    const int spare = inner.height - std::min(lines_of_all, fit_rows) * each;
    const int gap = columns == 2 ? 3 : 0;
    const int width = (inner.width - gap) / columns;
    for (int i = first * columns; i < count; ++i) {
      const int row = (i / columns) - first;
      if (row >= fit_rows) break;
      // Lines that are left over stand between the devices.
      const int shift = lines_of_all > 1 ? std::min(spare * row / (lines_of_all - 1), row) : 0;
      const Rect place{inner.x + (i % columns) * (width + gap), inner.y + row * each + shift, width,
                       each};
      gpu(place, *rows[static_cast<std::size_t>(i)]);
    }
  }

  void gpu(const Rect& rect, const value& gpu) {
    const auto id = client::text(gpu, "id");
    const auto* room = room_of("gpu_memory", id);
    const auto level = room == nullptr ? "" : client::text(*room, "pressure");
    auto state = client::text(gpu, "state");
    if (state.empty()) state = "ok";
    const bool fresh = state == "ok";
    const bool chosen = view_.focus == Panel::gpu && view_.selected[Panel::gpu] == id;
    const auto index = client::whole(gpu, "index");
    const auto used = client::whole(gpu, "memory_used_bytes");
    const auto total = client::whole(gpu, "memory_total_bytes");
    const auto busy = client::number(gpu, "busy_ratio");
    const auto bar = used && total
                         ? segments(static_cast<double>(*used), static_cast<double>(*total), room,
                                    fresh ? Ink::gpu : Ink::faint)
                         : std::vector<Segment>();
    const std::string amount = used && total ? show_bytes_of(*used, *total)
                               : total       ? show_bytes(*total)
                                             : kNone;
    const std::string number = index ? std::to_string(*index) : "?";
    auto name = printable(client::text(gpu, "name"));
    if (name.rfind("NVIDIA ", 0) == 0) name.erase(0, 7);
    if (!client::text(gpu, "parent").empty()) name = "MIG " + name;

    const auto heat = client::number(gpu, "temperature_celsius");
    const auto heat_limit = client::number(gpu, "temperature_limit_celsius");
    const auto watts = client::number(gpu, "power_watts");
    const auto watts_limit = client::number(gpu, "power_limit_watts");
    std::string slowed;
    for (const auto& why : client::list(gpu, "slowed")) {
      if (why.is_string()) slowed += (slowed.empty() ? "" : ", ") + client::text(why, "");
    }
    const Pen heat_pen = pen_of(level_of("gpu_temperature", id));
    Piece temperature;
    if (heat) {
      const bool hot = heat_limit && *heat >= *heat_limit - 3;
      temperature = {show_number(*heat) + look_.degrees(),
                     hot                          ? Pen{Ink::warning, kShades - 1, true, false}
                     : heat_pen.ink == Ink::faint ? Pen()
                                                  : heat_pen};
    }
    std::string power;
    if (watts) {
      power = show_number(*watts) + (watts_limit ? " of " + show_number(*watts_limit) : "") + " W";
    }
    std::vector<Piece> words;
    if (!level.empty() && fresh) words.push_back({level, pen_of(level)});
    if (!fresh) {
      auto sentence = state;
      if (const auto age = client::number(gpu, "age_seconds"); age && state == "stale") {
        sentence += " for " + show_span(*age);
      }
      words.push_back({sentence, state == "lost"    ? Pen{Ink::critical, kShades - 1, true, false}
                                 : state == "stale" ? Pen{Ink::warning, kShades - 1, true, false}
                                                    : kFaint});
    }
    if (!slowed.empty()) words.push_back({"slowed by " + printable(slowed), Pen{Ink::warning}});
    if (client::is_true(gpu, "simulated")) words.push_back({"simulated", kFaint});

    const Pen name_pen{chosen ? Ink::focus : Ink::title, kShades - 1, true, false};
    if (rect.height == 1) {
      gpu_line(rect, number + " " + name, name_pen, bar, amount, busy, temperature, power, words,
               fresh);
      return;
    }
    // The graph of the last minutes stands at the right of all lines.
    const int graph_width = rect.width >= 66 ? std::min(rect.width * 3 / 10, 60) : 0;
    const int text_width = rect.width - graph_width - (graph_width > 0 ? 2 : 0);
    const int end = rect.x + text_width;
    std::vector<Piece> first{{number + " " + name, name_pen, 0}};
    first.insert(first.end(), words.begin(), words.end());
    std::vector<Piece> readings;
    if (graph_width == 0 && fresh) readings.push_back({"busy " + percent(busy), {}});
    readings.push_back(temperature);
    readings.push_back({power, {}});
    std::vector<Piece> room_pieces;
    if (room != nullptr) {
      room_pieces.push_back({"room", kFaint});
      room_pieces.push_back({bytes(client::whole(*room, "room_bytes")), kBold, 1});
      if (const auto booked = client::whole(*room, "booked_bytes"); booked && *booked > 0) {
        room_pieces.push_back({"booked", kFaint});
        room_pieces.push_back({show_bytes(*booked), {}, 1});
      }
      if (const auto unbooked = client::whole(*room, "unbooked_bytes"); unbooked && *unbooked > 0) {
        room_pieces.push_back({"unbooked", kFaint});
        room_pieces.push_back({show_bytes(*unbooked), {}, 1});
      }
    }
    if (rect.height == 2) {
      first.insert(first.end(), readings.begin(), readings.end());
      flow(rect.x, rect.y, end, first);
    } else {
      flow(rect.x, rect.y, end, first);
      auto third = room_pieces;
      third.insert(third.end(), readings.begin(), readings.end());
      if (const auto clock = client::number(gpu, "clock_mhz")) {
        third.push_back({show_number(*clock) + " MHz", {}});
      }
      if (rect.height == 3) {
        if (const auto reason = client::text(gpu, "state_reason"); !fresh && !reason.empty()) {
          third = {{printable(reason), kFaint}};
        }
      }
      flow(rect.x, rect.y + 2, end, third);
    }
    const int amount_width = std::max(columns_of(amount), 17);
    const int bar_width = text_width - amount_width - 2;
    draw_bar(canvas_, rect.x, rect.y + 1, bar_width, bar, ticks("gpu_memory"));
    canvas_.put_right(end - 1, rect.y + 1, amount, fresh ? Pen() : kFaint);
    if (rect.height >= 4) gpu_last_line(rect, end, gpu, fresh);
    if (graph_width == 0) return;
    const Rect place{end + 2, rect.y, graph_width, rect.height};
    graph(place, "gpu:" + id, Ink::gpu);
    // The number is put over the oldest part of its graph.
    flow(place.x, place.y, place.x + place.width,
         {{"busy ", kFaint}, {fresh ? percent(busy) : kNone, kBold, 0}});
  }

  void gpu_line(const Rect& rect, const std::string& name, Pen name_pen,
                const std::vector<Segment>& bar, const std::string& amount,
                std::optional<double> busy, const Piece& temperature, const std::string& power,
                const std::vector<Piece>& words, bool fresh) {
    const int name_width = rect.width >= 90 ? 18 : 12;
    canvas_.put(rect.x, rect.y, name, name_pen, name_width);
    int x = rect.x + name_width + 1;
    const int bar_width = std::clamp(rect.width / 4, 8, 60);
    draw_bar(canvas_, x, rect.y, bar_width, bar, ticks("gpu_memory"));
    x += bar_width + 1;
    canvas_.put_right(x + 16, rect.y, amount, fresh ? Pen() : kFaint, 17);
    x += 19;
    std::vector<Piece> pieces{{fresh ? percent(busy) : kNone, kBold}};
    pieces.insert(pieces.end(), words.begin(), words.end());
    pieces.push_back(temperature);
    pieces.push_back({power, {}});
    flow(x, rect.y, rect.x + rect.width, pieces);
  }

  void gpu_last_line(const Rect& rect, int end, const value& gpu, bool fresh) {
    std::vector<Piece> pieces;
    int x = rect.x;
    if (const auto reason = client::text(gpu, "state_reason"); !fresh && !reason.empty()) {
      x = flow(x, rect.y + 3, end, {{printable(reason), kFaint}}) + 2;
    }
    const auto add = [&](const char* what, const std::string& text, Pen pen = {}) {
      pieces.push_back({what, kFaint});
      pieces.push_back({text, pen, 1});
    };
    if (const auto fan = client::number(gpu, "fan_ratio")) add("fan", percent(fan));
    if (const auto busy = client::number(gpu, "memory_busy_ratio")) add("bus", percent(busy));
    const auto received = client::number(gpu, "received_bytes_per_second");
    const auto sent = client::number(gpu, "sent_bytes_per_second");
    if (received || sent) add("PCIe", "↓" + rate(received) + " ↑" + rate(sent));
    if (const auto wrong = client::whole(gpu, "ecc_uncorrected_total"); wrong && *wrong > 0) {
      add("ECC", std::to_string(*wrong) + " uncorrected", Pen{Ink::critical});
    }
    if (const auto xid = client::whole(gpu, "last_xid")) {
      add("XID", std::to_string(*xid), Pen{Ink::critical});
    }
    std::vector<const value*> holders;
    for (const auto& process : client::list(gpu, "processes")) holders.push_back(&process);
    std::sort(holders.begin(), holders.end(), [](const value* a, const value* b) {
      return client::whole(*a, "memory_bytes").value_or(0) >
             client::whole(*b, "memory_bytes").value_or(0);
    });
    for (std::size_t i = 0; i < std::min<std::size_t>(holders.size(), 3); ++i) {
      const auto pid = client::whole(*holders[i], "pid").value_or(0);
      add(("pid " + std::to_string(pid)).c_str(),
          process_name(pid) + " " + bytes(client::whole(*holders[i], "memory_bytes")));
    }
    flow_pairs(x, rect.y + 3, end, pieces);
  }

  std::string process_name(std::int64_t pid) const {
    for (const auto& process : client::list(model_.processes)) {
      if (client::whole(process, "pid") == pid) return printable(client::text(process, "name"));
    }
    return "";
  }

  // ---- CPU

  void cpu(const Placed& placed) {
    const auto busy = client::number(model_.snapshot, "cpu.busy_ratio");
    const auto cores = client::whole(model_.snapshot, "cpu.cores");
    const auto level = level_of("cpu");
    std::string right = percent(busy);
    if (cores) right += " of " + std::to_string(*cores) + (*cores == 1 ? " core" : " cores");
    const Rect inner = frame(placed, "CPU", right, level);
    std::vector<Piece> words;
    const auto add = [&](const char* what, const std::string& text, Pen pen = {}) {
      words.push_back({what, kFaint});
      words.push_back({text, pen, 1});
    };
    const auto load = client::list(model_.snapshot, "cpu.load");
    if (load.size() == 3 && load[0].is_number()) {
      std::string text;
      for (const auto& one : load) {
        text += (text.empty() ? "" : " ") + show_number(one.to_number<double>(), 1);
      }
      add("load", text);
    }
    add("user", percent(client::number(model_.snapshot, "cpu.user_ratio")));
    add("system", percent(client::number(model_.snapshot, "cpu.system_ratio")));
    const auto share = [&](const char* what, const char* member) {
      const auto ratio = client::number(model_.snapshot, member);
      if (ratio) add(what, percent(ratio), *ratio >= 0.05 ? Pen{Ink::warning} : Pen());
    };
    share("iowait", "cpu.iowait_ratio");
    share("steal", "cpu.steal_ratio");
    share("stall", "stall.cpu.some.avg10_ratio");
    for (const auto& sensor : client::list(model_.snapshot, "temperature")) {
      const auto name = client::text(sensor, "sensor");
      if (name.find("Package") == std::string::npos && name.find("Tctl") == std::string::npos)
        continue;
      if (const auto heat = client::number(sensor, "celsius")) {
        add("package", show_number(*heat) + look_.degrees());
      }
      break;
    }
    for (const auto& meter : client::list(model_.snapshot, "power")) {
      if (const auto watts = client::number(meter, "watts")) {
        add(client::text(meter, "sensor").c_str(), show_number(*watts) + " W");
        break;
      }
    }
    flow_pairs(inner.x, inner.y + inner.height - 1, inner.x + inner.width, words);
    Rect area{inner.x, inner.y, inner.width, inner.height - 1};
    const auto& each = client::list(model_.snapshot, "cpu.each");
    if (each.empty() || area.height < 2) {
      graph(area, "cpu", Ink::cpu);
      return;
    }
    const int count = static_cast<int>(each.size());
    constexpr int kBars = 14;
    const int bar_columns = (count + area.height - 1) / area.height;
    if (bar_columns * kBars <= area.width * 3 / 5) {
      const int width = std::min(bar_columns * 18, std::max(bar_columns * kBars, area.width / 2));
      core_bars({area.x + area.width - width, area.y, width, area.height}, each, bar_columns);
      graph({area.x, area.y, area.width - width - 1, area.height}, "cpu", Ink::cpu);
      return;
    }
    // Too many for bars: a strip of blocks below the graph, one column a core.
    const int per_line = area.width - 4;
    const int lines =
        std::clamp((count + per_line - 1) / per_line, 1, std::max(area.height - 2, 1));
    core_strip({area.x, area.y + area.height - lines, area.width, lines}, each);
    graph({area.x, area.y, area.width, area.height - lines}, "cpu", Ink::cpu);
  }

  /// Pieces by twos, a word and its value: both or none.
  void flow_pairs(int x, int y, int end, const std::vector<Piece>& pieces) {
    for (std::size_t i = 0; i + 1 < pieces.size(); i += 2) {
      const int need = columns_of(pieces[i].text) + 1 + columns_of(pieces[i + 1].text);
      if (x + need > end) continue;
      x = flow(x, y, end, {pieces[i], pieces[i + 1]}) + 2;
    }
  }

  static Pen core_pen(std::optional<double> busy) {
    if (!busy) return kFaint;
    const int shade = std::clamp(static_cast<int>(*busy * kShades) + 1, 1, kShades - 1);
    return {Ink::cpu, static_cast<std::uint8_t>(shade)};
  }

  void core_bars(const Rect& rect, const client::json::array& each, int columns) {
    const int width = rect.width / columns;
    for (std::size_t i = 0; i < each.size(); ++i) {
      const int column = static_cast<int>(i) / rect.height;
      const int x = rect.x + column * width;
      const int y = rect.y + static_cast<int>(i) % rect.height;
      const auto busy = client::number(each[i], "busy_ratio");
      const auto number = client::whole(each[i], "number").value_or(static_cast<std::int64_t>(i));
      canvas_.put_right(x + 3, y, std::to_string(number), kFaint, 4);
      draw_bar(canvas_, x + 5, y, width - 10, {{busy.value_or(0), "■", core_pen(busy)}});
      canvas_.put_right(x + width - 1, y, busy ? show_number(*busy * 100) + "%" : kNone,
                        busy && *busy > 0.005 ? Pen() : kFaint, 4);
    }
  }

  void core_strip(const Rect& rect, const client::json::array& each) {
    const int per_line = rect.width - 4;
    for (std::size_t i = 0; i < each.size(); ++i) {
      const int line = static_cast<int>(i) / per_line;
      if (line >= rect.height) break;
      const int column = static_cast<int>(i) % per_line;
      if (column == 0) canvas_.put_right(rect.x + 2, rect.y + line, std::to_string(i), kFaint, 3);
      const auto busy = client::number(each[i], "busy_ratio");
      canvas_.put(rect.x + 4 + column, rect.y + line, block_of(busy), core_pen(busy), 1);
    }
  }

  // ---- memory

  void memory(const Placed& placed) {
    const auto amount = [&](const char* member) {
      return client::whole(model_.snapshot, std::string("memory.") + member);
    };
    const auto total = amount("total_bytes");
    const auto used = amount("used_bytes");
    const auto* room = room_of("memory");
    const auto level = level_of("memory");
    std::string right = used && total ? show_bytes_of(*used, *total) : kNone;
    const Rect inner = frame(placed, "memory", right, level);

    struct Entry {
      const char* name;
      std::optional<std::int64_t> bytes;
      bool even_when_none;
    };
    const auto swap_total = amount("swap_total_bytes");
    const auto swap_free = amount("swap_free_bytes");
    std::optional<std::int64_t> swap;
    if (swap_total && swap_free && *swap_total > 0) swap = *swap_total - *swap_free;
    const auto of_room = [&](const char* member) {
      return room == nullptr ? std::nullopt : client::whole(*room, member);
    };
    const std::vector<Entry> all{{"room", of_room("room_bytes"), true},
                                 {"booked", of_room("booked_bytes"), true},
                                 {"unbooked", of_room("unbooked_bytes"), false},
                                 {"cache", amount("cached_bytes"), true},
                                 {"free", amount("free_bytes"), true},
                                 {"swap", swap, true},
                                 {"shared", amount("shared_bytes"), false},
                                 {"limit", amount("limit_bytes"), false},
                                 {"ARC", amount("arc_bytes"), false},
                                 {"huge", amount("huge_total_bytes"), false},
                                 {"zram", amount("zram_bytes"), false},
                                 {"zswap", amount("zswap_bytes"), false},
                                 {"dirty", amount("dirty_bytes"), false}};
    std::vector<Entry> entries;
    for (const auto& entry : all) {
      if (entry.bytes && (entry.even_when_none || *entry.bytes > 0)) entries.push_back(entry);
    }
    const int columns = std::max(inner.width / 20, 1);
    const int wanted = (static_cast<int>(entries.size()) + columns - 1) / columns;
    const int lines =
        std::clamp(wanted, 0, std::max(inner.height - 1 - (inner.height >= 5 ? 2 : 0), 0));
    const int graph_height = inner.height - 1 - lines;
    graph({inner.x, inner.y, inner.width, graph_height}, "memory", Ink::memory);
    if (used && total) {
      draw_bar(canvas_, inner.x, inner.y + graph_height, inner.width,
               segments(static_cast<double>(*used), static_cast<double>(*total), room, Ink::memory),
               ticks("memory"));
    }
    const int width = inner.width / columns;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const int line = static_cast<int>(i) / columns;
      if (line >= lines) break;
      const int x = inner.x + static_cast<int>(i) % columns * width;
      const int y = inner.y + graph_height + 1 + line;
      const bool is_room = entries[i].name == std::string_view("room");
      canvas_.put(x, y, entries[i].name, kFaint, width);
      canvas_.put_right(x + width - (columns > 1 ? 3 : 1), y, show_bytes(*entries[i].bytes),
                        is_room ? kBold : Pen(), width - 8);
    }
  }

  // ---- traffic

  std::vector<const value*> interfaces() const {
    std::vector<const value*> out;
    for (const auto& interface : client::list(model_.snapshot, "network")) {
      const bool moved = client::whole(interface, "received_bytes_total").value_or(0) > 0;
      const auto* up = client::find(interface, "up");
      const bool down = up != nullptr && up->is_bool() && !up->as_bool();
      if (moved && !down && client::text(interface, "name") != "lo") out.push_back(&interface);
    }
    std::stable_sort(out.begin(), out.end(), [](const value* a, const value* b) {
      return client::whole(*a, "received_bytes_total").value_or(0) >
             client::whole(*b, "received_bytes_total").value_or(0);
    });
    if (out.size() > 3) out.resize(3);
    return out;
  }

  std::vector<const value*> disks() const {
    std::vector<const value*> out;
    for (const auto& disk : client::list(model_.snapshot, "disk")) out.push_back(&disk);
    const auto bytes_moved = [](const value* disk) {
      return client::whole(*disk, "read_bytes_total").value_or(0) +
             client::whole(*disk, "written_bytes_total").value_or(0);
    };
    std::stable_sort(out.begin(), out.end(), [&](const value* a, const value* b) {
      return bytes_moved(a) > bytes_moved(b);
    });
    if (out.size() > 3) out.resize(3);
    return out;
  }

  void traffic(const Placed& placed) {
    const Rect inner = frame(placed, "network and disks", "");
    const auto nets = interfaces();
    const auto drives = disks();
    std::vector<const value*> mounts;
    for (const auto& one : client::list(model_.snapshot, "filesystem")) mounts.push_back(&one);
    // The fullest first: that is the one that will be asked about.
    const auto fullness = [](const value* one) {
      const auto total = client::number(*one, "total_bytes").value_or(0);
      return total <= 0 ? 0.0 : 1 - client::number(*one, "available_bytes").value_or(0) / total;
    };
    std::stable_sort(mounts.begin(), mounts.end(),
                     [&](const value* a, const value* b) { return fullness(a) > fullness(b); });
    int moving = static_cast<int>(nets.size() + drives.size());
    int still = static_cast<int>(mounts.size());
    // Each kind keeps a line as long as there is one.
    while (moving + still > inner.height && still > 1) --still;
    moving = std::min(moving, inner.height - still);
    const int spare = std::max(inner.height - moving - still, 0);
    const int tall = moving > 0 ? std::min(1 + spare / moving, 3) : 1;
    int y = inner.y;
    int drawn = 0;
    const int nets_drawn = std::min<int>(static_cast<int>(nets.size()), std::max(1, moving - 1));
    for (int i = 0; i < nets_drawn && drawn < moving; ++i, ++drawn, y += tall) {
      const auto& one = *nets[static_cast<std::size_t>(i)];
      const auto name = client::text(one, "name");
      pair_line(
          {inner.x, y, inner.width, tall}, name, "",
          {"↓", "receive:" + name, client::number(one, "received_bytes_per_second"), Ink::receive},
          {"↑", "send:" + name, client::number(one, "sent_bytes_per_second"), Ink::send});
    }
    for (std::size_t i = 0; i < drives.size() && drawn < moving; ++i, ++drawn, y += tall) {
      const auto& one = *drives[i];
      const auto name = client::text(one, "name");
      const auto busy = client::number(one, "busy_ratio");
      pair_line({inner.x, y, inner.width, tall}, name, busy ? percent(busy) : "",
                {"r", "read:" + name, client::number(one, "read_bytes_per_second"), Ink::receive},
                {"w", "write:" + name, client::number(one, "written_bytes_per_second"), Ink::send});
    }
    for (int i = 0; i < still && y < inner.y + inner.height; ++i, ++y) {
      filesystem(inner.x, y, inner.width, *mounts[static_cast<std::size_t>(i)]);
    }
  }

  struct Direction {
    const char* sign;
    std::string series;
    std::optional<double> per_second;
    Ink ink;
  };

  void pair_line(const Rect& rect, const std::string& name, const std::string& note,
                 const Direction& one, const Direction& other) {
    constexpr int kName = 8;
    constexpr int kRate = 9;
    canvas_.put(rect.x, rect.y, name, {}, kName - 1);
    if (!note.empty() && rect.height > 1) canvas_.put(rect.x, rect.y + 1, note, kFaint, kName - 1);
    const int half = (rect.width - kName) / 2;
    int x = rect.x + kName;
    for (const auto* direction : {&one, &other}) {
      canvas_.put(x, rect.y, direction->sign, Pen{direction->ink}, 1);
      canvas_.put_right(x + 1 + kRate - 1, rect.y, rate(direction->per_second), {}, kRate);
      const int width = half - kRate - 3;
      // The least full scale is 64 KiB/s: an idle line is not shown as a storm.
      if (width > 2) {
        rate_graph({x + kRate + 2, rect.y, width, rect.height}, direction->series, 65536,
                   direction->ink);
      }
      x += half;
    }
  }

  void filesystem(int x, int y, int width, const value& one) {
    const auto mount = client::text(one, "mount");
    const auto total = client::whole(one, "total_bytes");
    const auto available = client::whole(one, "available_bytes");
    const auto level = level_of("disk", mount);
    std::string amount = kNone;
    std::vector<Segment> bar;
    if (total && available && *total > 0) {
      amount = show_bytes(*available) + " free";
      const double share = 1 - static_cast<double>(*available) / static_cast<double>(*total);
      bar = {{share, "█", Pen{Ink::disk, kShades - 3}}};
    }
    std::vector<Piece> words;
    if (client::is_true(one, "stale")) words.push_back({"does not answer", Pen{Ink::warning}, 1});
    if (!level.empty() && level != "ok") words.push_back({level, pen_of(level), 1});
    if (const auto full = parse_time(client::text(one, "full_at"))) {
      words.push_back({"full " + show_time(*full, model_.now), Pen{Ink::warning}, 1});
    }
    int words_width = 0;
    for (const auto& word : words) words_width += columns_of(word.text) + 1;
    const int name_width = std::clamp(width / 4, 8, 24);
    canvas_.put(x, y, mount, {}, name_width - 1);
    const int amount_width = 13;
    const int bar_width = width - name_width - amount_width - 1 - words_width;
    if (bar_width > 3) draw_bar(canvas_, x + name_width, y, bar_width, bar, ticks("disk"));
    canvas_.put_right(x + width - words_width - 1, y, amount, {}, amount_width);
    flow(x + width - words_width + 1, y, x + width, words);
  }

  // ---- tables

  struct Field {
    std::string name;
    int width;
    bool right;
    int drop;  ///< the greatest goes first where it is narrow; 0 stays
    bool flexible = false;
  };
  struct CellText {
    std::string text;
    Pen pen;
  };

  int scroll_to(Panel panel, const std::vector<const value*>& rows, int lines) {
    auto& first = view_.scroll[panel];
    const auto chosen = view_.selected.find(panel);
    if (chosen != view_.selected.end() && !chosen->second.empty()) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (row_key(panel, *rows[i]) != chosen->second) continue;
        const int at = static_cast<int>(i);
        if (at < first) first = at;
        if (at >= first + lines) first = at - lines + 1;
      }
    }
    first = std::clamp(first, 0, std::max(0, static_cast<int>(rows.size()) - lines));
    return first;
  }

  template <typename Row>
  void table(Panel panel, const Rect& inner, std::vector<Field> fields,
             const std::vector<const value*>& rows, const Row& cells_of) {
    constexpr int kGap = 2;
    constexpr int kLeastFlexible = 12;
    std::vector<bool> kept(fields.size(), true);
    const auto fixed = [&] {
      int sum = 0;
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (kept[i]) sum += (fields[i].flexible ? kLeastFlexible : fields[i].width) + kGap;
      }
      return sum - kGap;
    };
    while (fixed() > inner.width) {
      std::size_t worst = fields.size();
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (kept[i] && fields[i].drop > 0 &&
            (worst == fields.size() || fields[i].drop > fields[worst].drop)) {
          worst = i;
        }
      }
      if (worst == fields.size()) break;
      kept[worst] = false;
    }
    const int extra = std::max(inner.width - fixed(), 0);
    const auto line = [&](int y, const std::vector<CellText>& cells) {
      int x = inner.x;
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!kept[i]) continue;
        const int width = fields[i].flexible ? kLeastFlexible + extra : fields[i].width;
        const int room = std::min(width, inner.x + inner.width - x);
        if (fields[i].right) {
          canvas_.put_right(x + width - 1, y, cells[i].text, cells[i].pen, room);
        } else {
          canvas_.put(x, y, cells[i].text, cells[i].pen, room);
        }
        x += width + kGap;
      }
    };
    std::vector<CellText> names;
    for (const auto& field : fields) names.push_back({field.name, kFaint});
    line(inner.y, names);
    const int lines = inner.height - 1;
    const int first = scroll_to(panel, rows, lines);
    if (view_.focus == panel) view_.page = lines;
    for (int i = 0; i < lines && first + i < static_cast<int>(rows.size()); ++i) {
      const int at = first + i;
      const auto& row = *rows[static_cast<std::size_t>(at)];
      line(inner.y + 1 + i, cells_of(row));
      if (view_.focus == panel && row_key(panel, row) == view_.selected[panel]) {
        canvas_.mark(inner.x - 1, inner.y + 1 + i, inner.width + 2, true, true);
      }
    }
  }

  /// Everything a set of amounts holds, shortest words: "12.0 GiB GPU  4.0 GiB  2.0 cores".
  static std::string amounts(const value* set) {
    if (set == nullptr) return kNone;
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (const auto gpu = client::whole(*set, "gpu_memory_bytes")) add(show_bytes(*gpu) + " GPU");
    if (const auto memory = client::whole(*set, "memory_bytes")) add(show_bytes(*memory));
    if (const auto cores = client::number(*set, "cpu_cores")) add(show_cores(*cores));
    if (const auto disk = client::whole(*set, "disk_bytes")) add(show_bytes(*disk) + " disk");
    return text.empty() ? std::string(kNone) : text;
  }

  void leases(const Placed& placed) {
    const auto rows = rows_of(Panel::leases, model_, view_);
    int waiting = 0;
    for (const auto* lease : rows) {
      if (client::text(*lease, "state") == "waiting") ++waiting;
    }
    std::string right;
    if (!rows.empty())
      right = std::to_string(rows.size() - static_cast<std::size_t>(waiting)) + " held";
    if (waiting > 0) right += ", " + std::to_string(waiting) + " waiting";
    const Rect inner = frame(placed, "leases", right);
    if (rows.empty()) {
      canvas_.put(inner.x, inner.y,
                  model_.link == Link::local
                      ? "leases need the daemon: headroomd"
                      : "nothing is booked: headroom run --mem 6G -- COMMAND books",
                  kFaint, inner.width);
      return;
    }
    table(Panel::leases, inner,
          {{"LEASE", 6, false, 6},
           {"NAME", 14, false, 0, true},
           {"OWNER", 8, false, 5},
           {"STATE", 9, false, 0},
           {"BOOKED", 24, false, 3},
           {"MEASURED", 24, false, 4},
           {"WHERE", 6, false, 2},
           {"FOR", 9, true, 1}},
          rows, [&](const value& lease) { return lease_cells(lease); });
  }

  std::vector<CellText> lease_cells(const value& lease) const {
    const auto state = client::text(lease, "state");
    const bool waits = state == "waiting";
    std::string where = kNone;
    if (const auto gpus = gpu_indices(lease); !gpus.empty()) where = "GPU " + gpus;
    CellText when{kNone, kFaint};
    if (waits) {
      const auto place = client::whole(lease, "place");
      where = place && *place > 0 ? "#" + std::to_string(*place) : std::string(kNone);
      const auto earliest = parse_time(client::text(lease, "earliest"));
      when = {earliest ? "at " + show_time(*earliest, model_.now) : "unknown", {}};
    } else if (const auto granted = parse_time(client::text(lease, "granted_at"))) {
      when = {show_span(std::max(0.0, model_.now - *granted)), {}};
    }
    const bool over = client::is_true(lease, "over");
    Pen state_pen = waits ? Pen{Ink::warning} : state == "active" ? Pen{Ink::ok} : Pen();
    if (over) state_pen = Pen{Ink::critical, kShades - 1, true, false};
    const auto* booked = client::find(lease, "booked");
    if (waits) {
      const auto* needed = client::find(lease, "needs");
      if (needed != nullptr) booked = needed;
    }
    return {{printable(client::text(lease, "id")), kFaint},
            {text_cell(client::text(lease, "name")), {}},
            {text_cell(client::text(lease, "owner")), {}},
            {over ? "OVER" : printable(state), state_pen},
            {amounts(booked), {}},
            {waits ? std::string(kNone) : amounts(client::find(lease, "measured")),
             over ? Pen{Ink::critical} : Pen()},
            {where, {}},
            when};
  }

  void processes(const Placed& placed) {
    const auto rows = rows_of(Panel::processes, model_, view_);
    const auto total = client::whole(model_.processes, "total");
    std::string right;
    if (!model_.processes.is_null()) {
      right = "by " + view_.sort + "  " + std::to_string(rows.size());
      if (total) right += " of " + std::to_string(*total);
    }
    const Rect inner =
        frame(placed, view_.filter.empty() ? "processes" : "processes / " + view_.filter, right);
    if (model_.processes.is_null()) {
      canvas_.put(inner.x, inner.y, "the processes are not known", kFaint, inner.width);
      return;
    }
    if (rows.empty() && !view_.filter.empty()) {
      canvas_.put(inner.x, inner.y, "none matches; esc clears the filter", kFaint, inner.width);
      return;
    }
    const bool any_gpu = !client::list(model_.snapshot, "gpu").empty();
    std::vector<Field> fields{
        {"PID", 7, true, 0},     {"USER", 8, false, 3},  {"GPU", 3, true, 4},
        {"GPU MEM", 9, true, 1}, {"MEM", 9, true, 0},    {"CPU", 6, true, 0},
        {"LEASE", 12, false, 2}, {"UNIT", 16, false, 6}, {"COMMAND", 12, false, 0, true}};
    if (!any_gpu) fields[2].drop = fields[3].drop = 90;
    if (!any_gpu) {
      fields.erase(fields.begin() + 2, fields.begin() + 4);
    }
    table(Panel::processes, inner, fields, rows, [&](const value& process) {
      auto cells = process_cells(process);
      if (!any_gpu) cells.erase(cells.begin() + 2, cells.begin() + 4);
      return cells;
    });
  }

  std::vector<CellText> process_cells(const value& process) const {
    const auto pid = client::whole(process, "pid");
    std::string devices;
    for (const auto& gpu : client::list(process, "gpus")) {
      if (const auto index = client::whole(gpu, "index")) {
        devices += (devices.empty() ? "" : ",") + std::to_string(*index);
      }
    }
    auto command = client::text(process, "command");
    if (command.empty()) command = client::text(process, "name");
    auto unit = client::text(process, "container");
    if (unit.empty()) unit = client::text(process, "unit");
    auto lease = client::text(process, "lease_name");
    if (lease.empty()) lease = client::text(process, "lease");
    const auto cores = client::number(process, "cpu_cores");
    const bool works = cores && *cores >= 0.01;
    return {{pid ? std::to_string(*pid) : kNone, kFaint},
            {text_cell(client::text(process, "user")), {}},
            {devices.empty() ? kNone : devices, devices.empty() ? kFaint : Pen()},
            {bytes(client::whole(process, "gpu_memory_bytes")),
             client::find(process, "gpu_memory_bytes") != nullptr ? Pen{Ink::gpu} : kFaint},
            {bytes(client::whole(process, "memory_bytes")), {}},
            {cores ? show_number(*cores * 100, *cores < 0.0995 ? 1 : 0) + "%" : kNone,
             works ? Pen() : kFaint},
            {lease.empty() ? kNone : lease, lease.empty() ? kFaint : Pen{Ink::booked}},
            {unit.empty() ? kNone : unit, kFaint},
            {command, {}}};
  }

  // ---- overlays

  void box(const std::string& title, const std::vector<std::vector<Piece>>& lines) {
    int width = columns_of(title) + 8;
    for (const auto& line : lines) {
      int columns = 0;
      for (const auto& piece : line) columns += columns_of(piece.text) + piece.gap;
      width = std::max(width, columns + 6);
    }
    width = std::min(width, canvas_.width() - 4);
    const int height = std::min(static_cast<int>(lines.size()) + 2, canvas_.height() - 2);
    const Rect rect{(canvas_.width() - width) / 2, (canvas_.height() - height) / 2, width, height};
    draw_frame(canvas_, rect, "", title, "", "", {}, true);
    for (int i = 0; i < height - 2; ++i) {
      int x = rect.x + 3;
      for (const auto& piece : lines[static_cast<std::size_t>(i)]) {
        x += piece.gap;
        x += canvas_.put(x, rect.y + 1 + i, piece.text, piece.pen, rect.x + width - 2 - x);
      }
    }
  }

  static std::vector<Piece> pair(std::string what, std::string text) {
    what.resize(std::max<std::size_t>(what.size(), 13), ' ');
    return {{std::move(what), kFaint, 0}, {std::move(text), {}, 1}};
  }

  void help() {
    std::vector<std::vector<Piece>> lines;
    const auto add = [&](std::string key, const char* what) {
      key.resize(std::max<std::size_t>(key.size(), 13), ' ');
      lines.push_back({{std::move(key), kBold, 0}, {what, {}, 1}});
    };
    add("q, ^C", "quit");
    add("tab, arrows", "the next panel; up and down choose a row");
    add("j k g G", "down, up, first, last row");
    add("1 to 6", "go to a panel; again: hide it, and show it");
    add("enter", "details of the chosen GPU, lease or process");
    add("s", "sort processes by gpu, mem, cpu or pid");
    add("/", "only processes with this in name, user, lease or unit");
    add("esc", "clear the filter and the choice");
    add("space", "hold the picture");
    add("+ -", "longer and shorter between pictures");
    add("l", "end the chosen lease, if it is yours (asks first)");
    lines.push_back({{"", {}, 0}});
    lines.push_back({{"█", Pen{Ink::memory}, 0},
                     {"used", kFaint, 1},
                     {"▒", Pen{Ink::booked}, 2},
                     {"booked, not yet used", kFaint, 1},
                     {"╱", Pen{Ink::reserve}, 2},
                     {"kept back", kFaint, 1},
                     {"·", Pen{Ink::frame}, 2},
                     {"room", kFaint, 1},
                     {"╎", Pen{Ink::warning}, 2},
                     {"threshold", kFaint, 1}});
    lines.push_back(
        {{"busy is the share of time some program ran on the GPU, not how well", kFaint, 0}});
    box("keys", lines);
  }

  void confirm() {
    std::string name = view_.ending;
    for (const auto& lease : model_.leases) {
      if (client::text(lease, "id") == view_.ending) name = lease_name(lease);
    }
    box("end a lease",
        {{{"End " + name + "?", kBold, 0}},
         {{"What it booked can be booked by others; its program is not stopped.", kFaint, 0}},
         {{"", {}, 0}},
         {{"y", kBold, 0}, {"ends it", {}, 1}, {"any other key", kBold, 4}, {"does not", {}, 1}}});
  }

  void details() {
    const auto chosen = view_.selected.find(view_.focus);
    if (chosen == view_.selected.end()) return;
    for (const auto* row : rows_of(view_.focus, model_, view_)) {
      if (row_key(view_.focus, *row) != chosen->second) continue;
      if (view_.focus == Panel::gpu) gpu_details(*row);
      if (view_.focus == Panel::leases) lease_details(*row);
      if (view_.focus == Panel::processes) process_details(*row);
      return;
    }
    box("gone", {{{chosen->second + " is no longer there", {}, 0}}});
  }

  void gpu_details(const value& gpu) {
    std::vector<std::vector<Piece>> lines;
    const auto add = [&](const char* what, const std::string& text) {
      if (!text.empty()) lines.push_back(pair(what, text));
    };
    const auto id = client::text(gpu, "id");
    add("name", printable(client::text(gpu, "name")));
    add("id", printable(id));
    add("PCI", printable(client::text(gpu, "pci")));
    add("slice of", printable(client::text(gpu, "parent")));
    add("state", printable(client::text(gpu, "state")));
    add("because", printable(client::text(gpu, "state_reason")));
    add("memory", show_bytes_of(client::whole(gpu, "memory_used_bytes").value_or(0),
                                client::whole(gpu, "memory_total_bytes").value_or(0)));
    if (const auto kept = client::whole(gpu, "memory_reserved_bytes")) {
      add("driver keeps", show_bytes(*kept));
    }
    if (const auto* room = room_of("gpu_memory", id)) {
      for (const char* term : {"room", "booked", "unbooked", "reserve", "margin"}) {
        add(term, bytes(client::whole(*room, std::string(term) + "_bytes")));
      }
      add("because", printable(client::text(*room, "why")));
    }
    if (const auto busy = client::number(gpu, "busy_ratio")) {
      std::string text = show_number(*busy * 100) + " %";
      if (const auto of_memory = client::number(gpu, "memory_busy_ratio")) {
        text += ", its memory " + show_number(*of_memory * 100) + " %";
      }
      add("busy", text);
    }
    const auto limited = [&](const char* member, const char* limit, const char* unit) {
      const auto now = client::number(gpu, member);
      const auto most = client::number(gpu, limit);
      return now ? show_number(*now) + (most ? " of " + show_number(*most) : "") + unit
                 : std::string();
    };
    add("temperature",
        limited("temperature_celsius", "temperature_limit_celsius", look_.degrees()));
    add("power", limited("power_watts", "power_limit_watts", " W"));
    if (const auto fan = client::number(gpu, "fan_ratio")) {
      add("fan", show_number(*fan * 100) + " %");
    }
    if (const auto compute = client::number(gpu, "compute"))
      add("compute", show_number(*compute, 1));
    if (const auto clock = client::number(gpu, "clock_mhz")) {
      std::string text = show_number(*clock) + " MHz";
      if (const auto memory_clock = client::number(gpu, "memory_clock_mhz")) {
        text += ", memory " + show_number(*memory_clock) + " MHz";
      }
      add("clocks", text);
    }
    const auto corrected = client::whole(gpu, "ecc_corrected_total");
    const auto uncorrected = client::whole(gpu, "ecc_uncorrected_total");
    if (corrected || uncorrected) {
      add("ECC", std::to_string(corrected.value_or(0)) + " corrected, " +
                     std::to_string(uncorrected.value_or(0)) + " uncorrected");
    }
    for (const auto& process : client::list(gpu, "processes")) {
      const auto pid = client::whole(process, "pid").value_or(0);
      add("process", std::to_string(pid) + " " + process_name(pid) + "  " +
                         bytes(client::whole(process, "memory_bytes")));
      if (lines.size() > 30) break;
    }
    const auto* known = client::find(gpu, "processes_known");
    if (known != nullptr && known->is_bool() && !known->as_bool()) {
      add("processes", "the driver does not name them");
    }
    const auto index = client::whole(gpu, "index");
    box("GPU " + (index ? std::to_string(*index) : "?"), lines);
  }

  void lease_details(const value& lease) {
    std::vector<std::vector<Piece>> lines;
    const auto add = [&](const char* what, const std::string& text) {
      if (!text.empty() && text != kNone) lines.push_back(pair(what, text));
    };
    const auto at = [&](const char* member) {
      const auto time = parse_time(client::text(lease, member));
      return time ? show_time(*time, model_.now) : std::string();
    };
    add("state", client::text(lease, "state") + (client::is_true(lease, "over") ? ", OVER" : "") +
                     (client::is_true(lease, "frozen") ? ", FROZEN" : ""));
    add("owner", printable(client::text(lease, "owner")));
    add("priority", printable(client::text(lease, "priority")));
    add("booked", amounts(client::find(lease, "booked")));
    add("measured", amounts(client::find(lease, "measured")));
    add("peak", amounts(client::find(lease, "peak")));
    add("device", printable(client::text(lease, "device")));
    for (const auto& device : client::list(lease, "devices")) {
      const auto id = client::text(device, "device");
      if (id != client::text(lease, "device")) add("and", printable(id));
    }
    if (const auto pid = client::whole(lease, "holder.pid")) add("process", std::to_string(*pid));
    add("asked", at("asked_at"));
    add("granted", at("granted_at"));
    add("expires", at("expires_at"));
    if (const auto seconds = client::number(lease, "expected_seconds")) {
      add("expected", show_span(*seconds) + " (" + client::text(lease, "expected_from") + ")");
    }
    if (const auto place = client::whole(lease, "place"); place && *place > 0) {
      add("place", std::to_string(*place));
      add("earliest", at("earliest").empty() ? "unknown" : at("earliest"));
    }
    add("why", printable(client::text(lease, "why")));
    add("group", printable(client::text(lease, "group.path")));
    if (const auto kills = client::whole(lease, "oom_kills"); kills && *kills > 0) {
      add("OOM kills", std::to_string(*kills));
    }
    box("lease " + lease_name(lease), lines);
  }

  void process_details(const value& process) {
    std::vector<std::vector<Piece>> lines;
    const auto add = [&](const char* what, const std::string& text) {
      if (!text.empty() && text != kNone) lines.push_back(pair(what, text));
    };
    add("command", printable(client::text(process, "command")));
    add("user", printable(client::text(process, "user")));
    if (const auto parent = client::whole(process, "parent"))
      add("parent", std::to_string(*parent));
    add("memory", bytes(client::whole(process, "memory_bytes")));
    add("resident", bytes(client::whole(process, "resident_bytes")));
    if (const auto cores = client::number(process, "cpu_cores"))
      add("CPU", show_number(*cores, 2) + " cores");
    if (const auto spent = client::number(process, "cpu_seconds_total"))
      add("CPU time", show_span(*spent));
    for (const auto& gpu : client::list(process, "gpus")) {
      add("GPU", std::to_string(client::whole(gpu, "index").value_or(-1)) + "  " +
                     bytes(client::whole(gpu, "memory_bytes")));
    }
    auto lease = client::text(process, "lease_name");
    if (!client::text(process, "lease").empty()) {
      lease += (lease.empty() ? "" : " ") + ("(" + client::text(process, "lease") + ")");
    }
    add("lease", lease.empty() ? "none: booked by nobody" : printable(lease));
    add("unit", printable(client::text(process, "unit")));
    add("container", printable(client::text(process, "container")) +
                         (client::text(process, "engine").empty()
                              ? ""
                              : " (" + printable(client::text(process, "engine")) + ")"));
    add("pod", printable(client::text(process, "pod")));
    if (const auto started = parse_time(client::text(process, "started_at"))) {
      add("runs for", show_span(model_.now - *started));
    }
    box(printable(client::text(process, "name")) + " " + row_key(Panel::processes, process), lines);
  }

  const TopModel& model_;
  TopView& view_;
  const Look& look_;
  Canvas& canvas_;
};

}  // namespace

Canvas draw_top(const TopModel& model, TopView& view, const Look& look, int width, int height) {
  Canvas canvas(width, height, look.utf8);
  Picture(model, view, look, canvas).draw();
  return canvas;
}

}  // namespace headroom::cli
