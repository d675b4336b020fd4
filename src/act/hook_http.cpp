// Any program that takes an ask as a POST of JSON, as docs/hooks.md describes:
//   {"ask": "free" | "load" | "resident", "model": "…", "bytes": 0, "busy_too": false}
// 2xx is yes; {"error": "…"} is no, whatever the status. To "resident" it answers {"models": […]}.
#include <boost/json.hpp>

#include "act/hook_engine.hpp"

namespace headroom::act {

namespace json = boost::json;

namespace {

class OverHttp : public HttpHook {
 public:
  using HttpHook::HttpHook;

 private:
  HookAnswer do_resident(Deadline deadline) const override {
    const Heard heard = post("", R"({"ask":"resident"})", deadline);
    if (!heard.ok()) return failed_look(heard);
    auto residents = parse_told_residents(heard.body);
    if (!residents) return nonsense(residents.error());
    HookAnswer out =
        answer(HookOutcome::answered, std::to_string(residents->size()) + " models resident");
    out.residents = std::move(*residents);
    return out;
  }
  HookAnswer do_free(const HookAsk& ask, Deadline deadline) const override {
    return send("free", ask, deadline);
  }
  HookAnswer do_load(const HookAsk& ask, Deadline deadline) const override {
    return send("load", ask, deadline);
  }
  bool load_needs_name() const override { return false; }

  HookAnswer send(const char* what, const HookAsk& ask, Deadline deadline) const {
    const Heard heard = post("",
                             json::serialize(json::object{{"ask", what},
                                                          {"model", ask.model},
                                                          {"bytes", ask.bytes.count()},
                                                          {"busy_too", ask.busy_too}}),
                             deadline);
    if (!heard.ok()) return failed(heard);
    if (heard.type.find("html") != std::string::npos) {
      return answer(HookOutcome::nonsense, "it answered with a web page");
    }
    const auto document = parse_document(heard.body);
    if (document && field(*document, "error") != nullptr) {
      return answer(HookOutcome::refused, parse_reason(heard.type, heard.body));
    }
    return answer(HookOutcome::acknowledged, parse_reason(heard.type, heard.body));
  }
};

}  // namespace

std::unique_ptr<Hook> make_http(HookSetting setting, Address address) {
  return std::make_unique<OverHttp>(std::move(setting), std::move(address));
}

}  // namespace headroom::act
