// The thread of the slow sensors: temperatures, power, links, memory nodes, and filesystems that
// others serve. What they say is handed to the loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "sense/slow.hpp"

namespace headroom::runtime {

/// Reads the slow sensors every `every`, and when asked to. A reading that the loop has not taken
/// when the next one is there is replaced by it: never more than one waits. Loop thread only; the
/// loop's io_context must outlive this object.
class SlowSensors {
 public:
  using Take = std::function<void(const sense::SlowReading&)>;
  using Read = std::function<void(Instant, sense::SlowReading&)>;

  /// Starts the thread, which reads at once. `take` is called in the loop, with the newest reading.
  /// `root`: a captured tree stands in for "/".
  SlowSensors(boost::asio::io_context& loop, const std::string& root, Take take,
              std::chrono::milliseconds every = std::chrono::seconds(10));
  /// Reads by `read`, in the thread; for tests.
  SlowSensors(boost::asio::io_context& loop, Read read, Take take, std::chrono::milliseconds every);
  /// Stops, as stop() does.
  ~SlowSensors();
  SlowSensors(const SlowSensors&) = delete;
  SlowSensors& operator=(const SlowSensors&) = delete;

  /// Wishes a reading soon. Wishes that come while a reading is under way are one.
  void request();
  /// `take` is not called any more. Waits half a second at most for the thread; one that hangs in
  /// a driver is left behind, and touches nothing of the loop when it comes back.
  void stop();

 private:
  struct Shared;
  void start();

  std::shared_ptr<sense::SlowSensors> sensors_;  ///< none where a test reads
  std::shared_ptr<Shared> shared_;
};

}  // namespace headroom::runtime
