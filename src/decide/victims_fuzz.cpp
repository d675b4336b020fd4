// Any residents, uses and need: nobody goes who must not, what goes covers the need and holds
// nothing needless, and nothing goes in vain.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "decide/victims.hpp"

namespace {

using namespace headroom;
using namespace headroom::decide;

class Reader {
 public:
  Reader(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  std::uint64_t next(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes && at_ < size_; ++i) value = value << 8 | data_[at_++];
    return value;
  }
  bool more() const { return at_ < size_; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

void demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(data, size);
  const BootTime now{std::chrono::seconds(in.next(2))};
  const auto priority = static_cast<Priority>(in.next(1) % 4);
  const auto deficit = Bytes(static_cast<std::int64_t>(in.next(static_cast<int>(in.next(1) % 9))));
  const auto capacity = Bytes(static_cast<std::int64_t>(in.next(4)));
  const auto count = in.next(1) % 12;
  std::vector<Resident> residents;
  for (std::uint64_t i = 0; i < count; ++i) {
    Resident one;
    one.name = std::to_string(i);
    const auto flags = in.next(1);
    one.pinned = (flags & 1) != 0;
    one.loading = (flags & 2) != 0;
    one.busy = (flags & 4) != 0 ? 1 : 0;
    one.priority = static_cast<Priority>(flags >> 3 & 3);
    one.bytes = Bytes(static_cast<std::int64_t>(in.next((flags & 32) != 0 ? 8 : 2)));
    one.since = BootTime(std::chrono::seconds(in.next(2)));
    one.reload =
        std::chrono::milliseconds(static_cast<std::int64_t>(in.next((flags & 64) != 0 ? 8 : 2)));
    residents.push_back(one);
  }
  Uses uses;
  for (int i = 0; i < 200 && in.more(); ++i) {
    const auto what = in.next(1);
    const std::string name = std::to_string(what % 13);
    const Resident some = residents.empty() ? Resident() : residents[what % residents.size()];
    if (what % 16 == 13) {
      uses.loaded(name, BootTime(std::chrono::seconds(in.next(2))));
    } else if (what % 16 == 14) {
      uses.forget(name);
    } else {
      uses.used(name, some.bytes, some.reload, capacity);
    }
  }

  const Victims victims = choose_victims(residents, uses, {deficit, priority, "0", now}, {});
  demand(victims.unload.size() + victims.kept.size() == residents.size());
  demand(!victims.why.empty());
  demand((victims.outcome == Eviction::chosen) == !victims.unload.empty());
  Bytes freed;
  for (const Victim& victim : victims.unload) {
    const Resident& one = residents[victim.resident];
    demand(!one.pinned && !one.loading && one.busy == 0 && one.priority <= priority &&
           one.name != "0");
    freed += one.bytes;
  }
  demand(freed == victims.freed);
  if (!victims.unload.empty()) demand(freed >= deficit);
  for (const Victim& victim : victims.unload) {
    if (freed < Bytes(INT64_MAX)) demand(freed - residents[victim.resident].bytes < deficit);
  }
  return 0;
}
