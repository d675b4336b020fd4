// The process that owns the GPU drivers: it may hang, the daemon may not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sense/gpu_progress.hpp"
#include "sense/gpu_rest.hpp"
#include "sense/gpu_wire.hpp"
#include "sense/nvml.hpp"
#include "sense/pci.hpp"

namespace headroom::sense {

/// Reads every GPU of the machine, the ones that sleep excepted. Blocks for as long as a driver
/// does. Not thread-safe.
class GpuReader {
 public:
  GpuReader(GpuSetup setup, GpuProgress& progress);

  /// Tells about each device as soon as it is read, then that all are.
  void read(const GpuAsk& ask, const std::function<void(const GpuFrame&)>& tell);

 private:
  struct Card {
    PciDisplay display;
    RestStep step = RestStep::hold;
  };
  void look_at_bus();
  std::vector<Card*> in_order(const GpuAsk& ask);
  void hold_nvml(const GpuAsk& ask, GpuDone& done);
  GpuAnswer read_nvidia(PciAddress device);
  bool measure_pcie(PciAddress device);

  GpuSetup setup_;
  GpuProgress* progress_;
  std::string root_;  ///< "" for the machine itself
  NvmlDevices nvml_;
  std::vector<Card> cards_;             ///< by address
  std::map<PciAddress, GpuRest> rest_;  ///< of NVIDIA devices
  std::vector<PciAddress> attached_;    ///< devices that the open library holds
  std::map<PciAddress, std::uint64_t> pcie_at_;
  bool pcie_measured_ = false;  ///< in this read
  bool bus_shows_nvidia_ = false;
  bool by_index_ = false;  ///< the devices are the driver's own list: the bus does not show them
  std::uint64_t reads_ = 0;
  std::uint64_t next_try_ = 0;  ///< the read in which NVML is tried again
  int tries_ = 0;               ///< that failed in a row
  std::vector<Absence> nvml_absent_;
};

/// Whether a helper is worth its process: some GPU of either vendor is on the bus under `root`, or
/// a device file of the NVIDIA driver is there. Reads sysfs only, and touches no device.
bool gpu_hardware(const std::string& root);

/// The helper's life: takes a setup and then requests from the socket `fd`, until it is closed.
/// Dies with its parent. Returns the exit code if it was said something that it does not
/// understand; otherwise it ends the process itself.
int run_gpu_helper(int fd, GpuProgress& progress);

/// The same for a program that is nothing else: it was given kGpuHelperSocket and kGpuHelperPage.
int gpu_helper_main();

/// The descriptors of a helper that was started as a program: its socket and its page.
inline constexpr int kGpuHelperSocket = 3;
inline constexpr int kGpuHelperPage = 4;

}  // namespace headroom::sense
