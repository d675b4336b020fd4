#include "record/journal.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "record/event_list.hpp"

namespace headroom::record {
namespace {

namespace fs = std::filesystem;
constexpr Bytes kSmall(1 << 16);

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "journal-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Record lease(LeaseId id, const std::string& name = "job") {
  Lease l;
  l.id = id;
  l.name = name;
  l.booked.memory = Bytes(static_cast<std::int64_t>(id) << 20);
  return PutLease{l};
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

Journal::Opened open_at(const std::string& dir, std::string_view boot = "boot-1") {
  auto opened = Journal::open(dir, kSmall, boot);
  if (!opened) {
    ADD_FAILURE() << opened.error().what << ": " << opened.error().why;
    std::abort();
  }
  return std::move(*opened);
}

std::string log_of(int records, std::vector<std::size_t>* ends = nullptr) {
  std::string log;
  for (int i = 1; i <= records; ++i) {
    append_frame(lease(static_cast<LeaseId>(i), "job " + std::to_string(i)),
                 static_cast<std::uint64_t>(i), log);
    if (ends != nullptr) ends->push_back(log.size());
  }
  return log;
}

TEST(Replay, AnyCutGivesThePrefixOfWhatWasWhole) {
  std::vector<std::size_t> ends;
  const std::string log = log_of(6, &ends);
  for (std::size_t cut = 0; cut <= log.size(); ++cut) {
    for (const std::size_t zeros : {std::size_t{0}, std::size_t{64}}) {
      std::string bytes = log.substr(0, cut) + std::string(zeros, '\0');
      const Replay read = replay(bytes, 0);
      std::size_t whole = 0;
      while (whole < ends.size() && ends[whole] <= cut) ++whole;
      // Padding that was cut off is zero anyway.
      const bool padding = read.records.size() == whole + 1;
      ASSERT_TRUE(read.records.size() == whole || padding) << cut;
      for (std::size_t i = 0; i < read.records.size(); ++i) {
        ASSERT_TRUE(read.records[i] == lease(i + 1, "job " + std::to_string(i + 1))) << cut;
      }
      EXPECT_EQ(read.skipped, 0) << cut;
    }
  }
}

TEST(Replay, AFlippedByteCostsAtMostOneRecordAndInventsNone) {
  const std::string log = log_of(8) + std::string(64, '\0');
  for (std::size_t at = 0; at < log.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string bytes = log;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      const Replay read = replay(bytes, 0);
      ASSERT_GE(read.records.size(), 7U) << at;
      LeaseId last = 0;
      for (const Record& record : read.records) {
        const auto& put = std::get<PutLease>(record);
        ASSERT_GT(put.lease.id, last) << at;
        last = put.lease.id;
        ASSERT_TRUE(record == lease(last, "job " + std::to_string(last))) << at;
      }
    }
  }
}

TEST(Replay, OldRecordsBehindTheEndAreNotRead) {
  std::string log;
  append_frame(lease(5), 5, log);
  append_frame(lease(3), 3, log);  // of the file's life before
  EXPECT_EQ(replay(log, 0).records.size(), 1U);
}

TEST(Journal, KeepsWhatWasAppendedOverReopening) {
  Folder folder;
  {
    auto opened = open_at(folder.path());
    EXPECT_TRUE(opened.records.empty());
    for (LeaseId id = 1; id <= 3; ++id) opened.journal.append(lease(id));
  }
  {
    auto opened = open_at(folder.path());
    EXPECT_TRUE(opened.same_boot);
    EXPECT_EQ(opened.records.size(), 3U);
    opened.journal.append(lease(4));
  }
  auto opened = open_at(folder.path(), "boot-2");
  EXPECT_FALSE(opened.same_boot);
  ASSERT_EQ(opened.records.size(), 4U);
  EXPECT_TRUE(opened.records[3] == lease(4));
  EXPECT_TRUE(opened.notes.empty());
}

TEST(Journal, ASnapshotReplacesEverythingBefore) {
  Folder folder;
  {
    auto opened = open_at(folder.path());
    for (LeaseId id = 1; id <= 50; ++id) opened.journal.append(lease(id));
    ASSERT_TRUE(opened.journal.snapshot({lease(51)}));
    opened.journal.append(lease(52));
    ASSERT_TRUE(opened.journal.snapshot({lease(53)}));  // into the file that held fifty
  }
  const auto opened = open_at(folder.path());
  ASSERT_EQ(opened.records.size(), 1U);
  EXPECT_TRUE(opened.records[0] == lease(53));
}

TEST(Journal, RefusesASecondDaemon) {
  Folder folder;
  auto first = open_at(folder.path());
  const auto second = Journal::open(folder.path(), kSmall, "boot-1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_NE(second.error().help.find("--state"), std::string::npos);
}

TEST(Journal, ADamagedHeaderFallsBackToTheOtherFileAndSaysSo) {
  Folder folder;
  std::string path;
  {
    auto opened = open_at(folder.path());
    opened.journal.append(lease(1));
    ASSERT_TRUE(opened.journal.snapshot({lease(1), lease(2)}));
    path = opened.journal.path();
  }
  std::string bytes = read_file(path);
  for (const std::size_t at :
       {std::size_t{3}, std::size_t{17}, std::size_t{21}, std::size_t{25}, std::size_t{40}}) {
    Folder copy;
    fs::copy(folder.path(), copy.path(), fs::copy_options::recursive);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_file(copy.path() + "/" + fs::path(path).filename().string(), damaged);
    const auto opened = open_at(copy.path());
    ASSERT_EQ(opened.records.size(), 1U) << at;
    EXPECT_TRUE(opened.records[0] == lease(1));
    ASSERT_FALSE(opened.notes.empty());
    EXPECT_NE(opened.notes[0].find("damaged header"), std::string::npos);
  }
}

TEST(Journal, WholeRecordsBehindALostStretchAreNotFoundLater) {
  Folder folder;
  std::string path;
  {
    auto opened = open_at(folder.path());
    for (LeaseId id = 1; id <= 300; ++id) opened.journal.append(lease(id));
    path = opened.journal.path();
  }
  // Three blocks of the disk are lost.
  std::string bytes = read_file(path);
  std::fill(bytes.begin() + 4096, bytes.begin() + 4 * 4096, '\0');
  write_file(path, bytes);
  std::size_t kept = 0;
  {
    auto opened = open_at(folder.path());
    kept = opened.records.size();
    ASSERT_LT(kept, 100U);
    // Back into the damaged file, which is then written up to where the old ones lie.
    ASSERT_TRUE(opened.journal.snapshot(opened.records));
    for (LeaseId id = 1000; id < 1030; ++id) opened.journal.append(lease(id));
  }
  EXPECT_EQ(open_at(folder.path()).records.size(), kept + 30);
}

TEST(Journal, ANewerVersionIsRefusedAndLeftAlone) {
  Folder folder;
  std::string path;
  {
    auto opened = open_at(folder.path());
    path = opened.journal.path();
  }
  std::string bytes = read_file(path);
  bytes[16] = 9;
  // The header's sum, as a newer version would write it: of the header with the sum's field zero.
  std::string header = bytes.substr(0, 72);
  std::fill(header.begin() + 20, header.begin() + 24, '\0');
  std::uint32_t crc = 0xffffffffU;
  for (const char c : header) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
  }
  crc = ~crc;
  for (std::size_t i = 0; i < 4; ++i) bytes[20 + i] = static_cast<char>(crc >> (8 * i));
  write_file(path, bytes);
  const auto opened = Journal::open(folder.path(), kSmall, "boot-1");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::unavailable);
  EXPECT_NE(opened.error().what.find("newer"), std::string::npos);
  EXPECT_EQ(read_file(path), bytes);
}

TEST(Journal, GrowsWhenTheRecordsNeedIt) {
  Folder folder;
  std::vector<Record> many;
  for (LeaseId id = 1; id <= 2000; ++id) many.push_back(lease(id, std::string(100, 'n')));
  {
    auto opened = open_at(folder.path());
    ASSERT_TRUE(opened.journal.snapshot(many));
    EXPECT_GT(opened.journal.size().count(), 2 * 2000 * 100);
    opened.journal.append(lease(3000));
  }
  EXPECT_EQ(open_at(folder.path()).records.size(), 2001U);
}

TEST(Journal, APlaceThatIsNoDirectoryIsAClearError) {
  Folder folder;
  write_file(folder.path() + "/file", "x");
  const auto opened = Journal::open(folder.path() + "/file/state", kSmall, "boot-1");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::unavailable);
  EXPECT_FALSE(opened.error().why.empty());
}

// A small filesystem of its own; needs the right to mount.
class SmallDisk : public testing::Test {
 protected:
  void SetUp() override {
    if (mount("none", folder_.path().c_str(), "tmpfs", 0, "size=512k") != 0) {
      GTEST_SKIP() << "no right to mount a small filesystem";
    }
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  void fill() { write_file(folder_.path() + "/fill", std::string(1 << 20, 'f')); }
  Folder folder_;
  bool mounted_ = false;
};

TEST_F(SmallDisk, AFullOneIsAClearErrorAtTheStart) {
  fill();
  const auto opened = Journal::open(folder_.path() + "/state", kSmall, "boot-1");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::unavailable);
  EXPECT_NE(opened.error().why.find("space"), std::string::npos) << opened.error().why;
}

TEST_F(SmallDisk, WhatIsPreallocatedWorksOnWhenItFills) {
  const std::string dir = folder_.path() + "/state";
  {
    auto opened = open_at(dir);
    fill();
    for (int round = 0; round < 20; ++round) {
      for (LeaseId id = 1; id <= 100; ++id) {
        ASSERT_TRUE(opened.journal.append(lease(id)));
      }
      ASSERT_TRUE(opened.journal.snapshot({lease(1)}));
    }
    opened.journal.append(lease(2));
  }
  EXPECT_EQ(open_at(dir).records.size(), 2U);
}

TEST_F(SmallDisk, AGrowthThatFailedDoesNotKeepTheNextStartFromWorking) {
  const std::string dir = folder_.path() + "/state";
  std::vector<Record> many;
  for (LeaseId id = 1; id <= 300; ++id) many.push_back(lease(id, std::string(100, 'n')));
  {
    auto opened = open_at(dir);
    // Room for one larger file, not for two.
    write_file(folder_.path() + "/fill", std::string(512 * 1024 - 2 * 65536 - 65536 - 16384, 'f'));
    ASSERT_TRUE(opened.journal.snapshot(many)) << "they fit as it is";
    EXPECT_EQ(opened.journal.size(), kSmall);
    std::vector<Record> too_many = many;
    too_many.insert(too_many.end(), many.begin(), many.end());
    EXPECT_FALSE(opened.journal.snapshot(too_many));
    (void)opened.journal.append(lease(999));
  }
  fill();
  EXPECT_GE(open_at(dir).records.size(), many.size());
}

TEST_F(SmallDisk, AReadOnlyOneIsAClearError) {
  ASSERT_EQ(mount("none", folder_.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const auto opened = Journal::open(folder_.path() + "/state", kSmall, "boot-1");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::unavailable);
  EXPECT_NE(opened.error().why.find("Read-only"), std::string::npos) << opened.error().why;
}

TEST(Journal, EverythingReportedIsThereAfterAKillAtAnyMoment) {
  std::mt19937 random(17);
  for (int round = 0; round < 40; ++round) {
    Folder folder;
    void* shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto* done = new (shared) std::atomic<std::uint64_t>(0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto opened = Journal::open(folder.path(), kSmall, "boot-1");
      if (!opened) _exit(1);
      for (LeaseId id = 1;; ++id) {
        if (!opened->journal.append(lease(id))) {
          // The promises as they stand: the last ten.
          std::vector<Record> all;
          for (LeaseId kept = id > 10 ? id - 10 : 1; kept < id; ++kept) all.push_back(lease(kept));
          if (!opened->journal.snapshot(all)) _exit(1);
          if (!opened->journal.append(lease(id))) _exit(1);
        }
        done->store(id);
      }
    }
    const std::uint64_t until = 1 + random() % 5000;
    while (done->load() < until && waitpid(child, nullptr, WNOHANG) == 0) {
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const LeaseId reported = done->load();
    ASSERT_GE(reported, until) << "the child ended by itself";
    const auto opened = open_at(folder.path());
    ASSERT_FALSE(opened.records.empty());
    EXPECT_TRUE(opened.notes.empty() || opened.notes[0].find("cut") != std::string::npos);
    const LeaseId last = std::get<PutLease>(opened.records.back()).lease.id;
    EXPECT_GE(last, reported);
    EXPECT_LE(last, reported + 1);
    // No gap: the numbers go up one by one.
    for (std::size_t i = 1; i < opened.records.size(); ++i) {
      EXPECT_EQ(std::get<PutLease>(opened.records[i]).lease.id,
                std::get<PutLease>(opened.records[i - 1]).lease.id + 1);
    }
    munmap(shared, 4096);
  }
}

std::size_t resident_of(const std::string& file) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  std::size_t kib = 0;
  while (std::getline(maps, line)) {
    const std::size_t dash = line.find('-');
    const bool head =
        dash != std::string::npos && line.find_first_not_of("0123456789abcdef") == dash;
    if (head) inside = line.ends_with(file);
    if (inside && line.starts_with("Rss:")) kib += std::stoul(line.substr(4));
  }
  return kib;
}

TEST(Journal, TheOldFileLeavesTheProcessAfterASnapshot) {
  Folder folder;
  auto opened = open_at(folder.path());
  for (LeaseId id = 1; id <= 400; ++id) opened.journal.append(lease(id));
  const std::string old = opened.journal.path();
  ASSERT_GT(resident_of(old), 8U);
  ASSERT_TRUE(opened.journal.snapshot({lease(1)}));
  EXPECT_EQ(resident_of(old), 0U);
  EXPECT_NE(opened.journal.path(), old);
}

TEST(EventList, NumbersKeepsTheNewestAndFilters) {
  EventList list(3);
  for (int i = 0; i < 5; ++i) {
    EventLine line;
    line.type = i % 2 == 0 ? "lease.granted" : "alert.opened";
    line.at = WallTime(std::chrono::seconds(i));
    list.add(line);
  }
  EXPECT_EQ(list.last(), 5U);
  const auto all = list.newest({});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].id, 5U);
  EXPECT_EQ(all[2].id, 3U);
  EventList::Filter filter;
  filter.type = "lease";
  EXPECT_EQ(list.newest(filter).size(), 2U);
  filter.type = "leas";
  EXPECT_TRUE(list.newest(filter).empty()) << "a type's beginning ends at a dot";
  filter = {};
  filter.after = 4;
  EXPECT_EQ(list.newest(filter).size(), 1U);
  filter = {};
  filter.since = WallTime(std::chrono::seconds(3));
  EXPECT_EQ(list.newest(filter).size(), 2U);
  filter = {};
  filter.limit = 1;
  EXPECT_EQ(list.newest(filter).size(), 1U);
}

}  // namespace
}  // namespace headroom::record
