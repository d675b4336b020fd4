#!/usr/bin/env python3
"""The generator and the measures of the arena, without a kernel."""
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import arena  # noqa: E402
import contenders  # noqa: E402
import measures  # noqa: E402
import tree  # noqa: E402
import workloads  # noqa: E402
from measures import Held  # noqa: E402
from workloads import Job, Workload, generate  # noqa: E402


def flat(name, arrival, work, held, cpu=10):
    return Job(name, arrival, work, ((0, held), (work, held)), booking=workloads.overall(held), cpu=cpu)


class Generator(unittest.TestCase):
    def test_the_same_seed_gives_the_same_jobs_and_another_one_others(self):
        for name in workloads.MAKERS:
            self.assertEqual(generate(name, 3, 512), generate(name, 3, 512))
            self.assertNotEqual(generate(name, 3, 512).jobs, generate(name, 4, 512).jobs)

    def test_jobs_are_such_as_the_job_program_takes(self):
        for name in workloads.MAKERS:
            for seed in range(1, 31):
                workload = generate(name, seed, 512)
                self.assertEqual(len({job.name for job in workload.jobs}), len(workload.jobs))
                for job in workload.jobs:
                    times = [at for at, _ in job.memory]
                    self.assertEqual(times, sorted(times))
                    self.assertAlmostEqual(times[-1], job.work)
                    self.assertTrue(all(isinstance(held, int) and held >= 0 for _, held in job.memory))
                    self.assertGreater(job.booking, 0)
                    self.assertGreaterEqual(job.arrival, 0)

    def test_w1_has_24_jobs_that_are_more_than_fit_at_once(self):
        for seed in range(1, 31):
            workload = generate("W1", seed, 512)
            self.assertEqual(len(workload.jobs), 24)
            self.assertGreater(sum(job.peak for job in workload.jobs), 1.5 * workload.capacity)
            self.assertTrue(all(job.feasible(512) for job in workload.jobs))

    def test_w2_is_w1_with_two_fifths_unknown(self):
        unknown = total = 0
        for seed in range(1, 31):
            for one, two in zip(generate("W1", seed, 512).jobs, generate("W2", seed, 512).jobs):
                self.assertEqual((one.name, one.arrival, one.memory), (two.name, two.arrival, two.memory))
                unknown += one.booking != two.booking
                total += 1
        self.assertAlmostEqual(unknown / total, 0.4, delta=0.08)

    def test_how_long_it_lasts_is_foreseen_where_earlier_runs_are_known(self):
        errors = []
        for seed in range(1, 31):
            for known, other in zip(generate("W1", seed, 512).jobs, generate("W2", seed, 512).jobs):
                errors.append(math.log(known.lasts / known.work))
                self.assertIn(other.lasts, (known.lasts, 0.0))
                self.assertTrue(other.booking == known.booking or other.lasts == 0.0)
        self.assertLess(abs(sum(errors) / len(errors)), 0.02)
        self.assertAlmostEqual(math.sqrt(sum(error ** 2 for error in errors) / len(errors)), 0.1, delta=0.02)
        self.assertTrue(all(job.lasts == 0.0 for job in generate("W3", 1, 512).jobs if "leaker" in job.name))

    def test_only_what_leaks_or_forks_without_end_is_infeasible(self):
        for name in workloads.MAKERS:
            infeasible = sum(not job.feasible(512) for job in generate(name, 1, 512).jobs)
            self.assertEqual(infeasible, {"W3": 2, "W4": 1}.get(name, 0), name)

    def test_in_w6_and_w9_all_fits_so_that_every_kill_is_a_false_one(self):
        for name in ("W6", "W9"):
            for seed in range(1, 31):
                self.assertLess(sum(job.peak for job in generate(name, seed, 512).jobs), 512, f"{name}/{seed}")

    def test_a_surge_goes_beyond_what_was_foreseen(self):
        surges = [job for job in generate("W7", 1, 512).jobs if job.name.startswith("surge")]
        self.assertEqual(len(surges), 4)
        self.assertTrue(all(job.peak > 1.5 * job.booking for job in surges))

    def test_all_is_set_against_the_capacity(self):
        small, large = generate("W1", 5, 256), generate("W1", 5, 1024)
        for one, other in zip(small.jobs, large.jobs):
            self.assertEqual((one.arrival, one.work), (other.arrival, other.work))
            self.assertAlmostEqual(one.memory[-1][1] * 4, other.memory[-1][1], delta=4)


class WrongVictim(unittest.TestCase):
    def test_is_one_within_its_booking_while_an_overrunner_lives(self):
        self.assertTrue(measures.wrong_victim(Held(90, 100), [Held(50, 60), Held(120, 100)]))

    def test_is_not_the_overrunner_itself(self):
        self.assertFalse(measures.wrong_victim(Held(120, 100), [Held(130, 100)]))

    def test_is_nobody_where_all_are_within_their_bookings(self):
        self.assertFalse(measures.wrong_victim(Held(90, 100), [Held(100, 100)]))
        self.assertFalse(measures.wrong_victim(Held(90, 100), []))


class WorkLost(unittest.TestCase):
    def test_is_processor_time_since_the_checkpoint_over_the_useful_one(self):
        done = [flat("a", 0, 10, 5, cpu=10), flat("b", 0, 5, 5, cpu=20)]  # 1 s each
        self.assertAlmostEqual(measures.work_lost([(2, 10), (1, 30)], done), 0.5 / 2)

    def test_is_nothing_without_a_kill_and_all_where_nothing_was_completed(self):
        self.assertEqual(measures.work_lost([], []), 0)
        self.assertEqual(measures.work_lost([(1, 10)], []), math.inf)


class Oracle(unittest.TestCase):
    def test_bound_is_the_longest_way(self):
        jobs = (flat("a", 7, 5, 10), flat("b", 0, 6, 10))
        self.assertAlmostEqual(measures.oracle_bound(Workload("x", 100, jobs), 2), 12)

    def test_bound_is_memory_times_time(self):
        jobs = tuple(flat(str(number), 0, 4, 50) for number in range(8))
        self.assertAlmostEqual(measures.oracle_bound(Workload("x", 100, jobs), 2), 16)

    def test_bound_is_the_processors(self):
        jobs = tuple(flat(str(number), 0, 4, 1, cpu=100) for number in range(8))
        self.assertAlmostEqual(measures.oracle_bound(Workload("x", 100, jobs), 2), 16)

    def test_bound_leaves_out_what_nobody_could_run(self):
        jobs = (flat("a", 0, 4, 50), flat("b", 0, 99, 130))
        self.assertAlmostEqual(measures.oracle_bound(Workload("x", 100, jobs), 2), 4)

    def test_area_is_that_of_the_profile(self):
        self.assertAlmostEqual(Job("x", 0, 4, ((0, 0), (2, 10), (2, 30), (4, 30)), 1).area, 10 + 60)

    def test_packing_is_never_below_the_bound_and_never_above_what_is_usable(self):
        for seed in range(1, 11):
            workload = generate("W1", seed, 512)
            makespan, order = measures.packed(workload.jobs, 0.97 * 512)
            self.assertGreaterEqual(makespan + 1e-9, measures.oracle_bound(workload, 2))
            self.assertEqual({job.name for job in order}, {job.name for job in workload.jobs})

    def test_packing_by_hand(self):
        jobs = [flat("a", 0, 4, 56), flat("b", 0, 4, 56), flat("c", 0, 4, 36)]  # peaks 60, 60, 40
        self.assertAlmostEqual(measures.packed(jobs, 100)[0], 8)


class OnPaper(unittest.TestCase):
    @staticmethod
    def job(name, arrival, work, kept, lasts=0.0, priority="normal"):
        return Job(name, arrival, work, ((0, 1), (work, 1)), kept, lasts=lasts, priority=priority)

    def test_who_is_behind_the_first_starts_only_if_that_one_is_not_delayed(self):
        running, first = self.job("running", 0, 4, 60, lasts=4), self.job("first", 1, 4, 80)
        self.assertAlmostEqual(measures.queued([running, first, self.job("short", 2, 2, 40, lasts=2)], 100), 8)
        self.assertAlmostEqual(measures.queued([running, first, self.job("unknown", 2, 2, 40)], 100), 10)
        self.assertAlmostEqual(measures.queued([running, first, self.job("beside", 2, 6, 20)], 100), 8)

    def test_a_higher_class_goes_first_and_what_never_fits_never_ends(self):
        jobs = [self.job("now", 0, 4, 100), self.job("normal", 1, 4, 100), self.job("high", 2, 1, 100, priority="high")]
        self.assertAlmostEqual(measures.queued(jobs, 100), 9)
        self.assertAlmostEqual(measures.queued(jobs[:2], 100), 8)
        self.assertEqual(measures.queued([self.job("large", 0, 1, 101)], 100), math.inf)

    def test_what_a_job_takes_beyond_its_booking_is_kept_for_it(self):
        self.assertEqual(measures.kept(flat("a", 0, 1, 56)), 60)
        self.assertEqual(measures.kept(Job("a", 0, 1, ((0, 56), (1, 56)), 20)), 60)
        self.assertEqual(measures.kept(Job("a", 0, 1, ((0, 56), (1, 56)), 80)), 80)

    def test_the_rules_cost_time_and_bookings_more(self):
        rows = subprocess.run([sys.executable, HERE / "paper", "--workloads", "W1", "--seeds", "6"],
                              stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[2:]
        exact, best, queue = (float(row.split("|")[3].split()[0]) for row in rows)
        self.assertGreaterEqual(exact, 1.0)
        self.assertGreater(best, 1.0)
        self.assertGreater(queue, exact)


class Reversals(unittest.TestCase):
    def test_are_rises_after_a_fall(self):
        self.assertEqual(measures.reversals([0, 1, 2, 2, 1, 0]), 0)
        self.assertEqual(measures.reversals([0, 1, 0, 1, 0, 1]), 2)
        self.assertEqual(measures.reversals([2, 1, 1, 2]), 1)
        self.assertEqual(measures.reversals([]), 0)


class Interval(unittest.TestCase):
    def test_holds_the_mean_and_widens_with_the_spread(self):
        narrow = measures.interval([9, 10, 11, 10] * 5, random.Random(1))
        wide = measures.interval([0, 10, 20, 10] * 5, random.Random(1))
        for mean, low, high in (narrow, wide):
            self.assertAlmostEqual(mean, 10)
            self.assertLess(low, mean)
            self.assertGreater(high, mean)
        self.assertGreater(wide[2] - wide[1], 5 * (narrow[2] - narrow[1]))

    def test_of_equal_values_is_a_point(self):
        self.assertEqual(measures.interval([3, 3, 3], random.Random(1)), (3, 3, 3))


class Texts(unittest.TestCase):
    def test_report_is_that_of_the_job_and_anything_else_is_empty(self):
        report = arena.parse_report("   2     12300     12000     140     150        77 1\n")
        self.assertEqual(report, arena.Report(2, 12.3, 12.0, 140, 150, 77, True))
        for text in ("", "1 2 3", "1 2 3 4 5 six 0", "1 2 3 4 5 -6 0"):
            self.assertEqual(arena.parse_report(text), arena.Report())

    def test_a_job_that_a_signal_ended_is_known_by_itself_and_by_its_headroom_run(self):
        self.assertEqual([arena.signal_of(status) for status in (0, 3, 125, -9, 137, 143, 255)], [0, 0, 0, 9, 9, 15, 0])

    def test_hierarchies_are_found(self):
        text = ("35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
                "36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                "37 31 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\nnonsense\n")
        self.assertEqual(tree.mounts(text), ("/sys/fs/cgroup/unified", {"memory": "/sys/fs/cgroup/memory",
                                                                        "cpu": "/sys/fs/cgroup/cpu"}))
        self.assertEqual(tree.own_groups("4:memory:/a/b\n1:cpu,cpuacct:/\n0::/x\n"),
                         {"memory": "/a/b", "cpu": "", "cpuacct": "", "": "/x"})


    def test_the_step_is_told_before_the_level_and_of_memory_only(self):
        cpu = {"resource": "cpu", "level": "emergency", "step_number": 7}
        memory = {"resource": "memory", "level": "critical"}
        for item, expected in ((memory, 2), ({**memory, "step_number": 5}, 5), ({**memory, "step_number": 0}, 0),
                               ({**memory, "step_number": None}, 2)):
            self.assertEqual(contenders.step_of(json.dumps({"items": [cpu, item]})), expected)
        self.assertEqual(contenders.step_of('{"items":[]}'), 0)


class Table(unittest.TestCase):
    def test_sets_each_run_beside_the_oracles_of_its_seed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "runs.json")
            with open(path, "w", encoding="utf-8") as file:
                for name, makespans in (("oracle", (2.0, 1.0)), ("kernel", (3.0, 1.5))):
                    for seed, makespan in enumerate(makespans):
                        run = dict.fromkeys(measures.KEYS, 0)
                        run.update(contender=name, workload="W1", seed=seed, makespan_over_oracle=makespan,
                                   isolation=None)
                        file.write(json.dumps(run) + "\n")
            text = subprocess.run([sys.executable, HERE / "table", path], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout
            self.assertIn("| W1 | kernel | 2 |", text)
            self.assertIn("| 2.25 (1.50–3.00) | 1.50 |", text)
            self.assertNotIn("isolation", text)

    def test_leaves_out_the_runs_beside_an_oracle_that_was_held_up(self):
        workload = generate("W1", 1, 1024)
        planned = measures.packed(workload.jobs, 0.97 * 1024)[0] / measures.oracle_bound(workload, 2)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "runs.json")
            for slower, shown in ((1.1, True), (1.2, False)):
                with open(path, "w", encoding="utf-8") as file:
                    for name in ("oracle", "kernel"):
                        run = dict.fromkeys(measures.KEYS, 0)
                        run.update(contender=name, workload="W1", seed=1, makespan_over_oracle=slower * planned,
                                   isolation=None)
                        file.write(json.dumps(run) + "\n")
                text = subprocess.run([sys.executable, HERE / "table", "--undisturbed", "1.15", path],
                                      stdout=subprocess.PIPE, text=True, check=True).stdout
                self.assertEqual("| W1 | kernel | 1 |" in text, shown, text)


if __name__ == "__main__":
    unittest.main()
