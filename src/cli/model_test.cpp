#include "cli/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/model_file.hpp"
#include "cli/units.hpp"

namespace headroom::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

client::json::value parsed(const char* text) { return *client::parse_json(text); }

Style plain() {
  Style style;
  style.now = *parse_time("2026-01-12T14:10:03Z");
  return style;
}

constexpr const char* kModels = R"({"items":[
 {"name":"facebook/musicgen-small","state":"known","priority":"normal","needs":{"gpu_memory_bytes":6442450944},
  "needs_from":"built in","batch":2,"pinned":false,"uses":0,"until":"","unload_order":null,"requests":0,"hits":0},
 {"name":"sdxl","state":"resident","lease":"l-7","device":"GPU-a","device_index":0,"priority":"low","hook":"comfy",
  "size":{"gpu_memory_bytes":9878424780,"memory_bytes":0},"needs":{"gpu_memory_bytes":9878424780},"needs_from":"learned",
  "last_used":"2026-01-12T13:56:03Z","uses":0,"until":"evictable","unload_order":1,"requests":12,"hits":9,"load_seconds":11.5},
 {"name":"whisper\u001b[2J","state":"resident","device_index":0,"priority":"normal","pinned":true,
  "size":{"gpu_memory_bytes":322122547},"last_used":null,"uses":2,"until":"pinned","unload_order":null}]})";

TEST(Models, AreListedWithWhereTheyAreAndWhoGoesFirst) {
  EXPECT_EQ(render_models(parsed(kModels), plain()),
            "NAME                     WHERE     SIZE     IDLE  STATE     PRIORITY  UNTIL\n"
            "facebook/musicgen-small  –      6.0 GiB        –  known     normal    –\n"
            "sdxl                     GPU 0  9.2 GiB  14m 00s  resident  low       evictable, 1.\n"
            "whisper?[2J              GPU 0  307 MiB   in use  resident  normal    pinned\n");
  EXPECT_EQ(render_models(parsed(R"({"items":[]})"), plain()), "no models\n");
}

TEST(Models, AreShownLineByLine) {
  const auto sdxl = client::list(parsed(kModels))[1];
  const std::string text = render_model(sdxl, plain());
  EXPECT_THAT(text, HasSubstr("sdxl  resident\n"));
  EXPECT_THAT(text, HasSubstr("  needs      9.2 GiB GPU memory (learned)\n"));
  EXPECT_THAT(text, HasSubstr("  requests   12, 9 while it was in memory\n"));
  EXPECT_THAT(text, HasSubstr("  until      evictable, 1. in the order of unloading\n"));
  EXPECT_THAT(text, Not(HasSubstr("pinned")));
}

TEST(Free, TellsWhoGoesWhoStaysAndThatNothingWasChanged) {
  const auto planned = parsed(R"({"dry_run":true,"why":null,
    "freed":{"gpu_memory_bytes":9878424780,"memory_bytes":0},"steps":[
    {"do":"free","model":"sdxl","lease":"l-7","hook":"comfy","device":"GPU-a","device_index":0,
     "gpu_memory_bytes":9878424780,"priority":"low","idle_seconds":840,"outcome":"planned","why":""},
    {"do":"free","model":"whisper","hook":"","device":"GPU-a","device_index":0,
     "gpu_memory_bytes":322122547,"priority":"normal","idle_seconds":0,"outcome":"skipped","why":"pinned"}]})");
  EXPECT_EQ(render_freed(planned, plain()),
            "would free 9.2 GiB on GPU 0\n"
            "#  MODEL    DEVICE     SIZE     IDLE  PRIORITY  ASKS   OUTCOME  WHY\n"
            "1  sdxl     GPU 0   9.2 GiB  14m 00s  low       comfy  planned\n"
            "–  whisper  GPU 0   307 MiB     0.0s  normal    –      skipped  pinned\n"
            "nothing was changed\n");
  const auto nothing = parsed(R"({"dry_run":false,"why":"nothing is unloaded: pins are in the way",
    "freed":{"gpu_memory_bytes":0,"memory_bytes":0},"steps":[]})");
  EXPECT_EQ(render_freed(nothing, plain()),
            "nothing was freed\nnothing is unloaded: pins are in the way\n");
}

TEST(Advice, SaysTheReadingAndTheCommand) {
  const auto advice = parsed(R"({"items":[{"about":"gpu_memory","text":"Unload sdxl",
    "reading":"GPU 0 is 92 % used; sdxl is idle for 14 min","command":"headroom model unload sdxl"}]})");
  EXPECT_EQ(render_advice(advice, plain()),
            "Unload sdxl\n    GPU 0 is 92 % used; sdxl is idle for 14 min\n"
            "    headroom model unload sdxl\n");
  EXPECT_EQ(render_advice(parsed(R"({"items":[]})"), plain()), "nothing to change\n");
}

TEST(ModelFile, ThatIsNoneIsRefusedWithItsName) {
  ModelFileOptions options;
  options.file = "/nonexistent/model.gguf";
  const auto missing = estimate_file(options);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().what, HasSubstr("/nonexistent/model.gguf"));
  options.context = "many";
  EXPECT_THAT(estimate_file(options).error().what, HasSubstr("--context"));
  options.context = "4096";
  options.cache_type = "f12";
  EXPECT_THAT(estimate_file(options).error().what, HasSubstr("--cache-type"));
}

}  // namespace
}  // namespace headroom::cli
