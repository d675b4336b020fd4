"""What is made of a run: pure, so that tests can play a run by hand."""
import dataclasses
import math

KEYS = ("contender", "workload", "seed", "completed", "killed", "wrong_victims", "work_lost", "makespan_over_oracle",
        "oom_kills", "reversals", "isolation")


@dataclasses.dataclass(frozen=True)
class Held:
    """What a job held at one moment, and what was foreseen for it, in MiB."""
    held: int
    booking: int

    @property
    def overruns(self):
        return self.held > self.booking


def wrong_victim(victim, others):
    """A job was killed that was within its booking, while one lived that was not."""
    return not victim.overruns and any(other.overruns for other in others)


def work_lost(losses, completed):
    """CPU seconds that kills undid, over those of the jobs that were completed.

    losses: (seconds of work since the checkpoint, percent of a core) of each kill."""
    lost = sum(seconds * cpu / 100 for seconds, cpu in losses)
    useful = sum(job.work * job.cpu / 100 for job in completed)
    return lost / useful if useful > 0 else (math.inf if lost > 0 else 0.0)


def oracle_bound(workload, cores):
    """Seconds below which nobody can end the feasible jobs, even who knows all about them."""
    jobs = [job for job in workload.jobs if job.feasible(workload.capacity)]
    if not jobs:
        return 0.0
    critical_path = max(job.arrival + job.work for job in jobs)
    cpu = sum(job.work * job.cpu / 100 for job in jobs) / cores
    memory = sum(job.area for job in jobs) / workload.capacity
    return max(critical_path, cpu, memory)


def packed(jobs, usable, size=lambda job: job.peak):
    """(makespan, order): the best of a few orders in which jobs start as soon as their `size` (MiB) fits."""
    ranks = (lambda job: job.arrival, lambda job: -job.work, lambda job: -job.peak, lambda job: -job.peak * job.work,
             lambda job: (job.priority != "critical", -job.work * job.peak))
    return min(((_played(order, usable, size), order) for order in (sorted(jobs, key=rank) for rank in ranks)),
               key=lambda one: one[0])


def _played(order, usable, size):
    waiting, running, now = list(order), [], 0.0
    while waiting:
        running = [(end, held) for end, held in running if end > now + 1e-9]
        for job in list(waiting):
            if job.arrival <= now + 1e-9 and sum(held for _, held in running) + size(job) <= usable:
                running.append((now + job.work, size(job)))
                waiting.remove(job)
        later = [end for end, _ in running] + [job.arrival for job in waiting if job.arrival > now + 1e-9]
        if waiting and not later:
            return math.inf
        now = min(later) if waiting else now
    return max((end for end, _ in running), default=0.0)


def kept(job):
    """MiB that are kept for a job: its booking, or what it turns out to take."""
    return max(job.booking, job.peak)


def queued(jobs, usable):
    """The makespan by headroom's rules on paper, where nothing costs time and who wants more has it at once.

    Class, then age; who comes behind the first that does not fit starts if that one is not delayed, by the times that
    are foreseen."""
    classes = ("critical", "high", "normal", "low")
    waiting = sorted(jobs, key=lambda job: (classes.index(job.priority), job.arrival))
    running, now = [], 0.0  # (end, what is kept, the end that is foreseen)
    while waiting:
        running = [one for one in running if one[0] > now + 1e-9]
        free, first_starts, beside_it = usable - sum(held for _, held, _ in running), None, 0.0
        for job in [job for job in waiting if job.arrival <= now + 1e-9]:
            foreseen, wanted = now + job.lasts if job.lasts > 0 else math.inf, kept(job)
            if wanted <= free and (first_starts is None or foreseen <= first_starts or wanted <= beside_it):
                if first_starts is not None and foreseen > first_starts:
                    beside_it -= wanted
                free -= wanted
                running.append((now + job.work, wanted, foreseen))
                waiting.remove(job)
            elif first_starts is None:
                first_starts, beside_it = _when(wanted, free, running)
        later = [end for end, _, _ in running] + [job.arrival for job in waiting if job.arrival > now + 1e-9]
        if waiting and not later:
            return math.inf
        now = min(later) if waiting else now
    return max((end for end, _, _ in running), default=0.0)


def _when(wanted, free, running):
    """(when so much will be free by what is foreseen, how much beside it)."""
    for _, held, foreseen in sorted(running, key=lambda one: one[2]):
        free += held
        if free >= wanted:
            return foreseen, free - wanted
    return math.inf, 0.0


def reversals(levels):
    """How often a level rose again after it had fallen."""
    count, falling = 0, False
    for before, after in zip(levels, levels[1:]):
        if after > before and falling:
            count += 1
        if after != before:
            falling = after < before
    return count


def interval(values, random, rounds=2000):
    """(mean, low, high): the 95 % percentile bootstrap of the mean. `random`: a random.Random."""
    count = len(values)
    means = sorted(sum(random.choices(values, k=count)) / count for _ in range(rounds))
    return sum(values) / count, means[round(0.025 * rounds)], means[round(0.975 * rounds) - 1]
