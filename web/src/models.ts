// Models: which are in memory, in what order they would go, and what would fit if they went. Pure.
import { list, number, type Lease, type Maybe, type Model, type RoomItem } from './api';
import { format_bytes, kUnknown } from './format';
import { terms_of } from './room';

export const kPriorities = ['low', 'normal', 'high', 'critical'];

const kInMemory = ['loading', 'resident', 'draining'];

/** True while a model takes memory: a waiting or merely known one takes none. */
export function is_resident(model: Model): boolean {
  return kInMemory.includes(model.state ?? '');
}

/** What one key tells apart: a model that is in memory twice is in the list twice. */
export function model_key(model: Model): string {
  return [model.name, model.lease, model.engine, model.device].join('\n');
}

/** Those in memory on one device (null: the machine's memory) as they would go, then those that stay. */
export function residents_on(models: Model[], device: Maybe<string>): Model[] {
  return models
    .filter((model) => is_resident(model) && (model.device ?? null) === (device ?? null))
    .sort((a, b) => (number(a.unload_order) ?? Infinity) - (number(b.unload_order) ?? Infinity) || a.name.localeCompare(b.name));
}

/** What a model takes where it is; null when nobody says. */
export function bytes_of(model: Model): number | null {
  return number(model.device ? model.size?.gpu_memory_bytes : model.size?.memory_bytes);
}

/** "95 % of 40"; the dash before it was ever asked for. */
export function format_hits(model: Model): string {
  const requests = number(model.requests);
  const hits = number(model.hits);
  if (requests === null || hits === null || requests <= 0) return kUnknown;
  return `${Math.round((100 * hits) / requests)}\u00a0% of\u00a0${requests}`;
}

/** "9.0 GiB GPU, 2.0 GiB memory, compute 8.0"; the dash when nobody says. */
export function format_needs(model: Model): string {
  const needs = model.needs;
  const words: string[] = [];
  if ((number(needs?.gpu_memory_bytes) ?? 0) > 0) words.push(`${format_bytes(needs!.gpu_memory_bytes)}\u00a0GPU`);
  if ((number(needs?.memory_bytes) ?? 0) > 0) words.push(`${format_bytes(needs!.memory_bytes)}\u00a0memory`);
  if ((number(needs?.compute) ?? 0) > 0) words.push(`compute\u00a0${needs!.compute!.toFixed(1)}`);
  return words.length > 0 ? words.join(', ') : kUnknown;
}

/** Why a model stays, or that it would go, as a sentence of its own. */
export function stay_text(model: Model): string {
  if (number(model.unload_order) !== null) return 'it may be asked to go';
  return model.until ? `it stays: ${model.until}` : 'it stays';
}

/** Whether a model has all the words in its name, notes, state, source or engine. */
export function model_matches(model: Model, words: string): boolean {
  const text = [model.name, model.notes, model.state, model.source, model.needs_from, model.engine, model.hook, model.lease, model.pinned ? 'pinned' : '']
    .join(' ')
    .toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Those in memory first, then by name. */
export function sorted_models(models: Model[]): Model[] {
  const rank = (model: Model) => (is_resident(model) ? 0 : model.state === 'waiting' ? 1 : 2);
  return [...models].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** One device, or the machine's memory, and a size: whether it fits, and after whom. */
export interface Fitting {
  item: RoomItem;
  capacity: number | null;
  room: number | null; // null: not known
  room_after: number | null; // if all that may go have gone
  goes: Model[]; // the first of the order that make it fit; empty when it fits now, or never does
  answer: 'now' | 'after' | 'short' | 'never' | 'unknown';
  short: number; // bytes that are missing even then
}

/**
 * Room of one resource when `gone` are gone. What a lease booked comes back on the side of the book, and what
 * it booked or uses, whichever is more, on the side of what is free; an engine's model without a
 * lease was never booked. Null where room is not known.
 */
export function room_without(item: RoomItem, gone: Model[], leases: Lease[]): number | null {
  const { room, capacity, reserve, booked, free, unmaterialised, margin } = terms_of(item);
  if (room === null) return null;
  if (gone.length === 0) return room;
  let of_book = 0;
  let of_free = 0;
  for (const model of gone) {
    const size = bytes_of(model) ?? 0;
    const lease = model.lease ? leases.find((each) => each.id === model.lease) : undefined;
    const amount = item.resource === 'gpu_memory' ? 'gpu_memory_bytes' : 'memory_bytes';
    const promised = lease ? (number(lease.booked?.[amount]) ?? 0) : model.lease ? size : 0;
    of_book += promised;
    of_free += Math.max(promised, size);
  }
  if (capacity === null || reserve === null || booked === null || free === null) return room + Math.min(of_book, of_free);
  const by_book = capacity - reserve - booked + of_book;
  const by_free = free - (unmaterialised ?? 0) + of_free;
  return Math.max(room, Math.min(by_book, by_free) - (margin ?? 0));
}

/** Those on a device that a request of this priority could have go, in their order. */
export function may_go(models: Model[], device: Maybe<string>, priority: string): Model[] {
  const rank = kPriorities.indexOf(priority);
  return residents_on(models, device).filter(
    (model) => number(model.unload_order) !== null && kPriorities.indexOf(model.priority ?? 'normal') <= rank,
  );
}

/** Whether `bytes` fit on what `item` is about. */
export function fitting_of(item: RoomItem, bytes: number, models: Model[], leases: Lease[], priority: string): Fitting {
  const { room, capacity, reserve, margin } = terms_of(item);
  const victims = may_go(models, item.device, priority);
  const room_after = room_without(item, victims, leases);
  const fitting: Fitting = { item, capacity, room, room_after, goes: [], answer: 'unknown', short: 0 };
  if (capacity !== null && bytes > capacity - (reserve ?? 0) - (margin ?? 0)) return { ...fitting, answer: 'never' };
  if (room === null || room_after === null) return fitting;
  if (bytes <= room) return { ...fitting, answer: 'now' };
  for (let n = 1; n <= victims.length; ++n) {
    const goes = victims.slice(0, n);
    if (bytes <= room_without(item, goes, leases)!) return { ...fitting, answer: 'after', goes };
  }
  return { ...fitting, answer: 'short', short: bytes - room_after };
}

/** The rows that a size is held against: every GPU but those cut into slices; without one, memory. */
export function places_of(items: RoomItem[], resource: string): RoomItem[] {
  return list(items).filter((item) => item.resource === resource);
}

/** The size that a field says, in bytes: "9", "9.5" are GiB. Null when it is no size. */
export function typed_gib(text: string): number | null {
  const value = Number(text.replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) && value > 0 && value < 1e6 ? Math.round(value * 2 ** 30) : null;
}

/** As a command line takes it: 9G, 9.5G, 1536M. */
export function flag_bytes(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return Number.isInteger(10 * gib) ? `${gib}G` : `${Math.round(bytes / 2 ** 20)}M`;
}
