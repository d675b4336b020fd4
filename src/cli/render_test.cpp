// What the commands print, as whole pictures: tests/golden/cli. HEADROOM_UPDATE_GOLDEN=1 rewrites.
#include <algorithm>
#include <ctime>
#include <sstream>

#include <gmock/gmock.h>

#include "cli/alert.hpp"
#include "cli/command_for_test.hpp"
#include "cli/component.hpp"
#include "cli/config.hpp"
#include "cli/doctor.hpp"
#include "cli/event.hpp"
#include "cli/fit.hpp"
#include "cli/forecast.hpp"
#include "cli/gpu.hpp"
#include "cli/history.hpp"
#include "cli/lease.hpp"
#include "cli/ps.hpp"
#include "cli/quota.hpp"
#include "cli/resource_management.hpp"
#include "cli/status.hpp"
#include "cli/strategy.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace headroom::cli {
namespace {

using client::json::value;

constexpr double kNow = 1768227003.12;  // 2026-01-12T14:10:03.120Z

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }

  static value document(const std::string& name) {
    const auto parsed = client::parse_json(test::read_file(path(name + ".json")));
    EXPECT_TRUE(parsed) << name;
    return parsed.value_or(value());
  }

  static void compare(const std::string& name, const std::string& text) {
    if (std::getenv("HEADROOM_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path(name + ".txt"), std::ios::binary) << text;
    }
    EXPECT_EQ(text, test::read_file(path(name + ".txt"))) << name;
  }

  /// What `headroom quota` makes of the components.
  static value quotas() {
    client::json::array items;
    const auto components = document("components");
    for (const auto& component : client::list(components)) {
      items.push_back(*client::find(component, "quota"));
    }
    return client::json::object{{"items", std::move(items)}};
  }

  static Style style(Output output = Output::table, int width = 0, bool color = false) {
    Style one;
    one.output = output;
    one.width = width;
    one.color = color;
    one.bytes = output == Output::csv;
    one.now = kNow;
    return one;
  }

 private:
  static std::string path(const std::string& name) {
    return HEADROOM_SOURCE_DIR "/tests/golden/cli/" + name;
  }
};

TEST_F(Golden, StatusShowsRoomFirstAndWhatStandsBelow) {
  const StatusDocuments documents{document("node"), document("snapshot"), document("alerts"),
                                  document("leases")};
  compare("status", render_status(documents, style()));
  compare("status_wide", render_status(documents, style(Output::wide)));
  compare("status_color", render_status(documents, style(Output::table, 80, true)));
  compare("status_csv", render_status(documents, style(Output::csv)));
}

TEST_F(Golden, StatusWithoutADaemonShowsTheMachineAlone) {
  compare("status_local", render_status({document("node"), document("snapshot"), {}, {}}, style()));
}

TEST_F(Golden, PsShowsWhoUsesWhat) {
  const auto processes = document("processes");
  compare("ps", render_ps(processes, {}, style()));
  compare("ps_wide", render_ps(processes, {}, style(Output::wide)));
  compare("ps_narrow", render_ps(processes, {}, style(Output::table, 80, true)));
  compare("ps_io", render_ps(processes, {"io", false, 2}, style()));
  compare("ps_csv", render_ps(processes, {}, style(Output::csv)));
}

TEST_F(Golden, PsWithoutGpusHasNoColumnsForThem) {
  EXPECT_EQ(render_ps(*client::parse_json(R"({"items":[{"pid":7,"name":"sh","memory_bytes":1024}],
                                              "unlisted":3,"unlisted_reason":"hidepid"})"),
                      {}, style()),
            "PID  USER    MEM  CPU  LEASE  SINCE  WHAT\n"
            "  7  –     1 KiB    –  –          –  sh\n"
            "3 not listed: hidepid\n");
  EXPECT_EQ(render_ps(value(), {}, style()), "no processes\n");
  PsOptions of_one_user;
  of_one_user.some = true;
  EXPECT_EQ(render_ps(*client::parse_json(R"({"items":[],"total":79,"kernel_threads":56})"),
                      of_one_user, style()),
            "no processes\n");
}

TEST_F(Golden, PsLeavesOutWhatIsSmall) {
  client::json::array items;
  for (int i = 1; i <= 100; ++i) {
    items.push_back(
        {{"pid", i}, {"name", "p"}, {"memory_bytes", i * 1000}, {"cpu_cores", 1.0 / i}});
  }
  const value processes = client::json::object{{"items", items}, {"total", 100}};
  const auto lines = [&](const PsOptions& options) {
    const auto text = render_ps(processes, options, style());
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines({}), 1 + 20 + 1);
  EXPECT_EQ(lines({"cpu", true, 0}), 1 + 100);
  EXPECT_EQ(lines({"cpu", false, 5}), 1 + 5 + 1);
  const auto text = render_ps(processes, {}, style());
  EXPECT_NE(text.find("\n100 "), std::string::npos) << "the largest by memory";
  EXPECT_NE(text.find("\n  1 "), std::string::npos) << "the largest by CPU";
}

TEST_F(Golden, GpusShowWhatIsAsleepOrSilent) {
  const auto snapshot = document("gpus");
  compare("gpus", render_gpus(snapshot, {}, style()));
  compare("gpus_wide", render_gpus(snapshot, {}, style(Output::wide)));
  compare("gpus_narrow", render_gpus(snapshot, {}, style(Output::table, 80, true)));
  compare("gpus_csv", render_gpus(snapshot, {}, style(Output::csv)));
  const auto processes = document("processes");
  compare("gpu_0", render_gpu(snapshot, *find_gpu(snapshot, "gpu0"), processes, style()));
  compare("gpu_stale", render_gpu(snapshot, *find_gpu(snapshot, "GPU-77aa0000"), {}, style()));
  compare("gpu_asleep", render_gpu(snapshot, *find_gpu(snapshot, "3"), {}, style()));
  EXPECT_EQ(find_gpu(snapshot, "9"), nullptr);
}

TEST_F(Golden, NoGpuSaysWhyAndWhatHelps) {
  const auto snapshot = *client::parse_json(
      R"({"gpu":[],"absent":[{"sensor":"gpu","reason":"there is no driver","fix":"install one"}]})");
  EXPECT_EQ(render_gpus(snapshot, {}, style()), "no GPU: there is no driver\n  try: install one\n");
  EXPECT_EQ(render_gpus(value(), value(), style()),
            "no GPU is known here\n  try: headroom doctor\n");
}

TEST_F(Golden, LeasesShowBookingsAndTheQueue) {
  compare("leases", render_leases(document("leases"), style()));
  compare("leases_narrow", render_leases(document("leases"), style(Output::table, 100)));
  compare("leases_csv", render_leases(document("leases"), style(Output::csv)));
  const auto leases = document("leases");
  compare("lease", render_lease(client::list(leases)[0], style()));
  EXPECT_EQ(render_leases(value(), style()), "no leases\n");
}

TEST_F(Golden, ALeaseThatWaitsForItsTimeSaysWhenItStarts) {
  const auto lease = *client::parse_json(
      R"({"id":"l-80","name":"nightly","state":"waiting","owner":"ada","place":null,)"
      R"("starts_at":"2026-01-12T22:00:00.000Z","earliest":"2026-01-12T22:00:00.000Z",)"
      R"("needs":{"gpu_memory_bytes":21474836480},"why":"its time has not come"})");
  const auto show = [&](const value& one) {
    return render_leases(value{{"items", client::json::array{one}}}, style());
  };
  EXPECT_NE(show(lease).find("from " + show_time(1768255200, kNow) + "; its time has not come"),
            std::string::npos)
      << show(lease);
  EXPECT_NE(render_lease(lease, style()).find("starts     2026-01-12T22:00:00.000Z"),
            std::string::npos)
      << render_lease(lease, style());
  auto late = lease;
  late.as_object()["earliest"] = nullptr;
  EXPECT_NE(show(late).find("late, from "), std::string::npos) << show(late);
}

TEST_F(Golden, FitSaysWhatIsShortAndWhatHelps) {
  const auto snapshot = document("snapshot");
  const auto& room = *client::find(snapshot, "room");
  const value request = {{"name", "train-b"}, {"needs", {{"gpu_memory_bytes", 25769803776}}}};
  compare("fit", render_fit(document("fit"), request, room, style()));
  compare("fit_now", render_fit(document("fit_now"),
                                {{"needs", {{"gpu_memory_bytes", 1073741824}}}}, room, style()));
}

TEST_F(Golden, HistoryDrawsALineAndSaysItsStatistics) {
  compare("history", render_history(document("history"), style()));
  compare("history_csv", render_history(document("history"), style(Output::csv)));
}

TEST_F(Golden, EventsAlertsAndSettings) {
  compare("events", render_events(document("events"), value(), style()));
  const auto event = *client::parse_json(
      R"({"type":"alert.opened","device":"GPU-5d1f0000","text":"High GPU temperature on GPU-5d1f0000: warning"})");
  EXPECT_THAT(render_event(event, *client::find(document("snapshot"), "room"), style()),
              ::testing::EndsWith("High GPU temperature on GPU 0: warning\n"));
  EXPECT_THAT(render_event(event, value(), style()),
              ::testing::EndsWith("on GPU-5d1f0000: warning\n"));
  compare("alerts", render_alerts(document("alerts"), style()));
  const auto alerts = document("alerts");
  compare("alert", render_alert(client::list(alerts)[1], style()));
  compare("config", render_config(document("config"), "", style(Output::wide)));
  EXPECT_EQ(render_alerts(value(), style()), "no alerts\n");
}

TEST_F(Golden, DoctorNamesAFixForEachThatFails) {
  auto checks = checks_of_node(document("node"));
  checks.push_back({Check::Outcome::failed, "daemon", "no daemon answers", "headroomd"});
  compare("doctor", render_checks(checks, style()));
  EXPECT_EQ(client::text(client::list(checks_document(checks))[1], "fix"), "boot with psi=1");
}

TEST_F(Golden, HistoriesNameTheirDevicesAndFitTheTerminal) {
  auto history = document("history");
  history.as_object()["device"] = "GPU-5d1f0000-very-long";
  history.as_object()["name"] = "GPU 3";
  EXPECT_THAT(render_history(history, style()), ::testing::HasSubstr(" of GPU 3, "));
  const auto text = render_histories({history, document("history")}, style());
  EXPECT_THAT(text, ::testing::HasSubstr("GPU 3"));
}

TEST_F(Golden, NothingIsWiderThanItsTerminal) {
  const StatusDocuments status{document("node"), document("snapshot"), document("alerts"),
                               document("leases")};
  const auto gpus = document("gpus");
  const auto processes = document("processes");
  auto checks = checks_of_node(document("node"));
  checks.push_back({Check::Outcome::absent, "temperature",
                    "neither a sensor chip (/sys/class/hwmon) nor a thermal zone is there at all",
                    "load the driver of the board's sensors (sensors-detect finds it)"});
  for (const int width : {60, 80, 100, 160}) {
    const auto narrow = style(Output::table, width, true);
    const std::vector<std::pair<const char*, std::string>> pictures{
        {"status", render_status(status, narrow)},
        {"gpus", render_gpus(gpus, {}, narrow)},
        {"gpu", render_gpu(gpus, *find_gpu(gpus, "0"), processes, narrow)},
        {"ps", render_ps(processes, {}, narrow)},
        {"leases", render_leases(document("leases"), narrow)},
        {"lease", render_lease(client::list(document("leases"))[0], narrow)},
        {"history", render_history(document("history"), narrow)},
        {"histories", render_histories({document("history")}, narrow)},
        {"events", render_events(document("events"), value(), narrow)},
        {"alerts", render_alerts(document("alerts"), narrow)},
        {"alert", render_alert(client::list(document("alerts"))[1], narrow)},
        {"config", render_config(document("config"), "", narrow)},
        {"fit", render_fit(document("fit"), {{"name", "train-b"}},
                           *client::find(document("snapshot"), "room"), narrow)},
        {"components", render_components(document("components"), narrow)},
        {"component",
         render_component(client::list(document("components"))[2], document("decisions"), narrow)},
        {"decisions", render_decisions(document("decisions"), narrow)},
        {"quotas", render_quotas(quotas(), narrow)},
        {"doctor", render_checks(checks, narrow)}};
    for (const auto& [name, text] : pictures) {
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(width_of(line), static_cast<std::size_t>(width)) << name << ": " << line;
      }
    }
  }
}

TEST(Table, LeavesOutWhatCanBeSparedBeforeItCutsBelowTheLeast) {
  Table table({{"NAME", Align::left, false, true, 0, 8},
               {"A", Align::right, false, false, 1},
               {"B", Align::right, false, false, 2},
               {"C", Align::right}});
  table.row({"abcdefghijklmno", "11111", "22222", "33333"});
  Style style;
  style.width = 29;
  EXPECT_EQ(table.render(style), "NAME          A      B      C\nabcdefg…  11111  22222  33333\n");
  style.width = 26;
  EXPECT_EQ(table.render(style), "NAME              A      C\nabcdefghijk…  11111  33333\n");
  style.width = 12;
  EXPECT_EQ(table.render(style), "NAME…\nabcdefg…  3…\n");
  style.width = 0;
  EXPECT_THAT(table.render(style), ::testing::HasSubstr("abcdefghijklmno  11111  22222  33333"));
}

TEST(Text, IsFoldedAtBlanksBehindAnIndent) {
  EXPECT_EQ(folded("ab cd ef", 5, 2), "ab cd\n  ef");
  EXPECT_EQ(folded("  ab cd", 5, 2), "  ab\n  cd");
  EXPECT_EQ(folded("abc verylongword b", 6, 1), "abc\n verylongword\n b");
  EXPECT_EQ(folded("ab cd", 0, 2), "ab cd");
  EXPECT_EQ(cut("abc defg", 5), "abc…");
  EXPECT_EQ(cut("\x1b[31mabcdef\x1b[0m", 4), "\x1b[31mabc…\x1b[0m");
}

TEST(Sparkline, KeepsPeaksAndGaps) {
  EXPECT_EQ(sparkline({0.0, 100.0, std::nullopt, 50.0}, 0, 100, 10), "▁█ ▅");
  EXPECT_EQ(sparkline({0.0, 100.0, 0.0, 0.0}, 0, 100, 2), "█▁");
  EXPECT_EQ(sparkline({7.0, 7.0}, 7, 7, 5), "▁▁");
  EXPECT_EQ(sparkline({}, 0, 1, 5), "");
}

TEST(Units, AreChosenForReading) {
  EXPECT_EQ(show_bytes(0), "0 B");
  EXPECT_EQ(show_bytes(1023), "1023 B");
  EXPECT_EQ(show_bytes(16535624090), "15.4 GiB");
  EXPECT_EQ(show_bytes(1073741823), "1.0 GiB");  // never 1024 MiB
  EXPECT_EQ(show_bytes(-536870912), "-512 MiB");
  EXPECT_EQ(show_bytes_of(65498251264, 85899345920), "61.0 of 80.0 GiB");
  EXPECT_EQ(show_span(0.26), "0.3s");
  EXPECT_EQ(show_span(41), "41s");
  EXPECT_EQ(show_span(7380), "2h 03m");
  EXPECT_EQ(show_span(273600), "3d 4h");
  EXPECT_EQ(show_clock(41.9), "00:41");
  EXPECT_EQ(show_clock(3723), "1:02:03");
  EXPECT_EQ(show_number(-0.001, 1), "0.0");
}

TEST(Units, SayTheDayOfATimeThatIsNotToday) {
  setenv("TZ", "UTC", 1);
  tzset();
  EXPECT_EQ(show_time(kNow, kNow), "14:10");
  EXPECT_EQ(show_time(kNow, kNow, true), "14:10:03");
  EXPECT_EQ(show_time(kNow - 14 * 3600, kNow), "00:10");
  EXPECT_EQ(show_time(kNow - 15 * 3600, kNow), "Jan 11 23:10");
  EXPECT_EQ(show_time(kNow + 10 * 3600, kNow), "Jan 13 00:10");
  EXPECT_EQ(show_time(kNow - 30 * 86400.0, kNow, true), "Dec 13 2025 14:10:03");
  EXPECT_EQ(show_time(1e12, kNow), "–");
}

TEST(Units, ReadTimesAndRefuseWhatIsNone) {
  EXPECT_NEAR(parse_time("2026-01-12T14:10:03.120Z").value_or(0), kNow, 0.001);
  EXPECT_FALSE(parse_time(""));
  EXPECT_FALSE(parse_time("2026-13-12T14:10:03Z"));
  EXPECT_FALSE(parse_time("2026-01-12T14:10:03"));
}

TEST(Units, LetNothingOfOthersSteerTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\n\x7f\xc2\x9b"
                      "é"),
            "a?[31mb???é");
}

TEST(Table, CutsTheFlexibleColumnOnATerminalOnly) {
  Table table({{"A"}, {"LONG", Align::left, false, true}});
  table.row({"x", "abcdefghijklmnopqrstuvwxyz"});
  Style style;
  EXPECT_EQ(table.render(style), "A  LONG\nx  abcdefghijklmnopqrstuvwxyz\n");
  style.width = 14;
  EXPECT_EQ(table.render(style), "A  LONG\nx  abcdefghij…\n");
  style.header = false;
  style.width = 0;
  EXPECT_EQ(table.render(style), "x  abcdefghijklmnopqrstuvwxyz\n");
}

TEST(Table, QuotesForCommaSeparatedPrograms) {
  Table table({{"GPU MEM"}, {"B"}});
  table.row({"a,b", "say \"x\""});
  table.row({kNone, ""});
  Style style;
  style.output = Output::csv;
  EXPECT_EQ(table.render(style), "gpu_mem,b\n\"a,b\",\"say \"\"x\"\"\"\n,\n");
}

TEST_F(Golden, AStrategyBesideTheOthers) {
  compare("strategy", render_strategy(document("strategy"), style()));
}

TEST_F(Golden, ComponentsShowWhatEachHasBeenGivenAndWhatIsWrong) {
  const auto components = document("components");
  compare("components", render_components(components, style()));
  compare("components_wide", render_components(components, style(Output::wide)));
  compare("components_narrow", render_components(components, style(Output::table, 80, true)));
  compare("components_csv", render_components(components, style(Output::csv)));
  const auto& all = client::list(components);
  compare("component", render_component(all[2], document("decisions"), style()));
  compare("component_wide", render_component(all[2], value(), style(Output::wide)));
  compare("component_unresponsive", render_component(all[1], value(), style()));
  compare("component_known", render_component(all[0], value(), style()));
  EXPECT_EQ(render_components(value(), style()), "no components\n");
}

TEST_F(Golden, DecisionsShowTheNewestLast) {
  compare("decisions", render_decisions(document("decisions"), style()));
  compare("decisions_csv", render_decisions(document("decisions"), style(Output::csv)));
  EXPECT_EQ(render_decisions(value(), style()), "no decisions yet\n");
}

TEST_F(Golden, QuotasAndTheirTimes) {
  compare("quotas", render_quotas(quotas(), style()));
  compare("quotas_csv", render_quotas(quotas(), style(Output::csv)));
  EXPECT_EQ(render_quotas(value(), style()), "no quotas\n");
}

TEST_F(Golden, APulseIsOneLine) {
  EXPECT_EQ(render_pulse(document("node"), document("snapshot"), document("components"), style()),
            "strategy adaptive   health moderate   cpu 38 %   memory 33 %   3 components   "
            "11 allocations applied, 4 not");
  EXPECT_EQ(render_pulse(value(), value(), value(), style()), "");
}

TEST_F(Golden, Forecasts) {
  const value forecasts = document("forecasts");
  compare("forecasts", render_forecasts(forecasts, "", style()));
  compare("forecasts_wide", render_forecasts(forecasts, "disk", style(Output::wide)));
  EXPECT_EQ(render_forecasts(forecasts, "swap", style()), "nothing is forecast yet\n");
}

}  // namespace
}  // namespace headroom::cli
