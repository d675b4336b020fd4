// The few options that the parts of headroom-bench share.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>

namespace headroom::bench {

struct Options {
  bool ns = false;  ///< the last line is the median in nanoseconds, alone
  bool print = false;
  int rounds = 0;     ///< 0 = the part's own number
  int period_ms = 0;  ///< 0 = as fast as it goes
};

/// Empty, with a message on stderr, if a word is not understood.
inline std::optional<Options> parse_options(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    const auto number_into = [&](int& field) {
      if (i + 1 >= arguments.size()) return false;
      char* end = nullptr;
      const long value = std::strtol(arguments[++i], &end, 10);
      if (*end != '\0' || value <= 0 || value > 100'000'000) return false;
      field = static_cast<int>(value);
      return true;
    };
    const bool understood = word == "--ns"          ? (options.ns = true)
                            : word == "--print"     ? (options.print = true)
                            : word == "-n"          ? number_into(options.rounds)
                            : word == "--period-ms" ? number_into(options.period_ms)
                                                    : false;
    if (!understood) {
      std::fprintf(stderr, "headroom-bench: \"%.*s\" is not understood\n",
                   static_cast<int>(word.size()), word.data());
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace headroom::bench
