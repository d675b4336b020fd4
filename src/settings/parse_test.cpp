#include "settings/parse.hpp"

#include <gmock/gmock.h>

#include <random>

namespace headroom::settings {
namespace {

using namespace headroom::literals;
using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(ParseBytes, TakesTheUsualForms) {
  const std::pair<const char*, Bytes> rows[] = {
      {"0", 0_B},
      {"1024", 1_KiB},
      {"12G", 12_GiB},
      {"512MiB", 512_MiB},
      {"1.5GiB", 1536_MiB},
      {"600M", 600_MiB},
      {"600MB", 600_MiB},
      {"2T", 2048_GiB},
      {"1k", 1_KiB},
      {"1kb", 1_KiB},
      {"1KiB", 1_KiB},
      {"  3 GiB ", 3_GiB},
      {"7B", 7_B},
      {".5G", 512_MiB},
      {"1.G", 1_GiB},
      {"0.3K", 307_B},
      {"9223372036854775807", Bytes(INT64_MAX)},
  };
  for (const auto& [text, expected] : rows) {
    const auto bytes = parse_bytes(text);
    ASSERT_TRUE(bytes) << text << ": " << bytes.error().why;
    EXPECT_EQ(bytes->count(), expected.count()) << text;
  }
}

TEST(ParseBytes, RefusesWhatIsNoSizeAndSaysWhy) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "empty"},
      {"   ", "empty"},
      {"-5G", "negative"},
      {"nan", "does not start with a number"},
      {"inf", "does not start with a number"},
      {"G", "does not start with a number"},
      {".", "does not start with a number"},
      {"1e9", "not a unit of size"},
      {"12Q", "\"Q\" is not a unit of size"},
      {"12GiBB", "not a unit of size"},
      {"12G 3M", "not a unit of size"},
      {"1,5G", "not a unit of size"},
      {"10%", "capacity"},
      {"9223372036854775808", "larger than"},
      {"99999999999999999999999999", "larger than"},
      {"8388608T", "larger than"},
      {"8388607.9999999999999999999T", "larger than"},
  };
  for (const auto& [text, why] : rows) {
    const auto bytes = parse_bytes(text);
    ASSERT_FALSE(bytes) << text << " became " << bytes->count();
    EXPECT_EQ(bytes.error().kind, ErrorKind::invalid_request);
    EXPECT_THAT(bytes.error().what, HasSubstr(text));
    EXPECT_THAT(bytes.error().why, HasSubstr(why)) << text;
    EXPECT_THAT(bytes.error().help, HasSubstr("512MiB"));
  }
}

TEST(ParseBytes, ShowsHostileTextShortAndPrintable) {
  const auto bytes = parse_bytes(std::string(1000, 'x') + "\n\x1b[31m");
  ASSERT_FALSE(bytes);
  EXPECT_LT(bytes.error().what.size(), 100u);
  EXPECT_THAT(parse_bytes("1\x1b[31m").error().what, HasSubstr("1?[31m"));
}

TEST(ParseCores, TakesCoresAndThousandths) {
  EXPECT_EQ(parse_cores("4")->milli(), 4000);
  EXPECT_EQ(parse_cores("0.5")->milli(), 500);
  EXPECT_EQ(parse_cores("1500m")->milli(), 1500);
  EXPECT_EQ(parse_cores(" 0 ")->milli(), 0);
  EXPECT_EQ(parse_cores("0.0005")->milli(), 1);
  for (const char* text :
       {"", "-1", "nan", "0.0001", "4 cores", "1e3", "99999999999", "m", "50%"}) {
    EXPECT_FALSE(parse_cores(text)) << text;
  }
}

TEST(ParsePercent, TakesZeroToAHundred) {
  EXPECT_DOUBLE_EQ(parse_percent("85%")->value(), 0.85);
  EXPECT_DOUBLE_EQ(parse_percent("85")->value(), 0.85);
  EXPECT_DOUBLE_EQ(parse_percent("2.5 %")->value(), 0.025);
  EXPECT_DOUBLE_EQ(parse_percent("100%")->value(), 1.0);
  for (const char* text : {"", "-1%", "100.1%", "nan%", "5%%", "5 G", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_percent(text)) << text;
  }
}

TEST(ParseShare, TakesAPercentageOrASize) {
  EXPECT_EQ(*parse_share("2%"), (Share{Ratio(0.02), {}}));
  EXPECT_EQ(*parse_share("512MiB"), (Share{{}, 512_MiB}));
  EXPECT_EQ(*parse_share("0"), (Share{{}, 0_B}));
  EXPECT_THAT(parse_share("101%").error().why, HasSubstr("above 100"));
  EXPECT_THAT(parse_share("5 apples").error().help, HasSubstr("percentage"));
}

TEST(ParseDuration, TakesUnitsFromLargeToSmall) {
  const std::pair<const char*, std::chrono::milliseconds> rows[] = {
      {"500ms", 500ms}, {"3s", 3s},
      {"10m", 10min},   {"1h", 1h},
      {"7d", 168h},     {"2h30m", 150min},
      {"1.5h", 90min},  {"300", 300s},
      {"0.5", 500ms},   {"1d 2h 3m 4s 5ms", 26h + 3min + 4s + 5ms},
      {"0", 0ms},       {"10 s", 10s},
      {"3S", 3s},       {"36525d", 876600h},
  };
  for (const auto& [text, expected] : rows) {
    const auto time = parse_duration(text);
    ASSERT_TRUE(time) << text << ": " << time.error().why;
    EXPECT_EQ(*time, expected) << text;
  }
}

TEST(ParseDuration, RefusesWhatIsNoTimeAndSaysWhy) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "empty"},
      {"-3s", "negative"},
      {"3 weeks", "not a unit of time"},
      {"5y", "unit of time"},
      {"30m2h", "large to small"},
      {"1s1s", "large to small"},
      {"2h30", "no unit"},
      {"1 2", "no unit"},
      {"h", "start with a number"},
      {"36526d", "100 years"},
      {"99999999999999999999999d", "100 years"},
      {"36525d1ms", "100 years"},
      {"nan", "start with a number"},
      {"3s.", "no number"},
  };
  for (const auto& [text, why] : rows) {
    const auto time = parse_duration(text);
    ASSERT_FALSE(time) << text;
    EXPECT_THAT(time.error().why, HasSubstr(why)) << text;
    EXPECT_THAT(time.error().help, HasSubstr("2h30m"));
  }
}

TEST(ParseWords, TakeTheWordsOfTheInterfaceInAnyCase) {
  EXPECT_EQ(*parse_priority("High"), Priority::high);
  EXPECT_EQ(*parse_level("emergency"), Level::emergency);
  EXPECT_EQ(*parse_resource("gpu.memory"), Resource::gpu_memory);
  EXPECT_EQ(*parse_resource("gpu-temperature"), Resource::gpu_temperature);
  EXPECT_TRUE(*parse_bool("Yes"));
  EXPECT_FALSE(*parse_bool("0"));
}

TEST(ParseWords, OfferTheNearestWordAndListThemAll) {
  const auto wrong = parse_priority("hihg");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().what, "\"hihg\" is not a priority, did you mean high?");
  EXPECT_EQ(wrong.error().help, "one of: low normal high critical");
  EXPECT_EQ(parse_priority("urgent").error().what, "\"urgent\" is not a priority");
}

TEST(Nearest, OffersNothingThatIsNotNear) {
  constexpr std::string_view kKeys[] = {"pressure.memory.warning", "pressure.cpu.warning",
                                        "http.listen"};
  EXPECT_EQ(nearest("presure.memory.warning", kKeys), "pressure.memory.warning");
  EXPECT_EQ(nearest("pressure.memroy.warnign", kKeys), "pressure.memory.warning");
  EXPECT_EQ(nearest("HTTP.Listen", kKeys), "http.listen");
  EXPECT_EQ(nearest("grpc.port", kKeys), std::nullopt);
  EXPECT_EQ(nearest("", kKeys), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'p'), kKeys), std::nullopt);
}

TEST(FormatExact, ChoosesTheLargestUnitThatLosesNothing) {
  EXPECT_EQ(format_bytes_exact(16_MiB), "16MiB");
  EXPECT_EQ(format_bytes_exact(1536_MiB), "1536MiB");
  EXPECT_EQ(format_bytes_exact(1000_B), "1000");
  EXPECT_EQ(format_bytes_exact(0_B), "0");
  EXPECT_EQ(format_duration_exact(300s), "5m");
  EXPECT_EQ(format_duration_exact(1500ms), "1500ms");
  EXPECT_EQ(format_duration_exact(0ms), "0s");
  EXPECT_EQ(format_share_exact({Ratio(0.07), {}}), "7%");
  EXPECT_EQ(format_share_exact({{}, 512_MiB}), "512MiB");
}

TEST(FormatExactProperty, IsReadBackAsTheSameAmount) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    const Bytes bytes(static_cast<std::int64_t>(random() >> 1 >> (random() % 63)));
    ASSERT_EQ(*parse_bytes(format_bytes_exact(bytes)), bytes) << seed;
    const std::chrono::milliseconds time(static_cast<std::int64_t>(random() % 3'155'760'000'000));
    ASSERT_EQ(*parse_duration(format_duration_exact(time)), time) << seed;
    const Share share{Ratio(static_cast<double>(random() % 10001) / 10000.0), {}};
    ASSERT_NEAR(parse_share(format_share_exact(share))->ratio->value(), share.ratio->value(), 1e-11)
        << seed;
  }
}

}  // namespace
}  // namespace headroom::settings
