#include "serve/models.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "serve/json.hpp"

namespace headroom::serve {
namespace {

constexpr std::size_t kLongestName = 200;
constexpr std::size_t kShown = 64;
constexpr std::size_t kCompared = 2000;  // models that a wrong name is held against

bool printable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7F) return false;
    const std::size_t length = c < 0x80 ? 1 : utf8_sequence(text.substr(i));
    if (length == 0) return false;
    i += length;
  }
  return true;
}

}  // namespace

const ModelView* find_model(const View& view, std::string_view name) {
  const auto found = std::find_if(view.models.begin(), view.models.end(),
                                  [&](const ModelView& m) { return m.model.name == name; });
  return found == view.models.end() ? nullptr : &*found;
}

http::Response no_model(const View& view, std::string_view name) {
  std::vector<std::string_view> names;
  for (const ModelView& model : view.models) {
    if (names.size() == kCompared) break;
    names.push_back(model.model.name);
  }
  const std::string_view like = nearest(name, names);
  return refuse(ErrorKind::not_found, "there is no model " + std::string(name.substr(0, kShown)),
                "nobody told of it, and no engine has it",
                like.empty() ? "GET /api/v1/models lists them; PUT tells of one"
                             : "did you mean " + std::string(like) + "?");
}

std::optional<http::Response> bad_model_name(std::string_view name) {
  const auto wrong = [](const char* why) {
    return refuse(ErrorKind::invalid_request, "that is no name of a model", why);
  };
  if (name.empty()) return wrong("it is empty");
  if (name.size() > kLongestName) return wrong("it has more than 200 bytes");
  if (!printable(name)) return wrong("it is to be printable UTF-8");
  return std::nullopt;
}

}  // namespace headroom::serve
