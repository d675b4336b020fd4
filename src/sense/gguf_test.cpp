#include "sense/gguf.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sense/model_file.hpp"
#include "sense/model_writer_for_test.hpp"

namespace headroom::sense {
namespace {

using testing::HasSubstr;

GgufWriter small() {
  GgufWriter file;
  file.architecture("llama")
      .text("general.name", "Small")
      .own("block_count", 2)
      .own("embedding_length", 64)
      .own("context_length", 2048)
      .own("feed_forward_length", 128)
      .own("attention.head_count", 4)
      .own("attention.head_count_kv", 2)
      .tokens(100)
      .tensor("token_embd.weight", {64, 100}, 8, 6800)
      .tensor("blk.0.attn_q.weight", {64, 64}, 1, 8192)
      .tensor("blk.1.attn_q.weight", {64, 64}, 0, 16384)
      .tensor("output.weight", {64, 100}, 1, 12800);
  return file;
}

Result<ModelShape> shape_of(const GgufWriter& file) {
  auto part = parse_gguf(file.header(), file.size());
  if (!part) return tl::unexpected(part.error());
  return shape_of(std::vector<GgufPart>{std::move(*part)});
}

Result<GgufPart> parse(const GgufWriter& file) { return parse_gguf(file.header(), file.size()); }

TEST(Gguf, TellsTheShapeAndTheExactWeights) {
  const auto shape = shape_of(small());
  ASSERT_TRUE(shape) << shape.error().why;
  EXPECT_EQ(shape->architecture, "llama");
  EXPECT_EQ(shape->name, "Small");
  EXPECT_EQ(shape->tensors, 4U);
  EXPECT_EQ(shape->weights_bytes, 6800U + 8192 + 16384 + 12800);
  EXPECT_EQ(shape->host_weights_bytes, 6800U);
  EXPECT_EQ(shape->output_weights_bytes, 12800U);
  EXPECT_EQ(shape->vocabulary, 100U);
  EXPECT_EQ(shape->trained_context, 2048U);
  ASSERT_EQ(shape->layers.size(), 2U);
  EXPECT_EQ(shape->layers[0].weights_bytes, 8192U);
  EXPECT_EQ(shape->layers[1].weights_bytes, 16384U);
  EXPECT_EQ(shape->layers[1].kv_heads, 2U);
  EXPECT_EQ(shape->layers[1].key_length, 16U);
  EXPECT_FALSE(shape->layers[1].window);
  EXPECT_TRUE(shape->cache_unknown.empty());
}

TEST(Gguf, VersionTwoIsTheSame) {
  GgufWriter file = small();
  file.version = 2;
  const auto shape = shape_of(file);
  ASSERT_TRUE(shape) << shape.error().why;
  EXPECT_EQ(*shape, *shape_of(small()));
}

TEST(Gguf, SharedEmbeddingsLieOnTheDevice) {
  GgufWriter file;
  file.architecture("gemma2").own("block_count", 1).tensor("token_embd.weight", {32, 10}, 0, 1280);
  const auto shape = shape_of(file);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->host_weights_bytes, 0U);
  EXPECT_FALSE(shape->cache_unknown.empty());
}

TEST(Gguf, EachTypeTakesItsBlocks) {
  // 256 elements of each type; sizes from the layouts of the blocks: scales and packed values.
  struct Row {
    std::uint32_t type;
    std::uint64_t bytes;
  };
  const std::vector<Row> rows = {
      {0, 1024},
      {1, 512},
      {2, 8 * (2 + 16)},          // q4_0: one 16-bit scale, 32 halves of a byte
      {3, 8 * (2 + 2 + 16)},      // q4_1: scale and minimum
      {6, 8 * (2 + 4 + 16)},      // q5_0: 32 fifth bits
      {7, 8 * (2 + 2 + 4 + 16)},  // q5_1
      {8, 8 * (2 + 32)},          // q8_0
      {9, 8 * (2 + 2 + 32)},      // q8_1
      {10, 16 + 64 + 4},          // q2_K: 16 scales, 2 bits each, scale and minimum
      {11, 32 + 64 + 12 + 2},     // q3_K: a bit each, 2 bits each, 12 bytes of scales
      {12, 4 + 12 + 128},         // q4_K
      {13, 4 + 12 + 32 + 128},    // q5_K
      {14, 128 + 64 + 16 + 2},    // q6_K
      {15, 4 + 256 + 32},         // q8_K
      {16, 2 + 64},               // iq2_xxs
      {17, 2 + 64 + 8},           // iq2_xs
      {18, 2 + 96},               // iq3_xxs
      {19, 2 + 32 + 16},          // iq1_s
      {20, 8 * (2 + 16)},         // iq4_nl
      {21, 2 + 64 + 8 + 32 + 4},  // iq3_s
      {22, 2 + 64 + 8 + 8},       // iq2_s
      {23, 2 + 2 + 4 + 128},      // iq4_xs
      {24, 256},
      {25, 512},
      {26, 1024},
      {27, 2048},
      {28, 2048},
      {29, 32 + 16 + 8},  // iq1_m
      {30, 512},
      {34, 48 + 4 + 2},    // tq1_0: 5 values a byte, and the rest
      {35, 64 + 2},        // tq2_0
      {39, 8 * (1 + 16)},  // mxfp4
      {40, 4 * (4 + 32)},  // nvfp4: 64 elements, a scale for each 16
      {41, 2 * (2 + 16)},  // q1_0: 128 elements
      {42, 4 * (2 + 16)},  // q2_0: 64 elements
  };
  for (const Row& row : rows) {
    GgufWriter file;
    file.architecture("llama").tensor("a", {256}, row.type, row.bytes);
    const auto part = parse(file);
    ASSERT_TRUE(part) << row.type << part.error().why;
    EXPECT_EQ(part->weights_bytes, row.bytes) << row.type;
  }
  for (const std::uint32_t gone : {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 43U, 0xffffffffU}) {
    GgufWriter file;
    file.tensor("a", {256}, gone, 1024);
    const auto part = parse(file);
    ASSERT_FALSE(part) << gone;
    EXPECT_THAT(part.error().why, HasSubstr("the type " + std::to_string(gone)));
  }
}

TEST(Gguf, ReadsIntegersOfEveryWidthAndOrderOfKeys) {
  GgufWriter file;
  file.short_number("llama.block_count", 3)
      .signed_number("llama.embedding_length", 128)
      .number("llama.attention.head_count", 8)
      .architecture("llama")
      .tensor("blk.0.a", {32}, 0, 128);
  const auto shape = shape_of(file);
  ASSERT_TRUE(shape) << shape.error().why;
  ASSERT_EQ(shape->layers.size(), 3U);
  EXPECT_EQ(shape->layers[2].kv_heads, 8U);
  EXPECT_EQ(shape->layers[2].key_length, 16U);
}

TEST(Gguf, HostileHeadersAreRefusedWithAReason) {
  const auto with = [](const std::function<void(GgufWriter&)>& change) {
    GgufWriter file = small();
    change(file);
    return file;
  };
  const auto list_key = [](std::uint32_t type, std::uint64_t count) {
    std::string out;
    GgufWriter::string(out, "evil");
    GgufWriter::integer(out, std::uint32_t{9});
    GgufWriter::integer(out, type);
    GgufWriter::integer(out, count);
    return out;
  };
  struct Row {
    const char* name;
    GgufWriter file;
    const char* why;
  };
  const std::vector<Row> rows = {
      {"wrong magic", with([](auto& f) { f.magic = "GGUX"; }), "does not begin with GGUF"},
      {"the format before", with([](auto& f) { f.magic = "tjgg"; }), "older than GGUF"},
      {"version 1", with([](auto& f) { f.version = 1; }), "version 1"},
      {"version 0", with([](auto& f) { f.version = 0; }), "version is 0"},
      {"version 4", with([](auto& f) { f.version = 4; }), "version is 4"},
      {"big-endian", with([](auto& f) { f.version = 0x03000000; }), "big-endian"},
      {"a key twice", with([](auto& f) { f.number("llama.block_count", 3); }), "key appears twice"},
      {"a tensor twice", with([](auto& f) { f.tensor("output.weight", {4}, 0, 16); }), "same name"},
      {"overlap", with([](auto& f) { f.tensor_at("b", {64}, 0, 32); }), "share bytes"},
      {"beyond the end", with([](auto& f) { f.tensor_at("b", {64}, 0, 1 << 20); }), "ends at"},
      {"offset not aligned", with([](auto& f) { f.tensor_at("b", {4}, 0, 33); }),
       "impossible offset"},
      {"offset wraps", with([](auto& f) { f.tensor_at("b", {64}, 0, ~0ULL - 31); }), "impossible"},
      {"elements wrap", with([](auto& f) { f.tensor("b", {1ULL << 40, 1ULL << 40}, 0, 0); }),
       "impossible size"},
      {"size wraps", with([](auto& f) { f.tensor("b", {1ULL << 62}, 0, 0); }), "impossible size"},
      {"no elements", with([](auto& f) { f.tensor("b", {0}, 0, 0); }), "impossible size"},
      {"half a block", with([](auto& f) { f.tensor("b", {33}, 8, 34); }), "impossible size"},
      {"five dimensions", with([](auto& f) { f.tensor("b", {1, 1, 1, 1, 1}, 0, 4); }),
       "5 dimensions"},
      {"no dimensions", with([](auto& f) { f.tensor("b", {}, 0, 4); }), "0 dimensions"},
      {"a long name", with([](auto& f) { f.tensor(std::string(300, 'x'), {4}, 0, 16); }),
       "longer than"},
      {"no name", with([](auto& f) { f.tensor("", {4}, 0, 16); }), "no name"},
      {"many layers", with([](auto& f) { f.tensor("blk.99999999999.x", {4}, 0, 16); }),
       "more layers"},
      {"alignment 0", with([](auto& f) { f.number("general.alignment", 0); }), "alignment"},
      {"alignment 3", with([](auto& f) { f.number("general.alignment", 3); }), "alignment"},
      {"alignment 2^31", with([](auto& f) { f.number("general.alignment", 1U << 31); }),
       "alignment"},
      {"a list of lists", with([&](auto& f) { f.raw_key(list_key(9, 1)); }), "list of lists"},
      {"a list without end", with([&](auto& f) { f.raw_key(list_key(4, 1ULL << 61)); }), "claims"},
      {"texts without end", with([&](auto& f) { f.raw_key(list_key(8, ~0ULL)); }), "claims"},
      {"a type of value that is not", with([&](auto& f) { f.raw_key(list_key(13, 1)); }),
       "unknown type"},
      {"part 5 of 2", with([](auto& f) { f.number("split.no", 5).number("split.count", 2); }),
       "part 5 of 2"},
      {"a million parts", with([](auto& f) { f.number("split.count", 1000000); }),
       "part 0 of 1000000"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto part = parse(row.file);
    ASSERT_FALSE(part);
    EXPECT_EQ(part.error().kind, ErrorKind::invalid_request);
    EXPECT_THAT(part.error().why, HasSubstr(row.why));
    EXPECT_FALSE(part.error().help.empty());
  }
}

TEST(Gguf, HugeCountsInTheStartAreRefusedAtOnce) {
  for (const std::size_t at : {8U, 16U}) {  // tensors, keys
    for (const std::uint64_t count :
         {std::uint64_t{1} << 20, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
      std::string header = small().header();
      std::string number;
      GgufWriter::integer(number, count);
      header.replace(at, 8, number);
      const auto part = parse_gguf(header, small().size());
      ASSERT_FALSE(part);
      EXPECT_THAT(part.error().why, HasSubstr("claims"));
    }
  }
}

TEST(Gguf, EveryCutHeaderIsRefused) {
  const std::string header = small().header();
  for (std::size_t size = 0; size < header.size(); ++size) {
    EXPECT_FALSE(parse_gguf(header.substr(0, size), size)) << size;
    EXPECT_FALSE(parse_gguf(header.substr(0, size), small().size())) << size;
  }
  EXPECT_TRUE(parse_gguf(header, small().size()));
  const auto cut = parse_gguf(header, small().size() - 33);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().help, HasSubstr("may not be whole"));
}

TEST(Gguf, ImpossibleValuesOfAModelAreRefused) {
  const auto changed = [](const char* key, std::int32_t value) {
    GgufWriter file;
    file.architecture("llama")
        .own("embedding_length", 64)
        .signed_number(std::string("llama.") + key, value)
        .tensor("blk.0.a", {32}, 0, 128);
    if (std::string(key) != "block_count") file.own("block_count", 1);
    if (std::string(key) != "attention.head_count") file.own("attention.head_count", 4);
    return shape_of(file);
  };
  EXPECT_FALSE(changed("block_count", -1));
  EXPECT_FALSE(changed("block_count", 1025));
  EXPECT_FALSE(changed("attention.head_count", -4));
  EXPECT_FALSE(changed("attention.head_count", 65));  // a head of no width
  EXPECT_FALSE(changed("attention.key_length", 1 << 25));
  EXPECT_TRUE(changed("attention.key_length", 128));
  const auto none = changed("attention.head_count", 0);  // as converters write "not said"
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->cache_unknown.empty());
  GgufWriter list;
  list.architecture("llama").own("block_count", 3).own("embedding_length", 64);
  list.own("attention.head_count", {4, 4}).tensor("blk.0.a", {32}, 0, 128);
  const auto shape = shape_of(list);
  ASSERT_FALSE(shape);
  EXPECT_THAT(shape.error().why, HasSubstr("2 values for 3 layers"));
}

TEST(Gguf, AProjectorKeepsNothingAndHasAWidth) {
  GgufWriter file;
  file.architecture("clip").own("vision.embedding_length", 1152).own("vision.block_count", 27);
  file.own("vision.attention.head_count", 16).tensor("v.blk.0.attn_q.weight", {32}, 1, 64);
  const auto shape = shape_of(file);
  ASSERT_TRUE(shape);
  EXPECT_TRUE(shape->vision);
  EXPECT_TRUE(shape->embedding_only);
  EXPECT_EQ(shape->embedding, 1152U);
  EXPECT_TRUE(shape->cache_unknown.empty());
}

TEST(Gguf, UnknownIsAStateAndNotZero) {
  GgufWriter file;
  file.tensor("a", {32}, 0, 128);
  const auto shape = shape_of(file);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->weights_bytes, 128U);
  EXPECT_THAT(shape->cache_unknown, HasSubstr("no architecture"));
  EXPECT_FALSE(shape->embedding);
  GgufWriter t5;
  t5.architecture("t5").own("block_count", 2).tensor("a", {32}, 0, 128);
  EXPECT_THAT(shape_of(t5)->cache_unknown, HasSubstr("t5"));
  GgufWriter empty;
  empty.architecture("llama");
  EXPECT_THAT(shape_of(empty).error().why, HasSubstr("no tensors"));
}

class GgufFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "gguf_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name + "/";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Writes the header; the tensors are a hole in the file.
  std::string write(const std::string& name, const GgufWriter& file) {
    std::ofstream(folder_ + name, std::ios::binary) << file.header();
    EXPECT_EQ(::truncate((folder_ + name).c_str(), static_cast<off_t>(file.size())), 0);
    return folder_ + name;
  }

  static GgufWriter part(std::uint32_t number, std::uint32_t count) {
    GgufWriter file;
    if (number == 0) {
      file.architecture("llama").own("block_count", count).own("embedding_length", 64);
      file.own("attention.head_count", 4).number("split.tensors.count", count);
    }
    file.short_number("split.no", static_cast<std::uint16_t>(number));
    file.short_number("split.count", static_cast<std::uint16_t>(count));
    file.tensor("blk." + std::to_string(number) + ".a", {64, number + 1}, 0, 256 * (number + 1));
    return file;
  }

  std::string folder_;
};

TEST_F(GgufFiles, OnlyTheHeaderOfAHugeFileIsRead) {
  GgufWriter file = small();
  file.tensor("blk.1.big", {1ULL << 20, 1ULL << 20}, 1, 2ULL << 40);  // 2 TiB, all of it a hole
  const std::string path = folder_ + "huge.gguf";
  std::ofstream(path, std::ios::binary) << file.header();
  if (::truncate(path.c_str(), static_cast<off_t>(file.size())) != 0)
    GTEST_SKIP() << "no large files";
  const auto shape = read_model(path);
  ASSERT_TRUE(shape) << shape.error().why;
  EXPECT_EQ(shape->weights_bytes, 6800U + 8192 + 16384 + 12800 + (2ULL << 40));
}

TEST_F(GgufFiles, AFileSaysTheSameAsItsBytes) {
  GgufWriter file = small();
  file.text("tokenizer.chat_template", std::string(200'000, 'x'));  // longer than the window
  const auto read = read_gguf(write("a.gguf", file));
  ASSERT_TRUE(read) << read.error().why;
  EXPECT_EQ(*read, *shape_of(file));
  const auto by_magic = read_model(write("sha256-0123", file));
  ASSERT_TRUE(by_magic);
  EXPECT_EQ(*by_magic, *read);
}

TEST_F(GgufFiles, AllPartsAreReadWhicheverIsNamed) {
  std::vector<std::string> paths;
  for (std::uint32_t i = 0; i < 3; ++i) {
    paths.push_back(write("m-0000" + std::to_string(i + 1) + "-of-00003.gguf", part(i, 3)));
  }
  for (const std::string& path : paths) {
    const auto shape = read_gguf(path);
    ASSERT_TRUE(shape) << shape.error().why;
    EXPECT_EQ(shape->files, 3U);
    EXPECT_EQ(shape->weights_bytes, 256U * (1 + 2 + 3));
    EXPECT_EQ(shape->layers[2].weights_bytes, 768U);
    EXPECT_EQ(shape->layers[2].kv_heads, 4U);
  }
  std::filesystem::remove(paths[1]);
  const auto missing = read_gguf(paths[0]);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_THAT(missing.error().what, HasSubstr("00002-of-00003"));
  EXPECT_THAT(missing.error().help, HasSubstr("missing part"));
  write("m-00002-of-00003.gguf", part(0, 3));
  EXPECT_THAT(read_gguf(paths[0]).error().why, HasSubstr("another model"));
  GgufWriter more = part(1, 3);
  more.tensor("blk.0.b", {4}, 0, 16);
  write("m-00002-of-00003.gguf", more);
  EXPECT_THAT(read_gguf(paths[0]).error().why, HasSubstr("4 tensors and should hold 3"));
  EXPECT_THAT(read_gguf(write("renamed.gguf", part(0, 3))).error().why,
              HasSubstr("name does not tell"));
}

TEST_F(GgufFiles, WhatIsNoFileIsRefusedWithoutWaiting) {
  EXPECT_EQ(read_model(folder_ + "none.gguf").error().kind, ErrorKind::not_found);
  ASSERT_EQ(::mkfifo((folder_ + "pipe.gguf").c_str(), 0600), 0);
  EXPECT_THAT(read_model(folder_ + "pipe.gguf").error().why, HasSubstr("no regular file"));
  EXPECT_THAT(read_gguf(folder_).error().why, HasSubstr("no regular file"));
  EXPECT_FALSE(read_model("/dev/zero"));
  EXPECT_FALSE(read_model(folder_));
  std::ofstream(folder_ + "empty.gguf");
  EXPECT_THAT(read_model(folder_ + "empty.gguf").error().why, HasSubstr("shorter than a header"));
}

TEST_F(GgufFiles, NamesFromAFileCannotDriveATerminal) {
  GgufWriter file;
  file.tensor("\x1b[2Jx", {33}, 8, 34);
  const auto shape = read_gguf(write("a.gguf", file));
  ASSERT_FALSE(shape);
  EXPECT_EQ(shape.error().why.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace headroom::sense
