#include "serve/compress.hpp"

#include <string>

#include <gtest/gtest.h>
#include <zlib.h>

namespace headroom::serve {
namespace {

std::string gunzip(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  std::string in(bytes);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Compress, GivesBackWhatWentIn) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "{\"number\":" + std::to_string(i) + "},";
  for (const std::string& one : {std::string(), std::string("a"), text}) {
    const std::string small = gzip(one);
    EXPECT_TRUE(is_gzip(small));
    EXPECT_EQ(gunzip(small), one);
  }
  EXPECT_LT(gzip(text).size(), text.size() / 4);
  EXPECT_FALSE(is_gzip(text));
}

TEST(Compress, AsksTheHeaderWhetherItMay) {
  const struct {
    const char* header;
    bool may;
  } rows[] = {
      {"", false},
      {"gzip", true},
      {"GZIP", true},
      {"gzip, deflate, br, zstd", true},
      {"br;q=1.0, gzip;q=0.8, *;q=0.1", true},
      {"*", true},
      {"*;q=0", false},
      {"gzip;q=0", false},
      {"gzip;q=0.000, *", false},
      {"identity", false},
      {"gzipped", false},
      {",,;q=1,", false},
  };
  for (const auto& row : rows) EXPECT_EQ(accepts_gzip(row.header), row.may) << row.header;
}

}  // namespace
}  // namespace headroom::serve
