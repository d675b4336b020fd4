// One of the engines as a program: headroom-engine KIND [PORT [MODEL BYTES]...]. Ends with its
// input.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "engines.hpp"

int main(int argc, char** argv) {
  using namespace headroom::engines;
  const std::string kind = argc > 1 ? argv[1] : "";
  const auto port = static_cast<std::uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0);
  std::unique_ptr<Engine> engine;
  std::string state = "loaded";
  if (kind == "ollama") engine = std::make_unique<Ollama>(port);
  if (kind == "llama-server") engine = std::make_unique<LlamaServer>(true, port);
  if (kind == "comfyui") engine = std::make_unique<ComfyUi>(port);
  if (kind == "llama-swap") {
    engine = std::make_unique<LlamaSwap>(port);
    state = "ready";
  }
  if (kind == "vllm-sleep") {
    engine = std::make_unique<Vllm>(port);
    state = "awake";
  }
  if (!engine) {
    std::fprintf(stderr,
                 "usage: headroom-engine ollama|llama-server|llama-swap|vllm-sleep|comfyui "
                 "[PORT [MODEL BYTES]...]\n");
    return 2;
  }
  if (argc <= 4) engine->add("demo", std::int64_t{4} << 30, state);
  for (int i = 3; i + 1 < argc; i += 2) engine->add(argv[i], std::atoll(argv[i + 1]), state);
  std::printf("%s\n", engine->url().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
