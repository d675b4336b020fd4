// Leases: who has what and for how long, who waits and why, how to book, and what became of those that ended.
import { useState } from 'preact/hooks';
import { list, number, patch_json, send_json, type Gpu, type Items, type Lease } from './api';
import { use_fetched } from './fetched';
import { format_clock, format_until, parse_time } from './format';
import { gpu_title } from './gpu';
import { EndedTable, ended_leases, kShownLeases, RunningTable, WaitingTable } from './lease_tables';
import { flag_bytes, kPriorities, typed_gib } from './models';
import { Answer, Dialog, Empty, More, Section, use_change } from './parts';
import { is_readonly, running_leases, waiting_leases, type State } from './state';
import { dispatch, use_now, use_state } from './store';

const kEndedMs = 5000;
const kMinute = 60;

function name_of(lease: Lease): string {
  return lease.name ? `${lease.name} (${lease.id})` : lease.id;
}

/** Minutes as a field says them; null when it is no such time. */
export function typed_minutes(text: string): number | null {
  const value = Number(text.replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) && value > 0 && value <= 1e6 ? value : null;
}

function EndDialog({ lease, close }: { lease: Lease; close: (said: string | null) => void }) {
  const waiting = lease.state === 'waiting';
  const pid = number(lease.holder?.pid);
  return (
    <Dialog
      title={waiting ? `Take ${name_of(lease)} out of the queue?` : `End the lease ${name_of(lease)}?`}
      yes={waiting ? 'Take it out' : 'End it'}
      danger
      close={close}
      sure={async () => {
        dispatch({ kind: 'lease', document: await send_json<Lease>('DELETE', `leases/${encodeURIComponent(lease.id)}`) });
        return waiting ? 'Out of the queue.' : 'Ended.';
      }}
    >
      {waiting ? (
        <p>It gives up its place. Whoever waits for it is told that it will not come; a command that waits then ends and starts nothing.</p>
      ) : (
        <>
          <p>What it booked and does not use can be booked by others at once.</p>
          <p>
            <strong>No process is stopped by this, and no memory is freed.</strong>{' '}
            {pid !== null
              ? `Process ${pid} runs on; what it uses counts as use that nobody booked, and takes room from everybody until it ends.`
              : 'Whatever was started under it runs on, and what it uses counts as use that nobody booked.'}
            {lease.model && !lease.use && ` The model ${lease.model} is not unloaded.`}
          </p>
        </>
      )}
    </Dialog>
  );
}

function RenewDialog({ lease, now, close }: { lease: Lease; now: number; close: (said: string | null) => void }) {
  const [text, set_text] = useState('60');
  const expires = parse_time(lease.expires_at);
  return (
    <Dialog
      title={`Renew ${name_of(lease)}`}
      yes="Renew"
      close={close}
      sure={async () => {
        const minutes = typed_minutes(text);
        if (minutes === null) throw new Error(`"${text}" is no number of minutes; give one such as 60`);
        const after = await patch_json<Lease>(`leases/${encodeURIComponent(lease.id)}`, { ttl_seconds: Math.round(minutes * kMinute) });
        dispatch({ kind: 'lease', document: after });
        return `Renewed: ends ${format_until(parse_time(after.expires_at), now)}.`;
      }}
    >
      <p>It ends at {format_clock(expires, now)}, {format_until(expires, now)}. The new time counts from now and replaces the old one.</p>
      <label class="field">
        <span>ends in</span>
        <input type="text" inputMode="decimal" autocomplete="off" value={text} onInput={(event) => set_text(event.currentTarget.value)} />
        <span>min</span>
      </label>
    </Dialog>
  );
}

function LeaseButtons({ lease, now }: { lease: Lease; now: number }) {
  const [asked, ask] = useState<'end' | 'renew' | null>(null);
  const [said, set_said] = useState('');
  const close = (text: string | null) => {
    ask(null);
    set_said(text ?? '');
  };
  const about = <span class="unseen"> {name_of(lease)}</span>;
  return (
    <span class="buttons">
      {lease.expires_at && lease.state !== 'waiting' && (
        <button type="button" onClick={() => ask('renew')}>
          Renew{about}
        </button>
      )}
      <button type="button" onClick={() => ask('end')}>
        {lease.state === 'waiting' ? 'Leave' : 'End'}
        {about}
      </button>
      <span class="answer" role="status">
        {said}
      </span>
      {asked === 'end' && <EndDialog lease={lease} close={close} />}
      {asked === 'renew' && <RenewDialog lease={lease} now={now} close={close} />}
    </span>
  );
}

/** What the form of a new lease says; amounts are GiB and cores as typed. */
export interface Booking {
  name: string;
  gpu_memory: string;
  memory: string;
  cpu: string;
  disk: string;
  gpu: string; // UUID; empty: any
  priority: string;
  minutes: string;
  wait: string; // minutes in the queue; empty or 0: not at all
}

export const kNoBooking: Booking = { name: '', gpu_memory: '', memory: '', cpu: '', disk: '', gpu: '', priority: 'normal', minutes: '60', wait: '0' };

/** The request of a booking, or what is wrong with it. */
export function request_of(booking: Booking): { body: Record<string, unknown> } | { wrong: string } {
  const needs: Record<string, unknown> = {};
  const amounts: [word: string, text: string, key: string][] = [
    ['GPU memory', booking.gpu_memory, 'gpu_memory_bytes'],
    ['memory', booking.memory, 'memory_bytes'],
    ['disk', booking.disk, 'disk_bytes'],
  ];
  for (const [word, text, key] of amounts) {
    if (text.trim() === '') continue;
    const bytes = typed_gib(text);
    if (bytes === null) return { wrong: `${word}: "${text}" is no number of GiB; give one such as 6 or 0.5` };
    needs[key] = bytes;
  }
  if (booking.cpu.trim() !== '') {
    const cores = Number(booking.cpu.replace(',', '.'));
    if (!(cores > 0 && cores <= 1e5)) return { wrong: `CPU: "${booking.cpu}" is no number of cores; give one such as 2` };
    needs.cpu_cores = cores;
  }
  if (Object.keys(needs).length === 0) return { wrong: 'nothing is asked for: give at least one amount' };
  if (booking.gpu !== '' && needs.gpu_memory_bytes !== undefined) needs.gpu = booking.gpu;
  const minutes = typed_minutes(booking.minutes);
  if (minutes === null) return { wrong: `time: "${booking.minutes}" is no number of minutes; give one such as 60` };
  const wait = booking.wait.trim() === '' || Number(booking.wait) === 0 ? 0 : typed_minutes(booking.wait);
  if (wait === null) return { wrong: `waiting: "${booking.wait}" is no number of minutes; give one such as 10, or 0` };
  if (booking.name.trim() === '') return { wrong: 'name: give one, so that others know what it is for' };
  return {
    body: {
      name: booking.name.trim(), needs, priority: booking.priority,
      ttl_seconds: Math.round(minutes * kMinute), wait_seconds: Math.round(wait * kMinute), holder: { pid: null },
    },
  };
}

/** The same as a command line. */
export function command_of(booking: Booking): string {
  const asked = request_of(booking);
  if ('wrong' in asked) return 'headroom lease add render --mem 6G --ttl 1h';
  const needs = asked.body.needs as Record<string, number>;
  const name = booking.name.trim();
  const quoted = /^[\w./:@-]+$/.test(name) ? name : `'${name.replace(/'/g, `'\\''`)}'`;
  const parts = [
    'headroom lease add', quoted,
    needs.gpu_memory_bytes && `--gpu-mem ${flag_bytes(needs.gpu_memory_bytes)}`,
    needs.gpu && `--gpu ${needs.gpu}`,
    needs.memory_bytes && `--mem ${flag_bytes(needs.memory_bytes)}`,
    needs.cpu_cores && `--cpu ${needs.cpu_cores}`,
    needs.disk_bytes && `--disk ${flag_bytes(needs.disk_bytes)}`,
    booking.priority !== 'normal' && `--priority ${booking.priority}`,
    `--ttl ${asked.body.ttl_seconds}s`,
    asked.body.wait_seconds && `--wait ${asked.body.wait_seconds}s`,
  ];
  return parts.filter(Boolean).join(' ');
}

function Book({ gpus, now }: { gpus: Gpu[]; now: number }) {
  const [booking, set_booking] = useState(kNoBooking);
  const change = use_change();
  const put = (part: Partial<Booking>) => set_booking((old) => ({ ...old, ...part }));
  const field = (word: string, key: keyof Booking, unit: string, hint = '') => (
    <label class="field">
      <span>{word}</span>
      <input type="text" inputMode="decimal" autocomplete="off" placeholder={hint} value={booking[key]} onInput={(event) => put({ [key]: event.currentTarget.value })} />
      <span>{unit}</span>
    </label>
  );
  const book = () =>
    change.make(async () => {
      const asked = request_of(booking);
      if ('wrong' in asked) throw new Error(asked.wrong);
      const lease = await send_json<Lease>('POST', 'leases', asked.body);
      dispatch({ kind: 'lease', document: lease });
      set_booking(kNoBooking);
      if (lease.state === 'waiting') return `${lease.id} waits${lease.place ? `, place ${lease.place}` : ''}${lease.why ? `: ${lease.why}` : ''}.`;
      return `${lease.id} is booked; it ends ${format_until(parse_time(lease.expires_at), now)}.`;
    });
  return (
    <Section id="book" title="Book" note="for a time, tied to no process" json="leases" command={command_of(booking)}>
      <form
        class="panel book"
        onSubmit={(event) => {
          event.preventDefault();
          book();
        }}
      >
        <label class="field book-name">
          <span>name</span>
          <input autocomplete="off" spellcheck={false} maxLength={64} placeholder="what it is for" value={booking.name} onInput={(event) => put({ name: event.currentTarget.value })} />
        </label>
        {gpus.length > 0 && field('GPU memory', 'gpu_memory', 'GiB')}
        {gpus.length > 0 && (
          <label class="field">
            <span>on</span>
            <select value={booking.gpu} onChange={(event) => put({ gpu: event.currentTarget.value })}>
              <option value="">any GPU</option>
              {gpus.slice(0, 256).map((gpu) => (
                <option key={gpu.id} value={gpu.id}>
                  {gpu_title(gpu)}
                </option>
              ))}
            </select>
          </label>
        )}
        {field('memory', 'memory', 'GiB')}
        {field('CPU', 'cpu', 'cores')}
        {field('disk', 'disk', 'GiB')}
        <label class="field">
          <span>priority</span>
          <select value={booking.priority} onChange={(event) => put({ priority: event.currentTarget.value })}>
            {kPriorities.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        {field('for', 'minutes', 'min')}
        {field('wait at most', 'wait', 'min')}
        <p class="buttons">
          <button type="submit" class="primary" disabled={change.busy}>
            Book
          </button>
          <Answer change={change} />
        </p>
        <p class="quiet">
          It ends when its time is over, unless it is renewed. A job is better started in a lease of its own, which ends with it:{' '}
          <code>headroom run --mem 2G -- python train.py</code>
        </p>
      </form>
    </Section>
  );
}

function Ended({ now }: { now: number }) {
  const state = use_state();
  // One that ends is seen at once: the number of those that live is another one then.
  const asked = use_fetched<Items<Lease>>('leases?state=ended', kEndedMs, state.leases?.length ?? 0);
  const ended = ended_leases(list(asked.document?.items));
  return (
    <Section id="ended" title="Ended" note={ended.length > 0 ? 'the newest end first' : null} json="leases?state=ended" command="headroom lease ls --state ended">
      {asked.trouble && <p class="chart-trouble">They cannot be read: {asked.trouble}.</p>}
      {asked.document === null ? (
        !asked.trouble && <p class="waiting-text">Not read yet.</p>
      ) : ended.length === 0 ? (
        <p class="quiet">None has ended lately. One that does stays here for a while, with why and what it used at most.</p>
      ) : (
        <EndedTable leases={ended} now={now} />
      )}
    </Section>
  );
}

function Living({ state, now, readonly }: { state: State; now: number; readonly: boolean }) {
  const leases = state.leases;
  const running = running_leases(leases ?? []);
  const buttons = (lease: Lease) => (readonly ? null : <LeaseButtons lease={lease} now={now} />);
  return (
    <Section id="leases" title="Leases" note={leases ? `${running.length} running` : null} json="leases" command="headroom lease">
      {leases === null ? (
        <p class="waiting-text">Not read yet.</p>
      ) : running.length === 0 ? (
        <Empty command="headroom run --mem 2G -- python train.py">
          Nothing is booked. A job started like this gets 2 GiB of its own, waits while they are not free, and is shown here:
        </Empty>
      ) : (
        <RunningTable leases={running} now={now} buttons={buttons} />
      )}
      <More shown={kShownLeases} all={running.length} />
    </Section>
  );
}

function Waiting({ state, now, readonly }: { state: State; now: number; readonly: boolean }) {
  const waiting = waiting_leases(state.leases ?? []);
  const buttons = (lease: Lease) => (readonly ? null : <LeaseButtons lease={lease} now={now} />);
  return (
    <Section id="queue" title="Queue" note={waiting.length > 0 ? `${waiting.length} waiting` : null} json="leases?state=waiting" command="headroom lease ls --state waiting">
      {state.leases === null ? (
        <p class="waiting-text">Not read yet.</p>
      ) : waiting.length === 0 ? (
        <p class="quiet">Nobody waits. What does not fit waits here, with its place, what it waits for and when it can start at the earliest.</p>
      ) : (
        <WaitingTable leases={waiting} now={now} buttons={buttons} />
      )}
      <More shown={kShownLeases} all={waiting.length} />
    </Section>
  );
}

export function LeasesPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const readonly = is_readonly(state);
  return (
    <>
      <Living state={state} now={now} readonly={readonly} />
      <Waiting state={state} now={now} readonly={readonly} />
      {!readonly && <Book gpus={list(state.snapshot?.gpu)} now={now} />}
      <Ended now={now} />
    </>
  );
}
