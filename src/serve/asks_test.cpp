#include <map>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "http/testing.hpp"
#include "serve/metric_backend_for_test.hpp"
#include "serve/routes.hpp"

namespace headroom::serve {
namespace {

using namespace literals;
using http::testing::eventually;
using http::testing::Raw;
using http::testing::Served;

// Holds who listens, and what they say.
class Asking final : public testing::StillMachine {
 public:
  Asking() {
    view_.config = std::make_shared<const Config>();
    add_lease(73, "render", 4_GiB);
    view_.leases.back().lease.owner = 1000;
    view_.leases.back().lease.gpu = "GPU-1";
    add_lease(74, "over", 4_GiB);
    view_.leases.back().lease.owner = 1000;
    view_.leases.back().lease.state = LeaseState::ended;
  }
  std::uint64_t listen(LeaseId lease, std::function<bool(const AskHook&)> send) override {
    if (full_) return 0;
    listeners_.emplace(std::pair(lease, ++last_), std::move(send));
    return last_;
  }
  void stop_listening(LeaseId lease, std::uint64_t listener) override {
    listeners_.erase({lease, listener});
  }
  Result<void> answer(LeaseId lease, std::uint64_t ask, HookResult result,
                      std::string said) override {
    if (ask != 17) return fail(ErrorKind::not_found, "no such ask");
    answered_ = {lease, result};
    said_ = std::move(said);
    return {};
  }
  Caller caller(const http::Peer&) override { return caller_; }

  std::map<std::pair<LeaseId, std::uint64_t>, std::function<bool(const AskHook&)>> listeners_;
  std::uint64_t last_ = 0;
  bool full_ = false;
  Caller caller_{1000, true, false};
  std::pair<LeaseId, HookResult> answered_;
  std::string said_;
};

AskHook ask_for(LeaseId lease) {
  AskHook ask;
  ask.ask = 17;
  ask.hook = kHolderHook;
  ask.model = "sd\"xl";
  ask.bytes = 9_GiB;
  ask.lease = lease;
  ask.reason = "render-b wants 24.0 GiB";
  return ask;
}

class Asks : public ::testing::Test {
 protected:
  Asks()
      : served_([this](const http::Request& request, http::Reply reply) {
          routes_.handle(request, std::move(reply));
        }) {}
  ~Asks() override {
    served_.on_loop([this] { routes_.close(); });
  }
  Raw listening(const char* lease = "l-73") {
    Raw raw = Raw::unix_socket(served_.path());
    raw.say(std::string("GET /api/v1/leases/") + lease + "/stream HTTP/1.1\r\nHost: x\r\n\r\n");
    return raw;
  }
  int status_of(const std::string& request) {
    return Raw::unix_socket(served_.path()).ask(request).status;
  }
  int says(const std::string& body) {
    return status_of("POST /api/v1/leases/l-73/answers HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  std::size_t listeners() {
    std::size_t count = 0;
    served_.on_loop([&] { count = backend_.listeners_.size(); });
    return count;
  }

  Asking backend_;
  Routes routes_{backend_};
  Served served_;
};

TEST_F(Asks, ReachTheHolderThatListens) {
  Raw holder = listening();
  ASSERT_TRUE(holder.hear_until("retry: 1000"));
  ASSERT_EQ(listeners(), 1U);
  bool told = false;
  served_.on_loop([&] { told = backend_.listeners_.begin()->second(ask_for(73)); });
  EXPECT_TRUE(told);
  EXPECT_TRUE(holder.hear_until(
      "event: ask\ndata: {\"ask\":17,\"do\":\"free\",\"model\":\"sd\\\"xl\","
      "\"gpu_memory_bytes\":9663676416,\"reason\":\"render-b wants 24.0 GiB\"}\n\n"))
      << holder.heard();
}

TEST_F(Asks, AreAnswered) {
  EXPECT_EQ(says(R"({"ask":17,"result":"refused","said":"it renders"})"), 200);
  EXPECT_EQ(backend_.answered_, (std::pair<LeaseId, HookResult>(73, HookResult::refused)));
  EXPECT_EQ(backend_.said_, "it renders");
  EXPECT_EQ(says(R"({"ask":17,"result":"not_found"})"), 200);
  EXPECT_EQ(says(R"({"ask":18,"result":"freed"})"), 404) << "nobody asked that";
  for (const char* wrong :
       {"", "{}", R"({"ask":17})", R"({"result":"freed"})", R"({"ask":17,"result":"timed_out"})",
        R"({"ask":0,"result":"freed"})", R"({"ask":1e300,"result":"freed"})",
        R"({"ask":17,"result":"freed","x":1})"}) {
    EXPECT_EQ(says(wrong), 400) << wrong;
  }
}

TEST_F(Asks, StopWithTheLease) {
  Raw holder = listening();
  ASSERT_TRUE(holder.hear_until("retry"));
  served_.on_loop([&] { routes_.tell_lease(73); });
  EXPECT_EQ(listeners(), 1U) << "it changed, and has not ended";
  served_.on_loop([&] {
    backend_.view_.leases.front().lease.state = LeaseState::ended;
    routes_.tell_lease(73);
  });
  EXPECT_EQ(listeners(), 0U);
  EXPECT_TRUE(holder.hear_until("event: ended\ndata: {\"lease\":\"l-73\"}"));
}

TEST_F(Asks, StopWhenTheHolderGoes) {
  Raw holder = listening();
  ASSERT_TRUE(holder.hear_until("retry"));
  Raw second = listening();
  ASSERT_TRUE(second.hear_until("retry"));
  EXPECT_EQ(listeners(), 2U);
  holder.hang_up();
  EXPECT_TRUE(eventually([&] { return listeners() == 1; }));
}

TEST_F(Asks, AreForTheOwnerOfALivingLease) {
  EXPECT_EQ(listening("l-99").hear().status, 404);
  EXPECT_EQ(listening("nonsense").hear().status, 404);
  EXPECT_EQ(listening("l-74").hear().status, 409) << "it has ended";
  served_.on_loop([&] { backend_.full_ = true; });
  EXPECT_EQ(listening().hear().status, 429);
  served_.on_loop([&] { backend_.caller_ = {1001, true, false}; });
  EXPECT_EQ(listening().hear().status, 403);
  EXPECT_EQ(says(R"({"ask":17,"result":"freed"})"), 403);
  served_.on_loop([&] { backend_.caller_ = {1000, false, false}; });
  EXPECT_EQ(listening().hear().status, 403) << "nobody knows that it is 1000";
  served_.on_loop([&] { backend_.caller_ = {0, true, true}; });
  EXPECT_EQ(says(R"({"ask":17,"result":"freed"})"), 200);
}

}  // namespace
}  // namespace headroom::serve
