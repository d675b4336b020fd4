#include "runtime/engine_process.hpp"

#include <algorithm>
#include <string>

#include "act/door.hpp"
#include "act/hook.hpp"
#include "sense/listener.hpp"
#include "settings/named.hpp"

namespace headroom::runtime {

EngineServer::EngineServer(const HookSetting& setting) {
  const std::string url =
      setting.url.empty() && setting.kind ? act::usual_url(*setting.kind) : setting.url;
  if (!settings::is_loopback_url(url)) return;
  if (const auto address = act::Address::parse(url)) port_ = address->url.port;
}

std::optional<pid_t> EngineServer::find() {
  if (port_ == 0) return {};
  const auto listener = sense::read_listener(port_);
  if (!listener) {
    inode_ = 0;
    pid_.reset();
  } else if (listener->inode != inode_) {
    inode_ = listener->inode;
    pid_ = sense::read_holder_of(inode_);
  }
  return pid_;
}

void name_gpu_processes(EngineRead& read, const Sample& sample,
                        const std::function<bool(pid_t child, pid_t ancestor)>& descends) {
  for (EngineModel& model : read.models) {
    if (!model.pid) continue;
    std::optional<pid_t> below;
    bool itself = false;
    int devices = 0;
    for (const GpuReading& gpu : sample.gpus) {
      bool here = false;
      for (const GpuProcess& process : gpu.processes) {
        itself = itself || process.pid == *model.pid;
        if (itself || !descends(process.pid, *model.pid)) continue;
        here = true;
        below = below.value_or(process.pid);
      }
      devices += here ? 1 : 0;
    }
    if (!itself && devices == 1) model.pid = below;
  }
}

}  // namespace headroom::runtime
