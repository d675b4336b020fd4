// One picture over time, drawn by uPlot: lines or a stack of areas, and dashed lines for thresholds.
// What it says is in words beside it, for those who do not see it; the arrow keys move the cursor.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { format_clock } from './format';

/** How one column is drawn. Colours are names of CSS properties: "--accent". */
export interface Ink {
  key: string;
  line?: string;
  fill?: string;
  hatch?: 'slanted' | 'upright' | 'dotted'; // over the fill, in the colour of the line
  dash?: number[]; // of the line: pixels drawn and left out in turn
}

export interface Mark {
  value: number;
  label: string;
}

export interface PlotProps {
  label: string; // what is read out
  at: number[]; // seconds since 1970, growing
  columns: (number | null)[][]; // one for each ink; drawn in this order, the last on top
  inks: Ink[];
  top: number; // the upper end of the scale; its lower end is 0
  ticks: number[];
  format: (value: number) => string;
  marks: Mark[];
  end: number; // the right edge, seconds since 1970
  seconds: number; // from the left edge to the right one
  height: number;
  point: (index: number | null) => void; // where the cursor is
}

type Colours = (name: string) => string;

function colours_at(element: Element): Colours {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(name).trim();
}

/** A fill that is told from others without its colour. */
function hatched(ink: Ink, colours: Colours): string | CanvasPattern {
  const ground = ink.fill ? colours(ink.fill) : 'transparent';
  if (!ink.hatch) return ground;
  const size = 6 * devicePixelRatio;
  const tile = document.createElement('canvas');
  tile.width = tile.height = Math.round(size);
  const context = tile.getContext('2d');
  if (!context) return ground;
  context.fillStyle = ground;
  context.fillRect(0, 0, size, size);
  context.strokeStyle = context.fillStyle = colours(ink.line ?? '--muted');
  context.lineWidth = 1.2 * devicePixelRatio;
  context.beginPath();
  if (ink.hatch === 'upright') {
    context.moveTo(size / 2, 0);
    context.lineTo(size / 2, size);
  } else if (ink.hatch === 'slanted') {
    for (const shift of [-size, 0, size]) {
      context.moveTo(shift, size);
      context.lineTo(shift + size, 0);
    }
  } else {
    context.arc(size / 2, size / 2, devicePixelRatio, 0, 7);
    context.fill();
    context.beginPath();
  }
  context.stroke();
  return context.createPattern(tile, 'repeat') ?? ground;
}

/** The label of a time on an axis that is `seconds` long. */
export function axis_time(at: number, seconds: number): string {
  if (seconds > 2 * 86400) return new Date(at * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return format_clock(at * 1000, at * 1000);
}

export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  const keys = props.inks.map((ink) => ink.key).join('\n');

  useEffect(() => {
    const element = box.current!;
    let colours = colours_at(element);
    const axis = {
      stroke: () => colours('--muted'),
      grid: { stroke: () => colours('--line'), width: 1 },
      ticks: { show: false },
      font: `11px ${getComputedStyle(element).fontFamily}`,
    };
    const draw_marks = (self: uPlot) => {
      const { ctx, bbox } = self;
      const ratio = devicePixelRatio;
      ctx.save();
      ctx.fillStyle = colours('--threshold');
      ctx.font = `${10 * ratio}px ${getComputedStyle(element).fontFamily}`;
      ctx.lineJoin = 'round';
      ctx.textAlign = 'right';
      ctx.textBaseline = 'bottom';
      let right = bbox.left + bbox.width - 4 * ratio; // each word has a place of its own: lines may be close together
      let written = Infinity;
      for (const mark of [...now.current.marks].sort((a, b) => a.value - b.value)) {
        if (mark.value > now.current.top) continue;
        const y = Math.round(self.valToPos(mark.value, 'y', true)) + 0.5;
        ctx.strokeStyle = colours('--threshold');
        ctx.lineWidth = ratio;
        ctx.setLineDash([4 * ratio, 4 * ratio]);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        if (!mark.label || written - y < 7 * ratio) continue;
        written = y;
        ctx.strokeStyle = colours('--panel'); // a halo, to be read on the stack too
        ctx.lineWidth = 3 * ratio;
        ctx.setLineDash([]);
        ctx.strokeText(mark.label, right, y - ratio);
        ctx.fillText(mark.label, right, y - ratio);
        right -= ctx.measureText(mark.label).width + 10 * ratio;
      }
      ctx.restore();
    };
    const made = new uPlot(
      {
        width: Math.max(120, element.clientWidth),
        height: now.current.height,
        padding: [8, 6, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: now.current.inks.length === 1, size: 7 } },
        scales: {
          x: { range: () => [now.current.end - now.current.seconds, now.current.end] },
          y: { range: () => [0, now.current.top] },
        },
        axes: [
          {
            ...axis,
            size: 26,
            gap: 6,
            grid: { show: false },
            splits: () => [0.75, 0.5, 0.25].map((part) => now.current.end - now.current.seconds * part),
            values: (_: uPlot, splits: number[]) => splits.map((at) => axis_time(at, now.current.seconds)),
          },
          {
            ...axis,
            size: (_: uPlot, values: string[] | null) => 14 + 6.2 * Math.max(4, ...(values ?? []).map((text) => text.length)),
            gap: 6,
            splits: () => now.current.ticks,
            values: (_: uPlot, splits: number[]) => splits.map((value) => now.current.format(value)),
          },
        ],
        series: [
          {},
          ...now.current.inks.map((ink) => ({
            stroke: () => (ink.line ? colours(ink.line) : 'transparent'),
            fill: () => hatched(ink, colours) as string, // uPlot hands it to the canvas, which takes a pattern too
            width: ink.line ? 1.5 : 0,
            ...(ink.dash ? { dash: ink.dash } : {}),
            points: { show: false },
            spanGaps: false,
          })),
        ],
        hooks: { setCursor: [(self) => now.current.point(self.cursor.idx ?? null)], draw: [draw_marks] },
      },
      [now.current.at, ...now.current.columns],
      element,
    );
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: Math.max(120, element.clientWidth), height: now.current.height }));
    sizes.observe(element);
    const themes = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)', '(forced-colors: active)'].map((query) =>
      matchMedia(query),
    );
    const recolour = () => {
      colours = colours_at(element);
      made.setData([now.current.at, ...now.current.columns]);
    };
    for (const theme of themes) theme.addEventListener('change', recolour);
    return () => {
      for (const theme of themes) theme.removeEventListener('change', recolour);
      sizes.disconnect();
      made.destroy();
      plot.current = null;
      now.current.point(null);
    };
  }, [keys, props.height]);

  useEffect(() => {
    plot.current?.setData([props.at, ...props.columns]);
  }, [props.at, props.columns, props.end, props.seconds, props.top, props.marks]);

  const on_key = (event: KeyboardEvent) => {
    const self = plot.current;
    const { at } = props;
    const last = at.length - 1;
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
    self.setCursor({ left: self.valToPos(at[Math.max(0, Math.min(last, to))]!, 'x'), top: 10 });
  };

  return (
    <div
      ref={box}
      class="chart-box"
      style={{ height: `${props.height}px` }}
      role="img"
      tabIndex={0}
      aria-label={props.label}
      onKeyDown={on_key}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
    />
  );
}
