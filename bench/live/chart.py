#!/usr/bin/env python3
"""Draws what bench/live/run has written: what each component was given and used, under each posture.

    chart.py FOLDER FILE.svg
"""
import pathlib
import sys
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import check  # noqa: E402

ORDER = ("conservative", "balanced", "aggressive", "adaptive")
COMPONENTS = (("cpu_bound", "cpu_bound: always wants every processor"),
              ("growing", "growing: takes more and more memory"),
              ("bursty", "bursty: works in the shaded times only"))
RESOURCES = (("cpu", "processors, %", 25), ("memory", "memory, MB", 250))
WIDTH, LEFT, GAP, RIGHT = 1000, 56, 62, 16
TOP, HEIGHT, BETWEEN = 112, 150, 66
PLOT = (WIDTH - LEFT - GAP - RIGHT) / 2
SMOOTH = 3.0  # seconds of use that are drawn as one point

STYLE = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 } .axis { fill: #57606a; font-size: 12px } .end { text-anchor: end }
.middle { text-anchor: middle } .page { fill: #ffffff } .grid { stroke: #d0d7de; stroke-width: 1 }
.burst { fill: #8c959f; fill-opacity: .16 } .most { stroke: #57606a; stroke-width: 1.2; stroke-dasharray: 5 4 }
.given { stroke-width: 2.2; stroke-linejoin: round } .used { stroke-width: 1; fill: none; stroke-opacity: .85 }
.cpu_bound { stroke: #0969da; fill: #0969da } .growing { stroke: #bc4c00; fill: #bc4c00 }
.bursty { stroke: #1a7f37; fill: #1a7f37 } .given { fill-opacity: 0 } path.used { fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .axis { fill: #9198a1 } .page { fill: #0d1117 } .grid { stroke: #30363d }
.burst { fill: #9198a1; fill-opacity: .2 } .most { stroke: #9198a1 }
.cpu_bound { stroke: #58a6ff; fill: #58a6ff } .growing { stroke: #f0883e; fill: #f0883e }
.bursty { stroke: #3fb950; fill: #3fb950 } }
"""


def number(value):
    return f"{value:.1f}".removesuffix(".0")


class Plot:
    """One pair of axes: seconds to the right, amounts upwards."""

    def __init__(self, left, top, seconds, most):
        self.left, self.top, self.seconds, self.most = left, top, seconds, most

    def x(self, t):
        return self.left + PLOT * t / self.seconds

    def y(self, value):
        return self.top + HEIGHT * (1 - min(value, self.most) / self.most)

    def steps(self, points):
        """A path that holds each value until the next."""
        path, last = [], None
        for t, value in points:
            if last is None:
                path.append(f"M{number(self.x(t))} {number(self.y(value))}")
            elif value != last:
                path.append(f"H{number(self.x(t))}V{number(self.y(value))}")
            last = value
        return "".join(path) + (f"H{number(self.x(points[-1][0]))}" if points else "")

    def line(self, points):
        """A path through the means of a few seconds, broken where nobody knew."""
        path, sums, joined = [], {}, False
        for t, value in points:
            sums.setdefault(int(t // SMOOTH), []).append(value)
        for slot, values in sorted(sums.items()):
            known = [value for value in values if value is not None]
            if not known:
                joined = False
                continue
            at = (number(self.x(min(self.seconds, (slot + 0.5) * SMOOTH))), number(self.y(sum(known) / len(known))))
            path.append(f"{'L' if joined else 'M'}{at[0]} {at[1]}")
            joined = True
        return "".join(path)

    def frame(self, unit, step, minute):
        parts = []
        for value in range(0, int(self.most) + 1, step):
            parts.append(f'<line class="grid" x1="{self.left:g}" x2="{self.left + PLOT:g}" y1="{self.y(value):.1f}" '
                         f'y2="{self.y(value):.1f}"/><text class="axis end" x="{self.left - 6:g}" '
                         f'y="{self.y(value) + 4:.1f}">{value}</text>')
        for at in range(0, int(self.seconds) // 60 + 1, minute):
            parts.append(f'<text class="axis middle" x="{self.x(60 * at):.1f}" y="{self.top + HEIGHT + 16:g}">{at}'
                         "</text>")
        parts.append(f'<text class="axis" x="{self.left:g}" y="{self.top - 7:g}">{escape(unit)}</text>')
        return parts


def panel(name, rows, top):
    seconds = max(60.0, max(one[-1]["t"] for one in rows.values()))
    parts = []
    for column, (what, unit, step) in enumerate(RESOURCES):
        highest = max(max(row[what] or 0, row[f"{what}_used"] or 0, row[f"node_{what}"] or 0)
                      for one in rows.values() for row in one)
        most = 100 if what == "cpu" else step * -(-highest // step)
        plot = Plot(LEFT + column * (PLOT + GAP), top, seconds, most)
        for wants, begin, end in check.phases(rows.get("bursty", [])):
            if wants:
                parts.append(f'<rect class="burst" x="{plot.x(begin):.1f}" y="{top}" '
                             f'width="{plot.x(end) - plot.x(begin):.1f}" height="{HEIGHT}"/>')
        parts += plot.frame(unit, step if most / step <= 5 else 2 * step, 1 if seconds <= 300 else 2)
        some = next(iter(rows.values()))
        parts.append(f'<path class="most" fill="none" d="{plot.steps([(r["t"], r[f"node_{what}"]) for r in some])}"/>')
        for component, _ in COMPONENTS:
            one = rows.get(component, [])
            parts.append(f'<path class="used {component}" d="{plot.line([(r["t"], r[f"{what}_used"]) for r in one])}"/>')
        for component, _ in COMPONENTS:
            one = rows.get(component, [])
            parts.append(f'<path class="given {component}" d="{plot.steps([(r["t"], r[what]) for r in one])}"/>')
    parts.append(f'<text class="title" x="{LEFT}" y="{top - 26:g}">{escape(name)}</text>')
    return parts


def draw(runs):
    """The picture of {posture: {component: rows}}, as SVG."""
    names = [name for name in ORDER if name in runs] + sorted(set(runs) - set(ORDER))
    height = TOP + len(names) * (HEIGHT + BETWEEN) - 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
             f'height="{height}" role="img" aria-label="What three components were given and used, over time">',
             f"<style>{STYLE}</style>", f'<rect class="page" width="{WIDTH}" height="{height}"/>']
    x = LEFT
    for component, text in COMPONENTS:
        parts.append(f'<line class="{component}" x1="{x}" x2="{x + 22}" y1="20" y2="20" stroke-width="4"/>'
                     f'<text x="{x + 29}" y="24">{escape(text)}</text>')
        x += 318
    for x, drawn, text in ((LEFT, '<line class="cpu_bound" x1="56" x2="78" y1="44" y2="44" stroke-width="2.2"/>',
                            "thick: what it was given"),
                           (LEFT + 318, '<line class="cpu_bound" x1="374" x2="396" y1="44" y2="44" stroke-width="1"/>',
                            "thin: what it used"),
                           (LEFT + 636, '<line class="most" x1="692" x2="714" y1="44" y2="44"/>',
                            "dashed: all that can be given out")):
        parts.append(f'{drawn}<text x="{x + 29}" y="48">{escape(text)}</text>')
    for place, name in enumerate(names):
        parts += panel(name, runs[name], TOP + place * (HEIGHT + BETWEEN))
    parts.append(f'<text class="axis middle" x="{WIDTH / 2}" y="{height - 10}">minutes since the three were started'
                 "</text></svg>")
    return "\n".join(parts) + "\n"


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    runs = {table.stem: check.read_rows(table) for table in pathlib.Path(sys.argv[1]).glob("*.csv")}
    if not runs:
        print(f"chart: there is no .csv in {sys.argv[1]}: bench/live/run --out {sys.argv[1]}")
        return 2
    pathlib.Path(sys.argv[2]).write_text(draw(runs), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
