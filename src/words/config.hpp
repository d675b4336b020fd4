// Every setting the program has, with its built-in value. Filled by src/settings.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <headroom/pressure.hpp>
#include <headroom/units.hpp>

#include "words/strategy.hpp"

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

enum class Basis { unbooked, total };
enum class GpuSource { automatic, nvml, sim, none };
enum class Place { pack, spread };
enum class LogFormat { automatic, journal, text, json };
/// Who may still be given something.
enum class LeastPriority { low, normal, high, critical, nobody };
enum class NotifyKind { webhook, command, journal };

/// Somebody to be told of alerts.
struct NotifyTarget {
  std::string name;
  NotifyKind kind = NotifyKind::webhook;
  std::string url;               ///< webhook: where a POST goes
  std::string url_file;          ///< webhook: a file that holds the address, kept out of sight
  std::vector<std::string> run;  ///< command: words; the alert comes as JSON on its input
  std::vector<Level> levels;     ///< of these only; empty: `pressure.notify` and above
  bool operator==(const NotifyTarget&) const = default;
};

enum class HookKind {
  ollama,
  comfyui,
  llama_server,
  llama_swap,
  vllm_sleep,
  http,
  command,
  signal
};

/// How to ask somebody to free memory.
struct HookSetting {
  std::string name;
  std::optional<HookKind> kind;  ///< always there in a configuration that was loaded
  std::string url;               ///< an engine's or http's; "" = the engine's usual port here
  std::string token_file;        ///< a file with the word that the address wants; "" = none
  std::vector<std::string> run;  ///< command: words, with {ask}, {model} and {bytes} filled in
  std::string signal;            ///< signal: "USR1"
  int level = 1;                 ///< vllm-sleep: 1 keeps the weights in memory, 2 forgets them
  std::chrono::milliseconds timeout{10000};  ///< of one ask
  bool operator==(const HookSetting&) const = default;
};

/// What a model is known to need.
struct CatalogueModel {
  std::string name;
  Bytes memory;
  Bytes gpu_memory;
  double compute = 0;  ///< least capability; 0 = any
  int batch = 1;       ///< recommended
  std::string notes;
  bool operator==(const CatalogueModel&) const = default;
};

/// A component that is known before it registers.
struct ComponentSetting {
  std::string name;
  std::string priority = "normal";  ///< critical high normal low
  double cpu_percent = 0;
  Bytes memory;
  bool operator==(const ComponentSetting&) const = default;
};

struct Config {
  std::string profile = "default";
  Strategy strategy;

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
    int connections = 12000;     ///< open at once; more are refused with 503
    std::string token_file;      ///< who knows the word in it may come from other machines
    bool private_reads = false;  ///< http.private: the token is wanted for reads too
    std::string cert;            ///< PEM files: TLS on the TCP address
    std::string key;
    std::vector<std::string>
        names;  ///< Host names besides the loopback's own and the listening one
    bool operator==(const Http&) const = default;
  } http;

  struct SampleSettings {
    std::chrono::milliseconds interval{1000};
    int history = 300;  ///< full-rate samples kept at least
    GpuSource gpu = GpuSource::automatic;
    std::string gpu_sim;
    bool wake_gpus = false;                    ///< ask sleeping GPUs too
    std::chrono::hours keep{720};              ///< history on disk; 0 = none
    Bytes history_budget = Bytes(10LL << 20);  ///< of that history, on disk
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
    Rungs power;    ///< watts, of the node
    Rungs network;  ///< bytes per second, of the node
    /// Asking others to free memory begins above `cleanup_at` percent and ends below `cleanup_to`.
    std::optional<double> memory_cleanup_at = 85, memory_cleanup_to = 75;
    std::optional<double> gpu_memory_cleanup_at = 85, gpu_memory_cleanup_to = 75;
    Step most = Step::freeze;  ///< the highest step of the ladder; pressure.ladder
    std::chrono::milliseconds freeze_most{60000};  ///< nobody stands still for longer at a time
    std::chrono::milliseconds grace{5000};         ///< between asking somebody to end and ending it
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
    /// A booking whose greater half nobody has used for so long is said to be idle; 0 = never.
    std::chrono::seconds idle{600};
    bool operator==(const Leases&) const = default;
  } leases;

  struct State {
    std::string dir = "/var/lib/headroom";
    Bytes journal = Bytes(4LL << 20);  ///< size of each of the journal's two files, preallocated
    bool operator==(const State&) const = default;
  } state;

  struct Models {
    int cache_size = 0;  ///< resident at most; 0 = no limit
    std::string cache_dir;
    std::vector<std::string> pinned;
    bool require_gpu = false;
    std::chrono::seconds idle_unload{0};  ///< unused for so long, a model is asked to go; 0 = never
    /// Limits against thrashing; see decide::VictimRules.
    std::chrono::seconds min_residency{5};
    int churn_loads = 4;
    std::chrono::seconds churn_window{60};
    std::chrono::milliseconds engines_every{10000};  ///< asked what they hold; 0 = never
    std::vector<CatalogueModel> catalogue;  ///< the user's own rows; those built in are not here
    bool operator==(const Models&) const = default;
  } models;

  struct Control {
    std::chrono::milliseconds interval{10000};
    double cpu_least = 5, cpu_most = 80;  ///< percent; control.cpu_range
    Bytes memory_least = Bytes(100LL << 20), memory_most = Bytes(4LL << 30);
    double cpu_change = 1;                    ///< points; smaller changes are not made
    Bytes memory_change = Bytes(50LL << 20);  ///< likewise
    std::chrono::milliseconds setter_timeout{5000};
    bool shadow = false;  ///< say what would be set, and set nothing
    bool operator==(const Control&) const = default;
  } control;

  std::vector<ComponentSetting> components;

  struct Sessions {
    std::vector<std::string> roots;
    std::string pattern = "session_*";
    std::chrono::seconds max_age{0};  ///< 0 = off
    bool operator==(const Sessions&) const = default;
  } sessions;

  std::vector<HookSetting> hooks;

  struct Cost {
    std::string currency;     ///< for people: "EUR"; "" = none is shown
    double per_hour = 0;      ///< of the node without its GPUs
    double gpu_per_hour = 0;  ///< of each GPU
    double per_kwh = 0;       ///< of energy
    double idle_watts = 0;    ///< drawn besides what meters tell
    double budget = 0;        ///< of a month; 0 = none
    /// Once it is spent, new leases want this priority; "nobody" gets none.
    LeastPriority over_budget = LeastPriority::low;
    /// Whether anything costs anything.
    bool priced() const { return per_hour > 0 || gpu_per_hour > 0 || per_kwh > 0; }
    bool operator==(const Cost&) const = default;
  } cost;

  std::vector<NotifyTarget> notify;

  struct Metrics {
    bool openmetrics = true;  ///< answer with it where it is asked for
    bool seed_names = true;   ///< the five names ml_resource_…
    bool dcgm_names = false;  ///< DCGM_FI_DEV_… too
    std::string otlp;         ///< http://host:4318; "" = nothing is sent
    std::chrono::seconds otlp_interval{15};
    bool otlp_json = false;  ///< JSON instead of protobuf
    int max_series = 2000;   ///< of names that users choose; the rest is summed as "other"
    bool operator==(const Metrics&) const = default;
  } metrics;

  struct Log {
    std::string level = "info";  ///< trace debug info warn error
    LogFormat format = LogFormat::automatic;
    bool operator==(const Log&) const = default;
  } log;

  bool operator==(const Config&) const = default;
};

/// One setting as a person sees it: effective value, where it came from.
struct Setting {
  std::string key;        ///< "pressure.memory.warning"
  std::string value;      ///< as it would be written in TOML
  std::string origin;     ///< "built-in", "profile edge", "/etc/headroom/headroom.toml:12",
                          ///< "HEADROOM_…", "--listen"
  std::string alias;      ///< the specs' name for it, or empty
  std::string about;      ///< one sentence
  bool at_start = false;  ///< a change takes effect when the daemon starts again
};

}  // namespace headroom
