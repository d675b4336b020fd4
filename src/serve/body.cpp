#include "serve/body.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <iterator>
#include <span>

#include <boost/json.hpp>

#include "serve/documents.hpp"
#include "serve/operation.hpp"
#include "serve/schema.hpp"

namespace headroom::serve {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestText = 256;
constexpr std::size_t kLongestPath = 1024;
constexpr std::size_t kLongestModel = 200;
constexpr std::size_t kLongestFolder = 255;
constexpr double kLargestPid = 1 << 30;
// Amounts and times above this are mistakes, and sums of them must not overflow.
constexpr double kLargest = 4e18;
constexpr double kLongestWait = 10.0 * 365 * 86400;
constexpr double kLongestMute = 30.0 * 86400;
constexpr double kLargestAsk = 9007199254740992;  // a double counts no further
constexpr double kLongestLoad = 86400;
constexpr double kLongestCleanup = 3600;
constexpr std::size_t kMostSettings = 100;
constexpr std::size_t kLongestSetting = 4096;

tl::unexpected<Error> refuse(std::string what, std::string why = {}, std::string help = {}) {
  return fail(ErrorKind::invalid_request, std::move(what), std::move(why), std::move(help));
}

std::string in_words(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.16g", number);
  return text;
}

// Walks an object's fields; the first thing that is wrong is kept and stops the rest.
class Fields {
 public:
  Fields(const json::object& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  const json::value* find(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    if (value != nullptr) ++seen_;
    return value;
  }
  void text(std::string_view name, std::string& out, std::size_t longest = kLongestText) {
    const json::value* value = find(name);
    if (value == nullptr || value->is_null()) return;
    if (!value->is_string()) return wrong(name, "a text is wanted");
    const std::string_view given = value->get_string();
    if (given.size() > longest) {
      return wrong(name, "at most " + std::to_string(longest) + " bytes");
    }
    for (const char c : given) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        return wrong(name, "control characters are not allowed");
      }
    }
    out = given;
  }
  /// Words for people: what would not be shown is a blank, and what is too long is cut. An answer
  /// is not lost because of how it is worded.
  void words(std::string_view name, std::string& out) {
    const json::value* value = find(name);
    if (value == nullptr || value->is_null()) return;
    if (!value->is_string()) return wrong(name, "a text is wanted");
    const std::string_view given = value->get_string();
    out = given.substr(0, kLongestText);
    // Not within a character of several bytes.
    while (out.size() < given.size() && !out.empty() && (out.back() & 0xC0) == 0x80) out.pop_back();
    if (out.size() < given.size() && !out.empty() && (out.back() & 0x80) != 0) out.pop_back();
    for (char& c : out) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    }
  }
  void boolean(std::string_view name, bool& out) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_bool()) return wrong(name, "true or false is wanted");
    out = value->get_bool();
  }
  /// A number in [least, most], or null; empty when absent or null.
  std::optional<double> number(std::string_view name, double least, double most,
                               bool* given_null = nullptr) {
    const json::value* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_null()) {
      if (given_null != nullptr) *given_null = true;
      return std::nullopt;
    }
    double number = 0;
    if (value->is_int64()) {
      number = static_cast<double>(value->get_int64());
    } else if (value->is_uint64()) {
      number = static_cast<double>(value->get_uint64());
    } else if (value->is_double()) {
      number = value->get_double();
    } else {
      wrong(name, "a number is wanted");
      return std::nullopt;
    }
    if (!std::isfinite(number) || number < least || number > most) {
      wrong(name, "it is to be " + in_words(least) + " to " + in_words(most));
      return std::nullopt;
    }
    return number;
  }
  /// A number without a fraction.
  std::optional<std::int64_t> whole(std::string_view name, double least, double most,
                                    bool* given_null = nullptr) {
    const auto value = number(name, least, most, given_null);
    if (!value) return std::nullopt;
    if (*value == std::trunc(*value)) return static_cast<std::int64_t>(*value);
    wrong(name, "a whole number is wanted");
    return std::nullopt;
  }
  void bytes(std::string_view name, std::optional<Bytes>& out) {
    if (const auto value = whole(name, 1, kLargest)) out = Bytes(*value);
  }
  template <class Duration>
  void seconds(std::string_view name, std::optional<Duration>& out, double least) {
    if (const auto value = number(name, least, kLongestWait)) {
      out = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*value));
    }
  }
  /// true or false; empty when absent.
  std::optional<bool> maybe_boolean(std::string_view name) {
    if (object_.if_contains(name) == nullptr) return std::nullopt;
    bool value = false;
    boolean(name, value);
    return value;
  }
  /// The name of a model; "" when absent.
  void model(std::string_view name, std::string& out) {
    text(name, out);
    if (out.size() > kLongestModel) wrong(name, "at most 200 bytes");
  }
  /// A device: UUID or index.
  void device(std::string_view name, std::string& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || !value->is_int64()) return text(name, out);
    ++seen_;
    out = std::to_string(value->get_int64());
  }
  void wrong(std::string_view name, std::string why) {
    if (!error_) {
      error_ = Error{ErrorKind::invalid_request,
                     "field " + where_ + std::string(name) + " is not right", std::move(why), ""};
    }
  }
  /// The same with an error of its own.
  void refuse(Error error) {
    if (!error_) error_ = std::move(error);
  }
  /// The first thing that was wrong; a field that nobody asked for is.
  Result<void> done(std::initializer_list<std::string_view> known) {
    return done(std::span(known.begin(), known.size()));
  }
  Result<void> done(std::span<const std::string_view> known) {
    if (!error_ && seen_ != object_.size()) {
      for (const auto& [key, value] : object_) {
        bool ours = false;
        for (const std::string_view name : known) ours = ours || name == std::string_view(key);
        if (ours) continue;
        std::string all;
        for (const std::string_view name : known) all.append(all.empty() ? "" : ", ").append(name);
        error_ = Error{ErrorKind::invalid_request,
                       "unknown field " + where_ + std::string(std::string_view(key).substr(0, 64)),
                       "known here: " + all, ""};
        break;
      }
    }
    if (error_) return tl::unexpected(*error_);
    return {};
  }

 private:
  const json::object& object_;
  std::string where_;
  std::size_t seen_ = 0;
  std::optional<Error> error_;
};

// A body is small: it is parsed into a buffer on the stack.
class Body {
 public:
  Body()
      : storage_(buffer_, sizeof buffer_),
        value_(&storage_) {}  // with other storage it would be copied
  Result<const json::object*> read(std::string_view text) {
    if (text.empty()) return refuse("the body is empty", "a JSON object is wanted");
    json::parse_options options;
    options.max_depth = 8;
    boost::system::error_code error;
    value_ = json::parse(text, error, &storage_, options);
    if (error) return refuse("the body is no JSON", error.message());
    if (!value_.is_object()) return refuse("the body is no JSON object");
    return &value_.get_object();
  }

 private:
  unsigned char buffer_[2048];
  json::monotonic_resource storage_;
  json::value value_;
};

Result<Needs> read_needs(const json::value* value) {
  if (value == nullptr || !value->is_object()) {
    return refuse("field needs is not right", "an object with amounts is wanted",
                  R"({"needs":{"memory_bytes":1073741824}})");
  }
  Needs needs;
  Fields fields(value->get_object(), "needs.");
  fields.bytes("memory_bytes", needs.memory);
  fields.bytes("gpu_memory_bytes", needs.gpu_memory);
  fields.bytes("disk_bytes", needs.disk);
  if (const auto cores = fields.number("cpu_cores", 0.001, 1e6)) {
    needs.cpu = Cores(std::llround(*cores * 1000));
  }
  fields.text("disk_path", needs.disk_path);
  if (const auto gpus = fields.whole("gpus", 0, 64)) needs.gpus = static_cast<int>(*gpus);
  fields.device("gpu", needs.gpu);
  if (const auto compute = fields.number("compute", 0, 100)) needs.compute = *compute;
  if (auto done = fields.done({"memory_bytes", "gpu_memory_bytes", "cpu_cores", "disk_bytes",
                               "disk_path", "gpus", "gpu", "compute"});
      !done) {
    return tl::unexpected(done.error());
  }
  return needs;
}

// Absent, null and {} all mean: what the name has needed before.
bool is_empty(const json::value* needs) {
  return needs == nullptr || needs->is_null() ||
         (needs->is_object() && needs->get_object().empty());
}

void read_holder(Fields& fields, HolderField& holder) {
  const json::value* value = fields.find("holder");
  if (value == nullptr || value->is_null()) return;
  holder.given = true;
  if (!value->is_object()) {
    return fields.wrong("holder", R"(an object such as {"pid":4121} is wanted)");
  }
  Fields inner(value->get_object(), "holder.");
  bool null = false;
  if (const auto pid = inner.whole("pid", 1, 1 << 30, &null)) {
    holder.pid = static_cast<pid_t>(*pid);
  }
  int others = 0;
  constexpr std::pair<const char*, GroupName::By> kGroups[] = {
      {"cgroup", GroupName::By::path},
      {"unit", GroupName::By::unit},
      {"container", GroupName::By::container}};
  for (const auto& [name, by] : kGroups) {
    std::string text;
    inner.text(name, text, by == GroupName::By::path ? kLongestPath : kLongestText);
    if (text.empty()) continue;
    ++others;
    holder.group = GroupName{by, std::move(text)};
  }
  if (auto done = inner.done({"pid", "cgroup", "unit", "container"}); !done) {
    return fields.refuse(done.error());
  }
  if (others + (null || holder.pid ? 1 : 0) != 1) {
    fields.wrong("holder", R"(one of pid, cgroup, unit and container is wanted: {"pid":4121})");
  }
}

void read_priority(Fields& fields, Priority& out) {
  std::string word;
  fields.text("priority", word);
  if (word.empty()) return;
  for (const Priority one : {Priority::low, Priority::normal, Priority::high, Priority::critical}) {
    if (word == to_string(one)) {
      out = one;
      return;
    }
  }
  fields.wrong("priority", "low, normal, high or critical is wanted");
}

// What PUT and PATCH of a model share. What is absent stays as it is; a hook of null is nobody.
void read_model_keeping(const json::object& object, Fields& fields, AskModel& ask) {
  ask.pinned = fields.maybe_boolean("pinned");
  if (object.if_contains("hook") != nullptr) {
    std::string name;
    fields.text("hook", name);
    ask.hook = std::move(name);
  }
  if (const json::value* priority = object.if_contains("priority");
      priority != nullptr && !priority->is_null()) {
    Priority given = Priority::normal;
    read_priority(fields, given);
    ask.priority = given;
  } else {
    (void)fields.find("priority");
  }
}

}  // namespace

Result<AskFit> parse_fit(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskFit ask;
  Fields fields(**object, "");
  const json::value* needs = fields.find("needs");
  ask.has_needs = !is_empty(needs);
  if (ask.has_needs) {
    auto read = read_needs(needs);
    if (!read) return tl::unexpected(read.error());
    ask.needs = std::move(*read);
  }
  fields.text("name", ask.name);
  fields.model("model", ask.model);
  fields.text("config", ask.config);
  fields.boolean("spread", ask.spread);
  fields.seconds("for_seconds", ask.expected, 1);
  read_priority(fields, ask.priority);
  if (auto done =
          fields.done({"needs", "name", "model", "config", "priority", "spread", "for_seconds"});
      !done) {
    return tl::unexpected(done.error());
  }
  return ask;
}

Result<AskLease> parse_lease(std::string_view text, HolderField& holder) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskLease ask;
  Fields fields(**object, "");
  const json::value* needs = fields.find("needs");
  ask.has_needs = !is_empty(needs);
  if (ask.has_needs) {
    auto read = read_needs(needs);
    if (!read) return tl::unexpected(read.error());
    ask.needs = std::move(*read);
  }
  fields.text("name", ask.name);
  fields.model("model", ask.model);
  fields.text("config", ask.config);
  fields.boolean("use", ask.use);
  read_priority(fields, ask.priority);
  fields.boolean("spread", ask.spread);
  bool for_ever = false;
  ask.wait = std::chrono::milliseconds(0);
  if (const auto wait = fields.number("wait_seconds", 0, kLongestWait, &for_ever)) {
    ask.wait = std::chrono::milliseconds(std::llround(*wait * 1000));
  }
  if (for_ever) ask.wait.reset();
  std::string starts;
  fields.text("starts_at", starts);
  if (!starts.empty()) {
    // As we write it: 2026-11-23T08:00:00Z, or with parts of a second, which are left out.
    const bool form =
        starts.size() >= 20 && starts[4] == '-' && starts[7] == '-' && starts[10] == 'T' &&
        starts[13] == ':' && starts[16] == ':' &&
        (starts.size() == 20 || (starts[19] == '.' && starts.size() > 21 &&
                                 starts.find_first_not_of("0123456789", 20) == starts.size() - 1));
    if (form) ask.starts = parse_since(starts, WallTime());
    if (!ask.starts) fields.wrong("starts_at", "a time such as 2026-11-23T08:00:00Z is wanted");
    // Who names a time means to wait for it.
    if (fields.find("wait_seconds") == nullptr) ask.wait.reset();
  }
  fields.seconds("for_seconds", ask.expected, 1);
  std::optional<std::chrono::seconds> ttl;
  fields.seconds("ttl_seconds", ttl, 0);
  ask.ttl = ttl.value_or(std::chrono::seconds(0));
  fields.boolean("fence", ask.fence);
  fields.boolean("enforce", ask.enforce);
  fields.boolean("group", ask.group);
  fields.boolean("return_idle", ask.return_idle);
  std::string parent;
  fields.text("parent", parent);
  if (!parent.empty()) {
    ask.parent = parse_lease_id(parent);
    if (ask.parent == 0) fields.wrong("parent", "a lease id such as l-73 is wanted");
  }
  read_holder(fields, holder);
  if (ask.use && ask.model.empty()) fields.wrong("use", "it names no model that would be used");
  if (ask.use && ask.has_needs) fields.wrong("use", "a use books nothing: leave needs out");
  if (auto done = fields.done({"name", "needs", "model", "config", "use", "priority", "spread",
                               "wait_seconds", "for_seconds", "ttl_seconds", "holder", "parent",
                               "starts_at", "fence", "enforce", "group", "return_idle"});
      !done) {
    return tl::unexpected(done.error());
  }
  ask.group = ask.group || ask.fence || ask.enforce;
  return ask;
}

Result<AskChange> parse_change(std::string_view text, HolderField& holder) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskChange ask;
  Fields fields(**object, "");
  if (const json::value* needs = fields.find("needs")) {
    auto read = read_needs(needs);
    if (!read) return tl::unexpected(read.error());
    ask.needs = std::move(*read);
  }
  fields.seconds("ttl_seconds", ask.ttl, 0);
  fields.seconds("for_seconds", ask.expected, 1);
  if (const auto status = fields.whole("exit_status", 0, 0xFFFF)) {
    ask.exit_status = static_cast<int>(*status);
  }
  fields.bytes("failed_gpu_memory_bytes", ask.failed_gpu_memory);
  bool returns = false;
  if ((*object)->if_contains("return_idle") != nullptr) {
    fields.boolean("return_idle", returns);
    ask.return_idle = returns;
  }
  read_holder(fields, holder);
  if (holder.given && !holder.pid) {
    fields.wrong("holder", "a process is wanted: only to one is a lease handed over");
  }
  if (auto done = fields.done({"needs", "ttl_seconds", "for_seconds", "exit_status", "holder",
                               "return_idle", "failed_gpu_memory_bytes"});
      !done) {
    return tl::unexpected(done.error());
  }
  const bool other =
      ask.needs || ask.ttl || ask.expected || ask.exit_status || ask.return_idle || holder.given;
  if (!other && !ask.failed_gpu_memory) {
    return refuse("nothing is to be changed", "the body names no field");
  }
  if (other && ask.failed_gpu_memory) {
    return refuse("a failed allocation is told by itself",
                  "failed_gpu_memory_bytes stands beside other fields");
  }
  return ask;
}

namespace {

constexpr double kLargestAmount = 1e9;   // in the unit of a setter
constexpr double kLargestBuffer = 1000;  // percent

/// "cpu_percent", "min_cpu_percent", "max_cpu_percent" and so on; null takes it back.
void read_amounts(Fields& fields, QuotaChange& quota) {
  for (const Allotted what : kAllAllotted) {
    const AllottedFacts facts = facts_of(what);
    const auto read = [&](const std::string& name, std::optional<std::int64_t>& out) {
      bool null = false;
      if (const auto value = fields.number(name, 0, kLargestAmount, &null)) {
        out = std::llround(*value * facts.scale);
      }
      if (null) out = 0;
    };
    auto& part = quota.parts[index_of(what)];
    const std::string setter(facts.setter);
    read(setter, part.amount);
    read("min_" + setter, part.least);
    read("max_" + setter, part.most);
  }
}

constexpr std::string_view kQuotaFields[] = {
    "cpu_percent",   "min_cpu_percent", "max_cpu_percent", "memory_mb",
    "min_memory_mb", "max_memory_mb",   "disk_iops",       "min_disk_iops",
    "max_disk_iops", "network_mb",      "min_network_mb",  "max_network_mb",
    "priority",      "enforce",         "buffer_percent",  "during"};

void read_quota(const json::object& object, Fields& fields, QuotaChange& quota) {
  read_amounts(fields, quota);
  if (object.if_contains("priority") != nullptr) {
    Priority priority = Priority::normal;
    read_priority(fields, priority);
    quota.priority = priority;
  }
  quota.enforce = fields.maybe_boolean("enforce");
  bool null = false;
  if (const auto buffer = fields.number("buffer_percent", 0, kLargestBuffer, &null)) {
    quota.buffer = *buffer / 100;
  }
  if (null) quota.buffer = -1;
  fields.text("during", quota.during);
}

void read_values(Fields& fields, std::string_view name, std::map<std::string, double>& out) {
  const json::value* values = fields.find(name);
  if (values == nullptr || values->is_null()) return;
  if (!values->is_object() || values->get_object().size() > kMostSetters) {
    return fields.wrong(name, "an object of at most 16 numbers is wanted");
  }
  for (const auto& [key, value] : values->get_object()) {
    if (key.size() > kLongestText || !value.is_number()) {
      return fields.wrong(name, "an object of numbers is wanted");
    }
    const double number = value.to_number<double>();
    if (!std::isfinite(number)) return fields.wrong(name, "it is out of range");
    out.emplace(std::string(key), number);
  }
}

void read_used(Fields& fields, AskComponent& ask) {
  std::map<std::string, double> used;
  read_values(fields, "used", used);
  for (const auto& [name, value] : used) {
    bool known = false;
    for (const Allotted what : kAllAllotted) {
      if (facts_of(what).setter != name) continue;
      known = true;
      if (value < 0 || value > kLargestAmount) return fields.wrong("used", "it is out of range");
      ask.used[index_of(what)] = std::llround(value * facts_of(what).scale);
    }
    if (!known) {
      return fields.wrong("used", "cpu_percent, memory_mb, disk_iops and network_mb are known");
    }
  }
}

std::optional<Setter> read_setter(const json::value& value, Fields& outer) {
  Setter setter;
  if (value.is_string()) {
    setter.name = std::string_view(value.get_string());
    return setter;
  }
  if (!value.is_object()) {
    outer.wrong("setters", "names, or objects such as {\"name\":\"batch_size\"} are wanted");
    return {};
  }
  Fields fields(value.get_object(), "setters.");
  fields.text("name", setter.name);
  fields.text("unit", setter.unit);
  setter.least = fields.number("least", -1e12, 1e12).value_or(0);
  setter.most = fields.number("most", -1e12, 1e12).value_or(0);
  setter.whole = fields.maybe_boolean("whole").value_or(true);
  std::string follows;
  fields.text("follows", follows);
  // What usually takes more of the one or of the other.
  setter.follows = setter.name == "concurrent_operations" ? Allotted::cpu : Allotted::memory;
  bool known = follows.empty();
  for (const Allotted what : kAllAllotted) {
    if (facts_of(what).name != follows) continue;
    setter.follows = what;
    known = true;
  }
  if (!known) fields.wrong("follows", "cpu, memory, disk_iops or network is wanted");
  if (auto done = fields.done({"name", "unit", "least", "most", "whole", "follows"}); !done) {
    outer.refuse(done.error());
    return {};
  }
  return setter;
}

}  // namespace

Result<AskComponent> parse_component(std::string_view text, std::optional<pid_t>& pid) {
  AskComponent ask;
  ask.what = AskComponent::What::put;
  if (text.empty()) return ask;
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  Fields fields(**object, "");
  read_quota(**object, fields, ask.quota);
  if (const auto number = fields.whole("pid", 1, kLargestPid)) pid = static_cast<pid_t>(*number);
  if (const json::value* setters = fields.find("setters"); setters != nullptr) {
    if (!setters->is_array() || setters->get_array().size() > kMostSetters) {
      fields.wrong("setters", "a list of at most 16 is wanted");
    } else {
      for (const json::value& one : setters->get_array()) {
        if (auto setter = read_setter(one, fields)) ask.setters.push_back(std::move(*setter));
      }
    }
  }
  read_values(fields, "values", ask.values);
  std::vector<std::string_view> known(std::begin(kQuotaFields), std::end(kQuotaFields));
  known.insert(known.end(), {"pid", "setters", "values"});
  if (auto done = fields.done(std::span<const std::string_view>(known)); !done)
    return tl::unexpected(done.error());
  return ask;
}

Result<QuotaChange> parse_quota_change(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  QuotaChange quota;
  Fields fields(**object, "");
  read_quota(**object, fields, quota);
  if (auto done = fields.done(std::span<const std::string_view>(kQuotaFields)); !done)
    return tl::unexpected(done.error());
  return quota;
}

Result<AskComponent> parse_component_heard(std::string_view text) {
  AskComponent ask;
  ask.what = AskComponent::What::heard;
  if (text.empty()) return ask;
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  Fields fields(**object, "");
  read_used(fields, ask);
  if (auto done = fields.done({"used"}); !done) return tl::unexpected(done.error());
  return ask;
}

Result<AskComponent> parse_component_answer(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskComponent ask;
  ask.what = AskComponent::What::answer;
  Fields fields(**object, "");
  if (const auto id = fields.whole("id", 1, kLargestAsk)) {
    ask.ask = static_cast<std::uint64_t>(*id);
  } else {
    fields.wrong("id", "the number of the ask is wanted");
  }
  std::string result;
  fields.text("result", result);
  if (result != "applied" && result != "failed") {
    fields.wrong("result", "applied or failed is wanted");
  }
  ask.done = result == "applied";
  read_values(fields, "values", ask.values);
  fields.words("said", ask.said);
  if (auto done = fields.done({"id", "result", "values", "said"}); !done) {
    Error error = done.error();
    if (error.help.empty()) error.help = R"({"id":7,"result":"applied"} says that ask 7 was done)";
    return tl::unexpected(std::move(error));
  }
  return ask;
}

Result<AskModel> parse_model(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskModel ask;
  ask.create = true;
  Fields fields(**object, "");
  fields.bytes("memory_bytes", ask.memory);
  fields.bytes("gpu_memory_bytes", ask.gpu_memory);
  ask.compute = fields.number("compute", 0, 100);
  read_model_keeping(**object, fields, ask);
  if (auto done = fields.done(
          {"memory_bytes", "gpu_memory_bytes", "compute", "priority", "pinned", "hook"});
      !done) {
    return tl::unexpected(done.error());
  }
  return ask;
}

Result<AskModel> parse_model_change(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskModel ask;
  Fields fields(**object, "");
  read_model_keeping(**object, fields, ask);
  if (const auto load = fields.number("load_seconds", 0, kLongestLoad)) {
    ask.load = std::chrono::milliseconds(std::llround(*load * 1000));
  }
  if (const auto resident = fields.maybe_boolean("resident")) {
    if (*resident) fields.wrong("resident", "only false: whoever wants the model loads it");
    ask.unload = true;
  }
  if (const auto touched = fields.maybe_boolean("touched")) {
    if (!*touched) fields.wrong("touched", "only true: a use is not taken back");
    ask.touched = true;
  }
  if (auto done =
          fields.done({"resident", "pinned", "touched", "priority", "hook", "load_seconds"});
      !done) {
    return tl::unexpected(done.error());
  }
  if (!ask.priority && !ask.pinned && !ask.hook && !ask.load && !ask.touched && !ask.unload) {
    return refuse("nothing is to be changed", "the body names no field",
                  R"({"resident":false} unloads it, {"pinned":true} keeps it)");
  }
  return ask;
}

Result<AskSessions> parse_session(std::string_view text, std::optional<pid_t>& pid) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskSessions ask;
  ask.what = AskSessions::What::add;
  Fields fields(**object, "");
  fields.text("name", ask.name, kLongestFolder);
  fields.text("root", ask.root, kLongestPath);
  if (const auto number = fields.whole("pid", 1, kLargestPid)) pid = static_cast<pid_t>(*number);
  if (auto done = fields.done({"name", "root", "pid"}); !done) return tl::unexpected(done.error());
  if (ask.name.empty()) {
    return refuse("a session wants a name", "field name is not there", R"({"name":"run-1"})");
  }
  return ask;
}

Result<AskSessions> parse_session_clean(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskSessions ask;
  ask.what = AskSessions::What::clean;
  Fields fields(**object, "");
  fields.seconds("older_seconds", ask.older, 1);
  fields.text("root", ask.root, kLongestPath);
  fields.boolean("dry_run", ask.dry_run);
  if (auto done = fields.done({"older_seconds", "root", "dry_run"}); !done) {
    return tl::unexpected(done.error());
  }
  return ask;
}

Result<AskFree> parse_cleanup(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  AskFree ask;
  Fields fields(**object, "");
  const json::value* needs = fields.find("needs");
  if (!is_empty(needs)) {
    if (!needs->is_object()) {
      return refuse("field needs is not right", "an object with amounts is wanted",
                    R"({"needs":{"gpu_memory_bytes":1073741824}})");
    }
    Fields inner(needs->get_object(), "needs.");
    inner.bytes("memory_bytes", ask.memory);
    inner.bytes("gpu_memory_bytes", ask.gpu_memory);
    if (auto done = inner.done({"memory_bytes", "gpu_memory_bytes"}); !done) {
      return tl::unexpected(done.error());
    }
  }
  fields.device("device", ask.gpu);
  read_priority(fields, ask.priority);
  fields.boolean("force", ask.force);
  fields.boolean("dry_run", ask.dry_run);
  if (const auto wait = fields.number("wait_seconds", 0, kLongestCleanup)) {
    ask.patience = std::chrono::milliseconds(std::llround(*wait * 1000));
  }
  if (auto done = fields.done({"needs", "device", "priority", "force", "dry_run", "wait_seconds"});
      !done) {
    return tl::unexpected(done.error());
  }
  return ask;
}

Result<HolderAnswer> parse_answer(std::string_view text) {
  // In the order in which the description lists them.
  static constexpr std::pair<std::string_view, HookResult> kWords[] = {
      {"freed", HookResult::freed},
      {"loaded", HookResult::loaded},
      {"acknowledged", HookResult::acknowledged},
      {"refused", HookResult::refused},
      {"not_found", HookResult::not_found},
  };
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  HolderAnswer answer;
  Fields fields(**object, "");
  if (const auto ask = fields.whole("ask", 1, kLargestAsk)) {
    answer.ask = static_cast<std::uint64_t>(*ask);
  } else {
    fields.wrong("ask", "the number of the ask is wanted");
  }
  std::string word;
  fields.text("result", word);
  const auto* result = std::find_if(std::begin(kWords), std::end(kWords),
                                    [&](const auto& one) { return one.first == word; });
  if (result == std::end(kWords)) {
    fields.wrong("result", "freed, loaded, acknowledged, refused or not_found is wanted");
  } else {
    answer.result = result->second;
  }
  fields.words("said", answer.said);
  if (auto done = fields.done({"ask", "result", "said"}); !done) {
    return tl::unexpected(done.error());
  }
  return answer;
}

Result<AlertChange> parse_alert_change(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  Fields fields(**object, "");
  AlertChange change;
  bool acknowledged = false;
  if ((*object)->if_contains("acknowledged") != nullptr) {
    fields.boolean("acknowledged", acknowledged);
    change.acknowledged = acknowledged;
  }
  if (const auto mute = fields.number("mute_seconds", 0, kLongestMute)) {
    change.mute = std::chrono::seconds(std::llround(*mute));
  }
  if (auto done = fields.done({"acknowledged", "mute_seconds"}); !done) {
    return tl::unexpected(done.error());
  }
  if (change.acknowledged.has_value() == change.mute.has_value()) {
    return refuse("one change at a time",
                  "the body names both acknowledged and mute_seconds, or none",
                  R"({"acknowledged":true} or {"mute_seconds":3600})");
  }
  return change;
}

Result<std::string> parse_strategy_change(std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  Fields fields(**object, "");
  const json::value* name = fields.find("name");
  if (name == nullptr || !name->is_string() || !strategy_of(std::string_view(name->get_string()))) {
    fields.wrong("name",
                 "one of conservative, balanced, aggressive, adaptive, dynamic, predictive and "
                 "cooperative is wanted, or two as in aggressive+predictive");
  }
  if (auto done = fields.done({"name"}); !done) return tl::unexpected(done.error());
  return std::string(name->get_string());
}

Result<std::vector<std::pair<std::string, std::string>>> parse_config_changes(
    std::string_view text) {
  Body body;
  const auto object = body.read(text);
  if (!object) return tl::unexpected(object.error());
  Fields fields(**object, "");
  const json::value* changes = fields.find("changes");
  if (changes == nullptr || !changes->is_object()) {
    fields.wrong("changes", R"(an object such as {"pressure.memory.warning":"70"} is wanted)");
  }
  if (auto done = fields.done({"changes"}); !done) return tl::unexpected(done.error());
  const json::object& all = changes->get_object();
  if (all.empty() || all.size() > kMostSettings) {
    return refuse("field changes is not right", "from 1 to 100 settings are wanted");
  }
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : all) {
    const std::string name(std::string_view(key).substr(0, kLongestText));
    std::string typed;
    if (value.is_string()) {
      typed = value.get_string();
    } else if (value.is_object()) {
      return refuse("field changes." + name + " is not right",
                    "a text, a number, true or false, a list, or null to take it back, is wanted");
    } else if (!value.is_null()) {
      typed = json::serialize(value);
    }
    if (typed.size() > kLongestSetting) {
      return refuse("field changes." + name + " is not right", "at most 4096 bytes");
    }
    out.emplace_back(name, std::move(typed));
  }
  return out;
}

void describe_bodies(Schemas& all) {
  // As the functions above read them; body_test holds the names against what those say they know.
  static constexpr std::string_view kNeeds =
      R"({"type":["object","null"],"description":"Without it, what the name has needed before.","properties":{
"memory_bytes":{"type":["integer","null"],"minimum":1},
"gpu_memory_bytes":{"type":["integer","null"],"minimum":1,"description":"On each device."},
"cpu_cores":{"type":["number","null"],"minimum":0.001,"maximum":1000000},
"disk_bytes":{"type":["integer","null"],"minimum":1},
"disk_path":{"type":["string","null"],"maxLength":256,"description":"Any path on the filesystem meant."},
"gpus":{"type":["integer","null"],"minimum":0,"maximum":64,"description":"So many whole devices, shared with nobody; all of them or none."},
"gpu":{"type":["string","integer","null"],"maxLength":256,"description":"These devices only: UUIDs or indices, with commas between."},
"compute":{"type":["number","null"],"minimum":0,"maximum":100,"description":"Least CUDA compute capability."}
},"additionalProperties":false,"example":{"memory_bytes":1073741824}})";
  static constexpr std::string_view kName = R"("name":{"type":["string","null"],"maxLength":256})";
  static constexpr std::string_view kPriority =
      R"("priority":{"enum":["low","normal","high","critical",null]})";
  static constexpr std::string_view kModel =
      R"("model":{"type":["string","null"],"maxLength":200,"description":"A model, whose own needs are taken where there are none."})";
  static constexpr std::string_view kFor =
      R"("for_seconds":{"type":["number","null"],"minimum":1,"description":"How long it is expected to take."})";
  static constexpr std::string_view kReturnIdle =
      R"("return_idle":{"type":"boolean","description":"Lets go of what it has booked and not used for leases.idle, after a warning."})";
  const auto object = [&](std::string_view name, std::initializer_list<std::string_view> fields,
                          std::string_view more = "") {
    std::string text = R"({"type":"object","properties":{)";
    std::string_view comma = "";
    for (const std::string_view field : fields) {
      text.append(comma).append(field);
      comma = ",";
    }
    all.set(name, text.append(R"(},"additionalProperties":false)").append(more).append("}"));
  };
  all.set("NeedsRequest", std::string(kNeeds));
  static constexpr std::string_view kNeedsField =
      R"("needs":{"$ref":"#/components/schemas/NeedsRequest"})";
  static constexpr std::string_view kConfig =
      R"("config":{"type":["string","null"],"maxLength":256,"description":"What tells its runs apart from others of its name, for sizes that are learned."})";
  object(
      "FitRequest",
      {kNeedsField, kName, kModel, kConfig, kPriority,
       R"("spread":{"type":"boolean","description":"The emptiest device, not the fullest that fits."})",
       kFor},
      R"(,"example":{"needs":{"memory_bytes":1073741824}})");
  object(
      "LeaseRequest",
      {kName, kNeedsField,
       R"("model":{"type":["string","null"],"maxLength":200,"description":"The model that it keeps in memory; without needs, what that one needs."})",
       kConfig,
       R"("use":{"type":"boolean","description":"It only uses the model, books nothing, and keeps it where it is as long as it lasts."})",
       kPriority, R"("spread":{"type":"boolean"})",
       R"("wait_seconds":{"type":["number","null"],"minimum":0,"description":"How long to stay in the queue; 0, and absent: not at all; null: without limit. With starts_at it counts from there, and absent is without limit."})",
       R"("starts_at":{"type":["string","null"],"format":"date-time","description":"Not before this time, in UTC, at most a year ahead: until then it waits outside of the queue, and what it needs is kept for it, as long as for_seconds says; without that for good. wait_seconds and ttl_seconds count from there. 409 where others were promised too much of it for that time."})",
       kFor,
       R"("ttl_seconds":{"type":["number","null"],"minimum":0,"description":"Ends by itself then; 0: as long as its holder lives."})",
       R"("holder":{"type":["object","null"],"description":"Absent: the caller's own process, by the Unix socket. One of these; a cgroup, unit or container that headroom did not start is only measured, and its lease ends when it is gone.","properties":{"pid":{"type":["integer","null"],"minimum":1,"description":"null, with ttl_seconds: tied to time only."},"cgroup":{"type":"string","minLength":1,"maxLength":1024,"description":"Its path, as /proc/PID/cgroup has it, or its folder."},"unit":{"type":"string","minLength":1,"maxLength":256,"description":"A unit of systemd that runs."},"container":{"type":"string","minLength":1,"maxLength":256,"description":"The beginning of its id; of LXC its name."}},"additionalProperties":false})",
       R"("parent":{"type":["string","null"],"description":"A lease to draw from."})",
       R"("fence":{"type":"boolean","description":"Move the holder into a group with a soft limit."})",
       R"("enforce":{"type":"boolean","description":"With a hard one."})",
       R"("group":{"type":"boolean","description":"Move the holder into control groups of its own."})",
       kReturnIdle},
      R"(,"example":{"name":"demo","needs":{"memory_bytes":1073741824},"holder":{"pid":null},"ttl_seconds":60})");
  object(
      "LeaseChange",
      {R"("needs":{"$ref":"#/components/schemas/NeedsRequest","description":"Resize; grows only if it fits."})",
       R"("ttl_seconds":{"type":["number","null"],"minimum":0,"description":"Renew."})", kFor,
       R"("exit_status":{"type":["integer","null"],"minimum":0,"maximum":65535,"description":"How its holder ended: the exit code, or 128 + the signal."})",
       R"("holder":{"type":["object","null"],"description":"Hands the lease over to this process.","properties":{"pid":{"type":"integer","minimum":1}},"required":["pid"],"additionalProperties":false})",
       kReturnIdle,
       R"("failed_gpu_memory_bytes":{"type":["integer","null"],"minimum":1,"description":"An allocation of so much has failed on its device: it is moved to another one, once. By itself."})"},
      R"(,"minProperties":1,"example":{"ttl_seconds":600})");
  static constexpr std::string_view kPinned =
      R"("pinned":{"type":"boolean","description":"Never unloaded to make room."})";
  static constexpr std::string_view kHook =
      R"("hook":{"type":["string","null"],"maxLength":256,"description":"Who is asked to unload it: a name of [hooks], or holder: its holder listens itself; null: nobody."})";
  object(
      "ModelRequest",
      {R"("memory_bytes":{"type":["integer","null"],"minimum":1})",
       R"("gpu_memory_bytes":{"type":["integer","null"],"minimum":1,"description":"On one device."})",
       R"("compute":{"type":["number","null"],"minimum":0,"maximum":100,"description":"Least CUDA compute capability."})",
       kPriority, kPinned, kHook},
      R"(,"description":"What is left out stays as it is.","example":{"gpu_memory_bytes":6442450944})");
  object(
      "ModelChange",
      {R"("resident":{"const":false,"description":"It is asked to go, whoever wants its memory."})",
       kPinned, R"("touched":{"const":true,"description":"It was used just now."})", kPriority,
       kHook,
       R"("load_seconds":{"type":["number","null"],"minimum":0,"maximum":86400,"description":"How long loading it took."})"},
      R"(,"minProperties":1,"example":{"pinned":true})");
  object(
      "CleanupRequest",
      {R"("needs":{"type":["object","null"],"description":"That are to be free; without it, all that may go is asked to.","properties":{"memory_bytes":{"type":["integer","null"],"minimum":1},"gpu_memory_bytes":{"type":["integer","null"],"minimum":1,"description":"On one device."}},"additionalProperties":false})",
       R"("device":{"type":["string","integer","null"],"maxLength":256,"description":"On this GPU: UUID or index; without it, where it costs least."})",
       R"("priority":{"enum":["low","normal","high","critical",null],"description":"For whom; nobody of a higher one goes."})",
       R"("force":{"type":"boolean","description":"Models used in the last minute too; never those in use or pinned."})",
       R"("dry_run":{"type":"boolean","description":"Says what would be asked, and asks nobody."})",
       R"("wait_seconds":{"type":["number","null"],"minimum":0,"maximum":3600,"default":30,"description":"Answers then at the latest, with what came back until then."})"},
      R"(,"example":{"needs":{"gpu_memory_bytes":1073741824},"dry_run":true})");
  object(
      "SessionRequest",
      {R"("name":{"type":"string","minLength":1,"maxLength":255,"description":"Of the folder, or what stands for the * of sessions.pattern."})",
       R"("root":{"type":["string","null"],"maxLength":1024,"description":"One of sessions.roots; without it the first."})",
       R"("pid":{"type":["integer","null"],"minimum":1,"description":"As long as this process lives the session is in use."})"},
      R"(,"required":["name"],"example":{"name":"run-1"})");
  object(
      "SessionClean",
      {R"("older_seconds":{"type":["number","null"],"minimum":1,"description":"Those that nothing has changed in for so long; without it, sessions.max_age."})",
       R"("root":{"type":["string","null"],"maxLength":1024,"description":"In this one of sessions.roots only."})",
       R"("dry_run":{"type":"boolean","description":"Says what would go, and removes nothing."})"},
      R"(,"example":{"older_seconds":86400,"dry_run":true})");
  object(
      "HolderAnswer",
      {R"("ask":{"type":"integer","minimum":1,"description":"Its number, as the stream had it."})",
       R"("result":{"enum":["freed","loaded","acknowledged","refused","not_found"],"description":"acknowledged: it will be done; not_found: there is no such model here."})",
       R"("said":{"type":["string","null"],"maxLength":256,"description":"For people: why not, for example."})"},
      R"(,"required":["ask","result"],"example":{"ask":17,"result":"freed"})");
  object(
      "AlertChange",
      {R"("acknowledged":{"type":"boolean"})",
       R"("mute_seconds":{"type":"number","minimum":0,"maximum":2592000,"description":"Nobody is told of it for so long; 0 takes it back."})"},
      R"(,"minProperties":1,"maxProperties":1,"example":{"acknowledged":true})");
  static constexpr std::string_view kQuota =
      R"("cpu_percent":{"type":["number","null"],"minimum":0,"maximum":1000000000,"description":"Of the node's processors: what it is meant to have; null takes it back."},
"min_cpu_percent":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"max_cpu_percent":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"memory_mb":{"type":["number","null"],"minimum":0,"maximum":1000000000,"description":"In 2^20 bytes."},
"min_memory_mb":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"max_memory_mb":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"disk_iops":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"min_disk_iops":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"max_disk_iops":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"network_mb":{"type":["number","null"],"minimum":0,"maximum":1000000000,"description":"In 2^20 bytes per second."},
"min_network_mb":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"max_network_mb":{"type":["number","null"],"minimum":0,"maximum":1000000000},
"priority":{"type":"string","enum":["low","normal","high","critical"]},
"enforce":{"type":"boolean","description":"The kernel holds its processes to its allocation."},
"buffer_percent":{"type":["number","null"],"minimum":0,"maximum":1000,"description":"Added over its demand; null: the strategy's."},
"during":{"type":["string","null"],"maxLength":256,"description":"These times of the week only, as in Mon-Fri 08:00-18:00; alone it forgets them."})";
  static constexpr std::string_view kValues =
      R"({"type":["object","null"],"maxProperties":16,"additionalProperties":{"type":"number"}})";
  object(
      "ComponentRequest",
      {kQuota,
       R"("pid":{"type":["integer","null"],"minimum":1,"maximum":1073741824,"description":"Whose end is its own; without it, it has to be heard of once a minute."})",
       R"("setters":{"type":"array","maxItems":16,"items":{"type":["string","object"],"maxLength":64,"properties":{"name":{"type":"string","maxLength":64},"unit":{"type":["string","null"],"maxLength":256},"least":{"type":["number","null"],"minimum":-1000000000000,"maximum":1000000000000},"most":{"type":["number","null"],"minimum":-1000000000000,"maximum":1000000000000},"whole":{"type":"boolean"},"follows":{"type":["string","null"],"maxLength":256}},"additionalProperties":false}})",
       R"("values":)" + std::string(kValues)},
      R"(,"example":{"pid":4121,"cpu_percent":20,"setters":["cpu_percent",{"name":"batch_size","least":1,"most":64}]})");
  object("QuotaChange", {kQuota}, R"(,"example":{"cpu_percent":30,"memory_mb":600})");
  object("ComponentHeartbeat", {R"("used":)" + std::string(kValues)},
         R"(,"example":{"used":{"cpu_percent":12.5,"memory_mb":310}})");
  object("SetterAnswer",
         {R"("id":{"type":"integer","minimum":1,"maximum":9007199254740992})",
          R"("result":{"type":"string","enum":["applied","failed"]})",
          R"("values":)" + std::string(kValues),
          R"("said":{"type":["string","null"],"maxLength":256,"description":"Why it failed."})"},
         R"(,"required":["id","result"],"example":{"id":17,"result":"applied"})");
  object(
      "StrategyChange",
      {R"("name":{"type":"string","maxLength":64,"description":"conservative, balanced, aggressive, adaptive, dynamic, predictive or cooperative, or a posture and an estimator as in aggressive+predictive."})"},
      R"(,"required":["name"],"example":{"name":"balanced"})");
  object(
      "ConfigChange",
      {R"("changes":{"type":"object","minProperties":1,"maxProperties":100,"description":"Keys as GET /api/v1/config has them; null takes one back.","additionalProperties":{"type":["string","number","boolean","array","null"]}})"},
      R"(,"required":["changes"],"example":{"changes":{"pressure.memory.warning":70}})");
}

}  // namespace headroom::serve
