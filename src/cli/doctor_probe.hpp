// What `headroom doctor` asks of the machine around the daemon: ports, engines, webhooks, clocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor.hpp"

namespace headroom::cli {

/// Who listens on a TCP port, as /proc/net/tcp (or tcp6) has it.
struct Listener {
  std::uint64_t inode = 0;
  std::int64_t uid = -1;
  bool operator==(const Listener&) const = default;
};
/// The listener on `port` in the text of such a file; empty when there is none. Pure.
std::optional<Listener> parse_listener(std::string_view text, int port);

/// Who holds a port: "pid 4121 (vllm)", or "a process of uid 1000" where others' files are closed
/// to us; "" when nobody listens.
std::string who_listens(int port);

/// Programs that hold models, on the ports they usually have: what answered, and how headroom
/// would count it. Nothing where none answers.
std::vector<Check> check_engines();

/// A webhook's host and port take a connection; nothing is sent to it.
Check check_webhook(const std::string& name, const std::string& url);

/// Whether the kernel says that this machine's clock is set by somebody.
Check check_clock();

}  // namespace headroom::cli
