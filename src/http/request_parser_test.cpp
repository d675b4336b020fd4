#include "http/request_parser.hpp"

#include <gtest/gtest.h>

namespace headroom::http {
namespace {

using State = RequestParser::State;

/// Everything a request says, as one text.
std::string told(const Request& request) {
  std::string out = std::string(request.method_text) + "|" + std::string(request.path) + "|" +
                    std::string(request.query) + "|1." + std::to_string(request.minor_version) +
                    (request.keep_alive ? "|stays" : "|closes");
  for (const Header& header : request.headers) {
    out += "|" + std::string(header.name) + "=" + std::string(header.value);
  }
  return out + "|" + std::string(request.body);
}

TEST(RequestParser, ReadsARequestInPlaceWithoutCopyingIt) {
  const std::string bytes =
      "POST /a/b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nX-Y:  z \r\n\r\nbodyGET";
  const Limits limits;
  RequestParser parser(limits);
  const auto step = parser.feed(bytes);
  EXPECT_EQ(step.state, State::complete);
  EXPECT_EQ(step.used, bytes.size() - 3);
  const Request& request = parser.request();
  EXPECT_EQ(request.method, Method::post);
  EXPECT_EQ(told(request), "POST|/a/b|c=d|1.1|stays|Host=h|Content-Length=4|X-Y=z|body");
  EXPECT_EQ(request.header("x-y"), "z");
  EXPECT_EQ(request.header("absent"), "");
  EXPECT_GE(request.body.data(), bytes.data());
  EXPECT_LT(request.body.data(), bytes.data() + bytes.size());
  EXPECT_FALSE(request.peer().known);  // no connection, nobody behind it
}

TEST(RequestParser, ReadsTheSameHoweverTheBytesAreSplit) {
  const Limits limits;
  for (const std::string bytes : {"\r\n\r\nPUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: "
                                  "10\r\nConnection: close\r\n\r\n0123456789",
                                  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                  "chunked\r\n\r\n3\r\nabc\r\n0a;e\r\n0123456789\r\n"
                                  "0\r\nT: t\r\n\r\n"}) {
    RequestParser whole(limits);
    ASSERT_EQ(whole.feed(bytes).state, State::complete);
    for (std::size_t first = 1; first < bytes.size(); ++first) {
      for (std::size_t second = first; second < bytes.size(); second += 7) {
        RequestParser parser(limits);
        // Each piece in memory of its own, gone before the next comes.
        ASSERT_EQ(parser.feed(std::string(bytes.substr(0, first))).state, State::more);
        if (second > first) {
          ASSERT_EQ(parser.feed(std::string(bytes.substr(first, second - first))).state,
                    State::more);
        }
        const std::string last = bytes.substr(second);
        const auto step = parser.feed(last);
        ASSERT_EQ(step.state, State::complete) << first << " " << second;
        ASSERT_EQ(step.used, last.size());
        ASSERT_EQ(told(parser.request()), told(whole.request()));
      }
    }
  }
}

TEST(RequestParser, IsReadyForTheNextAfterReset) {
  const Limits limits;
  RequestParser parser(limits);
  EXPECT_TRUE(parser.empty());
  EXPECT_EQ(parser.feed("GET /1 HTTP/1.1\r\nHo").state, State::more);
  EXPECT_FALSE(parser.empty());
  EXPECT_FALSE(parser.head_done());
  EXPECT_EQ(parser.feed("st: h\r\n\r\n").state, State::complete);
  parser.reset();
  EXPECT_TRUE(parser.empty());
  EXPECT_EQ(parser.feed("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n").state, State::complete);
  EXPECT_EQ(parser.request().path, "/2");
  EXPECT_EQ(parser.request().headers.size(), 1U);
}

TEST(RequestParser, SaysOnceThatTheClientWaitsForAGoAhead) {
  const Limits limits;
  RequestParser parser(limits);
  const std::string head =
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n";
  EXPECT_EQ(parser.feed(head).state, State::more);
  EXPECT_TRUE(parser.head_done());
  EXPECT_TRUE(parser.take_wants_continue());
  EXPECT_FALSE(parser.take_wants_continue());
  EXPECT_EQ(parser.feed("b").state, State::complete);
}

TEST(RequestParser, KeepsNoMoreThanItsLimitOfAHead) {
  Limits limits;
  limits.header_bytes = 100;
  RequestParser parser(limits);
  EXPECT_EQ(parser.feed("GET / HTTP/1.1\r\n").state, State::more);
  EXPECT_EQ(parser.feed(std::string(1 << 20, 'x')).state, State::refused);
  EXPECT_EQ(parser.refusal().status, 431);
}

TEST(ChunkDecoder, RefusesWhatIsNoChunk) {
  using Chunks = ChunkDecoder::State;
  const auto state = [](std::string_view in, std::size_t limit = 100) {
    std::string out;
    return ChunkDecoder(limit).feed(in, out).state;
  };
  EXPECT_EQ(state("0\r\n\r\n"), Chunks::done);
  EXPECT_EQ(state("64\r\n"), Chunks::more);
  EXPECT_EQ(state("65\r\n"), Chunks::too_large);
  EXPECT_EQ(state("ffffffffffffffff\r\n"), Chunks::too_large);
  EXPECT_EQ(state("ffffffffffffffff0\r\n", static_cast<std::size_t>(-1)), Chunks::bad);
  for (const char* bad : {"\r\n", "g\r\n", "-1\r\n", "1\n", "1\r\r", "1\r\naXX", "1\r\na\rX",
                          "0x1\r\n", "00000000000000000\r\n", "0\r\n\rX", "1;\n", "0\r\nA: b\n"}) {
    EXPECT_EQ(state(bad), Chunks::bad) << bad;
  }
  EXPECT_EQ(state("1;" + std::string(5000, 'x')), Chunks::bad);
  EXPECT_EQ(state("0\r\n" + std::string(5000, 'x')), Chunks::bad);
}

}  // namespace
}  // namespace headroom::http
