// GPUs through the whole daemon, with a stand-in for NVIDIA's library that hangs and comes back:
// what the interface says meanwhile, and how long it takes to say it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "harness.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

const std::string kDriver =
    "driver = 550.54.15\ngpus = 1\n"
    "gpu0.uuid = GPU-aaaa\ngpu0.name = NVIDIA A100\ngpu0.pci = 00000000:65:00.0\n"
    "gpu0.memory.total = 24GiB\ngpu0.memory.used = 4GiB\ngpu0.memory.reserved = 512MiB\n"
    "gpu0.busy = 40\ngpu0.celsius = 61\ngpu0.milliwatts = 210500\ngpu0.compute = 8.0\n";

class GpuDaemon : public ::testing::Test {
 protected:
  void SetUp() override {
    say("");
    DaemonOptions options;
    options.variables = {{"LD_LIBRARY_PATH", HEADROOM_FAKE_NVML},
                         {"FAKE_NVML_FILE", folder_.file("driver")}};
    options.configuration =
        "[sample]\ngpu = \"nvml\"\ninterval = \"250ms\"\n[pressure]\ndwell = \"0s\"\n";
    daemon_ = std::make_unique<Daemon>(options);
    ASSERT_TRUE(daemon_->start());
    ASSERT_TRUE(becomes("ok")) << client::write_json(daemon_->get("/api/v1/snapshot"));
  }
  /// What the driver is from now on: as above, and these lines.
  void say(const std::string& more) {
    write_text(folder_.file("driver.new"), kDriver + more);
    ASSERT_EQ(std::rename(folder_.file("driver.new").c_str(), folder_.file("driver").c_str()), 0);
  }
  value gpu() {
    const auto gpus = client::list(daemon_->get("/api/v1/snapshot"), "gpu");
    return gpus.empty() ? value() : gpus.front();
  }
  /// Asks until the device is so, and notes how long each answer took.
  bool becomes(const std::string& state) {
    return eventually([&] {
      const double before = seconds();
      const value now = gpu();
      took_.push_back(seconds() - before);
      return !now.is_null() && text(now, "state") == state;
    });
  }

  TempFolder folder_;
  std::unique_ptr<Daemon> daemon_;
  std::vector<double> took_;
};

TEST_F(GpuDaemon, TellsWhatTheDriverTells) {
  const value now = gpu();
  EXPECT_EQ(text(now, "id"), "GPU-aaaa");
  EXPECT_EQ(whole(now, "memory_used_bytes"), 4096 * kMiB);
  EXPECT_EQ(whole(now, "memory_reserved_bytes"), 512 * kMiB);
  EXPECT_NEAR(number(now, "busy_ratio").value_or(0), 0.4, 1e-9);
  EXPECT_NEAR(number(now, "power_watts").value_or(0), 210.5, 1e-9);
  EXPECT_THAT(text(daemon_->get("/api/v1/snapshot"), "gpu_driver"), HasSubstr("550.54.15"));
  EXPECT_THAT(daemon_->run({"gpu"}).out, HasSubstr("A100"));
  const value room = daemon_->room("gpu_memory");
  EXPECT_EQ(whole(room, "reserve_bytes"), 512 * kMiB);
}

// Show 3: a call that hangs makes the device stale, takes it out of placement, keeps the interface
// answering, and when it comes back so does the device, without a restart.
TEST_F(GpuDaemon, ACallThatHangsIsWaitedForByNobody) {
  const pid_t daemon = daemon_->pid();
  for (const char* call : {"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetTemperatureV",
                           "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetPowerUsage"}) {
    say(std::string("gpu0.hang = ") + call + "\n");
    ASSERT_TRUE(becomes("stale")) << call;
    // A busy machine may have let another call be late first.
    EXPECT_TRUE(eventually([&] {
      return text(gpu(), "state_reason").find(call) != std::string::npos;
    })) << call
        << client::write_json(gpu());
    const Answer fit =
        daemon_->ask("POST", "/api/v1/fit", R"({"needs":{"gpu_memory_bytes":1073741824}})");
    EXPECT_EQ(fit.status, 200);
    EXPECT_NE(text(fit.json, "verdict"), "now") << "nobody is placed on what does not answer";
    say("");
    ASSERT_TRUE(becomes("ok")) << call;
    EXPECT_TRUE(eventually([&] {
      return text(
                 daemon_->ask("POST", "/api/v1/fit", R"({"needs":{"gpu_memory_bytes":1073741824}})")
                     .json,
                 "verdict") == "now";
    })) << call;
  }
  EXPECT_EQ(daemon_->pid(), daemon);
  std::sort(took_.begin(), took_.end());
  std::printf("%zu answers while calls hung: median %.2f ms, p99 %.2f ms\n", took_.size(),
              1e3 * took_[took_.size() / 2], 1e3 * took_[took_.size() * 99 / 100]);
}

TEST_F(GpuDaemon, ALostDeviceIsSaidAndTheDaemonGoesOn) {
  say("gpu0.lost = 1\n");
  ASSERT_TRUE(becomes("lost"));
  EXPECT_EQ(daemon_->ask("GET", "/readyz").status, 200);
  EXPECT_TRUE(
      eventually([&] { return daemon_->run({"gpu"}).out.find("lost") != std::string::npos; }));
}

}  // namespace
}  // namespace headroom::end_to_end
