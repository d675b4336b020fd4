#include "act/fence_watch.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <utility>

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

/// Two descriptors; what else is shared with who sets thresholds is under the lock.
struct FenceWatch::Shared {
  struct Wish {
    std::uint64_t number = 0;
    std::string folder;
    Bytes at;
  };

  Shared()
      : poll(::epoll_create1(EPOLL_CLOEXEC)), inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() {
    for (const auto& [lease, event] : events) ::close(event);
    if (inotify >= 0) ::close(inotify);
    if (poll >= 0) ::close(poll);
  }

  void forget(LeaseId lease);
  /// Sets the threshold that is wished for this lease, and once more while that has changed.
  void set(LeaseId lease);
  /// Takes the eventfd of a threshold that was set.
  void wait_for(LeaseId lease, int event);

  const int poll;
  const int inotify;
  std::mutex lock;
  std::map<LeaseId, int> events;  // v1: eventfds
  std::map<LeaseId, Wish> wishes;
  std::set<LeaseId> under_way;  // `later` has them
  std::uint64_t last = 0;
};

void FenceWatch::Shared::forget(LeaseId lease) {
  const std::lock_guard guard(lock);
  wishes.erase(lease);
  if (const auto found = events.extract(lease)) ::close(found.mapped());  // leaves the epoll
}

void FenceWatch::Shared::set(LeaseId lease) {
  for (;;) {
    Wish wish;
    {
      const std::lock_guard guard(lock);
      const auto found = wishes.find(lease);
      if (found == wishes.end()) {
        under_way.erase(lease);
        return;
      }
      wish = found->second;
    }
    const int event = threshold(wish.folder, wish.at);
    const std::lock_guard guard(lock);
    const auto found = wishes.find(lease);
    const bool wanted = found != wishes.end() && found->second.number == wish.number;
    if (event >= 0 && wanted) wait_for(lease, event);
    if (event >= 0 && !wanted) ::close(event);
    if (wanted) wishes.erase(found);
  }
}

void FenceWatch::Shared::wait_for(LeaseId lease, int event) {
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = lease;
  if (::epoll_ctl(poll, EPOLL_CTL_ADD, event, &wanted) == 0) {
    events[lease] = event;
  } else {
    ::close(event);
  }
}

FenceWatch::FenceWatch(Later later)
    : later_(std::move(later)), shared_(std::make_shared<Shared>()) {
  if (shared_->poll < 0 || shared_->inotify < 0) return;
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = kInotify;
  ::epoll_ctl(shared_->poll, EPOLL_CTL_ADD, shared_->inotify, &wanted);
}

FenceWatch::~FenceWatch() {
  const std::lock_guard guard(shared_->lock);
  shared_->wishes.clear();  // what is under way is let go of
}

int FenceWatch::fd() const { return shared_->poll; }

Result<void> FenceWatch::watch(LeaseId lease, const Group& group, Bytes at) {
  forget(lease);
  const std::string what = "cannot be told at once when a job comes to its fence";
  if (shared_->poll < 0 || shared_->inotify < 0) {
    return fail(ErrorKind::unavailable, what, "no descriptors");
  }
  if (group.memory.empty()) return fail(ErrorKind::unavailable, what, "there is no memory group");
  const auto too_many = [&](std::size_t watched) -> Result<void> {
    if (watched < kMost) return {};
    return fail(ErrorKind::unavailable, what,
                "there are " + std::to_string(kMost) + " such jobs already");
  };
  if (group.v2) {
    if (auto room = too_many(inotify_.size()); !room) return room;
    const int wd =
        ::inotify_add_watch(shared_->inotify, (group.memory + "/memory.events").c_str(), IN_MODIFY);
    if (wd < 0) return tl::unexpected(refusal(what, errno));
    inotify_[lease] = wd;
    by_inotify_[wd] = lease;
    return {};
  }
  if (::access((group.memory + "/cgroup.event_control").c_str(), W_OK) != 0) {
    return tl::unexpected(refusal(what, errno));
  }
  {
    const std::lock_guard guard(shared_->lock);
    if (auto room = too_many(shared_->events.size() + shared_->wishes.size()); !room) return room;
    shared_->wishes[lease] = {++shared_->last, group.memory, at};
    if (!shared_->under_way.insert(lease).second) return {};
  }
  if (later_([shared = shared_, lease] { shared->set(lease); })) return {};
  const std::lock_guard guard(shared_->lock);
  shared_->wishes.erase(lease);
  shared_->under_way.erase(lease);
  return fail(ErrorKind::unavailable, what, "there is no thread for it");
}

bool FenceWatch::at_once(const std::function<void()>& slow) {
  slow();
  return true;
}

void FenceWatch::forget(LeaseId lease) {
  shared_->forget(lease);
  if (const auto found = inotify_.extract(lease)) {
    ::inotify_rm_watch(shared_->inotify, found.mapped());
    by_inotify_.erase(found.mapped());
  }
}

std::vector<LeaseId> FenceWatch::touched() {
  std::set<LeaseId> who;
  std::array<epoll_event, 64> events{};
  const int n =
      shared_->poll < 0 ? 0 : ::epoll_wait(shared_->poll, events.data(), events.size(), 0);
  for (int i = 0; i < n; ++i) {
    const std::uint64_t of = events[static_cast<std::size_t>(i)].data.u64;
    if (of != kInotify) {
      std::uint64_t times = 0;
      const std::lock_guard guard(shared_->lock);
      const auto found = shared_->events.find(of);
      if (found != shared_->events.end() &&
          ::read(found->second, &times, sizeof times) == sizeof times) {
        who.insert(of);
      }
      continue;
    }
    alignas(inotify_event) char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(shared_->inotify, buffer, sizeof buffer)) > 0) {
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
