#include "act/hook_engine.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <thread>

#include <boost/json.hpp>

namespace headroom::act {

namespace json = boost::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostName = 200;
constexpr milliseconds kFirstPause{20};
constexpr milliseconds kLongestPause{500};

/// The length of the UTF-8 character that begins `text`; 0 when none does.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xC2 && first < 0xE0 ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) return 0;
  }
  const auto second = length > 1 ? static_cast<unsigned char>(text[1]) : 0U;
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  const bool control = first == 0xC2 && second < 0xA0;
  return overlong || no_character || control ? 0 : length;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  int number = 0;
  if (at + count > text.size()) return {};
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return {};
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

tl::unexpected<Error> no_sense(std::string why) {
  return fail(ErrorKind::internal, "an answer is none", std::move(why));
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  bool blank = false;
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    if (c <= 0x20 || c == 0x7f) {
      blank = !out.empty();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t length = character_length(text);
    const std::string_view one = length == 0 ? std::string_view("?") : text.substr(0, length);
    if (out.size() + one.size() + (blank ? 1 : 0) > most) break;
    if (blank) out += ' ';
    blank = false;
    out += one;
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out;
}

std::optional<json::value> parse_document(std::string_view text) {
  json::parse_options options;
  options.max_depth = kDeepest;
  json::error_code error;
  json::value document = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return {};
  return document;
}

const json::value* field(const json::value& of, std::string_view name) {
  const json::object* object = of.if_object();
  return object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
}

std::optional<std::string> text_field(const json::value& of, std::string_view name) {
  const json::value* found = field(of, name);
  if (found == nullptr || !found->is_string()) return {};
  return std::string(found->get_string());
}

std::optional<bool> bool_field(const json::value& of, std::string_view name) {
  const json::value* found = field(of, name);
  if (found == nullptr || !found->is_bool()) return {};
  return found->get_bool();
}

std::optional<Bytes> bytes_field(const json::value& of, std::string_view name) {
  const json::value* found = field(of, name);
  // A number above the signed range is no size that a machine has.
  if (found == nullptr || !found->is_int64() || found->get_int64() < 0) return {};
  return Bytes(found->get_int64());
}

std::optional<WallTime> parse_time(std::string_view text) {
  // 2025-10-17T16:47:07.93355-07:00
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return {};
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' ||
      text[16] != ':') {
    return {};
  }
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(*year),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  // Beyond these years stands "never".
  if (!date.ok() || *year < 1970 || *year > 2200 || *hour > 23 || *minute > 59 || *second > 60) {
    return {};
  }
  std::size_t at = 19;
  nanoseconds fraction{0};
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      fraction += nanoseconds((text[at] - '0') * unit);
    }
  }
  minutes zone{0};
  const std::string_view rest = text.substr(at);
  if (rest != "Z" && rest != "z") {
    const auto zone_hour = digits(rest, 1, 2), zone_minute = digits(rest, 4, 2);
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' || !zone_hour ||
        !zone_minute || *zone_hour > 23 || *zone_minute > 59) {
      return {};
    }
    zone = minutes((*zone_hour * 60 + *zone_minute) * (rest[0] == '-' ? -1 : 1));
  }
  return WallTime(sys_days(date)) + hours(*hour) + minutes(*minute) + seconds(*second) + fraction -
         zone;
}

std::optional<WallTime> time_field(const json::value& of, std::string_view name) {
  const auto text = text_field(of, name);
  return text ? parse_time(*text) : std::nullopt;
}

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostName && printable(name, kMostName) == name;
}

std::string parse_reason(std::string_view type, std::string_view body) {
  if (const auto document = parse_document(body)) {
    for (const char* name : {"error", "detail", "message", "msg"}) {
      if (const auto text = text_field(*document, name)) return printable(*text);
      const json::value* inner = field(*document, name);
      const auto text = inner == nullptr ? std::nullopt : text_field(*inner, "message");
      if (text) return printable(*text);
    }
    return {};
  }
  const bool page = type.find("html") != std::string_view::npos ||
                    body.substr(0, 512).find('<') != std::string_view::npos;
  return page ? std::string() : printable(body);
}

HookAnswer answer(HookOutcome outcome, std::string said, bool reached) {
  HookAnswer out;
  out.outcome = outcome;
  out.reached = reached;
  out.said = std::move(said);
  return out;
}

HookAnswer nonsense(const Error& error) { return answer(HookOutcome::nonsense, error.why); }

HookAnswer failed(const Heard& heard, HookOutcome missing) {
  switch (heard.how) {
    case Heard::How::unreachable:
    case Heard::How::broke_off:
      return answer(HookOutcome::unreachable, heard.why, heard.sent);
    case Heard::How::timed_out:
      return answer(HookOutcome::timed_out, heard.why, heard.sent);
    case Heard::How::nonsense:
      return answer(HookOutcome::nonsense, heard.why, heard.sent);
    case Heard::How::answered:
      break;
  }
  const std::string status = "status " + std::to_string(heard.status);
  if (heard.status >= 300 && heard.status <= 399) {
    return answer(HookOutcome::nonsense, status + ": it redirects, which is not followed");
  }
  const std::string reason = parse_reason(heard.type, heard.body);
  if (heard.status == 404) {
    return answer(missing, missing == HookOutcome::not_found && !reason.empty()
                               ? reason
                               : status + (reason.empty() ? "" : ": " + reason));
  }
  if (heard.status == 401 || heard.status == 403) {
    return answer(HookOutcome::refused, status + ": it wants a word (token_file)" +
                                            (reason.empty() ? "" : ": " + reason));
  }
  if (heard.ok()) {  // and yet it was no success: an error in a friendly wrapping
    return answer(HookOutcome::nonsense, reason.empty() ? "its answer makes no sense" : reason);
  }
  return answer(HookOutcome::refused, status + (reason.empty() ? "" : ": " + reason));
}

HookAnswer failed_look(const Heard& heard) {
  if (heard.answered() && (heard.status == 404 || heard.status == 405)) {
    return answer(HookOutcome::nonsense,
                  "status " + std::to_string(heard.status) +
                      ": what listens there is no such engine, or an old one");
  }
  return failed(heard);
}

bool eventually(const std::function<bool()>& done, Hook::Deadline deadline) {
  milliseconds pause = kFirstPause;
  for (;;) {
    if (done()) return true;
    const auto left = deadline - Clock::now();
    if (left <= pause) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Hook::Deadline confirm_until(Hook::Deadline deadline) {
  return std::min(deadline, Clock::now() + kConfirmFor);
}

Heard HttpHook::talk(std::string_view method, std::string_view path, std::string_view body,
                     Deadline deadline) const {
  std::string token;
  if (!setting().token_file.empty()) {
    std::ifstream file(setting().token_file);
    std::getline(file, token);
    const bool plain =
        std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (token.empty() || token.size() > 4096 || !plain) {
      Heard heard;
      heard.why = "token_file " + setting().token_file + " holds no word";
      return heard;
    }
  }
  return ask(address_, method, path, body, token, AskLimits{.deadline = deadline});
}

Heard HttpHook::get(std::string_view path, Deadline deadline) const {
  return talk("GET", path, {}, deadline);
}

Heard HttpHook::post(std::string_view path, std::string_view body, Deadline deadline) const {
  return talk("POST", path, body, deadline);
}

Result<std::vector<std::string>> parse_model_ids(std::string_view body) {
  const auto document = parse_document(body);
  const json::value* data = document ? field(*document, "data") : nullptr;
  if (data == nullptr || !data->is_array()) return no_sense("it has no list of models");
  std::vector<std::string> ids;
  for (const json::value& one : data->get_array()) {
    auto id = text_field(one, "id");
    if (!id || !is_model_name(*id)) return no_sense("a model in its list has no name");
    if (ids.size() == kMostResidents) return no_sense("its list of models is too long");
    ids.push_back(std::move(*id));
  }
  return ids;
}

Result<std::vector<Resident>> parse_told_residents(std::string_view body) {
  const auto document = parse_document(body);
  const json::value* models = document ? field(*document, "models") : nullptr;
  if (models == nullptr || !models->is_array()) {
    return no_sense("it is not {\"models\": [{\"name\": …}]}");
  }
  std::vector<Resident> residents;
  for (const json::value& one : models->get_array()) {
    Resident resident;
    resident.name = text_field(one, "name").value_or("");
    if (!is_model_name(resident.name)) return no_sense("a model in its list has no name");
    if (residents.size() == kMostResidents) return no_sense("its list of models is too long");
    resident.memory = bytes_field(one, "memory_bytes");
    resident.gpu_memory = bytes_field(one, "gpu_memory_bytes");
    resident.expires = time_field(one, "expires");
    resident.last_used = time_field(one, "last_used");
    resident.busy = bool_field(one, "busy");
    const auto pid = bytes_field(one, "pid");
    if (pid && pid->count() > 0 && pid->count() <= (1 << 22)) {
      resident.pid = static_cast<pid_t>(pid->count());
    }
    residents.push_back(std::move(resident));
  }
  return residents;
}

}  // namespace headroom::act
