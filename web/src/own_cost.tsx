// What the daemon itself takes: its memory and processor, its history on disk, who asks it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { fetch_text, number, type NodeInfo } from './api';
import { Curve } from './chart';
import { format_bytes, format_duration, kUnknown, parse_time } from './format';
import { Section, Value } from './parts';
import { kChartSeconds, type Series, type State } from './state';

const kAgainMs = 5000;
const kMost = kChartSeconds / (kAgainMs / 1000) + 1;

/** CPU time of the daemon per second of its life; `now` is ms by its clock. */
export function own_cpu_ratio(node: NodeInfo, now: number): number | null {
  const seconds = number(node.own?.cpu_seconds);
  const started = parse_time(node.started_at); // its uptime is the machine's
  return seconds === null || started === null || now <= started ? null : (1000 * seconds) / (now - started);
}

/** The value of one family of the Prometheus text, its samples summed; null when it is not there. */
export function metric_of(text: string, name: string): number | null {
  let sum: number | null = null;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const rest = line.slice(name.length);
    if (rest[0] !== ' ' && rest[0] !== '{') continue;
    const value = parseFloat(rest.slice(rest.lastIndexOf('}') + 1));
    if (Number.isFinite(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}

const kNoSeries: Series = { at: [], value: [] };
const kWindow = { seconds: kChartSeconds, title: '15 min' };

function added(series: Series, at: number, value: number | null): Series {
  return { at: [...series.at, at].slice(-kMost), value: [...series.value, value].slice(-kMost) };
}

interface Seen {
  cpu: Series; // percent of one core, between two readings
  memory: Series; // bytes
}

/** What was seen of the daemon's cost since this view was opened. */
function use_own_past(node: NodeInfo, now: number): Seen {
  const [seen, set_seen] = useState<Seen>({ cpu: kNoSeries, memory: kNoSeries });
  const before = useRef<{ up: number; cpu: number } | null>(null);
  useEffect(() => {
    const up = number(node.uptime_seconds);
    const cpu = number(node.own?.cpu_seconds);
    const last = before.current;
    if (up === null || (last && up === last.up)) return;
    before.current = cpu === null ? null : { up, cpu };
    const known = last !== null && cpu !== null && up > last.up && cpu >= last.cpu; // else it was started anew
    const percent = known ? (100 * (cpu - last.cpu)) / (up - last.up) : null;
    const at = now / 1000;
    set_seen((old) => ({ cpu: added(old.cpu, at, percent), memory: added(old.memory, at, number(node.own?.memory_bytes)) }));
  }, [node]);
  return seen;
}

function use_metrics(): string | null {
  const [text, set_text] = useState<string | null>(null);
  useEffect(() => {
    let here = true;
    let timer = 0;
    const turn = async () => {
      const read = document.hidden ? null : await fetch_text('metrics').catch(() => null);
      if (here && read !== null) set_text(read);
      if (here) timer = window.setTimeout(() => void turn(), 2 * kAgainMs);
    };
    void turn();
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, []);
  return text;
}

export function OwnCost({ state, node, now }: { state: State; node: NodeInfo; now: number }) {
  const seen = use_own_past(node, now);
  const metrics = use_metrics();
  const ratio = own_cpu_ratio(node, now);
  const of = (name: string) => (metrics === null ? null : metric_of(metrics, name));
  const count = (value: number | null) => (value === null ? kUnknown : value.toLocaleString('en-GB').replace(/,/g, '\u00a0'));
  const disk = of('headroom_history_bytes') ?? of('headroom_history_disk_bytes');
  const took = number(state.snapshot?.took_seconds);
  const end = Math.round(now / 1000);
  const facts: [name: string, text: string, reason: string][] = [
    ['resident memory', format_bytes(number(node.own?.memory_bytes)), 'not read'],
    ['CPU since the start', ratio === null ? kUnknown : `${(100 * ratio).toFixed(3)}\u00a0% of one core`, 'not read'],
    ['CPU time', format_duration(number(node.own?.cpu_seconds)), 'not read'],
    ['last sample took', took === null ? kUnknown : `${(1000 * took).toFixed(2)}\u00a0ms`, 'not read'],
    ['history on disk', format_bytes(disk), 'the metrics do not tell'],
    ['requests answered', count(of('headroom_http_requests_total')), 'the metrics do not tell'],
    ['connections now', count(of('headroom_http_connections')), 'the metrics do not tell'],
    ['connections refused', count(of('headroom_http_refused_connections_total')), 'the metrics do not tell'],
  ];
  return (
    <Section id="own" title="Own cost" note="what the daemon itself takes" json="node" command="headroom metrics">
      <dl class="fact-list">
        {facts.map(([name, text, reason]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Value text={text} reason={reason} />
            </dd>
          </div>
        ))}
      </dl>
      <div class="charts own-charts">
        <Curve
          title="its CPU"
          detail="of one core, since this page was opened"
          series={seen.cpu}
          window={kWindow}
          scale={{ format: (value) => (value == null ? kUnknown : `${Number(value.toPrecision(2))}\u00a0%`), top: null }}
          marks={[]}
          end={end}
          height={96}
        />
        <Curve
          title="its memory"
          detail="resident, since this page was opened"
          series={seen.memory}
          window={kWindow}
          scale={{ format: (value) => (value === 0 ? '0' : format_bytes(value)), top: 2 ** Math.ceil(Math.log2(1.2 * Math.max(1, ...seen.memory.value.map((value) => value ?? 0)))) }}
          marks={[]}
          end={end}
          height={96}
        />
      </div>
    </Section>
  );
}
