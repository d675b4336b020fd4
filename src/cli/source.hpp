// Where read commands take their documents from: the daemon, or else this machine itself.
#pragma once

#include <string>
#include <string_view>

#include "cli/options.hpp"
#include "client/daemon.hpp"

namespace headroom::cli {

class Source {
 public:
  explicit Source(const Common& common);

  /// The daemon's answer to GET `target`. When no daemon listens on its Unix socket, says so once
  /// on stderr and reads the machine directly; a daemon that listens but fails is a failure, and so
  /// is one that is asked over TCP and not there.
  Result<std::string> get(std::string_view target);
  /// The same, parsed.
  Result<client::json::value> document(std::string_view target);
  /// True once a daemon was found missing, or --local was given.
  bool local() const { return local_; }
  /// To be called before each picture of --watch: without a daemon the machine is read anew.
  void next_picture();
  /// GET of something that only a daemon keeps, such as "events": without one it is `unavailable`.
  Result<std::string> kept(std::string_view target, const std::string& what);
  client::Daemon& daemon() { return daemon_; }

 private:
  client::Daemon daemon_;
  bool local_;
  bool quiet_;
  bool first_ = true;
};

/// Prints a document in the shape asked for with --json or -o jsonl (one item per line); false when
/// the output asked for is a table, which the caller renders.
bool print_document(const Common& common, std::string_view body);

}  // namespace headroom::cli
