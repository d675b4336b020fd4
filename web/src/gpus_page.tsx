// Every GPU: what its memory is made of over time, how hard it works, and what is wrong with it.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { list, number, type Gpu, type Maybe, type Process, type Processes, type RoomItem } from './api';
import { address_with, use_setting } from './address';
import { Chart, type Scale } from './chart';
import { use_fetched } from './fetched';
import { format_bytes, format_duration, format_ratio, kUnknown } from './format';
import { format_of_limit, gpu_title, state_text } from './gpu';
import { Empty, Meter, More, Section, StateMark, Value } from './parts';
import { ProcessTable } from './processes_page';
import { format_amount, terms_of } from './room';
import { room_items, type State } from './state';
import { MemoryStack } from './stack';
import { dispatch, use_now, use_state } from './store';
import { marks_of } from './thresholds';
import { history_path, use_window, WindowChoice, type Window } from './window';

const kShownCards = 8;
const kShownRows = 200;
const kShownProcesses = 12;
const kProcessesMs = 5000;

const kHeat: Scale = { format: (value) => (value == null ? kUnknown : `${Math.round(value)}\u00a0°C`), top: 110 };

function watts_up_to(limit: Maybe<number>): Scale {
  return { format: (value) => (value == null ? kUnknown : `${Math.round(value)}\u00a0W`), top: number(limit) };
}

function Fact({ name, children, reason, text, ratio, level }: {
  name: string;
  text: string;
  reason: string;
  ratio?: Maybe<number>;
  level?: Maybe<string>;
  children?: ComponentChildren;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Value text={text} reason={reason} />
        <Meter ratio={ratio} level={level} />
        {children}
      </dd>
    </div>
  );
}

/** The share of a limit; null when either is unknown. */
function share(value: Maybe<number>, limit: Maybe<number>): number | null {
  const whole = number(limit);
  return number(value) === null || whole === null || whole <= 0 ? null : value! / whole;
}

function errors_of(gpu: Gpu): { text: string; bad: boolean } {
  const words: string[] = [];
  const uncorrected = number(gpu.ecc_uncorrected_total);
  const corrected = number(gpu.ecc_corrected_total);
  const xids = number(gpu.xids_total) ?? 0;
  if (uncorrected !== null && uncorrected > 0) words.push(`${uncorrected} uncorrected`);
  if (corrected !== null && corrected > 0) words.push(`${corrected} corrected`);
  if (xids > 0 || number(gpu.last_xid) !== null) words.push(`XID ${gpu.last_xid ?? kUnknown}${xids > 1 ? ` (${xids} in all)` : ''}`);
  const bad = (uncorrected ?? 0) > 0 || xids > 0 || number(gpu.last_xid) !== null;
  if (words.length > 0) return { text: words.join(', '), bad };
  return { text: corrected === null && uncorrected === null && gpu.xids_total == null ? kUnknown : 'none', bad: false };
}

function GpuFacts({ gpu }: { gpu: Gpu }) {
  const silent = gpu.simulated ? 'a simulated device does not tell' : 'the driver does not tell';
  const clock = (mhz: Maybe<number>) => (number(mhz) === null ? kUnknown : `${Math.round(mhz!)}\u00a0MHz`);
  const rate = (bytes: Maybe<number>) => (number(bytes) === null ? kUnknown : `${format_bytes(bytes)}/s`);
  const heat = share(gpu.temperature_celsius, gpu.temperature_limit_celsius);
  const slowed = list(gpu.slowed);
  const errors = errors_of(gpu);
  const known_slow = gpu.slowed != null;
  return (
    <dl class="gpu-facts">
      <Fact name="busy time" text={format_ratio(number(gpu.busy_ratio))} reason={silent} ratio={number(gpu.busy_ratio)} />
      <Fact name="memory busy" text={format_ratio(number(gpu.memory_busy_ratio))} reason={silent} ratio={number(gpu.memory_busy_ratio)} />
      <Fact name="power" text={format_of_limit(gpu.power_watts, gpu.power_limit_watts, 'W')} reason={silent} ratio={share(gpu.power_watts, gpu.power_limit_watts)} />
      <Fact name="heat" text={format_of_limit(gpu.temperature_celsius, gpu.temperature_limit_celsius, '°C')} reason={silent} ratio={heat} level={heat !== null && heat >= 1 ? 'critical' : null} />
      <Fact name="clock" text={clock(gpu.clock_mhz)} reason={silent} />
      <Fact name="memory clock" text={clock(gpu.memory_clock_mhz)} reason={silent} />
      <Fact name="fan" text={format_ratio(number(gpu.fan_ratio))} reason={gpu.simulated ? silent : 'it has none of its own, or the driver does not tell'} />
      <Fact name="PCIe in" text={rate(gpu.received_bytes_per_second)} reason={silent} />
      <Fact name="PCIe out" text={rate(gpu.sent_bytes_per_second)} reason={silent} />
      <Fact name="slowed by" text={slowed.length > 0 ? slowed.join(', ') : known_slow && !gpu.simulated ? 'nothing' : kUnknown} reason={silent} />
      <div class={errors.bad ? 'fact-bad' : ''}>
        <dt>errors</dt>
        <dd>
          <Value text={errors.text} reason={silent} />
        </dd>
      </div>
      <Fact name="capability" text={number(gpu.compute) === null ? kUnknown : gpu.compute!.toFixed(1)} reason={silent} />
    </dl>
  );
}

/** The processes that the daemon found on one device. */
function on_device(processes: Maybe<Processes>, gpu: Gpu): Process[] {
  return list(processes?.items).filter((process) => list(process.gpus).some((each) => each.device === gpu.id));
}

function Slices({ slices, items }: { slices: Gpu[]; items: RoomItem[] }) {
  if (slices.length === 0) return null;
  return (
    <table class="cards plain inner" role="table">
      <caption>MIG slices</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">slice</th>
          <th role="columnheader" scope="col">pressure</th>
          <th role="columnheader" scope="col" class="num">in use</th>
          <th role="columnheader" scope="col" class="num">of</th>
          <th role="columnheader" scope="col" class="num">room</th>
          <th role="columnheader" scope="col" class="num">processes</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {slices.map((slice) => {
          const item = items.find((each) => each.device === slice.id);
          return (
            <tr role="row" key={slice.id}>
              <th role="rowheader" scope="row">
                {item?.name ?? gpu_title(slice)}
                <small>{slice.name}</small>
              </th>
              <td role="cell" data-label="pressure"><StateMark state={slice.state} level={item?.pressure} /></td>
              <td role="cell" data-label="in use" class="num"><Value text={format_bytes(number(slice.memory_used_bytes))} reason={slice.state_reason} /></td>
              <td role="cell" data-label="of" class="num">{format_bytes(number(slice.memory_total_bytes))}</td>
              <td role="cell" data-label="room" class="num">
                <Value text={item ? format_amount(terms_of(item), terms_of(item).room) : kUnknown} reason={item?.why} />
              </td>
              <td role="cell" data-label="processes" class="num">{slice.processes_known === false ? kUnknown : list(slice.processes).length}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** The past of what this device tells: a reading it does not give has no chart. */
function GpuCharts({ gpu, state, window, end }: { gpu: Gpu; state: State; window: Window; end: number }) {
  const heat_limit = number(gpu.temperature_limit_celsius);
  const heat_marks = [
    ...marks_of(state, 'gpu_temperature', gpu.id),
    ...(heat_limit === null ? [] : [{ value: heat_limit, label: 'slows itself down' }]),
  ];
  const known = [gpu.busy_ratio, gpu.temperature_celsius, gpu.power_watts].some((value) => number(value) !== null);
  if (!known) return null;
  return (
    <div class="charts gpu-charts">
      {number(gpu.busy_ratio) !== null && (
        <Chart title="busy time" resource="gpu_utilization" device={gpu.id} window={window} marks={[]} end={end} height={96} />
      )}
      {number(gpu.temperature_celsius) !== null && (
        <Chart title="heat" resource="gpu_temperature" device={gpu.id} window={window} scale={kHeat} marks={heat_marks} end={end} height={96} />
      )}
      {number(gpu.power_watts) !== null && (
        <Chart title="power" resource="gpu_power" device={gpu.id} window={window} scale={watts_up_to(gpu.power_limit_watts)} marks={[]} end={end} height={96} />
      )}
    </div>
  );
}

function GpuCard({ gpu, slices, state, window, end, processes }: {
  gpu: Gpu;
  slices: Gpu[];
  state: State;
  window: Window;
  end: number;
  processes: Maybe<Processes>;
}) {
  const items = room_items(state.snapshot).filter((each) => each.resource === 'gpu_memory');
  const item = items.find((each) => each.device === gpu.id);
  const terms = item ? terms_of(item) : null;
  const told = state_text(gpu);
  const total = number(gpu.memory_total_bytes);
  const age = number(gpu.age_seconds);
  const here = on_device(processes, gpu);
  const percents = marks_of(state, 'gpu_memory', gpu.id);
  const silent = gpu.state === 'asleep' || gpu.state === 'lost'; // it has no readings at all
  const errors = errors_of(gpu);
  const title = item?.name ?? gpu_title(gpu);
  const about = [gpu.name === 'simulated' ? null : gpu.name, gpu.pci].filter(Boolean).join(' · ');
  return (
    <Section
      id={`gpu-${gpu.id}`}
      title={title}
      note={
        <>
          {about}
          {gpu.simulated && <span class="badge">simulated</span>}
        </>
      }
      json={`devices/${encodeURIComponent(gpu.id)}`}
      command={`headroom gpu ${gpu.index ?? gpu.id} -o wide`}
    >
      <article class={`gpu-card${told ? ` gpu-${told.word}` : ''}`} data-gpu={gpu.id} data-state={gpu.state ?? 'ok'}>
        <div class="gpu-head">
          <StateMark state={gpu.state} level={item?.pressure} />
          <p class="gpu-room">
            <span class="room-value">
              <Value text={terms ? format_amount(terms, terms.room) : kUnknown} reason={item?.why} />
            </span>{' '}
            <span class="room-word">room of {format_bytes(total)}</span>
          </p>
        </div>
        {told && (
          <p class="gpu-told">
            <strong>{told.word === 'asleep' ? 'Asleep.' : told.word === 'stale' ? 'Stale.' : 'Lost.'}</strong> {told.text}
            {told.word !== 'asleep' && age !== null && ` The numbers below are ${format_duration(age)} old.`}
          </p>
        )}
        {item?.why && !told && <p class="why">{item.why}</p>}
        <MemoryStack
          gpu={gpu}
          item={item}
          track={state.tracks[gpu.id]}
          window={window}
          marks={total === null ? [] : percents.map((mark) => ({ value: (mark.value / 100) * total, label: mark.label }))}
          end={end}
        />
        {!silent && <GpuFacts gpu={gpu} />}
        {silent && errors.bad && <p class="fact-bad"><strong>Errors:</strong> {errors.text}</p>}
        {!silent && <GpuCharts gpu={gpu} state={state} window={window} end={end} />}
        <Slices slices={slices} items={items} />
        {here.length > 0 ? (
          <div class="inner">
            <ProcessTable
              processes={[...here].sort((a, b) => (number(b.gpu_memory_bytes) ?? 0) - (number(a.gpu_memory_bytes) ?? 0)).slice(0, kShownProcesses)}
              caption="Processes on it"
              columns={['gpu', 'mem', 'cpu']}
              device={gpu.id}
            />
            {here.length > kShownProcesses && (
              <p class="more">
                <a href={`#/processes?gpu=${encodeURIComponent(String(gpu.index ?? gpu.id))}`}>all {here.length} processes</a>
              </p>
            )}
          </div>
        ) : silent || slices.length > 0 ? null : (
          <p class="quiet inner">
            {gpu.processes_known === false
              ? gpu.simulated
                ? 'A simulated device has no processes.'
                : 'The driver does not name the processes on it.'
              : told
                ? 'Which processes hold it is not known now.'
                : 'No process holds memory on it.'}
          </p>
        )}
      </article>
    </Section>
  );
}

/** All devices at a glance; each line leads to its card. */
function DeviceTable({ gpus, items }: { gpus: Gpu[]; items: RoomItem[] }) {
  return (
    <table class="cards plain" role="table">
      <caption class="unseen">All GPUs</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">device</th>
          <th role="columnheader" scope="col">state</th>
          <th role="columnheader" scope="col" class="num">room</th>
          <th role="columnheader" scope="col" class="num">in use</th>
          <th role="columnheader" scope="col" class="num">of</th>
          <th role="columnheader" scope="col" class="num">busy time</th>
          <th role="columnheader" scope="col" class="num">heat</th>
          <th role="columnheader" scope="col" class="num">power</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {gpus.slice(0, kShownRows).map((gpu) => {
          const item = items.find((each) => each.resource === 'gpu_memory' && each.device === gpu.id);
          const terms = item ? terms_of(item) : null;
          const reason = state_text(gpu)?.text ?? 'the driver does not tell';
          return (
            <tr role="row" key={gpu.id} class={gpu.parent ? 'slice' : ''}>
              <th role="rowheader" scope="row">
                <a href={address_with(location.hash, 'gpu', gpu.parent ?? gpu.id)}>{item?.name ?? gpu_title(gpu)}</a>
                <small>{gpu.simulated ? 'simulated' : gpu.name}</small>
              </th>
              <td role="cell" data-label="state"><StateMark state={gpu.state} level={item?.pressure} /></td>
              <td role="cell" data-label="room" class="num strong"><Value text={terms ? format_amount(terms, terms.room) : kUnknown} reason={item?.why ?? reason} /></td>
              <td role="cell" data-label="in use" class="num"><Value text={format_bytes(number(gpu.memory_used_bytes))} reason={reason} /></td>
              <td role="cell" data-label="of" class="num extra">{format_bytes(number(gpu.memory_total_bytes))}</td>
              <td role="cell" data-label="busy time" class="num extra"><Value text={format_ratio(number(gpu.busy_ratio))} reason={reason} /></td>
              <td role="cell" data-label="heat" class="num extra"><Value text={format_of_limit(gpu.temperature_celsius, null, '°C')} reason={reason} /></td>
              <td role="cell" data-label="power" class="num extra"><Value text={format_of_limit(gpu.power_watts, null, 'W')} reason={reason} /></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function NoGpus({ state }: { state: State }) {
  const absences = list(state.snapshot?.absent).filter((each) => /gpu|nvml|amdgpu/i.test(each.sensor));
  return (
    <>
      <Empty command="headroom doctor">
        No GPU can be read here. Memory, CPU and disks are watched and booked all the same. The doctor checks each step from
        the driver to the numbers:
      </Empty>
      {absences.length > 0 && (
        <ul class="reasons">
          {absences.map((absence) => (
            <li key={absence.sensor}>
              <strong>{absence.sensor}</strong> {absence.reason ?? 'not known why'}
              {absence.fix && <code>{absence.fix}</code>}
            </li>
          ))}
        </ul>
      )}
      <p class="quiet">
        To see this page work without one, start a daemon with a simulated device:{' '}
        <code>HEADROOM_SAMPLE__GPU=sim HEADROOM_SAMPLE__GPU_SIM=24GiB headroomd</code>
      </p>
    </>
  );
}

export function GpusPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const [window] = use_window();
  const [chosen, choose] = use_setting('gpu', '');
  const all = list(state.snapshot?.gpu);
  const asked = use_fetched<Processes>(all.length > 0 ? 'processes?sort=gpu&limit=1000' : null, kProcessesMs);
  useEffect(() => {
    if (asked.document) dispatch({ kind: 'processes', document: asked.document });
  }, [asked.document]);
  useEffect(() => () => dispatch({ kind: 'processes', document: null }), []); // what nobody asks for is soon old

  const items = room_items(state.snapshot);
  const devices = all.filter((gpu) => !gpu.parent || !all.some((each) => each.id === gpu.parent));
  const one = devices.find((gpu) => gpu.id === chosen || String(gpu.index) === chosen);
  const cards = one ? [one] : devices.slice(0, kShownCards);
  if (state.snapshot === null) return <p class="waiting-text">Waiting for the first sample.</p>;
  const driver = state.snapshot.gpu_driver;
  return (
    <>
      <Section
        id="gpus"
        title="GPUs"
        note={all.length > 0 ? (driver ?? `${devices.length} ${devices.length === 1 ? 'device' : 'devices'}`) : null}
        json={all.length > 0 && cards[0] ? history_path('gpu_memory', cards[0].id, window) : 'snapshot'}
        command={all.length > 0 ? 'headroom gpu -o wide' : 'headroom gpu'}
        choice={all.length > 0 && <WindowChoice of="this page" />}
      >
        {all.length === 0 ? <NoGpus state={state} /> : all.length > 1 && <DeviceTable gpus={all} items={items} />}
        <More shown={kShownRows} all={all.length} />
        {one && devices.length > 1 && (
          <p class="more">
            Only {gpu_title(one)} is shown below.{' '}
            <button type="button" class="link" onClick={() => choose('')}>
              Show all
            </button>
          </p>
        )}
        {asked.trouble && all.length > 0 && <p class="chart-trouble">Which processes use them cannot be read: {asked.trouble}.</p>}
      </Section>
      {cards.map((gpu) => (
        <GpuCard
          key={gpu.id}
          gpu={gpu}
          slices={all.filter((each) => each.parent === gpu.id)}
          state={state}
          window={window}
          end={Math.round(now / 1000)}
          processes={state.processes}
        />
      ))}
      {!one && devices.length > kShownCards && (
        <p class="more">
          and {devices.length - kShownCards} more: choose one in the table above
        </p>
      )}
    </>
  );
}
