// The daemon dies at every byte of its journal and after every effect: nothing that was said is
// lost, and nothing holds room that nobody holds.
#include <cstdio>
#include <set>

#include "control/bench_for_test.hpp"
#include "record/journal.hpp"

namespace headroom::control {
namespace {

/// One event, when it happened, and what came of it.
struct Step {
  Event event;
  Instant at;
  Effects effects;
  std::set<Holder> alive;   ///< after it
  std::size_t log_end = 0;  ///< of the journal after it
};

/// A day in which everything happens once, and what the journal holds of it.
class Day {
 public:
  Day() {
    for (const char* id : {"A", "B"}) {
      GpuReading gpu;
      gpu.id = std::string("GPU-") + id;
      gpu.index = static_cast<int>(sample_.gpus.size());
      gpu.memory_total = 24_GiB;
      gpu.memory_used = Bytes();
      sample_.gpus.push_back(gpu);
    }
    sample_.cpu.cores = 8;
    sample_.cpu.busy = Ratio(0);
    sample_.memory.total = sample_.memory.available = 100_GiB;
    live();
  }

  std::vector<Step> steps;
  std::string log;

 private:
  void step(const Event& event) {
    Step one{event, now_, control_.apply(event, now_), alive_, 0};
    for (const Effect& effect : one.effects) {
      const auto* journal = std::get_if<Journal>(&effect);
      if (journal != nullptr) record::append_frame(journal->record, ++sequence_, log);
    }
    one.log_end = log.size();
    steps.push_back(std::move(one));
  }
  void pass(seconds time) {
    now_.boot += time;
    now_.wall += time;
  }
  void read() {
    pass(seconds(1));
    sample_.at = now_;
    ++sample_.number;
    step(Sampled{std::make_shared<Sample>(sample_)});
  }
  void ask(const Ask& what, uid_t uid = 1000) {
    step(Asked{++request_, {uid, true, uid == 0}, what});
  }
  AskLease by(pid_t pid, Needs needs) {
    alive_.insert(holder(pid));
    AskLease ask = patient(std::move(needs), pid);
    ask.idempotency_key = "key-" + std::to_string(pid);
    return ask;
  }
  void dies(pid_t pid) {
    alive_.erase(holder(pid));
    step(Exited{holder(pid)});
  }

  void live() {
    read();
    AskLease grouped = by(50, memory(40_GiB));
    grouped.group = grouped.fence = true;
    ask(grouped);  // l-1
    step(Placed{1, group(1), true, ""});
    ask(by(51, gpu_memory(20_GiB)));  // l-2
    ask(by(52, gpu_memory(20_GiB)));  // l-3, on the other device
    ask(by(53, gpu_memory(20_GiB)));  // l-4 waits
    ask(by(54, memory(80_GiB)));      // l-5 waits
    AskLease inner = by(55, memory(4_GiB));
    inner.parent = 1;
    ask(inner);  // l-6
    ask(AskDrain{"GPU-B", true}, 0);
    AskChange change;
    change.lease = 1;
    change.needs = memory(30_GiB);
    ask(change);
    change = {};
    change.lease = 3;
    change.ttl = seconds(5000);
    ask(change);
    change = {};
    change.lease = 3;
    alive_.insert(holder(60));
    change.holder = holder(60);
    ask(change);
    alive_.erase(holder(52));
    step(Exited{holder(52)});  // holds nothing any more
    read();
    sample_.gpus[0].memory_used = 20_GiB;
    read();
    dies(51);  // l-2: its bytes are still in use
    read();
    sample_.gpus[0].memory_used = Bytes();
    read();  // they are back: l-4 starts
    change = {};
    change.lease = 6;
    change.exit_status = 0;
    ask(change);
    dies(55);
    ask(AskEnd{5});
    dies(50);
    step(Released{1, false, 1, 1_GiB, 0});  // an orphan
    step(Released{1, true, 0, 1_GiB, 0});
    AskLease timed = by(0, memory(1_GiB));
    timed.holder = {};
    timed.ttl = seconds(3);
    ask(timed);  // l-7
    pass(seconds(4));
    step(Ticked{});
    ask(AskDrain{"GPU-B", false}, 0);
    read();
    models();
  }
  // A model is loaded and used, and asked to go so that another lease fits.
  void models() {
    dies(53);  // l-4
    read();
    AskModel tell;
    tell.name = "sdxl";
    tell.create = true;
    tell.hook = kHolderHook;
    ask(tell);
    AskLease loads = by(70, gpu_memory(20_GiB));
    loads.name = loads.model = "sdxl";
    const LeaseId model = control_.state().promises.next_lease;
    ask(loads);
    AskLease use = by(71, Needs());
    use.model = "sdxl";
    use.use = true;
    use.has_needs = false;
    ask(use);  // waits until it is loaded
    sample_.gpus[0].memory_used = 20_GiB;
    HolderReading reading;
    reading.lease = model;
    reading.gpu = "GPU-A";
    reading.gpu_memory = 20_GiB;
    sample_.holders.push_back(reading);
    for (int i = 0; i < 8; ++i) read();
    dies(71);
    ask(by(72, gpu_memory(10_GiB)));  // waits, and the model is asked to go
    const std::uint64_t asked = control_.state().last_ask;
    step(HookAnswered{asked, HookResult::freed, ""});
    sample_.gpus[0].memory_used = Bytes();
    sample_.holders[0].gpu_memory = Bytes();
    read();
    sample_.holders.clear();
    read();
    tell = {};
    tell.name = "sdxl";
    tell.forget = true;
    ask(tell);
    read();
    devices();
  }
  // Two devices are held at once, changed, handed over, and given back one after the other.
  void devices() {
    Needs two = gpu_memory(10_GiB);
    two.gpus = 2;
    ask(by(80, gpu_memory(1_GiB)));
    const LeaseId lead = control_.state().promises.next_lease;
    ask(by(81, two));  // waits for both
    dies(80);
    dies(72);
    dies(60);
    read();
    read();
    AskChange change;
    change.lease = lead;
    change.needs = two;
    change.needs->gpu_memory = 12_GiB;
    ask(change);
    change = {};
    change.lease = lead;
    alive_.insert(holder(82));
    change.holder = holder(82);
    ask(change);
    for (GpuReading& gpu : sample_.gpus) {
      gpu.memory_used = 12_GiB;
      HolderReading reading;
      const bool first = sample_.holders.empty();
      reading.lease = first ? lead : *control_.state().parts.at(lead).begin();
      reading.gpu = gpu.id;
      reading.gpu_memory = 12_GiB;
      sample_.holders.push_back(reading);
    }
    read();
    dies(81);
    sample_.holders.clear();
    dies(82);
    sample_.gpus[0].memory_used = Bytes();
    read();  // the other one frees late
    for (int i = 0; i < 12; ++i) read();
    sample_.gpus[1].memory_used = Bytes();
    read();
    const LeaseId next = control_.state().promises.next_lease;
    ask(by(83, two));
    ask(AskEnd{next});
    dies(83);
    read();
  }

  Control control_{Bench::make()};
  Sample sample_;
  std::set<Holder> alive_;
  Instant now_{BootTime(seconds(1)), WallTime(seconds(1'700'000'000))};
  std::uint64_t sequence_ = 0;
  RequestId request_ = 0;
};

/// What clients were told by the effects that left: lease and whether it held.
void take_in(const Effects& effects, std::size_t carried, std::map<LeaseId, Lease>& told) {
  for (std::size_t i = 0; i < carried; ++i) {
    const auto* respond = std::get_if<Respond>(&effects[i]);
    const auto* view = respond == nullptr ? nullptr : std::get_if<LeaseView>(&respond->what);
    if (view != nullptr) told[view->lease.id] = view->lease;
  }
}

/// A new daemon reads `log`; `told` is what clients know, `alive` who lives. Empty: all is well.
std::string restart(const Day& day, std::size_t at_step, const std::string& log,
                    const std::map<LeaseId, Lease>& told, const std::set<Holder>& alive) {
  const record::Replay replay = record::replay(log + std::string(64, '\0'), 0);
  if (replay.skipped > 0) return "records were skipped";
  decide::Promises before;
  for (const Record& record : replay.records) before.keep(record);
  Control control{Bench::make()};
  Instant now = day.steps[at_step].at;
  now.boot += seconds(1);
  now.wall += seconds(1);
  Restored event;
  event.records = replay.records;
  event.alive.assign(alive.begin(), alive.end());
  Effects effects = control.apply(event, now);

  for (const auto& [id, lease] : told) {
    const auto found = control.state().promises.leases.find(id);
    if (found == control.state().promises.leases.end())
      return "l-" + std::to_string(id) + " is lost";
    const Lease& is = found->second;
    if (decide::holds(lease.state) && is.state == LeaseState::waiting) {
      return "l-" + std::to_string(id) + " was granted and waits again";
    }
  }
  for (const auto& [id, lease] : control.state().promises.leases) {
    if (lease.state == LeaseState::ended || lease.holder.pid == 0) continue;
    const bool watched = std::any_of(effects.begin(), effects.end(), [&](const Effect& effect) {
      const auto* watch = std::get_if<Watch>(&effect);
      return watch != nullptr && watch->holder == lease.holder;
    });
    if (alive.contains(lease.holder) && !watched) return "nobody watches l-" + std::to_string(id);
    if (!alive.contains(lease.holder) && lease.state == LeaseState::waiting) {
      return "l-" + std::to_string(id) + " waits for a dead holder";
    }
  }
  // Of several devices all are held or none is.
  for (const auto& [id, lease] : control.state().promises.leases) {
    const auto parts = control.state().parts.find(id);
    const std::size_t others = parts == control.state().parts.end() ? 0 : parts->second.size();
    if (lease.part_of != 0) {
      const auto lead = control.state().promises.leases.find(lease.part_of);
      if (lead == control.state().promises.leases.end() || !decide::holds(lead->second.state)) {
        return "l-" + std::to_string(id) + " is a device of nobody's";
      }
    } else if (!decide::holds(lease.state)) {
      if (others > 0) return "l-" + std::to_string(id) + " holds nothing, and a device";
    } else if (lease.state != LeaseState::releasing && lease.state != LeaseState::quarantined &&
               others + 1 != static_cast<std::size_t>(std::max(1, lease.needs.gpus))) {
      return "l-" + std::to_string(id) + " holds some of its devices";
    }
  }
  // Groups that are empty go, and the machine is read twice, nothing in use: then what holds room
  // is held by somebody.
  for (int round = 0; round < 3; ++round) {
    for (const Effect& effect : Effects(effects)) {
      if (const auto* release = std::get_if<Release>(&effect)) {
        Effects more = control.apply(Released{release->lease, true, 0, {}, 0}, now);
        effects.insert(effects.end(), more.begin(), more.end());
      }
    }
    now.boot += seconds(1);
    now.wall += seconds(1);
    Sample sample = *std::get<Sampled>(day.steps.front().event).sample;
    sample.at = now;
    sample.number = static_cast<std::uint64_t>(1000 + round);
    effects = control.apply(Sampled{std::make_shared<Sample>(sample)}, now);
  }
  std::map<std::string, Bytes> on_gpu;
  Bytes booked;
  for (const auto& [id, lease] : control.state().promises.leases) {
    if (!decide::holds(lease.state)) continue;
    if (lease.holder.pid != 0 && !alive.contains(lease.holder)) {
      // One whose commands inside live on is no ghost.
      if (!control.state().nested.contains(id)) return "l-" + std::to_string(id) + " is a ghost";
    }
    if (lease.parent != 0) continue;
    booked += lease.booked.memory;
    if (!lease.gpu.empty()) on_gpu[lease.gpu] += lease.booked.gpu_memory;
  }
  const auto& pools = control.state().ledger.pools();
  if (booked.count() != pools[decide::Ledger::kMemory].booked) return "memory is booked wrong";
  for (const decide::Pool& pool : pools) {
    if (pool.resource == Resource::gpu_memory && pool.booked != on_gpu[pool.device].count()) {
      return pool.device + " is booked wrong";
    }
    if (pool.booked > pool.capacity && pool.capacity > 0) return pool.name + " is booked twice";
  }
  if (before.drained != control.state().promises.drained) return "a drain was lost";
  for (const auto& [name, model] : before.models) {
    if (!control.state().promises.models.contains(name)) return "a model was lost";
  }
  for (const auto& [id, lease] : told) {
    if (control.state().promises.next_lease <= id) return "an id would be given twice";
  }
  return {};
}

// HAMi forgets its ledger when its scheduler is started again, and places anew on full devices.
TEST(CrashPoint, hami_2923_at_every_byte_of_the_journal) {
  const Day day;
  std::map<LeaseId, Lease> told;
  std::size_t step = 0;
  std::size_t cuts = 0;
  for (std::size_t cut = 0; cut <= day.log.size(); ++cut) {
    // What the events before this one answered has left; of the one in hand nothing has.
    while (step < day.steps.size() && day.steps[step].log_end <= cut) {
      take_in(day.steps[step].effects, day.steps[step].effects.size(), told);
      ++step;
    }
    const std::size_t now = std::min(step, day.steps.size() - 1);
    const std::string broken =
        restart(day, now, day.log.substr(0, cut), told, day.steps[now].alive);
    ASSERT_EQ(broken, "") << "cut at byte " << cut << " of " << day.log.size() << ", event " << now;
    ++cuts;
  }
  std::printf("%zu bytes, %zu events, %zu restarts: nothing lost, nothing ghost\n", day.log.size(),
              day.steps.size(), cuts);
}

TEST(CrashPoint, hami_1458_after_every_effect) {
  const Day day;
  std::map<LeaseId, Lease> told;
  std::size_t points = 0;
  for (std::size_t step = 0; step < day.steps.size(); ++step) {
    const Step& one = day.steps[step];
    for (std::size_t carried = 0; carried <= one.effects.size(); ++carried) {
      std::map<LeaseId, Lease> known = told;
      take_in(one.effects, carried, known);
      const std::string broken =
          restart(day, step, day.log.substr(0, one.log_end), known, one.alive);
      ASSERT_EQ(broken, "") << "event " << step << " after effect " << carried;
      ++points;
    }
    take_in(one.effects, one.effects.size(), told);
  }
  std::printf("%zu places between effects: nothing lost, nothing ghost\n", points);
}

// The day does what its comments say, or the restarts above would prove little.
TEST(CrashPoint, TheDayIsOneInWhichEverythingHappens) {
  const Day day;
  std::set<std::string> said;
  std::set<LeaseState> states;
  for (const Step& step : day.steps) {
    for (const Effect& effect : step.effects) {
      if (const auto* say = std::get_if<Say>(&effect)) said.insert(say->line.type);
      const auto* journal = std::get_if<Journal>(&effect);
      if (journal == nullptr) continue;
      if (const auto* put = std::get_if<PutLease>(&journal->record))
        states.insert(put->lease.state);
    }
  }
  for (const char* type : {"lease.granted", "lease.waiting", "lease.ended", "lease.orphans",
                           "lease.handed_over", "device.drained", "device.opened", "model.loaded",
                           "model.asked", "model.unloaded", "model.forgotten"}) {
    EXPECT_TRUE(said.contains(type)) << type;
  }
  for (const LeaseState state :
       {LeaseState::waiting, LeaseState::reserved, LeaseState::active, LeaseState::draining,
        LeaseState::releasing, LeaseState::ended, LeaseState::quarantined}) {
    EXPECT_TRUE(states.contains(state)) << to_string(state);
  }
  int devices = 0;
  for (const Step& step : day.steps) {
    for (const Effect& effect : step.effects) {
      const auto* journal = std::get_if<Journal>(&effect);
      const auto* put = journal == nullptr ? nullptr : std::get_if<PutLease>(&journal->record);
      devices += put != nullptr && put->lease.part_of != 0 ? 1 : 0;
    }
  }
  EXPECT_GE(devices, 5) << "granted twice, resized, handed over, releasing, lost";
}

// A journal of before there were drains and idle bookings is read as it was meant.
TEST(CrashPoint, AnOlderJournalIsRead) {
  const Day day;
  std::string old;
  std::uint64_t sequence = 0;
  std::size_t leases = 0;
  for (const Record& record : record::replay(day.log + std::string(64, '\0'), 0).records) {
    if (std::holds_alternative<PutDrain>(record)) continue;
    leases += std::holds_alternative<PutLease>(record) ? 1U : 0U;
    record::append_frame(record, ++sequence, old);
  }
  ASSERT_GT(leases, 5U);
  const record::Replay replay = record::replay(old + std::string(64, '\0'), 0);
  EXPECT_EQ(replay.skipped, 0U);
  EXPECT_EQ(replay.records.size(), sequence);
  // And one of a later version, with a kind that is not known here, costs that record alone.
  const auto unknown = decode(std::string(1, '\x63') + std::string(11, '\0'));
  EXPECT_FALSE(unknown);
}

}  // namespace
}  // namespace headroom::control
