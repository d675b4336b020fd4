// Hooks without an engine: reading answers, commands, signals, and what a setting makes. Against
// engines they are tested in tests/engines.
#include "act/hook.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/child_for_test.hpp"
#include "act/hook_engine.hpp"

namespace headroom::act {
namespace {

using namespace std::chrono_literals;
using namespace headroom::literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr auto kPatience = 30s;

Hook::Deadline within(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// --- text ---

TEST(Printable, ShowsNothingThatCouldMislead) {
  EXPECT_EQ(printable("  a\n\tb\x1b[31m c  "), "a b [31m c");
  EXPECT_EQ(printable("äß漢😀"), "äß漢😀");
  EXPECT_EQ(printable("a\xff\xc3"), "a??") << "half a character is none";
  EXPECT_EQ(printable("\xc0\xaf \xed\xa0\x80"), "?? ???") << "nor is one in a longer form";
  EXPECT_EQ(printable(std::string(300, 'x')).size(), kMostSaid);
  EXPECT_EQ(printable("abc漢", 5), "abc") << "cut between two characters";
  EXPECT_EQ(printable("漢漢", 0), "");
}

TEST(Times, AreReadWithTheirZones) {
  const auto at = [](const char* text) { return parse_time(text); };
  const WallTime noon = *at("2026-11-21T12:00:00Z");
  EXPECT_EQ(noon.time_since_epoch(), 1'795'262'400s);
  EXPECT_EQ(at("2026-11-21T13:30:00+01:30"), noon);
  EXPECT_EQ(at("2026-11-21T05:00:00.5-07:00"), noon + 500ms);
  EXPECT_EQ(at("2026-11-21T12:00:00.123456789123Z"), noon + 123'456'789ns);
  for (const char* text :
       {"", "2026", "0001-01-01T00:00:00Z", "2318-01-01T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T12:00:00",
        "2026-11-21T12:00:00+1:00", "2026-11-21T12:00:00.Zx", "2026-11-21X12:00:00Z",
        "yyyy-mm-ddThh:mm:ssZ"}) {
    EXPECT_EQ(at(text), std::nullopt) << text;
  }
}

TEST(Names, OfModelsAreShortAndPrintable) {
  EXPECT_TRUE(is_model_name("ggml-org/gemma-3-4b-it-GGUF:Q4_K_M"));
  EXPECT_TRUE(is_model_name("模型 eins"));
  EXPECT_FALSE(is_model_name(""));
  EXPECT_FALSE(is_model_name(" a"));
  EXPECT_FALSE(is_model_name("a\n"));
  EXPECT_FALSE(is_model_name("a\xff"));
  EXPECT_FALSE(is_model_name(std::string(201, 'a')));
}

TEST(Reasons, AreFoundInWhateverWrapping) {
  EXPECT_EQ(parse_reason("", R"({"error":"a"})"), "a");
  EXPECT_EQ(parse_reason("", R"({"error":{"code":4,"message":"b"}})"), "b");
  EXPECT_EQ(parse_reason("", R"({"detail":"c"})"), "c");
  EXPECT_EQ(parse_reason("text/plain", "plain\nwords"), "plain words");
  EXPECT_EQ(parse_reason("text/html", "x"), "");
  EXPECT_EQ(parse_reason("", "<html>"), "");
  EXPECT_EQ(parse_reason("", R"({"error":{"message":{"message":1}}})"), "");
}

// --- answers, and broken twins of them ---

TEST(OllamaAnswers, AreReadAndTheirTwinsRefused) {
  const auto now = parse_ollama_ps(
      R"({"models":[{"name":"gemma3","model":"gemma3","size":6591830464,)"
      R"("expires_at":"2025-10-17T16:47:07.93355-07:00","size_vram":5333539264},)"
      R"({"model":"old","size":1.5,"size_vram":-1,"expires_at":"0001-01-01T00:00:00Z"}]})");
  ASSERT_TRUE(now);
  ASSERT_THAT(*now, SizeIs(2));
  EXPECT_EQ((*now)[0].gpu_memory, Bytes(5333539264));
  EXPECT_EQ((*now)[0].memory, Bytes(6591830464 - 5333539264));
  EXPECT_EQ((*now)[1].name, "old");
  EXPECT_FALSE((*now)[1].memory);
  EXPECT_FALSE((*now)[1].gpu_memory) << "a size that is none is unknown, not zero";
  EXPECT_FALSE((*now)[1].expires);
  EXPECT_THAT(*parse_ollama_ps(R"({"models":null})"), IsEmpty());
  // More on the GPU than there is of it: then nothing follows for the host.
  EXPECT_FALSE((*parse_ollama_ps(R"({"models":[{"name":"a","size":1,"size_vram":2}]})"))[0].memory);
  for (const char* body :
       {"", "[]", "{}", "null", R"({"models":{}})", R"({"models":[1]})", R"({"models":[{}]})",
        R"({"models":[{"name":7}]})", R"({"models":[{"name":"a\nb"}]})", R"({"models":[]}x)"}) {
    EXPECT_FALSE(parse_ollama_ps(body)) << body;
  }
  std::string many = R"({"models":[)";
  for (int i = 0; i < 257; ++i) many += std::string(i == 0 ? "" : ",") + R"({"name":"m"})";
  EXPECT_FALSE(parse_ollama_ps(many + "]}"));
}

TEST(LlamaServerAnswers, TellARouterFromAServerOfOne) {
  const auto router = parse_llama_server_models(
      R"({"data":[{"id":"a","status":{"value":"loaded","args":[]}},)"
      R"({"id":"b","status":{"value":"unloaded","failed":true,"exit_code":1}},)"
      R"({"id":"c","status":{"value":"loading"}},{"id":"d","status":{"value":"sleeping"}},)"
      R"({"id":"e","status":{"value":"downloading","progress":{}}}]})");
  ASSERT_TRUE(router);
  EXPECT_TRUE(router->router);
  EXPECT_THAT(router->known, ElementsAre("a", "b", "c", "d", "e"));
  ASSERT_THAT(router->residents, SizeIs(3));
  EXPECT_EQ(router->residents[1].state, ResidentState::loading);
  EXPECT_EQ(router->residents[2].state, ResidentState::asleep);
  const auto single =
      parse_llama_server_models(R"({"models":[],"data":[{"id":"m.gguf","meta":{"size":5}}]})");
  ASSERT_TRUE(single);
  EXPECT_FALSE(single->router);
  ASSERT_THAT(single->residents, SizeIs(1));
  EXPECT_FALSE(single->residents[0].memory) << "the file's size is not what it holds";
  for (const char* body :
       {"{}", R"({"data":[{"id":"a","status":{}}]})", R"({"data":[{"id":"a","status":"loaded"}]})",
        R"({"data":[{"id":"a"},{"id":"b","status":{"value":"loaded"}}]})", R"({"data":"x"})"}) {
    EXPECT_FALSE(parse_llama_server_models(body)) << body;
  }
  EXPECT_EQ(parse_llama_server_slots(R"([{"is_processing":true},{"is_processing":false}])"), 1);
  EXPECT_FALSE(parse_llama_server_slots(R"([{"is_processing":1}])"));
  EXPECT_FALSE(parse_llama_server_slots(R"({"error":{}})"));
}

TEST(VllmMetrics, AreSummedOverEnginesOrUnknown) {
  EXPECT_EQ(
      parse_vllm_requests("vllm:num_requests_running{engine=\"0\",model_name=\"a } 9 b\"} 2.0\n"
                          "vllm:num_requests_running{engine=\"1\"} 1.0\r\n"
                          "vllm:num_requests_waiting 4\n"
                          "vllm:num_requests_waiting_by_reason{reason=\"x\"} 7.0\n"),
      7);
  EXPECT_EQ(parse_vllm_requests("# nothing\nvllm:num_preemptions_total 5\n"), std::nullopt);
  EXPECT_EQ(parse_vllm_requests("vllm:num_requests_running NaN\n"), std::nullopt);
  EXPECT_EQ(parse_vllm_requests("vllm:num_requests_running 1e300\n"), std::nullopt);
  EXPECT_EQ(parse_vllm_requests("vllm:num_requests_running -1\n"), std::nullopt);
  EXPECT_EQ(parse_vllm_requests("vllm:num_requests_running{}\n"), std::nullopt);
}

TEST(ComfyUiAnswers, AreReadPerDevice) {
  const auto now = parse_comfyui_stats(
      R"({"system":{},"devices":[{"name":"cuda:0 A","type":"cuda","torch_vram_total":5},)"
      R"({"name":"cpu","type":"cpu","torch_vram_total":99}]})");
  ASSERT_TRUE(now);
  ASSERT_THAT(*now, SizeIs(2));
  EXPECT_EQ((*now)[0].gpu_memory, 5_B);
  EXPECT_FALSE((*now)[1].gpu_memory) << "a CPU has none, whatever it calls so";
  EXPECT_FALSE(parse_comfyui_stats(R"({"devices":[]})")) << "another's list of devices";
  EXPECT_EQ(parse_comfyui_busy(R"({"queue_running":[],"queue_pending":[[1]]})"), true);
  EXPECT_EQ(parse_comfyui_busy(R"({"queue_running":[],"queue_pending":[]})"), false);
  EXPECT_FALSE(parse_comfyui_busy(R"({"queue_running":[]})"));
}

TEST(ToldAnswers, TakeNoPidThatIsNone) {
  const auto pid = [](const std::string& number) {
    return (*parse_told_residents(R"({"models":[{"name":"a","pid":)" + number + "}]}"))[0].pid;
  };
  EXPECT_EQ(pid("7"), 7);
  for (const char* none : {"0", "-1", "1.5", "\"7\"", "99999999999", "true"}) {
    EXPECT_EQ(pid(none), std::nullopt) << none;
  }
}

// --- what a setting makes ---

TEST(Making, NeedsWhatTheKindNeeds) {
  HookSetting setting;
  setting.name = "a";
  EXPECT_FALSE(make_hook(setting));
  for (const HookKind kind : {HookKind::http, HookKind::command, HookKind::signal}) {
    setting.kind = kind;
    EXPECT_FALSE(make_hook(setting)) << to_string(kind);
  }
  for (const HookKind kind : {HookKind::ollama, HookKind::comfyui, HookKind::llama_server,
                              HookKind::llama_swap, HookKind::vllm_sleep}) {
    setting.kind = kind;
    const auto hook = make_hook(setting);
    ASSERT_TRUE(hook) << to_string(kind);
    EXPECT_EQ((*hook)->kind(), kind);
    EXPECT_EQ((*hook)->name(), "a");
    EXPECT_THAT(usual_url(kind), testing::StartsWith("http://127.0.0.1:"));
  }
  for (const char* url :
       {"https://127.0.0.1:1", "file:///etc/passwd", "unix:///run/x.sock", "x", "http://",
        "http://h:0", "http://u:p@h", "http://h/a b", "http://h/\r\nX:"}) {
    setting.url = url;
    const auto refused = make_hook(setting);
    ASSERT_FALSE(refused) << url;
    EXPECT_THAT(refused.error().why, HasSubstr("http://host:port"));
  }
}

TEST(Addresses, KeepTheirBase) {
  EXPECT_EQ(Address::parse("http://h")->base, "");
  EXPECT_EQ(Address::parse("http://h/")->base, "/");
  EXPECT_EQ(Address::parse("http://[::1]:9/a/b/")->base, "/a/b/");
  EXPECT_EQ(Address::parse("http://[::1]:9/a/b/")->url.port, 9);
  EXPECT_EQ(percent_encoded("a/b c%ä-._~"), "a%2Fb%20c%25%C3%A4-._~");
}

// --- commands ---

class ByCommand : public testing::Test {
 protected:
  ByCommand() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    dir_ = name;
  }
  ~ByCommand() override { std::filesystem::remove_all(dir_); }
  std::unique_ptr<Hook> hook(std::vector<std::string> run) const {
    HookSetting setting;
    setting.name = "mine";
    setting.kind = HookKind::command;
    setting.run = std::move(run);
    setting.timeout = kPatience;
    return std::move(*make_hook(setting));
  }
  HookAnswer free(std::vector<std::string> run, const std::string& model = "m",
                  std::chrono::milliseconds time = kPatience) const {
    HookAsk ask;
    ask.model = model;
    ask.bytes = 5_KiB;
    return hook(std::move(run))->free(ask, within(time)).value();
  }
  std::string read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(dir_ + "/" + name).rdbuf();
    return text.str();
  }
  std::string dir_;
};

TEST_F(ByCommand, GetsItsWordsWithoutAShell) {
  const HookAnswer said =
      free({"printf", "%s|", "{ask}", "{model}", "x{bytes}y", "$HOME", "{nothing}"}, "a; rm -rf /");
  EXPECT_EQ(said.outcome, HookOutcome::acknowledged);
  EXPECT_EQ(said.said, "free|a; rm -rf /|x5120y|$HOME|{nothing}|");
  EXPECT_EQ(free({"printf", "%s", "{model}"}, "{bytes}{model}").said, "{bytes}{model}")
      << "a name is not filled in again";
}

TEST_F(ByCommand, GetsAShortEnvironment) {
  setenv("HEADROOM_TEST_TOKEN", "sk-secret", 1);
  const HookAnswer said = free({"sh", "-c", "env | sort | grep -v '^PWD\\|^_\\|^SHLVL\\|^OLDPWD'"});
  EXPECT_THAT(said.said, Not(HasSubstr("secret")));
  EXPECT_THAT(said.said, HasSubstr("HEADROOM_ASK=free HEADROOM_BUSY_TOO=0 HEADROOM_BYTES=5120 "
                                   "HEADROOM_MODEL=m"));
  unsetenv("HEADROOM_TEST_TOKEN");
}

TEST_F(ByCommand, GetsNoOpenFileOfOurs) {
  // Without O_CLOEXEC, as a library may open one; a number that no shell uses.
  const int leaky = ::fcntl(STDIN_FILENO, F_DUPFD, 700);
  ASSERT_GE(leaky, 700);
  const HookAnswer said = free({"sh", "-c", "ls /proc/$$/fd | tr '\\n' ' '"});
  EXPECT_THAT(said.said, testing::StartsWith("0 1 2"));
  EXPECT_THAT(said.said, Not(HasSubstr(std::to_string(leaky))));
  ::close(leaky);
}

TEST_F(ByCommand, ThatFailsSaysWhy) {
  EXPECT_EQ(free({"sh", "-c", "echo no such model >&2; exit 3"}).outcome, HookOutcome::refused);
  EXPECT_EQ(free({"sh", "-c", "echo no such model >&2; exit 3"}).said,
            "sh ended with 3: no such model");
  EXPECT_EQ(free({"sh", "-c", "kill -SEGV $$"}).said, "sh died of signal 11");
  const HookAnswer none = free({"/no/such/program"});
  EXPECT_EQ(none.outcome, HookOutcome::unreachable);
  EXPECT_FALSE(none.reached);
  EXPECT_THAT(none.said, HasSubstr("cannot be run"));
}

TEST_F(ByCommand, IsNotGivenANameThatLooksLikeAnOption) {
  const HookAnswer said = free({"touch", "{model}", dir_ + "/made"}, "--reference=/etc/passwd");
  EXPECT_EQ(said.outcome, HookOutcome::refused);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/made"));
}

TEST_F(ByCommand, ThatHangsIsEndedWithAllItStarted) {
  const HookAnswer said =
      free({"sh", "-c", "sleep 600 & echo $! > '" + dir_ + "/pid'; echo on; wait"}, "m", 500ms);
  EXPECT_EQ(said.outcome, HookOutcome::timed_out);
  EXPECT_THAT(said.said, HasSubstr("took too long and was ended"));
  const std::string pid = read("pid");
  if (pid.empty()) return;  // it was ended before it had started the other
  const auto gone = [&] {
    std::stringstream text;
    text << std::ifstream("/proc/" + pid.substr(0, pid.find('\n')) + "/stat").rdbuf();
    return text.str().empty() || text.str().find(") Z ") != std::string::npos;
  };
  for (int i = 0; i < 10000 && !gone(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(gone());
}

TEST_F(ByCommand, ThatWritesWithoutEndIsReadToItsDeadlineAndNotKept) {
  const HookAnswer said =
      free({"sh", "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"}, "m", 300ms);
  EXPECT_EQ(said.outcome, HookOutcome::timed_out);
  const HookAnswer much = hook({"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; : {ask}"})
                              ->resident(within(kPatience));
  EXPECT_EQ(much.outcome, HookOutcome::nonsense);
  EXPECT_EQ(much.said, "it writes too much");
}

TEST_F(ByCommand, TellsAndLoadsOnlyWhenItIsToldWhatIsAsked) {
  const auto frees = hook({"true", "{model}"});
  EXPECT_EQ(frees->resident(within(kPatience)).outcome, HookOutcome::refused);
  EXPECT_EQ(frees->load({}, within(kPatience))->outcome, HookOutcome::refused);
  const auto all = hook({"sh", "-c",
                         "test {ask} != resident || echo '{\"models\":[{\"name\":\"a\","
                         "\"gpu_memory_bytes\":7}]}'"});
  const HookAnswer now = all->resident(within(kPatience));
  ASSERT_THAT(now.residents, SizeIs(1)) << now.said;
  EXPECT_EQ(now.residents[0].gpu_memory, 7_B);
  EXPECT_EQ(all->load({}, within(kPatience))->outcome, HookOutcome::acknowledged);
}

// --- signals ---

std::unique_ptr<Hook> signal_hook(const std::string& name) {
  HookSetting setting;
  setting.name = "poke";
  setting.kind = HookKind::signal;
  setting.signal = name;
  return std::move(*make_hook(setting));
}

TEST(BySignal, ReachesTheProcessThatThePidfdHolds) {
  Child child;
  const auto process = watch(identify(child.pid()).value());
  ASSERT_TRUE(process);
  HookAsk ask;
  ask.processes = {&*process};
  const auto said = signal_hook("USR1")->free(ask, within(kPatience));
  ASSERT_TRUE(said);
  EXPECT_EQ(said->said, "SIGUSR1 sent to 1 processes");
  const int status = child.wait();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGUSR1);
  const auto later = signal_hook("USR1")->free(ask, within(kPatience));
  EXPECT_EQ(later->outcome, HookOutcome::not_found) << "it has ended";
}

// The number of one process and the pidfd of another: whoever mixes them up signals nobody.
TEST(BySignal, DoesNotTakeAPidfdForAnothersNumber) {
  Child one;
  Child other;
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, one.pid(), 0));
  const ProcessWatch mixed(fd, identify(other.pid()).value());
  HookAsk ask;
  ask.processes = {&mixed, nullptr};
  const auto said = signal_hook("TERM")->free(ask, within(kPatience));
  ASSERT_TRUE(said);
  EXPECT_EQ(said->outcome, HookOutcome::not_found);
  one.go();
  other.go();
  EXPECT_TRUE(WIFEXITED(one.wait()));
  EXPECT_TRUE(WIFEXITED(other.wait()));
}

TEST(BySignal, TakesNobodyForSomebody) {
  EXPECT_EQ(signal_hook("USR1")->free({}, within(kPatience))->outcome, HookOutcome::not_found);
  EXPECT_EQ(signal_hook("SEGV")->free({}, within(kPatience))->outcome, HookOutcome::refused);
  EXPECT_EQ(signal_hook("USR1")->resident(within(kPatience)).outcome, HookOutcome::refused);
  EXPECT_EQ(signal_hook("USR1")->load({}, within(kPatience))->outcome, HookOutcome::refused);
}

}  // namespace
}  // namespace headroom::act
