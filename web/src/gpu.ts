// What a GPU's memory is made of at one moment, and what a page remembers of it.
import { list, number, type Gpu, type Lease, type Maybe, type Processes, type RoomItem } from './api';
import { kUnknown } from './format';
import { terms_of } from './room';

export type PartKind = 'lease' | 'process' | 'other' | 'promised' | 'kept';

/** One layer of the stack. `key` stays the same from moment to moment. */
export interface Part {
  kind: PartKind;
  key: string;
  name: string;
  bytes: number;
}

/** A device's memory at one moment, seconds since 1970. The parts stack up to where room begins. */
export interface Moment {
  at: number;
  used: number | null;
  parts: Part[];
}

/** What this page saw of one device: every sample of the last 15 minutes, before that one a minute. */
export interface Track {
  recent: Moment[];
  older: Moment[];
}

export const kNoTrack: Track = { recent: [], older: [] };
const kRecentSeconds = 900;
const kOlderSeconds = 24 * 3600;
const kApart = 60; // seconds between two of the older moments
const kRecentMost = 1800;
const kNamed = { lease: 6, process: 4 }; // the largest of each kind; the rest is one layer

export function gpu_title(gpu: Gpu): string {
  const word = gpu.parent ? 'MIG' : 'GPU';
  return number(gpu.index) === null ? gpu.id : `${word} ${gpu.index}`;
}

/** The largest first by name, the rest summed. */
function largest(parts: Part[], most: number, rest: string): Part[] {
  const sorted = [...parts].sort((a, b) => b.bytes - a.bytes || a.key.localeCompare(b.key));
  const named = sorted.slice(0, most).sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true }));
  const left = sorted.slice(most).reduce((sum, part) => sum + part.bytes, 0);
  const kind = parts[0]?.kind ?? 'other';
  return left > 0 ? [...named, { kind, key: `${kind} rest`, name: rest, bytes: left }] : named;
}

/**
 * The layers of a device from the bottom: leases by what they were measured to use, processes that
 * no lease covers, what nobody is known to hold, what is booked and not used yet, and what is kept
 * (reserve and margin). They end at capacity − room. Empty when the memory in use is not known.
 */
export function parts_of(gpu: Gpu, item: Maybe<RoomItem>, leases: Lease[], processes: Maybe<Processes>): Part[] {
  const used = number(gpu.memory_used_bytes);
  if (used === null) return [];
  let left = used;
  const take = (bytes: number) => {
    const taken = Math.max(0, Math.min(bytes, left));
    left -= taken;
    return taken;
  };
  const by_lease: Part[] = [];
  for (const lease of leases) {
    if (lease.state === 'waiting' || lease.state === 'ended') continue;
    const part = list(lease.devices).find((each) => each.device === gpu.id);
    if (!part && lease.device !== gpu.id) continue;
    const bytes = take(number(part ? part.measured_bytes : lease.measured?.gpu_memory_bytes) ?? 0);
    if (bytes > 0) by_lease.push({ kind: 'lease', key: `lease ${lease.id}`, name: lease.name || lease.id, bytes });
  }
  const by_process: Part[] = [];
  for (const process of list(processes?.items)) {
    if (process.lease) continue;
    const held = list(process.gpus).find((each) => each.device === gpu.id);
    const bytes = take(number(held?.memory_bytes) ?? 0);
    if (bytes > 0)
      by_process.push({ kind: 'process', key: `process ${process.pid}`, name: `${process.name ?? 'pid'} ${process.pid}`, bytes });
  }
  const parts = [...largest(by_lease, kNamed.lease, 'other leases'), ...largest(by_process, kNamed.process, 'other processes')];
  // Before the processes were read, only the leases are known by name.
  const rest = processes ? { key: 'other', name: 'unattributed' } : { key: 'outside', name: 'outside of leases' };
  if (left > 0) parts.push({ kind: 'other', ...rest, bytes: left });

  const terms = item ? terms_of(item) : null;
  if (terms === null || terms.room === null || terms.capacity === null) return parts;
  const promised = Math.max(0, Math.min(terms.unmaterialised ?? 0, terms.booked ?? 0));
  const above = Math.max(0, terms.capacity - terms.room - used);
  if (promised > 0 && above > 0)
    parts.push({ kind: 'promised', key: 'promised', name: 'booked, not used yet', bytes: Math.min(promised, above) });
  const kept = above - Math.min(promised, above);
  if (kept > 0) parts.push({ kind: 'kept', key: 'kept', name: 'reserve and margin', bytes: kept });
  return parts;
}

/** The track with one more moment; a repeated one, or a clock set back, adds nothing. */
export function followed(track: Track, moment: Moment): Track {
  const last = track.recent[track.recent.length - 1];
  if (last && moment.at <= last.at) return track;
  const recent = [...track.recent, moment];
  let first = Math.max(0, recent.length - kRecentMost);
  while (recent[first]!.at < moment.at - kRecentSeconds) ++first;
  if (first === 0) return { recent, older: track.older };
  let older = track.older;
  for (const old of recent.slice(0, first)) {
    const before = older[older.length - 1];
    if (!before || old.at - before.at >= kApart) older = [...older, old];
  }
  const keep = older.findIndex((each) => each.at >= moment.at - kOlderSeconds);
  return { recent: recent.slice(first), older: keep <= 0 ? older : older.slice(keep) };
}

/** A reading with its limit, "412 of 700 W"; the dash when there is none. */
export function format_of_limit(value: Maybe<number>, limit: Maybe<number>, unit: string): string {
  if (number(value) === null) return kUnknown;
  const of = number(limit) === null ? '' : ` of\u00a0${Math.round(limit!)}`;
  return `${Math.round(value!)}${of}\u00a0${unit}`;
}

/** What a person should know about a device before its numbers; null while all is well. */
export function state_text(gpu: Gpu): { word: string; text: string } | null {
  const reason = gpu.state_reason ? ` ${gpu.state_reason}.` : '';
  switch (gpu.state) {
    case 'asleep':
      return { word: 'asleep', text: `The kernel has suspended it, and it is left so: nothing was asked of it.${reason}` };
    case 'stale':
      return { word: 'stale', text: `It does not answer in time.${reason}` };
    case 'lost':
      return { word: 'lost', text: `It cannot be used until it is reset or the machine starts again.${reason}` };
    default:
      return null;
  }
}
