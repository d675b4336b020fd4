// The simulated machine: what is really there, as opposed to what the daemon believes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/sample.hpp>

#include "decide/promises.hpp"
#include "random.hpp"

namespace headroom::simulate {

/// The resources: memory, CPU, two filesystems, then the GPUs.
inline constexpr std::size_t kMemory = 0;
inline constexpr std::size_t kCpu = 1;
inline constexpr std::size_t kDisk = 2;
inline constexpr std::size_t kDisks = 2;
inline constexpr std::size_t kGpu = kDisk + kDisks;
inline constexpr std::size_t kResources = 8;
using Use = std::array<std::int64_t, kResources>;

/// A process, or what one has left: GPU bytes that its driver has not freed, files that it wrote.
struct Process {
  Holder holder;
  pid_t root = 0;  ///< the process at the top of its tree
  std::uint64_t root_start = 0;
  LeaseId group = 0;  ///< the lease in whose group it runs; 0: none
  bool foreign = false;
  bool dead = false;
  Use use{};
  Use target{};
  /// What it has taken beyond what was booked for it, since the last sample that was taken, and
  /// since the last that was delivered: nobody could know of it.
  Use surprise_taken{};
  Use surprise_delivered{};
  std::optional<std::int64_t> ends;   ///< when it ends by itself
  std::optional<std::int64_t> frees;  ///< dead: when its driver frees; empty: never
};

struct Gpu {
  std::string id;
  std::int64_t total = 0;
  std::int64_t reserved = 0;
  bool tells = true;  ///< which process uses how much
  bool present = true;
  double compute = 8.0;
};

/// Amounts of one lease on each resource of the machine.
Use on_resources(const Lease& lease, const Amounts& amounts, const class Machine& machine);

class Machine {
 public:
  explicit Machine(Random& random);

  std::vector<Gpu> gpus;
  std::array<std::string, kDisks> mounts{"/", "/data"};
  Use capacity{};  ///< of GPUs without what the driver keeps
  std::int64_t kernel_reserve = 0;
  std::map<pid_t, Process>
      processes;  ///< living ones by pid; remains of dead ones by numbers below 0

  std::set<LeaseId> frozen;  ///< whose groups stand still

  Process& start(bool foreign);
  /// Ends a process: what it leaves behind is kept as remains.
  void kill(pid_t pid, std::int64_t now, Random& random);
  bool alive(const Holder& holder) const;
  /// Those that run in the group of this lease.
  int in_group(LeaseId lease) const;
  /// Whether somebody may still take what this lease has booked: its holder, who is in its group,
  /// or a command with a lease inside it. A lease without a group is its holder's alone: what the
  /// holder's children take after its death nobody was promised.
  bool promised_to_somebody(const Lease& lease, const decide::Promises& promises) const;
  /// Whether dead processes of this holder, or of this lease's group, still hold bytes of a GPU.
  bool gpu_remains(const Lease& lease) const;
  /// What processes of it, dead or not, hold of one resource, less what nobody could know of at
  /// the last delivered sample.
  std::int64_t held(const Lease& lease, std::size_t resource) const;
  /// Everybody's use, remains included.
  std::int64_t used(std::size_t resource) const;
  /// Takes or gives back, as far as the machine has it; books the surprise of it.
  void change(Process& process, std::size_t resource, std::int64_t wanted,
              const decide::Promises& promises);
  /// Drivers free what is due; files of the dead become nobody's, and some of nobody's are removed.
  void settle(std::int64_t now, Random& random);

  /// Reads the machine. `lose`: percent of the holders that are not found.
  Sample read(const decide::Promises& promises, Instant at, std::uint64_t number, int lose,
              Random& random);
  /// The last sample read has been delivered.
  void delivered();

  /// What is in use that no lease covers, less what nobody could know of at the last delivered
  /// sample.
  std::int64_t uncovered(std::size_t resource, const decide::Promises& promises) const;
  /// What makes up uncovered(), for people.
  std::string explain(std::size_t resource, const decide::Promises& promises) const;
  std::size_t gpu(const std::string& id) const;

 private:
  static bool is_of(const Process& process, const Lease& lease);
  /// Which covers whom: a lease with a group its group, one without its holder's tree.
  std::pair<std::int64_t, std::int64_t> key(const Process& process,
                                            const decide::Promises& promises) const;

  pid_t next_pid_ = 100;
  pid_t next_remains_ = -1;
  std::uint64_t next_start_ = 1000;
};

}  // namespace headroom::simulate
