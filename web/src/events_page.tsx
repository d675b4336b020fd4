// What happened and why, newest first.
import { useState } from 'preact/hooks';
import { list, type Happening } from './api';
import { format_ago, format_clock, kUnknown, parse_time } from './format';
import { Empty, More, Section } from './parts';
import { use_now, use_state } from './store';

/** The word of a type like "lease.granted" that it is filtered by. */
export function family_of(event: Happening): string {
  return (event.type ?? '').split('.')[0] ?? '';
}

export function EventTable(props: { events: Happening[] | null; shown: number; now: number }) {
  const { events, shown, now } = props;
  if (events === null) return <p class="waiting-text">Not read yet.</p>;
  if (events.length === 0) {
    return (
      <Empty command="headroom run --mem 2G -- python train.py">
        Nothing happened yet. Leases, alerts and decisions leave a line here, each with its reason:
      </Empty>
    );
  }
  return (
    <>
      <table class="events" role="table">
        <caption class="unseen">Events, newest first</caption>
        <thead class="unseen" role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">time</th>
            <th role="columnheader" scope="col">type</th>
            <th role="columnheader" scope="col">what</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {events.slice(0, shown).map((event) => {
            const at = parse_time(event.at);
            return (
              <tr role="row" key={event.id}>
                <td role="cell" class="event-time">
                  <time dateTime={event.at ?? undefined} title={format_ago(at, now)}>
                    {format_clock(at, now, true)}
                  </time>
                </td>
                <td role="cell" class="event-type">
                  {event.type ?? kUnknown}
                </td>
                <td role="cell" class="event-text">
                  {event.text ?? kUnknown}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}

const kFamilies = ['lease', 'model', 'component', 'allocation', 'alert', 'decision', 'daemon', 'sensor'];
const kShownEvents = 200;

export function EventsPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const [chosen, choose] = useState<string | null>(null);
  const all = list(state.events);
  const events = chosen === null ? all : all.filter((event) => family_of(event) === chosen);
  return (
    <Section id="events" title="Events" note="newest first" json="events?limit=200" command="headroom event">
      <fieldset class="choices">
        <legend class="unseen">Show only</legend>
        {[null, ...kFamilies].map((family) => (
          <label key={family ?? ''}>
            <input type="radio" name="family" checked={chosen === family} onChange={() => choose(family)} />
            <span>{family ?? 'all'}</span>
          </label>
        ))}
      </fieldset>
      {chosen !== null && state.events !== null && events.length === 0 ? (
        <p class="quiet">No {chosen} event among the newest {all.length}.</p>
      ) : (
        <EventTable events={state.events === null ? null : events} shown={kShownEvents} now={now} />
      )}
      <More shown={kShownEvents} all={events.length} />
    </Section>
  );
}
