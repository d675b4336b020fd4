// What the daemon can read and do here, what it costs, and the configuration in force.
import { useEffect, useState } from 'preact/hooks';
import { fetch_json, list, number, type Items, type NodeInfo, type Setting } from './api';
import { format_bytes, format_clock, format_duration, kUnknown, parse_time } from './format';
import { Section, Value } from './parts';
import { use_now, use_state } from './store';

/** CPU time of the daemon per second of its life. */
export function own_cpu_ratio(node: NodeInfo): number | null {
  const seconds = number(node.own?.cpu_seconds);
  const up = number(node.uptime_seconds);
  return seconds === null || up === null || up <= 0 ? null : seconds / up;
}

function setting_text(value: unknown): string {
  if (value === null || value === undefined) return kUnknown;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function Facts({ facts }: { facts: [name: string, text: string, reason?: string][] }) {
  return (
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
  );
}

function Sensors({ node }: { node: NodeInfo }) {
  const sensors = list(node.sensors);
  if (sensors.length === 0) return <p class="quiet">The daemon names no sensor.</p>;
  return (
    <table class="cards plain" role="table">
      <caption class="unseen">Sensors, and why one is absent</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">sensor</th>
          <th role="columnheader" scope="col">state</th>
          <th role="columnheader" scope="col" class="wide">why, and what would help</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {sensors.map((sensor, at) => (
          <tr role="row" key={sensor.name ?? at}>
            <th role="rowheader" scope="row">{sensor.name ?? kUnknown}</th>
            <td role="cell" data-label="state">{sensor.up ? 'up' : sensor.up === false ? 'absent' : 'unknown'}</td>
            <td role="cell" data-label="why" class="wide">
              {(sensor.reason || sensor.fix) && (
                <span class="cell-lines">
                  {sensor.reason}
                  {sensor.fix && <code>{sensor.fix}</code>}
                </span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cannot({ node }: { node: NodeInfo }) {
  const cannot = list(node.cannot);
  if (cannot.length === 0) return null;
  return (
    <>
      <h3>What it cannot do here</h3>
      <ul class="cannot">
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

function Configuration() {
  const [settings, set_settings] = useState<Setting[] | null>(null);
  const [trouble, set_trouble] = useState<string | null>(null);
  useEffect(() => {
    let here = true;
    fetch_json<Items<Setting>>('config').then(
      (document) => here && set_settings(list(document.items)),
      (error: Error) => here && set_trouble(error.message),
    );
    return () => void (here = false);
  }, []);
  if (trouble !== null) return <p class="quiet">The configuration cannot be read: {trouble}.</p>;
  if (settings === null) return <p class="waiting-text">Not read yet.</p>;
  return (
    <table class="cards plain" role="table">
      <caption class="unseen">Configuration in force, with where each value comes from</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">key</th>
          <th role="columnheader" scope="col">value</th>
          <th role="columnheader" scope="col">from</th>
          <th role="columnheader" scope="col" class="wide">about</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {settings.map((setting) => (
          <tr role="row" key={setting.key}>
            <th role="rowheader" scope="row">
              {setting.key}
              {setting.alias && <small>{setting.alias}</small>}
            </th>
            <td role="cell" data-label="value">{setting_text(setting.value)}</td>
            <td role="cell" data-label="from">{setting.origin ?? kUnknown}</td>
            <td role="cell" data-label="about" class="wide">{setting.about ?? ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function SystemPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const node = state.node;
  if (node === null) return <p class="waiting-text">Not read yet.</p>;
  const started = parse_time(node.started_at);
  const ratio = own_cpu_ratio(node);
  return (
    <>
      <Section id="node" title="Node" json="node" command="headroom doctor">
        <Facts
          facts={[
            ['name', node.name ?? kUnknown],
            ['version', node.version ?? kUnknown],
            ['kernel', node.kernel ?? kUnknown],
            ['cores', node.cores == null ? kUnknown : String(node.cores)],
            ['cgroups', node.tier ?? kUnknown],
            ['profile', node.profile ?? kUnknown],
            ['strategy', node.strategy ?? kUnknown],
            ['started', `${format_clock(started, now)}, ${format_duration(node.uptime_seconds)} ago`],
          ]}
        />
        {list(node.limits).map((limit, at) => (
          <p class="quiet" key={limit.group ?? at}>
            This node stands under a limit: {limit.resource ?? 'a resource'} {format_bytes(limit.limit_bytes)} by{' '}
            <code>{limit.group ?? kUnknown}</code>
          </p>
        ))}
      </Section>
      <Section id="own" title="Own cost" note="what the daemon itself takes">
        <Facts
          facts={[
            ['memory', format_bytes(node.own?.memory_bytes), 'not read'],
            ['CPU', ratio === null ? kUnknown : `${(100 * ratio).toFixed(3)}\u00a0% of one core`, 'not read'],
            ['CPU time', format_duration(node.own?.cpu_seconds), 'not read'],
            ['last sample took', number(state.snapshot?.took_seconds) === null ? kUnknown : `${(1000 * number(state.snapshot?.took_seconds)!).toFixed(2)}\u00a0ms`],
          ]}
        />
      </Section>
      <Section id="sensors" title="Sensors" json="node" command="headroom doctor">
        <Sensors node={node} />
        <Cannot node={node} />
      </Section>
      <Section id="config" title="Configuration" note="in force now" json="config" command="headroom config">
        <Configuration />
      </Section>
      <p class="quiet">
        <a href="assets/licenses.txt">Licences of the libraries in this page</a>
      </p>
    </>
  );
}
