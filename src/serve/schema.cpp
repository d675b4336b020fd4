#include "serve/schema.hpp"

#include <charconv>
#include <cstdio>

namespace headroom::serve {

std::string Schema::text(std::string_view about) const {
  std::string out;
  Json json(out);
  json.open();
  if (!ref.empty()) {
    const std::string target = "#/components/schemas/" + ref;
    if (!null) {
      json.text("$ref", target);
    } else {
      json.list("oneOf").open().text("$ref", target).close();
      json.open().text("type", "null").close().end_list();
    }
  } else if (!type.empty()) {
    if (null) {
      json.list("type").text(type).text("null").end_list();
    } else {
      json.text("type", type);
    }
  }
  if (!words.empty()) {
    json.list("enum");
    for (const std::string_view word : words) json.text(word);
    if (null) json.null();
    json.end_list();
  }
  if (!about.empty()) json.text("description", about);
  if (!more.empty() && out.size() > 1) out += ',';
  out += more;
  json.close();
  return out;
}

void write_lease_ref(Json& json, LeaseRef lease) {
  if (lease.id == 0) {
    json.null();
    return;
  }
  char text[24] = "l-";
  const auto [end, error] = std::to_chars(text + 2, text + sizeof text, lease.id);
  (void)error;  // 20 digits are the most
  json.text(std::string_view(text, static_cast<std::size_t>(end - text)));
}

void write_epoch(Json& json, EpochSeconds time) {
  // Seven digits, as other numbers here have, would not do.
  char text[32];
  const double seconds = std::chrono::duration<double>(time.at.time_since_epoch()).count();
  const int length = std::snprintf(text, sizeof text, "%.3f", seconds);
  json.raw(std::string_view(text, static_cast<std::size_t>(length)));
}

}  // namespace headroom::serve
