#!/usr/bin/env python3
"""What a daemon costs: CPU percent of one core and memory of a process and all of its children.

    watch.py -t 60 PID
    watch.py -t 60 --settle 5 -- headroomd --config demo.toml

A command that is started here is ended here, with SIGTERM to it alone. Prints one line of JSON;
memory is the proportional share (PSS), in MiB. Exit codes: 0, 1 it ended while it was watched, 2.
"""
import argparse
import json
import os
import subprocess
import sys
import time


def stat_of(pid: int):
    """(parent, start time) of a process; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[19])


def tree_of(pid: int) -> dict:
    """The process and its descendants: pid to start time."""
    known = {int(name): stat_of(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    known = {number: stat for number, stat in known.items() if stat}
    tree = {pid: known[pid][1]} if pid in known else {}
    found = True
    while found:
        found = False
        for number, (parent, start) in known.items():
            if parent in tree and number not in tree and start >= tree[parent]:
                tree[number] = start
                found = True
    return tree


def cpu_seconds(pid: int):
    """CPU time so far, with the kernel's own resolution of a nanosecond; None if it has ended."""
    clock = (~pid << 3) | 2  # the number by which the kernel knows a process's CPU clock
    try:
        return time.clock_gettime(clock)
    except OSError:
        return None


def pss_kib(pid: int):
    """Proportional share of memory; None where it may not be read."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return None


class Watch:
    """Sums CPU time over a tree of processes, those that end in between too."""

    def __init__(self, pid: int):
        self.pid = pid
        self.first = {}
        self.last = {}
        self.pss_mib = []
        for number, start in tree_of(pid).items():
            self.first[number, start] = cpu_seconds(number) or 0.0

    def look(self) -> int:
        tree = tree_of(self.pid)
        total = 0
        for number, start in tree.items():
            used = cpu_seconds(number)
            if used is not None:
                self.last[number, start] = used
            total += pss_kib(number) or 0
        if total:
            self.pss_mib.append(total / 1024)
        return len(tree)

    def cpu(self) -> float:
        return sum(used - self.first.get(who, 0.0) for who, used in self.last.items())


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU and memory of a daemon with its children")
    parser.add_argument("-t", "--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=2, help="seconds before the watch begins")
    parser.add_argument("what", nargs="+", help="a PID, or a command after --")
    arguments = parser.parse_args()

    child = None
    if len(arguments.what) == 1 and arguments.what[0].isdigit():
        pid = int(arguments.what[0])
    else:
        try:
            child = subprocess.Popen(arguments.what, stdout=subprocess.DEVNULL)
        except OSError as failure:
            print(f"watch: {failure}", file=sys.stderr)
            return 2
        pid = child.pid
    try:
        time.sleep(arguments.settle)
        if stat_of(pid) is None:
            print(f"watch: there is no process {pid}", file=sys.stderr)
            return 2
        watch = Watch(pid)
        start = time.monotonic()
        ended = False
        # Memory is looked at only now and then: the look itself costs the kernel time.
        while not ended and time.monotonic() - start < arguments.seconds:
            time.sleep(min(5.0, max(0.0, arguments.seconds - (time.monotonic() - start))))
            ended = watch.look() == 0 or (child is not None and child.poll() is not None)
        seconds = time.monotonic() - start
        print(json.dumps({
            "pid": pid,
            "seconds": round(seconds, 1),
            "cpu_percent": round(100 * watch.cpu() / seconds, 4),
            "cpu_seconds": round(watch.cpu(), 4),
            "processes": len(tree_of(pid)),
            "pss_mib": round(watch.pss_mib[-1], 2) if watch.pss_mib else None,
            "pss_mib_max": round(max(watch.pss_mib), 2) if watch.pss_mib else None,
            "ended": ended,
        }))
        return 1 if ended else 0
    finally:
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


if __name__ == "__main__":
    sys.exit(main())
