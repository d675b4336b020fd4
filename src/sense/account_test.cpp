#include "sense/account.hpp"

#include <string>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

const std::string kId = "3f2a90c1d4e5b6a7988776655443322110ffeeddccbbaa99887766554433221f";

Account account_of(const std::string& text) { return parse_membership(text).account; }
Account v2(const std::string& path) { return account_of("0::" + path + "\n"); }

TEST(Account, NamesTheInnermostSystemdUnit) {
  EXPECT_EQ(v2("/system.slice/nginx.service").unit, "nginx.service");
  EXPECT_EQ(v2("/user.slice/user-1000.slice/session-3.scope").unit, "session-3.scope");
  EXPECT_EQ(v2("/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service").unit,
            "jupyter.service");
  EXPECT_EQ(v2("/system.slice/system-getty.slice/getty@tty1.service/payload").unit,
            "getty@tty1.service");
  EXPECT_EQ(v2("/user.slice/app-org.gnome\\x2dterminal-12.scope").unit,
            "app-org.gnome-terminal-12.scope");
  EXPECT_EQ(v2("/init.scope").unit, "init.scope");
  EXPECT_EQ(v2("/system.slice/gone.service (deleted)").unit, "gone.service");
  EXPECT_EQ(v2("/").unit, "");
  EXPECT_EQ(v2("/user.slice").unit, "");
}

TEST(Account, KnowsTheContainersOfEachEngine) {
  const struct {
    std::string path;
    const char* engine;
  } rows[] = {
      {"/docker/" + kId, "docker"},
      {"/system.slice/docker-" + kId + ".scope", "docker"},
      {"/ecs/" + kId, "docker"},
      {"/machine.slice/libpod-" + kId + ".scope", "podman"},
      {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId +
           ".scope/container",
       "podman"},
      {"/libpod_parent/libpod-" + kId, "podman"},
      {"/system.slice/cri-containerd-" + kId + ".scope", "containerd"},
      {"/system.slice/nerdctl-" + kId + ".scope", "containerd"},
      {"/system.slice:cri-containerd:" + kId, "containerd"},
      {"/crio-" + kId, "cri-o"},
      {"/system.slice/crio-" + kId + ".scope", "cri-o"},
      {"/kubepods/besteffort/pod11-22/" + kId, "kubernetes"},
      {"/somebody/" + kId, ""},
  };
  for (const auto& row : rows) {
    const Account account = v2(row.path);
    EXPECT_EQ(account.container, "3f2a90c1d4e5") << row.path;
    EXPECT_EQ(account.engine, row.engine) << row.path;
    EXPECT_EQ(account.unit, "") << row.path;  // the scope is the container, not a unit beside it
  }
}

TEST(Account, TheEnginesOwnHelpersAreNoContainers) {
  EXPECT_EQ(v2("/machine.slice/libpod-conmon-" + kId + ".scope").container, "");
  EXPECT_EQ(v2("/system.slice/docker.service").unit, "docker.service");
  EXPECT_EQ(v2("/lxc.monitor.web").container, "");
  EXPECT_EQ(v2("/docker-builder.service").container, "");
}

TEST(Account, KnowsPodsAsTheyAreWrittenAndAsSystemdWritesThem) {
  const std::string uid = "8f4e2a11-0b1c-4d5e-9f00-aabbccddeeff";
  std::string low = uid;
  for (char& c : low) c = c == '-' ? '_' : c;
  EXPECT_EQ(v2("/kubepods/burstable/pod" + uid + "/" + kId).pod, uid);
  const Account slice = v2("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + low +
                           ".slice/cri-containerd-" + kId + ".scope");
  EXPECT_EQ(slice.pod, uid);
  EXPECT_EQ(slice.engine, "containerd");
  EXPECT_EQ(slice.container, "3f2a90c1d4e5");
  EXPECT_EQ(v2("/kubepods.slice/kubepods-pod" + low + ".slice:crio:" + kId).pod, uid);
  EXPECT_EQ(v2("/podman.slice/pods").pod, "");
}

TEST(Account, KnowsLinuxContainersByTheirNames) {
  EXPECT_EQ(v2("/lxc/web/init.scope").container, "web");
  EXPECT_EQ(v2("/lxc.payload.web/system.slice/nginx.service").container, "web");
  EXPECT_EQ(v2("/lxc.payload.web/system.slice/nginx.service").unit, "nginx.service");
  EXPECT_EQ(v2("/lxc.payload/db").engine, "lxc");
}

TEST(Account, ReadsAllGenerations) {
  const std::string v1 = "11:memory:/docker/" + kId + "\n2:cpu,cpuacct:/docker/" + kId +
                         "\n1:name=systemd:/docker/" + kId + "\n";
  EXPECT_EQ(account_of(v1).container, "3f2a90c1d4e5");
  const std::string hybrid =
      "4:memory:/system.slice/a.service\n1:name=systemd:/system.slice/a.service\n0::/\n";
  EXPECT_EQ(account_of(hybrid).unit, "a.service");
  const std::string no_systemd = "4:memory:/\n3:pids:/docker/" + kId + "\n0::/\n";
  EXPECT_EQ(account_of(no_systemd).engine, "docker");
}

TEST(Account, FindsTheGroupOfALease) {
  EXPECT_EQ(parse_membership("0::/system.slice/headroom.scope/lease-7\n").job,
            "/system.slice/headroom.scope/lease-7");
  EXPECT_EQ(parse_membership("4:memory:/me/headroom-1a2b/lease-73.2/worker\n0::/\n").job,
            "/me/headroom-1a2b/lease-73.2");
  EXPECT_EQ(parse_membership("0::/somebody/lease-7\n").job, "");
  EXPECT_EQ(parse_membership("0::/headroom/lease-7x\n").job, "");
  EXPECT_EQ(parse_membership("0::/headroom/lease-\n").job, "");
}

TEST(Account, OfWhatIsNotUnderstoodIsEmpty) {
  for (const char* text : {"", "\n", ":::", "0::", "0::relative", "0::/../..", "x\ny\n",
                           "0::/a\\x2\n", "::/:::", "0::/:a:/::"}) {
    EXPECT_EQ(parse_membership(text), Membership{}) << text;
  }
}

}  // namespace
}  // namespace headroom::sense
