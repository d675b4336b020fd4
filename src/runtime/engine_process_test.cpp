#include "runtime/engine_process.hpp"

#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace headroom::runtime {
namespace {

TEST(EngineServer, IsTheProcessThatListensThere) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  HookSetting setting;
  setting.kind = HookKind::ollama;
  setting.url = "http://127.0.0.1:" + port + "/base";
  EngineServer server(setting);
  EXPECT_EQ(server.find(), getpid());
  EXPECT_EQ(server.find(), getpid());
  setting.url = "http://192.0.2.1:" + port;
  EXPECT_EQ(EngineServer(setting).find(), std::nullopt) << "on another machine";
  ::close(fd);
  EXPECT_EQ(server.find(), std::nullopt);
}

class GpuProcesses : public ::testing::Test {
 protected:
  GpuProcesses() {
    read.models.resize(1);
    read.models[0].pid = 100;
    sample.gpus.resize(2);
  }
  void add(std::size_t gpu, pid_t pid) {
    GpuProcess process;
    process.pid = pid;
    sample.gpus[gpu].processes.push_back(process);
  }
  std::optional<pid_t> named() {
    EngineRead out = read;
    // 101 to 109 are children of 100.
    name_gpu_processes(out, sample, [](pid_t child, pid_t ancestor) {
      return ancestor == 100 && child > 100 && child < 110;
    });
    return out.models[0].pid;
  }
  EngineRead read;
  Sample sample;
};

TEST_F(GpuProcesses, AServersChildThatHasTheMemoryStandsForIt) {
  EXPECT_EQ(named(), 100) << "nobody is there";
  add(1, 50);
  add(1, 103);
  EXPECT_EQ(named(), 103);
  add(1, 104);
  EXPECT_EQ(named(), 103) << "the same device";
  add(0, 105);
  EXPECT_EQ(named(), 100) << "it cannot be said which";
  read.models[0].pid.reset();
  EXPECT_EQ(named(), std::nullopt);
}

TEST_F(GpuProcesses, AServerThatHasItItselfStaysItself) {
  add(0, 100);
  add(1, 103);
  EXPECT_EQ(named(), 100);
}

}  // namespace
}  // namespace headroom::runtime
