#include "settings/settings.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "settings/file.hpp"
#include "settings/parse.hpp"

namespace headroom::settings {
namespace {

using namespace headroom::literals;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A root folder of its own, removed at the end.
class Settings : public testing::Test {
 protected:
  Settings() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
    std::filesystem::create_directories(root_ + "/etc/headroom/conf.d");
    input_.root = root_;
  }
  ~Settings() override { std::filesystem::remove_all(root_); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  std::string write(const std::string& path, const std::string& content) {
    const std::string full = root_ + path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full, std::ios::binary) << content;
    return full;
  }
  std::string main_file(const std::string& content) {
    return write("/etc/headroom/headroom.toml", content);
  }

  std::string root_;
  Input input_;
};

Setting find(const Loaded& loaded, const std::string& key) {
  for (const Setting& setting : loaded.settings) {
    if (setting.key == key) return setting;
  }
  ADD_FAILURE() << "no key " << key;
  return {};
}

// The problems of a text, one per line; empty when there are none.
std::string problems(const std::string& toml) {
  const auto loaded = load_text(toml, "f");
  return loaded ? "" : loaded.error().why;
}

TEST_F(Settings, AreTheBuiltInOnesWithoutAnySource) {
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config, Config{});
  EXPECT_THAT(loaded->files, IsEmpty());
  EXPECT_THAT(loaded->warnings, IsEmpty());
  for (const Setting& setting : loaded->settings) {
    EXPECT_EQ(setting.origin, "built-in") << setting.key;
    EXPECT_FALSE(setting.about.empty()) << setting.key;
  }
  // no folder at all is as good as an empty one
  std::filesystem::remove_all(root_ + "/etc");
  EXPECT_EQ(load(input_)->config, Config{});
}

TEST_F(Settings, FollowTheOrderOfTheSourcesAndNameTheOneThatWon) {
  const std::string main = main_file(
      "profile = \"edge\"\n"
      "[http]\n"
      "connections = 1\n"
      "[leases]\n"
      "queue = 1\n"
      "user_leases = 1\n"
      "[sample]\n"
      "history = 1\n"
      "interval = \"1m\"\n");
  const std::string first = write("/etc/headroom/conf.d/10.toml", "leases.queue = 2\n");
  const std::string second = write(
      "/etc/headroom/conf.d/20.toml",
      "leases.queue = 3\nleases.user_leases = 3\nsample = { history = 3, interval = \"3s\" }\n");
  write("/etc/headroom/conf.d/ignored.txt", "not toml");
  write("/etc/headroom/conf.d/.hidden.toml", "not toml");
  const std::string own = write("/home/mia/.config/headroom/headroom.toml",
                                "leases.user_leases = 4\nsample.history = 4\n"
                                "sample.interval = \"4s\"\n");
  input_.for_command = true;
  input_.environment = {{"HOME", "/home/mia"},
                        {"HEADROOM_SAMPLE__HISTORY", "5"},
                        {"HEADROOM_SAMPLE__INTERVAL", "5s"}};
  input_.flags = {{"--interval", "sample.interval", "6s"}};

  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.http.connections, 1);
  EXPECT_EQ(loaded->config.leases.queue, 3);
  EXPECT_EQ(loaded->config.leases.user_leases, 4);
  EXPECT_EQ(loaded->config.sample.history, 5);
  EXPECT_EQ(loaded->config.sample.interval, 6s);
  EXPECT_THAT(loaded->files, ElementsAre(main, first, second, own));
  EXPECT_EQ(find(*loaded, "http.connections").origin, main + ":3");
  EXPECT_EQ(find(*loaded, "leases.queue").origin, second + ":1");
  EXPECT_EQ(find(*loaded, "leases.user_leases").origin, own + ":1");
  EXPECT_EQ(find(*loaded, "sample.history").origin, "HEADROOM_SAMPLE__HISTORY");
  EXPECT_EQ(find(*loaded, "sample.interval").origin, "--interval");
  EXPECT_EQ(find(*loaded, "pressure.gpu_temperature.warning").origin, "profile edge");
  EXPECT_EQ(find(*loaded, "strategy").origin, "built-in");
}

TEST_F(Settings, ReadTheUsersOwnFileOnlyForTheCommand) {
  write("/xdg/headroom/headroom.toml", "leases.queue = 7\n");
  input_.environment = {{"XDG_CONFIG_HOME", "/xdg"}};
  EXPECT_EQ(load(input_)->config.leases.queue, 1000);
  input_.for_command = true;
  EXPECT_EQ(load(input_)->config.leases.queue, 7);
  input_.environment = {{"XDG_CONFIG_HOME", "xdg"}};  // relative: not followed
  EXPECT_EQ(load(input_)->config.leases.queue, 1000);
}

TEST_F(Settings, TakeTheFileAskedForInsteadOfTheUsualOne) {
  main_file("leases.queue = 1\nleases.user_leases = 1");
  write("/etc/headroom/conf.d/10.toml", "http.connections = 9");
  const std::string mine = write("/mine.toml", "leases.queue = 2");
  input_.config_file = mine;
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.leases.queue, 2);
  EXPECT_EQ(loaded->config.leases.user_leases, 10000);
  EXPECT_EQ(loaded->config.http.connections, 9);

  input_.config_file = root_ + "/absent.toml";
  EXPECT_EQ(load(input_).error().why, root_ + "/absent.toml: no such file");
}

TEST_F(Settings, TakeTheProfileOfTheLastSourceAndLayItUnderAll) {
  main_file("pressure.memory.warning = 81\nprofile = \"general\"\n");
  input_.environment = {{"HEADROOM_PROFILE", "pipeline"}};
  input_.profile = "enterprise";
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.profile, "enterprise");
  EXPECT_EQ(find(*loaded, "profile").origin, "--profile");
  EXPECT_EQ(loaded->config.pressure.memory, (Rungs{81, 90, {}}));
  EXPECT_EQ(loaded->config.sample.interval, 1s) << "nothing of the profiles that did not win";
}

TEST_F(Settings, HaveTheNumbersOfEachProfile) {
  const auto pressure = [this](const char* profile) {
    input_.profile = profile;
    const auto loaded = load(input_);
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().why);
    return loaded ? loaded->config.pressure : Config::PressureSettings{};
  };
  EXPECT_EQ(pressure("default"), Config::PressureSettings{});

  const auto enterprise = pressure("enterprise");
  EXPECT_EQ(enterprise.cpu, Rungs{});
  EXPECT_EQ(enterprise.memory, (Rungs{80, 90, {}}));
  EXPECT_EQ(enterprise.disk, Rungs{});
  EXPECT_EQ(enterprise.gpu_memory, (Rungs{{}, 90, {}}));
  EXPECT_EQ(enterprise.gpu_memory_basis, Basis::total);
  EXPECT_EQ(enterprise.gpu_temperature, (Rungs{85, {}, {}}));

  const auto general = pressure("general");
  EXPECT_EQ(load(input_)->config.sample.interval, 10s);
  EXPECT_EQ(general.cpu, (Rungs{90, {}, {}}));
  EXPECT_EQ(general.memory, (Rungs{85, {}, {}}));
  EXPECT_EQ(general.disk, (Rungs{80, {}, {}}));
  EXPECT_EQ(general.gpu_memory, Rungs{});
  EXPECT_EQ(general.gpu_temperature, Rungs{});
  EXPECT_EQ(general.memory_cleanup_at, 80);
  EXPECT_EQ(general.memory_cleanup_to, 70);
  EXPECT_THAT(load(input_)->config.models.pinned, ElementsAre("whisper_base"));
  EXPECT_EQ(load(input_)->config.sessions.max_age, 24h);

  const auto edge = pressure("edge");
  EXPECT_EQ(edge.memory, Rungs{});
  EXPECT_EQ(edge.gpu_memory, Rungs{});
  EXPECT_EQ(edge.gpu_temperature, (Rungs{80, {}, {}}));
  EXPECT_FALSE(edge.memory_cleanup_at);
  EXPECT_EQ(load(input_)->config.control.interval, 1s);

  const auto pipeline = pressure("pipeline");
  EXPECT_EQ(load(input_)->config.sample.interval, 10s);
  EXPECT_EQ(pipeline.cpu, (Rungs{70, 85, 95}));
  EXPECT_EQ(pipeline.gpu_memory, (Rungs{{}, 90, 97}));
  EXPECT_EQ(pipeline.gpu_temperature, (Rungs{85, {}, {}}));
  const auto preset = load(input_)->config.components;
  ASSERT_EQ(preset.size(), 4u);
  EXPECT_EQ(preset[0],
            (ComponentSetting{"prediction_service", "critical", 25, Bytes(512LL << 20)}));
  EXPECT_EQ(preset[3],
            (ComponentSetting{"comprehensive_monitor", "normal", 8, Bytes(150LL << 20)}));

  const auto app = pressure("app");
  EXPECT_EQ(app.cpu, Rungs{});
  EXPECT_EQ(app.gpu_temperature, Rungs{});
  EXPECT_THAT(profiles(),
              ElementsAre("default", "enterprise", "general", "edge", "pipeline", "app"));
}

TEST_F(Settings, AcceptTheAliasesOfTheSpecs) {
  main_file(
      "[ml_pipeline]\n"
      "cpu_warning_threshold = 71.0\n"
      "memory_critical_threshold = 86.0\n"
      "disk_emergency_threshold = 96.0\n"
      "resource_monitoring_interval = 10\n"
      "resource_alert_cooldown = 200\n");
  auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.pressure.cpu, (Rungs{71, 85, 95}));
  EXPECT_EQ(loaded->config.pressure.memory, (Rungs{75, 86, 95}));
  EXPECT_EQ(loaded->config.pressure.disk, (Rungs{80, 90, 96}));
  EXPECT_EQ(loaded->config.sample.interval, 10s);
  EXPECT_EQ(loaded->config.pressure.cooldown, 200s);
  EXPECT_THAT(find(*loaded, "sample.interval").alias, HasSubstr("resource_monitoring_interval"));

  input_.environment = {{"MUSICGEN_MONITORING_INTERVAL", "0.5"}, {"MUSICGEN_HISTORY_SIZE", "900"}};
  loaded = load(input_);
  EXPECT_EQ(loaded->config.sample.interval, 500ms);
  EXPECT_EQ(loaded->config.sample.history, 900);
  EXPECT_EQ(find(*loaded, "sample.history").origin, "MUSICGEN_HISTORY_SIZE");

  input_.environment["HEADROOM_SAMPLE__INTERVAL"] = "2s";
  EXPECT_EQ(load(input_)->config.sample.interval, 2s) << "our own name wins";
  // a variable is no key of a file
  EXPECT_THAT(problems("MUSICGEN_HISTORY_SIZE = 9"), HasSubstr("unknown key"));
}

TEST_F(Settings, ReadWhatTheDocumentedFileSays) {
  const auto loaded = load_text(R"(
profile  = "default"
strategy = "balanced"
[node]
name   = "box-1"
margin = { memory = "3%", gpu_memory = "1GiB", disk = "1%" }
[http]
socket = "/run/x.sock"
listen = ""
readonly = true
[sample]
interval = "250ms"
gpu      = "sim"
gpu_sim  = "24GiB,cc=8.6,used=4.2GiB; 24GiB"
[pressure]
dwell       = "5s"
clear_below = 2.5
cooldown    = 60
notify      = "warning"
cpu             = { warning = 71, critical = 85.5, emergency = "off" }
gpu_memory      = { critical = 91, emergency = 97, basis = "total" }
gpu_temperature = { warning = 80 }
power           = {}
[leases]
wait = "10m"
ttl = "1h30m"
queue = 10
place = "spread"
ageing = "1h"
user_memory = "50%"
user_gpu_memory = "20GiB"
user_cpu = "25%"
user_leases = 5
[state]
dir = "/tmp/state"
journal = "1MiB"
[log]
level = "debug"
format = "json"
)",
                                "headroom.toml");
  ASSERT_TRUE(loaded) << loaded.error().why;
  Config expected;
  expected.strategy.posture = Posture::balanced;
  expected.node = {"box-1", Share{Ratio(0.03), {}}, Share{{}, 1_GiB}, Share{Ratio(0.01), {}}};
  expected.http.socket = "/run/x.sock";
  expected.http.listen = "";
  expected.http.readonly = true;
  expected.sample.interval = 250ms;
  expected.sample.gpu = GpuSource::sim;
  expected.sample.gpu_sim = "24GiB,cc=8.6,used=4.2GiB; 24GiB";
  expected.pressure.dwell = 5s;
  expected.pressure.clear_below = 2.5;
  expected.pressure.cooldown = 60s;
  expected.pressure.notify = Level::warning;
  expected.pressure.cpu = {71, 85.5, {}};
  expected.pressure.gpu_memory = {{}, 91, 97};
  expected.pressure.gpu_memory_basis = Basis::total;
  expected.pressure.gpu_temperature = {80, {}, {}};
  expected.leases = {
      10min,       90min, 10, Place::spread, 1h, Share{Ratio(0.5), {}}, Share{{}, 20_GiB},
      Ratio(0.25), 5};
  expected.state = {"/tmp/state", 1_MiB};
  expected.log = {"debug", LogFormat::json};
  EXPECT_EQ(loaded->config, expected);
}

TEST_F(Settings, MeanTheSameInEveryFormOfATable) {
  const auto expected = load_text("[pressure.memory]\nwarning = 60\ncritical = 61\n", "f")->config;
  for (const char* form : {"[pressure]\nmemory = { warning = 60, critical = 61 }",
                           "pressure.memory.warning = 60\npressure.memory.critical = 61",
                           "pressure = { memory = { warning = 60, critical = 61 } }",
                           "[pressure]\nmemory.warning = 60\nmemory.critical = 61"}) {
    const auto loaded = load_text(form, "f");
    ASSERT_TRUE(loaded) << form << loaded.error().why;
    EXPECT_EQ(loaded->config, expected) << form;
  }
  EXPECT_EQ(expected.pressure.memory, (Rungs{60, 61, 95})) << "a line left out stays as it was";
}

TEST_F(Settings, TakeEveryKeyFromItsVariable) {
  input_.environment = {{"HEADROOM_STRATEGY", "dynamic"},
                        {"HEADROOM_PRESSURE__MEMORY__WARNING", "60.5"},
                        {"HEADROOM_PRESSURE__CPU__CRITICAL", "off"},
                        {"HEADROOM_NODE__MARGIN__GPU_MEMORY", "1GiB"},
                        {"HEADROOM_HTTP__LISTEN", ""},
                        {"HEADROOM_HTTP__READONLY", "yes"},
                        {"HEADROOM_LEASES__QUEUE", "12"},
                        {"PATH", "/bin"},
                        {"HEADROOM_LEASE", "l-73"}};
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.strategy.estimator, Estimator::dynamic);
  EXPECT_EQ(loaded->config.pressure.memory, (Rungs{60.5, 85, 95}));
  EXPECT_EQ(loaded->config.pressure.cpu, (Rungs{70, {}, 95}));
  EXPECT_EQ(loaded->config.node.margin_gpu_memory, (Share{{}, 1_GiB}));
  EXPECT_EQ(loaded->config.http.listen, "");
  EXPECT_TRUE(loaded->config.http.readonly);
  EXPECT_EQ(loaded->config.leases.queue, 12);
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST_F(Settings, RefuseAVariableOfNoKeyAndWarnOfOneThatComesNear) {
  input_.environment = {{"HEADROOM_PRESURE__DWELL", "3s"}, {"HEADROOM_PROFIL", "edge"}};
  const auto wrong = load(input_);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().why,
            "HEADROOM_PRESURE__DWELL: no key has this variable, did you mean "
            "HEADROOM_PRESSURE__DWELL?");
  input_.environment.erase("HEADROOM_PRESURE__DWELL");
  EXPECT_THAT(load(input_)->warnings,
              ElementsAre(AllOf(HasSubstr("HEADROOM_PROFIL "), HasSubstr("HEADROOM_PROFILE?"))));
}

TEST_F(Settings, SayWhereAnUnknownKeyIsAndWhatWasMeant) {
  const std::pair<const char*, const char*> rows[] = {
      {"presure.dwell = \"3s\"", "f:1: unknown key presure.dwell, did you mean pressure.dwell?"},
      {"\n[http]\nlisen = \"\"", "f:3: unknown key http.lisen, did you mean http.listen?"},
      {"listen = \"\"", "f:1: unknown key listen, did you mean http.listen?"},
      {"[grpc]\nport = 1", "f:2: unknown key grpc.port"},
      {"pressure.memory = 80",
       "f:1: unknown key pressure.memory (a table, not a value; it holds for example "
       "pressure.memory.warning)"},
      {"sample.interval.seconds = 1",
       "f:1: unknown key sample.interval.seconds (sample.interval is a value, not a table)"},
      {"\"a\\nb\" = 1", "f:1: unknown key \"a?b\""},
  };
  for (const auto& [toml, expected] : rows) EXPECT_EQ(problems(toml), expected) << toml;
  EXPECT_THAT(problems(std::string(5000, 'k') + " = 1"), testing::SizeIs(testing::Lt(200u)));

  input_.flags = {{"--lissen", "http.lissen", "x"}};
  EXPECT_EQ(load(input_).error().why,
            "--lissen: unknown key http.lissen, did you mean http.listen?");
}

TEST_F(Settings, SayWhatIsWrongWithAValueAndWhatIsAllowed) {
  const std::pair<const char*, const char*> rows[] = {
      {"sample.interval = \"10ms\"",
       "f:1: sample.interval = \"10ms\" is out of range; allowed: 50ms to 1h"},
      {"sample.interval = 7200", "out of range; allowed: 50ms to 1h"},
      {"sample.interval = nan", "out of range"},
      {"sample.interval = \"5 parsecs\"", "\"parsecs\" is not a unit of time"},
      {"sample.interval = true", "is true or false; allowed: 50ms to 1h"},
      {"sample.interval = [1]", "is a list"},
      {"sample.interval = 2026-01-12", "is a date"},
      {"sample.history = \"300\"", "sample.history = \"300\" is text; allowed: a whole number"},
      {"sample.history = 1.5", "is not a whole number"},
      {"sample.history = 9223372036854775807", "out of range"},
      {"pressure.cooldown = \"1500ms\"", "is not a whole number of seconds"},
      {"pressure.memory.warning = 101", "out of range; allowed: a number from 0 to 100"},
      {"pressure.memory.warning = inf", "out of range"},
      {"pressure.memory.warning = -1", "out of range"},
      {"pressure.memory.warning = \"85%\"", "is text"},
      {"pressure.notify = \"critcal\"", "is none of the words, did you mean critical?"},
      {"strategy = \"fast\"", "allowed: conservative, balanced"},
      {"profile = \"enterprize\"", "did you mean enterprise?"},
      {"http.readonly = 1", "is a number; allowed: true or false"},
      {"http.socket = \"run/x\"", "is not an absolute path"},
      {"http.socket = \"\"", "is not an absolute path"},
      {"node.name = \"a b\"", "cannot have"},
      {"node.margin.memory = \"120%\"", "above 100 %"},
      {"node.margin.memory = -5", "is negative"},
      {"node.margin.memory = 0.02", "is a number; allowed: 0% to 100%, or a size"},
      {"leases.user_cpu = 0.5", "is a number; allowed: 0% to 100%"},
      {"state.journal = \"10\"", "out of range; allowed: 1MiB to 1GiB"},
      {"state.journal = \"12Q\"", "\"Q\" is not a unit of size"},
      {"state.dir = \"/a\\u0000b\"", "control character"},
  };
  for (const auto& [toml, expected] : rows) {
    EXPECT_THAT(problems(toml), AllOf(HasSubstr("f:1: "), HasSubstr(expected))) << toml;
  }
  EXPECT_THAT(problems("http.socket = \"/" + std::string(107, 's') + "\""), HasSubstr("107"));
  EXPECT_THAT(problems("http.socket = \"/" + std::string(106, 's') + "\""), IsEmpty());

  input_.environment = {{"HEADROOM_SAMPLE__HISTORY", "many"}};
  EXPECT_EQ(load(input_).error().why,
            "HEADROOM_SAMPLE__HISTORY: sample.history = \"many\" cannot be read; allowed: a whole "
            "number from 1 to 86400");
}

TEST_F(Settings, ListenBeyondLoopbackOnlyWithATokenAndSayWhy) {
  for (const char* good : {"", "127.0.0.1:8000", "127.1.2.3:0", "localhost:65535", "[::1]:80"}) {
    EXPECT_THAT(problems(std::string("http.listen = \"") + good + "\""), IsEmpty()) << good;
  }
  const std::pair<const char*, const char*> rows[] = {
      {"0.0.0.0:8000", "lets other machines in, and http.token_file names no word"},
      {"192.168.1.2:8000", "lets other machines in"},
      {"[::]:8000", "lets other machines in"},
      {"127.0.0.1.evil.org:80", "no address of this machine"},
      {"127.0.0.1", "no port"},
      {"127.0.0.1:", "no port"},
      {"127.0.0.1:65536", "no port from 0 to 65535"},
      {"127.0.0.1:-1", "no port from 0 to 65535"},
      {"127.0.0:80", "no address of this machine"},
      {"127.0.0.256:80", "no address of this machine"},
      {":8000", "no address"},
      {"::1:8000", "without brackets"},
      {"8000", "no port"},
  };
  for (const auto& [listen, why] : rows) {
    EXPECT_THAT(problems(std::string("http.listen = \"") + listen + "\""), HasSubstr(why))
        << listen;
  }
  EXPECT_THAT(problems("http.listen = \"0.0.0.0:8000\"\nhttp.token_file = \"/etc/headroom/token\""),
              IsEmpty());
  EXPECT_THAT(problems("http.cert = \"/c.pem\""), HasSubstr("go together"));
}

TEST_F(Settings, HoldWhatUsersNameThemselves) {
  main_file(
      "[models.catalogue]\n"
      "\"facebook/musicgen-small\" = { memory = \"3GiB\", gpu_memory = \"6GiB\", compute = 6.0, "
      "batch = 2, notes = \"as measured\" }\n"
      "\"qwen2.5\".memory = \"1GiB\"\n"
      "[components]\n"
      "prediction_service = { priority = \"critical\", cpu = 25, memory = \"512MiB\" }\n"
      "[notify]\n"
      "team = { kind = \"webhook\", url_file = \"/etc/headroom/team.url\", levels = [\"critical\", "
      "\"emergency\"] }\n"
      "[notify.pager]\nkind = \"command\"\nrun = [\"/usr/bin/page\", \"ops\"]\n");
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  const Config& config = loaded->config;
  ASSERT_EQ(config.models.catalogue.size(), 2u);
  EXPECT_EQ(config.models.catalogue[0],
            (CatalogueModel{"facebook/musicgen-small", 3_GiB, 6_GiB, 6.0, 2, "as measured"}));
  EXPECT_EQ(config.models.catalogue[1].name, "qwen2.5");
  ASSERT_EQ(config.notify.size(), 2u);
  EXPECT_EQ(config.notify[0].levels, (std::vector{Level::critical, Level::emergency}));
  EXPECT_THAT(config.notify[1].run, ElementsAre("/usr/bin/page", "ops"));
  const auto setting = find(*loaded, "models.catalogue.\"qwen2.5\".memory");
  EXPECT_EQ(setting.value, "\"1GiB\"");
  EXPECT_THAT(setting.origin, testing::EndsWith("headroom.toml:3"));

  EXPECT_EQ(problems("notify.team.kin = \"webhook\""),
            "f:1: unknown key notify.team.kin, did you mean kind? (notify has kind, url, url_file, "
            "run, levels)");
  EXPECT_THAT(problems("notify.team.kind = \"webhook\""), HasSubstr("without url or url_file"));
  EXPECT_THAT(problems("notify.team.kind = \"command\""), HasSubstr("without run"));
  EXPECT_THAT(problems("notify.team.levels = [\"ok\"]"), HasSubstr("is none of warning"));
  EXPECT_THAT(problems("notify.team = { url = \"https://x\" }"), HasSubstr("http://"));
  EXPECT_THAT(problems("components.a.cpu = 101"), HasSubstr("out of range"));
  EXPECT_THAT(problems("models.pinned = [1, [2]]"), HasSubstr("a list of more than"));
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "components.c" + std::to_string(i) + ".cpu = 1\n";
  EXPECT_THAT(problems(many), HasSubstr("one more than the 1000"));
}

TEST_F(Settings, HoldWhoIsAskedForMemory) {
  main_file(
      "[hooks]\n"
      "ollama = { kind = \"ollama\", url = \"http://127.0.0.1:11434\" }\n"
      "comfy  = { kind = \"comfyui\" }\n"
      "deep   = { kind = \"vllm-sleep\", level = 2, timeout = \"30s\" }\n"
      "mine   = { kind = \"command\", run = [\"/usr/local/bin/unload\", \"{model}\"] }\n"
      "far    = { kind = \"http\", url = \"http://10.0.0.7:9000/free\", token_file = \"/etc/t\" }\n"
      "poke   = { kind = \"signal\", signal = \"USR1\" }\n");
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  const std::vector<HookSetting>& hooks = loaded->config.hooks;
  ASSERT_EQ(hooks.size(), 6u);
  EXPECT_EQ(hooks[0].kind, HookKind::ollama);
  EXPECT_EQ(hooks[1].timeout, std::chrono::seconds(10));
  EXPECT_EQ(hooks[2].level, 2);
  EXPECT_EQ(hooks[2].timeout, std::chrono::seconds(30));
  EXPECT_THAT(hooks[3].run, ElementsAre("/usr/local/bin/unload", "{model}"));
  EXPECT_EQ(hooks[4].url, "http://10.0.0.7:9000/free");
  EXPECT_EQ(hooks[5].signal, "USR1");
  EXPECT_EQ(find(*loaded, "hooks.deep.timeout").value, "\"30s\"");
}

TEST_F(Settings, RefuseHooksThatCouldAskNobody) {
  EXPECT_THAT(problems("hooks.a.kind = \"olama\""), HasSubstr("did you mean ollama?"));
  EXPECT_THAT(problems("hooks.a.ur = \"http://x\""), HasSubstr("did you mean url?"));
  EXPECT_THAT(problems("hooks.a.url = \"http://x\""), HasSubstr("f:1: hooks.a has no kind"));
  EXPECT_THAT(problems("hooks.a = { kind = \"http\" }"), HasSubstr("is http without url"));
  EXPECT_THAT(problems("hooks.a = { kind = \"command\" }"), HasSubstr("without run"));
  EXPECT_THAT(problems("hooks.a = { kind = \"command\", run = [\"\", \"x\"] }"),
              HasSubstr("runs nothing"));
  EXPECT_THAT(problems("hooks.a = { kind = \"signal\" }"), HasSubstr("does not say which"));
  EXPECT_THAT(problems("hooks.a = { kind = \"signal\", signal = \"SEGV\" }"),
              HasSubstr("none of HUP"));
  EXPECT_THAT(problems("hooks.a = { kind = \"ollama\", url = \"https://x\" }"),
              HasSubstr("let a command do it"));
  EXPECT_THAT(problems("hooks.a = { kind = \"ollama\", url = \"file:///etc/passwd\" }"),
              HasSubstr("does not begin with http://"));
  EXPECT_THAT(problems("hooks.a = { kind = \"ollama\", url = \"http://me:pw@x\" }"),
              HasSubstr("token_file"));
  EXPECT_THAT(problems("hooks.a = { kind = \"ollama\", run = [\"x\"] }"),
              HasSubstr("which only a command has"));
  EXPECT_THAT(problems("hooks.a = { kind = \"command\", run = [\"x\"], url = \"http://x\" }"),
              HasSubstr("nobody would use"));
  EXPECT_THAT(problems("hooks.a = { kind = \"vllm-sleep\", level = 3 }"),
              HasSubstr("out of range"));
  EXPECT_THAT(problems("hooks.a = { kind = \"ollama\", timeout = \"1h\" }"),
              HasSubstr("out of range"));
}

// Whoever may change settings through the daemon may not make it run what they like, or talk to
// other machines: that is for the owner of its files.
TEST_F(Settings, ThatAreSetWhileItRunsAddNoCommandAndNoOtherMachine) {
  write("/var/lib/headroom/keep", "");
  EXPECT_TRUE(change(input_, {{"hooks.a.kind", "ollama"}, {"hooks.a.url", "http://127.0.0.1:1"}}));
  EXPECT_TRUE(change(input_, {{"hooks.a.url", "http://[::1]:1/x"}}));
  for (const char* url : {"http://10.0.0.7:1", "http://127.0.0.1.evil.example", "http://127.1",
                          "http://localhost.example:1", "http://[::1].example"}) {
    const auto changed = change(input_, {{"hooks.a.url", url}});
    ASSERT_FALSE(changed) << url;
    EXPECT_THAT(changed.error().why, HasSubstr("another machine"));
  }
  EXPECT_FALSE(change(input_, {{"hooks.b.kind", "command"}, {"hooks.b.run", "/bin/sh,-c,id"}}));
  EXPECT_FALSE(change(input_, {{"hooks.a.token_file", "/etc/shadow"}}));
}

TEST_F(Settings, TakeRangesAndFractions) {
  input_.environment = {
      {"HEADROOM_CONTROL__CPU_RANGE", "5-95"}, {"HEADROOM_CONTROL__MEMORY_RANGE", "1GiB - 2GiB"},
      {"HEADROOM_MODELS__PINNED", "a, b"},     {"MUSICGEN_MEMORY_PRESSURE_THRESHOLD", "0.9"},
      {"MUSICGEN_MODEL_CACHE_SIZE", "5"},      {"MUSICGEN_MODEL_CACHE_DIR", "/tmp/models"}};
  const auto loaded = load(input_);
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.control.cpu_most, 95);
  EXPECT_EQ(loaded->config.control.memory_most, 2_GiB);
  EXPECT_THAT(loaded->config.models.pinned, ElementsAre("a", "b"));
  EXPECT_EQ(find(*loaded, "pressure.memory.cleanup_at").value, "90");
  EXPECT_EQ(find(*loaded, "pressure.gpu_memory.cleanup_at").origin,
            "MUSICGEN_MEMORY_PRESSURE_THRESHOLD");
  EXPECT_EQ(loaded->config.models.cache_size, 5);
  EXPECT_EQ(find(*loaded, "models.cache_dir").value, "\"/tmp/models\"");
  input_.environment = {{"HEADROOM_CONTROL__CPU_RANGE", "95-5"}};
  EXPECT_THAT(load(input_).error().why, HasSubstr("least above its most"));
  EXPECT_THAT(problems("pressure.memory.cleanup_to = 90"), HasSubstr("asking would never end"));
  const auto both = load_text("[ml_pipeline]\nresource_monitoring_interval = 20", "f");
  EXPECT_EQ(both->config.control.interval, 20s);
  EXPECT_EQ(both->config.sample.interval, 20s);
}

TEST_F(Settings, HoldWhenModelsAreAskedToGo) {
  const auto loaded = load_text(
      "[models]\nidle_unload = \"20m\"\nmin_residency = 0\nchurn_loads = 2\n"
      "churn_window = \"5m\"\nengines_every = \"500ms\"\n",
      "f");
  ASSERT_TRUE(loaded) << loaded.error().why;
  EXPECT_EQ(loaded->config.models.idle_unload, 20min);
  EXPECT_EQ(loaded->config.models.min_residency, 0s);
  EXPECT_EQ(loaded->config.models.churn_loads, 2);
  EXPECT_EQ(loaded->config.models.churn_window, 5min);
  EXPECT_EQ(loaded->config.models.engines_every, 500ms);
  EXPECT_EQ(Config().models.idle_unload, 0s) << "never, unless somebody says so";
  EXPECT_THAT(problems("models.churn_loads = 5"), HasSubstr("a whole number from 1 to 4"));
  EXPECT_THAT(problems("models.churn_loads = 0"), HasSubstr("a whole number from 1 to 4"));
  EXPECT_THAT(problems("models.idle_unload = \"1500ms\""), HasSubstr("whole number of seconds"));
  EXPECT_THAT(problems("models.engines_every = \"2h\""), HasSubstr("allowed: 0s to 1h"));
}

TEST_F(Settings, AreChangedInAFileOfTheirOwnOrNotAtAll) {
  write("/var/lib/headroom/keep", "");
  main_file("pressure.memory.warning = 60\n");
  auto changed = change(input_, {{"pressure.memory.warning", "65"}, {"models.pinned", "a,b"}});
  ASSERT_TRUE(changed) << changed.error().what << changed.error().why;
  EXPECT_EQ(changed->config.pressure.memory.warning, 65);
  EXPECT_THAT(find(*changed, "pressure.memory.warning").origin, HasSubstr("set.toml:"));
  EXPECT_EQ(load(input_)->config, changed->config) << "the next start reads the same";
  EXPECT_THAT(load(input_)->config.models.pinned, ElementsAre("a", "b"));

  // Nothing is written when one of them is wrong, or when they contradict the rest.
  for (const auto& [key, text] :
       std::vector<std::pair<std::string, std::string>>{{"pressure.memory.warning", "lots"},
                                                        {"presure.memory.warning", "65"},
                                                        {"pressure.memory.critical", "50"},
                                                        {"state.dir", "/elsewhere"},
                                                        {"components.a.cpu", "200"}}) {
    const auto refused = change(input_, {{"sample.interval", "2s"}, {key, text}});
    EXPECT_FALSE(refused) << key;
    EXPECT_EQ(load(input_)->config.sample.interval, 1s) << key;
  }
  changed = change(input_, {{"pressure.memory.warning", ""}, {"notify.team.kind", "journal"}});
  ASSERT_TRUE(changed) << changed.error().what << changed.error().why;
  EXPECT_EQ(changed->config.pressure.memory.warning, 60) << "the file's own value holds again";
  ASSERT_EQ(changed->config.notify.size(), 1u);

  write("/var/lib/headroom/set.toml", "this is = = no toml");
  EXPECT_FALSE(change(input_, {{"sample.interval", "2s"}}));
  std::filesystem::remove_all(root_ + "/var/lib/headroom");
  const auto nowhere = change(input_, {{"sample.interval", "2s"}});
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().kind, ErrorKind::unavailable);
}

TEST_F(Settings, AreWrittenInTheirOwnNames) {
  const auto old = load_text("[ml_pipeline]\ncpu_warning_threshold = 60.0", "config.toml");
  EXPECT_EQ(canonical(*old), "pressure.cpu.warning = 60\n");
  const auto all = load_text(defaults_text(), "defaults");
  ASSERT_TRUE(all) << all.error().why;
  EXPECT_EQ(all->config, Config{});
}

TEST_F(Settings, RefuseLinesThatContradictEachOther) {
  EXPECT_EQ(problems("\npressure.memory.warning = 90"),
            "f:2 and built-in: pressure.memory.warning = 90 is above pressure.memory.critical = "
            "85; lower the one, or raise the other or set it to \"off\"");
  EXPECT_THAT(problems("pressure.memory = { warning = 96, critical = \"off\" }"),
              HasSubstr("pressure.memory.emergency = 95"));
  EXPECT_THAT(problems("pressure.memory = { warning = 90, critical = \"off\" }"), IsEmpty());
  EXPECT_THAT(problems("pressure.memory = { warning = 85, critical = 85 }"), IsEmpty());
  EXPECT_THAT(problems("pressure.clear_below = 50\npressure.cpu.warning = 50"),
              HasSubstr("f:1 and f:2: pressure.clear_below = 50 is not below"));
}

TEST_F(Settings, CollectTheProblemsOfAllSourcesAndStopAtTwenty) {
  main_file("a = 1\nsample.history = 0\n");
  write("/etc/headroom/conf.d/1.toml", "[broken\n");
  input_.environment = {{"HEADROOM_X__Y", "1"}};
  input_.flags = {{"--listen", "http.listen", "x"}};
  const auto loaded = load(input_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::invalid_request);
  EXPECT_EQ(loaded.error().what, "5 problems in the configuration");
  EXPECT_THAT(loaded.error().why,
              AllOf(HasSubstr("headroom.toml:1: unknown key a"), HasSubstr("headroom.toml:2: "),
                    HasSubstr("1.toml:1:"), HasSubstr("HEADROOM_X__Y"), HasSubstr("--listen: ")));

  std::string many;
  for (int i = 0; i < 50'000; ++i) many += "presure" + std::to_string(i) + " = 1\n";
  const std::string lines = problems(many);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 20);
  EXPECT_THAT(lines, HasSubstr("and 49980 more"));
}

TEST_F(Settings, SayWhereATextIsNotToml) {
  EXPECT_THAT(problems("ok = 1\nsample = {"), HasSubstr("f:2:11: not TOML: "));
  EXPECT_THAT(problems("http.listen = \"\xff\xfe\""), HasSubstr("f:1:"));
  EXPECT_THAT(problems("[*x"), HasSubstr("f:1:2:"));
  EXPECT_THAT(problems("sample\u00e9 = 1"), HasSubstr("f:1:7:"));
  EXPECT_THAT(problems("sample.gpu_sim = \"\"\"a\\\n\u00e9\"\"\""), IsEmpty());
  EXPECT_THAT(problems(std::string("a\0b", 3)), HasSubstr("f:1:"));
  EXPECT_THAT(problems("leases.queue = 1\nleases.queue = 2"), HasSubstr("f:2:"));
  EXPECT_THAT(problems("x = " + std::string(100'000, '[')), HasSubstr("f:1:"));
  std::string deep = "a";
  for (int i = 0; i < 300'000; ++i) deep += ".a";
  EXPECT_EQ(problems("\n" + deep + " = 1"), "f:2: more than 256 dots in one line");
}

TEST_F(Settings, RefuseFilesThatCannotBeRead) {
  const std::string folder = root_ + "/etc/headroom/conf.d";
  const auto why = [this] {
    const auto loaded = load(input_);
    return loaded ? std::string() : loaded.error().why;
  };

  std::filesystem::create_directory(folder + "/a.toml");
  EXPECT_EQ(why(), folder + "/a.toml: a folder, not a file");
  std::filesystem::remove(folder + "/a.toml");

  std::filesystem::create_symlink("/nowhere/at/all", folder + "/a.toml");
  EXPECT_EQ(why(), folder + "/a.toml: a link to a file that is not there");
  std::filesystem::remove(folder + "/a.toml");

  std::filesystem::create_symlink(folder + "/a.toml", folder + "/a.toml");
  EXPECT_THAT(why(), HasSubstr("a.toml: Too many levels"));
  std::filesystem::remove(folder + "/a.toml");

  ASSERT_EQ(mkfifo((folder + "/a.toml").c_str(), 0600), 0);
  EXPECT_EQ(why(), folder + "/a.toml: not a regular file");  // and does not wait for a writer
  std::filesystem::remove(folder + "/a.toml");

  write("/etc/headroom/conf.d/a.toml", std::string(kLargestFile + 1, '\n'));
  EXPECT_THAT(why(), HasSubstr("larger than 1 MiB"));
  write("/etc/headroom/conf.d/a.toml", std::string(kLargestFile, '\n'));
  EXPECT_EQ(why(), "");
  std::filesystem::resize_file(folder + "/a.toml", 100'000'000);  // sparse
  EXPECT_THAT(why(), HasSubstr("larger than 1 MiB"));
  std::filesystem::remove(folder + "/a.toml");

  for (std::size_t i = 0; i <= kMostFiles; ++i) {
    write("/etc/headroom/conf.d/" + std::to_string(i) + ".toml", "");
  }
  EXPECT_EQ(why(), folder + ": more than 256 files");

  std::filesystem::remove_all(folder);
  write("/etc/headroom/conf.d", "a file");
  EXPECT_EQ(why(), folder + ": not a folder");
}

TEST_F(Settings, RefuseAFileWithoutPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const std::string path = main_file("leases.queue = 1");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_EQ(load(input_).error().why, path + ": Permission denied");
}

TEST_F(Settings, WarnOfSimulatedGpusThatHaveNoEffect) {
  EXPECT_THAT(load_text("sample.gpu = \"sim\"", "f")->warnings, ElementsAre(HasSubstr("no GPU")));
  EXPECT_THAT(load_text("sample.gpu_sim = \"24GiB\"", "f")->warnings,
              ElementsAre(HasSubstr("no effect")));
  EXPECT_THAT(load_text("sample.gpu = \"sim\"\nsample.gpu_sim = \"24GiB\"", "f")->warnings,
              IsEmpty());
}

TEST_F(Settings, AreReadBackAsTheyAreShown) {
  for (const std::string& profile : profiles()) {
    const auto first =
        load_text("profile = \"" + profile +
                      "\"\nnode.margin.disk = \"7%\"\n"
                      "pressure.gpu_temperature.critical = 99.7\nsample.gpu_sim = \"a\\\"\\\\é\"",
                  "f");
    ASSERT_TRUE(first) << first.error().why;
    std::string shown;
    for (const Setting& setting : first->settings) {
      shown += setting.key + " = " + setting.value + "\n";
    }
    const auto second = load_text(shown, "shown");
    ASSERT_TRUE(second) << second.error().why << "\n" << shown;
    EXPECT_EQ(second->config, first->config) << shown;
  }
}

TEST_F(Settings, HaveNoTwoKeysOrAliasesOfOneName) {
  std::vector<std::string> names;
  for (const KeyInfo& key : keys()) {
    names.push_back(key.key);
    if (!key.variable.empty()) names.push_back(key.variable);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

// The table in the documentation is written by this test: HEADROOM_UPDATE_GOLDEN=1.
TEST(Documentation, ListsEveryKeyAsTheCodeHasIt) {
  const auto cell = [](std::string text) {
    std::string out;
    for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
    return out;
  };
  std::string table = "| key | built-in | allowed | meaning |\n|---|---|---|---|\n";
  for (const KeyInfo& key : keys()) {
    table += "| `" + key.key + "` | `" + key.built_in + "` | " + cell(key.allowed) + " | " +
             cell(key.about) + (key.alias.empty() ? "" : " Also: " + key.alias + ".") + " |\n";
  }
  const std::string path = std::string(HEADROOM_SOURCE_DIR) + "/docs/configuration.md";
  std::ifstream in(path);
  std::stringstream buffer;
  buffer << in.rdbuf();
  const std::string page = buffer.str();
  const std::string begin = "<!-- keys: written by settings_test -->\n", end = "<!-- end -->\n";
  const auto from = page.find(begin), to = page.find(end);
  ASSERT_NE(from, std::string::npos) << path;
  ASSERT_NE(to, std::string::npos) << path;
  const std::string documented = page.substr(from + begin.size(), to - from - begin.size());
  const char* update = std::getenv("HEADROOM_UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1") {
    std::ofstream(path) << page.substr(0, from + begin.size()) << table << page.substr(to);
    return;
  }
  EXPECT_EQ(documented, table) << "HEADROOM_UPDATE_GOLDEN=1 settings_test rewrites it";
}

}  // namespace
}  // namespace headroom::settings
