// Reading configuration files from the machine, within bounds.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <headroom/result.hpp>

namespace headroom::settings {

inline constexpr std::size_t kLargestFile = std::size_t{1} << 20;
inline constexpr std::size_t kMostFiles = 256;  ///< of one folder

/// The content of a regular file of at most kLargestFile bytes; empty when there is none of this
/// name. Never waits (a FIFO is refused, not read). Errors: invalid_request, `why` with the path.
Result<std::optional<std::string>> read_file(const std::string& path);

/// The paths of DIR/*.toml, hidden ones left out, ordered by name; none when there is no folder.
/// Errors: invalid_request for what is not a folder, cannot be read, or holds more than kMostFiles.
Result<std::vector<std::string>> read_folder(const std::string& path);

}  // namespace headroom::settings
