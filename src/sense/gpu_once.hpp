// The GPUs read once, without a daemon.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/gpu_progress.hpp"
#include "sense/gpu_wire.hpp"
#include "words/config.hpp"

namespace headroom::sense {

/// How the helper is to be set up; empty where no real GPU is to be read (sim, none).
std::optional<GpuSetup> gpu_setup(GpuSource source, const std::string& root, bool wake);

/// Reads the GPUs in a child process and waits for it no longer than `deadline`; then it is killed.
/// Sets `gpus`, `gpu_driver` and the absences of GPUs in `out`. Without GPU hardware no child is
/// made. The program that calls this must have one thread, and no child handler that reaps for it.
void read_gpus_once(const GpuSetup& setup, std::chrono::milliseconds deadline, BootTime at,
                    Sample& out);

/// "nvmlInit_v2 did not answer within 500 ms".
std::string gpu_late_words(const GpuProgress::Step& step, std::chrono::milliseconds after);

}  // namespace headroom::sense
