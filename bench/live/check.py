#!/usr/bin/env python3
"""Says PASS or FAIL by rule of what bench/live/run has written: docs/live.md.

    check.py FOLDER      0 when every rule holds for every posture in it, 1 when not, 2 when there is nothing to judge
"""
import collections
import csv
import json
import pathlib
import re
import sys

SETTLED = 15.0        # seconds until everybody has registered and been given something
BACK_WITHIN = 10.0    # seconds from the start of a burst until its owner has what it is meant to have
LENT = 5.0            # percent of the processors that the one gains at least while the other lies idle
CHANGES = 12.0        # a minute at most, of one resource of one component: one in the shortest cycle, 5 s
OVER_SHARE, OVER_MB = 1.02, 16.0  # headroom's own measure of an overrun
END = 10.0            # seconds at the end of a phase in which its allocation is looked at
EXPLAINED = re.compile(r"(cpu|memory) [\d.]+ → [\d.]+ (%|MB)( \(it set [\d.]+ (%|MB)\))?: [^;]{8,}")

Rule = collections.namedtuple("Rule", "name holds text")
KNOWN = 0.3           # confidence from which on headroom goes by what it has seen
NUMBERS = ("t", "confidence", "cpu", "cpu_out", "cpu_used", "cpu_least", "cpu_amount", "memory", "memory_out", "memory_used",
           "memory_least", "memory_amount", "wants", "done", "held", "node_cpu", "node_memory")


def read_rows(path):
    """{component: [row…]} by time; numbers are numbers, and None where nobody knew."""
    found = collections.defaultdict(list)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            row.update({name: float(row[name]) if row[name] else None for name in NUMBERS})
            found[row["component"]].append(row)
    return dict(found)


def read_events(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def phases(rows):
    """[(wants, begin, end)…] of one component."""
    found = []
    for row in rows:
        if found and found[-1][0] == bool(row["wants"]):
            found[-1][2] = row["t"]
        else:
            found.append([bool(row["wants"]), row["t"], row["t"]])
    return [tuple(one) for one in found]


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else 0.0


def between(rows, begin, end, name):
    return [row[name] for row in rows if begin <= row["t"] <= end]


def floors(all_rows):
    low = [f"{name} has {row[what]:g} of at least {row[what + '_least']:g} ({what}, {row['t']:.0f} s)"
           for name, rows in all_rows.items() for row in rows for what in ("cpu", "memory")
           if row["t"] >= SETTLED and row[what] < row[what + "_least"] - 0.05]
    least = {what: min(row[what] - row[what + "_least"] for rows in all_rows.values() for row in rows
                       if row["t"] >= SETTLED) for what in ("cpu", "memory")}
    return Rule("floors are kept", not low,
                low[0] if low else f"the least above a floor: {least['cpu']:.1f} %, {least['memory']:.0f} MB")


def capacity(all_rows):
    sums = collections.defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for rows in all_rows.values():
        for row in rows:
            one = sums[row["t"]]
            one[0] += row["cpu_out"]
            one[1] += row["memory_out"]
            one[2:] = row["node_cpu"], row["node_memory"]
    over = [f"at {t:.0f} s {one[0]:.1f} of {one[2]:.1f} %, {one[1]:.0f} of {one[3]:.0f} MB"
            for t, one in sums.items() if one[0] > one[2] + 0.1 or one[1] > one[3]]
    most = (max(one[0] for one in sums.values()), max(one[1] for one in sums.values()))
    gives = max(one[2] for one in sums.values()), max(one[3] for one in sums.values())
    return Rule("no more is given than there is", not over,
                over[0] if over else
                f"at most {most[0]:.1f} of {gives[0]:.0f} %, {most[1]:.0f} of {gives[1]:.0f} MB")


def lent(all_rows):
    """While the bursty one lies idle the other has more than at the end of the burst before. Counted are the idle
    times at whose beginning enough was known of the bursty one; so short of 30 s nothing can be said."""
    rows, spans = all_rows["bursty"], phases(all_rows["bursty"])
    gains = []
    for before, idle in zip(spans, spans[1:]):
        known = between(rows, idle[1], idle[1], "confidence")[0]
        if not before[0] or idle[0] or idle[2] - idle[1] < 30 or (known or 0) < KNOWN:
            continue
        then = mean(between(all_rows["cpu_bound"], before[2] - END, before[2], "cpu"))
        gains.append(mean(between(all_rows["cpu_bound"], idle[2] - END, idle[2], "cpu")) - then)
    return Rule("what lies idle is lent", bool(gains) and min(gains) >= LENT,
                "no idle time after a burst was seen that could be lent" if not gains else
                f"cpu_bound gains {', '.join(f'{gain:.1f}' for gain in gains)} % while bursty lies idle")


def returns(all_rows):
    """(burst begins at, seconds until it has its processors, until its memory; None: never in this burst)."""
    rows, found = all_rows["bursty"], []
    for works, begin, end in phases(rows):
        # The burst began between this look and the one before. One that the run cuts off says nothing.
        if not works or end - begin < BACK_WITHIN:
            continue
        times = []
        for what in ("cpu", "memory"):
            back = [row["t"] - begin for row in rows
                    if begin <= row["t"] <= end and row[what] >= row[what + "_amount"] - 0.05]
            times.append(back[0] if back else None)
        found.append((begin, *times))
    return found


def returned(all_rows):
    found = returns(all_rows)
    late = [one for one in found if any(time is None or time > BACK_WITHIN for time in one[1:])]
    shown = "; ".join("/".join("never" if time is None else f"{time:.0f}" for time in one[1:]) for one in found)
    return Rule("and comes back", bool(found) and not late,
                f"seconds until bursty had its processors/memory again: {shown or 'no burst was seen'}")


def follows(all_rows):
    rows = [row for row in all_rows["growing"] if row["t"] >= SETTLED and row["memory_used"] is not None]
    over = [f"{row['memory_used']:.0f} of {row['memory']:.0f} MB at {row['t']:.0f} s" for row in rows
            if row["memory_used"] > OVER_SHARE * row["memory"] + OVER_MB]
    if not rows:
        return Rule("memory follows use", False, "nobody knows what growing uses")
    most_used, most = max(row["memory_used"] for row in rows), max(row["memory"] for row in rows)
    grew = most > rows[0]["memory_amount"] and most_used > rows[0]["memory_amount"]
    text = f"growing used at most {most_used:.0f} MB and was given at most {most:.0f} MB"
    return Rule("memory follows use", not over and grew, f"{text}; beyond it {len(over)} times: {over[0]}" if over else text)


def starved(all_rows):
    """Minutes in which one wanted to work and did not get as much as its floor's worth."""
    hungry, least = [], {}
    for name, rows in all_rows.items():
        for minute in range(int(rows[-1]["t"] // 60)):
            wanting = [row for row in rows if 60 * minute <= row["t"] < 60 * (minute + 1) and row["wants"]
                       and row["t"] >= SETTLED]
            if len(wanting) < 10:
                continue
            share = mean(row["cpu_used"] for row in wanting)
            least[name] = min(least.get(name, 1e9), share)
            if wanting[-1]["done"] <= wanting[0]["done"] or share < 0.8 * wanting[0]["cpu_least"]:
                hungry.append(f"{name} in minute {minute + 1}: {share:.1f} % of the processors, "
                              f"{wanting[-1]['done'] - wanting[0]['done']:.0f} units of work")
    seen = ", ".join(f"{name} {share:.1f} %" for name, share in sorted(least.items()))
    return Rule("nobody starves", len(least) == len(all_rows) and not hungry,
                hungry[0] if hungry else f"the least of a minute: {seen or 'no whole minute was seen'}")


def changes(all_rows):
    """{(component, resource): changes a minute}"""
    found = {}
    for name, rows in all_rows.items():
        span = (rows[-1]["t"] - rows[0]["t"]) / 60
        for what in ("cpu", "memory"):
            found[name, what] = sum(a[what] != b[what] for a, b in zip(rows, rows[1:])) / span if span else 0.0
    return found


def calm(all_rows):
    found = changes(all_rows)
    worst = max(found, key=found.get)
    return Rule("allocations do not flap", found[worst] <= CHANGES,
                f"most changes: {worst[1]} of {worst[0]}, {found[worst]:.1f} a minute")


def explained(events):
    counts = collections.Counter(event["type"] for event in events)
    missing = [kind for kind in ("allocation", "allocation.lent", "allocation.returned") if not counts[kind]]
    bare = [event["text"] for event in events if event["type"] == "allocation" and not EXPLAINED.search(event["text"])]
    text = ", ".join(f"{counts[kind]} {kind}" for kind in ("allocation", "allocation.lent", "allocation.returned"))
    if missing:
        text += f"; there is no {missing[0]}"
    if bare:
        text += f"; without a reason: {bare[0]}"
    return Rule("the log explains it", not missing and not bare, text)


def judge(all_rows, events):
    """Every rule, for one posture."""
    names = {"cpu_bound", "growing", "bursty"}
    if set(all_rows) != names:
        return [Rule("all three are there", False, f"seen: {', '.join(sorted(all_rows)) or 'nobody'}")]
    short = min(rows[-1]["t"] for rows in all_rows.values())
    if short < 60:
        return [Rule("all three are there", False, f"one of them for {short:.0f} s only")]
    return [floors(all_rows), capacity(all_rows), lent(all_rows), returned(all_rows), follows(all_rows),
            starved(all_rows), calm(all_rows), explained(events)]


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    tables = sorted(pathlib.Path(sys.argv[1]).glob("*.csv"))
    if not tables:
        print(f"check: there is no .csv in {sys.argv[1]}: bench/live/run --out {sys.argv[1]}")
        return 2
    held = True
    for table in tables:
        print(table.stem)
        for rule in judge(read_rows(table), read_events(table.with_suffix(".events"))):
            held = held and rule.holds
            print(f"  {'PASS' if rule.holds else 'FAIL'}  {rule.name:32} {rule.text}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
