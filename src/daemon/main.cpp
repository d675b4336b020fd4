// headroomd: the node daemon.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "runtime/gpu_watch.hpp"
#include "runtime/guardian.hpp"
#include "runtime/loop.hpp"
#include "settings/settings.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace {

using namespace headroom;

constexpr const char* kHelp =
    "headroomd tells what still fits on this machine, and holds what runs inside what it was "
    "given.\n"
    "\n"
    "examples\n"
    "  headroomd                                 serve, with /etc/headroom/headroom.toml if it is "
    "there\n"
    "  headroomd --check                         check the configuration and end\n"
    "  headroomd --socket ~/h.sock --state ~/h --listen \"\"     without root, on a socket of your "
    "own\n"
    "\n"
    "options\n"
    "  --config FILE     read this file instead of /etc/headroom/headroom.toml\n"
    "  --profile NAME    default enterprise general edge pipeline app\n"
    "  --listen ADDRESS  TCP address and port, 127.0.0.1:8000 unless said;      http.listen\n"
    "                    \"\" = the socket only; beyond loopback it wants http.token_file\n"
    "  --socket PATH     the Unix socket                                        http.socket\n"
    "  --state DIR       where the journal lies                                 state.dir\n"
    "  --root DIR        read a captured tree instead of this machine\n"
    "  --recover         let everything go on that a daemon that died has fenced or frozen, and "
    "end\n"
    "  --check           check the configuration, say what is wrong, and end (0 or 2)\n"
    "  --foreground      log to this terminal, also under systemd\n"
    "  --version, --help\n"
    "\n"
    "Every setting is also a variable: HEADROOM_HTTP__LISTEN for http.listen. See "
    "docs/configuration.md.\n";

int complain(const Error& error, int code) {
  std::fprintf(stderr, "headroomd: %s\n", error.what.c_str());
  if (!error.why.empty()) std::fprintf(stderr, "  %s\n", error.why.c_str());
  if (!error.help.empty()) std::fprintf(stderr, "  try: %s\n", error.help.c_str());
  return code;
}

struct Options {
  settings::Input input;
  std::string root = "/";
  bool check = false;
  bool recover = false;
  bool foreground = false;
};

// Reads the flags. Returns an exit code, or -1 to go on.
int read_flags(int argc, char** argv, Options& options) {
  struct Valued {
    const char* name;
    const char* key;
  };
  static constexpr Valued kValued[] = {{"--config", ""},
                                       {"--profile", ""},
                                       {"--listen", "http.listen"},
                                       {"--socket", "http.socket"},
                                       {"--state", "state.dir"},
                                       {"--root", ""}};
  for (int i = 1; i < argc; ++i) {
    std::string_view flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (flag == "--version") {
      std::puts("headroomd " HEADROOM_VERSION);
      return 0;
    }
    if (flag == "--check") {
      options.check = true;
      continue;
    }
    if (flag == "--recover") {
      options.recover = true;
      continue;
    }
    if (flag == "--foreground") {
      options.foreground = true;
      continue;
    }
    const Valued* known = nullptr;
    std::string value;
    const std::size_t equals = flag.find('=');
    for (const Valued& one : kValued) {
      if (flag.substr(0, equals) == one.name) known = &one;
    }
    if (known == nullptr) {
      return complain({ErrorKind::invalid_request, "there is no option " + std::string(flag), "",
                       "headroomd --help"},
                      2);
    }
    if (equals != std::string_view::npos) {
      value = std::string(flag.substr(equals + 1));
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return complain({ErrorKind::invalid_request, std::string(flag) + " wants a value", "",
                       "headroomd --help"},
                      2);
    }
    const std::string_view name = known->name;
    if (name == "--config") {
      options.input.config_file = value;
    } else if (name == "--profile") {
      options.input.profile = value;
    } else if (name == "--root") {
      options.root = value;
    } else {
      options.input.flags.push_back({known->name, known->key, value});
    }
  }
  return -1;
}

void set_up_log(const Config& config, bool foreground) {
  auto logger = std::make_shared<spdlog::logger>("headroomd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_level(
      spdlog::level::from_str(config.log.level == "error" ? "err" : config.log.level));
  const bool journal = config.log.format == LogFormat::journal ||
                       (config.log.format == LogFormat::automatic && !foreground &&
                        std::getenv("JOURNAL_STREAM") != nullptr);
  if (config.log.format == LogFormat::json) {
    logger->set_pattern(R"({"at":"%Y-%m-%dT%H:%M:%S.%e","level":"%l","text":"%v"})");
  } else {
    // The systemd journal has its own time and takes the level from <N>.
    logger->set_pattern(journal ? "%v" : "%H:%M:%S  %v");
  }
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

// As many connections as configured need that many descriptors; the hard limit may be lower.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// An hour of history needs some hundred KiB for a moment. Memory that is given back after each
// answer and taken again for the next costs a quarter of it in page faults.
void keep_some_memory() {
  constexpr int kKept = 1 << 20;
  mallopt(M_TRIM_THRESHOLD, kKept);
  mallopt(M_MMAP_THRESHOLD, kKept);
}

void say_ready(const std::string& socket, const std::string& tcp, const std::string& problem) {
  sd_notify(0, "READY=1\nSTATUS=serving");
  std::fprintf(stderr, "headroomd serves on %s%s%s\n", socket.c_str(),
               tcp.empty() || !problem.empty() ? "" : " and http://",
               tcp.empty() || !problem.empty() ? "" : tcp.c_str());
  if (!problem.empty()) {
    std::fprintf(stderr,
                 "headroomd: %s\n  the socket works; the port is tried again every 5 s\n"
                 "  try: another one with --listen 127.0.0.1:8899\n",
                 problem.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  // The daemon starts itself again to ask the driver: see runtime/gpu_watch.hpp.
  if (argc == 2 && std::string_view(argv[1]) == "--gpu-helper") return runtime::run_gpu_helper();
  // And to have somebody who lets all go when it dies: see runtime/guardian.hpp.
  if (argc == 2 && std::string_view(argv[1]) == "--guardian") return runtime::run_guardian();
  Options options;
  if (const int code = read_flags(argc, argv, options); code >= 0) return code;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    options.input.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  auto loaded = settings::load(options.input);
  if (!loaded) return complain(loaded.error(), 2);
  for (const std::string& warning : loaded->warnings) {
    std::fprintf(stderr, "headroomd: %s\n", warning.c_str());
  }
  if (const auto right = runtime::check_config(loaded->config); !right) {
    return complain(right.error(), 2);
  }
  if (options.check) {
    std::printf("the configuration is right");
    for (const std::string& file : loaded->files) std::printf(", %s", file.c_str());
    std::printf("\n");
    return 0;
  }
  if (options.recover) {
    const auto done = runtime::recover(loaded->config);
    if (!done) return complain(done.error(), 1);
    for (const std::string& line : *done) std::printf("%s\n", line.c_str());
    if (done->empty()) std::puts("nothing is held");
    return 0;
  }
  if (options.root != "/" && access((options.root + "/proc").c_str(), R_OK) != 0) {
    return complain({ErrorKind::invalid_request, options.root + " is no captured tree",
                     "it has no folder proc that can be read", "give the folder that stands for /"},
                    2);
  }
  set_up_log(loaded->config, options.foreground);
  raise_descriptor_limit();
  keep_some_memory();

  runtime::LoopOptions run;
  run.config = loaded->config;
  run.settings = loaded->settings;
  run.root = options.root;
  run.version = HEADROOM_VERSION;
  runtime::LoopHooks hooks;
  hooks.ready = say_ready;
  hooks.reload = [&]() -> Result<std::pair<Config, std::vector<Setting>>> {
    auto again = settings::load(options.input);
    if (!again) return tl::unexpected(again.error());
    if (auto right = runtime::check_config(again->config); !right) {
      return tl::unexpected(right.error());
    }
    return std::pair(again->config, again->settings);
  };
  hooks.change = [&](const std::vector<std::pair<std::string, std::string>>& changes)
      -> Result<std::pair<Config, std::vector<Setting>>> {
    auto changed = settings::change(options.input, changes);
    if (!changed) return tl::unexpected(changed.error());
    return std::pair(std::move(changed->config), std::move(changed->settings));
  };
  hooks.check = [](std::string_view toml) -> Result<std::vector<Setting>> {
    auto checked = settings::load_text(toml, "this text");
    if (!checked) return tl::unexpected(checked.error());
    if (auto right = runtime::check_config(checked->config); !right) {
      return tl::unexpected(right.error());
    }
    return std::move(checked->settings);
  };
  const auto done = runtime::run_loop(std::move(run), hooks);
  if (!done) return complain(done.error(), 1);
  return 0;
}
