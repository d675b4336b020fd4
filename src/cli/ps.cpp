#include "cli/ps.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom ps                   who uses what, and what nobody booked\n"
    "  headroom ps --sort gpu        by GPU memory\n"
    "  headroom ps --user mia -w     one user's, again every two seconds\n";

/// The words of /proc/PID/cmdline; "" when the process is gone or shows none.
std::string read_command_line(std::int64_t pid) {
  const auto path = "/proc/" + std::to_string(pid) + "/cmdline";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 4096> buffer{};
  const auto n = read(fd, buffer.data(), buffer.size());
  close(fd);
  std::string line(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!line.empty() && line.back() == '\0') line.pop_back();
  std::replace(line.begin(), line.end(), '\0', ' ');
  return line;
}

std::optional<std::int64_t> used(const value& lease, const std::string& amount) {
  return client::whole(lease, "measured." + amount);
}

double key_of(const value& lease, const std::string& sort) {
  if (sort == "cpu") return client::number(lease, "measured.cpu_cores").value_or(0);
  const auto* amount = sort == "gpu" ? "gpu_memory_bytes" : "memory_bytes";
  return static_cast<double>(used(lease, amount).value_or(0));
}

bool on_gpu(const value& item, const std::string& index, const std::string& device,
            const std::string& wanted) {
  return wanted.empty() || wanted == index || (!device.empty() && wanted == device) ||
         client::text(item, "name") == "GPU " + wanted;
}

}  // namespace

std::string render_ps(const value& leases, const value& room,
                      const std::map<std::int64_t, std::string>& command_lines,
                      const PsOptions& options, const Style& style) {
  Table table({{"PID", Align::right},
               {"USER"},
               {"GPU"},
               {"GPU MEM", Align::right},
               {"MEM", Align::right},
               {"CPU", Align::right},
               {"BOOKED MEM", Align::right, true},
               {"PEAK MEM", Align::right, true},
               {"LEASE"},
               {"WHAT", Align::left, false, true},
               {"SINCE", Align::right}});
  std::vector<const value*> shown;
  for (const auto& lease : client::list(leases)) {
    const auto state = client::text(lease, "state");
    if (options.unbooked || state == "waiting" || state == "ended") continue;
    if (!options.user.empty() && client::text(lease, "owner") != options.user) continue;
    const auto index = client::whole(lease, "gpu_index");
    if (!options.gpu.empty() && !on_gpu(lease, index ? std::to_string(*index) : "",
                                        client::text(lease, "device"), options.gpu)) {
      continue;
    }
    shown.push_back(&lease);
  }
  std::sort(shown.begin(), shown.end(), [&](const value* a, const value* b) {
    const double first = key_of(*a, options.sort);
    const double second = key_of(*b, options.sort);
    return first != second ? first > second : a < b;  // both point into one list
  });
  for (const auto* lease : shown) {
    const auto pid = client::whole(*lease, "holder.pid");
    const auto index = client::whole(*lease, "gpu_index");
    std::string what = pid ? client::text(*lease, "holder.command") : "tied to time only";
    if (pid) {
      const auto line = command_lines.find(*pid);
      if (line != command_lines.end() && !line->second.empty()) what = line->second;
    }
    auto name = text_cell(client::text(*lease, "name"));
    if (client::is_true(*lease, "over")) name += " " + paint(style, "warning", "OVER");
    table.row({pid ? std::to_string(*pid) : kNone, text_cell(client::text(*lease, "owner")),
               index ? std::to_string(*index) : kNone,
               bytes_cell(style, used(*lease, "gpu_memory_bytes")),
               bytes_cell(style, used(*lease, "memory_bytes")),
               number_cell(style, client::number(*lease, "measured.cpu_cores"), 1),
               bytes_cell(style, client::whole(*lease, "booked.memory_bytes")),
               bytes_cell(style, client::whole(*lease, "peak.memory_bytes")), name, text_cell(what),
               since_cell(style, client::text(*lease, "granted_at"))});
  }
  if (!options.user.empty()) return table.render(style);
  std::optional<std::int64_t> memory;
  std::optional<double> cores;
  for (const auto& item : client::list(room)) {
    const auto resource = client::text(item, "resource");
    if (resource == "memory") memory = client::whole(item, "unbooked_bytes");
    if (resource == "cpu") cores = client::number(item, "unbooked_cores");
    const auto bytes = client::whole(item, "unbooked_bytes").value_or(0);
    if (resource != "gpu_memory" || bytes <= 0) continue;
    auto index = printable(client::text(item, "name"));
    if (index.rfind("GPU ", 0) == 0) index.erase(0, 4);
    if (!on_gpu(item, index, client::text(item, "device"), options.gpu)) continue;
    table.row({kNone, kNone, index, bytes_cell(style, bytes), kNone, kNone, kNone, kNone, kNone,
               "booked by nobody", kNone});
  }
  if (options.gpu.empty() && (memory || cores)) {
    table.row({kNone, kNone, kNone, kNone, bytes_cell(style, memory), number_cell(style, cores, 1),
               kNone, kNone, kNone, "booked by nobody", kNone});
  }
  return table.render(style);
}

int ps_command(Words words) {
  Options options("ps", kHelp);
  Common common;
  PsOptions ps;
  options.value("--sort", ps.sort, "gpu, mem or cpu");
  options.value("--gpu", ps.gpu, "this device only");
  options.value("--user", ps.user, "this user's only");
  options.flag("--unbooked", ps.unbooked, "only what nobody booked");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (ps.sort != "gpu" && ps.sort != "mem" && ps.sort != "cpu") {
    return report(Error{ErrorKind::invalid_request, "there is no order '" + ps.sort + "'", "",
                        "--sort gpu, mem or cpu"});
  }
  Source source(common);
  return repeat(common, [&] {
    auto leases = source.get("/api/v1/leases");
    if (!leases) return report(leases.error());
    if (print_document(common, *leases)) return 0;
    const auto document = client::parse_json(*leases);
    if (!document) return report(document.error());
    const auto room = source.document("/api/v1/room");
    if (!room) return report(room.error());
    std::map<std::int64_t, std::string> command_lines;
    for (const auto& lease : client::list(*document)) {
      if (const auto pid = client::whole(lease, "holder.pid")) {
        command_lines[*pid] = read_command_line(*pid);
      }
    }
    write_out(stdout, render_ps(*document, *room, command_lines, ps, style_for(common, stdout)));
    return 0;
  });
}

}  // namespace headroom::cli
