// A small chart of one resource: its name, its value now or under the cursor, and its past.
import { useMemo, useState } from 'preact/hooks';
import { number, type Maybe } from './api';
import { format_clock, format_percent, kUnknown } from './format';
import { Plot, type Ink, type Mark } from './plot';
import { with_gaps, type Series } from './state';
import { use_past, type Window } from './window';

const kHeight = 132;

/** What the numbers of a chart are, and how far its scale reaches. */
export interface Scale {
  format: (value: Maybe<number>) => string;
  top: number | null; // null: what the values need
}

export const kPercent: Scale = { format: format_percent, top: 100 };

/** The end of a scale that holds `most`: 1, 2, 5 times a power of ten. */
export function round_top(most: number): number {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return power * [1, 2, 5, 10].find((step) => step * power >= most)!;
}

function words_of(series: Series, scale: Scale): { now: number | null; text: string } {
  const known = series.value.filter((value): value is number => value !== null);
  const now = series.value[series.value.length - 1] ?? null;
  if (known.length === 0) return { now, text: 'no samples yet' };
  const least = known.reduce((a, b) => Math.min(a, b));
  const most = known.reduce((a, b) => Math.max(a, b));
  return { now, text: `min ${scale.format(least)}, max ${scale.format(most)}` };
}

const kInks: Ink[] = [{ key: 'value', line: '--accent', fill: '--accent-faint' }];

/** `marks` are the thresholds on its scale. `end` is the right edge in seconds since 1970. */
export function Chart(props: {
  title: string;
  detail?: string;
  resource: string;
  device?: Maybe<string>;
  window: Window;
  scale?: Scale;
  marks: Mark[];
  end: number;
  height?: number;
}) {
  const { title, detail, window, marks, end } = props;
  const past = use_past(props.resource, props.device ?? null, window);
  return (
    <Curve title={title} detail={detail} series={past.series} trouble={past.trouble} window={window} scale={props.scale} marks={marks} end={end} height={props.height} />
  );
}

/** The same of a series that is at hand. */
export function Curve(props: {
  title: string;
  detail?: string;
  series: Series;
  trouble?: string | null;
  window: Pick<Window, 'seconds' | 'title'>;
  scale?: Scale;
  marks: Mark[];
  end: number;
  height?: number;
}) {
  const { title, detail, window, marks, end } = props;
  const scale = props.scale ?? kPercent;
  const [pointed, set_pointed] = useState<number | null>(null);
  const series = useMemo(() => {
    const begin = end - window.seconds - 60;
    const first = props.series.at.findIndex((at) => at >= begin);
    const shown = first <= 0 ? props.series : { at: props.series.at.slice(first), value: props.series.value.slice(first) };
    return with_gaps(shown);
  }, [props.series, window.seconds, Math.floor(end / 30)]);
  const columns = useMemo(() => [series.value], [series]);
  const words = words_of(series, scale);
  const most = series.value.reduce<number>((top, value) => Math.max(top, value ?? 0), 0);
  const top = scale.top ?? round_top(Math.max(most, ...marks.map((mark) => mark.value)));
  const ticks = useMemo(() => [0, top / 2, top], [top]);
  const at = pointed === null ? undefined : series.at[pointed];
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">
          {title}
          {detail && <small> {detail}</small>}
        </span>
        <span class="chart-now">
          {scale.format(at === undefined ? words.now : number(series.value[pointed!]))}
          <small>{at === undefined ? 'now' : format_clock(at * 1000, at * 1000, true)}</small>
        </span>
      </figcaption>
      <Plot
        label={`${title}, last ${window.title === '15 min' ? '15 minutes' : window.title}: now ${scale.format(words.now)}, ${words.text}`}
        at={series.at}
        columns={columns}
        inks={kInks}
        top={top}
        ticks={ticks}
        format={(value) => scale.format(value).replace(kUnknown, '')}
        marks={marks}
        end={end}
        seconds={window.seconds}
        height={props.height ?? kHeight}
        point={set_pointed}
      />
      {props.trouble && <p class="chart-trouble">No past: {props.trouble}.</p>}
    </figure>
  );
}
