// Components: what each has been given inside its quota and whether it answers; the strategy; what was decided last.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { list, number, type Allotment, type Component, type Decision, type Items } from './api';
import { parse_address, use_setting } from './address';
import { allotment_of, component_matches, format_allotted, format_answer_time, format_asks, format_bounds } from './components';
import { AllotmentBar, AllotmentLegend, ComponentState } from './component_parts';
import { ComponentView } from './component_view';
import { Breaking } from './configuration';
import { DecisionTable } from './decisions';
import { use_fetched } from './fetched';
import { kUnknown } from './format';
import { More, Section, Value } from './parts';
import { is_readonly } from './state';
import { use_now, use_state } from './store';
import { StrategySwitch } from './strategy';

const kAgainMs = 2000;
const kDecisionsMs = 5000;
const kShown = 200;
const kShownDecisions = 20;
const kKept = 5000; // of the daemon's list, however long it is

/** What fills this page. */
function Teach() {
  const url = `${location.origin}${location.pathname}api/v1/components/indexer`;
  return (
    <div class="empty teach">
      <p>
        No component is known of. One is a program that can do with more or less: headroom gives it a part of the processors and of memory, inside of bounds, and tells it when that
        moves. Say what it may have:
      </p>
      <code>headroom quota set indexer --cpu 30 --memory 600M --priority high</code>
      <p>Then let the program say that it is there, and what headroom may set:</p>
      <code>{`curl -X PUT -H 'Content-Type: application/json' -d '{"pid":4121,"setters":["cpu_percent","memory_mb"]}' '${url}'`}</code>
      <p>Its allocations come at …/stream of the same address. What is there, on the command line:</p>
      <code>headroom component</code>
    </div>
  );
}

function AllotmentCell({ allotment, label }: { allotment: Allotment | undefined; label: string }) {
  const unit = allotment?.unit;
  const bounds = format_bounds(allotment?.least, allotment?.most, unit);
  const lent = number(allotment?.lent) ?? 0;
  const asked = number(allotment?.asked);
  return (
    <td role="cell" data-label={label} class="allotment-cell">
      <span class="cell-lines">
        <span class="allotment-given">
          <strong><Value text={format_allotted(allotment?.allocation, unit)} reason="nothing was given yet" /></strong>
          {asked !== null && <> asked for {format_allotted(asked, unit)}</>}
        </span>
        {allotment && <AllotmentBar allotment={allotment} />}
        <small>
          uses <Value text={format_allotted(allotment?.used, unit)} reason="not measured" />, wants <Value text={format_allotted(allotment?.demand, unit)} reason="not known yet" />
        </small>
        {bounds !== kUnknown && <small>{bounds}</small>}
        {lent > 0 && <small class="lent">lends {format_allotted(lent, unit)}</small>}
      </span>
    </td>
  );
}

function ComponentTable({ components }: { components: Component[] }) {
  return (
    <table class="cards components" role="table">
      <caption class="unseen">Components, by name</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">component</th>
          <th role="columnheader" scope="col">state</th>
          <th role="columnheader" scope="col">priority</th>
          <th role="columnheader" scope="col">CPU</th>
          <th role="columnheader" scope="col">memory</th>
          <th role="columnheader" scope="col">asks</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {components.map((component) => {
          const asks = format_asks(component);
          const answers = format_answer_time(component.asks?.answers_in_seconds);
          return (
            <tr role="row" key={component.name} data-component={component.name}>
              <th role="rowheader" scope="row">
                <a class="component-name" href={`#/components/${encodeURIComponent(component.name)}`}><Breaking text={component.name} /></a>
                <small>{[number(component.pid) !== null && `pid ${component.pid}`, component.lease].filter(Boolean).join(' · ')}</small>
                {component.problem && <span class="problem">{component.problem}</span>}
              </th>
              <td role="cell" data-label="state"><ComponentState state={component.state} /></td>
              <td role="cell" data-label="priority">
                <span class="cell-lines">
                  {component.priority ?? <Value text={kUnknown} />}
                  {component.window && <small>{component.window}</small>}
                </span>
              </td>
              <AllotmentCell allotment={allotment_of(component, 'cpu')} label="CPU" />
              <AllotmentCell allotment={allotment_of(component, 'memory')} label="memory" />
              <td role="cell" data-label="asks" class={asks === kUnknown ? 'blank' : ''}>
                <span class="cell-lines">
                  <Value text={asks} reason="nothing was asked of it yet" />
                  {answers !== kUnknown && <small>answers in {answers}</small>}
                </span>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function state_counts(components: Component[]): string {
  const counts = ['connected', 'registered', 'known', 'unresponsive'].map((state) => [components.filter((each) => each.state === state).length, state] as const);
  return counts.filter(([count]) => count > 0).map(([count, state]) => `${count} ${state}`).join(', ');
}

function All({ components, trouble, cut }: { components: Component[] | null; trouble: string | null; cut: boolean }) {
  const [words, set_words] = use_setting('filter', '');
  const all = components ?? [];
  const shown = all.filter((component) => words.trim() === '' || component_matches(component, words.trim()));
  return (
    <Section id="components" title="Components" note={all.length > 0 ? state_counts(all) : null} json="components" command="headroom component">
      {trouble && <p class="chart-trouble">The components cannot be read: {trouble}.</p>}
      {components === null ? (
        !trouble && <p class="waiting-text">Not read yet.</p>
      ) : all.length === 0 ? (
        <Teach />
      ) : (
        <>
          <form class="filters" onSubmit={(event) => event.preventDefault()}>
            <label class="field">
              <span>filter</span>
              <input type="search" value={words} placeholder="name, state, priority, setter" onInput={(event) => set_words(event.currentTarget.value)} />
            </label>
            <span class="note" role="status">
              {shown.length} of {all.length}
            </span>
          </form>
          {shown.length === 0 ? <p class="quiet">No component is like this.</p> : <ComponentTable components={shown.slice(0, kShown)} />}
          <More shown={kShown} all={shown.length} />
          {cut && <p class="more">The daemon sent the first {all.length} only.</p>}
          {shown.length > 0 && <AllotmentLegend />}
        </>
      )}
    </Section>
  );
}

function LastDecisions({ now }: { now: number }) {
  const asked = use_fetched<Items<Decision>>(`components/-/allocations?limit=${kShownDecisions}`, kDecisionsMs);
  return (
    <Section id="decisions" title="Decisions" note="the last ones, of all components" json={`components/-/allocations?limit=${kShownDecisions}`} command="headroom event --type allocation">
      <DecisionTable decisions={asked.document === null ? null : list(asked.document.items)} trouble={asked.trouble} shown={kShownDecisions} now={now} named />
    </Section>
  );
}

function List() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const asked = use_fetched<Items<Component> & { next?: unknown }>('components', kAgainMs);
  const components = useMemo(
    () => (asked.document ? list(asked.document.items).filter((each) => typeof each?.name === 'string').slice(0, kKept) : null),
    [asked.document],
  );
  return (
    <>
      <All components={components} trouble={asked.trouble} cut={asked.document?.next != null} />
      <StrategySwitch components={components?.length ?? 0} readonly={is_readonly(state)} />
      {components !== null && components.length > 0 && <LastDecisions now={now} />}
    </>
  );
}

/** The component that the address names: "#/components/indexer". */
function named(): string | null {
  const { section } = parse_address(location.hash);
  if (section === null) return null;
  try {
    return decodeURIComponent(section);
  } catch {
    return section; // a lone percent sign
  }
}

export function ComponentsPage() {
  const [name, set_name] = useState(named);
  useEffect(() => {
    const turn = () => set_name(named());
    addEventListener('hashchange', turn);
    return () => removeEventListener('hashchange', turn);
  }, []);
  return name === null ? <List /> : <ComponentView key={name} name={name} />;
}
