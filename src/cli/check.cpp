#include "cli/check.hpp"

#include <algorithm>
#include <vector>

#include "cli/commands.hpp"
#include "cli/gpu.hpp"
#include "cli/source.hpp"
#include "cli/units.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN: as monitoring plugins, not as the\n"
    "  other commands. The lines are the daemon's pressure levels; its emergency is CRITICAL.\n"
    "\n"
    "  headroom check                       everything that has a level\n"
    "  headroom check -r memory,disk        only these\n"
    "  headroom check -r gpu_memory --gpu 0 one device\n";

constexpr std::size_t kMostNamed = 6;  ///< in the sentence; all are in the figures

const char* word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "OK";
    case Outcome::warning:
      return "WARNING";
    case Outcome::critical:
      return "CRITICAL";
    case Outcome::unknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

int rank_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return 0;
    case Outcome::unknown:
      return 1;
    case Outcome::warning:
      return 2;
    case Outcome::critical:
      return 3;
  }
  return 1;
}

Outcome outcome_of(const std::string& level) {
  if (level == "ok") return Outcome::ok;
  if (level == "warning") return Outcome::warning;
  if (level == "critical" || level == "emergency") return Outcome::critical;
  return Outcome::unknown;
}

/// One thing that was looked at.
struct Part {
  Outcome outcome = Outcome::unknown;
  std::string sentence;
  std::string figure;  ///< may be empty
};

bool wants(const std::string& list, const std::string& resource) {
  if (list.empty()) return true;
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    if (list.compare(at, end - at, resource) == 0) return true;
    at = end + 1;
  }
  return false;
}

/// "gpu_memory GPU 0": how it is called in the sentence.
std::string name_of(const value& item) {
  const auto resource = client::text(item, "resource");
  auto name = client::text(item, "name");
  if (name.empty()) name = client::text(item, "device");
  if (name.empty() || name == resource) return printable(resource);
  return printable(resource + " " + name);
}

struct Unit {
  const char* shown;
  const char* figure;  ///< as plugins may write it; "" where none of theirs means it
};

Unit unit_of(const value& item) {
  const auto unit = client::text(item, "unit");
  const auto resource = client::text(item, "resource");
  if (unit == "percent" || (unit.empty() && resource != "gpu_temperature")) return {" %", "%"};
  if (unit == "celsius" || unit.empty()) return {" °C", ""};
  if (unit == "watts") return {" W", ""};
  return {" B/s", ""};
}

/// The line of a level as it is configured; "" where it is not known.
std::string line_of(const value& config, const std::string& resource, const char* level) {
  const auto key = "pressure." + resource + "." + level;
  for (const auto& setting : client::list(config)) {
    if (client::text(setting, "key") != key) continue;
    auto line = client::text(setting, "value");
    const bool number = !line.empty() && line.find_first_not_of("0123456789.") == std::string::npos;
    return number ? line : "";
  }
  return {};
}

/// The name of a figure: quoted, without what would end it.
std::string label_of(const std::string& name) {
  std::string label = name;
  std::replace(label.begin(), label.end(), '\'', '_');
  std::replace(label.begin(), label.end(), '=', '_');
  std::replace(label.begin(), label.end(), '|', '_');
  return label.find_first_of(" ;") == std::string::npos ? label : "'" + label + "'";
}

Part judge_pressure(const value& item, const value& config) {
  Part part;
  const auto name = name_of(item);
  const auto resource = client::text(item, "resource");
  const auto number = client::number(item, "value");
  if (!number) {
    part.sentence = name + " is unknown";
    return part;
  }
  const auto unit = unit_of(item);
  const auto level = client::text(item, "level");
  part.outcome = outcome_of(level);
  part.sentence = name + " " + show_number(*number, 1) + unit.shown;
  if (part.outcome != Outcome::ok) {
    part.sentence += " is " + printable(level);
    if (const auto line = client::number(item, "threshold")) {
      part.sentence += " (line " + show_number(*line, 0) + ")";
    }
  }
  part.figure = label_of(name) + "=" + show_number(*number, 1) + unit.figure + ";" +
                line_of(config, resource, "warning") + ";" + line_of(config, resource, "critical") +
                ";0;" + (*unit.figure == '%' ? "100" : "");
  return part;
}

/// A device that gives no fresh numbers makes its levels worth nothing.
Part judge_device(const value& gpu) {
  Part part;
  const auto state = client::text(gpu, "state");
  const auto index = client::whole(gpu, "index");
  const auto name = "GPU " + (index ? std::to_string(*index) : std::string("?"));
  part.outcome = state == "lost"    ? Outcome::critical
                 : state == "stale" ? Outcome::unknown
                                    : Outcome::ok;
  if (part.outcome == Outcome::ok) return part;
  const auto why = client::text(gpu, "state_reason");
  part.sentence = name + " is " + printable(state) + (why.empty() ? "" : ": " + printable(why));
  return part;
}

}  // namespace

CheckLine judge_check(const CheckDocuments& documents, const CheckOptions& options) {
  const auto age = client::number(documents.snapshot, "age_seconds");
  if (!age) return {Outcome::unknown, "UNKNOWN - the daemon has not read the machine yet"};
  if (*age > options.max_age) {
    return {Outcome::unknown, "UNKNOWN - the newest sample is " + show_span(*age) + " old"};
  }
  std::string device;
  if (!options.gpu.empty()) {
    const auto* gpu = find_gpu(documents.snapshot, options.gpu);
    if (gpu == nullptr) {
      return {Outcome::unknown, "UNKNOWN - there is no GPU '" + printable(options.gpu) + "'"};
    }
    device = client::text(*gpu, "id");
  }
  std::vector<Part> parts;
  bool about_gpus = false;
  for (const auto& item : client::list(documents.pressure)) {
    const auto resource = client::text(item, "resource");
    if (!wants(options.resources, resource)) continue;
    const bool of_gpu = resource == "gpu_memory" || resource == "gpu_temperature";
    if (!device.empty() && client::text(item, "device") != device) continue;
    about_gpus = about_gpus || of_gpu;
    // A device without a thermometer is not in an unknown state for that.
    if (resource == "gpu_temperature" && !client::number(item, "value")) continue;
    parts.push_back(judge_pressure(item, documents.config));
  }
  if (parts.empty()) {
    return {
        Outcome::unknown,
        "UNKNOWN - nothing here has a level" +
            (options.resources.empty() ? std::string() : " of " + printable(options.resources))};
  }
  if (about_gpus || options.resources.empty()) {
    for (const auto& gpu : client::list(documents.snapshot, "gpu")) {
      if (!device.empty() && client::text(gpu, "id") != device) continue;
      if (auto part = judge_device(gpu); part.outcome != Outcome::ok) {
        parts.push_back(std::move(part));
      }
    }
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return rank_of(a.outcome) > rank_of(b.outcome);
  });
  CheckLine line;
  line.outcome = parts.front().outcome;
  line.text = std::string(word_of(line.outcome)) + " - ";
  for (std::size_t i = 0; i < parts.size() && i < kMostNamed; ++i) {
    line.text += (i > 0 ? ", " : "") + parts[i].sentence;
  }
  if (parts.size() > kMostNamed) {
    line.text += " and " + std::to_string(parts.size() - kMostNamed) + " more";
  }
  // A bar would begin the figures.
  std::replace(line.text.begin(), line.text.end(), '|', '/');
  std::string figures;
  for (const auto& part : parts) {
    if (!part.figure.empty()) figures += " " + part.figure;
  }
  if (!figures.empty()) line.text += " |" + figures;
  return line;
}

namespace {

int say(Outcome outcome, const std::string& text) {
  write_out(stdout, text + "\n");
  return static_cast<int>(outcome);
}

/// A failure in one line: a monitoring system shows no more.
int say_failure(const Error& error) {
  return say(Outcome::unknown,
             "UNKNOWN - " + printable(error.what + (error.why.empty() ? "" : ": " + error.why)));
}

}  // namespace

int check_command(Words words) {
  Options options("check", kHelp);
  Common common;
  CheckOptions check;
  std::string max_age;
  options.value("-r,--resource", check.resources,
                "only these: memory, gpu_memory, cpu, disk, gpu_temperature, power, network");
  options.value("--gpu", check.gpu, "this device only: index or UUID");
  options.value("--max-age", max_age, "an older sample is UNKNOWN; 10s unless said otherwise");
  options.outputs("");
  if (const auto over = options.parse(std::move(words), common)) {
    return *over == 0 ? 0 : say(Outcome::unknown, "UNKNOWN - the command line is wrong");
  }
  if (!max_age.empty()) {
    const auto age = settings::parse_duration(max_age);
    if (!age) return say_failure(age.error());
    check.max_age = std::chrono::duration<double>(*age).count();
  }
  // No daemon is what a monitoring system must hear of: this machine is read directly only when
  // that was asked for.
  Source source(common);
  if (!common.local) {
    if (const auto connected = source.daemon().connect(); !connected) {
      return say_failure(connected.error());
    }
  }
  CheckDocuments documents;
  auto snapshot = source.document("/api/v1/snapshot");
  if (!snapshot) return say_failure(snapshot.error());
  documents.snapshot = std::move(*snapshot);
  auto pressure = source.document("/api/v1/pressure");
  if (!pressure) return say_failure(pressure.error());
  documents.pressure = std::move(*pressure);
  // Without it the figures have no lines, and everything else holds.
  if (auto config = source.document("/api/v1/config")) documents.config = std::move(*config);
  const auto line = judge_check(documents, check);
  return say(line.outcome, line.text);
}

}  // namespace headroom::cli
