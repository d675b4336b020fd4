// What the hooks share: answers made of what was heard, and the reading of JSON that strangers
// sent.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "act/door.hpp"
#include "act/hook.hpp"

namespace headroom::act {

/// `text` as it may be shown: printable, valid UTF-8, blanks run together, `most` bytes at most.
std::string printable(std::string_view text, std::size_t most = kMostSaid);

/// A JSON document of at most 32 levels; empty when it is none.
std::optional<boost::json::value> parse_document(std::string_view text);

/// The fields of an object; empty when it is none, there is no such field, or it has another type.
const boost::json::value* field(const boost::json::value& of, std::string_view name);
std::optional<std::string> text_field(const boost::json::value& of, std::string_view name);
std::optional<bool> bool_field(const boost::json::value& of, std::string_view name);
/// A count of bytes: a whole number, not negative.
std::optional<Bytes> bytes_field(const boost::json::value& of, std::string_view name);
/// A time as RFC 3339 writes it, with a zone.
std::optional<WallTime> time_field(const boost::json::value& of, std::string_view name);
std::optional<WallTime> parse_time(std::string_view text);

/// A model's name as strangers give it: 1 to 200 bytes without control characters.
bool is_model_name(std::string_view name);

/// The reason in an answer that is an error: {"error": "…"}, {"error": {"message": "…"}},
/// {"detail": "…"}, {"message": "…"} or plain text; "" when it gives none.
std::string parse_reason(std::string_view type, std::string_view body);

/// What each engine tells, or why it is nonsense. Pure.
Result<std::vector<Resident>> parse_ollama_ps(std::string_view body);
struct LlamaServerModels {
  bool router = false;              ///< can load and unload
  std::vector<Resident> residents;  ///< those in memory
  std::vector<std::string> known;   ///< all
};
Result<LlamaServerModels> parse_llama_server_models(std::string_view body);
Result<int> parse_llama_server_slots(std::string_view body);  ///< how many are busy
Result<std::vector<Resident>> parse_llama_swap_running(std::string_view body);
Result<std::vector<std::string>> parse_model_ids(std::string_view body);  ///< /v1/models
Result<bool> parse_is_sleeping(std::string_view body);
/// Requests that run or wait, of a Prometheus text; empty when it does not say.
std::optional<std::int64_t> parse_vllm_requests(std::string_view metrics);
Result<std::vector<Resident>> parse_comfyui_stats(std::string_view body);
Result<bool> parse_comfyui_busy(std::string_view queue_body);
/// What http and command hooks tell: {"models": [{"name", "memory_bytes", …}]}.
Result<std::vector<Resident>> parse_told_residents(std::string_view body);

/// The answer with one outcome and one sentence.
HookAnswer answer(HookOutcome outcome, std::string said, bool reached = true);
/// What follows from an answer that is not a success: never `freed`, `loaded` or `acknowledged`.
/// `missing`: what the status 404 means where it was asked.
HookAnswer failed(const Heard& heard, HookOutcome missing = HookOutcome::not_found);
/// The same where it should have told what it has: one who does not know the address is another.
HookAnswer failed_look(const Heard& heard);
HookAnswer nonsense(const Error& error);

/// Asks `done` again and again, with growing pauses, until it is true or `deadline` has come. What
/// cannot be asked counts as not done.
bool eventually(const std::function<bool()>& done, Hook::Deadline deadline);

/// How long an engine that took an ask to free is asked whether it has done so. It is measured
/// meanwhile: what takes longer is seen there.
inline constexpr std::chrono::milliseconds kConfirmFor{2000};
Hook::Deadline confirm_until(Hook::Deadline deadline);

/// A hook that talks HTTP to one address.
class HttpHook : public Hook {
 public:
  HttpHook(HookSetting setting, Address address)
      : Hook(std::move(setting)), address_(std::move(address)) {}

 protected:
  Heard get(std::string_view path, Deadline deadline) const;
  Heard post(std::string_view path, std::string_view json, Deadline deadline) const;

 private:
  Heard talk(std::string_view method, std::string_view path, std::string_view body,
             Deadline deadline) const;
  Address address_;
};

std::unique_ptr<Hook> make_ollama(HookSetting setting, Address address);
std::unique_ptr<Hook> make_llama_server(HookSetting setting, Address address);
std::unique_ptr<Hook> make_llama_swap(HookSetting setting, Address address);
std::unique_ptr<Hook> make_vllm(HookSetting setting, Address address);
std::unique_ptr<Hook> make_comfyui(HookSetting setting, Address address);
std::unique_ptr<Hook> make_http(HookSetting setting, Address address);
std::unique_ptr<Hook> make_command(HookSetting setting);
std::unique_ptr<Hook> make_signal(HookSetting setting);

}  // namespace headroom::act
