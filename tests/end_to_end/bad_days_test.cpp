// Bad input and bad days: what the daemon refuses, what it lives with, and what it says.
#include "harness.hpp"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headroom::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uid_t kNobody = 65534;

// ---------------------------------------------------------------------------------- configuration

TEST(WrongConfiguration, IsToldWithItsPlaceAndStartsNothing) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"[sample\ninterval = 1", ":1"},
      {"[sample]\nintervall = \"1s\"", "did you mean sample.interval"},
      {"[presure]\ndwell = \"3s\"", "pressure.dwell"},
      {"[sample]\ninterval = \"10ms\"", "50ms to 1h"},
      {"[sample]\ninterval = \"1 fortnight\"", "sample.interval"},
      {"[state]\njournal = \"4 parsecs\"", "state.journal"},
      {"[http]\nconnections = \"many\"", "http.connections"},
      {"[http]\nlisten = \"somewhere\"", "http.listen"},
      {"[pressure]\nmemory = { warning = 90, critical = 80 }", "pressure.memory"},
      {std::string("\xff\xfe\0\x01", 4), "headroom.toml"}};
  for (const auto& [configuration, word] : mistakes) {
    TempFolder folder;
    write_text(folder.file("headroom.toml"), configuration);
    for (const bool check : {true, false}) {
      Words words{"--config", folder.file("headroom.toml"), "--socket", folder.file("s"),
                  "--state",  folder.file("state"),         "--listen", ""};
      if (check) words.emplace_back("--check");
      const auto outcome = headroomd(words);
      EXPECT_EQ(outcome.code, 2) << configuration << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr(word)) << configuration;
      EXPECT_NE(access(folder.file("s").c_str(), F_OK), 0);
      EXPECT_NE(access(folder.file("state").c_str(), F_OK), 0)
          << "something was made before it was read";
    }
  }
}

TEST(WrongConfiguration, IsToldAllAtOnce) {
  TempFolder folder;
  write_text(folder.file("headroom.toml"),
             "[sample]\nintervall = 1\nhistory = -1\n[log]\nlevel = \"loud\"\n");
  const auto outcome = headroomd({"--check", "--config", folder.file("headroom.toml")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(":2"), HasSubstr(":3"), HasSubstr(":5")));
}

TEST(WrongConfiguration, OfFlagsAndVariablesIsToldToo) {
  EXPECT_EQ(headroomd({"--sockett", "/tmp/x"}).code, 2);
  EXPECT_EQ(headroomd({"--check", "--config", "/no/such/file.toml"}).code, 2);
  EXPECT_EQ(headroomd({"--check", "--listen", "example.org:80"}).code, 2);
  StartOptions options;
  options.variables = {{"HEADROOM_SAMPLE__INTERVAL", "never"}};
  const auto outcome = headroomd({"--check"}, options);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("HEADROOM_SAMPLE__INTERVAL"));
}

TEST(WrongConfiguration, AtReloadLeavesTheOldOneInForce) {
  DaemonOptions options;
  options.configuration = "[pressure]\ndwell = \"7s\"\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const auto dwell = [&] {
    const auto config = daemon.get("/api/v1/config");
    for (const auto& item : list(config)) {
      if (text(item, "key") == "pressure.dwell")
        return client::write_json(*client::find(item, "value"));
    }
    return std::string();
  };
  const auto before = dwell();
  EXPECT_THAT(before, HasSubstr("7"));
  write_text(daemon.file("headroom.toml"), "[pressure]\ndwell = \"soon\"\n");
  daemon.program().signal(SIGHUP);
  EXPECT_TRUE(eventually([&] {
    return daemon.ask("GET", "/api/v1/events?type=daemon.reload").body.find("stays as it was") !=
           std::string::npos;
  }));
  EXPECT_EQ(dwell(), before);
  write_text(daemon.file("headroom.toml"), "[pressure]\ndwell = \"8s\"\n");
  daemon.program().signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return dwell().find('8') != std::string::npos; }));
}

// ------------------------------------------------------------------------------ sockets and ports

TEST(SecondDaemon, OnTheSameSocketIsRefusedAndHarmsNothing) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto second = headroomd({"--config", daemon.file("headroom.toml"), "--socket",
                                 daemon.socket(), "--state", daemon.file("other"), "--listen", ""});
  EXPECT_EQ(second.code, 1) << second.err;
  EXPECT_THAT(second.err,
              AllOf(HasSubstr(daemon.socket()), HasSubstr(std::to_string(daemon.pid()))));
  EXPECT_EQ(daemon.ask("GET", "/healthz").status, 200);
  const auto third = headroomd({"--config", daemon.file("headroom.toml"), "--socket",
                                daemon.file("s3"), "--state", daemon.state(), "--listen", ""});
  EXPECT_EQ(third.code, 1) << third.err;
  EXPECT_THAT(third.err, HasSubstr(daemon.state()));
  EXPECT_EQ(daemon.run({"run", "--mem", "1M", "--", "true"}).code, 0);
}

TEST(SecondDaemon, AfterADeathTakesTheSocketThatWasLeftBehind) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  daemon.kill_and_reap();
  EXPECT_EQ(access(daemon.socket().c_str(), F_OK), 0)
      << "nothing was left behind: this test tests nothing";
  EXPECT_TRUE(daemon.start());
}

TEST(SecondDaemon, OfManyThatStartAtOnceOneServesAndTheOthersSayWhy) {
  TempFolder folder;
  std::vector<std::unique_ptr<Program>> daemons;
  for (int i = 0; i < 8; ++i) {
    daemons.push_back(
        std::make_unique<Program>(Words{HEADROOM_DAEMON, "--socket", folder.file("s"), "--state",
                                        folder.file("state"), "--listen", ""}));
  }
  const auto running = [&] {
    return std::count_if(daemons.begin(), daemons.end(), [](auto& one) { return one->running(); });
  };
  EXPECT_TRUE(eventually([&] { return running() <= 1; }));
  EXPECT_EQ(running(), 1);
  const http::Url url{true, folder.file("s"), {}, 0};
  EXPECT_TRUE(eventually([&] { return http::Client::connect(url, kPatience).has_value(); }));
  auto client = http::Client::connect(url, kPatience);
  ASSERT_TRUE(client);
  const auto healthy = client->request("GET", "/healthz", {}, {}, kPatience);
  ASSERT_TRUE(healthy) << healthy.error().why;
  EXPECT_EQ(healthy->status, 200);
  for (auto& one : daemons) {
    if (one->running()) {
      one->signal(SIGTERM);
      EXPECT_EQ(one->finish().code, 0);
    } else {
      const auto outcome = one->finish();
      EXPECT_EQ(outcome.code, 1) << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr("headroomd: "));
    }
  }
}

TEST(TakenPort, IsWarnedOfAndTakenWhenItComesFree) {
  const int port = free_port();
  const auto address = "127.0.0.1:" + std::to_string(port);
  DaemonOptions options;
  options.listen = address;
  auto first = std::make_unique<Daemon>(options);
  ASSERT_TRUE(first->start());
  Daemon second(options);
  ASSERT_TRUE(second.start());
  EXPECT_TRUE(second.program().complains(address));
  EXPECT_EQ(second.run({"run", "--mem", "1M", "--", "true"}).code, 0);
  EXPECT_EQ(first->stop().code, 0);
  EXPECT_TRUE(eventually([&] {
    return second.ask("GET", "/api/v1/events").body.find("now also on " + address) !=
           std::string::npos;
  }));
  auto client = http::Client::connect(*http::Url::parse("http://" + address), kPatience);
  ASSERT_TRUE(client);
  const auto healthy = client->request("GET", "/healthz", {}, {}, kPatience);
  ASSERT_TRUE(healthy) << healthy.error().why;
  EXPECT_EQ(healthy->status, 200);
}

// ----------------------------------------------------------------------------------- who may what

TEST(OtherUsers, RunTheirOwnJobsAndTouchNobodyElses) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const int port = free_port();
  DaemonOptions options;
  options.listen = "127.0.0.1:" + std::to_string(port);
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  Program roots(job({"until", daemon.file("over")}));
  const auto holder = R"("holder":{"pid":)" + std::to_string(roots.pid()) + "}";
  ASSERT_EQ(daemon
                .ask("POST", "/api/v1/leases",
                     R"({"name":"roots","needs":{"memory_bytes":1048576},)" + holder + "}")
                .status,
            201);
  const auto id = text(daemon.lease("roots"), "id");
  for (const auto& url : {daemon.url(), "http://127.0.0.1:" + std::to_string(port)}) {
    StartOptions nobody;
    nobody.uid = kNobody;
    nobody.variables = {{"HEADROOM_URL", url}};
    const auto run = daemon.command(Words{"run", "--mem", "1M", "--name", "theirs", "--"} +
                                        job({"say", "up", "until", daemon.file("go")}),
                                    nobody);
    ASSERT_TRUE(run->says("up")) << url << run->err();
    EXPECT_EQ(whole(daemon.lease("theirs"), "uid"), kNobody) << url;
    EXPECT_EQ(daemon.run({"lease", "rm", id}, nobody).code, 5) << url;
    const auto steal = daemon.run(
        {"lease", "add", "mine", "--mem", "1M", "--pid", std::to_string(roots.pid())}, nobody);
    EXPECT_EQ(steal.code, 5) << url << steal.err;
    write_text(daemon.file("go"), "");
    EXPECT_EQ(run->finish().code, 0);
    EXPECT_TRUE(daemon.lease_ends("theirs"));
    std::filesystem::remove(daemon.file("go"));
  }
  EXPECT_EQ(text(daemon.lease("roots"), "id"), id);
}

TEST(ReadOnly, ADaemonAnswersAndChangesNothing) {
  DaemonOptions options;
  options.configuration = "[http]\nreadonly = true\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  EXPECT_EQ(daemon.run({}).code, 0);
  EXPECT_EQ(daemon.run({"run", "--mem", "1M", "--", "touch", daemon.file("ran")}).code, 5);
  EXPECT_NE(access(daemon.file("ran").c_str(), F_OK), 0);
  EXPECT_TRUE(list(daemon.get("/api/v1/leases?state=ended")).empty());
}

TEST(HungDaemon, IsWaitedForAsLongAsAskedAndFindsNoGhostAfterwards) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  daemon.program().signal(SIGSTOP);
  const auto list_all = daemon.run({"lease", "--timeout", "1s"});
  EXPECT_EQ(list_all.code, 6) << list_all.err;
  EXPECT_THAT(list_all.err, AllOf(HasSubstr("--timeout"), Not(HasSubstr("systemctl start"))));
  const auto run = daemon.run(
      {"run", "--mem", "1M", "--timeout", "1s", "--name", "j", "--", "touch", daemon.file("ran")});
  EXPECT_EQ(run.code, 6) << run.err;
  daemon.program().signal(SIGCONT);
  EXPECT_TRUE(daemon.lease_ends("j")) << "a request that was given up has left a lease";
  EXPECT_NE(access(daemon.file("ran").c_str(), F_OK), 0);
}

// On a machine with thirty that want each processor the daemon answered after more than five
// seconds, and jobs were not started for that.
TEST(HungDaemon, AJobWaitsForOneThatIsMerelyBusy) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  daemon.program().signal(SIGSTOP);
  const auto run = daemon.command(Words{"run", "--mem", "1M", "--name", "j", "--"} +
                                  job({"say", "through", "exit", "3"}));
  EXPECT_TRUE(eventually([&] { return run->err().find("asking again") != std::string::npos; }));
  EXPECT_TRUE(run->running());
  daemon.program().signal(SIGCONT);
  EXPECT_TRUE(run->says("through")) << run->err();
  EXPECT_EQ(run->finish().code, 3);
  EXPECT_TRUE(daemon.lease_ends("j"));
}

TEST(HungDaemon, OneThatIsAskedToEndDoesNotWaitForIt) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  daemon.program().signal(SIGSTOP);
  const auto run =
      daemon.command({"run", "--mem", "1M", "--name", "j", "--", "touch", daemon.file("ran")});
  EXPECT_TRUE(eventually([&] { return run->err().find("asking again") != std::string::npos; }));
  run->signal(SIGTERM);
  EXPECT_EQ(run->finish().code, 143);
  daemon.program().signal(SIGCONT);
  EXPECT_TRUE(daemon.lease_ends("j"));
  EXPECT_NE(access(daemon.file("ran").c_str(), F_OK), 0);
}

// ------------------------------------------------------------------------------- lacking machines

TEST(Unprivileged, ADaemonWorksAndSaysWhatItCannotDo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  DaemonOptions options;
  options.uid = kNobody;
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const auto node = daemon.get("/api/v1/node");
  EXPECT_EQ(text(node, "tier"), "none");
  EXPECT_FALSE(list(node, "cannot").empty());
  StartOptions nobody;
  nobody.uid = kNobody;
  const auto run =
      daemon.run(Words{"run", "--mem", "10M", "--"} + job({"say", "hello", "exit", "3"}), nobody);
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_EQ(run.out, "hello\n");
  const auto doctor = daemon.run({"doctor"}, nobody);
  EXPECT_THAT(doctor.out, HasSubstr("cgroup"));
}

TEST(LackingMachine, WithoutStallInformationAndGpuIsReadAndNamed) {
  DaemonOptions options;
  options.arguments = {"--root", HEADROOM_SOURCE_DIR "/tests/machines/no_pressure"};
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const auto snapshot = daemon.get("/api/v1/snapshot");
  EXPECT_EQ(client::find(snapshot, "stall.memory.some"), nullptr);
  EXPECT_TRUE(list(snapshot, "gpu").empty());
  EXPECT_THAT(daemon.ask("GET", "/api/v1/snapshot").body, HasSubstr("\"sensor\":\"stall\""));
  EXPECT_THAT(daemon.ask("GET", "/metrics").body, Not(HasSubstr("headroom_stall_ratio{")));
  const auto doctor = daemon.run({"doctor"});
  EXPECT_THAT(doctor.out, HasSubstr("stall"));
  EXPECT_EQ(daemon.run({"run", "--gpu-mem", "1G", "--", "true"}).code, 3);
  EXPECT_EQ(daemon.run({}).code, 0);
}

// -------------------------------------------------------------------------------- hostile clients

TEST(HostileClient, WithAnEndlessBodyIsRefusedAtOnce) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const int fd = connect_unix(daemon.socket());
  ASSERT_GE(fd, 0);
  ASSERT_TRUE(send_all(
      fd,
      "POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 1073741824\r\n\r\n{"));
  // Not after a while of waiting for the rest: that would be a 408.
  EXPECT_THAT(receive(fd, "\r\n\r\n"), HasSubstr(" 413 "));
  close(fd);
  const int chunks = connect_unix(daemon.socket());
  ASSERT_TRUE(send_all(
      chunks,
      "POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "10000\r\n" + std::string(65536, ' ') + "\r\n";
  for (int i = 0; i < 64 && send_all(chunks, chunk); ++i) {
  }
  EXPECT_THAT(receive(chunks, "\r\n\r\n"), AnyOf(HasSubstr(" 413 "), ::testing::IsEmpty()));
  close(chunks);
  EXPECT_LT(whole(daemon.get("/api/v1/node"), "own.memory_bytes").value_or(0), 64 * kMiB);
}

TEST(HostileClient, HundredsOfThemDoNotSlowTheOthersDown) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  std::vector<int> open;
  for (int i = 0; i < 300; ++i) {
    const int fd = connect_unix(daemon.socket());
    ASSERT_GE(fd, 0);
    constexpr const char* kSent[] = {
        "",                                                         // idle
        "GET /api/v1/room HTTP/1.1\r\nHos",                         // the rest never comes
        "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"};  // never read
    EXPECT_TRUE(send_all(fd, kSent[i % 3]));
    open.push_back(fd);
  }
  for (const std::string& garbage :
       {std::string("\0\0\0\0\r\n\r\n", 8), std::string("GET\r\n\r\n"),
        std::string("GET / HTTP/9.9\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        std::string(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        std::string("GET /") + std::string(100000, 'a'), std::string(70000, '\n'),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)}) {
    const int fd = connect_unix(daemon.socket());
    send_all(fd, garbage);
    shutdown(fd, SHUT_WR);
    EXPECT_THAT(receive(fd, "\r\n\r\n"),
                AnyOf(HasSubstr("HTTP/1.1 4"), HasSubstr("HTTP/1.1 505"), ::testing::IsEmpty()));
    close(fd);
  }
  std::vector<double> times;
  for (int i = 0; i < 50; ++i) {
    const double began = seconds();
    EXPECT_EQ(daemon.ask("GET", "/healthz").status, 200);
    times.push_back((seconds() - began) * 1000);
  }
  std::sort(times.begin(), times.end());
  std::printf("/healthz beside 300 bad connections: median %.2f ms, most %.2f ms\n", times[25],
              times.back());
  EXPECT_LT(times[25], 5000) << "half of what the server gives a header that never ends";
  for (const int fd : open) close(fd);
  EXPECT_EQ(daemon.run({"run", "--mem", "1M", "--", "true"}).code, 0);
}

TEST(HostileClient, APageOfTheWebIsRefused) {
  const int port = free_port();
  DaemonOptions options;
  options.listen = "127.0.0.1:" + std::to_string(port);
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const auto status = [&](const std::string& lines) {
    const int fd = connect_tcp(port);
    send_all(fd, "GET /api/v1/room HTTP/1.1\r\n" + lines + "Connection: close\r\n\r\n");
    const auto got = receive(fd, "\r\n");
    close(fd);
    return got.substr(0, 12);
  };
  const auto own = "Host: 127.0.0.1:" + std::to_string(port) + "\r\n";
  EXPECT_EQ(status(own), "HTTP/1.1 200");
  EXPECT_EQ(status("Host: evil.example\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(status("Host: 127.0.0.1.evil.example:" + std::to_string(port) + "\r\n"),
            "HTTP/1.1 403");
  EXPECT_EQ(status(own + "Origin: https://evil.example\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(status(own + "Origin: null\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(status(own + "Origin: http://127.0.0.1:" + std::to_string(port) + "\r\n"),
            "HTTP/1.1 200");
}

TEST(HostileClient, WrongDocumentsAreRefusedWithTheNameOfWhatIsWrong) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"{", ""},
      {"[]", ""},
      {R"({"name":"a","neds":{}})", "neds"},
      {R"({"name":"a","needs":{"memory_bytes":-1}})", "memory_bytes"},
      {R"({"name":"a","needs":{"memory_bytes":"6G"}})", "memory_bytes"},
      {R"({"name":"a","needs":{"memory_bytes":1e300}})", "memory_bytes"},
      {R"({"name":"a","needs":{"memory":1}})", "memory"},
      {R"({"name":"a","priority":"urgent","needs":{"memory_bytes":1}})", "priority"},
      {R"({"name":"a","holder":{"pid":-7},"needs":{"memory_bytes":1}})", "pid"},
      {std::string(100, '[') + std::string(100, ']'), ""}};
  for (const auto& [body, word] : bodies) {
    const auto answer = daemon.ask("POST", "/api/v1/leases", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_THAT(answer.body, AllOf(HasSubstr("/problems/"), HasSubstr(word))) << body;
  }
  EXPECT_TRUE(list(daemon.get("/api/v1/leases")).empty());
}

TEST(LostClient, ThatWaitedIsWithdrawn) {
  Daemon daemon(simulated_gpus("8GiB"));
  ASSERT_TRUE(daemon.start());
  Program first(job({"until", daemon.file("over")}));
  const std::string needs = R"("needs":{"gpu_memory_bytes":6442450944})";
  ASSERT_EQ(daemon
                .ask("POST", "/api/v1/leases",
                     R"({"name":"first",)" + needs + R"(,"holder":{"pid":)" +
                         std::to_string(first.pid()) + "}}")
                .status,
            201);
  Program second(job({"until", daemon.file("over")}));
  const auto waiting = daemon.ask("POST", "/api/v1/leases",
                                  R"({"name":"second","wait_seconds":null,)" + needs +
                                      R"(,"holder":{"pid":)" + std::to_string(second.pid()) + "}}");
  ASSERT_EQ(waiting.status, 202) << waiting.body;
  const auto id = text(waiting.json, "id");
  const auto sockets = [&] {
    std::size_t count = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(
             "/proc/" + std::to_string(daemon.pid()) + "/fd", ignored)) {
      const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
      count += target.starts_with("socket:") ? 1U : 0U;
    }
    return count;
  };
  ASSERT_TRUE(eventually([&] { return sockets() == 1; })) << "more than the one that listens";
  std::vector<int> open;
  for (int i = 0; i < 50; ++i) {
    open.push_back(connect_unix(daemon.socket()));
    ASSERT_TRUE(send_all(open.back(), "GET /api/v1/leases/" + id +
                                          "?wait=600s HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  }
  EXPECT_TRUE(eventually([&] { return sockets() == 51; }));
  for (const int fd : open) close(fd);
  EXPECT_TRUE(eventually([&] { return sockets() == 1; }))
      << "connections of lost clients are kept: " << sockets() - 1;
  EXPECT_EQ(text(daemon.lease("second"), "state"), "waiting") << "its holder lives";
  second.kill_and_reap();
  EXPECT_TRUE(daemon.lease_ends("second"));
}

// -------------------------------------------------------------------------------------- bad disks

TEST(BadDisk, AStateThatCannotBeMadeIsToldAtTheStart) {
  TempFolder folder;
  write_text(folder.file("file"), "");
  const auto outcome = headroomd(
      {"--socket", folder.file("s"), "--state", folder.file("file") + "/state", "--listen", ""});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(folder.file("file")), HasSubstr("--state")));
  EXPECT_NE(access(folder.file("s").c_str(), F_OK), 0);
  if (geteuid() != 0) return;
  chmod(folder.path().c_str(), 0755);
  StartOptions nobody;
  nobody.uid = kNobody;
  const auto forbidden = headroomd(
      {"--socket", "/tmp/headroom-e2e-nobody.sock", "--state", folder.file("mine"), "--listen", ""},
      nobody);
  EXPECT_EQ(forbidden.code, 1) << forbidden.err;
  EXPECT_THAT(forbidden.err, AllOf(HasSubstr(folder.file("mine")), HasSubstr("ermission denied")));
}

/// Starts a daemon with its state on a file system mounted with `options`, in a mount namespace of
/// its own: the mount goes with it.
Outcome headroomd_on(const std::string& options, const TempFolder& folder) {
  mkdir(folder.file("small").c_str(), 0755);
  return Program({"unshare", "-m", "sh", "-c",
                  "mount -t tmpfs -o \"$3\" none \"$1\" || exit 77\n"
                  "exec \"$0\" --socket \"$2\" --state \"$1/state\" --listen ''",
                  HEADROOM_DAEMON, folder.file("small"), folder.file("s"), options})
      .finish();
}

TEST(BadDisk, AFullOneIsToldAtTheStart) {
  TempFolder folder;
  const auto outcome = headroomd_on("size=64k", folder);
  if (outcome.code == 77) GTEST_SKIP() << "no file system can be mounted here: " << outcome.err;
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(folder.file("small")), HasSubstr("No space left")));
}

TEST(BadDisk, AReadOnlyOneIsToldAtTheStart) {
  TempFolder folder;
  const auto outcome = headroomd_on("ro", folder);
  if (outcome.code == 77) GTEST_SKIP() << "no file system can be mounted here: " << outcome.err;
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr(folder.file("small")), HasSubstr("Read-only"), HasSubstr("--state")));
}

class Journal : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(daemon_.start());
    for (int i = 0; i < 6; ++i) {
      holders_.push_back(std::make_unique<Program>(job({"until", daemon_.file("over")})));
      const auto body = R"({"name":"h)" + std::to_string(i) +
                        R"(","needs":{"memory_bytes":1048576},"holder":{"pid":)" +
                        std::to_string(holders_.back()->pid()) + "}}";
      ASSERT_EQ(daemon_.ask("POST", "/api/v1/leases", body).status, 201);
    }
    daemon_.kill_and_reap();
    for (const char* name : {"journal.0", "journal.1"}) {
      const auto bytes = read_text(daemon_.state() + "/" + name);
      if (bytes.find("h5") != std::string::npos) {
        path_ = daemon_.state() + "/" + name;
        bytes_ = bytes;
      }
    }
    ASSERT_FALSE(path_.empty()) << "no journal names the last lease";
  }
  void put_back() const { write_text(path_, bytes_); }
  std::size_t living() {
    const auto all = daemon_.get("/api/v1/leases");
    return list(all).size();
  }

  Daemon daemon_;
  std::vector<std::unique_ptr<Program>> holders_;
  std::string path_;
  std::string bytes_;
};

TEST_F(Journal, WithAFlippedByteKeepsTheRestAndSaysSo) {
  bytes_[bytes_.find("h2")] ^= 0x20;
  put_back();
  ASSERT_TRUE(daemon_.start());
  EXPECT_GE(living(), 5U);
  EXPECT_EQ(text(daemon_.lease("h5"), "name"), "h5");
  EXPECT_TRUE(daemon_.program().complains("journal"));
  EXPECT_THAT(daemon_.ask("GET", "/api/v1/events?type=daemon.journal").body, HasSubstr(path_));
}

TEST_F(Journal, WithATornTailKeepsTheRestAndSaysSo) {
  const auto last = bytes_.rfind("h5");
  std::fill(bytes_.begin() + static_cast<std::ptrdiff_t>(last), bytes_.end(), '\0');
  put_back();
  ASSERT_TRUE(daemon_.start());
  EXPECT_GE(living(), 5U);
  EXPECT_EQ(text(daemon_.lease("h4"), "name"), "h4");
  EXPECT_THAT(daemon_.ask("GET", "/api/v1/events?type=daemon.journal").body, HasSubstr(path_));
  EXPECT_EQ(daemon_.run({"run", "--mem", "1M", "--", "true"}).code, 0);
}

TEST_F(Journal, OfGarbageIsNotUsedButSaidAndTheDaemonWorks) {
  for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<char>(i * 31 + 7);
  put_back();
  daemon_.launch();
  if (daemon_.serves()) {
    EXPECT_THAT(daemon_.ask("GET", "/api/v1/events?type=daemon.journal").body,
                HasSubstr("journal"));
    EXPECT_EQ(daemon_.run({"run", "--mem", "1M", "--", "true"}).code, 0);
  } else {
    ADD_FAILURE() << daemon_.program().err();
  }
}

/// CRC-32 as zlib computes it, bit by bit.
std::uint32_t crc32_of(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

TEST_F(Journal, OfANewerVersionIsLeftAloneAndTheStartRefused) {
  // The header: 16 bytes of magic, version, its sum with this field 0, generation, 40 of boot id.
  constexpr std::size_t kVersionAt = 16;
  constexpr std::size_t kSumAt = 20;
  constexpr std::size_t kHeader = 72;
  auto header = bytes_.substr(0, kHeader);
  std::uint32_t sum = 0;
  std::memcpy(&sum, header.data() + kSumAt, 4);
  header.replace(kSumAt, 4, 4, '\0');
  ASSERT_EQ(crc32_of(header), sum)
      << "the journal's header has another shape than this test thinks";
  const std::uint32_t newer = 99;
  std::memcpy(header.data() + kVersionAt, &newer, 4);
  sum = crc32_of(header);
  std::memcpy(header.data() + kSumAt, &sum, 4);
  bytes_.replace(0, kHeader, header);
  put_back();
  daemon_.launch();
  const auto outcome = daemon_.program().finish();
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("newer"), HasSubstr("99")));
  EXPECT_EQ(read_text(path_), bytes_) << "it was changed";
}

// ------------------------------------------------------------------------------------------- time

TEST(Clock, ThatJumpsChangesNoLeaseAndNoDeadline) {
  const std::string library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
  if (access(library.c_str(), R_OK) != 0) GTEST_SKIP() << "libfaketime is not installed";
#ifdef HEADROOM_SANITIZED
  GTEST_SKIP() << "a sanitizer wants to be the first library, as libfaketime does";
#endif
  DaemonOptions options = simulated_gpus("8GiB");
  options.configuration = "[sample]\ninterval = \"50ms\"\n";
  Daemon daemon(options);
  write_text(daemon.file("time"), "+0\n");
  daemon.options().variables.insert({{"LD_PRELOAD", library},
                                     {"FAKETIME_TIMESTAMP_FILE", daemon.file("time")},
                                     {"FAKETIME_NO_CACHE", "1"},
                                     {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}});
  ASSERT_TRUE(daemon.start());
  const auto year = [&] { return text(daemon.get("/api/v1/room"), "at").substr(0, 4); };
  const auto book = [&](const char* name, const char* more) {
    const auto answer = daemon.ask(
        "POST", "/api/v1/leases",
        std::string(R"({"name":")") + name + R"(","needs":{"memory_bytes":1048576},)" + more + "}");
    EXPECT_EQ(answer.status, 201) << answer.body;
  };
  Program holder(job({"until", daemon.file("over")}));
  book("held",
       (R"("for_seconds":3600,"holder":{"pid":)" + std::to_string(holder.pid()) + "}").c_str());
  book("hour", R"("holder":{"pid":null},"ttl_seconds":3600)");
  for (const char* jump : {"+4000d", "-4000d"}) {
    const auto before = year();
    write_text(daemon.file("time"), std::string(jump) + "\n");
    if (!eventually([&] { return year() != before; }, 20s))
      GTEST_SKIP() << "libfaketime does not reach this program";
    const auto sample = whole(daemon.get("/api/v1/snapshot"), "sample").value_or(0);
    EXPECT_TRUE(eventually([&] {
      return whole(daemon.get("/api/v1/snapshot"), "sample").value_or(0) >= sample + 3;
    })) << "samples stopped after "
        << jump;
    EXPECT_EQ(text(daemon.lease("held"), "name"), "held") << jump;
    EXPECT_EQ(text(daemon.lease("hour"), "name"), "hour") << jump;
    EXPECT_EQ(daemon.ask("GET", "/readyz").status, 200) << jump;
    EXPECT_EQ(daemon.run({"run", "--mem", "1M", "--", "true"}).code, 0) << jump;
  }
  book("second", R"("holder":{"pid":null},"ttl_seconds":1)");
  EXPECT_TRUE(daemon.lease_ends("second")) << "a deadline did not come";
}

}  // namespace
}  // namespace headroom::end_to_end
