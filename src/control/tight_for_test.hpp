// A machine on which memory runs short, for tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "control/bench_for_test.hpp"

namespace headroom::control {

/// A machine whose jobs live in groups that can be fenced and frozen, of a v1 or a v2 kernel.
class Tight : public testing::Test {
 protected:
  static AskLease fenced(Bytes memory, pid_t pid, Priority priority = Priority::normal) {
    AskLease ask = want(control::memory(memory), pid);
    ask.name = "job" + std::to_string(pid);
    ask.group = ask.fence = true;
    ask.priority = priority;
    return ask;
  }
  LeaseId job(Bytes memory, pid_t pid, bool v2 = false, Priority priority = Priority::normal) {
    b.ask(fenced(memory, pid, priority));
    const LeaseId id = ++last_;
    Group made;
    made.memory = "/g/l-" + std::to_string(id);
    made.cpu = "/c/l-" + std::to_string(id);
    made.unified = "/u/l-" + std::to_string(id);
    made.v2 = v2;
    b.apply(Placed{id, made, true, {}});
    b.uses(id, Bytes());
    return id;
  }
  /// A look after `time`, with so much available; what the leases use was said before.
  void look(Bytes available, milliseconds time = milliseconds(100)) {
    b.pass(time);
    b.sample.memory.available = available;
    b.read();
    last_read_ = b.effects;
    for (const Effect& effect : last_read_) {
      if (const auto* fence = std::get_if<Fence>(&effect)) fences_.push_back(*fence);
      if (const auto* freeze = std::get_if<Freeze>(&effect)) freezes_.push_back(*freeze);
      if (const auto* weigh = std::get_if<Weigh>(&effect))
        weights_.emplace_back(weigh->lease, weigh->percent);
      if (const auto* end = std::get_if<Terminate>(&effect))
        ends_.emplace_back(end->lease, end->hard);
      if (const auto* say = std::get_if<Say>(&effect)) said_.push_back(say->line.type);
    }
    const auto fences = std::exchange(fences_, {});
    for (const Fence& fence : fences) b.apply(Fenced{fence.lease, true});
    moved_ = fences;
  }
  bool is_frozen(LeaseId id) const { return b.shadow.leases.at(id).frozen.has_value(); }
  std::vector<std::pair<LeaseId, bool>> frozen_and_thawed() {
    std::vector<std::pair<LeaseId, bool>> all;
    for (const Freeze& one : std::exchange(freezes_, {})) all.emplace_back(one.lease, one.frozen);
    return all;
  }

  Bench b;
  LeaseId last_ = 0;
  Effects last_read_;  ///< of the last look, in their order
  std::vector<Fence> fences_;
  std::vector<Fence> moved_;
  std::vector<Freeze> freezes_;
  std::vector<std::pair<LeaseId, int>> weights_;  ///< percent
  std::vector<std::pair<LeaseId, bool>> ends_;
  std::vector<std::string> said_;
};

using Moves = std::vector<std::pair<LeaseId, bool>>;

}  // namespace headroom::control
