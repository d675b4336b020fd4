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
import statistics
import subprocess
import sys
import tempfile
import time

from own import Connection, Daemon, fill_day, tree_cpu
from seen import overload
from ratio import Failure
from rows import Row, alternately, microseconds, show
import serving
from watch import pss_kib, stat_of, tree_of


HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("sample", "reserve", "decide", "command", "processes", "scrape", "status", "history", "overload", "idle")


def idle(programs, folder, seconds, windows=6):
    """The daemon with nothing to do, beside the paced floor, window by window; it has a day of history, which
    was asked for once."""
    fill_day(programs, folder)
    with Daemon(programs, folder) as daemon:
        Connection(daemon.address).get("/api/v1/history?resource=memory&window=24h")
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
    return [row, Row("idle daemon with 24 h of history, PSS in MiB", f"{most:.1f}", "–", [most], 12.0, "{:.1f}")]


def command(programs, folder, rounds):
    """`headroom` as a whole process beside `free -m`."""
    with Daemon(programs, folder) as daemon:
        time.sleep(1)
        os.environ["HEADROOM_URL"] = f"unix://{daemon.socket}"
        spawn = f"{programs}/headroom-bench spawn --ns -n 300 --"
        return [alternately("headroom (status), against free -m", f"{spawn} {programs}/headroom", f"{spawn} free -m",
                            2.0, rounds)]


def processes(bench, rounds):
    """The table of all processes beside psutil: as the machine is, and with a crowd of sleepers more."""
    ours, theirs = f"{bench} processes --ns -n 200", f"/usr/bin/python3 {HERE}/psutil_processes.py -n 20"
    crowd = f"{sys.executable} {HERE}/crowd.py 1000 "
    return [alternately("the table of processes, against psutil", ours, theirs, 0.05, rounds, "{:.4f}"),
            alternately("the same with 1000 processes more", crowd + ours, crowd + theirs, 0.05, rounds, "{:.4f}")]


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


def main() -> int:
    parser = argparse.ArgumentParser(description="what headroom costs, beside what this machine's kernel allows")
    parser.add_argument("programs", type=pathlib.Path, help="the folder of the built programs")
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--idle", type=int, default=60, help="seconds for which the idle daemon is watched")
    parser.add_argument("--hours", type=int, default=24, help="of history that is stored")
    parser.add_argument("--only", action="append", choices=PARTS, help="may be said more than once")
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
            "command": lambda: command(programs, folder("command"), rounds),
            "processes": lambda: processes(bench, rounds),
            "scrape": lambda: (serving.scrape(programs, folder("scrape"), rounds) +
                               serving.paced_scrape(programs, folder("paced"), rounds)),
            "status": lambda: serving.status(programs, folder("status"), rounds),
            "history": lambda: serving.history(programs, folder("history"), rounds, arguments.hours),
            "overload": lambda: overload(programs, folder("overload")),
            "idle": lambda: idle(programs, folder("idle"), arguments.idle),
        }
        rows, failed = [], False
        for name, measure in parts.items():
            if arguments.only is not None and name not in arguments.only:
                continue
            try:
                rows += measure()
            except (Failure, OSError) as failure:
                print(f"bench: {name}: {failure}", file=sys.stderr)
                failed = True
    show(rows)
    return 2 if failed else 0 if all(row.holds() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
