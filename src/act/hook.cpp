#include "act/hook.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "act/hook_engine.hpp"

namespace headroom::act {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::array<EnginePlace, 6> kPlaces{{{HookKind::ollama, 11434},
                                              {HookKind::comfyui, 8188},
                                              {HookKind::comfyui, 8000},  // its desktop program
                                              {HookKind::vllm_sleep, 8000},
                                              {HookKind::llama_swap, 8080},
                                              {HookKind::llama_server, 8080}}};

Result<void> check_ask(const Hook& hook, const HookAsk& ask) {
  const std::string what = "cannot ask hooks." + hook.name();
  if (!ask.model.empty() && !is_model_name(ask.model)) {
    return fail(ErrorKind::invalid_request, what,
                "a model's name is 1 to 200 bytes without control characters");
  }
  if (ask.bytes < Bytes()) return fail(ErrorKind::invalid_request, what, "a size is not negative");
  return {};
}

}  // namespace

const char* to_string(HookOutcome outcome) {
  switch (outcome) {
    case HookOutcome::answered:
      return "answered";
    case HookOutcome::freed:
      return "freed";
    case HookOutcome::loaded:
      return "loaded";
    case HookOutcome::acknowledged:
      return "acknowledged";
    case HookOutcome::refused:
      return "refused";
    case HookOutcome::not_found:
      return "not_found";
    case HookOutcome::unreachable:
      return "unreachable";
    case HookOutcome::timed_out:
      return "timed_out";
    case HookOutcome::nonsense:
      break;
  }
  return "nonsense";
}

const char* to_string(HookKind kind) {
  switch (kind) {
    case HookKind::ollama:
      return "ollama";
    case HookKind::comfyui:
      return "comfyui";
    case HookKind::llama_server:
      return "llama-server";
    case HookKind::llama_swap:
      return "llama-swap";
    case HookKind::vllm_sleep:
      return "vllm-sleep";
    case HookKind::http:
      return "http";
    case HookKind::command:
      return "command";
    case HookKind::signal:
      break;
  }
  return "signal";
}

const char* to_string(ResidentState state) {
  switch (state) {
    case ResidentState::loading:
      return "loading";
    case ResidentState::ready:
      return "ready";
    case ResidentState::stopping:
      return "stopping";
    case ResidentState::asleep:
      break;
  }
  return "asleep";
}

template <class Call>
HookAnswer Hook::timed(Deadline deadline, const Call& call) const {
  const auto start = Clock::now();
  HookAnswer out = call(std::min(deadline, start + setting_.timeout));
  out.asked_at = start;
  out.took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
  out.said = printable(out.said);
  if (out.outcome != HookOutcome::answered) out.residents.clear();
  return out;
}

HookAnswer Hook::resident(Deadline deadline) const {
  return timed(deadline, [&](Deadline end) { return do_resident(end); });
}

Result<HookAnswer> Hook::free(const HookAsk& ask, Deadline deadline) const {
  if (auto right = check_ask(*this, ask); !right) return tl::unexpected(right.error());
  return timed(deadline, [&](Deadline end) { return do_free(ask, end); });
}

Result<HookAnswer> Hook::load(const HookAsk& ask, Deadline deadline) const {
  if (auto right = check_ask(*this, ask); !right) return tl::unexpected(right.error());
  if (ask.model.empty() && load_needs_name()) {
    return fail(ErrorKind::invalid_request, "cannot ask hooks." + name(),
                "what is to be loaded has no name");
  }
  return timed(deadline, [&](Deadline end) { return do_load(ask, end); });
}

std::string usual_url(HookKind kind) {
  for (const EnginePlace& place : kPlaces) {
    if (place.kind == kind) return "http://127.0.0.1:" + std::to_string(place.port);
  }
  return {};
}

Result<std::unique_ptr<Hook>> make_hook(const HookSetting& setting) {
  const auto refuse = [&](std::string why) {
    return fail(ErrorKind::invalid_request, "hooks." + setting.name + " cannot ask anybody",
                std::move(why), "see docs/hooks.md");
  };
  if (!setting.kind) return refuse("it has no kind");
  if (setting.kind == HookKind::command) {
    if (setting.run.empty() || setting.run.front().empty()) return refuse("it has no command");
    return make_command(setting);
  }
  if (setting.kind == HookKind::signal) {
    if (setting.signal.empty()) return refuse("it names no signal");
    return make_signal(setting);
  }
  auto address = Address::parse(setting.url.empty() ? usual_url(*setting.kind) : setting.url);
  if (!address) {
    const Error& error = address.error();
    return refuse("its url is not right: " + error.why + (error.why.empty() ? "" : "; ") +
                  error.help);
  }
  switch (*setting.kind) {
    case HookKind::ollama:
      return make_ollama(setting, *address);
    case HookKind::comfyui:
      return make_comfyui(setting, *address);
    case HookKind::llama_server:
      return make_llama_server(setting, *address);
    case HookKind::llama_swap:
      return make_llama_swap(setting, *address);
    case HookKind::vllm_sleep:
      return make_vllm(setting, *address);
    default:
      return make_http(setting, *address);
  }
}

std::span<const EnginePlace> usual_places() { return kPlaces; }

namespace {

/// True when what answers at `address` is an engine of this kind; `note` gets what stands in the
/// way of using it.
bool is_there(HookKind kind, const Address& address, Hook::Deadline deadline, std::string& note) {
  const auto get = [&](std::string_view path) {
    return ask(address, "GET", path, {}, {}, AskLimits{.deadline = deadline});
  };
  switch (kind) {
    case HookKind::ollama: {
      const Heard heard = get("/api/ps");
      return heard.ok() && parse_ollama_ps(heard.body);
    }
    case HookKind::comfyui: {
      const Heard heard = get("/system_stats");
      return heard.ok() && parse_comfyui_stats(heard.body);
    }
    case HookKind::llama_swap: {
      const Heard heard = get("/running");
      return heard.ok() && parse_llama_swap_running(heard.body);
    }
    case HookKind::llama_server: {
      // llama-swap lists models of the same form, and is no llama-server.
      const Heard heard = get("/models");
      const auto models = heard.ok() ? parse_llama_server_models(heard.body)
                                     : Result<LlamaServerModels>(LlamaServerModels{});
      const bool named = heard.body.find("\"llamacpp\"") != std::string::npos;
      if (!heard.ok() || !models || !named) return false;
      if (!models->router) {
        note = "it serves one model and cannot unload it; started without -m it can";
      }
      return true;
    }
    case HookKind::vllm_sleep: {
      const Heard heard = get("/v1/models");
      if (!heard.ok() || !parse_model_ids(heard.body) ||
          heard.body.find("\"vllm\"") == std::string::npos) {
        return false;
      }
      const Heard asleep = get("/is_sleeping");
      if (!asleep.ok() || !parse_is_sleeping(asleep.body)) {
        note = "it cannot sleep: start it with VLLM_SERVER_DEV_MODE=1 and --enable-sleep-mode";
      }
      return true;
    }
    default:
      return false;
  }
}

std::string line_name(HookKind kind) {
  const std::string word = to_string(kind);
  return word.substr(0, kind == HookKind::vllm_sleep ? 4 : std::string::npos);
}

}  // namespace

std::vector<FoundEngine> probe_engines(Hook::Deadline deadline,
                                       std::span<const EnginePlace> places) {
  std::vector<FoundEngine> found;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const EnginePlace& place = places[i];
    const std::string url = "http://127.0.0.1:" + std::to_string(place.port);
    const bool taken = std::any_of(found.begin(), found.end(),
                                   [&](const FoundEngine& one) { return one.url == url; });
    const auto address = Address::parse(url);
    if (taken || !address) continue;
    const auto now = Clock::now();
    if (now >= deadline) break;
    const auto share = (deadline - now) / static_cast<std::int64_t>(places.size() - i);
    std::string note;
    if (!is_there(place.kind, *address, now + share, note)) continue;
    found.push_back({place.kind, url,
                     line_name(place.kind) + " = { kind = \"" + to_string(place.kind) +
                         "\", url = \"" + url + "\" }",
                     note});
  }
  return found;
}

}  // namespace headroom::act
