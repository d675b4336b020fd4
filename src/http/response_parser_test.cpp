#include "http/response_parser.hpp"

#include <gtest/gtest.h>

namespace headroom::http {
namespace {

using State = ResponseParser::State;
constexpr std::size_t kLimit = 1000;

TEST(ResponseParser, ReadsTheSameHoweverTheBytesAreSplit) {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nA: b\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ResponseParser parser(false, kLimit);
    ASSERT_EQ(parser.feed(std::string(bytes.substr(0, cut))).state, State::more) << cut;
    ASSERT_EQ(parser.feed(std::string(bytes.substr(cut))).state, State::complete) << cut;
    EXPECT_EQ(parser.response().status, 201);
    EXPECT_EQ(parser.response().header("a"), "b");
    EXPECT_EQ(parser.response().body, "abcde");
    EXPECT_TRUE(parser.keep_alive());
  }
}

TEST(ResponseParser, KnowsWhereABodyEnds) {
  ResponseParser length(false, kLimit);
  const auto step = length.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP");
  EXPECT_EQ(step.state, State::complete);
  EXPECT_EQ(step.used, 40U);
  ResponseParser head(true, kLimit);
  EXPECT_EQ(head.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").state, State::complete);
  ResponseParser none(false, kLimit);
  EXPECT_EQ(none.feed("HTTP/1.1 204 No Content\r\n\r\n").state, State::complete);
  ResponseParser open_end(false, kLimit);
  EXPECT_EQ(open_end.feed("HTTP/1.1 200\r\n\r\nabc").state, State::more);
  EXPECT_EQ(open_end.finish(), State::complete);
  EXPECT_EQ(open_end.response().body, "abc");
  EXPECT_FALSE(open_end.keep_alive());
  ResponseParser cut(false, kLimit);
  EXPECT_EQ(cut.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").state, State::more);
  EXPECT_EQ(cut.finish(), State::bad);
}

TEST(ResponseParser, RefusesGarbageAndWhatIsTooLarge) {
  for (const std::string& bytes :
       {std::string("SSH-2.0-x\r\n"), std::string("HTTP/1.1 2x0 OK\r\n\r\n"),
        std::string("HTTP/2 200\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\nnothing\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nA: b\n\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"),
        "HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x'),
        "HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'x')}) {
    ResponseParser parser(false, kLimit);
    EXPECT_EQ(parser.feed(bytes).state, State::bad) << bytes.substr(0, 80);
    EXPECT_FALSE(parser.why().empty());
  }
}

}  // namespace
}  // namespace headroom::http
