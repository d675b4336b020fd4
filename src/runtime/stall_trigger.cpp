#include "runtime/stall_trigger.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "act/refusal.hpp"

namespace headroom::runtime {

StallTrigger::StallTrigger(boost::asio::io_context& io, std::function<void()> stalled,
                           std::function<void()> lost)
    : file_(io), stalled_(std::move(stalled)), lost_(std::move(lost)) {}

Result<void> StallTrigger::arm(const std::string& path, const std::string& when) {
  const std::string what = "cannot be told at once when processes wait for memory";
  const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(act::refusal(what + ": " + path, errno));
  // The kernel wants the zero at the end, too.
  if (::write(fd, when.c_str(), when.size() + 1) < 0) {
    const int error = errno;
    ::close(fd);
    return tl::unexpected(act::refusal(what + ": \"" + when + "\" to " + path, error));
  }
  boost::system::error_code refused;
  file_.assign(fd, refused);
  if (refused) {
    ::close(fd);
    return fail(ErrorKind::unavailable, what, refused.message());
  }
  wait();
  return {};
}

void StallTrigger::wait() {
  // POLLPRI is what fires; POLLERR, which comes the same way, says that there is no trigger any
  // more and never goes away.
  file_.async_wait(boost::asio::posix::stream_descriptor::wait_error,
                   [this](const boost::system::error_code& error) {
                     if (error) return;
                     pollfd state{file_.native_handle(), POLLPRI, 0};
                     if (::poll(&state, 1, 0) > 0 && (state.revents & POLLERR) != 0) {
                       boost::system::error_code ignored;
                       file_.close(ignored);
                       return lost_();
                     }
                     wait();
                     stalled_();
                   });
}

}  // namespace headroom::runtime
