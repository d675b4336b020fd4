// Control groups: every lease's processes in a group of their own, in whichever hierarchies this
// kernel gives us.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

#include "act/held_files.hpp"
#include "act/layout.hpp"
#include "act/scope.hpp"

namespace headroom::act {

/// What the control groups of this machine can do for us.
enum class Tier {
  v2,      ///< cgroup2 with the memory controller (and, unless a reason says no, cpu)
  hybrid,  ///< v1 controllers, and a cgroup2 twin for pressure, freeze and kill
  v1,      ///< v1 controllers only; its freezer stops
  none,    ///< no group may be made; reasons() say why
};

constexpr const char* to_string(Tier tier) {
  switch (tier) {
    case Tier::v2:
      return "v2";
    case Tier::hybrid:
      return "hybrid";
    case Tier::v1:
      return "v1";
    case Tier::none:
      return "none";
  }
  return "none";
}

struct GroupsConfig {
  std::string root = "/";         ///< prefix of /proc and of the mount points, for tests
  std::string name = "headroom";  ///< of the group that holds all jobs, and of the scope
  bool systemd_allowed = true;    ///< ask systemd for a delegated scope where it is there
};

/// What the kernel counted for a group. Absent is "cannot be known here", never zero.
struct Left {
  int processes = 0;            ///< alive in the group and below, at most 4096 are counted
  std::optional<Bytes> memory;  ///< charged now
  std::optional<Bytes>
      memory_peak;                ///< most since the group was made; absent before Linux 5.19 on v2
  std::uint64_t oom_kills = 0;    ///< processes of the group that any OOM killer ended
  std::uint64_t high_events = 0;  ///< touches of the soft fence; always 0 on v1, which counts none
  bool operator==(const Left&) const = default;
};

/// Makes, fills, fences, reads and removes the groups of leases.
///
/// All of them lie in one parent group per hierarchy, and each carries our mark (an extended
/// attribute): a group without it is refused, whatever a Group says, and so is one that somebody
/// else made where ours was (not_found). A few system calls each, no sleeping (remove() may wait 2
/// ms), except probe(), which may wait 2 s for systemd. One object per name on a machine: a second
/// one would remove the parents under the first. probe(), make(), remove() and the end belong to
/// one thread; the const functions touch nothing that these change but HeldFiles, which has a lock
/// of its own, and may run on a worker at the same time. Errors: not_allowed, not_found (the group
/// or the process is gone), conflict (the kernel says busy), unavailable (no such controller or
/// file here).
class Groups {
 public:
  /// Looks at what this process may do and makes the parent groups. On v2 controllers can only be
  /// given to children of a group without processes of its own; where our own group holds nobody
  /// but us we move into its child "<name>-daemon". With systemd the parent lies in a delegated
  /// scope that survives a restart of the daemon. Never fails: Tier::none has reasons.
  static Groups probe(const GroupsConfig& config);

  Groups(Groups&& other) noexcept;
  Groups& operator=(Groups&&) = delete;
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;
  /// Removes the parents (and ends the scope) unless there are still groups of leases in them.
  ~Groups();

  Tier tier() const { return tier_; }
  /// What cannot be done and why, one line each, with what would help; empty when nothing lacks.
  const std::vector<std::string>& reasons() const { return reasons_; }
  /// The parent of all jobs in the memory hierarchy; "" where there is none.
  const std::string& jobs_memory_group() const { return memory_.parent; }

  /// Makes the lease's groups: all or none. The same lease again gives the same groups. Groups of
  /// that name from another life of the daemon are replaced when empty, else left alone and
  /// another name is taken. `owner` is whose processes will live there; it gets no rights over the
  /// groups, so that a job cannot lift its own limits.
  Result<Group> make(LeaseId id, uid_t owner);

  /// Moves a process into all groups of the lease, or into none. The caller has made sure (by
  /// pidfd) that `pid` is the process it means. Neither pid 1, nor we, nor who started us.
  Result<void> place(const Group& group, pid_t pid) const;

  /// The fence: past it a job grows no more, and nothing of it dies. v2: memory.high, beyond which
  /// the kernel lets it grow by about 1 MiB in 2 s. v1: a limit backstop(at) without an OOM killer,
  /// at which the job waits in the kernel; a system call that needs memory then may fail or come
  /// back early, so the fence should be raised, or the job frozen, before it gets there (FenceWatch
  /// tells in time). A group that has a hard limit of its own on v1 keeps that: its fence is only
  /// memory.soft_limit_in_bytes. 0 removes the fence. Never waits for reclaim: where the kernel
  /// would have to take something back, it stands a little above what is charged now, or where it
  /// stood, if that is less. Returns where it stands, which then is more than `at`; 0: none.
  Result<Bytes> fence(const Group& group, Bytes at) const;
  /// Where v1 stops a job whose fence stands there: room for what it takes until the daemon has
  /// stopped it, 64 MiB or an eighth, on a small machine less: several may be beyond at once.
  Bytes backstop(Bytes at) const { return backstop(at, machine_); }
  static Bytes backstop(Bytes at, Bytes machine);
  /// The fence that has its backstop there.
  Bytes fence_before(Bytes limit) const { return fence_before(limit, machine_); }
  static Bytes fence_before(Bytes limit, Bytes machine);

  /// Stops all processes of the lease where they are, or lets them go on. They keep their memory.
  /// After a SIGKILL they are gone all the same; with v1's freezer only once they are let go.
  /// Returns at once: a process that sleeps in the kernel stops when it wakes up. unavailable:
  /// there is neither a cgroup2 hierarchy nor v1's freezer; not_allowed: we are in the group, or
  /// one who started us.
  Result<void> freeze(const Group& group, bool frozen) const;
  /// Whether all processes of the group have stopped.
  Result<bool> is_frozen(const Group& group) const;
  /// Its share of the processors where others want them too, in percent (1 to 100) of what a group
  /// has by itself: cpu.weight, on v1 cpu.shares. It takes nothing from who is alone.
  Result<void> weigh(const Group& group, int percent) const;
  /// Ends all processes of the lease and returns how many there were. Soft: SIGTERM to each, held
  /// by its pidfd; one that stands still gets it when it is let go. Hard: all at once (cgroup.kill,
  /// since Linux 5.14), also those that are made meanwhile and those that stand still; without
  /// cgroup2 one after the other, until nobody is left or it was tried eight times.
  /// Refuses a group in which we or our ancestors live (not_allowed). Returns before they are gone.
  Result<int> end(const Group& group, bool hard) const;
  /// Lets a lease go on at full speed and takes its fence away, as after the death of the daemon
  /// that held it there. Hard limits stay: they were asked for. No object is needed, nor a probe.
  static Result<void> let_go(const Group& group);

  /// The hard limit of CPU time alone; nullopt is no limit. Errors as limit().
  Result<void> limit_cpu(const Group& group, std::optional<Cores> cpu) const;
  /// The hard limit of memory alone; nullopt is no limit. Never below what is charged now: nobody
  /// is ended for it, and nothing waits for reclaim. Returns where it stands, which then is more
  /// than was wanted; 0: none. Errors as limit().
  Result<Bytes> limit_memory(const Group& group, std::optional<Bytes> memory) const;
  /// The hard limits; nullopt is no limit. Under what is used now, the call may block while the
  /// kernel reclaims: on v1 it then fails with conflict and nothing changes, on v2 the kernel ends
  /// the job. So lower a limit on a worker, never on the loop. On v2 a job that hits its memory
  /// limit dies as a whole. Swap limits are left alone. When it fails half-way, what was set stays.
  Result<void> limit(const Group& group, std::optional<Bytes> memory,
                     std::optional<Cores> cpu) const;

  /// The kernel's own counters.
  Result<Left> look(const Group& group) const;

  /// True: the groups are gone (or were). False: there are still processes; nothing is ended.
  Result<bool> remove(const Group& group);

  /// All processes in the group and below that we can see, each once, at most 4096.
  std::vector<pid_t> members(const Group& group) const;

  /// Groups of leases that are there already: those of an earlier life, to be adopted.
  std::vector<Group> leftovers() const;

  /// The lease that a group is of, by its name; empty when it is none of ours.
  static std::optional<LeaseId> lease_of(const Group& group);

 private:
  /// One hierarchy we work in; `parent` is empty where we do not.
  struct Hierarchy {
    Mount mount;
    std::string parent;
  };

  Groups() = default;
  void probe_v2(const GroupsConfig& config, const Mount& mount, const std::string& own);
  void probe_v1(const std::vector<Mount>& mounts, const std::vector<Membership>& memberships,
                const std::string& prefix, const std::string& name);
  std::vector<const Hierarchy*> hierarchies() const;
  static Result<void> is_ours(const std::string& folder);
  static Result<std::vector<std::string>> ours(const Group& group);
  /// Who is in the group itself, not below; at most 4096.
  Result<std::vector<pid_t>> processes_of(const std::string& folder) const;
  /// Refuses where headroomd, or who started it, is among those in a group.
  Result<void> spares_us(const std::string& folder, const std::vector<pid_t>& there) const;

  Tier tier_ = Tier::none;
  std::vector<std::string> reasons_;
  std::string proc_;               ///< "/proc" behind the root prefix
  std::vector<pid_t> started_us_;  ///< and ourselves
  Bytes machine_;                  ///< all memory that our jobs could have when we looked
  std::unique_ptr<HeldFiles> files_ = std::make_unique<HeldFiles>(&Groups::is_ours);
  Hierarchy memory_;   ///< v1, or the v2 one
  Hierarchy cpu_;      ///< v1; on v2 the same as memory_, or without parent
  Hierarchy unified_;  ///< the v2 one, or v1's freezer
  std::optional<Scope> scope_;
  std::map<LeaseId, Group> made_;  ///< in this life; as many as there are leases
};

}  // namespace headroom::act
