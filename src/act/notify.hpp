// Telling people and programs of alerts: a webhook, a command, the systemd journal.
#pragma once

#include <chrono>
#include <string>

#include <headroom/result.hpp>

#include "words/config.hpp"
#include "words/effect.hpp"

namespace headroom::act {

/// One line for people: "gpubox: High CPU memory usage: critical, 91.2, line 85 (raised)".
std::string notify_text(const Notify& news, const std::string& node);

/// The same for programs: a JSON document with "text" (which chat webhooks show), "node", "what"
/// (raised, escalated, eased, reminded, ended) and "alert".
std::string notify_json(const Notify& news, const std::string& node);

/// Tells `target`. Blocks, at most `within`; any thread. A webhook gets a POST of the document and
/// answers 2xx; a command gets it on its standard input, and HEADROOM_NODE, HEADROOM_WHAT,
/// HEADROOM_LEVEL and HEADROOM_RESOURCE, runs in a process group of its own, is killed with it when
/// its time is over, and exits with 0; the journal gets fields. Anything else is an error that says
/// what happened; an address that is a secret is not in it.
Result<void> notify(const NotifyTarget& target, const Notify& news, const std::string& node,
                    std::chrono::milliseconds within);

}  // namespace headroom::act
