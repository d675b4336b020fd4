// One component: what it has been given of each resource and how that moved, its setters, its quota, and why.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { list, number, type Allotment, type Component, type Decision, type Items, type Maybe, type Setter } from './api';
import {
  allotments_of, close_top, course_of, format_allotted, format_answer_time, format_asks, format_bounds, near_ends, percent_text, readable_decisions, seen_also, sight_of, title_of, type Sight,
} from './components';
import { AllotmentBar, AllotmentLegend, ComponentState } from './component_parts';
import { format_money, with_currency } from './cost';
import { DecisionTable } from './decisions';
import { use_fetched } from './fetched';
import { format_ago, format_clock, format_duration, kUnknown, parse_time } from './format';
import { More, Section, Value } from './parts';
import { Plot, type Ink } from './plot';
import { QuotaSection } from './quota_form';
import { is_readonly } from './state';
import { use_now, use_state } from './store';
import { use_window, WindowChoice, type Window } from './window';

const kAgainMs = 2000;
const kDecisionsMs = 5000;
const kAsked = 200; // decisions, for the course; the table shows the newest
const kShownDecisions = 20;
const kShownSetters = 32;
const kShownAllotments = 8;
const kRemembered = 3600; // seconds of what the page saw itself
const kHeight = 132;

const kInks: Ink[] = [
  { key: 'allocation', line: '--accent', fill: '--accent-faint' },
  { key: 'demand', line: '--process-1', dash: [6, 4] },
  { key: 'used', line: '--ink' },
];

/** How one allocation moved, with demand and use for as long as the page has looked. */
function Course({ allotment, decisions, sights, complete, window, end }: {
  allotment: Allotment;
  decisions: Decision[];
  sights: Sight[];
  complete: boolean;
  window: Window;
  end: number;
}) {
  const [pointed, set_pointed] = useState<number | null>(null);
  const { resource, unit } = allotment;
  const course = useMemo(
    () => course_of(decisions, resource, sights, end - window.seconds, end, complete),
    [decisions, resource, sights, window.seconds, end, complete],
  );
  const columns = useMemo(() => [course.allocation, course.demand, course.used], [course]);
  const largest = columns.flat().reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
  const marks = near_ends(allotment, largest);
  const top = close_top(1.05 * Math.max(largest, ...marks.map((mark) => mark.value)));
  const ticks = useMemo(() => [0, top / 2, top], [top]);
  const moves = decisions.filter((each) => each.resource === resource && each.outcome === 'applied').length;
  const at = pointed === null ? undefined : course.at[pointed];
  const shown = (values: (number | null)[], now: unknown) => format_allotted(pointed === null || at === undefined ? number(now) : values[pointed], unit);
  return (
    <figure class="course">
      <ul class="course-legend">
        <li class="course-when">{at === undefined ? 'now' : format_clock(at * 1000, end * 1000, true)}</li>
        <li><span class="ink ink-allocation" aria-hidden="true" />allocation <strong>{shown(course.allocation, allotment.allocation)}</strong></li>
        <li><span class="ink ink-demand" aria-hidden="true" />demand <strong>{shown(course.demand, allotment.demand)}</strong></li>
        <li><span class="ink ink-used" aria-hidden="true" />used <strong>{shown(course.used, allotment.used)}</strong></li>
      </ul>
      <Plot
        label={`${title_of(resource)}, last ${window.title === '15 min' ? '15 minutes' : window.title}: allocation ${format_allotted(allotment.allocation, unit)} now, ${moves} change${moves === 1 ? '' : 's'} known of`}
        at={course.at}
        columns={columns}
        inks={kInks}
        top={top}
        ticks={ticks}
        format={(value) => format_allotted(value, unit)}
        marks={marks}
        end={end}
        seconds={window.seconds}
        height={kHeight}
        point={set_pointed}
      />
    </figure>
  );
}

function Fact({ name, text, reason, more }: { name: string; text: string; reason: string; more?: string | null }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Value text={text} reason={reason} />
        {more && <small>{more}</small>}
      </dd>
    </div>
  );
}

function share(value: unknown): string {
  const known = number(value);
  return known === null ? kUnknown : percent_text(Math.round(100 * known));
}

function AllotmentCard({ allotment, decisions, sights, complete, window, end }: {
  allotment: Allotment;
  decisions: Decision[];
  sights: Sight[];
  complete: boolean;
  window: Window;
  end: number;
}) {
  const { unit, forecast } = allotment;
  const title = title_of(allotment.resource);
  const lo = number(forecast?.lo);
  const hi = number(forecast?.hi);
  const band = lo === null || hi === null ? null : `${format_bounds(lo, hi, unit)}${number(forecast?.horizon_seconds) === null ? '' : ` within ${format_duration(forecast!.horizon_seconds)}`}`;
  const asked = number(allotment.asked);
  const moved = [allotment.allocation, allotment.demand, allotment.used].some((value) => number(value) !== null) || decisions.some((each) => each.resource === allotment.resource);
  return (
    <article class="gpu-card allotment" data-resource={allotment.resource}>
      <div class="gpu-head">
        <h3>{title}</h3>
        <p class="gpu-room">
          <span class="room-value"><Value text={format_allotted(allotment.allocation, unit)} reason="nothing was given yet" /></span>{' '}
          <span class="room-word">{asked === null ? 'given' : `given, ${format_allotted(asked, unit)} asked`}</span>
        </p>
      </div>
      <AllotmentBar allotment={allotment} forecast />
      <dl class="gpu-facts">
        <Fact name="used" text={format_allotted(allotment.used, unit)} reason="not measured" />
        <Fact name="demand" text={format_allotted(allotment.demand, unit)} reason="not known yet" more={allotment.method ? allotment.method.replace(/_/g, ' ') : null} />
        <Fact name="foreseen" text={format_allotted(forecast?.value, unit)} reason="nothing is foreseen yet" more={band} />
        <Fact name="past accuracy" text={share(allotment.accuracy)} reason="no forecast was held against what came yet" more={number(allotment.confidence) === null ? null : `${share(allotment.confidence)} sure`} />
        <Fact name="bounds" text={format_bounds(allotment.least, allotment.most, unit)} reason="none" more={number(allotment.amount) === null ? null : `meant to have ${format_allotted(allotment.amount, unit)}`} />
        <Fact name="lends" text={number(allotment.lent) === 0 ? 'nothing' : format_allotted(allotment.lent, unit)} reason="not known" />
      </dl>
      {moved && <Course allotment={allotment} decisions={decisions} sights={sights} complete={complete} window={window} end={end} />}
    </article>
  );
}

function Facts({ component, now, currency }: { component: Component; now: number; currency: Maybe<string> }) {
  const since = parse_time(component.since);
  const heard = parse_time(component.heard);
  const asks = component.asks;
  const rows: [name: string, text: string, reason: string][] = [
    ['priority', component.priority ? `${component.priority}${component.window ? ` (${component.window})` : ''}` : kUnknown, 'not said'],
    ['process', number(component.pid) === null ? kUnknown : `pid ${component.pid}`, 'it is tied to none'],
    ['owner', number(component.owner) === null ? kUnknown : `uid ${component.owner}`, 'not known'],
    ['registered', since === null ? kUnknown : format_ago(since, now), 'only its quota is known'],
    ['last heard of', format_ago(heard, now), 'never'],
    ['asks', format_asks(component), 'nothing was asked of it yet'],
    ['answers in', format_answer_time(asks?.answers_in_seconds), 'it has not answered yet'],
  ];
  const cost = number(component.cost);
  if (cost !== null) rows.push(['cost', `${with_currency(cost, currency)}, ${format_money(number(component.cost_per_hour))} an hour`, 'not known']);
  return (
    <dl class="fact-list component-facts">
      {rows.map(([name, text, reason]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd><Value text={text} reason={reason} /></dd>
        </div>
      ))}
      <div>
        <dt>lease</dt>
        <dd>{component.lease ? <a href="#/leases">{component.lease}</a> : <Value text={kUnknown} reason="no lease measures it" />}</dd>
      </div>
    </dl>
  );
}

function follows_text(setter: Setter): string {
  return setter.follows ? `follows ${title_of(setter.follows)}` : 'takes its allocation';
}

function Setters({ component }: { component: Component }) {
  const setters = list(component.setters).filter((setter) => typeof setter?.name === 'string');
  return (
    <Section id="setters" title="Setters" note={setters.length > 0 ? 'what headroom may set in it' : null} json={`components/${encodeURIComponent(component.name)}`} command={`headroom component show ${component.name}`}>
      {setters.length === 0 ? (
        <p class="quiet">It has none: it reads its allocation itself, or has not registered yet.</p>
      ) : (
        <table class="cards plain" role="table">
          <caption class="unseen">Setters of {component.name}</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">setter</th>
              <th role="columnheader" scope="col" class="num">value</th>
              <th role="columnheader" scope="col" class="num">range</th>
              <th role="columnheader" scope="col">what it does</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {setters.slice(0, kShownSetters).map((setter) => (
              <tr role="row" key={setter.name} data-setter={setter.name}>
                <th role="rowheader" scope="row"><span class="mono">{setter.name}</span></th>
                <td role="cell" data-label="value" class="num"><strong><Value text={format_allotted(setter.value, setter.unit)} reason="not set yet" /></strong></td>
                <td role="cell" data-label="range" class="num"><Value text={format_bounds(setter.least, setter.most, setter.unit)} reason="that of its quota" /></td>
                <td role="cell" data-label="what it does">{follows_text(setter)}{setter.whole === true && ', whole numbers'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More shown={kShownSetters} all={setters.length} />
    </Section>
  );
}

/** What the page saw of each resource while it showed this component. */
function use_sights(component: Component | null, at: number): Record<string, Sight[]> {
  const kept = useRef<Record<string, Sight[]>>({});
  const last = useRef<Component | null>(null);
  if (component !== null && component !== last.current) {
    last.current = component;
    const before = kept.current;
    kept.current = Object.fromEntries(
      allotments_of(component).slice(0, kShownAllotments).map((each) => [each.resource, seen_also(before[each.resource] ?? [], sight_of(each, at), kRemembered)]),
    );
  }
  return kept.current;
}

const kNoSights: Sight[] = [];
const kNoDecisions: Decision[] = [];

export function ComponentView({ name }: { name: string }) {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const [window] = use_window();
  const [again, set_again] = useState(0);
  const path = `components/${encodeURIComponent(name)}`;
  const asked = use_fetched<Component>(path, kAgainMs, again);
  const component = asked.document && typeof asked.document === 'object' ? asked.document : null;
  const asks = number(component?.asks?.asked) ?? 0;
  const told = use_fetched<Items<Decision>>(component ? `${path}/allocations?limit=${kAsked}` : null, kDecisionsMs, asks);
  const decisions = useMemo(() => (told.document ? readable_decisions(told.document.items) : kNoDecisions), [told.document]);
  const sights = use_sights(component, now / 1000);
  const heading = useRef<HTMLDivElement>(null);
  const there = component !== null;
  useEffect(() => {
    const title = heading.current?.querySelector('h2');
    if (!title) return;
    title.tabIndex = -1; // who comes from the list goes on here
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [there]);
  const back = (
    <p class="back">
      <a href="#/components">← all components</a>
    </p>
  );
  if (component === null) {
    return (
      <div>
        {back}
        <Section id="component" title={name}>
          {asked.trouble ? <p class="chart-trouble">It cannot be read: {asked.trouble}.</p> : <p class="waiting-text">Not read yet.</p>}
        </Section>
      </div>
    );
  }
  const allotments = allotments_of(component);
  return (
    <>
      <div ref={heading}>
        {back}
        <Section id="component" title={name} note={<ComponentState state={component.state} />} json={path} command={`headroom component show ${name}`}>
          {asked.trouble && <p class="chart-trouble">It cannot be read now: {asked.trouble}. What is below is what came last.</p>}
          {component.problem && <p class="problem">{component.problem}</p>}
          <Facts component={component} now={now} currency={state.node?.cost?.currency} />
        </Section>
      </div>
      <Section id="allocation" title="Allocation" choice={<WindowChoice of="the course of its allocation" />} json={`${path}/allocations`} command={`headroom component history ${name}`}>
        {allotments.length === 0 ? (
          <p class="quiet">Nothing was given to it yet.</p>
        ) : (
          <div class={`allotments${allotments.length === 3 ? ' allotments-3' : ''}`}>
            {allotments.slice(0, kShownAllotments).map((each) => (
              <AllotmentCard
                key={each.resource}
                allotment={each}
                decisions={decisions}
                sights={sights[each.resource] ?? kNoSights}
                complete={told.document !== null && decisions.length < kAsked}
                window={window}
                end={Math.floor(now / 1000)}
              />
            ))}
          </div>
        )}
        {allotments.length > 0 && <AllotmentLegend forecast />}
      </Section>
      <Section id="decisions" title="Decisions" note="what moved its allocation, and why" json={`${path}/allocations?limit=${kShownDecisions}`} command={`headroom component history ${name} -n ${kShownDecisions}`}>
        <DecisionTable decisions={told.document === null ? null : decisions} trouble={told.trouble} shown={kShownDecisions} now={now} />
      </Section>
      <QuotaSection component={component} readonly={is_readonly(state)} seen={() => set_again((count) => count + 1)} />
      <Setters component={component} />
    </>
  );
}
