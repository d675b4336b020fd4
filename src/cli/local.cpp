// Reading this machine without a daemon: the same state machine and the same documents, in this
// process.
#include "cli/local.hpp"

#include <ctime>
#include <map>
#include <memory>
#include <thread>

#include <sys/utsname.h>
#include <unistd.h>

#include "control/control.hpp"
#include "sense/gpu_once.hpp"
#include "sense/process_list.hpp"
#include "sense/process_owner.hpp"
#include "sense/sampler.hpp"
#include "sense/slow.hpp"
#include "sense/unified.hpp"
#include "serve/body.hpp"
#include "serve/documents.hpp"
#include "serve/routes.hpp"
#include "settings/settings.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::cli {
namespace {

// Rates need two readings; the kernel's own ticks are 10 ms.
constexpr std::chrono::milliseconds kBetween{100};
// A driver that was not in use takes a second or two to start.
constexpr std::chrono::milliseconds kGpus{3000};
// A network mount that does not answer within this is shown as stale.
constexpr std::chrono::milliseconds kMounts{200};

// A command is its own little runtime: it reads the clock twice and ends.
Instant clock_now() {
  const auto read = [](clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  return {BootTime(read(CLOCK_BOOTTIME)), WallTime(read(CLOCK_REALTIME))};
}

tl::unexpected<Error> needs_daemon(const char* what) {
  return fail(ErrorKind::unavailable, std::string(what) + " is known to the daemon only",
              "none answers", "sudo systemctl start headroomd, or headroomd in another terminal");
}

class Local final : public serve::Backend {
 public:
  explicit Local(settings::Loaded loaded) : loaded_(std::move(loaded)), control_(loaded_.config) {
    utsname kernel{};
    uname(&kernel);
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    node_.name = loaded_.config.node.name.empty() ? host : loaded_.config.node.name;
    node_.version = HEADROOM_VERSION;
    node_.kernel = kernel.release;
    node_.started = clock_now();
    node_.tier = "none";
    node_.cannot.push_back({"leases", "no daemon answers",
                            "sudo systemctl start headroomd, or headroomd in another terminal"});
    sense::Sources sources;
    sources.gpu = loaded_.config.sample.gpu;
    sources.gpu_sim = loaded_.config.sample.gpu_sim;
    sampler_ = std::make_unique<sense::Sampler>(sources);
    sample();
    std::this_thread::sleep_for(kBetween);
    sample();
  }

  /// Reads the machine once more; what is answered from now on is of this reading.
  void sample() {
    auto sample = std::make_shared<Sample>();
    const Instant at = clock_now();
    // The drivers first: the child that asks them is made while this process has one thread.
    if (const auto setup =
            sense::gpu_setup(loaded_.config.sample.gpu, "/", loaded_.config.sample.wake_gpus)) {
      sense::read_gpus_once(*setup, kGpus, at.boot, *sample);
    }
    const std::vector<GpuReading> gpus = std::move(sample->gpus);
    const std::string driver = std::move(sample->gpu_driver);
    const std::vector<Absence> silent = std::move(sample->absent);
    sense::SlowReading slow;
    slow_.read(at, slow);
    sampler_->take(slow);
    sampler_->read(at, {}, *sample);
    if (!gpus.empty() || !silent.empty()) {
      sample->gpus = gpus;
      sample->gpu_driver = driver;
      std::erase_if(sample->absent, [](const Absence& one) { return one.sensor == "gpu"; });
      sample->absent.insert(sample->absent.end(), silent.begin(), silent.end());
    }
    sense::fill_unified(*sample);
    sample->number = ++samples_;
    sample->took = clock_now().boot - at.boot;
    (void)control_.apply(Sampled{std::move(sample)}, at);
    view_ = std::make_shared<const View>(control_.view(clock_now()));
    processes_.reset();
  }

  Instant now() override { return clock_now(); }
  std::shared_ptr<const View> view() override { return view_; }
  const Config& config() override { return loaded_.config; }
  const serve::NodeFacts& node() override { return node_; }
  const std::vector<Setting>& settings() override { return loaded_.settings; }
  serve::Costs costs() override { return {}; }
  Result<serve::HistoryAnswer> history(const serve::HistoryQuery&) override {
    return needs_daemon("the history");
  }
  Result<std::vector<ForecastView>> forecasts(std::optional<std::chrono::seconds>) override {
    return needs_daemon("forecasts");
  }
  void history(const serve::HistoryQuery& query,
               std::function<std::string(const serve::HistoryAnswer&)> render,
               std::function<void(Result<std::string>)> done) override {
    const auto answer = history(query);
    done(answer ? Result<std::string>(render(*answer)) : tl::unexpected(answer.error()));
  }
  std::shared_ptr<const ProcessList> processes() override {
    if (!processes_) read_processes();
    return processes_;
  }
  void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) override {
    done(processes());
  }
  Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>&) override {
    return fail(ErrorKind::unavailable, "settings are changed by the daemon");
  }
  Result<std::vector<Setting>> check_config(std::string_view) override {
    return fail(ErrorKind::unavailable, "a configuration is checked with headroomd --check");
  }
  const std::string& token() override {
    static const std::string kNone;
    return kNone;
  }
  std::vector<EventLine> events(const serve::EventQuery&) override { return {}; }
  RequestId ask(const Caller& caller, Ask what,
                std::function<void(const serve::Answered&)> done) override {
    for (Effect& effect : control_.apply(Asked{1, caller, std::move(what)}, clock_now())) {
      if (const auto* respond = std::get_if<Respond>(&effect)) done(respond->what);
    }
    return 1;
  }
  void withdraw(RequestId) override {}
  Caller caller(const http::Peer&) override { return {geteuid(), true, geteuid() == 0}; }
  std::uint64_t listen(LeaseId, std::function<bool(const AskHook&)>) override { return 0; }
  std::vector<Decision> decisions(std::string_view, std::size_t) override { return {}; }
  std::uint64_t listen(const std::string&, std::function<bool(const CallSetter&)>) override {
    return 0;
  }
  void stop_listening(const std::string&, std::uint64_t) override {}
  void stop_listening(LeaseId, std::uint64_t) override {}
  Result<void> answer(LeaseId, std::uint64_t, HookResult, std::string) override {
    return needs_daemon("an ask");
  }
  Result<Holder> holder(const Caller&, pid_t) override { return needs_daemon("a lease"); }
  void holder(const Caller&, const GroupName&,
              std::function<void(Result<serve::GroupHolder>)> done) override {
    done(needs_daemon("a lease"));
  }

 private:
  void read_processes() {
    const bool first = !lister_;
    if (first) lister_ = std::make_unique<sense::ProcessLister>("");
    auto list = std::make_shared<ProcessList>();
    for (int i = 0; i < (first ? 2 : 1); ++i) {
      if (i > 0) std::this_thread::sleep_for(kBetween);
      const Instant at = clock_now();
      lister_->read(at, *list);
      list->took = clock_now().boot - at.boot;
    }
    if (view_->sample) sense::match_gpu_processes(*list, view_->sample->gpus);
    processes_ = std::move(list);
  }

  settings::Loaded loaded_;
  control::Control control_;
  serve::NodeFacts node_;
  sense::SlowSensors slow_{"/", kMounts};
  std::unique_ptr<sense::Sampler> sampler_;
  std::uint64_t samples_ = 0;
  std::shared_ptr<const View> view_;
  std::unique_ptr<sense::ProcessLister> lister_;
  std::shared_ptr<const ProcessList> processes_;  ///< of this sample; read when first asked for
};

Result<Local*> local() {
  // One for the life of the command: several documents are read of the same two samples.
  static std::unique_ptr<Local> only;
  if (only) return only.get();
  settings::Input input;
  input.for_command = true;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      input.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  auto loaded = settings::load(input);
  if (!loaded) return tl::unexpected(loaded.error());
  only = std::make_unique<Local>(std::move(*loaded));
  return only.get();
}

}  // namespace

Result<std::string> read_locally(std::string_view target) {
  auto backend = local();
  if (!backend) return tl::unexpected(backend.error());
  const std::size_t mark = target.find('?');
  const http::Response response =
      serve::read(**backend, target.substr(0, mark),
                  mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1));
  if (response.status >= 400) {
    return fail(response.status == 404 ? ErrorKind::not_found : ErrorKind::unavailable,
                "it cannot be read without the daemon", std::string(target),
                "sudo systemctl start headroomd, or headroomd in another terminal");
  }
  return response.body;
}

Result<void> sample_locally() {
  auto backend = local();
  if (!backend) return tl::unexpected(backend.error());
  (*backend)->sample();
  return {};
}

Result<std::string> fit_locally(std::string_view body) {
  auto backend = local();
  if (!backend) return tl::unexpected(backend.error());
  auto ask = serve::parse_fit(body);
  if (!ask) return tl::unexpected(ask.error());
  Result<std::string> out = needs_daemon("the answer");
  (*backend)->ask((*backend)->caller({}), std::move(*ask), [&](const serve::Answered& answered) {
    if (const auto* refusal = std::get_if<Refusal>(&answered)) {
      out = tl::unexpected(refusal->error);
    } else if (const auto* verdict = std::get_if<Verdict>(&answered)) {
      std::string text;
      serve::Json json(text);
      serve::write_verdict(json, *verdict, nullptr);
      out = std::move(text);
    }
  });
  return out;
}

}  // namespace headroom::cli
