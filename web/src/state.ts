// Everything the pages show, and the one function that changes it. Pure: time comes in with the action.
import {
  list,
  number,
  type Alert,
  type Happening,
  type History,
  type Items,
  type Lease,
  type NodeInfo,
  type Pressure,
  type Processes,
  type RoomItem,
  type Setting,
  type Snapshot,
} from './api';
import { parse_time } from './format';
import { followed, kNoTrack, parts_of, type Track } from './gpu';

/** How the page hears from the daemon. */
export type Link = 'starting' | 'live' | 'polling' | 'reconnecting';

/** One chart's points, oldest first. Seconds since 1970; null is a gap. Percent, °C or W, as the resource has it. */
export interface Series {
  at: number[];
  value: (number | null)[];
}

export interface State {
  link: Link;
  /** Why the last attempt failed; null while all is well. */
  trouble: string | null;
  node: NodeInfo | null;
  snapshot: Snapshot | null;
  /** The page's own clock (ms) when the snapshot came. */
  snapshot_came: number;
  /** The daemon's clock minus the page's (ms): times of the daemon are shown as it sees them. */
  clock_ahead: number;
  /** null: not read yet. */
  leases: Lease[] | null;
  alerts: Alert[] | null;
  pressure: Pressure[] | null;
  events: Happening[] | null;
  /** Who uses what; null while no page asks for it. */
  processes: Processes | null;
  settings: Setting[] | null;
  /** How often the stream was opened: what was missed meanwhile is asked for again. */
  opened: number;
  /** By series_key. */
  history: Readonly<Record<string, Series>>;
  /** By GPU: what its memory was made of while this page looked. */
  tracks: Readonly<Record<string, Track>>;
}

export type Action =
  | { kind: 'link'; link: Link; trouble: string | null }
  | { kind: 'node'; document: NodeInfo }
  | { kind: 'snapshot'; document: Snapshot; now: number }
  | { kind: 'leases'; document: Items<Lease> }
  | { kind: 'lease'; document: Lease }
  | { kind: 'alerts'; document: Items<Alert> }
  | { kind: 'alert'; document: Alert }
  | { kind: 'pressure'; document: Items<Pressure> }
  | { kind: 'events'; document: Items<Happening> }
  | { kind: 'event'; document: Happening }
  | { kind: 'processes'; document: Processes | null }
  | { kind: 'settings'; document: Items<Setting> }
  | { kind: 'history'; key: string; document: History };

export const kChartSeconds = 900;
export const kStaleSeconds = 3;
/** What is kept of each list, however long the daemon's is. */
const kKept = { leases: 2000, alerts: 500, events: 200, points: 2 * kChartSeconds, series: 264, tracks: 16, settings: 2000 };

export const kStart: State = {
  link: 'starting',
  trouble: null,
  node: null,
  snapshot: null,
  snapshot_came: 0,
  clock_ahead: 0,
  leases: null,
  alerts: null,
  pressure: null,
  events: null,
  processes: null,
  settings: null,
  opened: 0,
  history: {},
  tracks: {},
};

export function series_key(resource: string, device: string | null | undefined): string {
  return device ? `${resource} ${device}` : resource;
}

export function room_items(snapshot: Snapshot | null): RoomItem[] {
  return list(snapshot?.room?.items).filter((item) => item && typeof item.resource === 'string');
}

/** The readings that one snapshot adds to the charts, by series_key; null is a gap. */
export function chart_values(snapshot: Snapshot): Record<string, number | null> {
  const values: Record<string, number | null> = {};
  const percent = (ratio: unknown) => (number(ratio) === null ? null : 100 * number(ratio)!);
  values[series_key('cpu', null)] = percent(snapshot.cpu?.busy_ratio);

  const memory = snapshot.memory;
  const ratio = (used: number | null, total: number | null) =>
    used === null || total === null || total <= 0 ? null : (100 * used) / total;
  const total = number(memory?.total_bytes);
  const available = number(memory?.available_bytes);
  const whole = ratio(total !== null && available !== null ? total - available : null, total);
  const limited = ratio(number(memory?.limit_used_bytes), number(memory?.limit_bytes));
  values[series_key('memory', null)] = limited === null ? whole : Math.max(limited, whole ?? 0);

  for (const gpu of list(snapshot.gpu)) {
    // The numbers of a device that does not answer are old: they are no new point.
    const fresh = gpu.state == null || gpu.state === 'ok';
    const of = (value: number | null) => (fresh ? value : null);
    values[series_key('gpu_memory', gpu.id)] = of(ratio(number(gpu.memory_used_bytes), number(gpu.memory_total_bytes)));
    values[series_key('gpu_utilization', gpu.id)] = of(percent(gpu.busy_ratio));
    values[series_key('gpu_temperature', gpu.id)] = of(number(gpu.temperature_celsius));
    values[series_key('gpu_power', gpu.id)] = of(number(gpu.power_watts));
  }
  return values;
}

/** The tracks with what this snapshot says of each device. */
function followed_tracks(state: State, snapshot: Snapshot, at: number): State['tracks'] {
  const tracks: Record<string, Track> = {};
  const items = room_items(snapshot);
  for (const gpu of list(snapshot.gpu).slice(0, kKept.tracks)) {
    const fresh = gpu.state == null || gpu.state === 'ok';
    const item = items.find((each) => each.resource === 'gpu_memory' && each.device === gpu.id);
    tracks[gpu.id] = followed(state.tracks[gpu.id] ?? kNoTrack, {
      at,
      used: fresh ? number(gpu.memory_used_bytes) : null,
      parts: fresh ? parts_of(gpu, item, state.leases ?? [], state.processes) : [],
    });
  }
  return tracks;
}

function trimmed(series: Series): Series {
  const last = series.at[series.at.length - 1];
  if (last === undefined) return series;
  let first = Math.max(0, series.at.length - kKept.points);
  while (first < series.at.length && series.at[first]! < last - kChartSeconds) ++first;
  return first === 0 ? series : { at: series.at.slice(first), value: series.value.slice(first) };
}

function appended(series: Series | undefined, at: number, value: number | null): Series {
  const old = series ?? { at: [], value: [] };
  const last = old.at[old.at.length - 1];
  if (last !== undefined && at <= last) return old; // a repeated sample, or a clock set back
  return trimmed({ at: [...old.at, at], value: [...old.value, value] });
}

/** The points of a history that can be read, in the order of their time. */
export function read_history(document: History): Series {
  const series: Series = { at: [], value: [] };
  for (const point of list(document.points)) {
    const at = parse_time(point?.[0]);
    if (at === null || at / 1000 <= (series.at[series.at.length - 1] ?? -Infinity)) continue;
    series.at.push(at / 1000);
    series.value.push(number(point[1]));
  }
  return series;
}

/** Puts `item` in the place of the one with its id, or at the end; takes it out when `gone`. */
function replaced<T extends { id: unknown }>(items: T[], item: T, gone: boolean): T[] {
  const index = items.findIndex((other) => other.id === item.id);
  if (gone) return index < 0 ? items : items.filter((_, at) => at !== index);
  if (index < 0) return [...items, item];
  return items.map((other, at) => (at === index ? item : other));
}

export function reduce(state: State, action: Action): State {
  switch (action.kind) {
    case 'link':
      return {
        ...state,
        link: action.link,
        trouble: action.trouble,
        opened: state.opened + (action.link === 'live' ? 1 : 0),
      };
    case 'node':
      return { ...state, node: action.document };
    case 'snapshot': {
      const at = parse_time(action.document.at);
      const age = number(action.document.age_seconds) ?? 0;
      const history: Record<string, Series> = { ...state.history };
      if (at !== null) {
        let count = Object.keys(history).length;
        for (const [key, value] of Object.entries(chart_values(action.document))) {
          if (!(key in history) && ++count > kKept.series) continue;
          history[key] = appended(history[key], at / 1000, value);
        }
      }
      return {
        ...state,
        snapshot: action.document,
        snapshot_came: action.now,
        clock_ahead: at === null ? state.clock_ahead : at + age * 1000 - action.now,
        history,
        tracks: at === null ? state.tracks : followed_tracks(state, action.document, at / 1000),
      };
    }
    case 'leases':
      return { ...state, leases: list(action.document.items).slice(0, kKept.leases) };
    case 'lease':
      return {
        ...state,
        leases: replaced(state.leases ?? [], action.document, action.document.state === 'ended').slice(-kKept.leases),
      };
    case 'alerts':
      return { ...state, alerts: list(action.document.items).filter((alert) => !alert.ended).slice(-kKept.alerts) };
    case 'alert':
      return {
        ...state,
        alerts: replaced(state.alerts ?? [], action.document, action.document.ended != null).slice(-kKept.alerts),
      };
    case 'pressure':
      return { ...state, pressure: list(action.document.items) };
    case 'events':
      return { ...state, events: list(action.document.items).slice(0, kKept.events) };
    case 'event':
      if (state.events?.some((event) => event.id === action.document.id)) return state;
      return { ...state, events: [action.document, ...(state.events ?? [])].slice(0, kKept.events) };
    case 'processes':
      return { ...state, processes: action.document };
    case 'settings':
      return { ...state, settings: list(action.document.items).slice(0, kKept.settings) };
    case 'history': {
      if (!(action.key in state.history) && Object.keys(state.history).length >= kKept.series) return state;
      const read = trimmed(read_history(action.document));
      const shown = state.history[action.key];
      // The page may have seen further back than the daemon remembers.
      const before = shown ? shown.at.filter((at) => at < (read.at[0] ?? Infinity)).length : 0;
      const past = {
        at: [...(shown?.at.slice(0, before) ?? []), ...read.at],
        value: [...(shown?.value.slice(0, before) ?? []), ...read.value],
      };
      return { ...state, history: { ...state.history, [action.key]: trimmed(joined(past, shown)) } };
    }
  }
}

/** The past and, behind its end, what came by the stream meanwhile. */
export function joined(past: Series, live: Series | undefined): Series {
  const last = past.at[past.at.length - 1] ?? -Infinity;
  const newer = live ? live.at.findIndex((at) => at > last) : -1;
  if (newer < 0) return past;
  return { at: [...past.at, ...live!.at.slice(newer)], value: [...past.value, ...live!.value.slice(newer)] };
}

const kGapSeconds = 15;

/** The series with a gap wherever nothing was recorded for much longer than between its other points. */
export function with_gaps(series: Series): Series {
  const steps = series.at.slice(1).map((at, n) => at - series.at[n]!);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const most = Math.max(kGapSeconds, 4 * usual);
  if (!steps.some((step) => step > most)) return series;
  const open: Series = { at: [], value: [] };
  series.at.forEach((at, n) => {
    if (n > 0 && steps[n - 1]! > most) {
      open.at.push(series.at[n - 1]! + usual);
      open.value.push(null);
    }
    open.at.push(at);
    open.value.push(series.value[n]!);
  });
  return open;
}

/** True when the daemon takes no changes: every button is hidden then. */
export function is_readonly(state: State): boolean {
  const setting = state.settings?.find((each) => each.key === 'http.readonly');
  return setting?.value === true || setting?.value === 'true';
}

/** Seconds since the shown sample was taken; null before the first one. */
export function sample_age(state: State, now: number): number | null {
  if (state.snapshot === null) return null;
  return (number(state.snapshot.age_seconds) ?? 0) + Math.max(0, now - state.snapshot_came) / 1000;
}

const kSeverities = ['ok', 'warning', 'critical', 'emergency'];

/** Open alerts, the worst first, the newest first among equals. */
export function sorted_alerts(alerts: Alert[]): Alert[] {
  const rank = (alert: Alert) => kSeverities.indexOf(alert.severity ?? '');
  return [...alerts].sort(
    (a, b) => rank(b) - rank(a) || (parse_time(b.since) ?? 0) - (parse_time(a.since) ?? 0),
  );
}

/** Waiting leases by their place; those without one come last. */
export function waiting_leases(leases: Lease[]): Lease[] {
  return leases
    .filter((lease) => lease.state === 'waiting')
    .sort((a, b) => (number(a.place) ?? Infinity) - (number(b.place) ?? Infinity));
}

/** Leases that hold something, the oldest first. */
export function running_leases(leases: Lease[]): Lease[] {
  return leases
    .filter((lease) => lease.state !== 'waiting' && lease.state !== 'ended')
    .sort((a, b) => (parse_time(a.granted_at) ?? 0) - (parse_time(b.granted_at) ?? 0));
}
