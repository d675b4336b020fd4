#!/usr/bin/env python3
"""The job program, for real: job_test.py PROGRAM."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from arena import parse_report  # noqa: E402

PROGRAM = sys.argv.pop() if len(sys.argv) > 1 else "headroom-arena-job"


class Job(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/report"

    def report(self):
        return parse_report(pathlib.Path(self.path).read_text(encoding="ascii")) if os.path.exists(self.path) \
            else parse_report("")

    def start(self, *words):
        process = subprocess.Popen([PROGRAM, "--report", self.path, *words], stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def until(self, holds):
        end = time.monotonic() + 60
        while not holds(self.report()):
            self.assertLess(time.monotonic(), end, "what is waited for never came")
            time.sleep(0.01)

    def test_tells_what_it_holds_and_that_it_has_ended(self):
        self.assertEqual(self.start("--work", "0.3", "--memory", "0:10,0.1:20,0.2:6", "--exit", "7").wait(), 7)
        report = self.report()
        self.assertEqual((report.attempt, report.done, report.saved, report.held, report.peak, report.ended),
                         (1, 0.3, 0.3, 6, 20, True))

    def test_that_is_killed_goes_on_from_its_checkpoint(self):
        first = self.start("--work", "100", "--memory", "0:4", "--checkpoint", "0.2")
        self.until(lambda report: report.saved >= 0.2)
        first.kill()
        first.wait()
        left = self.report()
        self.assertFalse(left.ended)
        self.start("--work", "100", "--memory", "0:4", "--checkpoint", "100")
        self.until(lambda report: report.attempt == 2 and report.done > left.saved)
        self.assertEqual(self.report().saved, left.saved)

    def test_dies_of_what_one_of_its_children_died_of(self):
        process = self.start("--work", "100", "--memory", "0:12", "--children", "3")
        self.until(lambda report: report.held >= 12)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        self.assertEqual(len(children), 3)
        os.kill(int(children[1]), signal.SIGKILL)
        self.assertEqual(process.wait(), -signal.SIGKILL)

    def test_that_is_a_service_counts_what_it_answers_and_ends_by_the_clock(self):
        until = time.clock_gettime(time.CLOCK_MONOTONIC) + 0.5
        self.assertEqual(self.start("--serve", "50", "--until", f"{until:.3f}", "--memory", "0:4").wait(), 0)
        self.assertGreaterEqual(time.clock_gettime(time.CLOCK_MONOTONIC), until)
        self.assertGreaterEqual(self.report().served, 5)
        self.assertLessEqual(self.report().served, 30)

    def test_that_is_told_nonsense_says_what_is_wrong(self):
        process = self.start("--work", "1", "--memory", "1:2,0:3")
        self.assertEqual(process.wait(), 2)
        self.assertIn("--memory 1:2,0:3", process.stderr.read())

    def test_enters_only_groups_that_are_there(self):
        done = subprocess.run([PROGRAM, "enter", "/nowhere", "--", "/bin/true"], stderr=subprocess.PIPE, text=True,
                              check=False)
        self.assertEqual(done.returncode, 125)
        self.assertIn("/nowhere", done.stderr)


if __name__ == "__main__":
    unittest.main()
