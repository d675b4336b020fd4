// What a command line may hold: amounts, lines to wait for, and the start of a command.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cli/exec.hpp"
#include "cli/needs.hpp"
#include "cli/units.hpp"
#include "cli/wait.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  using namespace headroom::cli;
  static_cast<void>(parse_line(text));
  static_cast<void>(parse_time(text));
  if (const auto start = unpack_start(text); start && start->argv.empty()) std::abort();
  const auto room = headroom::client::parse_json(
      R"({"items":[{"resource":"memory","capacity_bytes":1000},{"resource":"cpu","capacity_cores":2}]})");
  for (const auto member : {&NeedsOptions::memory, &NeedsOptions::cpu, &NeedsOptions::gpus}) {
    NeedsOptions options;
    options.*member = text;
    if (const auto needs = needs_of(options, *room)) {
      for (const auto& [key, value] : *needs) {
        if (headroom::client::number(value, "").value_or(0) < 0) std::abort();
      }
    }
  }
  for (const char c : printable(text)) {
    if (c == '\x1b') std::abort();  // nothing of others may steer a terminal
  }
  return 0;
}
