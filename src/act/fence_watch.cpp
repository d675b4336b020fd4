#include "act/fence_watch.hpp"

#include <array>
#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "act/groups.hpp"
#include "act/layout.hpp"
#include "act/refusal.hpp"

namespace headroom::act {
namespace {

constexpr std::uint64_t kInotify = ~std::uint64_t{0};  // in place of a lease
constexpr Bytes kBeyond(2 << 20);

/// An eventfd that the v1 group signals whenever its use crosses a place a little above `at`;
/// negative: -errno.
int threshold(const std::string& folder, Bytes at) {
  const int usage = ::open((folder + "/memory.usage_in_bytes").c_str(), O_RDONLY | O_CLOEXEC);
  if (usage < 0) return -errno;
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) {
    const int error = errno;
    ::close(usage);
    return -error;
  }
  // By the kernel's statistics a job has taken a little less than what it is charged: whoever looks
  // at the signal is to find it beyond its fence. One place only: the kernel takes 10 to 20 ms for
  // each that it is asked for.
  const Bytes place = at + std::max(kBeyond, Bytes(at.count() / 256));
  const auto asked = write_small(
      folder + "/cgroup.event_control",
      std::to_string(event) + " " + std::to_string(usage) + " " + std::to_string(place.count()));
  ::close(usage);  // the kernel has what it needs of it
  if (asked) {
    // Only a crossing is told of: who is beyond it already has crossed it before.
    const auto text = read_small(folder + "/memory.usage_in_bytes");
    const auto now = text ? parse_amount(*text) : std::nullopt;
    if (now && *now >= at) (void)::eventfd_write(event, 1);
    return event;
  }
  ::close(event);
  return asked.error().kind == ErrorKind::not_found ? -ENOENT : -EOPNOTSUPP;
}

}  // namespace

FenceWatch::FenceWatch()
    : poll_(::epoll_create1(EPOLL_CLOEXEC)), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (poll_ < 0 || inotify_ < 0) return;
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = kInotify;
  ::epoll_ctl(poll_, EPOLL_CTL_ADD, inotify_, &wanted);
}

FenceWatch::~FenceWatch() {
  while (!leases_.empty()) forget(leases_.begin()->first);
  if (inotify_ >= 0) ::close(inotify_);
  if (poll_ >= 0) ::close(poll_);
}

Result<void> FenceWatch::watch(LeaseId lease, const Group& group, Bytes at) {
  forget(lease);
  const std::string what = "cannot be told at once when a job comes to its fence";
  if (poll_ < 0 || inotify_ < 0) return fail(ErrorKind::unavailable, what, "no descriptors");
  if (leases_.size() >= kMost) {
    return fail(ErrorKind::unavailable, what,
                "there are " + std::to_string(kMost) + " such jobs already");
  }
  if (group.memory.empty()) return fail(ErrorKind::unavailable, what, "there is no memory group");
  Watched watched;
  if (group.v2) {
    watched.inotify =
        ::inotify_add_watch(inotify_, (group.memory + "/memory.events").c_str(), IN_MODIFY);
    if (watched.inotify < 0) return tl::unexpected(refusal(what, errno));
    by_inotify_[watched.inotify] = lease;
  } else {
    watched.event = threshold(group.memory, at);
    if (watched.event < 0) return tl::unexpected(refusal(what, -watched.event));
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.u64 = lease;
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, watched.event, &wanted) != 0) {
      const int error = errno;
      ::close(watched.event);
      return tl::unexpected(refusal(what, error));
    }
  }
  leases_[lease] = watched;
  return {};
}

void FenceWatch::forget(LeaseId lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return;
  if (found->second.event >= 0) ::close(found->second.event);  // leaves the epoll by itself
  if (found->second.inotify >= 0) {
    ::inotify_rm_watch(inotify_, found->second.inotify);
    by_inotify_.erase(found->second.inotify);
  }
  leases_.erase(found);
}

std::vector<LeaseId> FenceWatch::touched() {
  std::set<LeaseId> who;
  std::array<epoll_event, 64> events{};
  const int n = poll_ < 0 ? 0 : ::epoll_wait(poll_, events.data(), events.size(), 0);
  for (int i = 0; i < n; ++i) {
    const std::uint64_t of = events[static_cast<std::size_t>(i)].data.u64;
    if (of != kInotify) {
      std::uint64_t times = 0;
      const auto found = leases_.find(of);
      if (found != leases_.end() &&
          ::read(found->second.event, &times, sizeof times) == sizeof times) {
        who.insert(of);
      }
      continue;
    }
    alignas(inotify_event) char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(inotify_, buffer, sizeof buffer)) > 0) {
      for (ssize_t at = 0; at < got;) {
        const auto* one = reinterpret_cast<const inotify_event*>(buffer + at);
        const auto found = by_inotify_.find(one->wd);
        if (found != by_inotify_.end() && (one->mask & IN_MODIFY) != 0) who.insert(found->second);
        at += static_cast<ssize_t>(sizeof(inotify_event) + one->len);
      }
    }
  }
  return {who.begin(), who.end()};
}

}  // namespace headroom::act
