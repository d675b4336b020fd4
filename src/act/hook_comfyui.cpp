// ComfyUI (https://docs.comfy.org/development/comfyui-server/comms_routes):
//   POST /free          {"unload_models": true, "free_memory": true}; answers 200 at once, having
//   set
//                       a flag that the worker looks at between two prompts
//   GET  /system_stats  {"system", "devices": [{"name", "vram_total", "vram_free",
//                       "torch_vram_total", "torch_vram_free"}]}
//   GET  /queue         {"queue_running": […], "queue_pending": […]}
// It frees all or nothing, and loads by itself with the next prompt. What its allocator holds is
// torch_vram_total.
#include <algorithm>

#include <boost/json.hpp>

#include "act/hook_engine.hpp"

namespace headroom::act {

namespace json = boost::json;

Result<std::vector<Resident>> parse_comfyui_stats(std::string_view body) {
  const auto refuse = [](const char* why) {
    return fail(ErrorKind::internal, "an answer is none", why);
  };
  const auto document = parse_document(body);
  const json::value* devices = document ? field(*document, "devices") : nullptr;
  if (devices == nullptr || !devices->is_array() || field(*document, "system") == nullptr) {
    return refuse("it has no list of devices");
  }
  std::vector<Resident> residents;
  for (const json::value& one : devices->get_array()) {
    const auto name = text_field(one, "name");
    if (!name) return refuse("a device in its list has no name");
    if (residents.size() == kMostResidents) return refuse("its list of devices is too long");
    Resident resident;
    resident.name = "ComfyUI";
    resident.device = printable(*name);
    const bool cpu = text_field(one, "type") == "cpu";  // its "vram" is the host's whole memory
    if (!cpu) resident.gpu_memory = bytes_field(one, "torch_vram_total");
    residents.push_back(std::move(resident));
  }
  return residents;
}

Result<bool> parse_comfyui_busy(std::string_view body) {
  const auto document = parse_document(body);
  const json::value* running = document ? field(*document, "queue_running") : nullptr;
  const json::value* pending = document ? field(*document, "queue_pending") : nullptr;
  if (running == nullptr || !running->is_array() || pending == nullptr || !pending->is_array()) {
    return fail(ErrorKind::internal, "an answer is none", "it has no queue");
  }
  return !running->get_array().empty() || !pending->get_array().empty();
}

namespace {

class ComfyUi : public HttpHook {
 public:
  using HttpHook::HttpHook;
  HookGrain grain() const override { return HookGrain::everything; }

 private:
  std::optional<bool> is_busy(Deadline deadline) const {
    const Heard heard = get("/queue", deadline);
    if (!heard.ok()) return {};
    const auto busy = parse_comfyui_busy(heard.body);
    return busy ? std::optional<bool>(*busy) : std::nullopt;
  }

  HookAnswer look(Deadline deadline) const {
    const Heard heard = get("/system_stats", deadline);
    if (!heard.ok()) return failed_look(heard);
    auto residents = parse_comfyui_stats(heard.body);
    if (!residents) return nonsense(residents.error());
    HookAnswer out = answer(HookOutcome::answered, std::to_string(residents->size()) + " devices");
    out.residents = std::move(*residents);
    return out;
  }

  HookAnswer do_resident(Deadline deadline) const override {
    HookAnswer out = look(deadline);
    const auto busy = out.outcome == HookOutcome::answered ? is_busy(deadline) : std::nullopt;
    for (Resident& one : out.residents) one.busy = busy;
    return out;
  }

  /// True when some device holds less than before and none more; empty when nobody tells.
  static std::optional<bool> has_fallen(const std::vector<Resident>& before,
                                        const std::vector<Resident>& now) {
    if (before.size() != now.size()) return {};
    bool told = false;
    bool fell = false;
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (!before[i].gpu_memory || !now[i].gpu_memory) continue;
      told = true;
      if (*now[i].gpu_memory > *before[i].gpu_memory) return false;
      fell = fell || *now[i].gpu_memory < *before[i].gpu_memory || *now[i].gpu_memory == Bytes();
    }
    return told ? std::optional<bool>(fell) : std::nullopt;
  }

  HookAnswer do_free(const HookAsk&, Deadline deadline) const override {
    HookAnswer before = look(deadline);
    if (before.outcome != HookOutcome::answered) return before;
    const auto busy = is_busy(deadline);
    const Heard heard = post("/free", R"({"unload_models":true,"free_memory":true})", deadline);
    if (!heard.ok()) return failed(heard, HookOutcome::refused);
    if (heard.type.find("html") != std::string::npos) {
      return answer(HookOutcome::nonsense, "it answered with a web page");
    }
    const auto document = parse_document(heard.body);
    if (document && field(*document, "error") != nullptr) {
      return answer(HookOutcome::refused, parse_reason(heard.type, heard.body));
    }
    if (busy == true) {
      return answer(HookOutcome::acknowledged, "it is working, and frees between two prompts");
    }
    const bool fell = eventually(
        [&] {
          const HookAnswer now = look(deadline);
          return now.outcome == HookOutcome::answered &&
                 has_fallen(before.residents, now.residents) == true;
        },
        confirm_until(deadline));
    return fell ? answer(HookOutcome::freed, "its allocator holds less")
                : answer(HookOutcome::acknowledged, "it took the ask; its allocator holds no less");
  }

  bool load_needs_name() const override { return false; }

  HookAnswer do_load(const HookAsk&, Deadline) const override {
    return answer(HookOutcome::refused, "it loads by itself, with the next prompt", false);
  }
};

}  // namespace

std::unique_ptr<Hook> make_comfyui(HookSetting setting, Address address) {
  return std::make_unique<ComfyUi>(std::move(setting), std::move(address));
}

}  // namespace headroom::act
