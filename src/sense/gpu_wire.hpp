// What the daemon and its GPU helper say to each other over a socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <headroom/sample.hpp>

#include "sense/pci.hpp"

namespace headroom::sense {

/// Said once, before anything is asked.
struct GpuSetup {
  std::string root = "/";   ///< a captured tree stands in for "/": then NVML is only tried by name
  std::string library;      ///< of NVML; "" = libnvidia-ml.so.1, wherever the loader finds it
  bool force_nvml = false;  ///< try NVML although no NVIDIA device is seen
  bool wake = false;        ///< ask sleeping devices too, and hold them
  bool pids_complete = false;  ///< the driver shows us every process: we are in no PID namespace
  bool operator==(const GpuSetup&) const = default;
};

/// Asks for one reading of all devices.
struct GpuAsk {
  std::uint64_t number = 0;      ///< comes back in the answers
  bool events = true;            ///< collect fatal errors too
  std::vector<PciAddress> skip;  ///< not to be touched this time
  std::vector<PciAddress> last;  ///< to be asked after the others: they hung before
  bool operator==(const GpuAsk&) const = default;
};

/// What is told about one device, as soon as it is known.
enum class GpuTold : std::uint8_t {
  read,       ///< `readings` is the device and its MIG slices
  asleep,     ///< suspended: nothing was asked of it
  resting,    ///< awake, but let go of so that it can fall asleep
  lost,       ///< `reason` says why
  unknown,    ///< the driver does not know it: it is no GPU of ours
  forbidden,  ///< the driver refuses; `reason` says why
};

struct GpuAnswer {
  std::uint64_t number = 0;
  PciAddress device = 0;
  GpuTold told = GpuTold::read;
  bool nvidia = false;
  std::string reason;
  std::vector<GpuReading> readings;  ///< without index, age, state and what is derived from them
};

/// Every device was told about.
struct GpuDone {
  std::uint64_t number = 0;
  std::string driver;           ///< "NVIDIA 550.54.15"
  std::vector<Absence> absent;  ///< what could not be read at all
  bool operator==(const GpuDone&) const = default;
};

using GpuFrame = std::variant<GpuSetup, GpuAsk, GpuAnswer, GpuDone>;

inline constexpr std::size_t kMostGpuFrame = 1 << 20;  ///< bytes

/// The frame in bytes: its length, version and kind, then its fields. Lists and texts that are too
/// long for a reader are cut, so that decode(encode(x)) always works.
std::string encode_gpu_frame(const GpuFrame& frame);

/// Takes frames out of a stream of bytes that may be cut anywhere. The other side is our own
/// program, but it holds a driver: nothing it says is trusted. After an error the stream is over.
class GpuFrames {
 public:
  void add(std::string_view bytes) { bytes_.append(bytes); }
  /// The next whole frame; empty if more bytes are needed or broken().
  std::optional<GpuFrame> next();
  /// Something was said that is no frame of this version.
  bool broken() const { return broken_; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  bool broken_ = false;
};

}  // namespace headroom::sense
