// What clients ask for.
#include <algorithm>
#include <utility>

#include "control/control.hpp"
#include "decide/verdict.hpp"
#include "words/group_path.hpp"

namespace headroom::control {
namespace {

// Most processes that a verdict names.
constexpr std::size_t kNamed = 3;

bool may(const Caller& caller, uid_t owner) {
  return caller.trusted || (caller.known && caller.uid == owner);
}

Error short_of(const Verdict& verdict, const std::string& name) {
  Error error;
  const bool never = verdict.answer == Answer::never;
  error.kind = never ? ErrorKind::can_never_fit : ErrorKind::insufficient_resources;
  error.what =
      (name.empty() ? std::string("it") : name) + (never ? " can never fit" : " does not fit now");
  error.why = verdict.why;
  if (!verdict.help.empty()) error.help = verdict.help.front().text;
  return error;
}

// The command that frees what is missing, and whom it unloads.
std::string free_text(const Amounts& short_by, const std::vector<FreeStep>& steps) {
  const auto amount = [](Bytes bytes) {
    constexpr std::int64_t kTenth = (1LL << 30) / 10;
    const std::int64_t tenths = (bytes.count() + kTenth - 1) / kTenth;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "G";
  };
  std::string text = "headroom free";
  if (short_by.gpu_memory.count() > 0) text += " --gpu-mem " + amount(short_by.gpu_memory);
  if (short_by.memory.count() > 0) text += " --mem " + amount(short_by.memory);
  text += " unloads ";
  for (std::size_t i = 0; i < std::min(steps.size(), kNamed); ++i) {
    const FreeStep& step = steps[i];
    text += (i == 0 ? "" : ", ") + step.model + " (" +
            decide::amount_text(Resource::memory, step.bytes.count()) + ", idle " +
            std::to_string(step.idle.count() / 60) + " min)";
  }
  if (steps.size() > kNamed) text += " and " + std::to_string(steps.size() - kNamed) + " more";
  return text;
}

Error nothing_learned(const std::string& name) {
  return {ErrorKind::invalid_request, "it does not say what it needs",
          "nothing was learned of \"" + name + "\" yet", "say it once, for example --mem 2G"};
}

// Nobody means more than this, and sums of times stay far from the ends of their range.
constexpr std::chrono::hours kLongest{24 * 3650};
template <class Duration>
Duration bounded(Duration duration) {
  return std::clamp<Duration>(duration, Duration::zero(), kLongest);
}
std::optional<std::chrono::seconds> bounded(std::optional<std::chrono::seconds> duration) {
  if (duration) duration = bounded(*duration);
  return duration;
}

}  // namespace

void Control::refuse(RequestId request, Error error, std::optional<Verdict> verdict) {
  effects_.emplace_back(Respond{request, Refusal{std::move(error), std::move(verdict)}});
}

void Control::respond(RequestId request, const Lease& lease) {
  effects_.emplace_back(std::in_place_type<Respond>, request, lease_view(lease));
}

const Lease* Control::owned(const Asked& asked, LeaseId id) {
  const auto found = state_.promises.leases.find(id);
  if (found == state_.promises.leases.end() || found->second.part_of != 0) {
    refuse(asked.request, {ErrorKind::not_found, "there is no lease l-" + std::to_string(id),
                           "it never was, or it ended more than a day ago", "headroom lease"});
    return nullptr;
  }
  if (!may(asked.caller, found->second.owner)) {
    refuse(asked.request,
           {ErrorKind::not_allowed, "lease l-" + std::to_string(id) + " belongs to another user",
            "only its owner, root and the group headroom may change it", ""});
    return nullptr;
  }
  return &found->second;
}

void Control::on(const Asked& asked) {
  std::visit([&](const auto& what) { ask(asked, what); }, asked.ask);
}

void Control::on(const Withdrawn& event) {
  state_.polls.erase(event.request);
  state_.freeing.erase(event.request);
  std::erase_if(state_.session_runs,
                [&](const SessionRun& run) { return run.request == event.request; });
}

void Control::ask(const Asked& asked, const AskFit& ask) {
  const KnownNeeds known = known_needs(ask);
  const Needs needs = ask.has_needs ? ask.needs : known.needs;
  const Size size = ask.has_needs ? Size() : known.size;
  if (!ask.has_needs && needs == Needs()) {
    return refuse(asked.request, nothing_learned(ask.model.empty() ? ask.name : ask.model));
  }
  auto wanted = decide::want(state_.ledger, needs);
  if (!wanted) {
    if (wanted.error().kind == ErrorKind::can_never_fit) {
      Verdict verdict;
      verdict.revision = state_.revision;
      verdict.why = wanted.error().what;
      verdict.size = size;
      effects_.emplace_back(Respond{asked.request, std::move(verdict)});
    } else {
      refuse(asked.request, wanted.error());
    }
    return;
  }
  Lease lease;
  lease.id = state_.promises.next_lease;
  lease.priority = ask.priority;
  lease.asked = at_;
  wanted->owner = asked.caller.uid;
  wanted->spread = ask.spread;
  wanted->priority = ask.priority;
  wanted->start = true;
  wanted->expected = bounded(ask.expected);
  // As for the lease itself.
  if (!wanted->expected && known.length.count() > 0) wanted->expected = bounded(known.length);
  wanted->key = decide::Queue::key(lease, state_.config->leases.ageing);
  Verdict verdict = judge_request(*wanted, {ask.priority, ask.model});
  verdict.size = size;
  effects_.emplace_back(Respond{asked.request, std::move(verdict)});
}

// Why a lease cannot be measured by itself, or headroom cannot do with its holder what is asked.
std::optional<Error> Control::counted_twice(const AskLease& ask) const {
  const std::string& group = ask.holder.group;
  if (group.empty()) {
    // One that is moved into a group of its own, or draws from another's booking, is counted once.
    if (ask.beside == 0 || ask.group || ask.parent != 0) return std::nullopt;
    return measured_beside("process " + std::to_string(ask.holder.pid), ask.beside);
  }
  if (ask.fence || ask.enforce || ask.group) {
    return Error{ErrorKind::invalid_request, "headroom does not limit " + group,
                 "it did not make that cgroup: its limits are those of who did",
                 "leave enforce, fence and group out; systemctl set-property or docker update "
                 "limits what they started"};
  }
  if (ask.parent != 0) {
    return Error{ErrorKind::invalid_request, "a cgroup draws from nobody's booking",
                 "only a process that runs inside a lease does", "leave parent out"};
  }
  // The groups that hold leases come first: they have no pid.
  for (auto it = state_.holders.begin(); it != state_.holders.end() && it->first.pid == 0; ++it) {
    const std::string& other = it->first.group;
    if (!lies_in(other, group) && !lies_in(group, other)) continue;
    for (const LeaseId id : it->second) {
      const Lease& lease = state_.promises.leases.at(id);
      if (!lease.use && !decide::is_ending(lease.state)) return measured_beside(group, id);
    }
  }
  if (ask.beside != 0) return measured_beside(group, ask.beside);
  return std::nullopt;
}

Error Control::measured_beside(const std::string& what, LeaseId id) const {
  const std::string name = "l-" + std::to_string(id);
  const auto found = state_.promises.leases.find(id);
  std::string why = "its processes";
  if (found != state_.promises.leases.end()) {
    const Lease& lease = found->second;
    if (!lease.holder.group.empty()) {
      why = "what runs in " + lease.holder.group;
    } else if (lease.group != Group()) {
      why = "what runs in the group of " + lease.name;
    } else {
      why = "process " + std::to_string(lease.holder.pid);
    }
  }
  return {
      ErrorKind::conflict, what + " is measured with lease " + name + " already",
      why + " counts for that one, and would count twice",
      "draw from it: {\"parent\":\"" + name + "\"}; or change it: headroom lease renew " + name};
}

void Control::ask(const Asked& asked, const AskLease& ask) {
  if (!asked.caller.known) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the kernel does not tell the user of this connection", "use the Unix socket"});
  }
  if (!ask.idempotency_key.empty()) {
    const auto before = state_.keys.find({asked.caller.uid, ask.idempotency_key});
    if (before != state_.keys.end()) {
      const Lease& lease = state_.promises.leases.at(before->second);
      if (lease.name != ask.name || (ask.has_needs && lease.needs != ask.needs) ||
          lease.starts != ask.starts) {
        return refuse(asked.request,
                      {ErrorKind::conflict, "this Idempotency-Key was used for another request",
                       "lease l-" + std::to_string(lease.id) +
                           " has another name, other needs or another start",
                       "a key of its own for each request"});
      }
      // A repeated request whose groups are still being made gets its answer with the first one.
      if (state_.placing.contains(lease.id)) {
        state_.polls.emplace(asked.request, Poll{lease.id, std::nullopt});
        return;
      }
      return respond(asked.request, lease);
    }
  }

  if (ask.starts && (ask.use || !ask.model.empty() || ask.parent != 0)) {
    return refuse(asked.request,
                  {ErrorKind::invalid_request, "this cannot start at a given time",
                   ask.parent != 0 ? "it runs inside another lease, and draws from what that has"
                                   : "a model is loaded when it is needed, or stays",
                   "leave starts_at (--at) out"});
  }
  if (ask.use) return ask_use(asked, ask);
  if (auto error = counted_twice(ask)) return refuse(asked.request, std::move(*error));

  Lease lease;
  lease.id = state_.promises.next_lease;
  lease.name = ask.name;
  lease.model = ask.model;
  lease.config = ask.config;
  lease.owner = asked.caller.uid;
  lease.priority = ask.priority;
  lease.needs = ask.needs;
  lease.holder = ask.holder;
  lease.fence = ask.fence;
  lease.enforce = ask.enforce;
  lease.grouped = ask.group;
  lease.spread = ask.spread;
  lease.return_idle = ask.return_idle;
  lease.asked = at_;
  lease.expected = bounded(ask.expected);
  lease.idempotency_key = ask.idempotency_key;
  if (ask.ttl.count() > 0) lease.expires = at_.boot + bounded(ask.ttl);

  if (ask.parent != 0) {
    const auto parent = state_.promises.leases.find(decide::lead_of(state_.promises, ask.parent));
    // An outer run that has ended holds nothing any more: then this is a request like any other.
    if (parent != state_.promises.leases.end() && decide::holds(parent->second.state)) {
      if (!may(asked.caller, parent->second.owner)) {
        return refuse(asked.request,
                      {ErrorKind::not_allowed, "the outer lease belongs to another user",
                       "a nested run draws from its own user's booking", ""});
      }
      // Bookings nest one level deep: an inner run draws from the outermost.
      lease.parent = parent->second.parent != 0 ? parent->second.parent : parent->first;
      lease.grouped = false;  // it stays in its parent's groups
      lease.fence = lease.enforce = false;
    }
  }
  const KnownNeeds known = known_needs(ask);
  if (!ask.has_needs) {
    lease.needs = known.needs;
    lease.size = known.size;
  }
  if (!lease.expected && known.length.count() > 0) {
    lease.expected = bounded(known.length);
    lease.expected_learned = true;
  }
  if (!ask.has_needs && lease.needs == Needs()) {
    return refuse(asked.request, nothing_learned(ask.model.empty() ? ask.name : ask.model));
  }

  auto wanted = decide::wanted_of(books(), lease);
  if (!wanted) return refuse(asked.request, wanted.error());
  if (ask.starts) return ask_start(asked, ask, std::move(lease));
  if (!ask.model.empty()) touch(ask.model, true);
  Verdict verdict = judge_request(*wanted, {lease.priority, lease.model});
  verdict.size = lease.size;
  if (verdict.answer == Answer::now) {
    const LeaseId id = lease.id;
    std::vector<int> others;
    for (std::size_t i = 1; i < verdict.gpus.size(); ++i) {
      others.push_back(state_.ledger.device(Resource::gpu_memory, verdict.gpus[i]));
    }
    grant(std::move(lease),
          verdict.gpu.empty() ? -1 : state_.ledger.device(Resource::gpu_memory, verdict.gpu),
          others);
    if (state_.placing.contains(id)) {
      state_.polls.emplace(asked.request, Poll{id, std::nullopt});
    } else {
      respond(asked.request, state_.promises.leases.at(id));
    }
    return;
  }
  if (verdict.answer == Answer::never || (ask.wait && ask.wait->count() == 0)) {
    say("decision.refused", 0, ask.name + ": " + verdict.why);
    Error error = short_of(verdict, ask.name);
    return refuse(asked.request, std::move(error), std::move(verdict));
  }
  if (state_.queue.size() >= static_cast<std::size_t>(state_.config->leases.queue)) {
    return refuse(asked.request, {ErrorKind::too_many_requests, "the queue is full",
                                  std::to_string(state_.queue.size()) + " requests wait already",
                                  "try later, or raise leases.queue"});
  }
  lease.state = LeaseState::waiting;
  if (ask.wait) lease.give_up = at_.boot + bounded(*ask.wait);
  const LeaseId id = lease.id;
  const Holder holder = lease.holder;
  say("lease.waiting", id, lease.name + " waits: " + verdict.why);
  keep(PutLease{std::move(lease)});
  if (holder.somebody()) effects_.emplace_back(Watch{holder});
  show(id);
  respond(asked.request, state_.promises.leases.at(id));
  make_room();
}

void Control::ask_start(const Asked& asked, const AskLease& ask, Lease lease) {
  constexpr std::chrono::hours kFarthest{24 * 366};
  if (*ask.starts <= at_.wall || *ask.starts > at_.wall + kFarthest) {
    const bool over = *ask.starts <= at_.wall;
    return refuse(asked.request, {ErrorKind::invalid_request, "a lease cannot start then",
                                  over ? "that time has passed by this machine's clock"
                                       : "that is more than a year ahead",
                                  over ? "a later time, or none: then it starts as soon as it fits"
                                       : "a time within the next 366 days"});
  }
  if (state_.starts.size() >= decide::kMostStarts) {
    return refuse(asked.request,
                  {ErrorKind::too_many_requests, "too many leases wait for a time of their own",
                   std::to_string(state_.starts.size()) + " do already, and no more may",
                   "try later: headroom lease --state waiting lists them"});
  }
  const auto own = std::count_if(state_.starts.begin(), state_.starts.end(), [&](const auto& one) {
    return state_.promises.leases.at(one.second).owner == lease.owner;
  });
  if (static_cast<std::size_t>(own) >= decide::kMostStartsOfOne) {
    return refuse(asked.request, {ErrorKind::too_many_requests,
                                  "too many of your leases wait for a time of their own",
                                  std::to_string(own) + " do already, and no more of one user may",
                                  "end one of them: headroom lease --state waiting lists them"});
  }
  lease.starts = ask.starts;
  decide::StartPlan plan = decide::plan_start(books(), lease);
  if (plan.never) {
    say("decision.refused", 0, ask.name + ": " + plan.verdict.why);
    Error error = short_of(plan.verdict, ask.name);
    return refuse(asked.request, std::move(error), std::move(plan.verdict));
  }
  if (!plan.kept) {
    Error error{ErrorKind::conflict,
                (ask.name.empty() ? std::string("it") : ask.name) + " cannot start at " +
                    decide::time_text(books(), *ask.starts),
                plan.why,
                plan.after ? "start at " + decide::time_text(books(), *plan.after) +
                                 " or later, or ask for less"
                           : "ask for less"};
    say("decision.refused", 0, ask.name + ": " + plan.why);
    return refuse(asked.request, std::move(error));
  }
  for (const std::string& device : plan.devices) {
    lease.gpu += (lease.gpu.empty() ? "" : ",") + device;
  }
  lease.state = LeaseState::waiting;
  const BootTime from = at_.boot + (*lease.starts - at_.wall);
  if (ask.ttl.count() > 0) lease.expires = from + bounded(ask.ttl);
  if (ask.wait) lease.give_up = from + bounded(*ask.wait);
  const LeaseId id = lease.id;
  const Holder holder = lease.holder;
  say("lease.waiting", id,
      lease.name + " waits for " + decide::time_text(books(), *lease.starts) + ": " +
          decide::why_not_yet(books(), lease));
  keep(PutLease{std::move(lease)});
  if (holder.somebody()) effects_.emplace_back(Watch{holder});
  effects_.emplace_back(Changed{id});
  respond(asked.request, state_.promises.leases.at(id));
  make_room();
}

void Control::ask(const Asked& asked, const AskWait& ask) {
  const auto found = state_.promises.leases.find(ask.lease);
  if (found == state_.promises.leases.end() || found->second.part_of != 0) {
    return refuse(asked.request,
                  {ErrorKind::not_found, "there is no lease l-" + std::to_string(ask.lease),
                   "it never was, or it ended more than a day ago", "headroom lease"});
  }
  const bool settled =
      found->second.state != LeaseState::waiting && !state_.placing.contains(ask.lease);
  if (settled || ask.patience.count() <= 0) return respond(asked.request, found->second);
  state_.polls.emplace(asked.request, Poll{ask.lease, at_.boot + bounded(ask.patience)});
}

Amounts Control::booked_inside(LeaseId id) const {
  Amounts sum;
  const auto nested = state_.nested.find(id);
  if (nested == state_.nested.end()) return sum;
  for (const LeaseId child : nested->second) {
    const Lease& lease = state_.promises.leases.at(child);
    sum.memory += lease.booked.memory;
    sum.gpu_memory += lease.booked.gpu_memory;
    sum.cpu = Cores(sum.cpu.milli() + lease.booked.cpu.milli());
    sum.disk += lease.booked.disk;
  }
  return sum;
}

void Control::let_go(const Lease& after) {
  const decide::Entry* entry = state_.ledger.entry(after.id);
  if (entry == nullptr) return;
  decide::Entry then = *entry;
  then.booked = after.booked;
  const auto more = [](Bytes now, Bytes before) { return std::max(now - before, Bytes()); };
  const Amounts was = decide::unmaterialised(*entry);
  const Amounts is = decide::unmaterialised(then);
  const Amounts less{more(was.memory, is.memory), more(was.gpu_memory, is.gpu_memory),
                     Cores(std::max<std::int64_t>(0, was.cpu.milli() - is.cpu.milli())),
                     more(was.disk, is.disk)};
  const Amounts given{
      more(entry->booked.memory, after.booked.memory),
      more(entry->booked.gpu_memory, after.booked.gpu_memory),
      Cores(std::max<std::int64_t>(0, entry->booked.cpu.milli() - after.booked.cpu.milli())),
      more(entry->booked.disk, after.booked.disk)};
  state_.ledger.keep_until_read(after.id, less, given, at_.boot);
  if (less == Amounts()) return;
  effects_.emplace_back(Sense{less.memory.count() > 0});
}

void Control::hand_over(const Lease& lease) {
  // What the old holder may have taken since the last sample it has, and all of the booking is the
  // new one's to take, until a sample from after this says what that one has already.
  if (const decide::Entry* entry = state_.ledger.entry(lease.id)) {
    state_.ledger.keep_until_read(lease.id, decide::unmaterialised(*entry), entry->booked,
                                  at_.boot);
  }
  Use& use = state_.uses[lease.id];
  use.measured.reset();
  use.handed_over = at_.boot;
  use.quiet_memory.reset();
  use.quiet_gpu.reset();
}

void Control::ask(const Asked& asked, const AskChange& ask) {
  const Lease* found = owned(asked, ask.lease);
  if (found == nullptr) return;
  Lease lease = *found;
  if (lease.state == LeaseState::ended) {
    // Only how it ended may still be told.
    if (ask.exit_status && !ask.needs && !ask.ttl && !ask.expected && !ask.holder &&
        !ask.return_idle) {
      const bool first = !lease.exit_status;
      lease.exit_status = ask.exit_status;
      keep(PutLease{lease});
      if (first && lease.oom_kills == 0) learn(lease);  // a death has taught what it could
      return respond(asked.request, lease);
    }
    return refuse(asked.request,
                  {ErrorKind::conflict, "lease l-" + std::to_string(lease.id) + " has ended",
                   lease.reason, "book a new one"});
  }
  if (const std::string component = component_of(lease.id);
      !component.empty() && (ask.needs || ask.holder || ask.ttl)) {
    return refuse(asked.request,
                  {ErrorKind::conflict, "this lease is that of the component " + component,
                   "it books what that was given", "headroom quota set " + component});
  }
  if (decide::waits_for_start(lease) && (ask.needs || ask.expected || ask.ttl)) {
    return refuse(
        asked.request,
        {ErrorKind::conflict, "lease l-" + std::to_string(lease.id) + " waits for its time",
         "what it needs is kept for it as it was asked for",
         "end it, and ask anew: headroom lease rm l-" + std::to_string(lease.id)});
  }
  if (ask.failed_gpu_memory) return move_after_failure(asked, *found, *ask.failed_gpu_memory);
  if (ask.holder) {
    if (decide::is_ending(lease.state)) {
      return refuse(asked.request,
                    {ErrorKind::conflict, "lease l-" + std::to_string(lease.id) + " is ending",
                     lease.reason, "book a new one"});
    }
    if (!lease.holder.group.empty()) {
      return refuse(asked.request, {ErrorKind::conflict, "a lease of a cgroup is not handed over",
                                    "what runs in " + lease.holder.group + " is what it holds",
                                    "end it, and book one for the process: headroom lease add"});
    }
    if (lease.grouped) {
      return refuse(asked.request,
                    {ErrorKind::conflict, "a lease with a group of its own is not handed over",
                     "what runs in its group is what it holds",
                     "start the other process from one that is in it"});
    }
    if (ask.beside != 0 && ask.beside != lease.id && lease.parent == 0 && !lease.use) {
      return refuse(asked.request,
                    measured_beside("process " + std::to_string(ask.holder->pid), ask.beside));
    }
    lease.holder = *ask.holder;
  }
  if (ask.return_idle) lease.return_idle = *ask.return_idle;
  if (ask.exit_status) lease.exit_status = ask.exit_status;
  if (ask.expected) {
    lease.expected = bounded(ask.expected);
    lease.expected_learned = false;
  }
  if (ask.ttl) {
    if (ask.ttl->count() == 0 && lease.expires && !lease.holder.somebody()) {
      return refuse(asked.request,
                    {ErrorKind::invalid_request, lease.name + " would never end",
                     "no process holds it: only its time ends it", "a time, such as 10m"});
    }
    lease.expires.reset();
    if (ask.ttl->count() > 0) lease.expires = at_.boot + bounded(*ask.ttl);
  }
  if (ask.needs) {
    auto wanted = decide::want(state_.ledger, *ask.needs);
    if (!wanted) return refuse(asked.request, wanted.error());
    if (decide::is_ending(lease.state)) {
      return refuse(asked.request,
                    {ErrorKind::conflict, "lease l-" + std::to_string(lease.id) + " is ending",
                     lease.reason, "book a new one"});
    }
    if (lease.state == LeaseState::waiting) {
      Lease changed = lease;
      changed.needs = *ask.needs;
      const auto waits = decide::wanted_of(books(), changed);
      Verdict verdict = judge_request(*waits, {lease.priority, lease.model});
      if (verdict.answer == Answer::never) {
        Error error = short_of(verdict, lease.name);
        return refuse(asked.request, std::move(error), std::move(verdict));
      }
    } else {
      if (ask.needs->gpus != lease.needs.gpus && std::max(ask.needs->gpus, lease.needs.gpus) > 1) {
        return refuse(asked.request,
                      {ErrorKind::conflict, "a lease keeps the number of its devices",
                       "it holds all of them from its grant to its end",
                       "book another lease for other devices"});
      }
      if (ask.needs->gpus > lease.needs.gpus) {
        return refuse(asked.request,
                      {ErrorKind::conflict, "a lease cannot become a device's only one",
                       "others may be on it", "book a whole device anew"});
      }
      if (wanted->disk >= 0 && lease.booked.disk.count() > 0 &&
          state_.ledger.pool(wanted->disk).device != lease.mount) {
        return refuse(
            asked.request,
            {ErrorKind::conflict, "a lease cannot move to another filesystem",
             "its disk is booked on " + lease.mount, "book a second lease for the other one"});
      }
      const Amounts inner = booked_inside(lease.id);
      if (wanted->amounts.memory < inner.memory || wanted->amounts.gpu_memory < inner.gpu_memory ||
          wanted->amounts.cpu < inner.cpu || wanted->amounts.disk < inner.disk) {
        return refuse(asked.request,
                      {ErrorKind::conflict, "commands inside it have booked more than that",
                       "their leases draw from this one", "end them first"});
      }
      if (wanted->whole) wanted->amounts.gpu_memory = lease.booked.gpu_memory;
      const auto more = [](Bytes now, Bytes before) { return std::max(now - before, Bytes()); };
      decide::Wanted growth = *wanted;
      growth.owner = lease.owner;
      growth.parent = lease.parent;
      if (const decide::Entry* entry = state_.ledger.entry(lease.id);
          entry != nullptr && entry->ends && *entry->ends > at_.boot) {
        // As long as it is still there.
        growth.expected = std::chrono::ceil<std::chrono::seconds>(*entry->ends - at_.boot);
      }
      growth.exclusive = growth.whole = false;
      growth.more = true;
      // Of several devices each as much as the one that needs most.
      Bytes least = lease.booked.gpu_memory;
      for (const LeaseId part : parts_of(lease.id)) {
        least = std::min(least, state_.promises.leases.at(part).booked.gpu_memory);
      }
      if (wanted->whole) least = lease.booked.gpu_memory;
      growth.amounts = {
          more(wanted->amounts.memory, lease.booked.memory),
          more(wanted->amounts.gpu_memory, least),
          Cores(std::max<std::int64_t>(0, wanted->amounts.cpu.milli() - lease.booked.cpu.milli())),
          more(wanted->amounts.disk, lease.booked.disk)};
      growth.gpus.clear();
      if (growth.amounts.gpu_memory.count() > 0) {
        // One that gave all of it back is on the device no longer; another may be alone there now.
        if (lease.gpu.empty() || lease.booked.gpu_memory.count() == 0) {
          return refuse(asked.request,
                        {ErrorKind::conflict, "a lease cannot move to a device",
                         lease.gpu.empty() ? "it was granted without one"
                                           : "it gave its part of " + lease.gpu + " back",
                         "book a second lease for the device"});
        }
        growth.gpus.push_back(state_.ledger.device(Resource::gpu_memory, lease.gpu));
        if (growth.count > 1) growth.gpus = pools_of(lease);
      }
      Lease order;
      order.id = state_.promises.next_lease;
      order.priority = lease.priority;
      order.asked = at_;
      growth.key = decide::Queue::key(order, state_.config->leases.ageing);
      if (growth.amounts != Amounts()) {
        Verdict verdict = judge_request(growth, {lease.priority, lease.model});
        if (verdict.answer != Answer::now) {
          Error error = short_of(verdict, lease.name);
          return refuse(asked.request, std::move(error), std::move(verdict));
        }
      }
      if (wanted->disk >= 0) lease.mount = state_.ledger.pool(wanted->disk).device;
      lease.booked = wanted->amounts;
      let_go(lease);
    }
    lease.needs = *ask.needs;
    lease.size = Size();
    if (decide::holds(lease.state) && lease.fence && lease.group != Group()) {
      lease.fence_at = lease.booked.memory;
      lease.fence_set = false;
    }
  }
  const bool fence =
      ask.needs && lease.fence && decide::holds(lease.state) && lease.group != Group();
  const bool enforced = fence && lease.enforce;
  const LeaseId id = lease.id;
  const Group group = lease.group;
  const Bytes fence_at = lease.fence_at;
  if (ask.holder && decide::holds(lease.state)) {
    hand_over(lease);
    for (const LeaseId part : parts_of(id)) hand_over(state_.promises.leases.at(part));
  }
  keep(PutLease{std::move(lease)});
  if (ask.holder) {
    say("lease.handed_over", id,
        "l-" + std::to_string(id) + " is held by pid " + std::to_string(ask.holder->pid) + " now");
    effects_.emplace_back(Watch{*ask.holder});
    effects_.emplace_back(Sense{false});
  }
  if (enforced) {
    effects_.emplace_back(LimitMemory{id, group, ask.needs->memory, "resized"});
    effects_.emplace_back(LimitCpu{id, group, ask.needs->cpu, "resized"});
  }
  if (fence) effects_.emplace_back(Fence{id, group, fence_at, "resized"});
  show(id);
  run_queue();
  respond(asked.request, state_.promises.leases.at(id));
}

void Control::ask(const Asked& asked, const AskEnd& ask) {
  const Lease* lease = owned(asked, ask.lease);
  if (lease == nullptr) return;
  if (lease->state != LeaseState::ended) {
    const LeaseId id = lease->id;
    end(id, decide::waits_for_start(*lease) ? std::string("it was taken back before it started")
            : lease->state == LeaseState::waiting
                ? std::string("it left the queue")
                : "it was ended by uid " + std::to_string(asked.caller.uid));
    run_queue();
  }
  respond(asked.request, state_.promises.leases.at(ask.lease));
}

void Control::say_of(const Alert& alert, const char* type, uid_t by) {
  EventLine line;
  line.at = at_.wall;
  line.type = type;
  line.resource = alert.resource;
  line.device = alert.device;
  line.text = alert.text + (alert.device.empty() ? "" : " on " + alert.device) + ", by uid " +
              std::to_string(by);
  effects_.emplace_back(Say{std::move(line)});
}

void Control::ask(const Asked& asked, const AskAcknowledge& ask) {
  if (!asked.caller.known) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the kernel does not tell the user of this connection", "use the Unix socket"});
  }
  auto alert =
      ask.acknowledged
          ? state_.alerts.acknowledge(ask.alert)
          : Result<Alert>(fail(ErrorKind::invalid_request, "an acknowledgement is not taken back",
                               "", "it ends with its alert"));
  if (!alert) return refuse(asked.request, alert.error());
  keep(PutAcknowledged{alert->resource, alert->device, true});
  say_of(*alert, "alert.acknowledged", asked.caller.uid);
  effects_.emplace_back(Changed{*alert});
  effects_.emplace_back(Respond{asked.request, *alert});
}

Drains Control::drains() const {
  Drains all;
  for (const auto& [device, drain] : state_.promises.drained) all.items.push_back(drain);
  return all;
}

void Control::ask(const Asked& asked, const AskDrain& ask) {
  if (!asked.caller.known || !asked.caller.trusted) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "a device is drained by root and the group headroom",
                   asked.caller.known ? "it turns others away" : "it is not known who asks", ""});
  }
  std::string device = ask.device;
  std::string name = "the node";
  if (!device.empty()) {
    const int pool = state_.ledger.gpu(device);
    if (pool >= 0) {
      device = state_.ledger.pool(pool).device;
      name = state_.ledger.pool(pool).name;
    } else if (!state_.promises.drained.contains(device)) {  // one that is gone may be taken back
      return refuse(asked.request, {ErrorKind::not_found, "there is no GPU " + device,
                                    "it is not in this machine", "headroom gpu lists the devices"});
    }
  }
  const auto before = state_.promises.drained.find(device);
  const bool is_drained = before != state_.promises.drained.end();
  // The daemon's own reason gives way to a person's.
  if (ask.drained != is_drained || (is_drained && !before->second.reason.empty())) {
    keep(PutDrain{{device, asked.caller.uid, at_.wall, {}}, ask.drained});
    say(ask.drained ? "device.drained" : "device.opened", 0,
        name + (ask.drained ? " takes nobody new" : " takes leases again") + ", by uid " +
            std::to_string(asked.caller.uid));
    if (!ask.drained) run_queue();
  }
  effects_.emplace_back(Respond{asked.request, drains()});
}

Verdict Control::judge_request(const decide::Wanted& wanted, const Asker& asker) const {
  Verdict verdict = decide::decide(books(), wanted);
  if (verdict.answer == Answer::queued && wanted.parent == 0 &&
      !decide::is_shut_out(books(), wanted)) {
    RoomPlan plan = plan_room(wanted, asker);
    if (plan.possible && verdict.place == 1) verdict.answer = Answer::after;
    if (plan.possible) {
      for (const auto& [pool, held] : plan.unload) {
        verdict.steps.push_back(step_of(held, pool, held.as.bytes));
      }
      verdict.help.insert(verdict.help.begin(),
                          {"free", free_text(plan.short_by, verdict.steps), 0, {}});
    } else if (!plan.why.empty()) {
      verdict.why += "; " + plan.why;
    }
  }
  if (verdict.answer != Answer::queued || verdict.short_by.gpu_memory.count() == 0 ||
      verdict.best_gpu.empty() || !state_.sample || wanted.parent != 0) {
    return verdict;
  }
  for (const GpuReading& gpu : state_.sample->gpus) {
    if (gpu.id != verdict.best_gpu) continue;
    for (const GpuProcess& process : gpu.processes) {
      if (process.lease != 0 || !process.memory || process.memory->count() == 0) continue;
      verdict.strangers.push_back(
          {process.pid, *process.memory, process.uid, process.name, process.container});
    }
  }
  auto& all = verdict.strangers;
  std::sort(all.begin(), all.end(), [](const Stranger& a, const Stranger& b) {
    return std::pair(b.memory, a.pid) < std::pair(a.memory, b.pid);
  });
  // A process that computes and draws is named twice, with the same memory.
  all.erase(std::unique(all.begin(), all.end(),
                        [](const Stranger& a, const Stranger& b) { return a.pid == b.pid; }),
            all.end());
  if (all.size() > kNamed) all.resize(kNamed);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Stranger& one = all[i];
    verdict.why += (i == 0 ? "; booked by nobody: pid " : ", pid ") + std::to_string(one.pid);
    std::string about = one.name;
    if (one.uid) about += (about.empty() ? "" : ", ") + ("uid " + std::to_string(*one.uid));
    if (!one.container.empty())
      about += (about.empty() ? "" : ", ") + ("container " + one.container);
    if (!about.empty()) verdict.why += " (" + about + ")";
    verdict.why += " with " + decide::amount_text(Resource::gpu_memory, one.memory.count());
  }
  return verdict;
}

void Control::ask(const Asked& asked, const AskMute& ask) {
  if (!asked.caller.known) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the kernel does not tell the user of this connection", "use the Unix socket"});
  }
  if (!asked.caller.trusted) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "an alert is muted by root and the group headroom",
                   "others want to hear of it", "acknowledge it: headroom alert ack"});
  }
  const bool quiet = ask.until > at_.wall;
  auto alert = state_.alerts.mute(ask.alert, quiet ? std::optional(ask.until) : std::nullopt);
  if (!alert) return refuse(asked.request, alert.error());
  keep(PutMuted{alert->resource, alert->device, quiet ? ask.until : WallTime()});
  say_of(*alert, quiet ? "alert.muted" : "alert.unmuted", asked.caller.uid);
  effects_.emplace_back(Changed{*alert});
  effects_.emplace_back(Respond{asked.request, *alert});
}

}  // namespace headroom::control
