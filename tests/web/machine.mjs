// The machine of the stand-in: devices, processes and readings in the shapes of docs/api.md. Nothing here is measured.
const GiB = 2 ** 30;

function gpu(id, index, name, total, used, more) {
  return {
    id, index, name, parent: null, pci: `0000:${(0x41 + 0x10 * index).toString(16)}:00.0`, state: 'ok', state_reason: null, age_seconds: 0.04,
    memory_total_bytes: total * GiB, memory_used_bytes: used === null ? null : used * GiB, memory_reserved_bytes: 0.6 * GiB,
    busy_ratio: null, memory_busy_ratio: null, temperature_celsius: null, temperature_limit_celsius: null, power_watts: null, power_limit_watts: null,
    energy_joules_total: null, clock_mhz: null, memory_clock_mhz: null, fan_ratio: null, received_bytes_per_second: null, sent_bytes_per_second: null,
    slowed: null, ecc_corrected_total: null, ecc_uncorrected_total: null, last_xid: null, xids_total: 0, compute: 9, processes_known: false, processes: [], simulated: false, ...more,
  };
}

/** Four devices, as a bad day leaves them: one works, one is cut into slices, one sleeps, one does not answer; and a fifth is lost. */
export function bad_day(wave) {
  const works = {
    busy_ratio: 0.7 + 0.3 * wave(5), memory_busy_ratio: 0.44, temperature_celsius: 67 + 3 * wave(6), temperature_limit_celsius: 87, power_watts: 412 + 40 * wave(7), power_limit_watts: 700,
    energy_joules_total: 81234567, clock_mhz: 1755, memory_clock_mhz: 2619, fan_ratio: null, received_bytes_per_second: 3.2e8, sent_bytes_per_second: 1.1e9,
    slowed: [], ecc_corrected_total: 0, ecc_uncorrected_total: 0, processes_known: true,
  };
  return [
    gpu('GPU-5d1f7a52', 0, 'NVIDIA H100 80GB HBM3', 80, 71.5 + wave(3), { ...works, processes: [{ pid: 3101, memory_bytes: 31 * GiB, kind: 'compute' }, { pid: 4121, memory_bytes: 12.4 * GiB, kind: 'compute' }] }),
    gpu('GPU-91c04be8', 1, 'NVIDIA H100 80GB HBM3', 80, 29.5, { ...works, slowed: ['power', 'heat'], temperature_celsius: 88, power_watts: 699, ecc_corrected_total: 7, ecc_uncorrected_total: 1, last_xid: 63, xids_total: 2 }),
    gpu('MIG-2f01', 2, 'NVIDIA H100 MIG 3g.40gb', 39.5, 24.2, { parent: 'GPU-91c04be8', pci: null, processes_known: true, processes: [{ pid: 5001, memory_bytes: null, kind: 'compute' }] }),
    gpu('MIG-2f02', 3, 'NVIDIA H100 MIG 3g.40gb', 39.5, 5.3, { parent: 'GPU-91c04be8', pci: null }),
    gpu('GPU-a51ee900', 4, 'NVIDIA RTX 6000 Ada', 48, null, { state: 'asleep', state_reason: 'runtime suspended for 3 h', compute: 8.9 }),
    gpu('GPU-57a1e000', 5, 'NVIDIA A100 40GB PCIe', 40, 21.0, { ...works, state: 'stale', state_reason: 'nvmlDeviceGetMemoryInfo has not answered for 12 s', age_seconds: 12.4, power_limit_watts: 250, power_watts: 201, compute: 8 }),
    gpu('GPU-10570000', 6, 'NVIDIA A100 40GB PCIe', 40, null, { state: 'lost', state_reason: 'fell off the bus (XID 79)', last_xid: 79, xids_total: 1, age_seconds: 3810, compute: 8 }),
  ];
}

export function cores(count, wave) {
  return Array.from({ length: count }, (_, n) => ({ number: n, busy_ratio: n === 3 ? 1 : wave(n % 23) ** 2, iowait_ratio: n % 17 === 0 ? 0.12 : 0, steal_ratio: n % 31 === 0 ? 0.06 : 0 }));
}

export function readings() {
  return {
    memory: { free_bytes: 12.2 * GiB, used_bytes: 40.1 * GiB, cached_bytes: 61 * GiB, shared_bytes: 3.4 * GiB, dirty_bytes: 2 ** 27, huge_total_bytes: 16 * GiB, huge_free_bytes: 6 * GiB, arc_bytes: 21 * GiB, arc_least_bytes: 4 * GiB, zram_bytes: 0, zswap_bytes: null, swap_total_bytes: 8 * GiB, swap_free_bytes: 7.5 * GiB },
    numa: [{ number: 0, total_bytes: 62.8 * GiB, free_bytes: 4.2 * GiB, file_bytes: 30 * GiB }, { number: 1, total_bytes: 62.8 * GiB, free_bytes: 8 * GiB, file_bytes: 31 * GiB }],
    disk: [{ name: 'nvme0n1', read_bytes_per_second: 2.1e8, written_bytes_per_second: 4.4e6, operations_per_second: 1810, busy_ratio: 0.34 }],
    filesystem: [
      { mount: '/', source: '/dev/nvme0n1p2', type: 'ext4', total_bytes: 98.2 * GiB, free_bytes: 56 * GiB, available_bytes: 51 * GiB, network: false, stale: false, inodes_total: 6553600, inodes_free: 6000000 },
      { mount: '/mnt/archive', source: 'nas:/archive', type: 'nfs4', total_bytes: 8192 * GiB, free_bytes: 900 * GiB, available_bytes: 900 * GiB, network: true, stale: true, inodes_total: null, inodes_free: null },
    ],
    network: [
      { name: 'enp1s0', received_bytes_per_second: 1.1e9, sent_bytes_per_second: 2.2e7, errors_total: 0, dropped_total: 12, speed_bytes_per_second: 3.125e9, up: true },
      { name: 'wg0', received_bytes_per_second: 0, sent_bytes_per_second: 0, errors_total: 0, dropped_total: 0, speed_bytes_per_second: null, up: null },
    ],
    temperature: [{ sensor: 'coretemp Package id 0', celsius: 61, limit_celsius: 100 }, { sensor: 'nvme Composite', celsius: 84, limit_celsius: 82 }],
    power: [{ sensor: 'package-0', watts: 112.5, joules_total: 9.1e6 }],
    gpu_driver: 'NVIDIA 550.54.15',
  };
}

function process(pid, name, more) {
  return { pid, parent: 1, user: 'mia', uid: 1000, name, command: null, unit: null, container: null, engine: null, pod: null, memory_bytes: 2 ** 27, resident_bytes: 2 ** 28, cpu_cores: 0, cpu_seconds_total: 10, gpu_memory_bytes: null, gpus: [], lease: null, lease_name: null, started_at: new Date(Date.now() - 3600e3).toISOString(), ...more };
}

/** `count` of them, the interesting ones first. */
export function processes(count) {
  const on = (bytes) => ({ gpu_memory_bytes: bytes, gpus: [{ device: 'GPU-5d1f7a52', index: 0, memory_bytes: bytes }] });
  const items = [
    process(3101, 'python3', { user: 'joe', command: 'python3 render.py --frames 1-2400 --device cuda:0', cpu_cores: 2.1, memory_bytes: 8.2 * GiB, lease: 'l-70', lease_name: 'render', ...on(29 * GiB) }),
    process(4121, 'vllm', { command: 'vllm serve Qwen/Qwen2.5-7B-Instruct --gpu-memory-utilization 0.3', container: '3f2a9c11d0e4', engine: 'docker', cpu_cores: 0.4, memory_bytes: 9.1 * GiB, ...on(12.4 * GiB) }),
    process(4200, 'jupyter-lab', { user: 'ana', unit: 'jupyter.service', cpu_cores: 0.02, memory_bytes: 0.6 * GiB, ...on(1.8 * GiB) }),
    process(5001, 'train', { user: 'joe', command: '<b>markup</b> & "quotes"', cpu_cores: null, memory_bytes: 12.4 * GiB, lease: 'l-71', lease_name: 'embedder' }),
  ];
  for (let n = items.length; n < count; ++n) items.push(process(6000 + n, `worker-${n}`, { user: 'root', memory_bytes: n * 2 ** 20, cpu_cores: (n % 7) / 10 }));
  return {
    at: new Date(Date.now() - 900).toISOString(), age_seconds: 0.9, took_seconds: 0.0031, kernel_threads: 188, total: count, items: items.slice(0, 1000),
    unattributed: [{ device: 'GPU-5d1f7a52', index: 0, memory_bytes: 1.3 * GiB, reserved_bytes: 0.6 * GiB }], next: null,
  };
}

export const kMetrics = `# TYPE headroom_http_requests_total counter
headroom_http_requests_total{code="200"} 4100
headroom_http_requests_total{code="404"} 21
# TYPE headroom_http_connections gauge
headroom_http_connections 3
headroom_history_bytes 4194304
`;
