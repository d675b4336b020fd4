#!/usr/bin/env python3
"""Runs two commands alternately and prints how many times the first one's figure is the second's.

Each command's figure is the number alone on the last line of its output. A round runs both, in
changing order; the ratio of each round is taken on its own, so that a machine whose speed changes
from minute to minute still gives a steady ratio.

    ratio.py -r 9 --max 1.15 'headroom-bench sample --ns' 'floor --ns'

Exit codes: 0 within the limit, 1 above it, 2 a command failed or gave no number.
"""
import argparse
import json
import shlex
import statistics
import subprocess
import sys


class Failure(Exception):
    """A command that gave no figure."""


def figure_of(command: str) -> float:
    """The number on the last line of what `command` prints."""
    done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.split()
    if done.returncode != 0 or not lines:
        raise Failure(f"{command}: exit code {done.returncode}, {len(lines)} words of output")
    try:
        figure = float(lines[-1])
    except ValueError:
        raise Failure(f"{command}: the last word is no number: {lines[-1]}") from None
    if figure <= 0:
        raise Failure(f"{command}: the figure is {figure}")
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description="ratio of the figures of two commands run alternately")
    parser.add_argument("-r", "--rounds", type=int, default=9)
    parser.add_argument("--max", type=float, help="exit 1 if the median ratio is above")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("ours")
    parser.add_argument("theirs")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("at least one round")

    ours, theirs = [], []
    try:
        for round_number in range(arguments.rounds):
            if round_number % 2 == 0:
                ours.append(figure_of(arguments.ours))
                theirs.append(figure_of(arguments.theirs))
            else:
                theirs.append(figure_of(arguments.theirs))
                ours.append(figure_of(arguments.ours))
    except (Failure, OSError) as failure:
        print(f"ratio: {failure}", file=sys.stderr)
        return 2

    ratios = [a / b for a, b in zip(ours, theirs)]
    median = statistics.median(ratios)
    within = arguments.max is None or median <= arguments.max
    if arguments.json:
        print(json.dumps({"ratio": round(median, 4), "min": round(min(ratios), 4), "max": round(max(ratios), 4),
                          "rounds": arguments.rounds, "ours": statistics.median(ours),
                          "theirs": statistics.median(theirs), "limit": arguments.max, "within": within}))
    else:
        limit = "" if arguments.max is None else f", limit {arguments.max:g}: {'held' if within else 'EXCEEDED'}"
        print(f"{median:.3f} ({min(ratios):.3f}-{max(ratios):.3f}) over {arguments.rounds} rounds; "
              f"medians {statistics.median(ours):g} and {statistics.median(theirs):g}{limit}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
