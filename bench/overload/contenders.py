"""Who guards the memory of the slice. Each starts what it needs, and says how a job is started under it."""
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from measures import packed
from tree import NoArena

LEVELS = {"ok": 0, "normal": 0, "warning": 1, "critical": 2, "emergency": 3}


def step_of(text):
    """How far headroom goes about memory, of a /api/v1/pressure document: the step of its ladder where it tells one,
    else the level."""
    items = [item for item in json.loads(text)["items"] if item["resource"] == "memory"]
    steps = [item["step_number"] for item in items if item.get("step_number") is not None]
    return max(steps or [LEVELS.get(item["level"], 0) for item in items], default=0)


class Contender:
    """The kernel alone. Used as a block, for one run."""
    whole = False          # memory.oom.group of the leaves
    guest_only = False     # looks at, and kills on, the whole machine
    kills = False          # it sends SIGKILL by itself
    books = False          # it goes by the bookings

    def __init__(self, name, arena):
        self.name, self.arena, self.process = name, arena, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ready(self, waiting, _running):
        """Those of the submitted jobs, by name, that are started now."""
        return waiting

    def command(self, job, booking, words):
        """What runs `words` as this job."""
        del booking
        leaf = self.arena.tree.leaf(f"job-{job.name}-{self.arena.next_number()}", self.whole)
        return [self.arena.job, "enter", *leaf, "--", *words]

    def booked_again(self, peak):
        """MiB that a killed job of this peak is booked at when it comes again: half as much again."""
        return round(1.5 * peak)

    def tick(self, now):
        """Called every few milliseconds."""

    def levels(self):
        """What it thought of the memory, one number after the other."""
        return []

    def void(self):
        """Why a run under it says nothing; empty: it guarded until the end."""
        if self.process is not None and self.process.poll() is not None:
            return f"{self.name} ended by itself: {self.said()}"
        return ""

    def _start(self, words):
        with open(f"{self.arena.folder}/{self.name}.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self):
        path = pathlib.Path(f"{self.arena.folder}/{self.name}.log")
        return path.read_text(encoding="utf-8", errors="replace")[-600:] if path.exists() else ""

    def _tool(self, *places):
        for place in places:
            path = os.path.join(self.arena.tools, place)
            if os.access(path, os.X_OK):
                return path
        found = shutil.which(os.path.basename(places[0]), path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not found:
            raise NoArena(f"{places[0]} is not in {self.arena.tools}: run bench/overload/fetch")
        return found


class KernelGroup(Contender):
    """The kernel, which ends a job as a whole."""
    whole = True


class Oracle(Contender):
    """Knows every true peak and time beforehand, and starts what fits in the best order it found."""

    def __enter__(self):
        self.usable = 0.97 * self.arena.workload.capacity
        jobs = [job for job in self.arena.workload.jobs if job.feasible(self.arena.workload.capacity)]
        _, order = packed(jobs, self.usable)
        self.rank = {job.name: number for number, job in enumerate(order)}
        return self

    def ready(self, waiting, running):
        free, started = self.usable - sum(job.peak for job in running), []
        for job in sorted((job for job in waiting if job.name in self.rank), key=lambda job: self.rank[job.name]):
            if job.peak <= free:
                free -= job.peak
                started.append(job)
        return started


class Earlyoom(Contender):
    """Sees the slice as if it were the machine: a meminfo of its own says how full that is, 20 times a second."""
    guest_only = kills = True
    options = ()

    def __enter__(self):
        program = self._tool("usr/bin/earlyoom")
        self.text = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
        path = f"{self.arena.folder}/meminfo"
        pathlib.Path(path).write_text(self._meminfo(), encoding="ascii")
        self.file, self.due = os.open(path, os.O_WRONLY), 0.0
        # Whatever else runs here is not to be chosen; a job takes itself back to 0.
        for pid in (name for name in os.listdir("/proc") if name.isdigit()):
            try:
                pathlib.Path(f"/proc/{pid}/oom_score_adj").write_text("-1000", encoding="ascii")
            except OSError:
                pass
        self._start(["unshare", "-m", "sh", "-c", 'mount --bind "$1" /proc/meminfo && shift && exec "$@"', "sh", path,
                     program, "-r", "1", *self.options])
        return self

    def _meminfo(self):
        total = self.arena.workload.capacity << 10
        free = max(0, total - (self.arena.tree.used() >> 10))
        text = self.text
        for key, value in (("MemTotal", total), ("MemFree", free), ("MemAvailable", free), ("SwapTotal", 0),
                           ("SwapFree", 0)):
            text = re.sub(rf"^({key}:) *\d+( kB)$", lambda found: f"{found[1]}{value:>16}{found[2]}", text,
                          flags=re.MULTILINE)
        return text

    def tick(self, now):
        if now >= self.due:
            os.pwrite(self.file, self._meminfo().encode(), 0)
            self.due = now + 0.05

    def __exit__(self, *_):
        super().__exit__()
        os.close(self.file)


class EarlyoomTuned(Earlyoom):
    """Later than stock: at 5 % instead of 10 %, and SIGKILL at 2 % instead of 5 %."""
    options = ("-m", "5,2")


class Oomd(Contender):
    """Meta's oomd with the lines of Debian's configuration, for the slice instead of a user's session."""
    guest_only = kills = True
    detectors = [["pressure above 60 for 30s",
                  {"name": "pressure_above", "args": {"resource": "memory", "threshold": "60", "duration": "30"}},
                  {"name": "memory_reclaim", "args": {"duration": "10"}}]]

    def __enter__(self):
        program = self._tool("usr/bin/oomd")
        root = "/sys/fs/cgroup"
        slice_name = os.path.relpath(self.arena.tree.tops[0], root)
        detectors = json.loads(json.dumps(self.detectors))
        for one in detectors:
            for part in one[1:]:
                part["args"]["cgroup"] = slice_name
                if part["name"] == "memory_above":
                    part["args"]["threshold_anon"] = f"{self.arena.workload.capacity * 9 // 10}M"
        os.mkdir(f"{self.arena.folder}/oomd")
        rules = {"rulesets": [{"name": "arena", "detectors": detectors, "actions": [
            {"name": "kill_by_memory_size_or_growth", "args": {"cgroup": f"{slice_name}/*"}}]}]}
        path = f"{self.arena.folder}/oomd.json"
        pathlib.Path(path).write_text(json.dumps(rules), encoding="utf-8")
        self._start([program, "--config", path, "--interval", "1", "--cgroup-fs", root, "--runtime-dir",
                     f"{self.arena.folder}/oomd"])
        return self


class OomdTuned(Oomd):
    """At 90 % of the slice for a second: pressure says nothing before it is too late."""
    detectors = [["anonymous memory above 90 % for 1 s", {"name": "memory_above", "args": {"duration": "1"}}]]


class SystemdOomd(Contender):
    """systemd-oomd, with its own lines. What systemd would tell it, which groups to watch, is told by us."""
    guest_only = kills = True
    subscribed_at = "/run/systemd/io.system.ManagedOOM"
    limit, settings = 0.6, ""

    def __enter__(self):
        program = self._tool("lib/systemd/systemd-oomd")
        for folder in ("/run/systemd/oom", "/run/systemd/oomd.conf.d"):
            os.makedirs(folder, exist_ok=True)
        pathlib.Path("/run/systemd/oomd.conf.d/arena.conf").write_text(f"[OOM]\n{self.settings}\n", encoding="utf-8")
        if os.path.exists(self.subscribed_at):
            os.unlink(self.subscribed_at)
        self.listener, self.connection, self.asked = socket.socket(socket.AF_UNIX), None, b""
        self.told = False
        self.listener.bind(self.subscribed_at)
        self.listener.listen()
        self.listener.setblocking(False)
        self._start([program])
        return self

    def tick(self, now):
        """Answers its one question (varlink: JSON, ended by a zero byte)."""
        try:
            if self.connection is None:
                self.connection, _ = self.listener.accept()
                self.connection.setblocking(False)
            part = self.connection.recv(4096)
        except BlockingIOError:
            return
        self.asked += part
        if not self.asked.endswith(b"\0"):
            return
        group = "/" + os.path.relpath(self.arena.tree.tops[0], "/sys/fs/cgroup")
        answer = {"parameters": {"cgroups": [{"mode": "kill", "path": group, "property": "ManagedOOMMemoryPressure",
                                              "limit": round(self.limit * (2 ** 32 - 1))}]}, "continues": True}
        self.connection.sendall(json.dumps(answer).encode() + b"\0")
        self.asked, self.told = b"", True

    def void(self):
        return super().void() or ("" if self.told else f"{self.name} never asked what to watch: {self.said()}")

    def __exit__(self, *_):
        super().__exit__()
        self.listener.close()
        if self.connection is not None:
            self.connection.close()


class SystemdOomdTuned(SystemdOomd):
    """At 10 % pressure for 1 s instead of 60 % for 30 s."""
    limit, settings = 0.1, "DefaultMemoryPressureDurationSec=1s"


class Headroom(Contender):
    """headroomd inside the slice, and `headroom run` with what is foreseen for each job."""
    books, settings = True, ""

    def __enter__(self):
        folder, tree = self.arena.folder, self.arena.tree
        if not self.arena.guest and os.path.isdir("/run/systemd/system"):
            raise NoArena("systemd runs here: headroomd would put its jobs into a scope of it, outside of the slice")
        self.socket = f"{folder}/headroom.sock"
        config = f"{folder}/headroom.toml"
        pathlib.Path(config).write_text(self.settings, encoding="utf-8")
        self.clients = tree.leaf("clients") if tree.kind == "v2" else list(tree.tops)
        self._start([self.arena.job, "enter", *tree.home("home"), "--", f"{self.arena.programs}/headroomd", "--config",
                     config, "--socket", self.socket, "--state", f"{folder}/state", "--listen", "", "--foreground"])
        self.seen, self.due = [], 0.0
        end = time.monotonic() + 30
        while self._pressure() is None:
            if self.process.poll() is not None or time.monotonic() > end:
                super().__exit__()
                raise NoArena(f"headroomd does not answer: {self.said()}")
            time.sleep(0.05)
        self.most = self._room()
        return self

    def _get(self, path):
        """The body of the answer; None when nothing answers."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(self.socket)
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                text = b""
                while part := client.recv(65536):
                    text += part
            return text.partition(b"\r\n\r\n")[2]
        except OSError:
            return None

    def _room(self):
        """MiB of memory that it could book now."""
        memory = next(item for item in json.loads(self._get("/api/v1/room"))["items"] if item["resource"] == "memory")
        return memory["room_bytes"] >> 20

    def _pressure(self):
        """The step or level of memory; None when nothing answers."""
        try:
            return step_of(self._get("/api/v1/pressure") or b"")
        except (ValueError, KeyError):
            return None

    def said(self):
        """Its events, or where it does not answer the end of its log."""
        return (self._get("/api/v1/events?limit=2000") or b"").decode(errors="replace") or super().said()

    def command(self, job, booking, words):
        lasts = ["--for", f"{math.ceil(job.lasts)}s"] if job.lasts else []
        return [self.arena.job, "enter", *self.clients, "--", f"{self.arena.programs}/headroom", "--url",
                f"unix://{self.socket}", "run", "--quiet", "--name", job.name, "--mem", f"{booking}M", *lasts,
                "--priority", job.priority, "--", *words]

    def booked_again(self, peak):
        """At most about what it had room for at the start: who asks for more is told so. Those who wait take a
        little of it themselves."""
        return min(super().booked_again(peak), self.most * 31 // 32)

    def tick(self, now):
        if now >= self.due:
            level = self._pressure()
            if level is not None:
                self.seen.append(level)
            self.due = now + 0.5

    def levels(self):
        return self.seen


class HeadroomTuned(Headroom):
    """Told that it may end who takes far more than it booked and holds others up."""
    settings = '[pressure]\nladder = "kill"\n'


ALL = {"kernel": Contender, "kernel-group": KernelGroup, "oracle": Oracle, "earlyoom": Earlyoom,
       "earlyoom-tuned": EarlyoomTuned, "oomd": Oomd, "oomd-tuned": OomdTuned, "systemd-oomd": SystemdOomd,
       "systemd-oomd-tuned": SystemdOomdTuned, "headroom": Headroom,
       "headroom-tuned": HeadroomTuned}
