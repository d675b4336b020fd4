// headroom-simulate: days of faults in seconds, every invariant checked after every event.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "world.hpp"

namespace {

constexpr const char* kHelp =
    "usage: headroom-simulate [--seed N] [--events N] [--components N] [--sabotage KIND] "
    "[--verbose]\n"
    "\n"
    "Runs the control machine of headroomd in a simulated machine: processes that take memory over "
    "time,\n"
    "end and leave children behind, other programs, drivers that free late or never, samples that "
    "are\n"
    "lost or late, devices that vanish, clients that wait, hang up and repeat themselves, crashes "
    "of the\n"
    "daemon at every place, reboots, devices drained and opened again, leases that are handed "
    "over\n"
    "idle bookings that are returned, and models that are asked to go. Equal seeds give equal "
    "runs. After every event the "
    "invariants "
    "are\n"
    "checked; the first broken one ends the run with exit status 1.\n"
    "\n"
    "  --seed N         the run (1)\n"
    "  --events N       how long (100000)\n"
    "  --components N   so many programs register and vanish, and little else happens\n"
    "  --sabotage KIND  break the world from outside in the middle of the run, which must be "
    "found:\n"
    "                     double-grant  samples that hide what is used, so that it is given twice\n"
    "                     lost-lease    the record of a held lease is taken out of the journal\n"
    "                     busy-victim   the exit of a holder that lives is reported\n"
    "  --verbose        also what was granted, ended, crashed\n"
    "\n"
    "The last line is: events N checked M seed S digest D\n";

bool number(const char* text, std::uint64_t& out) {
  char* end = nullptr;
  out = std::strtoull(text, &end, 10);
  return *text != '\0' && *text != '-' && *end == '\0';
}

}  // namespace

int main(int argc, char** argv) {
  using headroom::simulate::Sabotage;
  std::uint64_t seed = 1;
  std::uint64_t events = 100'000;
  std::uint64_t components = 0;
  Sabotage sabotage = Sabotage::none;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    bool understood = true;
    if (word == "--help" || word == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    } else if (word == "--verbose") {
      verbose = true;
    } else if (word == "--seed") {
      understood = number(value, seed);
      ++i;
    } else if (word == "--events") {
      understood = number(value, events) && events > 0;
      ++i;
    } else if (word == "--components") {
      understood = number(value, components) && components <= 10'000;
      ++i;
    } else if (word == "--sabotage") {
      const std::string_view kind = value;
      sabotage = kind == "double-grant"  ? Sabotage::double_grant
                 : kind == "lost-lease"  ? Sabotage::lost_lease
                 : kind == "busy-victim" ? Sabotage::busy_victim
                                         : Sabotage::none;
      understood = sabotage != Sabotage::none;
      ++i;
    } else {
      understood = false;
    }
    if (!understood) {
      std::fprintf(stderr, "headroom-simulate: \"%s %s\" is not understood\n%s",
                   argv[i < argc ? i : argc - 1], value, kHelp);
      return 2;
    }
  }
  const auto outcome = headroom::simulate::World(seed, events, sabotage, components).run();
  if (verbose) {
    std::printf("granted %" PRIu64 " ended %" PRIu64 " crashes %" PRIu64 " quarantined %" PRIu64
                " drained %" PRIu64 " handed over %" PRIu64 " returned %" PRIu64
                " unloaded %" PRIu64 " kept %" PRIu64 " frozen %" PRIu64 " killed %" PRIu64
                " set %" PRIu64 " started at a time %" PRIu64 " together %zu\n",
                outcome.grants, outcome.endings, outcome.crashes, outcome.quarantined,
                outcome.drained, outcome.handed_over, outcome.returned, outcome.unloaded,
                outcome.kept, outcome.frozen, outcome.killed, outcome.set, outcome.started,
                outcome.together);
  }
  if (!outcome.broken.empty()) {
    std::printf("broken at event %" PRIu64 " of seed %" PRIu64 ": %s\n", outcome.events, seed,
                outcome.broken.c_str());
  }
  std::printf("events %" PRIu64 " checked %" PRIu64 " seed %" PRIu64 " digest %016" PRIx64 "\n",
              outcome.events, outcome.checked, seed, outcome.digest);
  return outcome.broken.empty() ? 0 : 1;
}
