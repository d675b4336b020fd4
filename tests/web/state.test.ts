import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Alert, Happening, Lease, Snapshot } from '../../web/src/api';
import {
  chart_values, kStart, reduce, running_leases, sample_age, sorted_alerts, waiting_leases, type Action, type State,
} from '../../web/src/state';

const T0 = Date.parse('2026-11-20T12:00:00Z');
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const sample = (seconds: number, busy: number | null): Snapshot => ({ at: at(seconds), age_seconds: 0.5, sample: seconds, cpu: { busy_ratio: busy } });
const after = (...actions: Action[]): State => actions.reduce(reduce, kStart);
const seen = (document: Snapshot, now = T0): Action => ({ kind: 'snapshot', document, now });

test('a sample is appended to the charts and an unknown reading is a gap', () => {
  const state = after(seen(sample(0, 0.25)), seen(sample(1, null)));
  assert.deepEqual(state.history.cpu, { at: [T0 / 1000, T0 / 1000 + 1], value: [25, null] });
});

test('a repeated sample and a clock set back add nothing', () => {
  const state = after(seen(sample(5, 0.25)), seen(sample(5, 0.5)), seen(sample(4, 0.5)));
  assert.deepEqual(state.history.cpu?.value, [25]);
});

test('charts keep 15 minutes and no more', () => {
  let state = kStart;
  for (let second = 0; second < 1000; ++second) state = reduce(state, seen(sample(second, 0.5)));
  assert.equal(state.history.cpu?.at[0], T0 / 1000 + 99);
  assert.equal(state.history.cpu?.at.length, 901);
});

test('a fast sampler does not grow the charts without bound', () => {
  let state = kStart;
  for (let n = 0; n < 4000; ++n) state = reduce(state, seen({ at: new Date(T0 + n * 100).toISOString(), cpu: { busy_ratio: 0 } }));
  assert.equal(state.history.cpu?.at.length, 1800);
});

test('many devices do not grow the charts without bound', () => {
  const gpu = Array.from({ length: 500 }, (_, n) => ({ id: `GPU-${n}`, memory_used_bytes: 1, memory_total_bytes: 2 }));
  assert.equal(Object.keys(after(seen({ at: at(0), gpu })).history).length, 264);
});

test('the past joins samples that came while it was on its way', () => {
  const points: [string, number][] = [[at(-2), 10], [at(-1), 20], [at(0), 30]];
  const state = after(seen(sample(0, 0.3)), seen(sample(1, 0.4)), { kind: 'history', key: 'cpu', document: { points } });
  assert.deepEqual(state.history.cpu?.value, [10, 20, 30, 40]);
});

test('a past with nonsense in it keeps what can be read', () => {
  const points = [['nonsense', 1], null, [at(1), null], [at(0), 5], [at(2), 7]] as never;
  assert.deepEqual(after({ kind: 'history', key: 'cpu', document: { points } }).history.cpu?.value, [null, 7]);
});

test('memory is measured against the limit when that is tighter', () => {
  const memory = { total_bytes: 100, available_bytes: 60, limit_bytes: 20, limit_used_bytes: 15 };
  assert.equal(chart_values({ memory }).memory, 75);
  assert.equal(chart_values({ memory: { ...memory, limit_bytes: null } }).memory, 40);
  assert.equal(chart_values({ memory: null }).memory, null);
});

test('the age of a sample grows although nothing comes', () => {
  const state = after(seen(sample(0, 0.1), 1000));
  assert.equal(sample_age(state, 1000), 0.5);
  assert.equal(sample_age(state, 4500), 4);
  assert.equal(sample_age(state, 0), 0.5); // the page's clock was set back
  assert.equal(sample_age(kStart, 0), null);
});

test("times are shown by the daemon's clock", () => {
  const state = after(seen(sample(0, 0.1), T0 - 60_000));
  assert.equal(state.clock_ahead, 60_500);
});

test('a lease that changes keeps its place, and one that ended is gone', () => {
  const lease = (id: string, state: string): Lease => ({ id, state });
  const state = after(
    { kind: 'leases', document: { items: [lease('l-1', 'active'), lease('l-2', 'waiting')] } },
    { kind: 'lease', document: lease('l-1', 'releasing') },
    { kind: 'lease', document: lease('l-3', 'reserved') },
    { kind: 'lease', document: lease('l-2', 'ended') },
    { kind: 'lease', document: lease('l-9', 'ended') },
  );
  assert.deepEqual(state.leases?.map((each) => `${each.id} ${each.state}`), ['l-1 releasing', 'l-3 reserved']);
});

test('an alert that ended is gone, and one that was listed as ended never shows', () => {
  const alert = (id: string, ended: string | null): Alert => ({ id, ended });
  const state = after(
    { kind: 'alerts', document: { items: [alert('a1', null), alert('a2', at(0))] } },
    { kind: 'alert', document: alert('a3', null) },
    { kind: 'alert', document: alert('a1', at(5)) },
  );
  assert.deepEqual(state.alerts?.map((each) => each.id), ['a3']);
});

test('an event that comes twice is shown once, the newest first, and the list is bounded', () => {
  const event = (id: number): Action => ({ kind: 'event', document: { id } as Happening });
  const state = after({ kind: 'events', document: { items: [{ id: 2 }, { id: 1 }] } }, event(3), event(3), event(2));
  assert.deepEqual(state.events?.map((each) => each.id), [3, 2, 1]);
  let many = state;
  for (let id = 10; id < 500; ++id) many = reduce(many, event(id));
  assert.equal(many.events?.length, 200);
});

test('a list that is missing is empty, not an error', () => {
  const state = after(
    { kind: 'leases', document: {} }, { kind: 'alerts', document: { items: null } }, { kind: 'pressure', document: {} }, { kind: 'events', document: {} },
  );
  assert.deepEqual([state.leases, state.alerts, state.pressure, state.events], [[], [], [], []]);
});

test('the worst alert comes first, the newest among equals', () => {
  const alerts: Alert[] = [
    { id: 'old', severity: 'warning', since: at(0) }, { id: 'odd', severity: 'purple' }, { id: 'bad', severity: 'emergency', since: at(1) },
    { id: 'new', severity: 'warning', since: at(9) },
  ];
  assert.deepEqual(sorted_alerts(alerts).map((alert) => alert.id), ['bad', 'new', 'old', 'odd']);
});

test('waiting leases are in the order of their place, running ones in the order of their start', () => {
  const leases: Lease[] = [
    { id: 'w3', state: 'waiting' }, { id: 'w2', state: 'waiting', place: 2 }, { id: 'w1', state: 'waiting', place: 1 },
    { id: 'r2', state: 'active', granted_at: at(9) }, { id: 'r1', state: 'quarantined', granted_at: at(1) }, { id: 'gone', state: 'ended' },
  ];
  assert.deepEqual(waiting_leases(leases).map((lease) => lease.id), ['w1', 'w2', 'w3']);
  assert.deepEqual(running_leases(leases).map((lease) => lease.id), ['r1', 'r2']);
});

test('what is unknown to this page passes through it', () => {
  const document = { ...sample(0, 0.1), from_the_future: { a: 1 } } as Snapshot;
  assert.equal(after(seen(document)).snapshot, document);
});
