// One caller who wants to know how the daemon is, while the others load it.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace headroom::load {

/// Asks for the health over the Unix socket twenty times a second, on a thread of its own.
class Probe {
 public:
  explicit Probe(const std::string& socket);
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  /// Ends it. Milliseconds from each question to its whole answer, in the order they were asked.
  std::vector<double> stop();
  /// Questions that were not answered with 200, and why the first was not. After stop().
  int unanswered() const { return unanswered_; }
  const std::string& why() const { return why_; }
  /// Whether the kernel lets the probe run as soon as it can: then a busy machine delays the
  /// daemon's part of the answer alone.
  bool prompt() const { return prompt_; }

 private:
  void ask(const std::string& socket);

  std::atomic<bool> over_ = false;
  std::atomic<bool> prompt_ = false;
  std::vector<double> times_;  // the thread's until it is joined; so are the next two
  int unanswered_ = 0;
  std::string why_;
  std::thread thread_;
};

/// The value below which a share of all lies, by the nearest rank; 0 where there are none.
double at_rank(std::vector<double> values, double share);

}  // namespace headroom::load
