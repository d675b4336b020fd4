// A stand-in for the daemon, for tests and for work on the dashboard only: it serves web/dist and
// speaks docs/api.md with numbers that move but mean nothing. The real daemon is the program.
//
//   node tests/web/stand_in.mjs [port] [full|empty|crowded|hostile|gpus|cores|readonly]
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Components } from './components_stand_in.mjs';
import { bad_day, cores, kMetrics, processes, readings } from './machine.mjs';
import { ended, Models } from './models_stand_in.mjs';

const kDist = fileURLToPath(new URL('../../web/dist/', import.meta.url));
const kTypes = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8' };
export const kPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";
const GiB = 2 ** 30;

/**
 * `scene`: full (two GPUs, alerts, leases), empty (a quiet box), crowded (hundreds of each), hostile (nulls and markup), gpus (MIG
 * slices, one device asleep, one stale, one lost), cores (256 of them), readonly (takes no changes). `patches` are the changes that came.
 */
export class StandIn {
  constructor(scene = 'full') {
    this.scene = scene;
    this.sample = 512;
    this.streams = new Set();
    this.patches = [];
    this.marks = new Map(); // what was changed about an alert
    this.changed = new Map(); // settings
    this.models = new Models(scene);
    this.components = new Components(scene, (seed) => this.wave(seed));
    this.gone = []; // leases that were ended over HTTP
    this.booked = []; // and that were booked
    this.started = Date.now();
  }

  async start(port = 0) {
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
    this.timer = setInterval(() => this.tick(), 1000);
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  async stop() {
    clearInterval(this.timer);
    for (const stream of this.streams) stream.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  send(type, document, id) {
    for (const stream of this.streams)
      stream.write(`${id ? `id: ${id}\n` : ''}event: ${type}\ndata: ${JSON.stringify(document)}\n\n`);
  }

  tick() {
    ++this.sample;
    this.send('snapshot', this.snapshot());
    if (this.sample % 20 === 0 && this.scene === 'full')
      this.send('event', this.event(9000 + this.sample, 0, 'decision.kept', 'nothing to change: room is enough'), 9000 + this.sample);
  }

  /** A smooth value between 0 and 1 that differs by `seed`, at `at` ms. */
  wave(seed, at = Date.now()) {
    const t = at / 1000;
    return 0.5 + 0.3 * Math.sin(t / (37 + 5 * seed) + seed) + 0.15 * Math.sin(t / 7.3 + 2 * seed) + 0.04 * Math.sin(t * 1.9 + seed);
  }

  values(at) {
    return {
      cpu: 0.22 + 0.4 * this.wave(1, at),
      memory: 0.3 + 0.06 * this.wave(2, at),
      'GPU-5d1f7a52': 0.74 + 0.03 * this.wave(3, at),
      'GPU-91c04be8': 0.965 + 0.02 * this.wave(4, at),
    };
  }

  item(resource, device, name, unit, terms, pressure = 'ok', why = null) {
    const { capacity, reserve, booked, measured, used, margin } = terms;
    const unmaterialised = Math.max(0, booked - measured);
    const free = capacity - used;
    const unbooked = Math.max(0, used - measured - reserve);
    const room = Math.max(0, Math.min(capacity - reserve - booked, free - unmaterialised) - margin);
    const item = { resource, device, name, pressure, why };
    for (const [term, value] of Object.entries({ room, capacity, reserve, booked, measured, unbooked, free, unmaterialised, margin }))
      item[`${term}_${unit}`] = unit === 'bytes' ? Math.round(value) : value;
    // capacity = reserve + booked + unbooked + margin + room, as the daemon keeps it
    if (room > 0) item[`unbooked_${unit}`] = item[`capacity_${unit}`] - item[`reserve_${unit}`] - item[`booked_${unit}`] - item[`margin_${unit}`] - item[`room_${unit}`];
    return item;
  }

  room() {
    const v = this.values();
    const memory = { capacity: 125.6 * GiB, reserve: 4 * GiB, booked: 48 * GiB, measured: 31.4 * GiB, used: v.memory * 125.6 * GiB, margin: 1.2 * GiB };
    const cpu = { capacity: 16, reserve: 0.5, booked: 6, measured: 3.1, used: v.cpu * 16, margin: 0.2 };
    const root = { capacity: 98.2 * GiB, reserve: 2 * GiB, booked: 0, measured: 0, used: 41.7 * GiB, margin: 0 };
    if (this.scene === 'empty')
      return [
        this.item('cpu', null, 'CPU', 'cores', { ...cpu, capacity: 2, used: v.cpu, booked: 0, measured: 0 }),
        this.item('memory', null, 'memory', 'bytes', { ...memory, capacity: 3.8 * GiB, reserve: 0.5 * GiB, booked: 0, measured: 0, used: v.memory * 3.8 * GiB, margin: 0.1 * GiB }),
        this.item('disk', '/', '/', 'bytes', root),
      ];
    if (this.scene === 'hostile')
      return [
        { resource: 'memory', device: null, name: '<img src=x onerror=alert(1)>', room_bytes: null, capacity_bytes: null, pressure: 'purple', why: 'the <b>reading</b> is missing' },
        { resource: 'cpu', device: null, name: null, room_cores: 0, capacity_cores: 0, surprise: { a: 1 } },
        { resource: 'gpu_memory', device: 'GPU-gone', name: 'GPU 9', room_bytes: -5, capacity_bytes: 'many', booked_bytes: 1e30 },
        { resource: 'quantum', device: 'x'.repeat(300), name: 'y'.repeat(300), room_bytes: 1, capacity_bytes: 2 },
      ];
    if (this.scene === 'gpus') return this.room_of_gpus();
    const items = [
      this.item('gpu_memory', 'GPU-5d1f7a52', 'GPU 0', 'bytes', { capacity: 80 * GiB, reserve: 0.6 * GiB, booked: 63.1 * GiB, measured: v['GPU-5d1f7a52'] * 80 * GiB - 1 * GiB, used: v['GPU-5d1f7a52'] * 80 * GiB, margin: 0.5 * GiB }),
      this.item('gpu_memory', 'GPU-91c04be8', 'GPU 1', 'bytes', { capacity: 80 * GiB, reserve: 0.6 * GiB, booked: 0, measured: 0, used: v['GPU-91c04be8'] * 80 * GiB, margin: 0.5 * GiB }, 'emergency', '78.3 GiB are used by pid 4121 (vllm), booked by nobody'),
      this.item('memory', null, 'memory', 'bytes', memory),
      this.item('cpu', null, 'CPU', 'cores', cpu),
      this.item('disk', '/', '/', 'bytes', root),
      this.item('disk', '/data', '/data', 'bytes', { capacity: 2048 * GiB, reserve: 40 * GiB, booked: 0, measured: 0, used: 1690 * GiB, margin: 0 }, 'warning'),
    ];
    if (this.scene === 'crowded')
      for (let n = 0; n < 200; ++n) items.push(this.item('disk', `/mnt/disk${n}`, `/mnt/disk${n}`, 'bytes', root));
    return items;
  }

  room_of_gpus() {
    const items = [];
    for (const gpu of bad_day((seed) => this.wave(seed))) {
      const total = gpu.memory_total_bytes;
      const used = gpu.memory_used_bytes ?? 0;
      const first = gpu.index === 0;
      const item = this.item('gpu_memory', gpu.id, `GPU ${gpu.index}`, 'bytes', { capacity: total, reserve: 0.6 * GiB, booked: first ? 59.1 * GiB : 0, measured: first ? 56.8 * GiB : 0, used, margin: 0.5 * GiB });
      if (gpu.state === 'asleep' || gpu.state === 'lost') Object.assign(item, { room_bytes: null, free_bytes: null, measured_bytes: null, unbooked_bytes: null, pressure: null, why: `the device is ${gpu.state}` });
      items.push(item);
    }
    const scene = this.scene;
    this.scene = 'empty';
    items.push(...this.room());
    this.scene = scene;
    return items;
  }

  snapshot() {
    const v = this.values();
    const at = Date.now() - 40;
    const document = {
      revision: 8841, at: new Date(at).toISOString(), age_seconds: 0.04, sample: this.sample, took_seconds: 0.000021,
      cpu: { cores: 16, busy_ratio: v.cpu, load: [1, 0.8, 0.7] },
      memory: { total_bytes: 125.6 * GiB, available_bytes: (1 - v.memory) * 125.6 * GiB, limit_bytes: null, limit_used_bytes: null, limit_group: null },
      gpu: [
        { id: 'GPU-5d1f7a52', index: 0, name: 'H100', memory_total_bytes: 80 * GiB, memory_used_bytes: v['GPU-5d1f7a52'] * 80 * GiB, busy_ratio: 0.6 + 0.3 * this.wave(5), temperature_celsius: 67, power_watts: 400 + 20 * this.wave(6), compute: 9, simulated: false },
        { id: 'GPU-91c04be8', index: 1, name: 'H100', memory_total_bytes: 80 * GiB, memory_used_bytes: v['GPU-91c04be8'] * 80 * GiB, busy_ratio: 0.99, temperature_celsius: 71, power_watts: 512 + 12 * this.wave(7), compute: 9, simulated: false },
      ],
      absent: [],
      room: { items: this.room() },
      from_the_future: [1, 2, 3],
    };
    if (this.scene === 'gpus' || this.scene === 'cores') {
      const more = readings();
      Object.assign(document, more, { memory: { ...document.memory, ...more.memory } });
      document.cpu = { ...document.cpu, user_ratio: 0.3, system_ratio: 0.07, iowait_ratio: 0.01, steal_ratio: 0, each: cores(this.scene === 'cores' ? 256 : 16, (seed) => this.wave(seed)) };
    }
    if (this.scene === 'cores') document.cpu.cores = 256;
    if (this.scene === 'gpus') document.gpu = bad_day((seed) => this.wave(seed));
    if (this.scene === 'empty') {
      document.gpu = [];
      document.absent = [{ sensor: 'gpu', reason: 'libnvidia-ml.so.1 is not installed', fix: null }];
    }
    if (this.scene === 'hostile') Object.assign(document, { cpu: null, memory: {}, gpu: null, absent: null, sample: null });
    return document;
  }

  event(id, minutes_ago, type, text) {
    return { id, at: new Date(Date.now() - minutes_ago * 60000).toISOString(), type, lease: null, resource: null, device: null, text };
  }

  events() {
    if (this.scene === 'empty') return [];
    const events = [
      this.event(8841, 1.2, 'lease.waiting', 'train-b waits for 24.0 GiB of GPU memory: lease render (l-70) holds 31.0 GiB'),
      this.event(8840, 2, 'alert.opened', 'GPU 1: 78.3 GiB used by pid 4121 (vllm), booked by nobody'),
      this.event(8839, 6, 'lease.over', 'embedder (l-71) uses 12.4 GiB of memory and booked 12.0 GiB'),
      this.event(8838, 18, 'lease.granted', 'embedder (l-71) holds 12.0 GiB of memory, 2.0 cores'),
      this.event(8837, 41, 'lease.granted', 'render (l-70) holds 31.0 GiB on GPU 0, 12.0 GiB of memory, 4.0 cores'),
      this.event(8836, 55, 'decision.kept', 'train-b would have failed at 13:10: it waited 14 min instead'),
      this.event(8835, 58, 'lease.ended', 'nightly (l-66) ended 0 after 2h 03m, peak 22.9 of 24.0 GiB'),
      this.event(8834, 130, 'alert.ended', '/data: above 80 % used, lasted 12 min'),
      this.event(8833, 131, 'sensor.absent', 'CPU power: RAPL is readable by root only'),
      this.event(8832, 4500, 'daemon.started', 'headroomd 0.1.0 started, 3 leases taken over'),
      this.event(8831, 4501, 'daemon.stopped', 'headroomd 0.1.0 stopped'),
    ];
    if (this.scene === 'hostile') events.unshift({ id: 1, at: 'not a time', type: null, text: '<script>alert(1)</script>' });
    return events;
  }

  alerts() {
    if (this.scene === 'empty') return [];
    const since = (minutes) => new Date(Date.now() - minutes * 60000).toISOString();
    const alerts = [
      { id: 'a11', severity: 'warning', resource: 'disk', device: '/data', name: '/data', text: '/data is 83 % full', value: 82.5, threshold: 80, since: since(134), ended: null, acknowledged: true, recommendations: ['Free 51 GiB, or move checkpoints to another disk'] },
      { id: 'a12', severity: 'emergency', resource: 'gpu_memory', device: 'GPU-91c04be8', name: 'GPU 1', text: '78.3 GiB used by pid 4121 (vllm), booked by nobody', value: 97.9, threshold: 95, since: since(2), ended: null, acknowledged: false, recommendations: ['Start it in a lease: headroom run --gpu-mem 24G -- vllm serve …', 'Or give it less: --gpu-memory-utilization 0.3'] },
    ];
    if (this.scene === 'hostile') alerts.push({ id: 'a0', severity: null, text: null, since: null, recommendations: null });
    if (this.scene === 'crowded') for (let n = 0; n < 120; ++n) alerts.push({ id: `c${n}`, severity: 'warning', text: `disk ${n} is filling`, since: since(n), ended: null, recommendations: [] });
    for (const alert of alerts) Object.assign(alert, this.marks.get(alert.id));
    return alerts;
  }

  lease(id, name, more) {
    return { id, name, state: 'active', owner: 'mia', uid: 1000, priority: 'normal', needs: {}, booked: {}, measured: null, peak: {}, over: false, frozen: false, device: null, gpu_index: null, mount: null, holder: { pid: 4121, command: 'python' }, parent: null, asked_at: null, granted_at: null, ended_at: null, expected_seconds: null, expected_from: null, expires_at: null, place: null, earliest: null, why: null, group: null, reason: null, exit_status: null, oom_kills: 0, gpu_fraction: null, ...more };
  }

  leases() {
    if (this.scene === 'empty') return [];
    const at = (minutes) => new Date(Date.now() + minutes * 60000).toISOString();
    const v = this.wave(3);
    const amounts = (gpu, memory, cores) => ({ gpu_memory_bytes: gpu * GiB, memory_bytes: memory * GiB, cpu_cores: cores });
    const leases = [
      this.lease('l-70', 'render', { owner: 'joe', booked: amounts(31, 12, 4), measured: amounts(29 + v, 8.2 + v, 2.1 + v), peak: amounts(30.2, 9.9, 3.9), device: 'GPU-5d1f7a52', gpu_index: 0, granted_at: at(-41), expected_seconds: 3180, expected_from: 'declared', idle: '3.1 of 12.0 GiB of memory not used for 34 min' }),
      this.lease('l-72', 'qwen-serve', { priority: 'high', model: 'qwen-serve', state: 'loading', booked: amounts(32.1, 24, 2), measured: amounts(27 + v, 9.1, 0.4), peak: amounts(28, 9.1, 1.2), device: 'GPU-5d1f7a52', gpu_index: 0, granted_at: at(-3) }),
      this.lease('l-71', 'embedder', { booked: { memory_bytes: 12 * GiB, cpu_cores: 2 }, measured: { memory_bytes: 12.4 * GiB, cpu_cores: 0.6 }, peak: { memory_bytes: 12.4 * GiB, cpu_cores: 1.8 }, over: true, frozen: this.scene === 'tight', granted_at: at(-18), expires_at: at(42) }),
      this.lease('l-73', 'train-b', { state: 'waiting', needs: amounts(24, 12, 2), booked: amounts(24, 12, 2), asked_at: at(-1.2), place: 1, earliest: at(12), why: 'waits for 8.6 GiB of GPU memory: lease render (l-70) holds 31.0 GiB' }),
      this.lease('l-74', 'sweep', { state: 'waiting', owner: 'joe', priority: 'low', needs: { memory_bytes: 96 * GiB }, booked: { memory_bytes: 96 * GiB }, place: 2, why: 'waits for 22.4 GiB of memory: three leases hold 48.0 GiB' }),
    ];
    if (this.scene === 'hostile') leases.push({ id: 'l-0', name: '<b>x</b>'.repeat(30), state: 'dreaming', booked: null, measured: { memory_bytes: null }, peak: null }, { id: 'l-1' });
    if (this.scene === 'crowded') for (let n = 100; n < 600; ++n) leases.push(this.lease(`l-${n}`, `sweep-${n}`, { booked: { memory_bytes: GiB }, peak: {}, granted_at: at(-n), state: n % 2 ? 'active' : 'waiting', place: n }));
    return [...leases, ...this.booked].filter((lease) => !this.gone.some((each) => each.id === lease.id)).map((lease) => ({ ...lease, ...this.marks.get(lease.id) }));
  }

  /** What a change of leases and models, or a question, is answered with; null: this stand-in does not know it. */
  change(method, path, body) {
    const refused = this.scene === 'readonly' && path !== 'fit';
    if (method === 'POST' && path === 'fit') return [200, this.models.fit(body)];
    this.patches.push([path, body, method]);
    if (refused) return [403, { title: 'Not allowed', detail: 'this daemon answers reads only: http.readonly is true' }];
    if (/^(strategy$|components\/)/.test(path)) return this.components.change(method, path, body);
    if (path.startsWith('models/')) return method === 'PATCH' ? this.models.patch(decodeURIComponent(path.slice(7)), body) : null;
    if (method === 'POST' && path === 'leases') {
      if (body.needs.memory_bytes > 64 * GiB) return [409, { title: 'Insufficient resources', detail: '64.0 GiB of memory are wanted, room is 40.0 GiB', help: [{ text: 'wait, or ask for less' }] }];
      const lease = this.lease('l-90', body.name, { owner: 'nobody', priority: body.priority, needs: body.needs, booked: body.needs, holder: null, granted_at: new Date().toISOString(), expires_at: new Date(Date.now() + 1000 * body.ttl_seconds).toISOString() });
      this.booked.push(lease);
      return [201, lease];
    }
    const lease = this.leases().find((each) => path === `leases/${each.id}`);
    if (!lease) return null;
    if (method === 'DELETE') {
      if (lease.owner === 'joe') return [403, { title: 'Not allowed', detail: `${lease.id} belongs to joe`, help: [{ text: 'ask joe, or root' }] }];
      this.gone.push({ ...lease, state: 'ended', ended_at: new Date().toISOString(), reason: 'ended by its owner' });
      return [200, this.gone.at(-1)];
    }
    if (method === 'PATCH' && body.ttl_seconds) this.marks.set(lease.id, { expires_at: new Date(Date.now() + 1000 * body.ttl_seconds).toISOString() });
    return [200, this.leases().find((each) => each.id === lease.id)];
  }

  pressure() {
    if (this.scene === 'hostile') return [null, { resource: 'memory' }].filter(Boolean);
    const row = (resource, device, name, level, threshold) => ({ resource, device, name, level, value: 50, unit: 'percent', threshold, clears_below: threshold - 5, since: null, step: null, step_number: null, step_why: null });
    const memory = row('memory', null, 'memory', this.scene === 'tight' ? 'critical' : 'ok', 85);
    Object.assign(memory, this.scene === 'tight' ? { step: 'freeze', step_number: 6, step_why: '94.1 % is in use, the line is 93 %' } : { step: 'watch', step_number: 0 });
    return [
      memory, row('cpu', null, 'CPU', 'ok', 90),
      row('gpu_memory', 'GPU-5d1f7a52', 'GPU 0', 'ok', 90), row('gpu_memory', 'GPU-91c04be8', 'GPU 1', 'emergency', 95),
      { ...row('gpu_temperature', 'GPU-5d1f7a52', 'GPU 0', 'ok', 83), unit: 'celsius' },
      row('disk', '/', '/', 'ok', 85), row('disk', '/data', '/data', 'warning', 80),
    ];
  }

  forecasts() {
    if (this.scene === 'hostile') return [null, { resource: 'memory', full_in_seconds: 'soon' }].filter(Boolean);
    if (this.scene !== 'tight') return [];
    return [
      { resource: 'memory', device: null, full_in_seconds: 40, full_confidence: 0.2 },
      { resource: 'disk', device: '/', full_in_seconds: 400_000, full_confidence: 0.9 },
      { resource: 'disk', device: '/data', full_in_seconds: 19_800, full_confidence: 0.83 },
    ];
  }

  node() {
    const quiet = this.scene === 'empty';
    if (this.scene === 'hostile') return { name: '<i>box</i>', health: null, surprise: true };
    return {
      name: 'gpubox', version: '0.1.0', uptime_seconds: 273600 + (Date.now() - this.started) / 1000, boot_id: 'x', kernel: '6.1.0', started_at: new Date(this.started - 273600000).toISOString(), revision: 8841,
      strategy: 'adaptive', profile: 'default', health: quiet ? 'healthy' : 'moderate', cores: 16, limits: [], tier: 'v2',
      cannot: [{ what: 'lower its own OOM score', reason: 'CAP_SYS_RESOURCE is missing', fix: 'AmbientCapabilities=CAP_SYS_RESOURCE in headroomd.service' }],
      sensors: [{ name: 'memory', up: true, reason: null, fix: null }, { name: 'cpu', up: true }, { name: 'gpu', up: !quiet, reason: quiet ? 'libnvidia-ml.so.1 is not installed' : null }, { name: 'cpu_power', up: false, reason: 'RAPL is readable by root only', fix: 'sudo udevadm trigger --subsystem-match=powercap' }],
      own: { memory_bytes: 9437184, cpu_seconds: 61.25 },
      cost: quiet ? null : {
        currency: 'EUR', per_hour: 4.8, leases_per_hour: 3.6, month: '2026-11', spent: 812.4, spent_before: 770, budget: 900,
        spent_at: new Date(Date.now() + 24.3 * 3600000).toISOString(), until: new Date(Date.now() + 8 * 86400000).toISOString(),
      },
    };
  }

  config() {
    const settings = [
      { key: 'http.readonly', value: String(this.scene === 'readonly'), origin: this.scene === 'readonly' ? '/etc/headroom/headroom.toml:4' : 'built-in', alias: null, about: 'refuse every change over HTTP', at_start: true },
      ...['warning', 'critical', 'emergency'].map((level, n) => ({ key: `pressure.gpu_memory.${level}`, value: String([80, 90, 95][n]), origin: 'built-in', alias: `gpu.memory_${level}_percent`, about: `percent in use from which GPU memory is ${level}`, at_start: false })),
      { key: 'http.listen', value: '127.0.0.1:8000', origin: 'default', alias: null, about: 'where the HTTP interface listens' },
      { key: 'sample.interval', value: '1s', origin: '/etc/headroom/headroom.toml', alias: 'monitoring.interval', about: 'time between two samples' },
      { key: 'memory.warning', value: 85, origin: 'profile default', alias: null, about: 'percent in use from which memory is under pressure' },
    ];
    for (const setting of settings) if (this.changed.has(setting.key)) Object.assign(setting, { value: this.changed.get(setting.key), origin: '/etc/headroom/headroom.toml:9' });
    return settings;
  }

  /** What a change is answered with: [status, document]. */
  patch(path, body) {
    this.patches.push([path, body]);
    if (this.scene === 'readonly') return [403, { type: '/problems/not-allowed', title: 'Not allowed', status: 403, detail: 'this daemon answers reads only: http.readonly is true' }];
    if (path.startsWith('alerts/')) {
      const id = decodeURIComponent(path.slice(7));
      const mark = { ...this.marks.get(id) };
      if (body.acknowledged) mark.acknowledged = true;
      if (body.mute_seconds !== undefined) mark.muted_until = body.mute_seconds > 0 ? new Date(Date.now() + 1000 * body.mute_seconds).toISOString() : null;
      this.marks.set(id, mark);
      return [200, this.alerts().find((alert) => alert.id === id)];
    }
    for (const [key, value] of Object.entries(body.changes)) {
      if (key.startsWith('pressure.') && value !== null && !(Number(value) > 0 && Number(value) <= 100))
        return [400, { type: '/problems/invalid-request', title: 'Invalid request', status: 400, detail: `${key}: "${value}" is no percentage from 1 to 100`, help: [{ do: 'change', text: 'give a number such as 85' }] }];
      if (value === null) this.changed.delete(key);
      else this.changed.set(key, value);
    }
    return [200, { items: [], next: null }];
  }

  processes() {
    if (this.scene === 'hostile') return { items: [{ pid: 1, name: '<i>x</i>'.repeat(40), gpus: 'many', command: 'y'.repeat(900) }], total: 'many' };
    return processes(this.scene === 'empty' ? 12 : this.scene === 'crowded' ? 1400 : 60);
  }

  history(query) {
    if (this.scene === 'hostile') return { points: [['nonsense', 1], null, [new Date().toISOString(), null]] };
    const key = query.get('device') ?? query.get('resource');
    const window = Number(query.get('window') ?? 300);
    const step = Math.max(1, Number(query.get('step') ?? 1));
    const now = Date.now();
    const points = [];
    for (let s = window; s > 0; s -= step) {
      const at = now - s * 1000;
      const memory = query.get('resource') === 'gpu_memory' || key === query.get('resource');
      const value = memory ? (this.values(at)[key] ?? (key.startsWith('GPU') ? 0.5 + 0.2 * this.wave(3, at) : undefined)) : 0.5 + 0.4 * this.wave(9, at);
      const hole = s > 0.45 * window && s < 0.48 * window; // the daemon was off
      points.push([new Date(at).toISOString(), value === undefined || hole ? null : 100 * value]);
    }
    return { resource: query.get('resource'), device: query.get('device'), unit: 'percent', window_seconds: window, step_seconds: step, oldest: points[0][0], statistics: {}, points };
  }

  async answer(request, response) {
    const url = new URL(request.url, 'http://stand-in');
    const headers = { 'Content-Security-Policy': kPolicy, 'X-Headroom-Node': 'gpubox', 'Cache-Control': 'no-store' };
    const json = (document) => {
      response.writeHead(200, { ...headers, 'Content-Type': 'application/json' });
      response.end(JSON.stringify(document));
    };
    const reads = {
      node: () => this.node(), snapshot: () => this.snapshot(), history: () => this.history(url.searchParams),
      room: () => ({ revision: 8841, at: new Date().toISOString(), items: this.room() }),
      leases: () => ({ items: url.searchParams.get('state') === 'ended' ? [...ended(this.lease, this.scene), ...this.gone] : this.leases(), next: null }),
      models: () => this.models.list(), alerts: () => ({ items: this.alerts(), next: null }),
      pressure: () => ({ items: this.pressure() }), events: () => ({ items: this.events(), next: null }), config: () => ({ items: this.config(), next: null }),
      processes: () => this.processes(), strategy: () => this.components.strategy(), forecasts: () => ({ items: this.forecasts(), next: null }),
    };
    if (request.method !== 'GET') {
      let text = '';
      for await (const part of request) text += part;
      const path = url.pathname.slice(8);
      const body = text === '' ? null : JSON.parse(text);
      const own = /^(fit$|strategy$|leases|models\/|components\/)/.test(path);
      const [status, document] = (own ? this.change(request.method, path, body) : this.patch(path, body)) ?? [404, { title: 'Not found', detail: `${path} is not here` }];
      response.writeHead(status, { ...headers, 'Content-Type': status < 300 ? 'application/json' : 'application/problem+json' });
      return response.end(JSON.stringify(document));
    }
    if (url.pathname === '/metrics') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/plain' });
      return response.end(kMetrics);
    }
    if (url.pathname === '/api/v1/stream') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
      response.write(': stand-in\n\n');
      this.streams.add(response);
      response.on('close', () => this.streams.delete(response));
      return;
    }
    const read = url.pathname.startsWith('/api/v1/') ? reads[url.pathname.slice(8)] : undefined;
    if (read) return json(read());
    if (url.pathname.startsWith('/api/v1/components')) {
      const found = this.components.read(url.pathname.slice(8), url.searchParams);
      if (found !== undefined) return json(found);
    }
    const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname);
    try {
      const body = await readFile(join(kDist, path));
      response.writeHead(200, { ...headers, 'Content-Type': kTypes[extname(path)] ?? 'application/octet-stream' });
      response.end(body);
    } catch {
      response.writeHead(404, { ...headers, 'Content-Type': 'application/problem+json' });
      response.end(JSON.stringify({ type: '/problems/not-found', title: 'Not found', status: 404, detail: `${path} is not here` }));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stand_in = new StandIn(process.argv[3]);
  console.log(`${await stand_in.start(Number(process.argv[2] ?? 8123))} is a stand-in (${stand_in.scene}): its numbers mean nothing`);
}
