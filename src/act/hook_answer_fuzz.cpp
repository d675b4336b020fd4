// What engines answer, through everything that reads answers.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "act/hook_engine.hpp"

namespace {

using namespace headroom;
using namespace headroom::act;

void expect(bool right) {
  if (!right) std::abort();
}

void check(const Result<std::vector<Resident>>& residents) {
  if (!residents) return;
  expect(residents->size() <= kMostResidents);
  for (const Resident& one : *residents) {
    expect(is_model_name(one.name));
    expect(!one.memory || *one.memory >= Bytes());
    expect(!one.gpu_memory || *one.gpu_memory >= Bytes());
    expect(!one.pid || *one.pid > 0);
    expect(one.device.size() <= kMostSaid);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(parse_ollama_ps(text));
  check(parse_llama_swap_running(text));
  check(parse_comfyui_stats(text));
  check(parse_told_residents(text));
  if (const auto models = parse_llama_server_models(text)) {
    check(models->residents);
    expect(models->residents.size() <= models->known.size());
  }
  if (const auto busy = parse_llama_server_slots(text)) expect(*busy >= 0);
  if (const auto names = parse_model_ids(text)) expect(names->size() <= kMostResidents);
  (void)parse_is_sleeping(text);
  (void)parse_comfyui_busy(text);
  if (const auto requests = parse_vllm_requests(text)) expect(*requests >= 0);
  const std::string shown = printable(text);
  expect(shown.size() <= kMostSaid && printable(shown) == shown);
  expect(parse_reason("", text).size() <= kMostSaid);
  (void)parse_time(text);
  if (const auto address = Address::parse(text)) {
    expect(address->base.find_first_of(" \r\n") == std::string::npos);
    expect(!address->url.unix_socket && !address->url.host.empty());
  }
  return 0;
}
