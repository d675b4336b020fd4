// Clients, kernel, drivers and time around a real control machine, driven by one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/control.hpp"
#include "digest.hpp"
#include "machine.hpp"
#include "random.hpp"
#include "referee.hpp"

namespace headroom::simulate {

enum class Sabotage { none, double_grant, lost_lease, busy_victim };

struct Outcome {
  std::uint64_t events = 0;
  std::uint64_t checked = 0;
  std::uint64_t digest = 0;
  std::string broken;  ///< the first broken invariant, or empty
  std::uint64_t grants = 0;
  std::uint64_t endings = 0;
  std::uint64_t crashes = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t drained = 0;
  std::uint64_t handed_over = 0;
  std::uint64_t returned = 0;
  std::uint64_t unloaded = 0;
  std::uint64_t kept = 0;
  std::uint64_t frozen = 0;
  std::uint64_t set = 0;      ///< allocations that components took
  std::uint64_t started = 0;  ///< granted that had named a time
  std::size_t together = 0;   ///< components that were registered at once
  std::uint64_t killed = 0;   ///< told to end because they took too much
};

/// One run. Deterministic: its arguments decide everything. `components`: so many come and go, and
/// little else happens; 0: a few beside all else.
class World {
 public:
  World(std::uint64_t seed, std::uint64_t events, Sabotage sabotage, std::uint64_t components = 0);
  Outcome run();

 private:
  // What one client is about.
  enum class Stage { asking, waiting, running };
  struct Client {
    pid_t pid = 0;  // of its process; 0: its lease is tied to time
    uid_t uid = 0;
    AskLease ask;
    Stage stage = Stage::asking;
    LeaseId lease = 0;
    bool fitted = false;  // it asked whether it fits in the same instant
    bool fits = false;
    std::uint64_t revision = 0;
  };
  struct Request {
    int client = 0;  // 0: nobody remembers
    std::int64_t until = 0;
  };
  using Due = std::function<std::optional<Event>()>;

  Instant instant() const;
  void plan(std::int64_t in, Due due);
  void apply(const Event& event, bool forged = false);
  void carry_out(const Effect& effect);
  void answer(const Respond& respond);
  void crash(const Effects& effects);
  void reboot();
  void restart(bool same_boot);
  void fail(std::string broken);

  void advance();
  void act();
  void ask_new();
  void ask_again();
  void change_something();
  void drain_something();
  void hand_over();
  void models_do();
  void components_do();
  void set(const CallSetter& call);
  void unload(const AskHook& asked);
  void processes_do();
  void take_sample(std::int64_t in);
  void break_something();
  RequestId request(int client, std::int64_t until);
  void run_client(Client& client, const Lease& lease);
  void end_client(int id);
  /// All processes of a lease, but for what they leave behind.
  void end_group(LeaseId group);
  Needs some_needs();
  const Lease* some_lease();
  std::string check_dead();

  Random random_;
  std::uint64_t events_wanted_;
  Sabotage sabotage_;
  std::uint64_t components_;
  std::uint64_t joined_ = 0;  // of them, for the first time
  Machine machine_;
  Config config_;
  std::unique_ptr<control::Control> control_;
  Referee referee_;
  Digest digest_;
  Outcome outcome_;

  std::int64_t now_ = 0;        // nanoseconds since the simulation began
  std::int64_t boot_base_ = 0;  // when this boot began
  std::int64_t wall_jump_ = 0;
  std::int64_t started_ = 0;  // when this daemon began
  std::uint64_t samples_ = 0;
  bool sampling_ = false;  // one is on its way
  bool lying_ = false;
  bool sabotaged_ = false;
  std::multimap<std::int64_t, Due> due_;
  std::map<int, Client> clients_;
  int next_client_ = 1;
  std::map<RequestId, Request> requests_;
  RequestId next_request_ = 1;
  std::string log_;  // the journal's bytes
  std::uint64_t sequence_ = 1;
  std::optional<std::int64_t> crash_in_;  // effects until the daemon dies
  std::map<LeaseId, std::int64_t> dead_since_;
};

}  // namespace headroom::simulate
