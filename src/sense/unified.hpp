// GPUs that work in the memory of the machine.
#pragma once

#include <headroom/sample.hpp>

namespace headroom::sense {

/// Gives each unified device of the sample the machine's memory as its own: what there is, and what
/// of it is not available to anybody. Where the machine does not say, the device's use is unknown.
void fill_unified(Sample& sample);

}  // namespace headroom::sense
