import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../../web/src/format';

const GiB = 2 ** 30;
/** Numbers and units are joined by a no-break space; the expectations are easier to read without it. */
const plain = (text: string) => text.replace(/\u00a0/g, ' ');

test('bytes choose the unit that people would, with one decimal for GiB and two for TiB', () => {
  for (const [bytes, text] of [
    [0, '0.0 GiB'], [512, '512 B'], [64 * 1024, '64 KiB'], [512 * 2 ** 20, '512 MiB'], [15.4 * GiB, '15.4 GiB'],
    [358 * GiB, '358.0 GiB'], [2048 * GiB, '2.00 TiB'], [-3 * GiB, '-3.0 GiB'],
  ] as [number, string][])
    assert.equal(plain(format.format_bytes(bytes)), text);
});

test('a part is given in the unit of its whole', () => {
  assert.equal(plain(format.format_bytes_of(41.2 * GiB, 125.6 * GiB)), '41.2 of 125.6 GiB');
  assert.equal(plain(format.format_bytes_of(1648 * GiB, 2048 * GiB)), '1.61 of 2.00 TiB');
  assert.equal(plain(format.format_bytes_of(5 * 2 ** 20, 2 * GiB)), '0.0 of 2.0 GiB');
});

test('the unknown is a dash in every format, never a zero', () => {
  for (const call of [
    format.format_bytes, format.format_cores, format.format_ratio, format.format_percent, format.format_duration,
    (value: null | undefined) => format.format_clock(value, 0), (value: null | undefined) => format.format_until(value, 0),
    (value: null | undefined) => format.format_ago(value, 0),
  ]) {
    assert.equal(call(null), format.kUnknown);
    assert.equal(call(undefined), format.kUnknown);
  }
  assert.equal(plain(format.format_bytes_of(null, 2 * GiB)), '– of 2.0 GiB');
  assert.equal(format.format_bytes_of(null, null), format.kUnknown);
});

test('a rounded nothing has no sign', () => {
  assert.equal(plain(format.format_ratio(-0.001)), '0 %');
  assert.equal(plain(format.format_cores(-0.01)), '0.0 cores');
});

test('one core is singular', () => {
  assert.equal(plain(format.format_cores(1)), '1.0 core');
  assert.equal(plain(format.format_cores(1.04)), '1.0 core');
  assert.equal(plain(format.format_cores(7)), '7.0 cores');
});

test('durations have two parts at most', () => {
  for (const [seconds, text] of [
    [0, '0 s'], [-4, '0 s'], [45.4, '45 s'], [89, '89 s'], [90, '2 min'], [12 * 60, '12 min'], [59.4 * 60, '59 min'],
    [59.6 * 60, '1h 00m'], [7380, '2h 03m'], [86399, '1d 0h'], [273600, '3d 4h'],
  ] as [number, string][])
    assert.equal(plain(format.format_duration(seconds)), text);
});

test('a time is local, and names its day only when it could be mistaken', () => {
  const now = Date.parse('2026-11-20T21:50:00Z'); // 22:50 in Berlin
  assert.equal(format.format_clock(Date.parse('2026-11-20T13:32:00Z'), now), '14:32');
  assert.equal(format.format_clock(Date.parse('2026-11-20T23:02:00Z'), now), '00:02');
  assert.equal(format.format_clock(Date.parse('2026-11-23T13:32:05Z'), now, true), 'Mon 23 Nov 14:32:05');
});

test('the near future and the past are told from now', () => {
  assert.equal(plain(format.format_until(720_000, 0)), 'in 12 min');
  assert.equal(format.format_until(0, 5), 'due');
  assert.equal(plain(format.format_ago(0, 120_000)), '2 min ago');
  assert.equal(format.format_ago(0, 1500), 'now');
});

test('what is no time is unknown', () => {
  for (const text of [null, undefined, '', 'soon']) assert.equal(format.parse_time(text), null);
  assert.equal(format.parse_time('1970-01-01T00:00:01.500Z'), 1500);
});
