// The same on the real daemon: processes, drivers, restarts.
#include <cstdio>

#include <unistd.h>

#include "end_to_end/harness.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kCard =
    "driver = 550.54.15\ngpus = 1\n"
    "gpu0.uuid = GPU-aaaa\ngpu0.name = NVIDIA A100\ngpu0.pci = 00000000:65:00.0\n"
    "gpu0.memory.total = 24GiB\ngpu0.memory.reserved = 0\ngpu0.busy = 0\ngpu0.compute = 8.0\n";

class AdmissionDaemon : public ::testing::Test {
 protected:
  void SetUp() override {
    say("gpu0.memory.used = 0\n");
    DaemonOptions options;
    options.variables = {{"LD_LIBRARY_PATH", HEADROOM_FAKE_NVML},
                         {"FAKE_NVML_FILE", folder_.file("driver")}};
    options.configuration = "[sample]\ngpu = \"nvml\"\ninterval = \"250ms\"\n";
    daemon_ = std::make_unique<Daemon>(options);
    ASSERT_TRUE(daemon_->start());
    ASSERT_TRUE(eventually([&] { return room().has_value(); }));
  }
  /// What the driver is from now on.
  void say(const std::string& more) {
    write_text(folder_.file("driver.new"), kCard + more);
    ASSERT_EQ(std::rename(folder_.file("driver.new").c_str(), folder_.file("driver").c_str()), 0);
  }
  std::optional<std::int64_t> room() { return whole(daemon_->room("gpu_memory"), "room_bytes"); }
  std::unique_ptr<Program> holder(const std::string& name, const std::string& gpu_memory,
                                  const Words& more = {}) {
    return daemon_->command(Words{"run", "--gpu-mem", gpu_memory, "--name", name} + more +
                            Words{"--"} + job({"say", "up", "until", daemon_->file("over")}));
  }

  TempFolder folder_;
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(AdmissionDaemon, gpustack_6044_a_refusal_names_the_process) {
  Program stranger(job({"say", "up", "until", folder_.file("over")}));
  ASSERT_TRUE(stranger.says("up"));
  const std::string pid = std::to_string(stranger.pid());
  // A driver that named no processes is not asked for them again soon: it does from the start.
  daemon_->kill_and_reap();
  say("gpu0.memory.used = 3GiB\ngpu0.processes = compute:" + pid + ":3GiB\n");
  ASSERT_TRUE(daemon_->start());
  ASSERT_TRUE(eventually([&] { return room().value_or(0) < 21504 * kMiB; }));
  ASSERT_TRUE(eventually([&] {
    return daemon_->run({"fit", "--gpu-mem", "22G"}).out.find("pid " + pid + " (") !=
           std::string::npos;
  }));
  // On a machine so busy that the driver is late for a moment, its processes are not known then.
  Outcome fit;
  EXPECT_TRUE(eventually([&] {
    fit = daemon_->run({"fit", "--gpu-mem", "22G"});
    return fit.code == 3 && (fit.out + fit.err).find("with 3.0 GiB") != std::string::npos;
  })) << fit.out
      << fit.err;
  Answer refused;
  EXPECT_TRUE(eventually([&] {
    refused = daemon_->ask("POST", "/api/v1/leases",
                           R"({"name":"x","needs":{"gpu_memory_bytes":23622320128}})");
    return refused.status != 409 || !list(refused.json, "strangers").empty();
  }));
  EXPECT_EQ(refused.status, 409) << refused.body;
  const auto& strangers = list(refused.json, "strangers");
  ASSERT_EQ(strangers.size(), 1U) << refused.body;
  EXPECT_EQ(whole(strangers[0], "pid"), stranger.pid());
  EXPECT_EQ(whole(strangers[0], "memory_bytes"), 3072 * kMiB);
  EXPECT_EQ(whole(strangers[0], "uid"), static_cast<std::int64_t>(getuid()));
  EXPECT_FALSE(text(strangers[0], "name").empty());
}

// A driver that frees late, and one that never does: the next one waits for the bytes themselves.
TEST_F(AdmissionDaemon, Pitfall06_ollama_7130_the_next_one_starts_when_the_bytes_are_back) {
  auto first = holder("first", "20G");
  ASSERT_TRUE(first->says("up"));
  say("gpu0.memory.used = 20GiB\n");
  ASSERT_TRUE(eventually([&] {
    return whole(daemon_->room("gpu_memory"), "free_bytes").value_or(1LL << 60) < 5000 * kMiB;
  }));
  auto second = holder("second", "20G");
  ASSERT_TRUE(daemon_->lease_is("second", "waiting"));
  const auto pid = whole(daemon_->lease("first"), "holder.pid");
  ASSERT_TRUE(pid);
  ASSERT_EQ(kill(static_cast<pid_t>(*pid), SIGKILL), 0);
  ASSERT_TRUE(daemon_->lease_is("first", "releasing"));
  // The driver was asked a few times since, and says that it is all in use.
  const auto samples = [&] {
    return number(daemon_->get("/api/v1/snapshot"), "sample").value_or(0);
  };
  const double before = samples();
  ASSERT_TRUE(eventually([&] { return samples() > before + 5; }));
  EXPECT_EQ(text(daemon_->lease("second"), "state"), "waiting");
  const double back = seconds();
  say("gpu0.memory.used = 0\n");
  ASSERT_TRUE(second->says("up"));
  std::printf("from the driver's release to the next one's start: %.0f ms\n",
              1e3 * (seconds() - back));
  write_text(daemon_->file("over"), "");
}

TEST_F(AdmissionDaemon, Pitfall09_what_never_comes_back_is_quarantined_and_said) {
  auto first = holder("first", "20G");
  ASSERT_TRUE(first->says("up"));
  say("gpu0.memory.used = 20GiB\n");
  ASSERT_TRUE(eventually([&] {
    return whole(daemon_->room("gpu_memory"), "free_bytes").value_or(1LL << 60) < 5000 * kMiB;
  }));
  const auto pid = whole(daemon_->lease("first"), "holder.pid");
  ASSERT_TRUE(pid);
  ASSERT_EQ(kill(static_cast<pid_t>(*pid), SIGKILL), 0);
  ASSERT_TRUE(daemon_->lease_is("first", "quarantined"));
  EXPECT_THAT(daemon_->run({"event"}).out, HasSubstr("has not given its memory back"));
  EXPECT_EQ(daemon_->run({"fit", "--gpu-mem", "20G"}).code, 3);
  say("gpu0.memory.used = 0\n");
  EXPECT_TRUE(daemon_->lease_ends("first"));
  EXPECT_TRUE(eventually([&] { return daemon_->run({"fit", "--gpu-mem", "20G"}).code == 0; }));
}

TEST_F(AdmissionDaemon, AFatalErrorTakesTheDeviceOutUntilSomebodyLooked) {
  say("gpu0.memory.used = 0\ngpu0.xids = 79\n");
  ASSERT_TRUE(eventually([&] {
    return daemon_->run({"drain", "ls"}).out.find("the driver reported error 79") !=
           std::string::npos;
  }));
  EXPECT_EQ(daemon_->run({"fit", "--gpu-mem", "1G"}).code, 3);
  say("gpu0.memory.used = 0\n");
  EXPECT_EQ(daemon_->run({"drain", "--gpu", "0", "--undo"}).code, 0);
  EXPECT_TRUE(eventually([&] { return daemon_->run({"fit", "--gpu-mem", "1G"}).code == 0; }));
}

TEST(DevicesDaemon, ARunHasBothOrNeitherOverADeath) {
  Daemon daemon(simulated_gpus("24GiB; 24GiB"));
  ASSERT_TRUE(daemon.start());
  const Words two{"run", "--gpus", "2", "--gpu-mem", "20G", "--name", "two", "--"};
  const auto shows =
      daemon.run(two + Words{"sh", "-c", "echo $CUDA_VISIBLE_DEVICES $HEADROOM_GPU_MEMORY_BYTES"});
  const value snapshot = daemon.get("/api/v1/snapshot");
  const auto& gpus = list(snapshot, "gpu");
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(shows.out, text(gpus[0], "id") + "," + text(gpus[1], "id") + " 21474836480\n")
      << shows.err;
  const auto runs = daemon.command(two + job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(runs->says("up"));
  const auto held = [&] {
    const value lease = daemon.lease("two");
    EXPECT_EQ(list(lease, "devices").size(), 2U) << client::write_json(lease);
    EXPECT_EQ(whole(lease, "booked.gpu_memory_bytes"), 40960 * kMiB);
    int living = 0;
    const value leases = daemon.get("/api/v1/leases");
    for (const value& one : list(leases)) {
      living += text(one, "state") != "ended" ? 1 : 0;
    }
    EXPECT_EQ(living, 1) << "it is one lease";
    EXPECT_EQ(daemon.run({"fit", "--gpu-mem", "1G", "--gpu", "1"}).code, 3);
  };
  held();
  EXPECT_THAT(daemon.run({"lease"}).out, HasSubstr("0,1"));
  const auto other = daemon.run({"fit", "--gpus", "2"});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.out, HasSubstr("2 whole GPUs wanted, 0 are free; GPU 0 is held by lease two"));
  EXPECT_THAT(daemon.run({"fit", "--gpus", "3"}).out, HasSubstr("there are 2"));
  EXPECT_NE(daemon.run({"fit", "--gpus", "2", "--gpu", "0"}).code, 0);
  daemon.kill_and_reap();
  ASSERT_TRUE(daemon.start());
  held();
  write_text(daemon.file("over"), "");
  EXPECT_TRUE(daemon.lease_ends("two"));
  EXPECT_TRUE(
      eventually([&] { return daemon.run({"fit", "--gpus", "2", "--gpu", "0,1"}).code == 0; }));
}

TEST(DrainDaemon, SurvivesADeathAndIsTakenBack) {
  Daemon daemon(simulated_gpus("24GiB; 24GiB"));
  ASSERT_TRUE(daemon.start());
  const auto job_there =
      daemon.command(Words{"run", "--gpu-mem", "2G", "--gpu", "0", "--name", "old", "--"} +
                     job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(job_there->says("up"));
  const auto drained = daemon.run({"drain", "--gpu", "0"});
  EXPECT_EQ(drained.code, 0) << drained.err;
  EXPECT_THAT(drained.out, HasSubstr("DEVICE"));
  daemon.kill_and_reap();
  ASSERT_TRUE(daemon.start());
  EXPECT_EQ(list(daemon.get("/api/v1/drains")).size(), 1U);
  const auto there = daemon.run({"fit", "--gpu-mem", "1G", "--gpu", "0"});
  EXPECT_EQ(there.code, 3);
  EXPECT_THAT(there.out + there.err, HasSubstr("is drained: it takes nobody new"));
  EXPECT_EQ(daemon.run({"fit", "--gpu-mem", "1G"}).code, 0) << "the other one is open";
  EXPECT_EQ(text(daemon.lease("old"), "state").empty(), false);
  EXPECT_EQ(daemon.run({"drain"}).code, 0);
  EXPECT_EQ(daemon.run({"fit", "--mem", "1M"}).code, 3);
  auto waits =
      daemon.command(Words{"run", "--mem", "1M", "--name", "new", "--"} + job({"say", "ran"}));
  ASSERT_TRUE(daemon.lease_is("new", "waiting"));
  EXPECT_EQ(daemon.run({"drain", "--undo"}).code, 0);
  const auto ran = waits->finish();
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(daemon.run({"drain", "--gpu", "0", "--undo"}).code, 0);
  EXPECT_EQ(daemon.run({"fit", "--gpu-mem", "1G", "--gpu", "0"}).code, 0);
  write_text(daemon.file("over"), "");
}

TEST(DrainDaemon, WrongUseIsSaid) {
  Daemon daemon(simulated_gpus("24GiB"));
  ASSERT_TRUE(daemon.start());
  EXPECT_EQ(daemon.run({"drain", "--gpu", "7"}).code, 4);
  EXPECT_EQ(daemon.run({"drain", "sink"}).code, 2);
  EXPECT_EQ(daemon.run({"drain", "ls", "--undo"}).code, 2);
  EXPECT_THAT(daemon.run({"drain", "ls"}).out, HasSubstr("nothing is drained"));
  EXPECT_EQ(daemon.ask("PUT", "/api/v1/drains/nowhere").status, 404);
  EXPECT_EQ(daemon.ask("POST", "/api/v1/drains").status, 405);
}

TEST(LeaseDaemon, IsHandedOverToAnotherProcess) {
  Daemon daemon(simulated_gpus("24GiB"));
  ASSERT_TRUE(daemon.start());
  Program first(job({"say", "up", "until", daemon.file("over")}));
  Program second(job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(first.says("up"));
  ASSERT_TRUE(second.says("up"));
  const auto added = daemon.run({"lease", "add", "shared", "--gpu-mem", "4G", "--no-fence", "--pid",
                                 std::to_string(first.pid())});
  ASSERT_EQ(added.code, 0) << added.err;
  const auto id = text(daemon.lease("shared"), "id");
  EXPECT_EQ(daemon.run({"lease", "give", id}).code, 2);
  const auto given = daemon.run({"lease", "give", id, "--pid", std::to_string(second.pid())});
  EXPECT_EQ(given.code, 0) << given.err;
  first.kill_and_reap();
  EXPECT_TRUE(eventually([&] {
    return text(daemon.ask("POST", "/api/v1/fit", R"({"needs":{"gpu_memory_bytes":1}})").json,
                "verdict") == "now";
  }));
  EXPECT_EQ(whole(daemon.lease("shared"), "holder.pid"), second.pid());
  second.kill_and_reap();
  EXPECT_TRUE(daemon.lease_ends("shared"));
}

}  // namespace
}  // namespace headroom::end_to_end
