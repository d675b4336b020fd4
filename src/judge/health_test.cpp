#include "judge/health.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace headroom::judge {
namespace {

Pressure pressure(Resource resource, Level level) {
  Pressure p;
  p.resource = resource;
  p.level = level;
  return p;
}

StallReading stalled(double percent) {
  StallReading stall;
  stall.cpu_some = StallLine{};
  stall.cpu_some->avg10 = Ratio(percent / 100.0);
  return stall;
}

TEST(Health, IsTheWorstOfMemoryGpuMemoryTemperatureAndDisk) {
  EXPECT_EQ(roll_up({}, {}), Level::ok);
  for (const Resource resource :
       {Resource::memory, Resource::gpu_memory, Resource::gpu_temperature, Resource::disk}) {
    const std::vector<Pressure> all{pressure(Resource::memory, Level::warning),
                                    pressure(resource, Level::critical),
                                    pressure(Resource::disk, Level::ok)};
    EXPECT_EQ(roll_up(all, {}), Level::critical) << to_string(resource);
  }
}

TEST(Health, CountsABusyCpuOnlyWhenTasksWaitForIt) {
  const std::vector<Pressure> all{pressure(Resource::cpu, Level::emergency),
                                  pressure(Resource::disk, Level::warning)};
  EXPECT_EQ(roll_up(all, {}), Level::warning) << "a kernel without PSI does not say";
  EXPECT_EQ(roll_up(all, stalled(9.9)), Level::warning);
  EXPECT_EQ(roll_up(all, stalled(10)), Level::emergency);
}

TEST(Health, DoesNotCountPowerAndNetwork) {
  const std::vector<Pressure> all{pressure(Resource::power, Level::emergency),
                                  pressure(Resource::network, Level::emergency)};
  EXPECT_EQ(roll_up(all, stalled(50)), Level::ok);
}

TEST(Health, HasOneWordPerLevel) {
  EXPECT_STREQ(health_word(Level::ok), "healthy");
  EXPECT_STREQ(health_word(Level::warning), "moderate");
  EXPECT_STREQ(health_word(Level::critical), "critical");
  EXPECT_STREQ(health_word(Level::emergency), "critical");
}

}  // namespace
}  // namespace headroom::judge
