// What a sample says about the leases and the machine.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <utility>

#include "control/control.hpp"
#include "decide/verdict.hpp"
#include "judge/health.hpp"
#include "judge/power.hpp"

namespace headroom::control {
namespace {

using namespace literals;

constexpr std::chrono::seconds kSettles{5};  // not risen for this long: loaded
constexpr double kRise = 1.02;               // less than this is not a rise
constexpr Bytes kWorthReturning = 64_MiB;    // less of a booking is not said to be idle
constexpr Bytes kLeastKept = 16_MiB;         // of a booking whose rest is returned

// Errors after which an NVIDIA device is not to be trusted until it was reset or looked at (XIDs,
// "XID Errors" in NVIDIA's documentation); the others are a program's own mistakes, or mended.
constexpr bool is_fatal(std::uint64_t xid) {
  switch (xid) {
    case 48:   // an ECC error that could not be corrected
    case 62:   // its controller has stopped
    case 64:   // a broken row could not be set aside
    case 74:   // NVLink
    case 79:   // fell off the bus
    case 95:   // an ECC error that was not contained
    case 119:  // its system processor does not answer
    case 120:  // or has failed
    case 140:  // an ECC error that nobody recovered from
      return true;
    default:
      return false;
  }
}

double percent(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

/// Bytes per second in and out, without the loopback.
std::optional<double> node_traffic(const Sample& sample) {
  std::optional<double> sum;
  for (const NetworkReading& network : sample.networks) {
    if (network.name == "lo" || !network.received_per_second || !network.sent_per_second) continue;
    sum = sum.value_or(0) + *network.received_per_second + *network.sent_per_second;
  }
  return sum;
}

/// In all that is made of it here.
bool says_the_same(const HolderReading& a, const HolderReading& b) {
  return a.memory == b.memory && a.gpu_memory == b.gpu_memory && a.cpu == b.cpu &&
         a.written == b.written && a.gpu == b.gpu;
}

Amounts highest(const Amounts& a, const Amounts& b) {
  return {std::max(a.memory, b.memory), std::max(a.gpu_memory, b.gpu_memory),
          std::max(a.cpu, b.cpu), std::max(a.disk, b.disk)};
}

}  // namespace

void Control::on(const Sampled& event) {
  const auto by_lease = [](const HolderReading& a, const HolderReading& b) {
    return a.lease < b.lease;
  };
  std::shared_ptr<const Sample> taken = event.sample;
  if (!std::is_sorted(taken->holders.begin(), taken->holders.end(), by_lease)) {
    auto sorted = std::make_shared<Sample>(*taken);
    std::stable_sort(sorted->holders.begin(), sorted->holders.end(), by_lease);
    taken = std::move(sorted);
  }
  const auto before = std::exchange(state_.sample, std::move(taken));
  const Sample& sample = *state_.sample;
  spend(sample);
  const std::vector<Read> reads = what_changed(sample, before.get());
  measure(sample, reads);
  measure_cpu(sample, before.get(), reads);
  const auto cores = static_cast<std::int64_t>(state_.cpu_unbooked.value_or(0) * 1000);
  state_.ledger.refresh(sample, *state_.config, Cores(cores));
  claim_no_more();
  check_owed();
  credit_fences(reads);
  watch_over(reads);
  watch_idle(sample, reads);
  judge(sample);
  // Who is given more is not one who takes too much.
  measure_components();
  cycle_components_when_due();
  climb(sample);
  end_overrunners(sample);
  drain_broken(sample, before.get());
  check_unloading();
  unload_idle();
  run_queue();
  clean_sessions_when_due();
}

// Both samples are by lease: they are walked in step, and nothing is looked up for a lease that
// reads as before. With ten thousand of them that is what a sample costs.
std::vector<Control::Read> Control::what_changed(const Sample& sample, const Sample* before) {
  // What the dead hold is said anew with every sample.
  for (const auto& [id, owed] : state_.owed) look_again(id);
  const std::vector<LeaseId> again = state_.look_again.take();

  static const std::vector<HolderReading> kNone;
  const std::vector<HolderReading>& old = before == nullptr ? kNone : before->holders;
  std::vector<Read> reads;
  auto was = old.begin();
  auto is = sample.holders.begin();
  auto due = again.begin();
  while (was != old.end() || is != sample.holders.end() || due != again.end()) {
    constexpr LeaseId kEnd = std::numeric_limits<LeaseId>::max();
    const LeaseId id =
        std::min({was != old.end() ? was->lease : kEnd,
                  is != sample.holders.end() ? is->lease : kEnd, due != again.end() ? *due : kEnd});
    const HolderReading* then = was != old.end() && was->lease == id ? &*was : nullptr;
    const HolderReading* now = is != sample.holders.end() && is->lease == id ? &*is : nullptr;
    const bool asked = due != again.end() && *due == id;
    if (asked || then == nullptr || now == nullptr || !says_the_same(*then, *now)) {
      reads.push_back({id, now});
    }
    if (asked) ++due;
    while (was != old.end() && was->lease == id) ++was;
    while (is != sample.holders.end() && is->lease == id) ++is;
  }
  return reads;
}

bool Control::is_unified(const std::string& gpu) const {
  const int pool = state_.ledger.gpu(gpu);
  return pool >= 0 && state_.ledger.pool(pool).unified;
}

void Control::measure(const Sample& sample, const std::vector<Read>& reads) {
  // Leases that share one process share its use: each gets up to its booking,
  // in the order they were granted, the last one all the rest.
  std::map<Holder, Amounts> given;
  std::map<std::pair<Holder, std::string>, Bytes> given_on_gpu;
  std::map<std::string, std::vector<LeaseId>> by_gpu;
  for (const Read& read : reads) {
    const auto use = state_.uses.find(read.lease);
    const bool of_another = use != state_.uses.end() && use->second.handed_over &&
                            sample.at.boot <= *use->second.handed_over;
    if (of_another) look_again(read.lease);
    if (read.reading == nullptr || of_another) {
      // What was not read is not known: it may have given back what it had before.
      if (use == state_.uses.end() || !use->second.measured) continue;
      use->second.measured.reset();
      state_.ledger.measure(read.lease, Amounts());
      continue;
    }
    const HolderReading& reading = *read.reading;
    const auto found = state_.promises.leases.find(reading.lease);
    if (found == state_.promises.leases.end() || !decide::holds(found->second.state)) continue;
    const Lease& lease = found->second;
    Amounts measured;
    if (reading.memory) measured.memory = *reading.memory;
    if (reading.cpu) measured.cpu = *reading.cpu;
    if (reading.written) measured.disk = *reading.written;
    if (reading.gpu_memory && reading.gpu == lease.gpu) measured.gpu_memory = *reading.gpu_memory;
    const auto sharers = state_.holders.find(lease.holder);
    if (lease.part_of == 0 && sharers != state_.holders.end() && sharers->second.size() > 1) {
      Amounts& taken = given[lease.holder];
      const bool last = *sharers->second.rbegin() == lease.id;
      const auto share = [last](Bytes& mine, Bytes& before, Bytes booked) {
        const Bytes rest = std::max(Bytes(), mine - before);
        mine = last ? rest : std::min(rest, booked);
        before += mine;
      };
      share(measured.memory, taken.memory, lease.booked.memory);
      share(measured.disk, taken.disk, lease.booked.disk);
      // On the devices that its leases are on, a process's use is told apart already.
      if (lease.booked.gpu_memory.count() > 0) {
        share(measured.gpu_memory, given_on_gpu[{lease.holder, lease.gpu}],
              lease.booked.gpu_memory);
      }
      look_again(lease.id);  // what the others have decides about its part
    }
    if (!reading.gpu_memory && !lease.gpu.empty() && !is_unified(lease.gpu)) {
      by_gpu[lease.gpu].push_back(lease.id);
      look_again(lease.id);  // the device's reading decides about it
    }
    if (!lease.gpu.empty() && is_unified(lease.gpu)) measured.memory += measured.gpu_memory;
    state_.uses[lease.id].measured = measured;
  }
  // Where the driver does not say who uses a device: what it uses more than before its first lease
  // came, given out in the order of the grants, never more than was booked.
  for (auto& [gpu, ids] : by_gpu) {
    const auto reading = std::find_if(sample.gpus.begin(), sample.gpus.end(),
                                      [&](const GpuReading& r) { return r.id == gpu; });
    if (reading == sample.gpus.end() || !reading->memory_used) continue;
    const decide::Pool& pool = state_.ledger.pool(state_.ledger.device(Resource::gpu_memory, gpu));
    if (!pool.used_idle) continue;  // nobody knows what of it was there before
    Bytes risen = std::max(Bytes(), *reading->memory_used - Bytes(*pool.used_idle));
    for (const LeaseId id : ids) {
      const Bytes mine = std::min(risen, state_.promises.leases.at(id).booked.gpu_memory);
      state_.uses[id].measured->gpu_memory = mine;
      risen -= mine;
    }
  }
  for (const Read& read : reads) {
    if (read.reading == nullptr) continue;
    const auto use = state_.uses.find(read.lease);
    if (use == state_.uses.end() || !use->second.measured) continue;
    use->second.peak = highest(use->second.peak, *use->second.measured);
    state_.ledger.measure(read.lease, *use->second.measured);
    settle(read.lease);
  }
}

void Control::settle(LeaseId id) {
  const auto found = state_.promises.leases.find(id);
  if (found == state_.promises.leases.end()) return;
  const Lease& lease = found->second;
  const bool rising = lease.state == LeaseState::reserved || lease.state == LeaseState::loading;
  if (!rising || lease.part_of != 0) return;  // a further device is what its lease is
  Use& use = state_.uses[id];
  const Bytes now = std::max(use.measured->memory, measured_gpu(id));
  if (static_cast<double>(now.count()) > kRise * static_cast<double>(use.highest.count())) {
    use.highest = now;
    use.rose = at_.boot;
  }
  LeaseState next = lease.state;
  if (now.count() > 0 && lease.state == LeaseState::reserved) next = LeaseState::loading;
  if (at_.boot - use.rose >= kSettles) next = LeaseState::active;
  look_again(id);  // time alone may make it active
  if (next == lease.state) return;
  use.loaded = next == LeaseState::active;
  Lease changed = lease;
  changed.state = next;
  const std::string model = lease.model;
  keep(PutLease{std::move(changed)});
  show(id);
  if (!model.empty() && next == LeaseState::active) note_loaded(state_.promises.leases.at(id));
}

void Control::measure_cpu(const Sample& sample, const Sample* before,
                          const std::vector<Read>& reads) {
  if (!sample.cpu.busy || before == nullptr) return;
  // What a job uses beyond its cores was booked by nobody.
  double booked_use = static_cast<double>(state_.ledger.pool(decide::Ledger::kCpu).measured) / 1000;
  for (const Read& read : reads) {
    // A holder that has handed its lease over used what it had booked all the same.
    if (read.reading == nullptr || !read.reading->cpu) continue;
    const auto use = state_.uses.find(read.lease);
    const auto lease = state_.promises.leases.find(read.lease);
    if (use == state_.uses.end() || use->second.measured || lease == state_.promises.leases.end() ||
        !decide::holds(lease->second.state)) {
      continue;
    }
    booked_use += std::min(read.reading->cpu->value(), lease->second.booked.cpu.value());
  }
  const double unbooked = std::max(0.0, sample.cpu.busy->value() * sample.cpu.cores - booked_use);
  const double seconds = std::chrono::duration<double>(sample.at.boot - before->at.boot).count();
  const double weight = 1.0 - std::exp(-std::max(0.0, seconds) / 60.0);
  state_.cpu_unbooked = state_.cpu_unbooked.value_or(unbooked) +
                        weight * (unbooked - state_.cpu_unbooked.value_or(unbooked));
}

void Control::watch_over(const std::vector<Read>& reads) {
  for (const Read& read : reads) {
    const LeaseId id = read.lease;
    const auto measured = state_.uses.find(id);
    if (measured == state_.uses.end() || !measured->second.measured) continue;
    Use& use = measured->second;
    const auto found = state_.promises.leases.find(id);
    if (found == state_.promises.leases.end() || !decide::holds(found->second.state)) continue;
    const Lease& lease = found->second;
    const LeaseId shown = lease.part_of != 0 ? lease.part_of : id;
    const Amounts& used = *use.measured;
    if (!use.over && decide::is_over(used, lease.booked)) {
      use.over = true;
      const bool gpu =
          lease.booked.gpu_memory.count() > 0 &&
          used.gpu_memory - lease.booked.gpu_memory > used.memory - lease.booked.memory;
      const auto text = [&](const Amounts& amounts) {
        return gpu ? decide::amount_text(Resource::gpu_memory, amounts.gpu_memory.count())
                   : decide::amount_text(Resource::memory, amounts.memory.count());
      };
      say("lease.over", shown,
          lease.name + " uses " + text(used) + (gpu ? " of GPU memory" : " of memory") +
              " and booked " + text(lease.booked) + "; the rest is nobody's room until it is back");
      show(shown);
    } else if (use.over &&
               (lease.booked.memory.count() == 0 || used.memory <= lease.booked.memory) &&
               (lease.booked.gpu_memory.count() == 0 ||
                used.gpu_memory <= lease.booked.gpu_memory)) {
      use.over = false;
      say("lease.within", shown, lease.name + " uses no more than it booked again");
      show(shown);
    }
  }
}

void Control::watch_idle(const Sample& sample, const std::vector<Read>& reads) {
  std::vector<const HolderReading*> concerned;
  for (const Read& read : reads) {
    if (read.reading != nullptr) concerned.push_back(read.reading);
  }
  const auto earlier = [](const HolderReading& reading, LeaseId id) { return reading.lease < id; };
  for (const auto& [at, id] : state_.idle_due) {
    if (at > at_.boot) break;
    const auto reading =
        std::lower_bound(sample.holders.begin(), sample.holders.end(), id, earlier);
    // Of one that is not read just now nothing is said.
    if (reading != sample.holders.end() && reading->lease == id) concerned.push_back(&*reading);
  }
  // Readings of one sample lie in the order of their leases.
  std::sort(concerned.begin(), concerned.end());
  concerned.erase(std::unique(concerned.begin(), concerned.end()), concerned.end());
  for (const HolderReading* reading : concerned) watch_idle(*reading);
}

void Control::watch_idle(const HolderReading& reading) {
  const std::chrono::seconds after = state_.config->leases.idle;
  const auto use_at = state_.uses.find(reading.lease);
  const auto found = state_.promises.leases.find(reading.lease);
  if (use_at == state_.uses.end() || found == state_.promises.leases.end()) return;
  Use& use = use_at->second;
  const Lease& lease = found->second;
  const auto sharers = state_.holders.find(lease.holder);
  // Whose use cannot be told apart from others' is not said to be idle.
  const bool alone = sharers == state_.holders.end() || sharers->second.size() == 1;
  const bool watched = after.count() > 0 && use.measured && alone && lease.parent == 0 &&
                       lease.state == LeaseState::active;
  const auto watch = [&](std::optional<Quiet>& quiet, bool known, Bytes used, Bytes booked) {
    const Bytes spare = booked - used;
    if (!watched || !known || used >= spare || spare < kWorthReturning) return quiet.reset();
    if (!quiet) quiet = Quiet{at_.boot, used, false};
    quiet->most = std::max(quiet->most, used);
  };
  const Amounts used = use.measured.value_or(Amounts());
  // A hard limit stays where it is, and a device of its own is not shared: both are kept.
  watch(use.quiet_memory, reading.memory.has_value() && !lease.enforce, used.memory,
        lease.booked.memory);
  watch(use.quiet_gpu, reading.gpu_memory && reading.gpu == lease.gpu && lease.needs.gpus == 0,
        used.gpu_memory, lease.booked.gpu_memory);
  bool tell = false;
  bool due = false;
  std::optional<BootTime> next;
  for (auto* quiet : {&use.quiet_memory, &use.quiet_gpu}) {
    if (!*quiet) continue;
    if (at_.boot - (*quiet)->since >= after) {
      tell = tell || !(*quiet)->said;
      (*quiet)->said = true;
    }
    due = due || at_.boot - (*quiet)->since >= 2 * after;
    if (!(*quiet)->said || lease.return_idle) {
      const BootTime at = (*quiet)->since + ((*quiet)->said ? 2 * after : after);
      next = next ? std::min(*next, at) : at;
    }
  }
  const bool give_back = due && lease.return_idle;
  if (give_back) {
    next.reset();
    look_again(lease.id);  // what is left may lie idle as well
  }
  if (next != use.idle_due) {
    if (use.idle_due) state_.idle_due.erase({*use.idle_due, lease.id});
    if (next) state_.idle_due.emplace(*next, lease.id);
    use.idle_due = next;
  }
  if (tell) {
    say("lease.idle", lease.id, lease.name + " " + idle_text(lease, use));
    show(lease.id);
  }
  if (give_back) return_idle(lease.id);
}

void Control::forget_use(LeaseId id) {
  state_.slowed.erase(id);
  const auto use = state_.uses.find(id);
  if (use == state_.uses.end()) return;
  if (use->second.idle_due) state_.idle_due.erase({*use->second.idle_due, id});
  leave_fence(id);
  state_.uses.erase(use);
}

std::string Control::idle_text(const Lease& lease, const Use& use) const {
  std::string text;
  const auto add = [&](const std::optional<Quiet>& quiet, Resource resource, Bytes booked,
                       const char* what) {
    if (!quiet || !quiet->said) return;
    const auto minutes =
        std::chrono::duration_cast<std::chrono::minutes>(at_.boot - quiet->since).count();
    text += std::string(text.empty() ? "has used at most " : ", and at most ") +
            decide::amount_text(resource, quiet->most.count()) + " of its " +
            decide::amount_text(resource, booked.count()) + what + " for " +
            std::to_string(minutes) + " min";
  };
  add(use.quiet_memory, Resource::memory, lease.booked.memory, " of memory");
  add(use.quiet_gpu, Resource::gpu_memory, lease.booked.gpu_memory, " of GPU memory");
  if (text.empty()) return text;
  return text + (lease.return_idle ? "; the rest is returned when it stays so"
                                   : "; a smaller booking would leave the rest to others");
}

void Control::return_idle(LeaseId id) {
  Use& use = state_.uses.at(id);
  Lease lease = state_.promises.leases.at(id);
  const Amounts inner = booked_inside(id);
  std::string text;
  const auto shrink = [&](std::optional<Quiet>& quiet, Resource resource, Bytes& booked,
                          Bytes least, const char* what) {
    if (!quiet || at_.boot - quiet->since < 2 * state_.config->leases.idle) return;
    const Bytes wanted =
        std::max({quiet->most + Bytes(quiet->most.count() / 10), least, kLeastKept});
    quiet.reset();
    if (booked - wanted < kWorthReturning) return;
    text += (text.empty() ? "" : ", ") + decide::amount_text(resource, (booked - wanted).count()) +
            what;
    booked = wanted;
  };
  shrink(use.quiet_memory, Resource::memory, lease.booked.memory, inner.memory, " of memory");
  shrink(use.quiet_gpu, Resource::gpu_memory, lease.booked.gpu_memory, inner.gpu_memory,
         " of GPU memory");
  if (text.empty()) return;
  let_go(lease);
  const bool fence = lease.fence && lease.group != Group() && lease.fence_at.count() > 0;
  if (fence) {
    lease.fence_at = lease.booked.memory;
    lease.fence_set = false;
    effects_.emplace_back(Fence{id, lease.group, lease.fence_at, "idle memory was returned"});
  }
  say("lease.returned", id, lease.name + " returned " + text + " that it had not used");
  keep(PutLease{std::move(lease)});
  show(id);
}

// A device that the driver says is broken takes nobody new until somebody has looked at it.
void Control::drain_broken(const Sample& sample, const Sample* before) {
  for (const GpuReading& gpu : sample.gpus) {
    if (!gpu.last_xid || !is_fatal(*gpu.last_xid) || state_.promises.drained.contains(gpu.id))
      continue;
    std::uint64_t seen = 0;
    if (before != nullptr) {
      const auto was = std::find_if(before->gpus.begin(), before->gpus.end(),
                                    [&](const GpuReading& other) { return other.id == gpu.id; });
      if (was != before->gpus.end()) seen = was->xids;
    }
    if (gpu.xids <= seen) continue;
    Drain drain{gpu.id, 0, at_.wall, "the driver reported error " + std::to_string(*gpu.last_xid)};
    say("device.drained", 0,
        "GPU " + std::to_string(gpu.index) + " takes nobody new: " + drain.reason);
    keep(PutDrain{std::move(drain), true});
  }
}

void Control::tell(const Alert& alert, judge::AlertStep step) {
  Alert told = alert;
  const auto muted = state_.promises.muted.find({alert.resource, alert.device});
  const bool quiet = muted != state_.promises.muted.end() && muted->second > at_.wall;
  if (quiet && !alert.ended) {
    told.muted_until = muted->second;
    (void)state_.alerts.mute(alert.id, muted->second);
  }
  effects_.emplace_back(Changed{told});
  if (quiet) return;
  Notify notify;
  notify.what = step == judge::AlertStep::opened      ? Notify::What::raised
                : step == judge::AlertStep::escalated ? Notify::What::escalated
                : step == judge::AlertStep::lowered   ? Notify::What::eased
                : step == judge::AlertStep::ended     ? Notify::What::ended
                                                      : Notify::What::reminded;
  notify.alert = std::move(told);
  effects_.emplace_back(std::move(notify));
}

void Control::gauge(Resource resource, const std::string& device, std::optional<double> value) {
  const auto key = std::pair(resource, device);
  auto found = state_.gauges.find(key);
  if (found == state_.gauges.end()) {
    found = state_.gauges
                .emplace(key, judge::Gauge(resource, device,
                                           judge::gauge_settings(*state_.config, resource)))
                .first;
  }
  const judge::GaugeChange change = found->second.update(value, at_);
  // Somebody agreed to a level, until it is over: also where it ended while no daemon ran.
  const bool over = value && found->second.level() == Level::ok;
  if ((over || change.alert == judge::AlertStep::escalated) &&
      state_.promises.acknowledged.contains(key)) {
    keep(PutAcknowledged{resource, device, false});
  }
  if (const auto alert = state_.alerts.apply(resource, device, change, state_.last_alert, at_)) {
    tell(*alert, change.alert);
    EventLine line;
    line.at = at_.wall;
    line.resource = resource;
    line.device = device;
    const char* step = change.alert == judge::AlertStep::opened      ? "opened"
                       : change.alert == judge::AlertStep::escalated ? "escalated"
                       : change.alert == judge::AlertStep::lowered   ? "lowered"
                       : change.alert == judge::AlertStep::ended     ? "ended"
                                                                     : "reminded";
    line.type = std::string("alert.") + step;
    char text[96];
    std::snprintf(text, sizeof text, ": %s, %.1f, line %.1f", to_string(alert->level), change.value,
                  alert->threshold);
    line.text = alert->text + (device.empty() ? "" : " on " + device);
    if (alert->ended) {
      line.text += " ended after " + std::to_string(alert->lasted->count()) + " s";
    } else {
      line.text += text;
    }
    effects_.emplace_back(Say{std::move(line)});
    // Somebody had seen this alert before the daemon was restarted.
    if (change.alert == judge::AlertStep::opened && state_.promises.acknowledged.contains(key)) {
      (void)state_.alerts.acknowledge(alert->id);
    }
  }
}

void Control::judge(const Sample& sample) {
  std::set<std::pair<Resource, std::string>> seen;
  const auto feed = [&](Resource resource, const std::string& device, std::optional<double> value) {
    seen.emplace(resource, device);
    gauge(resource, device, value);
  };
  for (const auto& [key, until] : std::map(state_.promises.muted)) {
    if (until <= at_.wall) keep(PutMuted{key.first, key.second, WallTime()});
  }

  std::optional<double> cpu;
  if (sample.cpu.busy) cpu = sample.cpu.busy->percent();
  feed(Resource::cpu, "", cpu);
  const MemoryReading& m = sample.memory;
  std::optional<double> memory;
  if (m.total && m.available) {
    memory = percent((*m.total - decide::usable_memory(m)).count(), m.total->count());
    if (m.limit && m.limit_used && *m.limit < *m.total) {
      memory = std::max(*memory, percent(m.limit_used->count(), m.limit->count()));
    }
  }
  feed(Resource::memory, "", memory);
  for (const FilesystemReading& fs : sample.filesystems) {
    std::optional<double> used;
    if (!fs.stale) used = percent((fs.total - fs.free).count(), fs.total.count());
    feed(Resource::disk, fs.mount, used);
  }
  // These two have no lines unless somebody draws some.
  if (state_.config->pressure.power != Rungs{})
    feed(Resource::power, "", judge::node_watts(sample));
  if (state_.config->pressure.network != Rungs{}) feed(Resource::network, "", node_traffic(sample));
  for (const GpuReading& gpu : sample.gpus) {
    std::optional<double> used;
    // Old numbers say nothing about now.
    const bool answers = gpu.state == GpuState::ok || gpu.state == GpuState::asleep;
    const int pool = state_.ledger.device(Resource::gpu_memory, gpu.id);
    if (gpu.memory_used && answers) {
      std::int64_t counts = gpu.memory_used->count();
      if (state_.config->pressure.gpu_memory_basis == Basis::unbooked) {
        // Not what is booked: a booking that nobody has used yet takes nothing off the device.
        counts = std::max<std::int64_t>(0, counts - state_.ledger.pool(pool).measured);
      }
      used = percent(counts, gpu.memory_total.count());
    }
    feed(Resource::gpu_memory, gpu.id, used);
    feed(Resource::gpu_temperature, gpu.id, answers ? gpu.celsius : std::nullopt);
    const auto heat = state_.gauges.find({Resource::gpu_temperature, gpu.id});
    state_.ledger.set_hot(pool, heat->second.level() >= Level::critical);
  }
  if (state_.config->cost.budget > 0) feed(Resource::budget, "", budget_percent());
  judge_components(feed);
  // A device that is gone is under no pressure that anybody knows of.
  for (auto it = state_.gauges.begin(); it != state_.gauges.end();) {
    if (seen.contains(it->first)) {
      ++it;
      continue;
    }
    const auto change = it->second.close(at_);
    if (const auto alert = state_.alerts.apply(it->first.first, it->first.second, change,
                                               state_.last_alert, at_)) {
      tell(*alert, change.alert);
      EventLine line;
      line.at = at_.wall;
      line.type = "alert.ended";
      line.resource = alert->resource;
      line.device = alert->device;
      line.text = alert->text + (alert->device.empty() ? "" : " on " + alert->device) +
                  (is_pressed(alert->resource) ? " ended: the device is gone" : " ended");
      effects_.emplace_back(Say{std::move(line)});
    }
    if (state_.promises.acknowledged.contains(it->first)) {
      keep(PutAcknowledged{it->first.first, it->first.second, false});
    }
    it = state_.gauges.erase(it);
  }
}

}  // namespace headroom::control
