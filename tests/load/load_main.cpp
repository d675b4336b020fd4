// headroom-load: a real daemon with a day of history under many callers at once.
//
// Fails where something is not right whatever the machine's mood: an answer that is wrong or does
// not come, a slow reader that is kept, memory or descriptors that grow. Times are told, not
// judged, unless --p99-ms says what the probe may wait at most.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "crowd.hpp"
#include "daemon.hpp"
#include "day.hpp"
#include "http/client.hpp"
#include "probe.hpp"

namespace {

using namespace headroom;
using namespace headroom::load;
using namespace std::chrono_literals;

constexpr double kMiB = 1048576;
constexpr int kDescriptorsMore = 8;  // the database, a timer: what a daemon may open later
constexpr auto kPatience = 30s;
#ifdef HEADROOM_SANITIZED
constexpr bool kMemoryIsIts = false;  // a sanitizer's own memory is counted with the program's
#else
constexpr bool kMemoryIsIts = true;
#endif

struct Options {
  std::string daemon;
  int port = 0;
  int seconds = 10;
  int hours = 24;
  int most_mib = 160;  ///< that the daemon may grow
  double p99_ms = 0;
  CrowdOptions crowd;
};

int usage() {
  std::fprintf(stderr,
               "usage: headroom-load --daemon PROGRAM [--port N] [--idle N] [--busy N] "
               "[--readers N]\n"
               "         [--seconds N] [--rate PER_SECOND] [--hours N] [--most-mib N] "
               "[--p99-ms MS]\n");
  return 2;
}

bool read_options(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    const auto number = [&](int& field) { field = std::atoi(value); };
    if (name == "--daemon") {
      options.daemon = value;
    } else if (name == "--port") {
      number(options.port);
    } else if (name == "--idle") {
      number(options.crowd.idle);
    } else if (name == "--busy") {
      number(options.crowd.busy);
    } else if (name == "--readers") {
      number(options.crowd.readers);
    } else if (name == "--seconds") {
      number(options.seconds);
    } else if (name == "--hours") {
      number(options.hours);
    } else if (name == "--most-mib") {
      number(options.most_mib);
    } else if (name == "--rate") {
      options.crowd.rate = std::atof(value);
    } else if (name == "--p99-ms") {
      options.p99_ms = std::atof(value);
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && !options.daemon.empty();
}

// Says what is not right, and remembers that something is not.
class Judge {
 public:
  void wants(bool right, const std::string& what) {
    if (right) return;
    std::fprintf(stderr, "NOT RIGHT: %s\n", what.c_str());
    all_right_ = false;
  }
  int exit_code() const { return all_right_ ? 0 : 1; }

 private:
  bool all_right_ = true;
};

// A counter of /metrics; -1 where it is not told.
double metric(const std::string& socket, const std::string& name) {
  auto client = http::Client::connect(*http::Url::parse("unix://" + socket), 5s);
  if (!client) return -1;
  const auto answer = client->request("GET", "/metrics", {}, {}, 30s);
  if (!answer) return -1;
  const auto at = answer->body.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  return std::strtod(answer->body.c_str() + at + name.size() + 2, nullptr);
}

void tell(const char* name, const std::vector<double>& times) {
  std::printf("%-22s %8zu answers  p50 %8.2f  p99 %8.2f  most %8.2f ms\n", name, times.size(),
              at_rank(times, 0.5), at_rank(times, 0.99), at_rank(times, 1));
}

// One that nobody listens on now.
int free_port() {
  const http::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd.get(), any, size) != 0 || getsockname(fd.get(), any, &size) != 0) return 0;
  return ntohs(address.sin_port);
}

int run(const Options& options) {
  Daemon daemon(options.daemon, options.port != 0 ? options.port : free_port());
  const auto fill_start = std::chrono::steady_clock::now();
  const WallTime now(std::chrono::system_clock::now().time_since_epoch());
  if (const auto filled = fill_history(daemon.state(), options.hours, now); !filled) {
    std::fprintf(stderr, "headroom-load: %s: %s\n", filled.error().what.c_str(),
                 filled.error().why.c_str());
    return 2;
  }
  const std::chrono::duration<double> filling = std::chrono::steady_clock::now() - fill_start;
  if (const auto started = daemon.start(); !started) {
    std::fprintf(stderr, "headroom-load: %s\n%s\n", started.error().what.c_str(),
                 started.error().why.c_str());
    return 2;
  }
  std::printf("%d h of history, filled in %.1f s\n", options.hours, filling.count());

  Judge judge;
  const Facts before = daemon.facts();
  CrowdOptions crowd_options = options.crowd;
  crowd_options.socket = daemon.socket();
  crowd_options.port = daemon.port();
  Crowd crowd(crowd_options);
  const auto went = [&](const char* what, const Result<void>& result) {
    judge.wants(result.has_value(), std::string(what) + ": " + (result ? "" : result.error().what));
    return result.has_value();
  };
  if (!went("the idle connections were not made", crowd.gather())) return judge.exit_code();
  const Facts gathered = daemon.facts();
  const double overruns_before = metric(daemon.socket(), "headroom_loop_overruns_total");

  const auto start = std::chrono::steady_clock::now();
  Probe probe(daemon.socket());
  went("the load was not answered", crowd.load(std::chrono::seconds(options.seconds)));
  const auto waits = probe.stop();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const Facts loaded = daemon.facts();
  const double overruns = metric(daemon.socket(), "headroom_loop_overruns_total") - overruns_before;
  const double dropped = metric(daemon.socket(), "headroom_http_dropped_streams_total");
  went("idle connections were not answered again", crowd.ask_idle());
  const Told& told = crowd.told();

  tell(probe.prompt() ? "health (the probe)" : "health (not prompt)", waits);
  std::uint64_t answers = told.leases * 2;
  for (std::size_t i = 0; i < kQuestions.size(); ++i) {
    const Asked& asked = told.questions.at(i);
    answers += asked.answered + asked.refused;
    tell(std::string(kQuestions.at(i).name).c_str(), asked.times);
    if (asked.refused > 0) {
      std::printf("  and %llu refused with 429\n", static_cast<unsigned long long>(asked.refused));
    }
  }
  std::printf("%.0f answers a second, %llu leases booked and released, %.0f slow readers dropped\n",
              static_cast<double>(answers) / took.count(),
              static_cast<unsigned long long>(told.leases), dropped);
  std::printf("turns of the control machine over 10 ms: %.0f\n", overruns);
  std::printf(
      "the daemon used %.0f %% of a CPU, its loop %.0f %%; the loop waited %.0f %% of the time for "
      "one\n",
      100 * (loaded.cpu - gathered.cpu) / took.count(),
      100 * (loaded.loop_cpu - gathered.loop_cpu) / took.count(),
      100 * (loaded.loop_waited - gathered.loop_waited) / took.count());
  std::printf("resident: %.1f MiB at first, %.1f with %d idle connections, %.1f at most\n",
              static_cast<double>(before.resident) / kMiB,
              static_cast<double>(gathered.resident) / kMiB, options.crowd.idle,
              static_cast<double>(loaded.most_resident) / kMiB);

  judge.wants(told.wrong == 0, std::to_string(told.wrong) + " times; first: " + told.first_wrong);
  judge.wants(probe.unanswered() == 0, "the probe was not answered: " + probe.why());
  judge.wants(!waits.empty(), "the probe asked nothing");
  for (std::size_t i = 0; i < kQuestions.size(); ++i) {
    judge.wants(told.questions.at(i).answered > 0,
                "nobody got an answer to: " + std::string(kQuestions.at(i).name));
  }
  judge.wants(told.idle_answered == 2 * static_cast<std::uint64_t>(options.crowd.idle),
              "of the idle connections only some were answered");
  judge.wants(dropped >= options.crowd.readers,
              "readers that read nothing were not all dropped and counted");
  judge.wants(overruns_before >= 0, "the loop's overruns are not told");
  if (kMemoryIsIts) {
    judge.wants(
        static_cast<double>(loaded.most_resident - before.resident) / kMiB <= options.most_mib,
        "it grew by more than " + std::to_string(options.most_mib) + " MiB");
  }

  crowd.leave();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  Facts after = daemon.facts();
  while (after.descriptors > before.descriptors + kDescriptorsMore &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(20ms);
    after = daemon.facts();
  }
  std::printf("descriptors: %d at first, %d under load, %d afterwards; resident %.1f MiB\n",
              before.descriptors, loaded.descriptors, after.descriptors,
              static_cast<double>(after.resident) / kMiB);
  judge.wants(after.descriptors <= before.descriptors + kDescriptorsMore,
              "descriptors were not given back");
  const int code = daemon.stop();
  judge.wants(code == 0, "the daemon ended with " + std::to_string(code) + ":\n" + daemon.log());
  if (options.p99_ms > 0) {
    judge.wants(at_rank(waits, 0.99) <= options.p99_ms, "the probe waited longer than it may");
  }
  return judge.exit_code();
}

// As many connections as are asked for need that many descriptors; the daemon has this limit too.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, options)) return usage();
  setvbuf(stdout, nullptr, _IOLBF, 0);
  raise_descriptor_limit();
  return run(options);
}
