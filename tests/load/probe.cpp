#include "probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <pthread.h>
#include <sched.h>

#include "http/client.hpp"

namespace headroom::load {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kEvery = 50ms;
constexpr auto kDeadline = 30s;

}  // namespace

Probe::Probe(const std::string& socket) : thread_([this, socket] { ask(socket); }) {}

Probe::~Probe() { stop(); }

std::vector<double> Probe::stop() {
  over_ = true;
  if (thread_.joinable()) thread_.join();
  return times_;
}

void Probe::ask(const std::string& socket) {
  const sched_param first{1};
  prompt_ = pthread_setschedparam(pthread_self(), SCHED_RR, &first) == 0;
  const auto failed = [&](const std::string& why) {
    if (unanswered_++ == 0) why_ = why;
  };
  const auto url = http::Url::parse("unix://" + socket);
  auto client = http::Client::connect(*url, kDeadline);
  if (!client) return failed(client.error().what);
  for (auto next = Clock::now(); !over_; next += kEvery) {
    std::this_thread::sleep_until(next);
    const auto asked = Clock::now();
    const auto answer = client->request("GET", "/api/v1/health", {}, {}, kDeadline);
    times_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - asked).count());
    if (!answer) {
      failed(answer.error().what);
    } else if (answer->status != 200) {
      failed("status " + std::to_string(answer->status));
    }
    next = std::max(next, Clock::now() - kEvery);  // what was late is not caught up with
  }
}

double at_rank(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace headroom::load
