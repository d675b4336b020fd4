// The first page: what still fits, what is wrong, the past, who has what, what happened.
import { AlertSection } from './alerts';
import { list, number, type Amounts, type Gpu, type Lease, type Maybe, type RoomItem } from './api';
import { Chart } from './chart';
import { EventTable } from './events_page';
import {
  format_bytes,
  format_clock,
  format_cores,
  format_duration,
  format_ratio,
  format_until,
  kUnknown,
  parse_time,
} from './format';
import { gpu_title } from './gpu';
import { Empty, More, Section, StateMark, Value } from './parts';
import { format_amount, format_sum, format_used, segments_of, terms_of } from './room';
import { room_items, running_leases, series_key, waiting_leases, type State } from './state';
import { use_now, use_state } from './store';
import { marks_of, threshold_of } from './thresholds';
import { history_path, use_window, WindowChoice } from './window';

/** No list on a page grows without bound: the rest is a number. */
const kShown = 50;
const kShownCharts = 16;

function gpu_facts(gpu: Gpu): string {
  const facts: string[] = [];
  if (number(gpu.busy_ratio) !== null) facts.push(`busy ${format_ratio(gpu.busy_ratio)}`);
  if (number(gpu.temperature_celsius) !== null) facts.push(`${Math.round(gpu.temperature_celsius!)}\u00a0°C`);
  if (number(gpu.power_watts) !== null) facts.push(`${Math.round(gpu.power_watts!)}\u00a0W`);
  return facts.join('  ·  ');
}

function RoomRow({ item, gpu, threshold }: { item: RoomItem; gpu: Gpu | undefined; threshold: number | null }) {
  const terms = terms_of(item);
  const segments = segments_of(terms);
  const name = item.name ?? item.device ?? item.resource;
  const words = segments.map((segment) => `${segment.label} ${format_amount(terms, segment.amount)}`).join(', ');
  const facts = gpu ? gpu_facts(gpu) : '';
  const command = 'headroom';
  return (
    <li class="room-row" data-resource={item.resource} data-device={item.device ?? ''}>
      <div class="room-name">
        <h3 title={name}>
          {name}
          {gpu?.name && gpu.name !== 'simulated' && <small> {gpu.name}</small>}
          {gpu?.simulated && <span class="badge">simulated</span>}
        </h3>
        <StateMark state={gpu?.state} level={item.pressure} />
      </div>
      <div class="room-number">
        <span class="room-value">
          <Value text={format_amount(terms, terms.room)} reason={item.why} />
        </span>
        <span class="room-word">room</span>
      </div>
      <div class="room-bar">
        <div class="bar" role="img" aria-label={`${name}: ${words || 'no reading'}`}>
          <div class="bar-track">
            {segments.map((segment) => (
              <span
                key={segment.kind}
                class={`segment seg-${segment.kind}`}
                style={{ width: `${segment.percent}%` }}
                title={`${segment.label} ${format_amount(terms, segment.amount)}`}
              />
            ))}
          </div>
          {threshold !== null && (
            <span class="tick" style={{ left: `${threshold}%` }} title={`pressure changes at ${threshold} % used`} />
          )}
        </div>
        {item.why && <p class="why">{item.why}</p>}
        <div class="room-foot">
          <dl class="room-text">
            <div>
              <dt>used</dt>
              <dd>
                <Value text={format_used(terms)} reason={item.why} />
              </dd>
            </div>
            <div>
              <dt>booked</dt>
              <dd>
                <Value text={format_amount(terms, terms.booked)} reason={item.why} />
              </dd>
            </div>
            {facts && (
              <div>
                <dt class="unseen">device</dt>
                <dd>{facts}</dd>
              </div>
            )}
          </dl>
          <details class="sum">
            <summary>
              how it adds up<span class="unseen"> for {name}</span>
            </summary>
            <p class="sum-line">{format_sum(terms)}</p>
            <p class="sum-links">
              <a href="api/v1/room">as JSON</a>
              <code>{command}</code>
              <code>
                curl -s '{location.origin}
                {location.pathname}api/v1/room'
              </code>
            </p>
          </details>
        </div>
      </div>
    </li>
  );
}

function Legend() {
  const entries: [kind: string, label: string][] = [
    ['leases', 'used by leases'],
    ['other', 'used outside leases'],
    ['promised', 'booked, not used yet'],
    ['kept', 'reserve and margin'],
    ['room', 'room'],
  ];
  return (
    <ul class="legend" aria-label="What the parts of the bars mean">
      {entries.map(([kind, label]) => (
        <li key={kind}>
          <span class={`swatch seg-${kind}`} aria-hidden="true" />
          {label}
        </li>
      ))}
      <li>
        <span class="swatch-tick" aria-hidden="true" />
        threshold of pressure
      </li>
    </ul>
  );
}

function RoomSection({ state }: { state: State }) {
  const items = room_items(state.snapshot);
  const gpus = list(state.snapshot?.gpu);
  const absent = list(state.snapshot?.absent).find((each) => each.sensor.includes('gpu') || each.sensor.includes('nvml'));
  return (
    <Section id="room" title="Room" note="what can still be booked now" json="room" command="headroom">
      {state.snapshot === null ? (
        <p class="waiting-text">Waiting for the first sample.</p>
      ) : items.length === 0 ? (
        <Empty command="headroom doctor">No resource could be read. The doctor says which sensor is missing and why:</Empty>
      ) : (
        <>
          <ul class="rooms">
            {items.slice(0, kShown).map((item) => (
              <RoomRow
                key={series_key(item.resource, item.device)}
                item={item}
                gpu={item.resource === 'gpu_memory' ? gpus.find((gpu) => gpu.id === item.device) : undefined}
                threshold={threshold_of(state, item.resource, item.device)}
              />
            ))}
          </ul>
          <More shown={kShown} all={items.length} />
          {absent && gpus.length === 0 && (
            <p class="absent">
              No GPU: {absent.reason ?? 'not known why'}. {absent.fix && <code>{absent.fix}</code>}
            </p>
          )}
          <Legend />
        </>
      )}
    </Section>
  );
}

function ChartSection({ state, now }: { state: State; now: number }) {
  const items = room_items(state.snapshot);
  const gpus = list(state.snapshot?.gpu);
  const end = Math.round(now / 1000);
  const [window] = use_window();
  return (
    <Section
      id="charts"
      title="Past"
      note="in use, percent"
      json={history_path('memory', null, window)}
      command={`headroom history memory --window ${window.word}`}
      choice={<WindowChoice of="the charts" />}
    >
      <div class="charts">
        <Chart title="memory" resource="memory" window={window} marks={marks_of(state, 'memory', null)} end={end} />
        <Chart title="CPU" resource="cpu" window={window} marks={marks_of(state, 'cpu', null)} end={end} />
        {gpus.slice(0, kShownCharts).map((gpu) => {
          const item = items.find((each) => each.resource === 'gpu_memory' && each.device === gpu.id);
          return (
            <Chart
              key={gpu.id}
              title={item?.name ?? gpu_title(gpu)}
              detail="memory"
              resource="gpu_memory"
              device={gpu.id}
              window={window}
              marks={marks_of(state, 'gpu_memory', gpu.id)}
              end={end}
            />
          );
        })}
      </div>
      <More shown={kShownCharts} all={gpus.length} />
    </Section>
  );
}

const kAmounts: [name: keyof Amounts, word: string, format: (value: Maybe<number>) => string][] = [
  ['gpu_memory_bytes', 'GPU', format_bytes],
  ['memory_bytes', 'memory', format_bytes],
  ['cpu_cores', 'CPU', format_cores],
  ['disk_bytes', 'disk', format_bytes],
];

/** The kinds of amount that a lease is about, in the order of the columns. */
function kinds_of(lease: Lease) {
  const shown = kAmounts.filter(([name]) => number(lease.booked?.[name] ?? lease.needs?.[name]) !== null);
  return shown.length > 0 ? shown : kAmounts.filter(([name]) => number(lease.measured?.[name]) !== null);
}

function AmountLines({ lease, amounts, reason }: { lease: Lease; amounts: Maybe<Amounts>; reason: string }) {
  const kinds = kinds_of(lease);
  if (kinds.length === 0) return <Value text={kUnknown} reason={reason} />;
  return (
    <span class="cell-lines">
      {kinds.map(([name, word, format]) => (
        <span class="amount-line" key={name}>
          <span class="unseen">{word} </span>
          <Value text={format(number(amounts?.[name]))} reason={reason} />
        </span>
      ))}
    </span>
  );
}

function where_of(lease: Lease): string {
  if (number(lease.gpu_index) !== null) return `GPU ${lease.gpu_index}`;
  return lease.device ?? lease.mount ?? kUnknown;
}

function LeaseName({ lease }: { lease: Lease }) {
  const about = [lease.id, lease.owner, lease.priority && lease.priority !== 'normal' ? lease.priority : null];
  return (
    <>
      <span class="lease-name" title={lease.name ?? undefined}>{lease.name || lease.id}</span>
      <small>{about.filter(Boolean).join(' · ')}</small>
    </>
  );
}

function time_of(lease: Lease, now: number): { text: string; left: string | null } {
  const granted = parse_time(lease.granted_at);
  const text = granted === null ? kUnknown : format_duration((now - granted) / 1000);
  const expires = parse_time(lease.expires_at);
  if (expires !== null) return { text, left: `ends ${format_until(expires, now)}` };
  const expected = number(lease.expected_seconds);
  if (expected === null || granted === null) return { text, left: null };
  const left = expected - (now - granted) / 1000;
  return { text, left: left > 0 ? `about ${format_duration(left)} left` : `longer than the ${format_duration(expected)} expected` };
}

// On a phone the rows become cards by CSS; the roles keep them a table for those who listen.
function RunningTable({ leases, now }: { leases: Lease[]; now: number }) {
  return (
    <table class="cards" role="table">
      <caption>Running</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">lease</th>
          <th role="columnheader" scope="col">state</th>
          <th role="columnheader" scope="col">where</th>
          <th role="columnheader" scope="col" class="of"><span class="unseen">resource</span></th>
          <th role="columnheader" scope="col" class="num">booked</th>
          <th role="columnheader" scope="col" class="num">measured</th>
          <th role="columnheader" scope="col" class="num">peak</th>
          <th role="columnheader" scope="col">time</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {leases.slice(0, kShown).map((lease) => {
          const time = time_of(lease, now);
          return (
            <tr role="row" key={lease.id} data-lease={lease.id}>
              <th role="rowheader" scope="row"><LeaseName lease={lease} /></th>
              <td role="cell" data-label="state">
                <span class="cell-lines">
                  {lease.state ?? 'unknown'}
                  {lease.over && <span class="badge badge-over" title="it uses more than it booked">over</span>}
                </span>
              </td>
              <td role="cell" data-label="where"><Value text={where_of(lease)} reason="tied to no device" /></td>
              <td role="cell" class="of" aria-hidden="true">
                {kinds_of(lease).map(([name, word]) => (
                  <span class="amount-line" key={name}>{word}</span>
                ))}
              </td>
              <td role="cell" data-label="booked" class="num">
                <AmountLines lease={lease} amounts={lease.booked} reason="nothing is booked" />
              </td>
              <td role="cell" data-label="measured" class="num">
                <AmountLines lease={lease} amounts={lease.measured} reason="not measured yet, or its holder is not a process" />
              </td>
              <td role="cell" data-label="peak" class="num">
                <AmountLines lease={lease} amounts={lease.peak} reason="not measured yet" />
              </td>
              <td role="cell" data-label="time">
                <span class="cell-lines">
                  <Value text={time.text} reason="not granted yet" />
                  {time.left && <small>{time.left}</small>}
                </span>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function WaitingTable({ leases, now }: { leases: Lease[]; now: number }) {
  return (
    <table class="cards" role="table">
      <caption>Waiting</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">lease</th>
          <th role="columnheader" scope="col" class="num">place</th>
          <th role="columnheader" scope="col">wants</th>
          <th role="columnheader" scope="col" class="wide">why</th>
          <th role="columnheader" scope="col">earliest</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {leases.slice(0, kShown).map((lease) => {
          const earliest = parse_time(lease.earliest);
          return (
            <tr role="row" key={lease.id} data-lease={lease.id}>
              <th role="rowheader" scope="row"><LeaseName lease={lease} /></th>
              <td role="cell" data-label="place" class="num">{number(lease.place) ?? kUnknown}</td>
              <td role="cell" data-label="wants">
                <span class="cell-lines">
                  {kinds_of(lease).map(([name, word, format]) => (
                    <span class="amount-line" key={name}>
                      {format(number(lease.needs?.[name] ?? lease.booked?.[name]))} {word}
                    </span>
                  ))}
                </span>
              </td>
              <td role="cell" data-label="why" class="wide">{lease.why ?? kUnknown}</td>
              <td role="cell" data-label="earliest">
                <span class="cell-lines">
                  <Value text={format_clock(earliest, now)} reason="not known: those before it did not say how long they take" />
                  {earliest !== null && <small>{format_until(earliest, now)}</small>}
                </span>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function LeaseSection({ state, now }: { state: State; now: number }) {
  const leases = state.leases ?? [];
  const running = running_leases(leases);
  const waiting = waiting_leases(leases);
  const note = leases.length > 0 ? `${running.length} running, ${waiting.length} waiting` : null;
  return (
    <Section id="leases" title="Leases" note={note} json="leases" command="headroom lease">
      {state.leases === null ? (
        <p class="waiting-text">Not read yet.</p>
      ) : running.length + waiting.length === 0 ? (
        <Empty command="headroom run --mem 2G -- python train.py">
          No lease. A job started like this gets 2 GiB of its own, waits while they are not free, and is shown here:
        </Empty>
      ) : (
        <>
          {running.length > 0 && <RunningTable leases={running} now={now} />}
          <More shown={kShown} all={running.length} />
          {waiting.length > 0 && <WaitingTable leases={waiting} now={now} />}
          <More shown={kShown} all={waiting.length} />
        </>
      )}
    </Section>
  );
}

export function Overview() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  return (
    <>
      <RoomSection state={state} />
      <AlertSection state={state} now={now} />
      <ChartSection state={state} now={now} />
      <LeaseSection state={state} now={now} />
      <Section id="events" title="Events" note={<a href="#/events">all events</a>} json="events?limit=10" command="headroom event">
        <EventTable events={state.events} shown={10} now={now} />
      </Section>
    </>
  );
}
