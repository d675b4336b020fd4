// Documents described once: a table of fields for each type writes its JSON, and is its schema in
// the OpenAPI document. What is written and what is promised cannot differ.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/model.hpp>
#include <headroom/pressure.hpp>
#include <headroom/room.hpp>
#include <headroom/sample.hpp>
#include <headroom/units.hpp>

#include "serve/json.hpp"
#include "words/session.hpp"

namespace headroom::serve {

/// A JSON schema (draft 2020-12), before it is text.
struct Schema {
  std::string type;                     ///< "integer"; empty with `ref`, and for anything at all
  std::string ref;                      ///< name of a schema of the components
  std::vector<std::string_view> words;  ///< of a text that is one of these
  std::string more;                     ///< further members, commas between them
  bool null = false;                    ///< null is right too

  std::string text(std::string_view about = {}) const;
};

/// The schemas that have a name: components of the OpenAPI document. A name means one type.
class Schemas {
 public:
  /// False when it is there already; else it is reserved, and set() follows.
  bool begin(std::string_view name) { return all_.emplace(name, "").second; }
  void set(std::string_view name, std::string text) { all_[std::string(name)] = std::move(text); }
  const std::map<std::string, std::string>& all() const { return all_; }

 private:
  std::map<std::string, std::string> all_;
};

/// One field of a document: `get` is a member or a function of the type.
template <class Get>
struct Field {
  std::string_view name;
  std::string_view about;  ///< for readers of the reference; may be empty
  Get get;
};
template <class Get>
Field(std::string_view, std::string_view, Get) -> Field<Get>;

/// Specialised for each type that is a document: `name` ("" = no component of its own) and
/// `fields`, a tuple of Field.
template <class T>
struct Described;
template <class T>
concept Document = requires { Described<T>::fields; };

/// An empty text is null.
struct MaybeText {
  std::string_view text;
};
/// The same with a text of its own.
struct MaybeOwnText {
  std::string text;
};
/// A lease's id: "l-73"; 0 is null.
struct LeaseRef {
  LeaseId id = 0;
};
/// A field that is left out when it is empty.
template <class T>
struct LeftOut {
  std::optional<T> value;
};
/// An object whose keys are data.
template <class T>
struct Keyed {
  std::vector<std::pair<std::string, T>> items;
};
/// A number of seconds since the epoch, with thousandths.
struct EpochSeconds {
  WallTime at;
};

namespace shape {

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_left_out : std::false_type {};
template <class T>
struct is_left_out<LeftOut<T>> : std::true_type {};
template <class T>
struct is_keyed : std::false_type {};
template <class T>
struct is_keyed<Keyed<T>> : std::true_type {};
template <class T>
struct is_duration : std::false_type {};
template <class R, class P>
struct is_duration<std::chrono::duration<R, P>> : std::true_type {};
template <class T>
struct is_pair : std::false_type {};
template <class A, class B>
struct is_pair<std::pair<A, B>> : std::true_type {};
template <class T>
struct is_variant : std::false_type {};
template <class... T>
struct is_variant<std::variant<T...>> : std::true_type {};
template <class T>
concept List = !std::convertible_to<T, std::string_view> && requires(const T& list) {
  list.begin();
  list.end();
};

// The last word of an enumeration; its words are to_string() of all up to it.
template <class E>
inline constexpr E last = {};
template <>
inline constexpr Level last<Level> = Level::emergency;
template <>
inline constexpr Step last<Step> = Step::kill;
template <>
inline constexpr Resource last<Resource> = kLastResource;
template <>
inline constexpr Priority last<Priority> = Priority::critical;
template <>
inline constexpr LeaseState last<LeaseState> = LeaseState::draining;
template <>
inline constexpr ModelState last<ModelState> = ModelState::draining;
template <>
inline constexpr FreeStep::Outcome last<FreeStep::Outcome> = FreeStep::Outcome::skipped;
template <>
inline constexpr Answer last<Answer> = Answer::never;
template <>
inline constexpr SessionState last<SessionState> = SessionState::left;
template <>
inline constexpr ComponentState last<ComponentState> = ComponentState::unresponsive;
template <>
inline constexpr Decision::Outcome last<Decision::Outcome> = Decision::Outcome::shadow;
template <>
inline constexpr GpuState last<GpuState> = GpuState::lost;

template <class T>
using Got = std::remove_cvref_t<T>;
template <class T, class Get>
using FieldType = Got<std::invoke_result_t<const Get&, const T&>>;

}  // namespace shape

void write_lease_ref(Json& json, LeaseRef lease);
void write_epoch(Json& json, EpochSeconds time);

/// Writes a value, without a key.
template <class V>
void put(Json& json, const V& value) {
  using namespace shape;
  if constexpr (std::is_same_v<V, bool>) {
    json.boolean(value);
  } else if constexpr (std::is_enum_v<V>) {
    json.text(to_string(value));
  } else if constexpr (std::is_integral_v<V>) {
    if constexpr (std::is_unsigned_v<V>) {
      json.number(std::uint64_t{value});
    } else {
      json.number(std::int64_t{value});
    }
  } else if constexpr (std::is_floating_point_v<V>) {
    json.real(value);
  } else if constexpr (std::convertible_to<V, std::string_view>) {
    json.text(value);
  } else if constexpr (std::is_same_v<V, MaybeText> || std::is_same_v<V, MaybeOwnText>) {
    if (value.text.empty()) {
      json.null();
    } else {
      json.text(value.text);
    }
  } else if constexpr (std::is_same_v<V, LeaseRef>) {
    write_lease_ref(json, value);
  } else if constexpr (std::is_same_v<V, EpochSeconds>) {
    write_epoch(json, value);
  } else if constexpr (std::is_same_v<V, Bytes>) {
    json.number(value.count());
  } else if constexpr (std::is_same_v<V, Ratio> || std::is_same_v<V, Cores>) {
    json.real(value.value());
  } else if constexpr (std::is_same_v<V, WallTime>) {
    json.time(value);
  } else if constexpr (is_duration<V>::value) {
    if constexpr (std::ratio_greater_equal_v<typename V::period, std::ratio<1>>) {
      json.number(std::chrono::duration_cast<std::chrono::seconds>(value).count());
    } else {
      json.real(std::chrono::duration<double>(value).count());
    }
  } else if constexpr (is_optional<V>::value) {
    if (value) {
      put(json, *value);
    } else {
      json.null();
    }
  } else if constexpr (std::is_pointer_v<V>) {
    if (value != nullptr) {
      put(json, *value);
    } else {
      json.null();
    }
  } else if constexpr (is_variant<V>::value) {
    std::visit([&](const auto& one) { put(json, one); }, value);
  } else if constexpr (is_keyed<V>::value) {
    json.open();
    for (const auto& [key, item] : value.items) {
      json.any_key(key);
      put(json, item);
    }
    json.close();
  } else if constexpr (std::is_same_v<V, TimedValues>) {
    json.points(value);
  } else if constexpr (is_pair<V>::value) {
    json.list();
    put(json, value.first);
    put(json, value.second);
    json.end_list();
  } else if constexpr (List<V>) {
    json.list();
    for (const auto& item : value) put(json, item);
    json.end_list();
  } else {
    static_assert(Document<V>, "this type is not described");
    json.open();
    const auto one = [&](const auto& field) {
      const auto& got = std::invoke(field.get, value);
      if constexpr (is_left_out<Got<decltype(got)>>::value) {
        if (!got.value) return;
        json.key(field.name);
        put(json, *got.value);
      } else {
        json.key(field.name);
        put(json, got);
      }
    };
    std::apply([&](const auto&... field) { (one(field), ...); }, Described<V>::fields);
    json.close();
  }
}

/// The schema of a value; what has a name is added to `all`.
template <class V>
Schema schema_of(Schemas& all) {
  using namespace shape;
  const auto simple = [](const char* type, const char* more = "") {
    Schema schema;
    schema.type = type;
    schema.more = more;
    return schema;
  };
  if constexpr (std::is_same_v<V, bool>) {
    return simple("boolean");
  } else if constexpr (std::is_enum_v<V>) {
    Schema schema = simple("string");
    for (int i = 0; i <= static_cast<int>(last<V>); ++i) {
      schema.words.emplace_back(to_string(static_cast<V>(i)));
    }
    return schema;
  } else if constexpr (std::is_integral_v<V> || std::is_same_v<V, Bytes>) {
    return simple("integer", std::is_unsigned_v<V> ? R"("minimum":0)" : "");
  } else if constexpr (std::is_floating_point_v<V>) {
    return simple("number");
  } else if constexpr (std::convertible_to<V, std::string_view>) {
    return simple("string");
  } else if constexpr (std::is_same_v<V, MaybeText> || std::is_same_v<V, MaybeOwnText>) {
    Schema schema = simple("string");
    schema.null = true;
    return schema;
  } else if constexpr (std::is_same_v<V, LeaseRef>) {
    Schema schema = simple("string", R"("pattern":"^l-[0-9]+$")");
    schema.null = true;
    return schema;
  } else if constexpr (std::is_same_v<V, Ratio>) {
    return simple("number");
  } else if constexpr (std::is_same_v<V, Cores> || std::is_same_v<V, EpochSeconds>) {
    return simple("number");
  } else if constexpr (std::is_same_v<V, WallTime>) {
    return simple("string", R"("format":"date-time")");
  } else if constexpr (is_duration<V>::value) {
    return simple(std::ratio_greater_equal_v<typename V::period, std::ratio<1>> ? "integer"
                                                                                : "number");
  } else if constexpr (is_optional<V>::value) {
    Schema schema = schema_of<typename V::value_type>(all);
    schema.null = true;
    return schema;
  } else if constexpr (std::is_pointer_v<V>) {
    Schema schema = schema_of<std::remove_cv_t<std::remove_pointer_t<V>>>(all);
    schema.null = true;
    return schema;
  } else if constexpr (is_variant<V>::value) {
    Schema schema;
    const auto each = [&]<class... T>(const std::variant<T...>*) {
      ((schema.more += (schema.more.empty() ? "" : ",") + schema_of<T>(all).text()), ...);
    };
    each(static_cast<const V*>(nullptr));
    schema.more = R"("oneOf":[)" + schema.more + "]";
    return schema;
  } else if constexpr (is_keyed<V>::value) {
    using Item = typename decltype(V::items)::value_type::second_type;
    Schema schema = simple("object");
    schema.more = R"("additionalProperties":)" + schema_of<Item>(all).text();
    return schema;
  } else if constexpr (is_pair<V>::value) {
    Schema schema = simple("array");
    schema.more = R"("prefixItems":[)" + schema_of<typename V::first_type>(all).text() + "," +
                  schema_of<typename V::second_type>(all).text() +
                  R"(],"items":false,"minItems":2,"maxItems":2)";
    return schema;
  } else if constexpr (List<V>) {
    Schema schema = simple("array");
    schema.more = R"("items":)" + schema_of<typename V::value_type>(all).text();
    return schema;
  } else {
    static_assert(Document<V>, "this type is not described");
    Schema out;
    constexpr std::string_view name = Described<V>::name;
    if constexpr (!name.empty()) {
      out.ref = name;
      if (!all.begin(name)) return out;
    }
    std::string properties;
    std::string required;
    const auto one = [&](const auto& field) {
      using Type = FieldType<V, Got<decltype(field.get)>>;
      properties.append(properties.empty() ? "\"" : ",\"").append(field.name).append("\":");
      if constexpr (is_left_out<Type>::value) {
        using Inner = typename decltype(Type::value)::value_type;
        properties += schema_of<Inner>(all).text(field.about);
      } else {
        properties += schema_of<Type>(all).text(field.about);
        required.append(required.empty() ? "\"" : ",\"").append(field.name).append("\"");
      }
    };
    std::apply([&](const auto&... field) { (one(field), ...); }, Described<V>::fields);
    Schema object = simple("object");
    object.more = R"("properties":{)" + properties + R"(},"required":[)" + required +
                  R"(],"additionalProperties":false)";
    if constexpr (name.empty()) return object;
    all.set(name, object.text());
    return out;
  }
}

}  // namespace headroom::serve
