#include "record/event_list.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace headroom::record {

const EventLine& EventList::add(EventLine line) {
  line.id = ++last_;
  lines_.push_back(std::move(line));
  if (lines_.size() > keep_) lines_.pop_front();
  return lines_.back();
}

void EventList::restore(std::vector<EventLine> lines, std::uint64_t last) {
  lines_.assign(std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
  while (lines_.size() > keep_) lines_.pop_front();
  last_ = lines_.empty() ? last : std::max(last, lines_.back().id);
}

std::vector<EventLine> EventList::newest(const Filter& filter) const {
  std::vector<EventLine> out;
  for (auto it = lines_.rbegin(); it != lines_.rend() && out.size() < filter.limit; ++it) {
    if (it->id <= filter.after) break;
    if (filter.since && it->at < *filter.since) continue;
    const bool same = filter.type.empty() || it->type == filter.type ||
                      (it->type.starts_with(filter.type) && it->type.size() > filter.type.size() &&
                       it->type[filter.type.size()] == '.');
    if (same) out.push_back(*it);
  }
  return out;
}

}  // namespace headroom::record
