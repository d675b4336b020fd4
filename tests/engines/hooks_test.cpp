// Hooks against engines that speak as their documentation says, and against the ways they lie. The
// names of issues are those of ADMISSION.md.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "act/hook.hpp"
#include "engines.hpp"

namespace headroom::act {
namespace {

using namespace std::chrono_literals;
using namespace headroom::literals;
using engines::Lie;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr auto kPatience = 30s;  // nothing here takes that long unless it is broken

Hook::Deadline within(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

std::unique_ptr<Hook> hook_to(HookKind kind, const std::string& url, int level = 1) {
  HookSetting setting;
  setting.name = "it";
  setting.kind = kind;
  setting.url = url;
  setting.level = level;
  setting.timeout = kPatience;
  auto hook = make_hook(setting);
  if (!hook) std::abort();
  return std::move(*hook);
}

HookAnswer free(const Hook& hook, const std::string& model = "", bool busy_too = false) {
  HookAsk ask;
  ask.model = model;
  ask.busy_too = busy_too;
  const auto done = hook.free(ask, within(kPatience));
  return done ? *done : HookAnswer{};
}
HookAnswer load(const Hook& hook, const std::string& model, std::chrono::milliseconds time = 30s) {
  HookAsk ask;
  ask.model = model;
  const auto done = hook.load(ask, within(time));
  return done ? *done : HookAnswer{};
}

std::string outcome(const HookAnswer& answer) {
  return std::string(to_string(answer.outcome)) + ": " + answer.said;
}

// --- Ollama ---

TEST(Ollama, TellsWhatIsResident) {
  engines::Ollama engine;
  engine.add("llama3:latest", 4 * kGiB, "loaded");
  engine.add("qwen:7b", 6 * kGiB, "");
  const auto hook = hook_to(HookKind::ollama, engine.url());
  const HookAnswer now = hook->resident(within(kPatience));
  ASSERT_EQ(now.outcome, HookOutcome::answered) << now.said;
  ASSERT_THAT(now.residents, SizeIs(1));
  EXPECT_EQ(now.residents[0].name, "llama3:latest");
  EXPECT_EQ(now.residents[0].gpu_memory, 4_GiB);
  EXPECT_EQ(now.residents[0].memory, 1_MiB);
  EXPECT_TRUE(now.residents[0].expires);
  EXPECT_FALSE(now.residents[0].pid);
  EXPECT_TRUE(now.reached);
}

TEST(Ollama, FreesOneModelOrAllAndLoadsAgain) {
  engines::Ollama engine;
  engine.add("llama3:latest", 4 * kGiB, "loaded");
  engine.add("qwen:7b", 6 * kGiB, "loaded");
  engine.add("bert", kGiB, "loaded");
  const auto hook = hook_to(HookKind::ollama, engine.url());
  EXPECT_EQ(free(*hook, "llama3").outcome, HookOutcome::freed);
  EXPECT_EQ(engine.held(), 7 * kGiB);
  EXPECT_EQ(free(*hook).outcome, HookOutcome::freed);
  EXPECT_EQ(engine.held(), 0);
  EXPECT_EQ(free(*hook).outcome, HookOutcome::not_found);
  EXPECT_EQ(load(*hook, "qwen:7b").outcome, HookOutcome::loaded);
  EXPECT_EQ(engine.held(), 6 * kGiB);
  EXPECT_EQ(load(*hook, "nobody").outcome, HookOutcome::not_found);
}

// Some versions load a model in order to unload it: a victim that is gone already would come back.
TEST(Ollama, ollama_17408_victim_revived_by_a_request) {
  engines::Ollama engine;
  engine.old_and_loads = true;
  engine.add("gone", 4 * kGiB, "");
  const auto hook = hook_to(HookKind::ollama, engine.url());
  const HookAnswer said = free(*hook, "gone");
  EXPECT_EQ(said.outcome, HookOutcome::not_found) << said.said;
  EXPECT_EQ(engine.loads(), 0);
  EXPECT_FALSE(engine.server().was_asked("POST /api/generate"));
}

// It takes the ask, and goes on serving: that is no release, and nobody waits for it for ever.
TEST(Ollama, ollama_14407_a_busy_victim_is_not_waited_for_without_end) {
  engines::Ollama engine;
  engine.add("busy", 4 * kGiB, "loaded");
  engine.serve("busy", 1);
  const auto hook = hook_to(HookKind::ollama, engine.url());
  const HookAnswer said = free(*hook, "busy");
  EXPECT_EQ(said.outcome, HookOutcome::acknowledged) << said.said;
  EXPECT_EQ(engine.held(), 4 * kGiB);
}

TEST(Ollama, UnloadsAModelThatOnlyEmbeds) {
  engines::Ollama engine;
  engine.embeds_only = true;
  engine.add("embed", kGiB, "loaded");
  const auto hook = hook_to(HookKind::ollama, engine.url());
  const HookAnswer said = free(*hook, "embed");
  EXPECT_EQ(said.outcome, HookOutcome::freed) << said.said;
  EXPECT_TRUE(engine.server().was_asked("POST /api/embed"));
}

// --- llama-server ---

TEST(LlamaServer, UnloadsAndLoadsAsARouter) {
  engines::LlamaServer engine;
  engine.add("ggml-org/gemma:Q4_K_M", 4 * kGiB, "loaded");
  engine.add("other", 2 * kGiB, "unloaded");
  engine.add("coming", 2 * kGiB, "loading");
  const auto hook = hook_to(HookKind::llama_server, engine.url());
  const HookAnswer now = hook->resident(within(kPatience));
  ASSERT_THAT(now.residents, SizeIs(2));
  EXPECT_EQ(now.residents[0].name, "coming");
  EXPECT_EQ(now.residents[0].state, ResidentState::loading);
  EXPECT_EQ(now.residents[1].busy, false);
  EXPECT_EQ(free(*hook, "ggml-org/gemma:Q4_K_M").outcome, HookOutcome::freed);
  EXPECT_EQ(engine.held(), 0);
  EXPECT_EQ(free(*hook, "other").outcome, HookOutcome::not_found);
  EXPECT_EQ(load(*hook, "other").outcome, HookOutcome::loaded);
  EXPECT_EQ(load(*hook, "nobody").outcome, HookOutcome::not_found);
  EXPECT_EQ(engine.autoloads(), 0) << "to look must not load";
  // Nor when it goes away between being listed and being looked at.
  EXPECT_TRUE(
      engine.server().was_asked("GET /slots?autoload=false&model=ggml-org%2Fgemma%3AQ4_K_M"));
}

TEST(LlamaServer, AsksForNoBusyModelUnlessToldTo) {
  engines::LlamaServer engine;
  engine.add("a", 4 * kGiB, "loaded");
  engine.serve("a", 2);
  const auto hook = hook_to(HookKind::llama_server, engine.url());
  const HookAnswer said = free(*hook, "a");
  EXPECT_EQ(outcome(said), "refused: a is serving 2 requests");
  EXPECT_EQ(engine.state("a"), "loaded");
  EXPECT_EQ(free(*hook, "a", true).outcome, HookOutcome::freed);
  engine.add("b", kGiB, "loaded");
  engine.no_slots = true;
  EXPECT_EQ(free(*hook, "b").outcome, HookOutcome::freed) << "slots may be switched off";
}

TEST(LlamaServer, OfOneModelCanOnlyBeStopped) {
  engines::LlamaServer engine(false);
  engine.add("model.gguf", 4 * kGiB, "loaded");
  const auto hook = hook_to(HookKind::llama_server, engine.url());
  EXPECT_THAT(hook->resident(within(kPatience)).residents, SizeIs(1));
  EXPECT_THAT(outcome(free(*hook, "model.gguf")), HasSubstr("refused: it serves one model"));
  EXPECT_FALSE(engine.server().was_asked("POST /models/unload"));
}

// --- llama-swap ---

TEST(LlamaSwap, UnloadsOneOrAllAndStartsAgain) {
  engines::LlamaSwap engine;
  engine.add("a", kGiB, "ready");
  engine.add("org/b c", 2 * kGiB, "ready");
  engine.add("off", 2 * kGiB, "stopped");
  const auto hook = hook_to(HookKind::llama_swap, engine.url());
  EXPECT_THAT(hook->resident(within(kPatience)).residents, SizeIs(2));
  EXPECT_EQ(free(*hook, "a").outcome, HookOutcome::freed);
  EXPECT_TRUE(engine.server().was_asked("POST /api/models/unload/a"));
  EXPECT_EQ(free(*hook, "off").outcome, HookOutcome::not_found);
  free(*hook, "org/b c");
  EXPECT_TRUE(engine.server().was_asked("POST /api/models/unload/org/b%20c"));
  EXPECT_EQ(free(*hook).outcome, HookOutcome::freed);
  EXPECT_EQ(engine.held(), 0);
  EXPECT_EQ(load(*hook, "a").outcome, HookOutcome::loaded);
  EXPECT_EQ(load(*hook, "nobody").outcome, HookOutcome::not_found);
}

TEST(LlamaSwap, OfOldUnloadsAllOrNothing) {
  engines::LlamaSwap engine;
  engine.old = true;
  engine.add("a", kGiB, "ready");
  engine.add("b", kGiB, "ready");
  const auto hook = hook_to(HookKind::llama_swap, engine.url());
  EXPECT_THAT(outcome(free(*hook, "a")), HasSubstr("refused: this version can only unload all"));
  EXPECT_EQ(engine.held(), 2 * kGiB);
  EXPECT_EQ(free(*hook).outcome, HookOutcome::freed);
  EXPECT_EQ(engine.held(), 0);
}

TEST(LlamaSwap, IsNotLedElsewhereByAName) {
  engines::LlamaSwap engine;
  engine.add("../../unload", kGiB, "ready");
  engine.add("b", kGiB, "ready");
  const auto hook = hook_to(HookKind::llama_swap, engine.url());
  free(*hook, "../../unload");
  EXPECT_TRUE(engine.server().was_asked("POST /api/models/unload/%2E%2E/%2E%2E/unload"));
  EXPECT_EQ(engine.state("b"), "ready");
}

// --- vLLM ---

TEST(Vllm, SleepsAndWakesAtBothLevels) {
  for (const int level : {1, 2}) {
    engines::Vllm engine;
    engine.add("Qwen/Qwen3", 20 * kGiB, "awake");
    const auto hook = hook_to(HookKind::vllm_sleep, engine.url(), level);
    EXPECT_EQ(hook->grain(), HookGrain::everything);
    EXPECT_EQ(hook->resident(within(kPatience)).residents[0].busy, false);
    EXPECT_EQ(free(*hook, "Qwen/Qwen3").outcome, HookOutcome::freed);
    EXPECT_TRUE(engine.server().was_asked("POST /sleep?level=" + std::to_string(level)));
    EXPECT_EQ(engine.held(), 0);
    EXPECT_EQ(outcome(free(*hook)), "freed: it was asleep already");
    EXPECT_EQ(hook->resident(within(kPatience)).residents[0].state, ResidentState::asleep);
    EXPECT_EQ(load(*hook, "").outcome, HookOutcome::loaded);
    EXPECT_EQ(engine.state("Qwen/Qwen3"), "awake") << "after a deep sleep weights are read again";
    EXPECT_EQ(free(*hook, "other").outcome, HookOutcome::not_found);
  }
}

// It answers 200, says that it sleeps, and keeps its memory. What it says is told as what it says:
// there is no field for bytes that came back, since those are measured.
TEST(Vllm, vllm_47654_acknowledged_and_memory_kept) {
  engines::Vllm engine;
  engine.add("m", 20 * kGiB, "awake");
  engine.keep_memory();
  const auto hook = hook_to(HookKind::vllm_sleep, engine.url());
  const HookAnswer said = free(*hook);
  EXPECT_EQ(outcome(said), "freed: it sleeps");
  EXPECT_EQ(engine.held(), 20 * kGiB) << "what a measurement finds";
}

TEST(Vllm, ThatAnswersAndStaysAwakeHasOnlyAcknowledged) {
  engines::Vllm engine;
  engine.add("m", 20 * kGiB, "awake");
  engine.never_sleeps = true;
  const auto hook = hook_to(HookKind::vllm_sleep, engine.url());
  const HookAnswer said = free(*hook);
  EXPECT_EQ(said.outcome, HookOutcome::acknowledged) << said.said;
}

TEST(Vllm, WithoutItsDevelopersModeSaysWhatHelps) {
  engines::Vllm engine;
  engine.add("m", 20 * kGiB, "awake");
  engine.dev_mode = false;
  const auto hook = hook_to(HookKind::vllm_sleep, engine.url());
  EXPECT_THAT(outcome(free(*hook)),
              HasSubstr("refused: it cannot sleep: start it with VLLM_SERVER"));
  const HookAnswer now = hook->resident(within(kPatience));
  EXPECT_EQ(now.outcome, HookOutcome::answered);
  EXPECT_THAT(now.said, HasSubstr("VLLM_SERVER_DEV_MODE"));
}

TEST(Vllm, IsNotPutToSleepWhileItServes) {
  engines::Vllm engine;
  engine.add("m", 20 * kGiB, "awake");
  engine.serve("m", 3);
  const auto hook = hook_to(HookKind::vllm_sleep, engine.url());
  EXPECT_EQ(outcome(free(*hook)), "refused: it is serving 3 requests");
  EXPECT_EQ(engine.state("m"), "awake");
  EXPECT_EQ(free(*hook, "", true).outcome, HookOutcome::freed);
}

// --- ComfyUI ---

TEST(ComfyUi, FreesAllAtOnceOrAfterItsPrompt) {
  engines::ComfyUi engine;
  engine.add("sdxl", 8 * kGiB, "loaded");
  const auto hook = hook_to(HookKind::comfyui, engine.url());
  const HookAnswer now = hook->resident(within(kPatience));
  ASSERT_THAT(now.residents, SizeIs(1));
  EXPECT_EQ(now.residents[0].gpu_memory, 8_GiB);
  EXPECT_EQ(now.residents[0].device, "cuda:0 NVIDIA RTX");
  engine.serve("sdxl", 1);
  EXPECT_EQ(hook->resident(within(kPatience)).residents[0].busy, true);
  EXPECT_THAT(outcome(free(*hook)), HasSubstr("acknowledged: it is working"));
  EXPECT_EQ(engine.held(), 8 * kGiB);
  engine.serve("sdxl", 0);
  EXPECT_EQ(free(*hook).outcome, HookOutcome::freed);
  EXPECT_EQ(load(*hook, "").outcome, HookOutcome::refused);
}

TEST(ComfyUi, ThatAnswersOkAndHoldsWhatItHeldHasOnlyAcknowledged) {
  engines::ComfyUi engine;
  engine.add("sdxl", 8 * kGiB, "loaded");
  engine.keep_memory();
  const auto hook = hook_to(HookKind::comfyui, engine.url());
  const HookAnswer said = free(*hook);
  EXPECT_EQ(outcome(said), "acknowledged: it took the ask; its allocator holds no less");
}

// --- http ---

TEST(OverHttp, PostsTheAskAndTakesTheAnswer) {
  std::string body;
  engines::Server server([&](const engines::Request& request) -> engines::Reply {
    if (request.body.find("\"resident\"") != std::string::npos) {
      return {200, R"({"models":[{"name":"a","gpu_memory_bytes":5,"pid":7,"busy":true}]})",
              "application/json", ""};
    }
    body = request.body;
    return {200, R"({"message":"will do"})", "application/json", ""};
  });
  const auto hook = hook_to(HookKind::http, server.url() + "/free");
  HookAsk ask;
  ask.model = "a\"b";
  ask.bytes = 5_GiB;
  const auto said = hook->free(ask, within(kPatience));
  ASSERT_TRUE(said);
  EXPECT_EQ(outcome(*said), "acknowledged: will do");
  EXPECT_TRUE(server.was_asked("POST /free"));
  server.stop();  // so that what its thread wrote may be read
  EXPECT_EQ(body, R"({"ask":"free","model":"a\"b","bytes":5368709120,"busy_too":false})");
}

TEST(OverHttp, TellsWhatIsResident) {
  engines::Server server([](const engines::Request&) -> engines::Reply {
    return {200, R"({"models":[{"name":"a","gpu_memory_bytes":5,"pid":7,"busy":true}]})",
            "application/json", ""};
  });
  const HookAnswer now = hook_to(HookKind::http, server.url())->resident(within(kPatience));
  ASSERT_THAT(now.residents, SizeIs(1));
  EXPECT_EQ(now.residents[0].pid, 7);
  EXPECT_EQ(now.residents[0].gpu_memory, 5_B);
  EXPECT_EQ(now.residents[0].memory, std::nullopt) << "not told is not zero";
}

// --- what all of them do to all of these ---

struct Told {
  HookKind kind;
  const char* path;  // that is lied about: what frees
};
constexpr Told kAll[] = {{HookKind::ollama, "/api/generate"},
                         {HookKind::llama_server, "/models/unload"},
                         {HookKind::llama_swap, "/api/models/unload"},
                         {HookKind::vllm_sleep, "/sleep"},
                         {HookKind::comfyui, "/free"},
                         {HookKind::http, "/"}};

struct Stage {
  std::unique_ptr<engines::Engine> engine;
  std::unique_ptr<engines::Server> plain;
  std::unique_ptr<Hook> hook;
  engines::Server& server() { return engine ? engine->server() : *plain; }
};

Stage stage(HookKind kind) {
  Stage out;
  std::string state = "loaded";
  switch (kind) {
    case HookKind::ollama:
      out.engine = std::make_unique<engines::Ollama>();
      break;
    case HookKind::llama_server:
      out.engine = std::make_unique<engines::LlamaServer>();
      break;
    case HookKind::llama_swap:
      out.engine = std::make_unique<engines::LlamaSwap>();
      state = "ready";
      break;
    case HookKind::vllm_sleep:
      out.engine = std::make_unique<engines::Vllm>();
      state = "awake";
      break;
    case HookKind::comfyui:
      out.engine = std::make_unique<engines::ComfyUi>();
      break;
    default:
      out.plain = std::make_unique<engines::Server>([](const engines::Request&) -> engines::Reply {
        return {200, R"({"models":[]})", "application/json", ""};
      });
      break;
  }
  if (out.engine) out.engine->add("m", kGiB, state);
  out.hook = hook_to(kind, out.server().url());
  return out;
}

struct Expected {
  Lie lie;
  HookOutcome outcome;
  const char* said;
};
constexpr Expected kLies[] = {
    {Lie::dies, HookOutcome::unreachable, "closed the connection"},
    {Lie::dies_in_middle, HookOutcome::unreachable, "ended too early"},
    {Lie::half_closed, HookOutcome::unreachable, "closed the connection"},
    {Lie::web_page, HookOutcome::nonsense, ""},
    {Lie::redirects, HookOutcome::nonsense, "redirects, which is not followed"},
    {Lie::endless_body, HookOutcome::nonsense, "too large"},
    {Lie::endless_head, HookOutcome::nonsense, "headers are"},
    {Lie::huge_length, HookOutcome::nonsense, "too large"},
    {Lie::long_winded, HookOutcome::nonsense, "too large"},
    {Lie::not_http, HookOutcome::nonsense, "not HTTP"},
    {Lie::internal_error, HookOutcome::refused, "CUDA error: out of memory"},
    {Lie::wants_word, HookOutcome::refused, "token_file"},
};

TEST(Engines, ThatLieInTransitAreNotBelieved) {
  for (const Told& told : kAll) {
    for (const Expected& expected : kLies) {
      Stage at = stage(told.kind);
      at.server().lie(expected.lie, told.path);
      const HookAnswer said = free(*at.hook);
      EXPECT_EQ(said.outcome, expected.outcome)
          << to_string(told.kind) << " lie " << static_cast<int>(expected.lie) << ": "
          << outcome(said);
      EXPECT_THAT(said.said, HasSubstr(expected.said)) << to_string(told.kind);
      EXPECT_TRUE(said.reached) << to_string(told.kind) << ": it may have acted";
      EXPECT_THAT(said.said.size(), testing::Le(kMostSaid));
    }
  }
}

// What looks like an answer, in the two places where it is read: the list, and the ask itself.
TEST(Engines, ThatAnswerWithSomethingElseAreNotBelieved) {
  for (const Told& told : kAll) {
    for (const Lie lie : {Lie::wrong_types, Lie::too_deep, Lie::empty, Lie::binary, Lie::web_page,
                          Lie::error_in_200}) {
      Stage at = stage(told.kind);
      at.server().lie(lie);
      const HookAnswer now = at.hook->resident(within(kPatience));
      EXPECT_EQ(now.outcome, HookOutcome::nonsense)
          << to_string(told.kind) << " lie " << static_cast<int>(lie) << ": " << outcome(now);
      EXPECT_THAT(now.residents, IsEmpty());
      if (told.kind != HookKind::http) {
        EXPECT_EQ(free(*at.hook).outcome, HookOutcome::nonsense) << to_string(told.kind);
      }
    }
    Stage at = stage(told.kind);
    at.server().lie(Lie::error_in_200, told.path);
    const HookAnswer said = free(*at.hook);
    EXPECT_EQ(outcome(said), "refused: something went wrong inside") << to_string(told.kind);
  }
}

TEST(Engines, ThatAnswerLateAreStillHeard) {
  for (const Told& told : kAll) {
    Stage at = stage(told.kind);
    at.server().lie(Lie::late, told.path);
    const HookAnswer said = free(*at.hook);
    EXPECT_EQ(said.outcome,
              told.kind == HookKind::http ? HookOutcome::acknowledged : HookOutcome::freed)
        << to_string(told.kind) << ": " << outcome(said);
    EXPECT_GE(said.took, engines::kLate);
  }
}

TEST(Engines, ThatNeverAnswerCostNoMoreThanTheDeadline) {
  for (const Told& told : kAll) {
    for (const Lie lie : {Lie::silent, Lie::drips}) {
      Stage at = stage(told.kind);
      at.server().lie(lie);
      const Hook::Deadline deadline = within(100ms);
      const auto said = at.hook->free({}, deadline);
      ASSERT_TRUE(said);
      EXPECT_EQ(said->outcome, HookOutcome::timed_out) << to_string(told.kind);
      EXPECT_GE(std::chrono::steady_clock::now(), deadline - 1ms) << to_string(told.kind);
    }
  }
}

TEST(Engines, ThatAreNotThereAreUnreachable) {
  for (const Told& told : kAll) {
    Stage at = stage(told.kind);
    at.server().stop();
    const HookAnswer said = free(*at.hook);
    EXPECT_EQ(outcome(said), "unreachable: nobody listens there") << to_string(told.kind);
    EXPECT_FALSE(said.reached);
    const auto late = at.hook->free({}, within(-1s));
    ASSERT_TRUE(late);
    EXPECT_EQ(late->outcome, HookOutcome::timed_out);
  }
}

// Something else listens where an engine was: no model is said to be missing there.
TEST(Engines, ThatAreAnothersAreNotTakenForEmptyOnes) {
  for (const Told& told : kAll) {
    if (told.kind == HookKind::http) continue;
    engines::Server other([](const engines::Request&) { return engines::no_page(); });
    const auto hook = hook_to(told.kind, other.url());
    EXPECT_EQ(hook->resident(within(kPatience)).outcome, HookOutcome::nonsense)
        << to_string(told.kind);
    const HookAnswer said = free(*hook, told.kind == HookKind::vllm_sleep ? "m" : "");
    EXPECT_EQ(said.outcome, HookOutcome::nonsense) << to_string(told.kind);
    EXPECT_THAT(said.said, HasSubstr("no such engine"));
    EXPECT_THAT(other.asked(), testing::Each(testing::StartsWith("GET "))) << "nothing was done";
  }
}

// A model's own server may have no /health: it was started nevertheless.
TEST(LlamaSwap, StartsAModelWhoseServerHasNoHealth) {
  engines::LlamaSwap engine;
  engine.no_health = true;
  engine.add("a", kGiB, "stopped");
  EXPECT_EQ(load(*hook_to(HookKind::llama_swap, engine.url()), "a").outcome, HookOutcome::loaded);
}

TEST(Engines, AreNotAskedForNamesThatNoModelHas) {
  for (const Told& told : kAll) {
    Stage at = stage(told.kind);
    for (const std::string& name :
         {std::string("a\r\nHost: evil"), std::string(201, 'x'), std::string("a\0b", 3),
          std::string("\xff\xfe"), std::string("\x1b[2J")}) {
      HookAsk ask;
      ask.model = name;
      EXPECT_FALSE(at.hook->free(ask, within(kPatience))) << to_string(told.kind);
      EXPECT_FALSE(at.hook->load(ask, within(kPatience))) << to_string(told.kind);
    }
    EXPECT_THAT(at.server().asked(), IsEmpty());
  }
}

// --- what leaves ---

TEST(Door, KeepsTheBaseOfItsAddress) {
  engines::Server server([](const engines::Request&) -> engines::Reply {
    return {200, "{}", "application/json", ""};
  });
  (void)hook_to(HookKind::ollama, server.url() + "/behind/a/proxy/")->resident(within(kPatience));
  (void)hook_to(HookKind::http, server.url() + "/with/slash/")->resident(within(kPatience));
  (void)hook_to(HookKind::http, server.url())->resident(within(kPatience));
  EXPECT_THAT(server.asked(),
              testing::ElementsAre("GET /behind/a/proxy/api/ps", "POST /with/slash/", "POST /"));
}

TEST(Door, LetsNothingOutButTheQuestion) {
  setenv("OLLAMA_API_KEY", "sk-very-secret", 1);
  engines::Ollama engine;
  engine.add("m", kGiB, "loaded");
  free(*hook_to(HookKind::ollama, engine.url()), "m");
  const std::string head = engine.server().last_head();
  EXPECT_THAT(head, Not(HasSubstr("secret")));
  EXPECT_THAT(head, Not(HasSubstr("Authorization")));
  EXPECT_THAT(head, Not(HasSubstr("Cookie")));
  EXPECT_THAT(head, Not(HasSubstr("User-Agent")));
}

TEST(Door, SendsTheWordOfItsFileAndNeverSaysIt) {
  std::string file = (std::filesystem::temp_directory_path() / "hook-XXXXXX").string();
  const int fd = mkstemp(file.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(file) << "T0PSECRET\n";
  engines::Ollama engine;
  engine.add("m", kGiB, "loaded");
  HookSetting setting{"it", HookKind::ollama, engine.url(), file, {}, "", 1, kPatience};
  const auto hook = make_hook(setting);
  ASSERT_TRUE(hook);
  EXPECT_EQ(free(**hook, "m").outcome, HookOutcome::freed);
  EXPECT_THAT(engine.server().last_head(), HasSubstr("Authorization: Bearer T0PSECRET"));
  engine.server().lie(Lie::wants_word);
  EXPECT_THAT(free(**hook, "m").said, Not(HasSubstr("SECRET")));
  std::ofstream(file) << "two words\n";
  EXPECT_THAT(outcome(free(**hook, "m")), HasSubstr("holds no word"));
  std::filesystem::remove(file);
}

// --- finding them ---

TEST(Probing, FindsEachEngineAndOffersItsLine) {
  engines::Ollama ollama;
  engines::LlamaServer llama_server;
  engines::LlamaServer single(false);
  engines::LlamaSwap llama_swap;
  engines::Vllm vllm;
  engines::ComfyUi comfyui;
  ollama.add("m", kGiB, "loaded");
  llama_server.add("m", kGiB, "loaded");
  single.add("m", kGiB, "loaded");
  llama_swap.add("m", kGiB, "ready");
  vllm.add("m", kGiB, "awake");
  vllm.dev_mode = false;
  comfyui.add("m", kGiB, "loaded");
  engines::Server stranger([](const engines::Request&) -> engines::Reply {
    return {200, "{}", "application/json", ""};
  });
  engines::Server hangs([](const engines::Request&) -> engines::Reply { return {}; });
  hangs.lie(Lie::silent);

  std::vector<EnginePlace> places = {{HookKind::ollama, hangs.port()}};
  for (const std::uint16_t port :
       {ollama.port(), llama_server.port(), single.port(), llama_swap.port(), vllm.port(),
        comfyui.port(), stranger.port()}) {
    for (const EnginePlace& usual : usual_places()) places.push_back({usual.kind, port});
  }
  const auto found = probe_engines(within(40s), places);
  std::vector<std::string> lines;
  for (const FoundEngine& one : found) lines.push_back(one.line);
  EXPECT_THAT(
      lines, testing::ElementsAre(
                 "ollama = { kind = \"ollama\", url = \"" + ollama.url() + "\" }",
                 "llama-server = { kind = \"llama-server\", url = \"" + llama_server.url() + "\" }",
                 "llama-server = { kind = \"llama-server\", url = \"" + single.url() + "\" }",
                 "llama-swap = { kind = \"llama-swap\", url = \"" + llama_swap.url() + "\" }",
                 "vllm = { kind = \"vllm-sleep\", url = \"" + vllm.url() + "\" }",
                 "comfyui = { kind = \"comfyui\", url = \"" + comfyui.url() + "\" }"));
  ASSERT_THAT(found, SizeIs(6));
  EXPECT_THAT(found[2].note, HasSubstr("cannot unload"));
  EXPECT_THAT(found[4].note, HasSubstr("VLLM_SERVER_DEV_MODE"));
  EXPECT_EQ(found[0].note, "");
  // It asks nothing that changes something.
  for (const engines::Server* one :
       {&ollama.server(), &llama_server.server(), &vllm.server(), &comfyui.server(), &stranger}) {
    for (const std::string& asked : one->asked()) EXPECT_THAT(asked, testing::StartsWith("GET "));
  }
}

TEST(Probing, EndsAtItsDeadline) {
  engines::Server hangs([](const engines::Request&) -> engines::Reply { return {}; });
  hangs.lie(Lie::silent);
  const std::vector<EnginePlace> places(20, EnginePlace{HookKind::ollama, hangs.port()});
  EXPECT_THAT(probe_engines(within(200ms), places), IsEmpty());
  EXPECT_THAT(probe_engines(within(-1s), places), IsEmpty());
}

}  // namespace
}  // namespace headroom::act
