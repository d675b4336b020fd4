// Numbers and times as people read them. Unknown (null) is a dash, never a zero.
import type { Maybe } from './api';

export const kUnknown = '–';
const kSpace = '\u00a0'; // a number and its unit stay on one line

const kUnits: [name: string, size: number, decimals: number][] = [
  ['TiB', 2 ** 40, 2],
  ['GiB', 2 ** 30, 1],
  ['MiB', 2 ** 20, 0],
  ['KiB', 2 ** 10, 0],
];

function unit_of(bytes: number): [name: string, size: number, decimals: number] {
  const magnitude = Math.abs(bytes);
  if (magnitude === 0) return kUnits[1]!;
  return kUnits.find(([, size]) => magnitude >= size) ?? ['B', 1, 0];
}

function fixed(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}

/** 15.4 GiB */
export function format_bytes(bytes: Maybe<number>): string {
  if (bytes == null) return kUnknown;
  const [name, size, decimals] = unit_of(bytes);
  return fixed(bytes / size, decimals) + kSpace + name;
}

/** The number alone, in the unit that fits `like`: for sums whose terms share one unit. */
export function format_bytes_like(bytes: Maybe<number>, like: number): string {
  if (bytes == null) return kUnknown;
  const [, size, decimals] = unit_of(like);
  return fixed(bytes / size, decimals);
}

/** 41.2 of 125.6 GiB */
export function format_bytes_of(part: Maybe<number>, whole: Maybe<number>): string {
  if (whole == null) return format_bytes(part);
  return `${format_bytes_like(part, whole)} of${kSpace}${format_bytes(whole)}`;
}

/** 7.0 cores */
export function format_cores(cores: Maybe<number>): string {
  if (cores == null) return kUnknown;
  return fixed(cores, 1) + kSpace + (fixed(cores, 1) === '1.0' ? 'core' : 'cores');
}

/** 38 % from 0.38 */
export function format_ratio(ratio: Maybe<number>): string {
  return ratio == null ? kUnknown : fixed(ratio * 100, 0) + kSpace + '%';
}

/** 38 % from 38 */
export function format_percent(percent: Maybe<number>): string {
  return percent == null ? kUnknown : format_ratio(percent / 100);
}

/** 45 s, 12 min, 2h 03m, 3d 4h */
export function format_duration(seconds: Maybe<number>): string {
  if (seconds == null) return kUnknown;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return whole + kSpace + 's';
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return minutes + kSpace + 'min';
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h${kSpace}${String(minutes % 60).padStart(2, '0')}m`;
  const hours = Math.round(whole / 3600);
  return `${Math.floor(hours / 24)}d${kSpace}${hours % 24}h`;
}

/** Milliseconds since 1970 of an RFC 3339 time; null when it is unknown or no time. */
export function parse_time(text: Maybe<string>): number | null {
  if (typeof text !== 'string') return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}

/** Local time of day, 14:32; with the day when it is neither today nor near: Sat 21 Nov 14:32. */
export function format_clock(at: Maybe<number>, now: number, seconds = false): string {
  if (at == null) return kUnknown;
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? ':' + two(date.getSeconds()) : ''}`;
  const near = Math.abs(at - now) < 12 * 3600_000; // the same time of day cannot come twice in it
  if (near || date.toDateString() === new Date(now).toDateString()) return clock;
  const day = date.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
  return `${day.replace(',', '')} ${clock}`;
}

/** "in 12 min", or "due" once the time has passed. */
export function format_until(at: Maybe<number>, now: number): string {
  if (at == null) return kUnknown;
  return at <= now ? 'due' : `in ${format_duration((at - now) / 1000)}`;
}

/** "2 min ago", "now" within the first seconds. */
export function format_ago(at: Maybe<number>, now: number): string {
  if (at == null) return kUnknown;
  return now - at < 2000 ? 'now' : `${format_duration((now - at) / 1000)} ago`;
}
