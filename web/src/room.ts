// One row of room as it is drawn: its terms, the segments of its bar, and its sum in words.
import { number, type Maybe, type RoomItem } from './api';
import { format_bytes, format_bytes_like, format_bytes_of, format_cores, format_ratio, kUnknown } from './format';

/** The terms of room, in bytes or cores; null is unknown. */
export interface Terms {
  unit: 'bytes' | 'cores';
  /** What the filesystem keeps for root is not in use, though nobody else can have it. */
  kept_apart: boolean;
  room: number | null;
  capacity: number | null;
  reserve: number | null;
  booked: number | null;
  measured: number | null;
  unbooked: number | null;
  free: number | null;
  unmaterialised: number | null;
  margin: number | null;
}

export interface Segment {
  kind: 'leases' | 'other' | 'promised' | 'kept' | 'room';
  label: string;
  amount: number;
  percent: number; // of the bar's width
}

export function terms_of(item: RoomItem): Terms {
  const unit = item.resource === 'cpu' || 'capacity_cores' in item ? 'cores' : 'bytes';
  const term = (name: string) => number(item[`${name}_${unit}`]);
  return {
    unit,
    kept_apart: item.resource === 'disk',
    room: term('room'),
    capacity: term('capacity'),
    reserve: term('reserve'),
    booked: term('booked'),
    measured: term('measured'),
    unbooked: term('unbooked'),
    free: term('free'),
    unmaterialised: term('unmaterialised'),
    margin: term('margin'),
  };
}

/** What is in use by anybody; null when either reading is unknown. */
export function used_of(terms: Terms): number | null {
  if (terms.capacity === null || terms.free === null) return null;
  return Math.max(0, terms.capacity - terms.free - (terms.kept_apart ? (terms.reserve ?? 0) : 0));
}

const kLabels: Record<Segment['kind'], string> = {
  leases: 'used by leases',
  other: 'used outside leases',
  promised: 'booked, not used yet',
  kept: 'reserve and margin',
  room: 'room',
};

/**
 * The bar from left to right: what is in use is solid and comes first, so that it ends where a reader
 * looks for it beside the threshold; the part of the reserve that is in use belongs to it. The segments sum to the
 * capacity where room is above 0; where more is than there is, they are scaled down together so that the bar stays full, not longer. Empty when the capacity is unknown or 0; unknown terms are left out.
 */
export function segments_of(terms: Terms): Segment[] {
  const capacity = terms.capacity ?? 0;
  if (capacity <= 0) return [];
  const promised = Math.max(0, Math.min(terms.unmaterialised ?? 0, terms.booked ?? 0));
  const leases = (terms.booked ?? 0) - promised;
  const reserve = Math.max(0, terms.reserve ?? 0);
  const in_reserve = Math.min(reserve, Math.max(0, (used_of(terms) ?? 0) - leases - (terms.unbooked ?? 0)));
  const amounts: [Segment['kind'], number][] = [
    ['leases', leases],
    ['other', (terms.unbooked ?? 0) + in_reserve],
    ['promised', promised],
    ['kept', reserve - in_reserve + (terms.margin ?? 0)],
    ['room', terms.room ?? 0],
  ];
  const sum = amounts.reduce((total, [, amount]) => total + Math.max(0, amount), 0);
  const whole = Math.max(capacity, sum);
  return amounts
    .filter(([, amount]) => amount > 0)
    .map(([kind, amount]) => ({ kind, label: kLabels[kind], amount, percent: (100 * amount) / whole }));
}

export function format_amount(terms: Terms, amount: Maybe<number>): string {
  return terms.unit === 'cores' ? format_cores(amount) : format_bytes(amount);
}

/** "41.2 of 125.6 GiB", "38 % of 16 cores" */
export function format_used(terms: Terms): string {
  const used = used_of(terms);
  if (terms.unit === 'bytes') return format_bytes_of(used, terms.capacity);
  if (terms.capacity === null || terms.capacity <= 0) return kUnknown;
  const cores = Number.isInteger(terms.capacity) ? String(terms.capacity) : terms.capacity.toFixed(1);
  return `${format_ratio(used === null ? null : used / terms.capacity)} of\u00a0${cores}\u00a0cores`;
}

/** True where room is simply what remains of the capacity, as it is whenever room is above 0. */
function sums_up(terms: Terms): boolean {
  const { room, capacity, reserve, booked, unbooked, margin } = terms;
  if (room === null || capacity === null || reserve === null || booked === null || unbooked === null || margin === null)
    return false;
  return Math.abs(capacity - reserve - booked - unbooked - margin - room) <= 0.001 * capacity + 0.001;
}

/** The sum of room with its numbers, all in the unit of the room (of the capacity when there is none). */
export function format_sum(terms: Terms): string {
  const of = (amount: number | null) => {
    if (terms.unit === 'cores') return amount === null ? kUnknown : amount.toFixed(1);
    return format_bytes_like(amount, terms.room || terms.capacity || 0);
  };
  const result = format_amount(terms, terms.room);
  if (sums_up(terms)) {
    return (
      `room ${result} = ${of(terms.capacity)}\u00a0capacity − ${of(terms.reserve)}\u00a0reserve − ${of(terms.booked)}\u00a0booked` +
      ` − ${of(terms.unbooked)}\u00a0unbooked − ${of(terms.margin)}\u00a0margin`
    );
  }
  return (
    `room ${result} = the smaller of (${of(terms.capacity)}\u00a0capacity − ${of(terms.reserve)}\u00a0reserve − ${of(terms.booked)}\u00a0booked)` +
    ` and (${of(terms.free)}\u00a0free − ${of(terms.unmaterialised)}\u00a0booked, not used yet)` +
    ` − ${of(terms.margin)}\u00a0margin, and never below 0`
  );
}
