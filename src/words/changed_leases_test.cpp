#include "words/changed_leases.hpp"

#include <gmock/gmock.h>

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ChangedLeases, AreToldOnceInTheirOrder) {
  ChangedLeases changed;
  for (const LeaseId id : {7, 7, 3, 7, 5, 3}) changed.add(id);
  EXPECT_THAT(changed.take(), ElementsAre(3, 5, 7));
  EXPECT_THAT(changed.take(), IsEmpty());
}

TEST(ChangedLeases, StayFewWhenTheSameOnesComeAMillionTimes) {
  ChangedLeases changed;
  std::size_t most = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    changed.add(static_cast<LeaseId>(i % 100));
    most = std::max(most, changed.size());
  }
  EXPECT_LE(most, 2048u);
  EXPECT_EQ(changed.take().size(), 100u);
}

}  // namespace
}  // namespace headroom
