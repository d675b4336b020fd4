// Power that is not a GPU's: the meters of processors (RAPL), of boards and of the whole chassis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"
#include "sense/thermal_chip.hpp"

namespace headroom::sense {

/// Meters that are told.
constexpr std::size_t kMostMeters = 32;

/// Microjoules that were used between two values of a counter that begins again after `range`.
/// Empty where the counter went back and its range is not known.
std::optional<std::uint64_t> energy_between(std::uint64_t before, std::uint64_t now,
                                            std::optional<std::uint64_t> range);

/// Reads the meters; remembers the energy counters, so that the next read knows the watts. Not
/// thread-safe.
class PowerMeters {
 public:
  /// `root` stands in for "/".
  explicit PowerMeters(std::string root);
  /// Reads all meters into `out`. One that is there and says nothing is an absence, which is
  /// added; so is a machine without any. `now` must not go backwards.
  void read(BootTime now, const std::vector<Chip>& chips, ReadBuffer& buffer,
            std::vector<PowerReading>& out, std::vector<Absence>& absent);

 private:
  /// A counter of energy as it was when it was last read.
  struct Energy {
    std::string folder;
    std::uint64_t microjoules = 0;
    BootTime at{};
  };
  void read_energy(BootTime now, ReadBuffer& buffer, std::vector<PowerReading>& out,
                   std::vector<Absence>& absent);

  std::string root_;
  std::vector<Energy> energies_;
};

}  // namespace headroom::sense
