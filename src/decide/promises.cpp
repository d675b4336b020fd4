#include "decide/promises.hpp"

#include <algorithm>

namespace headroom::decide {

void Promises::keep(const Record& record) {
  if (const auto* put = std::get_if<PutLease>(&record)) {
    next_lease = std::max(next_lease, put->lease.id + 1);
    leases.insert_or_assign(put->lease.id, put->lease);
  } else if (const auto* drop = std::get_if<DropLease>(&record)) {
    leases.erase(drop->id);
  } else if (const auto* put_learned = std::get_if<PutLearned>(&record)) {
    LearnedKey key{put_learned->name, put_learned->config, put_learned->device};
    if (put_learned->runs.empty()) {
      learned.erase(key);
    } else {
      learned.insert_or_assign(std::move(key), Learned{put_learned->runs, put_learned->used});
    }
  } else if (const auto* seen = std::get_if<PutAcknowledged>(&record)) {
    if (seen->acknowledged) {
      acknowledged.emplace(seen->resource, seen->device);
    } else {
      acknowledged.erase({seen->resource, seen->device});
    }
  } else if (const auto* quiet = std::get_if<PutMuted>(&record)) {
    if (quiet->until == WallTime()) {
      muted.erase({quiet->resource, quiet->device});
    } else {
      muted.insert_or_assign({quiet->resource, quiet->device}, quiet->until);
    }
  } else if (const auto* drain = std::get_if<PutDrain>(&record)) {
    if (drain->drained) {
      drained.insert_or_assign(drain->drain.device, drain->drain);
    } else {
      drained.erase(drain->drain.device);
    }
  } else if (const auto* model = std::get_if<PutModel>(&record)) {
    if (model->known) {
      models.insert_or_assign(model->model.name, model->model);
    } else {
      models.erase(model->model.name);
    }
  } else if (const auto* session = std::get_if<PutSession>(&record)) {
    if (session->known) {
      sessions.insert_or_assign({session->session.root, session->session.name}, session->session);
    } else {
      sessions.erase({session->session.root, session->session.name});
    }
  } else if (const auto* component = std::get_if<PutComponent>(&record)) {
    if (component->known) {
      components.insert_or_assign(component->component.name, component->component);
    } else {
      components.erase(component->component.name);
    }
  } else if (const auto* decision = std::get_if<PutDecision>(&record)) {
    decisions.insert_or_assign({decision->decision.id, decision->decision.what},
                               decision->decision);
    // Those that are open still matter; they are few.
    while (decisions.size() > kMostDecisions) {
      const auto closed = std::find_if(decisions.begin(), decisions.end(), [](const auto& one) {
        return one.second.outcome != Decision::Outcome::asked;
      });
      decisions.erase(closed == decisions.end() ? decisions.begin() : closed);
    }
  } else if (const auto* month = std::get_if<PutSpent>(&record)) {
    spent.insert_or_assign(month->month, month->spent);
    while (spent.size() > kMostMonths) spent.erase(spent.begin());
  } else if (const auto* next = std::get_if<PutNextLease>(&record)) {
    next_lease = std::max(next_lease, next->next);
  }
}

std::vector<Record> Promises::records() const {
  std::vector<Record> all;
  all.reserve(1 + leases.size() + learned.size() + acknowledged.size() + muted.size() +
              drained.size() + models.size() + sessions.size() + components.size() +
              decisions.size() + spent.size());
  all.emplace_back(PutNextLease{next_lease});
  for (const auto& [id, lease] : leases) all.emplace_back(PutLease{lease});
  for (const auto& [key, set] : learned) {
    all.emplace_back(PutLearned{key.name, set.runs, key.config, key.device, set.used});
  }
  for (const auto& [resource, device] : acknowledged) {
    all.emplace_back(PutAcknowledged{resource, device, true});
  }
  for (const auto& [key, until] : muted) all.emplace_back(PutMuted{key.first, key.second, until});
  for (const auto& [device, drain] : drained) all.emplace_back(PutDrain{drain, true});
  for (const auto& [name, model] : models) all.emplace_back(PutModel{model, true});
  for (const auto& [key, session] : sessions) all.emplace_back(PutSession{session, true});
  for (const auto& [name, component] : components) all.emplace_back(PutComponent{component, true});
  for (const auto& [key, decision] : decisions) all.emplace_back(PutDecision{decision});
  for (const auto& [month, sum] : spent) all.emplace_back(PutSpent{month, sum});
  return all;
}

}  // namespace headroom::decide
