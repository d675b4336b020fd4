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
  type RoomItem,
  type Snapshot,
} from './api';
import { parse_time } from './format';

/** How the page hears from the daemon. */
export type Link = 'starting' | 'live' | 'polling' | 'reconnecting';

/** One chart's points, oldest first. Seconds since 1970; null is a gap. */
export interface Series {
  at: number[];
  percent: (number | null)[];
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
  /** By series_key. */
  history: Readonly<Record<string, Series>>;
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
  | { kind: 'history'; key: string; document: History };

export const kChartSeconds = 900;
export const kStaleSeconds = 3;
/** What is kept of each list, however long the daemon's is. */
const kKept = { leases: 2000, alerts: 500, events: 200, points: 2 * kChartSeconds, series: 64 };

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
  history: {},
};

export function series_key(resource: string, device: string | null | undefined): string {
  return device ? `${resource} ${device}` : resource;
}

export function room_items(snapshot: Snapshot | null): RoomItem[] {
  return list(snapshot?.room?.items).filter((item) => item && typeof item.resource === 'string');
}

/** The percentages that one snapshot adds to the charts; null is a gap. */
export function chart_values(snapshot: Snapshot): Record<string, number | null> {
  const values: Record<string, number | null> = {};
  const busy = number(snapshot.cpu?.busy_ratio);
  values[series_key('cpu', null)] = busy === null ? null : 100 * busy;

  const memory = snapshot.memory;
  const ratio = (used: number | null, total: number | null) =>
    used === null || total === null || total <= 0 ? null : (100 * used) / total;
  const total = number(memory?.total_bytes);
  const available = number(memory?.available_bytes);
  const whole = ratio(total !== null && available !== null ? total - available : null, total);
  const limited = ratio(number(memory?.limit_used_bytes), number(memory?.limit_bytes));
  values[series_key('memory', null)] = limited === null ? whole : Math.max(limited, whole ?? 0);

  for (const gpu of list(snapshot.gpu)) {
    const percent = ratio(number(gpu.memory_used_bytes), number(gpu.memory_total_bytes));
    values[series_key('gpu_memory', gpu.id)] = percent;
  }
  return values;
}

function trimmed(series: Series): Series {
  const last = series.at[series.at.length - 1];
  if (last === undefined) return series;
  let first = Math.max(0, series.at.length - kKept.points);
  while (first < series.at.length && series.at[first]! < last - kChartSeconds) ++first;
  return first === 0 ? series : { at: series.at.slice(first), percent: series.percent.slice(first) };
}

function appended(series: Series | undefined, at: number, percent: number | null): Series {
  const old = series ?? { at: [], percent: [] };
  const last = old.at[old.at.length - 1];
  if (last !== undefined && at <= last) return old; // a repeated sample, or a clock set back
  return trimmed({ at: [...old.at, at], percent: [...old.percent, percent] });
}

function read_history(document: History): Series {
  const series: Series = { at: [], percent: [] };
  for (const point of list(document.points)) {
    const at = parse_time(point?.[0]);
    if (at === null || at / 1000 <= (series.at[series.at.length - 1] ?? -Infinity)) continue;
    series.at.push(at / 1000);
    series.percent.push(number(point[1]));
  }
  return trimmed(series);
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
      return { ...state, link: action.link, trouble: action.trouble };
    case 'node':
      return { ...state, node: action.document };
    case 'snapshot': {
      const at = parse_time(action.document.at);
      const age = number(action.document.age_seconds) ?? 0;
      const history: Record<string, Series> = { ...state.history };
      if (at !== null) {
        for (const [key, percent] of Object.entries(chart_values(action.document))) {
          if (key in history || Object.keys(history).length < kKept.series)
            history[key] = appended(history[key], at / 1000, percent);
        }
      }
      return {
        ...state,
        snapshot: action.document,
        snapshot_came: action.now,
        clock_ahead: at === null ? state.clock_ahead : at + age * 1000 - action.now,
        history,
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
    case 'history': {
      const read = read_history(action.document);
      const shown = state.history[action.key];
      const last = read.at[read.at.length - 1] ?? -Infinity;
      // Samples may have come by the stream while the history was on its way.
      const newer = shown ? shown.at.findIndex((at) => at > last) : -1;
      const series =
        newer < 0
          ? read
          : trimmed({
              at: [...read.at, ...shown!.at.slice(newer)],
              percent: [...read.percent, ...shown!.percent.slice(newer)],
            });
      return { ...state, history: { ...state.history, [action.key]: series } };
    }
  }
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
