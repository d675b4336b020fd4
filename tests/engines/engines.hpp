// Engines for tests: each speaks one engine's API as its documentation says, and holds memory that
// it only pretends to have. What it says and what it holds can be told apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "server.hpp"

namespace headroom::engines {

namespace json = boost::json;

inline Reply reply_of(const json::value& document, int status = 200) {
  return {status, json::serialize(document), "application/json", ""};
}
inline Reply no_page() { return {404, "404 page not found", "text/plain", ""}; }

inline std::string model_of(const Request& request) {
  json::error_code error;
  const auto document = json::parse(request.body, error);
  if (error || !document.is_object()) return {};
  const auto* model = document.get_object().if_contains("model");
  return model != nullptr && model->is_string() ? std::string(model->get_string()) : std::string();
}

// What all of them have.
class Engine {
 public:
  struct Model {
    std::int64_t bytes = 0;
    std::string state;         // as the engine calls it
    std::int64_t serving = 0;  // requests
  };
  virtual ~Engine() = default;

  std::uint16_t port() const { return server_.port(); }
  std::string url() const { return server_.url(); }
  Server& server() { return server_; }

  // Known to it; loaded when `state` says so.
  void add(const std::string& name, std::int64_t bytes, const std::string& state) {
    const std::lock_guard lock(mutex_);
    models_[name] = {bytes, state, 0};
    if (is_in_memory(state)) held_ += bytes;
  }
  void serve(const std::string& name, std::int64_t requests) {
    const std::lock_guard lock(mutex_);
    models_[name].serving = requests;
  }
  std::string state(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(name);
    return found == models_.end() ? "" : found->second.state;
  }
  // What a measurement would find.
  std::int64_t held() const {
    const std::lock_guard lock(mutex_);
    return held_;
  }
  // It says that it freed, and keeps what it had (vLLM#47654).
  void keep_memory() {
    const std::lock_guard lock(mutex_);
    keeps_ = true;
  }

 protected:
  explicit Engine(std::uint16_t port)
      : server_([this](const Request& request) { return locked(request); }, port) {}
  virtual Reply handle(const Request& request) = 0;
  virtual bool is_in_memory(const std::string& state) const {
    return state == "loaded" || state == "ready" || state == "awake";
  }
  void set(Model& model, const std::string& state) {
    const bool was = is_in_memory(model.state);
    const bool is = is_in_memory(state);
    model.state = state;
    if (!was && is) held_ += model.bytes;
    if (was && !is && !keeps_) held_ -= model.bytes;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Model> models_;
  std::int64_t held_ = 0;
  bool keeps_ = false;

 private:
  Reply locked(const Request& request) {
    const std::lock_guard lock(mutex_);
    return handle(request);
  }
  Server server_;
};

// docs/api.md of ollama/ollama. States: "loaded", "".
class Ollama : public Engine {
 public:
  explicit Ollama(std::uint16_t port = 0) : Engine(port) {}
  ~Ollama() override { server().stop(); }
  std::atomic<bool> embeds_only{false};  // refuses /api/generate, as some versions did
  std::atomic<bool> old_and_loads{
      false};  // loads a model in order to unload it, as old versions did
  int loads() const {
    const std::lock_guard lock(mutex_);
    return loads_;
  }

 private:
  Reply handle(const Request& request) override {
    if (request.path == "/api/ps") {
      json::array list;
      for (const auto& [name, model] : models_) {
        if (model.state != "loaded") continue;
        list.push_back({{"name", name},
                        {"model", name},
                        {"size", model.bytes + (1 << 20)},
                        {"digest", "a2af6cc3eb7f"},
                        {"details", {{"format", "gguf"}, {"family", "llama"}}},
                        {"expires_at", "2026-11-21T12:05:07.93355-07:00"},
                        {"size_vram", model.bytes},
                        {"context_length", 4096}});
      }
      return reply_of({{"models", list}});
    }
    const bool embeds = request.path == "/api/embed";
    if (request.path != "/api/generate" && !embeds) return no_page();
    const std::string name = model_of(request);
    auto found = models_.find(name);
    if (found == models_.end()) found = models_.find(name + ":latest");
    if (found == models_.end()) {
      return reply_of({{"error", "model '" + name + "' not found"}}, 404);
    }
    if (embeds_only && !embeds) {
      return reply_of({{"error", "\"" + name + "\" does not support generate"}}, 400);
    }
    const bool unload = request.body.find("\"keep_alive\":0") != std::string::npos;
    if (unload) {
      if (old_and_loads && found->second.state != "loaded") ++loads_;
      if (found->second.serving == 0) set(found->second, "");
    } else {
      ++loads_;
      set(found->second, "loaded");
    }
    if (embeds) return reply_of({{"model", name}, {"embeddings", json::array()}});
    return reply_of({{"model", name},
                     {"created_at", "2026-11-21T12:00:00Z"},
                     {"response", ""},
                     {"done", true},
                     {"done_reason", unload ? "unload" : "load"}});
  }
  int loads_ = 0;
};

// tools/server/README.md of ggml-org/llama.cpp. States: "loaded", "loading", "unloaded",
// "sleeping".
class LlamaServer : public Engine {
 public:
  explicit LlamaServer(bool router = true, std::uint16_t port = 0)
      : Engine(port), router_(router) {}
  ~LlamaServer() override { server().stop(); }
  std::atomic<bool> no_slots{false};
  int autoloads() const {
    const std::lock_guard lock(mutex_);
    return autoloads_;
  }

 private:
  Reply handle(const Request& request) override {
    if (request.path == "/models" || request.path == "/v1/models") {
      json::array data;
      for (const auto& [name, model] : models_) {
        json::object one{{"id", name}, {"object", "model"}, {"owned_by", "llamacpp"}};
        if (router_) {
          one["status"] = {{"value", model.state}, {"args", {"llama-server", "-ctx", "4096"}}};
        } else {
          one["meta"] = {{"size", model.bytes}, {"n_ctx_train", 4096}};
        }
        data.push_back(std::move(one));
      }
      return reply_of({{"object", "list"}, {"data", data}});
    }
    if (request.path == "/slots") {
      if (no_slots) {
        return reply_of({{"error",
                          {{"code", 501},
                           {"message", "This server does not support slots endpoint."},
                           {"type", "not_supported_error"}}}},
                        501);
      }
      std::string name = router_ ? "" : models_.begin()->first;
      const auto at = request.query.find("model=");
      if (at != std::string::npos) {
        name = request.query.substr(at + 6);
        for (auto mark = name.find('%'); mark != std::string::npos;
             mark = name.find('%', mark + 1)) {
          const int code = std::stoi(name.substr(mark + 1, 2), nullptr, 16);
          name.replace(mark, 3, 1, static_cast<char>(code));
        }
      }
      Model& model = models_[name];
      if (router_ && model.state != "loaded" &&
          request.query.find("autoload=false") == std::string::npos) {
        ++autoloads_;
        set(model, "loaded");
      }
      json::array slots;
      for (int i = 0; i < 4; ++i) {
        slots.push_back({{"id", i}, {"n_ctx", 4096}, {"is_processing", i < model.serving}});
      }
      return reply_of(slots);
    }
    const bool unload = request.path == "/models/unload";
    if (!router_ || request.method != "POST" || (!unload && request.path != "/models/load")) {
      return reply_of({{"error", {{"code", 404}, {"message", "File Not Found"}}}}, 404);
    }
    const auto found = models_.find(model_of(request));
    if (found == models_.end()) {
      return reply_of({{"error", {{"code", 400}, {"message", "model is not found"}}}}, 400);
    }
    set(found->second, unload ? "unloaded" : "loaded");
    return reply_of({{"success", true}});
  }
  bool router_;
  int autoloads_ = 0;
};

// README.md of mostlygeek/llama-swap. States: "ready", "starting", "stopping", "stopped".
class LlamaSwap : public Engine {
 public:
  explicit LlamaSwap(std::uint16_t port = 0) : Engine(port) {}
  ~LlamaSwap() override { server().stop(); }
  std::atomic<bool> old{false};        // has /unload only
  std::atomic<bool> no_health{false};  // its models' servers have no /health

 private:
  Reply handle(const Request& request) override {
    if (request.path == "/running") {
      json::array running;
      for (const auto& [name, model] : models_) {
        if (model.state == "stopped") continue;
        running.push_back({{"model", name}, {"state", model.state}, {"ttl", 0}});
      }
      return reply_of({{"running", running}});
    }
    const std::string all = "/api/models/unload";
    if ((old && request.path == "/unload") ||
        (!old && request.path == all && request.method == "POST")) {
      for (auto& [name, model] : models_) set(model, "stopped");
      return old ? Reply{200, "OK", "text/plain", ""} : reply_of({{"msg", "ok"}});
    }
    if (!old && request.path.rfind(all + "/", 0) == 0) {
      const auto found = models_.find(request.path.substr(all.size() + 1));
      if (found == models_.end()) return {404, "Model not found", "text/plain", ""};
      set(found->second, "stopped");
      return {200, "OK", "text/plain", ""};
    }
    const std::string upstream = "/upstream/";
    if (request.path.rfind(upstream, 0) == 0) {
      for (auto& [name, model] : models_) {
        if (request.path != upstream + name + "/health") continue;
        set(model, "ready");
        return no_health ? no_page() : reply_of({{"status", "ok"}});
      }
      return {404, "model id not found", "text/plain", ""};
    }
    return no_page();
  }
};

// docs/features/sleep_mode.md of vllm-project/vllm. One model; states: "awake", "asleep".
class Vllm : public Engine {
 public:
  explicit Vllm(std::uint16_t port = 0) : Engine(port) {}
  ~Vllm() override { server().stop(); }
  std::atomic<bool> dev_mode{true};
  std::atomic<bool> never_sleeps{false};  // answers OK and stays awake

 private:
  Reply handle(const Request& request) override {
    Model& model = models_.begin()->second;
    if (request.path == "/v1/models") {
      return reply_of(
          {{"object", "list"},
           {"data",
            {{{"id", models_.begin()->first}, {"object", "model"}, {"owned_by", "vllm"}},
             {{"id", "adapter"}, {"object", "model"}, {"owned_by", "vllm"}}}}});
    }
    if (request.path == "/metrics") {
      return {200,
              "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
              "# TYPE vllm:num_requests_running gauge\n"
              "vllm:num_requests_running{engine=\"0\",model_name=\"a b\"} " +
                  std::to_string(model.serving) +
                  ".0\nvllm:num_requests_waiting{engine=\"0\",model_name=\"a b\"} 0.0\n",
              "text/plain", ""};
    }
    if (!dev_mode) return reply_of({{"detail", "Not Found"}}, 404);
    if (request.path == "/is_sleeping") {
      return reply_of({{"is_sleeping", model.state == "asleep"}});
    }
    if (request.method != "POST") return reply_of({{"detail", "Method Not Allowed"}}, 405);
    if (request.path == "/sleep") {
      if (!never_sleeps) set(model, "asleep");
      deep_ = request.query == "level=2";
      has_weights_ = !deep_;
      return {200, "", "text/plain", ""};
    }
    if (request.path == "/collective_rpc") {
      has_weights_ = request.body.find("reload_weights") != std::string::npos;
      return reply_of({{"results", {nullptr}}});
    }
    if (request.path == "/wake_up") {
      // After a deep sleep it wakes with nothing in it, unless the weights are read again.
      if (request.query != "tags=weights") set(model, has_weights_ ? "awake" : "empty");
      return {200, "", "text/plain", ""};
    }
    return reply_of({{"detail", "Not Found"}}, 404);
  }
  bool deep_ = false;
  bool has_weights_ = true;
};

// docs.comfy.org/development/comfyui-server/comms_routes. One "model"; states: "loaded", "".
class ComfyUi : public Engine {
 public:
  explicit ComfyUi(std::uint16_t port = 0) : Engine(port) {}
  ~ComfyUi() override { server().stop(); }

 private:
  Reply handle(const Request& request) override {
    Model& model = models_.begin()->second;
    if (request.path == "/system_stats") {
      return reply_of({{"system", {{"os", "posix"}, {"comfyui_version", "0.3.68"}}},
                       {"devices",
                        {{{"name", "cuda:0 NVIDIA RTX"},
                          {"type", "cuda"},
                          {"index", 0},
                          {"vram_total", 25'000'000'000},
                          {"vram_free", 25'000'000'000 - held_},
                          {"torch_vram_total", held_},
                          {"torch_vram_free", 0}}}}});
    }
    if (request.path == "/queue") {
      json::array running;
      for (int i = 0; i < model.serving; ++i) running.push_back({i, "prompt"});
      return reply_of({{"queue_running", running}, {"queue_pending", json::array()}});
    }
    if (request.path == "/free" && request.method == "POST") {
      // A flag for the worker, which looks at it between two prompts.
      if (model.serving == 0 && request.body.find("unload_models") != std::string::npos) {
        set(model, "");
      }
      return {200, "", "application/octet-stream", ""};
    }
    return no_page();
  }
};

}  // namespace headroom::engines
