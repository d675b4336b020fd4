"""How soon an overload is seen: from the step in the machine to its level in GET /api/v1/pressure.

The machine is a captured tree whose meminfo is rewritten in place, so that the step has an instant; the
daemon reads it as it reads /proc.
"""
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import time

from own import Connection, Daemon
from ratio import Failure
from rows import Row, rank_95

STEPS = 20
TREE = pathlib.Path(__file__).resolve().parent.parent / "tests/machines/laptop"


class Memory:
    """meminfo of the tree: the same file always, and never half written to a reader."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR)
        self.text = os.pread(self.file, 1 << 16, 0)
        self.total = int(re.search(rb"MemTotal: *(\d+)", self.text)[1])

    def use(self, percent):
        """So much is used from now on. The length stays, and one write puts it there."""
        available = round(self.total * (100 - percent) / 100)
        text = re.sub(rb"(MemAvailable:)( *\d+)( kB)",
                      lambda found: found[1] + str(available).encode().rjust(len(found[2])) + found[3], self.text)
        os.pwrite(self.file, text, 0)


def level_of(connection):
    for item in json.loads(connection.get("/api/v1/pressure"))["items"]:
        if item["resource"] == "memory":
            return item["level"]
    raise Failure("the daemon tells no pressure of memory")


def until(connection, level, seconds=20):
    """Asks every 2 ms until memory has this level; seconds since the call."""
    start = time.monotonic()
    while level_of(connection) != level:
        if time.monotonic() - start > seconds:
            raise Failure(f"memory was never said to be {level}")
        time.sleep(0.002)
    return time.monotonic() - start


def overload(programs, folder, steps=STEPS):
    root = f"{folder}/tree"
    shutil.copytree(TREE, root)
    memory = Memory(f"{root}/proc/meminfo")
    random.seed(7)
    idle, tight = [], []
    with Daemon(programs, folder, root=root) as daemon:
        connection = Connection(daemon.address)
        memory.use(40)
        for _ in range(steps):
            until(connection, "ok")
            time.sleep(random.uniform(0.5, 1.5))  # at any time between two samples
            memory.use(78)
            idle.append(until(connection, "warning"))
            time.sleep(random.uniform(0.3, 0.4))
            memory.use(88)
            tight.append(until(connection, "critical"))
            memory.use(40)
    name = f"in 19 of {steps} steps, in s"
    return [Row(f"overload seen, idle: {name}", f"{statistics.median(idle):.3f} s", "–", idle, 1.2, "{:.3f}", rank_95),
            Row(f"overload seen, memory tight already: {name}", f"{statistics.median(tight):.3f} s", "–", tight, 0.1,
                "{:.3f}", rank_95)]
