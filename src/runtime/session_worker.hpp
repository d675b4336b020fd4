// Looks at session folders, makes and removes them, on a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include "words/effect.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// Does one thing after the other: removing a million files takes longer than the loop may. All
/// functions belong to the loop thread. The thread starts with the first thing to do; the control
/// machine asks for one at a time.
class SessionWorker {
 public:
  using Work = std::variant<LookAtSessions, CleanSessions, MakeSession>;
  using Done = std::function<void(Event)>;

  /// `post` has work done on the loop thread; it is called on the worker's thread, never after the
  /// end of the destructor. `done` is called on the loop thread, once for each thing asked for.
  /// `captured`: the readings come from a captured tree, so nothing of this machine is touched.
  SessionWorker(bool captured, std::function<void(std::function<void()>)> post, Done done);
  /// Waits for what is under way for at most a second; a removal that takes longer ends after the
  /// folder in hand, or with the process, and the next start finishes it.
  ~SessionWorker();
  SessionWorker(const SessionWorker&) = delete;
  SessionWorker& operator=(const SessionWorker&) = delete;

  void ask(Work work);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  ///< with the thread, which may outlive this object
};

}  // namespace headroom::runtime
