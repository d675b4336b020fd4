import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoomItem } from '../../web/src/api';
import { format_sum, format_used, segments_of, terms_of, used_of } from '../../web/src/room';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');
const GiB = 2 ** 30;

function gpu(terms: Record<string, number | null>): RoomItem {
  const item: RoomItem = { resource: 'gpu_memory', device: 'GPU-1', name: 'GPU 0' };
  for (const [name, value] of Object.entries(terms)) item[`${name}_bytes`] = value === null ? null : value * GiB;
  return item;
}
const usual = { room: 15.4, capacity: 80, reserve: 0.6, booked: 63.1, measured: 60.6, unbooked: 0.4, free: 18.4, unmaterialised: 2.5, margin: 0.5 };
const widths = (item: RoomItem) => segments_of(terms_of(item)).map((segment) => [segment.kind, Math.round(segment.percent * 10) / 10]);

test('the segments of a bar fill it exactly while there is room', () => {
  const segments = segments_of(terms_of(gpu(usual)));
  assert.deepEqual(segments.map((segment) => segment.kind), ['leases', 'other', 'promised', 'kept', 'room']);
  const sum = segments.reduce((total, segment) => total + segment.percent, 0);
  assert.ok(Math.abs(sum - 100) < 1e-9, String(sum));
});

test('what is solid ends where the use ends: the used part of the reserve belongs to it', () => {
  const item = gpu({ room: 2.5, capacity: 4, reserve: 1, booked: 0, measured: 0, unbooked: 0, free: 3.2, unmaterialised: 0, margin: 0.5 });
  assert.deepEqual(widths(item), [['other', 20], ['kept', 17.5], ['room', 62.5]]);
});

test('where more is promised than there is, the bar is full and not longer', () => {
  const segments = segments_of(terms_of(gpu({ ...usual, room: 0, unbooked: 40, free: 0 })));
  const sum = segments.reduce((total, segment) => total + segment.percent, 0);
  assert.ok(Math.abs(sum - 100) < 1e-9, String(sum));
  assert.ok(!segments.some((segment) => segment.kind === 'room'));
});

test('an unknown or empty capacity has no bar, and unknown terms no segment', () => {
  assert.deepEqual(widths(gpu({})), []);
  assert.deepEqual(widths(gpu({ capacity: 0 })), []);
  assert.deepEqual(widths(gpu({ capacity: 10, room: 5 })), [['room', 50]]);
});

test('text where a number belongs is unknown', () => {
  const terms = terms_of({ resource: 'memory', device: null, name: 'memory', capacity_bytes: 'many', room_bytes: NaN });
  assert.equal(terms.capacity, null);
  assert.equal(terms.room, null);
  assert.equal(used_of(terms), null);
});

test('use is said as people say it: bytes of the whole, CPU in percent', () => {
  assert.equal(plain(format_used(terms_of(gpu({ ...usual, free: 19 })))), '61.0 of 80.0 GiB');
  const cpu = { resource: 'cpu', device: null, name: 'CPU', capacity_cores: 16, free_cores: 9.92 };
  assert.equal(plain(format_used(terms_of(cpu))), '38 % of 16 cores');
  assert.equal(plain(format_used(terms_of({ ...cpu, capacity_cores: 1.5, free_cores: null }))), '– of 1.5 cores');
});

test('the sum prints its terms in one unit', () => {
  assert.equal(
    plain(format_sum(terms_of(gpu(usual)))),
    'room 15.4 GiB = 80.0 capacity − 0.6 reserve − 63.1 booked − 0.4 unbooked − 0.5 margin',
  );
});

test('a small room of a large disk is summed in its own unit, so that the terms still show it', () => {
  const disk = { resource: 'disk', device: '/data', name: '/data', room_bytes: 358 * GiB, capacity_bytes: 2048 * GiB, reserve_bytes: 40 * GiB, booked_bytes: 0, unbooked_bytes: 1650 * GiB, margin_bytes: 0 };
  assert.equal(
    plain(format_sum(terms_of(disk))),
    'room 358.0 GiB = 2048.0 capacity − 40.0 reserve − 0.0 booked − 1650.0 unbooked − 0.0 margin',
  );
});

test('the sum says both sides where what is free decides, and does not pretend to add up', () => {
  const text = plain(format_sum(terms_of(gpu({ ...usual, room: 0, free: 1, unbooked: 19 }))));
  assert.equal(
    text,
    'room 0.0 GiB = the smaller of (80.0 capacity − 0.6 reserve − 63.1 booked) and ' +
      '(1.0 free − 2.5 booked, not used yet) − 0.5 margin, and never below 0',
  );
});

test('an unknown term is a dash in the sum', () => {
  assert.match(plain(format_sum(terms_of(gpu({ ...usual, room: null, free: null })))), /^room – = .*\(– free/);
});
