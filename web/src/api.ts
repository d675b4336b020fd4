// The documents of docs/api.md as far as the dashboard reads them, and the one function that fetches.
// Every field may be missing: the daemon may be older or newer than this page. Unknown is null.

export type Maybe<T> = T | null | undefined;
export type Level = 'ok' | 'warning' | 'critical' | 'emergency';

export interface RoomItem {
  resource: string;
  device: Maybe<string>;
  name: Maybe<string>;
  pressure?: Maybe<string>;
  why?: Maybe<string>;
  [term: string]: unknown;
}

export interface Gpu {
  id: string;
  index?: Maybe<number>;
  name?: Maybe<string>;
  memory_total_bytes?: Maybe<number>;
  memory_used_bytes?: Maybe<number>;
  busy_ratio?: Maybe<number>;
  temperature_celsius?: Maybe<number>;
  power_watts?: Maybe<number>;
  simulated?: Maybe<boolean>;
}

export interface Absent {
  sensor: string;
  reason?: Maybe<string>;
  fix?: Maybe<string>;
}

export interface Snapshot {
  revision?: Maybe<number>;
  at?: Maybe<string>;
  age_seconds?: Maybe<number>;
  sample?: Maybe<number>;
  took_seconds?: Maybe<number>;
  cpu?: Maybe<{ cores?: Maybe<number>; busy_ratio?: Maybe<number> }>;
  memory?: Maybe<{
    total_bytes?: Maybe<number>;
    available_bytes?: Maybe<number>;
    limit_bytes?: Maybe<number>;
    limit_used_bytes?: Maybe<number>;
  }>;
  gpu?: Maybe<Gpu[]>;
  absent?: Maybe<Absent[]>;
  room?: Maybe<{ items?: Maybe<RoomItem[]> }>;
}

export interface NodeInfo {
  name?: Maybe<string>;
  version?: Maybe<string>;
  uptime_seconds?: Maybe<number>;
  strategy?: Maybe<string>;
  profile?: Maybe<string>;
  health?: Maybe<string>;
  boot_id?: Maybe<string>;
  kernel?: Maybe<string>;
  started_at?: Maybe<string>;
  cores?: Maybe<number>;
  tier?: Maybe<string>;
  limits?: Maybe<{ resource?: Maybe<string>; limit_bytes?: Maybe<number>; group?: Maybe<string> }[]>;
  cannot?: Maybe<{ what?: Maybe<string>; reason?: Maybe<string>; fix?: Maybe<string> }[]>;
  sensors?: Maybe<{ name?: Maybe<string>; up?: Maybe<boolean>; reason?: Maybe<string>; fix?: Maybe<string> }[]>;
  own?: Maybe<{ memory_bytes?: Maybe<number>; cpu_seconds?: Maybe<number> }>;
}

export interface Setting {
  key: string;
  value?: unknown;
  origin?: Maybe<string>;
  alias?: Maybe<string>;
  about?: Maybe<string>;
}

export interface Pressure {
  resource: string;
  device: Maybe<string>;
  level?: Maybe<string>;
  value?: Maybe<number>;
  unit?: Maybe<string>;
  threshold?: Maybe<number>;
  clears_below?: Maybe<number>;
}

export interface Alert {
  id: string;
  severity?: Maybe<string>;
  resource?: Maybe<string>;
  device?: Maybe<string>;
  text?: Maybe<string>;
  value?: Maybe<number>;
  threshold?: Maybe<number>;
  since?: Maybe<string>;
  ended?: Maybe<string>;
  acknowledged?: Maybe<boolean>;
  recommendations?: Maybe<string[]>;
}

export interface Amounts {
  memory_bytes?: Maybe<number>;
  gpu_memory_bytes?: Maybe<number>;
  cpu_cores?: Maybe<number>;
  disk_bytes?: Maybe<number>;
}

export interface Lease {
  id: string;
  name?: Maybe<string>;
  state?: Maybe<string>;
  owner?: Maybe<string>;
  priority?: Maybe<string>;
  needs?: Maybe<Amounts>;
  booked?: Maybe<Amounts>;
  measured?: Maybe<Amounts>;
  peak?: Maybe<Amounts>;
  over?: Maybe<boolean>;
  device?: Maybe<string>;
  gpu_index?: Maybe<number>;
  mount?: Maybe<string>;
  asked_at?: Maybe<string>;
  granted_at?: Maybe<string>;
  ended_at?: Maybe<string>;
  expected_seconds?: Maybe<number>;
  expires_at?: Maybe<string>;
  place?: Maybe<number>;
  earliest?: Maybe<string>;
  why?: Maybe<string>;
}

export interface Happening {
  id: number;
  at?: Maybe<string>;
  type?: Maybe<string>;
  text?: Maybe<string>;
}

export interface History {
  unit?: Maybe<string>;
  points?: Maybe<[string, Maybe<number>][]>;
}

export interface Items<T> {
  items?: Maybe<T[]>;
}

/** Relative to the page, so that a proxy's prefix stays in front of it. */
export const kApi = 'api/v1/';

/**
 * Fetches one document. Throws an Error whose message is fit for people: the problem's own
 * detail where the daemon sent one, else the status or what the network said.
 */
export async function fetch_json<T>(path: string, timeout_ms = 5000): Promise<T> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout_ms);
  try {
    const answer = await fetch(kApi + path, { signal: abort.signal, cache: 'no-store' });
    if (!answer.ok) {
      const problem = (await answer.json().catch(() => null)) as { detail?: string; title?: string } | null;
      throw new Error(problem?.detail ?? problem?.title ?? `the daemon answered ${answer.status}`);
    }
    return (await answer.json()) as T;
  } catch (error) {
    if (abort.signal.aborted) throw new Error(`no answer within ${timeout_ms / 1000} s`);
    if (error instanceof TypeError) throw new Error('the daemon cannot be reached');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The list in a field that may be missing, null or something else. */
export function list<T>(value: Maybe<T[]>): T[] {
  return Array.isArray(value) ? value : [];
}

/** The number in a field that may be missing, null or something else. */
export function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
