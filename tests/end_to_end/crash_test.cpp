// What dies, when: holders, commands, and the daemon itself.
#include "harness.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include <unistd.h>

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

std::string booking(const std::string& name, const std::string& needs, pid_t holder,
                    const char* wait) {
  return R"({"name":")" + name + R"(","needs":)" + needs + R"(,"wait_seconds":)" + wait +
         R"(,"holder":{"pid":)" + std::to_string(holder) + "}}";
}

constexpr const char* kSixGpu = R"({"gpu_memory_bytes":6442450944})";

class Crash : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.start()); }
  std::unique_ptr<Program> holder() const {
    return std::make_unique<Program>(job({"until", daemon_.file("over")}));
  }
  int book(const std::string& name, pid_t holder, const char* wait = "0") {
    return daemon_.ask("POST", "/api/v1/leases", booking(name, kSixGpu, holder, wait)).status;
  }

  Daemon daemon_{simulated_gpus("8GiB")};
};

TEST_F(Crash, OfAHolderEndsItsLeaseWithinASecondAndTheNextOneStarts) {
  EXPECT_EQ(daemon_.stop().code, 0);
  write_text(daemon_.file("headroom.toml"), "[sample]\ninterval = \"1h\"\n");
  ASSERT_TRUE(daemon_.start());  // now nothing can wait for the next sample
  const auto first = holder();
  const auto second = holder();
  ASSERT_EQ(book("first", first->pid()), 201);
  ASSERT_EQ(book("second", second->pid(), "null"), 202);
  const double began = seconds();
  first->kill_and_reap();
  EXPECT_TRUE(daemon_.lease_ends("first"));
  EXPECT_TRUE(eventually([&] { return text(daemon_.lease("second"), "state") != "waiting"; }));
  std::printf("the next one was granted %.1f ms after the holder was killed\n",
              (seconds() - began) * 1000);
}

TEST_F(Crash, OfAHolderThatWaitsTakesItOutOfTheQueue) {
  const auto first = holder();
  const auto second = holder();
  const auto third = holder();
  ASSERT_EQ(book("first", first->pid()), 201);
  ASSERT_EQ(book("second", second->pid(), "null"), 202);
  ASSERT_EQ(book("third", third->pid(), "null"), 202);
  second->kill_and_reap();
  EXPECT_TRUE(daemon_.lease_ends("second"));
  EXPECT_EQ(whole(daemon_.lease("third"), "place"), 1);
}

TEST_F(Crash, OfRunItselfLeavesTheJobAndItsLeaseAlone) {
  const auto run = daemon_.command(
      Words{"run", "--gpu-mem", "6G", "--name", "j", "--"} +
      job({"say", "up", "until", daemon_.file("over"), "stamp", daemon_.file("done"), "x"}));
  ASSERT_TRUE(run->says("up"));
  run->kill_and_reap();
  const auto other = holder();
  EXPECT_EQ(book("other", other->pid()), 409) << "its room was given away";
  EXPECT_EQ(text(daemon_.lease("j"), "name"), "j");
  write_text(daemon_.file("over"), "");
  EXPECT_TRUE(daemon_.lease_ends("j"));
  EXPECT_THAT(read_text(daemon_.file("done")), HasSubstr("x "));
}

TEST_F(Crash, OfRunWhileItWaitsLeavesTheQueueAndStartsNothing) {
  const auto first = holder();
  ASSERT_EQ(book("first", first->pid()), 201);
  const auto run = daemon_.command(
      {"run", "--gpu-mem", "6G", "--name", "j", "--", "touch", daemon_.file("ran")});
  ASSERT_TRUE(daemon_.lease_is("j", "waiting"));
  run->kill_and_reap();
  EXPECT_TRUE(daemon_.lease_ends("j"));
  first->kill_and_reap();
  EXPECT_TRUE(daemon_.lease_ends("first"));
  EXPECT_NE(access(daemon_.file("ran").c_str(), F_OK), 0);
}

TEST_F(Crash, OfTheDaemonIsNotNoticedByWhatRunsAndCostsNobodyHisPlace) {
  const auto run = daemon_.command(Words{"run", "--gpu-mem", "6G", "--name", "j", "--"} +
                                   job({"say", "up", "until", daemon_.file("over"), "exit", "9"}));
  ASSERT_TRUE(run->says("up"));
  const auto second = daemon_.command(Words{"run", "--gpu-mem", "6G", "--name", "second", "--"} +
                                      job({"stamp", daemon_.file("order"), "second"}));
  ASSERT_TRUE(daemon_.lease_is("second", "waiting"));
  const auto third = daemon_.command(Words{"run", "--gpu-mem", "6G", "--name", "third", "--"} +
                                     job({"stamp", daemon_.file("order"), "third"}));
  ASSERT_TRUE(daemon_.lease_is("third", "waiting"));
  const auto before = daemon_.lease("j");

  daemon_.kill_and_reap();
  ASSERT_TRUE(daemon_.start());
  const auto after = daemon_.lease("j");
  EXPECT_EQ(text(after, "id"), text(before, "id"));
  EXPECT_EQ(whole(after, "booked.gpu_memory_bytes"), whole(before, "booked.gpu_memory_bytes"));
  EXPECT_EQ(text(after, "device"), text(before, "device"));
  EXPECT_EQ(text(after, "granted_at"), text(before, "granted_at"));
  EXPECT_EQ(text(after, "group.path"), text(before, "group.path"));
  EXPECT_EQ(whole(daemon_.lease("second"), "place"), 1);
  EXPECT_EQ(whole(daemon_.lease("third"), "place"), 2);

  write_text(daemon_.file("over"), "");
  EXPECT_EQ(run->finish().code, 9);
  const auto two = second->finish();
  EXPECT_EQ(two.code, 0) << two.err;
  const auto three = third->finish();
  EXPECT_EQ(three.code, 0) << three.err;
  const auto order = read_text(daemon_.file("order"));
  EXPECT_LT(order.find("second"), order.find("third")) << order;
}

TEST_F(Crash, OfTheDaemonWhileAJobEndsKeepsItsExitCode) {
  const auto run = daemon_.command(Words{"run", "--gpu-mem", "6G", "--name", "j", "--"} +
                                   job({"say", "up", "until", daemon_.file("over"), "exit", "9"}));
  ASSERT_TRUE(run->says("up"));
  daemon_.kill_and_reap();
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(run->finish().code, 9);
  ASSERT_TRUE(daemon_.start());
  EXPECT_TRUE(daemon_.lease_ends("j")) << "its holder died while the daemon was down";
  EXPECT_EQ(daemon_.run({"fit", "--gpu-mem", "6G"}).code, 0);
}

TEST_F(Crash, OfTheDaemonAndOfHoldersMeanwhileLeavesNoLease) {
  const auto first = holder();
  const auto second = holder();
  ASSERT_EQ(book("first", first->pid()), 201);
  ASSERT_EQ(book("second", second->pid(), "null"), 202);
  daemon_.kill_and_reap();
  first->kill_and_reap();
  second->kill_and_reap();
  ASSERT_TRUE(daemon_.start());
  EXPECT_TRUE(daemon_.lease_ends("first"));
  EXPECT_TRUE(daemon_.lease_ends("second"));
}

TEST_F(Crash, EndedByTermItStopsWithZeroAndKeepsTheLeases) {
  const auto first = holder();
  ASSERT_EQ(book("first", first->pid()), 201);
  EXPECT_EQ(daemon_.stop().code, 0);
  ASSERT_TRUE(daemon_.start());
  EXPECT_EQ(text(daemon_.lease("first"), "name"), "first");
}

TEST_F(Crash, ARepeatedRequestFindsItsLeaseAcrossADeath) {
  const auto first = holder();
  const http::Header key{"Idempotency-Key", "once"};
  const auto body = booking("first", kSixGpu, first->pid(), "0");
  const auto one = daemon_.ask("POST", "/api/v1/leases", body, {&key, 1});
  ASSERT_EQ(one.status, 201) << one.body;
  daemon_.kill_and_reap();
  ASSERT_TRUE(daemon_.start());
  const auto again = daemon_.ask("POST", "/api/v1/leases", body, {&key, 1});
  EXPECT_EQ(again.status, 201) << again.body;
  EXPECT_EQ(text(again.json, "id"), text(one.json, "id"));
  EXPECT_EQ(list(daemon_.get("/api/v1/leases")).size(), 1U);
}

TEST_F(Crash, OfTheDaemonAgainAndAgainWhileManyWaitLetsEachRunOnceAndAlone) {
  constexpr std::size_t kRuns = 12;
  const auto file = daemon_.file("stamps");
  std::vector<std::unique_ptr<Program>> runs;
  for (std::size_t i = 0; i < kRuns; ++i) {
    runs.push_back(
        daemon_.command(Words{"run", "--gpu-mem", "5G", "--"} +
                        job({"stamp", file, "start", "sleep", "20", "stamp", file, "end"})));
  }
  ASSERT_TRUE(eventually([&] {
    return list(daemon_.get("/api/v1/leases")).size() +
               list(daemon_.get("/api/v1/leases?state=ended")).size() >=
           kRuns;
  })) << "who has not asked yet when it dies is told that there is none";
  std::mt19937 random(7);
  for (int deaths = 0; deaths < 10; ++deaths) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 100));
    daemon_.kill_and_reap();
    ASSERT_TRUE(daemon_.start());
  }
  for (auto& run : runs) {
    const auto outcome = run->finish();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
  std::map<std::int64_t, std::string> order;
  std::istringstream lines(read_text(file));
  std::string word;
  for (std::int64_t at = 0; lines >> word >> at;) order[at] = word;
  EXPECT_EQ(order.size(), 2 * kRuns);
  bool running = false;
  for (const auto& [at, what] : order) {
    EXPECT_EQ(what, running ? "end" : "start") << "two ran at once:\n" << read_text(file);
    running = what == "start";
  }
  EXPECT_TRUE(eventually([&] { return list(daemon_.get("/api/v1/leases")).empty(); }));
}

TEST_F(Crash, OfTheFirstProcessLeavesTheRoomToTheOnesItStarted) {
  if (text(daemon_.get("/api/v1/node"), "tier") == "none") {
    GTEST_SKIP() << "no control group can be made here";
  }
  const auto outcome =
      daemon_.run({"run", "--gpu-mem", "6G", "--name", "j", "--", "sh", "-c",
                   std::string(HEADROOM_JOB) + " until " + daemon_.file("over") + " & exit 0"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(text(daemon_.lease("j"), "state"), "releasing");
  EXPECT_EQ(daemon_.run({"fit", "--gpu-mem", "6G"}).code, 3) << "its room was given twice";
  write_text(daemon_.file("over"), "");
  EXPECT_TRUE(daemon_.lease_ends("j"));
  EXPECT_EQ(daemon_.run({"fit", "--gpu-mem", "6G"}).code, 0);
}

TEST_F(Crash, OfTheDaemonKeepsMoreLeasesThanItsJournalHeldAtFirst) {
  EXPECT_EQ(daemon_.stop().code, 0);
  daemon_.options().variables["HEADROOM_STATE__JOURNAL"] = "1MiB";
  ASSERT_TRUE(daemon_.start());
  const auto one = holder();
  auto client = http::Client::connect(*http::Url::parse(daemon_.url()), kPatience);
  ASSERT_TRUE(client);
  constexpr int kLeases = 9000;
  const std::string tail(50, 'x');
  for (int i = 0; i < kLeases; ++i) {
    const auto got = client->request(
        "POST", "/api/v1/leases",
        booking(std::to_string(i) + tail, R"({"memory_bytes":4096})", one->pid(), "0"), {},
        kPatience);
    ASSERT_TRUE(got) << got.error().why;
    ASSERT_EQ(got->status, 201) << i << got->body;
  }
  EXPECT_GT(std::filesystem::file_size(daemon_.state() + "/journal.0") +
                std::filesystem::file_size(daemon_.state() + "/journal.1"),
            2U << 20U)
      << "they fitted into the first size: this test tests nothing";
  daemon_.kill_and_reap();
  ASSERT_TRUE(daemon_.start());
  EXPECT_EQ(list(daemon_.get("/api/v1/leases")).size(), static_cast<std::size_t>(kLeases));
}

// ------------------------------------------------------------------------- a few hundred deaths

/// What one client has been promised.
struct Promise {
  std::string id;
  std::string name;
  std::int64_t bytes = 0;
  bool sure = true;  ///< false: it was asked to end or to change, and no answer came
};

/// Books, changes and ends leases for one holder until the daemon is gone.
class Customer {
 public:
  Customer(int number, unsigned seed, std::string over)
      : number_(number), random_(seed), over_(std::move(over)) {}

  void work(Daemon& daemon, const std::atomic<bool>& stop) {
    if (!holder_) holder_ = std::make_unique<Program>(job({"until", over_}));
    auto client = http::Client::connect(*http::Url::parse(daemon.url()), kPatience);
    if (!client) return;
    while (!stop && step(*client)) {
    }
  }

  /// Ends the holder now and then, so that some are dead when the daemon comes back.
  void maybe_lose_holder() {
    if (!holder_ || random_() % 8 != 0) return;
    holder_->kill_and_reap();
    holder_.reset();
    dead_.insert(dead_.end(), std::make_move_iterator(held_.begin()),
                 std::make_move_iterator(held_.end()));
    held_.clear();
    if (doubtful_) dead_names_.push_back(std::exchange(doubtful_, std::nullopt)->name);
  }

  /// Compares what was promised with what is there, and takes over what was in doubt.
  void check(std::map<std::string, value>& there) {
    const auto present = [&](const std::string& name) { return there.find(name) != there.end(); };
    for (auto it = held_.begin(); it != held_.end();) {
      const auto found = there.find(it->name);
      if (found == there.end()) {
        EXPECT_FALSE(it->sure) << "lost: " << it->name << " (" << it->id << ")";
        it = held_.erase(it);
        continue;
      }
      EXPECT_EQ(text(found->second, "id"), it->id) << it->name;
      const auto bytes = whole(found->second, "booked.memory_bytes").value_or(-1);
      EXPECT_TRUE(!it->sure || bytes == it->bytes)
          << it->name << ": " << bytes << ", promised " << it->bytes;
      it->bytes = bytes;
      it->sure = true;
      there.erase(found);
      ++it;
    }
    if (doubtful_) {
      if (const auto found = there.find(doubtful_->name); found != there.end()) {
        doubtful_->id = text(found->second, "id");
        doubtful_->bytes = whole(found->second, "booked.memory_bytes").value_or(-1);
        held_.push_back(*doubtful_);
        there.erase(found);
      }
      doubtful_.reset();
    }
    for (const auto& name : ended_) EXPECT_FALSE(present(name)) << "came back: " << name;
    for (const auto& promise : dead_)
      EXPECT_FALSE(present(promise.name)) << "outlived its holder: " << promise.name;
    for (const auto& name : dead_names_)
      EXPECT_FALSE(present(name)) << "outlived its holder: " << name;
    ended_.clear();
    dead_.clear();
    dead_names_.clear();
  }

  /// Those whose holder is dead are gone from the list once the daemon has seen it.
  bool waits_for(const std::map<std::string, value>& there) const {
    const auto is_there = [&](const auto& promise) { return there.count(promise.name) > 0; };
    return std::any_of(dead_.begin(), dead_.end(), is_there) ||
           std::any_of(dead_names_.begin(), dead_names_.end(),
                       [&](const std::string& name) { return there.count(name) > 0; });
  }

  int answered() const { return answered_; }

 private:
  bool step(http::Client& client) {
    const auto choice = random_() % 4;
    if (held_.empty() || (choice <= 1 && held_.size() < 12)) {
      Promise wanted;
      wanted.name = "c" + std::to_string(number_) + "-" + std::to_string(++count_);
      wanted.bytes = static_cast<std::int64_t>(1 + random_() % 8) * kMiB;
      const auto got = client.request(
          "POST", "/api/v1/leases",
          booking(wanted.name, R"({"memory_bytes":)" + std::to_string(wanted.bytes) + "}",
                  holder_->pid(), "0"),
          {}, kPatience);
      if (!got || got->status != 201) {
        EXPECT_TRUE(!got) << got->body;
        doubtful_ = wanted;
        return false;
      }
      wanted.id = text(*client::parse_json(got->body), "id");
      held_.push_back(wanted);
    } else {
      auto& promise = held_[random_() % held_.size()];
      promise.sure = false;
      if (choice == 2) {
        const auto bytes = static_cast<std::int64_t>(1 + random_() % 8) * kMiB;
        const auto got = client.request(
            "PATCH", "/api/v1/leases/" + promise.id,
            R"({"needs":{"memory_bytes":)" + std::to_string(bytes) + "}}", {}, kPatience);
        if (!got || got->status != 200) {
          EXPECT_TRUE(!got) << got->body;
          return false;
        }
        promise.bytes = bytes;
        promise.sure = true;
      } else {
        // The client would repeat a DELETE by itself; here one is one.
        const auto got =
            client.request("DELETE", "/api/v1/leases/" + promise.id, {}, {}, kPatience);
        if (!got || got->status != 200) {
          EXPECT_TRUE(!got || got->status == 404 || got->status == 409) << got->body;
          return false;
        }
        ended_.push_back(promise.name);
        held_.erase(held_.begin() + (&promise - held_.data()));
      }
    }
    ++answered_;
    return true;
  }

  int number_;
  std::mt19937 random_;
  std::string over_;
  std::unique_ptr<Program> holder_;
  int count_ = 0;
  int answered_ = 0;
  std::vector<Promise> held_;
  std::optional<Promise> doubtful_;
  std::vector<std::string> ended_;
  std::vector<Promise> dead_;
  std::vector<std::string> dead_names_;
};

TEST(Deaths, OfTheDaemonAtHundredsOfMomentsBreakNoPromise) {
  constexpr int kRounds = 200;
  constexpr int kCustomers = 4;
  const char* given = std::getenv("HEADROOM_TEST_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device()();
  std::printf("HEADROOM_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  DaemonOptions options;
  options.configuration = "[state]\njournal = \"1MiB\"\n[sample]\ninterval = \"50ms\"\n";
  Daemon daemon(options);
  std::vector<std::unique_ptr<Customer>> customers;
  for (int i = 0; i < kCustomers; ++i) {
    customers.push_back(
        std::make_unique<Customer>(i, static_cast<unsigned>(random()), daemon.file("over")));
  }
  const auto living = [&] {
    std::map<std::string, value> there;
    const auto answer = daemon.ask("GET", "/api/v1/leases");
    EXPECT_EQ(answer.status, 200) << answer.body;
    for (const auto& lease : list(answer.json)) there[text(lease, "name")] = lease;
    return there;
  };
  ASSERT_TRUE(daemon.start());
  for (int round = 0; round < kRounds && !::testing::Test::HasFailure(); ++round) {
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (auto& customer : customers) threads.emplace_back([&] { customer->work(daemon, stop); });
    std::this_thread::sleep_for(
        std::chrono::microseconds(random() % 60000));  // when it dies is the test
    daemon.program().signal(SIGKILL);
    daemon.kill_and_reap();
    stop = true;
    for (auto& thread : threads) thread.join();
    for (auto& customer : customers) customer->maybe_lose_holder();

    ASSERT_TRUE(daemon.start()) << "round " << round;
    auto there = living();
    EXPECT_TRUE(eventually([&] {
      there = living();
      return std::none_of(customers.begin(), customers.end(),
                          [&](const auto& customer) { return customer->waits_for(there); });
    })) << "round "
        << round << ": a lease outlives its holder";
    for (auto& customer : customers) customer->check(there);
    for (const auto& [name, lease] : there) ADD_FAILURE() << "nobody was promised " << name;
    EXPECT_FALSE(::testing::Test::HasFailure())
        << "round " << round << ", HEADROOM_TEST_SEED=" << seed << "\n"
        << daemon.program().err();
  }
  int answered = 0;
  for (const auto& customer : customers) answered += customer->answered();
  std::printf("%d deaths, %d answers\n", kRounds, answered);
  EXPECT_GT(answered, kRounds);
}

}  // namespace
}  // namespace headroom::end_to_end
