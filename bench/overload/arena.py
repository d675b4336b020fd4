"""One run: the jobs of a workload under one contender, and what came of them."""
import dataclasses
import os
import subprocess
import sys
import tempfile
import time

import contenders
import measures
import tree as trees
import workloads

RETRIES = 3
BACK_OFF = 1.0     # seconds before the first retry; doubles
LIMIT = 200.0      # seconds after which a run is ended as it is
TICK = 0.02


@dataclasses.dataclass
class Report:
    """The line that a job tells of itself: bench/overload/profile.hpp."""
    attempt: int = 0
    done: float = 0.0   # seconds of work
    saved: float = 0.0
    held: int = 0       # MiB
    peak: int = 0
    served: int = 0
    ended: bool = False


def parse_report(text):
    """The report, or an empty one for anything else."""
    words = text.split()
    if len(words) != 7 or not all(word.isdigit() for word in words):
        return Report()
    attempt, done, saved, held, peak, served, ended = map(int, words)
    return Report(attempt, done / 1000, saved / 1000, held, peak, served, ended == 1)


class _Try:
    """A job of the run: what is foreseen for it, whether it runs, and what became of it."""

    def __init__(self, job, report):
        self.job, self.path, self.booking = job, report, job.booking
        self.process, self.due, self.kills, self.over = None, job.arrival, 0, None  # over: done, gave up or refused
        self.ended_at = 0.0

    def report(self):
        try:
            with open(self.path, encoding="ascii") as file:
                return parse_report(file.read())
        except OSError:
            return Report()

    def held(self, report=None):
        report = report or self.report()
        return measures.Held(workloads.overall(report.held, self.job.children), self.booking)


def signal_of(status):
    """The signal that ended a job, or its `headroom run` on its behalf; 0: none."""
    if status < 0:
        return -status
    return status - 128 if 128 < status < 160 else 0


def warm(programs):
    """Brings programs and libraries into memory. Who reads a page first pays for it: not the slice, which would be
    judged by how soon it reads its programs again."""
    for name, words in (("headroom-arena-job", []), ("headroom", ["--version"]), ("headroomd", ["--version"])):
        path = os.path.join(programs, name)
        if not os.access(path, os.X_OK):
            raise trees.NoArena(f"there is no {path} (--programs names the folder)")
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
        subprocess.run([path, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)


class Arena:
    """Where a run happens: its tree, its folder, its programs."""

    def __init__(self, workload, programs, tools, guest, verbose=False):
        self.workload, self.programs, self.tools, self.guest, self.verbose = workload, programs, tools, guest, verbose
        self.job = os.path.join(programs, "headroom-arena-job")
        self.tree, self.folder, self.number, self.file = None, None, 0, None

    def next_number(self):
        self.number += 1
        return self.number

    def words(self, job, report, submitted):
        """The command line of a job."""
        words = [self.job, "--report", report, "--memory", ",".join(f"{at:g}:{held}" for at, held in job.memory),
                 "--touch", str(job.touch), "--cpu", str(job.cpu), "--checkpoint", f"{job.checkpoint:g}"]
        if job.serve:
            words += ["--serve", str(job.serve), "--until", f"{submitted + job.work:.3f}"]
        else:
            words += ["--work", f"{job.work:g}"]
        if job.children:
            words += ["--children", str(job.children)]
        if job.read:
            words += ["--read-file", self.file, "--read", str(job.read)]
        return words

    def run(self, name, seed):
        """The flat object of issue 5, for the contender `name`."""
        kind = contenders.ALL[name]
        if kind.guest_only and not self.guest:
            raise trees.NoArena(f"{name} looks at the whole machine: it runs in the guest only")
        with tempfile.TemporaryDirectory(prefix="arena-") as self.folder, \
                trees.open_tree(self.workload.capacity << 20) as self.tree:
            self._make_file()
            try:
                with kind(name, self) as contender:
                    return self._played(contender, seed)
            finally:
                if self.file:
                    os.unlink(self.file)

    def _make_file(self):
        """The file that readers read: on a disk, for tmpfs has no cache that could be dropped. It is all hole."""
        size = max((job.file for job in self.workload.jobs), default=0)
        self.file = None
        if size:
            descriptor, self.file = tempfile.mkstemp(prefix="arena-", dir=os.environ.get("ARENA_DISK", "/var/tmp"))
            os.ftruncate(descriptor, size << 20)
            os.close(descriptor)

    def _played(self, contender, seed):
        capacity = self.workload.capacity
        tries = [_Try(job, f"{self.folder}/{job.name}.report") for job in self.workload.jobs]
        wanted = [one for one in tries if one.job.feasible(capacity)]
        losses, wrong, killed_now, sigkills = [], 0, [], 0
        begin = time.monotonic()
        now = 0.0
        while any(one.over is None for one in wanted) and now < LIMIT:
            now = time.monotonic() - begin
            contender.tick(begin + now)
            self._start_ready(contender, tries, begin, now)
            killed_now = []
            for one in tries:
                if one.process is None or one.process.poll() is None:
                    continue
                status, one.process, one.ended_at = one.process.returncode, None, now
                if status == 0:
                    one.over = "done"
                elif signal_of(status):
                    sigkills += signal_of(status) == 9
                    killed_now.append((one, one.report()))
                else:
                    one.over = "refused"
                    self._explain(contender, one, status)
            # What was killed at the same moment held its memory when the choice was made.
            for one, report in killed_now:
                others = {other.job.name: other.held() for other in tries if other.process is not None}
                others.update((other.job.name, other.held(last)) for other, last in killed_now if other is not one)
                wrong += measures.wrong_victim(one.held(report), others.values())
                if self.verbose:
                    held = one.held(report)
                    beyond = ", ".join(f"{name} {each.held} of {each.booking}" for name, each in others.items()
                                       if each.overruns)
                    print(f"arena: {now:.2f} s: {one.job.name} killed with {held.held} of {held.booking} MiB; beyond"
                          f" theirs: {beyond or 'none'}", file=sys.stderr)
                self._killed(one, report, losses, now, contender)
            time.sleep(TICK)
        if why := contender.void():
            raise trees.NoArena(why)
        if self.verbose and contender.process is not None:
            print(f"arena: {contender.name} said: {contender.said()}", file=sys.stderr)
        done = [one.job for one in wanted if one.over == "done"]
        oom_kills = self.tree.oom_kills()
        service = [one for one in tries if one.job.serve]
        makespan = max((one.ended_at if one.over else now for one in wanted), default=0.0)
        return {
            "contender": contender.name,
            "workload": self.workload.name,
            "seed": seed,
            "completed": round(len(done) / len(wanted), 4),
            "killed": round(sum(one.kills > 0 for one in wanted) / len(wanted), 4),
            "wrong_victims": wrong,
            "work_lost": round(min(measures.work_lost(losses, done), 1e6), 4),
            "makespan_over_oracle": round(makespan / measures.oracle_bound(self.workload, os.cpu_count() or 1), 4),
            "oom_kills": oom_kills if oom_kills is not None else (0 if contender.kills else sigkills),
            "reversals": measures.reversals(contender.levels()),
            "isolation": round(sum(one.report().served for one in service)
                               / sum(one.job.serve * one.job.work for one in service), 4) if service else None,
        }

    def _start_ready(self, contender, tries, begin, now):
        waiting = {one.job.name: one for one in tries if one.over is None and one.process is None and now >= one.due}
        if not waiting:
            return
        running = [one.job for one in tries if one.process is not None]
        for job in contender.ready([one.job for one in waiting.values()], running):
            one = waiting[job.name]
            words = self.words(job, one.path, begin + job.arrival)
            with open(f"{one.path}.log", "a", encoding="utf-8") as log:
                one.process = subprocess.Popen(contender.command(job, one.booking, words), stdin=subprocess.DEVNULL,
                                               stdout=log, stderr=log)

    @staticmethod
    def _killed(one, report, losses, now, contender):
        """Its work since the checkpoint is lost; it comes again, and where there are bookings, with a better one."""
        losses.append((max(0.0, report.done - report.saved), one.job.cpu))
        if contender.books:
            again = contender.booked_again(workloads.overall(report.peak, one.job.children))
            one.booking = max(one.booking, again)
        one.kills += 1
        if one.kills > RETRIES:
            one.over = "gave up"
        else:
            one.due = now + BACK_OFF * 2 ** (one.kills - 1)

    @staticmethod
    def _explain(contender, one, status):
        with open(f"{one.path}.log", encoding="utf-8", errors="replace") as log:
            words = " ".join(log.read().split())[-300:]
        print(f"arena: {contender.name}: {one.job.name} ended with {status}: {words}", file=sys.stderr)
