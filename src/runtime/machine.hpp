// Carries the effects of the control machine out on the real machine.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/sample.hpp>

#include "act/fence_watch.hpp"
#include "act/groups.hpp"
#include "runtime/guardian.hpp"
#include "runtime/worker.hpp"
#include "words/effect.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// The control groups of this machine, or the reason why there are none. Loop thread only.
class Machine {
 public:
  /// Has work done on the loop thread, and is called on another one.
  using Post = std::function<void(std::function<void()>)>;
  /// `captured`: the readings come from a captured tree, so nothing of this machine is touched.
  /// Daemons with different state directories keep their groups apart: each sweeps only its own.
  /// Without `post` all is told at once.
  Machine(bool captured, const std::string& state_dir, Post post = nullptr);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Calls `done` once, at once or, where the kernel takes its time to learn where it is to signal
  /// the job's use, when it knows: a job that begins before that may be at its limit untold.
  void place(const PlaceHolder& effect, std::function<void(Placed)> done);
  Fenced fence(const Fence& effect);
  Frozen freeze(const Freeze& effect);
  Weighed weigh(const Weigh& effect);
  /// Returns why it could not be done; or empty.
  std::string limit_cpu(const LimitCpu& effect);
  std::string limit_memory(const LimitMemory& effect);
  Terminated terminate(const Terminate& effect);
  Released release(const Release& effect);

  /// Readable when a job has come to its fence; -1: nobody tells.
  int fence_descriptor() const { return fences_.fd(); }
  std::vector<LeaseId> touched() { return fences_.touched(); }
  /// Sees to it that there is a guardian while something is held, and does what failed before: a
  /// fence to move, somebody to let go. Returns what came of that. Once a second.
  std::vector<Event> look_after();

  const char* tier() const;
  /// What cannot be done here, for doctor.
  std::vector<Absence> cannot() const;
  /// Where the jobs' groups lie in the memory hierarchy; empty where there are none.
  std::string jobs_group() const;
  /// Removes groups of leases that are not among `living` and in which nothing runs.
  void sweep(const std::vector<LeaseId>& living);

 private:
  /// What of a lease stands only while we live.
  struct Held {
    bool fence = false;
    bool frozen = false;
    bool slowed = false;
    bool any() const { return fence || frozen || slowed; }
  };
  /// The way back to the loop; closed at the end.
  struct Way {
    std::mutex lock;
    Post post;
  };
  Placed place(const PlaceHolder& effect);
  Result<Bytes> fence(LeaseId lease, const Group& group, Bytes at);
  void forget(LeaseId lease);

  std::optional<act::Groups> groups_;
  Guardian guardian_;
  std::shared_ptr<Way> way_;
  Worker slow_{"thresholds", act::FenceWatch::kMost};
  act::FenceWatch fences_{[this](std::function<void()> set) { return slow_.post(std::move(set)); }};
  std::map<LeaseId, Held> held_;
  std::map<LeaseId, Fence> fences_failed_;
  std::map<LeaseId, Freeze> thaws_failed_;
  std::map<LeaseId, Weigh> weights_failed_;  ///< these should have all of their share again
};

}  // namespace headroom::runtime
