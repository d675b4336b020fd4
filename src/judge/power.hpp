// What the machine draws.
#pragma once

#include <optional>

#include <headroom/sample.hpp>

namespace headroom::judge {

/// Watts of the processors' packages (or, where only a board's meters are there, of these) and the
/// GPUs; empty when nothing is measured.
std::optional<double> node_watts(const Sample& sample);

}  // namespace headroom::judge
