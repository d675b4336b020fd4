#include "sense/filesystem.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <sys/mount.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

namespace fs = std::filesystem;

std::string mounts_of(std::string_view text) {
  std::string names;
  for (const Mount& mount : storage_mounts(parse_mountinfo(text)).local) names += mount.mount + ";";
  return names;
}

std::string served_of(std::string_view text) {
  std::string names;
  for (const Mount& mount : storage_mounts(parse_mountinfo(text)).served)
    names += mount.mount + ";";
  return names;
}

TEST(Mountinfo, ReadsTagsEscapesAndOptions) {
  const auto mounts = parse_mountinfo(
      "36 26 8:17 /a /media/my\\040disk rw,relatime shared:14 master:2 - vfat /dev/sd\\134b1 "
      "rw,size=1\n"
      "1 2 3\n\n40 26 0:5 / /x rw -\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].device, "8:17");
  EXPECT_EQ(mounts[0].root, "/a");
  EXPECT_EQ(mounts[0].mount, "/media/my disk");
  EXPECT_EQ(mounts[0].type, "vfat");
  EXPECT_EQ(mounts[0].source, "/dev/sd\\b1");
  EXPECT_EQ(mounts[0].options, "rw,size=1");
}

TEST(Filesystems, EachLocalOneOnceAndNoneOverTheNetwork) {
  EXPECT_EQ(mounts_of("26 1 259:2 / / rw - ext4 /dev/a rw\n"
                      "31 26 8:1 /projects /home/me/p rw - xfs /dev/sda1 rw\n"
                      "32 26 8:1 / /data rw - xfs /dev/sda1 rw\n"
                      "33 26 0:50 / /mnt/nas rw - nfs4 nas:/export rw\n"
                      "34 26 0:51 / /mnt/cloud rw - fuse.sshfs host:/ rw\n"
                      "35 26 0:52 / /mnt/smb rw - cifs //host/x rw\n"
                      "36 26 0:53 / /run rw - tmpfs tmpfs rw\n"
                      "37 26 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n"),
            "/;/data;");
}

TEST(Filesystems, TheRootOfAContainerCountsButNotOneFromTheNetwork) {
  EXPECT_EQ(
      mounts_of("26 1 0:60 / / rw - overlay overlay rw\n27 26 0:61 / /o rw - overlay overlay rw\n"),
      "/;");
  EXPECT_EQ(mounts_of("26 1 0:60 / / rw - nfs server:/root rw\n"), "");
  EXPECT_EQ(mounts_of("26 1 0:60 / / rw - 9p host rw\n"), "");
  EXPECT_EQ(mounts_of("26 1 0:60 / / rw - fuseblk /dev/sda1 rw\n"), "");
}

TEST(Filesystems, WhatOthersServeIsAskedElsewhereAndAutofsNotAtAll) {
  EXPECT_EQ(served_of("26 1 259:2 / / rw - ext4 /dev/a rw\n"
                      "33 26 0:50 / /mnt/nas rw - nfs4 nas:/export rw\n"
                      "34 26 0:50 /home /home rw - nfs4 nas:/export rw\n"
                      "35 26 0:51 / /mnt/cloud rw - fuse.sshfs host:/ rw\n"
                      "36 26 0:52 / /mnt/win rw - fuseblk /dev/sdb1 rw\n"
                      "37 26 0:53 / /mnt/later rw - autofs systemd-1 rw\n"
                      "38 26 0:54 / /run/user/1/doc rw - fuse.portal portal rw\n"
                      "39 26 0:55 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n"
                      "40 26 0:56 / /scratch rw - lustre mgs@tcp:/lfs rw\n"),
            "/mnt/nas;/mnt/cloud;/mnt/win;/scratch;");
}

TEST(Filesystems, ADiskBehindAServedMountIsAskedWithIt) {
  const char* const text =
      "26 1 259:2 / / rw - ext4 /dev/a rw\n27 26 0:50 / /net rw - nfs nas:/x rw\n"
      "28 27 8:1 / /net/scratch rw - xfs /dev/sda1 rw\n29 26 8:17 / /network rw - xfs /dev/b rw\n";
  EXPECT_EQ(mounts_of(text), "/;/network;");
  EXPECT_EQ(served_of(text), "/net;/net/scratch;");
}

TEST(Filesystems, ALongTableIsCutAndWhatIsLeftOutIsCounted) {
  std::string text = "26 1 259:2 / / rw - ext4 /dev/a rw\n";
  for (int i = 0; i < 3000; ++i) {
    const std::string n = std::to_string(i);
    text += n + " 26 0:" + n + " / /var/lib/kubelet/pods/" + n + "/secret rw - tmpfs tmpfs rw\n";
    text += n + " 26 259:2 /v/" + n + " /var/lib/kubelet/pods/" + n + "/v rw - ext4 /dev/a rw\n";
    if (i < 70) text += n + " 26 8:" + n + " / /csi/" + n + " rw - xfs /dev/sd" + n + " rw\n";
  }
  const StorageMounts storage = storage_mounts(parse_mountinfo(text));
  ASSERT_EQ(storage.local.size(), kMostFilesystems);
  EXPECT_EQ(storage.local[0].mount, "/");
  EXPECT_EQ(storage.local[1].mount, "/csi/0");
  EXPECT_EQ(storage.left_out, 71 - kMostFilesystems);
}

TEST(Filesystems, AMountHidesWhatWasThereBefore) {
  EXPECT_EQ(mounts_of("26 1 8:1 / / rw - ext4 /dev/a rw\n27 26 8:2 / /m rw - ext4 /dev/b rw\n"
                      "28 27 0:9 / /m rw - nfs x:/ rw\n"),
            "/;");
}

TEST(Filesystems, ANewMountIsSeenAndAnUnmountedOneForgotten) {
  char image[] = "/tmp/headroom-image-XXXXXX";
  const int file = ::mkstemp(image);
  ASSERT_GE(file, 0);
  ASSERT_EQ(::ftruncate(file, 8 << 20), 0);
  ::close(file);
  char folder[] = "/tmp/headroom-mount-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto clean = [&] {
    ::umount2(folder, MNT_DETACH);
    fs::remove(image);
    fs::remove(folder);
  };
  ReadBuffer buffer;
  Filesystems filesystems("", Keep::open);
  std::vector<FilesystemReading> readings;
  const auto has = [&](BootTime at) {
    filesystems.read(at, buffer, readings);
    return std::any_of(readings.begin(), readings.end(),
                       [&](const FilesystemReading& reading) { return reading.mount == folder; });
  };
  const auto at = [](int seconds) { return BootTime(std::chrono::seconds(seconds)); };
  EXPECT_FALSE(has(at(100)));
  const std::string make =
      std::string("mkfs.ext4 -q ") + image + " && mount -o loop " + image + " " + folder;
  if (std::system((make + " >/dev/null 2>&1").c_str()) != 0) {
    clean();
    GTEST_SKIP() << "a loop mount is not allowed here";
  }
  EXPECT_TRUE(has(at(110)));
  ::umount2(folder, 0);
  EXPECT_FALSE(has(at(120)));
  clean();
}

TEST(Filesystems, AMountThatIsNotThereIsAnAbsenceWithItsName) {
  ReadBuffer buffer;
  Filesystems filesystems(HEADROOM_SOURCE_DIR "/tests/machines/v2_limits", Keep::closed);
  std::vector<FilesystemReading> readings;
  filesystems.read(BootTime{}, buffer, readings);
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].mount, "/");
  EXPECT_EQ(readings[1].mount, "/data");
  EXPECT_EQ(readings[1].type, "xfs");
  EXPECT_GT(readings[1].total, Bytes());
  EXPECT_GE(readings[1].free, readings[1].available);
  std::vector<Absence> absent;
  EXPECT_TRUE(filesystems.absences_changed());
  EXPECT_FALSE(filesystems.absences_changed());
  filesystems.absences(absent);
  ASSERT_EQ(absent.size(), 1u);
  EXPECT_EQ(absent[0].sensor, "disk /media/my disk");
  EXPECT_NE(absent[0].reason.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace headroom::sense
