// What the daemon can read and do here, the machine, what it costs, and the configuration in force.
import { useEffect } from 'preact/hooks';
import { parse_address } from './address';
import { list, type NodeInfo } from './api';
import { Configuration } from './configuration';
import { Cost } from './cost';
import { format_bytes, format_ago, format_clock, format_duration, kUnknown, parse_time } from './format';
import { Cores, Disks, HeatAndPower, Memory, Network } from './machine';
import { OwnCost } from './own_cost';
import { Section, Value } from './parts';
import { use_now, use_state } from './store';

function Sensors({ node }: { node: NodeInfo }) {
  const sensors = list(node.sensors);
  if (sensors.length === 0) return <p class="quiet">The daemon names no sensor.</p>;
  const absent = sensors.filter((sensor) => sensor.up === false);
  const up = sensors.filter((sensor) => sensor.up !== false);
  return (
    <>
      <ul class="sensors-up" aria-label="Sensors that give readings">
        {up.map((sensor, at) => (
          <li key={sensor.name ?? at}>
            <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" focusable="false">
              <path d="M1.5 6.5 4.5 9.5 10.5 2.5" />
            </svg>
            {sensor.name ?? kUnknown}
            <span class="unseen"> {sensor.up ? 'up' : 'unknown'}</span>
          </li>
        ))}
      </ul>
      {absent.length > 0 && (
        <table class="cards plain" role="table">
          <caption>Absent</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">sensor</th>
              <th role="columnheader" scope="col">why</th>
              <th role="columnheader" scope="col">what would help</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {absent.map((sensor, at) => (
              <tr role="row" key={sensor.name ?? at}>
                <th role="rowheader" scope="row">{sensor.name ?? kUnknown}</th>
                <td role="cell" data-label="why">{sensor.reason ?? 'not known why'}</td>
                <td role="cell" data-label="help">{sensor.fix ? <code>{sensor.fix}</code> : <Value text={kUnknown} reason="nothing is known to help" />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function Cannot({ node }: { node: NodeInfo }) {
  const cannot = list(node.cannot);
  if (cannot.length === 0) return null;
  return (
    <>
      <h3>What it cannot do here</h3>
      <ul class="reasons">
        {cannot.map((each, at) => (
          <li key={each.what ?? at}>
            <strong>{each.what ?? kUnknown}</strong> {each.reason}
            {each.fix && <code>{each.fix}</code>}
          </li>
        ))}
      </ul>
    </>
  );
}

const kParts: [id: string, title: string][] = [
  ['node', 'Node'],
  ['sensors', 'Sensors'],
  ['cpu', 'CPU'],
  ['memory', 'Memory'],
  ['disks', 'Disks'],
  ['network', 'Network'],
  ['heat', 'Heat and power'],
  ['cost', 'What it costs'],
  ['own', 'Own cost'],
  ['config', 'Configuration'],
];

/** Shows the section that the address names: "#/system/memory". */
function use_section(ready: boolean) {
  useEffect(() => {
    const turn = () => {
      const { section } = parse_address(location.hash);
      const heading = section ? document.getElementById(section) : null;
      if (!heading) return;
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
      heading.scrollIntoView();
    };
    if (ready) turn();
    addEventListener('hashchange', turn);
    return () => removeEventListener('hashchange', turn);
  }, [ready]);
}

export function SystemPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const node = state.node;
  use_section(node !== null && state.snapshot !== null);
  if (node === null) return <p class="waiting-text">Not read yet.</p>;
  const started = parse_time(node.started_at);
  const facts: [name: string, text: string][] = [
    ['name', node.name ?? kUnknown],
    ['version', node.version ?? kUnknown],
    ['kernel', node.kernel ?? kUnknown],
    ['cores', node.cores == null ? kUnknown : String(node.cores)],
    ['GPU driver', state.snapshot?.gpu_driver ?? kUnknown],
    ['control groups', node.tier ?? kUnknown],
    ['profile', node.profile ?? kUnknown],
    ['strategy', node.strategy ?? kUnknown],
    ['started', `${format_clock(started, now)}, ${format_ago(started, now)}`],
    ['machine up', format_duration(node.uptime_seconds)],
  ];
  return (
    <>
      <nav class="contents" aria-label="Sections of this page">
        <ul>
          {kParts.map(([id, title]) => (
            <li key={id}>
              <a href={`#/system/${id}`}>{title}</a>
            </li>
          ))}
        </ul>
        <ul class="elsewhere">
          <li><a href="docs">API reference</a></li>
          <li><a href="metrics">Metrics</a></li>
          <li><a href="api/v1/export">Export for a bug report</a></li>
        </ul>
      </nav>
      <Section id="node" title="Node" json="node" command="headroom doctor">
        <dl class="fact-list">
          {facts.map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Value text={text} reason={name === 'GPU driver' ? 'there is none' : null} />
              </dd>
            </div>
          ))}
        </dl>
        {list(node.limits).map((limit, at) => (
          <p class="quiet" key={limit.group ?? at}>
            This node stands under a limit: {limit.resource ?? 'a resource'} {format_bytes(limit.limit_bytes)} by{' '}
            <code>{limit.group ?? kUnknown}</code>
          </p>
        ))}
      </Section>
      <Section id="sensors" title="Sensors" note="what gives readings, and why the rest does not" json="node" command="headroom doctor">
        <Sensors node={node} />
        <Cannot node={node} />
      </Section>
      {state.snapshot && (
        <>
          <Cores snapshot={state.snapshot} />
          <Memory snapshot={state.snapshot} />
          <Disks snapshot={state.snapshot} />
          <Network snapshot={state.snapshot} />
          <HeatAndPower snapshot={state.snapshot} />
        </>
      )}
      <Cost cost={node.cost} now={now} />
      <OwnCost state={state} node={node} now={now} />
      <Configuration />
      <p class="quiet">
        <a href="assets/licenses.txt">Licences of the libraries in this page</a>
      </p>
    </>
  );
}
