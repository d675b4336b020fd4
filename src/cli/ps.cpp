#include "cli/ps.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom ps                   who uses what, and what nobody booked\n"
    "  headroom ps --sort cpu -n 10  the ten busiest\n"
    "  headroom ps --user mia -w     one user's, again every two seconds\n"
    "  headroom ps --all -o csv      every process, for a spreadsheet\n";

constexpr std::size_t kLargest = 20;     ///< rows that are there for their size alone
constexpr double kSomeCores = 0.01;      ///< below it a process is not busy
constexpr const char* kMost = "100000";  ///< processes, as the daemon reads at most

/// What is sorted by: larger first.
double key_of(const value& process, const std::string& sort) {
  if (sort == "cpu") return client::number(process, "cpu_cores").value_or(0);
  if (sort == "io") return client::number(process, "io_bytes_per_second").value_or(0);
  const auto* amount = sort == "gpu" ? "gpu_memory_bytes" : "memory_bytes";
  return client::number(process, amount).value_or(0);
}

void sort_by(std::vector<const value*>& list, const std::string& sort) {
  std::stable_sort(list.begin(), list.end(), [&](const value* a, const value* b) {
    const double first = key_of(*a, sort);
    const double second = key_of(*b, sort);
    if (first != second) return first > second;
    return sort != "mem" && key_of(*a, "mem") > key_of(*b, "mem");
  });
}

bool holds_something(const value& process) {
  return !client::list(process, "gpus").empty() || client::find(process, "lease") != nullptr;
}

/// Those that hold something, and of the others the largest by memory and by CPU in turn.
std::vector<const value*> those_that_matter(const std::vector<const value*>& all) {
  std::vector<const value*> shown, others;
  for (const auto* process : all) (holds_something(*process) ? shown : others).push_back(process);
  auto by_memory = others;
  sort_by(by_memory, "mem");
  auto by_cpu = others;
  sort_by(by_cpu, "cpu");
  const auto first = static_cast<std::ptrdiff_t>(shown.size());
  const auto take = [&](const value* process) {
    if (static_cast<std::size_t>(std::distance(shown.begin() + first, shown.end())) >= kLargest ||
        std::find(shown.begin() + first, shown.end(), process) != shown.end()) {
      return;
    }
    shown.push_back(process);
  };
  for (std::size_t i = 0; i < others.size() && i < kLargest; ++i) {
    take(by_memory[i]);
    if (key_of(*by_cpu[i], "cpu") >= kSomeCores) take(by_cpu[i]);
  }
  return shown;
}

std::string gpus_cell(const value& process) {
  std::string cell;
  for (const auto& gpu : client::list(process, "gpus")) {
    const auto index = client::whole(gpu, "index");
    cell += (cell.empty() ? "" : ",") + (index ? std::to_string(*index) : "?");
  }
  return cell.empty() ? kNone : cell;
}

std::string lease_cell(const value& process) {
  const auto name = client::text(process, "lease_name");
  return text_cell(name.empty() ? client::text(process, "lease") : name);
}

std::string container_of(const value& process) {
  const auto container = client::text(process, "container");
  const auto engine = client::text(process, "engine");
  if (container.empty()) return {};
  return engine.empty() ? container : engine + ": " + container;
}

std::string what_cell(const value& process, const Style& style) {
  auto what = client::text(process, "command");
  const auto name = client::text(process, "name");
  if (what.empty()) what = name;
  if (what.empty()) return "not in this process namespace, or just ended";
  if (style.output == Output::table) {
    if (const auto container = container_of(process); !container.empty()) {
      what += " (" + container + ")";
    }
  }
  return printable(what);
}

std::string rate_cell(const value& process, const Style& style) {
  const auto rate = client::number(process, "io_bytes_per_second");
  if (!rate) return kNone;
  const auto bytes = static_cast<std::int64_t>(std::min(*rate, 9e18));
  return style.bytes ? std::to_string(bytes) : show_bytes(bytes) + "/s";
}

std::string rest_cell(const value& rest, const Style& style) {
  const auto reserved = client::whole(rest, "reserved_bytes").value_or(0);
  std::string cell = "unattributed";
  if (reserved > 0) cell += " (driver " + bytes_cell(style, reserved) + " not counted)";
  return cell;
}

bool uses_gpus(const value& processes) {
  if (!client::list(processes, "unattributed").empty()) return true;
  return std::ranges::any_of(client::list(processes), [](const value& process) {
    return !client::list(process, "gpus").empty();
  });
}

/// What stands below the table: how many are not in it, and why.
std::string last_line(const value& processes, std::size_t shown, bool some, const Style& style) {
  const auto listed = static_cast<std::int64_t>(client::list(processes).size());
  const auto total =
      some ? listed : std::max(client::whole(processes, "total").value_or(listed), listed);
  const auto more = total - static_cast<std::int64_t>(shown);
  const auto threads = some ? 0 : client::whole(processes, "kernel_threads").value_or(0);
  std::string line;
  if (more > 0) line += std::to_string(more) + " more";
  if (threads > 0) {
    line += (line.empty() ? "" : ", ") + std::to_string(threads) +
            (threads == 1 ? " kernel thread" : " kernel threads");
  }
  std::string text =
      line.empty() ? "" : dim(style, line + (more > 0 ? "   headroom ps --all" : "")) + "\n";
  const auto why = client::text(processes, "unlisted_reason");
  if (const auto unlisted = client::whole(processes, "unlisted").value_or(0); unlisted > 0) {
    text += dim(style, std::to_string(unlisted) + " not listed: " + printable(why)) + "\n";
  } else if (!why.empty()) {
    text += dim(style, printable(why)) + "\n";
  }
  return text;
}

}  // namespace

std::string render_ps(const value& processes, const PsOptions& options, const Style& style) {
  const bool csv = style.output == Output::csv;
  const bool io = options.sort == "io";
  const bool gpus = csv || uses_gpus(processes);
  Table table({{"PID", Align::right},
               {"USER"},
               {"GPU", Align::left, !gpus},
               {"GPU MEM", Align::right, !gpus},
               {"MEM", Align::right},
               {"CPU", Align::right},
               {"LEASE"},
               {"UNIT", Align::left, true},
               {"CONTAINER", Align::left, true},
               {"RESIDENT", Align::right, true},
               {"IO", Align::right, !io},
               {"PARENT", Align::right, true},
               {"SINCE", Align::right},
               {"WHAT", Align::left, false, true}});  // last: it may be 4 KiB long

  std::vector<const value*> shown;
  for (const auto& process : client::list(processes)) shown.push_back(&process);
  if (!options.all && options.most == 0 && !csv) shown = those_that_matter(shown);
  sort_by(shown, options.sort);
  if (options.most > 0 && shown.size() > options.most) shown.resize(options.most);
  for (const auto* process : shown) {
    const auto pid = client::whole(*process, "pid");
    // Of a process that /proc does not show nothing is known but what the driver said.
    const bool known = !client::text(*process, "name").empty();
    const auto amount = [&](const char* name) {
      return bytes_cell(style, known ? client::whole(*process, name) : std::nullopt);
    };
    const auto parent = client::whole(*process, "parent");
    table.row({pid ? std::to_string(*pid) : kNone, text_cell(client::text(*process, "user")),
               gpus_cell(*process), bytes_cell(style, client::whole(*process, "gpu_memory_bytes")),
               amount("memory_bytes"), number_cell(style, client::number(*process, "cpu_cores"), 1),
               lease_cell(*process), text_cell(client::text(*process, "unit")),
               text_cell(container_of(*process)), amount("resident_bytes"),
               rate_cell(*process, style), parent && known ? std::to_string(*parent) : kNone,
               since_cell(style, client::text(*process, "started_at")),
               what_cell(*process, style)});
  }
  std::string silent;  // devices whose driver does not say who uses them
  for (const auto& rest : client::list(processes, "unattributed")) {
    const auto bytes = client::whole(rest, "memory_bytes");
    const auto index = client::whole(rest, "index");
    const auto number = index ? std::to_string(*index) : std::string(kNone);
    const bool asked_for = options.gpu.empty() || options.gpu == number ||
                           options.gpu == "gpu" + number ||
                           options.gpu == client::text(rest, "device");
    if (!options.rest || !asked_for || (bytes && *bytes == 0)) continue;
    if (!bytes) {
      silent += (silent.empty() ? "GPU " : ", ") + number;
      continue;
    }
    table.row({kNone, kNone, number, bytes_cell(style, bytes), kNone, kNone, kNone, kNone, kNone,
               kNone, kNone, kNone, kNone, rest_cell(rest, style)});
  }
  if (csv) return table.render(style);
  if (shown.empty() && table.empty())
    return "no processes\n" + last_line(processes, 0, options.some, style);
  if (!silent.empty()) silent += ": the driver does not say who uses them";
  return table.render(style) + (silent.empty() ? "" : dim(style, silent) + "\n") +
         last_line(processes, shown.size(), options.some, style);
}

int ps_command(Words words) {
  Options options("ps", kHelp);
  Common common;
  PsOptions ps;
  std::string gpu, user, most;
  bool unbooked = false;
  options.value("--sort", ps.sort, "gpu, mem, cpu or io");
  options.value("--gpu", gpu, "this device's only: index or UUID");
  options.value("--user", user, "this user's only");
  options.flag("--unbooked", unbooked, "only what nobody booked");
  options.flag("--all", ps.all, "every process, not only those that matter");
  options.value("-n,--limit", most, "at most so many");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (ps.sort != "gpu" && ps.sort != "mem" && ps.sort != "cpu" && ps.sort != "io") {
    return report(Error{ErrorKind::invalid_request, "there is no order '" + ps.sort + "'", "",
                        "--sort gpu, mem, cpu or io"});
  }
  if (!most.empty()) {
    const auto [end, error] = std::from_chars(most.data(), most.data() + most.size(), ps.most);
    if (error != std::errc() || end != most.data() + most.size() || ps.most == 0) {
      return report(
          Error{ErrorKind::invalid_request, "'" + most + "' is no number of rows", "", "-n 20"});
    }
  }
  ps.gpu = gpu;
  ps.rest = user.empty();
  ps.some = !user.empty() || !gpu.empty() || unbooked;
  std::string target = std::string("/api/v1/processes?limit=") + kMost;
  if (!gpu.empty()) target += "&gpu=" + http::encode_segment(gpu);
  if (!user.empty()) target += "&user=" + http::encode_segment(user);
  if (unbooked) target += "&unbooked=1";
  Source source(common);
  return repeat(common, [&] {
    source.next_picture();
    const auto body = source.get(target);
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_ps(*document, ps, style_for(common, stdout)));
    return 0;
  });
}

}  // namespace headroom::cli
