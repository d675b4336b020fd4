#!/usr/bin/env python3
"""The rules of check.py and the chart, on a made-up run: what is broken in it is found, and nothing else."""
import copy
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import chart  # noqa: E402
import check  # noqa: E402


def row(name, t, cpu, memory, used, wants):
    cpu_used, memory_used = used
    least, amount, memory_least, memory_amount = {
        "cpu_bound": (15, 40, 100, 100), "growing": (5, 10, 150, 300), "bursty": (10, 45, 100, 400)}[name]
    return {"t": t, "component": name, "state": "connected", "cpu": cpu, "cpu_out": cpu, "cpu_used": cpu_used,
            "cpu_demand": cpu, "cpu_least": least, "cpu_amount": amount, "confidence": 0.5, "memory": memory,
            "memory_out": memory, "memory_used": memory_used, "memory_demand": memory, "memory_least": memory_least,
            "memory_amount": memory_amount, "wants": float(wants), "done": 10.0 * t, "held": memory_used,
            "node_cpu": 95.0, "node_memory": 1800.0, "level": "ok"}


def made_up(seconds=400):
    """A run as it should be: 60 s of every 100 lie idle and are lent, 3 s after a burst begins all is back."""
    rows = {"cpu_bound": [], "growing": [], "bursty": []}
    for t in range(seconds):
        burst = t % 100 >= 60
        back = t % 100 >= 63 or t < 20
        rows["bursty"].append(row("bursty", float(t), 45.0 if back else 10.0, 400.0,
                                  (44.0 if burst else 0.5, 380.0 if burst else 20.0), burst))
        rows["cpu_bound"].append(row("cpu_bound", float(t), 40.0 if back else 75.0, 100.0,
                                     (39.0 if back else 74.0, 40.0), True))
        used = min(900.0, 40.0 + 3 * t)
        given = max(300.0, 100.0 * (1 + (used * 1.25) // 100))
        rows["growing"].append(row("growing", float(t), 10.0, given, (8.0, used), True))
    return rows


def said(kind, text):
    return {"id": 1, "at": "2026-01-01T00:00:00Z", "type": kind, "text": text}


def log():
    return [said("allocation", "bursty: cpu 45 → 10 %: others need it, and it uses 0.5 %; memory 400 → 420 MB: it uses "
                               "380 MB; with a buffer it needs more"),
            said("allocation.lent", "bursty has 10 % of the 45 % that it is meant to have"),
            said("allocation.returned", "bursty has the 45 % again that it is meant to have")]


def broken(rows, events=None):
    return [rule.name for rule in check.judge(rows, log() if events is None else events) if not rule.holds]


class Rules(unittest.TestCase):
    def setUp(self):
        self.rows = made_up()

    def test_a_run_as_it_should_be_breaks_none(self):
        self.assertEqual(broken(self.rows), [])

    def test_less_than_a_floor_for_one_second_is_seen(self):
        self.rows["growing"][200]["cpu"] = 4.9
        self.assertIn("floors are kept", broken(self.rows))

    def test_below_a_floor_while_it_registers_is_none(self):
        self.rows["growing"][3]["memory"] = 0.0
        self.assertNotIn("floors are kept", broken(self.rows))

    def test_one_percent_or_megabyte_more_than_there_is_is_seen(self):
        for what, more in (("cpu_out", 86.0), ("memory_out", 1300.0)):
            rows = copy.deepcopy(self.rows)
            rows["bursty"][100][what] = more
            self.assertEqual(broken(rows), ["no more is given than there is"])

    def test_an_idle_share_that_nobody_gets_is_seen(self):
        for one in self.rows["cpu_bound"]:
            if 200 <= one["t"] < 260:
                one["cpu"] = one["cpu_out"] = 40.0
        self.assertEqual(broken(self.rows), ["what lies idle is lent"])

    def test_of_whom_too_little_is_known_nothing_need_be_lent(self):
        for one in self.rows["cpu_bound"]:
            if 100 <= one["t"] < 160:
                one["cpu"] = one["cpu_out"] = 40.0
        for one in self.rows["bursty"]:
            one["confidence"] = 0.2 if one["t"] < 160 else 0.5
        self.assertEqual(broken(self.rows), [])
        for one in self.rows["bursty"]:
            one["confidence"] = 0.2
        self.assertEqual(broken(self.rows), ["what lies idle is lent"])

    def test_a_share_that_comes_back_late_or_never_is_seen(self):
        for until in (75, 100):
            rows = copy.deepcopy(self.rows)
            for one in rows["bursty"]:
                if 260 <= one["t"] < 200 + until:
                    one["cpu"] = one["cpu_out"] = 10.0
            self.assertEqual(broken(rows), ["and comes back"])

    def test_memory_that_comes_back_late_is_seen(self):
        for one in self.rows["bursty"]:
            if 160 <= one["t"] < 175:
                one["memory"] = one["memory_out"] = 150.0
        self.assertEqual(broken(self.rows), ["and comes back"])

    def test_use_beyond_what_was_given_is_seen(self):
        for one in self.rows["growing"]:
            one["memory"] = one["memory_out"] = min(one["memory"], 500.0)
        self.assertEqual(broken(self.rows), ["memory follows use"])

    def test_one_that_is_kept_from_growing_is_seen(self):
        for one in self.rows["growing"]:
            one["memory"] = one["memory_out"] = 300.0
            one["memory_used"] = min(300.0, one["memory_used"])
        self.assertEqual(broken(self.rows), ["memory follows use"])

    def test_a_minute_without_work_is_seen(self):
        for one in self.rows["growing"]:
            if 120 <= one["t"] < 180:
                one["done"] = 1200.0
        self.assertEqual(broken(self.rows), ["nobody starves"])

    def test_a_minute_below_its_floor_is_seen(self):
        for one in self.rows["cpu_bound"]:
            if 120 <= one["t"] < 180:
                one["cpu_used"] = 11.0
        self.assertEqual(broken(self.rows), ["nobody starves"])

    def test_who_wants_nothing_does_not_starve(self):
        for one in self.rows["bursty"]:
            one["done"] = one["t"] if one["wants"] else 0.0
        self.assertEqual(broken(self.rows), [])

    def test_an_allocation_that_moves_every_other_second_is_seen(self):
        for one in self.rows["growing"]:
            if one["t"] % 4 < 2:
                one["cpu"] = one["cpu_out"] = 9.0
        self.assertEqual(broken(self.rows), ["allocations do not flap"])

    def test_a_log_without_lending_or_without_a_reason_is_seen(self):
        for kind in range(3):
            events = log()
            del events[kind]
            self.assertEqual(broken(self.rows, events), ["the log explains it"])
        for text in ("bursty: cpu 45 → 10 %", "bursty: cpu 45 → 10 %: "):
            self.assertEqual(broken(self.rows, [*log(), said("allocation", text)]), ["the log explains it"])

    def test_a_refusal_says_why_and_counts_as_explained(self):
        text = "bursty keeps what it has: it did not answer in 5 s (cpu 45 → 10 %: others need it, and it uses 0.5 %)"
        self.assertEqual(broken(self.rows, [*log(), said("allocation", text)]), [])

    def test_a_run_of_two_or_of_half_a_minute_says_nothing(self):
        self.assertEqual(broken(made_up(30)), ["all three are there"])
        del self.rows["growing"]
        self.assertEqual(broken(self.rows), ["all three are there"])


class Chart(unittest.TestCase):
    def test_it_is_a_picture_with_a_panel_for_each_posture_and_resource(self):
        rows = made_up()
        rows["growing"][7]["memory_used"] = None  # nobody knew
        text = chart.draw({"balanced": rows, "adaptive": made_up(200)})
        root = xml.etree.ElementTree.fromstring(text)
        self.assertTrue(root.tag.endswith("svg"))
        words = [one.text for one in root.iter() if one.tag.endswith("text")]
        for wanted in ("balanced", "adaptive", "minutes"):
            self.assertTrue(any(wanted in (word or "") for word in words), wanted)
        self.assertEqual(sum("class" in one.attrib and one.attrib["class"].startswith("given")
                             for one in root.iter()), 2 * 2 * 3)

    def test_what_is_written_is_read_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "balanced.csv")
            names = list(row("growing", 0.0, 1.0, 1.0, (None, None), True))
            path.write_text(",".join(names) + "\n" + ",".join(
                "" if value is None else str(value)
                for value in row("growing", 1.0, 10.0, 300.0, (None, 33.0), True).values()) + "\n", encoding="utf-8")
            found = check.read_rows(path)["growing"][0]
            self.assertIsNone(found["cpu_used"])
            self.assertEqual((found["t"], found["memory_used"], found["level"]), (1.0, 33.0, "ok"))


if __name__ == "__main__":
    unittest.main()
