// A component's quota: its bounds and priority at all times, the times with others, and how to change them.
import { useState } from 'preact/hooks';
import { list, number, send_json, type Component, type Quota } from './api';
import { format_allotted, format_bounds, kAllotted, quota_change, quota_command, quota_fields, title_of, type QuotaFields } from './components';
import { kUnknown } from './format';
import { kPriorities } from './models';
import { Answer, Section, use_change, Value } from './parts';

const kOtherTimes = '\n'; // no time is called so
const kShownWindows = 16;

/** The bounds of one resource in words: "20 %, 5 to 80 %". */
function part_words(part: NonNullable<NonNullable<Quota['resources']>[number]>): string {
  const bounds = format_bounds(part.least, part.most, part.unit);
  const amount = number(part.amount) === null ? null : format_allotted(part.amount, part.unit);
  if (amount === null && bounds === kUnknown) return '';
  return `${title_of(part.resource)} ${[amount, bounds === kUnknown ? null : bounds].filter(Boolean).join(', ')}`;
}

function QuotaTable({ component, quota }: { component: Component; quota: Quota }) {
  const parts = list(quota.resources).filter((part) => typeof part?.resource === 'string').slice(0, kAllotted.length);
  return (
    <table class="cards plain" role="table">
      <caption class="unseen">The quota of {component.name} at all times</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">resource</th>
          <th role="columnheader" scope="col" class="num">meant to have</th>
          <th role="columnheader" scope="col" class="num">at least</th>
          <th role="columnheader" scope="col" class="num">at most</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {parts.map((part) => (
          <tr role="row" key={part.resource}>
            <th role="rowheader" scope="row">{title_of(part.resource)}</th>
            <td role="cell" data-label="meant to have" class="num"><Value text={format_allotted(part.amount, part.unit)} reason="not said: its bounds alone count" /></td>
            <td role="cell" data-label="at least" class="num"><Value text={format_allotted(part.least, part.unit)} reason="not said" /></td>
            <td role="cell" data-label="at most" class="num"><Value text={format_allotted(part.most, part.unit)} reason="not said" /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Windows({ component, quota, readonly, seen }: { component: Component; quota: Quota; readonly: boolean; seen: () => void }) {
  const change = use_change();
  const windows = list(quota.windows).filter((window) => typeof window?.during === 'string').slice(0, kShownWindows);
  if (windows.length === 0) return null;
  const forget = (during: string) =>
    change.make(async () => {
      await send_json('PUT', `components/${encodeURIComponent(component.name)}/quota`, { during });
      seen();
      return `${during} is forgotten.`;
    });
  return (
    <>
      <h3>At other times</h3>
      <ul class="panel windows-list">
        {windows.map((window) => (
          <li key={window.during} data-window={window.during}>
            <strong>{window.during}</strong>
            {component.window === window.during && <span class="badge">in force now</span>}
            <span>{[...list(window.resources).map((part) => (part ? part_words(part) : '')), window.priority && `${window.priority} priority`].filter(Boolean).join(' · ') || 'as at all times'}</span>
            {!readonly && (
              <button type="button" disabled={change.busy} onClick={() => forget(window.during)}>
                Forget<span class="unseen"> {window.during}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      <Answer change={change} />
    </>
  );
}

function QuotaForm({ name, quota, during, other, times, choose, typed, set_typed, seen }: {
  name: string;
  quota: Quota;
  during: string | null; // null: at all times
  other: boolean; // times that are typed
  times: [value: string, set: (value: string) => void];
  choose: (value: string) => void;
  typed: QuotaFields;
  set_typed: (change: (old: QuotaFields) => QuotaFields) => void;
  seen: () => void;
}) {
  const change = use_change();
  const before = quota_fields(quota, during);
  const value = (key: string) => typed[key] ?? before[key] ?? '';
  const put = (key: string, text: string) => set_typed((old) => ({ ...old, [key]: text }));
  const windows = list(quota.windows).filter((window) => typeof window?.during === 'string');
  const cell = (key: string, label: string) => (
    <td role="cell">
      <input type="text" inputMode="decimal" autocomplete="off" aria-label={label} placeholder={during === null ? '' : 'as always'} value={value(key)} onInput={(event) => put(key, event.currentTarget.value)} />
    </td>
  );
  const apply = () =>
    change.make(async () => {
      const asked = quota_change(before, typed, during);
      if ('wrong' in asked) throw new Error(asked.wrong);
      await send_json<Quota>('PUT', `components/${encodeURIComponent(name)}/quota`, asked.body);
      set_typed(() => ({}));
      seen();
      return 'In force, and kept.';
    });
  return (
    <form
      class="panel quota-form"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <div class="filters">
        <label class="field">
          <span>change it for</span>
          <select value={other ? kOtherTimes : (during ?? '')} onChange={(event) => choose(event.currentTarget.value)}>
            <option value="">all times</option>
            {windows.map((window) => (
              <option key={window.during} value={window.during}>{window.during}</option>
            ))}
            <option value={kOtherTimes}>other times</option>
          </select>
        </label>
        {other && (
          <label class="field">
            <span>times</span>
            <input autocomplete="off" spellcheck={false} maxLength={64} placeholder="Mon-Fri 08:00-18:00" value={times[0]} onInput={(event) => times[1](event.currentTarget.value)} />
          </label>
        )}
      </div>
      <table class="plain quota-fields" role="table">
        <caption class="unseen">New bounds</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">resource</th>
            <th role="columnheader" scope="col">meant</th>
            <th role="columnheader" scope="col">at least</th>
            <th role="columnheader" scope="col">at most</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {kAllotted.map(({ resource, title, unit, key }) => (
            <tr role="row" key={resource}>
              <th role="rowheader" scope="row">
                {title} <small>{unit === '1/s' ? 'per second' : unit}</small>
              </th>
              {cell(key, `${title}, meant to have, ${unit}`)}
              {cell(`min_${key}`, `${title}, at least, ${unit}`)}
              {cell(`max_${key}`, `${title}, at most, ${unit}`)}
            </tr>
          ))}
        </tbody>
      </table>
      <div class="filters">
        <label class="field">
          <span>priority</span>
          <select value={value('priority')} onChange={(event) => put('priority', event.currentTarget.value)}>
            {(during !== null || value('priority') === '') && <option value="">{during === null ? 'not said' : 'as always'}</option>}
            {kPriorities.map((each) => (
              <option key={each} value={each}>{each}</option>
            ))}
          </select>
        </label>
        {during === null && (
          <>
            <label class="field quota-buffer">
              <span>buffer</span>
              <input type="text" inputMode="decimal" autocomplete="off" placeholder="strategy’s" value={value('buffer_percent')} onInput={(event) => put('buffer_percent', event.currentTarget.value)} />
              <span>%</span>
            </label>
            <label class="check">
              <input type="checkbox" checked={value('enforce') === 'true'} onChange={(event) => put('enforce', event.currentTarget.checked ? 'true' : '')} />
              <span>the kernel holds it to its allocation</span>
            </label>
          </>
        )}
      </div>
      <p class="buttons">
        <button type="submit" class="primary" disabled={change.busy}>
          Change quota
        </button>
        <Answer change={change} />
      </p>
      <p class="quiet">
        A field that is emptied is taken back: {during === null ? 'what is configured counts then' : 'what holds at all times counts then'}.
      </p>
    </form>
  );
}

export function QuotaSection({ component, readonly, seen }: { component: Component; readonly: boolean; seen: () => void }) {
  const [chosen, set_chosen] = useState(''); // empty: at all times
  const [times, set_times] = useState('');
  const [typed, set_typed] = useState<QuotaFields>({});
  const quota = component.quota && typeof component.quota === 'object' ? component.quota : {};
  const known = list(quota.windows).some((window) => window?.during === chosen);
  const during = chosen === '' ? null : chosen === kOtherTimes ? times : known ? chosen : null;
  const choose = (value: string) => {
    set_chosen(value);
    set_typed({}); // they were of other times
  };
  const facts = [
    `${quota.priority ?? kUnknown} priority`,
    number(quota.buffer_percent) === null ? 'the strategy’s buffer' : `${format_allotted(quota.buffer_percent, '%')} buffer`,
    quota.enforce ? 'held to it by the kernel' : 'not enforced',
  ];
  return (
    <Section
      id="quota"
      title="Quota"
      note={facts.join(' · ')}
      json={`components/${encodeURIComponent(component.name)}/quota`}
      command={readonly ? `headroom quota show ${component.name}` : quota_command(component.name, quota_change(quota_fields(quota, during), typed, during))}
    >
      {list(quota.resources).length > 0 ? <QuotaTable component={component} quota={quota} /> : <p class="quiet">Nothing is said of it: what is configured counts.</p>}
      <Windows component={component} quota={quota} readonly={readonly} seen={seen} />
      {!readonly && <QuotaForm name={component.name} quota={quota} during={during} other={chosen === kOtherTimes} times={[times, set_times]} choose={choose} typed={typed} set_typed={set_typed} seen={seen} />}
    </Section>
  );
}
