import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address_with, parse_address } from '../../web/src/address';
import { problem_text, type Lease, type Process } from '../../web/src/api';
import { round_top } from '../../web/src/chart';
import { setting_matches, setting_text, typed_text } from '../../web/src/configuration';
import { costly_leases, format_money, with_currency } from '../../web/src/cost';
import { format_link, memory_truths } from '../../web/src/machine';
import { metric_of, own_cpu_ratio } from '../../web/src/own_cost';
import { kPages, page_of } from '../../web/src/pages';
import { matches, sorted_processes } from '../../web/src/processes_page';
import { is_readonly, joined, kStart, with_gaps } from '../../web/src/state';
import { marks_of } from '../../web/src/thresholds';
import { history_path, kWindows } from '../../web/src/window';

const GiB = 2 ** 30;
const plain = (text: string) => text.replace(/\u00a0/g, ' ');

test('an address names the page, the section and how the view is set', () => {
  const address = parse_address('#/processes/list?sort=mem&filter=a%20b');
  assert.deepEqual([address.page, address.section, address.query.get('sort'), address.query.get('filter')], ['processes', 'list', 'mem', 'a b']);
  assert.deepEqual([parse_address('').page, parse_address('#/').section], ['', null]);
  assert.equal(address_with('#/processes?sort=mem', 'gpu', '0'), '#/processes?sort=mem&gpu=0');
  assert.equal(address_with('#/system/cpu?sort=mem', 'sort', null), '#/system/cpu');
  assert.equal(address_with('', 'window', '1h'), '#/?window=1h');
});

test('every page has an address, and one that is none leads to the first', () => {
  for (const page of kPages) assert.equal(page_of(`#/${page.path}?window=1h`), page);
  assert.equal(page_of('#/system/memory').path, 'system');
  assert.equal(page_of('#/nowhere').path, '');
});

test('processes are sorted by what they hold, unknown ones last, ties by number', () => {
  const processes: Process[] = [{ pid: 3, memory_bytes: 1 }, { pid: 1, memory_bytes: null }, { pid: 4, memory_bytes: 9, name: 'a' }, { pid: 2, memory_bytes: 1, name: 'b' }];
  assert.deepEqual(sorted_processes(processes, 'mem').map((each) => each.pid), [4, 2, 3, 1]);
  assert.deepEqual(sorted_processes(processes, 'name').map((each) => each.pid), [1, 3, 4, 2]);
  assert.deepEqual(sorted_processes(processes, 'nonsense').map((each) => each.pid), [1, 2, 3, 4]);
});

test('a filter finds all its words wherever they stand', () => {
  const process: Process = { pid: 4121, name: 'vllm', user: 'mia', command: 'vllm serve Qwen', lease_name: null };
  assert.ok(matches(process, 'QWEN mia'));
  assert.ok(matches(process, '412'));
  assert.ok(!matches(process, 'qwen joe'));
});

test('settings are found by alias, origin and value, and typed without the quotes of TOML', () => {
  const setting = { key: 'http.listen', value: '"127.0.0.1:8000"', origin: '/etc/headroom/headroom.toml:3', alias: 'LISTEN_ADDRESS' };
  assert.ok(setting_matches(setting, 'listen_address toml:3'));
  assert.ok(!setting_matches(setting, 'listen 9000'));
  assert.deepEqual([typed_text('"a b"'), typed_text('85'), typed_text('["a", "b"]'), typed_text(''), typed_text(null), typed_text('"a\\"b"')], ['a b', '85', '["a", "b"]', '', '', '"a\\"b"']);
  assert.deepEqual([setting_text(true), setting_text(null), setting_text('')], ['true', '–', '–']);
});

test('thresholds are those of the configuration, else the one in force, else none', () => {
  const settings = [{ key: 'pressure.memory.warning', value: '70' }, { key: 'pressure.memory.critical', value: 'off' }, { key: 'pressure.memory.emergency', value: '95.5' }];
  assert.deepEqual(marks_of({ ...kStart, settings }, 'memory', null), [{ value: 70, label: 'warning' }, { value: 95.5, label: 'emergency' }]);
  const pressure = [{ resource: 'memory', device: null, threshold: 80 }];
  assert.deepEqual(marks_of({ ...kStart, pressure }, 'memory', null), [{ value: 80, label: '' }]);
  assert.deepEqual(marks_of(kStart, 'memory', null), []);
});

test('buttons are hidden only where the daemon says that it takes no changes', () => {
  const with_value = (value: unknown) => is_readonly({ ...kStart, settings: [{ key: 'http.readonly', value }] });
  assert.deepEqual([with_value('true'), with_value(true), with_value('false'), with_value(null), is_readonly(kStart)], [true, true, false, false, false]);
});

test('a hole in the record is a gap in the line, a slow sampler is not', () => {
  assert.deepEqual(with_gaps({ at: [1, 2, 3, 60, 61], value: [1, 2, 3, 4, 5] }), { at: [1, 2, 3, 4, 60, 61], value: [1, 2, 3, null, 4, 5] });
  const slow = { at: [0, 30, 60, 90], value: [1, 2, 3, 4] };
  assert.equal(with_gaps(slow), slow);
  assert.deepEqual(with_gaps({ at: [], value: [] }), { at: [], value: [] });
});

test('the past ends with what came meanwhile, once', () => {
  const past = { at: [1, 2], value: [1, 2] };
  assert.deepEqual(joined(past, { at: [2, 3], value: [9, 3] }), { at: [1, 2, 3], value: [1, 2, 3] });
  assert.equal(joined(past, undefined), past);
});

test('a window asks for some hundreds of points, never for thousands', () => {
  for (const each of kWindows) assert.ok(each.seconds / each.step <= 900 && each.seconds / each.step >= 300, each.word);
  assert.equal(history_path('gpu_memory', 'GPU-1/2', kWindows[1]!), 'history?resource=gpu_memory&device=GPU-1%2F2&window=3600&step=5');
});

test('memory that is not there is not listed, and what is listed says what it means', () => {
  const names = (memory: object) => memory_truths(memory).map((truth) => truth.name);
  assert.deepEqual(names({}), ['in use', 'available', 'cache', 'shared']);
  const all = { total_bytes: 8 * GiB, available_bytes: 2 * GiB, huge_total_bytes: GiB, huge_free_bytes: 0, arc_bytes: GiB, zram_bytes: 1, zswap_bytes: 0, dirty_bytes: 5, swap_total_bytes: GiB, limit_bytes: GiB };
  assert.deepEqual(names(all), ['in use', 'available', 'cache', 'shared', 'to be written', 'huge pages', 'ZFS cache', 'zram', 'swap', 'limit']);
  assert.equal(plain(memory_truths(all)[0]!.text), '6.0 of 8.0 GiB');
  assert.ok(memory_truths(all).every((truth) => truth.about !== ''));
});

test('links have the speed they are sold with', () => {
  assert.deepEqual([3.125e9, 1.25e8, 1.25e7, 3.125e8, null, 0].map((speed) => plain(format_link(speed))), ['25 Gbit/s', '1 Gbit/s', '100 Mbit/s', '2.5 Gbit/s', '–', '–']);
});

test('a metric is the sum of its samples and of nothing that begins like it', () => {
  const text = '# TYPE a_total counter\na_total{code="200"} 3\na_total{code="4 {x"} 4\na_total_more 9\nb 1e3\n';
  assert.deepEqual([metric_of(text, 'a_total'), metric_of(text, 'b'), metric_of(text, 'c'), metric_of('a_total nonsense', 'a_total')], [7, 1000, null, null]);
});

test('the daemon costs what it took per second of its life', () => {
  const started_at = '2026-11-20T12:00:00Z';
  const node = { uptime_seconds: 9e9, started_at, own: { cpu_seconds: 1 } };
  assert.equal(own_cpu_ratio(node, Date.parse(started_at) + 200_000), 0.005);
  assert.equal(own_cpu_ratio(node, Date.parse(started_at)), null);
  assert.equal(own_cpu_ratio({ ...node, started_at: null }, Date.parse(started_at) + 1), null);
});

test('a refusal is told with what helps, and without nonsense', () => {
  assert.equal(problem_text({ detail: 'too much', title: 'No', help: [{ text: 'give 85' }, null, { do: 'x' }] }, 400), 'too much; give 85');
  assert.equal(problem_text({ title: 'No' }, 403), 'No');
  assert.equal(problem_text({ detail: '', help: 'many' }, 500), 'the daemon answered 500');
  assert.equal(problem_text(null, 502), 'the daemon answered 502');
});

test('the top of a scale is a round number above its values', () => {
  assert.deepEqual([0, 0.3, 1, 17, 51, 200, 350].map(round_top), [1, 0.5, 1, 20, 100, 200, 500]);
});

test('money has two decimals, and of little the first figures', () => {
  const texts = [900, 1.2, 0.1, 0.0529, 0.00004, 0].map(format_money);
  assert.deepEqual(texts, ['900.00', '1.20', '0.10', '0.0529', '0', '0.00']);
  assert.equal(format_money(null), '–');
  assert.equal(plain(with_currency(1.2, 'EUR')), '1.20 EUR');
  assert.equal(with_currency(1.2, null), '1.20');
  assert.equal(with_currency(null, 'EUR'), '–');
});

test('the leases that cost most come first, and what costs nothing or has ended is left out', () => {
  const leases: Lease[] = [
    { id: 'l-1', cost_per_hour: 0.5 }, { id: 'l-2', cost_per_hour: 2 }, { id: 'l-3', cost_per_hour: null },
    { id: 'l-4', cost_per_hour: 9, state: 'ended' }, { id: 'l-5', cost_per_hour: 0 },
  ];
  assert.deepEqual(costly_leases(leases).map((each) => each.id), ['l-2', 'l-1']);
});
