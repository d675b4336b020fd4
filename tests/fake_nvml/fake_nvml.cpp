// A stand-in for NVIDIA's libnvidia-ml.so.1 that says what a file tells it to say.
//
// FAKE_NVML_FILE names the file. It is looked at in every call, so what the fake says changes while
// a program uses it. Lines are "key = value"; see README.md beside this file. FAKE_NVML_LOG names a
// file to which each call appends a line "function" or "function gpu0". Built twice: as a driver of
// today, and with FAKE_NVML_OLD as one of ten years ago, which lacks the functions with numbers.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sense/nvml_api.hpp"

namespace {

using namespace headroom::sense;

constexpr int kGpus = 16;
constexpr int kSlices = 8;

// What a handle points to.
struct Device {
  int gpu = 0;
  int slice = -1;  // of a MIG slice
};
struct Devices {
  Device whole[kGpus];
  Device slices[kGpus][kSlices];
  Devices() {
    for (int gpu = 0; gpu < kGpus; ++gpu) {
      whole[gpu].gpu = gpu;
      for (int slice = 0; slice < kSlices; ++slice) slices[gpu][slice] = {gpu, slice};
    }
  }
};
Devices devices;  // NOLINT: a driver has its devices
bool watched[kGpus];
[[maybe_unused]] std::size_t events_told[kGpus];

const Device& of(NvmlDevice handle) { return *reinterpret_cast<const Device*>(handle); }
NvmlDevice handle_of(Device& device) { return reinterpret_cast<NvmlDevice>(&device); }

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.front())) text.remove_prefix(1);
  while (!text.empty() && std::strchr(" \t\r\n", text.back())) text.remove_suffix(1);
  return std::string(text);
}

// The file, read again when it is another one.
class Script {
 public:
  void refresh() {
    const char* const path = std::getenv("FAKE_NVML_FILE");
    struct stat now{};
    if (path == nullptr || ::stat(path, &now) != 0) {
      lines_.clear();
      return;
    }
    if (now.st_ino == seen_.st_ino && now.st_size == seen_.st_size &&
        now.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec) {
      return;
    }
    seen_ = now;
    lines_.clear();
    std::FILE* const file = std::fopen(path, "r");
    if (file == nullptr) return;
    char line[1024];
    while (std::fgets(line, sizeof line, file) != nullptr) {
      const std::string_view text = line;
      const std::size_t equals = text.find('=');
      if (text.front() == '#' || equals == std::string_view::npos) continue;
      lines_[trimmed(text.substr(0, equals))] = trimmed(text.substr(equals + 1));
    }
    std::fclose(file);
  }
  const std::string* find(const std::string& key) const {
    const auto at = lines_.find(key);
    return at == lines_.end() ? nullptr : &at->second;
  }
  bool lists(const std::string& key, std::string_view word) const {
    const std::string* const text = find(key);
    if (text == nullptr) return false;
    for (const std::string& item : words(*text, ',')) {
      if (item == word) return true;
    }
    return false;
  }
  static std::vector<std::string> words(std::string_view text, char mark) {
    std::vector<std::string> out;
    while (!text.empty()) {
      const std::size_t at = std::min(text.find(mark), text.size());
      if (const std::string word = trimmed(text.substr(0, at)); !word.empty()) out.push_back(word);
      text.remove_prefix(std::min(at + 1, text.size()));
    }
    return out;
  }

 private:
  std::map<std::string, std::string> lines_;
  struct stat seen_{};
};
Script script;     // NOLINT
std::mutex mutex;  // NOLINT

// "24GiB", "512MiB", "0x44", "-1", "8.6".
double number(const std::string& text) {
  char* end = nullptr;
  double value = text.starts_with("0x") ? static_cast<double>(std::strtoull(text.c_str(), &end, 16))
                                        : std::strtod(text.c_str(), &end);
  const std::string unit = trimmed(end);
  if (unit == "GiB") value *= 1073741824.0;
  if (unit == "MiB") value *= 1048576.0;
  return value;
}

std::string key_of(const Device& device, const std::string& field) {
  std::string key = "gpu" + std::to_string(device.gpu);
  if (device.slice >= 0) key += ".mig" + std::to_string(device.slice);
  return key + "." + field;
}

const std::string* field(const Device& device, const std::string& name) {
  return script.find(key_of(device, name));
}

void log(const char* name, const Device* device) {
  const char* const path = std::getenv("FAKE_NVML_LOG");
  if (path == nullptr) return;
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  std::string line = name;
  if (device != nullptr) line += " gpu" + std::to_string(device->gpu);
  line += "\n";
  (void)!::write(fd, line.data(), line.size());
  ::close(fd);
}

// What happens before a function answers: it may be missing, hang, kill the program, or fail.
NvmlReturn enter(const char* name, const Device* device) {
  script.refresh();
  log(name, device);
  const auto listed = [&](const char* what) {
    return script.lists(what, name) ||
           (device != nullptr &&
            script.lists("gpu" + std::to_string(device->gpu) + "." + what, name));
  };
  while (listed("hang")) {
    const timespec moment{0, 2'000'000};
    ::nanosleep(&moment, nullptr);
    script.refresh();
  }
  if (listed("die")) std::abort();
  if (listed("without")) return kNvmlFunctionNotFound;
  if (const std::string* code = script.find(std::string("error.") + name)) {
    return static_cast<NvmlReturn>(number(*code));
  }
  if (device == nullptr) return kNvmlSuccess;
  if (const std::string* code =
          script.find("gpu" + std::to_string(device->gpu) + ".error." + name)) {
    return static_cast<NvmlReturn>(number(*code));
  }
  if (script.find("gpu" + std::to_string(device->gpu) + ".lost")) return kNvmlGpuIsLost;
  return kNvmlSuccess;
}

template <class Value>
NvmlReturn answer(const char* name, NvmlDevice handle, const std::string& what, Value* out) {
  const std::lock_guard lock(mutex);
  const Device& device = of(handle);
  if (const NvmlReturn problem = enter(name, &device); problem != kNvmlSuccess) return problem;
  const std::string* const text = field(device, what);
  if (text == nullptr) return kNvmlNotSupported;
  const double value = number(*text);
  *out =
      value < 0 ? static_cast<Value>(static_cast<std::int64_t>(value)) : static_cast<Value>(value);
  return kNvmlSuccess;
}

NvmlReturn answer_text(const char* name, NvmlDevice handle, const std::string& what, char* out,
                       unsigned size) {
  const std::lock_guard lock(mutex);
  const Device& device = of(handle);
  if (const NvmlReturn problem = enter(name, &device); problem != kNvmlSuccess) return problem;
  const std::string* const text = field(device, what);
  if (text == nullptr) return kNvmlNotSupported;
  if (text->size() >= size) return kNvmlInsufficientSize;
  std::memcpy(out, text->c_str(), text->size() + 1);
  return kNvmlSuccess;
}

unsigned gpu_count() {
  const std::string* const text = script.find("gpus");
  return text == nullptr ? 0 : static_cast<unsigned>(number(*text));
}

NvmlReturn by_index(const char* name, unsigned index, NvmlDevice* out) {
  const std::lock_guard lock(mutex);
  if (const NvmlReturn problem = enter(name, nullptr); problem != kNvmlSuccess) return problem;
  if (index >= gpu_count() || index >= kGpus) return kNvmlInvalidArgument;
  unsigned gpu = index;
  if (const std::string* order = script.find("order")) {
    const auto words = Script::words(*order, ',');
    if (index < words.size()) gpu = static_cast<unsigned>(number(words[index]));
  }
  *out = handle_of(devices.whole[gpu % kGpus]);
  return kNvmlSuccess;
}

struct Entry {
  unsigned pid = 0;
  unsigned long long memory = 0;
};
// "compute:4121:2GiB graphics:77:na mps:9:1MiB"
std::vector<Entry> entries(const Device& device, std::string_view kind) {
  std::vector<Entry> out;
  const std::string* const text = field(device, "processes");
  if (text == nullptr) return out;
  for (const std::string& word : Script::words(*text, ' ')) {
    const auto parts = Script::words(word, ':');
    if (parts.size() != 3 || parts[0] != kind) continue;
    out.push_back(
        {static_cast<unsigned>(number(parts[1])),
         parts[2] == "na" ? kNvmlNoValue : static_cast<unsigned long long>(number(parts[2]))});
  }
  return out;
}

template <class Process>
NvmlReturn list(const char* name, NvmlDevice handle, std::string_view kind, unsigned* count,
                void* out) {
  const std::lock_guard lock(mutex);
  const Device& device = of(handle);
  if (const NvmlReturn problem = enter(name, &device); problem != kNvmlSuccess) return problem;
  if (field(device, "processes") == nullptr) return kNvmlNotSupported;
  const auto found = entries(device, kind);
  const bool fits = found.size() <= *count;
  *count = static_cast<unsigned>(found.size());
  if (!fits) return kNvmlInsufficientSize;
  for (std::size_t i = 0; i < found.size(); ++i) {
    Process process{};
    process.pid = found[i].pid;
    process.memory = found[i].memory;
    std::memcpy(static_cast<char*>(out) + i * sizeof process, &process, sizeof process);
  }
  return kNvmlSuccess;
}

#ifndef FAKE_NVML_OLD
// The fatal errors of "gpu0.xids = 31,79" that were not told yet.
bool next_event(NvmlDevice* device, unsigned long long* type, unsigned long long* data) {
  for (int gpu = 0; gpu < kGpus; ++gpu) {
    if (!watched[gpu]) continue;
    const std::string* const text = field(devices.whole[gpu], "xids");
    if (text == nullptr) continue;
    const auto words = Script::words(*text, ',');
    if (events_told[gpu] >= words.size()) continue;
    *device = handle_of(devices.whole[gpu]);
    *type = kNvmlEventXid;
    *data = static_cast<unsigned long long>(number(words[events_told[gpu]++]));
    return true;
  }
  return false;
}

#endif

NvmlReturn fill_pci(const Device& device, unsigned* domain, unsigned* bus, unsigned* slot) {
  const std::string* const text = field(device, "pci");
  if (text == nullptr) return kNvmlNotSupported;
  unsigned function = 0;
  return std::sscanf(text->c_str(), "%x:%x:%x.%x", domain, bus, slot, &function) == 4
             ? kNvmlSuccess
             : kNvmlUnknown;
}

NvmlReturn pci_v2(const char* name, NvmlDevice handle, NvmlPciInfoV2* out) {
  const std::lock_guard lock(mutex);
  if (const NvmlReturn problem = enter(name, &of(handle)); problem != kNvmlSuccess) return problem;
  *out = {};
  const NvmlReturn problem = fill_pci(of(handle), &out->domain, &out->bus, &out->device);
  std::snprintf(out->bus_id, sizeof out->bus_id, "%04X:%02X:%02X.0", out->domain, out->bus,
                out->device);
  return problem;
}

NvmlReturn start(const char* name) {
  const std::lock_guard lock(mutex);
  return enter(name, nullptr);
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) NvmlReturn

// NOLINTBEGIN(readability-identifier-naming): these names are NVIDIA's.
EXPORT nvmlInit() { return start("nvmlInit"); }
EXPORT nvmlShutdown() {
  const std::lock_guard lock(mutex);
  std::memset(watched, 0, sizeof watched);
  return enter("nvmlShutdown", nullptr);
}
EXPORT nvmlSystemGetDriverVersion(char* out, unsigned size) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlSystemGetDriverVersion", nullptr);
  if (problem != kNvmlSuccess) return problem;
  const std::string* const text = script.find("driver");
  if (text == nullptr) return kNvmlNotSupported;
  std::snprintf(out, size, "%s", text->c_str());
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetCount(unsigned* out) {
  const std::lock_guard lock(mutex);
  if (const NvmlReturn p = enter("nvmlDeviceGetCount", nullptr); p != kNvmlSuccess) return p;
  *out = gpu_count();
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetHandleByIndex(unsigned index, NvmlDevice* out) {
  return by_index("nvmlDeviceGetHandleByIndex", index, out);
}
EXPORT nvmlDeviceGetPciInfo(NvmlDevice d, NvmlPciInfoV2* out) {
  return pci_v2("nvmlDeviceGetPciInfo", d, out);
}
EXPORT nvmlDeviceGetUUID(NvmlDevice d, char* out, unsigned size) {
  return answer_text("nvmlDeviceGetUUID", d, "uuid", out, size);
}
EXPORT nvmlDeviceGetName(NvmlDevice d, char* out, unsigned size) {
  return answer_text("nvmlDeviceGetName", d, "name", out, size);
}
EXPORT nvmlDeviceGetMemoryInfo(NvmlDevice d, NvmlMemoryV1* out) {
  unsigned long long total = 0;
  if (const NvmlReturn p = answer("nvmlDeviceGetMemoryInfo", d, "memory.total", &total);
      p != kNvmlSuccess) {
    return p;
  }
  const std::string* const used = field(of(d), "memory.used");
  const std::string* const reserved = field(of(d), "memory.reserved");
  out->total = total;
  out->used = static_cast<unsigned long long>((used ? number(*used) : 0) +
                                              (reserved ? number(*reserved) : 0));
  out->free = total - std::min(total, out->used);
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetUtilizationRates(NvmlDevice d, NvmlUtilization* out) {
  if (const NvmlReturn p = answer("nvmlDeviceGetUtilizationRates", d, "busy", &out->gpu);
      p != kNvmlSuccess) {
    return p;
  }
  const std::string* const memory = field(of(d), "memory.busy");
  out->memory = memory ? static_cast<unsigned>(number(*memory)) : 0;
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetTemperature(NvmlDevice d, unsigned, unsigned* out) {
  return answer("nvmlDeviceGetTemperature", d, "celsius", out);
}
EXPORT nvmlDeviceGetTemperatureThreshold(NvmlDevice d, unsigned kind, unsigned* out) {
  return answer("nvmlDeviceGetTemperatureThreshold", d,
                kind == kNvmlThresholdSlowdown ? "celsius.slowdown" : "celsius.other", out);
}
EXPORT nvmlDeviceGetPowerUsage(NvmlDevice d, unsigned* out) {
  return answer("nvmlDeviceGetPowerUsage", d, "milliwatts", out);
}
EXPORT nvmlDeviceGetEnforcedPowerLimit(NvmlDevice d, unsigned* out) {
  return answer("nvmlDeviceGetEnforcedPowerLimit", d, "milliwatts.limit", out);
}
EXPORT nvmlDeviceGetTotalEnergyConsumption(NvmlDevice d, unsigned long long* out) {
  return answer("nvmlDeviceGetTotalEnergyConsumption", d, "millijoules", out);
}
EXPORT nvmlDeviceGetClockInfo(NvmlDevice d, unsigned kind, unsigned* out) {
  return answer("nvmlDeviceGetClockInfo", d,
                kind == kNvmlClockSm       ? "clock.sm"
                : kind == kNvmlClockMemory ? "clock.memory"
                                           : "clock.other",
                out);
}
EXPORT nvmlDeviceGetCurrentClocksThrottleReasons(NvmlDevice d, unsigned long long* out) {
  return answer("nvmlDeviceGetCurrentClocksThrottleReasons", d, "slowed", out);
}
EXPORT nvmlDeviceGetFanSpeed(NvmlDevice d, unsigned* out) {
  return answer("nvmlDeviceGetFanSpeed", d, "fan", out);
}
EXPORT nvmlDeviceGetPcieThroughput(NvmlDevice d, unsigned way, unsigned* out) {
  return answer("nvmlDeviceGetPcieThroughput", d, way == kNvmlPcieSent ? "pcie.tx" : "pcie.rx",
                out);
}
EXPORT nvmlDeviceGetTotalEccErrors(NvmlDevice d, unsigned kind, unsigned counter,
                                   unsigned long long* out) {
  if (counter != kNvmlEccVolatile) return kNvmlInvalidArgument;
  return answer("nvmlDeviceGetTotalEccErrors", d,
                kind == kNvmlEccCorrected ? "ecc.corrected" : "ecc.uncorrected", out);
}
EXPORT nvmlDeviceGetCudaComputeCapability(NvmlDevice d, int* major, int* minor) {
  double value = 0;
  if (const NvmlReturn p = answer("nvmlDeviceGetCudaComputeCapability", d, "compute", &value);
      p != kNvmlSuccess) {
    return p;
  }
  *major = static_cast<int>(value);
  *minor = static_cast<int>(value * 10 + 0.5) % 10;
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetComputeRunningProcesses(NvmlDevice d, unsigned* count, void* out) {
  return list<NvmlProcessV1>("nvmlDeviceGetComputeRunningProcesses", d, "compute", count, out);
}
EXPORT nvmlDeviceGetGraphicsRunningProcesses(NvmlDevice d, unsigned* count, void* out) {
  return list<NvmlProcessV1>("nvmlDeviceGetGraphicsRunningProcesses", d, "graphics", count, out);
}

#ifndef FAKE_NVML_OLD
EXPORT nvmlInit_v2() { return start("nvmlInit_v2"); }
EXPORT nvmlDeviceGetCount_v2(unsigned* out) {
  const std::lock_guard lock(mutex);
  if (const NvmlReturn p = enter("nvmlDeviceGetCount_v2", nullptr); p != kNvmlSuccess) return p;
  *out = gpu_count();
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetHandleByIndex_v2(unsigned index, NvmlDevice* out) {
  return by_index("nvmlDeviceGetHandleByIndex_v2", index, out);
}
EXPORT nvmlDeviceGetHandleByPciBusId_v2(const char* place, NvmlDevice* out) {
  const std::lock_guard lock(mutex);
  script.refresh();
  const unsigned count = gpu_count();
  unsigned wanted[4] = {};
  std::sscanf(place, "%x:%x:%x.%x", &wanted[0], &wanted[1], &wanted[2], &wanted[3]);
  for (unsigned gpu = 0; gpu < count && gpu < kGpus; ++gpu) {
    unsigned at[3] = {};
    if (fill_pci(devices.whole[gpu], &at[0], &at[1], &at[2]) != kNvmlSuccess ||
        std::memcmp(at, wanted, sizeof at) != 0) {
      continue;
    }
    const NvmlReturn problem = enter("nvmlDeviceGetHandleByPciBusId_v2", &devices.whole[gpu]);
    *out = handle_of(devices.whole[gpu]);
    return problem;
  }
  const NvmlReturn problem = enter("nvmlDeviceGetHandleByPciBusId_v2", nullptr);
  return problem == kNvmlSuccess ? kNvmlNotFound : problem;
}
EXPORT nvmlDeviceGetPciInfo_v2(NvmlDevice d, NvmlPciInfoV2* out) {
  return pci_v2("nvmlDeviceGetPciInfo_v2", d, out);
}
EXPORT nvmlDeviceGetPciInfo_v3(NvmlDevice d, NvmlPciInfoV3* out) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlDeviceGetPciInfo_v3", &of(d));
  if (problem != kNvmlSuccess) return problem;
  *out = {};
  const NvmlReturn filled = fill_pci(of(d), &out->domain, &out->bus, &out->device);
  std::snprintf(out->bus_id, sizeof out->bus_id, "%08X:%02X:%02X.0", out->domain, out->bus,
                out->device);
  return filled;
}
EXPORT nvmlDeviceGetMemoryInfo_v2(NvmlDevice d, NvmlMemoryV2* out) {
  if (out->version != nvml_version<NvmlMemoryV2>(2)) return kNvmlArgumentVersionMismatch;
  unsigned long long total = 0;
  if (const NvmlReturn p = answer("nvmlDeviceGetMemoryInfo_v2", d, "memory.total", &total);
      p != kNvmlSuccess) {
    return p;
  }
  const std::string* const used = field(of(d), "memory.used");
  const std::string* const reserved = field(of(d), "memory.reserved");
  out->total = total;
  out->used = used ? static_cast<unsigned long long>(number(*used)) : 0;
  out->reserved = reserved ? static_cast<unsigned long long>(number(*reserved)) : 0;
  out->free = total - std::min(total, out->used + out->reserved);
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetTemperatureV(NvmlDevice d, NvmlTemperature* out) {
  if (out->version != nvml_version<NvmlTemperature>(1)) return kNvmlArgumentVersionMismatch;
  return answer("nvmlDeviceGetTemperatureV", d, "celsius", &out->celsius);
}
EXPORT nvmlDeviceGetCurrentClocksEventReasons(NvmlDevice d, unsigned long long* out) {
  return answer("nvmlDeviceGetCurrentClocksEventReasons", d, "slowed", out);
}
EXPORT nvmlDeviceGetComputeRunningProcesses_v2(NvmlDevice d, unsigned* count, void* out) {
  return list<NvmlProcessV2>("nvmlDeviceGetComputeRunningProcesses_v2", d, "compute", count, out);
}
EXPORT nvmlDeviceGetComputeRunningProcesses_v3(NvmlDevice d, unsigned* count, void* out) {
#ifdef FAKE_NVML_PROTECTED
  using Process = NvmlProcessWithProtected;
#else
  using Process = NvmlProcessV2;
#endif
  return list<Process>("nvmlDeviceGetComputeRunningProcesses_v3", d, "compute", count, out);
}
EXPORT nvmlDeviceGetGraphicsRunningProcesses_v3(NvmlDevice d, unsigned* count, void* out) {
#ifdef FAKE_NVML_PROTECTED
  using Process = NvmlProcessWithProtected;
#else
  using Process = NvmlProcessV2;
#endif
  return list<Process>("nvmlDeviceGetGraphicsRunningProcesses_v3", d, "graphics", count, out);
}
EXPORT nvmlDeviceGetMPSComputeRunningProcesses_v3(NvmlDevice d, unsigned* count, void* out) {
#ifdef FAKE_NVML_PROTECTED
  using Process = NvmlProcessWithProtected;
#else
  using Process = NvmlProcessV2;
#endif
  return list<Process>("nvmlDeviceGetMPSComputeRunningProcesses_v3", d, "mps", count, out);
}
#ifdef FAKE_NVML_PROTECTED
EXPORT nvmlDeviceGetConfComputeMemSizeInfo(NvmlDevice, void*) { return kNvmlNotSupported; }
#endif
EXPORT nvmlDeviceGetMigMode(NvmlDevice d, unsigned* current, unsigned* pending) {
  *pending = 0;
  return answer("nvmlDeviceGetMigMode", d, "mig", current);
}
EXPORT nvmlDeviceGetMaxMigDeviceCount(NvmlDevice d, unsigned* out) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlDeviceGetMaxMigDeviceCount", &of(d));
  *out = kSlices;
  return problem;
}
EXPORT nvmlDeviceGetMigDeviceHandleByIndex(NvmlDevice d, unsigned index, NvmlDevice* out) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlDeviceGetMigDeviceHandleByIndex", &of(d));
  if (problem != kNvmlSuccess) return problem;
  if (index >= kSlices) return kNvmlInvalidArgument;
  Device& slice = devices.slices[of(d).gpu][index];
  if (field(slice, "uuid") == nullptr) return kNvmlNotFound;
  *out = handle_of(slice);
  return kNvmlSuccess;
}
EXPORT nvmlDeviceGetDeviceHandleFromMigDeviceHandle(NvmlDevice d, NvmlDevice* out) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", &of(d));
  *out = handle_of(devices.whole[of(d).gpu]);
  return problem;
}
EXPORT nvmlDeviceGetAttributes_v2(NvmlDevice d, NvmlAttributes* out) {
  *out = {};
  return answer("nvmlDeviceGetAttributes_v2", d, "memory.mib", &out->memory_mib);
}
EXPORT nvmlEventSetCreate(NvmlEventSet* out) {
  static int set;
  *out = reinterpret_cast<NvmlEventSet>(&set);
  return start("nvmlEventSetCreate");
}
EXPORT nvmlEventSetFree(NvmlEventSet) { return start("nvmlEventSetFree"); }
EXPORT nvmlDeviceRegisterEvents(NvmlDevice d, unsigned long long types, NvmlEventSet) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlDeviceRegisterEvents", &of(d));
  if (problem == kNvmlSuccess && (types & kNvmlEventXid)) watched[of(d).gpu] = true;
  return problem;
}
EXPORT nvmlEventSetWait_v2(NvmlEventSet, NvmlEventV2* out, unsigned) {
  const std::lock_guard lock(mutex);
  const NvmlReturn problem = enter("nvmlEventSetWait_v2", nullptr);
  if (problem != kNvmlSuccess) return problem;
  *out = {};
  return next_event(&out->device, &out->type, &out->data) ? kNvmlSuccess : kNvmlTimeout;
}
#endif
// NOLINTEND(readability-identifier-naming)
