#include "cli/drain.hpp"

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
    "  headroom drain               the whole node takes nobody new\n"
    "  headroom drain --gpu 0       this device does not; the others do\n"
    "  headroom drain --gpu 0 --undo\n"
    "  headroom drain ls            what is drained, since when, and by whom\n"
    "\n"
    "Who has a lease keeps it; who wants one waits. It holds until --undo, also over a restart.\n";

}  // namespace

std::string render_drains(const value& drains, const Style& style) {
  if (client::list(drains).empty() && style.output != Output::csv) return "nothing is drained\n";
  Table table({{"DEVICE"}, {"BY"}, {"SINCE", Align::right}, {"REASON", Align::left, false, true}});
  for (const auto& drain : client::list(drains)) {
    const auto device = client::text(drain, "device");
    table.row({device.empty() ? "node" : text_cell(device), text_cell(client::text(drain, "by")),
               since_cell(style, client::text(drain, "since")),
               printable(client::text(drain, "reason"))});
  }
  return table.render(style);
}

int drain_command(Words words) {
  Options options("drain [ls]", kHelp);
  Common common;
  Words given;
  std::string gpu;
  bool undo = false;
  options.value("--gpu", gpu, "this device only: index or UUID");
  options.flag("--undo", undo, "it takes leases again");
  options.words("words", given, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const bool shows = !given.empty();
  if (shows && (given.front() != "ls" || undo || !gpu.empty())) {
    return report(Error{ErrorKind::invalid_request, "drain does not know '" + given.front() + "'",
                        "", "headroom drain, drain --gpu 0, drain --undo or drain ls"});
  }
  Source source(common);
  const std::string target = "/api/v1/drains";
  const auto drains =
      shows ? source.document(target)
            : source.daemon().send(
                  undo ? "DELETE" : "PUT",
                  target + "/" + (gpu.empty() ? "node" : http::encode_segment(gpu)), {});
  if (!drains) return report(drains.error());
  if (!print_document(common, client::write_json(*drains))) {
    write_out(stdout, render_drains(*drains, style_for(common, stdout)));
  }
  return 0;
}

}  // namespace headroom::cli
