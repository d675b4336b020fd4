// vLLM's sleep mode (https://docs.vllm.ai/en/latest/features/sleep_mode/), which it has only when
// it was started with VLLM_SERVER_DEV_MODE=1 and --enable-sleep-mode:
//   POST /sleep?level=1  weights go to the host's memory; 2: they are forgotten. The KV cache goes
//                        either way
//   POST /wake_up        after level 2: ?tags=weights, then /collective_rpc {"method":
//                        "reload_weights"}, then ?tags=kv_cache
//   GET  /is_sleeping    {"is_sleeping"}
//   GET  /v1/models, /metrics (vllm:num_requests_running, vllm:num_requests_waiting)
// It serves one model, whatever names that has, and sleeps as a whole. Sleeping aborts what runs,
// so running requests are looked at first. It may answer OK, say that it sleeps, and keep its
// memory (vLLM#47654).
#include <algorithm>
#include <charconv>
#include <cmath>

#include <boost/json.hpp>

#include "act/hook_engine.hpp"

namespace headroom::act {

Result<bool> parse_is_sleeping(std::string_view body) {
  const auto document = parse_document(body);
  const auto asleep = document ? bool_field(*document, "is_sleeping") : std::nullopt;
  if (!asleep) {
    return fail(ErrorKind::internal, "an answer is none", "it does not say whether it sleeps");
  }
  return *asleep;
}

std::optional<std::int64_t> parse_vllm_requests(std::string_view metrics) {
  constexpr double kMost = 1e9;
  std::optional<std::int64_t> total;
  while (!metrics.empty()) {
    const auto end = metrics.find('\n');
    std::string_view line = metrics.substr(0, end);
    metrics.remove_prefix(end == std::string_view::npos ? metrics.size() : end + 1);
    const bool counts = line.starts_with("vllm:num_requests_running") ||
                        line.starts_with("vllm:num_requests_waiting");
    constexpr std::size_t kName = std::string_view("vllm:num_requests_running").size();
    if (!counts || line.size() <= kName || (line[kName] != '{' && line[kName] != ' ')) continue;
    // A label may hold blanks; the value is behind the last of them, unless a time follows it,
    // which vLLM never writes.
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    const auto blank = line.rfind(' ');
    const std::string_view number = line.substr(blank + 1);
    double value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (blank == std::string_view::npos || error != std::errc{} ||
        stop != number.data() + number.size() || !(value >= 0 && value <= kMost)) {
      return {};
    }
    total = total.value_or(0) + static_cast<std::int64_t>(std::ceil(value));
    if (*total > static_cast<std::int64_t>(kMost)) return {};
  }
  return total;
}

namespace {

constexpr const char* kNoSleep =
    "it cannot sleep: start it with VLLM_SERVER_DEV_MODE=1 and --enable-sleep-mode";

class Vllm : public HttpHook {
 public:
  using HttpHook::HttpHook;
  HookGrain grain() const override { return HookGrain::everything; }

 private:
  /// What it says of sleeping; nothing when it cannot sleep (404), or `said` why it is not known.
  std::optional<bool> is_asleep(HookAnswer& said, Deadline deadline) const {
    const Heard heard = get("/is_sleeping", deadline);
    if (heard.answered() && (heard.status == 404 || heard.status == 405)) {
      said = answer(HookOutcome::refused, kNoSleep);
      return {};
    }
    if (!heard.ok()) {
      said = failed(heard);
      return {};
    }
    const auto asleep = parse_is_sleeping(heard.body);
    if (!asleep) {
      said = nonsense(asleep.error());
      return {};
    }
    return *asleep;
  }

  std::optional<std::int64_t> requests(Deadline deadline) const {
    const Heard heard = get("/metrics", deadline);
    return heard.ok() ? parse_vllm_requests(heard.body) : std::nullopt;
  }

  HookAnswer do_resident(Deadline deadline) const override {
    const Heard heard = get("/v1/models", deadline);
    if (!heard.ok()) return failed_look(heard);
    const auto names = parse_model_ids(heard.body);
    if (!names) return nonsense(names.error());
    HookAnswer trouble;
    const auto asleep = is_asleep(trouble, deadline);
    HookAnswer out =
        answer(HookOutcome::answered, asleep ? (*asleep ? "asleep" : "awake") : trouble.said);
    // Its first name stands for the one model; the others are aliases and adapters of it.
    if (!names->empty()) {
      Resident resident;
      resident.name = names->front();
      if (asleep == true) resident.state = ResidentState::asleep;
      if (const auto count = requests(deadline)) resident.busy = *count > 0;
      out.residents.push_back(std::move(resident));
    }
    return out;
  }

  HookAnswer do_free(const HookAsk& ask, Deadline deadline) const override {
    if (!ask.model.empty()) {
      const Heard heard = get("/v1/models", deadline);
      if (!heard.ok()) return failed_look(heard);
      const auto names = parse_model_ids(heard.body);
      if (!names) return nonsense(names.error());
      if (std::find(names->begin(), names->end(), ask.model) == names->end()) {
        return answer(HookOutcome::not_found, "it does not serve " + ask.model);
      }
    }
    HookAnswer trouble;
    const auto before = is_asleep(trouble, deadline);
    if (!before) return trouble;
    if (*before) return answer(HookOutcome::freed, "it was asleep already");
    if (!ask.busy_too) {
      const auto count = requests(deadline);
      if (count && *count > 0) {
        return answer(HookOutcome::refused,
                      "it is serving " + std::to_string(*count) + " requests");
      }
    }
    const Heard heard = post("/sleep?level=" + std::to_string(setting().level), {}, deadline);
    if (HookAnswer said = judge(heard); said.outcome != HookOutcome::acknowledged) return said;
    HookAnswer unused;
    const bool asleep =
        eventually([&] { return is_asleep(unused, deadline) == true; }, confirm_until(deadline));
    return asleep ? answer(HookOutcome::freed, "it sleeps")
                  : answer(HookOutcome::acknowledged, "it took the ask, and is not asleep yet");
  }

  bool load_needs_name() const override { return false; }

  HookAnswer do_load(const HookAsk&, Deadline deadline) const override {
    HookAnswer trouble;
    const auto before = is_asleep(trouble, deadline);
    if (!before) return trouble;
    if (!*before) return answer(HookOutcome::loaded, "it is awake");
    struct Step {
      const char* path;
      const char* body;
    };
    static constexpr Step kLight[] = {{"/wake_up", ""}};
    static constexpr Step kDeep[] = {{"/wake_up?tags=weights", ""},
                                     {"/collective_rpc", R"({"method":"reload_weights"})"},
                                     {"/wake_up?tags=kv_cache", ""}};
    const std::span<const Step> steps =
        setting().level == 2 ? std::span<const Step>(kDeep) : std::span<const Step>(kLight);
    for (const Step& step : steps) {
      HookAnswer said = judge(post(step.path, step.body, deadline));
      if (said.outcome != HookOutcome::acknowledged) return said;
    }
    HookAnswer unused;
    const bool awake = eventually([&] { return is_asleep(unused, deadline) == false; }, deadline);
    return awake ? answer(HookOutcome::loaded, "it is awake")
                 : answer(HookOutcome::acknowledged, "it took the ask, and is not awake yet");
  }

  static HookAnswer judge(const Heard& heard) {
    if (heard.answered() && (heard.status == 404 || heard.status == 405)) {
      return answer(HookOutcome::refused, kNoSleep);
    }
    if (!heard.ok()) return failed(heard);
    if (heard.type.find("html") != std::string::npos) {
      return answer(HookOutcome::nonsense, "it answered with a web page");
    }
    const auto document = parse_document(heard.body);  // the body is empty, as a rule
    if (document && field(*document, "error") != nullptr) {
      return answer(HookOutcome::refused, parse_reason(heard.type, heard.body));
    }
    return answer(HookOutcome::acknowledged, "");
  }
};

}  // namespace

std::unique_ptr<Hook> make_vllm(HookSetting setting, Address address) {
  return std::make_unique<Vllm>(std::move(setting), std::move(address));
}

}  // namespace headroom::act
