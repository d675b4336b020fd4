// NVIDIA GPUs through the management library of their driver (NVML), found at run time.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <headroom/result.hpp>
#include <headroom/sample.hpp>

#include "sense/gpu_progress.hpp"
#include "sense/nvml_api.hpp"
#include "sense/pci.hpp"

namespace headroom::sense {

/// The loaded library. Any call may block for ever when the driver does: only the helper process
/// makes them, and each is announced before it is made. Not thread-safe.
class Nvml {
 public:
  explicit Nvml(GpuProgress& progress) : progress_(&progress) {}
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// Loads `path` and initialises it. An error says what the loader or the driver said.
  Result<void> start(const std::string& path);
  /// Lets go of every device. The library stays loaded.
  void stop();
  bool started() const { return started_; }

  /// Calls a function about `device` (none: about none). kNvmlFunctionNotFound if this library
  /// has no such function.
  template <NvmlCall call, class... Arguments>
  NvmlReturn ask(std::optional<PciAddress> device, Arguments... arguments) {
    using Type = typename NvmlSignature<call>::Type;
    void* const symbol = symbols_[static_cast<std::size_t>(call)];
    if (symbol == nullptr) return kNvmlFunctionNotFound;
    progress_->enter(call, device);
    const NvmlReturn answer = reinterpret_cast<Type>(symbol)(arguments...);
    progress_->leave();
    return answer;
  }

  bool has(const char* name) const;

 private:
  void unload();

  GpuProgress* progress_;
  void* library_ = nullptr;
  bool started_ = false;
  std::array<void*, static_cast<std::size_t>(NvmlCall::count)> symbols_{};
};

/// Says in words what the driver answered: "the GPU is lost (NVML error 15)".
std::string nvml_words(NvmlReturn answer);

/// The names of what slows a GPU down, from NVML's bits: "power", "heat", "power brake",
/// "hardware", "sync boost". Idling and clocks that somebody set are not among them.
std::vector<std::string> slowed_by(unsigned long long reasons);

/// Reads the devices of a started library, one after the other.
class NvmlDevices {
 public:
  explicit NvmlDevices(GpuProgress& progress) : nvml_(progress) {}

  Result<void> start(const std::string& path, bool events);
  void stop();
  bool started() const { return nvml_.started(); }
  /// "550.54.15"; empty if the driver does not say.
  const std::string& driver() const { return driver_; }

  /// The devices as the driver counts them, by key: for machines where the PCI bus does not show
  /// them (WSL, boards), and libraries that cannot find a device by its address. Where a device
  /// has no address its key is one that no PCI device has.
  std::vector<PciAddress> enumerate();

  enum class Outcome {
    read,       ///< `readings` is the device, followed by its MIG slices
    unknown,    ///< the driver does not know it: another driver has it, or another container
    forbidden,  ///< the driver may not be asked about it from here
    lost,       ///< `reason` says why; `readings` is empty
  };
  struct Answer {
    Outcome outcome = Outcome::unknown;
    std::string reason;
    std::vector<GpuReading> readings;
    bool in_use = false;  ///< some process computes there, or something runs
  };
  /// Reads one device. `pcie`: measure its PCIe traffic too, which takes 40 ms; otherwise what was
  /// measured last, for `kPcieReads` reads.
  Answer read(PciAddress device, bool pcie);

  /// Collects the fatal errors (XID) that happened since the last call; read() tells them.
  void read_events();

  static constexpr int kPcieReads = 30;

 private:
  struct Device {
    NvmlDevice handle = nullptr;
    std::bitset<static_cast<std::size_t>(NvmlCall::count)> unsupported;
    bool events = false;              ///< registered
    std::vector<std::uint64_t> xids;  ///< not told yet
    std::optional<double> received, sent;
    int pcie_age = 0;
    int reads = 0;
  };
  template <NvmlCall call, class... Arguments>
  NvmlReturn ask(Arguments... arguments);
  template <NvmlCall v3, NvmlCall v2, NvmlCall v1>
  NvmlReturn read_processes(NvmlDevice handle, bool graphics, std::vector<GpuProcess>& out);
  NvmlReturn find(PciAddress device, NvmlDevice* handle);
  NvmlReturn read_identity(NvmlDevice handle, GpuReading& out);
  NvmlReturn read_memory(NvmlDevice handle, GpuReading& out);
  NvmlReturn read_health(NvmlDevice handle, GpuReading& out);
  void read_pcie(NvmlDevice handle, bool measure, GpuReading& out);
  void read_all_processes(NvmlDevice handle, GpuReading& out);
  void read_slices(NvmlDevice handle, const GpuReading& parent, std::vector<GpuReading>& out);

  Nvml nvml_;
  std::string driver_;
  std::map<PciAddress, NvmlDevice> enumerated_;
  std::map<PciAddress, Device> devices_;
  Device* now_ = nullptr;  ///< whose functions are called
  std::optional<PciAddress> now_at_;
  bool fat_processes_ = false;  ///< _v3 lists NvmlProcessWithProtected
  NvmlEventSet events_ = nullptr;
  bool want_events_ = false;
};

}  // namespace headroom::sense
