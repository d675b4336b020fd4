// Bodies of requests, as anybody may send them.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/body.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  serve::HolderField holder;
  if (const auto lease = serve::parse_lease(text, holder)) {
    // What is let in can be booked: amounts are more than nothing, times are not negative.
    if (lease->needs.memory && lease->needs.memory->count() <= 0) std::abort();
    if (lease->needs.cpu && lease->needs.cpu->milli() <= 0) std::abort();
    if (lease->wait && lease->wait->count() < 0) std::abort();
    if (lease->ttl.count() < 0 || lease->name.size() > 256) std::abort();
  }
  const auto fit = serve::parse_fit(text);
  if (fit && fit->model.size() > 200) std::abort();
  if (const auto model = serve::parse_model(text)) {
    if (model->memory && model->memory->count() <= 0) std::abort();
    if (!model->create || model->unload || model->forget) std::abort();
  }
  if (const auto change = serve::parse_model_change(text)) {
    if (change->create || change->forget || change->memory) std::abort();
    if (change->load && change->load->count() < 0) std::abort();
  }
  if (const auto free = serve::parse_cleanup(text)) {
    if (free->gpu_memory && free->gpu_memory->count() <= 0) std::abort();
    if (free->patience.count() < 0) std::abort();
  }
  std::optional<pid_t> own;
  if (const auto component = serve::parse_component(text, own)) {
    if (component->setters.size() > kMostSetters || (own && *own <= 0)) std::abort();
    for (const auto& part : component->quota.parts) {
      if (part.amount.value_or(0) < 0 || part.least.value_or(0) < 0) std::abort();
    }
  }
  (void)serve::parse_quota_change(text);
  (void)serve::parse_component_heard(text);
  if (const auto done = serve::parse_component_answer(text); done && done->ask == 0) std::abort();
  std::optional<pid_t> pid;
  if (const auto add = serve::parse_session(text, pid)) {
    if (add->name.empty() || add->name.size() > 255 || (pid && *pid <= 0)) std::abort();
  }
  if (const auto clean = serve::parse_session_clean(text)) {
    if (clean->older && clean->older->count() < 1) std::abort();
  }
  if (const auto answer = serve::parse_answer(text); answer && answer->ask == 0) std::abort();
  serve::HolderField next;
  if (serve::parse_change(text, next) && next.pid && *next.pid <= 0) std::abort();
  (void)serve::parse_alert_change(text);
  (void)serve::parse_config_changes(text);
  return 0;
}
