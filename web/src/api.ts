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

/** What one process holds on one GPU. */
export interface GpuProcess {
  pid: number;
  memory_bytes?: Maybe<number>;
  kind?: Maybe<string>;
}

export interface Gpu {
  id: string;
  index?: Maybe<number>;
  name?: Maybe<string>;
  /** Of a MIG slice: the id of the device it is cut from. */
  parent?: Maybe<string>;
  pci?: Maybe<string>;
  state?: Maybe<string>; // ok, asleep, stale, lost
  state_reason?: Maybe<string>;
  age_seconds?: Maybe<number>;
  memory_total_bytes?: Maybe<number>;
  memory_used_bytes?: Maybe<number>;
  memory_reserved_bytes?: Maybe<number>;
  busy_ratio?: Maybe<number>;
  memory_busy_ratio?: Maybe<number>;
  temperature_celsius?: Maybe<number>;
  temperature_limit_celsius?: Maybe<number>;
  power_watts?: Maybe<number>;
  power_limit_watts?: Maybe<number>;
  energy_joules_total?: Maybe<number>;
  clock_mhz?: Maybe<number>;
  memory_clock_mhz?: Maybe<number>;
  fan_ratio?: Maybe<number>;
  received_bytes_per_second?: Maybe<number>;
  sent_bytes_per_second?: Maybe<number>;
  slowed?: Maybe<string[]>;
  ecc_corrected_total?: Maybe<number>;
  ecc_uncorrected_total?: Maybe<number>;
  last_xid?: Maybe<number>;
  xids_total?: Maybe<number>;
  compute?: Maybe<number>;
  processes_known?: Maybe<boolean>;
  processes?: Maybe<GpuProcess[]>;
  simulated?: Maybe<boolean>;
}

export interface Process {
  pid: number;
  parent?: Maybe<number>;
  user?: Maybe<string>;
  uid?: Maybe<number>;
  name?: Maybe<string>;
  command?: Maybe<string>; // null: this caller may not see it
  unit?: Maybe<string>;
  container?: Maybe<string>;
  engine?: Maybe<string>;
  pod?: Maybe<string>;
  memory_bytes?: Maybe<number>;
  resident_bytes?: Maybe<number>;
  cpu_cores?: Maybe<number>;
  cpu_seconds_total?: Maybe<number>;
  gpu_memory_bytes?: Maybe<number>;
  gpus?: Maybe<{ device: string; index?: Maybe<number>; memory_bytes?: Maybe<number> }[]>;
  lease?: Maybe<string>;
  lease_name?: Maybe<string>;
  started_at?: Maybe<string>;
}

export interface Processes extends Items<Process> {
  at?: Maybe<string>;
  age_seconds?: Maybe<number>;
  took_seconds?: Maybe<number>;
  total?: Maybe<number>;
  kernel_threads?: Maybe<number>;
  unattributed?: Maybe<{ device: string; index?: Maybe<number>; memory_bytes?: Maybe<number>; reserved_bytes?: Maybe<number> }[]>;
}

export interface Core {
  number: number;
  busy_ratio?: Maybe<number>;
  iowait_ratio?: Maybe<number>;
  steal_ratio?: Maybe<number>;
}

export interface Numa {
  number: number;
  total_bytes?: Maybe<number>;
  free_bytes?: Maybe<number>;
  file_bytes?: Maybe<number>;
}

export interface Disk {
  name: string;
  read_bytes_per_second?: Maybe<number>;
  written_bytes_per_second?: Maybe<number>;
  operations_per_second?: Maybe<number>;
  busy_ratio?: Maybe<number>;
}

export interface Filesystem {
  mount: string;
  source?: Maybe<string>;
  type?: Maybe<string>;
  total_bytes?: Maybe<number>;
  free_bytes?: Maybe<number>;
  available_bytes?: Maybe<number>;
  network?: Maybe<boolean>;
  stale?: Maybe<boolean>;
  inodes_total?: Maybe<number>;
  inodes_free?: Maybe<number>;
}

export interface Interface {
  name: string;
  received_bytes_per_second?: Maybe<number>;
  sent_bytes_per_second?: Maybe<number>;
  errors_total?: Maybe<number>;
  dropped_total?: Maybe<number>;
  speed_bytes_per_second?: Maybe<number>;
  up?: Maybe<boolean>;
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
  cpu?: Maybe<{
    cores?: Maybe<number>;
    busy_ratio?: Maybe<number>;
    user_ratio?: Maybe<number>;
    system_ratio?: Maybe<number>;
    iowait_ratio?: Maybe<number>;
    steal_ratio?: Maybe<number>;
    load?: Maybe<number[]>;
    each?: Maybe<Core[]>;
  }>;
  memory?: Maybe<{
    total_bytes?: Maybe<number>;
    available_bytes?: Maybe<number>;
    free_bytes?: Maybe<number>;
    used_bytes?: Maybe<number>;
    cached_bytes?: Maybe<number>;
    shared_bytes?: Maybe<number>;
    dirty_bytes?: Maybe<number>;
    huge_total_bytes?: Maybe<number>;
    huge_free_bytes?: Maybe<number>;
    arc_bytes?: Maybe<number>;
    arc_least_bytes?: Maybe<number>;
    zram_bytes?: Maybe<number>;
    zswap_bytes?: Maybe<number>;
    swap_total_bytes?: Maybe<number>;
    swap_free_bytes?: Maybe<number>;
    limit_bytes?: Maybe<number>;
    limit_used_bytes?: Maybe<number>;
    limit_group?: Maybe<string>;
  }>;
  numa?: Maybe<Numa[]>;
  disk?: Maybe<Disk[]>;
  filesystem?: Maybe<Filesystem[]>;
  network?: Maybe<Interface[]>;
  temperature?: Maybe<{ sensor: string; celsius?: Maybe<number>; limit_celsius?: Maybe<number> }[]>;
  power?: Maybe<{ sensor: string; watts?: Maybe<number>; joules_total?: Maybe<number> }[]>;
  gpu_driver?: Maybe<string>;
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
  /** null: nothing has a price. */
  cost?: Maybe<NodeCost>;
}

/** All amounts in `currency`. */
export interface NodeCost {
  currency?: Maybe<string>;
  per_hour?: Maybe<number>;
  leases_per_hour?: Maybe<number>;
  month?: Maybe<string>; // 2026-11
  spent?: Maybe<number>;
  spent_before?: Maybe<number>;
  budget?: Maybe<number>;
  spent_at?: Maybe<string>;
  until?: Maybe<string>;
}

export interface Setting {
  key: string;
  value?: unknown;
  origin?: Maybe<string>;
  alias?: Maybe<string>;
  about?: Maybe<string>;
  /** A change of it takes effect when the daemon starts again. */
  at_start?: Maybe<boolean>;
}

export interface Pressure {
  resource: string;
  device: Maybe<string>;
  level?: Maybe<string>;
  value?: Maybe<number>;
  unit?: Maybe<string>;
  threshold?: Maybe<number>;
  clears_below?: Maybe<number>;
  /** What is done about it, and why; of the node's memory only. */
  step?: Maybe<string>;
  step_number?: Maybe<number>;
  step_why?: Maybe<string>;
}

export interface Forecast {
  resource: string;
  device: Maybe<string>;
  /** Until it is at 100 %, where it goes there within a week. */
  full_in_seconds?: Maybe<number>;
  /** The probability that it is full at twice that time. */
  full_confidence?: Maybe<number>;
}

export interface Alert {
  id: string;
  severity?: Maybe<string>;
  resource?: Maybe<string>;
  device?: Maybe<string>;
  /** Of the device: "GPU 0", or where it is mounted. */
  name?: Maybe<string>;
  text?: Maybe<string>;
  value?: Maybe<number>;
  threshold?: Maybe<number>;
  since?: Maybe<string>;
  ended?: Maybe<string>;
  acknowledged?: Maybe<boolean>;
  muted_until?: Maybe<string>;
  recommendations?: Maybe<string[]>;
}

export interface Amounts {
  memory_bytes?: Maybe<number>;
  gpu_memory_bytes?: Maybe<number>;
  cpu_cores?: Maybe<number>;
  disk_bytes?: Maybe<number>;
}

export interface LeaseDevice {
  device: string;
  gpu_index?: Maybe<number>;
  booked_bytes?: Maybe<number>;
  measured_bytes?: Maybe<number>;
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
  /** Its processes stand still. */
  frozen?: Maybe<boolean>;
  device?: Maybe<string>;
  gpu_index?: Maybe<number>;
  /** All of its GPUs, where it holds several. */
  devices?: Maybe<LeaseDevice[]>;
  mount?: Maybe<string>;
  asked_at?: Maybe<string>;
  granted_at?: Maybe<string>;
  ended_at?: Maybe<string>;
  expected_seconds?: Maybe<number>;
  expires_at?: Maybe<string>;
  place?: Maybe<number>;
  earliest?: Maybe<string>;
  why?: Maybe<string>;
  /** What of its booking it has not used for long. */
  idle?: Maybe<string>;
  holder?: Maybe<{ pid?: Maybe<number> }>; // null: tied to time only
  parent?: Maybe<string>;
  reason?: Maybe<string>; // why it ended
  exit_status?: Maybe<number>;
  oom_kills?: Maybe<number>;
  /** The model that it keeps in memory or, with `use`, only uses. */
  model?: Maybe<string>;
  use?: Maybe<boolean>;
  /** Of what it has booked, in the currency of the node's cost; null: nothing has a price. */
  cost?: Maybe<number>;
  cost_per_hour?: Maybe<number>;
}

export interface Model {
  name: string;
  source?: Maybe<string>;
  state?: Maybe<string>; // known, waiting, loading, resident, draining
  lease?: Maybe<string>;
  engine?: Maybe<string>;
  device?: Maybe<string>;
  device_index?: Maybe<number>;
  needs?: Maybe<{ memory_bytes?: Maybe<number>; gpu_memory_bytes?: Maybe<number>; compute?: Maybe<number> }>;
  needs_from?: Maybe<string>;
  size?: Maybe<{ memory_bytes?: Maybe<number>; gpu_memory_bytes?: Maybe<number> }>;
  priority?: Maybe<string>;
  pinned?: Maybe<boolean>;
  hook?: Maybe<string>;
  load_seconds?: Maybe<number>;
  batch?: Maybe<number>;
  notes?: Maybe<string>;
  uses?: Maybe<number>;
  last_used?: Maybe<string>;
  resident_since?: Maybe<string>;
  unload_order?: Maybe<number>; // null: it stays
  until?: Maybe<string>; // evictable, or why it stays
  requests?: Maybe<number>;
  hits?: Maybe<number>;
}

/** What a component has of one resource now, in the unit beside it. */
export interface Allotment {
  resource: string;
  unit?: Maybe<string>;
  allocation?: Maybe<number>;
  /** Asked of it, not answered yet. */
  asked?: Maybe<number>;
  demand?: Maybe<number>;
  used?: Maybe<number>;
  amount?: Maybe<number>; // what it is meant to have while nothing better is known
  least?: Maybe<number>;
  most?: Maybe<number>;
  lent?: Maybe<number>;
  method?: Maybe<string>;
  confidence?: Maybe<number>;
  forecast?: Maybe<{ value?: Maybe<number>; lo?: Maybe<number>; hi?: Maybe<number>; horizon_seconds?: Maybe<number> }>;
  /** Of its forecasts until now, a share. */
  accuracy?: Maybe<number>;
}

/** Bounds of one resource, in the unit beside them. */
export interface QuotaPart {
  resource: string;
  unit?: Maybe<string>;
  amount?: Maybe<number>;
  least?: Maybe<number>;
  most?: Maybe<number>;
}

export interface Quota {
  component?: Maybe<string>;
  priority?: Maybe<string>;
  enforce?: Maybe<boolean>;
  buffer_percent?: Maybe<number>;
  resources?: Maybe<QuotaPart[]>;
  windows?: Maybe<{ during: string; priority?: Maybe<string>; resources?: Maybe<QuotaPart[]> }[]>;
}

export interface Setter {
  name: string;
  unit?: Maybe<string>;
  least?: Maybe<number>;
  most?: Maybe<number>;
  follows?: Maybe<string>;
  whole?: Maybe<boolean>;
  value?: Maybe<number>;
}

export interface Component {
  name: string;
  owner?: Maybe<number>;
  state?: Maybe<string>; // known, registered, connected, unresponsive
  priority?: Maybe<string>;
  window?: Maybe<string>;
  pid?: Maybe<number>;
  lease?: Maybe<string>;
  since?: Maybe<string>;
  heard?: Maybe<string>;
  setters?: Maybe<Setter[]>;
  resources?: Maybe<Allotment[]>;
  asks?: Maybe<{
    asked?: Maybe<number>;
    applied?: Maybe<number>;
    failed?: Maybe<number>;
    timed_out?: Maybe<number>;
    answers_in_seconds?: Maybe<number>;
  }>;
  problem?: Maybe<string>;
  quota?: Maybe<Quota>;
  /** Of its own lease; null: nothing has a price, or it has none. */
  cost?: Maybe<number>;
  cost_per_hour?: Maybe<number>;
}

/** One change of an allocation, or why there was none. */
export interface Decision {
  id?: Maybe<number>;
  component?: Maybe<string>;
  at?: Maybe<string>;
  resource?: Maybe<string>;
  unit?: Maybe<string>;
  old?: Maybe<number>;
  new?: Maybe<number>;
  applied?: Maybe<number>;
  outcome?: Maybe<string>; // asked, applied, failed, timed_out, unreachable, shadow
  reason?: Maybe<string>;
  confidence?: Maybe<number>;
  took_seconds?: Maybe<number>;
}

/** What one of the seven words means at the level of now. */
export interface StrategyWord {
  name: string;
  buffer_percent?: Maybe<number>;
  reserve_percent?: Maybe<number>;
  shortfall_weight?: Maybe<number>;
  lends?: Maybe<boolean>;
}

export interface Strategy {
  name?: Maybe<string>;
  posture?: Maybe<string>;
  estimator?: Maybe<string>;
  level?: Maybe<string>;
  buffer_percent?: Maybe<number>;
  reserve_percent?: Maybe<number>;
  shortfall_weight?: Maybe<number>;
  cycle_seconds?: Maybe<number>;
  hold_seconds?: Maybe<number>;
  shrink_percent?: Maybe<number>;
  lends?: Maybe<boolean>;
  strategies?: Maybe<StrategyWord[]>;
}

/** One model that is asked to go. */
export interface Step {
  model?: Maybe<string>;
  lease?: Maybe<string>;
  hook?: Maybe<string>;
  device?: Maybe<string>;
  device_index?: Maybe<number>;
  gpu_memory_bytes?: Maybe<number>;
  memory_bytes?: Maybe<number>;
  idle_seconds?: Maybe<number>;
  outcome?: Maybe<string>;
  why?: Maybe<string>;
}

/** What the daemon answers to "would it fit?". */
export interface Verdict {
  verdict?: Maybe<string>; // now, after, queued, never
  device?: Maybe<string>;
  best_device?: Maybe<string>;
  booked?: Maybe<Amounts>;
  short?: Maybe<Amounts>;
  queue?: Maybe<{ place?: Maybe<number>; earliest?: Maybe<string> }>;
  steps?: Maybe<Step[]>;
  help?: Maybe<{ text?: Maybe<string> }[]>;
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
  statistics?: Maybe<{ avg?: Maybe<number>; max?: Maybe<number>; min?: Maybe<number>; p95?: Maybe<number> }>;
  points?: Maybe<[string, Maybe<number>][]>;
}

export interface Items<T> {
  items?: Maybe<T[]>;
}

/** Relative to the page, so that a proxy's prefix stays in front of it. */
export const kApi = 'api/v1/';

/**
 * Asks for one path. Throws an Error whose message is fit for people: the problem's own detail and
 * help where the daemon sent one, else the status or what the network said.
 */
async function ask(path: string, options: RequestInit, timeout_ms: number): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout_ms);
  try {
    const answer = await fetch(path, { ...options, signal: abort.signal, cache: 'no-store' });
    if (answer.ok) return answer;
    throw new Error(problem_text(await answer.json().catch(() => null), answer.status));
  } catch (error) {
    if (abort.signal.aborted) throw new Error(`no answer within ${timeout_ms / 1000} s`);
    if (error instanceof TypeError) throw new Error('the daemon cannot be reached');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What a problem document says, in one line. */
export function problem_text(problem: unknown, status: number): string {
  const said = problem as { detail?: unknown; title?: unknown; help?: unknown } | null;
  const text = [said?.detail, said?.title].find((each) => typeof each === 'string' && each !== '');
  if (text === undefined) return `the daemon answered ${status}`;
  const help = Array.isArray(said?.help) ? said.help.map((each: Maybe<{ text?: unknown }>) => each?.text) : [];
  return [text, ...help.filter((each) => typeof each === 'string' && each !== '')].join('; ');
}

export async function fetch_json<T>(path: string, timeout_ms = 5000): Promise<T> {
  return (await (await ask(kApi + path, {}, timeout_ms)).json()) as T;
}

/** `path` is beside api/: "metrics". */
export async function fetch_text(path: string, timeout_ms = 5000): Promise<string> {
  return (await ask(path, {}, timeout_ms)).text();
}

/** Sends one document, or none, and gives what the daemon made of it. */
export async function send_json<T>(method: string, path: string, body?: unknown, timeout_ms = 10000): Promise<T> {
  const options =
    body === undefined ? { method } : { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  return (await (await ask(kApi + path, options, timeout_ms)).json()) as T;
}

/** Changes one thing and gives what the daemon made of it. */
export function patch_json<T>(path: string, body: unknown): Promise<T> {
  return send_json<T>('PATCH', path, body);
}

/** The list in a field that may be missing, null or something else. */
export function list<T>(value: Maybe<T[]>): T[] {
  return Array.isArray(value) ? value : [];
}

/** The number in a field that may be missing, null or something else. */
export function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
