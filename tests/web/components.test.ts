import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Component, Decision, Quota, Strategy } from '../../web/src/api';
import {
  bar_places, change_text, close_top, component_matches, course_of, format_allotted, format_answer_time, format_asks, format_bounds, near_ends, outcome_text, quota_change, quota_command,
  quota_fields, readable_decisions, seen_also, strategy_differences, strategy_name, strategy_preview, taken_text, type Sight,
} from '../../web/src/components';
import { page_of } from '../../web/src/pages';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');
const kStart = Date.parse('2026-11-20T10:00:00Z') / 1000;
const at = (seconds: number) => new Date((kStart + seconds) * 1000).toISOString();

test('the page of one component is the page of all, whatever comes behind', () => {
  assert.equal(page_of('#/components').title, 'Components');
  assert.equal(page_of('#/components/indexer?window=1h').title, 'Components');
});

test('amounts have the unit they are counted in, and what nobody says is a dash', () => {
  assert.deepEqual(
    [[24.54, '%'], [400, 'MB'], [1234.6, 'MB'], [0, '%'], [-0.01, '%'], [500, '1/s'], [12, ''], [null, '%'], [undefined, null], [NaN, '%']].map(([value, unit]) => plain(format_allotted(value as number, unit as string))),
    ['24.5 %', '400 MB', '1235 MB', '0 %', '0 %', '500/s', '12', '–', '–', '–'],
  );
  assert.deepEqual([[5, 80], [null, 80], [5, null], [null, null]].map(([least, most]) => plain(format_bounds(least, most, '%'))), ['5 to 80 %', 'at most 80 %', 'at least 5 %', '–']);
  assert.deepEqual([0.0001, 0.003, 0.4, 1.24, 75, null].map((seconds) => plain(format_answer_time(seconds))), ['< 1 ms', '3 ms', '400 ms', '1.2 s', '75 s', '–']);
});

test('a bar reaches to the ceiling, and further when more is used than that', () => {
  const places = bar_places({ resource: 'cpu', allocation: 20, used: 15, demand: 30, amount: 25, least: 5, most: 50, forecast: { lo: 10, hi: 40 } })!;
  assert.deepEqual(places, { top: 50, used: 30, given: 10, over: 0, least: 10, amount: 50, most: 100, demand: 60, forecast: { from: 20, to: 80 } });
  const over = bar_places({ resource: 'cpu', allocation: 20, used: 100, least: 5, most: 50 })!;
  assert.deepEqual([over.top, over.used, over.over, over.most, over.demand, over.forecast], [100, 20, 80, 50, null, null]);
  assert.equal(bar_places({ resource: 'cpu' }), null, 'nothing is known: there is no bar');
  assert.equal(bar_places({ resource: 'cpu', allocation: -5, most: -3 }), null);
  assert.equal(bar_places({ resource: 'cpu', most: 10, forecast: { lo: 5, hi: 2 } })!.forecast, null, 'a band that ends before it begins');
});

test('asks are told with those that failed or came too late', () => {
  const asks = (asked: number, applied: number, failed: number, timed_out: number): Component => ({ name: 'x', asks: { asked, applied, failed, timed_out } });
  assert.deepEqual([asks(12, 11, 1, 0), asks(9, 9, 0, 0), asks(10, 6, 2, 2), asks(0, 0, 0, 0), { name: 'x' }].map((each) => plain(format_asks(each))), ['11 of 12 applied, 1 failed', '9 of 9 applied', '6 of 10 applied, 2 failed, 2 too late', '–', '–']);
});

test('a component is found by its name, state, priority and setters', () => {
  const component: Component = { name: 'indexer', state: 'connected', priority: 'high', setters: [{ name: 'batch_size' }] };
  assert.ok(component_matches(component, 'HIGH batch') && component_matches(component, 'index connected'));
  assert.ok(!component_matches(component, 'index low'));
  assert.ok(!component_matches({ name: 'bare', setters: 'all' as never }, 'null'));
});

test('a decision says what was and what came of it', () => {
  const decision: Decision = { resource: 'cpu', unit: '%', old: 20, new: 31, applied: 30, outcome: 'applied' };
  assert.equal(plain(change_text(decision)), '20 → 31 %');
  assert.equal(plain(taken_text(decision)!), 'it took 30 %');
  assert.equal(taken_text({ ...decision, applied: 31 }), null);
  assert.equal(taken_text({ ...decision, applied: null }), null);
  assert.equal(plain(change_text({})), '– → –');
  assert.deepEqual(['timed_out', 'shadow', 'odd', null].map(outcome_text), ['no answer in time', 'only said', 'odd', '–']);
  assert.deepEqual(readable_decisions([null, decision, 'x'] as never), [decision]);
  assert.deepEqual(readable_decisions('many' as never), []);
});

const moved = (seconds: number, old: number, to: number, more: Partial<Decision> = {}): Decision => ({ at: at(seconds), resource: 'cpu', unit: '%', old, new: to, applied: to, outcome: 'applied', ...more });
const value_of = (course: { at: number[]; allocation: (number | null)[] }, seconds: number) => course.allocation[course.at.findIndex((each) => Math.abs(each - kStart - seconds) < 0.0005)];

test('the course of an allocation has a step at each decision that was applied, and at no other', () => {
  const decisions = [moved(300, 27, 31), moved(200, 27, 90, { outcome: 'failed', applied: null }), moved(100, 20, 30, { applied: 27 }), moved(150, 500, 600, { resource: 'memory' }), moved(0, 1, 2, { at: 'never' })];
  const sights: Sight[] = [{ at: kStart + 598, allocation: 31, demand: 30, used: 24 }];
  const course = course_of(decisions, 'cpu', sights, kStart, kStart + 600, true);
  assert.deepEqual(course.at.map((each) => Math.round(each - kStart)), [0, 100, 100, 300, 300, 598, 600]);
  assert.deepEqual(course.allocation, [20, 20, 27, 27, 31, 31, 31]);
  assert.deepEqual(course.used, [null, null, null, null, null, 24, 24], 'what the page did not see is not known');
  for (let n = 1; n < course.at.length; ++n) assert.ok(course.at[n]! > course.at[n - 1]!, 'time grows');
});

test('where older decisions are missing, nothing is said of the time before them', () => {
  const course = course_of([moved(100, 20, 30)], 'cpu', [], kStart, kStart + 600, false);
  assert.equal(value_of(course, 99.999), null);
  assert.equal(value_of(course, 100), 30);
  const before = course_of([moved(-100, 20, 30)], 'cpu', [], kStart, kStart + 600, false);
  assert.equal(value_of(before, 0), 30, 'one before the window holds in it');
  assert.deepEqual(course_of([], 'cpu', [], kStart, kStart + 600, true).allocation, [null], 'nothing is known at all');
});

test('what the page saw stands until it is old, unless a decision came after it', () => {
  const sights: Sight[] = [{ at: kStart + 10, allocation: 20, demand: 9, used: 8 }, { at: kStart + 12, allocation: 20, demand: 9, used: 8 }];
  const course = course_of([moved(13, 20, 30), moved(100, 30, 40)], 'cpu', sights, kStart, kStart + 200, true);
  assert.equal(value_of(course, 13), 30);
  assert.equal(course.used[course.at.findIndex((each) => each === kStart + 13)], 8);
  assert.equal(course.used[course.at.length - 1], null, 'what is old is not drawn on');
  const sight = (seconds: number): Sight => ({ at: seconds, allocation: 1, demand: 1, used: 1 });
  assert.deepEqual(seen_also([sight(1), sight(50)], sight(70), 60).map((each) => each.at), [50, 70]);
  assert.deepEqual(seen_also([sight(50)], sight(50), 60).length, 1);
});

test('a ceiling far above is left out of the chart, and its scale ends close above what is in it', () => {
  assert.deepEqual(near_ends({ resource: 'memory', least: 100, most: 4096 }, 700).map((each) => each.label), ['floor']);
  assert.deepEqual(near_ends({ resource: 'cpu', least: 5, most: 50 }, 31).map((each) => each.label), ['floor', 'ceiling']);
  assert.deepEqual(near_ends({ resource: 'network', least: 0, most: null }, 0), []);
  assert.deepEqual([0, -1, 0.9, 52, 735, 3100].map(close_top), [1, 1, 1, 60, 800, 4000]);
});

const quota: Quota = {
  priority: 'high', buffer_percent: 40, enforce: false,
  resources: [{ resource: 'cpu', unit: '%', amount: 30, least: 5, most: 50 }, { resource: 'memory', unit: 'MB', amount: null, least: 100, most: 2048 }],
  windows: [{ during: 'Mon-Fri 08:00-18:00', priority: null, resources: [{ resource: 'cpu', unit: '%', amount: 40, least: null, most: null }] }],
};

test('the fields of a quota are what it says, at all times or at some', () => {
  const fields = quota_fields(quota, null);
  assert.deepEqual([fields.cpu_percent, fields.min_cpu_percent, fields.max_cpu_percent, fields.memory_mb, fields.disk_iops, fields.priority, fields.buffer_percent, fields.enforce], ['30', '5', '50', '', '', 'high', '40', '']);
  const window = quota_fields(quota, 'Mon-Fri 08:00-18:00');
  assert.deepEqual([window.cpu_percent, window.max_cpu_percent, window.priority, window.enforce], ['40', '', '', undefined]);
  assert.equal(quota_fields(null, null).cpu_percent, '');
  assert.equal(quota_fields({ resources: [null] as never, windows: [null] as never }, 'x').cpu_percent, '');
});

test('only what was changed is asked for; what is emptied is taken back; nonsense is named', () => {
  const before = quota_fields(quota, null);
  assert.deepEqual(quota_change(before, { cpu_percent: '35,5', max_cpu_percent: '50', memory_mb: ' ', max_memory_mb: '', priority: 'critical', enforce: 'true' }, null), {
    body: { cpu_percent: 35.5, max_memory_mb: null, priority: 'critical', enforce: true },
  });
  assert.deepEqual(quota_change(before, {}, null), { wrong: 'nothing was changed' });
  assert.match((quota_change(before, { min_memory_mb: 'much' }, null) as { wrong: string }).wrong, /^min memory mb: "much" is no amount/);
  assert.ok('wrong' in quota_change(before, { cpu_percent: '-1' }, null));
});

test('times are never forgotten by a form in which nothing was changed', () => {
  const before = quota_fields(quota, 'Mon-Fri 08:00-18:00');
  assert.deepEqual(quota_change(before, { cpu_percent: '40' }, 'Mon-Fri 08:00-18:00'), { wrong: 'nothing was changed' });
  assert.deepEqual(quota_change(before, { cpu_percent: '45' }, 'Mon-Fri 08:00-18:00'), { body: { cpu_percent: 45, during: 'Mon-Fri 08:00-18:00' } });
  assert.match((quota_change({}, { cpu_percent: '45' }, ' ') as { wrong: string }).wrong, /^times: /);
});

test('a change of a quota is a command line too', () => {
  assert.equal(quota_command('x', { body: { cpu_percent: 30, memory_mb: 600, max_network_mb: 10, priority: 'high', enforce: true, during: "Mon-Fri 08:00-18:00'; rm" } }), "headroom quota set x --cpu 30 --memory 600M --max-net 10M --priority high --enforce --during 'Mon-Fri 08:00-18:00; rm'");
  assert.equal(quota_command('x', { wrong: 'nothing was changed' }), 'headroom quota show x');
  assert.equal(quota_command('x', { body: { cpu_percent: null } }), 'headroom quota show x');
});

const words = ([['conservative', 25, 20, 800, true], ['balanced', 35, 12, 200, true], ['adaptive', 55, 5, 50, true], ['predictive', 55, 5, 50, false]] as const).map(([name, buffer_percent, reserve_percent, shortfall_weight, lends]) => ({ name, buffer_percent, reserve_percent, shortfall_weight, lends }));
const strategy: Strategy = { name: 'adaptive', posture: 'adaptive', estimator: 'adaptive', buffer_percent: 55, reserve_percent: 5, shortfall_weight: 50, lends: true, strategies: words };

test('a strategy is named without what is left to headroom', () => {
  assert.deepEqual([strategy_name('adaptive', 'adaptive'), strategy_name('balanced', 'adaptive'), strategy_name('adaptive', 'predictive'), strategy_name('balanced', 'predictive')], ['adaptive', 'balanced', 'predictive', 'balanced+predictive']);
});

test('a preview has the numbers of the posture and the lending of the estimator, and tells only what differs', () => {
  const then = strategy_preview(strategy, 'balanced', 'predictive');
  assert.deepEqual(then, { name: 'balanced+predictive', buffer_percent: 35, reserve_percent: 12, shortfall_weight: 200, lends: false });
  assert.deepEqual(strategy_differences(strategy, then).map((row) => plain(`${row.what}: ${row.now} → ${row.then}`)), ['buffer over a demand: 55 % → 35 %', 'kept back of the memory: 5 % → 12 %', 'too little weighs: 50× → 200×', 'lends what lies idle: yes → no']);
  assert.deepEqual(strategy_differences(strategy, strategy_preview(strategy, 'adaptive', 'adaptive')), []);
  assert.deepEqual(strategy_differences({}, strategy_preview({ strategies: [null] as never }, 'balanced', 'dynamic')), [], 'where nothing is known, nothing is told');
});
