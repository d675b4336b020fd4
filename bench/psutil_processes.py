#!/usr/bin/python3
"""The peer of `headroom-bench processes`: psutil reads memory and CPU times of all processes.

The last line is the median of one pass in nanoseconds, alone. Needs Debian's python3-psutil.
"""
import argparse
import statistics
import sys
import time

try:
    import psutil
except ImportError:
    sys.exit("psutil_processes: there is no psutil\n  try: apt install python3-psutil")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    times, count = [], 0
    for number in range(rounds + rounds // 10):
        start = time.perf_counter_ns()
        count = sum(1 for _ in psutil.process_iter(["memory_info", "cpu_times"]))
        if number >= rounds // 10:  # the first ones warm up
            times.append(time.perf_counter_ns() - start)
    print(f"{count} processes: min {min(times)} ns, median {statistics.median(times):.0f} ns")
    print(int(statistics.median(times)))


if __name__ == "__main__":
    main()
