// Somebody else's engine holds a model where a lease wants to be: the whole daemon, a stand-in for
// NVIDIA's library that says what is free, and an engine of ours that speaks Ollama's API. The
// engine's memory is what the test says it is, so that it may lie.
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include <engines/engines.hpp>

#include "harness.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kModel = "llama3:8b";

class EngineBeside : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_.add(kModel, 18 * (std::int64_t{1} << 30), "loaded");
    used(19);
    DaemonOptions options;
    options.variables = {{"LD_LIBRARY_PATH", HEADROOM_FAKE_NVML},
                         {"FAKE_NVML_FILE", folder_.file("driver")}};
    options.configuration =
        "[sample]\ngpu = \"nvml\"\ninterval = \"250ms\"\n"
        "[models]\nmin_residency = \"0s\"\nengines_every = \"500ms\"\n"
        "[hooks]\nengine = { kind = \"ollama\", url = \"" +
        engine_.url() + "\" }\n";
    daemon_ = std::make_unique<Daemon>(options);
    ASSERT_TRUE(daemon_->start());
    ASSERT_TRUE(says("hook.answers", "engine")) << events();
    ASSERT_TRUE(eventually([&] { return !daemon_->room("gpu_memory").is_null(); }));
  }

  /// So many gibibytes of the GPU's 24 are in use from now on.
  void used(int gibibytes) {
    write_text(folder_.file("driver.new"),
               "driver = 550.54.15\ngpus = 1\ngpu0.uuid = GPU-aaaa\ngpu0.name = NVIDIA A100\n"
               "gpu0.pci = 00000000:65:00.0\ngpu0.memory.total = 24GiB\n"
               "gpu0.memory.reserved = 512MiB\ngpu0.compute = 8.0\ngpu0.memory.used = " +
                   std::to_string(gibibytes) + "GiB\n");
    ASSERT_EQ(std::rename(folder_.file("driver.new").c_str(), folder_.file("driver").c_str()), 0);
  }

  std::string events() { return client::write_json(daemon_->get("/api/v1/events?limit=1000")); }
  /// Waits for an event of this type with this in its text.
  bool says(const std::string& type, const std::string& what) {
    return eventually([&] {
      const auto all = daemon_->get("/api/v1/events?limit=1000");
      for (const auto& event : list(all)) {
        if (text(event, "type") == type && text(event, "text").find(what) != std::string::npos) {
          return true;
        }
      }
      return false;
    });
  }

  /// Ten gibibytes, which fit only where the engine's model is.
  void ask_for_its_place() {
    const Answer answer =
        daemon_->ask("POST", "/api/v1/leases",
                     R"({"name":"wants","needs":{"gpu_memory_bytes":10737418240},)"
                     R"("wait_seconds":600})");
    ASSERT_EQ(answer.status, 202) << answer.body;
    EXPECT_EQ(text(daemon_->lease("wants"), "state"), "waiting");
  }

  TempFolder folder_;
  engines::Ollama engine_;
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(EngineBeside, IsAskedToUnloadAndOnlyWhatIsMeasuredToBeFreeIsGranted) {
  EXPECT_THAT(daemon_->run({"doctor"}).out,
              AllOf(HasSubstr("hooks.engine"), HasSubstr("ollama answers; it holds llama3:8b")));
  ask_for_its_place();
  ASSERT_TRUE(eventually([&] { return engine_.state(kModel).empty(); })) << events();
  EXPECT_EQ(text(daemon_->lease("wants"), "state"), "waiting") << "nothing is free yet";
  used(1);
  ASSERT_TRUE(eventually([&] {
    const auto lease = daemon_->lease("wants");
    return !lease.is_null() && text(lease, "state") != "waiting";
  })) << events();
  EXPECT_TRUE(says("model.asked", "engine was asked to unload llama3:8b")) << events();
  EXPECT_TRUE(says("model.unloaded", "llama3:8b was unloaded")) << events();
  EXPECT_EQ(engine_.loads(), 0) << "it was not loaded in order to be unloaded";
}

TEST_F(EngineBeside, IsAskedByTheCommandAndByTheSpecificationsCleanup) {
  EXPECT_THAT(daemon_->run({"model"}).out,
              AllOf(HasSubstr("llama3:8b"), HasSubstr("GPU 0"), HasSubstr("18.0 GiB"),
                    HasSubstr("resident"), HasSubstr("facebook/musicgen-small")));
  const auto planned = daemon_->run({"free", "--gpu-mem", "10G", "--force", "--dry-run"});
  EXPECT_EQ(planned.code, 0) << planned.err;
  EXPECT_THAT(planned.out, AllOf(HasSubstr("would free 18.0 GiB on GPU 0"), HasSubstr("engine"),
                                 HasSubstr("nothing was changed")));
  EXPECT_FALSE(engine_.state(kModel).empty()) << "a dry run asks nobody";

  const auto frees_when_asked = [&] {
    return std::thread([&] {
      if (eventually([&] { return engine_.state(kModel).empty(); })) used(1);
    });
  };
  std::thread driver = frees_when_asked();
  const auto freed = daemon_->run({"free", "--gpu-mem", "10G", "--force"});
  driver.join();
  EXPECT_EQ(freed.code, 0) << freed.err << freed.out;
  EXPECT_THAT(freed.out, AllOf(HasSubstr("freed 18.0 GiB on GPU 0"), HasSubstr("freed")));

  // Once more, as the specification has it.
  engine_.add(kModel, 18 * (std::int64_t{1} << 30), "loaded");
  used(19);
  ASSERT_TRUE(eventually([&] {
    const auto model = daemon_->get(std::string("/api/v1/models/") + kModel);
    return text(model, "until") == "evictable";
  })) << events();
  driver = frees_when_asked();
  const Answer cleaned = daemon_->ask("POST", "/api/v1/monitoring/cleanup?force=true");
  driver.join();
  EXPECT_EQ(cleaned.status, 200);
  EXPECT_THAT(cleaned.body, HasSubstr("Cleanup completed. CPU: 0.0GB freed, GPU: 18.0GB freed"));
  EXPECT_EQ(daemon_->run({"advise"}).code, 0);
}

// vllm_47654: OK, and the memory stays.
TEST_F(EngineBeside, ThatSaysOkAndKeepsTheMemoryGetsNobodyIn) {
  engine_.keep_memory();
  ask_for_its_place();
  ASSERT_TRUE(eventually([&] { return engine_.state(kModel).empty(); })) << events();
  ASSERT_TRUE(says("model.kept", "did not come back")) << events();
  EXPECT_EQ(text(daemon_->lease("wants"), "state"), "waiting");
  EXPECT_EQ(engine_.held(), 18 * (std::int64_t{1} << 30));
}

TEST_F(EngineBeside, ThatDiesWhenItIsAskedHangsNobody) {
  engine_.server().lie(engines::Lie::dies, "/api/generate");
  ask_for_its_place();
  ASSERT_TRUE(says("model.kept", "it could not be asked")) << events();
  EXPECT_EQ(text(daemon_->lease("wants"), "state"), "waiting");
  engine_.server().stop();
  ASSERT_TRUE(says("hook.silent", "engine does not answer")) << events();
  EXPECT_THAT(daemon_->run({"doctor"}).out, HasSubstr("hooks.engine"));
  EXPECT_EQ(daemon_->ask("GET", "/readyz").status, 200);
  EXPECT_EQ(daemon_->stop().code, 0);
}

// An engine that takes the question and says nothing delays neither the daemon nor its end.
TEST_F(EngineBeside, ThatHangsIsNotWaitedForAtTheEnd) {
  engine_.server().lie(engines::Lie::silent);
  const auto before = engine_.server().asked().size();
  ask_for_its_place();
  ASSERT_TRUE(eventually([&] { return engine_.server().asked().size() > before; }));
  EXPECT_EQ(daemon_->ask("GET", "/readyz").status, 200);
  const double began = seconds();
  EXPECT_EQ(daemon_->stop().code, 0);
  std::printf("the daemon ended in %.2f s while an engine hung\n", seconds() - began);
}

}  // namespace
}  // namespace headroom::end_to_end
