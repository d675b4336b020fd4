// `headroom help`.
#include <algorithm>

#include "cli/commands.hpp"

namespace headroom::cli {

int help_command(Words words) {
  Options options("help [COMMAND]", "  headroom help run\n");
  Common common;
  Words named;
  options.words("command", named, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (!named.empty() && named.front() != "help") {
    return headroom_command({named.front(), "--help"});
  }
  std::string text =
      "headroom tells you what still fits, keeps what runs inside what it was given, and makes "
      "room\n"
      "when something more important needs it.\n"
      "\n"
      "  headroom                                     what is used, booked and still free\n"
      "  headroom fit --gpu-mem 12G                   would it fit?\n"
      "  headroom run --mem 6G -- python train.py     run it inside a lease\n"
      "\n"
      "commands\n";
  for (const auto& command : commands()) {
    std::string name = command.name;
    name.resize(std::max<std::size_t>(name.size() + 1, 12), ' ');
    text += "  headroom " + name + command.about + "\n";
  }
  text +=
      "\n"
      "everywhere\n"
      "  -o table|wide|json|jsonl|csv, --json, -w or --watch=2s, -q, -v, --color "
      "auto|always|never,\n"
      "  --bytes, --no-header, --timeout 5s, --local, --url URL, -h, --help-json\n"
      "\n"
      "exit codes\n"
      "  0 done; it fits      1 failed          2 wrong usage      3 does not fit   4 no such "
      "thing\n"
      "  5 not allowed        6 no daemon       7 conflict         124 waited as long as asked\n"
      "  check: as monitoring plugins, 0 to 3\n"
      "  run: 125 headroom's own failure, 126 not executable, 127 not found, 128+n by signal n, "
      "else\n"
      "  the command's own\n"
      "\n"
      "environment: HEADROOM_URL, HEADROOM_TOKEN_FILE, HEADROOM_OUTPUT, NO_COLOR\n";
  write_out(stdout, text);
  return 0;
}

}  // namespace headroom::cli
