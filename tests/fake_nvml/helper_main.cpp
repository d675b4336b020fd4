// The GPU helper as a program of its own, for tests of the daemon's side of it.
#include "sense/gpu_helper.hpp"

int main() { return headroom::sense::gpu_helper_main(); }
