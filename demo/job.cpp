#include "demo/job.hpp"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace headroom::demo {

std::string format_progress(const Progress& progress) {
  char text[48];
  std::snprintf(text, sizeof text, "%10d %10d\n", progress.done_ms, progress.held_mib);
  return text;
}

std::optional<Progress> parse_progress(std::string_view text) {
  const auto number = [&text](int& value) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return false;
    const auto [end, error] =
        std::from_chars(text.data() + begin, text.data() + text.size(), value);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value >= 0;
  };
  Progress progress;
  if (!number(progress.done_ms) || !number(progress.held_mib) || text != "\n") return std::nullopt;
  return progress;
}

std::string progress_path(const std::string& dir, const std::string& name) {
  return dir + "/" + name + ".progress";
}

std::string checkpoint_path(const std::string& dir, const std::string& name) {
  return dir + "/" + name + ".checkpoint";
}

std::optional<Progress> read_progress(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return parse_progress(std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace headroom::demo
