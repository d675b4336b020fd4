#include "sense/slow.hpp"

#include "sense/compressed.hpp"
#include "sense/filesystem.hpp"
#include "sense/kernel_file.hpp"
#include "sense/mounts_served.hpp"
#include "sense/numa.hpp"
#include "sense/power.hpp"
#include "sense/thermal.hpp"
#include "sense/thermal_chip.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kMostAbsences = 64;

std::string without_slash(std::string root) {
  while (!root.empty() && root.back() == '/') root.pop_back();
  return root;
}

}  // namespace

struct SlowSensors::Parts {
  Parts(std::string where, std::chrono::milliseconds patience)
      : root(std::move(where)),
        mounts(root, root.empty() ? Keep::open : Keep::closed),
        served(root, patience),
        meters(root) {}

  std::string root;  ///< "" for the machine itself
  ReadBuffer buffer;
  MountTable mounts;
  ServedMounts served;
  PowerMeters meters;
};

SlowSensors::SlowSensors(const std::string& root, std::chrono::milliseconds patience)
    : parts_(std::make_unique<Parts>(without_slash(root), patience)) {}
SlowSensors::~SlowSensors() = default;

void SlowSensors::read(Instant at, SlowReading& out) {
  Parts& parts = *parts_;
  out.at = at;
  out.absent.clear();
  const std::vector<Chip> chips = list_chips(parts.root, parts.buffer, out.absent);
  read_temperatures(parts.root, chips, parts.buffer, out.temperatures, out.absent);
  parts.meters.read(at.boot, chips, parts.buffer, out.powers, out.absent);
  read_numa(parts.root, parts.buffer, out.numa, out.absent);
  read_links(parts.root, parts.buffer, out.links);
  out.zram = read_zram(parts.root, parts.buffer, out.absent);
  if (parts.mounts.refresh(at.boot, parts.buffer)) parts.served.set(parts.mounts.mounts().served);
  parts.served.read(out.filesystems, out.absent);
  if (out.absent.size() > kMostAbsences) {
    const std::size_t more = out.absent.size() - kMostAbsences;
    out.absent.resize(kMostAbsences);
    out.absent.push_back({"sensors", std::to_string(more) + " more of them say nothing", ""});
  }
}

void SlowSensors::interrupt() { parts_->served.interrupt(); }

}  // namespace headroom::sense
