#include "world.hpp"

#include <algorithm>
#include <limits>

#include "decide/verdict.hpp"
#include "record/journal.hpp"

namespace headroom::simulate {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr std::size_t kClients = 40;
// What makes a group, moves a fence or looks at a group answers within this.
constexpr std::int64_t kSlowest = 3 * kSecond;
// A dead holder's lease is over after this, where nothing of it is left.
constexpr std::int64_t kBound = 30 * kSecond;
constexpr std::size_t kLog = std::size_t{1} << 20;

Config make_config(Random& random) {
  Config config;
  config.strategy = *strategy_of(kStrategyWords.at(random.below(kStrategyWords.size())));
  config.leases.queue = random.percent(20) ? 3 : 30;
  config.leases.place = random.percent(50) ? Place::pack : Place::spread;
  config.leases.ageing = std::chrono::seconds(random.between(10, 600));
  if (random.percent(30)) config.leases.user_memory = Share{Ratio(0.5), {}};
  if (random.percent(30)) config.leases.user_gpu_memory = Share{Ratio(0.6), {}};
  if (random.percent(20)) config.leases.user_leases = 5;
  config.leases.idle = std::chrono::seconds(random.percent(20) ? 0 : random.between(2, 60));
  for (const char* name : {"one", "other"}) {
    HookSetting hook;
    hook.name = name;
    hook.kind = HookKind::command;
    hook.run = {"/bin/true"};
    config.hooks.push_back(hook);
  }
  config.models.min_residency = std::chrono::seconds(random.between(0, 10));
  if (random.percent(20)) config.models.cache_size = 3;
  if (random.percent(20)) config.models.idle_unload = std::chrono::seconds(random.between(20, 200));
  if (random.percent(30)) config.models.pinned = {"model1"};
  if (random.percent(30)) config.pressure.most = Step::kill;
  return config;
}

}  // namespace

World::World(std::uint64_t seed, std::uint64_t events, Sabotage sabotage, std::uint64_t components)
    : random_(seed),
      events_wanted_(events),
      sabotage_(sabotage),
      components_(components),
      machine_(random_),
      config_(make_config(random_)),
      control_(std::make_unique<control::Control>(config_)),
      referee_(machine_) {
  now_ = random_.between(1, 1000) * kSecond;
}

Outcome World::run() {
  take_sample(0);
  while (outcome_.events < events_wanted_ && outcome_.broken.empty()) {
    if (!due_.empty() && due_.begin()->first <= now_) {
      auto node = due_.extract(due_.begin());
      if (const auto event = node.mapped()()) apply(*event);
      continue;
    }
    if (const auto next = control_->next_deadline();
        next && *next <= instant().boot && !random_.percent(20)) {  // some ticks are late
      apply(Ticked{});
      continue;
    }
    break_something();
    act();
    advance();
  }
  if (outcome_.broken.empty()) {
    if (std::string broken = referee_.everything(*control_); !broken.empty())
      fail(std::move(broken));
  }
  for (const Record& record : control_->state().promises.records()) digest_.add(record);
  outcome_.checked = referee_.checked();
  outcome_.started = referee_.started_at_a_time();
  outcome_.digest = digest_.value();
  return outcome_;
}

void World::fail(std::string broken) {
  if (outcome_.broken.empty()) outcome_.broken = std::move(broken);
}

Instant World::instant() const {
  constexpr std::int64_t kEpoch = 1'700'000'000 * kSecond;
  return {BootTime(std::chrono::nanoseconds(now_ - boot_base_)),
          WallTime(std::chrono::nanoseconds(kEpoch + now_ + wall_jump_))};
}

void World::plan(std::int64_t in, Due due) { due_.emplace(now_ + in, std::move(due)); }

void World::advance() {
  const std::uint64_t how = random_.below(1000);
  if (how < 300) return;
  now_ += how < 600   ? random_.between(1, 50) * kMs
          : how < 998 ? random_.between(50, 1500) * kMs
          : how < 999 ? random_.between(1, 100) * kSecond
                      : random_.between(1, 8) * kHour;  // a night's sleep
  if (random_.per_mille(1)) wall_jump_ += random_.percent(50) ? kHour : -kHour;
  machine_.settle(now_, random_);
}

void World::apply(const Event& event, bool forged) {
  // The run is over at its last event, and at the first broken invariant.
  if (outcome_.events >= events_wanted_ || !outcome_.broken.empty()) return;
  const Instant at = instant();
  referee_.before(*control_, event, at);
  const Effects effects = control_->apply(event, at);
  ++outcome_.events;
  digest_.add(event);
  digest_.add(at.boot.time_since_epoch().count());
  for (const Effect& effect : effects) digest_.add(effect);

  const bool last = outcome_.events == events_wanted_;  // then no restart could follow a crash
  if (random_.per_mille(2) && !last) return crash(effects);
  for (const Effect& effect : effects) {
    if (const auto* journal = std::get_if<Journal>(&effect)) {
      record::append_frame(journal->record, sequence_++, log_);
      if (const auto* put = std::get_if<PutLease>(&journal->record)) {
        outcome_.quarantined += put->lease.state == LeaseState::quarantined ? 1U : 0U;
      }
    }
    if (const auto* say = std::get_if<Say>(&effect)) {
      outcome_.grants += say->line.type == "lease.granted" ? 1U : 0U;
      outcome_.endings += say->line.type == "lease.ended" ? 1U : 0U;
      outcome_.drained += say->line.type == "device.drained" ? 1U : 0U;
      outcome_.handed_over += say->line.type == "lease.handed_over" ? 1U : 0U;
      outcome_.returned += say->line.type == "lease.returned" ? 1U : 0U;
      outcome_.unloaded += say->line.type == "model.unloaded" ? 1U : 0U;
      outcome_.kept += say->line.type == "model.kept" ? 1U : 0U;
      outcome_.frozen += say->line.type == "lease.frozen" ? 1U : 0U;
      outcome_.set += say->line.type == "allocation" ? 1U : 0U;
      outcome_.killed += say->line.type == "lease.killed" ? 1U : 0U;
    }
  }
  if (std::string broken = referee_.after(*control_, event, effects, at, forged); !broken.empty()) {
    return fail(std::move(broken));
  }
  if (std::string broken = check_dead(); !broken.empty()) return fail(std::move(broken));
  outcome_.together = std::max(outcome_.together, control_->state().component_runs.size());
  for (const Effect& effect : effects) {
    // Each answer, order and question leaves on its own: the daemon may die between any two of
    // them.
    if (random_.per_mille(1) && !last) return crash({});
    carry_out(effect);
  }
  if (log_.size() > kLog) {  // a snapshot
    log_.clear();
    for (const Record& record : control_->state().promises.records()) {
      record::append_frame(record, sequence_++, log_);
    }
  }
  for (const auto& [id, request] : requests_) {
    if (request.until + 60 * kSecond < now_ && due_.empty()) {
      return fail("request " + std::to_string(id) + " was not answered within its bound");
    }
  }
}

// A lease whose holder has died and of which nothing is left must be over within its bound.
std::string World::check_dead() {
  const control::State& state = control_->state();
  for (auto it = dead_since_.begin(); it != dead_since_.end();) {
    const auto found = state.promises.leases.find(it->first);
    if (found == state.promises.leases.end() || found->second.state == LeaseState::ended) {
      it = dead_since_.erase(it);
      continue;
    }
    const Lease& lease = found->second;
    const bool left =
        machine_.in_group(lease.id) > 0 || machine_.gpu_remains(lease) ||
        state.nested.contains(lease.id) || state.placing.contains(lease.id) ||
        // What the device does not tell apart, or somebody else took meanwhile, is not told back.
        lease.state == LeaseState::quarantined || state.owed.contains(lease.id);
    if (left) it->second = now_;
    const bool looked =
        state.sample && state.sample->at.boot.time_since_epoch().count() + boot_base_ > it->second;
    if (now_ - it->second > kBound && now_ - started_ > kBound && looked && due_.empty()) {
      return "lease l-" + std::to_string(lease.id) + " outlives its dead holder";
    }
    ++it;
  }
  return {};
}

void World::carry_out(const Effect& effect) {
  const auto soon = [this] {
    return random_.percent(50) ? 0 : random_.between(0, kSlowest / kMs) * kMs;
  };
  if (const auto* respond = std::get_if<Respond>(&effect)) {
    answer(*respond);
  } else if (std::holds_alternative<Sense>(effect)) {
    take_sample(random_.between(0, 20) * kMs);
  } else if (const auto* watch = std::get_if<Watch>(&effect)) {
    if (!machine_.alive(watch->holder)) {
      plan(0, [holder = watch->holder] { return Event(Exited{holder}); });
    }
  } else if (const auto* place = std::get_if<PlaceHolder>(&effect)) {
    plan(soon(), [this, placed = *place]() -> std::optional<Event> {
      Placed event;
      event.lease = placed.lease;
      if (random_.percent(15)) {
        event.group =
            headroom::fail(ErrorKind::unavailable, "no group could be made", "it is a simulation");
        return event;
      }
      Group group;
      group.memory = "/sim/l-" + std::to_string(placed.lease);
      if (random_.percent(70)) group.unified = "/sim/u/l-" + std::to_string(placed.lease);
      if (random_.percent(70)) group.cpu = "/sim/c/l-" + std::to_string(placed.lease);
      group.v2 = random_.percent(30);
      for (auto& [pid, process] : machine_.processes) {
        if (!process.dead && process.root == placed.holder.pid &&
            process.root_start == placed.holder.start_time) {
          process.group = placed.lease;
        }
      }
      event.group = std::move(group);
      event.fenced = placed.fence_at.count() > 0 && !random_.percent(10);
      if (random_.percent(5)) event.problem = "the limit was not taken";
      return event;
    });
  } else if (const auto* fence = std::get_if<Fence>(&effect)) {
    const bool done = !random_.percent(10);
    plan(soon(), [id = fence->lease, done] { return Event(Fenced{id, done}); });
  } else if (const auto* freeze = std::get_if<Freeze>(&effect)) {
    plan(soon(), [this, wanted = *freeze] {
      Frozen event{wanted.lease, wanted.frozen, {}};
      if (random_.percent(wanted.frozen ? 10 : 2)) {
        event.problem = "the kernel refused";
      } else if (wanted.frozen) {
        machine_.frozen.insert(wanted.lease);
      } else {
        machine_.frozen.erase(wanted.lease);
      }
      return Event(event);
    });
  } else if (const auto* weigh = std::get_if<Weigh>(&effect)) {
    plan(soon(), [this, wanted = *weigh] {
      Weighed event{wanted.lease, wanted.percent, {}};
      if (random_.percent(5)) event.problem = "the kernel refused";
      return Event(event);
    });
  } else if (const auto* end = std::get_if<Terminate>(&effect)) {
    plan(soon(), [this, wanted = *end] {
      Terminated event{wanted.lease, wanted.hard, machine_.in_group(wanted.lease), {}};
      if (random_.percent(5)) {
        event.problem = "the kernel refused";
      } else if (wanted.hard || random_.percent(50)) {
        end_group(wanted.lease);
      }
      return Event(event);
    });
  } else if (const auto* hook = std::get_if<AskHook>(&effect)) {
    unload(*hook);
  } else if (const auto* call = std::get_if<CallSetter>(&effect)) {
    set(*call);
  } else if (const auto* release = std::get_if<Release>(&effect)) {
    plan(soon(), [this, id = release->lease] {
      Released released;
      released.lease = id;
      released.processes = machine_.in_group(id);
      released.gone = released.processes == 0;
      released.memory_peak = Bytes(random_.between(0, kGiB));
      return Event(released);
    });
  }
}

// Who is asked lets go, or says so and does not, or does and does not say so.
void World::unload(const AskHook& asked) {
  const std::uint64_t how = random_.below(100);
  const std::int64_t after = random_.between(0, 5000) * kMs;
  if (how < 70) {
    plan(after, [this, asked]() -> std::optional<Event> {
      const auto found = machine_.processes.find(asked.holder.pid);
      if (found == machine_.processes.end() || found->second.holder != asked.holder) return {};
      Process& process = found->second;
      for (std::size_t r = 0; r < kResources; ++r) {
        if (r == kCpu || r == kDisk || r == kDisk + 1) continue;
        process.target[r] = process.use[r] / 20;
        machine_.change(process, r, process.target[r], control_->state().promises);
      }
      return {};
    });
  }
  if (random_.percent(90)) {
    const auto result = how < 85
                            ? (random_.percent(50) ? HookResult::freed : HookResult::acknowledged)
                            : static_cast<HookResult>(random_.below(8));
    plan(after + random_.between(0, 1000) * kMs,
         [asked, result] { return Event(HookAnswered{asked.ask, result, "it is a simulation"}); });
  }
}

// Models are told of, pinned, used, unloaded and forgotten.
void World::models_do() {
  AskModel ask;
  ask.name = "model" + std::to_string(random_.below(6));
  const std::uint64_t what = random_.below(10);
  if (what < 4) {
    ask.create = true;
    if (random_.percent(80))
      ask.hook = random_.percent(50) ? "one" : random_.percent(80) ? "other" : kHolderHook;
    if (random_.percent(30)) ask.priority = static_cast<Priority>(random_.below(4));
    if (random_.percent(20)) ask.pinned = random_.percent(50);
    if (random_.percent(20)) ask.memory = Bytes(random_.between(0, 4 * kGiB));
  } else if (what < 6) {
    ask.touched = true;
  } else if (what == 6) {
    ask.unload = true;
  } else if (what == 7) {
    ask.forget = true;
  } else {
    AskFree free;
    free.force = random_.percent(50);
    free.dry_run = random_.percent(30);
    free.priority = static_cast<Priority>(random_.below(4));
    if (random_.percent(40)) free.memory = Bytes(random_.between(1, 8 * kGiB));
    if (!machine_.gpus.empty() && random_.percent(40)) {
      free.gpu_memory = Bytes(random_.between(1, 8 * kGiB));
    }
    free.patience = std::chrono::milliseconds(random_.between(0, 20'000));
    apply(Asked{request(0, now_ + 20 * kSecond), {0, true, true}, free});
    return;
  }
  const auto uid = static_cast<uid_t>(random_.below(5) * 1000);
  apply(Asked{request(0, now_), {uid, true, uid == 0}, ask});
}

RequestId World::request(int client, std::int64_t until) {
  const RequestId id = next_request_++;
  requests_[id] = {client, until};
  return id;
}

void World::answer(const Respond& respond) {
  const auto found = requests_.find(respond.request);
  if (found == requests_.end()) {
    return fail("request " + std::to_string(respond.request) +
                " was answered twice, or after it was withdrawn");
  }
  const int id = found->second.client;
  requests_.erase(found);
  const auto client = clients_.find(id);
  if (const auto* view = std::get_if<LeaseView>(&respond.what)) {
    const Lease& lease = view->lease;
    if (!control_->state().promises.leases.contains(lease.id))
      return fail("an answer about no lease");
    referee_.told(lease);
    if (client == clients_.end() || client->second.lease == lease.id) {
      if (client != clients_.end() && decide::holds(lease.state)) run_client(client->second, lease);
      if (client != clients_.end() && lease.state == LeaseState::ended) end_client(id);
      return;
    }
    Client& c = client->second;
    if (c.lease != 0 && control_->state().promises.leases.contains(c.lease)) {
      return fail("the same key gave two leases");
    }
    if (c.fitted && c.fits != decide::holds(lease.state) && lease.state != LeaseState::ended) {
      return fail("fit and lease said different things of the same state");
    }
    c.fitted = false;
    c.lease = lease.id;
    c.stage = Stage::waiting;
    if (decide::holds(lease.state)) run_client(c, lease);
    if (lease.state == LeaseState::ended) end_client(id);
  } else if (const auto* verdict = std::get_if<Verdict>(&respond.what)) {
    if (verdict->revision != control_->state().revision)
      return fail("a verdict about another revision");
    if (client == clients_.end()) return;
    client->second.fitted = true;
    client->second.fits = verdict->answer == Answer::now;
    client->second.revision = verdict->revision;
  } else if (const auto* refusal = std::get_if<Refusal>(&respond.what)) {
    if (client == clients_.end()) return;
    if (client->second.lease != 0) return;  // its change was refused
    if (client->second.fitted && client->second.fits &&
        refusal->error.kind != ErrorKind::too_many_requests) {
      return fail("fit said now, and lease was refused: " + refusal->error.why);
    }
    end_client(id);
  }
}

void World::run_client(Client& client, const Lease& lease) {
  if (client.stage == Stage::running) return;
  client.stage = Stage::running;
  const auto found = machine_.processes.find(client.pid);
  if (client.pid == 0 || found == machine_.processes.end()) return;
  Process& process = found->second;
  Use booked{};
  for (const auto& [id, one] : control_->state().promises.leases) {
    if (id != lease.id && one.part_of != lease.id) continue;
    const Use more = on_resources(one, one.booked, machine_);
    for (std::size_t i = 0; i < kResources; ++i) booked[i] += more[i];
  }
  for (std::size_t i = 0; i < kResources; ++i) {
    // Most use a part of what they booked, some all of it, a few more.
    const std::int64_t share =
        random_.percent(10) ? random_.between(100, 130) : random_.between(0, 100);
    process.target[i] += booked[i] / 100 * share;
  }
  process.ends = now_ + random_.between(1, random_.percent(10) ? 3600 : 120) * kSecond;
}

void World::end_client(int id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  const pid_t pid = found->second.pid;
  clients_.erase(found);
  const bool shared = std::any_of(clients_.begin(), clients_.end(),
                                  [pid](const auto& c) { return c.second.pid == pid; });
  const auto process = machine_.processes.find(pid);
  if (pid == 0 || shared || process == machine_.processes.end()) return;
  const Holder holder = process->second.holder;
  for (const auto& [lease, told] : referee_.promised()) {
    if (told.holder == holder) dead_since_[lease] = now_;
  }
  // Some leave a child behind in their group.
  if (process->second.group != 0 && random_.percent(15)) {
    const LeaseId group = process->second.group;
    const Process before = process->second;
    const Use& use = before.use;
    Process& orphan = machine_.start(false);
    orphan.group = group;
    orphan.ends = now_ + random_.between(1, 60) * kSecond;
    orphan.use[kMemory] = use[kMemory] / 2;
    // What nobody could know of the parent nobody can know of the child.
    orphan.surprise_taken[kMemory] = std::min(before.surprise_taken[kMemory], orphan.use[kMemory]);
    orphan.surprise_delivered[kMemory] =
        std::min(before.surprise_delivered[kMemory], orphan.use[kMemory]);
    orphan.target = orphan.use;
    machine_.processes.at(pid).use[kMemory] -= orphan.use[kMemory];
  }
  machine_.kill(pid, now_, random_);
  plan(random_.percent(70) ? 0 : random_.between(0, 200) * kMs,
       [holder] { return Event(Exited{holder}); });
  if (random_.percent(5))
    plan(random_.between(0, 500) * kMs, [holder] { return Event(Exited{holder}); });
}

void World::end_group(LeaseId group) {
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : machine_.processes) {
    if (!process.dead && process.group == group) pids.push_back(pid);
  }
  for (const pid_t pid : pids) {
    std::vector<int> ids;
    for (const auto& [id, client] : clients_) {
      if (client.pid == pid) ids.push_back(id);
    }
    for (const int id : ids) end_client(id);
    if (ids.empty()) machine_.kill(pid, now_, random_);
  }
}

void World::take_sample(std::int64_t in) {
  if (sampling_) return;
  sampling_ = true;
  plan(in, [this]() -> std::optional<Event> {
    const int lose = random_.percent(10) ? 20 : 0;
    auto sample = std::make_shared<Sample>(
        machine_.read(control_->state().promises, instant(), ++samples_, lose, random_));
    if (lying_) {
      sample->memory.available = sample->memory.total;
      for (GpuReading& gpu : sample->gpus) gpu.memory_used = Bytes();
      for (FilesystemReading& fs : sample->filesystems) fs.free = fs.available = fs.total;
    }
    const std::int64_t next = random_.percent(95) ? random_.between(200, 1000) * kMs : 20 * kSecond;
    if (random_.percent(3)) {  // lost
      sampling_ = false;
      take_sample(next);
      return std::nullopt;
    }
    const std::int64_t late = random_.percent(70) ? 0 : random_.between(1, 900) * kMs;
    plan(late, [this, sample, next]() -> std::optional<Event> {
      sampling_ = false;
      machine_.delivered();
      take_sample(next);
      return Event(Sampled{sample});
    });
    return std::nullopt;
  });
}

void World::act() {
  // A crowd of them: hardly anything else happens, and the reboot that would end them all does not.
  if (components_ > 0 && !random_.percent(5)) return components_do();
  if (random_.percent(40)) processes_do();
  const std::uint64_t what = random_.below(100);
  if (what < 22) {
    if (clients_.size() < kClients) ask_new();
  } else if (what < 34) {
    ask_again();
  } else if (what < 44) {
    change_something();
  } else if (what < 50 && !clients_.empty()) {
    auto client = clients_.begin();
    std::advance(client, static_cast<std::ptrdiff_t>(random_.below(clients_.size())));
    if (client->second.stage != Stage::running || random_.percent(20)) end_client(client->first);
  } else if (what == 50 && random_.percent(5)) {
    Config config = config_;
    config.leases.ageing = std::chrono::seconds(random_.between(10, 600));
    config.leases.place = random_.percent(50) ? Place::pack : Place::spread;
    config.control.setter_timeout = std::chrono::milliseconds(random_.between(100, 10'000));
    config.strategy = *strategy_of(kStrategyWords.at(random_.below(kStrategyWords.size())));
    config_ = config;
    apply(Configured{config});
  } else if (what == 51 && random_.per_mille(4)) {
    reboot();
  } else if (what == 52 && !machine_.gpus.empty() && random_.percent(5)) {
    Gpu& gpu = machine_.gpus[random_.below(machine_.gpus.size())];
    gpu.present = !gpu.present || random_.percent(50);
    if (!gpu.present && random_.percent(50)) return;
    plan(random_.between(1, 30) * kSecond, [&gpu]() -> std::optional<Event> {
      gpu.present = true;
      return std::nullopt;
    });
  } else if (what == 53) {
    const auto next = control_->next_deadline();
    if (!next || *next > instant().boot) apply(Ticked{});
  } else if (what == 54) {
    drain_something();
  } else if (what == 55 && random_.percent(50)) {
    Touched touched;
    for (int i = 0; i < 3; ++i) touched.leases.push_back(1 + random_.below(200));
    apply(touched);
  } else if (what < 57) {
    hand_over();
  } else if (what < 60) {
    models_do();
  } else if (what < 70) {
    components_do();
  }
}

// Components register, say what they use, change their minds and vanish: more than the machine can
// hold.
void World::components_do() {
  const std::uint64_t number =
      components_ > 0 ? random_.below(components_) : random_.below(random_.percent(80) ? 8 : 60);
  const std::string name = "component" + std::to_string(number);
  const auto& known = control_->state().promises.components;
  const auto found = known.find(name);
  const bool registered = found != known.end() && found->second.registered;
  const auto uid = static_cast<uid_t>(random_.percent(90) ? 1000 : 2000);
  const Caller caller{uid, true, random_.percent(5)};
  const auto some_quota = [&] {
    QuotaChange quota;
    auto& cpu = quota.parts[index_of(Allotted::cpu)];
    auto& memory = quota.parts[index_of(Allotted::memory)];
    if (random_.percent(60)) cpu.amount = random_.between(50, 800);
    if (random_.percent(60)) memory.amount = random_.between(100, 4096);
    if (random_.percent(20)) memory.least = random_.between(100, 1000);
    if (random_.percent(20)) cpu.most = random_.between(50, 900);
    if (random_.percent(40)) quota.priority = static_cast<Priority>(random_.below(4));
    if (random_.percent(10)) quota.enforce = random_.percent(70);
    if (random_.percent(10)) quota.buffer = static_cast<double>(random_.below(20)) / 10;
    if (random_.percent(10)) quota.during = "Tue,Fri 08:00-18:00";
    return quota;
  };
  AskComponent ask;
  ask.name = name;
  const std::uint64_t what = random_.below(100);
  if (!registered || what < 10) {
    ask.what = AskComponent::What::put;
    ask.quota = some_quota();
    for (const char* setter : {"cpu_percent", "memory_mb"}) {
      if (!random_.percent(85)) continue;
      ask.setters.emplace_back();
      ask.setters.back().name = setter;
    }
    if (random_.percent(30)) {
      Setter knob;
      knob.name = "batch_size";
      knob.least = 1;
      knob.most = 64;
      ask.setters.push_back(knob);
    }
    if (random_.percent(components_ > 0 ? 95 : 70)) {
      Process& process = machine_.start(false);
      const std::int64_t longer = components_ > 0 ? 100 : 1;
      process.ends = now_ + random_.between(1, 300) * longer * kSecond;
      process.target[kMemory] = random_.between(0, machine_.capacity[kMemory] / 30 / longer);
      process.target[kCpu] = random_.between(0, machine_.capacity[kCpu] / 10 / longer);
      ask.holder = process.holder;
    } else if (const Lease* other = some_lease(); other != nullptr && random_.percent(30) &&
                                                  other->holder.pid != 0 && other->parent == 0 &&
                                                  machine_.alive(other->holder)) {
      ask.holder = other->holder;
      ask.beside = other->id;
    }
    apply(Asked{request(0, now_), caller, ask});
    if (random_.percent(80)) apply(ComponentHeard{name, true});
    return;
  }
  if (what < 60) {
    ask.what = AskComponent::What::heard;
    if (random_.percent(70)) ask.used[index_of(Allotted::cpu)] = random_.between(0, 900);
    if (random_.percent(50)) ask.used[index_of(Allotted::memory)] = random_.between(0, 5000);
  } else if (what < 75) {
    ask.what = AskComponent::What::quota;
    ask.quota = some_quota();
  } else if (what < 85) {
    ask.what = AskComponent::What::remove;
  } else if (what < 97) {
    return apply(ComponentHeard{name, random_.percent(60)});
  } else {
    ask.what = AskComponent::What::answer;
    ask.ask = random_.below(1000);
    ask.done = random_.percent(50);
  }
  apply(Asked{request(0, now_), caller, ask});
}

// Most do what they are asked, some only in part, or say that they cannot, or late, or nothing.
void World::set(const CallSetter& call) {
  const std::uint64_t how = random_.below(100);
  if (how < 5) return;
  SetterAnswered answer;
  answer.component = call.component;
  answer.ask = call.ask;
  answer.done = how < 90;
  if (how >= 75) {
    for (const CallSetter::Value& value : call.values) {
      // Between what it had and what it was asked to have.
      const double part = static_cast<double>(random_.below(100)) / 100;
      answer.values[value.setter] = value.from + (value.to - value.from) * part;
    }
  }
  plan(random_.percent(80) ? random_.between(0, 500) * kMs : random_.between(0, 15) * kSecond,
       [answer] { return Event(answer); });
}

// Processes grow towards what they want; others of the machine come and go.
void World::processes_do() {
  std::vector<pid_t> living;
  std::vector<int> over;
  for (const auto& [pid, process] : machine_.processes) {
    if (!process.dead) living.push_back(pid);
  }
  const decide::Promises& promises = control_->state().promises;
  for (int i = 0; i < 3 && !living.empty(); ++i) {
    Process& process = machine_.processes.at(living[random_.below(living.size())]);
    for (std::size_t r = 0; r < kResources; ++r) {
      const std::int64_t way = process.target[r] - process.use[r];
      if (way != 0)
        machine_.change(process, r, process.use[r] + (random_.percent(50) ? way : way / 3),
                        promises);
    }
    if (random_.percent(2)) {  // frees most of it, and may take it again
      for (std::size_t r = 0; r < kResources; ++r) {
        if (r != kDisk && r != kDisk + 1) machine_.change(process, r, process.use[r] / 4, promises);
      }
    }
  }
  for (const auto& [id, client] : clients_) {
    const auto process = machine_.processes.find(client.pid);
    if (client.pid != 0 && process == machine_.processes.end()) over.push_back(id);
    if (process != machine_.processes.end() && process->second.ends &&
        *process->second.ends <= now_) {
      over.push_back(id);
    }
  }
  for (const int id : over) {
    const auto client = clients_.find(id);
    if (client == clients_.end()) continue;
    if (client->second.lease != 0 && random_.percent(50)) {
      AskChange change;
      change.lease = client->second.lease;
      change.exit_status = random_.percent(70) ? 0 : 1;
      apply(Asked{request(0, now_), {client->second.uid, true, false}, change});
      if (!clients_.contains(id)) continue;
    }
    end_client(id);
  }
  for (const pid_t pid : living) {
    const auto process = machine_.processes.find(pid);
    if (process == machine_.processes.end() || !process->second.ends ||
        *process->second.ends > now_)
      continue;
    const bool a_client = std::any_of(clients_.begin(), clients_.end(),
                                      [pid = pid](const auto& c) { return c.second.pid == pid; });
    if (!a_client) machine_.kill(pid, now_, random_);
  }
  if (random_.percent(3)) {
    Process& foreign = machine_.start(true);
    foreign.ends = now_ + random_.between(1, 300) * kSecond;
    for (std::size_t r = 0; r < kGpu + machine_.gpus.size(); ++r) {
      if (random_.percent(30)) foreign.target[r] = random_.between(0, machine_.capacity[r] / 3);
    }
  }
}

Needs World::some_needs() {
  Needs needs;
  const auto part = [this](std::int64_t capacity) {
    const std::int64_t share =
        random_.percent(5) ? random_.between(80, 120) : random_.between(1, 30);
    return std::max<std::int64_t>(1, capacity / 100 * share);
  };
  if (random_.percent(70)) needs.memory = Bytes(part(machine_.capacity[kMemory]));
  if (random_.percent(40)) needs.cpu = Cores(part(machine_.capacity[kCpu]));
  if (random_.percent(20)) {
    const std::size_t disk = random_.below(kDisks);
    needs.disk = Bytes(part(machine_.capacity[kDisk + disk]));
    needs.disk_path = disk == 0 ? "/tmp" : "/data/run";
  }
  if (!machine_.gpus.empty() && random_.percent(50)) {
    needs.gpu_memory = Bytes(part(machine_.capacity[kGpu]));
    if (random_.percent(10)) needs.gpu = machine_.gpus[random_.below(machine_.gpus.size())].id;
    if (random_.percent(10)) needs.gpu = std::to_string(random_.below(machine_.gpus.size()));
    if (random_.percent(10)) needs.compute = 8.0;
    if (random_.percent(12)) needs.gpus = random_.percent(50) ? 1 : random_.percent(80) ? 2 : 3;
    if (needs.gpus > 1 && random_.percent(15)) needs.gpu = random_.percent(50) ? "0,1" : "2,0,1";
    if (needs.gpus >= 1 && random_.percent(70)) needs.gpu_memory.reset();
  }
  if (random_.per_mille(5)) needs.memory = Bytes(random_.percent(50) ? 0 : INT64_MAX);
  return needs;
}

const Lease* World::some_lease() {
  const auto& promised = referee_.promised();
  if (promised.empty()) return nullptr;
  auto it = promised.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(promised.size())));
  const auto lease = control_->state().promises.leases.find(it->first);
  return lease == control_->state().promises.leases.end() ? nullptr : &lease->second;
}

void World::ask_new() {
  const int id = next_client_++;
  Client client;
  client.uid = static_cast<uid_t>(random_.below(5) * 1000);
  client.ask.name = "job" + std::to_string(random_.below(12));
  client.ask.needs = some_needs();
  client.ask.has_needs = client.ask.needs != Needs() || !random_.percent(50);
  client.ask.priority = static_cast<Priority>(random_.below(4));
  client.ask.spread = random_.percent(20);
  client.ask.return_idle = random_.percent(30);
  if (random_.percent(40)) {
    client.ask.wait = std::chrono::milliseconds(0);
  } else if (random_.percent(50)) {
    client.ask.wait = std::chrono::milliseconds(random_.between(100, 60'000));
  }
  if (random_.percent(50)) client.ask.expected = std::chrono::seconds(random_.between(1, 600));
  if (random_.percent(10)) client.ask.ttl = std::chrono::seconds(random_.between(1, 300));
  if (random_.percent(30)) client.ask.idempotency_key = "key-" + std::to_string(id);

  const Lease* other = random_.percent(15) ? some_lease() : nullptr;
  if (random_.percent(5)) {
    client.pid = 0;  // tied to time only
    client.ask.ttl = std::chrono::seconds(random_.between(1, 300));
  } else if (other != nullptr && other->holder.pid != 0 && machine_.alive(other->holder) &&
             !other->grouped && other->parent == 0 && random_.percent(40)) {
    client.pid = other->holder.pid;  // a process with several leases
    client.uid = other->owner;
    client.ask.holder = other->holder;
  } else {
    Process& process = machine_.start(false);
    client.pid = process.holder.pid;
    client.ask.holder = process.holder;
    client.ask.group = random_.percent(50);
    client.ask.fence = random_.percent(60);
    client.ask.enforce = random_.percent(30);
    if (other != nullptr && machine_.alive(other->holder) && decide::holds(other->state)) {
      client.ask.parent = other->id;
      const LeaseId outer = other->parent != 0 ? other->parent : other->id;
      const Lease& root = control_->state().promises.leases.at(outer);
      process.root = root.holder.pid;
      process.root_start = root.holder.start_time;
      if (root.group != Group()) process.group = outer;
      if (random_.percent(80)) client.uid = other->owner;
      const auto less = [&](Bytes most) {
        return Bytes(std::max<std::int64_t>(1, most.count() / 3));
      };
      client.ask.needs = Needs();
      if (other->booked.memory.count() > 0) client.ask.needs.memory = less(other->booked.memory);
      if (other->booked.gpu_memory.count() > 0)
        client.ask.needs.gpu_memory = less(other->booked.gpu_memory);
      if (other->needs.gpus > 1 && random_.percent(40)) client.ask.needs.gpus = 2;
    }
  }
  if (client.ask.parent == 0 && random_.percent(25)) {
    client.ask.model = "model" + std::to_string(random_.below(6));
    client.ask.name = client.ask.model;
    if (client.pid != 0 && random_.percent(25)) {
      client.ask.use = true;
      client.ask.needs = Needs();
      client.ask.has_needs = false;
      client.ask.group = client.ask.fence = client.ask.enforce = false;
    }
  }
  if (client.ask.parent == 0 && client.ask.model.empty() && random_.percent(15)) {
    client.ask.starts = instant().wall + std::chrono::seconds(random_.between(-3, 240));
    if (random_.percent(80)) {
      client.ask.expected = std::chrono::seconds(random_.between(1, 200));
    }
  }
  clients_[id] = client;
  const Caller caller{client.uid, !random_.per_mille(5), client.uid == 0};
  const bool same =
      client.ask.parent == 0 && !client.ask.use && !client.ask.starts && random_.percent(40);
  const std::uint64_t crashes = outcome_.crashes;
  if (same) {
    AskFit fit;
    fit.name = client.ask.name;
    fit.model = client.ask.model;
    fit.needs = client.ask.needs;
    fit.has_needs = client.ask.has_needs;
    fit.priority = client.ask.priority;
    fit.spread = client.ask.spread;
    fit.expected = client.ask.expected;
    apply(Asked{request(id, now_), caller, fit});
    if (!clients_.contains(id) || !outcome_.broken.empty()) return;
    if (crashes != outcome_.crashes) clients_.at(id).fitted = false;
    if (!caller.known) clients_.at(id).fitted = false;
  }
  apply(Asked{request(id, now_ + kSlowest), caller, client.ask});
}

// Clients that wait ask how it stands, repeat themselves, or hang up.
void World::ask_again() {
  if (clients_.empty()) return;
  auto it = clients_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(clients_.size())));
  const int id = it->first;
  const Client client = it->second;
  const Caller caller{client.uid, true, client.uid == 0};
  const auto open = std::find_if(requests_.begin(), requests_.end(),
                                 [id](const auto& r) { return r.second.client == id; });
  if (open != requests_.end()) {
    if (!random_.percent(20)) return;
    const RequestId gone = open->first;
    requests_.erase(open);
    apply(Withdrawn{gone});
    return;
  }
  if (client.lease == 0 || random_.percent(20)) {
    if (client.ask.idempotency_key.empty()) {
      if (client.lease == 0) end_client(id);  // its answer was lost, and it cannot ask for it
      return;
    }
    apply(Asked{request(id, now_ + kSlowest), caller, client.ask});
  } else if (client.stage != Stage::running) {
    const std::int64_t patience = random_.percent(30) ? 0 : random_.between(1, 30'000);
    apply(Asked{request(id, now_ + patience * kMs + kSlowest), caller,
                AskWait{client.lease, std::chrono::milliseconds(patience)}});
  }
}

void World::change_something() {
  const Lease* lease = some_lease();
  const std::uint64_t what = random_.below(100);
  if (what < 5) {
    const auto open = control_->state().alerts.open();
    const std::uint64_t alert = open.empty() ? 77 : open[random_.below(open.size())].id;
    apply(Asked{request(0, now_), {0, true, true}, AskAcknowledge{alert, !random_.percent(10)}});
    return;
  }
  if (lease == nullptr) return;
  const LeaseId id = lease->id;
  const bool own = random_.percent(85);
  const Caller caller{own ? lease->owner : 4242, true, false};
  if (what < 30) {
    apply(Asked{request(0, now_), caller, AskEnd{id}});
  } else if (what < 80) {
    AskChange change;
    change.lease = id;
    if (random_.percent(60)) change.needs = random_.percent(30) ? some_needs() : lease->needs;
    if (change.needs && change.needs->memory && random_.percent(70)) {
      // Some ask for nearly all that a number can hold: then it stays within.
      const std::int64_t percent =
          std::min<std::int64_t>(change.needs->memory->count(),
                                 std::numeric_limits<std::int64_t>::max() / 200) /
          100;
      change.needs->memory = Bytes(std::max<std::int64_t>(1, percent * random_.between(30, 170)));
    }
    if (random_.percent(20)) change.ttl = std::chrono::seconds(random_.between(0, 300));
    if (random_.percent(20)) change.expected = std::chrono::seconds(random_.between(0, 3000));
    if (random_.percent(15)) change.return_idle = random_.percent(70);
    apply(Asked{request(0, now_), caller, change});
  } else {
    apply(Asked{request(0, now_ + 5 * kSecond), caller,
                AskWait{id, std::chrono::milliseconds(5000)}});
  }
}

// More is opened again than closed, so that most of the machine is open most of the time.
void World::drain_something() {
  const auto& drained = control_->state().promises.drained;
  AskDrain ask;
  ask.drained = drained.empty() || random_.percent(20);
  if (!ask.drained) {
    auto it = drained.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_.below(drained.size())));
    ask.device = it->first;
  } else if (!machine_.gpus.empty() && random_.percent(85)) {
    const std::size_t gpu = random_.below(machine_.gpus.size() + 1);  // the last is in no machine
    ask.device = random_.percent(50) && gpu < machine_.gpus.size() ? machine_.gpus[gpu].id
                                                                   : std::to_string(gpu);
  }
  apply(Asked{request(0, now_), {0, true, !random_.percent(10)}, ask});
}

// A lease goes to another process: a fresh one, which works on, or one that holds leases already.
// Who had it ends soon, or goes on with what it has.
void World::hand_over() {
  if (clients_.empty()) return;
  auto it = clients_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_.below(clients_.size())));
  const int id = it->first;
  const LeaseId lease = it->second.lease;
  const auto found = control_->state().promises.leases.find(lease);
  const auto from = machine_.processes.find(it->second.pid);
  if (found == control_->state().promises.leases.end() || from == machine_.processes.end()) return;
  const Lease before = found->second;
  const Holder old = from->second.holder;
  if (before.holder != old) return;
  Process* to = nullptr;
  if (random_.percent(30)) {
    const Lease* other = some_lease();
    const auto at =
        other == nullptr ? machine_.processes.end() : machine_.processes.find(other->holder.pid);
    if (at != machine_.processes.end() && !at->second.dead && at->second.group == 0 &&
        !other->grouped && other->parent == 0 && at->second.holder == other->holder &&
        other->owner == before.owner && at->second.holder != old) {
      to = &at->second;
    }
  }
  if (to == nullptr) {
    to = &machine_.start(false);
    to->ends = now_ + random_.between(1, 120) * kSecond;
    for (std::size_t r = 0; r < kResources; ++r) {  // it runs already
      if (random_.percent(20)) to->target[r] = random_.between(0, machine_.capacity[r] / 20);
    }
  }
  const Holder next = to->holder;
  AskChange change;
  change.lease = lease;
  change.holder = next;
  const bool own = random_.percent(90);
  apply(Asked{request(0, now_), {own ? before.owner : 4242, true, false}, change});
  if (!outcome_.broken.empty()) return;
  const auto now = control_->state().promises.leases.find(lease);
  if (now == control_->state().promises.leases.end() || now->second.holder != next) return;
  const auto client = clients_.find(id);
  if (client != clients_.end()) {
    client->second.pid = next.pid;
    client->second.ask.holder = next;
  }
  const bool shared = std::any_of(clients_.begin(), clients_.end(),
                                  [&](const auto& c) { return c.second.pid == old.pid; });
  const auto giver = machine_.processes.find(old.pid);
  const auto taker = machine_.processes.find(next.pid);
  if (giver == machine_.processes.end() || taker == machine_.processes.end()) return;
  for (std::size_t r = 0; r < kResources; ++r) {
    taker->second.target[r] += giver->second.target[r];
    if (!shared) giver->second.target[r] = random_.percent(50) ? 0 : giver->second.use[r];
  }
  if (!shared) giver->second.ends = now_ + random_.between(0, 30) * kSecond;
}

void World::crash(const Effects& effects) {
  ++outcome_.crashes;
  // Of the event in hand some records were written, the last of them perhaps in part; nothing else
  // left.
  std::vector<const Record*> records;
  for (const Effect& effect : effects) {
    if (const auto* journal = std::get_if<Journal>(&effect)) records.push_back(&journal->record);
  }
  const std::size_t written = random_.below(records.size() + 1);
  for (std::size_t i = 0; i < written; ++i) record::append_frame(*records[i], sequence_++, log_);
  if (written < records.size()) {
    std::string part;
    record::append_frame(*records[written], sequence_, part);
    part.resize(random_.below(part.size()));
    log_ += part;
  }
  restart(true);
}

void World::reboot() {
  clients_.clear();
  machine_.processes.clear();
  dead_since_.clear();
  referee_.rebooted();
  boot_base_ = now_ - random_.between(1, 60) * kSecond;
  restart(false);
}

void World::restart(bool same_boot) {
  due_.clear();
  sampling_ = false;
  requests_.clear();
  machine_.delivered();
  if (sabotage_ == Sabotage::lost_lease && same_boot && !sabotaged_ &&
      outcome_.events > events_wanted_ / 2) {
    // Somebody takes the record of a lease that a client holds out of the journal.
    const auto& promised = referee_.promised();
    if (!promised.empty()) {
      const LeaseId victim = promised.rbegin()->first;
      record::Replay all = record::replay(log_, 0);
      log_.clear();
      for (const Record& record : all.records) {
        const auto* put = std::get_if<PutLease>(&record);
        if (put == nullptr || put->lease.id != victim)
          record::append_frame(record, sequence_++, log_);
      }
      sabotaged_ = true;
    }
  }
  // The machine goes on while no daemon runs.
  now_ += random_.between(0, 5000) * kMs;
  std::string bytes = log_ + std::string(64, '\0');
  record::Replay replay = record::replay(bytes, 0);
  if (replay.skipped > 0) return fail("a record of the journal was lost at a crash");
  if (std::string broken = referee_.replayed(replay.records); !broken.empty())
    return fail(std::move(broken));
  control_ = std::make_unique<control::Control>(config_);
  started_ = now_;
  machine_.frozen.clear();  // the guardian let all go
  Restored event;
  event.same_boot = same_boot;
  for (const auto& [pid, process] : machine_.processes) {
    if (!process.dead) event.alive.push_back(process.holder);
  }
  event.records = std::move(replay.records);
  // A start writes a snapshot of what was read.
  log_.clear();
  sequence_ = replay.next_sequence;
  for (const Record& record : referee_.shadow().records())
    record::append_frame(record, sequence_++, log_);
  for (auto& [id, client] : clients_) client.fitted = false;
  take_sample(0);
  apply(event);
}

void World::break_something() {
  if (outcome_.events < events_wanted_ / 2) return;
  if (sabotage_ == Sabotage::double_grant) lying_ = true;
  if (sabotage_ == Sabotage::busy_victim && !sabotaged_) {
    for (const auto& [id, told] : referee_.promised()) {
      // The end of one that may end is no fault.
      if (!told.granted || !referee_.has_to_hold(id) || !machine_.alive(told.holder)) continue;
      sabotaged_ = true;
      apply(Exited{told.holder}, true);
      return;
    }
  }
}

}  // namespace headroom::simulate
