// The sensors that take their time: what is behind a slow bus, a driver's lock or a server.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/network.hpp"

namespace headroom::sense {

/// What the slow sensors said at one instant. Sampler::take() puts it into the samples that follow.
struct SlowReading {
  Instant at;
  std::vector<TemperatureReading> temperatures;
  std::vector<PowerReading> powers;
  std::vector<NumaReading> numa;
  std::vector<FilesystemReading> filesystems;  ///< served over a network or by a process
  std::vector<LinkReading> links;
  std::optional<Bytes> zram;
  std::vector<Absence> absent;
};

/// Reads temperatures, power meters, memory nodes, link speeds and the filesystems that others
/// serve. A read takes milliseconds, up to `patience` when a server is dead, and longer when a
/// chip's bus is: it belongs into a thread of its own, or into a program that has nothing else to
/// do. One thread reads; interrupt() may be called from any.
class SlowSensors {
 public:
  /// `root`: a captured tree stands in for "/".
  explicit SlowSensors(const std::string& root = "/",
                       std::chrono::milliseconds patience = std::chrono::milliseconds(1000));
  ~SlowSensors();
  SlowSensors(const SlowSensors&) = delete;
  SlowSensors& operator=(const SlowSensors&) = delete;

  /// Reads everything into `out`; `at` must not go backwards. Watts of energy counters are since
  /// the read before, empty in the first. What a sensor did not give is left out, with its reason
  /// in `absent`.
  void read(Instant at, SlowReading& out);
  /// From now on no read waits for a server; one that does returns. For stopping.
  void interrupt();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace headroom::sense
