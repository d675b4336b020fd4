#include "runtime/listeners.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "act/hook_engine.hpp"

namespace headroom::runtime {

namespace {

bool is_holders_to_say(HookResult result) {
  switch (result) {
    case HookResult::freed:
    case HookResult::loaded:
    case HookResult::acknowledged:
    case HookResult::refused:
    case HookResult::not_found:
      return true;
    case HookResult::unreachable:
    case HookResult::timed_out:
    case HookResult::nonsense:
      break;
  }
  return false;
}

}  // namespace

bool Listeners::listens(LeaseId lease) const {
  const auto first = listeners_.lower_bound({lease, 0});
  return first != listeners_.end() && first->first.first == lease;
}

std::uint64_t Listeners::listen(LeaseId lease, Send send) {
  const auto own =
      std::distance(listeners_.lower_bound({lease, 0}), listeners_.lower_bound({lease + 1, 0}));
  if (listeners_.size() >= kMost || static_cast<std::size_t>(own) >= kMostOfLease) return 0;
  listeners_.emplace(std::pair(lease, ++last_), std::move(send));
  return last_;
}

void Listeners::stop_listening(LeaseId lease, std::uint64_t listener) {
  if (listeners_.erase({lease, listener}) > 0 && !listens(lease)) end_all_of(lease);
}

void Listeners::ask(const AskHook& ask, BootTime at) {
  if (!listens(ask.lease)) {
    return answered_({ask.ask, HookResult::unreachable, "its holder does not listen"});
  }
  if (asked_.size() >= kMostAsked) {
    return answered_({ask.ask, HookResult::unreachable, "too much is asked at once"});
  }
  asked_[ask.ask] = {ask.lease, at + kWithin};
  // Whoever is told may leave while it is told.
  std::vector<std::uint64_t> told;
  for (auto it = listeners_.lower_bound({ask.lease, 0});
       it != listeners_.end() && it->first.first == ask.lease; ++it) {
    told.push_back(it->first.second);
  }
  for (const std::uint64_t listener : told) {
    const auto found = listeners_.find({ask.lease, listener});
    if (found == listeners_.end()) continue;
    const Send send = found->second;
    if (!send(ask)) stop_listening(ask.lease, listener);
  }
}

Result<void> Listeners::answer(LeaseId lease, std::uint64_t ask, HookResult result,
                               std::string said) {
  const auto found = asked_.find(ask);
  if (found == asked_.end() || found->second.lease != lease) {
    return fail(ErrorKind::not_found, "no ask " + std::to_string(ask) + " is open for this lease",
                "it was answered, or its time is over", "answer within 10 s of the ask");
  }
  if (!is_holders_to_say(result)) {
    return fail(ErrorKind::invalid_request, "this is no answer of a holder", "",
                "say freed, loaded, acknowledged, refused or not_found");
  }
  end(ask, result, act::printable(said));
  return {};
}

void Listeners::close() {
  asked_.clear();
  listeners_.clear();
}

void Listeners::tick(BootTime at) {
  std::vector<std::uint64_t> late;
  for (const auto& [number, asked] : asked_) {
    if (asked.until <= at) late.push_back(number);
  }
  for (const std::uint64_t number : late) {
    end(number, HookResult::timed_out, "its holder did not answer in time");
  }
}

std::optional<BootTime> Listeners::next() const {
  std::optional<BootTime> next;
  for (const auto& [number, asked] : asked_) {
    next = next ? std::min(*next, asked.until) : asked.until;
  }
  return next;
}

void Listeners::end(std::uint64_t ask, HookResult result, std::string said) {
  if (asked_.erase(ask) > 0) answered_({ask, result, std::move(said)});
}

void Listeners::end_all_of(LeaseId lease) {
  std::vector<std::uint64_t> open;
  for (const auto& [number, asked] : asked_) {
    if (asked.lease == lease) open.push_back(number);
  }
  for (const std::uint64_t number : open) {
    end(number, HookResult::unreachable, "its holder stopped listening before it answered");
  }
}

}  // namespace headroom::runtime
