#include "http/access.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "http/message.hpp"
#include "http/query.hpp"
#include "http/sse.hpp"

namespace headroom::http {
namespace {

using std::chrono::milliseconds;

TEST(Access, KnowsALoopbackHost) {
  for (const char* good :
       {"localhost", "LOCALHOST:8000", "localhost.", "localhost.:80", "127.0.0.1", "127.0.0.1:8000",
        "127.8.9.10", "[::1]", "[::1]:8000", "box.localhost:1"}) {
    EXPECT_TRUE(host_is_loopback(good)) << good;
  }
  for (const char* bad : {"",
                          "evil.example",
                          "localhost.evil.example",
                          "127.0.0.1.evil.example",
                          "127.1",
                          "0.0.0.0",
                          "10.0.0.1",
                          "[::]",
                          "::1",
                          "[127.0.0.1]",
                          "localhost:x",
                          "localhost:99999",
                          "notlocalhost",
                          ".localhost",
                          "localhost@evil.example",
                          "[::1",
                          "[::1]x",
                          "[fe80::1]",
                          "2130706433",
                          "0x7f.1",
                          "localhost.."}) {
    EXPECT_FALSE(host_is_loopback(bad)) << bad;
  }
}

TEST(Access, KnowsItsOwnOrigin) {
  EXPECT_TRUE(origin_is_own("", "localhost:8000"));
  EXPECT_TRUE(origin_is_own("http://localhost:8000", "localhost:8000"));
  EXPECT_TRUE(origin_is_own("http://LocalHost", "localhost:80"));
  EXPECT_TRUE(origin_is_own("https://box", "box"));
  EXPECT_TRUE(origin_is_own("http://[::1]:8000", "[::1]:8000"));
  for (const char* bad : {"null", "http://evil.example", "http://localhost:8001", "localhost:8000",
                          "file://", "http://", "https://localhost",
                          "http://localhost:8000.evil.example", "http://localhost:8000/"}) {
    EXPECT_FALSE(origin_is_own(bad, "localhost:8000")) << bad;
  }
  EXPECT_FALSE(origin_is_own("http://localhost", ""));
}

TEST(Access, ReadsWhereToListen) {
  EXPECT_EQ(parse_listen("127.0.0.1:8000").value(), (ListenAddress{"127.0.0.1", 8000}));
  EXPECT_EQ(parse_listen("[::1]:0").value(), (ListenAddress{"::1", 0}));
  EXPECT_EQ(parse_listen("localhost:80").value(), (ListenAddress{"localhost", 80}));
  for (const char* bad : {"", ":8000", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                          "::1:80", "box:80", "[127.0.0.1]:80", "127.0.0.1:80x", "1.2.3:80"}) {
    const auto parsed = parse_listen(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().kind, ErrorKind::invalid_request);
    EXPECT_FALSE(parsed.error().help.empty());
  }
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
}

TEST(Query, DecodesItsParameters) {
  const Query query = Query::parse("a=1+2&b=%2F%c3%a9&a=3&flag&=x&&c=d=e").value();
  EXPECT_EQ(query.get("a"), "1 2");
  EXPECT_EQ(query.get("b"), "/é");
  EXPECT_EQ(query.get("flag"), "");
  EXPECT_EQ(query.get("c"), "d=e");
  EXPECT_FALSE(query.get("absent"));
  EXPECT_FALSE(query.has("A"));
  EXPECT_EQ(query.all().size(), 6U);
  EXPECT_TRUE(Query::parse("").value().all().empty());
}

TEST(Query, RefusesBadEscapesAndTooMuch) {
  for (const char* bad : {"a=%", "a=%1", "a=%zz", "a=%00", "%=1"}) {
    ASSERT_FALSE(Query::parse(bad)) << bad;
    EXPECT_EQ(Query::parse(bad).error().kind, ErrorKind::invalid_request);
  }
  std::string many;
  for (int i = 0; i < 64; ++i) many += "a&";
  EXPECT_TRUE(Query::parse(many));
  EXPECT_FALSE(Query::parse(many + "a"));
}

TEST(Query, DecodesASegmentAndBack) {
  EXPECT_EQ(decode_segment("a+b%20c%2Fd").value(), "a+b c/d");
  EXPECT_FALSE(decode_segment("%0"));
  EXPECT_FALSE(decode_segment("%00"));
  EXPECT_EQ(encode_segment("a/b c-._~é"), "a%2Fb%20c-._~%C3%A9");
}

TEST(Query, ReadsHowLongToWait) {
  EXPECT_EQ(parse_wait("30s").value(), milliseconds(30000));
  EXPECT_EQ(parse_wait("30").value(), milliseconds(30000));
  EXPECT_EQ(parse_wait("1.5s").value(), milliseconds(1500));
  EXPECT_EQ(parse_wait("500ms").value(), milliseconds(500));
  EXPECT_EQ(parse_wait("2m").value(), milliseconds(120000));
  EXPECT_EQ(parse_wait("24h").value(), milliseconds(86400000));
  EXPECT_EQ(parse_wait("0").value(), milliseconds(0));
  for (const char* bad : {"", "s", "-1s", "25h", "1d", "1 s", "nan", "inf", "1e9", "1ss", "0x1s"}) {
    EXPECT_FALSE(parse_wait(bad)) << bad;
  }
}

TEST(Access, HostsOfThisDaemonAreTheLoopbackTheListeningAddressAndTheNamedOnes) {
  const std::vector<std::string> names = {"gpubox.lan"};
  const auto own = [&](std::string_view host, std::string_view listen) {
    return host_is_own(host, listen, names);
  };
  EXPECT_TRUE(own("localhost:8000", "127.0.0.1:8000"));
  EXPECT_TRUE(own("GPUBOX.lan:8000", "127.0.0.1:8000"));
  EXPECT_TRUE(own("192.168.1.5:8000", "192.168.1.5:8000"));
  EXPECT_FALSE(own("192.168.1.6:8000", "192.168.1.5:8000"));
  EXPECT_TRUE(own("[fd00::5]:8000", "[fd00::5]:8000"));
  EXPECT_TRUE(own("192.168.1.6", "0.0.0.0:8000")) << "no name leads here";
  EXPECT_TRUE(own("[fd00::6]", "[::]:8000"));
  for (const char* host :
       {"", "evil.example", "gpubox.lan.evil.example", "1.2.3.4.evil.example", "192.168.1.6:port",
        "fd00::6", "[192.168.1.6]", "localhost.evil.example"}) {
    EXPECT_FALSE(own(host, "0.0.0.0:8000")) << host;
    EXPECT_FALSE(own(host, "")) << host;
  }
}

TEST(Access, ATokenIsTakenWholeAndNeverAnEmptyOne) {
  EXPECT_TRUE(is_bearer("Bearer sesame", "sesame"));
  EXPECT_TRUE(is_bearer("bearer sesame", "sesame"));
  for (const char* header : {"", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesamE",
                             "Bearer sesame ", "Basic sesame", "sesame", "Bearersesame"}) {
    EXPECT_FALSE(is_bearer(header, "sesame")) << header;
  }
  EXPECT_FALSE(is_bearer("Bearer ", ""));
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_FALSE(same_secret("a", "ab"));
}

TEST(Sse, WritesEventsWithSeveralLines) {
  EXPECT_EQ(sse_event("7", "alert", "a\nb\r\nc\rd"),
            "id: 7\nevent: alert\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(sse_event({}, {}, {}), "data: \n\n");
  EXPECT_EQ(sse_event("1\ndata: x", "e\r", "y"), "id: 1 data: x\nevent: e \ndata: y\n\n");
}

TEST(Message, WritesAProblemForEachOfItsRefusals) {
  EXPECT_EQ(
      problem_body(413, "too large"),
      "{\"type\":\"/problems/invalid-request\",\"title\":\"Content Too Large\",\"status\":413,"
      "\"detail\":\"too large\"}\n");
  EXPECT_NE(problem_body(503, "x").find("/problems/too-many-requests"), std::string::npos);
  EXPECT_NE(problem_body(500, "x").find("/problems/internal"), std::string::npos);
}

}  // namespace
}  // namespace headroom::http
