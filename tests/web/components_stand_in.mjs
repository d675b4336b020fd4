// The components and the strategy of the stand-in, in the shapes of docs/api.md, and what becomes of them. Nothing here is measured.
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

const kUnits = { cpu: '%', memory: 'MB', disk_iops: '1/s', network: 'MB/s' };
const kKeys = { cpu_percent: 'cpu', memory_mb: 'memory', disk_iops: 'disk_iops', network_mb: 'network' };

function allotment(resource, allocation, more) {
  const bounds = { cpu: [5, 80], memory: [100, 4096], disk_iops: [0, 10000], network: [0, 1000] }[resource];
  return {
    resource, unit: kUnits[resource], allocation, asked: null, demand: null, used: null, amount: null, least: bounds[0], most: bounds[1], lent: 0,
    method: null, confidence: null, forecast: null, accuracy: null, ...more,
  };
}

function component(name, more, resources, quota) {
  return {
    name, owner: 1000, state: 'known', priority: 'normal', window: null, pid: null, lease: null, since: null, heard: null, setters: [], resources,
    asks: { asked: 0, applied: 0, failed: 0, timed_out: 0, answers_in_seconds: null }, problem: null,
    quota: {
      component: name, priority: more.priority ?? 'normal', enforce: false, buffer_percent: null, windows: [],
      resources: resources.map(({ resource, unit, amount, least, most }) => ({ resource, unit, amount, least, most })), ...quota,
    },
    ...more,
  };
}

/** One is well, one does not answer, one is only registered, of one only the quota is known. */
function usual(wave) {
  const forecast = (value, lo, hi) => ({ value, lo, hi, horizon_seconds: 900 });
  const cpu = 19 + 5 * wave(4);
  const memory = 520 + 60 * wave(5);
  return [
    component(
      'indexer',
      {
        state: 'connected', priority: 'high', window: 'Mon-Sun 00:00-24:00', pid: 4121, lease: 'l-71', since: ago(7400), heard: ago(1),
        setters: [
          { name: 'cpu_percent', unit: '%', least: null, most: null, follows: 'cpu', whole: true, value: 31 },
          { name: 'batch_size', unit: '', least: 1, most: 64, follows: 'memory', whole: true, value: 12 },
          { name: 'cache_ratio', unit: '', least: 0.1, most: 0.9, follows: 'memory', whole: false, value: null },
        ],
        asks: { asked: 12, applied: 11, failed: 1, timed_out: 0, answers_in_seconds: 0.003 },
      },
      [
        allotment('cpu', 31, { demand: cpu + 2.3, used: cpu, amount: 30, least: 5, most: 50, method: 'forecast_quantile', confidence: 0.82, forecast: forecast(24, 20.5, 38), accuracy: 0.93 }),
        allotment('memory', 700, { asked: 760, demand: memory + 40, used: memory, amount: 600, most: 2048, method: 'in_use', confidence: 0.6, forecast: forecast(640, 520, 980), accuracy: null }),
        allotment('network', 10, { demand: 4.2, used: 3.8, amount: 10 }),
      ],
      {
        buffer_percent: 40,
        windows: [
          { during: 'Mon-Sun 00:00-24:00', priority: null, resources: [{ resource: 'cpu', unit: '%', amount: 30, least: null, most: 50 }] },
          { during: 'Sat-Sun 00:00-24:00', priority: 'low', resources: [] },
        ],
      },
    ),
    component('prediction_service', { state: 'unresponsive', priority: 'critical', pid: 6120, lease: 'l-72', since: ago(86000), heard: ago(340), setters: [{ name: 'cpu_percent', unit: '%', least: null, most: null, follows: 'cpu', whole: true, value: 20 }], asks: { asked: 40, applied: 31, failed: 2, timed_out: 7, answers_in_seconds: 1.24 }, problem: 'it did not answer in 5 s, 3 times in a row' },
      [allotment('cpu', 20, { demand: 26, used: 24.4, method: 'in_use' }), allotment('memory', 3000, { demand: 2900, used: 2710, lent: 410 })]),
    component('nightly-report', { state: 'registered', priority: 'low', pid: 7001, since: ago(60), heard: ago(60) }, [allotment('cpu', 5, { demand: 0.4, used: 0.1, lent: 4 }), allotment('memory', 120, { used: 80 })]),
    component('later', {}, [allotment('cpu', null, { amount: 20 }), allotment('memory', null, { amount: 512 })]),
  ];
}

function decisions() {
  const made = (id, seconds, resource, old, to, more) => ({ id, component: 'indexer', at: ago(seconds), resource, unit: kUnits[resource], old, new: to, applied: to, outcome: 'applied', reason: 'its demand has risen: it uses 24.9 % and 31 % covers what is foreseen within 15 min', confidence: 0.8, took_seconds: 0.003, ...more });
  return [
    made(17, 4, 'memory', 700, 760, { applied: null, outcome: 'asked', reason: 'its demand has risen: it uses 560 MB', took_seconds: null }),
    made(16, 130, 'cpu', 24, 31),
    made(15, 300, 'memory', 620, 760, { applied: 700, reason: 'its demand has risen: it uses 512 MB; it took less than was asked' }),
    made(14, 420, 'cpu', 27, 24, { reason: 'its demand has been lower for 15 min: it uses 17.1 %, and goes down by at most 10 % at once', confidence: 0.71 }),
    made(13, 600, 'cpu', 20, 27, { reason: 'its demand has risen: it uses 20.2 %' }),
    made(12, 1500, 'cpu', 20, 35, { applied: null, outcome: 'failed', reason: 'its demand has risen: it uses 28.8 %', took_seconds: 0.4 }),
    { id: 11, component: 'prediction_service', at: ago(340), resource: 'cpu', unit: '%', old: 20, new: 26, applied: null, outcome: 'timed_out', reason: 'its demand has risen: it uses 24.4 %', confidence: 0.5, took_seconds: 5 },
    made(10, 5000, 'memory', 600, 620, { outcome: 'shadow', applied: null, confidence: null }),
  ];
}

const kWords = [['conservative', 25, 20, 800, true], ['balanced', 35, 12, 200, true], ['aggressive', 55, 5, 50, true], ['adaptive', 55, 5, 50, true], ['dynamic', 55, 5, 50, false], ['predictive', 55, 5, 50, false], ['cooperative', 55, 5, 50, true]];

export class Components {
  constructor(scene, wave) {
    this.scene = scene;
    this.strategy_name = 'adaptive';
    this.items = scene === 'empty' ? [] : usual(wave);
    this.decisions = scene === 'empty' ? [] : decisions();
    if (scene === 'hostile') {
      this.items = [
        { name: '<b>c</b>'.repeat(30), state: '<i>up</i>', resources: [null, { resource: 'cpu', allocation: 'much', least: 9, most: -3, forecast: { lo: 5, hi: 'x' } }, { resource: 'memory', unit: null, allocation: -5, used: 1e30 }], asks: 'many', setters: [null, {}], problem: '<u>why</u>'.repeat(40), quota: null },
        { name: null }, null, { name: 'bare' },
        { name: 'odd', resources: 'all', setters: 'all', quota: { resources: [null], windows: [null, { during: 'x'.repeat(200), resources: null }] }, asks: null },
      ];
      this.decisions = [null, {}, { id: 'x', component: '<b>c</b>', at: 'never', resource: 7, old: 'a', new: null, outcome: '<i>o</i>', reason: '<u>r</u>'.repeat(60), confidence: 'high' }];
    }
    if (scene === 'crowded') {
      for (let n = 0; n < 996; ++n) this.items.push(component(`bulk-${n}`, { state: n % 2 ? 'connected' : 'registered' }, [allotment('cpu', 5, { used: 1 }), allotment('memory', 100, {})]));
      for (let n = 0; n < 190; ++n) this.decisions.push({ ...this.decisions[1], id: -n, at: ago(2000 + n) });
    }
  }

  strategy() {
    if (this.scene === 'hostile') return { name: null, posture: 7, strategies: [null, { name: 'adaptive', buffer_percent: 'x' }, { name: '<b>s</b>' }] };
    const rows = kWords.map(([name, buffer_percent, reserve_percent, shortfall_weight, lends]) => ({ name, buffer_percent, reserve_percent, shortfall_weight, lends }));
    const words = this.strategy_name.split('+');
    const posture = ['conservative', 'balanced', 'aggressive'].find((word) => words.includes(word)) ?? 'adaptive';
    const estimator = ['dynamic', 'predictive', 'cooperative'].find((word) => words.includes(word)) ?? 'adaptive';
    const bold = rows.find((row) => row.name === posture);
    return { ...bold, name: this.strategy_name, posture, estimator, level: 'ok', cycle_seconds: 5, hold_seconds: 120, shrink_percent: 20, lends: rows.find((row) => row.name === estimator).lends, strategies: rows };
  }

  find(name) {
    return this.items.find((each) => each?.name === name);
  }

  /** What is under components/, or undefined. */
  read(path, query) {
    if (path === 'components') return { items: this.items, next: null };
    const [, name, below] = path.split('/').map(decodeURIComponent);
    if (below === 'allocations') return { items: this.decisions.filter((each) => name === '-' || this.scene === 'hostile' || each?.component === name).slice(0, Number(query.get('limit') ?? 100)), next: null };
    return below === 'quota' ? this.find(name)?.quota : this.find(name);
  }

  /** What a change is answered with. */
  change(method, path, body) {
    if (method === 'PUT' && path === 'strategy') {
      if (body.name === 'conservative+dynamic') return [409, { title: 'Conflict', detail: 'the configuration file cannot be written', help: [{ text: 'is /etc/headroom writable?' }] }];
      this.strategy_name = body.name;
      return [200, this.strategy()];
    }
    const [, name, below] = path.split('/').map(decodeURIComponent);
    const found = this.find(name);
    if (method !== 'PUT' || below !== 'quota' || !found) return null;
    if (body.cpu_percent > 80) return [400, { title: 'Invalid request', detail: `cpu ${body.cpu_percent} % is outside 5-80 %`, help: [{ text: 'the range is control.cpu_range' }] }];
    const { quota } = found;
    const window = body.during === undefined ? quota : quota.windows.find((each) => each.during === body.during);
    if (body.during !== undefined && Object.keys(body).length === 1) {
      quota.windows = quota.windows.filter((each) => each !== window);
      return [200, quota];
    }
    const target = window ?? { during: body.during, priority: null, resources: [] };
    if (!window) quota.windows.push(target);
    for (const [key, value] of Object.entries(body)) {
      const [, end, word] = key.match(/^(min_|max_)?(.*)$/);
      const resource = kKeys[word];
      if (key === 'priority') target.priority = value;
      if (key === 'buffer_percent' || key === 'enforce') quota[key] = value;
      if (!resource) continue;
      let part = target.resources.find((each) => each.resource === resource);
      if (!part) target.resources.push((part = { resource, unit: kUnits[resource], amount: null, least: null, most: null }));
      part[{ min_: 'least', max_: 'most' }[end] ?? 'amount'] = value;
    }
    if (body.during === undefined && body.priority) found.priority = body.priority;
    return [200, quota];
  }
}
