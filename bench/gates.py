#!/usr/bin/env python3
"""Measures what headroom promises to cost, each beside its floor on this machine, and judges it.

    bench/run.sh build/release/bin
    bench/run.sh -r 15 --idle 180 build/release/bin
    bench/run.sh --only reserve build/release/bin

Ours and the floor run alternately, so that a machine whose speed changes from minute to minute still
gives a steady ratio; the idle daemon and its floor run side by side. Exit codes: 0 every promise
holds, 1 one is missed, 2 something could not be measured.
"""
import argparse
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from ratio import Failure, figure_of
from watch import cpu_seconds, pss_kib, stat_of, tree_of


class Row:
    """One line of the table: a figure, what it is set against, and what it may be at most."""

    def __init__(self, name, ours, floor, values, gate, form="{:.2f}"):
        self.name, self.ours, self.floor, self.values, self.gate, self.form = name, ours, floor, values, gate, form

    def value(self):
        return statistics.median(self.values)

    def holds(self):
        return self.value() <= self.gate

    def cells(self):
        spread = f" ({self.form.format(min(self.values))}–{self.form.format(max(self.values))})" \
            if len(self.values) > 1 else ""
        return (self.name, self.ours, self.floor, self.form.format(self.value()) + spread,
                self.form.format(self.gate), "yes" if self.holds() else "NO")


def microseconds(ns: float) -> str:
    return f"{ns / 1000:.1f} µs" if ns < 1e6 else f"{ns / 1e6:.2f} ms"


def alternately(name, ours, floor, gate, rounds):
    """The ratio of two commands that print their figure in nanoseconds last."""
    figures = {ours: [], floor: []}
    for number in range(rounds):
        for command in (ours, floor) if number % 2 == 0 else (floor, ours):
            figures[command].append(figure_of(command))
    return Row(name, microseconds(statistics.median(figures[ours])), microseconds(statistics.median(figures[floor])),
               [a / b for a, b in zip(figures[ours], figures[floor])], gate)


class Daemon:
    """headroomd with a socket and a state of its own; ended with the block."""

    def __init__(self, programs: pathlib.Path, folder: str):
        self.socket = f"{folder}/socket"
        pathlib.Path(folder, "headroom.toml").touch()
        self.log = open(f"{folder}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [programs / "headroomd", "--config", f"{folder}/headroom.toml", "--socket", self.socket,
             "--state", f"{folder}/state", "--listen", ""], stderr=self.log, stdout=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as client:
                if client.connect_ex(self.socket) == 0:
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.__exit__()
        self.log.seek(0)
        raise Failure("headroomd did not start: " + self.log.read())

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def tree_cpu(pid: int) -> float:
    return sum(cpu_seconds(number) or 0.0 for number in tree_of(pid))


def idle(programs, folder, seconds, windows=6):
    """The daemon with nothing to do, beside the paced floor, window by window."""
    with Daemon(programs, folder) as daemon:
        floor = subprocess.Popen([programs / "floor", "--period-ms", "1000", "-n", str(seconds + 600)],
                                 stdout=subprocess.DEVNULL)
        try:
            pids = (daemon.process.pid, floor.pid)
            time.sleep(3)  # what is done once at start is not what an idle daemon costs
            before = start = [tree_cpu(pid) for pid in pids]
            began = time.monotonic()
            ratios, most = [], 0.0
            for window in range(1, windows + 1):
                time.sleep(max(0.0, began + seconds * window / windows - time.monotonic()))
                now = [tree_cpu(pid) for pid in pids]
                ratios.append((now[0] - before[0]) / max(now[1] - before[1], 1e-9))
                before = now
                pss = [pss_kib(number) for number in tree_of(pids[0])]
                most = max(most, sum(kib or 0 for kib in pss) / 1024)
            if any(stat_of(pid) is None for pid in pids) or most == 0:
                raise Failure("the idle daemon or its floor ended")
            whole = [100 * (after - first) / (time.monotonic() - began) for after, first in zip(before, start)]
        finally:
            floor.terminate()
            floor.wait()
    # The whole time is what is promised; the windows say how steady it is.
    ratios.sort()
    row = Row(f"idle daemon, {seconds} s, CPU", f"{whole[0]:.4f} %", f"{whole[1]:.4f} %",
              [ratios[0], whole[0] / whole[1], ratios[-1]], 2.0)
    row.value = lambda: whole[0] / whole[1]
    return [row, Row("idle daemon, PSS in MiB", f"{most:.1f}", "–", [most], 12.0, "{:.1f}")]


def status(programs, folder, rounds):
    """`headroom` as a whole process beside `free -m`."""
    with Daemon(programs, folder) as daemon:
        time.sleep(1)
        os.environ["HEADROOM_URL"] = f"unix://{daemon.socket}"
        spawn = f"{programs}/headroom-bench spawn --ns -n 300 --"
        return [alternately("headroom (status), against free -m", f"{spawn} {programs}/headroom", f"{spawn} free -m",
                            2.0, rounds)]


def decision(programs, rounds):
    """One decision among 10 000 leases, and what ten times as many cost."""
    times, growth = [], []
    for _ in range(rounds):
        done = subprocess.run([programs / "headroom-bench", "decide", "--ns"], stdout=subprocess.PIPE, text=True,
                              check=False)
        found = re.search(r"ten times the leases: ([0-9.]+) times", done.stdout)
        if done.returncode != 0 or not found:
            raise Failure("headroom-bench decide gave no figures")
        times.append(float(done.stdout.split()[-1]) / 1000)
        growth.append(float(found.group(1)))
    return [Row("a decision, 10 000 leases, in µs", microseconds(1000 * statistics.median(times)), "–", times, 10.0),
            Row("a decision, 100 000 leases against 10 000", "–", "–", growth, 2.0)]


def show(rows):
    head = ("what", "ours", "floor", "ratio (least–most)", "gate", "holds")
    table = [head] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description="what headroom costs, beside what this machine's kernel allows")
    parser.add_argument("programs", type=pathlib.Path, help="the folder of the built programs")
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--idle", type=int, default=60, help="seconds for which the idle daemon is watched")
    parser.add_argument("--only", choices=("sample", "reserve", "decide", "status", "idle"))
    arguments = parser.parse_args()
    programs = arguments.programs.resolve()
    rounds = arguments.rounds
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}, load "
          f"{os.getloadavg()[0]:.1f}; {rounds} rounds", flush=True)
    bench = f"{programs}/headroom-bench"
    with tempfile.TemporaryDirectory(prefix="headroom-bench.") as top:
        def folder(name):
            os.mkdir(f"{top}/{name}")
            return f"{top}/{name}"
        parts = {
            "sample": lambda: [alternately("one full sample", f"{bench} sample --ns", f"{programs}/floor --ns", 1.15,
                                           rounds)],
            "reserve": lambda: [alternately("a lease reserved and released, against one echo",
                                            f"{bench} reserve-pair --ns", f"{programs}/floor --echo --ns", 5.5,
                                            rounds)],
            "decide": lambda: decision(programs, rounds),
            "status": lambda: status(programs, folder("status"), rounds),
            "idle": lambda: idle(programs, folder("idle"), arguments.idle),
        }
        rows = []
        try:
            for name, measure in parts.items():
                if arguments.only in (None, name):
                    rows += measure()
        except (Failure, OSError) as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 2
    show(rows)
    return 0 if all(row.holds() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
