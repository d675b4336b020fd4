// Who uses what: the processes, what they hold, and which of them nobody booked for.
import { useEffect } from 'preact/hooks';
import { list, number, type Process, type Processes } from './api';
import { use_setting } from './address';
import { use_fetched } from './fetched';
import { format_ago, format_bytes, format_cores, kUnknown, parse_time } from './format';
import { gpu_title } from './gpu';
import { Empty, More, Section, Value } from './parts';
import { dispatch, use_now, use_state } from './store';

const kShown = 200;
const kAgainMs = 5000;

export type Column = 'gpu' | 'mem' | 'cpu';
type Order = Column | 'pid' | 'name';

/** The sort words are those of the API and of `headroom ps`. */
const kColumns: Record<Column, { title: string; value: (process: Process) => number | null; format: (value: number | null) => string; reason: string }> = {
  gpu: { title: 'GPU memory', value: (process) => number(process.gpu_memory_bytes), format: format_bytes, reason: 'it holds none, or the driver does not tell' },
  mem: { title: 'memory', value: (process) => number(process.memory_bytes), format: format_bytes, reason: 'not read' },
  cpu: { title: 'CPU', value: (process) => number(process.cpu_cores), format: format_cores, reason: 'not known before the second reading' },
};

/** Largest first for amounts, else by name or number; unknown ones last. */
export function sorted_processes(processes: Process[], order: string): Process[] {
  const column = kColumns[order as Column];
  const by = (a: Process, b: Process) => {
    if (column) return (column.value(b) ?? -1) - (column.value(a) ?? -1);
    if (order === 'name') return (a.name ?? '').localeCompare(b.name ?? '');
    return 0;
  };
  return [...processes].sort((a, b) => by(a, b) || a.pid - b.pid);
}

/** Whether a process has the words in its name, command, user, unit, container, lease or number. */
export function matches(process: Process, words: string): boolean {
  const text = [process.pid, process.name, process.command, process.user, process.unit, process.container, process.pod, process.lease, process.lease_name]
    .join(' ')
    .toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Where a process belongs: its container or unit. */
function place_of(process: Process): string | null {
  if (process.container) return [process.engine, process.container.slice(0, 12)].filter(Boolean).join(' ');
  return process.unit ?? null;
}

function Heading({ name, title, order, sort }: { name: Order; title: string; order?: string; sort?: (name: string) => void }) {
  const amount = name in kColumns ? 'num' : undefined;
  if (!sort) return <th role="columnheader" scope="col" class={amount}>{title}</th>;
  const sorted = order === name ? (amount ? 'descending' : 'ascending') : 'none';
  return (
    <th role="columnheader" scope="col" class={amount} aria-sort={sorted}>
      <button type="button" class="sort" onClick={() => sort(name)}>
        {title}
        <span aria-hidden="true">{sorted === 'none' ? '' : amount ? ' ↓' : ' ↑'}</span>
      </button>
    </th>
  );
}

/** With `sort` the headings are buttons. With `device` the GPU memory is that on this device only. */
export function ProcessTable(props: {
  processes: Process[];
  caption: string;
  columns: Column[];
  hide_caption?: boolean;
  device?: string;
  order?: string;
  sort?: (name: string) => void;
}) {
  const { processes, columns, device, order, sort } = props;
  const held = (process: Process, column: Column) => {
    if (column !== 'gpu' || device === undefined) return kColumns[column].value(process);
    return number(list(process.gpus).find((each) => each.device === device)?.memory_bytes);
  };
  return (
    <table class="cards plain processes" role="table">
      <caption class={props.hide_caption ? 'unseen' : undefined}>{props.caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          <Heading name="name" title="process" order={order} sort={sort} />
          <th role="columnheader" scope="col">user</th>
          <th role="columnheader" scope="col">lease</th>
          {columns.map((column) => (
            <Heading key={column} name={column} title={kColumns[column].title} order={order} sort={sort} />
          ))}
          <th role="columnheader" scope="col" class="command">command</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {processes.map((process) => (
          <tr role="row" key={process.pid} data-pid={process.pid}>
            <th role="rowheader" scope="row">
              <span class="process-name">{process.name ?? kUnknown}</span>
              <small>
                {process.pid}
                {place_of(process) && <> · {place_of(process)}</>}
              </small>
            </th>
            <td role="cell" data-label="user"><Value text={process.user ?? (process.uid == null ? kUnknown : String(process.uid))} reason="not read" /></td>
            <td role="cell" data-label="lease">
              {process.lease ? <span title={process.lease}>{process.lease_name || process.lease}</span> : <span class="unbooked">no lease</span>}
            </td>
            {columns.map((column) => (
              <td role="cell" key={column} data-label={kColumns[column].title} class={`num${column === order ? ' strong' : ''}`}>
                <Value text={kColumns[column].format(held(process, column))} reason={kColumns[column].reason} />
              </td>
            ))}
            <td role="cell" data-label="command" class="command">
              {process.command ? (
                <code title={process.command}>{process.command}</code>
              ) : (
                <Value text={kUnknown} reason="only its owner and administrators may see it" />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function sum_of(processes: Process[], column: Column): number {
  return processes.reduce((sum, process) => sum + (kColumns[column].value(process) ?? 0), 0);
}

/** Booked and unbooked side by side: what nobody booked for is what spoils the plan. */
function Shares({ all, gpus }: { all: Process[]; gpus: boolean }) {
  const rows: [title: string, processes: Process[], about: string][] = [
    ['in leases', all.filter((process) => process.lease), 'booked: counted against its lease'],
    ['outside of leases', all.filter((process) => !process.lease), 'booked by nobody: it takes room from everybody'],
  ];
  return (
    <dl class="shares">
      {rows.map(([title, processes, about]) => (
        <div key={title} class={title === 'in leases' ? 'share-booked' : 'share-unbooked'}>
          <dt>
            {title} <small>{about}</small>
          </dt>
          <dd>
            <span><strong>{processes.length}</strong> {processes.length === 1 ? 'process' : 'processes'}</span>
            {gpus && <span><strong>{format_bytes(sum_of(processes, 'gpu'))}</strong> GPU memory</span>}
            <span><strong>{format_bytes(sum_of(processes, 'mem'))}</strong> memory</span>
            <span><strong>{format_cores(sum_of(processes, 'cpu'))}</strong></span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function ProcessesPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const gpus = list(state.snapshot?.gpu);
  const [order, sort] = use_setting('sort', gpus.length > 0 ? 'gpu' : 'mem');
  const [words, set_words] = use_setting('filter', '');
  const [unbooked, set_unbooked] = use_setting('unbooked', '');
  const [chosen, choose] = use_setting('gpu', '');
  const device = gpus.find((gpu) => gpu.id === chosen || String(gpu.index) === chosen);
  const asked = use_fetched<Processes>(`processes?sort=${order in kColumns ? order : 'mem'}&limit=1000`, kAgainMs);
  useEffect(() => {
    if (asked.document) dispatch({ kind: 'processes', document: asked.document });
  }, [asked.document]);
  useEffect(() => () => dispatch({ kind: 'processes', document: null }), []); // what nobody asks for is soon old

  const query = new URLSearchParams();
  if (device) query.set('gpu', String(device.index ?? device.id));
  if (unbooked) query.set('unbooked', '1');
  if (order in kColumns) query.set('sort', order);
  const flags = [device && `--gpu ${device.index ?? device.id}`, unbooked && '--unbooked', order in kColumns && `--sort ${order}`];
  const processes = asked.document ?? state.processes;
  const all = list(processes?.items);
  const shown = sorted_processes(
    all.filter(
      (process) =>
        (!unbooked || !process.lease) &&
        (!device || list(process.gpus).some((each) => each.device === device.id)) &&
        (words.trim() === '' || matches(process, words.trim())),
    ),
    order,
  );
  const at = parse_time(processes?.at);
  const unattributed = list(processes?.unattributed).filter((each) => (number(each.memory_bytes) ?? 0) > 0);
  const total = number(processes?.total) ?? all.length;
  return (
    <Section
      id="processes"
      title="Processes"
      note={processes ? `${total} read ${format_ago(at, now)}${number(processes.took_seconds) === null ? '' : ` in ${(1000 * processes.took_seconds!).toFixed(1)}\u00a0ms`}` : null}
      json={`processes?${query.toString()}`}
      command={['headroom ps', ...flags.filter(Boolean)].join(' ')}
    >
      {asked.trouble && <p class="chart-trouble">The processes cannot be read: {asked.trouble}.</p>}
      {processes === null ? (
        !asked.trouble && <p class="waiting-text">Not read yet.</p>
      ) : (
        <>
          <Shares all={all} gpus={gpus.length > 0} />
          {unattributed.map((each) => (
            <p class="quiet" key={each.device}>
              GPU {each.index ?? each.device}: {format_bytes(each.memory_bytes)} are in use by no process that can be seen
              {number(each.reserved_bytes) !== null && <>; the driver keeps {format_bytes(each.reserved_bytes)} besides</>}.
            </p>
          ))}
          <form class="filters" onSubmit={(event) => event.preventDefault()}>
            <label class="field">
              <span>filter</span>
              <input type="search" value={words} placeholder="name, user, lease, command" onInput={(event) => set_words(event.currentTarget.value)} />
            </label>
            {gpus.length > 0 && (
              <label class="field">
                <span>GPU</span>
                <select value={device ? chosen : ''} onChange={(event) => choose(event.currentTarget.value)}>
                  <option value="">all</option>
                  {gpus.map((gpu) => (
                    <option key={gpu.id} value={String(gpu.index ?? gpu.id)}>
                      {gpu_title(gpu)}
                    </option>
                  ))}
                </select>
              </label>
            )}
            <label class="check">
              <input type="checkbox" checked={unbooked !== ''} onChange={(event) => set_unbooked(event.currentTarget.checked ? '1' : '')} />
              <span>only without a lease</span>
            </label>
            <label class="field phone">
              <span>sort by</span>
              <select value={order} onChange={(event) => sort(event.currentTarget.value)}>
                {gpus.length > 0 && <option value="gpu">GPU memory</option>}
                <option value="mem">memory</option>
                <option value="cpu">CPU</option>
                <option value="name">name</option>
              </select>
            </label>
          </form>
          {shown.length > 0 ? (
            <ProcessTable
              processes={shown.slice(0, kShown)}
              caption="Processes"
              hide_caption
              columns={gpus.length > 0 ? ['gpu', 'mem', 'cpu'] : ['mem', 'cpu']}
              order={order}
              sort={sort}
            />
          ) : (
            <p class="quiet">No process is like this among the {all.length} that were read.</p>
          )}
          <More shown={kShown} all={shown.length} />
          {total > all.length && <p class="more">The daemon sent the first {all.length} of {total}.</p>}
          {all.some((process) => !process.lease) && (
            <Empty command="headroom run --mem 8G --gpu-mem 12G -- python train.py">
              A process without a lease can take room from one that booked it. Start it in a lease, and it waits until there is
              room and keeps it:
            </Empty>
          )}
        </>
      )}
    </Section>
  );
}
