// Finds the control groups that requests name, on a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>

#include "words/event.hpp"

namespace headroom::sense {
class GroupTree;
}

namespace headroom::runtime {

/// A group that somebody else made, and who is in it.
struct FoundGroup {
  Holder holder;
  std::vector<pid_t> processes;  ///< at most 4096
  /// The one user whose processes all of them are; of a group without any, whose folder it is.
  /// Empty: several users', or some cannot be seen.
  std::optional<uid_t> owner;
};

/// Looks for groups, one after the other, when somebody asks: a tree of thousands of them takes
/// longer than the loop may. All functions belong to the loop thread. The thread starts with the
/// first question.
class GroupFinder {
 public:
  using Done = std::function<void(Result<FoundGroup>)>;

  /// `post` has work done on the loop thread; it is called on the finder's thread, never after the
  /// end of the destructor. `jobs` is the folder of the jobs' parent group, or "".
  GroupFinder(std::shared_ptr<const sense::GroupTree> tree, std::string jobs,
              std::function<void(std::function<void()>)> post);
  /// Waits for a look under way for at most a second; one that hangs in the kernel is left to
  /// itself, and touches nothing of this object any more.
  ~GroupFinder();
  GroupFinder(const GroupFinder&) = delete;
  GroupFinder& operator=(const GroupFinder&) = delete;

  /// `done` is called once, at once or when it was found; not after the end. Errors: those of
  /// sense::GroupTree::find(); too_many_requests when 64 wait already.
  void find(GroupName name, Done done);

 private:
  struct Shared;

  std::map<std::uint64_t, Done> waiting_;  ///< by the number of the question
  std::uint64_t last_ = 0;
  std::shared_ptr<Shared> shared_;  ///< with the thread, which may outlive this object
};

}  // namespace headroom::runtime
