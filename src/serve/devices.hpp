// The devices of the machine as documents: GPUs and their slices, filesystems, disks, interfaces.
#pragma once

#include <string_view>

#include "serve/json.hpp"
#include "words/view.hpp"

namespace headroom::serve {

class Schemas;

void write_devices(Json& json, const View& view);

/// The device of this id: a GPU's UUID or index ("gpu0" or "0"), a mount, the name of a disk or of
/// an interface. False when there is none.
bool write_device(Json& json, const View& view, std::string_view id);

/// The UUID of the GPU that is meant: itself, "gpu0" or "0"; "" when there is none.
std::string find_gpu(const View& view, std::string_view id);

/// Adds "Devices" and "Device".
void describe_devices(Schemas& all);

}  // namespace headroom::serve
