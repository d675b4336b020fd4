#include "serve/json.hpp"

#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace headroom::serve {
namespace {

std::string written(void (*write)(Json&)) {
  std::string out;
  Json json(out);
  write(json);
  return out;
}

TEST(Json, PutsCommasWhereTheyBelong) {
  EXPECT_EQ(
      written([](Json& j) {
        j.open().number("a", 1).list("b").number(2).open().close().end_list().null("c").close();
      }),
      R"({"a":1,"b":[2,{}],"c":null})");
}

TEST(Json, EscapesWhatWouldEndAText) {
  EXPECT_EQ(written([](Json& j) { j.text("a\"b\\c\nd\x01\x7F"); }), R"("a\"b\\c\nd\u0001\u007f")");
}

TEST(Json, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(written([](Json& j) { j.text("é€😀"); }), "\"é€😀\"");
  // A lone byte, an overlong form, a surrogate, a cut sequence.
  for (const char* bad : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xE2\x82"}) {
    std::string out;
    Json(out).text(bad);
    boost::system::error_code error;
    boost::json::parse(out, error);
    EXPECT_FALSE(error) << out;
    EXPECT_NE(out.find("\xEF\xBF\xBD"), std::string::npos);
  }
}

TEST(Json, WritesNumbersThatReadBack) {
  EXPECT_EQ(written([](Json& j) { j.real(7.0); }), "7.0");
  EXPECT_EQ(written([](Json& j) { j.real(0.25); }), "0.25");
  EXPECT_EQ(written([](Json& j) { j.real(std::numeric_limits<double>::quiet_NaN()); }), "null");
  EXPECT_EQ(written([](Json& j) { j.real(std::numeric_limits<double>::infinity()); }), "null");
  EXPECT_EQ(written([](Json& j) { j.number(std::numeric_limits<std::int64_t>::min()); }),
            "-9223372036854775808");
  for (const double value : {1e-9, 123456.789, 1e14, 1e300, -1e300, 4e18}) {
    std::string out;
    Json(out).real(value);
    const double back = boost::json::parse(out).to_number<double>();
    EXPECT_NEAR(back, value, std::abs(value) * 1e-6) << out;
  }
}

TEST(Json, WritesAHistoryAsItWouldWriteEachOfItsValues) {
  using std::chrono::milliseconds;
  const TimedValues none;
  std::string empty;
  Json(empty).points(none);
  EXPECT_EQ(empty, "[]");
  TimedValues values;
  std::string expected = "[";
  std::uint64_t random = 7;
  const auto next = [&] { return random = random * 6364136223846793005 + 1442695040888963407; };
  WallTime at{milliseconds(1768227003120)};
  for (int i = 0; i < 20000; ++i) {
    at += milliseconds(static_cast<std::int64_t>(next() >> 33) % 40000);
    if (i == 9999) at -= std::chrono::hours(60 * 365 * 24);  // to before 1970
    const double size = static_cast<double>(next() >> 40) / static_cast<double>(next() >> 44 | 1);
    std::optional<double> value = i % 3 == 0 ? std::round(size) : -size;
    if (i % 7 == 0) value = size * 1e18;
    if (i % 11 == 0) value.reset();
    values.emplace_back(at, value);
    std::string one;
    Json json(one);
    json.list().time(at);
    value ? json.real(*value) : json.null();
    json.end_list();
    expected += (i == 0 ? "" : ",") + one;
  }
  std::string out;
  Json(out).open().key("points").points(values).number("after", 1).close();
  EXPECT_EQ(out, "{\"points\":" + expected + "],\"after\":1}");
}

TEST(Json, WritesTimesInUtcWithMilliseconds) {
  using namespace std::chrono;
  const WallTime at = sys_days(year(2026) / 1 / 12) + hours(14) + minutes(10) + seconds(3) + 120ms;
  EXPECT_EQ(rfc3339(at), "2026-01-12T14:10:03.120Z");
  EXPECT_EQ(rfc3339(WallTime()), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(WallTime() - 1ms), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace headroom::serve
