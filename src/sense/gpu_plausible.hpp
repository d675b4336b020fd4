// Drivers lie: numbers that cannot be are refused one by one, and the reason is kept.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <headroom/sample.hpp>

namespace headroom::sense {

/// Remembers of each device what its numbers are measured against. Pure: no clock, nothing read.
/// Not thread-safe.
class GpuPlausible {
 public:
  /// Mends a fresh reading of a device or slice in place: what cannot be becomes empty, a total
  /// that changed becomes what it was. Adds a sentence to `doubts` for each refusal.
  ///
  /// A new total, and a counter that went back, are believed when they stay for kBelieveAfter
  /// readings: the driver may have been loaded anew.
  void mend(GpuReading& reading, std::vector<std::string>& doubts);

  /// Puts all readings (devices, each followed by its slices) in order by PCI address and numbers
  /// them. A device is known by its UUID and where that was first seen: handles that were exchanged
  /// change nothing. Of two devices with one UUID the second is named by its address instead.
  /// The same list gives the same answer: `doubts` are told each time.
  void identify(std::vector<GpuReading>& readings, std::vector<std::string>& doubts);

  static constexpr int kBelieveAfter = 10;

 private:
  struct Counter {
    std::optional<double> last;
    int back = 0;
  };
  struct Known {
    std::optional<Bytes> total;
    std::optional<Bytes> other_total;
    int other_seen = 0;
    Counter joules, ecc_corrected, ecc_uncorrected;
  };
  template <class Value>
  static void mend_counter(std::optional<Value>& value, Counter& counter, const char* name,
                           std::vector<std::string>& doubts);

  std::map<std::pair<std::string, std::string>, Known> known_;  ///< by address and UUID
  std::map<std::string, std::string> home_;                     ///< UUID to address
};

}  // namespace headroom::sense
