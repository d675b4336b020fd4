#include "cli/cells.hpp"

#include <cmath>

#include "cli/units.hpp"

namespace headroom::cli {

std::string bytes_cell(const Style& style, std::optional<std::int64_t> bytes) {
  if (!bytes) return kNone;
  return style.bytes ? std::to_string(*bytes) : show_bytes(*bytes);
}

std::string number_cell(const Style& style, std::optional<double> value, int digits) {
  if (!value) return kNone;
  return show_number(*value, style.bytes ? 3 : digits);
}

std::string amount_cell(const Style& style, std::optional<double> amount, const std::string& unit) {
  if (!amount) return kNone;
  if (style.bytes) return show_plain(*amount, 3);
  auto text = show_plain(*amount, std::abs(*amount) < 100 ? 1 : 0);
  if (unit.empty()) return text;
  return text + (unit == "1/s" ? "/s" : " " + printable(unit));
}

std::string money_cell(std::optional<double> amount) {
  if (!amount) return kNone;
  // Of little the first two figures.
  return show_plain(*amount, std::abs(*amount) < 0.1 && *amount != 0 ? 4 : 2);
}

std::string since_cell(const Style& style, const std::string& time) {
  if (style.bytes) return time.empty() ? kNone : printable(time);
  const auto at = parse_time(time);
  return at ? show_span(style.now - *at) : kNone;
}

std::string text_cell(const std::string& text) { return text.empty() ? kNone : printable(text); }

std::string device_name(const client::json::value& room, const std::string& device) {
  if (device.empty()) return {};
  for (const auto& item : client::list(room)) {
    if (client::text(item, "device") == device) return printable(client::text(item, "name"));
  }
  return printable(device.size() > 12 ? device.substr(0, 12) + "…" : device);
}

std::string short_model(const std::string& model) {
  constexpr std::string_view kMaker = "NVIDIA ";
  return printable(model.starts_with(kMaker) ? model.substr(kMaker.size()) : model);
}

std::string gpu_indices(const client::json::value& lease) {
  std::string all;
  for (const auto& device : client::list(lease, "devices")) {
    const auto index = client::whole(device, "gpu_index");
    all += (all.empty() ? "" : ",") + (index ? std::to_string(*index) : std::string("?"));
  }
  const auto index = client::whole(lease, "gpu_index");
  return all.empty() && index ? std::to_string(*index) : all;
}

std::string lease_name(const client::json::value& lease) {
  const auto id = client::text(lease, "id");
  const auto name = client::text(lease, "name");
  return printable(name.empty() || name == id ? id : name + " (" + id + ")");
}

}  // namespace headroom::cli
