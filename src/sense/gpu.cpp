#include "sense/gpu.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <unistd.h>

namespace headroom::sense {
namespace {

constexpr std::size_t kMostDevices = 64;
constexpr double kLargest = 9e18;  // just below what Bytes holds

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// Cuts the text before `mark` off the front of `rest`.
std::string_view cut(std::string_view& rest, char mark) {
  const std::size_t at = std::min(rest.find(mark), rest.size());
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return trimmed(part);
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0) {
    return std::nullopt;
  }
  return value;
}

std::optional<Bytes> size(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr std::array<Unit, 9> kUnits = {{{"TiB", 1099511627776.0},
                                           {"GiB", 1073741824.0},
                                           {"MiB", 1048576.0},
                                           {"KiB", 1024.0},
                                           {"TB", 1e12},
                                           {"GB", 1e9},
                                           {"MB", 1e6},
                                           {"kB", 1e3},
                                           {"B", 1.0}}};
  for (const Unit& unit : kUnits) {
    if (text.size() <= unit.name.size() || text.substr(text.size() - unit.name.size()) != unit.name)
      continue;
    const auto count = number(trimmed(text.substr(0, text.size() - unit.name.size())));
    if (!count || *count * unit.bytes > kLargest) return std::nullopt;
    return Bytes(std::llround(*count * unit.bytes));
  }
  return std::nullopt;
}

tl::unexpected<Error> wrong(std::string_view word, std::string why) {
  return fail(ErrorKind::invalid_request, "gpu_sim: \"" + std::string(word.substr(0, 80)) + "\"",
              std::move(why),
              "write it like \"24GiB,cc=8.6,used=4.2GiB,util=23.4,temp=67; 24GiB\"");
}

/// Takes one word of a device into `gpu`; an empty text is success, else why not.
std::string take_word(std::string_view key, std::string_view value, GpuReading& gpu) {
  const auto size_into = [&](auto& field) -> std::string {
    const auto bytes = size(value);
    if (!bytes) return "a size is a number and B, KiB, MiB, GiB, TiB, kB, MB, GB or TB";
    field = *bytes;
    return {};
  };
  const auto number_into = [&](auto& field, double most, const char* what) -> std::string {
    const auto read = number(value);
    if (!read || *read > most) return what;
    field = *read;
    return {};
  };
  const auto text_into = [&](std::string& field) -> std::string {
    if (value.empty()) return "a text is missing";
    field = value;
    return {};
  };
  if (key == "used") return size_into(gpu.memory_used);
  if (key == "reserve") return size_into(gpu.memory_reserved);
  if (key == "temp")
    return number_into(gpu.celsius, 1000, "a temperature is 0 to 1000 degrees Celsius");
  if (key == "power") return number_into(gpu.watts, 1e5, "power is 0 to 100000 watts");
  if (key == "cc")
    return number_into(gpu.compute, 100, "a compute capability is a number like 8.6");
  if (key == "name") return text_into(gpu.name);
  if (key == "uuid") return text_into(gpu.id);
  if (key == "util") {
    std::optional<double> percent;
    std::string why = number_into(percent, 100, "utilization is 0 to 100 percent");
    if (percent) gpu.busy = Ratio(*percent / 100.0);
    return why;
  }
  if (key == "unified") {
    if (value != "yes" && value != "no") return "unified is yes or no";
    gpu.unified = value == "yes";
    return {};
  }
  return "the words are used, reserve, util, temp, power, cc, name, uuid and unified";
}

Result<GpuReading> parse_device(std::string_view text, int index) {
  GpuReading gpu;
  gpu.index = index;
  gpu.id = "GPU-sim-" + std::to_string(index);
  gpu.name = "simulated";
  gpu.simulated = true;
  gpu.memory_used = Bytes();
  const std::string_view memory = cut(text, ',');
  const auto total = size(memory);
  if (!total || *total <= Bytes())
    return wrong(memory, "a device begins with its memory, like 24GiB");
  gpu.memory_total = *total;
  std::array<std::string_view, 9> seen;
  std::size_t count = 0;
  while (!text.empty()) {
    const std::string_view word = cut(text, ',');
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return wrong(word, "a word is key=value");
    const std::string_view key = trimmed(word.substr(0, equals));
    std::string why = take_word(key, trimmed(word.substr(equals + 1)), gpu);
    if (!why.empty()) return wrong(word, std::move(why));
    for (std::size_t i = 0; i < count; ++i) {
      if (seen[i] == key) return wrong(word, "it is said twice");
    }
    seen[count++] = key;  // there are no more keys than places
  }
  if (*gpu.memory_used + gpu.memory_reserved > gpu.memory_total) {
    return wrong(memory, "used and reserve are more than the memory");
  }
  return gpu;
}

}  // namespace

Result<std::vector<GpuReading>> parse_gpu_sim(std::string_view text) {
  std::vector<GpuReading> gpus;
  while (!text.empty()) {
    const std::string_view device = cut(text, ';');
    if (device.empty() && text.empty()) break;  // a ';' at the end, or nothing at all
    if (gpus.size() == kMostDevices) return wrong(device, "64 devices are the most");
    auto gpu = parse_device(device, static_cast<int>(gpus.size()));
    if (!gpu) return tl::unexpected(std::move(gpu.error()));
    for (const GpuReading& other : gpus) {
      if (other.id == gpu->id) return wrong(gpu->id, "two devices have this uuid");
    }
    gpus.push_back(std::move(*gpu));
  }
  return gpus;
}

Absence absent_gpu(const std::string& root, bool asked_for_nvml) {
  const auto there = [&root](const std::string& path) {
    return ::access((root + path).c_str(), F_OK) == 0;
  };
  std::string device;
  for (const char* path : {"/dev/nvidia0", "/dev/nvidiactl", "/proc/driver/nvidia/version"}) {
    if (there(path)) {
      device = path;
      break;
    }
  }
  std::string library;
  for (const char* folder :
       {"/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/", "/usr/lib64/", "/usr/lib/",
        "/usr/lib/wsl/lib/", "/usr/local/nvidia/lib64/"}) {
    if (there(std::string(folder) + "libnvidia-ml.so.1")) {
      library = std::string(folder) + "libnvidia-ml.so.1";
      break;
    }
  }
  Absence absence;
  absence.sensor = "gpu";
  if (!device.empty()) {
    absence.reason =
        "an NVIDIA device is there (" + device +
        "), but none is on the PCI bus and NVML names none" +
        (library.empty() ? std::string("; libnvidia-ml.so.1 is not there") : std::string());
    absence.fix = "see whether nvidia-smi -L names one";
  } else {
    absence.reason =
        "no NVIDIA or AMD device on the PCI bus: looked in /sys/bus/pci, for /dev/nvidia* and for "
        "libnvidia-ml.so.1, " +
        (library.empty() ? std::string("none is there") : "only " + library + " is there");
    absence.fix = asked_for_nvml
                      ? "install the NVIDIA driver, or set sample.gpu = \"auto\" or \"none\""
                      : "if there is a GPU, install its driver";
  }
  return absence;
}

}  // namespace headroom::sense
