#include "cli/wait.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/needs.hpp"
#include "cli/source.hpp"
#include "cli/units.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom wait --gpu-mem 12G && ./train.sh\n"
    "  headroom wait 'memory<80%' --timeout 10m\n"
    "\n"
    "Books nothing: what fits now may be taken a moment later. headroom run waits and books.\n"
    "124 when --timeout is over, 3 when it can never fit.\n";

constexpr double kPauseSeconds = 1;

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// "memory>80%" is the name of nothing; what it begins with is looked at for the help.
tl::unexpected<Error> other_sign(std::string_view word, std::size_t sign) {
  const auto left = word.substr(0, sign);
  auto right = word.substr(sign);
  right.remove_prefix(std::min(right.find_first_not_of(">="), right.size()));
  const auto line = std::string(left) + "<" + std::string(right);
  const auto read = right.empty() ? tl::unexpected<Error>(Error{}) : parse_line(line);
  return fail(ErrorKind::invalid_request, "'" + printable(word) + "' is no line to wait for",
              "only < is understood: it is waited until the reading is below",
              "headroom wait '" + (read ? printable(line) : std::string("memory<80%")) + "'");
}

}  // namespace

Result<std::optional<Line>> parse_line(std::string_view word) {
  const auto sign = word.find('<');
  if (const auto other = word.find('>'); other < sign) return other_sign(word, other);
  if (sign == std::string_view::npos) return std::optional<Line>();
  Line line;
  auto left = word.substr(0, sign);
  auto right = word.substr(sign + 1);
  if (const auto colon = left.find(':'); colon != std::string_view::npos) {
    line.device = std::string(left.substr(colon + 1));
    left = left.substr(0, colon);
  }
  const auto resource = settings::parse_resource(left);
  if (!resource) return tl::unexpected<Error>(resource.error());
  line.resource = to_string(*resource);
  if (!right.empty() && right.back() == '%') right.remove_suffix(1);
  const auto [stop, ec] = std::from_chars(right.data(), right.data() + right.size(), line.below);
  if (ec != std::errc() || stop != right.data() + right.size() || !(line.below > 0)) {
    return fail(ErrorKind::invalid_request, "'" + std::string(word) + "' is no line to wait for",
                "after < stands a percent, or degrees", "headroom wait 'memory<80%'");
  }
  return std::optional<Line>(std::move(line));
}

Result<bool> is_below(const Line& line, const value& pressure) {
  bool found = false;
  bool below = true;
  for (const auto& item : client::list(pressure)) {
    if (client::text(item, "resource") != line.resource) continue;
    const bool named = line.device.empty() || client::text(item, "device") == line.device ||
                       client::text(item, "name") == line.device ||
                       client::text(item, "name") == "GPU " + line.device;
    if (!named) continue;
    found = true;
    const auto reading = client::number(item, "value");
    below = below && reading && *reading < line.below;  // unknown is not below
  }
  if (!found) {
    return fail(ErrorKind::not_found,
                "there is no reading of " + line.resource +
                    (line.device.empty() ? "" : " on " + line.device),
                "", "headroom --json lists what there is");
  }
  return below;
}

int wait_command(Words words) {
  Options options("wait NEEDS | 'RESOURCE<N%'", kHelp);
  Common common;
  NeedsOptions needs;
  Words names;
  needs.add_to(options);
  options.words("what", names, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const auto line = parse_line(names.empty() ? "" : names.front());
  if (!line) return report(line.error());
  if (!*line && !needs.any() && names.empty()) {
    return report(Error{ErrorKind::invalid_request, "wait needs something to wait for", "",
                        "headroom wait --gpu-mem 12G"});
  }
  if (*line && needs.any()) {
    return report(
        Error{ErrorKind::invalid_request,
              "wait cannot wait for needs and for '" + names.front() + "' at once", "",
              "one after the other: headroom wait 'memory<80%' && headroom wait --mem 6G"});
  }
  const auto within = common.timeout;
  common.timeout.reset();
  client::Daemon daemon(common.url, common.answer_within());
  if (const auto connected = daemon.connect(); !connected) return report(connected.error());
  value room;
  if (has_percent(needs)) {
    auto document = daemon.document("/api/v1/room");
    if (!document) return report(document.error());
    room = std::move(*document);
  }
  const auto amounts = needs_of(needs, room);
  if (!amounts) return report(amounts.error());
  object request;
  if (needs.any()) request["needs"] = *amounts;
  if (!names.empty()) request["name"] = names.front();

  const double began = seconds_now();
  std::string why;
  for (;;) {
    bool done = false;
    std::optional<Error> error;
    if (*line) {
      const auto pressure = daemon.document("/api/v1/pressure");
      const auto below =
          pressure ? is_below(**line, *pressure) : tl::unexpected<Error>(pressure.error());
      if (!below) error = below.error();
      done = below && *below;
    } else {
      const auto verdict = daemon.fit(request);
      if (!verdict) error = verdict.error();
      done = verdict && client::text(*verdict, "verdict") == "now";
      if (verdict) why = printable(client::text(*verdict, "why"));
      if (verdict && client::text(*verdict, "verdict") == "never") {
        return report(Error{ErrorKind::can_never_fit, "it can never fit on this node", why, ""});
      }
    }
    if (done) return 0;
    // A daemon that restarts comes back; all else stays as it is.
    if (error && error->kind != ErrorKind::unavailable) return report(*error);
    double pause = kPauseSeconds;
    if (within) {
      const double left = static_cast<double>(within->count()) / 1000.0 - (seconds_now() - began);
      if (left <= 0) {
        if (error) return report(*error);
        return report(Error{ErrorKind::timed_out,
                            "waited " + show_span(seconds_now() - began) + " for nothing", why,
                            "a longer --timeout"});
      }
      pause = std::min(pause, left);
    }
    const timespec time{
        static_cast<std::time_t>(pause),
        static_cast<long>((pause - static_cast<double>(static_cast<std::time_t>(pause))) * 1e9)};
    nanosleep(&time, nullptr);
  }
}

}  // namespace headroom::cli
