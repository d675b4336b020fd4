#include "judge/prune.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace headroom::judge {
namespace {

constexpr int kFresh = 4;  // a value says something for this part of the period

double seconds_in(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

Error wrong(const std::string& field, const std::string& why, const std::string& help) {
  return {ErrorKind::invalid_request, "cannot watch the limits: " + field, why, help};
}

}  // namespace

OwnLimits::OwnLimits(std::vector<OwnLimit> limits, std::chrono::nanoseconds period, double target)
    : period_(period), target_(target) {
  for (const OwnLimit& limit : limits) watched_.push_back({limit, {}, {}, {}});
}

Result<OwnLimits> OwnLimits::make(std::vector<OwnLimit> limits, std::chrono::nanoseconds period,
                                  double target) {
  if (period.count() <= 0) {
    return tl::unexpected(wrong("period", "it is not above 0", "10 s is usual"));
  }
  if (!(target > 0 && target <= 1)) {
    return tl::unexpected(wrong("target", "it is not above 0 and at most 1", "0.9 is usual"));
  }
  for (auto limit = limits.begin(); limit != limits.end(); ++limit) {
    const std::string name = to_string(limit->resource);
    if (!(std::isfinite(limit->most) && limit->most > 0)) {
      return tl::unexpected(wrong(name, "the limit is not above 0", "leave it out for none"));
    }
    const bool again = std::any_of(limits.begin(), limit, [&](const OwnLimit& other) {
      return other.resource == limit->resource;
    });
    if (again) return tl::unexpected(wrong(name, "it has two limits", "give it one"));
  }
  return OwnLimits(std::move(limits), period, target);
}

const OwnLimits::Watched* OwnLimits::find(Resource resource) const {
  const auto found = std::find_if(watched_.begin(), watched_.end(), [&](const Watched& one) {
    return one.limit.resource == resource;
  });
  return found == watched_.end() ? nullptr : &*found;
}

bool OwnLimits::is_fresh(const Watched& one, BootTime at) const {
  return one.now && at - one.at <= period_ / kFresh;
}

void OwnLimits::update(Resource resource, std::optional<double> value, BootTime at) {
  if (!value || !std::isfinite(*value)) return;
  for (Watched& one : watched_) {
    if (one.limit.resource != resource || (one.now && at < one.at)) continue;
    if (is_fresh(one, at) && at > one.at) {
      // Readings closer together than the kept pieces are long become one piece.
      Piece* last = one.pieces.empty() ? nullptr : &one.pieces.back();
      const bool joins = last != nullptr && last->to == one.at &&
                         at - last->from <= period_ / static_cast<int>(kMost / 2);
      if (joins) {
        const double before = seconds_in(last->to - last->from);
        const double added = seconds_in(at - one.at);
        last->mean = (last->mean * before + *value * added) / (before + added);
        last->to = at;
      } else {
        one.pieces.push_back({one.at, at, *value});
      }
    }
    one.now = value;
    one.at = at;
    while (!one.pieces.empty() &&
           (one.pieces.front().to <= at - period_ || one.pieces.size() > kMost)) {
      one.pieces.pop_front();
    }
  }
}

std::optional<bool> OwnLimits::is_over(Resource resource, BootTime at) const {
  const Watched* one = find(resource);
  if (one == nullptr || !is_fresh(*one, at)) return {};
  return *one->now > one->limit.most;
}

std::vector<PruneReason> OwnLimits::reasons(BootTime at) const {
  std::vector<PruneReason> reasons;
  const BootTime begin = at - period_;
  for (const Watched& one : watched_) {
    if (!is_fresh(one, at) || *one.now <= one.limit.most) continue;
    double known = 0;
    double mean = 0;
    for (const Piece& piece : one.pieces) {
      const double part = seconds_in(piece.to - std::max(piece.from, begin));
      if (part <= 0) continue;
      known += part;
      mean += (piece.mean - mean) * part / known;
    }
    const double line = target_ * one.limit.most;
    if (known < 0.75 * seconds_in(period_) || mean <= line) continue;
    reasons.push_back({one.limit.resource, *one.now, mean, one.limit.most, line});
  }
  return reasons;
}

}  // namespace headroom::judge
