#include "sense/gpu_helper.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sense/amdgpu.hpp"

namespace headroom::sense {
namespace {

constexpr const char* kLibrary = "libnvidia-ml.so.1";
/// Devices come and go (Thunderbolt, a driver bound anew), but not often.
constexpr std::uint64_t kLookEvery = 10;
/// PCIe traffic takes 40 ms to measure: each device so seldom, and one in a read.
constexpr std::uint64_t kPcieEvery = 10;
constexpr int kMostTries = 6;  ///< doublings of the reads between two tries to start NVML

bool there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string without_slash(std::string root) {
  while (!root.empty() && root.back() == '/') root.pop_back();
  return root;
}

bool contains(const std::vector<PciAddress>& list, PciAddress address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

bool device_files(const std::string& root) {
  return there(root + "/dev/nvidiactl") || there(root + "/dev/nvidia0") ||
         (there(root + "/dev/dxg") && there(root + "/usr/lib/wsl/lib/libnvidia-ml.so.1"));
}

}  // namespace

bool gpu_hardware(const std::string& root) {
  const std::string base = without_slash(root);
  return device_files(base) || !read_pci_displays(base).empty();
}

GpuReader::GpuReader(GpuSetup setup, GpuProgress& progress)
    : setup_(std::move(setup)),
      progress_(&progress),
      root_(without_slash(setup_.root)),
      nvml_(progress) {}

/// What sysfs says of every card, and what is to be done about it in this read.
void GpuReader::look_at_bus() {
  progress_->enter(NvmlCall::read_sysfs, {});
  if (reads_ % kLookEvery == 0) {
    cards_.clear();
    for (const PciDisplay& display : read_pci_displays(root_)) cards_.push_back({display, {}});
  } else {
    for (Card& card : cards_) read_pci_power(root_, card.display);
  }
  progress_->leave();
  bus_shows_nvidia_ = false;
  for (Card& card : cards_) {
    const bool nvidia = card.display.vendor == kNvidiaVendor;
    bus_shows_nvidia_ = bus_shows_nvidia_ || nvidia;
    if (setup_.wake) {
      card.step = RestStep::hold;
    } else if (nvidia) {
      card.step = rest_[card.display.address].step(card.display.managed, card.display.suspended);
    } else {
      // amdgpu keeps nothing open between reads; a read of one file after the other does not keep
      // a card awake that is about to sleep for long, since it is not read while it sleeps.
      card.step = card.display.suspended ? RestStep::asleep : RestStep::hold;
    }
  }
}

/// Starts NVML, or lets go of it, so that it holds no device that rests or sleeps.
void GpuReader::hold_nvml(const GpuAsk& ask, GpuDone& done) {
  const bool captured = !root_.empty() && setup_.library.empty();
  bool wanted = false;
  bool let_go = false;
  for (const Card& card : cards_) {
    if (card.display.vendor != kNvidiaVendor) continue;
    if (card.step == RestStep::hold) {
      wanted = wanted || !contains(ask.skip, card.display.address);
    } else {
      let_go = let_go || contains(attached_, card.display.address);
    }
  }
  // The bus shows none: the driver may have some all the same (WSL, boards with their own bus).
  by_index_ = !bus_shows_nvidia_ && (setup_.force_nvml || device_files(root_));
  wanted = wanted || by_index_;
  if (captured) {
    if (wanted) {
      done.absent.push_back({"gpu", "the readings come from a captured tree: NVML is not asked",
                             "start without --root"});
    }
    by_index_ = false;
    return;
  }
  // NVML lets go of all devices or of none: those that are still wanted are attached anew.
  if (nvml_.started() && (!wanted || let_go)) {
    nvml_.stop();
    attached_.clear();
  }
  if (!wanted) {
    nvml_absent_.clear();
    return;
  }
  if (!nvml_.started() && reads_ >= next_try_) {
    const auto started =
        nvml_.start(setup_.library.empty() ? kLibrary : setup_.library, ask.events);
    nvml_absent_.clear();
    if (started) {
      tries_ = 0;
    } else {
      const Error& error = started.error();
      nvml_absent_.push_back({"gpu", error.what + ": " + error.why, error.help});
      next_try_ = reads_ + (std::uint64_t{1} << std::min(tries_++, kMostTries));
    }
  }
  done.absent.insert(done.absent.end(), nvml_absent_.begin(), nvml_absent_.end());
}

/// At most one device a read, each not more often than every kPcieEvery reads.
bool GpuReader::measure_pcie(PciAddress device) {
  if (pcie_measured_) return false;
  const auto [at, fresh] = pcie_at_.try_emplace(device, 0);
  if (!fresh && reads_ < at->second) return false;
  if (fresh && reads_ < 2) {  // what is needed first is how much is in use
    at->second = 2;
    return false;
  }
  at->second = reads_ + kPcieEvery;
  pcie_measured_ = true;
  return true;
}

GpuAnswer GpuReader::read_nvidia(PciAddress device) {
  GpuAnswer answer;
  answer.nvidia = true;
  NvmlDevices::Answer read = nvml_.read(device, measure_pcie(device));
  if (!contains(attached_, device)) attached_.push_back(device);
  answer.reason = std::move(read.reason);
  answer.readings = std::move(read.readings);
  switch (read.outcome) {
    case NvmlDevices::Outcome::read:
      answer.told = GpuTold::read;
      rest_[device].seen(read.in_use);
      if (!setup_.pids_complete) {
        for (GpuReading& reading : answer.readings) reading.processes_known = false;
      }
      break;
    case NvmlDevices::Outcome::unknown:
      answer.told = GpuTold::unknown;
      break;
    case NvmlDevices::Outcome::forbidden:
      answer.told = GpuTold::forbidden;
      break;
    case NvmlDevices::Outcome::lost:
      answer.told = GpuTold::lost;
      break;
  }
  return answer;
}

/// The cards to tell about, those that hung before at the end.
std::vector<GpuReader::Card*> GpuReader::in_order(const GpuAsk& ask) {
  std::vector<Card*> first;
  std::vector<Card*> last;
  for (Card& card : cards_) {
    if (contains(ask.skip, card.display.address)) continue;
    (contains(ask.last, card.display.address) ? last : first).push_back(&card);
  }
  first.insert(first.end(), last.begin(), last.end());
  return first;
}

void GpuReader::read(const GpuAsk& ask, const std::function<void(const GpuFrame&)>& tell) {
  GpuDone done;
  done.number = ask.number;
  pcie_measured_ = false;
  look_at_bus();
  // Cards that sleep are told about first: nothing that may hang is needed for that.
  std::vector<Card*> awake;
  for (Card* card : in_order(ask)) {
    if (card->step == RestStep::hold) {
      awake.push_back(card);
      continue;
    }
    GpuAnswer answer;
    answer.device = card->display.address;
    answer.nvidia = card->display.vendor == kNvidiaVendor;
    answer.told = card->step == RestStep::asleep ? GpuTold::asleep : GpuTold::resting;
    answer.number = ask.number;
    tell(answer);
  }
  bool amd = false;
  const auto read_amd = [&](PciAddress device) {
    progress_->enter(NvmlCall::read_sysfs, device);
    auto reading = read_amdgpu(root_, device);
    progress_->leave();
    GpuAnswer answer;
    answer.number = ask.number;
    answer.device = device;
    answer.told = reading ? GpuTold::read : GpuTold::unknown;
    if (reading) answer.readings.push_back(std::move(*reading));
    amd = amd || answer.told == GpuTold::read;
    tell(answer);
  };
  // AMD cards do not wait for NVML to start, unless they hung before.
  for (const Card* card : awake) {
    if (card->display.vendor == kAmdVendor && !contains(ask.last, card->display.address)) {
      read_amd(card->display.address);
    }
  }
  hold_nvml(ask, done);
  std::vector<PciAddress> listed;
  if (by_index_ && nvml_.started()) {
    listed = nvml_.enumerate();
    if (listed.empty()) {
      done.absent.push_back(
          {"gpu", "NVML is there but names no device", "see whether nvidia-smi -L names one"});
    }
  }
  const auto read_one = [&](PciAddress device) {
    GpuAnswer answer = read_nvidia(device);
    answer.number = ask.number;
    answer.device = device;
    tell(answer);
  };
  if (nvml_.started()) {
    for (const PciAddress device : listed) {
      if (!contains(ask.skip, device) && !contains(ask.last, device)) read_one(device);
    }
    for (const Card* card : awake) {
      if (card->display.vendor == kNvidiaVendor) read_one(card->display.address);
    }
    for (const PciAddress device : listed) {
      if (contains(ask.last, device) && !contains(ask.skip, device)) read_one(device);
    }
    if (ask.events) nvml_.read_events();
    if (!nvml_.driver().empty()) done.driver = "NVIDIA " + nvml_.driver();
  }
  for (const Card* card : awake) {
    if (card->display.vendor == kAmdVendor && contains(ask.last, card->display.address)) {
      read_amd(card->display.address);
    }
  }
  if (amd) {
    if (!done.driver.empty()) done.driver += ", ";
    const std::string driver = amdgpu_driver(root_);
    done.driver += driver.empty() ? "amdgpu" : driver;
  }
  ++reads_;
  tell(done);
}

// ------------------------------------------------------------------------------------ the process

namespace {

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

int gpu_helper_main() {
  void* const memory =
      ::mmap(nullptr, sizeof(GpuProgress), PROT_READ | PROT_WRITE, MAP_SHARED, kGpuHelperPage, 0);
  if (memory == MAP_FAILED) {
    constexpr std::string_view kWords =
        "headroom: the GPU helper is started by headroomd, not by hand\n";
    (void)!::write(STDERR_FILENO, kWords.data(), kWords.size());
    return 2;
  }
  return run_gpu_helper(kGpuHelperSocket, *static_cast<GpuProgress*>(memory));
}

int run_gpu_helper(int fd, GpuProgress& progress) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "headroom-gpu");
  GpuFrames frames;
  std::optional<GpuReader> reader;
  char bytes[4096];
  for (;;) {
    while (const auto frame = frames.next()) {
      if (const auto* setup = std::get_if<GpuSetup>(&*frame)) {
        if (reader) return 2;  // said twice
        reader.emplace(*setup, progress);
      } else if (const auto* ask = std::get_if<GpuAsk>(&*frame)) {
        if (!reader) return 2;
        bool heard = true;
        reader->read(*ask, [&](const GpuFrame& told) {
          heard = heard && send_all(fd, encode_gpu_frame(told));
        });
        if (!heard) ::_exit(0);
      } else {
        return 2;
      }
    }
    if (frames.broken()) return 2;
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    // The daemon is gone. Nothing is tidied up: a driver that hangs would keep us from ending.
    if (got <= 0) ::_exit(0);
    frames.add({bytes, static_cast<std::size_t>(got)});
  }
}

}  // namespace headroom::sense
