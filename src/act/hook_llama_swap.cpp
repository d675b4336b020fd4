// llama-swap (https://github.com/mostlygeek/llama-swap, README, "API"):
//   GET  /running                 {"running": [{"model", "state": "starting | ready | stopping |
//   …"}]} POST /api/models/unload/NAME  stops one; "OK" POST /api/models/unload       stops all;
//   older: GET /unload GET  /upstream/NAME/…         starts it, waits until it is ready, and passes
//   the request on
// It stops a model's process at once, whomever that serves, and does not tell who is served.
#include <algorithm>

#include <boost/json.hpp>

#include "act/hook_engine.hpp"

namespace headroom::act {

namespace json = boost::json;

Result<std::vector<Resident>> parse_llama_swap_running(std::string_view body) {
  const auto refuse = [](const char* why) {
    return fail(ErrorKind::internal, "an answer is none", why);
  };
  const auto document = parse_document(body);
  const json::value* running = document ? field(*document, "running") : nullptr;
  if (running != nullptr && running->is_null()) return std::vector<Resident>{};
  if (running == nullptr || !running->is_array()) return refuse("it has no list of what runs");
  std::vector<Resident> residents;
  for (const json::value& one : running->get_array()) {
    Resident resident;
    resident.name = text_field(one, "model").value_or("");
    if (!is_model_name(resident.name)) return refuse("a model in its list has no name");
    const auto state = text_field(one, "state");
    if (!state) return refuse("a model in its list has no state");
    if (*state == "stopped" || *state == "shutdown") continue;
    if (*state == "starting") resident.state = ResidentState::loading;
    if (*state == "stopping") resident.state = ResidentState::stopping;
    if (residents.size() == kMostResidents) return refuse("its list of models is too long");
    residents.push_back(std::move(resident));
  }
  return residents;
}

namespace {

class LlamaSwap : public HttpHook {
 public:
  using HttpHook::HttpHook;

 private:
  HookAnswer do_resident(Deadline deadline) const override {
    const Heard heard = get("/running", deadline);
    if (!heard.ok()) return failed_look(heard);
    auto residents = parse_llama_swap_running(heard.body);
    if (!residents) return nonsense(residents.error());
    HookAnswer out =
        answer(HookOutcome::answered, std::to_string(residents->size()) + " models running");
    out.residents = std::move(*residents);
    return out;
  }

  HookAnswer do_free(const HookAsk& ask, Deadline deadline) const override {
    HookAnswer now = do_resident(deadline);
    if (now.outcome != HookOutcome::answered) return now;
    const std::size_t wanted = static_cast<std::size_t>(std::count_if(
        now.residents.begin(), now.residents.end(),
        [&](const Resident& one) { return ask.model.empty() || one.name == ask.model; }));
    if (wanted == 0) {
      return answer(HookOutcome::not_found,
                    ask.model.empty() ? "it runs no model" : "it does not run " + ask.model);
    }
    const std::string path = "/api/models/unload";
    Heard heard =
        post(ask.model.empty() ? path : path + "/" + percent_encoded_path(ask.model), {}, deadline);
    const bool no_page = heard.body.find("page not found") != std::string::npos;
    if (heard.answered() && ((heard.status == 404 && no_page) || heard.status == 405)) {
      // It is the address that it does not know, and not the model: it is an older one.
      if (wanted != now.residents.size()) {
        return answer(HookOutcome::refused, "this version can only unload all its models, and " +
                                                std::to_string(now.residents.size() - wanted) +
                                                " others run");
      }
      heard = get("/unload", deadline);
    }
    if (!heard.ok()) return failed(heard);
    if (heard.type.find("html") != std::string::npos) {
      return answer(HookOutcome::nonsense, "it answered with a web page");
    }
    const std::string reason = parse_reason(heard.type, heard.body);
    const auto document = parse_document(heard.body);
    if (document && field(*document, "error") != nullptr) {
      return answer(HookOutcome::refused, reason);
    }
    const bool gone = eventually(
        [&] {
          const HookAnswer later = do_resident(deadline);
          return later.outcome == HookOutcome::answered &&
                 std::none_of(later.residents.begin(), later.residents.end(),
                              [&](const Resident& one) {
                                return ask.model.empty() || one.name == ask.model;
                              });
        },
        confirm_until(deadline));
    return gone ? answer(HookOutcome::freed, "it runs it no more")
                : answer(HookOutcome::acknowledged, "it will stop it, and has not done so yet");
  }

  HookAnswer do_load(const HookAsk& ask, Deadline deadline) const override {
    const Heard heard = get("/upstream/" + percent_encoded_path(ask.model) + "/health", deadline);
    if (!heard.answered()) return failed(heard);
    // Whatever the model's own server says of /health, it was started for that.
    const HookAnswer now = do_resident(deadline);
    const bool ready =
        std::any_of(now.residents.begin(), now.residents.end(), [&](const Resident& one) {
          return one.name == ask.model && one.state == ResidentState::ready;
        });
    if (!ready && !heard.ok()) return failed(heard);
    return ready ? answer(HookOutcome::loaded, "it runs it")
                 : answer(HookOutcome::acknowledged, "it took the request, and does not list it");
  }

  /// A name with slashes in it stays a path: its routes end in one.
  static std::string percent_encoded_path(std::string_view name) {
    std::string out;
    for (;;) {
      const std::size_t slash = name.find('/');
      const std::string_view part = name.substr(0, slash);
      // "." and ".." would lead elsewhere.
      out += part == "." ? "%2E" : part == ".." ? "%2E%2E" : percent_encoded(part);
      if (slash == std::string_view::npos) return out;
      out += '/';
      name.remove_prefix(slash + 1);
    }
  }
};

}  // namespace

std::unique_ptr<Hook> make_llama_swap(HookSetting setting, Address address) {
  return std::make_unique<LlamaSwap>(std::move(setting), std::move(address));
}

}  // namespace headroom::act
