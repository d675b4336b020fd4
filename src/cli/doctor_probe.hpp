// What `headroom doctor` asks of the machine around the daemon: ports, engines, webhooks, clocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor.hpp"
#include "words/config.hpp"

namespace headroom::cli {

/// Who holds a port: "pid 4121 (vllm)", or "a process of uid 1000" where others' files are closed
/// to us; "" when nobody listens.
std::string who_listens(int port);

/// The hooks of a /config document, which is the daemon's or this machine's own. `why` says what is
/// wrong in it, or is empty. Pure.
std::vector<HookSetting> hooks_of(const client::json::value& config, std::string& why);

/// Whether the one behind a hook answers, and what it holds. Nothing is asked that changes
/// something: a command is only looked for, and a signal not sent.
Check check_hook(const HookSetting& hook);

/// Programs that hold models, on the ports they usually have, and the line of [hooks] for each.
/// Those that `hooks` ask already are left out. Nothing where none answers.
std::vector<Check> check_engines(const std::vector<HookSetting>& hooks);

/// A webhook's host and port take a connection; nothing is sent to it.
Check check_webhook(const std::string& name, const std::string& url);

/// Whether the kernel says that this machine's clock is set by somebody.
Check check_clock();

}  // namespace headroom::cli
