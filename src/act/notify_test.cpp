#include "act/notify.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/json.hpp>

namespace headroom::act {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

Notify news() {
  Notify out;
  out.what = Notify::What::raised;
  out.alert.id = 12;
  out.alert.level = Level::critical;
  out.alert.value = 91.25;
  out.alert.threshold = 85;
  out.alert.text = "High CPU memory usage";
  out.alert.since = WallTime(1'700'000'000'123ms);
  return out;
}

class TellTest : public testing::Test {
 protected:
  TellTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    dir_ = name;
  }
  ~TellTest() override { std::filesystem::remove_all(dir_); }
  std::string read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(dir_ + "/" + name).rdbuf();
    return text.str();
  }
  std::string dir_;
};

// Takes one request, answers it with `status`, and gives back what came.
class OneAnswer {
 public:
  explicit OneAnswer(const std::string& status) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 1) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    got_ = std::async(std::launch::async, [fd = fd_, status] {
      const int peer = ::accept(fd, nullptr, nullptr);
      std::string text;
      char buffer[4096];
      while (text.find("\r\n\r\n") == std::string::npos || text.back() != '}') {
        const ssize_t n = ::read(peer, buffer, sizeof buffer);
        if (n <= 0) break;
        text.append(buffer, static_cast<std::size_t>(n));
      }
      const std::string answer = "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
      (void)!::write(peer, answer.data(), answer.size());
      ::close(peer);
      return text;
    });
  }
  ~OneAnswer() { ::close(fd_); }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::string got() { return got_.get(); }

 private:
  int fd_ = -1;
  int port_ = 0;
  std::future<std::string> got_;
};

TEST(Telling, SaysItInOneLineAndAsADocument) {
  EXPECT_EQ(notify_text(news(), "gpubox"),
            "gpubox: High CPU memory usage: critical, 91.25, line 85 (raised)");
  const auto document = boost::json::parse(notify_json(news(), "gpubox"));
  EXPECT_EQ(document.at("what").as_string(), "raised");
  EXPECT_EQ(document.at("alert").at("severity").as_string(), "critical");
  EXPECT_EQ(document.at("alert").at("since").as_string(), "2023-11-14T22:13:20.123Z");
  EXPECT_TRUE(document.at("alert").at("device").is_null());
  Notify over = news();
  over.what = Notify::What::ended;
  over.alert.ended = WallTime(1'700'000'060'000ms);
  over.alert.lasted = 60s;
  EXPECT_EQ(notify_text(over, "gpubox"), "gpubox: High CPU memory usage ended after 60 s");
}

TEST_F(TellTest, AWebhookByAPost) {
  OneAnswer server("204 No Content");
  NotifyTarget target{"team", NotifyKind::webhook, server.url("/hook?x=1"), "", {}, {}};
  EXPECT_TRUE(notify(target, news(), "gpubox", 10s));
  const std::string request = server.got();
  EXPECT_THAT(request, HasSubstr("POST /hook?x=1 HTTP/1.1"));
  EXPECT_THAT(request, HasSubstr("\"text\":\"gpubox: High CPU memory usage"));
}

TEST_F(TellTest, AWebhookWhoseAddressIsASecretThatIsNeverSaid) {
  OneAnswer server("500 Oops");
  std::ofstream(dir_ + "/url") << server.url("/T0PSECRET") << "\n";
  NotifyTarget target{"team", NotifyKind::webhook, "", dir_ + "/url", {}, {}};
  const auto told = notify(target, news(), "gpubox", 10s);
  EXPECT_THAT(server.got(), HasSubstr("POST /T0PSECRET"));
  ASSERT_FALSE(told);
  EXPECT_THAT(told.error().why, HasSubstr("status 500"));
  EXPECT_THAT(told.error().what + told.error().why + told.error().help, Not(HasSubstr("SECRET")));
  target.url_file = dir_ + "/none";
  EXPECT_THAT(notify(target, news(), "n", 1s).error().why, HasSubstr("holds no address"));
}

TEST_F(TellTest, AWebhookThatIsNotThereIsAFailure) {
  NotifyTarget target{"team", NotifyKind::webhook, "http://127.0.0.1:1/x", "", {}, {}};
  EXPECT_FALSE(notify(target, news(), "gpubox", 2s));
  target.url = "ftp://127.0.0.1";
  EXPECT_THAT(notify(target, news(), "gpubox", 2s).error().why, HasSubstr("not right"));
}

TEST_F(TellTest, ACommandByItsInputAndEnvironment) {
  NotifyTarget target{
      "pager",
      NotifyKind::command,
      "",
      "",
      {"sh", "-c", "cat > \"$0/in\"; echo $HEADROOM_NODE $HEADROOM_LEVEL > \"$0/env\"", dir_},
      {}};
  ASSERT_TRUE(notify(target, news(), "gpubox", 30s));
  EXPECT_EQ(boost::json::parse(read("in")).at("alert").at("id").as_string(), "a12");
  EXPECT_EQ(read("env"), "gpubox critical\n");
}

TEST_F(TellTest, ACommandThatFailsHangsOrIsNotThere) {
  NotifyTarget target{"pager", NotifyKind::command, "", "", {"sh", "-c", "exit 3"}, {}};
  EXPECT_THAT(notify(target, news(), "n", 30s).error().why, HasSubstr("ended with 3"));
  target.run = {"/no/such/program"};
  EXPECT_THAT(notify(target, news(), "n", 30s).error().why, HasSubstr("cannot be run"));
  // One that reads nothing, and is told more than a pipe holds.
  Notify long_news = news();
  long_news.alert.text = std::string(300'000, 'x');
  target.run = {"true"};
  EXPECT_TRUE(notify(target, long_news, "n", 30s));
  // What it started goes with it: the grandchild holds the file's lock no more.
  target.run = {"sh", "-c", "sleep 600 & echo $! > \"$0/pid\"; wait", dir_};
  EXPECT_THAT(notify(target, news(), "n", 500ms).error().why, HasSubstr("took longer than 500 ms"));
  const std::string pid = read("pid");
  if (!pid.empty()) {
    const std::string status = "/proc/" + pid.substr(0, pid.find('\n')) + "/stat";
    const auto gone = [&] {
      std::stringstream text;
      text << std::ifstream(status).rdbuf();
      return text.str().empty() || text.str().find(") Z ") != std::string::npos;
    };
    for (int i = 0; i < 10000 && !gone(); ++i) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(gone());
  }
}

}  // namespace
}  // namespace headroom::act
