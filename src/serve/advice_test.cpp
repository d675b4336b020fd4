#include "serve/advice.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace headroom::serve {
namespace {

using namespace literals;

// A machine with two GPUs of 80 GiB, and nothing that is tight.
View machine() {
  View view;
  view.at = {BootTime(std::chrono::hours(9)), WallTime(std::chrono::hours(500000))};
  auto sample = std::make_shared<Sample>();
  for (int i = 0; i < 2; ++i) {
    GpuReading gpu;
    gpu.id = "GPU-" + std::to_string(i);
    gpu.index = i;
    gpu.memory_total = 80_GiB;
    gpu.memory_used = 20_GiB;
    gpu.compute = 8.0;
    sample->gpus.push_back(gpu);
    Room room;
    room.resource = Resource::gpu_memory;
    room.device = gpu.id;
    room.room = (i == 0 ? 10_GiB : 30_GiB).count();
    view.rooms.push_back(room);
  }
  Room memory;
  memory.room = (40_GiB).count();
  view.rooms.push_back(memory);
  view.sample = sample;
  return view;
}

ModelView model(const char* name, Bytes size, int order) {
  ModelView view;
  view.model.name = name;
  view.model.hook = "comfy";
  view.source = "told";
  view.state = ModelState::resident;
  view.lease = 3;
  view.gpu = "GPU-0";
  view.size.gpu_memory = size;
  view.order = order;
  return view;
}

LeaseView lease(LeaseId id, LeaseState state) {
  LeaseView view;
  view.lease.id = id;
  view.lease.name = "render";
  view.lease.state = state;
  return view;
}

Pressure pressure(Resource resource, std::string device, double value, double threshold) {
  return {resource, std::move(device), Level::critical, value, threshold, threshold - 5, {}};
}

// The one piece of advice about this.
Advice only(const View& view, const std::string& about) {
  const auto all = advice(view);
  const auto is = [&](const Advice& one) { return one.about == about; };
  EXPECT_EQ(std::count_if(all.begin(), all.end(), is), 1) << about;
  const auto found = std::find_if(all.begin(), all.end(), is);
  return found != all.end() ? *found : Advice();
}

TEST(Advice, SaysNothingWhereNothingIsToBeDone) {
  EXPECT_TRUE(advice(machine()).empty());
  EXPECT_TRUE(advice(View()).empty()) << "before the first sample";
}

TEST(Advice, NamesTheIdleModelsOfATightDeviceInTheirOrder) {
  View view = machine();
  view.pressures.push_back(pressure(Resource::gpu_memory, "GPU-0", 91.24, 90));
  view.models = {model("b", 512_MiB, 2), model("sdxl", 9_GiB, 1), model("pinned", 5_GiB, 0)};
  view.models[1].used = view.at.wall - std::chrono::minutes(14);
  view.models[2].model.pinned = true;
  view.models.push_back(model("elsewhere", 7_GiB, 1));
  view.models.back().gpu = "GPU-1";
  const Advice tight = only(view, "gpu_memory");
  EXPECT_EQ(
      tight.text,
      "unload what is idle: 9.5 GiB of GPU 0 would come back from sdxl (9.0 GiB, idle 14 min), b "
      "(512 MiB)");
  EXPECT_EQ(tight.reading, "GPU 0: 91.2 %, critical from 90.0 %");
  EXPECT_EQ(tight.command, "headroom free --gpu 0");
  view.models.clear();
  EXPECT_EQ(only(view, "gpu_memory").command, "headroom lease");
  view.rooms[0].unbooked = (50_GiB).count();
  EXPECT_EQ(only(view, "gpu_memory").command, "headroom ps --unbooked --gpu 0");
}

TEST(Advice, AModelThatNobodyCanBeAskedForIsNamed) {
  View view = machine();
  view.pressures.push_back(pressure(Resource::gpu_memory, "GPU-0", 91, 90));
  view.models = {model("it's; rm -rf /", 9_GiB, 0)};
  view.models[0].model.hook.clear();
  EXPECT_EQ(only(view, "model").command, "headroom model set 'it'\\''s; rm -rf /' --hook NAME");
  view.models[0].model.name = "--force";
  EXPECT_EQ(only(view, "model").command, "") << "it would be taken for an option";
}

TEST(Advice, AHotDeviceIsToTakeNobodyNewOnce) {
  View view = machine();
  view.pressures.push_back(pressure(Resource::gpu_temperature, "GPU-1", 91, 85));
  const Advice hot = only(view, "gpu_temperature");
  EXPECT_EQ(hot.reading, "GPU 1: 91.0 °C, critical from 85.0 °C");
  EXPECT_EQ(hot.command, "headroom drain --gpu 1");
  view.drains.push_back({"GPU-1", 0, view.at.wall - std::chrono::hours(3), "XID 79"});
  EXPECT_EQ(only(view, "gpu_temperature").command, "");
  const Advice drained = only(view, "device");
  EXPECT_EQ(drained.reading, "drained for 3 h: XID 79");
  EXPECT_EQ(drained.command, "headroom drain --gpu 1 --undo");
}

TEST(Advice, AWaiterThatWaitsLongHearsWhatIsInItsWay) {
  View view = machine();
  LeaseView waiter = lease(7, LeaseState::waiting);
  waiter.lease.asked.wall = view.at.wall - std::chrono::seconds(59);
  waiter.lease.needs.gpu_memory = Bytes((24_GiB).count() + 1);
  waiter.lease.priority = Priority::high;
  waiter.place = 1;
  waiter.earliest = view.at.wall + std::chrono::minutes(22);
  waiter.why = "24.0 GiB are wanted";
  view.leases.push_back(waiter);
  EXPECT_TRUE(advice(view).empty()) << "not long yet";
  view.leases[0].lease.asked.wall -= std::chrono::minutes(12);
  EXPECT_EQ(only(view, "lease").command, "headroom lease show l-7");
  view.models = {model("sdxl", 9_GiB, 1)};
  const Advice waits = only(view, "lease");
  EXPECT_EQ(waits.text, "render (l-7): 24.0 GiB are wanted; idle models could make room");
  EXPECT_EQ(waits.reading, "waits for 12 min, place 1, earliest in 22 min");
  EXPECT_EQ(waits.command, "headroom free --gpu-mem 24.1G --priority high") << "rounded up";
  view.models[0].model.priority = Priority::critical;
  EXPECT_EQ(only(view, "lease").command, "headroom lease show l-7") << "it outranks the waiter";
}

TEST(Advice, BookingsAreToBeAsTheirUse) {
  View view = machine();
  LeaseView over = lease(4, LeaseState::active);
  over.lease.booked.memory = 4_GiB;
  over.lease.booked.gpu_memory = 10_GiB;
  over.lease.booked.cpu = Cores(1500);
  over.measured.emplace();
  over.measured->memory = 5_GiB;
  over.measured->gpu_memory = 2_GiB;
  over.over = true;
  view.leases.push_back(over);
  const Advice larger = only(view, "lease");
  EXPECT_EQ(larger.reading, "uses 5.0 GiB of 4.0 GiB memory");
  EXPECT_EQ(larger.command, "headroom lease renew l-4 --mem 5.0G --gpu-mem 10.0G --cpu 1.5");
  view.leases[0].over = false;
  view.leases[0].idle = "8.0 of 10.0 GiB GPU memory unused for 20 min";
  const Advice idle = only(view, "lease");
  EXPECT_EQ(idle.reading, view.leases[0].idle);
  EXPECT_EQ(idle.command, "headroom lease renew l-4 --return-idle");
  view.leases[0].lease.return_idle = true;
  EXPECT_TRUE(advice(view).empty()) << "it does so by itself";
}

TEST(Advice, TheLargestModelThatFitsIsNamed) {
  View view = machine();
  const auto know = [&](const char* name, Bytes gpu, Bytes memory, double compute) {
    ModelView known;
    known.model.name = name;
    known.source = "built in";
    known.model.compute = compute;
    known.needs.gpu_memory = gpu;
    known.needs.memory = memory;
    view.models.push_back(known);
  };
  know("large", 29_GiB, 1_GiB, 0);
  know("org/too-large", 31_GiB, 1_GiB, 0);
  know("org/too-new", 28_GiB, 1_GiB, 9.0);
  know("org/too-wide", 27_GiB, 41_GiB, 0);
  EXPECT_EQ(only(view, "model").reading, "the most room of a GPU is 30.0 GiB, of memory 40.0 GiB");
  know("org/right", 24_GiB, 12_GiB, 8.0);
  know("org/small", 6_GiB, 3_GiB, 6.0);
  const Advice largest = only(view, "model");
  EXPECT_EQ(largest.text, "org/right is the largest model of those known that fits now");
  EXPECT_EQ(largest.reading, "it needs 24.0 GiB, and GPU 1 has room for 30.0 GiB");
  EXPECT_EQ(largest.command, "headroom fit org/right");
  view.rooms[1].closed = "drained";
  EXPECT_EQ(only(view, "model").command, "headroom fit org/small");
}

TEST(Advice, ABatchMayGrowWhereThereIsRoomForTheModelAgain) {
  View view = machine();
  view.models = {model("sdxl", 4_GiB, 1)};
  view.models[0].batch = 2;
  view.leases.push_back(lease(3, LeaseState::active));
  view.leases[0].lease.booked.gpu_memory = 5_GiB;
  const Advice batch = only(view, "model");
  EXPECT_EQ(batch.text, "sdxl can work on batches of 6 instead of 2: book the memory for it");
  EXPECT_EQ(batch.reading, "it takes 4.0 GiB of GPU 0, which has room for 10.0 GiB more");
  EXPECT_EQ(batch.command, "headroom lease renew l-3 --gpu-mem 12.0G");
  view.models[0].size.gpu_memory = 11_GiB;
  EXPECT_TRUE(advice(view).empty());
}

TEST(Advice, IsBounded) {
  View view = machine();
  for (LeaseId id = 1; id <= 500; ++id) {
    view.leases.push_back(lease(id, LeaseState::active));
    view.leases.back().idle = "all of it";
  }
  EXPECT_EQ(advice(view).size(), kMostAdvice);
}

TEST(Advice, NamesTheCrowdedHours) {
  View view = machine();
  view.peaks = {{"gpu_memory:GPU-1", 14, 17, 81.25, 3, 6, 20, 7}};
  const auto all = advice(view);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].about, "peak hours");
  EXPECT_EQ(all[0].text, "move what can wait from 14:00-17:00 to 03:00-06:00");
  EXPECT_EQ(all[0].reading,
            "gpu memory of GPU 1: 81.2 % from 14:00, 20.0 % from 03:00, mean of the last 7 days");
  EXPECT_EQ(all[0].command, "headroom run --at 03:00 --mem 1G -- COMMAND");
}

TEST(Advice, SaysWhenTheBudgetIsSpentAndWhatLiesIdle) {
  View view = machine();
  Config config;
  config.cost.currency = "EUR";
  view.config = std::make_shared<const Config>(config);
  CostView cost;
  cost.per_hour = Money(2'500'000'000);
  cost.spent = Money(800'000'000'000);
  cost.budget = Money(1'000'000'000'000);
  cost.spent_at = WallTime(std::chrono::hours(500080));
  cost.leases_per_hour = Money(1);
  view.cost = cost;
  auto all = advice(view);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].about, "budget");
  EXPECT_EQ(all[0].text.substr(0, 52), "the month's budget is spent before the month is over");
  EXPECT_EQ(all[0].reading, "800.00 EUR of 1000.00 EUR are spent, at 2.50 EUR an hour");
  view.cost->spent = view.cost->budget;
  view.cost->leases_per_hour = Money();
  all = advice(view);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].text, "the month's budget is spent: end what can wait for the next one");
  EXPECT_EQ(all[1].about, "cost");
  view.cost->spent_at.reset();
  view.cost->leases_per_hour = view.cost->per_hour;
  EXPECT_TRUE(advice(view).empty());
}

}  // namespace
}  // namespace headroom::serve
