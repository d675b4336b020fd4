// headroom-fill-day: a state folder with a day of history, for whoever measures a daemon with one.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "day.hpp"

int main(int argc, char** argv) {
  const int hours = argc > 2 ? std::atoi(argv[2]) : 24;
  if (argc < 2 || argc > 3 || hours < 1 || hours > 720) {
    std::fprintf(stderr, "usage: headroom-fill-day STATE [HOURS]\n");
    return 2;
  }
  using namespace headroom;
  const WallTime now(std::chrono::system_clock::now().time_since_epoch());
  const auto filled = load::fill_history(argv[1], hours, now);
  if (!filled) {
    std::fprintf(stderr, "headroom-fill-day: %s: %s\n", filled.error().what.c_str(),
                 filled.error().why.c_str());
    return 1;
  }
  return 0;
}
