// Graphics processors: simulated ones, and why there are no real ones.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>
#include <headroom/sample.hpp>

namespace headroom::sense {

/// Simulated GPUs from "24GiB,cc=8.6,used=4.2GiB,util=23.4,temp=67; 24GiB": devices are divided by
/// ';', the words of one by ','. The first word is the memory; the others are used=, reserve= (kept
/// by the driver), util= (percent), temp= (Celsius), power= (watts), cc= (compute capability),
/// name= and uuid=. A word that is unknown, wrong or said twice is an error that names it.
Result<std::vector<GpuReading>> parse_gpu_sim(std::string_view text);

/// Why no real GPU is read on the machine under `root`: what was looked for and what was found.
Absence absent_gpu(const std::string& root, bool asked_for_nvml);

}  // namespace headroom::sense
