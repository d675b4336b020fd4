// llama-server (https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md). Started
// without a model it is a router, with a process for each model:
//   GET  /models         {"data": [{"id", "status": {"value": "unloaded | loading | loaded |
//   sleeping",
//                        "args"}}]}
//   POST /models/unload  {"model"} → {"success": true}
//   POST /models/load    {"model"} → {"success": true}; both answer before it is done
//   GET  /slots?model=   [{"is_processing"}]; with autoload=false, or it loads what it is asked
//   about
// Unloading ends what the model is serving, so busy slots are looked at first. Started with a model
// it serves that one, has no status in /models, and gives its memory back only when it is stopped.
#include <algorithm>

#include <boost/json.hpp>

#include "act/hook_engine.hpp"

namespace headroom::act {

namespace json = boost::json;

Result<LlamaServerModels> parse_llama_server_models(std::string_view body) {
  const auto refuse = [](const char* why) {
    return fail(ErrorKind::internal, "an answer is none", why);
  };
  const auto document = parse_document(body);
  const json::value* data = document ? field(*document, "data") : nullptr;
  if (data == nullptr || !data->is_array()) return refuse("it has no list of models");
  LlamaServerModels models;
  bool single = false;
  for (const json::value& one : data->get_array()) {
    const auto id = text_field(one, "id");
    if (!id || !is_model_name(*id)) return refuse("a model in its list has no name");
    if (models.known.size() == kMostResidents) return refuse("its list of models is too long");
    models.known.push_back(*id);
    Resident resident;
    resident.name = *id;
    const json::value* status = field(one, "status");
    if (status == nullptr) {
      single = true;
      models.residents.push_back(std::move(resident));
      continue;
    }
    models.router = true;
    const auto value = text_field(*status, "value");
    if (!value) return refuse("a model in its list has no status");
    if (*value == "loading") {
      resident.state = ResidentState::loading;
    } else if (*value == "sleeping") {
      resident.state = ResidentState::asleep;
    } else if (*value != "loaded") {
      continue;  // unloaded, or still being downloaded
    }
    models.residents.push_back(std::move(resident));
  }
  if (models.router && single)
    return refuse("some of its models have a status, and some have none");
  // A router that knows no model says nothing that would tell it from a server of none.
  if (models.known.empty()) models.router = true;
  return models;
}

Result<int> parse_llama_server_slots(std::string_view body) {
  const auto document = parse_document(body);
  if (!document || !document->is_array()) {
    return fail(ErrorKind::internal, "an answer is none", "it has no list of slots");
  }
  int busy = 0;
  for (const json::value& slot : document->get_array()) {
    const auto processing = bool_field(slot, "is_processing");
    if (!processing) {
      return fail(ErrorKind::internal, "an answer is none", "a slot does not say what it does");
    }
    if (*processing) ++busy;
  }
  return busy;
}

namespace {

const Resident* find(const std::vector<Resident>& residents, std::string_view name) {
  const auto found = std::find_if(residents.begin(), residents.end(),
                                  [&](const Resident& one) { return one.name == name; });
  return found == residents.end() ? nullptr : &*found;
}

class LlamaServer : public HttpHook {
 public:
  using HttpHook::HttpHook;

 private:
  struct Look {
    HookAnswer said;
    LlamaServerModels models;
  };

  Look look(Deadline deadline) const {
    const Heard heard = get("/models", deadline);
    if (!heard.ok()) return {failed_look(heard), {}};
    auto models = parse_llama_server_models(heard.body);
    if (!models) return {nonsense(models.error()), {}};
    return {answer(HookOutcome::answered, std::to_string(models->residents.size()) + " of " +
                                              std::to_string(models->known.size()) +
                                              " models resident"),
            std::move(*models)};
  }

  /// The slots at work; empty when it does not tell (they may be switched off).
  std::optional<int> busy_slots(const std::string& model, bool router, Deadline deadline) const {
    const Heard heard =
        get(router ? "/slots?autoload=false&model=" + percent_encoded(model) : "/slots", deadline);
    if (!heard.ok()) return {};
    const auto busy = parse_llama_server_slots(heard.body);
    return busy ? std::optional<int>(*busy) : std::nullopt;
  }

  HookAnswer do_resident(Deadline deadline) const override {
    Look now = look(deadline);
    if (now.said.outcome != HookOutcome::answered) return now.said;
    for (Resident& one : now.models.residents) {
      if (one.state != ResidentState::ready) continue;
      if (const auto busy = busy_slots(one.name, now.models.router, deadline)) one.busy = *busy > 0;
    }
    now.said.residents = std::move(now.models.residents);
    return now.said;
  }

  HookAnswer do_free(const HookAsk& ask, Deadline deadline) const override {
    const Look now = look(deadline);
    if (now.said.outcome != HookOutcome::answered) return now.said;
    if (!now.models.router) {
      return answer(HookOutcome::refused,
                    "it serves one model and cannot unload it: only stopping it frees its memory");
    }
    std::vector<std::string> wanted;
    for (const Resident& one : now.models.residents) {
      if (ask.model.empty() ? one.state != ResidentState::asleep : one.name == ask.model) {
        wanted.push_back(one.name);
      }
    }
    if (wanted.empty()) {
      return answer(HookOutcome::not_found,
                    ask.model.empty() ? "it holds no model" : "it does not hold " + ask.model);
    }
    HookAnswer worst = answer(HookOutcome::acknowledged, "");
    for (const std::string& model : wanted) {
      const HookAnswer one = unload(model, ask.busy_too, deadline);
      if (one.outcome != HookOutcome::acknowledged) worst = one;
    }
    if (worst.outcome != HookOutcome::acknowledged) return worst;
    const bool gone = eventually(
        [&] {
          const Look later = look(deadline);
          return later.said.outcome == HookOutcome::answered &&
                 std::none_of(wanted.begin(), wanted.end(), [&](const std::string& model) {
                   return find(later.models.residents, model) != nullptr;
                 });
        },
        confirm_until(deadline));
    return gone ? answer(HookOutcome::freed, "it holds it no more")
                : answer(HookOutcome::acknowledged, "it will unload, and has not done so yet");
  }

  HookAnswer unload(const std::string& model, bool busy_too, Deadline deadline) const {
    if (!busy_too) {
      const auto busy = busy_slots(model, true, deadline);
      if (busy && *busy > 0) {
        return answer(HookOutcome::refused,
                      model + " is serving " + std::to_string(*busy) + " requests");
      }
    }
    return judge(post("/models/unload", json::serialize(json::object{{"model", model}}), deadline));
  }

  HookAnswer do_load(const HookAsk& ask, Deadline deadline) const override {
    const Look now = look(deadline);
    if (now.said.outcome != HookOutcome::answered) return now.said;
    const Resident* there = find(now.models.residents, ask.model);
    if (there != nullptr && there->state == ResidentState::ready) {
      return answer(HookOutcome::loaded, "it holds it");
    }
    if (!now.models.router) {
      return answer(HookOutcome::refused, "it serves one model, and cannot load another");
    }
    if (std::find(now.models.known.begin(), now.models.known.end(), ask.model) ==
        now.models.known.end()) {
      return answer(HookOutcome::not_found, "it knows no model " + ask.model);
    }
    if (there == nullptr || there->state != ResidentState::loading) {
      HookAnswer said = judge(
          post("/models/load", json::serialize(json::object{{"model", ask.model}}), deadline));
      if (said.outcome != HookOutcome::acknowledged) return said;
    }
    const bool loaded = eventually(
        [&] {
          const Look later = look(deadline);
          const Resident* one = find(later.models.residents, ask.model);
          return one != nullptr && one->state == ResidentState::ready;
        },
        deadline);
    return loaded ? answer(HookOutcome::loaded, "it holds it")
                  : answer(HookOutcome::acknowledged, "it is loading");
  }

  static HookAnswer judge(const Heard& heard) {
    if (!heard.ok()) return failed(heard, HookOutcome::refused);
    const auto document = parse_document(heard.body);
    const auto success = document ? bool_field(*document, "success") : std::nullopt;
    if (success == true) return answer(HookOutcome::acknowledged, "");
    const std::string reason = parse_reason(heard.type, heard.body);
    if (success == false || (document && field(*document, "error") != nullptr)) {
      return answer(HookOutcome::refused, reason.empty() ? "it says no success" : reason);
    }
    return answer(HookOutcome::nonsense, "its answer does not say success");
  }
};

}  // namespace

std::unique_ptr<Hook> make_llama_server(HookSetting setting, Address address) {
  return std::make_unique<LlamaServer>(std::move(setting), std::move(address));
}

}  // namespace headroom::act
