import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gpu, Lease, Processes, RoomItem } from '../../web/src/api';
import { followed, format_of_limit, gpu_title, kNoTrack, parts_of, state_text, type Moment, type Track } from '../../web/src/gpu';
import { ink_of, stack_of } from '../../web/src/stack';
import { chart_values, kStart, reduce, type Action } from '../../web/src/state';

const GiB = 2 ** 30;
const plain = (text: string) => text.replace(/\u00a0/g, ' ');
const device: Gpu = { id: 'GPU-1', index: 0, memory_total_bytes: 80 * GiB, memory_used_bytes: 60 * GiB };
const item: RoomItem = { resource: 'gpu_memory', device: 'GPU-1', name: 'GPU 0', capacity_bytes: 80 * GiB, room_bytes: 10 * GiB, booked_bytes: 40 * GiB, unmaterialised_bytes: 6 * GiB };
const lease = (id: string, gib: number, more = {}): Lease => ({ id, name: id, state: 'active', device: 'GPU-1', measured: { gpu_memory_bytes: gib * GiB }, ...more });
const running = (...held: [pid: number, gib: number, lease?: string][]): Processes => ({
  items: held.map(([pid, gib, of]) => ({ pid, name: 'p', lease: of ?? null, gpus: [{ device: 'GPU-1', memory_bytes: gib * GiB }] })),
});
const gib_of = (parts: { key: string; bytes: number }[]) => parts.map((part) => [part.key, Math.round((part.bytes / GiB) * 10) / 10]);

test('the stack ends exactly where room begins', () => {
  const parts = parts_of(device, item, [lease('l-1', 34)], running([7, 20], [8, 30, 'l-1']));
  assert.deepEqual(gib_of(parts), [['lease l-1', 34], ['process 7', 20], ['other', 6], ['promised', 6], ['kept', 4]]);
  assert.equal(parts.reduce((sum, part) => sum + part.bytes, 0), 70 * GiB);
});

test('a process under a lease is not counted twice, nor a lease elsewhere or waiting', () => {
  const leases = [lease('l-1', 10), lease('l-2', 99, { device: 'GPU-2' }), lease('l-3', 99, { state: 'waiting' })];
  assert.deepEqual(gib_of(parts_of(device, null, leases, running([7, 10, 'l-1']))), [['lease l-1', 10], ['other', 50]]);
});

test('more attributed than in use is cut: the stack never exceeds what the device says', () => {
  const parts = parts_of(device, null, [lease('l-1', 50), lease('l-2', 50)], running([7, 50]));
  assert.deepEqual(gib_of(parts), [['lease l-1', 50], ['lease l-2', 10]]);
});

test('before the processes were read the rest is outside of leases, not unattributed', () => {
  assert.deepEqual(parts_of(device, null, [], null).map((part) => part.name), ['outside of leases']);
  assert.deepEqual(parts_of(device, null, [], {}).map((part) => part.name), ['unattributed']);
});

test('a hundred holders are a few layers and a rest', () => {
  const leases = Array.from({ length: 100 }, (_, n) => lease(`l-${n}`, 0.2 + n / 1000));
  const parts = parts_of(device, null, leases, running(...Array.from({ length: 100 }, (_, n): [number, number] => [n, 0.1])));
  assert.equal(parts.filter((part) => part.kind === 'lease').length, 7);
  assert.equal(parts.filter((part) => part.kind === 'process').length, 5);
  assert.ok(Math.abs(parts.reduce((sum, part) => sum + part.bytes, 0) - 60 * GiB) < 1000);
});

test('an unknown use has no layers', () => assert.deepEqual(parts_of({ ...device, memory_used_bytes: null }, item, [lease('l-1', 5)], null), []));

const moment = (at: number, used: number | null = 1): Moment => ({ at, used, parts: used === null ? [] : [{ kind: 'other', key: 'other', name: 'unattributed', bytes: used }] });

test('a day of samples is kept in full for 15 minutes and by the minute before, and no longer than a day', () => {
  let track: Track = kNoTrack;
  for (let at = 0; at < 100_000; at += 5) track = followed(track, moment(at));
  assert.equal(track.recent.length, 181);
  assert.ok(track.older.length <= 1441 && track.older.length > 1400, String(track.older.length));
  assert.ok(track.older.every((each, n) => n === 0 || each.at - track.older[n - 1]!.at >= 60));
  assert.equal(followed(track, moment(5)), track);
});

test('what the daemon recorded is drawn where this page did not look, and holes stay holes', () => {
  const past = { at: [0, 10, 20, 30, 40], value: [10, null, 30, 40, 50] };
  const stack = stack_of({ older: [], recent: [moment(30, 45), moment(35, 46)] }, past, 100, -1);
  assert.deepEqual(stack.at, [0, 10, 20, 30, 35, 40]);
  assert.deepEqual(stack.layers.map((layer) => layer.key), ['recorded', 'other']);
  assert.deepEqual(stack.tops[0], [10, null, 30, 45, 46, 50]);
  assert.deepEqual(stack.tops[1], [null, null, null, 45, 46, null]);
  assert.deepEqual(stack.amounts[0], [10, null, 30, null, null, 50]);
});

test('layers that come and go are 0 where they are not, and stand on each other', () => {
  const parts = (a: number, b: number) => [...(a ? [{ kind: 'lease' as const, key: 'lease a', name: 'a', bytes: a }] : []), { kind: 'other' as const, key: 'other', name: 'o', bytes: b }];
  const stack = stack_of({ older: [], recent: [{ at: 1, used: 3, parts: parts(0, 3) }, { at: 2, used: 9, parts: parts(5, 4) }] }, { at: [], value: [] }, 100, 0);
  assert.deepEqual(stack.tops, [[0, 5], [3, 9]]);
});

test('every kind of layer differs from the others without its colour', () => {
  const kinds = ['lease', 'process', 'other', 'promised', 'kept', 'recorded'] as const;
  const marks = kinds.map((kind) => { const ink = ink_of({ key: kind, kind, name: kind, tone: 0 }); return `${ink.hatch} ${ink.fill}`; });
  assert.equal(new Set(marks).size, kinds.length);
  assert.equal(new Set(kinds.filter((kind) => kind !== 'lease' && kind !== 'recorded').map((kind) => marks[kinds.indexOf(kind)])).size, 4);
});

test('a reading is shown with its limit, alone, or as unknown', () => {
  assert.equal(plain(format_of_limit(412.4, 700, 'W')), '412 of 700 W');
  assert.equal(plain(format_of_limit(67, null, '°C')), '67 °C');
  assert.equal(format_of_limit(null, 700, 'W'), '–');
});

test('a device says what keeps it from answering', () => {
  assert.equal(state_text(device), null);
  assert.equal(state_text({ ...device, state: 'ok' }), null);
  assert.match(state_text({ ...device, state: 'lost', state_reason: 'XID 79' })!.text, /XID 79\.$/);
  assert.equal(state_text({ ...device, state: 'asleep' })!.word, 'asleep');
  assert.equal(gpu_title({ ...device, parent: 'GPU-0', index: 3 }), 'MIG 3');
});

test('the numbers of a device that does not answer are no new points', () => {
  const stale = { ...device, busy_ratio: 0.5, temperature_celsius: 60, power_watts: 100, state: 'stale' };
  assert.deepEqual(Object.values(chart_values({ gpu: [stale] })).slice(2), [null, null, null, null]);
  assert.deepEqual(Object.values(chart_values({ gpu: [{ ...stale, state: 'ok' }] })).slice(2), [75, 50, 60, 100]);
});

test('the tracks follow the samples of at most 16 devices, with the leases of that time', () => {
  const gpus = Array.from({ length: 40 }, (_, n) => ({ ...device, id: `GPU-${n}` }));
  const actions: Action[] = [
    { kind: 'leases', document: { items: [lease('l-1', 34)] } },
    { kind: 'snapshot', document: { at: '2026-11-20T12:00:00Z', gpu: gpus, room: { items: [item] } }, now: 0 },
  ];
  const state = actions.reduce(reduce, kStart);
  assert.equal(Object.keys(state.tracks).length, 16);
  assert.deepEqual(state.tracks['GPU-1']!.recent[0]!.parts.map((part) => part.key), ['lease l-1', 'outside', 'promised', 'kept']);
});
