// Where the panels of `headroom top` stand: rows by priority, heights by need.
#include <algorithm>

#include "cli/top.hpp"

namespace headroom::cli {
namespace {

constexpr int kHeader = 1;
constexpr int kFooter = 1;
constexpr int kThreeAcross = 112;   ///< columns from which CPU, memory and traffic stand together
constexpr int kTablesAcross = 180;  ///< columns from which leases and processes stand together
constexpr int kGpusAcross = 150;    ///< columns from which GPUs stand in two columns
constexpr int kNoEnd = 1000;

struct Part {
  Panel panel;
  int weight;
};

/// Panels side by side. A row with the lowest `rank` is the first to go.
struct Row {
  std::vector<Part> parts;
  int least;
  int want;
  int most;
  int rank;
  int unit = 1;  ///< grows by so many lines at once
  int height = 0;
};

bool shown(const TopNeeds& needs, Panel panel) {
  return !needs.hidden[static_cast<std::size_t>(panel)];
}

std::vector<Row> rows_for(int width, const TopNeeds& needs) {
  std::vector<Row> rows;
  const auto add = [&](std::vector<Part> parts, int least, int want, int most, int rank) {
    std::vector<Part> visible;
    for (const auto& part : parts) {
      if (shown(needs, part.panel)) visible.push_back(part);
    }
    if (!visible.empty()) rows.push_back({std::move(visible), least, want, most, rank});
  };
  if (needs.gpus > 0) {
    const int lines = width >= kGpusAcross && needs.gpus > 1 ? (needs.gpus + 1) / 2 : needs.gpus;
    add({{Panel::gpu, 1}}, 2 + std::min(lines, 6), 2 + 3 * lines, 2 + 4 * lines, 9);
    // Every device has as many lines as the others.
    if (!rows.empty() && lines <= 6) rows.back().unit = lines;
  }
  const bool together = width >= kThreeAcross;
  if (together) {
    add({{Panel::cpu, 11}, {Panel::memory, 8}, {Panel::traffic, 10}}, 5, 9,
        std::max(12, 2 + std::min(needs.traffic, 14)), 8);
  } else {
    add({{Panel::cpu, 6}, {Panel::memory, 5}}, 5, 8, 13, 8);
    add({{Panel::traffic, 1}}, 4, 2 + std::clamp(needs.traffic, 2, 4),
        2 + std::max(needs.traffic, 2), 1);
  }
  const int least_leases = needs.leases == 0 ? 3 : 4;
  const int leases = needs.leases == 0 ? 3 : 3 + std::min(needs.leases, 6);
  const bool both = shown(needs, Panel::leases) && shown(needs, Panel::processes);
  if (both && width >= kTablesAcross) {
    add({{Panel::leases, 10}, {Panel::processes, 11}}, 5, std::max(leases, 10), kNoEnd, 7);
  } else {
    add({{Panel::leases, 1}}, least_leases, leases,
        needs.leases == 0 ? 3 : 3 + std::min(needs.leases, 14), 6);
    add({{Panel::processes, 1}}, 5, 9, kNoEnd, 5);
  }
  return rows;
}

int sum_of_least(const std::vector<Row>& rows) {
  int sum = 0;
  for (const auto& row : rows) sum += row.least;
  return sum;
}

void share_out(std::vector<Row>& rows, int height) {
  while (rows.size() > 1 && sum_of_least(rows) > height) {
    rows.erase(std::min_element(rows.begin(), rows.end(),
                                [](const Row& a, const Row& b) { return a.rank < b.rank; }));
  }
  int left = height;
  for (auto& row : rows) {
    row.height = std::min(row.least, left);
    left -= row.height;
  }
  std::vector<Row*> by_rank;
  for (auto& row : rows) by_rank.push_back(&row);
  std::sort(by_rank.begin(), by_rank.end(),
            [](const Row* a, const Row* b) { return a->rank > b->rank; });
  for (int Row::* goal : {&Row::want, &Row::most}) {
    for (auto* row : by_rank) {
      const int more = std::clamp(row->*goal - row->height, 0, left) / row->unit * row->unit;
      row->height += more;
      left -= more;
    }
  }
  if (left == 0 || rows.empty()) return;
  // Nothing below wants more: the graphs of CPU and memory can always be taller.
  Row* taller = by_rank.front();
  for (auto* row : by_rank) {
    if (row->rank == 8) taller = row;
  }
  taller->height += left;
}

}  // namespace

TopLayout arrange(int width, int height, const TopNeeds& needs) {
  TopLayout layout;
  layout.too_small = width < kLeastWidth || height < kLeastHeight;
  if (layout.too_small) return layout;
  const int alerts = std::min(needs.alerts, height >= 40 ? 4 : height >= 24 ? 2 : 1);
  layout.alerts = {0, kHeader, width, alerts};
  auto rows = rows_for(width, needs);
  share_out(rows, height - kHeader - kFooter - alerts);
  int y = kHeader + alerts;
  for (const auto& row : rows) {
    int weights = 0;
    for (const auto& part : row.parts) weights += part.weight;
    int x = 0;
    int before = 0;
    for (const auto& part : row.parts) {
      before += part.weight;
      const int end = width * before / weights;
      layout.panels.push_back({part.panel, {x, y, end - x, row.height}});
      x = end;
    }
    y += row.height;
  }
  return layout;
}

}  // namespace headroom::cli
