#include "sense/gpu_cards.hpp"

#include <algorithm>
#include <utility>

namespace headroom::sense {
namespace {

/// Nobody has more; what a broken helper says beyond is not kept.
constexpr std::size_t kMostCards = 128;

}  // namespace

std::chrono::milliseconds GpuBackoff::after(int failures) const {
  if (failures <= 0) return std::chrono::milliseconds(0);
  auto wait = first;
  for (int i = 1; i < failures && wait < most; ++i) wait *= 2;
  return std::min(wait, most);
}

GpuCards::Card& GpuCards::card(PciAddress device, bool nvidia, BootTime now) {
  const auto [at, fresh] = cards_.try_emplace(device);
  Card& card = at->second;
  if (fresh) {
    card.device = device;
    card.nvidia = nvidia;
    GpuReading unread;
    unread.pci = pci_text(device);
    // Its UUID is not known before it was read.
    unread.id = "pci-" + unread.pci;
    unread.name = nvidia ? "NVIDIA GPU" : "GPU";
    card.last.push_back(std::move(unread));
  }
  card.seen_at = now;
  return card;
}

/// Forgets what is not true of a device that is asleep or lost.
void GpuCards::keep_identity(Card& card, bool memory) {
  for (GpuReading& old : card.last) {
    GpuReading kept;
    kept.id = std::move(old.id);
    kept.name = std::move(old.name);
    kept.parent = std::move(old.parent);
    kept.pci = std::move(old.pci);
    kept.memory_total = old.memory_total;
    kept.memory_reserved = old.memory_reserved;
    if (memory) kept.memory_used = old.memory_used;
    kept.celsius_limit = old.celsius_limit;
    kept.watts_limit = old.watts_limit;
    kept.compute = old.compute;
    old = std::move(kept);
  }
  card.doubts.clear();
}

bool GpuCards::ever_read(PciAddress device) const {
  const auto at = cards_.find(device);
  return at != cards_.end() && at->second.read;
}

void GpuCards::begin(BootTime now, GpuAsk& ask) {
  ask.number = ++request_;
  for (auto& [device, card] : cards_) {
    if (card.hangs == 0) continue;
    if (now < card.skip_until) {
      ask.skip.push_back(device);
      card.skipped_in = request_;
    } else {
      ask.last.push_back(device);
    }
  }
}

void GpuCards::take(Card& card, const GpuAnswer& answer, BootTime now) {
  card.doubts.clear();
  card.last = answer.readings;
  for (GpuReading& reading : card.last) plausible_.mend(reading, card.doubts);
  card.read = true;
  card.read_at = now;
  card.xids += card.last.front().xids;
  if (card.last.front().last_xid) card.last_xid = card.last.front().last_xid;
  card.state = GpuState::ok;
  card.reason.clear();
}

void GpuCards::told(const GpuAnswer& answer, BootTime now) {
  if (answer.number != request_) return;
  heard_ = true;
  const bool known = cards_.contains(answer.device);
  forbidden_.erase(answer.device);
  if (!known && (answer.told == GpuTold::unknown || answer.told == GpuTold::forbidden ||
                 cards_.size() >= kMostCards)) {
    if (answer.told == GpuTold::forbidden && forbidden_.size() < kMostCards) {
      forbidden_[answer.device] = answer.reason;
    }
    return;
  }
  const BootTime seen_before = known ? cards_.at(answer.device).seen_at : now;
  Card& told = card(answer.device, answer.nvidia, now);
  told.told_in = request_;
  told.hangs = 0;
  switch (answer.told) {
    case GpuTold::read:
      // A reading is a device and its slices, in that order.
      if (!answer.readings.empty() && answer.readings.front().parent.empty()) {
        take(told, answer, now);
      }
      break;
    case GpuTold::asleep:
      if (told.state != GpuState::asleep) keep_identity(told, true);
      told.state = GpuState::asleep;
      told.reason = "suspended by the kernel; it is not woken to be read";
      break;
    case GpuTold::resting:
      // Awake for a moment after a sleep, it is not read yet.
      if (told.state == GpuState::asleep) break;
      told.state = GpuState::ok;
      told.reason = "not read for a while, so that it can fall asleep";
      break;
    case GpuTold::lost:
    case GpuTold::unknown:
      if (told.state != GpuState::lost) keep_identity(told, false);
      told.state = GpuState::lost;
      told.reason =
          answer.told == GpuTold::lost ? answer.reason : "the driver does not name it any more";
      if (answer.told == GpuTold::unknown) told.seen_at = seen_before;
      break;
    case GpuTold::forbidden:
      told.state = GpuState::stale;
      told.reason = answer.reason;
      break;
  }
}

void GpuCards::done(const GpuDone& answer, BootTime now) {
  if (answer.number != request_) return;
  heard_ = true;
  driver_ = answer.driver;
  absent_ = answer.absent;
  if (absent_.size() > kMostCards) absent_.resize(kMostCards);
  for (auto at = cards_.begin(); at != cards_.end();) {
    Card& card = at->second;
    if (card.told_in == request_ || card.skipped_in == request_) {
      ++at;
      continue;
    }
    if (card.nvidia && !absent_.empty()) {
      card.state = GpuState::stale;
      card.reason = absent_.front().reason;
      card.seen_at = now;
    } else {
      if (card.state != GpuState::lost) keep_identity(card, false);
      card.state = GpuState::lost;
      card.reason = "it is not on the bus any more";
    }
    at = now - card.seen_at >= kForgetAfter ? cards_.erase(at) : std::next(at);
  }
}

void GpuCards::late(const GpuProgress::Step& step, const std::string& why, BootTime now) {
  const auto make_stale = [&](Card& card) {
    if (card.state == GpuState::lost) return;
    card.state = GpuState::stale;
    card.reason = why;
  };
  if (step.device) {
    if (!cards_.contains(*step.device) && cards_.size() >= kMostCards) return;
    const bool nvidia = step.call != NvmlCall::read_sysfs;
    make_stale(card(*step.device, nvidia, now));
    return;
  }
  for (auto& [device, card] : cards_) {
    // Those that are left alone have their own reason.
    if (card.told_in != request_ && card.skipped_in != request_) make_stale(card);
  }
}

void GpuCards::hung(PciAddress device, BootTime now) {
  const auto at = cards_.find(device);
  if (at == cards_.end()) return;
  at->second.skip_until = now + backoff_.after(++at->second.hangs);
}

void GpuCards::helpless(const std::string& why) {
  heard_ = true;
  for (auto& [device, card] : cards_) {
    if (card.state == GpuState::lost) continue;
    card.state = GpuState::stale;
    card.reason = why;
  }
}

void GpuCards::readings(BootTime at, Sample& out) {
  std::erase_if(out.absent, [](const Absence& absence) { return absence.sensor == "gpu"; });
  out.gpus.clear();
  out.gpu_driver = driver_;
  for (const auto& [device, card] : cards_) {
    for (const GpuReading& known : card.last) {
      GpuReading& reading = out.gpus.emplace_back(known);
      reading.state = card.state;
      reading.state_reason = card.reason;
      reading.age = card.read ? std::max(at - card.read_at, std::chrono::nanoseconds(0))
                              : std::chrono::nanoseconds(0);
      reading.xids = reading.parent.empty() ? card.xids : 0;
      reading.last_xid = reading.parent.empty() ? card.last_xid : std::nullopt;
    }
    for (const std::string& doubt : card.doubts) {
      out.absent.push_back({"gpu " + pci_text(device), "not believed: " + doubt, ""});
    }
  }
  std::vector<std::string> doubts;
  plausible_.identify(out.gpus, doubts);
  for (std::string& doubt : doubts) out.absent.push_back({"gpu", std::move(doubt), ""});
  for (const Absence& absence : absent_) out.absent.push_back(absence);
  for (const auto& [device, why] : forbidden_) {
    out.absent.push_back({"gpu " + pci_text(device), why,
                          "let the daemon open /dev/nvidia*: root, or the group of these files"});
  }
}

}  // namespace headroom::sense
