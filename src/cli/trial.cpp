#include "cli/trial.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <unistd.h>

#include "cli/component.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::array;
using client::json::object;
using client::json::value;

namespace {

constexpr double kOldest = 60;  // seconds; the longest interval of sampling that makes sense

std::string told(const Error& error) {
  std::string text = error.what;
  if (!error.why.empty()) text += ": " + error.why;
  if (!error.help.empty()) text += "; try: " + error.help;
  std::ranges::replace(text, '\n', ' ');
  return text;
}

class Trial {
 public:
  explicit Trial(const Common& common) : daemon_(common.url, common.answer_within()) {}
  ~Trial() {
    if (registered_) (void)daemon_.send("DELETE", target_, {});
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// The first one: without it there is nothing to try.
  Result<void> answers() {
    const auto before = std::chrono::steady_clock::now();
    const auto health = daemon_.get("/healthz");
    if (!health) {
      failed("daemon", health.error());
      return tl::unexpected<Error>(health.error());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    passed("daemon", "answers in " + show_latency(took.count()) + " on " + daemon_.url());
    return {};
  }

  void samples(double now) {
    const auto snapshot = daemon_.document("/api/v1/snapshot");
    if (!snapshot) return failed("sampling", snapshot.error());
    auto age = client::number(*snapshot, "age_seconds");
    if (const auto at = parse_time(client::text(*snapshot, "at")); !age && at) age = now - *at;
    if (!age || *age > kOldest) {
      return failed("sampling", age ? "the last sample is " + show_span(*age) + " old"
                                    : std::string("there was no sample yet"));
    }
    passed("sampling", "the last sample is " + show_span(*age) + " old");
  }

  void registers() {
    const auto component = daemon_.send(
        "PUT", target_,
        object{{"pid", getpid()}, {"priority", "low"}, {"setters", array{"cpu_percent"}}});
    if (!component) return failed("register", component.error());
    registered_ = true;
    const auto listed = daemon_.document("/api/v1/components");
    if (!listed) return failed("register", listed.error());
    const bool there = std::ranges::any_of(client::list(*listed), [&](const value& one) {
      return client::text(one, "name") == name_;
    });
    if (!there) return failed("register", name_ + " is registered and not listed");
    passed("register", "component " + name_ + " is registered and listed");
  }

  void bounds() {
    if (!registered_) return failed("quota", "there is no component to set it for");
    const auto set =
        daemon_.send("PUT", target_ + "/quota", object{{"cpu_percent", 5}, {"memory_mb", 100}});
    if (!set) return failed("quota", set.error());
    const auto quota = daemon_.document(target_ + "/quota");
    if (!quota) return failed("quota", quota.error());
    const auto* const cpu = resource_of(*quota, "cpu");
    const auto* const memory = resource_of(*quota, "memory");
    const bool kept = cpu != nullptr && memory != nullptr &&
                      client::number(*cpu, "amount") == 5.0 &&
                      client::number(*memory, "amount") == 100.0;
    if (!kept) return failed("quota", "cpu 5 % and memory 100 MB were set, and are not read again");
    passed("quota", "cpu 5 % and memory 100 MB are set and read again");
  }

  void forgets() {
    if (!registered_) return failed("unregister", "there is no component to forget");
    if (const auto gone = daemon_.send("DELETE", target_, {}); !gone) {
      return failed("unregister", gone.error());
    }
    registered_ = false;
    const auto after = daemon_.document(target_);
    if (after) return failed("unregister", name_ + " is still there");
    if (after.error().kind != ErrorKind::not_found) return failed("unregister", after.error());
    passed("unregister", name_ + " is forgotten");
  }

  void strategy() {
    const auto strategy = daemon_.document("/api/v1/strategy");
    if (!strategy) return failed("strategy", strategy.error());
    passed("strategy", client::text(*strategy, "name") + " is set");
  }

  void forecasts() {
    const auto forecasts = daemon_.document("/api/v1/forecasts");
    if (!forecasts) return failed("forecast", forecasts.error());
    const auto count = client::list(*forecasts).size();
    passed("forecast", count == 0 ? "answers; nothing is forecast yet"
                                  : std::to_string(count) + " readings are forecast");
  }

  void cleanup() {
    const auto freed =
        daemon_.send("POST", "/api/v1/cleanup",
                     object{{"dry_run", true}, {"force", false}, {"wait_seconds", 0}});
    if (!freed) return failed("cleanup", freed.error());
    const auto steps = client::list(*freed, "steps").size();
    passed("cleanup", "a dry run would ask " + std::to_string(steps) +
                          (steps == 1 ? " model" : " models") + ", and changed nothing");
  }

  void metrics() {
    const auto metrics = daemon_.get("/metrics");
    if (!metrics) return failed("metrics", metrics.error());
    std::size_t families = 0;
    for (auto at = metrics->find("# TYPE "); at != std::string::npos;
         at = metrics->find("# TYPE ", at + 1)) {
      ++families;
    }
    if (families == 0) return failed("metrics", "there are none");
    passed("metrics", std::to_string(families) + " metrics");
  }

  const std::vector<Tried>& tried() const { return tried_; }

 private:
  void passed(const char* name, std::string text) {
    tried_.push_back({true, name, std::move(text)});
  }
  void failed(const char* name, std::string text) {
    tried_.push_back({false, name, std::move(text)});
  }
  void failed(const char* name, const Error& error) { failed(name, told(error)); }

  client::Daemon daemon_;
  const std::string name_ = "headroom-self-test-" + std::to_string(getpid());
  const std::string target_ = component_target(name_);
  bool registered_ = false;
  std::vector<Tried> tried_;
};

value document_of(const std::vector<Tried>& all) {
  array items;
  for (const auto& one : all) {
    items.push_back(
        {{"result", one.passed ? "pass" : "fail"}, {"name", one.name}, {"text", one.text}});
  }
  return {{"items", std::move(items)}, {"next", nullptr}};
}

}  // namespace

std::string render_tried(const std::vector<Tried>& all, const Style& style) {
  Style look = style;
  look.header = style.header && style.output == Output::csv;
  Table table({{"RESULT"}, {"NAME"}, {"TEXT", Align::left, false, true}});
  std::size_t failed = 0;
  for (const auto& one : all) {
    failed += one.passed ? 0 : 1;
    table.row({one.passed ? paint(style, "ok", "PASS") : paint(style, "failed", "FAIL"), one.name,
               printable(one.text)});
  }
  auto text = table.render(look);
  if (style.output == Output::csv) return text;
  return text + std::to_string(all.size() - failed) + " passed, " + std::to_string(failed) +
         " failed\n";
}

int self_test(const Common& common) {
  Trial trial(common);
  const auto style = style_for(common, stdout);
  const auto answers = trial.answers();
  if (answers) {
    trial.samples(style.now);
    trial.registers();
    trial.bounds();
    trial.forgets();
    trial.strategy();
    trial.forecasts();
    trial.cleanup();
    trial.metrics();
  }
  if (!print_document(common, client::write_json(document_of(trial.tried())))) {
    write_out(stdout, render_tried(trial.tried(), style));
  }
  if (!answers) return report(answers.error());
  return std::ranges::all_of(trial.tried(), &Tried::passed) ? 0 : 1;
}

}  // namespace headroom::cli
