// Ollama (https://github.com/ollama/ollama/blob/main/docs/api.md):
//   GET  /api/ps        {"models": [{"name", "size", "size_vram", "expires_at", …}]}
//   POST /api/generate  {"model", "keep_alive": 0} without a prompt unloads: "done_reason":
//   "unload";
//                       {"model"} without a prompt loads: "done_reason": "load"
// A model that serves somebody is unloaded when it is done, and the answer does not wait for that.
// Old versions loaded a model in order to unload it, so only what is resident is ever asked for
// (ollama#17408). Models that only embed refuse /api/generate in some versions: /api/embed is
// asked then.
#include <algorithm>

#include <boost/json.hpp>

#include "act/hook_engine.hpp"

namespace headroom::act {

namespace json = boost::json;

Result<std::vector<Resident>> parse_ollama_ps(std::string_view body) {
  const auto refuse = [](const char* why) {
    return fail(ErrorKind::internal, "an answer is none", why);
  };
  const auto document = parse_document(body);
  const json::value* models = document ? field(*document, "models") : nullptr;
  // An empty list was null in some versions.
  if (models != nullptr && models->is_null()) return std::vector<Resident>{};
  if (models == nullptr || !models->is_array()) return refuse("it has no list of models");
  std::vector<Resident> residents;
  for (const json::value& one : models->get_array()) {
    Resident resident;
    resident.name = text_field(one, "name").value_or(text_field(one, "model").value_or(""));
    if (!is_model_name(resident.name)) return refuse("a model in its list has no name");
    if (residents.size() == kMostResidents) return refuse("its list of models is too long");
    // "size" is all of it, "size_vram" the part of that on GPUs.
    const auto size = bytes_field(one, "size");
    resident.gpu_memory = bytes_field(one, "size_vram");
    if (size && resident.gpu_memory && *resident.gpu_memory <= *size) {
      resident.memory = *size - *resident.gpu_memory;
    }
    resident.expires = time_field(one, "expires_at");
    residents.push_back(std::move(resident));
  }
  return residents;
}

namespace {

/// "llama3" and "llama3:latest" are one model.
bool is_named(const Resident& resident, std::string_view model) {
  constexpr std::string_view kLatest = ":latest";
  const auto bare = [&](std::string_view name) {
    return name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name;
  };
  return bare(resident.name) == bare(model);
}

bool holds(const std::vector<Resident>& residents, std::string_view model) {
  return std::any_of(residents.begin(), residents.end(),
                     [&](const Resident& one) { return is_named(one, model); });
}

class Ollama : public HttpHook {
 public:
  using HttpHook::HttpHook;

 private:
  HookAnswer do_resident(Deadline deadline) const override {
    const Heard heard = get("/api/ps", deadline);
    if (!heard.ok()) return failed_look(heard);
    auto residents = parse_ollama_ps(heard.body);
    if (!residents) return nonsense(residents.error());
    HookAnswer out =
        answer(HookOutcome::answered, std::to_string(residents->size()) + " models resident");
    out.residents = std::move(*residents);
    return out;
  }

  HookAnswer do_free(const HookAsk& ask, Deadline deadline) const override {
    HookAnswer now = do_resident(deadline);
    if (now.outcome != HookOutcome::answered) return now;
    std::vector<std::string> wanted;
    for (const Resident& one : now.residents) {
      if (ask.model.empty() || is_named(one, ask.model)) wanted.push_back(one.name);
    }
    if (wanted.empty()) {
      return answer(HookOutcome::not_found,
                    ask.model.empty() ? "it holds no model" : "it does not hold " + ask.model);
    }
    HookAnswer worst = answer(HookOutcome::acknowledged, "");
    for (const std::string& model : wanted) {
      const HookAnswer one = unload(model, deadline);
      if (one.outcome != HookOutcome::acknowledged) worst = one;
    }
    if (worst.outcome != HookOutcome::acknowledged) return worst;
    const bool gone = eventually(
        [&] {
          const HookAnswer later = do_resident(deadline);
          return later.outcome == HookOutcome::answered &&
                 std::none_of(wanted.begin(), wanted.end(), [&](const std::string& model) {
                   return holds(later.residents, model);
                 });
        },
        confirm_until(deadline));
    if (gone) return answer(HookOutcome::freed, "it holds it no more");
    return answer(HookOutcome::acknowledged,
                  "it will unload, and has not done so yet: it may be serving somebody");
  }

  HookAnswer unload(const std::string& model, Deadline deadline) const {
    Heard heard =
        post("/api/generate",
             json::serialize(json::object{{"model", model}, {"keep_alive", 0}, {"stream", false}}),
             deadline);
    if (heard.answered() && heard.status == 400 &&
        heard.body.find("does not support") != std::string::npos) {
      heard =
          post("/api/embed",
               json::serialize(json::object{{"model", model}, {"input", ""}, {"keep_alive", 0}}),
               deadline);
      if (heard.ok() && parse_document(heard.body) &&
          parse_reason(heard.type, heard.body).empty()) {
        return answer(HookOutcome::acknowledged, "");
      }
    }
    return judge(heard, HookOutcome::acknowledged);
  }

  HookAnswer do_load(const HookAsk& ask, Deadline deadline) const override {
    const Heard heard =
        post("/api/generate",
             json::serialize(json::object{{"model", ask.model}, {"stream", false}}), deadline);
    HookAnswer said = judge(heard, HookOutcome::acknowledged);
    if (said.outcome != HookOutcome::acknowledged) return said;
    const HookAnswer now = do_resident(deadline);
    if (now.outcome == HookOutcome::answered && holds(now.residents, ask.model)) {
      return answer(HookOutcome::loaded, "it holds it");
    }
    return answer(HookOutcome::acknowledged, "it says that it is loaded, and does not list it");
  }

  /// What an answer of /api/generate means: done, or an error in whatever wrapping.
  static HookAnswer judge(const Heard& heard, HookOutcome good) {
    if (!heard.ok()) return failed(heard);
    // A proxy that streams sends a line for each piece; the last one tells how it ended.
    std::string_view last = heard.body;
    while (!last.empty() && (last.back() == '\n' || last.back() == '\r')) last.remove_suffix(1);
    const auto line = last.rfind('\n');
    const auto document =
        parse_document(line == std::string_view::npos ? last : last.substr(line + 1));
    if (!document || !document->is_object()) {
      return answer(HookOutcome::nonsense, "it answered with no JSON document");
    }
    if (const auto error = text_field(*document, "error")) {
      return answer(error->find("not found") != std::string::npos ? HookOutcome::not_found
                                                                  : HookOutcome::refused,
                    *error);
    }
    if (bool_field(*document, "done") != true) {
      return answer(HookOutcome::nonsense, "its answer does not say that it is done");
    }
    return answer(good, text_field(*document, "done_reason").value_or("done"));
  }
};

}  // namespace

std::unique_ptr<Hook> make_ollama(HookSetting setting, Address address) {
  return std::make_unique<Ollama>(std::move(setting), std::move(address));
}

}  // namespace headroom::act
