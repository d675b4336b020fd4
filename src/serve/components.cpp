#include "serve/components.hpp"

#include <algorithm>
#include <string>

#include "serve/documents.hpp"
#include "serve/handlers.hpp"
#include "serve/problem.hpp"

namespace headroom::serve {
namespace {

constexpr std::size_t kShown = 64;
constexpr std::size_t kUsualDecisions = 20;

}  // namespace

const ComponentView* find_component(const View& view, std::string_view name) {
  const auto found = std::find_if(view.components.begin(), view.components.end(),
                                  [&](const auto& one) { return one.component.name == name; });
  return found == view.components.end() ? nullptr : &*found;
}

http::Response no_component(std::string_view name) {
  return refuse(ErrorKind::not_found,
                "there is no component " + std::string(name.substr(0, kShown)), "",
                "headroom component lists them");
}

http::Response get_components(const Call& call) {
  return document([&](Json& json) { write_components(json, *call.backend.view()); });
}

http::Response get_component(const Call& call) {
  const auto view = call.backend.view();
  const ComponentView* found = find_component(*view, call.item);
  if (found == nullptr) return no_component(call.item);
  return document([&](Json& json) { write_component(json, *found); });
}

http::Response get_quota(const Call& call) {
  const auto view = call.backend.view();
  const ComponentView* found = find_component(*view, call.item);
  if (found == nullptr) return no_component(call.item);
  return document([&](Json& json) { write_quota(json, *found); });
}

http::Response get_allocations(const Call& call) {
  // "-" is nobody's name: all of them.
  const bool all = call.item == "-";
  if (!all && find_component(*call.backend.view(), call.item) == nullptr) {
    return no_component(call.item);
  }
  const auto limit = static_cast<std::size_t>(
      call.arguments.whole("limit").value_or(static_cast<std::int64_t>(kUsualDecisions)));
  const auto decisions = call.backend.decisions(all ? "" : call.item, limit);
  return document([&](Json& json) { write_decisions(json, decisions); });
}

}  // namespace headroom::serve
