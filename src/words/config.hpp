// Every setting the program has, with its built-in value. Filled by src/settings.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <headroom/pressure.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// An amount given as a share of capacity or as a size. Exactly one is set.
struct Share {
  std::optional<Ratio> ratio;
  std::optional<Bytes> bytes;
  Bytes of(Bytes capacity) const {
    if (bytes) return *bytes;
    return Bytes(static_cast<std::int64_t>(static_cast<double>(capacity.count()) *
                                           (ratio ? ratio->value() : 0.0)));
  }
  bool operator==(const Share&) const = default;
};

/// The lines of one resource; a line that is left out does not exist.
struct Rungs {
  std::optional<double> warning;  ///< percent; degrees Celsius for gpu_temperature; watts; bytes/s
  std::optional<double> critical;
  std::optional<double> emergency;
  bool operator==(const Rungs&) const = default;
};

enum class Strategy {
  conservative,
  balanced,
  aggressive,
  adaptive,
  dynamic,
  predictive,
  cooperative
};
enum class Basis { unbooked, total };
enum class GpuSource { automatic, nvml, sim, none };
enum class Place { pack, spread };
enum class LogFormat { automatic, journal, text, json };

struct Config {
  std::string profile = "default";
  Strategy strategy = Strategy::adaptive;

  struct Node {
    std::string name;  ///< "" = host name
    Share margin_memory{Ratio(0.02), {}};
    Share margin_gpu_memory{{}, Bytes(512LL << 20)};
    Share margin_disk{Ratio(0.02), {}};
    bool operator==(const Node&) const = default;
  } node;

  struct Http {
    std::string socket = "/run/headroom/headroom.sock";
    std::string listen = "127.0.0.1:8000";  ///< "" = socket only
    bool readonly = false;
    int connections = 12000;  ///< open at once; more are refused with 503
    bool operator==(const Http&) const = default;
  } http;

  struct SampleSettings {
    std::chrono::milliseconds interval{1000};
    int history = 300;  ///< full-rate samples kept at least
    GpuSource gpu = GpuSource::automatic;
    std::string gpu_sim;
    bool operator==(const SampleSettings&) const = default;
  } sample;

  struct PressureSettings {
    std::chrono::milliseconds dwell{3000};
    double clear_below = 5;  ///< points under the line
    std::chrono::seconds cooldown{300};
    Level notify = Level::critical;
    Rungs cpu{70, 85, 95};
    Rungs memory{75, 85, 95};
    Rungs disk{80, 90, 95};
    Rungs gpu_memory{{}, 90, 97};
    Basis gpu_memory_basis = Basis::unbooked;
    Rungs gpu_temperature{85, {}, {}};
    bool operator==(const PressureSettings&) const = default;
  } pressure;

  struct Leases {
    std::chrono::milliseconds wait{0};
    std::chrono::seconds ttl{0};  ///< 0 = as long as the holder lives
    int queue = 1000;             ///< waiting at most; more get 429
    Place place = Place::pack;
    std::chrono::seconds ageing{600};  ///< one priority class is worth this much waiting
    /// What one user may book at most, of each capacity; root is not capped.
    Share user_memory{Ratio(1.0), {}};
    Share user_gpu_memory{Ratio(1.0), {}};
    Ratio user_cpu{1.0};
    int user_leases = 10000;
    bool operator==(const Leases&) const = default;
  } leases;

  struct State {
    std::string dir = "/var/lib/headroom";
    Bytes journal = Bytes(4LL << 20);  ///< size of each of the journal's two files, preallocated
    bool operator==(const State&) const = default;
  } state;

  struct Log {
    std::string level = "info";  ///< trace debug info warn error
    LogFormat format = LogFormat::automatic;
    bool operator==(const Log&) const = default;
  } log;

  bool operator==(const Config&) const = default;
};

/// One setting as a person sees it: effective value, where it came from.
struct Setting {
  std::string key;     ///< "pressure.memory.warning"
  std::string value;   ///< as it would be written in TOML
  std::string origin;  ///< "built-in", "profile edge", "/etc/headroom/headroom.toml:12",
                       ///< "HEADROOM_…", "--listen"
  std::string alias;   ///< the specs' name for it, or empty
  std::string about;   ///< one sentence
};

}  // namespace headroom
