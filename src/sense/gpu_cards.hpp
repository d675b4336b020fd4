// What is known about the GPUs of the machine, from what the helper told and did not tell.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/gpu_plausible.hpp"
#include "sense/gpu_progress.hpp"
#include "sense/gpu_wire.hpp"

namespace headroom::sense {

/// How long a device that hung is left alone: doubles from `first` to `most`.
struct GpuBackoff {
  std::chrono::milliseconds first{1000};
  std::chrono::milliseconds most{60000};
  /// After `failures` in a row; 0 gives none.
  std::chrono::milliseconds after(int failures) const;
};

/// Keeps the last known numbers of each device with their age and its state. Pure: time is passed
/// in, nothing is asked. Not thread-safe.
class GpuCards {
 public:
  explicit GpuCards(GpuBackoff backoff = {}) : backoff_(backoff) {}

  /// A new request goes out: fills in which devices it leaves alone or asks last.
  void begin(BootTime now, GpuAsk& ask);
  /// Answers to the request of begin(); others are not taken.
  void told(const GpuAnswer& answer, BootTime now);
  void done(const GpuDone& answer, BootTime now);

  /// The helper did not answer in time, while it made this call. The device of the call, or all
  /// that were not told about yet, become stale with `why` as the reason.
  void late(const GpuProgress::Step& step, const std::string& why, BootTime now);
  /// The helper was ended because of this device: it is left alone for a while.
  void hung(PciAddress device, BootTime now);
  /// There is no helper, and why; all devices are stale.
  void helpless(const std::string& why);

  bool ever_read(PciAddress device) const;
  bool empty() const { return cards_.empty(); }
  /// Nothing was told or done yet.
  bool silent() const { return !heard_; }

  /// Sets `gpus` and `gpu_driver`, and puts what is wrong into `absent` in place of the entries
  /// of the sensor "gpu" there.
  void readings(BootTime at, Sample& out);

  /// A device that nobody names any more is shown as lost for so long.
  static constexpr std::chrono::hours kForgetAfter{1};

 private:
  struct Card {
    PciAddress device = 0;
    bool nvidia = false;
    bool read = false;             ///< `last` was read, at `read_at`
    std::vector<GpuReading> last;  ///< the device, then its slices; never empty
    BootTime read_at{};
    BootTime seen_at{};            ///< somebody named it
    std::uint64_t told_in = 0;     ///< request
    std::uint64_t skipped_in = 0;  ///< request
    GpuState state = GpuState::ok;
    std::string reason;
    std::vector<std::string> doubts;
    int hangs = 0;  ///< in a row
    BootTime skip_until{};
    std::uint64_t xids = 0;
    std::optional<std::uint64_t> last_xid;
  };
  Card& card(PciAddress device, bool nvidia, BootTime now);
  void take(Card& card, const GpuAnswer& answer, BootTime now);
  static void keep_identity(Card& card, bool memory);

  GpuBackoff backoff_;
  std::map<PciAddress, Card> cards_;
  std::map<PciAddress, std::string> forbidden_;
  GpuPlausible plausible_;
  std::uint64_t request_ = 0;
  bool heard_ = false;
  std::string driver_;
  std::vector<Absence> absent_;
};

}  // namespace headroom::sense
