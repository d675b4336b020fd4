#include "words/record.hpp"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace headroom {
namespace {

class Any {
 public:
  explicit Any(std::uint64_t seed) : engine_(seed) {}
  std::int64_t number() {
    // The ends of the range come up as often as everything between.
    switch (engine_() % 5) {
      case 0:
        return 0;
      case 1:
        return std::numeric_limits<std::int64_t>::max();
      case 2:
        return std::numeric_limits<std::int64_t>::min();
      default:
        return static_cast<std::int64_t>(engine_());
    }
  }
  std::string text() {
    std::string out(engine_() % 40, '\0');
    for (char& c : out) c = static_cast<char>(engine_());
    return out;
  }
  bool yes() { return engine_() % 2 == 0; }
  template <class T>
  std::optional<T> maybe(T value) {
    return yes() ? std::optional<T>(value) : std::nullopt;
  }
  BootTime boot() { return BootTime(std::chrono::nanoseconds(number())); }
  Instant instant() { return {boot(), WallTime(std::chrono::nanoseconds(number()))}; }
  Amounts amounts() { return {Bytes(number()), Bytes(number()), Cores(number()), Bytes(number())}; }
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }

  Lease lease() {
    Lease l;
    l.id = 1 + below(1000);
    l.name = text();
    l.owner = static_cast<uid_t>(engine_());
    l.state = static_cast<LeaseState>(below(8));
    l.priority = static_cast<Priority>(below(4));
    l.needs.memory = maybe(Bytes(number()));
    l.needs.gpu_memory = maybe(Bytes(number()));
    l.needs.cpu = maybe(Cores(number()));
    l.needs.disk = maybe(Bytes(number()));
    l.needs.disk_path = text();
    l.needs.gpus = static_cast<int>(below(2));
    l.needs.gpu = text();
    l.needs.compute = maybe(static_cast<double>(below(999)) / 7.0);
    l.booked = amounts();
    l.gpu = text();
    l.mount = text();
    l.holder = {static_cast<pid_t>(engine_()), engine_(), text(), engine_()};
    l.parent = engine_();
    l.fence = yes();
    l.enforce = yes();
    l.grouped = yes();
    l.spread = yes();
    l.group = {text(), text(), text(), text(), yes()};
    l.fence_at = Bytes(number());
    l.fence_set = yes();
    l.asked = instant();
    l.granted = instant();
    l.ended = instant();
    l.expected = maybe(std::chrono::seconds(number()));
    l.expected_learned = yes();
    l.give_up = maybe(boot());
    l.expires = maybe(boot());
    l.idempotency_key = text();
    l.reason = text();
    l.peak = amounts();
    l.oom_kills = engine_();
    l.exit_status = maybe(static_cast<int>(engine_()));
    l.return_idle = yes();
    l.model = text();
    l.use = yes();
    l.moved = yes();
    if (yes()) l.starts = WallTime(std::chrono::nanoseconds(number()));
    l.late = yes();
    if (yes()) l.frozen = BootTime(std::chrono::nanoseconds(number()));
    l.config = text();
    l.size = size();
    l.part_of = yes() ? engine_() : 0;
    l.cost = Money(number());
    l.charged = BootTime(std::chrono::nanoseconds(number()));
    return l;
  }
  std::optional<Interval> interval() { return maybe(Interval{Bytes(number()), Bytes(number())}); }
  Size size() {
    Size size;
    size.memory = interval();
    size.gpu_memory = interval();
    size.beyond_model = interval();
    size.runs = static_cast<std::uint32_t>(below(100));
    size.deaths = static_cast<std::uint32_t>(below(100));
    size.from = static_cast<SizeFrom>(below(7));
    return size;
  }
  Model model() {
    Model m;
    m.name = text() + "x";
    m.owner = static_cast<uid_t>(engine_());
    m.memory = Bytes(number());
    m.gpu_memory = Bytes(number());
    m.compute = static_cast<double>(below(999)) / 7.0;
    m.priority = static_cast<Priority>(below(4));
    m.pinned = yes();
    m.hook = text();
    m.load = std::chrono::milliseconds(number());
    m.used = WallTime(WallTime::duration(number()));
    return m;
  }
  Record record() {
    switch (below(10)) {
      case 0:
        return PutLease{lease()};
      case 1:
        return DropLease{engine_()};
      case 2: {
        PutLearned learned;
        learned.name = text() + "x";
        for (std::uint64_t i = below(kLearnedRuns + 1); i > 0; --i) {
          learned.runs.push_back({amounts(), std::chrono::seconds(number()), yes()});
        }
        learned.config = text();
        learned.device = text();
        learned.used = WallTime(WallTime::duration(number()));
        return learned;
      }
      case 3:
        return PutAcknowledged{static_cast<Resource>(below(7)), text(), yes()};
      case 4:
        return PutMuted{static_cast<Resource>(below(7)), text(),
                        WallTime(WallTime::duration(number()))};
      case 5:
        return PutDrain{
            {text(), static_cast<uid_t>(engine_()), WallTime(WallTime::duration(number())), text()},
            yes()};
      case 6:
        return PutModel{model(), yes()};
      case 7: {
        PutSession put;
        put.session.root = "/" + text();
        put.session.name = "s" + text();
        put.session.owner = static_cast<uid_t>(engine_());
        put.session.holder.pid = static_cast<pid_t>(below(1'000'000));
        put.session.holder.start_time = below(1'000'000);
        put.session.since = WallTime(WallTime::duration(number()));
        put.session.going = yes();
        put.known = yes();
        return put;
      }
      case 8:
        return PutSpent{std::chrono::year(static_cast<int>(1970 + below(8000))) /
                            static_cast<int>(1 + below(12)),
                        Money(number())};
      default:
        return PutNextLease{1 + below(1'000'000)};
    }
  }

 private:
  std::mt19937_64 engine_;
};

std::string bytes_of(const Record& record) {
  std::string out;
  encode(record, out);
  return out;
}

bool sane(const Record& record) {
  if (const auto* put = std::get_if<PutLease>(&record)) {
    const auto& compute = put->lease.needs.compute;
    return put->lease.id != 0 && put->lease.state <= LeaseState::draining &&
           put->lease.priority <= Priority::critical && put->lease.state >= LeaseState::waiting &&
           put->lease.size.from <= SizeFrom::built_in && (!compute || std::isfinite(*compute));
  }
  if (const auto* seen = std::get_if<PutAcknowledged>(&record))
    return seen->resource <= kLastResource;
  if (const auto* learned = std::get_if<PutLearned>(&record)) {
    return !learned->name.empty() && learned->runs.size() <= kLearnedRuns;
  }
  if (const auto* session = std::get_if<PutSession>(&record)) {
    return !session->session.root.empty() && !session->session.name.empty();
  }
  if (const auto* model = std::get_if<PutModel>(&record)) {
    return !model->model.name.empty() && model->model.priority <= Priority::critical &&
           std::isfinite(model->model.compute);
  }
  return true;
}

TEST(Record, ReadsBackEveryFieldAsItWasWritten) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(seed);
    const Record record = Any(seed).record();
    const auto back = decode(bytes_of(record));
    ASSERT_TRUE(back) << back.error().why;
    ASSERT_TRUE(*back == record);
  }
}

TEST(Record, SkipsTheFieldsOfANewerVersion) {
  Lease lease;
  lease.id = 7;
  lease.name = "train";
  std::string bytes = bytes_of(PutLease{lease});
  bytes += std::string("\xf0\x03\x00new", 6);  // an unknown tag with three bytes
  bytes += std::string("\xf1\x08\x00", 3) + std::string(8, 'x');
  const auto back = decode(bytes);
  ASSERT_TRUE(back) << back.error().why;
  EXPECT_TRUE(*back == Record(PutLease{lease}));
}

TEST(Record, GivesMissingFieldsTheirDefault) {
  std::string bytes = bytes_of(PutLease{[] {
    Lease lease;
    lease.id = 3;
    return lease;
  }()});
  EXPECT_EQ(bytes.size(), 12U) << "a default is not written";
  const auto back = decode(bytes);
  ASSERT_TRUE(back);
  const Lease& lease = std::get<PutLease>(*back).lease;
  EXPECT_EQ(lease.state, LeaseState::waiting);
  EXPECT_EQ(lease.priority, Priority::normal);
  EXPECT_FALSE(lease.needs.memory);
}

TEST(Record, WhatAnOlderVersionLearnedReadsWithoutAConfiguration) {
  const auto field = [](char tag, const std::string& value) {
    return std::string{tag, static_cast<char>(value.size()), 0} + value;
  };
  const std::string one("\x01\0\0\0\0\0\0\0", 8);
  const auto back = decode("\x03" + field(1, "train") + field(2, one) + field(3, one));
  ASSERT_TRUE(back) << back.error().why;
  PutLearned then;
  then.name = "train";
  then.runs.resize(1);
  then.runs[0].peak.memory = Bytes(1);
  EXPECT_TRUE(*back == Record(then));
  EXPECT_EQ(bytes_of(then).substr(1), field(1, "train") + field(2, one) + field(3, one))
      << "and is written so where there is no more to say";
}

TEST(Record, LowPriorityIsNotReadBackAsNormal) {
  Lease lease;
  lease.id = 1;
  lease.priority = Priority::low;
  const auto back = decode(bytes_of(PutLease{lease}));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<PutLease>(*back).lease.priority, Priority::low);
}

TEST(Record, TellsAnAbsentAmountFromZero) {
  Lease lease;
  lease.id = 1;
  lease.needs.memory = Bytes(0);
  lease.exit_status = 0;
  const auto back = decode(bytes_of(PutLease{lease}));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<PutLease>(*back).lease.needs.memory, Bytes(0));
  EXPECT_EQ(std::get<PutLease>(*back).lease.exit_status, 0);
  EXPECT_FALSE(std::get<PutLease>(*back).lease.needs.disk);
}

TEST(Record, NoCutCrashesItOrMakesAnEnumeratorThatIsNone) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::string bytes = bytes_of(Any(seed).record());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      const auto back = decode(std::string_view(bytes).substr(0, cut));
      ASSERT_TRUE(!back || sane(*back)) << "seed " << seed << " cut " << cut;
    }
  }
}

TEST(Record, NoFlippedBitCrashesItOrMakesAnEnumeratorThatIsNone) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    std::string bytes = bytes_of(Any(seed).record());
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      const auto back = decode(bytes);
      ASSERT_TRUE(!back || sane(*back)) << "seed " << seed << " bit " << bit;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
  }
}

TEST(Record, RefusesWhatIsNoRecordAndSaysWhy) {
  for (const std::string& bytes :
       {std::string(), std::string("\x00", 1), std::string("\x63"), std::string("\x01"),
        std::string("\x01\x04\x08\x00\x09\x00\x00\x00\x00\x00\x00\x00", 12), std::string("\x03")}) {
    const auto back = decode(bytes);
    ASSERT_FALSE(back);
    EXPECT_FALSE(back.error().why.empty());
  }
}

}  // namespace
}  // namespace headroom
