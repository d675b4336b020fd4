// The memory of one GPU over time, stacked by who holds it; what is empty above the stack is room.
import { useMemo, useState } from 'preact/hooks';
import { number, type Gpu, type Maybe, type RoomItem } from './api';
import { format_bytes, format_clock } from './format';
import { kNoTrack, type Moment, type Part, type Track } from './gpu';
import { Plot, type Ink, type Mark } from './plot';
import { with_gaps, type Series } from './state';
import { terms_of } from './room';
import { use_past, type Window } from './window';

const kHeight = 232;
const kGapSeconds = 150; // moments further apart than this have a hole between them
const kLeaseTones = 6;
const kProcessTones = 4;

/** One layer as it is drawn. */
export interface Layer {
  key: string;
  kind: Part['kind'] | 'recorded';
  name: string;
  tone: number; // which of the colours of its kind
}

export interface Stack {
  at: number[];
  layers: Layer[]; // from the bottom
  /** Of each layer the height of its upper edge; null where it is not known. Same order. */
  tops: (number | null)[][];
  /** Of each layer what it holds. */
  amounts: (number | null)[][];
}

const kOrder: Part['kind'][] = ['lease', 'process', 'other', 'promised', 'kept'];

/** What is drawn: the parts where this page saw them, elsewhere what the daemon recorded of the whole. */
export function stack_of(track: Track, past: Series, total_bytes: number | null, begin: number): Stack {
  const moments: Moment[] = [...track.older, ...track.recent].filter((moment) => moment.at >= begin);
  const covered = (at: number) => {
    let after = 0;
    for (let end = moments.length; after < end; ) {
      const middle = (after + end) >> 1;
      if (moments[middle]!.at < at) after = middle + 1;
      else end = middle;
    }
    if (after === moments.length) return false;
    if (moments[after]!.at === at) return true;
    return after > 0 && moments[after]!.at - moments[after - 1]!.at <= kGapSeconds;
  };
  const rows: { at: number; recorded: number | null; moment: Moment | null }[] = [];
  past.at.forEach((at, n) => {
    if (at < begin || covered(at)) return;
    const value = past.value[n] ?? null;
    rows.push({ at, recorded: value === null || total_bytes === null ? null : (value / 100) * total_bytes, moment: null });
  });
  for (const moment of moments) rows.push({ at: moment.at, recorded: null, moment });
  rows.sort((a, b) => a.at - b.at);
  // Where the two meet, the recorded area reaches to the stack.
  rows.forEach((row, n) => {
    if (row.moment && row.moment.used !== null && ((rows[n - 1] && !rows[n - 1]!.moment) || (rows[n + 1] && !rows[n + 1]!.moment)))
      row.recorded = row.moment.used;
  });

  const found = new Map<string, Layer>();
  for (const moment of moments)
    for (const part of moment.parts) found.set(part.key, { key: part.key, kind: part.kind, name: part.name, tone: 0 });
  const rank = (layer: Layer) => kOrder.indexOf(layer.kind as Part['kind']);
  const layers = [...found.values()].sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key, 'en', { numeric: true }));
  const counts: Record<string, number> = {};
  for (const layer of layers) {
    layer.tone = counts[layer.kind] ?? 0;
    counts[layer.kind] = layer.tone + 1;
  }
  const amounts = layers.map((layer) =>
    rows.map((row) => {
      if (!row.moment || row.moment.used === null) return null;
      return row.moment.parts.find((part) => part.key === layer.key)?.bytes ?? 0;
    }),
  );
  const sums = rows.map(() => 0);
  const tops = amounts.map((amount) => amount.map((bytes, n) => (bytes === null ? null : (sums[n] = sums[n]! + bytes))));
  if (rows.some((row) => row.recorded !== null)) {
    layers.unshift({ key: 'recorded', kind: 'recorded', name: 'in use, by whom was not recorded', tone: 0 });
    tops.unshift(rows.map((row) => row.recorded));
    amounts.unshift(rows.map((row) => (row.moment ? null : row.recorded)));
  }
  return { at: rows.map((row) => row.at), layers, tops, amounts };
}

export function ink_of(layer: Layer): Ink {
  switch (layer.kind) {
    case 'lease':
      return { key: layer.key, line: '--panel', fill: `--lease-${(layer.tone % kLeaseTones) + 1}` };
    case 'process':
      return { key: layer.key, line: '--panel', fill: `--process-${(layer.tone % kProcessTones) + 1}`, hatch: 'slanted' };
    case 'promised':
      return { key: layer.key, line: '--accent', fill: '--panel', hatch: 'slanted' };
    case 'kept':
      return { key: layer.key, line: '--kept-line', fill: '--kept', hatch: 'upright' };
    case 'other':
      return { key: layer.key, line: '--panel', fill: '--other', hatch: 'dotted' };
    default:
      return { key: layer.key, line: '--line-strong', fill: '--recorded' };
  }
}

function swatch_of(layer: Layer): string {
  const tones = layer.kind === 'lease' ? kLeaseTones : kProcessTones;
  const tone = layer.kind === 'lease' || layer.kind === 'process' ? ` tone-${(layer.tone % tones) + 1}` : '';
  return `swatch layer-${layer.kind}${tone}`;
}

export function MemoryStack(props: {
  gpu: Gpu;
  item: Maybe<RoomItem>;
  track: Track | undefined;
  window: Window;
  marks: Mark[]; // in bytes
  end: number;
}) {
  const { gpu, item, window, end } = props;
  const [pointed, set_pointed] = useState<number | null>(null);
  const past = use_past('gpu_memory', gpu.id, window);
  const total = number(gpu.memory_total_bytes);
  const track = props.track ?? kNoTrack;
  const stack = useMemo(
    () => stack_of(track, with_gaps(past.series), total, end - window.seconds - 60),
    [track, past.series, total, window.seconds, Math.floor(end / 30)],
  );
  const drawn = useMemo(() => ({ columns: [...stack.tops].reverse(), inks: stack.layers.map(ink_of).reverse() }), [stack]);
  const top = Math.max(1, total ?? 0, item ? (terms_of(item).capacity ?? 0) : 0);
  const ticks = useMemo(() => [0, top / 2, top], [top]);
  const room = item ? terms_of(item).room : null;

  const last = stack.at.length - 1;
  const index = pointed !== null && pointed <= last ? pointed : last;
  const at = stack.at[index];
  const shown = stack.layers
    .map((layer, n) => ({ layer, bytes: stack.amounts[n]![index] ?? null }))
    .filter(({ bytes }) => bytes !== null && bytes > 0)
    .reverse();
  const words = shown.map(({ layer, bytes }) => `${layer.name} ${format_bytes(bytes)}`).join(', ');
  if (gpu.state === 'asleep' || gpu.state === 'lost') {
    const known = stack.tops.some((tops) => tops.some((bytes) => bytes !== null));
    if (!known) return <p class="quiet">Nothing was recorded of its memory in the last {window.title}.</p>;
  }
  return (
    <figure class="stack">
      <Plot
        label={`${gpu.name ?? gpu.id} memory, last ${window.title}; ${pointed === null ? 'now' : format_clock(at! * 1000, at! * 1000)}: ${words || 'nothing known'}${room === null ? '' : `, room ${format_bytes(room)}`}`}
        at={stack.at}
        columns={drawn.columns}
        inks={drawn.inks}
        top={top}
        ticks={ticks}
        format={(value) => (value === 0 ? '0' : format_bytes(value).replace('.0', ''))}
        marks={props.marks}
        end={end}
        seconds={window.seconds}
        height={kHeight}
        point={set_pointed}
      />
      <figcaption>
        <p class="stack-when">{pointed === null || at === undefined ? 'memory now, from the top' : `memory at ${format_clock(at * 1000, end * 1000, true)}`}</p>
        <ul class="stack-legend">
          {pointed === null && room !== null && (
            <li>
              <span class="swatch seg-room" aria-hidden="true" />
              <span class="stack-name">room</span>
              <span class="stack-amount">{format_bytes(room)}</span>
            </li>
          )}
          {shown.map(({ layer, bytes }) => (
            <li key={layer.key}>
              <span class={swatch_of(layer)} aria-hidden="true" />
              <span class="stack-name" title={layer.name}>
                {layer.name}
                {layer.kind === 'lease' && <small> lease</small>}
                {layer.kind === 'process' && <small> no lease</small>}
              </span>
              <span class="stack-amount">{format_bytes(bytes)}</span>
            </li>
          ))}
          {shown.length === 0 && <li class="quiet">{at === undefined ? 'Nothing is known yet.' : gpu.state === 'stale' && pointed === null ? `last known: ${format_bytes(number(gpu.memory_used_bytes))} in use` : 'not known'}</li>}
        </ul>
        {past.trouble && <p class="chart-trouble">No past: {past.trouble}.</p>}
      </figcaption>
    </figure>
  );
}
