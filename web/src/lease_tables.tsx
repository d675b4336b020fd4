// Leases as they are shown on every page: what runs, what waits, what has ended.
import type { ComponentChildren } from 'preact';
import { list, number, type Amounts, type Lease, type Maybe } from './api';
import { format_bytes, format_clock, format_cores, format_duration, format_until, kUnknown, parse_time } from './format';
import { More, Value } from './parts';

/** No list on a page grows without bound: the rest is a number. */
export const kShownLeases = 50;

/** What stands in the last column of a lease's row: its buttons. */
export type Buttons = (lease: Lease) => ComponentChildren;

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
  if (kinds.length === 0) return <Value text={kUnknown} reason={lease.use ? 'a use books nothing' : reason} />;
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

/** The devices or the filesystem that a lease is tied to. */
export function where_of(lease: Lease): string {
  const indices = list(lease.devices).map((each) => number(each.gpu_index));
  if (indices.length > 1 && indices.every((index) => index !== null)) return `GPUs ${indices.join(', ')}`;
  if (number(lease.gpu_index) !== null) return `GPU ${lease.gpu_index}`;
  return lease.device ?? lease.mount ?? kUnknown;
}

/** With `whole` the priority is said although it is the usual one, and what lies idle. */
function LeaseName({ lease, whole }: { lease: Lease; whole?: boolean }) {
  const priority = lease.priority && (whole || lease.priority !== 'normal') ? lease.priority : null;
  const about = [lease.id, lease.owner, priority && (whole ? `${priority} priority` : priority)];
  return (
    <>
      <span class="lease-name" title={lease.name ?? undefined}>{lease.name || lease.id}</span>
      <small>{about.filter(Boolean).join(' · ')}</small>
      {lease.model && <small>{lease.use ? 'uses' : 'holds'} the model {lease.model}</small>}
      {whole && lease.idle && <small class="lease-idle">idle: {lease.idle}</small>}
    </>
  );
}

/** How long a lease has been held, and what is known of its end. */
export function time_of(lease: Lease, now: number): { text: string; left: string | null } {
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
export function RunningTable({ leases, now, buttons }: { leases: Lease[]; now: number; buttons?: Buttons }) {
  return (
    <table class="cards" role="table">
      <caption class={buttons && 'unseen'}>Running</caption>
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
          {buttons && <th role="columnheader" scope="col"><span class="unseen">change</span></th>}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {leases.slice(0, kShownLeases).map((lease) => {
          const time = time_of(lease, now);
          return (
            <tr role="row" key={lease.id} data-lease={lease.id}>
              <th role="rowheader" scope="row"><LeaseName lease={lease} whole={buttons !== undefined} /></th>
              <td role="cell" data-label="state">
                <span class="cell-lines">
                  {lease.state ?? 'unknown'}
                  {lease.frozen && <span class="badge badge-over" title="it stands still until there is memory for it">frozen</span>}
                  {lease.over && <span class="badge badge-over" title="it uses more than it booked">over</span>}
                </span>
              </td>
              <td role="cell" data-label="where" class={number(lease.gpu_index) === null ? undefined : 'where'}><Value text={where_of(lease)} reason="tied to no device" /></td>
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
              {buttons && <td role="cell" class="act">{buttons(lease)}</td>}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function WaitingTable({ leases, now, buttons }: { leases: Lease[]; now: number; buttons?: Buttons }) {
  return (
    <table class="cards" role="table">
      <caption class={buttons && 'unseen'}>Waiting</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">lease</th>
          <th role="columnheader" scope="col" class="num">place</th>
          <th role="columnheader" scope="col">wants</th>
          <th role="columnheader" scope="col" class="wide">why</th>
          <th role="columnheader" scope="col">earliest</th>
          {buttons && <th role="columnheader" scope="col"><span class="unseen">change</span></th>}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {leases.slice(0, kShownLeases).map((lease) => {
          const earliest = parse_time(lease.earliest);
          return (
            <tr role="row" key={lease.id} data-lease={lease.id}>
              <th role="rowheader" scope="row"><LeaseName lease={lease} whole={buttons !== undefined} /></th>
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
              {buttons && <td role="cell" class="act">{buttons(lease)}</td>}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}


function lasted(lease: Lease): number | null {
  const from = parse_time(lease.granted_at);
  const to = parse_time(lease.ended_at);
  return from === null || to === null ? null : (to - from) / 1000;
}

/** Why a lease ended, with what its process said last. */
export function end_of(lease: Lease): string {
  const kills = number(lease.oom_kills) ?? 0;
  const words = [
    lease.reason || null,
    number(lease.exit_status) === null ? null : `exit status ${lease.exit_status}`,
    kills > 0 ? `${kills} of its processes killed for want of memory` : null,
  ].filter(Boolean);
  return words.length > 0 ? words.join('; ') : kUnknown;
}

/** The newest end first; those whose end is not known come last. */
export function ended_leases(leases: Lease[]): Lease[] {
  return leases
    .filter((lease) => lease.state === 'ended')
    .sort((a, b) => (parse_time(b.ended_at) ?? 0) - (parse_time(a.ended_at) ?? 0));
}

export function EndedTable({ leases, now }: { leases: Lease[]; now: number }) {
  return (
    <>
      <table class="cards" role="table">
        <caption class="unseen">Ended leases, the newest end first</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">lease</th>
            <th role="columnheader" scope="col">where</th>
            <th role="columnheader" scope="col" class="of"><span class="unseen">resource</span></th>
            <th role="columnheader" scope="col" class="num">booked</th>
            <th role="columnheader" scope="col" class="num">peak</th>
            <th role="columnheader" scope="col">held for</th>
            <th role="columnheader" scope="col">ended</th>
            <th role="columnheader" scope="col" class="wide">why</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {leases.slice(0, kShownLeases).map((lease) => (
            <tr role="row" key={lease.id} data-lease={lease.id}>
              <th role="rowheader" scope="row"><LeaseName lease={lease} /></th>
              <td role="cell" data-label="where" class={number(lease.gpu_index) === null ? undefined : 'where'}><Value text={where_of(lease)} reason="tied to no device" /></td>
              <td role="cell" class="of" aria-hidden="true">
                {kinds_of(lease).map(([name, word]) => (
                  <span class="amount-line" key={name}>{word}</span>
                ))}
              </td>
              <td role="cell" data-label="booked" class="num">
                <AmountLines lease={lease} amounts={lease.booked} reason="nothing was booked" />
              </td>
              <td role="cell" data-label="peak" class="num">
                <AmountLines lease={lease} amounts={lease.peak} reason="never measured" />
              </td>
              <td role="cell" data-label="held for"><Value text={format_duration(lasted(lease))} reason="it never left the queue" /></td>
              <td role="cell" data-label="ended">{format_clock(parse_time(lease.ended_at), now)}</td>
              <td role="cell" data-label="why" class="wide"><Value text={end_of(lease)} reason="not said" /></td>
            </tr>
          ))}
        </tbody>
      </table>
      <More shown={kShownLeases} all={leases.length} />
    </>
  );
}
