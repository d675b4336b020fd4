// Where client and server of a round trip run decides what it takes: waking an idle virtual CPU
// costs many times what a switch on one CPU does. So both are kept on one.
#pragma once

#include <sched.h>

namespace headroom::bench {

/// Keeps this process, and what it starts, on the first CPU it may use. Returns that CPU, or -1.
inline int pin_to_one_cpu() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return ::sched_setaffinity(0, sizeof one, &one) == 0 ? cpu : -1;
  }
  return -1;
}

}  // namespace headroom::bench
