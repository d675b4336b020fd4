// headroom-replay: recorded series through headroom's own forecaster and estimator of limits,
// written in the form that the scoring commands read.
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "mode.hpp"

namespace {

using namespace headroom;
using namespace headroom::foresight;
namespace fs = std::filesystem;

constexpr const char* kHelp =
    "usage: headroom-replay MODE DATA_DIR OUT_DIR [--kappa K]\n"
    "\n"
    "Feeds every series below DATA_DIR (.csv or .csv.gz with the columns timestamp and value; time "
    "in\n"
    "seconds or as YYYY-MM-DD HH:MM:SS; manifest.csv is left out), sample by sample, to what the\n"
    "daemon uses, and writes what it says below OUT_DIR under the same name.\n"
    "\n"
    "  forecast   timestamp,forecast,lo,hi     15 minutes ahead, from the samples up to timestamp\n"
    "  limits     timestamp,limit,decided_at   the limit in force at timestamp\n"
    "  anomaly    timestamp,anomaly_score      how unusual the sample at timestamp is, 0 to 1\n"
    "\n"
    "  --kappa K  limits: what a unit above the limit costs, in units set aside unused: 800\n"
    "             conservative, 200 balanced, 50 aggressive (50)\n"
    "\n"
    "Exit status: 0; 1 if a series could not be read or written, or there is none; 2 for wrong\n"
    "usage. Files with other columns are named and passed over.\n";

struct Mode {
  const char* name;
  std::string (*replay)(const Trace&, const Options&);
};
constexpr std::array kModes = {
    Mode{"forecast", replay_forecast},
    Mode{"limits", replay_limits},
    Mode{"anomaly", replay_anomaly},
};

void complain(const Error& error) {
  std::fprintf(stderr, "headroom-replay: %s%s%s\n", error.what.c_str(),
               error.why.empty() ? "" : ": ", error.why.c_str());
}

bool write_file(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (out) return true;
  std::fprintf(stderr, "headroom-replay: cannot write %s\n", path.c_str());
  return false;
}

int replay(const Mode& mode, const fs::path& data, const fs::path& out, const Options& options) {
  const auto files = find_traces(data);
  if (!files) {
    complain(files.error());
    return 1;
  }
  int status = 0;
  bool any = false;
  for (const fs::path& file : *files) {
    const auto trace = read_trace(data, file);
    any = any || trace;
    if (!trace) {
      complain(trace.error());
      // Other tables may lie beside the series: they are named and passed over.
      if (trace.error().kind != ErrorKind::not_found) status = 1;
    } else if (!write_file(out / trace->name, mode.replay(*trace, options))) {
      return 1;
    }
  }
  return any ? status : 1;
}

int wrong_usage() {
  std::fputs(kHelp, stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::string_view> words;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (word == "--kappa") {
      const std::string_view text = i + 1 < argc ? argv[++i] : "";
      const auto end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data(), end, options.kappa);
      if (error != std::errc() || stop != end || !(options.kappa >= 1 && options.kappa <= 1e6))
        return wrong_usage();
    } else {
      words.push_back(word);
    }
  }
  if (words.size() != 3) return wrong_usage();
  for (const Mode& mode : kModes) {
    if (words[0] == mode.name) return replay(mode, words[1], words[2], options);
  }
  return wrong_usage();
}
