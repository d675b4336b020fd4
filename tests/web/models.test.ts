import assert from 'node:assert/strict';
import { test } from 'node:test';
import { names_device } from '../../web/src/alerts';
import type { Lease, Model, RoomItem } from '../../web/src/api';
import { end_of, ended_leases } from '../../web/src/lease_tables';
import { command_of, kNoBooking, request_of, typed_minutes } from '../../web/src/leases_page';
import { fitting_of, flag_bytes, format_hits, format_needs, may_go, residents_on, room_without, sorted_models, typed_gib } from '../../web/src/models';
import { fitting_text } from '../../web/src/what_fits';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');
const GiB = 2 ** 30;

/** 24 GiB, of which 20 are booked and used by two leases of 8 and 12. */
const gpu: RoomItem = {
  resource: 'gpu_memory', device: 'G', name: 'GPU 0',
  room_bytes: 3 * GiB, capacity_bytes: 24 * GiB, reserve_bytes: 0.5 * GiB, booked_bytes: 20 * GiB, free_bytes: 4 * GiB, unmaterialised_bytes: 0, margin_bytes: 0.5 * GiB,
};
const held = (name: string, lease: string | null, size: number, more: Partial<Model> = {}): Model => ({
  name, lease, state: 'resident', device: 'G', size: { gpu_memory_bytes: size * GiB, memory_bytes: 0 }, priority: 'normal', ...more,
});
const a = held('a', 'l-1', 8, { unload_order: 1 });
const b = held('b', 'l-2', 12, { unload_order: 2, priority: 'high' });
const lease = (id: string, booked: number): Lease => ({ id, booked: { gpu_memory_bytes: booked * GiB } });
const leases = [lease('l-1', 8), lease('l-2', 12)];

test('residents stand in the order of unloading, those that stay behind them', () => {
  const stays = held('0', null, 1);
  assert.deepEqual(residents_on([b, stays, a, held('gone', null, 1, { state: 'known' }), held('c', null, 1, { device: 'H' })], 'G').map((model) => model.name), ['a', 'b', '0']);
  assert.deepEqual(sorted_models([{ name: 'z', state: 'known' }, b, { name: 'y', state: 'waiting' }, a]).map((model) => model.name), ['a', 'b', 'y', 'z']);
});

test('room without a model has what it booked and what it used back, but not twice', () => {
  assert.equal(room_without(gpu, [], leases), 3 * GiB);
  assert.equal(room_without(gpu, [a], leases), 11 * GiB);
  assert.equal(room_without(gpu, [a, b], leases), 23 * GiB);
  const lazy: RoomItem = { ...gpu, free_bytes: 10 * GiB, unmaterialised_bytes: 6 * GiB }; // 8 booked, 2 used
  assert.equal(room_without(lazy, [held('a', 'l-1', 2)], leases), 11 * GiB);
});

test('what an engine holds without a lease gives back what is free, not what was booked', () => {
  const engine: RoomItem = { ...gpu, room_bytes: 3 * GiB, booked_bytes: 20 * GiB, free_bytes: 4 * GiB };
  assert.equal(room_without(engine, [held('e', null, 4)], leases), 3 * GiB, 'the book is full already');
  const free_short: RoomItem = { ...gpu, room_bytes: 3.5 * GiB, booked_bytes: 0 };
  assert.equal(room_without(free_short, [held('e', null, 8)], []), 11.5 * GiB);
});

test('unknown room stays unknown, and room without the terms of its sum takes the lesser', () => {
  assert.equal(room_without({ ...gpu, room_bytes: null }, [a], leases), null);
  assert.equal(room_without({ resource: 'gpu_memory', device: 'G', name: 'x', room_bytes: GiB }, [held('e', null, 4)], []), GiB);
});

test('nobody of a higher priority goes', () => {
  assert.deepEqual(may_go([a, b], 'G', 'normal').map((model) => model.name), ['a']);
  assert.deepEqual(may_go([a, b], 'G', 'high').map((model) => model.name), ['a', 'b']);
  assert.deepEqual(may_go([a, b], 'G', 'low'), []);
});

test('a size fits now, after some, after none, never, or nobody knows', () => {
  const of = (size: number, priority = 'normal', item = gpu) => {
    const fitting = fitting_of(item, size * GiB, [a, b], leases, priority);
    return [fitting.answer, plain(fitting_text(fitting))];
  };
  assert.deepEqual(of(3), ['now', 'fits now']);
  assert.deepEqual(of(3.1), ['after', 'fits if a goes']);
  assert.deepEqual(of(12), ['short', '1.0 GiB short, whoever goes']);
  assert.deepEqual(of(12, 'critical'), ['after', 'fits if a, b go']);
  assert.deepEqual(of(23.1, 'critical'), ['never', 'never: it is larger than the device']);
  assert.deepEqual(of(3, 'normal', { ...gpu, room_bytes: null }), ['unknown', '–']);
});

test('sizes and times are read as people type them', () => {
  assert.deepEqual(['9', '9,5', ' 0.25 ', '', '0', '-1', 'x', '1e9'].map(typed_gib), [9 * GiB, 9.5 * GiB, 0.25 * GiB, null, null, null, null, null]);
  assert.deepEqual([9, 9.5, 0.3, 0.25].map((size) => flag_bytes(size * GiB)), ['9G', '9.5G', '0.3G', '256M']);
  assert.deepEqual(['60', '0', '1,5', 'x', ''].map(typed_minutes), [60, null, 1.5, null, null]);
});

test('needs and hits are said, and what nobody knows is a dash', () => {
  assert.equal(plain(format_needs({ name: 'x', needs: { gpu_memory_bytes: 9 * GiB, memory_bytes: 0, compute: 8 } })), '9.0 GiB GPU, compute 8.0');
  assert.equal(format_needs({ name: 'x' }), '–');
  assert.deepEqual([{ requests: 40, hits: 38 }, { requests: 0, hits: 0 }, {}].map((each) => plain(format_hits({ name: 'x', ...each }))), ['95 % of 40', '–', '–']);
});

test('a booking becomes a request and a command, or says what is wrong', () => {
  const booking = { ...kNoBooking, name: "it's", gpu_memory: '9.5', gpu: 'GPU-1', wait: '10', priority: 'high' };
  assert.deepEqual(request_of(booking), {
    body: { name: "it's", needs: { gpu_memory_bytes: 9.5 * GiB, gpu: 'GPU-1' }, priority: 'high', ttl_seconds: 3600, wait_seconds: 600, holder: { pid: null } },
  });
  assert.equal(command_of(booking), `headroom lease add 'it'\\''s' --gpu-mem 9.5G --gpu GPU-1 --priority high --ttl 3600s --wait 600s`);
  const wrong = (part: object) => (request_of({ ...kNoBooking, name: 'x', memory: '1', ...part }) as { wrong?: string }).wrong?.split(':')[0];
  assert.deepEqual([{}, { memory: '' }, { memory: '-1' }, { cpu: 'two' }, { minutes: '' }, { wait: 'x' }, { name: ' ' }].map(wrong), [undefined, 'nothing is asked for', 'memory', 'CPU', 'time', 'waiting', 'name']);
});

test('the newest end comes first, and says why it was', () => {
  const ended = (id: string, ended_at: string | null): Lease => ({ id, state: 'ended', ended_at });
  assert.deepEqual(ended_leases([ended('1', null), ended('2', '2026-11-21T10:00:00Z'), ended('3', '2026-11-21T11:00:00Z'), { id: '4', state: 'active' }]).map((each) => each.id), ['3', '2', '1']);
  assert.equal(end_of({ id: 'x', reason: 'its process has ended', exit_status: 0 }), 'its process has ended; exit status 0');
  assert.equal(end_of({ id: 'x' }), '–');
});

test('an alert names its device unless its text does', () => {
  const of = (name: string | null, text: string) => names_device({ id: 'a', name, text });
  assert.deepEqual([of('GPU 1', 'GPU 1: 78 GiB used'), of('GPU 1', 'GPU 12 is hot'), of('GPU 1', 'memory is short'), of('/', '/data is full'), of('/data', '/data is full'), of(null, 'x')], [false, true, true, true, false, false]);
});
