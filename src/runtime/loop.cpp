#include "runtime/loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include <spdlog/spdlog.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "act/hook.hpp"
#include "act/process.hpp"
#include "control/control.hpp"
#include "decide/calendar.hpp"
#include "http/access.hpp"
#include "http/server.hpp"
#include "http/tls.hpp"
#include "judge/foresight.hpp"
#include "judge/hours_of_day.hpp"
#include "judge/saved.hpp"
#include "judge/window.hpp"
#include "record/event_list.hpp"
#include "record/journal.hpp"
#include "runtime/callers.hpp"
#include "runtime/clock.hpp"
#include "runtime/component_listeners.hpp"
#include "runtime/counting.hpp"
#include "runtime/engine_process.hpp"
#include "runtime/foresight_file.hpp"
#include "runtime/gpu_watch.hpp"
#include "runtime/group_finder.hpp"
#include "runtime/hook_worker.hpp"
#include "runtime/listeners.hpp"
#include "runtime/machine.hpp"
#include "runtime/notifier.hpp"
#include "runtime/otlp_push.hpp"
#include "runtime/process_reader.hpp"
#include "runtime/recorder.hpp"
#include "runtime/secret.hpp"
#include "runtime/series.hpp"
#include "runtime/session_worker.hpp"
#include "runtime/slow_sensors.hpp"
#include "runtime/stall_trigger.hpp"
#include "runtime/zone.hpp"
#include "sense/account.hpp"
#include "sense/cgroup.hpp"
#include "sense/gpu.hpp"
#include "sense/gpu_holder.hpp"
#include "sense/group_tree.hpp"
#include "sense/sampler.hpp"
#include "sense/unified.hpp"
#include "serve/otlp.hpp"
#include "serve/routes.hpp"
#include "words/changed_leases.hpp"
#include "words/group_path.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::runtime {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto kSecondSample = 100ms;   // after the first: then the first answer has its rates
constexpr auto kTight = 80ms;           // between two looks while memory is tight
constexpr auto kBetweenTouches = 10ms;  // of fences
constexpr auto kAfterTouch = 2s;        // whoever came to his fence may be past it soon
constexpr auto kTcpRetry = 5s;
constexpr auto kZoneEvery = 1h;  // somebody may have moved the machine
constexpr auto kSlowTurn = 10ms;
constexpr auto kKeepForesight = 10min;
constexpr auto kForgetHours = 24h;
constexpr std::size_t kMostPeaks = 64;

// What somebody may want to move to another time of the day.
bool has_peaks(std::string_view series) {
  const std::string_view resource = series.substr(0, series.find(':'));
  return resource == "cpu" || resource == "memory" || resource == "gpu_memory" ||
         resource == "gpu_utilization";
}

// Tells when a process ends.
struct Watched {
  act::ProcessWatch process;
  asio::posix::stream_descriptor descriptor;
};

class Loop final : public serve::Backend {
 public:
  Loop(LoopOptions options, const LoopHooks& hooks)
      : options_(std::move(options)),
        hooks_(hooks),
        control_(options_.config),
        machine_(options_.root != "/", options_.config.state.dir,
                 [this](std::function<void()> work) { asio::post(io_, std::move(work)); }),
        gpu_holders_(options_.root == "/" ? "" : options_.root),
        history_(judge::History::capacity_for(options_.config.sample.history)),
        listeners_([this](HookAnswered answered) {
          counting_.answered(answered, now().boot);
          dispatch(std::move(answered));
          arm_listeners();
        }),
        component_listeners_([this](ComponentHeard heard) { dispatch(std::move(heard)); }),
        routes_(*this),
        server_(io_, limits(),
                [this](const http::Request& request, http::Reply reply) {
                  routes_.handle(request, std::move(reply));
                }),
        sample_timer_(io_),
        deadline_timer_(io_),
        tcp_timer_(io_),
        otlp_timer_(io_),
        hooks_timer_(io_),
        listeners_timer_(io_),
        fences_timer_(io_),
        signals_(io_, SIGTERM, SIGINT, SIGHUP) {}

  Result<void> run();

  // serve::Backend
  Instant now() override { return runtime::now(); }
  std::shared_ptr<const View> view() override;
  const Config& config() override { return *control_.state().config; }
  const serve::NodeFacts& node() override { return node_; }
  const std::vector<Setting>& settings() override { return options_.settings; }
  serve::Costs costs() override;
  Result<serve::HistoryAnswer> history(const serve::HistoryQuery& query) override;
  Result<std::vector<ForecastView>> forecasts(std::optional<std::chrono::seconds> ahead) override {
    return foresight_.forecasts(ahead);
  }
  void history(const serve::HistoryQuery& query,
               std::function<std::string(const serve::HistoryAnswer&)> render,
               std::function<void(Result<std::string>)> done) override;
  std::shared_ptr<const ProcessList> processes() override;
  void processes(std::function<void(std::shared_ptr<const ProcessList>)> done) override;
  Result<std::vector<Setting>> configure(
      const std::vector<std::pair<std::string, std::string>>& changes) override;
  Result<std::vector<Setting>> check_config(std::string_view toml) override;
  const std::string& token() override { return token_; }
  std::vector<EventLine> events(const serve::EventQuery& query) override;
  RequestId ask(const Caller& caller, Ask what,
                std::function<void(const serve::Answered&)> done) override;
  void withdraw(RequestId request) override;
  Caller caller(const http::Peer& peer) override { return callers_.of(peer); }
  std::uint64_t listen(LeaseId lease, std::function<bool(const AskHook&)> send) override;
  void stop_listening(LeaseId lease, std::uint64_t listener) override;
  Result<void> answer(LeaseId lease, std::uint64_t ask, HookResult result,
                      std::string said) override;
  std::vector<Decision> decisions(std::string_view component, std::size_t limit) override;
  std::uint64_t listen(const std::string& component,
                       std::function<bool(const CallSetter&)> send) override {
    return component_listeners_.listen(component, std::move(send));
  }
  void stop_listening(const std::string& component, std::uint64_t listener) override {
    component_listeners_.stop_listening(component, listener);
  }
  Result<Holder> holder(const Caller& caller, pid_t pid) override;
  void holder(const Caller& caller, const GroupName& group,
              std::function<void(Result<serve::GroupHolder>)> done) override;

 private:
  http::Limits limits() const {
    http::Limits limits;
    limits.connections = static_cast<std::size_t>(options_.config.http.connections);
    return limits;
  }
  Result<void> listen();
  void listen_tcp();
  Result<void> read_certificate();
  void restore(std::vector<Record> records, bool same_boot);
  void dispatch(Event event);
  void turn(const Event& event, Instant at);
  void keep(const Effects& effects);
  void carry_out(Effect& effect);
  /// Whole: everything, with new shares and rates. Between: what can fill up. After a release: the
  /// per-CPU free lists too.
  enum class Look { whole, between, after_release };
  void note_changes(const Effects& effects);
  bool holds_component(LeaseId id) const;
  void follow_leases();
  void sample(Look look);
  bool memory_is_tight() const;
  bool gpus_owe() const;
  void take_up(std::string_view learned);
  void keep_foresight();
  std::vector<PeakHours> peaks() const;
  void remember(const Sample& sample);
  void next_sample(std::chrono::nanoseconds after);
  void arm_deadline();
  void watch(const Holder& holder);
  void drop_unused_watches();
  const std::shared_ptr<const sense::GroupTree>& groups();
  void look_at_groups();
  LeaseId lease_around(pid_t pid) const;
  LeaseId lease_inside(const std::vector<pid_t>& processes) const;
  void ask_others();
  void ask(const AskHook& ask);
  void arm_hooks();
  void ask(SessionWorker::Work work);
  void arm_listeners();
  void log(const EventLine& line);
  void say(std::string type, std::string text);
  void wait_for_signals();
  void wait_at_fences();
  void wait_for_stalls();
  void look_now(Look look);
  void reload();
  void open_history();
  void watch_gpus();
  void read_processes();
  void push_metrics();
  void offer_metrics();
  void take_settings(std::pair<Config, std::vector<Setting>> fresh);
  void read_token();
  void stop();

  LoopOptions options_;
  const LoopHooks& hooks_;
  asio::io_context io_{1};
  control::Control control_;
  Machine machine_;
  std::optional<record::Journal> journal_;
  std::optional<Notifier> notifier_;
  std::optional<Recorder> recorder_;
  std::optional<sense::Sampler> sampler_;
  std::optional<SlowSensors> slow_sensors_;
  std::optional<GpuWatch> gpus_;
  sense::GpuHolders gpu_holders_;
  std::optional<ProcessReader> process_reader_;
  std::optional<OtlpPush> otlp_;
  std::optional<HookWorker> hook_worker_;
  std::optional<SessionWorker> session_worker_;  ///< with the first thing to do
  Counting counting_;
  SeriesOf series_;
  judge::History history_;
  judge::Foresight foresight_;
  std::string components_learned_;  // until the machine has it
  std::vector<judge::Reading> readings_;
  WorkloadSeries workloads_;
  std::map<std::string, judge::HoursOfDay, std::less<>> hours_;  // of what has peaks
  std::optional<ForesightFile> foresight_file_;
  std::optional<BootTime> foresight_kept_;
  std::set<std::string, std::less<>> seen_hours_;  // of hours_, in this run
  Callers callers_;
  record::EventList events_;
  Listeners listeners_;
  ComponentListeners component_listeners_;
  serve::Routes routes_;
  http::Server server_;
  asio::steady_timer sample_timer_;
  asio::steady_timer deadline_timer_;
  asio::steady_timer tcp_timer_;
  asio::steady_timer otlp_timer_;
  asio::steady_timer hooks_timer_;
  asio::steady_timer listeners_timer_;
  asio::steady_timer fences_timer_;
  std::optional<asio::posix::stream_descriptor> fences_;
  std::optional<StallTrigger> stalls_;
  asio::signal_set signals_;

  serve::NodeFacts node_;
  std::deque<Event> pending_;
  bool turning_ = false;
  std::map<RequestId, std::function<void(const serve::Answered&)>> asked_;
  RequestId last_request_ = 0;
  std::map<Holder, Watched> watched_;
  std::map<pid_t, Holder> watched_pids_;
  std::set<Holder> watched_groups_;
  std::shared_ptr<const sense::GroupTree> groups_;  ///< of others; read with the first use
  std::optional<GroupFinder> group_finder_;         ///< with the first question
  std::shared_ptr<const View> view_;
  std::string token_;
  std::array<std::shared_ptr<Sample>, 3> samples_;
  std::uint64_t sample_number_ = 0;
  BootTime last_whole_{};
  WallTime zone_read_{};
  BootTime last_gpu_poll_{};
  ChangedLeases changed_leases_;  ///< since the last sample
  bool follow_all_ = false;       ///< what was restored changed nothing
  std::optional<BootTime> armed_;
  std::string tcp_problem_;
  std::uint64_t journal_failures_ = 0;
  std::uint64_t slow_turns_ = 0;
  bool stopping_ = false;
};

// ------------------------------------------------------------------------------ start and stop

Result<void> Loop::run() {
  utsname kernel{};
  uname(&kernel);
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  const std::string& name = options_.config.node.name;
  node_.name = name.empty() ? host : name;
  node_.version = options_.version;
  node_.kernel = kernel.release;
  node_.boot_id = act::boot_id().value_or("");
  node_.started = now();
  node_.tier = machine_.tier();
  node_.cannot = machine_.cannot();
  node_.socket = options_.config.http.socket;

  sense::Sources sources;
  sources.root = options_.root;
  sources.gpu = options_.config.sample.gpu;
  sources.gpu_sim = options_.config.sample.gpu_sim;
  sources.jobs_group = machine_.jobs_group();
  sampler_.emplace(sources);
  slow_sensors_.emplace(io_, options_.root,
                        [this](const sense::SlowReading& slow) { sampler_->take(slow); });
  watch_gpus();
  read_processes();

  record::Journal::Opened* opened = nullptr;
  auto journal = record::Journal::open(options_.config.state.dir, options_.config.state.journal,
                                       node_.boot_id);
  if (!journal) return tl::unexpected(journal.error());
  opened = &*journal;
  journal_.emplace(std::move(opened->journal));

  open_history();
  notifier_.emplace(io_, node_.name, [this](const std::string& who, const std::string& problem) {
    const std::string target = "notify." + who;
    say("daemon.notify", problem.empty() ? target + " works again" : problem);
    std::erase_if(node_.cannot, [&](const Absence& one) { return one.sensor == target; });
    if (!problem.empty()) {
      node_.cannot.push_back({target, problem, "headroom config show " + target + " shows where"});
    }
  });

  ask_others();
  // The devices must be known before the leases on them are.
  sample(Look::whole);
  // What a daemon that died here held is let go before it is held again.
  if (!Guardian::wait_for_last(options_.config.state.dir)) {
    say("daemon.guardian", "the guardian of the daemon before still lives; nothing can be fenced");
  }
  restore(std::move(opened->records), opened->same_boot);
  for (const std::string& note : opened->notes) say("daemon.journal", note);

  read_token();
  if (auto listening = listen(); !listening) return listening;
  server_.set_header("X-Headroom-Node", node_.name);
  routes_.on_answer([this](std::string_view route, int status, std::chrono::nanoseconds took) {
    counting_.answered(route, status, took);
  });
  if (hooks_.ready) {
    hooks_.ready(node_.socket, node_.listen, tcp_problem_);
  }
  push_metrics();
  say("daemon.started", "headroom " + node_.version + " on " + node_.name);
  next_sample(kSecondSample);
  wait_for_signals();
  wait_at_fences();
  wait_for_stalls();
  io_.run();
  return {};
}

void Loop::open_history() {
  Recorder::Options options;
  options.dir = options_.config.state.dir;
  options.history.step = options_.config.sample.interval;
  options.history.keep = options_.config.sample.keep;
  options.budget = options_.config.sample.history_budget;
  Recorder::Hooks hooks;
  hooks.post = [this](std::function<void()> work) { asio::post(io_, std::move(work)); };
  hooks.say = [this](const std::string& text) { say("daemon.history", text); };
  const Instant start = now();
  recorder_.emplace(std::move(options), std::move(hooks), start);
  Recorder::Restored before = recorder_->restored();
  events_.restore(std::move(before.events), before.last.event);
  control_.number_alerts_after(before.last.alert);
  std::vector<judge::History::Past> hour;
  for (const auto& past : before.hour.series) hour.push_back({past.name, past.values});
  history_.refill(before.hour.at, before.hour.step, hour, start);
  foresight_file_.emplace(options_.config.sample.keep.count() > 0 ? options_.config.state.dir : "");
  const std::string learned = foresight_file_->read();
  take_up(learned);
  foresight_.refill(before.hour.at, before.hour.step, hour, start);
}

// What an earlier run of this build has learned: the series of the node, those of components (for
// the machine, which asks for them when they are back), and the hours of the day.
void Loop::take_up(std::string_view learned) {
  const auto node = judge::next_piece(learned);
  const auto components = judge::next_piece(learned);
  if (!node || !components) return;
  components_learned_ = *components;
  while (hours_.size() < kMostPeaks) {
    const auto name = judge::next_piece(learned);
    const auto state = judge::next_piece(learned);
    if (!name || !state) break;
    if (auto hours = judge::HoursOfDay::restore(*state)) {
      hours_.emplace(std::string(*name), *hours);
    }
  }
  (void)foresight_.restore(*node);  // what is not of this build is learned anew
}

void Loop::keep_foresight() {
  if (!foresight_file_) return;
  // What was not there for a day, such as a device that was replaced, has no habits any more.
  if (now().boot - node_.started.boot > kForgetHours) {
    std::erase_if(hours_, [this](const auto& one) { return !seen_hours_.contains(one.first); });
  }
  std::string learned;
  judge::append_piece(learned, foresight_.save());
  judge::append_piece(learned, control_.save_foresight());
  for (const auto& [name, hours] : hours_) {
    judge::append_piece(learned, name);
    judge::append_piece(learned, hours.save());
  }
  foresight_file_->write(std::move(learned));
}

std::vector<PeakHours> Loop::peaks() const {
  std::vector<PeakHours> all;
  for (const auto& [name, hours] : hours_) {
    const auto told = hours.told();
    if (!told) continue;
    all.push_back({name, told->peak.from, told->peak.to, told->peak.mean, told->quiet.from,
                   told->quiet.to, told->quiet.mean, told->days});
  }
  return all;
}

void Loop::watch_gpus() {
  GpuWatchOptions options;
  options.source = options_.config.sample.gpu;
  options.wake = options_.config.sample.wake_gpus;
  options.root = options_.root;
  options.interval = options_.config.sample.interval;
  gpus_.emplace(io_, std::move(options));
  gpus_->on_answer([this] {
    if (gpus_owe()) sample(Look::between);
  });
}

void Loop::read_processes() {
  ProcessReader::Hooks hooks;
  hooks.post = [this](std::function<void()> work) { asio::post(io_, std::move(work)); };
  hooks.now = [] { return runtime::now(); };
  hooks.beside = [this] {
    ProcessReader::Beside beside;
    const control::State& state = control_.state();
    for (const auto& [id, lease] : state.promises.leases) {
      if (!decide::holds(lease.state) || lease.part_of != 0) continue;
      beside.leases.push_back({id,
                               lease.holder.pid,
                               lease.holder.start_time,
                               {lease.group.memory, lease.group.cpu, lease.group.unified},
                               lease.holder.group,
                               {}});
    }
    beside.sample = state.sample;
    return beside;
  };
  process_reader_.emplace(options_.root == "/" ? "" : options_.root, std::move(hooks));
}

void Loop::ask_others() {
  HookWorker::Hooks hooks;
  hooks.post = [this](std::function<void()> work) { asio::post(io_, std::move(work)); };
  hooks.now = [] { return runtime::now().boot; };
  hooks.answered = [this](HookAnswered answered) {
    arm_hooks();
    counting_.answered(answered, runtime::now().boot);
    dispatch(std::move(answered));
  };
  hooks.read = [this](EngineRead read) {
    arm_hooks();
    if (const auto& sample = control_.state().sample; sample && options_.root == "/") {
      name_gpu_processes(read, *sample, act::is_descendant_or_same);
    }
    dispatch(std::move(read));
  };
  hook_worker_.emplace(std::move(hooks));
  hook_worker_->configure(options_.config);
  arm_hooks();
}

void Loop::push_metrics() {
  otlp_timer_.cancel();
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos && text.starts_with("OTEL_")) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  const auto target = otlp_target(options_.config.metrics, environment);
  if (!target) {
    say("daemon.otlp", target.error().what + ": " + target.error().why);
    otlp_.reset();
    return;
  }
  if (!*target) {
    otlp_.reset();
    return;
  }
  // The sender's thread tells; the loop says.
  otlp_.emplace(**target, [this](std::string type, std::string text) {
    asio::post(io_, [this, type = std::move(type), text = std::move(text)] { say(type, text); });
  });
  offer_metrics();
}

void Loop::offer_metrics() {
  otlp_->offer(serve::otlp_metrics(*this, otlp_->target().encoding));
  otlp_timer_.expires_after(options_.config.metrics.otlp_interval);
  otlp_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && otlp_) offer_metrics();
  });
}

void Loop::restore(std::vector<Record> records, bool same_boot) {
  Restored restored;
  restored.same_boot = same_boot;
  restored.foresight = std::exchange(components_learned_, {});
  std::set<Holder> seen;
  std::vector<LeaseId> living;
  std::map<LeaseId, const Lease*> leases;
  for (const Record& record : records) {
    if (const auto* put = std::get_if<PutLease>(&record)) leases[put->lease.id] = &put->lease;
    if (const auto* drop = std::get_if<DropLease>(&record)) leases.erase(drop->id);
  }
  for (const auto& [id, lease] : leases) {
    if (lease->state == LeaseState::ended) continue;
    living.push_back(id);
    const Holder& holder = lease->holder;
    if (!holder.somebody() || !seen.insert(holder).second) continue;
    const bool alive = holder.group.empty() ? act::watch(holder).has_value()
                                            : same_boot && groups()->is_there(holder);
    if (alive) restored.alive.push_back(holder);
  }
  restored.records = std::move(records);
  machine_.sweep(living);
  dispatch(std::move(restored));
  follow_all_ = true;  // the sample before knew of none of them
}

Result<void> Loop::listen() {
  const Config::Http& http = options_.config.http;
  if (auto done = server_.listen_unix(http.socket, 0666); !done) return done;
  if (!http.listen.empty()) listen_tcp();
  return {};
}

Result<void> Loop::read_certificate() {
  const Config::Http& http = options_.config.http;
  if (http.cert.empty()) return {};
  auto context = http::TlsContext::open(http.cert, http.key);
  if (!context) return tl::unexpected(context.error());
  server_.use_tls(std::move(*context));
  return {};
}

void Loop::listen_tcp() {
  if (const auto read = read_certificate(); !read) {
    tcp_problem_ = read.error().what + ": " + read.error().why;
    say("daemon.listening", tcp_problem_ + "; the socket works, the TCP address does not");
    return;
  }
  const auto address = http::parse_listen(options_.config.http.listen);
  if (!address) {
    tcp_problem_ = address.error().what;
    return;
  }
  const auto done = server_.listen_tcp(address->host, address->port);
  if (done) {
    if (!tcp_problem_.empty())
      say("daemon.listening", "now also on " + options_.config.http.listen);
    tcp_problem_.clear();
    node_.listen =
        address->host.find(':') == std::string::npos ? address->host : "[" + address->host + "]";
    node_.listen += ":" + std::to_string(server_.tcp_port());
    return;
  }
  // A taken port must not stop the daemon: the socket works, and the port may come free.
  const std::string problem =
      done.error().what + (done.error().why.empty() ? "" : ": " + done.error().why);
  if (tcp_problem_.empty()) {
    say("daemon.listening", problem + "; the socket works, and the port is tried again");
  }
  tcp_problem_ = problem;
  tcp_timer_.expires_after(kTcpRetry);
  tcp_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) listen_tcp();
  });
}

void Loop::wait_for_signals() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload();
      wait_for_signals();
      return;
    }
    stop();
  });
}

void Loop::wait_at_fences() {
  if (!fences_ && machine_.fence_descriptor() >= 0) {
    const int fd = dup(machine_.fence_descriptor());
    if (fd < 0) return;
    fences_.emplace(io_, fd);
  }
  if (!fences_) return;
  fences_->async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& error) {
                        if (error) return;
                        if (std::vector<LeaseId> who = machine_.touched(); !who.empty()) {
                          dispatch(Touched{std::move(who)});
                        }
                        // A job that stays at its fence tells of it again and again.
                        fences_timer_.expires_after(kBetweenTouches);
                        fences_timer_.async_wait([this](const boost::system::error_code& over) {
                          if (!over) wait_at_fences();
                        });
                      });
}

// Where the kernel does not tell, the samples do, up to a second later.
void Loop::wait_for_stalls() {
  if (options_.root != "/") return;
  const auto cannot = [this](std::string reason) {
    node_.cannot.push_back({"stall trigger", std::move(reason) + "; it is read with each sample",
                            "headroomd as root, or CONFIG_PSI with psi=1"});
  };
  stalls_.emplace(
      io_, [this] { look_now(Look::between); },
      [this, cannot] {
        cannot("the kernel no longer tells at once when processes wait for memory");
        spdlog::warn("{}", node_.cannot.back().reason);
      });
  const auto armed = stalls_->arm();
  if (armed) return;
  // Where there is no such file the sensor says so.
  if (armed.error().kind != ErrorKind::not_found) {
    cannot(armed.error().what + ": " + armed.error().why);
  }
}

void Loop::reload() {
  if (!hooks_.reload) return;
  auto loaded = hooks_.reload();
  if (!loaded) {
    say("daemon.reload",
        "the configuration stays as it was: " + loaded.error().what + ": " + loaded.error().why);
    return;
  }
  take_settings(std::move(*loaded));
  say("daemon.reload", "the configuration was read again");
}

void Loop::take_settings(std::pair<Config, std::vector<Setting>> fresh) {
  const bool metrics_changed = fresh.first.metrics != options_.config.metrics;
  options_.config = std::move(fresh.first);
  options_.settings = std::move(fresh.second);
  view_.reset();
  read_token();
  if (metrics_changed) push_metrics();
  // A certificate is renewed in its place; with one that is not right the old one goes on.
  if (const auto read = read_certificate(); !read) {
    say("daemon.listening", read.error().what + ": " + read.error().why + "; the old one is kept");
  }
  hook_worker_->configure(options_.config);  // those whom the turn may ask are there
  dispatch(Configured{options_.config});
  arm_hooks();
}

void Loop::read_token() {
  token_.clear();
  const std::string& path = options_.config.http.token_file;
  if (path.empty()) return;
  auto token = read_secret(path);
  if (!token) {
    say("daemon.token", token.error().what + ": " + token.error().why +
                            "; callers from other machines are refused");
    return;
  }
  token_ = std::move(*token);
}

void Loop::stop() {
  if (stopping_) return;
  stopping_ = true;
  spdlog::info("stopping; leases of running processes are kept");
  listeners_.close();
  component_listeners_.close();
  routes_.close();
  server_.stop_listening();
  server_.close();
  slow_sensors_->stop();
  keep_foresight();
  recorder_->stop();
  io_.stop();
}

// ------------------------------------------------------------------------------- events and
// effects

void Loop::dispatch(Event event) {
  if (turning_) {  // the turn in hand takes it
    pending_.push_back(std::move(event));
    return;
  }
  turning_ = true;
  const Instant start = now();
  turn(event, start);
  while (!pending_.empty()) {
    const Event next = std::move(pending_.front());
    pending_.pop_front();
    turn(next, now());
  }
  turning_ = false;
  arm_deadline();
  if (now().boot - start.boot > kSlowTurn) ++slow_turns_;
}

void Loop::turn(const Event& event, Instant at) {
  Effects effects = control_.apply(event, at);
  counting_.decided(now().boot - at.boot);
  note_changes(effects);
  // Promises first: nothing leaves before they are kept.
  keep(effects);
  bool sense = false;
  bool per_cpu = false;
  for (Effect& effect : effects) {
    counting_.effect(effect, control_.state());
    if (const auto* ask = std::get_if<AskHook>(&effect)) counting_.asked(*ask, at.boot);
    if (const auto* wanted = std::get_if<Sense>(&effect)) {
      sense = true;
      per_cpu = per_cpu || wanted->per_cpu;
    } else {
      carry_out(effect);
    }
  }
  if (sense) look_now(per_cpu ? Look::after_release : Look::between);
}

void Loop::look_now(Look look) {
  sample(look);
  if ((gpus_owe() || memory_is_tight()) &&
      sample_timer_.expiry() - std::chrono::steady_clock::now() > kTight) {
    next_sample(kTight);
  }
}

void Loop::note_changes(const Effects& effects) {
  for (const Effect& effect : effects) {
    const auto* journal = std::get_if<Journal>(&effect);
    if (journal == nullptr) continue;
    if (const auto* put = std::get_if<PutLease>(&journal->record)) {
      changed_leases_.add(put->lease.id);
    } else if (const auto* drop = std::get_if<DropLease>(&journal->record)) {
      changed_leases_.add(drop->id);
    }
  }
}

void Loop::keep(const Effects& effects) {
  for (const Effect& effect : effects) {
    const auto* record = std::get_if<Journal>(&effect);
    if (record == nullptr || !journal_ || journal_->append(record->record)) continue;
    // The promises hold this event's changes already: the snapshot keeps them all.
    const auto done = journal_->snapshot(control_.state().promises.records());
    if (!done) {
      ++journal_failures_;
      spdlog::error("the journal could not keep a record: {}: {}", done.error().what,
                    done.error().why);
    }
    return;
  }
}

void Loop::carry_out(Effect& effect) {
  if (auto* respond = std::get_if<Respond>(&effect)) {
    const auto found = asked_.find(respond->request);
    if (found == asked_.end()) return;
    const auto done = std::move(found->second);
    asked_.erase(found);
    done(respond->what);
  } else if (auto* say = std::get_if<Say>(&effect)) {
    const EventLine& line = events_.add(std::move(say->line));
    recorder_->add_event(line);
    log(line);
    routes_.tell_event(line);
  } else if (const auto* changed = std::get_if<Changed>(&effect)) {
    if (const auto* alert = std::get_if<Alert>(&changed->what)) recorder_->alert_given(alert->id);
    if (!routes_.anybody_watches()) return;
    if (const auto* lease = std::get_if<LeaseId>(&changed->what)) routes_.tell_lease(*lease);
    if (const auto* alert = std::get_if<Alert>(&changed->what)) routes_.tell_alert(*alert);
  } else if (const auto* news = std::get_if<Notify>(&effect)) {
    notifier_->tell(config(), *news);
  } else if (const auto* asked = std::get_if<AskHook>(&effect)) {
    ask(*asked);
  } else if (const auto* watched = std::get_if<Watch>(&effect)) {
    watch(watched->holder);
  } else if (const auto* place = std::get_if<PlaceHolder>(&effect)) {
    machine_.place(*place, [this](Placed placed) { dispatch(std::move(placed)); });
  } else if (const auto* fence = std::get_if<Fence>(&effect)) {
    pending_.emplace_back(machine_.fence(*fence));
  } else if (const auto* freeze = std::get_if<Freeze>(&effect)) {
    pending_.emplace_back(machine_.freeze(*freeze));
  } else if (const auto* weigh = std::get_if<Weigh>(&effect)) {
    pending_.emplace_back(machine_.weigh(*weigh));
  } else if (const auto* terminate = std::get_if<Terminate>(&effect)) {
    pending_.emplace_back(machine_.terminate(*terminate));
  } else if (const auto* release = std::get_if<Release>(&effect)) {
    pending_.emplace_back(machine_.release(*release));
  } else if (const auto* call = std::get_if<CallSetter>(&effect)) {
    component_listeners_.call(*call);
  } else if (const auto* gone = std::get_if<EndListening>(&effect)) {
    routes_.end_listening(gone->component);
  } else if (const auto* limit = std::get_if<LimitCpu>(&effect)) {
    if (const std::string problem = machine_.limit_cpu(*limit); !problem.empty()) {
      this->say("component.limit", problem);
    }
  } else if (const auto* memory = std::get_if<LimitMemory>(&effect)) {
    if (const std::string problem = machine_.limit_memory(*memory); !problem.empty()) {
      this->say("lease.limit", problem);
    }
  } else if (auto* look = std::get_if<LookAtSessions>(&effect)) {
    ask(std::move(*look));
  } else if (auto* clean = std::get_if<CleanSessions>(&effect)) {
    ask(std::move(*clean));
  } else if (auto* make = std::get_if<MakeSession>(&effect)) {
    ask(std::move(*make));
  }
}

void Loop::watch(const Holder& holder) {
  if (!holder.group.empty()) {
    if (groups()->is_there(holder)) {
      watched_groups_.insert(holder);
    } else {
      pending_.emplace_back(Exited{holder});
    }
    return;
  }
  if (watched_.contains(holder)) return;
  auto process = act::watch(holder);
  if (!process) {
    pending_.emplace_back(Exited{holder});
    return;
  }
  const int fd = dup(process->fd());
  if (fd < 0) {
    spdlog::error("process {} cannot be watched: {}", holder.pid, std::strerror(errno));
    return;
  }
  auto [at, fresh] = watched_.emplace(
      holder, Watched{std::move(*process), asio::posix::stream_descriptor(io_, fd)});
  watched_pids_[holder.pid] = holder;
  at->second.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                   [this, holder](const boost::system::error_code& error) {
                                     if (error) return;
                                     watched_.erase(holder);
                                     watched_pids_.erase(holder.pid);
                                     dispatch(Exited{holder});
                                   });
}

void Loop::drop_unused_watches() {
  const auto& holders = control_.state().holders;
  const auto& components = control_.state().component_holders;
  for (auto it = watched_.begin(); it != watched_.end();) {
    if (holders.contains(it->first) || components.contains(it->first)) {
      ++it;
      continue;
    }
    watched_pids_.erase(it->first.pid);
    it = watched_.erase(it);
  }
  std::erase_if(watched_groups_, [&](const Holder& one) { return !holders.contains(one); });
}

const std::shared_ptr<const sense::GroupTree>& Loop::groups() {
  if (!groups_) {
    groups_ = std::make_shared<const sense::GroupTree>(options_.root == "/" ? "" : options_.root);
  }
  return groups_;
}

// Nobody tells of the end of a group that works in all versions: it is looked for at each sample,
// before anything is read that another one of the same name may have.
void Loop::look_at_groups() {
  std::vector<Holder> gone;
  for (const Holder& holder : watched_groups_) {
    if (!groups_->is_there(holder)) gone.push_back(holder);
  }
  for (const Holder& holder : gone) {
    watched_groups_.erase(holder);
    // They are followed no more, whether or not the event has been taken by then.
    const auto& holders = control_.state().holders;
    if (const auto leases = holders.find(holder); leases != holders.end()) {
      for (const LeaseId id : leases->second) changed_leases_.add(id);
    }
    dispatch(Exited{holder});
  }
}

// The lease whose group a process is in; 0: none.
LeaseId Loop::lease_around(pid_t pid) const {
  sense::ReadBuffer buffer;
  const auto text = sense::read_once(("/proc/" + std::to_string(pid) + "/cgroup").c_str(), buffer);
  if (!text) return 0;
  const control::State& state = control_.state();
  const std::string job = sense::parse_membership(*text).job;
  const auto id = act::parse_lease_name(std::string_view(job).substr(job.rfind('/') + 1));
  if (const auto found = id ? state.promises.leases.find(*id) : state.promises.leases.end();
      found != state.promises.leases.end() && decide::holds(found->second.state)) {
    const Group& group = found->second.group;
    if (group.memory.ends_with(job) || group.unified.ends_with(job) || group.cpu.ends_with(job)) {
      return *id;
    }
  }
  const sense::GroupPaths paths = sense::parse_cgroup(*text);
  for (const Holder& holder : watched_groups_) {
    const Group folders = groups_->folders(holder.group);
    const auto& path = !folders.memory.empty() && !folders.v2 ? paths.memory : paths.unified;
    const auto leases = state.holders.find(holder);
    if (!path || !lies_in(*path, holder.group) || leases == state.holders.end()) continue;
    for (const LeaseId lease : leases->second) {
      if (!state.promises.leases.at(lease).use) return lease;
    }
  }
  return 0;
}

// A living lease of one of these processes; 0: none.
LeaseId Loop::lease_inside(const std::vector<pid_t>& processes) const {
  const control::State& state = control_.state();
  for (const pid_t pid : processes) {
    const auto known = watched_pids_.find(pid);
    if (known == watched_pids_.end()) continue;
    const auto leases = state.holders.find(known->second);
    if (leases == state.holders.end()) continue;
    for (const LeaseId id : leases->second) {
      const Lease& lease = state.promises.leases.at(id);
      if (!lease.use && lease.parent == 0 && lease.group == Group() &&
          !state.placing.contains(id)) {
        return id;
      }
    }
  }
  return 0;
}

void Loop::ask(const AskHook& ask) {
  if (ask.hook == kHolderHook) {
    listeners_.ask(ask, now().boot);
    return arm_listeners();
  }
  // A hook that signals gets the process that was found to be the holder when it was watched first.
  std::optional<act::ProcessWatch> process;
  if (const auto found = watched_.find(ask.holder); found != watched_.end()) {
    const int fd = dup(found->second.process.fd());
    if (fd >= 0) process.emplace(fd, ask.holder);
  }
  hook_worker_->ask(ask, std::move(process));
  arm_hooks();
}

void Loop::ask(SessionWorker::Work work) {
  if (!session_worker_) {
    session_worker_.emplace(
        options_.root != "/",
        [this](std::function<void()> done) { asio::post(io_, std::move(done)); },
        [this](Event event) { dispatch(std::move(event)); });
  }
  session_worker_->ask(std::move(work));
}

void Loop::arm_hooks() {
  const auto next = hook_worker_->next();
  if (!next) {
    hooks_timer_.cancel();
    return;
  }
  hooks_timer_.expires_after(std::max<std::chrono::nanoseconds>(*next - now().boot, 0ns));
  hooks_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    hook_worker_->tick();
    arm_hooks();
  });
}

void Loop::arm_listeners() {
  const auto next = listeners_.next();
  if (!next) {
    listeners_timer_.cancel();
    return;
  }
  listeners_timer_.expires_after(std::max<std::chrono::nanoseconds>(*next - now().boot, 0ns));
  listeners_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    listeners_.tick(now().boot);
    arm_listeners();
  });
}

void Loop::arm_deadline() {
  const auto next = control_.next_deadline();
  if (next == armed_) return;
  armed_ = next;
  if (!next) {
    deadline_timer_.cancel();
    return;
  }
  deadline_timer_.expires_after(std::max<std::chrono::nanoseconds>(*next - now().boot, 0ns));
  deadline_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    armed_.reset();
    dispatch(Ticked{});
  });
}

// ------------------------------------------------------------------------------- reading the
// machine

void Loop::next_sample(std::chrono::nanoseconds after) {
  sample_timer_.expires_after(after);
  sample_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    // The second one makes the first rates.
    const bool whole = sample_number_ < 2 ||
                       now().boot - last_whole_ >= options_.config.sample.interval - kTight / 2;
    sample(whole ? Look::whole : Look::between);
    if (whole) {
      for (Event& event : machine_.look_after()) dispatch(std::move(event));
    }
    drop_unused_watches();
    // The timers stand still while the machine sleeps; deadlines do not.
    if (const auto next = control_.next_deadline(); next && *next <= now().boot) dispatch(Ticked{});
    const std::chrono::nanoseconds interval = options_.config.sample.interval;
    next_sample(memory_is_tight() || gpus_owe()
                    ? std::min<std::chrono::nanoseconds>(interval, kTight)
                    : interval);
  });
}

// Memory that is nearly full fills in less than a second: then it is looked at more often. Nothing
// else kills, and looking ten times a second all day would cost more than it tells.
bool Loop::memory_is_tight() const {
  for (const auto& [key, gauge] : control_.state().gauges) {
    if (key.first == Resource::memory && gauge.level() >= Level::warning) return true;
  }
  const control::State& state = control_.state();
  if (!state.frozen.empty() || state.ladder.step() > Step::watch) return true;
  if (state.touched && runtime::now().boot - *state.touched < kAfterTouch) return true;
  return false;
}

// Bytes of a GPU that somebody has given up are room again when they were measured to be free:
// until then, or until they are said to be lost, the devices are asked as often as tight memory is.
bool Loop::gpus_owe() const {
  const control::State& state = control_.state();
  const BootTime at = runtime::now().boot;
  for (const auto& [id, owed] : state.owed) {
    if (owed.patience > at) return true;
  }
  for (const decide::Pool& pool : state.ledger.pools()) {
    if (pool.resource == Resource::gpu_memory && pool.unseen > 0 && pool.unknown.empty()) {
      return true;
    }
  }
  return false;
}

// Its own lease, and not one that it runs in: it was there before its group was.
bool Loop::holds_component(LeaseId id) const {
  const control::State& state = control_.state();
  const auto names = state.component_leases.find(id);
  return names != state.component_leases.end() &&
         std::any_of(names->second.begin(), names->second.end(), [&](const std::string& name) {
           return state.promises.components.at(name).books;
         });
}

// What changed since the last sample, of whose use is measured.
void Loop::follow_leases() {
  const auto& leases = control_.state().promises.leases;
  if (std::exchange(follow_all_, false)) {
    for (const auto& [id, lease] : leases) changed_leases_.add(id);
  }
  for (const LeaseId id : changed_leases_.take()) {
    const auto found = leases.find(id);
    const Lease* lease = found == leases.end() ? nullptr : &found->second;
    // Of a group that has gone nothing is left, and another one may have its name.
    const bool foreign = lease != nullptr && watched_groups_.contains(lease->holder);
    const bool measured = lease != nullptr && decide::holds(lease->state) && lease->parent == 0 &&
                          !lease->use &&
                          (foreign || lease->holder.pid != 0 || lease->group != Group());
    if (measured) {
      sense::Target target{id, foreign ? groups_->folders(lease->holder.group) : lease->group,
                           lease->holder, lease->gpu, lease->part_of};
      target.moved_in = lease->group != Group() && holds_component(id);
      gpu_holders_.track(target);
      // A further device of a lease has no processes of its own to be read.
      if (lease->part_of == 0) sampler_->track(std::move(target));
    } else {
      gpu_holders_.untrack(id);
      sampler_->untrack(id);
    }
  }
}

void Loop::sample(Look look) {
  look_at_groups();
  follow_leases();
  // Samples go round: one is with the state, one with readers, one is filled.
  std::shared_ptr<Sample>* slot = &samples_.back();
  for (auto& candidate : samples_) {
    if (!candidate || candidate.use_count() == 1) slot = &candidate;
  }
  if (!*slot || slot->use_count() != 1) *slot = std::make_shared<Sample>();
  const Instant at = now();
  const bool whole = look == Look::whole;
  sampler_->read(at, {look == Look::after_release, whole, whole}, **slot);
  gpus_->readings(at, **slot);
  sense::fill_unified(**slot);
  gpu_holders_.read((*slot)->gpus, (*slot)->holders);
  (*slot)->number = ++sample_number_;
  (*slot)->took = now().boot - at.boot;
  if (at.wall - zone_read_ >= kZoneEvery || at.wall < zone_read_) {
    zone_read_ = at.wall;
    dispatch(ZoneRead{read_zone(at.wall)});
  }
  if (whole) {
    last_whole_ = at.boot;
    remember(**slot);
    process_reader_->tick();
  }
  if (whole || (gpus_owe() && now().boot - last_gpu_poll_ >= kTight / 2)) {
    last_gpu_poll_ = now().boot;
    gpus_->poll();
  }
  counting_.sampled((*slot)->took);
  dispatch(Sampled{*slot});
  counting_.levels(control_.state());
  if (whole) routes_.tell_sample();
}

void Loop::remember(const Sample& sample) {
  const auto node = series_.of(sample);
  recorder_->append(sample.at, node);
  const int hour = decide::hour_of(sample.at.wall, control_.state().zone);
  for (const judge::Reading& reading : node) {
    if (!reading.value || !has_peaks(reading.series)) continue;
    auto found = hours_.find(reading.series);
    if (found == hours_.end()) {
      if (hours_.size() >= kMostPeaks) continue;
      found = hours_.emplace(std::string(reading.series), judge::HoursOfDay()).first;
    }
    found->second.push(hour, *reading.value);
    seen_hours_.insert(found->first);
  }
  // Leases and components come and go: theirs is the last hour, and no place on the disk.
  readings_.assign(node.begin(), node.end());
  const auto workloads = workloads_.of(control_.state(), sample.at);
  readings_.insert(readings_.end(), workloads.begin(), workloads.end());
  history_.push(sample.at, readings_);
  for (const judge::Unusual& one : foresight_.push(sample.at, readings_)) {
    say("anomaly", judge::sentence(one));
  }
  if (!foresight_kept_) foresight_kept_ = sample.at.boot;
  if (sample.at.boot - *foresight_kept_ < kKeepForesight) return;
  foresight_kept_ = sample.at.boot;
  keep_foresight();
}

// --------------------------------------------------------------------------------- what readers
// see

std::shared_ptr<const View> Loop::view() {
  const Instant at = now();
  const bool fresh = view_ && view_->revision == control_.state().revision &&
                     at.boot - view_->at.boot < options_.config.sample.interval;
  if (!fresh) {
    View fresh_view = control_.view(at);
    fresh_view.peaks = peaks();
    view_ = std::make_shared<const View>(std::move(fresh_view));
  }
  return view_;
}

serve::Costs Loop::costs() {
  const http::Counters c = server_.counters();
  serve::Costs costs;
  costs.requests = c.requests;
  costs.connections = c.open_now;
  costs.refused_connections = c.refused_full;
  costs.bad_requests = c.bad_requests;
  costs.dropped_streams = c.slow_streams_dropped;
  costs.events_total = events_.last();
  costs.journal_failures = journal_failures_;
  costs.loop_overruns = slow_turns_;
  counting_.fill(costs, now());
  costs.history_bytes = recorder_->bytes();
  costs.notifications_failed = notifier_->failures();
  return costs;
}

Result<serve::HistoryAnswer> Loop::history(const serve::HistoryQuery& query) {
  auto series = history_.query(query.series, query.window, query.step, now());
  if (!series) return tl::unexpected(series.error());
  serve::HistoryAnswer answer;
  answer.points.reserve(series->points.size());
  for (const judge::Point& point : series->points)
    answer.points.emplace_back(point.at, point.value);
  answer.average = series->average;
  answer.max = series->max;
  answer.min = series->min;
  answer.p95 = series->p95;
  answer.oldest = series->oldest;
  return answer;
}

void Loop::history(const serve::HistoryQuery& query,
                   std::function<std::string(const serve::HistoryAnswer&)> render,
                   std::function<void(Result<std::string>)> done) {
  const auto in_memory =
      options_.config.sample.interval * static_cast<std::int64_t>(history_.capacity());
  if (query.window > in_memory) {
    return recorder_->query(query, now().wall, std::move(render), std::move(done));
  }
  const auto answer = history(query);
  if (!answer) return done(tl::unexpected(answer.error()));
  done(render(*answer));
}

std::shared_ptr<const ProcessList> Loop::processes() {
  process_reader_->want();
  return process_reader_->latest();
}

void Loop::processes(std::function<void(std::shared_ptr<const ProcessList>)> done) {
  process_reader_->want();
  process_reader_->read(std::move(done));
}

Result<std::vector<Setting>> Loop::configure(
    const std::vector<std::pair<std::string, std::string>>& changes) {
  auto loaded = hooks_.change(changes);
  if (!loaded) return tl::unexpected(loaded.error());
  take_settings(std::move(*loaded));
  std::vector<Setting> changed;
  std::string text;
  for (const auto& [key, value] : changes) {
    for (const Setting& setting : options_.settings) {
      if (setting.key != key) continue;
      changed.push_back(setting);
      text += (text.empty() ? "" : ", ") + key + " = " + setting.value;
      const bool set = setting.origin.find("set.toml") != std::string::npos;
      if (!value.empty() && !set) {
        text += " by " + setting.origin + "; what was set has no effect until that is gone";
      }
    }
  }
  say("daemon.configured", text);
  return changed;
}

Result<std::vector<Setting>> Loop::check_config(std::string_view toml) {
  return hooks_.check(toml);
}

std::vector<EventLine> Loop::events(const serve::EventQuery& query) {
  return events_.newest({query.since, query.after, query.type, query.limit});
}

RequestId Loop::ask(const Caller& caller, Ask what,
                    std::function<void(const serve::Answered&)> done) {
  // A process inside the group of a lease is measured with that one.
  if (auto* book = std::get_if<AskLease>(&what); book != nullptr && book->holder.pid != 0) {
    if (!book->group && !book->use && book->parent == 0) {
      book->beside = lease_around(book->holder.pid);
    }
  } else if (auto* change = std::get_if<AskChange>(&what); change != nullptr && change->holder) {
    change->beside = lease_around(change->holder->pid);
  } else if (auto* component = std::get_if<AskComponent>(&what);
             component != nullptr && component->holder.pid != 0) {
    component->beside = lease_around(component->holder.pid);
    if (component->beside == 0) component->beside = lease_inside({component->holder.pid});
  }
  const RequestId request = ++last_request_;
  asked_.emplace(request, std::move(done));
  dispatch(Asked{request, caller, std::move(what)});
  return request;
}

std::vector<Decision> Loop::decisions(std::string_view component, std::size_t limit) {
  std::vector<Decision> newest;
  const auto& all = control_.state().promises.decisions;
  for (auto it = all.rbegin(); it != all.rend() && newest.size() < limit; ++it) {
    if (component.empty() || it->second.component == component) newest.push_back(it->second);
  }
  return newest;
}

void Loop::withdraw(RequestId request) {
  if (asked_.erase(request) > 0) dispatch(Withdrawn{request});
}

std::uint64_t Loop::listen(LeaseId lease, std::function<bool(const AskHook&)> send) {
  return listeners_.listen(lease, std::move(send));
}

void Loop::stop_listening(LeaseId lease, std::uint64_t listener) {
  listeners_.stop_listening(lease, listener);
}

Result<void> Loop::answer(LeaseId lease, std::uint64_t ask, HookResult result, std::string said) {
  return listeners_.answer(lease, ask, result, std::move(said));
}

Result<Holder> Loop::holder(const Caller& caller, pid_t pid) {
  // A process that is watched and has not ended is still itself.
  if (const auto known = watched_pids_.find(pid); known != watched_pids_.end()) {
    const auto watched = watched_.find(known->second);
    if (watched != watched_.end() &&
        (caller.trusted || act::may_control(caller.uid, known->second))) {
      return known->second;
    }
  }
  auto holder = act::identify(pid);
  if (!holder) return holder;
  if (!caller.trusted && !(caller.known && act::may_control(caller.uid, *holder))) {
    return fail(ErrorKind::not_allowed, "process " + std::to_string(pid) + " is another user's",
                "a lease is held by a process of the one who asks");
  }
  return holder;
}

void Loop::holder(const Caller& caller, const GroupName& group,
                  std::function<void(Result<serve::GroupHolder>)> done) {
  if (!group_finder_) {
    group_finder_.emplace(groups(), machine_.jobs_group(),
                          [this](std::function<void()> work) { asio::post(io_, std::move(work)); });
  }
  group_finder_->find(group, [this, caller, done = std::move(done)](Result<FoundGroup> found) {
    if (!found) return done(tl::unexpected(found.error()));
    const bool own = caller.known && found->owner == caller.uid;
    if (!caller.trusted && !own) {
      return done(fail(
          ErrorKind::not_allowed, "cgroup " + found->holder.group + " is not this user's alone",
          found->owner ? "its processes are those of uid " + std::to_string(*found->owner)
                       : "it holds processes of several users, or hidden ones",
          "root and the group headroom may book for it"));
    }
    done(serve::GroupHolder{std::move(found->holder), lease_inside(found->processes)});
  });
}

// ----------------------------------------------------------------------------------------- words

void Loop::say(std::string type, std::string text) {
  EventLine line;
  line.at = now().wall;
  line.type = std::move(type);
  line.text = std::move(text);
  const EventLine& kept = events_.add(std::move(line));
  recorder_->add_event(kept);
  log(kept);
  routes_.tell_event(kept);
}

void Loop::log(const EventLine& line) {
  if (line.type.starts_with("alert.") || line.type == "session.left") {
    spdlog::warn("{} {}", line.type, line.text);
  } else if (line.type.starts_with("daemon.") || line.type == "lease.quarantined" ||
             line.type == "lease.held" || line.type == "session.removed") {
    spdlog::info("{} {}", line.type, line.text);
  } else {
    spdlog::debug("{} {}", line.type, line.text);
  }
}

}  // namespace

Result<void> check_config(const Config& config) {
  if (!config.http.cert.empty()) {
    const auto context = http::TlsContext::open(config.http.cert, config.http.key);
    if (!context) return tl::unexpected(context.error());
  }
  if (!config.http.token_file.empty()) {
    const auto token = read_secret(config.http.token_file);
    if (!token) return tl::unexpected(token.error());
  }
  if (config.sample.gpu != GpuSource::sim) return {};
  auto gpus = sense::parse_gpu_sim(config.sample.gpu_sim);
  if (!gpus) return tl::unexpected(gpus.error());
  return {};
}

Result<std::vector<std::string>> recover(const Config& config) {
  std::vector<std::string> lines;
  if (::access(config.state.dir.c_str(), F_OK) != 0) return lines;  // no daemon ever lived here
  const auto opened =
      record::Journal::open(config.state.dir, config.state.journal, act::boot_id().value_or(""));
  if (!opened) return tl::unexpected(opened.error());
  (void)Guardian::wait_for_last(config.state.dir);
  // By the journal, not by where this process's own groups lie: it may have been started anywhere.
  decide::Promises promises;
  for (const Record& record : opened->records) promises.keep(record);
  for (const auto& [id, lease] : promises.leases) {
    if (!opened->same_boot || lease.group == Group() || lease.part_of != 0) continue;
    const auto done = act::Groups::let_go(lease.group);
    if (!done && done.error().kind == ErrorKind::not_found) continue;
    lines.push_back("l-" + std::to_string(id) + " " + lease.name +
                    (done
                         ? " goes on, without a fence"
                         : " could not be let go: " + done.error().what + ": " + done.error().why));
  }
  return lines;
}

Result<void> run_loop(LoopOptions options, const LoopHooks& hooks) {
  Loop loop(std::move(options), hooks);
  return loop.run();
}

}  // namespace headroom::runtime
