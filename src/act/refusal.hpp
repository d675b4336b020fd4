// How this room turns an errno into an Error, and reads and writes small kernel files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

namespace headroom::act {

/// The Error for a system call that failed with `error` (an errno). `help` empty: a help that fits
/// the errno is filled in where there is one.
Error refusal(std::string what, int error, std::string help = {});

/// One line for people: "what: why; fix: help".
std::string sentence(const Error& error);

/// A whole kernel file, at most `limit` bytes of it. Any thread.
Result<std::string> read_small(const std::string& path, std::size_t limit = 64 * 1024);

/// Writes `text` to an existing file in one write(), as kernel files want it. Never creates one.
Result<void> write_small(const std::string& path, std::string_view text);

}  // namespace headroom::act
