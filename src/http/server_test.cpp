#include "http/server.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "http/testing.hpp"

namespace headroom::http {
namespace {

using std::chrono::milliseconds;
using ::testing::AnyOf;
using ::testing::Eq;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Raw;
using testing::Served;
using testing::TempDir;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Answers with what it was asked.
void mirror(const Request& request, Reply reply) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::string(request.method_text) + " " + std::string(request.target) + " " +
                  std::string(request.body);
  reply.send(response);
}

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

TEST(Server, AnswersManyRequestsOnOneConnection) {
  Served served(mirror);
  for (const bool over_tcp : {false, true}) {
    Raw raw = over_tcp ? Raw::tcp(served.port()) : Raw::unix_socket(served.path());
    for (int i = 0; i < 100; ++i) {
      const auto answer = raw.ask(get("/" + std::to_string(i)));
      ASSERT_EQ(answer.status, 200);
      ASSERT_EQ(answer.body, "GET /" + std::to_string(i) + " ");
    }
  }
  EXPECT_EQ(served.counters().accepted, 2U);
  EXPECT_EQ(served.counters().requests, 200U);
}

TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  Served served(mirror);
  Raw raw = Raw::unix_socket(served.path());
  std::string all;
  for (int i = 0; i < 500; ++i) all += get("/" + std::to_string(i));
  raw.say(all);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(raw.hear().body, "GET /" + std::to_string(i) + " ");
}

TEST(Server, KeepsPipelinedRequestsBackUntilTheOneBeforeIsAnswered) {
  std::vector<Reply> waiting;
  Served served([&](const Request& request, Reply reply) {
    if (request.path == "/slow") {
      waiting.push_back(reply);
    } else {
      mirror(request, reply);
    }
  });
  Raw raw = Raw::unix_socket(served.path());
  raw.say(get("/slow") + get("/1") + get("/2"));
  ASSERT_TRUE(eventually([&] { return served.counters().requests == 1; }));
  raw.say(get("/3"));
  served.on_loop([&] { EXPECT_TRUE(waiting.at(0).send(200, "text/plain", "slow")); });
  EXPECT_EQ(raw.hear().body, "slow");
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(raw.hear().body, "GET /" + std::to_string(i) + " ");
}

TEST(Server, JoinsAChunkedBody) {
  Served served(mirror);
  Raw raw = Raw::unix_socket(served.path());
  const auto answer = raw.ask(
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_EQ(answer.body, "POST /c hello world");
  EXPECT_EQ(raw.ask(kGet).status, 200);
}

TEST(Server, TakesABodyThatArrivesInManyPieces) {
  Served served(mirror);
  Raw raw = Raw::tcp(served.port());
  const std::string body(300000, 'b');
  raw.say("PUT /big HTTP/1.1\r\nHost: h\r\nContent-Le");
  ASSERT_TRUE(eventually([&] { return served.counters().accepted == 1; }));
  raw.say("ngth: 300000\r\n\r\n");
  raw.say(body);
  EXPECT_EQ(raw.hear().body, "PUT /big " + body);
}

TEST(Server, RefusesAGigabyteAtOnceWithoutReadingIt) {
  Served served(mirror);
  Raw raw = Raw::tcp(served.port());
  const auto answer = raw.ask("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_THAT(answer.body, HasSubstr(R"("type":"/problems/invalid-request")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("status":413)"));
  EXPECT_TRUE(raw.ended());
  EXPECT_EQ(served.counters().too_large, 1U);
  EXPECT_EQ(served.counters().requests, 0U);
}

TEST(Server, RefusesAnEndlessChunkedBody) {
  Served served(mirror);
  Raw raw = Raw::tcp(served.port());
  raw.say("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  for (int i = 0; i < 17; ++i) raw.say(chunk);
  EXPECT_EQ(raw.hear().status, 413);
}

TEST(Server, RefusesAFloodOfHeaders) {
  Served served(mirror);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 70; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(Raw::unix_socket(served.path()).ask(many + "\r\n").status, 431);
  const std::string large = "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(20000, 'x');
  EXPECT_EQ(Raw::unix_socket(served.path()).ask(large).status, 431);
  EXPECT_EQ(Raw::unix_socket(served.path()).ask("GET /" + std::string(20000, 'x')).status, 414);
  EXPECT_EQ(Raw::unix_socket(served.path()).ask(get("/" + std::string(9000, 'x'))).status, 414);
  EXPECT_EQ(served.counters().too_large, 4U);
}

TEST(Server, RefusesGarbageAndTwoWaysToReadALength) {
  Served served(mirror);
  const std::vector<std::pair<std::string, int>> cases = {
      {"\x16\x03\x01\x02", 400},        // a TLS hello, not even a whole one
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    Raw raw = Raw::unix_socket(served.path());
    const auto answer = raw.ask(bytes);
    EXPECT_EQ(answer.status, status) << bytes;
    EXPECT_THAT(answer.body, HasSubstr("\"detail\":")) << bytes;
    EXPECT_TRUE(raw.ended()) << bytes;
  }
  EXPECT_EQ(served.counters().bad_requests, cases.size());
  EXPECT_EQ(served.counters().requests, 0U);
  EXPECT_EQ(Raw::unix_socket(served.path()).ask(kGet).status, 200);
}

TEST(Server, TimesOutASlowHeaderAndASlowBody) {
  Limits limits;
  limits.header_time = limits.body_time = milliseconds(60);
  Served served(mirror, limits);
  Raw header = Raw::tcp(served.port());
  EXPECT_EQ(header.ask("GET / HTTP/1.1\r\nHo").status, 408);
  EXPECT_TRUE(header.ended());
  Raw body = Raw::tcp(served.port());
  EXPECT_EQ(body.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab").status, 408);
  EXPECT_EQ(served.counters().timeouts, 2U);
}

TEST(Server, DripsDoNotExtendTheTimeOfAHeader) {
  Limits limits;
  limits.header_time = milliseconds(100);
  Served served(mirror, limits);
  Raw raw = Raw::unix_socket(served.path());
  raw.say("GET / HTTP/1.1\r\n");
  const bool refused = eventually([&] {
    raw.say("a: b\r\n");
    return served.counters().timeouts == 1;
  });
  EXPECT_TRUE(refused);
}

TEST(Server, ClosesAConnectionThatIsIdleForLong) {
  Limits limits;
  limits.idle_time = milliseconds(40);
  Served served(mirror, limits);
  std::optional<Raw> used;
  std::optional<Raw> fresh;
  // While the loop stands still: its time as an idle one begins when its request is there.
  served.on_loop([&] {
    used.emplace(Raw::tcp(served.port()));
    used->say(kGet);
    fresh.emplace(Raw::tcp(served.port()));
  });
  EXPECT_EQ(used->hear().status, 200);
  EXPECT_TRUE(used->ended());
  EXPECT_TRUE(fresh->ended());
}

TEST(Server, DoesNotCloseAWaitingRequestForBeingIdle) {
  Limits limits;
  limits.idle_time = milliseconds(20);
  std::vector<Reply> waiting;
  Served served([&](const Request&, Reply reply) { waiting.push_back(reply); }, limits);
  std::optional<Raw> raw;
  served.on_loop([&] {  // which stands still meanwhile: it is no idle one before it has asked
    raw.emplace(Raw::tcp(served.port()));
    raw->say(kGet);
  });
  ASSERT_TRUE(eventually([&] { return served.counters().requests == 1; }));
  Raw idle = Raw::tcp(served.port());
  EXPECT_TRUE(idle.ended());  // came later and is gone: so the waiting one has outlived the limit
  served.on_loop([&] { waiting.at(0).send(200, {}, "late"); });
  EXPECT_EQ(raw->hear().body, "late");
}

TEST(Server, StreamsInChunksAndServesTheNextRequestAfterwards) {
  Stream stream;
  Served served([&](const Request& request, Reply reply) {
    if (request.path != "/stream") return mirror(request, reply);
    stream = reply.open_stream(200, "text/event-stream");
    EXPECT_TRUE(stream.write("one "));
    EXPECT_TRUE(stream.write(""));
  });
  Raw raw = Raw::unix_socket(served.path());
  raw.say(get("/stream") + get("/next"));
  ASSERT_TRUE(raw.hear_until("one "));
  served.on_loop([&] {
    EXPECT_TRUE(stream.write("two"));
    EXPECT_TRUE(stream.close());
    EXPECT_FALSE(stream.close());
    EXPECT_FALSE(stream.write("three"));
  });
  EXPECT_EQ(raw.hear().body, "one two");
  EXPECT_EQ(raw.hear().body, "GET /next ");
}

TEST(Server, StreamsToAnOldClientUntilTheEnd) {
  Served served([&](const Request&, Reply reply) {
    Stream stream = reply.open_stream(200, "text/plain");
    stream.write("all of it");
    stream.close();
  });
  const std::string heard = [&] {
    Raw raw = Raw::unix_socket(served.path());
    raw.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    return raw.hear_all();
  }();
  EXPECT_THAT(heard, HasSubstr("\r\n\r\nall of it"));
  EXPECT_THAT(heard, Not(HasSubstr("chunked")));
}

TEST(Server, DropsAStreamWhoseReaderIsTooSlow) {
  Limits limits;
  limits.stream_pending = 64 << 10;
  Stream stream;
  std::atomic<int> gone = 0;
  Served served(
      [&](const Request&, Reply reply) {
        reply.on_gone([&] { ++gone; });
        stream = reply.open_stream(200, "text/event-stream");
      },
      limits);
  Raw raw = Raw::unix_socket(served.path());
  raw.say(kGet);
  ASSERT_TRUE(raw.hear_until("\r\n\r\n"));
  const std::string piece(16 << 10, 'x');
  int written = 0;
  ASSERT_TRUE(eventually([&] {
    bool open = true;
    served.on_loop([&] { open = stream.write(piece); });
    written += open ? 1 : 0;
    return !open;
  }));
  EXPECT_LT(written, 1000);
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
  EXPECT_EQ(served.counters().slow_streams_dropped, 1U);
  EXPECT_EQ(served.counters().open_now, 0U);
}

TEST(Server, GivesUpAnAnswerThatNobodyReads) {
  Limits limits;
  limits.write_time = milliseconds(60);
  const std::string large(8 << 20, 'x');
  Served served([&](const Request&, Reply reply) { reply.send(200, {}, large); }, limits);
  Raw raw = Raw::unix_socket(served.path());
  raw.say(kGet);
  EXPECT_TRUE(eventually([&] { return served.counters().timeouts == 1; }));
  EXPECT_EQ(served.counters().open_now, 0U);
}

TEST(Server, SendsALargeAnswerWholeAndThenTheNext) {
  std::string large(5 << 20, 'x');
  large += "end";
  Served served([&](const Request&, Reply reply) { reply.send(200, {}, large); });
  Raw raw = Raw::unix_socket(served.path());
  raw.say(std::string(kGet) + std::string(kGet));
  EXPECT_TRUE(raw.hear().body == large);
  EXPECT_TRUE(raw.hear().body == large);
}

TEST(Server, NoticesAClientThatGoesWhileItWaits) {
  for (const bool pipelines : {false, true}) {
    std::atomic<int> gone = 0;
    Reply reply_kept;
    Served served([&](const Request&, Reply reply) {
      EXPECT_TRUE(reply.on_gone([&] { ++gone; }));
      reply_kept = reply;
    });
    Raw raw = Raw::unix_socket(served.path());
    raw.say(kGet);
    // More than is ever read ahead: the end lies behind bytes that nobody reads.
    if (pipelines) {
      raw.say("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" +
              std::string(100000, 'b'));
    }
    ASSERT_TRUE(eventually([&] { return served.counters().requests == 1; }));
    EXPECT_EQ(gone, 0);
    raw.hang_up();
    EXPECT_TRUE(eventually([&] { return gone == 1; }));
    served.on_loop([&] {
      EXPECT_FALSE(reply_kept.waiting());
      EXPECT_FALSE(reply_kept.send(200, {}, "too late"));
      EXPECT_FALSE(reply_kept.on_gone([] {}));
      EXPECT_FALSE(reply_kept.open_stream(200, {}).open());
    });
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(served.counters().open_now, 0U);
  }
}

TEST(Server, NoticesATcpClientThatGoesWhileItWaits) {
  std::atomic<int> gone = 0;
  Served served([&](const Request&, Reply reply) { reply.on_gone([&] { ++gone; }); });
  Raw raw = Raw::tcp(served.port());
  raw.say(kGet);
  ASSERT_TRUE(eventually([&] { return served.counters().requests == 1; }));
  raw.hang_up();
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
}

TEST(Server, ReadsOnAfterMoreThanItReadsAhead) {
  Reply first;
  Served served([&](const Request& request, Reply reply) {
    if (request.path == "/a") {
      first = reply;
    } else {
      reply.send(200, {}, std::to_string(request.body.size()));
    }
  });
  Raw raw = Raw::unix_socket(served.path());
  raw.say(kGet);
  std::thread sender([&] {
    raw.say("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n" +
            std::string(900000, 'b'));
  });
  ASSERT_TRUE(eventually([&] { return served.counters().requests == 1; }));
  served.on_loop([&] { first.send(200, {}, "first"); });
  sender.join();
  EXPECT_EQ(raw.hear().body, "first");
  EXPECT_EQ(raw.hear().body, "900000");
}

TEST(Server, AnswersOnlyOnce) {
  Served served([](const Request&, Reply reply) {
    EXPECT_TRUE(reply.waiting());
    EXPECT_TRUE(reply.send(200, {}, "first"));
    EXPECT_FALSE(reply.waiting());
    EXPECT_FALSE(reply.send(200, {}, "second"));
  });
  Raw raw = Raw::unix_socket(served.path());
  EXPECT_EQ(raw.ask(kGet).body, "first");
  EXPECT_EQ(raw.ask(kGet).body, "first");
}

TEST(Server, AHandleOutlivesTheServer) {
  Reply kept;
  std::atomic<bool> gone = false;
  auto served = std::make_unique<Served>([&](const Request&, Reply reply) {
    reply.on_gone([&] { gone = true; });
    kept = reply;
  });
  Raw raw = Raw::unix_socket(served->path());
  raw.say(kGet);
  ASSERT_TRUE(eventually([&] { return served->counters().requests == 1; }));
  served.reset();  // before the client, whose end it would notice
  EXPECT_FALSE(kept.send(200, {}, "nobody is there"));
  EXPECT_FALSE(gone);
}

TEST(Server, AnswersAnExceptionWith500AndGoesOn) {
  Served served([](const Request&, Reply) { throw std::runtime_error("broken"); });
  Raw raw = Raw::unix_socket(served.path());
  EXPECT_EQ(raw.ask(kGet).status, 500);
  EXPECT_EQ(raw.ask(kGet).status, 500);
}

TEST(Server, AnswersHeadWithoutABody) {
  Served served(mirror);
  Raw raw = Raw::unix_socket(served.path());
  raw.say("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto answer = raw.hear(true);
  EXPECT_EQ(answer.header("Content-Length"), "8");
  EXPECT_EQ(raw.ask(kGet).body, "GET /a ");
}

TEST(Server, StreamsNothingAfterHead) {
  Served served([](const Request& request, Reply reply) {
    Stream stream = reply.open_stream(200, "text/event-stream");
    EXPECT_EQ(stream.open(), request.method != Method::head);
    stream.close();
  });
  Raw raw = Raw::unix_socket(served.path());
  raw.say("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(raw.hear(true).status, 200);
  EXPECT_EQ(raw.ask(kGet).status, 200);
}

TEST(Server, AsksForTheBodyWhenTheClientWaitsForThat) {
  Served served(mirror);
  Raw raw = Raw::unix_socket(served.path());
  raw.say("POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  ASSERT_TRUE(raw.hear_until("HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(raw.ask("body").body, "POST /e body");
}

TEST(Server, ClosesWhenTheClientWantsItOrIsOld) {
  Served served(mirror);
  Raw closes = Raw::tcp(served.port());
  const auto answer = closes.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(closes.ended());
  Raw old = Raw::tcp(served.port());
  EXPECT_EQ(old.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.ended());
  Raw stays = Raw::tcp(served.port());
  const std::string keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(stays.ask(keep).header("Connection"), "keep-alive");
  EXPECT_EQ(stays.ask(keep).status, 200);
}

TEST(Server, AnswersAClientThatHasClosedItsSendingSide) {
  Served served(mirror);
  Raw raw = Raw::tcp(served.port());
  raw.say(kGet);
  ::shutdown(raw.fd(), SHUT_WR);
  EXPECT_EQ(raw.hear().status, 200);
}

TEST(Server, AddsItsOwnHeadersAndLetsNoValueEndItsLine) {
  Served served([](const Request&, Reply reply) {
    Response response;
    response.headers = {{"X-Evil", "a\r\nX-Injected: b"}};
    reply.send(response);
  });
  served.on_loop([&] {
    served.server().set_header("X-Node", "old");
    served.server().set_header("x-node", "box");
  });
  const auto answer = Raw::unix_socket(served.path()).ask(kGet);
  EXPECT_EQ(answer.header("X-Node"), "box");
  EXPECT_EQ(answer.header("X-Injected"), "");
  EXPECT_EQ(answer.header("X-Evil"), "a  X-Injected: b");
}

TEST(Server, RefusesConnectionsOverItsLimitAndTakesThemAgainLater) {
  Limits limits;
  limits.connections = 2;
  Served served(mirror, limits);
  Raw first = Raw::unix_socket(served.path());
  Raw second = Raw::unix_socket(served.path());
  EXPECT_EQ(first.ask(kGet).status, 200);
  EXPECT_EQ(second.ask(kGet).status, 200);
  Raw third = Raw::tcp(served.port());
  const auto answer = third.ask(kGet);
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("/problems/too-many-requests"));
  EXPECT_TRUE(third.ended());
  EXPECT_EQ(served.counters().refused_full, 1U);
  second.hang_up();
  ASSERT_TRUE(eventually([&] { return served.counters().open_now < 2; }));
  EXPECT_EQ(Raw::tcp(served.port()).ask(kGet).status, 200);
}

TEST(Server, PausesInsteadOfSpinningWhenDescriptorsRunOut) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  // Its check of types opens a pipe, and takes having none for a wrong type.
  GTEST_SKIP() << "the sanitizer needs descriptors of its own";
#endif
#endif
  // In a child: the limit is a process's own.
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 1;
    {
      Served served(mirror);
      Raw before = Raw::unix_socket(served.path());
      Raw waiting = Raw::unix_socket(served.path());
      const bool both = eventually([&] { return served.counters().open_now == 2; });
      // Sockets made now, connected only when no descriptor is left to accept them with.
      const rlimit old = [] {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        return limit;
      }();
      const int late = ::socket(AF_UNIX, SOCK_STREAM, 0);
      rlimit none = old;
      none.rlim_cur = 3;
      ::setrlimit(RLIMIT_NOFILE, &none);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      served.path().copy(address.sun_path, sizeof address.sun_path - 1);
      const bool connected =
          ::connect(late, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
      const bool counted = eventually([&] { return served.counters().accept_errors >= 1; });
      const auto few = served.counters().accept_errors;
      const bool serves = before.ask(kGet).status == 200;
      ::setrlimit(RLIMIT_NOFILE, &old);
      const bool taken = eventually([&] { return served.counters().open_now == 3; });
      if (both && connected && counted && few < 100 && serves && taken) result = 0;
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Server, DropsIdleConnectionsOnlyAndStopsListening) {
  std::vector<Reply> waiting;
  Served served([&](const Request& request, Reply reply) {
    if (request.path == "/wait") {
      waiting.push_back(reply);
    } else {
      mirror(request, reply);
    }
  });
  Raw idle = Raw::unix_socket(served.path());
  EXPECT_EQ(idle.ask(kGet).status, 200);
  Raw busy = Raw::unix_socket(served.path());
  busy.say(get("/wait"));
  ASSERT_TRUE(eventually([&] { return served.counters().requests == 2; }));
  served.on_loop([&] {
    served.server().stop_listening();
    served.server().drop_idle();
  });
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(std::filesystem::exists(served.path()));
  served.on_loop([&] { waiting.at(0).send(200, {}, "still here"); });
  EXPECT_EQ(busy.hear().body, "still here");
}

TEST(Server, KnowsItsPeers) {
  Served served([](const Request& request, Reply reply) {
    const Peer& peer = request.peer();
    reply.send(200, {},
               std::to_string(peer.unix_socket) + std::to_string(peer.known) + " " +
                   std::to_string(peer.uid) + " " + std::to_string(peer.pid));
  });
  EXPECT_EQ(Raw::unix_socket(served.path()).ask(kGet).body,
            "11 " + std::to_string(::getuid()) + " " + std::to_string(::getpid()));
  EXPECT_EQ(Raw::tcp(served.port()).ask(kGet).body, "01 " + std::to_string(::getuid()) + " 0");
}

TEST(Server, KnowsNotWhoATcpPeerIsWhenNobodyHoldsItsSocketAnyMore) {
  // The kernel shows such a socket as root's: it must not become root's request.
  std::promise<Reply> came;
  std::promise<void> look;
  std::promise<bool> known;
  Served served([&](const Request& request, Reply reply) {
    came.set_value(reply);
    look.get_future().wait();
    known.set_value(request.peer().known);
  });
  Raw raw = Raw::tcp(served.port());
  raw.say(kGet);
  came.get_future().wait();
  raw.hang_up();
  look.set_value();
  EXPECT_FALSE(known.get_future().get());
}

TEST(Server, TakesOverASocketThatListensAlready) {
  Served served(mirror);
  TempDir dir;
  served.on_loop([&] {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir / "given").copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);  // blocking, as it may be given
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(fd, 8), 0);
    EXPECT_TRUE(served.server().listen_fd(fd));
    const int other = ::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_FALSE(served.server().listen_fd(other));
  });
  EXPECT_EQ(Raw::unix_socket(dir / "given").ask(kGet).status, 200);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnAllocator = true;
#elif defined(__has_feature)
constexpr bool kOwnAllocator = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kOwnAllocator = false;
#endif

/// Bytes allocated and in use. Not the resident size: what earlier tests left free would hide the
/// cost of this one.
std::size_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(Server, HoldsTenThousandIdleConnectionsInLittleMemory) {
  constexpr std::size_t kWanted = 10000;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit old = limit;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < kWanted + 200) {
    GTEST_SKIP() << "only " << limit.rlim_cur << " descriptors are allowed here";
  }
  std::array<int, 2> orders;  // the child ends when this end closes
  std::array<int, 2> reports;
  ASSERT_EQ(::pipe(orders.data()), 0);
  ASSERT_EQ(::pipe(reports.data()), 0);
  TempDir dir;
  const std::string path = dir / "many";
  // The child is forked before any thread is made, and does nothing but hold the clients.
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(orders[1]);
    char c = 0;
    if (::read(orders[0], &c, 1) == 1) {
      std::vector<Raw> clients;
      clients.reserve(kWanted);
      bool good = true;
      for (std::size_t i = 0; i < kWanted && good; ++i) {
        clients.push_back(Raw::unix_socket(path));
        good = clients.back().ask(kGet).status == 200;
      }
      c = good ? 'y' : 'n';
      if (::write(reports[1], &c, 1) == 1 && ::read(orders[0], &c, 1) < 0) ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(orders[0]);
  char answer = 0;
  std::size_t before = 0;
  std::size_t after = 0;
  {
    Served served(mirror);
    served.on_loop([&] { ASSERT_TRUE(served.server().listen_unix(path, 0600)); });
    Raw warm = Raw::unix_socket(path);
    EXPECT_EQ(warm.ask(kGet).status, 200);
    before = allocated_bytes();
    EXPECT_EQ(::write(orders[1], "g", 1), 1);
    EXPECT_EQ(::read(reports[0], &answer, 1), 1);
    after = allocated_bytes();
    EXPECT_EQ(served.counters().open_now, kWanted + 1);
    EXPECT_EQ(warm.ask(kGet).status, 200);
  }
  ::close(orders[1]);
  ::close(reports[0]);
  ::close(reports[1]);
  ::waitpid(child, nullptr, 0);
  ::setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_EQ(answer, 'y');
  const std::size_t each = (after - std::min(before, after)) / kWanted;
  if (kOwnAllocator) return;  // a sanitizer's allocator keeps no such books
  std::printf("%zu bytes of memory per idle connection\n", each);
  EXPECT_GT(each, 100U);  // else the measurement is broken
  EXPECT_LT(each, 2048U);
}

}  // namespace
}  // namespace headroom::http
