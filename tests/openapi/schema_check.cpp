#include <openapi/schema_check.hpp>

#include <algorithm>
#include <mutex>
#include <regex>
#include <set>

namespace headroom::openapi {
namespace {

namespace json = boost::json;

constexpr std::string_view kProblem = "application/problem+json";

bool has_type(const json::value& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_bool();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  if (type == "number") return value.is_number();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  return false;
}

bool has_one_type(const json::value& value, const json::value& types) {
  if (types.is_string()) return has_type(value, std::string_view(types.get_string()));
  const auto& all = types.as_array();
  return std::any_of(all.begin(), all.end(), [&](const json::value& type) {
    return has_type(value, std::string_view(type.as_string()));
  });
}

std::string shown(const json::value& value) {
  std::string text = json::serialize(value);
  if (text.size() > 120) text = text.substr(0, 120) + "…";
  return text;
}

std::string_view bare(std::string_view content_type) {
  return content_type.substr(0, content_type.find(';'));
}

// Whether a path is one of a form such as "/api/v1/leases/{id}/stream".
bool is_path(std::string_view form, std::string_view path, bool slashes) {
  const std::size_t variable = form.find('{');
  if (variable == std::string_view::npos) return form == path;
  const std::string_view stem = form.substr(0, variable);
  const std::string_view tail = form.substr(form.find('}') + 1);
  if (path.size() <= stem.size() + tail.size() || !path.starts_with(stem) ||
      !path.ends_with(tail)) {
    return false;
  }
  return slashes ||
         path.substr(0, path.size() - tail.size()).find('/', variable) == std::string_view::npos;
}

// Whether the variable of an operation's path may hold "/".
bool takes_slashes(const json::object& operation) {
  const json::value* parameters = operation.if_contains("parameters");
  if (parameters == nullptr) return false;
  const auto& all = parameters->as_array();
  return std::any_of(all.begin(), all.end(), [](const json::value& parameter) {
    return parameter.as_object().contains("x-slashes");
  });
}

}  // namespace

// libstdc++ fills a cache of the locale, unguarded, when it reads an expression.
static std::mutex regex_mutex;

void Contract::check(const json::value& value, const json::object& schema, const std::string& where,
                     std::vector<std::string>& out) const {
  const auto wrong = [&](const std::string& why) { out.push_back(where + ": " + why); };
  for (const auto& [word, rule] : schema) {
    const std::string_view name = word;
    if (name == "$ref") {
      const std::string_view target = rule.as_string();
      boost::system::error_code error;
      const json::value* found = openapi_.find_pointer(target.substr(1), error);
      if (found == nullptr) {
        wrong("there is no schema " + std::string(target));
      } else {
        check(value, found->as_object(), where, out);
      }
    } else if (name == "type") {
      if (!has_one_type(value, rule)) wrong(shown(value) + " is no " + shown(rule));
    } else if (name == "enum") {
      const auto& all = rule.as_array();
      if (std::find(all.begin(), all.end(), value) == all.end()) {
        wrong(shown(value) + " is none of " + shown(rule));
      }
    } else if (name == "const") {
      if (value != rule) wrong(shown(value) + " is not " + shown(rule));
    } else if (name == "oneOf") {
      int right = 0;
      std::vector<std::string> inner;
      for (const json::value& one : rule.as_array()) {
        std::vector<std::string> mistakes;
        check(value, one.as_object(), where, mistakes);
        if (mistakes.empty()) ++right;
        inner.insert(inner.end(), mistakes.begin(), mistakes.end());
      }
      if (right != 1) {
        wrong("fits " + std::to_string(right) + " of the alternatives");
        out.insert(out.end(), inner.begin(), inner.end());
      }
    } else if (name == "properties") {
      if (!value.is_object()) continue;
      for (const auto& [key, one] : rule.as_object()) {
        if (const json::value* member = value.get_object().if_contains(key)) {
          check(*member, one.as_object(), where + "." + std::string(key), out);
        }
      }
    } else if (name == "required") {
      if (!value.is_object()) continue;
      for (const json::value& key : rule.as_array()) {
        if (!value.get_object().contains(key.as_string())) {
          wrong(std::string(key.as_string()) + " is missing");
        }
      }
    } else if (name == "additionalProperties") {
      if (!value.is_object()) continue;
      const json::value* properties = schema.if_contains("properties");
      for (const auto& [key, member] : value.get_object()) {
        if (properties != nullptr && properties->as_object().contains(key)) continue;
        if (rule.is_object()) {
          check(member, rule.get_object(), where + "." + std::string(key), out);
        } else if (!rule.as_bool()) {
          wrong(std::string(key) + " is not described");
        }
      }
    } else if (name == "items") {
      if (!value.is_array()) continue;
      const json::value* prefix = schema.if_contains("prefixItems");
      const std::size_t from = prefix != nullptr ? prefix->as_array().size() : 0;
      const auto& all = value.get_array();
      for (std::size_t i = from; i < all.size(); ++i) {
        const std::string at = where + "[" + std::to_string(i) + "]";
        if (rule.is_object()) {
          check(all[i], rule.get_object(), at, out);
        } else if (!rule.as_bool()) {
          out.push_back(at + ": it is one too many");
        }
      }
    } else if (name == "prefixItems") {
      if (!value.is_array()) continue;
      const auto& all = value.get_array();
      const auto& rules = rule.as_array();
      for (std::size_t i = 0; i < std::min(all.size(), rules.size()); ++i) {
        check(all[i], rules[i].as_object(), where + "[" + std::to_string(i) + "]", out);
      }
    } else if (name == "minItems") {
      if (value.is_array() && value.get_array().size() < rule.to_number<std::size_t>()) {
        wrong("too few items");
      }
    } else if (name == "maxItems") {
      if (value.is_array() && value.get_array().size() > rule.to_number<std::size_t>()) {
        wrong("too many items");
      }
    } else if (name == "minProperties") {
      if (value.is_object() && value.get_object().size() < rule.to_number<std::size_t>()) {
        wrong("too few members");
      }
    } else if (name == "maxProperties") {
      if (value.is_object() && value.get_object().size() > rule.to_number<std::size_t>()) {
        wrong("too many members");
      }
    } else if (name == "minimum") {
      if (value.is_number() && value.to_number<double>() < rule.to_number<double>()) {
        wrong(shown(value) + " is less than " + shown(rule));
      }
    } else if (name == "maximum") {
      if (value.is_number() && value.to_number<double>() > rule.to_number<double>()) {
        wrong(shown(value) + " is more than " + shown(rule));
      }
    } else if (name == "maxLength") {
      if (value.is_string() && value.get_string().size() > rule.to_number<std::size_t>()) {
        wrong("too long");
      }
    } else if (name == "pattern") {
      if (!value.is_string()) continue;
      const std::string text(value.get_string());
      const std::lock_guard alone(regex_mutex);
      if (!std::regex_search(text, std::regex(std::string(rule.as_string())))) {
        wrong(shown(value) + " is not like " + shown(rule));
      }
    } else if (name == "format") {
      const std::lock_guard alone(regex_mutex);
      static const std::regex kTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)");
      if (rule != "date-time") {
        wrong("the checker knows no format " + shown(rule));
      } else if (value.is_string() && !std::regex_match(std::string(value.get_string()), kTime)) {
        wrong(shown(value) + " is no time");
      }
    } else if (name != "description" && name != "default" && name != "example") {
      wrong("the checker does not know " + std::string(name));
    }
  }
}

std::vector<std::string> Contract::mistakes(const json::value& value,
                                            std::string_view schema) const {
  std::vector<std::string> out;
  json::object ref;
  ref["$ref"] = "#/components/schemas/" + std::string(schema);
  check(value, ref, std::string(schema), out);
  return out;
}

const json::object* Contract::find_operation(std::string_view method, std::string_view path) const {
  std::string word(method == "HEAD" ? "GET" : method);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [key, item] : openapi_.at("paths").as_object()) {
    const json::value* operation = item.as_object().if_contains(word);
    if (!is_path(key, path, operation != nullptr && takes_slashes(operation->as_object()))) {
      continue;
    }
    return operation != nullptr ? &operation->as_object() : nullptr;
  }
  return nullptr;
}

std::vector<std::string> Contract::mistakes(std::string_view method, std::string_view target,
                                            int status, std::string_view content_type,
                                            std::string_view body) const {
  std::vector<std::string> out;
  const std::string where = std::string(method) + " " + std::string(target) + " " +
                            std::to_string(status) + " " + std::string(content_type);
  const std::string_view path = target.substr(0, target.find('?'));
  const json::object* operation = find_operation(method, path);
  const json::value* response = nullptr;
  if (operation != nullptr) {
    const auto& responses = operation->at("responses").as_object();
    response = responses.if_contains(std::to_string(status));
    if (response == nullptr && status >= 400) response = responses.if_contains("default");
    if (response == nullptr) return {where + ": the status is not described"};
  } else if (status < 400) {
    // Files of pages are not operations; anything else that is would be a gap.
    if (path.starts_with("/assets/") || path.starts_with("/docs/") || path.ends_with(".html")) {
      return {};
    }
    return {where + ": the path or method is not described"};
  }
  const json::object* schema = nullptr;
  json::object problem;
  if (response != nullptr) {
    const json::value* content = response->as_object().if_contains("content");
    if (content == nullptr) {
      if (!body.empty()) out.push_back(where + ": there is a body, and none is described");
      return out;
    }
    const json::value* media = content->as_object().if_contains(bare(content_type));
    if (media == nullptr) return {where + ": the content type is not described"};
    schema = &media->at("schema").as_object();
  } else {
    if (bare(content_type) != kProblem) return {where + ": this is no problem"};
    problem["$ref"] = "#/components/schemas/Problem";
    schema = &problem;
  }
  if (method == "HEAD") return out;
  json::value value;
  if (bare(content_type).ends_with("json")) {
    boost::system::error_code error;
    value = json::parse(body, error);
    if (error) return {where + ": the body is no JSON: " + error.message()};
  } else {
    value = json::string(body);
  }
  check(value, *schema, where, out);
  return out;
}

}  // namespace headroom::openapi
