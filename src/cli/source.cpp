#include "cli/source.hpp"

#include <utility>

#include "cli/local.hpp"

namespace headroom::cli {

using client::json::value;

Source::Source(const Common& common)
    : daemon_(common.url, common.answer_within()), local_(common.local), quiet_(common.quiet) {}

Result<std::string> Source::get(std::string_view target) {
  if (!local_) {
    const auto connected = daemon_.connect();
    if (connected) return daemon_.get(target);
    if (connected.error().kind != ErrorKind::unavailable) {
      return tl::unexpected<Error>(connected.error());
    }
    // An address of another machine is not answered with the readings of this one.
    if (!daemon_.url().starts_with("unix:") && !daemon_.url().starts_with('/')) {
      return tl::unexpected<Error>(connected.error());
    }
    local_ = true;
    if (!quiet_) {
      write_out(stderr, "headroom: no daemon answers on " + daemon_.url() +
                            "; reading this machine directly\n");
    }
  }
  return read_locally(target);
}

Result<value> Source::document(std::string_view target) {
  auto body = get(target);
  if (!body) return tl::unexpected<Error>(std::move(body.error()));
  return client::parse_json(*body);
}

void Source::next_picture() {
  if (!std::exchange(first_, false) && local_) (void)sample_locally();
}

Result<std::string> Source::kept(std::string_view target, const std::string& what) {
  if (local_) {
    return fail(ErrorKind::unavailable, what + " are kept by the daemon",
                "--local reads this machine only", "the same without --local");
  }
  if (const auto connected = daemon_.connect(); !connected) {
    auto error = connected.error();
    if (error.kind == ErrorKind::unavailable) {
      error.why = what + " are kept by the daemon" + (error.why.empty() ? "" : ": " + error.why);
    }
    return tl::unexpected<Error>(std::move(error));
  }
  return daemon_.get(target);
}

bool print_document(const Common& common, std::string_view body) {
  if (common.output == Output::json) {
    write_out(stdout, body);
    if (body.empty() || body.back() != '\n') write_out(stdout, "\n");
    return true;
  }
  if (common.output != Output::jsonl) return false;
  const auto document = client::parse_json(body);
  std::string lines;
  if (document && client::find(*document, "items") != nullptr) {
    for (const auto& item : client::list(*document)) lines += client::write_json(item) + "\n";
  } else if (document) {
    lines = client::write_json(*document) + "\n";
  }
  write_out(stdout, lines);
  return true;
}

}  // namespace headroom::cli
