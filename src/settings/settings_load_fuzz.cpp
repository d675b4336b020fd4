// A configuration file of any content: it is refused with reasons, or what was understood is shown
// in a form that is understood in the same way again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "settings/settings.hpp"

namespace {

std::string as_toml(const headroom::settings::Loaded& loaded) {
  std::string text;
  for (const headroom::Setting& setting : loaded.settings) {
    text += setting.key + " = " + setting.value + "\n";
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom::settings;
  // NOLINTNEXTLINE: bytes as the characters they are
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = load_text(text, "file");
  if (!loaded) {
    if (loaded.error().why.empty() || loaded.error().why.size() > 20'000) std::abort();
    return 0;
  }
  const std::string shown = as_toml(*loaded);
  const auto again = load_text(shown, "shown");
  if (!again || as_toml(*again) != shown) std::abort();
  return 0;
}
