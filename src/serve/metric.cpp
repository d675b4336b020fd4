#include "serve/metric.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "serve/json.hpp"

namespace headroom::serve {
namespace {

using std::string_view;

bool has_word(string_view name, string_view word) {
  return (name.starts_with(word) && name.substr(word.size()).starts_with('_')) ||
         name.ends_with("_" + std::string(word)) ||
         name.find("_" + std::string(word) + "_") != string_view::npos;
}

// ---------------------------------------------------------------------------------- leases

void add(std::optional<Bytes>& to, Bytes bytes) { to = to.value_or(Bytes()) + bytes; }

void count_leases(MetricFacts& facts) {
  const auto most = static_cast<std::size_t>(std::max(1, facts.config.metrics.max_series));
  std::unordered_map<string_view, std::size_t> groups;
  std::unordered_map<LeaseId, std::size_t> group_of;
  const auto group = [&](string_view name) {
    if (name.empty()) name = "unnamed";
    const auto known = groups.find(name);
    if (known != groups.end()) return known->second;
    if (groups.size() >= most) {
      name = "other";
      const auto other = groups.find(name);
      if (other != groups.end()) return other->second;
    }
    groups.emplace(name, facts.leases.size());
    facts.leases.emplace_back().name = name;
    return facts.leases.size() - 1;
  };
  for (const LeaseView& view : facts.view->leases) {
    const Lease& lease = view.lease;
    if (lease.state == LeaseState::ended) continue;
    if (lease.state == LeaseState::waiting) {
      ++facts.waiting;
      continue;
    }
    ++facts.held;
    if (lease.use) continue;  // it books nothing
    const std::size_t at = group(lease.name);
    group_of.emplace(lease.id, at);
    if (lease.parent != 0) continue;  // it draws from another's booking
    MetricFacts::LeaseGroup& out = facts.leases[at];
    const bool gpu = lease.booked.gpu_memory.count() > 0;
    add(out.booked_memory, lease.booked.memory);
    if (gpu) add(out.booked_gpu_memory, lease.booked.gpu_memory);
    if (!view.measured) continue;
    add(out.used_memory, view.measured->memory);
    if (gpu) add(out.used_gpu_memory, view.measured->gpu_memory);
  }
  if (facts.sample == nullptr) return;
  for (const HolderReading& holder : facts.sample->holders) {
    const auto found = group_of.find(holder.lease);
    if (found == group_of.end()) continue;
    MetricFacts::LeaseGroup& out = facts.leases[found->second];
    const auto memory = holder.memory_with_cache ? holder.memory_with_cache : holder.memory;
    if (memory) add(out.memory, *memory);
    if (holder.cpu) {
      out.cpu = Cores(out.cpu.value_or(Cores()).milli() + holder.cpu->milli());
    }
  }
}

// ---------------------------------------------------------------------------------- models

void count_models(MetricFacts& facts) {
  const auto most = static_cast<std::size_t>(std::max(1, facts.config.metrics.max_series));
  std::unordered_map<string_view, std::size_t> groups;
  std::unordered_set<string_view> seen;  // one that is shown twice has its requests twice
  for (const ModelView& view : facts.view->models) {
    const bool there = view.state == ModelState::resident || view.state == ModelState::draining;
    if (there) {
      auto device = std::find_if(facts.resident.begin(), facts.resident.end(),
                                 [&](const auto& one) { return one.first == view.gpu; });
      if (device == facts.resident.end()) {
        device = facts.resident.insert(facts.resident.end(), {view.gpu, 0});
      }
      ++device->second;
    }
    if (!there && view.requests == 0) continue;
    string_view name = view.model.name;
    const bool first = seen.insert(name).second;
    if (!groups.contains(name) && groups.size() >= most) name = "other";
    const auto [group, made] = groups.emplace(name, facts.models.size());
    if (made) facts.models.emplace_back().name = name;
    MetricFacts::ModelGroup& out = facts.models[group->second];
    if (there) {
      add(out.memory, view.size.memory);
      if (!view.gpu.empty()) add(out.gpu_memory, view.size.gpu_memory);
    }
    if (first) {
      out.requests += view.requests;
      out.hits += view.hits;
    }
  }
}

// ------------------------------------------------------------------------------- components

void count_components(MetricFacts& facts) {
  // Each has some twenty series.
  const auto most = static_cast<std::size_t>(std::max(1, facts.config.metrics.max_series / 20));
  for (const ComponentView& view : facts.view->components) {
    if (!view.component.registered) continue;
    const bool known = facts.components.size() < most;
    if (known) facts.components.emplace_back().name = view.component.name;
    MetricFacts::ComponentGroup& out = facts.components.back();
    if (!known) out.name = "other";
    for (const AllottedView& one : view.allotted) {
      auto& amount = out.amounts[one.what];
      amount.has += one.has;
      amount.least += one.least;
      if (one.most) amount.most = amount.most.value_or(0) + *one.most;
      if (one.demand) amount.demand = amount.demand.value_or(0) + *one.demand;
      if (one.forecast) amount.forecast = amount.forecast.value_or(0) + *one.forecast;
      if (one.sure) amount.sure = std::min(amount.sure.value_or(1), *one.sure);
      if (one.error) amount.error = std::max(amount.error.value_or(0), *one.error);
      amount.applied += one.changes;
      amount.failed += one.failures;
      if (one.accuracy) out.accuracy = std::min(out.accuracy.value_or(1), *one.accuracy);
    }
    out.applied += view.applied;
    out.failed += view.failed;
    out.timed_out += view.timed_out;
  }
}

}  // namespace

MetricFacts metric_facts(Backend& backend) {
  MetricFacts facts{.view = backend.view(),
                    .sample = nullptr,
                    .config = backend.config(),
                    .node = backend.node(),
                    .costs = std::nullopt,
                    .now = backend.now(),
                    .leases = {},
                    .models = {},
                    .components = {},
                    .resident = {}};
  facts.sample = facts.view->sample.get();
  if (!facts.node.socket.empty()) facts.costs = backend.costs();
  count_leases(facts);
  count_models(facts);
  count_components(facts);
  return facts;
}

string_view metric_unit_word(string_view unit, MetricKind kind) {
  if (unit == "1") return kind == MetricKind::gauge ? "ratio" : "";
  constexpr std::pair<string_view, string_view> kWords[] = {
      {"By", "bytes"}, {"s", "seconds"}, {"Cel", "celsius"},
      {"W", "watts"},  {"J", "joules"},  {"%", "percent"},
  };
  for (const auto& [ucum, word] : kWords) {
    if (ucum == unit) return word;
  }
  return "";  // counted things in braces have no suffix
}

std::string prometheus_label(string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

std::string prometheus_name(string_view name, string_view unit, MetricKind kind) {
  std::string out = prometheus_label(name);
  const string_view word = metric_unit_word(unit, kind);
  if (!word.empty() && !has_word(out, word)) out.append("_").append(word);
  if (kind == MetricKind::counter && !out.ends_with("_total")) out += "_total";
  return out;
}

void append_utf8(std::string& out, string_view text) {
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
    } else if (const std::size_t length = utf8_sequence(text.substr(i)); length > 0) {
      i += length;
    } else {
      out.append(text, plain, i - plain).append("\xEF\xBF\xBD");
      plain = ++i;
    }
  }
  out.append(text, plain, text.size() - plain);
}

}  // namespace headroom::serve
