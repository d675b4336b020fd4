#include "trace.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include <zlib.h>

namespace headroom::foresight {
namespace {

namespace fs = std::filesystem;
using namespace std::literals;

constexpr std::size_t kLongestFile = std::size_t{1} << 30;

/// The whole of a file, unpacked where it is a .gz; zlib hands plain files through.
std::optional<std::string> read_all(const fs::path& path, std::string& why) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) {
    why = "it cannot be opened";
    return std::nullopt;
  }
  std::string text;
  std::string part(std::size_t{1} << 16, '\0');
  for (;;) {
    const int got = gzread(file.get(), part.data(), static_cast<unsigned>(part.size()));
    if (got < 0) {
      why = "it cannot be read or unpacked";
      return std::nullopt;
    }
    if (got == 0) break;
    text.append(part, 0, static_cast<std::size_t>(got));
    if (text.size() > kLongestFile) {
      why = "it is larger than 1 GiB";
      return std::nullopt;
    }
  }
  int error = Z_OK;
  gzerror(file.get(), &error);
  if (error != Z_OK) {  // a .gz cut short
    why = "it ends within packed data";
    return std::nullopt;
  }
  return text;
}

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> fields(std::string_view line) {
  std::vector<std::string_view> all;
  for (;;) {
    const auto comma = line.find(',');
    all.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return all;
    line = line.substr(comma + 1);
  }
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

std::optional<int> parse_digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

/// YYYY-MM-DD HH:MM:SS, in UTC.
std::optional<std::chrono::nanoseconds> parse_date(std::string_view text) {
  if (text.size() != 19 || text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T'))
    return {};
  if (text[13] != ':' || text[16] != ':') return {};
  const auto year = parse_digits(text.substr(0, 4));
  const auto month = parse_digits(text.substr(5, 2));
  const auto day = parse_digits(text.substr(8, 2));
  const auto hour = parse_digits(text.substr(11, 2));
  const auto minute = parse_digits(text.substr(14, 2));
  const auto second = parse_digits(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second) return {};
  if (*hour > 23 || *minute > 59 || *second > 60) return {};
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1900 || *year > 2200) return {};
  return std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(*hour) +
         std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

/// Seconds as a number (at most about 200 years), or a date.
std::optional<Instant> parse_time(std::string_view text) {
  std::chrono::nanoseconds since{};
  if (const auto seconds = parse_number(text)) {
    if (std::abs(*seconds) > 6e9) return {};
    since = std::chrono::nanoseconds(std::llround(*seconds * 1e9));
  } else if (const auto date = parse_date(text)) {
    since = *date;
  } else {
    return {};
  }
  return Instant{BootTime(since), WallTime(since)};
}

/// What the manifest beside `file` says it is; empty where it says nothing.
std::string kind_of(const fs::path& file) {
  std::string why;
  const auto text = read_all(file.parent_path() / "manifest.csv", why);
  if (!text) return {};
  std::string_view rest = *text;
  const auto header = fields(next_line(rest));
  const auto name = std::find(header.begin(), header.end(), "file"sv) - header.begin();
  const auto kind = std::find(header.begin(), header.end(), "kind"sv) - header.begin();
  while (!rest.empty()) {
    const auto row = fields(next_line(rest));
    if (static_cast<std::size_t>(std::max(name, kind)) >= row.size()) continue;
    if (row[name] == file.filename().string()) return std::string(row[kind]);
  }
  return {};
}

}  // namespace

Result<std::vector<fs::path>> find_traces(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::recursive_directory_iterator all(folder, error);
  for (; !error && all != fs::recursive_directory_iterator(); all.increment(error)) {
    const std::string name = all->path().filename().string();
    if (!all->is_regular_file(error) || name.starts_with("manifest.")) continue;
    if (name.ends_with(".csv") || name.ends_with(".csv.gz"))
      found.push_back(all->path().lexically_relative(folder));
  }
  if (error) return fail(ErrorKind::not_found, "cannot read " + folder.string(), error.message());
  if (found.empty())
    return fail(ErrorKind::not_found, "no series below " + folder.string(),
                "no file there ends in .csv or .csv.gz");
  std::sort(found.begin(), found.end());
  return found;
}

Result<Trace> read_trace(const fs::path& folder, const fs::path& file) {
  const fs::path path = folder / file;
  std::string why;
  const auto text = read_all(path, why);
  if (!text) return fail(ErrorKind::invalid_request, "cannot read " + path.string(), why);
  std::size_t number = 1;
  const auto bad = [&](std::string reason) {
    return fail(ErrorKind::invalid_request, path.string() + ":" + std::to_string(number),
                std::move(reason));
  };
  std::string_view rest = *text;
  const auto header = fields(next_line(rest));
  const auto time = std::find(header.begin(), header.end(), "timestamp"sv) - header.begin();
  const auto value = std::find(header.begin(), header.end(), "value"sv) - header.begin();
  const auto needed = static_cast<std::size_t>(std::max(time, value));
  if (needed >= header.size()) {
    return fail(ErrorKind::not_found, path.string() + ":1",
                "is no series, which needs the columns timestamp and value");
  }
  Trace trace;
  trace.name = file;
  if (trace.name.extension() == ".gz") trace.name.replace_extension();
  trace.kind = kind_of(path);
  std::chrono::nanoseconds step{};
  while (!rest.empty()) {
    ++number;
    const auto line = next_line(rest);
    if (line.empty()) continue;
    const auto row = fields(line);
    if (needed >= row.size()) return bad("has fewer columns than the header");
    const auto at = parse_time(row[time]);
    if (!at) return bad("the timestamp is neither seconds nor YYYY-MM-DD HH:MM:SS");
    const auto number_read = parse_number(row[value]);
    if (!number_read) return bad("the value is not a finite number");
    Instant when = *at;
    if (!trace.samples.empty()) {
      const Instant before = trace.samples.back().at;
      // A file knows only the wall clock. Where that was set back, the boot clock went on.
      if (when.wall >= before.wall) step = when.wall - before.wall;
      when.boot = before.boot + step;
    }
    trace.samples.push_back({std::string(row[time]), when, *number_read});
  }
  if (trace.samples.empty()) return bad("has no rows");
  return trace;
}

}  // namespace headroom::foresight
