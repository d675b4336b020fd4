#include "runtime/worker.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

namespace headroom::runtime {
namespace {

using testing::ElementsAre;

TEST(Worker, DoesOneAfterTheOtherOnAThreadOfItsOwn) {
  std::vector<int> done;
  std::promise<std::thread::id> last;
  Worker worker("worker", 8);
  EXPECT_TRUE(worker.post([&] { done.push_back(1); }));
  EXPECT_TRUE(worker.post([&] { done.push_back(2); }));
  EXPECT_TRUE(worker.post([&] { last.set_value(std::this_thread::get_id()); }));
  EXPECT_NE(last.get_future().get(), std::this_thread::get_id());
  EXPECT_THAT(done, ElementsAre(1, 2));
}

TEST(Worker, WhatIsMoreThanMayWaitIsRefused) {
  std::promise<void> begun, go;
  Worker worker("worker", 1);
  ASSERT_TRUE(worker.post([&] {
    begun.set_value();
    go.get_future().wait();
  }));
  begun.get_future().wait();
  bool second = false;
  EXPECT_TRUE(worker.post([&] { second = true; }));
  EXPECT_FALSE(worker.post([] {}));
  std::promise<void> third;
  go.set_value();
  while (!worker.post([&] { third.set_value(); })) std::this_thread::yield();
  third.get_future().wait();
  EXPECT_TRUE(second);
}

TEST(Worker, AtItsEndWhatWaitsIsDroppedAndWhatIsUnderWayIsWaitedFor) {
  std::promise<void> begun, go;
  auto held = std::make_shared<int>(0);
  bool finished = false;
  auto worker = std::make_unique<Worker>("worker", 8);
  ASSERT_TRUE(worker->post([&] {
    begun.set_value();
    go.get_future().wait();
    finished = true;
  }));
  begun.get_future().wait();
  ASSERT_TRUE(worker->post([held] { ++*held; }));
  std::thread end([&] { worker.reset(); });
  while (held.use_count() > 1) std::this_thread::yield();  // what waits is dropped first
  go.set_value();
  end.join();
  EXPECT_TRUE(finished);
  EXPECT_EQ(*held, 0);
}

TEST(Worker, WhatHangsOutlivesItAndTouchesNothingOfIt) {
  std::promise<void> begun;
  auto go = std::make_shared<std::promise<void>>();
  std::promise<void> over;
  {
    Worker worker("worker", 8);
    ASSERT_TRUE(worker.post([&, go] {
      begun.set_value();
      go->get_future().wait();
      over.set_value();
    }));
    begun.get_future().wait();
  }
  go->set_value();
  over.get_future().wait();
}

TEST(Worker, WithoutWorkThereIsNoThread) {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto before = threads();
  Worker worker("worker", 8);
  EXPECT_EQ(threads(), before);
  ASSERT_TRUE(worker.post([] {}));
  EXPECT_EQ(threads(), before + 1);
}

}  // namespace
}  // namespace headroom::runtime
