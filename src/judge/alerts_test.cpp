#include "judge/alerts.hpp"

#include <gmock/gmock.h>

#include <random>
#include <set>

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const WallTime kWall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 12}};

Instant at(std::chrono::nanoseconds boot, std::chrono::nanoseconds wall_jump = 0ns) {
  return {BootTime(boot), kWall + boot + wall_jump};
}

GaugeChange change(AlertStep step, Level now, double value = 0, double threshold = 0,
                   std::chrono::nanoseconds lasted = 0ns) {
  GaugeChange c;
  c.alert = step;
  c.now = now;
  c.value = value;
  c.threshold = threshold;
  c.lasted = lasted;
  return c;
}

TEST(Alerts, SayInWordsWhatIsHigh) {
  EXPECT_STREQ(alert_text(Resource::memory), "High CPU memory usage");
  EXPECT_STREQ(alert_text(Resource::gpu_memory), "High GPU memory usage");
  EXPECT_STREQ(alert_text(Resource::gpu_temperature), "High GPU temperature");
  EXPECT_STREQ(alert_text(Resource::cpu), "High CPU usage");
  EXPECT_STREQ(alert_text(Resource::disk), "High disk usage");
}

TEST(Alerts, AreOneObjectFromTheOpeningToTheEnd) {
  Alerts alerts;
  std::uint64_t last_id = 41;
  const auto opened = alerts.apply(
      Resource::memory, "", change(AlertStep::opened, Level::warning, 82, 80), last_id, at(10s));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->id, 42u);
  EXPECT_EQ(opened->text, "High CPU memory usage");
  EXPECT_DOUBLE_EQ(opened->threshold, 80);
  EXPECT_EQ(opened->since, kWall + 10s);

  const auto worse =
      alerts.apply(Resource::memory, "", change(AlertStep::escalated, Level::critical, 91, 90),
                   last_id, at(11s));
  EXPECT_EQ(worse->id, 42u);
  EXPECT_EQ(worse->level, Level::critical);
  EXPECT_DOUBLE_EQ(worse->value, 91);

  const auto better = alerts.apply(
      Resource::memory, "", change(AlertStep::lowered, Level::warning, 84, 80), last_id, at(12s));
  EXPECT_EQ(better->level, Level::warning);
  EXPECT_DOUBLE_EQ(better->value, 84) << "the reading that the level in force is of";
  EXPECT_DOUBLE_EQ(better->threshold, 80);
  EXPECT_EQ(alerts.open().size(), 1u);

  const auto ended = alerts.apply(
      Resource::memory, "", change(AlertStep::ended, Level::ok, 60, 0, 5s), last_id, at(15s, -1h));
  ASSERT_TRUE(ended);
  EXPECT_EQ(*ended->lasted, 5s);
  EXPECT_EQ(*ended->ended, kWall + 15s - 1h);
  EXPECT_TRUE(alerts.open().empty());
  ASSERT_EQ(alerts.ended().size(), 1u);
  EXPECT_EQ(alerts.find(42)->lasted, 5s);
  EXPECT_FALSE(alerts.find(43));
}

TEST(Alerts, KeepDevicesApart) {
  Alerts alerts;
  std::uint64_t last_id = 0;
  const auto opened = change(AlertStep::opened, Level::critical, 95, 90);
  alerts.apply(Resource::gpu_memory, "GPU-1", opened, last_id, at(1s));
  alerts.apply(Resource::gpu_memory, "GPU-2", opened, last_id, at(1s));
  alerts.apply(Resource::gpu_memory, "GPU-1", change(AlertStep::ended, Level::ok), last_id, at(2s));
  ASSERT_EQ(alerts.open().size(), 1u);
  EXPECT_EQ(alerts.open()[0].device, "GPU-2");
}

TEST(Alerts, GoOnWhenTheGaugeIsMadeAnew) {
  Alerts alerts;
  std::uint64_t last_id = 0;
  alerts.apply(Resource::cpu, "", change(AlertStep::opened, Level::warning, 75, 70), last_id,
               at(1s));
  const auto again = alerts.apply(
      Resource::cpu, "", change(AlertStep::opened, Level::critical, 90, 85), last_id, at(9s));
  EXPECT_EQ(again->id, 1u);
  EXPECT_EQ(again->level, Level::critical);
  EXPECT_EQ(again->since, kWall + 1s);
  EXPECT_EQ(last_id, 1u);
}

TEST(Alerts, AreNotRemindedOfOnceAcknowledgedUntilTheyGetWorse) {
  Alerts alerts;
  std::uint64_t last_id = 0;
  const auto apply = [&](AlertStep step, Level level) {
    return alerts.apply(Resource::disk, "/", change(step, level, 90, 80), last_id, at(1s));
  };
  apply(AlertStep::opened, Level::warning);
  EXPECT_TRUE(apply(AlertStep::reminded, Level::warning));
  EXPECT_TRUE(alerts.acknowledge(1)->acknowledged);
  EXPECT_FALSE(apply(AlertStep::reminded, Level::warning));
  EXPECT_FALSE(apply(AlertStep::escalated, Level::critical)->acknowledged);
  EXPECT_TRUE(apply(AlertStep::reminded, Level::critical));
}

TEST(Alerts, SayWhyAnAlertCannotBeAcknowledged) {
  Alerts alerts;
  std::uint64_t last_id = 0;
  alerts.apply(Resource::disk, "/", change(AlertStep::opened, Level::warning), last_id, at(1s));
  alerts.apply(Resource::disk, "/", change(AlertStep::ended, Level::ok), last_id, at(2s));
  EXPECT_THAT(alerts.acknowledge(1).error().why, HasSubstr("ended"));
  EXPECT_EQ(alerts.acknowledge(7).error().kind, ErrorKind::not_found);
}

TEST(Alerts, IgnoreStepsOfAlertsTheyDoNotHave) {
  Alerts alerts;
  std::uint64_t last_id = 0;
  for (const AlertStep step : {AlertStep::none, AlertStep::escalated, AlertStep::lowered,
                               AlertStep::reminded, AlertStep::ended}) {
    EXPECT_FALSE(alerts.apply(Resource::cpu, "", change(step, Level::warning), last_id, at(1s)));
  }
  EXPECT_EQ(last_id, 0u);
}

TEST(Alerts, KeepTheNewestEndedOnes) {
  Alerts alerts(3);
  std::uint64_t last_id = 0;
  for (int i = 0; i < 5; ++i) {
    alerts.apply(Resource::cpu, "", change(AlertStep::opened, Level::warning), last_id, at(1s));
    alerts.apply(Resource::cpu, "", change(AlertStep::ended, Level::ok), last_id, at(2s));
  }
  ASSERT_EQ(alerts.ended().size(), 3u);
  EXPECT_EQ(alerts.ended().front().id, 5u);
  EXPECT_EQ(alerts.ended().back().id, 3u);
}

TEST(AlertsProperty, ThereIsOneOpenAlertPerKeyAndIdsAreNeverReused) {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    GaugeSettings settings;
    settings.rungs = {75, 85, 95};
    Alerts alerts;
    std::uint64_t last_id = 0;
    std::vector<Gauge> gauges;
    for (const char* device : {"GPU-1", "GPU-2", "GPU-3"}) {
      gauges.emplace_back(Resource::gpu_memory, device, settings);
    }
    std::set<std::uint64_t> ids;
    for (int second = 0; second < 500; ++second) {
      for (Gauge& gauge : gauges) {
        const auto update = gauge.update(static_cast<double>(random() % 110), at(second * 1s));
        const auto alert =
            alerts.apply(gauge.resource(), gauge.device(), update, last_id, at(second * 1s));
        if (update.alert == AlertStep::opened) {
          EXPECT_TRUE(ids.insert(alert->id).second);
        }
      }
      std::size_t expected = 0;
      for (const Gauge& gauge : gauges) expected += gauge.alert_open() ? 1 : 0;
      const auto open = alerts.open();
      ASSERT_EQ(open.size(), expected);
      std::set<std::string> devices;
      for (const Alert& alert : open) EXPECT_TRUE(devices.insert(alert.device).second);
    }
  }
}

}  // namespace
}  // namespace headroom::judge
