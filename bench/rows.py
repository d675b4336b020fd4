"""The table that bench/run.sh prints: figures, what each is set against, and what it may be."""
import math
import statistics

from ratio import figure_of


class Row:
    """One line: a figure per round, what it is set against, and what it may be at most."""

    def __init__(self, name, ours, beside, values, gate, form="{:.2f}", judged=statistics.median):
        self.name, self.ours, self.beside, self.gate, self.form = name, ours, beside, gate, form
        self.values, self.judged = values, judged

    def value(self):
        return self.judged(self.values)

    def holds(self):
        return self.value() <= self.gate

    def cells(self):
        spread = f" ({self.form.format(min(self.values))}–{self.form.format(max(self.values))})" \
            if len(self.values) > 1 else ""
        return (self.name, self.ours, self.beside, self.form.format(self.value()) + spread,
                self.form.format(self.gate), "yes" if self.holds() else "NO")


def rank_95(values):
    """Nineteen of twenty are not above it."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def microseconds(ns: float) -> str:
    return f"{ns / 1000:.1f} µs" if ns < 1e6 else f"{ns / 1e6:.2f} ms"


def beside(name, ours, theirs, gate, form="{:.2f}"):
    """The ratio of two lists of nanoseconds that were taken in the same rounds."""
    return Row(name, microseconds(statistics.median(ours)), microseconds(statistics.median(theirs)),
               [a / b for a, b in zip(ours, theirs)], gate, form)


def alternately(name, ours, theirs, gate, rounds, form="{:.2f}"):
    """The ratio of two commands that print their figure in nanoseconds last."""
    figures = {ours: [], theirs: []}
    for number in range(rounds):
        for command in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            figures[command].append(figure_of(command))
    return beside(name, figures[ours], figures[theirs], gate, form)


def show(rows):
    head = ("what", "ours", "beside", "ratio (least–most)", "gate", "holds")
    table = [head] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
