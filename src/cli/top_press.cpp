// What the keys of `headroom top` do.
#include <algorithm>
#include <cctype>

#include "cli/cells.hpp"
#include "cli/top.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr std::size_t kLongestFilter = 60;
constexpr std::array<double, 6> kIntervals{0.25, 0.5, 1, 2, 5, 10};
constexpr std::array<const char*, 4> kSorts{"gpu", "mem", "cpu", "pid"};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool matches(const value& row, const std::string& filter) {
  if (filter.empty()) return true;
  for (const char* member :
       {"name", "command", "user", "lease", "lease_name", "unit", "container"}) {
    if (lower(client::text(row, member)).find(filter) != std::string::npos) return true;
  }
  const auto pid = client::whole(row, "pid");
  return pid && std::to_string(*pid).find(filter) != std::string::npos;
}

double sort_key(const value& row, const std::string& sort) {
  if (sort == "gpu") return client::number(row, "gpu_memory_bytes").value_or(-1);
  if (sort == "cpu") return client::number(row, "cpu_cores").value_or(-1);
  if (sort == "pid") return -client::number(row, "pid").value_or(0);
  return client::number(row, "memory_bytes").value_or(-1);
}

bool visible(const TopView& view, const TopModel& model, Panel panel) {
  if (view.hidden[static_cast<std::size_t>(panel)]) return false;
  return panel != Panel::gpu || !client::list(model.snapshot, "gpu").empty();
}

void move_focus(TopView& view, const TopModel& model, int step) {
  int at = static_cast<int>(view.focus);
  for (int i = 0; i < kPanels; ++i) {
    at = (at + step + kPanels) % kPanels;
    if (visible(view, model, static_cast<Panel>(at))) {
      view.focus = static_cast<Panel>(at);
      return;
    }
  }
}

void move_selection(TopView& view, const TopModel& model, int step) {
  const auto rows = rows_of(view.focus, model, view);
  if (rows.empty()) return;
  auto& selected = view.selected[view.focus];
  int at = -1;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (row_key(view.focus, *rows[i]) == selected) at = static_cast<int>(i);
  }
  const int last = static_cast<int>(rows.size()) - 1;
  // The first step enters the list at the end it comes from.
  at = at < 0 ? (step > 0 ? std::min(step - 1, last) : last) : std::clamp(at + step, 0, last);
  selected = row_key(view.focus, *rows[static_cast<std::size_t>(at)]);
}

const value* selected_lease(const TopView& view, const TopModel& model) {
  const auto chosen = view.selected.find(Panel::leases);
  if (chosen == view.selected.end()) return nullptr;
  for (const auto& lease : model.leases) {
    if (row_key(Panel::leases, lease) == chosen->second) return &lease;
  }
  return nullptr;
}

void ask_to_end(TopView& view, const TopModel& model) {
  const auto* lease = selected_lease(view, model);
  if (view.focus != Panel::leases || lease == nullptr) {
    view.message = "choose a lease first: 5, then arrows";
    return;
  }
  if (model.link != Link::daemon) {
    view.message = "no daemon answers";
    return;
  }
  if (client::whole(*lease, "uid").value_or(-2) != model.uid) {
    view.message = lease_name(*lease) + " belongs to " + text_cell(client::text(*lease, "owner")) +
                   "; only its owner ends it here";
    return;
  }
  view.ending = client::text(*lease, "id");
}

void change_interval(TopView& view, bool longer) {
  auto at = std::min_element(kIntervals.begin(), kIntervals.end(), [&](double a, double b) {
    return std::abs(a - view.interval) < std::abs(b - view.interval);
  });
  if (longer && at + 1 != kIntervals.end()) ++at;
  if (!longer && at != kIntervals.begin()) --at;
  view.interval = *at;
  view.message = "a picture every " + show_number(view.interval, view.interval < 1 ? 2 : 0) + " s";
}

/// A key while the filter is typed.
void type_filter(TopView& view, const Key& key) {
  using Name = Key::Name;
  if (key.name == Name::enter) {
    view.typing = false;
  } else if (key.name == Name::escape) {
    view.typing = false;
    view.filter.clear();
  } else if (key.name == Name::backspace) {
    while (!view.filter.empty() &&
           (static_cast<unsigned char>(view.filter.back()) & 0xC0U) == 0x80U) {
      view.filter.pop_back();
    }
    if (!view.filter.empty()) view.filter.pop_back();
  } else if (key.name == Name::text && view.filter.size() + key.text.size() <= kLongestFilter) {
    view.filter += key.text;
  }
}

}  // namespace

const char* to_string(Panel panel) {
  constexpr std::array<const char*, kPanels> kNames{"GPUs",    "CPU",    "memory",
                                                    "traffic", "leases", "processes"};
  return kNames[static_cast<std::size_t>(panel)];
}

std::string row_key(Panel panel, const value& row) {
  if (panel != Panel::processes) return client::text(row, "id");
  const auto pid = client::whole(row, "pid");
  return pid ? std::to_string(*pid) : "";
}

std::vector<const value*> rows_of(Panel panel, const TopModel& model, const TopView& view) {
  std::vector<const value*> rows;
  if (panel == Panel::gpu) {
    for (const auto& gpu : client::list(model.snapshot, "gpu")) rows.push_back(&gpu);
  } else if (panel == Panel::leases) {
    for (const auto& lease : model.leases) rows.push_back(&lease);
    // What runs first, then the queue by place.
    const auto place = [](const value* lease) {
      if (client::text(*lease, "state") != "waiting") return std::int64_t{0};
      return client::whole(*lease, "place").value_or(1 << 20);
    };
    std::stable_sort(rows.begin(), rows.end(),
                     [&](const value* a, const value* b) { return place(a) < place(b); });
  } else if (panel == Panel::processes) {
    const auto filter = lower(view.filter);
    for (const auto& process : client::list(model.processes)) {
      if (matches(process, filter)) rows.push_back(&process);
    }
    std::stable_sort(rows.begin(), rows.end(), [&](const value* a, const value* b) {
      return sort_key(*a, view.sort) > sort_key(*b, view.sort);
    });
  }
  return rows;
}

TopAction press(TopView& view, const TopModel& model, const Key& key) {
  using Name = Key::Name;
  using What = TopAction::What;
  if (key.name == Name::interrupt) return {What::quit, {}};
  if (view.typing) {
    type_filter(view, key);
    return {};
  }
  if (!view.ending.empty()) {
    const std::string lease = std::exchange(view.ending, {});
    if (key.is("y") || key.is("Y")) return {What::end_lease, lease};
    view.message = "nothing was ended";
    return {};
  }
  view.message.clear();
  if (view.help || view.details) {
    const bool quit = key.is("q");
    view.help = view.details = false;
    if (quit || key.name == Name::escape || key.name == Name::enter || key.is("?")) return {};
  }
  if (key.name != Name::text) {
    switch (key.name) {
      case Name::tab:
      case Name::right:
        move_focus(view, model, 1);
        break;
      case Name::back_tab:
      case Name::left:
        move_focus(view, model, -1);
        break;
      case Name::up:
        move_selection(view, model, -1);
        break;
      case Name::down:
        move_selection(view, model, 1);
        break;
      case Name::wheel_up:
        move_selection(view, model, -3);
        break;
      case Name::wheel_down:
        move_selection(view, model, 3);
        break;
      case Name::page_up:
        move_selection(view, model, -std::max(view.page, 1));
        break;
      case Name::page_down:
        move_selection(view, model, std::max(view.page, 1));
        break;
      case Name::home:
        move_selection(view, model, -(1 << 20));
        break;
      case Name::end:
        move_selection(view, model, 1 << 20);
        break;
      case Name::enter:
        if (!rows_of(view.focus, model, view).empty()) {
          if (view.selected[view.focus].empty()) move_selection(view, model, 1);
          view.details = true;
        }
        break;
      case Name::escape:
        view.filter.clear();
        view.selected.erase(view.focus);
        break;
      default:
        break;
    }
    return {};
  }
  if (key.is("q")) return {What::quit, {}};
  if (key.is("?") || key.is("h")) view.help = true;
  if (key.is("j")) move_selection(view, model, 1);
  if (key.is("k")) move_selection(view, model, -1);
  if (key.is("g")) move_selection(view, model, -(1 << 20));
  if (key.is("G")) move_selection(view, model, 1 << 20);
  if (key.is("l")) ask_to_end(view, model);
  if (key.is(" ")) view.paused = !view.paused;
  if (key.is("/")) {
    view.typing = true;
    view.focus = Panel::processes;
    view.hidden[static_cast<std::size_t>(Panel::processes)] = false;
  }
  if (key.is("s")) {
    const auto at = std::find(kSorts.begin(), kSorts.end(), view.sort);
    view.sort = at == kSorts.end() || at + 1 == kSorts.end() ? kSorts.front() : *(at + 1);
    view.message = "processes by " + view.sort;
  }
  if (key.is("+") || key.is("=") || key.is("-")) {
    change_interval(view, !key.is("-"));
    return {What::interval, {}};
  }
  if (key.text.size() == 1 && key.text[0] >= '1' && key.text[0] < '1' + kPanels) {
    // The first press goes there, the second hides it.
    const auto panel = static_cast<Panel>(key.text[0] - '1');
    auto& hidden = view.hidden[static_cast<std::size_t>(panel)];
    if (hidden) {
      hidden = false;
      view.focus = panel;
    } else if (view.focus != panel) {
      view.focus = panel;
    } else {
      hidden = true;
      move_focus(view, model, 1);
    }
  }
  return {};
}

}  // namespace headroom::cli
