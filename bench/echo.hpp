// The floor of a request to a daemon: one bare round trip over a Unix socket.
#pragma once

namespace headroom::bench {

/// Sends 64 bytes to a server of its own, which waits in epoll and sends them back; both on one
/// CPU. `rounds` round trips are timed; returns the exit code. With `ns` the last line is the
/// median.
int echo(int rounds, bool ns);

}  // namespace headroom::bench
