// Tells when processes begin to wait for memory, at once: between two samples there is a second.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <headroom/result.hpp>

namespace headroom::runtime {

/// One trigger of the kernel on its pressure stall information. It fires at most once per window,
/// and nothing runs while nobody waits. Everything happens on the thread that runs the io_context.
class StallTrigger {
 public:
  static constexpr const char* kPath = "/proc/pressure/memory";
  /// Somebody waited for 140 ms in 2 s. Without CAP_SYS_RESOURCE the kernel takes only windows of a
  /// multiple of 2 s.
  static constexpr const char* kWhen = "some 140000 2000000";

  /// `stalled` is called each time it fires; `lost` once, when the kernel takes the trigger away.
  StallTrigger(boost::asio::io_context& io, std::function<void()> stalled,
               std::function<void()> lost);

  /// Errors: not_found (a kernel without such files, or with psi=0), unavailable (switched off),
  /// not_allowed, invalid_request (a window that this user may not have).
  Result<void> arm(const std::string& path = kPath, const std::string& when = kWhen);

 private:
  void wait();

  boost::asio::posix::stream_descriptor file_;
  std::function<void()> stalled_;
  std::function<void()> lost_;
};

}  // namespace headroom::runtime
