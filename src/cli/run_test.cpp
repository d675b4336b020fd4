#include "cli/run.hpp"

#include <csignal>
#include <memory>

#include <gmock/gmock.h>

#include "cli/command_for_test.hpp"
#include "cli/units.hpp"

namespace headroom::cli {
namespace {

using client::json::value;
using test::Asked;
using test::Folder;
using test::Process;
using test::StandIn;
using test::Told;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr const char* kGranted =
    R"({"id":"l-73","name":"qwen","state":"reserved","device":"GPU-5d1f0a2b","gpu_index":0,)"
    R"("needs":{"gpu_memory_bytes":25769803776,"memory_bytes":1073741824},)"
    R"("booked":{"gpu_memory_bytes":25769803776,"memory_bytes":1073741824},"gpu_fraction":0.3})";
constexpr const char* kWaiting =
    R"({"id":"l-73","name":"qwen","state":"waiting","place":1,"earliest":null,)"
    R"("needs":{"memory_bytes":1073741824},"why":"lease render (l-70) holds 6.0 GiB"})";
constexpr const char* kEnded =
    R"({"id":"l-73","name":"qwen","state":"ended","needs":{"memory_bytes":1073741824},)"
    R"("peak":{"memory_bytes":536870912},"oom_kills":0})";

/// A daemon that grants at once and ends leases properly.
Told generous(const Asked& asked) {
  if (asked.method == "POST") return {201, kGranted};
  return {200, kEnded};
}

value parse(const char* text) { return *client::parse_json(text); }

TEST(Run, ALoadIsNamedAfterItsModel) {
  RunRequest request;
  request.command = {"python", "serve.py"};
  request.model = "facebook/musicgen-small";
  request.asked = 1734260000;
  const auto body = booking_of(request, 7);
  EXPECT_EQ(body.at("name").as_string(), "model_load_facebook_musicgen_small_1734260000");
  EXPECT_EQ(body.at("model").as_string(), "facebook/musicgen-small");
  EXPECT_FALSE(body.contains("needs"));
  request.name = "mine";
  EXPECT_EQ(booking_of(request, 7).at("name").as_string(), "mine");
}

TEST(Run, WhatIsRunOtherwiseIsAnotherConfiguration) {
  const auto config = [](Words command, const std::string& said = "") {
    RunRequest request;
    request.command = std::move(command);
    request.config = said;
    return std::string(booking_of(request, 7).at("config").as_string());
  };
  EXPECT_EQ(config({"train.py", "--batch", "32"}), config({"train.py", "--batch", "32"}));
  EXPECT_NE(config({"train.py", "--batch", "32"}), config({"train.py", "--batch", "64"}));
  EXPECT_NE(config({"train.py", "ab", "c"}), config({"train.py", "a", "bc"}));
  EXPECT_THAT(config({"train.py"}), ::testing::MatchesRegex("args-[0-9a-f]{16}"));
  EXPECT_EQ(config({"train.py", "--batch", "64"}, "small"), "small");
}

TEST(Run, SaysWhereWhatItBookedIsFrom) {
  const auto line = granted_line(parse(
      R"({"id":"l-7","name":"train","booked":{"memory_bytes":10522669875},"size":{"memory":)"
      R"({"p50_bytes":9878424780,"p95_bytes":10522669875},"runs":4,"deaths":0,"from":"learned"}})"));
  EXPECT_EQ(line,
            "headroom: lease train (l-7), 9.8 GiB memory; learned from 4 runs: 9.2 GiB memory "
            "(p95 9.8 GiB)");
  EXPECT_EQ(show_size(parse(R"({"gpu_memory":{"p50_bytes":7340032,"p95_bytes":8388608},)"
                            R"("beyond_model":{"p50_bytes":1048576,"p95_bytes":2097152},)"
                            R"("runs":0,"deaths":0,"from":"declared"})")),
            "declared: 7 MiB GPU memory (p95 8 MiB), of which 1 MiB to 2 MiB that its "
            "process takes beyond it");
  EXPECT_EQ(show_size(parse(R"({"memory":{"p50_bytes":1048576,"p95_bytes":2097152},"runs":1,)"
                            R"("deaths":1,"from":"learned from other configurations"})")),
            "learned from other configurations (1 run), 1 of which died for want of memory: "
            "1 MiB memory (p95 2 MiB)");
  EXPECT_EQ(show_size(parse("null")), "");
}

TEST(RunText, WhoIsEndedByHeadroomIsToldWhy) {
  const auto line = ended_line(
      parse(R"({"name":"leaker","booked":{"memory_bytes":1073741824},"peak":{"memory_bytes":)"
            R"(2147483648},"reason":"headroom ended it: it uses 2.0 GiB and booked 1.0 GiB, and )"
            R"(train waits for memory"})"),
      false, SIGTERM, 61.0);
  EXPECT_THAT(line, testing::HasSubstr("train waits for memory"));
  const auto other =
      ended_line(parse(R"({"name":"job","reason":"its process ended"})"), false, 0, 2);
  EXPECT_THAT(other, testing::Not(testing::HasSubstr("process ended")));
}

TEST(Run, FillsPlaceholdersFromTheLease) {
  const auto words = fill_in({"serve", "--util={gpu_fraction}", "{gpu_id}:{lease}", "{mem_mb}",
                              "{gpu_mem_mb}", "{other} {"},
                             parse(kGranted));
  ASSERT_TRUE(words);
  EXPECT_THAT(*words, ElementsAre("serve", "--util=0.3000", "GPU-5d1f0a2b:l-73", "1024", "24576",
                                  "{other} {"));
}

TEST(Run, RefusesAPlaceholderThatTheLeaseHasNoValueFor) {
  const auto words = fill_in({"{gpu_fraction}"}, parse(R"({"id":"l-1","booked":{}})"));
  ASSERT_FALSE(words);
  EXPECT_EQ(words.error().kind, ErrorKind::invalid_request);
}

TEST(Run, KnowsBeforeBookingWhichPlaceholderWillHaveNoValue) {
  const client::json::object memory{{"memory_bytes", 1}};
  EXPECT_EQ(missing_value({"a", "x{gpu_id}"}, memory), "{gpu_id}");
  EXPECT_EQ(missing_value({"a", "{mem_mb}"}, memory), "");
  EXPECT_EQ(missing_value({"{gpu_id}"}, {{"gpus", 1}}), "");
  EXPECT_EQ(missing_value({"{gpu_id}"}, {}), "");  // what was learned may name a GPU
}

TEST(Run, SetsTheEnvironmentOfALeaseWithADevice) {
  EXPECT_THAT(environment_of(parse(kGranted)),
              ElementsAre(Pair("CUDA_VISIBLE_DEVICES", "GPU-5d1f0a2b"),
                          Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), Pair("HEADROOM_LEASE", "l-73"),
                          Pair("HEADROOM_GPU_MEMORY_BYTES", "25769803776"),
                          Pair("HEADROOM_GPU_FRACTION", "0.3000"),
                          Pair("HEADROOM_MEMORY_BYTES", "1073741824")));
}

TEST(Run, ShowsAllDevicesOfALeaseInTheirOrder) {
  const auto lease = parse(
      R"({"id":"l-7","name":"train","device":"GPU-a","gpu_index":1,"gpu_fraction":0.5,"devices":[)"
      R"({"device":"GPU-a","gpu_index":1,"booked_bytes":21474836480},)"
      R"({"device":"GPU-b","gpu_index":0,"booked_bytes":10737418240}],)"
      R"("booked":{"gpu_memory_bytes":32212254720}})");
  EXPECT_THAT(environment_of(lease),
              ElementsAre(Pair("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b"),
                          Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), Pair("HEADROOM_LEASE", "l-7"),
                          Pair("HEADROOM_GPU_MEMORY_BYTES", "10737418240"),
                          Pair("HEADROOM_GPU_FRACTION", "0.5000")));
  const auto words = fill_in({"{gpu_id}", "{gpu_mem_mb}"}, lease);
  ASSERT_TRUE(words);
  EXPECT_THAT(*words, ElementsAre("GPU-a,GPU-b", "10240"));
  EXPECT_EQ(granted_line(lease), "headroom: lease train (l-7) on GPU 1,0, 30.0 GiB GPU memory");
}

TEST(Run, HidesNoDeviceFromALeaseWithoutOne) {
  EXPECT_THAT(environment_of(parse(R"({"id":"l-1","device":null,"booked":{"memory_bytes":5}})")),
              ElementsAre(Pair("HEADROOM_LEASE", "l-1"), Pair("HEADROOM_MEMORY_BYTES", "5")));
}

TEST(Run, AsksForALeaseHeldByTheCommand) {
  RunRequest request;
  request.command = {"/usr/bin/python3", "x.py"};
  request.needs = {{"memory_bytes", 5}};
  request.parent = "l-70";
  request.config = "night";
  request.for_seconds = 60;
  EXPECT_EQ(client::write_json(booking_of(request, 42)),
            R"({"name":"x.py","config":"night","needs":{"memory_bytes":5},"priority":"normal",)"
            R"("wait_seconds":null,)"
            R"("for_seconds":60,"holder":{"pid":42},"parent":"l-70","group":true,"fence":true,)"
            R"("enforce":false})");
}

TEST(Run, AsksForALeaseThatStartsAtATime) {
  RunRequest request;
  request.command = {"true"};
  request.starts = 1795420800;
  EXPECT_EQ(booking_of(request, 7).at("starts_at").as_string(), "2026-11-23T08:00:00Z");
  Style style;
  style.now = 1795417200;
  const auto line = waiting_line(
      parse(R"({"state":"waiting","starts_at":"2026-11-23T08:00:00.000Z",)"
            R"("earliest":"2026-11-23T08:00:00.000Z","place":null,"needs":{"memory_bytes":1024}})"),
      41, style);
  EXPECT_EQ(line, "headroom: waiting for 1 KiB memory, starts " +
                      show_time(1795420800, 1795417200) + "      00:41");
}

TEST(Run, NamesALeaseByItsCommand) {
  EXPECT_EQ(name_of("/opt/x/train me.sh"), "train-me.sh");
  EXPECT_EQ(default_name({"/usr/bin/python3.11", "-u", "dir/big.py", "--epochs", "3"}), "big.py");
  EXPECT_EQ(default_name({"python3", "-m", "torch.distributed"}), "torch.distributed");
  EXPECT_EQ(default_name({"sh", "-c", "make all"}), "sh");
  EXPECT_EQ(default_name({"./train", "data.bin"}), "train");
  EXPECT_EQ(name_of("a/"), "command");
}

TEST(Run, SaysPlaceAndTimeWhileItWaits) {
  EXPECT_EQ(waiting_line(parse(kWaiting), 41, Style{}),
            "headroom: waiting for 1.0 GiB memory, place 1, earliest unknown      00:41");
}

TEST(Run, PacksAStartAndRefusesOneThatIsCutOff) {
  const Start start{{"a", "", "b c"}, {{"X", "1=2"}}, "/tmp/o"};
  const auto bytes = pack_start(start);
  const auto back = unpack_start(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->argv, start.argv);
  EXPECT_EQ(back->environment, start.environment);
  EXPECT_EQ(back->output_path, start.output_path);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(unpack_start(bytes.substr(0, n)));
}

class RunProcess : public ::testing::Test {
 protected:
  Words words(Words more) {
    Words all{"run", "--url", daemon.url(), "--mem", "1G", "--name", "qwen"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  bool has(const std::string& method, const std::string& target) {
    for (const auto& one : daemon.asked()) {
      if (one.method == method && one.target == target) return true;
    }
    return false;
  }

  Folder folder;
  StandIn daemon{folder / "socket"};
};

TEST_F(RunProcess, ReturnsTheCommandsOwnCodeAndTellsTheDaemon) {
  Process run(folder, words({"--", "sh", "-c", "echo $HEADROOM_LEASE {lease}; exit 3"}));
  daemon.serve(generous);
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run.out(), "l-73 l-73\n");
  EXPECT_THAT(run.err(),
              AllOf(HasSubstr("headroom: lease qwen (l-73) on GPU 0 (GPU-5d1f…), 24.0 GiB"),
                    HasSubstr("headroom: qwen ended 3 after"), HasSubstr("peak 0.5 of 1.0 GiB")));
  bool told = false;
  for (const auto& one : daemon.asked()) {
    told = told || (one.method == "PATCH" && one.body == R"({"exit_status":3})");
  }
  EXPECT_TRUE(told);
}

TEST_F(RunProcess, BooksForThePidThatTheCommandHas) {
  Process run(folder, words({"-q", "--", "sh", "-c", "echo $$"}));
  daemon.serve(generous);
  EXPECT_EQ(run.wait(), 0);
  auto pid = run.out();
  pid.pop_back();
  EXPECT_THAT(daemon.asked().front().body, HasSubstr("\"holder\":{\"pid\":" + pid + "}"));
  EXPECT_THAT(daemon.asked().front().head, HasSubstr("Idempotency-Key: "));
  EXPECT_THAT(run.err(), IsEmpty());  // -q
}

TEST_F(RunProcess, DrawsFromTheLeaseItIsInside) {
  Process run(folder, words({"--", "true"}), {{"HEADROOM_LEASE", "l-70"}});
  daemon.serve(generous);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_THAT(daemon.asked().front().body, HasSubstr(R"("parent":"l-70")"));
}

TEST_F(RunProcess, TellsACommandThatIsNotThereFromOneThatCannotRun) {
  {
    Process run(folder, words({"--", "/no/such/command"}));
    daemon.serve(generous);
    EXPECT_EQ(run.wait(), 127);
    EXPECT_THAT(run.err(), HasSubstr("there is no such command"));
    EXPECT_FALSE(has("POST", "/api/v1/leases")) << "nothing is booked for what cannot run";
  }
  daemon.stop();
  daemon.listen_again();
  {
    // Only exec can tell that a script's interpreter is missing.
    const std::string script = folder / "script";
    std::ofstream(script) << "#!/no/such/interpreter\n";
    chmod(script.c_str(), 0755);
    Process run(folder, words({"--", script}));
    daemon.serve(generous);
    EXPECT_EQ(run.wait(), 127);
    EXPECT_TRUE(has("DELETE", "/api/v1/leases/l-73"));
  }
  daemon.stop();
  daemon.listen_again();
  std::ofstream(folder / "plain") << "no program\n";
  Process run(folder, words({"--", folder / "plain"}));
  daemon.serve(generous);
  EXPECT_EQ(run.wait(), 126);
}

TEST_F(RunProcess, Ends6WithTheFixWhenNoDaemonAnswers) {
  daemon.stop();
  Process run(folder, words({"--", "touch", folder / "touched"}));
  EXPECT_EQ(run.wait(), 6);
  EXPECT_THAT(run.err(), AllOf(HasSubstr("no daemon answers"),
                               HasSubstr("try: sudo systemctl start headroomd")));
  EXPECT_FALSE(std::filesystem::exists(folder / "touched"));
}

TEST_F(RunProcess, Ends3AndNamesTheLeaseInTheWayWhenItDoesNotFit) {
  Process run(folder, words({"--no-wait", "--", "touch", folder / "touched"}));
  daemon.serve([](const Asked&) {
    return Told{409,
                R"({"type":"/problems/insufficient-resources","title":"Not enough room",)"
                R"("detail":"1.0 GiB wanted.","in_the_way":[{"lease":"l-70","name":"render"}],)"
                R"("help":[{"do":"wait","text":"wait until 14:32"}]})"};
  });
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run.err(),
            "headroom: Not enough room\n  1.0 GiB wanted.\n  in the way: lease render (l-70)\n"
            "  try: wait until 14:32\n");
  EXPECT_THAT(daemon.asked().front().body, HasSubstr(R"("wait_seconds":0)"));
  EXPECT_FALSE(std::filesystem::exists(folder / "touched"));
}

TEST_F(RunProcess, WaitsInTheQueueAndStartsWhenGranted) {
  Process run(folder, words({"--", "echo", "hello"}));
  daemon.serve([](const Asked& asked) {
    if (asked.method == "POST") return Told{202, kWaiting};
    if (asked.target.find("?wait=") != std::string::npos) return Told{200, kGranted};
    return Told{200, kEnded};
  });
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hello\n");
  EXPECT_THAT(run.err(), HasSubstr("headroom: waiting for 1.0 GiB memory, place 1, earliest "
                                   "unknown; lease render (l-70) holds 6.0 GiB\n"));
}

/// Keeps whoever asks waiting until the test lets go, as a daemon's long poll does.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST_F(RunProcess, LeavesTheQueueAtAnInterrupt) {
  Process run(folder, words({"--", "touch", folder / "touched"}));
  // It outlives the test: the last question may come when that has ended.
  const auto gate = std::make_shared<Gate>();
  daemon.serve([gate](const Asked& asked) {
    if (asked.method == "POST") return Told{202, kWaiting};
    if (asked.method == "DELETE") {
      gate->open();
      return Told{200, kEnded};
    }
    gate->pass();
    return Told{200, kEnded};
  });
  ASSERT_TRUE(daemon.was_asked("GET", "/api/v1/leases/l-73?wait="));
  kill(-run.pid(), SIGINT);  // the whole group, as a terminal does
  EXPECT_EQ(run.wait(), 130);
  EXPECT_TRUE(has("DELETE", "/api/v1/leases/l-73"));
  EXPECT_FALSE(std::filesystem::exists(folder / "touched"));
}

TEST_F(RunProcess, Ends124WhenTheDaemonSaysThatTheTimeIsOver) {
  Process run(folder, words({"--wait", "1s", "--", "true"}));
  daemon.serve([](const Asked& asked) {
    return asked.method == "POST" ? Told{202, kWaiting} : Told{200, kEnded};
  });
  EXPECT_EQ(run.wait(), 124);
  EXPECT_THAT(run.err(), HasSubstr("did not fit within 1.0s"));
}

TEST_F(RunProcess, KeepsItsPlaceWhenTheDaemonGoesAndComesBack) {
  Process run(folder, words({"--", "echo", "hello"}));
  daemon.serve([](const Asked& asked) {
    if (asked.method == "POST") return Told{202, kWaiting};
    return Told{200, "", true};  // killed in the middle of the long poll
  });
  ASSERT_TRUE(daemon.was_asked("GET", "/api/v1/leases/l-73?wait="));
  daemon.stop();
  daemon.listen_again();
  daemon.serve([](const Asked& asked) {
    if (asked.target.find("?wait=") != std::string::npos) return Told{200, kGranted};
    return Told{200, kEnded};
  });
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "hello\n");
  EXPECT_THAT(run.err(), HasSubstr("the daemon does not answer; asking again"));
}

TEST_F(RunProcess, AsksAgainWithTheSameKeyWhenTheDaemonHasForgotten) {
  Process run(folder, words({"--", "true"}));
  std::atomic<int> posts{0};
  daemon.serve([&](const Asked& asked) {
    if (asked.method == "POST") return ++posts == 1 ? Told{202, kWaiting} : Told{201, kGranted};
    if (asked.target.find("?wait=") != std::string::npos) {
      return Told{404, R"({"type":"/problems/not-found","title":"No such lease"})"};
    }
    return Told{200, kEnded};
  });
  EXPECT_EQ(run.wait(), 0);
  std::vector<std::string> heads;
  for (const auto& one : daemon.asked()) {
    if (one.method == "POST") heads.push_back(one.head);
  }
  ASSERT_EQ(heads.size(), 2U);
  const auto key = [](const std::string& head) {
    const auto at = head.find("Idempotency-Key: ");
    return head.substr(at, head.find("\r\n", at) - at);
  };
  EXPECT_EQ(key(heads[0]), key(heads[1]));
}

TEST_F(RunProcess, PassesASignalThatItAloneGetsOnToTheCommand) {
  Process run(folder, words({"--", "sh", "-c",
                             "trap 'echo term; exit 7' TERM; touch " + (folder / "ready") +
                                 "; while :; do sleep 0.01; done"}));
  daemon.serve(generous);
  while (!std::filesystem::exists(folder / "ready")) std::this_thread::yield();
  kill(run.pid(), SIGTERM);
  EXPECT_EQ(run.wait(), 7);
  EXPECT_EQ(run.out(), "term\n");
}

TEST_F(RunProcess, Returns128AndTheSignalThatEndedTheCommand) {
  Process run(folder, words({"--", "sh", "-c", "kill -KILL $$"}));
  daemon.serve(generous);
  EXPECT_EQ(run.wait(), 137);
  EXPECT_THAT(run.err(), HasSubstr("was ended by signal 9"));
}

TEST_F(RunProcess, StopsAndContinuesWithTheCommand) {
  Process run(folder, words({"--", "sh", "-c",
                             "touch " + (folder / "ready") + "; kill -TSTP $$; echo back"}));
  daemon.serve(generous);
  int status = 0;
  ASSERT_EQ(waitpid(run.pid(), &status, WUNTRACED), run.pid());
  ASSERT_TRUE(WIFSTOPPED(status));  // so that a shell's job control sees it
  kill(-run.pid(), SIGCONT);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "back\n");
}

TEST_F(RunProcess, ReturnsTheCodeAlthoughTheDaemonIsGoneAtTheEnd) {
  Process run(folder, words({"--", "sh", "-c",
                             "touch " + (folder / "ready") + "; while [ -e " + (folder / "ready") +
                                 " ]; do sleep 0.01; done; exit 4"}));
  daemon.serve(generous);
  while (!std::filesystem::exists(folder / "ready")) std::this_thread::yield();
  daemon.stop();
  std::filesystem::remove(folder / "ready");
  EXPECT_EQ(run.wait(), 4);
  EXPECT_THAT(run.err(), AllOf(HasSubstr("qwen ended 4"), Not(HasSubstr("peak"))));
}

TEST_F(RunProcess, RunsDetachedWithItsOutputInAFile) {
  Process run(folder, words({"--detach", "--", "sh", "-c", "echo out; echo err >&2"}),
              {{"XDG_STATE_HOME", folder / "state"}});
  daemon.serve(generous);
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.out(), "l-73 " + (folder / "state/headroom/qwen-l-73.log") + "\n");
  ASSERT_TRUE(daemon.was_asked("GET", "/api/v1/leases/l-73"));
  const auto log = test::read_file(folder / "state/headroom/qwen-l-73.log");
  EXPECT_THAT(log,
              AllOf(HasSubstr("out\n"), HasSubstr("err\n"), HasSubstr("headroom: lease qwen")));
}

TEST_F(RunProcess, TellsTheCodeOfADetachedRunThatGotNoLease) {
  Process run(folder, words({"--detach", "--no-wait", "--", "true"}));
  daemon.serve([](const Asked&) {
    return Told{422, R"({"type":"/problems/can-never-fit","title":"Larger than the node"})"};
  });
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run.err(), "headroom: Larger than the node\n");
}

}  // namespace
}  // namespace headroom::cli
