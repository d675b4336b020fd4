// Show 2 and 3: two jobs that do not fit together, on memory and on a GPU, and many clients at
// once.
#include "harness.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <sstream>
#include <thread>

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

struct Stamp {
  std::string word;
  std::int64_t at = 0;  ///< ns
};

std::vector<Stamp> stamps(const std::string& path) {
  std::vector<Stamp> all;
  std::istringstream lines(read_text(path));
  for (Stamp one; lines >> one.word >> one.at;) all.push_back(one);
  std::sort(all.begin(), all.end(), [](const Stamp& a, const Stamp& b) { return a.at < b.at; });
  return all;
}

/// The times from each "end" to the "start" after it, in ms; a failure when two jobs overlap.
std::vector<double> gaps(const std::string& path, std::size_t jobs) {
  const auto all = stamps(path);
  EXPECT_EQ(all.size(), 2 * jobs) << read_text(path);
  std::vector<double> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].word, i % 2 == 0 ? "start" : "end") << "two ran at once:\n" << read_text(path);
    if (i % 2 == 0 && i > 0) out.push_back(static_cast<double>(all[i].at - all[i - 1].at) / 1e6);
  }
  return out;
}

TEST(TwoJobs, ThatTouchWhatTheyBookedAndDoNotFitTogetherRunOneAfterTheOther) {
  const SmallMachine machine(600);
  if (machine.group().empty())
    GTEST_SKIP() << "no memory group of the v1 hierarchy can be made here";
  DaemonOptions options;
  options.memory_group = machine.group();
  options.configuration =
      "[sample]\ninterval = \"1h\"\n";  // no hand-over can wait for the next one
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  ASSERT_LT(*whole(daemon.room("memory"), "capacity_bytes"), 601 * kMiB);

  constexpr std::size_t kJobs = 6;
  const auto file = daemon.file("stamps");
  std::vector<std::unique_ptr<Program>> runs;
  for (std::size_t i = 0; i < kJobs; ++i) {
    runs.push_back(
        daemon.command(Words{"run", "--mem", "300M", "--"} +
                       job({"stamp", file, "start", "touch", "300", "stamp", file, "end"})));
  }
  for (auto& run : runs) {
    const auto outcome = run->finish();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
  auto between = gaps(file, kJobs);
  ASSERT_EQ(between.size(), kJobs - 1);
  std::sort(between.begin(), between.end());
  std::printf("from the end of one to the start of the next: median %.1f ms, most %.1f ms\n",
              between[between.size() / 2], between.back());
  RecordProperty("median_ms", std::to_string(between[between.size() / 2]));
}

TEST(TwoJobs, OneThatStartsAtATimeHasItsRoomThenAndWhoWouldStillBeThereWaits) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  const auto nightly =
      daemon.command({"run", "--at", "+3s", "--for", "10m", "--gpu-mem", "6G", "--name", "nightly",
                      "--", "sh", "-c", "echo started; exec sleep 600"});
  ASSERT_TRUE(eventually([&] { return !text(daemon.lease("nightly"), "id").empty(); }));
  const value kept = daemon.lease("nightly");
  const auto id = text(kept, "id");
  EXPECT_NE(text(kept, "starts_at"), "");
  EXPECT_FALSE(whole(kept, "place"));
  // Its memory is free, and is its own already.
  const auto other = daemon.command({"run", "--no-wait", "--gpu-mem", "6G", "--", "true"});
  const auto refused = other->finish();
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("lease nightly (" + id + ")"));
  const auto answer = daemon.ask("GET", "/api/v1/leases/" + id + "?wait=30s");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(text(answer.json, "granted_at"), "");
  EXPECT_GE(text(answer.json, "granted_at"), text(answer.json, "starts_at"));
  ASSERT_TRUE(nightly->says("started"));
  nightly->signal(SIGTERM);
  nightly->finish();
}

TEST(TwoJobs, TheSecondIsToldWhoIsInTheWayWhenItWillNotWait) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  const auto first = daemon.command(Words{"run", "--gpu-mem", "6G", "--name", "render", "--"} +
                                    job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(first->says("up"));
  const auto id = text(daemon.lease("render"), "id");
  const auto second =
      daemon.run(Words{"run", "--gpu-mem", "6G", "--no-wait", "--"} + job({"say", "ran"}));
  EXPECT_EQ(second.code, 3);
  EXPECT_EQ(second.out, "");
  EXPECT_THAT(second.err, HasSubstr("render"));
  EXPECT_THAT(second.err, HasSubstr(id));
  const auto fit = daemon.run({"fit", "--gpu-mem", "6G"});
  EXPECT_EQ(fit.code, 3);
  EXPECT_THAT(fit.out + fit.err, HasSubstr("render"));
  write_text(daemon.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
  EXPECT_EQ(daemon.run({"fit", "--gpu-mem", "6G"}).code, 0);
}

TEST(TwoJobs, ThatBookSixGibibytesEachOfAnEightGibibyteGpuNeverRunTogether) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  const auto file = daemon.file("stamps");
  std::vector<std::unique_ptr<Program>> runs;
  for (int i = 0; i < 4; ++i) {
    runs.push_back(
        daemon.command(Words{"run", "--gpu-mem", "6G", "--"} +
                       job({"stamp", file, "start", "print", "CUDA_VISIBLE_DEVICES", "print",
                            "CUDA_DEVICE_ORDER", "print", "HEADROOM_GPU_MEMORY_BYTES", "print",
                            "HEADROOM_LEASE", "sleep", "30", "stamp", file, "end"})));
  }
  const auto device = text(daemon.room("gpu_memory"), "device");
  for (auto& run : runs) {
    const auto outcome = run->finish();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("CUDA_VISIBLE_DEVICES=" + device + "\n"));
    EXPECT_THAT(outcome.out, HasSubstr("CUDA_DEVICE_ORDER=PCI_BUS_ID\n"));
    EXPECT_THAT(outcome.out, HasSubstr("HEADROOM_GPU_MEMORY_BYTES=6442450944\n"));
    EXPECT_THAT(outcome.out, HasSubstr("HEADROOM_LEASE=l-"));
  }
  EXPECT_EQ(gaps(file, 4).size(), 3U);
}

TEST(TwoJobs, OfSmallSizeShareTheGpuAndOneFillsInItsShare) {
  Daemon daemon(simulated_gpus("8GiB; 8GiB"));
  ASSERT_TRUE(daemon.start());
  const auto first = daemon.command(Words{"run", "--gpu-mem", "3G", "--name", "a", "--"} +
                                    job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(first->says("up"));
  const auto second = daemon.run(Words{"run", "--gpu-mem", "2G", "--name", "b", "--"} +
                                 job({"print", "CUDA_VISIBLE_DEVICES", "say",
                                      "share {gpu_fraction} of {gpu_id}, {gpu_mem_mb}"}));
  EXPECT_EQ(second.code, 0) << second.err;
  const auto device = text(daemon.lease("a"), "device");
  EXPECT_THAT(second.out, HasSubstr("CUDA_VISIBLE_DEVICES=" + device + "\n"))
      << "packed on the fuller one";
  EXPECT_THAT(second.out, HasSubstr("share 0.2500 of " + device + ", 2048"));
  write_text(daemon.file("over"), "");
  EXPECT_EQ(first->finish().code, 0);
}

TEST(ManyClients, AllGetAnAnswerAndNeverBookMoreThanThereIs) {
  Daemon daemon(simulated_gpus("64GiB"));
  ASSERT_TRUE(daemon.start());
  const auto room = *whole(daemon.room("gpu_memory"), "room_bytes");
  constexpr int kClients = 200;
  std::atomic<int> granted = 0;
  std::atomic<int> waiting = 0;
  std::atomic<int> refused = 0;
  std::atomic<int> other = 0;
  std::atomic<bool> watching = true;
  std::atomic<int> looks = 0;
  std::atomic<std::int64_t> most = 0;
  std::thread watcher([&] {
    while (watching) {
      std::int64_t sum = 0;
      const auto all = daemon.get("/api/v1/leases");
      for (const auto& lease : list(all)) {
        if (text(lease, "state") != "waiting")
          sum += whole(lease, "booked.gpu_memory_bytes").value_or(0);
      }
      most = std::max(most.load(), sum);
      ++looks;
    }
  });
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      const auto answer =
          daemon.ask("POST", "/api/v1/leases",
                     "{\"name\":\"c" + std::to_string(i) +
                         "\",\"needs\":{\"gpu_memory_bytes\":2147483648},\"wait_seconds\":" +
                         (i % 2 == 0 ? "0" : "600") + "}");
      if (answer.status == 201) {
        ++granted;
      } else if (answer.status == 202) {
        ++waiting;
      } else if (answer.status == 409) {
        ++refused;
      } else {
        ++other;
      }
    });
  }
  for (auto& client : clients) client.join();
  watching = false;
  watcher.join();
  EXPECT_EQ(other, 0);
  EXPECT_EQ(granted + waiting + refused, kClients);
  EXPECT_GE(granted, 1);
  EXPECT_LE(granted, room / 2147483648);
  EXPECT_GE(granted, room / 2147483648 - 1) << "room was left unused";
  EXPECT_GE(waiting, 60) << "those who wait were refused";
  EXPECT_LE(most, room);
  EXPECT_GE(looks, 1);
}

TEST(ManyClients, RunCommandsThatAllWantTheGpuAndAllFinishWithoutEverOverlapping) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  constexpr std::size_t kRuns = 24;
  const auto file = daemon.file("stamps");
  std::vector<std::unique_ptr<Program>> runs;
  for (std::size_t i = 0; i < kRuns; ++i) {
    runs.push_back(daemon.command(Words{"run", "--gpu-mem", "5G", "--"} +
                                  job({"stamp", file, "start", "stamp", file, "end"})));
  }
  for (auto& run : runs) {
    const auto outcome = run->finish();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
  gaps(file, kRuns);
}

TEST(NestedRun, DrawsFromItsParentAndNeverWaitsForIt) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  // The parent books nearly the whole GPU: from the queue the inner one would wait for ever.
  const auto fits =
      daemon.run({"run", "--gpu-mem", "6G", "--", HEADROOM_COMMAND, "run", "--gpu-mem", "4G", "--",
                  HEADROOM_JOB, "print", "CUDA_VISIBLE_DEVICES"});
  EXPECT_EQ(fits.code, 0) << fits.err;
  EXPECT_THAT(fits.out,
              HasSubstr("CUDA_VISIBLE_DEVICES=" + text(daemon.room("gpu_memory"), "device")));
  const auto beyond = daemon.run({"run", "--gpu-mem", "6G", "--", HEADROOM_COMMAND, "run",
                                  "--gpu-mem", "7G", "--", HEADROOM_JOB, "say", "ran"});
  EXPECT_EQ(beyond.code, 3) << beyond.err;
  EXPECT_EQ(beyond.out, "");
  EXPECT_TRUE(eventually([&] { return list(daemon.get("/api/v1/leases")).empty(); }));
}

TEST(TwoDaemons, OnOneMachineKeepTheirJobsApart) {
  Daemon one;
  Daemon two;
  ASSERT_TRUE(one.start());
  ASSERT_TRUE(two.start());
  const auto at_one = one.command(Words{"run", "--mem", "50M", "--name", "j", "--"} +
                                  job({"say", "up", "until", one.file("over")}));
  const auto at_two = two.command(Words{"run", "--mem", "50M", "--name", "j", "--"} +
                                  job({"say", "up", "until", two.file("over")}));
  ASSERT_TRUE(at_one->says("up"));
  ASSERT_TRUE(at_two->says("up"));
  const auto path = text(one.lease("j"), "group.path");
  if (path.empty()) GTEST_SKIP() << "no control group can be made here";
  EXPECT_NE(path, text(two.lease("j"), "group.path"));
  EXPECT_NE(
      path.substr(0, path.rfind('/')),
      text(two.lease("j"), "group.path").substr(0, text(two.lease("j"), "group.path").rfind('/')))
      << "a restart of one would sweep the other's groups";
  two.kill_and_reap();
  ASSERT_TRUE(two.start());
  EXPECT_EQ(text(one.lease("j"), "group.path"), path);
  write_text(one.file("over"), "");
  write_text(two.file("over"), "");
  EXPECT_EQ(at_one->finish().code, 0);
  EXPECT_EQ(at_two->finish().code, 0);
}

}  // namespace
}  // namespace headroom::end_to_end
