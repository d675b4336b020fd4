// The first page: what still fits, what is wrong, the past, who has what, what happened.
import { AlertSection } from './alerts';
import { list, number, type Forecast, type Gpu, type Items, type Pressure, type RoomItem } from './api';
import { Chart } from './chart';
import { EventTable } from './events_page';
import { use_fetched } from './fetched';
import { format_duration, format_ratio } from './format';
import { gpu_title } from './gpu';
import { kShownLeases, RunningTable, WaitingTable } from './lease_tables';
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

/** The step of the ladder that memory is on, and what it was taken for; empty: nothing is done. */
function step_text(pressures: Pressure[] | null, resource: string): string {
  const found = resource === 'memory' ? pressures?.find((one) => one.resource === 'memory') : undefined;
  if (!found?.step || (number(found.step_number) ?? 0) === 0) return '';
  return `step ${found.step_number} of 7, ${found.step}${found.step_why ? `: ${found.step_why}` : ''}`;
}

const kForecastsMs = 60_000;
/** A time when it is full that lies further ahead, or is less sure, is not worth a line. */
const kSoonSeconds = 86_400;
const kSureEnough = 0.5;

/** When it is full as things go; empty: not soon, or nobody knows. */
function full_text(forecasts: Forecast[], item: RoomItem): string {
  const found = forecasts.find((one) => one.resource === item.resource && (one.device ?? '') === (item.device ?? ''));
  const seconds = number(found?.full_in_seconds);
  const sure = number(found?.full_confidence) ?? 0;
  if (seconds === null || seconds > kSoonSeconds || sure < kSureEnough) return '';
  return seconds === 0 ? 'full' : `full in about ${format_duration(seconds)} as it goes`;
}

interface RoomRowFacts {
  item: RoomItem;
  gpu: Gpu | undefined;
  threshold: number | null;
  /** What is done about its pressure; or empty. */
  step: string;
  /** When it is full; or empty. */
  full: string;
}

function RoomRow({ item, gpu, threshold, step, full }: RoomRowFacts) {
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
        {step && <p class="why ladder-step">{step}</p>}
        {full && <p class="why full-in">{full}</p>}
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
  const forecasts = list(use_fetched<Items<Forecast>>('forecasts', kForecastsMs).document?.items);
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
                step={step_text(state.pressure, item.resource)}
                full={full_text(forecasts, item)}
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

function LeaseSection({ state, now }: { state: State; now: number }) {
  const leases = state.leases ?? [];
  const running = running_leases(leases);
  const waiting = waiting_leases(leases);
  const note = leases.length > 0 ? <a href="#/leases">{running.length} running, {waiting.length} waiting</a> : null;
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
          <More shown={kShownLeases} all={running.length} />
          {waiting.length > 0 && <WaitingTable leases={waiting} now={now} />}
          <More shown={kShownLeases} all={waiting.length} />
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
