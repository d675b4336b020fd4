// The models and ended leases of the stand-in, in the shapes of docs/api.md, and what becomes of them. Nothing here is measured.
const GiB = 2 ** 30;
const ago = (minutes) => new Date(Date.now() - minutes * 60000).toISOString();

function model(name, more) {
  return {
    name, source: 'told', state: 'known', lease: null, engine: null, device: null, device_index: null, needs: {}, needs_from: null, size: null, priority: 'normal', pinned: false,
    hook: null, load_seconds: null, batch: null, notes: '', uses: 0, last_used: null, resident_since: null, unload_order: null, until: null, requests: 0, hits: 0, ...more,
  };
}

/** On GPU 0 three may go and two stay; one is in the machine's memory; one waits; the others are only known. */
function usual() {
  const gpu = (bytes) => ({ memory_bytes: 0, gpu_memory_bytes: bytes * GiB });
  const on0 = { state: 'resident', device: 'GPU-5d1f7a52', device_index: 0 };
  return [
    model('sdxl', { ...on0, lease: 'l-60', needs: { gpu_memory_bytes: 9 * GiB }, needs_from: 'declared', size: gpu(8.6), priority: 'low', hook: 'comfy', load_seconds: 12.5, last_used: ago(14), resident_since: ago(95), unload_order: 1, until: 'evictable', requests: 40, hits: 38 }),
    model('facebook/musicgen-medium', { ...on0, lease: 'l-61', needs: { gpu_memory_bytes: 6 * GiB, memory_bytes: 2 * GiB, compute: 7 }, needs_from: 'learned', source: 'learned', size: gpu(5.4), hook: 'holder', load_seconds: 31, last_used: ago(33), resident_since: ago(300), unload_order: 2, until: 'evictable', requests: 12, hits: 9 }),
    model('llama3.1:8b', { ...on0, source: 'ollama', engine: 'ollama', size: gpu(6.2), hook: 'ollama', last_used: ago(4), resident_since: ago(50), unload_order: 3, until: 'evictable', requests: 3, hits: 3 }),
    model('qwen-serve', { ...on0, lease: 'l-72', needs: { gpu_memory_bytes: 32.1 * GiB }, needs_from: 'declared', size: gpu(27), priority: 'high', pinned: true, hook: 'vllm', last_used: ago(0.2), resident_since: ago(3), until: 'pinned', requests: 900, hits: 899 }),
    model('whisper-large', { ...on0, lease: 'l-62', size: gpu(3.1), uses: 2, hook: 'holder', last_used: ago(0), resident_since: ago(22), until: 'in use', requests: 7, hits: 6 }),
    model('bge-m3', { state: 'resident', lease: 'l-71', needs: { memory_bytes: 3 * GiB }, needs_from: 'configuration', source: 'configuration', size: { memory_bytes: 2.4 * GiB, gpu_memory_bytes: 0 }, last_used: ago(70), resident_since: ago(120), until: 'nobody can be asked', notes: 'embeddings' }),
    model('flux-dev', { state: 'waiting', lease: 'l-73', needs: { gpu_memory_bytes: 24 * GiB }, needs_from: 'declared' }),
    model('encodec_32khz', { source: 'built in', needs: { gpu_memory_bytes: 1.5 * GiB, compute: 6 }, needs_from: 'built in', batch: 8, notes: 'audio codec' }),
    model('told-only', {}),
  ];
}

export class Models {
  constructor(scene) {
    this.scene = scene;
    this.items = scene === 'empty' ? [] : usual();
    if (scene === 'hostile')
      this.items = [{ name: '<b>m</b>'.repeat(40), state: 'resident', device: 'GPU-gone', size: 'many', needs: null, unload_order: 'first', until: '<i>why</i>' }, { name: null }, null, { name: 'bare' }];
    if (scene === 'crowded')
      for (let n = 0; n < 700; ++n) this.items.push(model(`bulk-${n}`, n % 2 ? {} : { state: 'resident', device: 'GPU-91c04be8', device_index: 1, engine: 'ollama', size: { gpu_memory_bytes: GiB / 8 }, unload_order: n / 2 + 1, until: 'evictable' }));
  }

  list() {
    return { revision: 8841, at: new Date().toISOString(), items: this.items };
  }

  patch(name, body) {
    const found = this.items.find((each) => each.name === name);
    if (!found) return [404, { type: '/problems/not-found', title: 'Not found', status: 404, detail: `no model is called ${name}` }];
    if (body.pinned !== undefined) Object.assign(found, { pinned: body.pinned, unload_order: body.pinned ? null : found.unload_order ?? 4, until: body.pinned ? 'pinned' : 'evictable' });
    if (body.resident === false) {
      if (found.uses > 0) return [409, { type: '/problems/conflict', title: 'Conflict', status: 409, detail: `${name} is in use by 2`, help: [{ text: 'wait until they have ended' }] }];
      Object.assign(found, { state: 'draining', unload_order: null, until: 'asked to go' });
    }
    return [200, found];
  }

  fit(body) {
    const bytes = body.needs?.gpu_memory_bytes ?? body.needs?.memory_bytes ?? this.items.find((each) => each.name === body.model)?.needs.gpu_memory_bytes ?? 0;
    const answer = { revision: 8841, verdict: 'now', device: 'GPU-5d1f7a52', best_device: 'GPU-5d1f7a52', booked: { gpu_memory_bytes: bytes }, short: {}, in_the_way: [], strangers: [], queue: null, steps: [], help: [], why: null };
    if (bytes > 40 * GiB) return { ...answer, verdict: 'never', device: null, why: 'no device is as large', help: [{ do: 'smaller', text: 'ask for at most 40 GiB' }] };
    if (bytes <= 15 * GiB) return answer;
    const step = { do: 'free', model: 'sdxl', lease: 'l-60', hook: 'comfy', device: 'GPU-5d1f7a52', device_index: 0, gpu_memory_bytes: 8.6 * GiB, priority: 'low', idle_seconds: 840, outcome: 'planned', why: null };
    return { ...answer, verdict: 'after', steps: [step], why: `${(bytes / GiB - 15).toFixed(1)} GiB short on GPU 0 while sdxl is loaded` };
  }
}

/** Leases that have ended, as `leases?state=ended` gives them. */
export function ended(lease, scene) {
  if (scene === 'empty') return [];
  if (scene === 'hostile') return [{ id: 'l-2', state: 'ended', name: null, reason: '<u>x</u>' }];
  return [
    lease('l-65', 'sweep-3', { state: 'ended', owner: 'joe', booked: { memory_bytes: 6 * GiB }, peak: { memory_bytes: 6 * GiB }, granted_at: ago(190), ended_at: ago(181), reason: 'its process has ended', exit_status: 137, oom_kills: 1 }),
    lease('l-66', 'nightly', { state: 'ended', booked: { gpu_memory_bytes: 24 * GiB, memory_bytes: 8 * GiB }, peak: { gpu_memory_bytes: 22.9 * GiB, memory_bytes: 5.1 * GiB }, device: 'GPU-5d1f7a52', gpu_index: 0, granted_at: ago(181), ended_at: ago(58), reason: 'its process has ended', exit_status: 0 }),
    lease('l-69', 'flux', { state: 'ended', owner: 'joe', needs: { gpu_memory_bytes: 70 * GiB }, booked: { gpu_memory_bytes: 70 * GiB }, ended_at: ago(44), reason: 'it waited for 10 min in vain' }),
  ];
}
