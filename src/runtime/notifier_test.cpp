#include "runtime/notifier.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

Notify news(Notify::What what, Level level, std::uint64_t id = 1) {
  Notify out;
  out.what = what;
  out.alert.id = id;
  out.alert.level = level;
  out.alert.text = "High GPU temperature";
  if (what == Notify::What::ended) out.alert.ended = WallTime(1s);
  return out;
}

TEST(Wants, TheLevelsItNamesOrTheLowestOfAll) {
  NotifyTarget target;
  EXPECT_FALSE(wants(target, Level::critical, news(Notify::What::raised, Level::warning).alert));
  EXPECT_TRUE(wants(target, Level::critical, news(Notify::What::raised, Level::emergency).alert));
  target.levels = {Level::warning};
  EXPECT_TRUE(wants(target, Level::critical, news(Notify::What::raised, Level::warning).alert));
  EXPECT_FALSE(wants(target, Level::critical, news(Notify::What::raised, Level::critical).alert));
}

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    dir_ = name;
    NotifyTarget file;
    file.name = "file";
    file.kind = NotifyKind::command;
    file.run = {"sh", "-c", "echo $HEADROOM_WHAT >> \"$0/heard\"", dir_};
    config_.notify = {file};
  }
  ~NotifierTest() override { std::filesystem::remove_all(dir_); }

  std::vector<std::string> heard() const {
    std::vector<std::string> lines;
    std::ifstream in(dir_ + "/heard");
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  // Runs the loop until `condition`, at most half a minute.
  bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      boost::asio::steady_timer timer(io_, 5ms);
      timer.async_wait([](const boost::system::error_code&) {});
      io_.restart();
      io_.run();
    }
    return true;
  }

  std::string dir_;
  Config config_;
  boost::asio::io_context io_;
  std::vector<std::string> problems_;
};

TEST_F(NotifierTest, WhoHeardOfAnAlertHearsHowItGoesOn) {
  Notifier notifier(io_, "n", [](const std::string&, const std::string&) {});
  notifier.tell(config_, news(Notify::What::raised, Level::warning));  // below the line: silence
  notifier.tell(config_, news(Notify::What::ended, Level::warning));
  notifier.tell(config_, news(Notify::What::raised, Level::critical, 2));
  notifier.tell(config_, news(Notify::What::eased, Level::warning, 2));
  notifier.tell(config_, news(Notify::What::ended, Level::warning, 2));
  EXPECT_TRUE(eventually([&] { return heard().size() >= 3; }));
  EXPECT_THAT(heard(), ElementsAre("raised", "eased", "ended"));
  EXPECT_EQ(notifier.failures(), 0u);
}

TEST_F(NotifierTest, SaysOnceThatSomebodyCannotBeToldAndOnceThatHeCanAgain) {
  config_.notify[0].run = {"sh", "-c", "test -e \"$0/up\"", dir_};
  Notifier notifier(io_, "n", [&](const std::string& name, const std::string& problem) {
    problems_.push_back(name + (problem.empty() ? " works" : " fails"));
  });
  notifier.tell(config_, news(Notify::What::raised, Level::critical, 1));
  EXPECT_TRUE(eventually([&] { return problems_.size() == 1; }));
  EXPECT_EQ(notifier.failures(), 1u);
  std::ofstream(dir_ + "/up") << "";
  notifier.tell(config_, news(Notify::What::raised, Level::critical, 2));
  EXPECT_TRUE(eventually([&] { return problems_.size() == 2; }));
  EXPECT_THAT(problems_, ElementsAre("file fails", "file works"));
}

TEST_F(NotifierTest, EndsWhileSomebodyIsBeingTriedAgain) {
  config_.notify[0].run = {"false"};
  for (int i = 0; i < 5; ++i) {
    Notifier notifier(io_, "n", [](const std::string&, const std::string&) {});
    for (std::uint64_t id = 1; id <= 300; ++id) {
      notifier.tell(config_, news(Notify::What::raised, Level::critical, id));
    }
    EXPECT_GE(notifier.failures(), 300u - 257u);
  }
}

}  // namespace
}  // namespace headroom::runtime
