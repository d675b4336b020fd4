// headroom: the command.
#include "cli/commands.hpp"

int main(int argc, char** argv) {
  return headroom::cli::headroom_command(argc > 1 ? headroom::cli::Words(argv + 1, argv + argc)
                                                  : headroom::cli::Words());
}
