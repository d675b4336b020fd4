// When to let go of a GPU so that it can fall asleep, and when to take it up again.
#pragma once

namespace headroom::sense {

/// What is done about one device in this read.
enum class RestStep {
  hold,    ///< ask the driver about it
  rest,    ///< awake, but let go of: an open handle would keep it awake
  asleep,  ///< suspended: it is left so
};

/// Decides for one device that the kernel may suspend. An open NVML handle keeps such a device
/// awake for ever, so it is let go of once nobody has used it for some reads; the kernel then
/// suspends it a few seconds later. What wakes it is somebody who uses it, so it is taken up again
/// when it has been awake for more than a moment (a bus scan wakes it for less).
///
/// A device that does not fall asleep in its time is held by somebody else, or cannot: it is taken
/// up again, and tried less and less often, at most kMostTries times until it is seen asleep.
/// Counts reads, not time: it needs no clock. Not thread-safe.
class GpuRest {
 public:
  static constexpr int kIdleReads = 5;   ///< unused for so long: let go
  static constexpr int kPatience = 20;   ///< reads for falling asleep
  static constexpr int kAwakeReads = 2;  ///< awake for so long after a sleep: take it up
  static constexpr int kMostTries = 3;

  /// `managed` and `suspended` as sysfs tells before this read.
  RestStep step(bool managed, bool suspended);
  /// What a read of a held device showed.
  void seen(bool in_use);

 private:
  RestStep step_ = RestStep::hold;
  int count_ = 0;  ///< reads that speak for leaving this step
  int tries_ = 0;  ///< lettings go in a row after which it did not sleep
};

}  // namespace headroom::sense
