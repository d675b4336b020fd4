// The daemon's side of the GPU helper: asks it, keeps what it told, replaces it when it hangs.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/gpu_cards.hpp"
#include "sense/gpu_wire.hpp"
#include "words/config.hpp"

namespace headroom::runtime {

struct GpuWatchOptions {
  GpuSource source = GpuSource::automatic;
  bool wake = false;                         ///< ask sleeping devices too: sample.wake_gpus
  std::string root = "/";                    ///< a captured tree stands in for "/"
  std::chrono::milliseconds interval{1000};  ///< between two polls
  /// How long the helper may be silent in a request; empty = half the interval, at least 250 ms
  /// and at most 2 s.
  std::optional<std::chrono::milliseconds> deadline;
  /// The same for starting the driver and for attaching to a device that was never read: without
  /// persistence mode that takes seconds.
  std::chrono::milliseconds start_deadline{15000};
  sense::GpuBackoff backoff;
  std::string helper = "/proc/self/exe";  ///< a program that calls run_gpu_helper()
  std::vector<std::string> helper_arguments = {"--gpu-helper"};
  std::string library;                ///< of NVML; "" = libnvidia-ml.so.1
  std::optional<bool> pids_complete;  ///< empty = found out
};

/// The GPUs of the machine, on the loop: nothing here ever waits for a driver. Everything happens
/// on the thread that runs the io_context. Without a GPU there is no helper and nothing is done but
/// a look at the bus once a minute.
class GpuWatch {
 public:
  /// REQUIRES: `io` outlives this. `helper` is started at the first poll(), not here.
  GpuWatch(boost::asio::io_context& io, GpuWatchOptions options);
  /// Ends the helper.
  ~GpuWatch();
  GpuWatch(const GpuWatch&) = delete;
  GpuWatch& operator=(const GpuWatch&) = delete;

  /// Asks for new numbers, unless a request is under way. They are there some milliseconds later:
  /// poll once per sample, after readings().
  void poll();

  /// Puts the last known numbers with their age and state into `gpus`, the driver into
  /// `gpu_driver`, and what is wrong into `absent` (where it replaces the entries of the sensor
  /// "gpu"). Does nothing where GPUs are simulated or switched off.
  void readings(Instant at, Sample& out);

  /// Called at the end of each request that was answered whole; may be empty.
  void on_answer(std::function<void()> handler);

  /// Helpers that were ended because they hung, died or spoke nonsense.
  std::uint64_t replaced() const;
  /// Of the helper, for tests and for `doctor`; 0 = there is none.
  pid_t helper_pid() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// What a program does that was started with --gpu-helper: returns its exit code.
int run_gpu_helper();

}  // namespace headroom::runtime
