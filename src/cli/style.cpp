#include "cli/style.hpp"

namespace headroom::cli {

std::string paint(const Style& style, std::string_view level, std::string_view text) {
  if (!style.color) return std::string(text);
  const char* code = nullptr;
  if (level == "ok" || level == "healthy") code = "\x1b[32m";
  if (level == "warning" || level == "warn" || level == "moderate") code = "\x1b[33m";
  if (level == "critical" || level == "failed") code = "\x1b[31m";
  if (level == "emergency") code = "\x1b[1;31m";
  if (level == "absent") code = "\x1b[2m";
  if (code == nullptr) return std::string(text);
  return code + std::string(text) + "\x1b[0m";
}

std::string dim(const Style& style, std::string_view text) {
  return style.color ? "\x1b[2m" + std::string(text) + "\x1b[0m" : std::string(text);
}

void write_out(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

}  // namespace headroom::cli
