#include "sense/safetensors.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sense/json.hpp"
#include "sense/model_file.hpp"
#include "sense/model_writer_for_test.hpp"

namespace headroom::sense {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kSmall =
    R"({"__metadata__":{"format":"pt"},)"
    R"("model.embed_tokens.weight":{"dtype":"BF16","shape":[100,64],"data_offsets":[0,12800]},)"
    R"("model.layers.0.mlp.up.weight":{"dtype":"F32","shape":[8,8],"data_offsets":[12800,13056]},)"
    R"("model.layers.1.mlp.experts.3.up.weight":{"data_offsets":[13056,13120],"shape":[64],"dtype":"F8_E4M3"},)"
    R"("lm_head.weight":{"dtype":"F16","shape":[],"data_offsets":[13120,13122]}}   )";
constexpr std::uint64_t kSmallData = 13122;

Result<SafetensorsPart> parse(const std::string& json, std::uint64_t data) {
  const std::string header = safetensors_header(json);
  return parse_safetensors(header, header.size() + data);
}

std::string one(const std::string& name, const std::string& rest) {
  return "{\"" + name + "\":{" + rest + "}}";
}

TEST(Safetensors, TellsTheExactWeights) {
  const auto part = parse(kSmall, kSmallData);
  ASSERT_TRUE(part) << part.error().why;
  EXPECT_EQ(part->tensors, 4U);
  EXPECT_EQ(part->weights_bytes, kSmallData);
  EXPECT_EQ(part->output_bytes, 2U);
  EXPECT_EQ(part->expert_bytes, 64U);
  EXPECT_THAT(part->layer_bytes, ElementsAre(256, 64));
  EXPECT_FALSE(part->vision);
}

TEST(Safetensors, ATypeFromTomorrowIsCountedByItsPlace) {
  const auto part = parse(one("a", R"("dtype":"F5","shape":[7],"data_offsets":[0,11])"), 11);
  ASSERT_TRUE(part) << part.error().why;
  EXPECT_EQ(part->weights_bytes, 11U);
}

TEST(Safetensors, HostileHeadersAreRefusedWithAReason) {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  struct Row {
    const char* name;
    std::string json;
    std::uint64_t data;
    const char* why;
  };
  const std::vector<Row> rows = {
      {"no object", "[1]", 0, "no JSON object"},
      {"unfinished", "{\"a\":", 0, "no valid JSON"},
      {"rest", "{}x", 0, "follows the object"},
      {"twice",
       "{\"a\":{" + good + "},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}", 8,
       "same name"},
      {"overlap", "{\"a\":{" + good + R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "share bytes"},
      {"hole", one("a", good), 12, "8 bytes of 12"},
      {"beyond", one("a", good), 4, "ends at 8 of 4"},
      {"backwards", one("a", R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), 8, "ends at 0"},
      {"other size", one("a", R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), 8,
       "another size"},
      {"wraps", one("a", R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
       8, "another size"},
      {"wraps to nothing",
       one("a", R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0,
       "another size"},
      {"bits wrap", one("a", R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8])"),
       8, "another size"},
      {"negative", one("a", R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), 8,
       "no valid JSON"},
      {"fraction", one("a", R"("dtype":"F32","shape":[2.5],"data_offsets":[0,8])"), 8,
       "no valid JSON"},
      {"too large",
       one("a", R"("dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999999])"), 8,
       "no valid JSON"},
      {"no type", one("a", R"("shape":[2],"data_offsets":[0,8])"), 8, "does not say"},
      {"type twice", one("a", R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])"), 8,
       "twice"},
      {"no name", one("", good), 8, "no name"},
      {"many layers", one("layers.123456.x", good), 8, "more layers"},
      {"bad escape", one("\\ud800", good), 8, "no valid JSON"},
      {"control", one("\n", good), 8, "no valid JSON"},
      {"deep", "{\"__metadata__\":" + std::string(100'000, '[') + "}", 0, "no valid JSON"},
      {"zero first", one("a", R"("dtype":"F32","shape":[02],"data_offsets":[0,8])"), 8,
       "no valid JSON"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto part = parse(row.json, row.data);
    ASSERT_FALSE(part);
    EXPECT_EQ(part.error().kind, ErrorKind::invalid_request);
    EXPECT_THAT(part.error().why, HasSubstr(row.why));
    EXPECT_FALSE(part.error().help.empty());
  }
  std::string long_header;
  GgufWriter::integer(long_header, ~std::uint64_t{0});
  EXPECT_THAT(parse_safetensors(long_header + "{}", 1ULL << 62).error().why,
              HasSubstr("claims a header"));
}

TEST(Safetensors, EveryCutHeaderIsRefused) {
  const std::string header = safetensors_header(kSmall);
  for (std::size_t size = 0; size < header.size(); ++size) {
    EXPECT_FALSE(parse_safetensors(header.substr(0, size), header.size() + kSmallData)) << size;
  }
}

TEST(SafetensorsIndex, NamesEachFileOnce) {
  const auto index = parse_safetensors_index(
      R"({"metadata":{"total_size":5},"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors","c":"x-1.safetensors"}})");
  ASSERT_TRUE(index) << index.error().why;
  EXPECT_THAT(index->files, ElementsAre("x-1.safetensors", "x-2.safetensors"));
  EXPECT_EQ(index->tensors, 3U);
}

TEST(SafetensorsIndex, CannotLeaveItsFolder) {
  for (const char* name : {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors",
                           ".x.safetensors", "x.bin", "", "x\\u0000.safetensors"}) {
    EXPECT_FALSE(parse_safetensors_index(std::string(R"({"weight_map":{"a":")") + name + "\"}}"))
        << name;
  }
  EXPECT_FALSE(parse_safetensors_index(R"({"weight_map":{}})"));
  EXPECT_FALSE(
      parse_safetensors_index(R"({"weight_map":{"a":"x.safetensors","a":"x.safetensors"}})"));
  EXPECT_FALSE(parse_safetensors_index(R"({"weight_map":3})"));
  EXPECT_FALSE(parse_safetensors_index("{}"));
}

Result<ModelShape> configured(const std::string& json) {
  return parse_model_config(json, ModelShape{});
}

TEST(ModelConfig, WhatItDoesNotSayIsUnknown) {
  EXPECT_THAT(configured("{}")->cache_unknown, HasSubstr("how many layers"));
  EXPECT_THAT(configured(R"({"num_hidden_layers":2})")->cache_unknown,
              HasSubstr("attention heads"));
  EXPECT_THAT(configured(R"({"num_hidden_layers":2,"num_attention_heads":4})")->cache_unknown,
              HasSubstr("how wide"));
  EXPECT_THAT(configured(R"({"num_hidden_layers":2,"is_encoder_decoder":true})")->cache_unknown,
              HasSubstr("decoder"));
  EXPECT_FALSE(configured(R"({"num_hidden_layers":2})")->embedding);
}

TEST(ModelConfig, ImpossibleValuesAreRefused) {
  for (const char* json :
       {"", "[]", "{", "{}{}", R"({"num_hidden_layers":-1})", R"({"num_hidden_layers":99999})",
        R"({"num_hidden_layers":1e3})", R"({"num_hidden_layers":2,"num_hidden_layers":2})",
        R"({"num_hidden_layers":2,"num_attention_heads":64,"hidden_size":32})",
        R"({"num_hidden_layers":3,"num_attention_heads":4,"hidden_size":32,"num_kv_heads":[1,2]})",
        R"({"num_hidden_layers":3,"layer_types":["full_attention"]})",
        R"({"head_dim":99999999999,"num_hidden_layers":1,"num_attention_heads":1})"}) {
    const auto shape = configured(json);
    EXPECT_FALSE(shape) << json;
  }
  EXPECT_FALSE(parse_model_config(std::string((4 << 20) + 1, ' '), {}));
  // Nested deeper than any configuration, and wider than any.
  EXPECT_FALSE(configured(std::string(50'000, '[')));
  std::string wide = "{\"a\":[0";
  for (int i = 0; i < 70'000; ++i) wide += ",0";
  EXPECT_FALSE(configured(wide + "]}"));
}

TEST(ModelConfig, LooksIntoTheTextModelOfAModelWithPictures) {
  const auto shape = configured(
      R"({"model_type":"gemma3","vision_config":{"num_hidden_layers":27},"text_config":)"
      R"({"model_type":"gemma3_text","num_hidden_layers":12,"num_attention_heads":8,"num_key_value_heads":4,)"
      R"("head_dim":256,"hidden_size":2560,"sliding_window":1024,"sliding_window_pattern":6}})");
  ASSERT_TRUE(shape) << shape.error().why;
  EXPECT_TRUE(shape->vision);
  ASSERT_EQ(shape->layers.size(), 12U);
  EXPECT_EQ(shape->layers[4].window, 1024U);
  EXPECT_FALSE(shape->layers[5].window);
  EXPECT_EQ(shape->layers[5].kv_heads, 4U);
}

class SafetensorsFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "safetensors_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name + "/";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& json, std::uint64_t data) {
    const std::string header = safetensors_header(json);
    text(name, header);
    EXPECT_EQ(::truncate((folder_ + name).c_str(), static_cast<off_t>(header.size() + data)), 0);
    return folder_ + name;
  }
  void text(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ + name, std::ios::binary) << bytes;
  }
  static std::string tensor(const std::string& name, std::uint64_t bytes) {
    return one(name, R"("dtype":"U8","shape":[)" + std::to_string(bytes) +
                         R"(],"data_offsets":[0,)" + std::to_string(bytes) + "]");
  }

  std::string folder_;
};

TEST_F(SafetensorsFiles, AFolderIsReadByItsIndexAndConfiguration) {
  write("model-00001-of-00002.safetensors", tensor("model.layers.0.a", 1ULL << 36), 1ULL << 36);
  const auto part = write("model-00002-of-00002.safetensors", tensor("model.layers.1.a", 100), 100);
  text("model.safetensors.index.json",
       R"({"weight_map":{"model.layers.0.a":"model-00001-of-00002.safetensors",)"
       R"("model.layers.1.a":"model-00002-of-00002.safetensors"}})");
  text("config.json",
       R"({"model_type":"llama","num_hidden_layers":2,"num_attention_heads":4,"hidden_size":64})");
  for (const std::string& path : {folder_, folder_ + "model.safetensors.index.json", part}) {
    const auto shape = read_model(path);
    ASSERT_TRUE(shape) << shape.error().why;
    EXPECT_EQ(shape->weights_bytes, (1ULL << 36) + 100);
    EXPECT_EQ(shape->files, 2U);
    EXPECT_EQ(shape->layers[1].weights_bytes, 100U);
    EXPECT_EQ(shape->layers[1].key_length, 16U);
    EXPECT_TRUE(shape->cache_unknown.empty());
  }
  std::filesystem::remove(folder_ + "model.safetensors.index.json");
  EXPECT_EQ(read_model(part)->weights_bytes, (1ULL << 36) + 100);
  std::filesystem::remove(folder_ + "model-00001-of-00002.safetensors");
  const auto missing = read_model(part);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_THAT(missing.error().help, HasSubstr("missing part"));
}

TEST_F(SafetensorsFiles, WithoutConfigurationTheCacheIsUnknown) {
  const auto shape = read_model(write("model.safetensors", kSmall, kSmallData));
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->weights_bytes, kSmallData);
  EXPECT_THAT(shape->cache_unknown, HasSubstr("config.json"));
  text("config.json", "{broken");
  EXPECT_THAT(read_model(folder_).error().what, HasSubstr("config.json"));
}

TEST_F(SafetensorsFiles, PartsThatHoldTheSameTensorAreRefused) {
  write("m-00001-of-00002.safetensors", tensor("a", 8), 8);
  const auto part = write("m-00002-of-00002.safetensors", tensor("a", 8), 8);
  EXPECT_THAT(read_model(part).error().why, HasSubstr("same tensor"));
}

TEST_F(SafetensorsFiles, AFolderOfTwoModelsIsAsked) {
  EXPECT_EQ(read_model(folder_).error().kind, ErrorKind::not_found);
  write("one.safetensors", tensor("a", 8), 8);
  EXPECT_TRUE(read_model(folder_));
  write("two.safetensors", tensor("a", 8), 8);
  EXPECT_THAT(read_model(folder_).error().why, HasSubstr("more than one model"));
}

TEST(Json, KeepsTextsAsUtf8) {
  const std::string json =
      R"(["\u00e9\ud83d\ude00\n\\", true, null, -12, 1.5, 99999999999999999999])";
  HeaderBytes bytes(json, json.size());
  JsonReader reader(bytes);
  const auto value = reader.value();
  ASSERT_TRUE(value);
  EXPECT_EQ(value->items[0].text, "\xc3\xa9\xf0\x9f\x98\x80\n\\");
  EXPECT_TRUE(value->items[1].truth);
  EXPECT_EQ(value->items[3].whole, -12);
  EXPECT_FALSE(value->items[4].whole);
  EXPECT_FALSE(value->items[5].whole);
  EXPECT_TRUE(reader.at_end());
}

}  // namespace
}  // namespace headroom::sense
