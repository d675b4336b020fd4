// One small chart of the last 15 minutes, in percent. The picture is uPlot's; what it says is also
// in words for those who do not see it, and the arrow keys move the cursor.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { format_clock, format_percent } from './format';
import { kChartSeconds, type Series } from './state';

const kHeight = 132;

interface Colours {
  line: string;
  fill: string;
  grid: string;
  text: string;
  threshold: string;
  font: string;
}

function read_colours(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    line: of('--accent'),
    fill: of('--accent-faint'),
    grid: of('--line'),
    text: of('--muted'),
    threshold: of('--threshold'),
    font: `11px ${style.fontFamily}`,
  };
}

function words_of(series: Series): { now: number | null; text: string } {
  const known = series.percent.filter((percent): percent is number => percent !== null);
  const now = series.percent[series.percent.length - 1] ?? null;
  if (known.length === 0) return { now, text: 'no samples yet' };
  const least = known.reduce((a, b) => Math.min(a, b));
  const most = known.reduce((a, b) => Math.max(a, b));
  return { now, text: `min ${format_percent(least)}, max ${format_percent(most)}` };
}

/** `threshold` is in percent; null draws no line. `end` is the right edge in seconds since 1970. */
export function Chart(props: {
  title: string;
  detail?: string;
  series: Series | undefined;
  threshold: number | null;
  end: number;
}) {
  const { title, detail, threshold, end } = props;
  const series = props.series ?? { at: [], percent: [] };
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const line = useRef<number | null>(threshold);
  const edge = useRef(end);
  const [pointed, set_pointed] = useState<number | null>(null);
  line.current = threshold;
  edge.current = end;

  useEffect(() => {
    const element = box.current!;
    let colours = read_colours(element);
    const axis = {
      stroke: () => colours.text,
      grid: { stroke: () => colours.grid, width: 1 },
      ticks: { show: false },
      font: colours.font,
    };
    const made = new uPlot(
      {
        width: Math.max(120, element.clientWidth),
        height: kHeight,
        padding: [8, 6, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { range: () => [edge.current - kChartSeconds, edge.current] },
          y: { range: () => [0, 100] },
        },
        axes: [
          {
            ...axis,
            size: 26,
            gap: 6,
            grid: { show: false },
            splits: () => [0.25, 0.5, 0.75].map((part) => edge.current - kChartSeconds * part).reverse(),
            values: (_: uPlot, splits: number[]) => splits.map((at) => format_clock(at * 1000, at * 1000)),
          },
          { ...axis, size: 40, gap: 6, splits: () => [0, 50, 100], values: (_: uPlot, splits: number[]) => splits.map((value) => `${value} %`) },
        ],
        series: [
          {},
          { stroke: () => colours.line, fill: () => colours.fill, width: 1.5, points: { show: false }, spanGaps: false },
        ],
        hooks: {
          setCursor: [(self) => set_pointed(self.cursor.idx ?? null)],
          draw: [
            (self) => {
              if (line.current === null) return;
              const { ctx, bbox } = self;
              const y = Math.round(self.valToPos(line.current, 'y', true)) + 0.5;
              ctx.save();
              ctx.strokeStyle = colours.threshold;
              ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
              ctx.lineWidth = devicePixelRatio;
              ctx.beginPath();
              ctx.moveTo(bbox.left, y);
              ctx.lineTo(bbox.left + bbox.width, y);
              ctx.stroke();
              ctx.restore();
            },
          ],
        },
      },
      [[], []],
      element,
    );
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: Math.max(120, element.clientWidth), height: kHeight }));
    sizes.observe(element);
    const themes = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)', '(forced-colors: active)'].map((query) =>
      matchMedia(query),
    );
    const recolour = () => {
      colours = read_colours(element);
      made.redraw(false, true);
    };
    for (const theme of themes) theme.addEventListener('change', recolour);
    return () => {
      for (const theme of themes) theme.removeEventListener('change', recolour);
      sizes.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    plot.current?.setData([series.at, series.percent]);
  }, [props.series, end, threshold]);

  const on_key = (event: KeyboardEvent) => {
    const self = plot.current;
    const last = series.at.length - 1;
    if (!self || last < 0) return;
    const from = self.cursor.idx ?? last;
    const step = Math.max(1, Math.round(last / 60));
    const moves: Record<string, number> = { ArrowLeft: from - step, ArrowRight: from + step, Home: 0, End: last };
    if (event.key === 'Escape') {
      self.setCursor({ left: -10, top: -10 });
      return;
    }
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const at = series.at[Math.max(0, Math.min(last, to))]!;
    self.setCursor({ left: self.valToPos(at, 'x'), top: 10 });
  };

  const words = words_of(series);
  const at = pointed === null ? undefined : series.at[pointed];
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">
          {title}
          {detail && <small> {detail}</small>}
        </span>
        <span class="chart-now">
          {at === undefined ? format_percent(words.now) : format_percent(series.percent[pointed!])}
          <small>{at === undefined ? 'now' : format_clock(at * 1000, at * 1000, true)}</small>
        </span>
      </figcaption>
      <div
        ref={box}
        class="chart-box"
        role="img"
        tabIndex={0}
        aria-label={`${title}, last 15 minutes: now ${format_percent(words.now)}, ${words.text}`}
        onKeyDown={on_key}
        onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      />
    </figure>
  );
}
