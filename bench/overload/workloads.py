"""The jobs of W1 to W9, drawn from a seed: the same ones for every contender. All is set against the capacity C."""
import dataclasses
import math
import random

#: What a process takes beside the memory it is told to hold: pages of the program, page tables, its files, and what
#: it rounds up to a huge page.
OVERHEAD_MIB = 4
#: A job that was measured before is booked at what it takes, wrong by this much (log-normal), and this margin.
HISTORY_ERROR = 0.1
HISTORY_MARGIN = 1.15
#: The middle of the mixed jobs' peaks: what is booked for a job of which nothing is known.
MEDIAN_PEAK = 0.14


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    arrival: float  # seconds from the start of the run
    work: float     # seconds of work, when nothing holds it up
    memory: tuple   # (seconds of work, MiB held), evenly in between; two of one time are a jump
    booking: int    # MiB that are foreseen for it, all processes with what they are made of
    priority: str = "normal"
    touch: int = 0       # MiB a second
    cpu: int = 2         # percent of one core
    checkpoint: float = 2.0
    children: int = 0
    read: int = 0        # MiB a second of a file
    file: int = 0        # MiB of that file
    serve: int = 0       # requests a second; such a job is a service and ends by the clock
    lasts: float = 0.0   # seconds that are foreseen for it; 0: nobody knows

    @property
    def peak(self):
        """MiB that it takes at most."""
        return overall(max(held for _, held in self.memory), self.children)

    @property
    def area(self):
        """MiB times seconds of work."""
        return sum((after - before) * (one + other) / 2
                   for (before, one), (after, other) in zip(self.memory, self.memory[1:]))

    def feasible(self, capacity):
        """Whether anybody could run it within C."""
        return self.peak <= 0.95 * capacity


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    capacity: int  # MiB
    jobs: tuple


def overall(held, children=0):
    """MiB of a job that holds so much."""
    return held + held // 128 + OVERHEAD_MIB * (1 + children)


def _clipped(draw, low, high):
    return min(max(draw, low), high)


class _Drawer:
    """Draws jobs of one workload. Every job takes the same number of draws, whatever it is: the jobs of W2 are
    those of W1."""

    def __init__(self, name, seed, capacity):
        self.name, self.capacity = name, capacity
        seed = f"{name.replace('W2', 'W1')}/{seed}"
        self.random = random.Random(seed)
        self.times = random.Random(f"{seed}/times")  # the jobs are the same whether or not it is foreseen how long

    def mib(self, share):
        return max(1, round(share * self.capacity))

    def booked(self, held, children=0):
        """What is foreseen for a job of which earlier runs are known."""
        error = math.exp(self.random.gauss(0, HISTORY_ERROR))
        return max(1, round(overall(held, children) * error * HISTORY_MARGIN))

    def foreseen(self, work):
        """How long a job lasts of which earlier runs are known, which nothing held up."""
        return max(1.0, round(work * math.exp(self.times.gauss(0, HISTORY_ERROR)), 1))

    def unknown(self):
        return overall(self.mib(MEDIAN_PEAK))

    def arrivals(self, count, gap):
        at, times = 0.0, []
        for _ in range(count):
            times.append(round(at, 1))
            at += self.random.expovariate(1 / gap)
        return times

    def mixed(self, count, gap, unknown_share=0.0, most=0.5):
        """Batch jobs: they load for a third of their time and then hold what they have."""
        jobs = []
        for number, arrival in enumerate(self.arrivals(count, gap)):
            held = self.mib(_clipped(MEDIAN_PEAK * math.exp(self.random.gauss(0, 0.5)), 0.04, most))
            work = round(_clipped(6 * math.exp(self.random.gauss(0, 0.4)), 3, 12), 1)
            booking, lasts = self.booked(held), self.foreseen(work)
            priority = self.random.choices(("low", "normal", "high"), (2, 6, 2))[0]
            cpu = self.random.randint(1, 3)
            if self.random.random() < unknown_share:
                booking, lasts = self.unknown(), 0.0
            memory = ((0, 0), (round(work / 3, 1), held), (work, held))
            jobs.append(Job(f"mixed-{number}", arrival, work, memory, booking, priority=priority, touch=held // 4,
                            cpu=cpu, lasts=lasts))
        return jobs

    def workload(self, *groups):
        jobs = [job for group in groups for job in group]
        return Workload(self.name, self.capacity, tuple(sorted(jobs, key=lambda job: (job.arrival, job.name))))


def _w1(draw):
    """24 mixed jobs whose earlier runs are known."""
    return draw.workload(draw.mixed(24, 0.4))


def _w2(draw):
    """The same jobs, of 40 % of which nothing is known."""
    return draw.workload(draw.mixed(24, 0.4, unknown_share=0.4))


def _w3(draw):
    """Two that leak until they hold more than there is, among 20 mixed jobs."""
    leakers = [Job(f"leaker-{number}", 1.0 + 3 * number, 12.0, ((0, 0), (12.0, draw.mib(1.3))), draw.unknown())
               for number in range(2)]
    return draw.workload(draw.mixed(20, 0.5), leakers)


def _w4(draw):
    """One whose eight children take all they can get, among 12 mixed jobs."""
    little, much = draw.mib(0.02), draw.mib(1.5)
    bomb = Job("bomb", 2.0, 8.0, ((0, little), (1.0, little), (1.0, much), (8.0, much)), overall(draw.mib(0.1), 8),
               children=8)
    return draw.workload(draw.mixed(12, 0.6), [bomb])


def _w5(draw):
    """A service that is asked 100 times a second for 25 s, and 14 mixed jobs."""
    held = draw.mib(0.15)
    service = Job("service", 0.0, 25.0, ((0, held), (25.0, held)), draw.booked(held), priority="critical", serve=100)
    return draw.workload([service], draw.mixed(14, 0.7))


def _w6(draw):
    """One that reads a file larger than C, and jobs that fit beside it: nobody has to be killed."""
    held = draw.mib(0.1)
    reader = Job("reader", 0.0, 20.0, ((0, held), (20.0, held)), draw.booked(held), read=draw.mib(0.1),
                 file=draw.mib(1.2))
    return draw.workload([reader], draw.mixed(6, 3.0, most=0.12))


def _w7(draw):
    """Four that jump, as fast as memory is given, to twice what was foreseen, among 10 mixed jobs."""
    surges = []
    for number in range(4):
        arrival, held = round(2.5 * number + draw.random.random(), 1), draw.mib(draw.random.uniform(0.3, 0.4))
        surges.append(Job(f"surge-{number}", arrival, 7.0, ((0, held // 3), (3.0, held // 3), (3.0, held), (7.0, held)),
                          overall(held // 2), touch=held // 4))
    return draw.workload(draw.mixed(10, 0.8), surges)


def _w8(draw):
    """One that leaks slowly to nearly all of C, in a minute for half an hour, and 16 mixed jobs."""
    leak = Job("leak", 0.0, 60.0, ((0, draw.mib(0.1)), (60.0, draw.mib(0.85))), draw.unknown())
    return draw.workload([leak], draw.mixed(16, 3.0, most=0.3))


def _w9(draw):
    """Four that go up and down every 10 s, and whose peaks together fit: nobody has to be killed."""
    teeth = []
    for number in range(4):
        high, low, points = draw.mib(0.19), draw.mib(0.05), []
        for tooth in range(3):
            points += [(10.0 * tooth, low), (10.0 * tooth + 9, high), (10.0 * tooth + 9, low)]
        booking = round(overall(high) * 1.05)
        teeth.append(Job(f"tooth-{number}", round(draw.random.uniform(0, 5), 1), 30.0, (*points, (30.0, low)), booking))
    return draw.workload(teeth)


MAKERS = {"W1": _w1, "W2": _w2, "W3": _w3, "W4": _w4, "W5": _w5, "W6": _w6, "W7": _w7, "W8": _w8, "W9": _w9}


def tiny(capacity):
    """Three jobs of which any two fit and three do not, and whose kill always loses something: for the smoke test."""
    held = round(0.4 * capacity)
    jobs = (Job(f"tiny-{number}", 0.0, 2.0, ((0, held // 2), (0.8, held // 2), (0.8, held), (2.0, held)), overall(held),
                checkpoint=60.0) for number in range(3))
    return Workload("tiny", capacity, tuple(jobs))


def generate(name, seed, capacity):
    """The workload `name` of this seed for a capacity in MiB."""
    if name == "tiny":
        return tiny(capacity)
    return MAKERS[name](_Drawer(name, seed, capacity))
