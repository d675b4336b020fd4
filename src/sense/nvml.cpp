#include "sense/nvml.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <dlfcn.h>

namespace headroom::sense {
namespace {

constexpr unsigned kMostDevices = 64;
constexpr unsigned kMostSlices = 64;
constexpr unsigned kMostProcesses = 4096;
constexpr std::size_t kMostXids = 64;
/// A handle is asked for again after so many reads: what was not supported may be by now (MIG was
/// switched off), and a device that came back may want another handle.
constexpr int kForgetAfter = 600;
/// Keys of devices without a PCI address begin here; a PCI address has 48 bits at most, and no
/// machine has this domain.
constexpr PciAddress kWithoutAddress = PciAddress{0xfffffff0} << 16;

bool lost(NvmlReturn answer) { return answer == kNvmlGpuIsLost || answer == kNvmlResetRequired; }

std::optional<double> scaled(NvmlReturn answer, double value, double by) {
  return answer == kNvmlSuccess ? std::optional(value * by) : std::nullopt;
}

Bytes bytes(unsigned long long count) {
  constexpr unsigned long long kMost = 1ULL << 62;
  return Bytes(static_cast<std::int64_t>(std::min(count, kMost)));
}

template <std::size_t kSize>
std::string text_of(const char (&text)[kSize]) {
  return {text, ::strnlen(text, kSize)};
}

/// Older functions answer what newer ones do not know.
bool older_may_know(NvmlReturn answer) {
  return answer == kNvmlFunctionNotFound || answer == kNvmlNotSupported ||
         answer == kNvmlArgumentVersionMismatch || answer == kNvmlInvalidArgument;
}

}  // namespace

std::string nvml_words(NvmlReturn answer) {
  const char* words = "the driver gave an error";
  switch (answer) {
    case kNvmlNotSupported:
      words = "the device does not support it";
      break;
    case kNvmlNoPermission:
      words = "no permission to talk to the driver";
      break;
    case kNvmlInsufficientPower:
      words = "its external power cables are not attached properly";
      break;
    case kNvmlDriverNotLoaded:
      words = "the NVIDIA kernel module is not loaded";
      break;
    case kNvmlIrqIssue:
      words = "the kernel has an interrupt problem with it";
      break;
    case kNvmlLibraryNotFound:
    case kNvmlFunctionNotFound:
      words = "a part of the driver is missing";
      break;
    case kNvmlGpuIsLost:
      words = "it fell off the bus or is otherwise inaccessible";
      break;
    case kNvmlResetRequired:
      words = "it needs a reset";
      break;
    case kNvmlVersionMismatch:
      words = "the driver was updated: the library and the kernel module differ in version";
      break;
    default:
      break;
  }
  return std::string(words) + " (NVML error " + std::to_string(static_cast<int>(answer)) + ")";
}

std::vector<std::string> slowed_by(unsigned long long reasons) {
  std::vector<std::string> names;
  if (reasons & kNvmlSlowedByPowerCap) names.emplace_back("power");
  if (reasons & (kNvmlSlowedByHeatSoftware | kNvmlSlowedByHeatHardware)) names.emplace_back("heat");
  if (reasons & kNvmlSlowedByPowerBrake) names.emplace_back("power brake");
  // The hardware's own bit is set together with the two that say why, where the device knows them.
  if ((reasons & kNvmlSlowedByHardware) &&
      !(reasons & (kNvmlSlowedByHeatHardware | kNvmlSlowedByPowerBrake))) {
    names.emplace_back("hardware");
  }
  if (reasons & kNvmlSlowedBySyncBoost) names.emplace_back("sync boost");
  return names;
}

// ----------------------------------------------------------------------------------- the library

Nvml::~Nvml() { unload(); }

void Nvml::unload() {
  stop();
  if (library_ != nullptr) ::dlclose(std::exchange(library_, nullptr));
  symbols_.fill(nullptr);
}

bool Nvml::has(const char* name) const {
  return library_ != nullptr && ::dlsym(library_, name) != nullptr;
}

Result<void> Nvml::start(const std::string& path) {
  if (started_) return {};
  if (library_ == nullptr) {
    progress_->enter(NvmlCall::load_library, {});
    library_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    progress_->leave();
    if (library_ == nullptr) {
      const char* const why = ::dlerror();
      return fail(ErrorKind::unavailable, "loading " + path,
                  why != nullptr ? why : "no reason given",
                  "install the NVIDIA driver's libnvidia-ml.so.1 (package libnvidia-ml1 or "
                  "nvidia-driver); in a container, start it with the NVIDIA runtime");
    }
    for (std::size_t i = 1; i < symbols_.size(); ++i) {
      symbols_[i] = i < static_cast<std::size_t>(NvmlCall::load_library)
                        ? ::dlsym(library_, kNvmlCallNames[i].data())
                        : nullptr;
    }
  }
  NvmlReturn answer = ask<NvmlCall::nvmlInit_v2>({});
  if (answer == kNvmlFunctionNotFound) answer = ask<NvmlCall::nvmlInit>({});
  if (answer == kNvmlSuccess) {
    started_ = true;
    return {};
  }
  // The next try loads it again: another version may lie there by then.
  unload();
  return fail(ErrorKind::unavailable, "starting NVML", nvml_words(answer),
              answer == kNvmlVersionMismatch
                  ? "reboot, or load the new kernel module (rmmod nvidia; modprobe nvidia)"
              : answer == kNvmlDriverNotLoaded ? "load the kernel module: modprobe nvidia"
                                               : "see whether nvidia-smi works");
}

void Nvml::stop() {
  if (!std::exchange(started_, false)) return;
  ask<NvmlCall::nvmlShutdown>({});
}

// ----------------------------------------------------------------------------------- the devices

/// Calls a function about the device that is being read, unless it said that it has none such.
template <NvmlCall call, class... Arguments>
NvmlReturn NvmlDevices::ask(Arguments... arguments) {
  constexpr std::size_t kBit = static_cast<std::size_t>(call);
  if (now_ != nullptr && now_->unsupported[kBit]) return kNvmlNotSupported;
  const NvmlReturn answer = nvml_.ask<call>(now_at_, arguments...);
  if (now_ != nullptr && (answer == kNvmlNotSupported || answer == kNvmlFunctionNotFound)) {
    now_->unsupported[kBit] = true;
  }
  return answer;
}

Result<void> NvmlDevices::start(const std::string& path, bool events) {
  if (nvml_.started()) return {};
  now_ = nullptr;
  now_at_.reset();
  if (auto started = nvml_.start(path); !started) return started;
  char text[80] = {};
  driver_.clear();
  if (ask<NvmlCall::nvmlSystemGetDriverVersion>(text, static_cast<unsigned>(sizeof text)) ==
      kNvmlSuccess) {
    driver_ = text_of(text);
  }
  // Drivers 535.43 to 535.86 fill a larger structure into the list of _v3. They are known by what
  // they have and what they do not have yet.
  fat_processes_ = nvml_.has("nvmlDeviceGetConfComputeMemSizeInfo") &&
                   !nvml_.has("nvmlDeviceGetRunningProcessDetailList");
  want_events_ = events;
  if (want_events_ && ask<NvmlCall::nvmlEventSetCreate>(&events_) != kNvmlSuccess) {
    events_ = nullptr;
  }
  return {};
}

void NvmlDevices::stop() {
  now_ = nullptr;
  now_at_.reset();
  // A fatal error that was not told yet still is; the handles are worth nothing any more.
  for (auto& [key, device] : devices_) {
    device.handle = nullptr;
    device.events = false;
  }
  enumerated_.clear();
  if (events_ != nullptr) ask<NvmlCall::nvmlEventSetFree>(std::exchange(events_, nullptr));
  nvml_.stop();
}

std::vector<PciAddress> NvmlDevices::enumerate() {
  now_ = nullptr;
  now_at_.reset();
  enumerated_.clear();
  unsigned count = 0;
  NvmlReturn answer = ask<NvmlCall::nvmlDeviceGetCount_v2>(&count);
  if (answer == kNvmlFunctionNotFound) answer = ask<NvmlCall::nvmlDeviceGetCount>(&count);
  if (answer != kNvmlSuccess) return {};
  for (unsigned i = 0; i < std::min(count, kMostDevices); ++i) {
    NvmlDevice handle = nullptr;
    answer = ask<NvmlCall::nvmlDeviceGetHandleByIndex_v2>(i, &handle);
    if (answer == kNvmlFunctionNotFound) {
      answer = ask<NvmlCall::nvmlDeviceGetHandleByIndex>(i, &handle);
    }
    if (answer != kNvmlSuccess) continue;
    PciAddress key = kWithoutAddress + i;
    std::string place;
    NvmlPciInfoV3 v3{};
    NvmlPciInfoV2 v2{};
    if (ask<NvmlCall::nvmlDeviceGetPciInfo_v3>(handle, &v3) == kNvmlSuccess) {
      place = text_of(v3.bus_id);
    } else if (ask<NvmlCall::nvmlDeviceGetPciInfo_v2>(handle, &v2) == kNvmlSuccess ||
               ask<NvmlCall::nvmlDeviceGetPciInfo>(handle, &v2) == kNvmlSuccess) {
      place = text_of(v2.bus_id);
    }
    if (const auto address = parse_pci_address(place); address && *address != 0) key = *address;
    enumerated_.emplace(key, handle);
  }
  std::vector<PciAddress> keys;
  for (const auto& [key, handle] : enumerated_) keys.push_back(key);
  return keys;
}

/// The handle of a device, by its address: this attaches to no other device, which an index would.
NvmlReturn NvmlDevices::find(PciAddress device, NvmlDevice* handle) {
  if (const auto known = enumerated_.find(device); known != enumerated_.end()) {
    *handle = known->second;
    return kNvmlSuccess;
  }
  const std::string place = pci_text(device);
  const NvmlReturn answer =
      nvml_.ask<NvmlCall::nvmlDeviceGetHandleByPciBusId_v2>(device, place.c_str(), handle);
  if (answer != kNvmlFunctionNotFound) return answer;
  enumerate();
  const auto found = enumerated_.find(device);
  if (found == enumerated_.end()) return kNvmlNotFound;
  *handle = found->second;
  return kNvmlSuccess;
}

NvmlReturn NvmlDevices::read_identity(NvmlDevice handle, GpuReading& out) {
  char text[128] = {};
  const NvmlReturn answer =
      ask<NvmlCall::nvmlDeviceGetUUID>(handle, text, static_cast<unsigned>(sizeof text));
  if (answer == kNvmlSuccess) out.id = text_of(text);
  if (lost(answer)) return answer;
  char name[128] = {};
  if (ask<NvmlCall::nvmlDeviceGetName>(handle, name, static_cast<unsigned>(sizeof name)) ==
      kNvmlSuccess) {
    out.name = text_of(name);
  }
  return answer;
}

NvmlReturn NvmlDevices::read_memory(NvmlDevice handle, GpuReading& out) {
  NvmlMemoryV2 v2{};
  v2.version = nvml_version<NvmlMemoryV2>(2);
  NvmlReturn answer = ask<NvmlCall::nvmlDeviceGetMemoryInfo_v2>(handle, &v2);
  if (answer == kNvmlSuccess) {
    out.memory_total = bytes(v2.total);
    out.memory_reserved = bytes(v2.reserved);
    // The reference says both that `used` holds the reserve and that it does not; the sum tells.
    const unsigned long long with_reserve = v2.used + v2.reserved + v2.free;
    const bool holds_reserve =
        with_reserve > v2.total && v2.used + v2.free <= v2.total && v2.used >= v2.reserved;
    out.memory_used = bytes(holds_reserve ? v2.used - v2.reserved : v2.used);
    return answer;
  }
  if (!older_may_know(answer)) return answer;
  NvmlMemoryV1 v1{};
  answer = ask<NvmlCall::nvmlDeviceGetMemoryInfo>(handle, &v1);
  if (answer == kNvmlSuccess) {
    out.memory_total = bytes(v1.total);
    out.memory_used = bytes(v1.used);
  }
  return answer;
}

NvmlReturn NvmlDevices::read_health(NvmlDevice handle, GpuReading& out) {
  NvmlUtilization rates{};
  NvmlReturn answer = ask<NvmlCall::nvmlDeviceGetUtilizationRates>(handle, &rates);
  if (lost(answer)) return answer;
  if (answer == kNvmlSuccess) {
    out.busy = Ratio(rates.gpu * 0.01);
    out.memory_busy = Ratio(rates.memory * 0.01);
  }
  NvmlTemperature heat{nvml_version<NvmlTemperature>(1), kNvmlTemperatureGpu, 0};
  answer = ask<NvmlCall::nvmlDeviceGetTemperatureV>(handle, &heat);
  out.celsius = scaled(answer, heat.celsius, 1);
  unsigned value = 0;
  if (older_may_know(answer)) {
    answer = ask<NvmlCall::nvmlDeviceGetTemperature>(handle, kNvmlTemperatureGpu, &value);
    out.celsius = scaled(answer, static_cast<int>(value), 1);
  }
  if (lost(answer)) return answer;
  answer = ask<NvmlCall::nvmlDeviceGetTemperatureThreshold>(handle, kNvmlThresholdSlowdown, &value);
  out.celsius_limit = scaled(answer, value, 1);
  answer = ask<NvmlCall::nvmlDeviceGetPowerUsage>(handle, &value);
  out.watts = scaled(answer, value, 0.001);
  answer = ask<NvmlCall::nvmlDeviceGetEnforcedPowerLimit>(handle, &value);
  out.watts_limit = scaled(answer, value, 0.001);
  unsigned long long count = 0;
  answer = ask<NvmlCall::nvmlDeviceGetTotalEnergyConsumption>(handle, &count);
  out.joules = scaled(answer, static_cast<double>(count), 0.001);
  answer = ask<NvmlCall::nvmlDeviceGetClockInfo>(handle, kNvmlClockSm, &value);
  out.clock = scaled(answer, value, 1);
  answer = ask<NvmlCall::nvmlDeviceGetClockInfo>(handle, kNvmlClockMemory, &value);
  out.memory_clock = scaled(answer, value, 1);
  answer = ask<NvmlCall::nvmlDeviceGetCurrentClocksEventReasons>(handle, &count);
  if (older_may_know(answer)) {
    answer = ask<NvmlCall::nvmlDeviceGetCurrentClocksThrottleReasons>(handle, &count);
  }
  if (answer == kNvmlSuccess) out.slowed = slowed_by(count);
  answer = ask<NvmlCall::nvmlDeviceGetFanSpeed>(handle, &value);
  if (answer == kNvmlSuccess) out.fan = Ratio(value * 0.01);
  const auto errors = [&](unsigned kind) -> std::optional<std::uint64_t> {
    if (ask<NvmlCall::nvmlDeviceGetTotalEccErrors>(handle, kind, kNvmlEccVolatile, &count) !=
        kNvmlSuccess) {
      return std::nullopt;
    }
    return count;
  };
  out.ecc_corrected = errors(kNvmlEccCorrected);
  out.ecc_uncorrected = errors(kNvmlEccUncorrected);
  int major = 0;
  int minor = 0;
  answer = ask<NvmlCall::nvmlDeviceGetCudaComputeCapability>(handle, &major, &minor);
  if (answer == kNvmlSuccess && minor >= 0 && minor < 10) out.compute = (major * 10 + minor) / 10.0;
  return lost(answer) ? answer : kNvmlSuccess;
}

void NvmlDevices::read_pcie(NvmlDevice handle, bool measure, GpuReading& out) {
  if (measure) {
    // The driver counts for 20 ms, in KB of 1024 bytes, and answers the rate for a second.
    const auto rate = [&](unsigned way) {
      unsigned value = 0;
      const NvmlReturn answer = ask<NvmlCall::nvmlDeviceGetPcieThroughput>(handle, way, &value);
      return scaled(answer, value, 1024);
    };
    now_->received = rate(kNvmlPcieReceived);
    now_->sent = rate(kNvmlPcieSent);
    now_->pcie_age = 0;
  } else if (++now_->pcie_age > kPcieReads) {
    now_->received.reset();
    now_->sent.reset();
  }
  out.received_per_second = now_->received;
  out.sent_per_second = now_->sent;
}

/// Adds the processes of one list to `out`.
template <NvmlCall v3, NvmlCall v2, NvmlCall v1>
NvmlReturn NvmlDevices::read_processes(NvmlDevice handle, bool graphics,
                                       std::vector<GpuProcess>& out) {
  std::vector<unsigned char> memory;
  unsigned count = 0;
  std::size_t each = 0;
  const auto list = [&](auto ask_for, std::size_t size) {
    each = size;
    unsigned room = 64;
    for (;;) {
      memory.assign(room * each, 0);
      count = room;
      const NvmlReturn answer = ask_for(&count, static_cast<void*>(memory.data()));
      if (answer != kNvmlInsufficientSize || room >= kMostProcesses) return answer;
      // More may have come since it counted them.
      room = std::min(std::max(count, room) * 2, kMostProcesses);
    }
  };
  NvmlReturn answer =
      list([&](unsigned* n, void* to) { return ask<v3>(handle, n, to); },
           fat_processes_ ? sizeof(NvmlProcessWithProtected) : sizeof(NvmlProcessV2));
  if (older_may_know(answer)) {
    answer =
        list([&](unsigned* n, void* to) { return ask<v2>(handle, n, to); }, sizeof(NvmlProcessV2));
  }
  if (older_may_know(answer)) {
    answer =
        list([&](unsigned* n, void* to) { return ask<v1>(handle, n, to); }, sizeof(NvmlProcessV1));
  }
  if (answer != kNvmlSuccess) return answer;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, memory.size() / each); ++i) {
    NvmlProcessV1 entry{};  // all three structures begin so
    std::memcpy(&entry, memory.data() + i * each, sizeof entry);
    GpuProcess process;
    process.pid = static_cast<pid_t>(entry.pid);
    process.graphics = graphics;
    if (entry.memory != kNvmlNoValue) process.memory = bytes(entry.memory);
    out.push_back(process);
  }
  return answer;
}

void NvmlDevices::read_all_processes(NvmlDevice handle, GpuReading& out) {
  std::vector<GpuProcess> found;
  using enum NvmlCall;
  const NvmlReturn compute =
      read_processes<nvmlDeviceGetComputeRunningProcesses_v3,
                     nvmlDeviceGetComputeRunningProcesses_v2, nvmlDeviceGetComputeRunningProcesses>(
          handle, false, found);
  // Clients of the multi-process server are in a list of their own.
  read_processes<nvmlDeviceGetMPSComputeRunningProcesses_v3,
                 nvmlDeviceGetMPSComputeRunningProcesses_v2,
                 nvmlDeviceGetMPSComputeRunningProcesses>(handle, false, found);
  read_processes<nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlDeviceGetGraphicsRunningProcesses_v2,
                 nvmlDeviceGetGraphicsRunningProcesses>(handle, true, found);
  out.processes_known = compute == kNvmlSuccess;
  // A process may stand in several lists, each time with all its memory.
  for (const GpuProcess& process : found) {
    if (process.pid <= 0) {  // of a PID namespace that we do not see into
      out.processes_known = false;
      continue;
    }
    const auto same = std::find_if(out.processes.begin(), out.processes.end(),
                                   [&](const GpuProcess& p) { return p.pid == process.pid; });
    if (same == out.processes.end()) {
      out.processes.push_back(process);
      continue;
    }
    same->graphics = same->graphics && process.graphics;
    if (process.memory) same->memory = std::max(same->memory.value_or(Bytes()), *process.memory);
  }
  std::sort(out.processes.begin(), out.processes.end(),
            [](const GpuProcess& a, const GpuProcess& b) { return a.pid < b.pid; });
}

void NvmlDevices::read_slices(NvmlDevice handle, const GpuReading& parent,
                              std::vector<GpuReading>& out) {
  unsigned current = 0;
  unsigned pending = 0;
  if (ask<NvmlCall::nvmlDeviceGetMigMode>(handle, &current, &pending) != kNvmlSuccess ||
      current != 1) {
    return;
  }
  unsigned most = 0;
  if (ask<NvmlCall::nvmlDeviceGetMaxMigDeviceCount>(handle, &most) != kNvmlSuccess) return;
  // What a slice does not support its device may: their answers are remembered apart, for this
  // read only.
  Device slice_memory;
  Device* const device = std::exchange(now_, &slice_memory);
  for (unsigned i = 0; i < std::min(most, kMostSlices); ++i) {
    NvmlDevice slice = nullptr;
    NvmlReturn found = ask<NvmlCall::nvmlDeviceGetMigDeviceHandleByIndex>(handle, i, &slice);
    if (found != kNvmlSuccess) continue;  // no slice is cut there
    NvmlDevice owner = nullptr;
    found = ask<NvmlCall::nvmlDeviceGetDeviceHandleFromMigDeviceHandle>(slice, &owner);
    if (found == kNvmlSuccess && owner != handle) continue;
    GpuReading reading;
    reading.parent = parent.id;
    reading.pci = parent.pci;
    reading.compute = parent.compute;
    if (read_identity(slice, reading) != kNvmlSuccess || reading.id.empty()) continue;
    if (reading.name.empty()) reading.name = parent.name + " MIG";
    if (read_memory(slice, reading) != kNvmlSuccess) {
      NvmlAttributes attributes{};
      if (ask<NvmlCall::nvmlDeviceGetAttributes_v2>(slice, &attributes) == kNvmlSuccess) {
        reading.memory_total = bytes(std::min(attributes.memory_mib, 1ULL << 42) << 20);
      }
    }
    read_all_processes(slice, reading);
    out.push_back(std::move(reading));
  }
  now_ = device;
}

NvmlDevices::Answer NvmlDevices::read(PciAddress key, bool pcie) {
  Answer out;
  Device& device = devices_[key];
  now_ = &device;
  now_at_ = key;
  const auto give_up = [&](NvmlReturn answer) {
    device.handle = nullptr;  // it is looked for again in the next read
    enumerated_.erase(key);
    switch (answer) {
      case kNvmlNotFound:
      case kNvmlGpuNotFound:
        out.outcome = Outcome::unknown;
        break;
      case kNvmlNoPermission:
        out.outcome = Outcome::forbidden;
        break;
      default:
        out.outcome = Outcome::lost;
    }
    out.reason = nvml_words(answer);
    out.readings.clear();
    now_ = nullptr;
    now_at_.reset();
    return std::move(out);
  };
  if (device.handle == nullptr || device.reads >= kForgetAfter) {
    device.reads = 0;
    device.unsupported.reset();
    const NvmlReturn found = find(key, &device.handle);
    now_ = &device;
    now_at_ = key;
    if (found != kNvmlSuccess) return give_up(found);
  }
  ++device.reads;
  if (events_ != nullptr && !device.events) {
    device.events = true;
    ask<NvmlCall::nvmlDeviceRegisterEvents>(device.handle, kNvmlEventXid, events_);
  }
  GpuReading reading;
  if (key < kWithoutAddress) reading.pci = pci_text(key);
  NvmlReturn answer = read_identity(device.handle, reading);
  if (answer != kNvmlSuccess || reading.id.empty()) {
    return give_up(answer == kNvmlSuccess ? kNvmlUnknown : answer);
  }
  answer = read_memory(device.handle, reading);
  if (lost(answer)) return give_up(answer);
  // A chip that holds processor and GPU tells no memory of a device: there is none.
  reading.unified = answer == kNvmlNotSupported;
  answer = read_health(device.handle, reading);
  if (lost(answer)) return give_up(answer);
  read_pcie(device.handle, pcie, reading);
  read_all_processes(device.handle, reading);
  reading.xids = device.xids.size();
  if (!device.xids.empty()) reading.last_xid = device.xids.back();
  device.xids.clear();
  out.in_use = (reading.busy && reading.busy->value() > 0) ||
               std::any_of(reading.processes.begin(), reading.processes.end(),
                           [](const GpuProcess& process) { return !process.graphics; });
  out.outcome = Outcome::read;
  out.readings.push_back(std::move(reading));
  const GpuReading parent = out.readings.front();
  read_slices(device.handle, parent, out.readings);
  now_ = nullptr;
  now_at_.reset();
  return out;
}

void NvmlDevices::read_events() {
  now_ = nullptr;
  now_at_.reset();
  if (events_ == nullptr) return;
  for (std::size_t i = 0; i < kMostXids; ++i) {
    NvmlEventV2 v2{};
    NvmlReturn answer = ask<NvmlCall::nvmlEventSetWait_v2>(events_, &v2, 0U);
    if (answer == kNvmlFunctionNotFound) {
      NvmlEventV1 v1{};
      answer = ask<NvmlCall::nvmlEventSetWait>(events_, &v1, 0U);
      v2.device = v1.device;
      v2.type = v1.type;
      v2.data = v1.data;
    }
    if (answer != kNvmlSuccess) return;  // a time-out: there is no more
    if ((v2.type & kNvmlEventXid) == 0) continue;
    for (auto& [key, device] : devices_) {
      if (device.handle == v2.device && device.xids.size() < kMostXids) {
        device.xids.push_back(v2.data);
      }
    }
  }
}

}  // namespace headroom::sense
