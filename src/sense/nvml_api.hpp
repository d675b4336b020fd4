// What headroom calls in NVIDIA's management library (NVML), declared by hand from its public
// reference: the library is found at run time and never linked, and its header is not needed.
// Layouts and numbers are those of the C interface, which NVIDIA keeps stable by giving changed
// functions a new name (_v2, _v3).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace headroom::sense {

using NvmlDevice = struct NvmlDeviceOpaque*;
using NvmlEventSet = struct NvmlEventSetOpaque*;

enum NvmlReturn : int {
  kNvmlSuccess = 0,
  kNvmlUninitialized = 1,
  kNvmlInvalidArgument = 2,
  kNvmlNotSupported = 3,
  kNvmlNoPermission = 4,
  kNvmlNotFound = 6,
  kNvmlInsufficientSize = 7,
  kNvmlInsufficientPower = 8,
  kNvmlDriverNotLoaded = 9,
  kNvmlTimeout = 10,
  kNvmlIrqIssue = 11,
  kNvmlLibraryNotFound = 12,
  kNvmlFunctionNotFound = 13,
  kNvmlGpuIsLost = 15,
  kNvmlResetRequired = 16,
  kNvmlOperatingSystem = 17,
  kNvmlVersionMismatch = 18,  ///< the library is of another version than the kernel's driver
  kNvmlArgumentVersionMismatch = 25,
  kNvmlNotReady = 27,
  kNvmlGpuNotFound = 28,
  kNvmlUnknown = 999,
};

/// Fields that the driver does not know have all bits set.
inline constexpr std::uint64_t kNvmlNoValue = ~std::uint64_t{0};

/// The version that a versioned structure carries: its size, and a number in the highest byte.
template <class Struct>
constexpr unsigned nvml_version(unsigned number) {
  return static_cast<unsigned>(sizeof(Struct)) | number << 24;
}

struct NvmlMemoryV1 {
  unsigned long long total, free, used;  // `used` holds the driver's reserve
};
struct NvmlMemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
struct NvmlUtilization {
  unsigned gpu, memory;  // percent
};
struct NvmlPciInfoV2 {  // also of the function without a number
  char bus_id[16];
  unsigned domain, bus, device, device_id, subsystem_id, reserved[4];
};
struct NvmlPciInfoV3 {
  char bus_id_legacy[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};
struct NvmlTemperature {
  unsigned version;
  unsigned sensor;
  int celsius;
};
struct NvmlProcessV1 {
  unsigned pid;
  unsigned long long memory;
};
struct NvmlProcessV2 {  // of _v2 and of _v3
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};
/// What _v3 filled in for a few drivers of 2023, which have confidential computing but not yet its
/// own list: the structure grew without a new name, and shrank again.
struct NvmlProcessWithProtected {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
  unsigned long long protected_memory;
};
struct NvmlAttributes {
  unsigned multiprocessors, copy_engines, decoders, encoders, jpegs, ofas;
  unsigned gpu_slices, compute_slices;
  unsigned long long memory_mib;
};
struct NvmlEventV1 {
  NvmlDevice device;
  unsigned long long type, data;
};
struct NvmlEventV2 {
  NvmlDevice device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};
static_assert(sizeof(NvmlMemoryV2) == 40 && sizeof(NvmlPciInfoV2) == 52 &&
              sizeof(NvmlPciInfoV3) == 68 && sizeof(NvmlTemperature) == 12 &&
              sizeof(NvmlProcessV1) == 16 && sizeof(NvmlProcessV2) == 24 &&
              sizeof(NvmlProcessWithProtected) == 32 && sizeof(NvmlAttributes) == 40 &&
              sizeof(NvmlEventV1) == 24 && sizeof(NvmlEventV2) == 32);

inline constexpr unsigned kNvmlTemperatureGpu = 0;
inline constexpr unsigned kNvmlThresholdSlowdown = 1;
inline constexpr unsigned kNvmlClockSm = 1;
inline constexpr unsigned kNvmlClockMemory = 2;
inline constexpr unsigned kNvmlPcieSent = 0;
inline constexpr unsigned kNvmlPcieReceived = 1;
inline constexpr unsigned kNvmlEccCorrected = 0;
inline constexpr unsigned kNvmlEccUncorrected = 1;
inline constexpr unsigned kNvmlEccVolatile = 0;
inline constexpr unsigned long long kNvmlEventXid = 0x8;

inline constexpr unsigned long long kNvmlSlowedByPowerCap = 0x4;
inline constexpr unsigned long long kNvmlSlowedByHardware = 0x8;
inline constexpr unsigned long long kNvmlSlowedBySyncBoost = 0x10;
inline constexpr unsigned long long kNvmlSlowedByHeatSoftware = 0x20;
inline constexpr unsigned long long kNvmlSlowedByHeatHardware = 0x40;
inline constexpr unsigned long long kNvmlSlowedByPowerBrake = 0x80;

// Every function with its arguments. The ones that begin another's name and have a lower number
// are what older drivers have.
#define HEADROOM_NVML_CALLS(X)                                                        \
  X(nvmlInit_v2)                                                                      \
  X(nvmlInit)                                                                         \
  X(nvmlShutdown)                                                                     \
  X(nvmlSystemGetDriverVersion, char*, unsigned)                                      \
  X(nvmlDeviceGetCount_v2, unsigned*)                                                 \
  X(nvmlDeviceGetCount, unsigned*)                                                    \
  X(nvmlDeviceGetHandleByIndex_v2, unsigned, NvmlDevice*)                             \
  X(nvmlDeviceGetHandleByIndex, unsigned, NvmlDevice*)                                \
  X(nvmlDeviceGetHandleByPciBusId_v2, const char*, NvmlDevice*)                       \
  X(nvmlDeviceGetPciInfo_v3, NvmlDevice, NvmlPciInfoV3*)                              \
  X(nvmlDeviceGetPciInfo_v2, NvmlDevice, NvmlPciInfoV2*)                              \
  X(nvmlDeviceGetPciInfo, NvmlDevice, NvmlPciInfoV2*)                                 \
  X(nvmlDeviceGetUUID, NvmlDevice, char*, unsigned)                                   \
  X(nvmlDeviceGetName, NvmlDevice, char*, unsigned)                                   \
  X(nvmlDeviceGetMemoryInfo_v2, NvmlDevice, NvmlMemoryV2*)                            \
  X(nvmlDeviceGetMemoryInfo, NvmlDevice, NvmlMemoryV1*)                               \
  X(nvmlDeviceGetUtilizationRates, NvmlDevice, NvmlUtilization*)                      \
  X(nvmlDeviceGetTemperatureV, NvmlDevice, NvmlTemperature*)                          \
  X(nvmlDeviceGetTemperature, NvmlDevice, unsigned, unsigned*)                        \
  X(nvmlDeviceGetTemperatureThreshold, NvmlDevice, unsigned, unsigned*)               \
  X(nvmlDeviceGetPowerUsage, NvmlDevice, unsigned*)                                   \
  X(nvmlDeviceGetEnforcedPowerLimit, NvmlDevice, unsigned*)                           \
  X(nvmlDeviceGetTotalEnergyConsumption, NvmlDevice, unsigned long long*)             \
  X(nvmlDeviceGetClockInfo, NvmlDevice, unsigned, unsigned*)                          \
  X(nvmlDeviceGetCurrentClocksEventReasons, NvmlDevice, unsigned long long*)          \
  X(nvmlDeviceGetCurrentClocksThrottleReasons, NvmlDevice, unsigned long long*)       \
  X(nvmlDeviceGetFanSpeed, NvmlDevice, unsigned*)                                     \
  X(nvmlDeviceGetPcieThroughput, NvmlDevice, unsigned, unsigned*)                     \
  X(nvmlDeviceGetTotalEccErrors, NvmlDevice, unsigned, unsigned, unsigned long long*) \
  X(nvmlDeviceGetCudaComputeCapability, NvmlDevice, int*, int*)                       \
  X(nvmlDeviceGetComputeRunningProcesses_v3, NvmlDevice, unsigned*, void*)            \
  X(nvmlDeviceGetComputeRunningProcesses_v2, NvmlDevice, unsigned*, void*)            \
  X(nvmlDeviceGetComputeRunningProcesses, NvmlDevice, unsigned*, void*)               \
  X(nvmlDeviceGetGraphicsRunningProcesses_v3, NvmlDevice, unsigned*, void*)           \
  X(nvmlDeviceGetGraphicsRunningProcesses_v2, NvmlDevice, unsigned*, void*)           \
  X(nvmlDeviceGetGraphicsRunningProcesses, NvmlDevice, unsigned*, void*)              \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v3, NvmlDevice, unsigned*, void*)         \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v2, NvmlDevice, unsigned*, void*)         \
  X(nvmlDeviceGetMPSComputeRunningProcesses, NvmlDevice, unsigned*, void*)            \
  X(nvmlDeviceGetMigMode, NvmlDevice, unsigned*, unsigned*)                           \
  X(nvmlDeviceGetMaxMigDeviceCount, NvmlDevice, unsigned*)                            \
  X(nvmlDeviceGetMigDeviceHandleByIndex, NvmlDevice, unsigned, NvmlDevice*)           \
  X(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, NvmlDevice, NvmlDevice*)            \
  X(nvmlDeviceGetAttributes_v2, NvmlDevice, NvmlAttributes*)                          \
  X(nvmlEventSetCreate, NvmlEventSet*)                                                \
  X(nvmlDeviceRegisterEvents, NvmlDevice, unsigned long long, NvmlEventSet)           \
  X(nvmlEventSetWait_v2, NvmlEventSet, NvmlEventV2*, unsigned)                        \
  X(nvmlEventSetWait, NvmlEventSet, NvmlEventV1*, unsigned)                           \
  X(nvmlEventSetFree, NvmlEventSet)

/// What the helper is doing: a function of NVML, or one of the last three.
enum class NvmlCall : std::uint16_t {
  none = 0,
#define X(name, ...) name,
  HEADROOM_NVML_CALLS(X)
#undef X
      load_library,
  read_sysfs,
  count,
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(NvmlCall::count)>
    kNvmlCallNames = {"",
#define X(name, ...) #name,
                      HEADROOM_NVML_CALLS(X)
#undef X
                          "dlopen of libnvidia-ml.so.1",
                      "a read in sysfs"};

constexpr std::string_view to_string(NvmlCall call) {
  return call < NvmlCall::count ? kNvmlCallNames[static_cast<std::size_t>(call)] : "";
}

template <NvmlCall call>
struct NvmlSignature;
#define X(name, ...)                          \
  template <>                                 \
  struct NvmlSignature<NvmlCall::name> {      \
    using Type = NvmlReturn (*)(__VA_ARGS__); \
  };
HEADROOM_NVML_CALLS(X)
#undef X

}  // namespace headroom::sense
