#include <gmock/gmock.h>

#include "client/daemon.hpp"
#include "client/problem.hpp"

namespace headroom::client {
namespace {

using ::testing::ElementsAre;

TEST(Json, ReadsMembersByPathAndTellsAbsentFromZero) {
  const auto document =
      *parse_json(R"({"a":{"b":0,"c":null,"d":1.5,"e":"x","f":true},"items":[1,2],"big":1e300})");
  EXPECT_EQ(whole(document, "a.b"), 0);
  EXPECT_EQ(whole(document, "a.c"), std::nullopt);
  EXPECT_EQ(whole(document, "a.none.deeper"), std::nullopt);
  EXPECT_EQ(whole(document, "a.d"), 1);
  EXPECT_EQ(whole(document, "big"), std::nullopt);
  EXPECT_EQ(number(document, "a.b"), 0.0);
  EXPECT_EQ(number(document, "a.e"), std::nullopt);
  EXPECT_EQ(text(document, "a.e"), "x");
  EXPECT_EQ(text(document, "a.b"), "");
  EXPECT_TRUE(is_true(document, "a.f"));
  EXPECT_FALSE(is_true(document, "a.b"));
  EXPECT_EQ(list(document).size(), 2U);
  EXPECT_TRUE(list(document, "a").empty());
}

TEST(Json, RefusesWhatIsNoneAndWhatIsTooDeep) {
  EXPECT_FALSE(parse_json("{"));
  EXPECT_FALSE(parse_json(std::string(100, '[') + std::string(100, ']')));
}

TEST(Problem, BecomesAnErrorOfThreeParts) {
  const auto error = parse_problem(
      409, R"({"type":"/problems/insufficient-resources","title":"Not enough room",)"
           R"("detail":"24.0 GiB wanted.","in_the_way":[{"lease":"l-70","name":"render"}],)"
           R"("help":[{"text":"headroom free"},{"text":"wait until 14:32"}]})");
  EXPECT_EQ(error, (Error{ErrorKind::insufficient_resources, "Not enough room",
                          "24.0 GiB wanted.\nin the way: lease render (l-70)",
                          "headroom free\nwait until 14:32"}));
}

TEST(Problem, SaysWhatHelpsWhereThereIsNoVerdict) {
  const auto error = parse_problem(
      400,
      R"({"type":"/problems/invalid-request","title":"The request is not right",)"
      R"("what":"it does not say what it needs","why":"nothing was learned","try":"--mem 2G"})");
  EXPECT_EQ(error, (Error{ErrorKind::invalid_request, "it does not say what it needs",
                          "nothing was learned", "--mem 2G"}));
}

TEST(Problem, NamesALeaseInTheWayOnlyOnce) {
  const auto error = parse_problem(
      409,
      R"({"type":"/problems/conflict","title":"t","detail":"held by l-70","in_the_way":["l-70"]})");
  EXPECT_EQ(error.kind, ErrorKind::conflict);
  EXPECT_EQ(error.why, "held by l-70");
}

TEST(Problem, FollowsTheStatusWhereThereIsNoDocument) {
  EXPECT_EQ(parse_problem(404, "nothing here").kind, ErrorKind::not_found);
  EXPECT_EQ(parse_problem(403, "").kind, ErrorKind::not_allowed);
  EXPECT_EQ(parse_problem(500, "[]").what, "the daemon answered 500");
  EXPECT_EQ(parse_problem(429, R"({"type":7})").kind, ErrorKind::too_many_requests);
}

TEST(EventCutter, JoinsPiecesAndLinesOfData) {
  const std::string stream =
      ": hello\n\nevent: lease\r\nid: 7\r\ndata: {\"a\":1,\ndata: \"b\":2}\n\ndata:x\n\nevent: "
      "none\n\n";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    EventCutter cutter;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      cutter.take(std::string_view(stream).substr(at, size), [&](const StreamEvent& event) {
        seen.push_back(event.type + "/" + event.id + "/" + event.data);
        return true;
      });
    }
    EXPECT_THAT(seen, ElementsAre("lease/7/{\"a\":1,\n\"b\":2}", "message//x"));
  }
}

TEST(EventCutter, StopsWhenItsListenerHasEnough) {
  EventCutter cutter;
  int seen = 0;
  EXPECT_FALSE(cutter.take("data: 1\n\ndata: 2\n\n", [&](const StreamEvent&) {
    ++seen;
    return false;
  }));
  EXPECT_EQ(seen, 1);
}

TEST(Daemon, SaysHowToStartOneWhereNobodyListens) {
  Daemon daemon("unix:///nonexistent/headroom.sock", std::chrono::milliseconds(100));
  const auto connected = daemon.connect();
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(connected.error().help, ::testing::StartsWith("sudo systemctl start headroomd"));
}

TEST(Daemon, RefusesATokenFileThatHoldsNone) {
  setenv("HEADROOM_TOKEN_FILE", "/nonexistent/token", 1);
  Daemon daemon("http://127.0.0.1:1", std::chrono::milliseconds(100));
  const auto connected = daemon.connect();
  unsetenv("HEADROOM_TOKEN_FILE");
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().kind, ErrorKind::invalid_request);
  EXPECT_THAT(connected.error().what, ::testing::HasSubstr("/nonexistent/token"));
}

TEST(Json, NumbersAreWrittenAsPlainDecimals) {
  for (const char* text :
       {R"({"a":0.91,"b":100,"c":[0.0001234,-2.5,0],"d":null,"e":"x\"y","f":true})",
        R"([123456789012.5,18446744073709551615,-9223372036854775808,1e+300,1e-09])"}) {
    EXPECT_EQ(write_json(*parse_json(text)), text);
  }
  EXPECT_EQ(write_json(*parse_json("[1E2,1.25E-1]")), "[100,0.125]");
}

TEST(Daemon, RefusesAnAddressThatIsNone) {
  Daemon daemon("ftp://x", std::chrono::milliseconds(100));
  const auto connected = daemon.connect();
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().kind, ErrorKind::invalid_request);
}

}  // namespace
}  // namespace headroom::client
