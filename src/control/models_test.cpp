// Models: who is asked to go, who never is, and that only what is seen to come back is given away.
#include <gmock/gmock.h>

#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using ::testing::HasSubstr;

/// A bench with hooks, whose second device is out of the way: all happens on GPU-A.
struct ModelBench {
  ModelBench() : bench(configured()) {
    bench.sample.gpus.resize(1);
    bench.read();
  }
  static Config configured() {
    Config config = Bench::make();
    config.hooks = {hook("mine"), hook("ollama")};
    config.models.min_residency = seconds(0);
    return config;
  }
  static HookSetting hook(const char* name) {
    HookSetting setting;
    setting.name = name;
    setting.kind = HookKind::command;
    setting.run = {"/bin/true"};
    return setting;
  }
  /// A model in memory, loaded and measured, that "mine" can be asked to unload.
  LeaseId resident(const std::string& name, pid_t pid, Bytes bytes,
                   Priority priority = Priority::normal, bool hooked = true) {
    AskModel tell;
    tell.name = name;
    tell.create = true;
    tell.priority = priority;
    if (hooked) tell.hook = "mine";
    EXPECT_NE(bench.answer<ModelView>(bench.ask(tell)), nullptr);
    AskLease ask = want(gpu_memory(bytes), pid);
    ask.name = ask.model = name;
    ask.priority = priority;
    const LeaseId id = bench.granted(ask);
    take(id, bytes);
    settle();
    EXPECT_EQ(bench.state(id), LeaseState::active);
    return id;
  }
  /// What a lease uses on the device, from the next sample on.
  void take(LeaseId id, Bytes bytes) {
    held[id] = bytes;
    show();
  }
  void show() {
    Bytes sum = foreign;
    for (const auto& [id, bytes] : held) {
      sum += bytes;
      bench.uses(id, Bytes(), bytes);
    }
    bench.sample.gpus[0].memory_used = sum;
  }
  void leave(LeaseId id) {
    held.erase(id);
    std::erase_if(bench.sample.holders, [&](const auto& one) { return one.lease == id; });
    show();
  }
  void read_after(milliseconds time) {
    bench.pass(time);
    bench.read();
  }
  void settle() {
    for (int i = 0; i < 8; ++i) read_after(seconds(1));
  }
  std::vector<AskHook> asked() const {
    std::vector<AskHook> all;
    for (const Effect& effect : bench.effects) {
      if (const auto* ask = std::get_if<AskHook>(&effect)) all.push_back(*ask);
    }
    return all;
  }
  void answer(const AskHook& ask, HookResult result, std::string said = "") {
    bench.pass(milliseconds(50));
    bench.apply(HookAnswered{ask.ask, result, std::move(said)});
  }
  AskLease wants(Bytes bytes, pid_t pid = 0) {
    AskLease ask = patient(gpu_memory(bytes), pid);
    ask.name = "next";
    return ask;
  }
  LeaseId waits(AskLease ask) {
    const RequestId request = bench.ask(ask);
    const LeaseView* view = bench.lease(request);
    EXPECT_NE(view, nullptr);
    if (view == nullptr) return 0;
    EXPECT_EQ(view->lease.state, LeaseState::waiting);
    return view->lease.id;
  }
  AskLease use_of(const std::string& model, pid_t pid) {
    AskLease ask;
    ask.model = model;
    ask.use = true;
    ask.has_needs = false;
    ask.holder = {pid, 7};
    return ask;
  }
  ModelView view_of(const std::string& name) {
    AskModel ask;
    ask.name = name;
    const auto* view = bench.answer<ModelView>(bench.ask(ask));
    EXPECT_NE(view, nullptr) << name;
    return view == nullptr ? ModelView() : *view;
  }

  Bench bench;
  std::map<LeaseId, Bytes> held;
  Bytes foreign;
};
class Models : public ::testing::Test, protected ModelBench {};

TEST_F(Models, AnIdleOneGoesAndItsPlaceIsGivenOnceItIsSeenToBeFree) {
  const LeaseId idle = resident("sdxl", 100, 20_GiB);
  const RequestId fit =
      bench.ask(AskFit{"next", "", gpu_memory(10_GiB), true, Priority::normal, false, {}});
  const auto* verdict = bench.answer<Verdict>(fit);
  ASSERT_NE(verdict, nullptr);
  EXPECT_EQ(verdict->answer, Answer::after);
  ASSERT_EQ(verdict->steps.size(), 1u);
  EXPECT_EQ(verdict->steps[0].model, "sdxl");
  EXPECT_EQ(verdict->steps[0].bytes, 20_GiB);
  EXPECT_TRUE(asked().empty()) << "a question changes nothing";

  const LeaseId next = waits(wants(10_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks[0].hook, "mine");
  EXPECT_EQ(asks[0].model, "sdxl");
  EXPECT_EQ(asks[0].lease, idle);
  EXPECT_EQ(asks[0].holder, holder(100));
  EXPECT_EQ(bench.state(idle), LeaseState::draining);

  answer(asks[0], HookResult::freed);
  EXPECT_EQ(bench.state(next), LeaseState::waiting) << "an answer is no measurement";
  read_after(seconds(1));
  EXPECT_EQ(bench.state(next), LeaseState::waiting) << "and its memory is in use still";
  take(idle, 500_MiB);  // its process keeps its context
  read_after(seconds(1));
  EXPECT_EQ(bench.said("model.unloaded"), 1);
  EXPECT_EQ(bench.state(idle), LeaseState::ended);
  leave(idle);
  foreign = 500_MiB;
  show();
  read_after(seconds(1));
  EXPECT_EQ(bench.state(next), LeaseState::reserved);
}

TEST_F(Models, Pitfall09_vllm_47654_answers_ok_and_keeps_the_memory) {
  const LeaseId liar = resident("sdxl", 100, 20_GiB);
  const LeaseId next = waits(wants(10_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  answer(asks[0], HookResult::freed);
  int kept = 0;
  for (int i = 0; i < 12; ++i) {
    read_after(seconds(1));
    kept += bench.said("model.kept");
    EXPECT_TRUE(asked().empty()) << "it is not asked again at once";
  }
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(bench.state(liar), LeaseState::active) << "all of it is still booked";
  EXPECT_EQ(bench.state(next), LeaseState::waiting);
  EXPECT_EQ(view_of("sdxl").until, "asked in vain");
  // After its rest it is asked once more.
  int again = 0;
  for (int i = 0; i < 60; ++i) {
    read_after(seconds(1));
    again += static_cast<int>(asked().size());
  }
  EXPECT_EQ(again, 1);
}

TEST_F(Models, Pitfall05_nobody_goes_where_it_would_not_help) {
  resident("sdxl", 100, 1_GiB);
  foreign = 22_GiB;
  show();
  read_after(seconds(1));
  const LeaseId next = waits(wants(10_GiB, 200));
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(asked().empty());
    read_after(seconds(1));
  }
  EXPECT_EQ(bench.state(next), LeaseState::waiting);
  const RequestId fit =
      bench.ask(AskFit{"next", "", gpu_memory(10_GiB), true, Priority::normal, false, {}});
  EXPECT_THAT(bench.answer<Verdict>(fit)->why, HasSubstr("something else takes the memory"));
}

TEST_F(Models, Pitfall12_ollama_17408_victim_revived_by_a_request) {
  const LeaseId victim = resident("sdxl", 100, 20_GiB);
  const LeaseId next = waits(wants(10_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  // Somebody wants to use it while it goes: it goes all the same, and the use waits.
  const LeaseId use = waits(use_of("sdxl", 300));
  EXPECT_EQ(bench.state(victim), LeaseState::draining);
  answer(asks[0], HookResult::acknowledged);
  leave(victim);
  bench.uses(victim, Bytes(), Bytes());
  read_after(seconds(1));
  EXPECT_EQ(bench.state(victim), LeaseState::ended);
  EXPECT_EQ(bench.state(use), LeaseState::ended) << "nobody waits for what will not come";
  std::erase_if(bench.sample.holders, [&](const auto& one) { return one.lease == victim; });
  read_after(seconds(1));
  EXPECT_EQ(bench.state(next), LeaseState::reserved);
}

TEST_F(Models, AUseOfOneThatStayedAfterAllIsGranted) {
  const LeaseId victim = resident("sdxl", 100, 20_GiB);
  waits(wants(10_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  const LeaseId use = waits(use_of("sdxl", 300));
  answer(asks[0], HookResult::refused, "busy");
  EXPECT_EQ(bench.state(victim), LeaseState::active);
  EXPECT_EQ(bench.state(use), LeaseState::active);
  EXPECT_EQ(bench.shadow.leases.at(use).parent, victim);
}

TEST_F(Models, Pitfall13_llama_cpp_21678_what_loads_is_not_asked) {
  AskModel tell;
  tell.name = "sdxl";
  tell.create = true;
  tell.hook = "mine";
  bench.ask(tell);
  AskLease ask = want(gpu_memory(20_GiB), 100);
  ask.name = ask.model = "sdxl";
  const LeaseId loads = bench.granted(ask);
  waits(wants(10_GiB, 200));
  waits(wants(12_GiB, 201));
  for (int i = 1; i <= 10; ++i) {
    EXPECT_TRUE(asked().empty()) << "asked while it loads";
    take(loads, Bytes((2_GiB).count() * i));
    read_after(seconds(1));
  }
  int times = 0;
  for (int i = 0; i < 10; ++i) {
    times += static_cast<int>(asked().size());
    read_after(seconds(1));
  }
  EXPECT_EQ(times, 1) << "once it is loaded";
}

TEST_F(Models, Pitfall14_ollama_14578_a_use_of_what_is_resident_waits_for_no_load) {
  resident("small", 100, 4_GiB);
  AskLease ask = want(gpu_memory(10_GiB), 101);
  ask.name = ask.model = "large";
  const LeaseId loads = bench.granted(ask);
  EXPECT_EQ(bench.state(loads), LeaseState::reserved);
  const LeaseView* use = bench.lease(bench.ask(use_of("small", 300)));
  ASSERT_NE(use, nullptr);
  EXPECT_EQ(use->lease.state, LeaseState::active);
}

TEST_F(Models, Pitfall15_ollama_14407_a_busy_one_is_waited_for_no_longer_than_was_said) {
  const LeaseId busy = resident("sdxl", 100, 20_GiB);
  bench.ask(use_of("sdxl", 300));
  AskLease ask = wants(10_GiB, 200);
  ask.wait = milliseconds(60'000);
  const LeaseId next = waits(ask);
  for (int i = 0; i < 70 && bench.state(next) == LeaseState::waiting; ++i) {
    EXPECT_TRUE(asked().empty()) << "it is in use";
    read_after(seconds(1));
    bench.apply(Ticked{});
    // There is always somebody who uses it.
    bench.ask(use_of("sdxl", 301 + i));
    bench.apply(Exited{holder(300 + i)});
  }
  EXPECT_EQ(bench.state(next), LeaseState::ended);
  EXPECT_EQ(bench.state(busy), LeaseState::active);
}

TEST_F(Models, Pitfall16_llama_cpp_18373_pinned_ones_stay_and_the_others_are_found_behind_them) {
  for (int pins = 0; pins <= 4; ++pins) {
    SCOPED_TRACE(pins);
    ModelBench one;
    std::vector<LeaseId> ids;
    for (int i = 0; i < 4; ++i) {
      ids.push_back(one.resident("m" + std::to_string(i), 100 + i, 6_GiB));
      if (i >= pins) continue;
      AskModel pin;
      pin.name = "m" + std::to_string(i);
      pin.pinned = true;
      one.bench.ask(pin);
    }
    one.waits(one.wants(6_GiB, 200));
    const auto asks = one.asked();
    ASSERT_EQ(asks.size(), pins == 4 ? 0u : 1u);
    for (const AskHook& ask : asks) EXPECT_GE(ask.model, "m" + std::to_string(pins));
    if (pins < 4) continue;
    const RequestId fit =
        one.bench.ask(AskFit{"next", "", gpu_memory(6_GiB), true, Priority::normal, false, {}});
    EXPECT_THAT(one.bench.answer<Verdict>(fit)->why, HasSubstr("pins are in the way"));
  }
}

TEST_F(Models, Pitfall28_llama_cpp_22560_a_low_one_never_makes_a_high_one_go) {
  resident("sdxl", 100, 20_GiB, Priority::high);
  AskLease low = wants(10_GiB, 200);
  low.priority = Priority::low;
  waits(low);
  EXPECT_TRUE(asked().empty());
  read_after(seconds(1));
  EXPECT_TRUE(asked().empty());
  AskLease high = wants(10_GiB, 201);
  high.priority = Priority::high;
  waits(high);
  EXPECT_EQ(asked().size(), 1u);
}

TEST_F(Models, Pitfall29_llama_swap_281_a_thousand_who_want_a_cold_one_wait_for_one_load) {
  AskLease ask = want(gpu_memory(10_GiB), 100);
  ask.name = ask.model = "sdxl";
  const LeaseId loads = bench.granted(ask);
  std::vector<LeaseId> uses;
  for (int i = 0; i < 1000; ++i) uses.push_back(waits(use_of("sdxl", 1000 + i)));
  bench.ask(AskEnd{uses[7]});
  take(loads, 10_GiB);
  int granted = 0;
  for (int i = 0; i < 8; ++i) {
    read_after(seconds(1));
    granted += bench.said("lease.granted");
  }
  EXPECT_EQ(granted, 999);
  EXPECT_EQ(bench.state(uses[7]), LeaseState::ended);
  EXPECT_EQ(bench.state(uses[8]), LeaseState::active);
  EXPECT_EQ(view_of("sdxl").uses, 999);
  EXPECT_EQ(bench.control.state().model_leases.at("sdxl").size(), 1000u);
  // Whoever loaded it dies: nobody uses it any more.
  bench.apply(Exited{holder(100)});
  EXPECT_FALSE(bench.control.state().nested.contains(loads));
}

TEST_F(Models, Pitfall30_ollama_14407_settings_of_one_model_do_not_take_turns) {
  // Two settings are two names; each is loaded as often as it is wanted, and one that was loaded
  // lately is left alone by its equals for a while.
  Config config = configured();
  config.models.min_residency = seconds(5);
  bench.apply(Configured{config});
  const LeaseId first = resident("sdxl:4k", 100, 14_GiB);
  int loads = 0;
  LeaseId now = first;
  pid_t pid = 200;
  for (int i = 0; i < 60; ++i) {
    const std::string other = loads % 2 == 0 ? "sdxl:8k" : "sdxl:4k";
    AskLease ask = wants(14_GiB, ++pid);
    ask.name = ask.model = other;
    ask.wait = milliseconds(900);
    const LeaseId next = waits(ask);
    for (const AskHook& one : asked()) {
      answer(one, HookResult::freed);
      take(now, Bytes());
      read_after(milliseconds(100));
      leave(now);
      read_after(milliseconds(100));
    }
    if (bench.state(next) == LeaseState::reserved) {
      ++loads;
      now = next;
      take(next, 14_GiB);
      AskModel tell;
      tell.name = other;
      tell.create = true;
      tell.hook = "mine";
      bench.ask(tell);
    }
    read_after(seconds(1));
    bench.apply(Ticked{});
  }
  EXPECT_GT(loads, 0);
  EXPECT_LE(loads, 60 / 5) << "they took turns";
}

TEST_F(Models, ollama_17408_a_hook_that_never_answers_wedges_nobody_else) {
  const LeaseId mute = resident("sdxl", 100, 20_GiB);
  AskLease ask = wants(10_GiB, 200);
  ask.wait = milliseconds(30'000);
  const LeaseId next = waits(ask);
  ASSERT_EQ(asked().size(), 1u);
  for (int i = 0; i < 40; ++i) {
    read_after(seconds(1));
    bench.apply(Ticked{});
  }
  EXPECT_EQ(bench.state(next), LeaseState::ended) << "it waits no longer than it said";
  EXPECT_EQ(bench.lease(bench.ask(want(gpu_memory(3_GiB), 201)))->lease.state,
            LeaseState::reserved);
  EXPECT_EQ(bench.state(mute), LeaseState::draining);
  read_after(seconds(700));
  EXPECT_EQ(bench.state(mute), LeaseState::active) << "its answer was lost";
  EXPECT_EQ(bench.said("model.kept"), 1);
}

TEST_F(Models, modelmesh_341_no_more_go_than_must) {
  std::vector<LeaseId> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(resident("m" + std::to_string(i), 100 + i, 4_GiB));
  waits(wants(7_GiB, 200));
  EXPECT_EQ(asked().size(), 2u);
  for (int i = 0; i < 3; ++i) {
    read_after(seconds(1));
    EXPECT_TRUE(asked().empty()) << "nobody more is asked while these go";
  }
}

TEST_F(Models, WhatAnEngineHoldsGoesTooAndCountsWhenTheDeviceShowsIt) {
  foreign = 20_GiB;
  show();
  EngineRead told;
  told.hook = "ollama";
  told.answered = true;
  told.models = {{"llama3:8b", false, {}, 18_GiB, {}, {}, {}}};
  read_after(seconds(1));
  bench.apply(told);
  const ModelView view = view_of("llama3:8b");
  EXPECT_EQ(view.state, ModelState::resident);
  EXPECT_EQ(view.engine, "ollama");
  EXPECT_EQ(view.gpu, "GPU-A");
  EXPECT_EQ(view.until, "evictable");
  const LeaseId next = waits(wants(15_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks[0].hook, "ollama");
  EXPECT_EQ(asks[0].lease, 0u);
  answer(asks[0], HookResult::freed);
  read_after(seconds(1));
  EXPECT_EQ(bench.state(next), LeaseState::waiting);
  foreign = 2_GiB;
  show();
  read_after(seconds(1));
  EXPECT_EQ(bench.said("model.unloaded"), 1);
  EXPECT_EQ(bench.state(next), LeaseState::reserved);
}

TEST_F(Models, AnEngineThatBoastsIsBelievedNoFurtherThanTheDeviceShows) {
  foreign = 4_GiB;
  show();
  EngineRead told;
  told.hook = "ollama";
  told.answered = true;
  told.models = {{"llama3:70b", false, {}, 40_GiB, {}, {}, {}}};
  bench.apply(told);
  read_after(seconds(1));
  bench.lease(bench.ask(want(gpu_memory(18_GiB), 100)));
  waits(wants(10_GiB, 200));
  EXPECT_TRUE(asked().empty());
}

TEST_F(Models, OneThatIsInUseNeverGoesEvenWhenItIsForced) {
  resident("sdxl", 100, 20_GiB);
  bench.ask(use_of("sdxl", 300));
  AskFree free;
  free.force = true;
  const auto* freed = bench.answer<Freed>(bench.ask(free));
  ASSERT_NE(freed, nullptr);
  ASSERT_EQ(freed->steps.size(), 1u);
  EXPECT_EQ(freed->steps[0].outcome, FreeStep::Outcome::skipped);
  EXPECT_EQ(freed->steps[0].why, "in use");
  EXPECT_TRUE(asked().empty());
}

// Seed 11 of the simulator: who was asked in vain and is not measured was asked all the same.
TEST_F(Models, ForceDoesNotAskWhomNobodyMeasures) {
  const LeaseId id = resident("sdxl", 100, 20_GiB);
  waits(wants(10_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  answer(asks[0], HookResult::refused);
  AskFree free;
  free.force = true;
  free.dry_run = true;
  EXPECT_EQ(bench.answer<Freed>(bench.ask(free))->gpu_memory, 20_GiB);
  std::erase_if(bench.sample.holders, [&](const auto& one) { return one.lease == id; });
  read_after(seconds(1));
  const auto* freed = bench.answer<Freed>(bench.ask(free));
  EXPECT_EQ(freed->gpu_memory, Bytes());
  EXPECT_EQ(freed->steps[0].why, "its use is not known");
}

TEST_F(Models, FreeingIsPlannedWithoutAChangeAndAnsweredWhenItIsSeen) {
  const LeaseId idle = resident("sdxl", 100, 20_GiB);
  AskFree free;
  free.gpu_memory = 10_GiB;
  free.dry_run = true;
  read_after(seconds(120));
  const auto revision = bench.control.state().revision;
  const auto* planned = bench.answer<Freed>(bench.ask(free));
  ASSERT_NE(planned, nullptr);
  EXPECT_EQ(planned->gpu_memory, 20_GiB);
  EXPECT_EQ(bench.control.state().revision, revision);
  EXPECT_TRUE(asked().empty());
  free.dry_run = false;
  const RequestId request = bench.ask(free);
  EXPECT_EQ(bench.answer<Freed>(request), nullptr);
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  answer(asks[0], HookResult::acknowledged);
  take(idle, Bytes());
  read_after(seconds(1));
  const auto* freed = bench.answer<Freed>(request);
  ASSERT_NE(freed, nullptr);
  EXPECT_EQ(freed->gpu_memory, 20_GiB);
  EXPECT_EQ(freed->steps[0].outcome, FreeStep::Outcome::freed);
  leave(idle);
}

TEST_F(Models, FreeingIsAnsweredAtTheEndOfItsPatience) {
  resident("sdxl", 100, 20_GiB);
  read_after(seconds(120));
  AskFree free;
  free.patience = milliseconds(5000);
  const RequestId request = bench.ask(free);
  ASSERT_EQ(asked().size(), 1u);
  bench.pass(seconds(5));
  ASSERT_TRUE(bench.control.next_deadline().has_value());
  EXPECT_LE(*bench.control.next_deadline(), bench.now().boot);
  bench.apply(Ticked{});
  const auto* freed = bench.answer<Freed>(request);
  ASSERT_NE(freed, nullptr);
  EXPECT_EQ(freed->gpu_memory, Bytes());
  EXPECT_EQ(freed->steps[0].outcome, FreeStep::Outcome::asked);
}

TEST_F(Models, WithoutForceAModelUsedInTheLastMinuteStays) {
  resident("sdxl", 100, 20_GiB);
  AskModel touch;
  touch.name = "sdxl";
  touch.touched = true;
  bench.ask(touch);
  AskFree free;
  free.dry_run = true;
  EXPECT_EQ(bench.answer<Freed>(bench.ask(free))->gpu_memory, Bytes());
  free.force = true;
  EXPECT_EQ(bench.answer<Freed>(bench.ask(free))->gpu_memory, 20_GiB);
}

TEST_F(Models, ARestartInTheMiddleForgetsTheAskAndKeepsTheLease) {
  const LeaseId idle = resident("sdxl", 100, 20_GiB);
  const LeaseId next = waits(wants(10_GiB, 200));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  bench.restart({holder(100), holder(200)});
  EXPECT_EQ(bench.state(idle), LeaseState::active);
  EXPECT_EQ(bench.state(next), LeaseState::waiting);
  answer(asks[0], HookResult::freed);  // for the daemon that has died
  EXPECT_EQ(bench.state(idle), LeaseState::active);
  bench.read();
  EXPECT_EQ(asked().size(), 1u) << "and who needs its place asks again";
}

TEST_F(Models, NeedsAreWhatWasMeasuredThenWhatWasDeclaredThenTheCatalogues) {
  // What is stated is of the model; its process takes up to 1400 MiB more.
  EXPECT_EQ(view_of("facebook/musicgen-small").needs.gpu_memory, 6_GiB + 1400_MiB);
  EXPECT_EQ(view_of("facebook/musicgen-small").needs_from, "built in");
  EXPECT_EQ(view_of("acme-large").needs.gpu_memory, 16_GiB + 1400_MiB);
  AskModel tell;
  tell.name = "acme-large";
  tell.create = true;
  tell.gpu_memory = 9_GiB;
  tell.hook = "mine";
  bench.ask(tell);
  EXPECT_EQ(view_of("acme-large").needs.gpu_memory, 9_GiB + 1400_MiB);
  EXPECT_EQ(view_of("acme-large").needs_from, "declared");
  EXPECT_EQ(view_of("acme-large").needs_size.gpu_memory,
            (Interval{9_GiB + 700_MiB, 9_GiB + 1400_MiB}));
  EXPECT_EQ(view_of("acme-large").needs_size.beyond_model, (Interval{700_MiB, 1400_MiB}));
  AskLease ask = want({}, 100);
  ask.name = ask.model = "acme-large";
  ask.has_needs = false;
  const LeaseId id = bench.granted(ask);
  EXPECT_EQ(bench.shadow.leases.at(id).booked.gpu_memory, 9_GiB + 1400_MiB);
  take(id, 5_GiB);
  settle();
  bench.ask(AskEnd{id});
  leave(id);
  read_after(seconds(1));
  const ModelView known = view_of("acme-large");
  EXPECT_EQ(known.needs_from, "learned");
  ASSERT_TRUE(known.needs_size.gpu_memory);
  EXPECT_EQ(known.needs_size.gpu_memory->p50, 5_GiB);
  EXPECT_EQ(known.needs_size.gpu_memory->p95, known.needs.gpu_memory);
  EXPECT_GT(known.needs.gpu_memory, 5_GiB);
  EXPECT_LT(known.needs.gpu_memory, 6_GiB);
  EXPECT_FALSE(known.needs_size.beyond_model) << "what was measured has it in it";
  EXPECT_EQ(known.needs_size.runs, 1u);
}

TEST_F(Models, WhatAProcessTakesBeyondItsModelIsLearnedFromAnotherAndNotMoreThanThereIs) {
  AskModel tell;
  tell.create = true;
  for (const char* name : {"first", "second", "whole"}) {
    tell.name = name;
    tell.gpu_memory = std::string_view(name) == "whole" ? 23_GiB + 512_MiB : 4_GiB;
    bench.ask(tell);
  }
  AskLease ask = want({}, 100);
  ask.name = ask.model = "first";
  ask.has_needs = false;
  const LeaseId id = bench.granted(ask);
  take(id, 4_GiB + 500_MiB);
  settle();
  bench.ask(AskEnd{id});
  leave(id);
  read_after(seconds(1));
  const ModelView second = view_of("second");
  EXPECT_EQ(second.needs_size.beyond_model->p50, 500_MiB);
  EXPECT_EQ(second.needs_size.gpu_memory->p50, 4_GiB + 500_MiB);
  EXPECT_LT(second.needs.gpu_memory, 4_GiB + 1400_MiB) << "less than what nobody had measured";
  bench.restart({});
  bench.read();
  EXPECT_EQ(view_of("second").needs_size, second.needs_size) << "and it outlives the daemon";
  // What fits without its context is not refused for it.
  const std::int64_t most =
      bench.control.state().ledger.pool(bench.control.state().ledger.gpu("0")).most();
  EXPECT_EQ(view_of("whole").needs.gpu_memory.count(), std::max(most, (23_GiB + 512_MiB).count()));
}

TEST_F(Models, WithoutAGpuAModelRunsInMemoryUnlessItMustNot) {
  Bench plain;
  plain.sample.gpus.clear();
  plain.read();
  AskLease ask = want({}, 100);
  ask.model = "facebook/musicgen-small";
  ask.has_needs = false;
  const LeaseView* view = plain.lease(plain.ask(ask));
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->lease.booked.memory, 6_GiB);
  Config config = Bench::make();
  config.models.require_gpu = true;
  plain.apply(Configured{config});
  EXPECT_NE(plain.refusal(plain.ask(ask)), nullptr);
}

TEST_F(Models, NoMoreStayThanTheCacheMayHold) {
  Config config = configured();
  config.models.cache_size = 2;
  bench.apply(Configured{config});
  resident("a", 100, 2_GiB);
  resident("b", 101, 2_GiB);
  AskModel touch;
  touch.name = "a";
  touch.touched = true;
  read_after(seconds(1));
  bench.ask(touch);
  AskLease ask = want(gpu_memory(2_GiB), 102);
  ask.name = ask.model = "c";
  bench.ask(ask);
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks[0].model, "b");
}

TEST_F(Models, OneThatNobodyUsesForLongGoes) {
  Config config = configured();
  config.models.idle_unload = seconds(600);
  config.models.pinned = {"kept"};
  bench.apply(Configured{config});
  resident("sdxl", 100, 2_GiB);
  resident("kept", 101, 2_GiB);
  read_after(seconds(500));
  EXPECT_TRUE(asked().empty());
  read_after(seconds(120));
  const auto asks = asked();
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks[0].model, "sdxl");
}

TEST_F(Models, IsChangedByItsOwnerAndTheTrustedAlone) {
  resident("sdxl", 100, 2_GiB);
  AskModel pin;
  pin.name = "sdxl";
  pin.pinned = true;
  const Refusal* no = bench.refusal(bench.ask(pin, 2000));
  ASSERT_NE(no, nullptr);
  EXPECT_EQ(no->error.kind, ErrorKind::not_allowed);
  EXPECT_NE(bench.answer<ModelView>(bench.ask(pin, 2000, true)), nullptr);
  AskModel unload;
  unload.name = "sdxl";
  unload.unload = true;
  no = bench.refusal(bench.ask(unload));
  ASSERT_NE(no, nullptr);
  EXPECT_THAT(no->error.what, HasSubstr("pinned"));
  AskModel unknown;
  unknown.name = "nobody";
  EXPECT_EQ(bench.refusal(bench.ask(unknown))->error.kind, ErrorKind::not_found);
}

TEST_F(Models, AUseThatWouldNeverEndIsRefused) {
  resident("sdxl", 100, 2_GiB);
  AskLease use = use_of("sdxl", 300);
  use.holder = {};
  const Refusal* no = bench.refusal(bench.ask(use));
  ASSERT_NE(no, nullptr);
  EXPECT_EQ(no->error.kind, ErrorKind::invalid_request);
  use.ttl = seconds(5);
  EXPECT_NE(bench.lease(bench.ask(use)), nullptr);
  EXPECT_EQ(view_of("sdxl").uses, 1);
  bench.pass(seconds(6));
  bench.apply(Ticked{});
  EXPECT_EQ(view_of("sdxl").uses, 0);
}

TEST_F(Models, AUseOfWhatIsNowhereIsRefused) {
  const Refusal* no = bench.refusal(bench.ask(use_of("sdxl", 300)));
  ASSERT_NE(no, nullptr);
  EXPECT_EQ(no->error.kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace headroom::control
