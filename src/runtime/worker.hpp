// A thread for what takes the loop too long.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace headroom::runtime {

/// One thread that does what it is given, one after the other. It starts with the first. All
/// functions belong to one thread, which may not be the worker's own.
class Worker {
 public:
  /// `name` is the thread's, at most 15 characters. `most` may wait at once.
  explicit Worker(std::string name, std::size_t most);
  /// Drops what waits and gives what is under way a second; what hangs in the kernel is left to
  /// itself. So work may outlive the Worker, and must hold on to what it uses.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// False: so many wait already, or there can be no thread; nothing is done then.
  bool post(std::function<void()> work);

 private:
  struct Shared;

  const std::string name_;
  const std::size_t most_;
  std::shared_ptr<Shared> shared_;  ///< with the thread, which may outlive this object
};

}  // namespace headroom::runtime
