#include "http/client.hpp"

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "http/listen.hpp"
#include "http/sse.hpp"
#include "http/testing.hpp"

namespace headroom::http {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using ::testing::HasSubstr;
using testing::kPatience;
using testing::Served;
using testing::TempDir;

void mirror(const Request& request, Reply reply) {
  reply.send(200, "text/plain",
             std::string(request.method_text) + " " + std::string(request.target) + " " +
                 std::string(request.header("Content-Type")) + " " + std::string(request.body));
}

Url url_of(const std::string& text) { return Url::parse(text).value(); }

TEST(Client, AsksManyTimesOnOneConnection) {
  Served served(mirror);
  for (const std::string& url :
       {"unix://" + served.path(), "http://127.0.0.1:" + std::to_string(served.port()),
        "http://localhost:" + std::to_string(served.port())}) {
    auto client = Client::connect(url_of(url), kPatience);
    ASSERT_TRUE(client) << client.error().why;
    const int fd = client->fd();
    EXPECT_EQ(client->request("GET", "/1").value().body, "GET /1  ");
    EXPECT_EQ(client->request("POST", "/2", "{}").value().body, "POST /2 application/json {}");
    const Header plain{"content-type", "text/plain"};
    EXPECT_EQ(client->request("PUT", "/3", "x", {&plain, 1}, kPatience).value().body,
              "PUT /3 text/plain x");
    EXPECT_EQ(client->request("HEAD", "/4").value().status, 200);
    EXPECT_EQ(client->request("DELETE", "/5").value().body, "DELETE /5  ");
    EXPECT_EQ(client->fd(), fd);
  }
  EXPECT_EQ(served.counters().accepted, 3U);
}

TEST(Client, SaysWhenNobodyListens) {
  const TempDir dir;
  const auto missing = Client::connect(url_of("unix://" + (dir / "s")), kPatience);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(missing.error().what, HasSubstr(dir / "s"));
  EXPECT_EQ(missing.error().why, "there is no such socket");
  EXPECT_FALSE(missing.error().help.empty());
  {
    const auto dead = open_unix_listener(dir / "s", 0600);
  }
  EXPECT_EQ(Client::connect(url_of(dir / "s"), kPatience).error().why, "nobody listens there");
  const auto tcp = Client::connect(url_of("http://127.0.0.1:1"), kPatience);
  EXPECT_EQ(tcp.error().kind, ErrorKind::unavailable);
  const auto name = Client::connect(url_of("http://no-such-host.invalid:1"), kPatience);
  EXPECT_EQ(name.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(Client::connect(url_of("/" + std::string(200, 'x')), kPatience).error().kind,
            ErrorKind::invalid_request);
}

TEST(Client, GivesUpWhenTheTimeIsUp) {
  Served served([](const Request&, Reply) {});
  auto client = Client::connect(url_of(served.path()), kPatience);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->request("GET", "/", {}, {}, milliseconds(30)).error().kind,
            ErrorKind::timed_out);
  EXPECT_EQ(client->fd(), -1);  // a late answer must not be taken for the next one's
}

TEST(Client, GivesUpOnASocketThatNobodyAcceptsFrom) {
  const TempDir dir;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (dir / "s").copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  const auto first = Client::connect(url_of(dir / "s"), kPatience);
  ASSERT_TRUE(first);
  const auto second = Client::connect(url_of(dir / "s"), milliseconds(30));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::timed_out);
}

TEST(Client, ConnectsAgainWhenTheServerHasClosedTheIdleConnection) {
  Served served(mirror);
  auto client = Client::connect(url_of(served.path()), kPatience);
  EXPECT_EQ(client->request("GET", "/1").value().status, 200);
  served.on_loop([&] { served.server().drop_idle(); });
  EXPECT_EQ(client->request("GET", "/2").value().status, 200);
  EXPECT_EQ(served.counters().accepted, 2U);
}

TEST(Client, NeverSendsAPostTwice) {
  // A server that takes a request and hangs up before it answers.
  std::atomic<int> taken = 0;
  Served* self = nullptr;
  Served served([&](const Request& request, Reply reply) {
    if (request.method == Method::get) return mirror(request, reply);
    ++taken;
    self->server().close();
  });
  self = &served;
  auto client = Client::connect(url_of(served.path()), kPatience);
  EXPECT_EQ(client->request("GET", "/1").value().status, 200);
  const auto answer = client->request("POST", "/2", "{}");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(taken, 1);
}

/// Accepts one connection and says something whatever it is asked.
std::string kind_of_answer(std::string_view bytes) {
  const TempDir dir;
  const auto listener = open_unix_listener(dir / "s", 0600);
  std::thread liar([&] {
    pollfd waiting{listener->fd.get(), POLLIN, 0};
    ::poll(&waiting, 1, 60000);
    const Fd fd(::accept(listener->fd.get(), nullptr, nullptr));
    std::array<char, 1000> buffer;
    if (::recv(fd.get(), buffer.data(), buffer.size(), 0) <= 0) return;
    ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  });
  auto client = Client::connect(url_of(dir / "s"), kPatience);
  const auto answer = client->request("GET", "/");
  liar.join();
  if (answer) return "answer " + answer->body;
  return answer.error().kind == ErrorKind::internal      ? "internal"
         : answer.error().kind == ErrorKind::unavailable ? "unavailable"
                                                         : "other";
}

TEST(Client, TellsGarbageFromAnAnswerAndFromSilence) {
  EXPECT_EQ(kind_of_answer("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "answer until the end");
  EXPECT_EQ(kind_of_answer("220 mail.example ESMTP\r\n"), "internal");
  EXPECT_EQ(kind_of_answer("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), "internal");
  EXPECT_EQ(kind_of_answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"), "internal");
  EXPECT_EQ(kind_of_answer(""), "unavailable");
}

TEST(Client, HearsTheReasonOfARefusalWhileItStillSends) {
  Served served(mirror);
  auto client = Client::connect(url_of(served.path()), kPatience);
  const auto answer = client->request("POST", "/", std::string(8 << 20, 'x'), {}, kPatience);
  ASSERT_TRUE(answer) << answer.error().why;
  EXPECT_EQ(answer->status, 413);
}

TEST(Client, StreamsUntilTheServerEndsOrTheCallerHasEnough) {
  Stream stream;
  std::atomic<int> gone = 0;
  Served served([&](const Request& request, Reply reply) {
    if (request.path == "/refused") return static_cast<void>(reply.send(404, {}, "nothing here"));
    stream = reply.open_stream(200, "text/event-stream");
    stream.on_gone([&] { ++gone; });
    stream.write(sse_event("1", "a", "x"));
    if (request.path == "/short") stream.close();
  });
  auto client = Client::connect(url_of(served.path()), kPatience);
  std::string heard;
  const auto collect = [&](std::string_view piece) {
    heard += piece;
    return heard.find("y\n\n") == std::string::npos;
  };
  EXPECT_EQ(client->stream("/short", collect).value().status, 200);
  EXPECT_EQ(heard, "id: 1\nevent: a\ndata: x\n\n");
  const auto refused = client->stream("/refused", collect);
  EXPECT_EQ(refused.value().status, 404);
  EXPECT_EQ(refused.value().body, "nothing here");
  heard.clear();
  std::thread writer([&] {
    eventually([&] {
      bool open = false;
      served.on_loop([&] { open = stream.write(sse_event({}, {}, "y")); });
      return open;
    });
  });
  EXPECT_TRUE(client->stream("/long", collect));
  writer.join();
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
  EXPECT_EQ(client->request("GET", "/short").value().status, 200);  // on a new connection
}

TEST(Client, AStreamIsInterruptedByADescriptor) {
  Served served(
      [](const Request&, Reply reply) { reply.open_stream(200, "text/event-stream").write("x"); });
  auto client = Client::connect(url_of(served.path()), kPatience);
  const Fd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  int woken = 0;
  const auto answer = client->stream(
      "/",
      [&](std::string_view piece) {
        eventfd_t times = 0;
        if (!piece.empty()) return eventfd_write(wake.get(), 1) == 0;
        eventfd_read(wake.get(), &times);
        if (++woken == 1) eventfd_write(wake.get(), 1);
        return woken < 2;
      },
      {}, wake.get());
  EXPECT_TRUE(answer);
  EXPECT_EQ(woken, 2);
}

TEST(Client, SaysWhenAStreamBreaks) {
  Served served(
      [](const Request&, Reply reply) { reply.open_stream(200, "text/event-stream").write("x"); });
  auto client = Client::connect(url_of(served.path()), kPatience);
  const auto answer = client->stream("/", [&](std::string_view) {
    served.on_loop([&] { served.server().close(); });
    return true;
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
}

TEST(Url, ReadsSocketsAndHosts) {
  const auto text = [](std::string_view in) { return url_of(std::string(in)).text(); };
  EXPECT_EQ(text("unix:///run/x.sock"), "unix:///run/x.sock");
  EXPECT_EQ(text("/run/x.sock"), "unix:///run/x.sock");
  EXPECT_EQ(text("http://box:8000"), "http://box:8000");
  EXPECT_EQ(text("http://box:8000/"), "http://box:8000");
  EXPECT_EQ(text("http://box"), "http://box:80");
  EXPECT_EQ(text("http://[::1]:8000"), "http://[::1]:8000");
}

TEST(Url, SaysHowToWriteIt) {
  for (const char* bad : {"", "box", "box:8000", "unix://run/x", "https://box", "http://",
                          "http://:80", "http://box:0", "http://box:65536", "http://box:x",
                          "http://box:", "http://[::1", "http://[box]:80", "http://a@b",
                          "http://box/path", "http://box\r\nX: y", "ftp://box", "http://[::1]x"}) {
    const auto url = Url::parse(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().kind, ErrorKind::invalid_request);
    EXPECT_FALSE(url.error().why.empty());
    EXPECT_THAT(url.error().help, HasSubstr("unix:///"));
  }
}

}  // namespace
}  // namespace headroom::http
