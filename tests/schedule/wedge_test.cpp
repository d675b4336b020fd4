// The wedges of other schedulers, as far as they concern queue and leases, each by its name:
// what would have to happen here for it to come back. docs/admission.md has the table.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "control/control.hpp"
#include "decide/plan.hpp"
#include "play.hpp"
#include "random.hpp"

namespace headroom::schedule {
namespace {

using namespace literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

Needs memory(Bytes bytes) {
  Needs needs;
  needs.memory = bytes;
  return needs;
}
Needs gpu_memory(Bytes bytes, const std::string& gpu) {
  Needs needs;
  needs.gpu_memory = bytes;
  needs.gpu = gpu;
  return needs;
}

// A machine of 95 GiB to book and two devices of 24, time by hand. What is booked is used at once.
class Desk {
 public:
  explicit Desk(Config config = Stage::plain()) : control(std::move(config)) {
    sample_.memory.total = 100_GiB;
    sample_.cpu.cores = 64;
    sample_.cpu.busy = Ratio(0);
    for (int i = 0; i < 2; ++i) {
      GpuReading gpu;
      gpu.id = "GPU-" + std::to_string(i);
      gpu.index = i;
      gpu.memory_total = 24_GiB;
      sample_.gpus.push_back(gpu);
    }
    read();
  }
  Instant at() const {
    return {BootTime(milliseconds(now)), WallTime(milliseconds(1'700'000'000'000 + now))};
  }
  void apply(const Event& event) {
    bool sense = false;
    for (const Effect& effect : control.apply(event, at())) {
      sense = sense || std::holds_alternative<Sense>(effect);
      if (const auto* respond = std::get_if<Respond>(&effect)) {
        ++answers[respond->request];
        if (const auto* view = std::get_if<LeaseView>(&respond->what)) last = view->lease;
      }
      const auto* journal = std::get_if<Journal>(&effect);
      const auto* put = journal == nullptr ? nullptr : std::get_if<PutLease>(&journal->record);
      if (put == nullptr || put->lease.state != LeaseState::reserved) continue;
      if (granted.emplace(put->lease.id, now).second) order.push_back(put->lease.id);
    }
    if (sense) {
      ++now;
      read();
    }
  }
  void read() {
    sample_.at = at();
    sample_.holders.clear();
    sample_.memory.available = sample_.memory.total;
    for (GpuReading& gpu : sample_.gpus) gpu.memory_used = Bytes();
    for (const auto& [id, lease] : control.state().promises.leases) {
      if (!decide::holds(lease.state) || gone.contains(lease.holder.pid)) continue;
      HolderReading holder;
      holder.lease = id;
      holder.memory = lease.booked.memory;
      holder.gpu = lease.gpu;
      holder.gpu_memory = lease.booked.gpu_memory;
      *sample_.memory.available -= lease.booked.memory;
      for (GpuReading& gpu : sample_.gpus) {
        if (gpu.id == lease.gpu) *gpu.memory_used += lease.booked.gpu_memory;
      }
      sample_.holders.push_back(holder);
    }
    apply(Sampled{std::make_shared<Sample>(sample_)});
  }
  LeaseId ask(const Needs& needs, std::optional<seconds> expected = {},
              std::optional<milliseconds> wait = {}, Priority priority = Priority::normal,
              uid_t owner = 1000) {
    AskLease what;
    what.name = "job";
    what.needs = needs;
    what.expected = expected;
    what.wait = wait;
    what.priority = priority;
    what.holder = {++pid, 7};
    apply(Asked{++request, {owner, true, false}, what});
    return last.id;
  }
  void exits(LeaseId id) {
    const Holder holder = lease(id).holder;
    gone.insert(holder.pid);
    apply(Exited{holder});
  }
  void pass(milliseconds time) {
    const std::int64_t to = now + time.count();
    while (now < to) {
      const auto next = control.next_deadline();
      const std::int64_t due =
          next ? std::chrono::ceil<milliseconds>(next->time_since_epoch()).count() : to + 1;
      if (due > to) break;
      now = std::max(now, due);
      apply(Ticked{});
    }
    now = std::max(now, to);
  }
  const Lease& lease(LeaseId id) const { return control.state().promises.leases.at(id); }
  bool waits(LeaseId id) const { return lease(id).state == LeaseState::waiting; }
  bool holds(LeaseId id) const { return decide::holds(lease(id).state); }

  control::Control control;
  std::int64_t now = 1000;  // milliseconds
  pid_t pid = 100;
  RequestId request = 0;
  Lease last;
  std::map<RequestId, int> answers;
  std::map<LeaseId, std::int64_t> granted;  // and when
  std::vector<LeaseId> order;               // of the grants
  std::set<pid_t> gone;

 private:
  Sample sample_;
};

// ollama#14407: a request waits without end for a holder whose traffic never stops.
TEST(Wedge, ollama_14407_a_waiter_on_a_busy_holder_is_answered_at_its_deadline) {
  Desk desk;
  const LeaseId busy = desk.ask(gpu_memory(24_GiB, "GPU-0"));
  const LeaseId waiter = desk.ask(gpu_memory(20_GiB, "GPU-0"), {}, seconds(30));
  ASSERT_TRUE(desk.waits(waiter));
  const RequestId poll = ++desk.request;
  desk.apply(Asked{poll, {1000, true, false}, AskWait{waiter, std::chrono::hours(1)}});
  for (int second = 0; second < 40; ++second) {  // its holder renews, and never lets go
    AskChange renew;
    renew.lease = busy;
    renew.ttl = seconds(600);
    desk.apply(Asked{++desk.request, {1000, true, false}, renew});
    desk.pass(seconds(1));
    desk.read();
    EXPECT_EQ(desk.waits(waiter), second < 29) << second;
  }
  EXPECT_EQ(desk.lease(waiter).reason, "it waited as long as it was told to");
  EXPECT_EQ(desk.answers[poll], 1);
  EXPECT_TRUE(desk.control.state().queue.empty());
  EXPECT_TRUE(desk.holds(busy));
}

// ollama#14578: whoever could run waits behind one that cannot.
TEST(Wedge, ollama_14578_what_fits_elsewhere_does_not_wait_behind_a_big_head) {
  Desk desk;
  desk.ask(gpu_memory(10_GiB, "GPU-0"));  // nobody knows for how long
  const LeaseId head = desk.ask(gpu_memory(24_GiB, "GPU-0"));
  ASSERT_TRUE(desk.waits(head));
  EXPECT_TRUE(desk.holds(desk.ask(gpu_memory(24_GiB, "GPU-1"), {}, {}, Priority::normal, 2000)));
  EXPECT_TRUE(desk.holds(desk.ask(memory(50_GiB))));
  EXPECT_TRUE(desk.waits(desk.ask(gpu_memory(1_GiB, "GPU-0"))));
}

TEST(Wedge, ollama_14578_what_ends_before_a_big_head_can_start_does_not_wait_for_it) {
  Desk desk;
  const LeaseId first = desk.ask(gpu_memory(10_GiB, "GPU-0"), seconds(60));
  const LeaseId head = desk.ask(gpu_memory(24_GiB, "GPU-0"), seconds(60));
  const LeaseId quick = desk.ask(gpu_memory(10_GiB, "GPU-0"), seconds(50));
  const LeaseId slow = desk.ask(gpu_memory(10_GiB, "GPU-0"), seconds(70));
  EXPECT_TRUE(desk.holds(quick));
  EXPECT_TRUE(desk.waits(slow));
  desk.pass(seconds(50));
  desk.exits(quick);
  EXPECT_TRUE(desk.waits(head));
  desk.pass(seconds(10));
  desk.exits(first);
  EXPECT_TRUE(desk.holds(head));
}

// llama-swap#612: a stream of urgent requests, and one that is never served.
TEST(Wedge, llama_swap_612_nobody_is_overtaken_by_who_asks_after_its_bound) {
  Config config = Stage::plain();
  config.leases.ageing = seconds(60);
  Desk desk(config);
  LeaseId running = desk.ask(memory(90_GiB), seconds(10));
  const std::int64_t asked = desk.now;
  const LeaseId low = desk.ask(memory(90_GiB), seconds(10), {}, Priority::low);
  std::map<LeaseId, std::int64_t> urgent;
  for (int turn = 0; turn < 1000 && desk.waits(low); ++turn) {
    for (int i = 0; i < 2; ++i) {  // twice as many as can be served
      urgent[desk.ask(memory(90_GiB), seconds(10), {}, Priority::critical)] = desk.now;
    }
    desk.pass(seconds(10));
    desk.exits(running);
    running = desk.order.back();
  }
  ASSERT_TRUE(desk.holds(low));
  const auto latest = std::max_element(urgent.begin(), urgent.end(), [&](auto& a, auto& b) {
    return (desk.granted.contains(a.first) ? a.second : 0) <
           (desk.granted.contains(b.first) ? b.second : 0);
  });
  // 3 × ageing: three classes.
  EXPECT_LE(latest->second, asked + 3 * 60'000);
  EXPECT_GE(desk.granted.at(low), asked + 3 * 60'000);  // it was overtaken as long as it may be
}

// The same among equals, whose order a plan makes: who has run out of patience goes before all who
// have some left, but the one that was told that it is next.
TEST(Wedge, llama_swap_612_a_plan_puts_nobody_off_beyond_its_patience) {
  Config config = Stage::plain();
  config.leases.ageing = seconds(120);
  int put_off = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    simulate::Random random(seed);
    Desk desk(config);
    for (int turn = 0; turn < 150; ++turn) {
      // Long ones, which a plan likes to begin with, keep coming; short ones are among them.
      const bool small = random.percent(30);
      const Bytes bytes(random.between(small ? 1 : 20, small ? 10 : 60) << 30);
      desk.ask(memory(bytes), seconds(small ? random.between(1, 10) : random.between(30, 90)), {},
               Priority::normal, static_cast<uid_t>(1000 + random.below(3)));
      desk.pass(seconds(random.between(1, 20)));
      std::vector<LeaseId> over;
      for (const auto& [end, id] : desk.control.state().ledger.by_end()) {
        if (end <= desk.at().boot) over.push_back(id);
      }
      for (const LeaseId id : over) desk.exits(id);
      desk.read();
      const auto& order = desk.control.state().queue.in_order();
      for (std::size_t i = 1; i < order.size(); ++i) {
        const Lease& one = desk.lease(order[i].second);
        const auto waited = desk.at().boot - one.asked.boot;
        for (std::size_t j = 1; j < i; ++j) {
          if (order[j] < order[i]) continue;
          ++put_off;
          const Lease& before = desk.lease(order[j].second);
          // Both may have run out of it: then they go by age, unless they asked together.
          const bool both =
              desk.at().boot - before.asked.boot >= decide::patience(config, *before.expected) &&
              before.asked.boot - one.asked.boot <= decide::asked_together(config);
          ASSERT_TRUE(both || waited < decide::patience(config, *one.expected))
              << "seed " << seed << ": l-" << one.id << " waits behind l-" << before.id;
        }
      }
    }
  }
  EXPECT_GT(put_off, 100);  // or nothing was tested
}

// Found by headroom-simulate: a newcomer went before all whom a plan had put behind a larger key.
TEST(Wedge, a_newcomer_goes_behind_all_who_asked_before_it_whatever_the_plan) {
  decide::Queue queue;
  for (const LeaseId id : {3, 5, 7, 9}) queue.insert({static_cast<std::int64_t>(id), id});
  queue.follow({{5, 5}, {3, 3}});
  EXPECT_EQ(queue.in_order().front(), decide::Queue::Key(5, 5));
  EXPECT_EQ(queue.place_of({4, 4}), 2U);  // behind 3, although 5 is first
  queue.insert({4, 4});
  queue.insert({8, 8});
  const std::vector<decide::Queue::Key> order{{5, 5}, {3, 3}, {4, 4}, {7, 7}, {8, 8}, {9, 9}};
  EXPECT_EQ(queue.in_order(), order);
  queue.erase({3, 3});
  EXPECT_EQ(queue.place_of({2, 2}), 0U);
  EXPECT_EQ(queue.planned(), 2U);
  queue.follow({{9, 9}, {4, 4}});  // not those with the smallest keys
  EXPECT_EQ(queue.in_order().front(), decide::Queue::Key(5, 5));
}

// llama-swap#281 and LM Studio#634: all of them at once.
TEST(Wedge, llama_swap_281_a_thousand_waiters_on_one_lease_start_as_many_as_fit) {
  Config config = Stage::plain();
  config.leases.user_leases = 100000;
  Desk desk(config);
  const LeaseId holder = desk.ask(memory(Bytes(desk.control.state().ledger.pool(0).room())));
  std::vector<LeaseId> herd;
  for (int i = 0; i < 1000; ++i) herd.push_back(desk.ask(memory(Bytes(194_MiB))));
  EXPECT_EQ(desk.control.state().queue.size(), 1000U);
  desk.exits(holder);
  const std::int64_t fit = (95_GiB).count() / (194_MiB).count();
  EXPECT_EQ(std::count_if(herd.begin(), herd.end(), [&](LeaseId id) { return desk.holds(id); }),
            fit);
  // In the order in which they asked, and each once.
  EXPECT_TRUE(std::is_sorted(desk.order.begin(), desk.order.end()));
  EXPECT_EQ(desk.order.size(), static_cast<std::size_t>(fit) + 1);
  EXPECT_LE(desk.control.state().ledger.pool(0).booked, (95_GiB).count());
}

// ollama#17408: a request that nobody waits for any more is served, and what it holds is nobody's.
TEST(Wedge, ollama_17408_a_cancelled_waiter_is_never_granted_and_keeps_nobody) {
  Desk desk;
  const LeaseId holder = desk.ask(memory(60_GiB));
  const LeaseId left = desk.ask(memory(90_GiB));
  const LeaseId died = desk.ask(memory(80_GiB));
  const LeaseId gave_up = desk.ask(memory(70_GiB), {}, seconds(5));
  const LeaseId next = desk.ask(memory(30_GiB));
  ASSERT_TRUE(desk.waits(next));
  desk.apply(Asked{++desk.request, {1000, true, false}, AskEnd{left}});
  desk.exits(died);
  EXPECT_TRUE(desk.waits(next));
  desk.pass(seconds(5));
  EXPECT_TRUE(desk.holds(next));  // in the same event that took away who stood before it
  desk.exits(holder);
  desk.read();
  for (const LeaseId id : {left, died, gave_up}) {
    EXPECT_EQ(desk.lease(id).state, LeaseState::ended);
    EXPECT_FALSE(desk.granted.contains(id));
  }
}

// A client that hangs up leaves its place only when its process ends: its poll is not the waiter.
TEST(Wedge, a_withdrawn_poll_neither_ends_nor_grants) {
  Desk desk;
  const LeaseId holder = desk.ask(memory(90_GiB));
  const LeaseId waiter = desk.ask(memory(50_GiB));
  const RequestId poll = ++desk.request;
  desk.apply(Asked{poll, {1000, true, false}, AskWait{waiter, seconds(60)}});
  desk.apply(Withdrawn{poll});
  desk.exits(holder);
  EXPECT_TRUE(desk.holds(waiter));
  EXPECT_EQ(desk.answers[poll], 0);
}

// Found by headroom-schedule: two ends and a reading at one moment, and a device that was said to
// hold for ever what nobody held.
TEST(Wedge, readings_of_another_moment_do_not_quarantine_an_empty_device) {
  Desk desk;
  const LeaseId one = desk.ask(gpu_memory(8_GiB, "GPU-0"));
  const LeaseId other = desk.ask(gpu_memory(6_GiB, "GPU-0"));
  desk.pass(seconds(1));
  desk.read();
  // The first one's end is known, and a reading of the same moment shows its bytes back already.
  const Holder first = desk.lease(one).holder;
  const Holder second = desk.lease(other).holder;
  desk.control.apply(Exited{first}, desk.at());
  desk.gone.insert(first.pid);
  desk.read();
  desk.gone.insert(second.pid);
  desk.control.apply(Exited{second}, desk.at());
  desk.pass(seconds(20));
  desk.read();
  EXPECT_EQ(desk.lease(one).state, LeaseState::ended);
  EXPECT_EQ(desk.lease(other).state, LeaseState::ended);
  EXPECT_TRUE(desk.holds(desk.ask(gpu_memory(24_GiB, "GPU-0"))));
}

}  // namespace
}  // namespace headroom::schedule
