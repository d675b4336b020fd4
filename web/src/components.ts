// Components: what each has been given inside its quota, how that moved, and what a change of it asks for. Pure.
import { list, number, type Allotment, type Component, type Decision, type Maybe, type Quota, type QuotaPart, type Strategy, type StrategyWord } from './api';
import { format_duration, kUnknown, parse_time } from './format';

const kSpace = '\u00a0';

/** What components share: its name in the API, its title, its unit, the key and the flag of a quota. */
export const kAllotted = [
  { resource: 'cpu', title: 'CPU', unit: '%', key: 'cpu_percent', flag: 'cpu', suffix: '' },
  { resource: 'memory', title: 'memory', unit: 'MB', key: 'memory_mb', flag: 'memory', suffix: 'M' },
  { resource: 'disk_iops', title: 'disk operations', unit: '1/s', key: 'disk_iops', flag: 'disk-iops', suffix: '' },
  { resource: 'network', title: 'network', unit: 'MB/s', key: 'network_mb', flag: 'net', suffix: 'M' },
] as const;

export function title_of(resource: Maybe<string>): string {
  return kAllotted.find((each) => each.resource === resource)?.title ?? resource ?? kUnknown;
}

function rounded(value: number): string {
  const text = Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
  return text === '-0' ? '0' : text;
}

/** "24.5 %", "400 MB", "500/s"; the dash when nobody says. */
export function format_allotted(value: Maybe<number>, unit: Maybe<string>): string {
  const known = number(value);
  if (known === null) return kUnknown;
  if (unit === '1/s') return `${rounded(known)}/s`;
  return rounded(known) + (unit ? kSpace + unit : '');
}

/** "5 to 80 %", "at least 5 %", "at most 80 %"; the dash when neither end is known. */
export function format_bounds(least: Maybe<number>, most: Maybe<number>, unit: Maybe<string>): string {
  const [low, high] = [number(least), number(most)];
  if (low === null && high === null) return kUnknown;
  if (low === null) return `at most ${format_allotted(high, unit)}`;
  if (high === null) return `at least ${format_allotted(low, unit)}`;
  return `${rounded(low)} to${kSpace}${format_allotted(high, unit)}`;
}

/** 3 ms, 1.2 s, 2 min */
export function format_answer_time(seconds: Maybe<number>): string {
  const known = number(seconds);
  if (known === null) return kUnknown;
  if (known < 0.0005) return `<${kSpace}1${kSpace}ms`;
  if (known < 1) return `${Math.round(known * 1000)}${kSpace}ms`;
  return known < 10 ? `${rounded(known)}${kSpace}s` : format_duration(known);
}

export function allotments_of(component: Component): Allotment[] {
  return list(component.resources).filter((each) => typeof each?.resource === 'string');
}

export function allotment_of(component: Component, resource: string): Allotment | undefined {
  return allotments_of(component).find((each) => each.resource === resource);
}

/** Where things lie on the bar of one resource, in percent of its length; null: not known, not drawn. */
export interface BarPlaces {
  top: number; // what the whole length is, in the unit of the resource
  used: number; // inside of what is given
  given: number; // given and not used
  over: number; // used beyond what is given
  least: number | null;
  amount: number | null;
  most: number | null;
  demand: number | null;
  forecast: { from: number; to: number } | null;
}

/** The bar reaches to the ceiling, or as far as anything on it does. */
export function bar_places(allotment: Allotment): BarPlaces | null {
  const { least, most, amount, demand, forecast } = allotment;
  const allocation = Math.max(0, number(allotment.allocation) ?? 0);
  const used = Math.max(0, number(allotment.used) ?? 0);
  const top = Math.max(allocation, used, number(most) ?? 0, number(amount) ?? 0, number(demand) ?? 0, number(forecast?.hi) ?? 0);
  if (!(top > 0)) return null;
  const part = (value: number) => Math.max(0, Math.min(100, (100 * value) / top));
  const place = (value: Maybe<number>) => (number(value) === null ? null : part(value!));
  const lo = number(forecast?.lo);
  const hi = number(forecast?.hi);
  return {
    top,
    used: part(Math.min(used, allocation)),
    given: part(Math.max(0, allocation - used)),
    over: part(Math.max(0, used - allocation)),
    least: place(least),
    amount: place(amount),
    most: place(most),
    demand: place(demand),
    forecast: lo === null || hi === null || hi < lo ? null : { from: part(lo), to: part(hi) },
  };
}

/** "11 of 12 applied, 1 failed"; the dash when nothing was asked yet. */
export function format_asks(component: Component): string {
  const asks = component.asks;
  const asked = number(asks?.asked) ?? 0;
  if (asked <= 0) return kUnknown;
  const more = [
    [number(asks?.failed) ?? 0, 'failed'],
    [number(asks?.timed_out) ?? 0, 'too late'],
  ] as const;
  return [`${number(asks?.applied) ?? kUnknown} of${kSpace}${asked} applied`, ...more.filter(([count]) => count > 0).map(([count, word]) => `${count}${kSpace}${word}`)].join(', ');
}

/** Whether a component has all the words in its name, state, priority, lease, setters or problem. */
export function component_matches(component: Component, words: string): boolean {
  const setters = list(component.setters).map((setter) => setter?.name);
  const text = [component.name, component.state, component.priority, component.lease, component.pid, component.window, component.problem, ...setters].join(' ').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The decisions of a list that can be shown, as they came. */
export function readable_decisions(decisions: Maybe<Decision[]>): Decision[] {
  return list(decisions).filter((each) => each !== null && typeof each === 'object');
}

/** What one key tells apart: what was asked together has one id. */
export function decision_key(decision: Decision): string {
  return [decision.id, decision.component, decision.resource, decision.at].join('\n');
}

const kOutcomes: Record<string, string> = {
  asked: 'no answer yet',
  applied: 'applied',
  failed: 'it said no',
  timed_out: 'no answer in time',
  unreachable: 'nobody listens',
  shadow: 'only said',
};

export function outcome_text(outcome: Maybe<string>): string {
  return kOutcomes[outcome ?? ''] ?? outcome ?? kUnknown;
}

/** "20 → 31 %" */
export function change_text(decision: Decision): string {
  const old = number(decision.old);
  return `${old === null ? kUnknown : rounded(old)}${kSpace}→${kSpace}${format_allotted(decision.new, decision.unit)}`;
}

/** "it took 30 %", where that is another value than was asked for; else null. */
export function taken_text(decision: Decision): string | null {
  const applied = number(decision.applied);
  return applied !== null && applied !== number(decision.new) ? `it took${kSpace}${format_allotted(applied, decision.unit)}` : null;
}

/** What the page saw of a resource at one time (seconds since 1970). */
export interface Sight {
  at: number;
  allocation: number | null;
  demand: number | null;
  used: number | null;
}

export function sight_of(allotment: Allotment, at: number): Sight {
  return { at, allocation: number(allotment.allocation), demand: number(allotment.demand), used: number(allotment.used) };
}

/** Those seen before and one more; what is older than `seconds` goes. */
export function seen_also(sights: Sight[], sight: Sight, seconds: number): Sight[] {
  const last = sights[sights.length - 1];
  if (last && sight.at <= last.at) return sights;
  return [...sights.filter((each) => each.at >= sight.at - seconds), sight];
}

/** Columns of a chart; seconds since 1970, growing. */
export interface Course {
  at: number[];
  allocation: (number | null)[];
  demand: (number | null)[];
  used: (number | null)[];
}

const kSightHolds = 10; // seconds for which what was seen holds
const kBefore = 0.001; // seconds: a step has its old value until then

/**
 * How an allocation moved from `begin` to `end`: by the decisions that were applied, and by what the page saw
 * itself. Before the first decision its old value held, unless `complete` is false: then older ones are missing.
 */
export function course_of(decisions: Decision[], resource: string, sights: Sight[], begin: number, end: number, complete: boolean): Course {
  const steps = decisions
    .filter((each) => each.resource === resource && each.outcome === 'applied')
    .map((each) => ({ at: (parse_time(each.at) ?? NaN) / 1000, from: number(each.old), to: number(each.applied) ?? number(each.new) }))
    .filter((each) => Number.isFinite(each.at) && each.at <= end)
    .sort((a, b) => a.at - b.at);
  const seen = sights.filter((each) => each.at >= begin && each.at <= end);
  const first_seen = seen[0];
  const last_sight = sights[sights.length - 1];
  const value_at = (at: number, sight: Sight | undefined): number | null => {
    let value = complete ? (steps[0]?.from ?? first_seen?.allocation ?? last_sight?.allocation ?? null) : null;
    let since = -Infinity;
    for (const step of steps) {
      if (step.at > at) break;
      value = step.to;
      since = step.at;
    }
    return sight && sight.at >= since ? sight.allocation : value;
  };
  const sight_at = (at: number): Sight | undefined => {
    let found: Sight | undefined;
    for (const each of seen) {
      if (each.at > at) break;
      found = each;
    }
    return found && at - found.at <= kSightHolds ? found : undefined;
  };
  const times = new Set<number>(seen.map((each) => each.at));
  for (const step of steps) if (step.at >= begin) times.add(step.at - kBefore).add(step.at);
  if (complete || (steps[0] && steps[0].at <= begin)) times.add(begin);
  if (last_sight) times.add(end);
  const course: Course = { at: [...times].sort((a, b) => a - b), allocation: [], demand: [], used: [] };
  for (const at of course.at) {
    const sight = sight_at(at);
    course.allocation.push(value_at(at, sight));
    course.demand.push(sight?.demand ?? null);
    course.used.push(sight?.used ?? null);
  }
  return course;
}

/** The end of a scale that holds `most`, close above it. */
export function close_top(most: number): number {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([1, 1.2, 1.6, 2, 3, 4, 5, 6, 8].find((step) => step * power >= most) ?? 10);
}

/** Of floor and ceiling those that are near enough to be in the chart of values up to `largest`: one far above would press all to the ground. */
export function near_ends(allotment: Allotment, largest: number): { value: number; label: string }[] {
  const ends = [
    { value: number(allotment.least) ?? 0, label: 'floor' },
    { value: number(allotment.most) ?? 0, label: 'ceiling' },
  ];
  return ends.filter((end) => end.value > 0 && (end.value <= 2 * largest || largest <= 0));
}

// What is said of a quota

/** The fields of a quota as text, by their keys in the API; empty: nothing is said. */
export type QuotaFields = Record<string, string>;

function put_parts(fields: QuotaFields, parts: QuotaPart[]): void {
  const text = (value: Maybe<number>) => (number(value) === null ? '' : String(value));
  for (const { resource, key } of kAllotted) {
    const part = parts.find((each) => each?.resource === resource);
    fields[key] = text(part?.amount);
    fields[`min_${key}`] = text(part?.least);
    fields[`max_${key}`] = text(part?.most);
  }
}

/** What a quota says, at all times (`during` null) or at those times only. */
export function quota_fields(quota: Maybe<Quota>, during: string | null): QuotaFields {
  const fields: QuotaFields = {};
  if (during === null) {
    put_parts(fields, list(quota?.resources));
    fields.priority = quota?.priority ?? '';
    fields.buffer_percent = number(quota?.buffer_percent) === null ? '' : String(quota!.buffer_percent);
    fields.enforce = quota?.enforce === true ? 'true' : '';
  } else {
    const window = list(quota?.windows).find((each) => each?.during === during);
    put_parts(fields, list(window?.resources));
    fields.priority = window?.priority ?? '';
  }
  return fields;
}

/** An amount as a field says it: "30", "0,5". Null when it is none. */
export function typed_amount(text: string): number | null {
  const value = Number(text.trim().replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) && value >= 0 && value <= 1e9 ? value : null;
}

/** The change that makes `before` into what was typed, or what is wrong with it. What was not touched is left out. */
export function quota_change(before: QuotaFields, typed: QuotaFields, during: string | null): { body: Record<string, unknown> } | { wrong: string } {
  const body: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(typed)) {
    if (text.trim() === (before[key] ?? '')) continue;
    if (key === 'enforce') body[key] = text === 'true';
    else if (text.trim() === '') body[key] = null;
    else if (key === 'priority') body[key] = text;
    else {
      const value = typed_amount(text);
      if (value === null) return { wrong: `${key.replace(/_/g, ' ')}: "${text}" is no amount; give a number such as 30` };
      body[key] = value;
    }
  }
  // "during" alone would forget these times.
  if (Object.keys(body).length === 0) return { wrong: 'nothing was changed' };
  if (during === null) return { body };
  return during.trim() === '' ? { wrong: 'times: give some such as Mon-Fri 08:00-18:00' } : { body: { ...body, during: during.trim() } };
}

/** The same as a command line, as far as it has words for it. */
export function quota_command(name: string, change: { body: Record<string, unknown> } | { wrong: string }): string {
  if ('wrong' in change) return `headroom quota show ${name}`;
  const { body } = change;
  const flags: string[] = [];
  for (const { key, flag, suffix } of kAllotted)
    for (const [before, prefix] of [['', ''], ['min_', 'min-'], ['max_', 'max-']] as const) {
      const value = number(body[before + key]);
      if (value !== null) flags.push(`--${prefix}${flag} ${value}${suffix}`);
    }
  if (typeof body.priority === 'string') flags.push(`--priority ${body.priority}`);
  if (number(body.buffer_percent) !== null) flags.push(`--buffer ${body.buffer_percent}`);
  if (body.enforce === true) flags.push('--enforce');
  if (typeof body.during === 'string') flags.push(`--during '${body.during.replace(/'/g, '')}'`);
  return flags.length > 0 ? `headroom quota set ${name} ${flags.join(' ')}` : `headroom quota show ${name}`;
}

// How allocations move

export const kPostures = ['adaptive', 'conservative', 'balanced', 'aggressive'] as const;
export const kEstimators = ['adaptive', 'dynamic', 'predictive', 'cooperative'] as const;

/** The two words as one name: what is left to headroom is left out. */
export function strategy_name(posture: string, estimator: string): string {
  const words = [posture, estimator].filter((word) => word !== 'adaptive');
  return words.length > 0 ? words.join('+') : 'adaptive';
}

/** What a strategy would mean at the level of now: the numbers are those of its posture, lending is its estimator's. */
export function strategy_preview(strategy: Strategy, posture: string, estimator: string): StrategyWord {
  const word = (name: string) => list(strategy.strategies).find((each) => each?.name === name);
  const bold = word(posture);
  return {
    name: strategy_name(posture, estimator),
    buffer_percent: number(bold?.buffer_percent),
    reserve_percent: number(bold?.reserve_percent),
    shortfall_weight: number(bold?.shortfall_weight),
    lends: word(estimator)?.lends ?? null,
  };
}

/** One number of a strategy, now and as it would be. */
export interface Difference {
  what: string;
  now: string;
  then: string;
}

export function percent_text(value: Maybe<number>): string {
  return format_allotted(value, '%');
}

export function weight_text(value: Maybe<number>): string {
  return number(value) === null ? kUnknown : `${rounded(value!)}×`;
}

export function lends_text(value: Maybe<boolean>): string {
  return value === true ? 'yes' : value === false ? 'no' : kUnknown;
}

/** What would be different; empty when nothing would be, as far as is known. */
export function strategy_differences(strategy: Strategy, then: StrategyWord): Difference[] {
  const rows: Difference[] = [
    { what: 'buffer over a demand', now: percent_text(strategy.buffer_percent), then: percent_text(then.buffer_percent) },
    { what: 'kept back of the memory', now: percent_text(strategy.reserve_percent), then: percent_text(then.reserve_percent) },
    { what: 'too little weighs', now: weight_text(strategy.shortfall_weight), then: weight_text(then.shortfall_weight) },
    { what: 'lends what lies idle', now: lends_text(strategy.lends), then: lends_text(then.lends) },
  ];
  return rows.filter((row) => row.now !== row.then);
}
