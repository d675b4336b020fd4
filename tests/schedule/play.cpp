#include "play.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "decide/verdict.hpp"

namespace headroom::schedule {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGateMs = 10'000;
constexpr std::int64_t kWallMs = 1'700'000'000'000;
constexpr std::uint64_t kStart = 7;

std::int64_t boot_ms(WallTime wall) {
  return std::chrono::duration_cast<milliseconds>(wall.time_since_epoch()).count() - kWallMs;
}

}  // namespace

Config Stage::plain() {
  Config config;
  config.node.margin_memory = {{}, Bytes(0)};
  config.node.margin_gpu_memory = {{}, Bytes(0)};
  config.node.margin_disk = {{}, Bytes(0)};
  return config;
}

Stage::Stage(const Box& box, milliseconds every, Config config)
    : control_(std::move(config)), box_(box), every_(every.count()) {
  // Five hundredths of the memory are kept back.
  sample_.memory.total = Bytes((box.memory * 100 + 94) / 95 * kMiB);
  sample_.cpu.cores = static_cast<int>(box.cores);
  for (std::size_t i = 0; i < box.gpus.size(); ++i) {
    GpuReading gpu;
    gpu.id = "GPU-" + std::to_string(i);
    gpu.index = static_cast<int>(i);
    gpu.memory_total = Bytes(box.gpus[i] * kMiB);
    sample_.gpus.push_back(gpu);
  }
  read();
}

Instant Stage::instant() const {
  return {BootTime(milliseconds(now_)), WallTime(milliseconds(kWallMs + now_))};
}

void Stage::apply(const Event& event) { carry_out(control_.apply(event, instant())); }

void Stage::carry_out(const Effects& effects) {
  for (const Effect& effect : effects) {
    if (std::holds_alternative<Sense>(effect)) read_at_ = now_ + 1;
    const auto* journal = std::get_if<Journal>(&effect);
    const auto* put = journal == nullptr ? nullptr : std::get_if<PutLease>(&journal->record);
    if (put == nullptr) continue;
    const Lease& lease = put->lease;
    if (lease.state == LeaseState::ended && !lease.exit_status)
      ended_.emplace(lease.id, lease.owner);
    if (lease.state != LeaseState::reserved) continue;
    const auto waiter = waiting_.find(lease.id);
    if (waiter == waiting_.end()) continue;
    const int index = waiter->second;
    const auto i = static_cast<std::size_t>(index);
    const Job& job = (*submissions_)[i].job;
    running_[lease.id] = {index, now_ + job.seconds * 1000, job};
    played_->starts_ms[i] = now_;
    played_->waits_ms[i] = now_ - asked_at_[i];
    waiting_.erase(waiter);
  }
}

void Stage::read() {
  sample_.at = instant();
  ++sample_.number;
  sample_.holders.clear();
  std::int64_t memory = 0;
  std::int64_t cores = 0;
  std::vector<std::int64_t> gpus(box_.gpus.size(), 0);
  for (const auto& [id, run] : running_) {
    HolderReading holder;
    holder.lease = id;
    holder.memory = Bytes(run.job.memory * kMiB);
    holder.cpu = Cores(run.job.cores * 1000);
    const std::string& gpu = control_.state().promises.leases.at(id).gpu;
    if (!gpu.empty()) {
      holder.gpu = gpu;
      holder.gpu_memory = Bytes(run.job.gpu * kMiB);
      gpus[static_cast<std::size_t>(std::stoi(gpu.substr(4)))] += run.job.gpu;
    }
    memory += run.job.memory;
    cores += run.job.cores;
    sample_.holders.push_back(holder);
  }
  // What is used is never more than there is: the booking of each covers it.
  const bool over = memory > box_.memory;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    sample_.gpus[i].memory_used = Bytes(gpus[i] * kMiB);
    if (played_ != nullptr && gpus[i] > box_.gpus[i]) played_->broken = "a device holds too much";
  }
  if (played_ != nullptr && over) played_->broken = "memory holds too much";
  sample_.memory.available = *sample_.memory.total - Bytes(memory * kMiB);
  sample_.cpu.busy = Ratio(static_cast<double>(cores) / static_cast<double>(box_.cores));
  read_at_.reset();
  next_read_ = now_ + every_;
  apply(Sampled{std::make_shared<Sample>(sample_)});
}

void Stage::look() {
  const control::State& state = control_.state();
  const decide::Books books{state.promises, state.ledger, state.queue,
                            *state.config,  instant(),    state.revision};
  bool first = true;
  for (const decide::Outlook& one : decide::outlook(books)) {
    const auto waiter = waiting_.find(one.lease);
    if (waiter == waiting_.end()) continue;
    if (one.earliest) looks_.push_back({waiter->second, boot_ms(*one.earliest), first});
    first = false;
  }
}

void Stage::submit(const std::vector<Submission>& submissions, int index) {
  const auto i = static_cast<std::size_t>(index);
  const Submission& submission = submissions[i];
  AskLease ask;
  ask.name = submission.name;
  ask.has_needs = !submission.silent;
  if (!submission.silent) {
    const Job& job = submission.job;
    ask.needs.memory =
        Bytes((submission.said_memory > 0 ? submission.said_memory : job.memory) * kMiB);
    if (job.gpu > 0) {
      ask.needs.gpu_memory =
          Bytes((submission.said_gpu > 0 ? submission.said_gpu : job.gpu) * kMiB);
    }
    if (job.cores > 0) ask.needs.cpu = Cores(job.cores * 1000);
  }
  if (submission.said_seconds > 0) ask.expected = seconds(submission.said_seconds);
  ask.priority = submission.priority;
  const pid_t pid = next_pid_++;
  ask.holder = {pid, kStart};
  asked_at_[i] = now_;
  const Effects effects =
      control_.apply(Asked{++request_, {submission.owner, true, false}, ask}, instant());
  for (const Effect& effect : effects) {
    const auto* respond = std::get_if<Respond>(&effect);
    if (respond == nullptr) continue;
    const auto* view = std::get_if<LeaseView>(&respond->what);
    if (view == nullptr) {
      ++played_->refused;
      continue;
    }
    waiting_[view->lease.id] = index;
    pids_[view->lease.id] = pid;
    if (view->earliest) told_[i] = boot_ms(*view->earliest);
    if (view->lease.state == LeaseState::waiting && !view->earliest) ++played_->foretold.unknown;
  }
  carry_out(effects);
}

Played Stage::play(const std::vector<Submission>& submissions, bool gate) {
  Played played;
  played.starts_ms.assign(submissions.size(), -1);
  played.waits_ms.assign(submissions.size(), -1);
  submissions_ = &submissions;
  played_ = &played;
  asked_at_.assign(submissions.size(), 0);
  told_.assign(submissions.size(), std::nullopt);
  looks_.clear();
  now_ += 1000;
  read();
  std::int64_t from = now_;
  if (gate) {
    AskLease ask;
    ask.name = "gate";
    ask.needs.memory = Bytes(control_.state().ledger.pool(decide::Ledger::kMemory).room());
    ask.expected = seconds(kGateMs / 1000);
    const pid_t pid = next_pid_++;
    ask.holder = {pid, kStart};
    const Effects effects = control_.apply(Asked{++request_, {999, true, false}, ask}, instant());
    for (const Effect& effect : effects) {
      const auto* respond = std::get_if<Respond>(&effect);
      const auto* view = respond == nullptr ? nullptr : std::get_if<LeaseView>(&respond->what);
      if (view == nullptr || view->lease.state == LeaseState::waiting) continue;
      const std::int64_t all = view->lease.booked.memory.count() / kMiB;
      running_[view->lease.id] = {-1, now_ + kGateMs, Job{std::min(all, box_.memory), 0, 0, 0}};
      pids_[view->lease.id] = pid;
    }
    from = now_ + kGateMs;
  }
  std::size_t next = 0;
  const std::int64_t begin = now_;
  // A thousand times what one after the other would take: who waits longer never starts.
  std::int64_t patience = 1'000'000;
  for (const Submission& one : submissions) patience += one.job.seconds * 10'000 + one.after_ms;
  // A device is read once more after the last end: only then is it learned what that one took.
  while (next < submissions.size() || !waiting_.empty() || !running_.empty() || read_at_ ||
         !ended_.empty()) {
    while (next < submissions.size() && begin + submissions[next].after_ms <= now_) {
      submit(submissions, static_cast<int>(next++));
    }
    std::vector<LeaseId> over;
    for (const auto& [id, run] : running_) {
      if (run.ends <= now_) over.push_back(id);
    }
    for (const LeaseId id : over) {
      running_.erase(id);
      apply(Exited{{pids_.at(id), kStart}});
    }
    // One that was asked for stands in for the next: it comes after what it is to show.
    if (read_at_ ? *read_at_ <= now_ : next_read_ <= now_) {
      read();
      look();
    }
    for (const auto& [id, owner] : std::exchange(ended_, {})) {
      AskChange how;
      how.lease = id;
      how.exit_status = 0;
      apply(Asked{++request_, {owner, true, false}, how});
    }
    if (now_ - begin > patience) {
      played.broken = std::to_string(waiting_.size()) + " jobs never start";
      break;
    }
    std::int64_t then = read_at_.value_or(next_read_);
    if (next < submissions.size()) then = std::min(then, begin + submissions[next].after_ms);
    for (const auto& [id, run] : running_) then = std::min(then, run.ends);
    now_ = std::max(now_, then);
  }
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    if (played.starts_ms[i] < 0) continue;
    if (told_[i] && played.waits_ms[i] > 0) {
      played.foretold.asked.push_back(played.starts_ms[i] - *told_[i]);
    }
    played.starts_ms[i] -= from;
    played.makespan_ms =
        std::max(played.makespan_ms, played.starts_ms[i] + submissions[i].job.seconds * 1000);
  }
  for (const Look& look : looks_) {
    const std::int64_t start = played.starts_ms[static_cast<std::size_t>(look.submission)] + from;
    played.foretold.all.push_back(start - look.told);
    if (look.first) played.foretold.first.push_back(start - look.told);
  }
  submissions_ = nullptr;
  played_ = nullptr;
  return played;
}

}  // namespace headroom::schedule
