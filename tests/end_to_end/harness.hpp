// The real programs, driven as processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include "client/json.hpp"
#include "http/client.hpp"

namespace headroom::end_to_end {

using namespace std::chrono_literals;
using client::list;
using client::number;
using client::text;
using client::whole;
using client::json::value;
using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

constexpr std::int64_t kMiB = 1048576;

/// How long anything may take on a busy machine before a test gives up on it. No test asks for
/// less: that something is quick is printed, and that it waits for no timer is seen where there is
/// none.
constexpr std::chrono::milliseconds kPatience{60000};

/// A folder that is gone at the end, with what is in it. Absolute.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string read_text(const std::string& path);
void write_text(const std::string& path, std::string_view text);

/// Asks until it is true; false when `patience` is over.
bool eventually(const std::function<bool()>& is_so, std::chrono::milliseconds patience = kPatience);

/// Seconds on the monotonic clock.
double seconds();

/// How a program ended.
struct Outcome {
  int code = -1;  ///< its exit code, or 128 + the signal that ended it
  std::string out;
  std::string err;
};

struct StartOptions {
  Variables variables;       ///< over an environment without HEADROOM_*
  std::string memory_group;  ///< of a v1 memory hierarchy, or of a cgroup2; or ""
  uid_t uid = 0;             ///< whom it runs as, and the group of the same number
  bool terminal = false;     ///< stdin, stdout and stderr are a terminal of its own
  std::string folder;        ///< where it runs; "" = here
};

/// A program that runs. Ended by SIGKILL and reaped at the latest with this object.
class Program {
 public:
  Program(const Words& words, const StartOptions& options = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  /// Ends it at once and reaps it.
  void kill_and_reap();
  /// Waits for its end; a code of -1 when it does not end.
  Outcome finish(std::chrono::milliseconds patience = kPatience);
  /// What it has written until now; on a terminal both are one.
  std::string out();
  std::string err();
  /// Waits until it has written this.
  bool says(std::string_view what, std::chrono::milliseconds patience = kPatience);
  bool complains(std::string_view what, std::chrono::milliseconds patience = kPatience);
  /// Types on its terminal.
  void type(std::string_view keys) const;

 private:
  void take_terminal();

  TempFolder folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool reaped_ = false;
  int terminal_ = -1;
  std::string shown_;
};

/// A memory group with a limit, so that a test needs little memory to fill a "machine". Made where
/// the v1 memory hierarchy lets us, or a cgroup2 that has the memory controller; else empty.
class SmallMachine {
 public:
  explicit SmallMachine(std::int64_t mebibytes);
  ~SmallMachine();
  SmallMachine(const SmallMachine&) = delete;
  SmallMachine& operator=(const SmallMachine&) = delete;

  /// Where the programs of the machine start; "" where it could not be made.
  const std::string& group() const { return home_; }
  bool v2() const { return home_ != group_; }

 private:
  std::string group_;  ///< has the limit
  std::string home_;   ///< on v2 a leaf below it: only those may have processes
};

struct DaemonOptions {
  Words arguments;
  Words wrapper;  ///< words before the program's name
  Variables variables;
  std::string configuration;  ///< the text of its file
  std::string memory_group;
  uid_t uid = 0;
  std::string listen;  ///< "" = the socket alone
};

/// A daemon that makes up its GPUs: "8GiB; 8GiB".
DaemonOptions simulated_gpus(const std::string& gpus);

/// An answer of the daemon; a status of 0 when there was none.
struct Answer {
  int status = 0;
  std::string body;
  value json;  ///< null when the body is none
  std::vector<std::pair<std::string, std::string>> headers;
};

/// A daemon with folders of its own. At its end it writes the files "over" and "go", which jobs of
/// a test wait for, and lets their leases end.
class Daemon {
 public:
  explicit Daemon(DaemonOptions options = {});
  ~Daemon();

  /// Starts it and waits until it serves; false when it does not.
  bool start();
  /// Starts it without waiting for anything.
  void launch();
  bool serves();
  /// SIGTERM; how it ended.
  Outcome stop();
  void kill_and_reap();

  Program& program() { return *program_; }
  pid_t pid() const { return program_->pid(); }
  const std::string& folder() const { return folder_.path(); }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string socket() const { return folder_.file("run/s"); }
  std::string state() const { return folder_.file("state"); }
  std::string url() const { return "unix://" + socket(); }
  DaemonOptions& options() { return options_; }

  Answer ask(std::string_view method, const std::string& target, const std::string& body = "",
             std::span<const http::Header> headers = {});
  value get(const std::string& target) { return ask("GET", target).json; }
  /// One line of /room.
  value room(const std::string& resource);
  /// A living lease of this name; null when there is none.
  value lease(const std::string& name);
  /// Waits for a lease of this name to be in this state.
  bool lease_is(const std::string& name, const std::string& state,
                std::chrono::milliseconds patience = kPatience);
  /// Waits for no lease of this name to be alive.
  bool lease_ends(const std::string& name, std::chrono::milliseconds patience = kPatience);

  /// The command, started with this daemon as its address.
  std::unique_ptr<Program> command(const Words& words, StartOptions options = {}) const;
  /// The same, until its end.
  Outcome run(const Words& words, const StartOptions& options = {}) const;

 private:
  TempFolder folder_;
  DaemonOptions options_;
  std::unique_ptr<Program> program_;
};

/// `headroomd` with these arguments and nothing else, until its end.
Outcome headroomd(const Words& words, const StartOptions& options = {});

/// The words of a job: HEADROOM_JOB and these.
Words job(const Words& words);
/// The two joined.
Words operator+(Words left, const Words& right);

/// A TCP port that nobody listens on now.
int free_port();

/// A raw connection, for what no client would send. -1 when there is none.
int connect_unix(const std::string& path);
int connect_tcp(int port);
/// Sends all of it; false when the other side has closed.
bool send_all(int fd, std::string_view bytes);
/// Reads until `end` is in it, the other side closes or patience is over.
std::string receive(int fd, std::string_view end, std::chrono::milliseconds patience = kPatience);

}  // namespace headroom::end_to_end
