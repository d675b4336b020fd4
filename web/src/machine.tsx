// The machine itself on the System page: processors, memory, disks, network, heat and power.
import { list, number, type Core, type Filesystem, type Interface, type Maybe, type Snapshot } from './api';
import { format_bytes, format_bytes_of, format_ratio, kUnknown } from './format';
import { Meter, More, Section, Value } from './parts';

const kShown = 60;

function rate(bytes: Maybe<number>): string {
  if (number(bytes) === null) return kUnknown;
  return bytes === 0 ? '0\u00a0B/s' : `${format_bytes(bytes)}/s`;
}

function core_words(core: Core): string {
  const words = [`CPU ${core.number}: busy ${format_ratio(number(core.busy_ratio))}`];
  if ((number(core.iowait_ratio) ?? 0) > 0.005) words.push(`waits for disks ${format_ratio(core.iowait_ratio)}`);
  if ((number(core.steal_ratio) ?? 0) > 0.005) words.push(`stolen ${format_ratio(core.steal_ratio)}`);
  return words.join(', ');
}

/** Ten steps of shade, a height that says the same: the cell fills from below. */
function CoreCell({ core, wide }: { core: Core; wide: boolean }) {
  const busy = number(core.busy_ratio);
  const percent = (ratio: Maybe<number>) => `${Math.max(0, Math.min(100, 100 * (number(ratio) ?? 0)))}%`;
  return (
    <li class={busy === null ? 'core core-unknown' : 'core'} title={core_words(core)}>
      <span class="core-bar" aria-hidden="true">
        <span class="core-busy" style={{ height: percent(busy) }} />
        <span class="core-iowait" style={{ height: percent(core.iowait_ratio) }} />
        <span class="core-steal" style={{ height: percent(core.steal_ratio) }} />
      </span>
      <span class={wide ? 'core-text' : 'unseen'}>
        <span class="core-number">{core.number}</span> {format_ratio(busy)}
      </span>
    </li>
  );
}

export function Cores({ snapshot }: { snapshot: Snapshot }) {
  const cpu = snapshot.cpu;
  const cores = list(cpu?.each);
  const busiest = cores.reduce<Core | null>((most, core) => ((number(core.busy_ratio) ?? -1) > (number(most?.busy_ratio) ?? -1) ? core : most), null);
  const load = list(cpu?.load);
  const wide = cores.length <= 32;
  return (
    <Section
      id="cpu"
      title="CPU"
      note={number(cpu?.cores) === null ? null : `${cpu!.cores} ${cpu!.cores === 1 ? 'core' : 'cores'}`}
      json="snapshot"
      command="headroom top"
    >
      <div class="panel">
        <dl class="fact-list">
          {(
            [
              ['busy', cpu?.busy_ratio],
              ['user', cpu?.user_ratio],
              ['system', cpu?.system_ratio],
              ['waits for disks', cpu?.iowait_ratio],
              ['stolen', cpu?.steal_ratio],
            ] as [string, Maybe<number>][]
          ).map(([name, ratio]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Value text={format_ratio(number(ratio))} reason="not known before the second sample" />
                <Meter ratio={number(ratio)} />
              </dd>
            </div>
          ))}
          <div>
            <dt>load 1, 5, 15 min</dt>
            <dd>
              <Value text={load.length > 0 ? load.map((each) => (number(each) === null ? kUnknown : each.toFixed(2))).join('  ') : kUnknown} reason="not read" />
            </dd>
          </div>
        </dl>
        {cores.length > 0 ? (
          <>
            <ul class={`cores${wide ? ' cores-wide' : ''}`} aria-label="Busy share of each CPU">
              {cores.slice(0, 1024).map((core) => (
                <CoreCell key={core.number} core={core} wide={wide} />
              ))}
            </ul>
            <p class="cores-note">
              Each bar is one CPU: busy <span class="swatch core-busy" aria-hidden="true" />, waits for disks{' '}
              <span class="swatch core-iowait" aria-hidden="true" />, stolen by the hypervisor <span class="swatch core-steal" aria-hidden="true" />
              {busiest && number(busiest.busy_ratio) !== null && <>. The busiest is CPU {busiest.number} with {format_ratio(busiest.busy_ratio)}</>}.
            </p>
          </>
        ) : (
          <p class="quiet panel-note">The daemon does not tell single CPUs.</p>
        )}
      </div>
    </Section>
  );
}

interface Truth {
  name: string;
  text: string;
  reason: string;
  about: string;
}

/** What memory is in, as far as the machine tells; what is not there at all is left out. */
export function memory_truths(memory: NonNullable<Snapshot['memory']>): Truth[] {
  const total = number(memory.total_bytes);
  const available = number(memory.available_bytes);
  const used = number(memory.used_bytes) ?? (total !== null && available !== null ? total - available : null);
  const swap = number(memory.swap_total_bytes);
  const swap_free = number(memory.swap_free_bytes);
  const huge = number(memory.huge_total_bytes);
  const huge_free = number(memory.huge_free_bytes);
  const truths: Truth[] = [
    { name: 'in use', text: format_bytes_of(used, total), reason: 'not read', about: 'what cannot be had without taking it from somebody' },
    { name: 'available', text: format_bytes(available), reason: 'not read', about: 'what the kernel can give, cache included' },
    { name: 'cache', text: format_bytes(number(memory.cached_bytes)), reason: 'not read', about: 'files kept in memory; given back when needed' },
    { name: 'shared', text: format_bytes(number(memory.shared_bytes)), reason: 'not read', about: 'tmpfs and shared memory: counts as cache, is never given back' },
  ];
  const more = (name: string, value: Maybe<number>, about: string) => {
    if ((number(value) ?? 0) > 0) truths.push({ name, text: format_bytes(value), reason: '', about });
  };
  more('to be written', memory.dirty_bytes, 'waits for the disks');
  if ((huge ?? 0) > 0)
    truths.push({ name: 'huge pages', text: format_bytes_of(huge_free === null ? null : huge! - huge_free, huge), reason: 'not read', about: 'set aside; only who asks for huge pages can use the rest' });
  if ((number(memory.arc_bytes) ?? 0) > 0)
    truths.push({ name: 'ZFS cache', text: format_bytes(memory.arc_bytes), reason: '', about: `ARC: given back down to ${format_bytes(number(memory.arc_least_bytes))}, though the kernel calls it used` });
  more('zram', memory.zram_bytes, 'memory that compressed swap takes');
  more('zswap', memory.zswap_bytes, 'memory that compressed swap pages take');
  if ((swap ?? 0) > 0)
    truths.push({ name: 'swap', text: format_bytes_of(swap_free === null ? null : swap! - swap_free, swap), reason: 'not read', about: 'in use' });
  if (number(memory.limit_bytes) !== null)
    truths.push({ name: 'limit', text: format_bytes_of(memory.limit_used_bytes, memory.limit_bytes), reason: 'not read', about: `set by ${memory.limit_group ?? 'a control group'}` });
  return truths;
}

export function Memory({ snapshot }: { snapshot: Snapshot }) {
  const numa = list(snapshot.numa);
  return (
    <Section id="memory" title="Memory" json="snapshot" command="headroom -o wide">
      {snapshot.memory ? (
        <dl class="truths">
          {memory_truths(snapshot.memory).map((truth) => (
            <div key={truth.name}>
              <dt>{truth.name}</dt>
              <dd>
                <strong>
                  <Value text={truth.text} reason={truth.reason} />
                </strong>
                <small>{truth.about}</small>
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <p class="quiet">Not read.</p>
      )}
      {numa.length > 1 && (
        <table class="cards plain" role="table">
          <caption>Memory nodes</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">node</th>
              <th role="columnheader" scope="col" class="num">free</th>
              <th role="columnheader" scope="col" class="num">cache</th>
              <th role="columnheader" scope="col" class="num">of</th>
              <th role="columnheader" scope="col" class="meter-column"><span class="unseen">in use</span></th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {numa.slice(0, kShown).map((node) => {
              const total = number(node.total_bytes) ?? 0;
              const taken = total - (number(node.free_bytes) ?? total) - (number(node.file_bytes) ?? 0);
              return (
                <tr role="row" key={node.number}>
                  <th role="rowheader" scope="row">{node.number}</th>
                  <td role="cell" data-label="free" class="num">{format_bytes(number(node.free_bytes))}</td>
                  <td role="cell" data-label="cache" class="num"><Value text={format_bytes(number(node.file_bytes))} reason="not read" /></td>
                  <td role="cell" data-label="of" class="num">{format_bytes(number(node.total_bytes))}</td>
                  <td role="cell" data-label="in use" class="meter-column">
                    <Meter ratio={total > 0 ? taken / total : null} />
                    <span class="unseen">{format_ratio(total > 0 ? taken / total : null)}</span>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      <More shown={kShown} all={numa.length} />
    </Section>
  );
}

function filesystem_used(each: Filesystem): number | null {
  const total = number(each.total_bytes);
  const free = number(each.free_bytes) ?? number(each.available_bytes);
  return total === null || free === null || total <= 0 ? null : (total - free) / total;
}

export function Disks({ snapshot }: { snapshot: Snapshot }) {
  const disks = list(snapshot.disk);
  const filesystems = list(snapshot.filesystem);
  return (
    <Section id="disks" title="Disks" json="devices" command="headroom history disk --device /">
      {filesystems.length > 0 ? (
        <table class="cards plain" role="table">
          <caption>Filesystems</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">mount</th>
              <th role="columnheader" scope="col">state</th>
              <th role="columnheader" scope="col" class="num">free for users</th>
              <th role="columnheader" scope="col" class="num">of</th>
              <th role="columnheader" scope="col" class="num">in use</th>
              <th role="columnheader" scope="col" class="num">files</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {filesystems.slice(0, kShown).map((each) => {
              const used = filesystem_used(each);
              const inodes = number(each.inodes_total);
              const files = inodes !== null && inodes > 0 && number(each.inodes_free) !== null ? 1 - each.inodes_free! / inodes : null;
              return (
                <tr role="row" key={each.mount} class={each.stale ? 'row-stale' : ''}>
                  <th role="rowheader" scope="row">
                    {each.mount}
                    <small>{[each.source, each.type].filter(Boolean).join(' · ')}</small>
                  </th>
                  <td role="cell" data-label="state">
                    {each.stale ? <span class="state state-stale">stale: does not answer, the numbers are old</span> : each.network ? 'answers' : 'mounted'}
                  </td>
                  <td role="cell" data-label="free for users" class="num">{format_bytes(number(each.available_bytes))}</td>
                  <td role="cell" data-label="of" class="num">{format_bytes(number(each.total_bytes))}</td>
                  <td role="cell" data-label="in use" class="num">
                    {format_ratio(used)} <Meter ratio={used} />
                  </td>
                  <td role="cell" data-label="files" class="num"><Value text={format_ratio(files)} reason="this filesystem has no fixed number of files" /></td>
                </tr>
              );
            })}
          </tbody>
        </table>
      ) : (
        <p class="quiet">No filesystem was read.</p>
      )}
      <More shown={kShown} all={filesystems.length} />
      {disks.length > 0 && (
        <table class="cards plain" role="table">
          <caption>Block devices</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">device</th>
              <th role="columnheader" scope="col" class="num">read</th>
              <th role="columnheader" scope="col" class="num">written</th>
              <th role="columnheader" scope="col" class="num">operations</th>
              <th role="columnheader" scope="col" class="num">busy time</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {disks.slice(0, kShown).map((disk) => (
              <tr role="row" key={disk.name}>
                <th role="rowheader" scope="row">{disk.name}</th>
                <td role="cell" data-label="read" class="num">{rate(disk.read_bytes_per_second)}</td>
                <td role="cell" data-label="written" class="num">{rate(disk.written_bytes_per_second)}</td>
                <td role="cell" data-label="operations" class="num">{number(disk.operations_per_second) === null ? kUnknown : `${disk.operations_per_second!.toFixed(0)}/s`}</td>
                <td role="cell" data-label="busy time" class="num">
                  {format_ratio(number(disk.busy_ratio))} <Meter ratio={number(disk.busy_ratio)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More shown={kShown} all={disks.length} />
    </Section>
  );
}

/** 25 Gbit/s, as links are sold */
export function format_link(bytes_per_second: Maybe<number>): string {
  const speed = number(bytes_per_second);
  if (speed === null || speed <= 0) return kUnknown;
  const bits = speed * 8;
  return bits >= 1e9 ? `${Number((bits / 1e9).toFixed(1))}\u00a0Gbit/s` : `${Math.round(bits / 1e6)}\u00a0Mbit/s`;
}

function link_share(each: Interface): number | null {
  const speed = number(each.speed_bytes_per_second);
  if (speed === null || speed <= 0) return null;
  const most = Math.max(number(each.received_bytes_per_second) ?? 0, number(each.sent_bytes_per_second) ?? 0);
  return most / speed;
}

export function Network({ snapshot }: { snapshot: Snapshot }) {
  const interfaces = list(snapshot.network);
  return (
    <Section id="network" title="Network" json="devices" command="headroom history network">
      {interfaces.length > 0 ? (
        <table class="cards plain" role="table">
          <caption class="unseen">Network interfaces</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">interface</th>
              <th role="columnheader" scope="col">link</th>
              <th role="columnheader" scope="col" class="num">speed</th>
              <th role="columnheader" scope="col" class="num">received</th>
              <th role="columnheader" scope="col" class="num">sent</th>
              <th role="columnheader" scope="col" class="num">of the link</th>
              <th role="columnheader" scope="col" class="num">errors, dropped</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {interfaces.slice(0, kShown).map((each) => (
              <tr role="row" key={each.name}>
                <th role="rowheader" scope="row">{each.name}</th>
                <td role="cell" data-label="link"><Value text={each.up == null ? kUnknown : each.up ? 'up' : 'down'} reason="the kernel does not tell" /></td>
                <td role="cell" data-label="speed" class="num"><Value text={format_link(each.speed_bytes_per_second)} reason="this interface does not tell a speed" /></td>
                <td role="cell" data-label="received" class="num">{rate(each.received_bytes_per_second)}</td>
                <td role="cell" data-label="sent" class="num">{rate(each.sent_bytes_per_second)}</td>
                <td role="cell" data-label="of the link" class="num"><Value text={format_ratio(link_share(each))} reason="the speed is not known" /></td>
                <td role="cell" data-label="errors, dropped" class="num">
                  {number(each.errors_total) ?? kUnknown}, {number(each.dropped_total) ?? kUnknown}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="quiet">No interface was read.</p>
      )}
      <More shown={kShown} all={interfaces.length} />
    </Section>
  );
}

export function HeatAndPower({ snapshot }: { snapshot: Snapshot }) {
  const temperatures = list(snapshot.temperature);
  const powers = list(snapshot.power);
  if (temperatures.length + powers.length === 0) {
    return (
      <Section id="heat" title="Heat and power">
        <p class="quiet">
          No temperature sensor and no power meter can be read. A virtual machine has none; on a real one the sensors above
          say why.
        </p>
      </Section>
    );
  }
  return (
    <Section id="heat" title="Heat and power" json="snapshot" command="headroom -o wide">
      <dl class="meters">
        {temperatures.slice(0, kShown).map((each) => {
          const limit = number(each.limit_celsius);
          const celsius = number(each.celsius);
          return (
            <div key={`t ${each.sensor}`}>
              <dt>{each.sensor}</dt>
              <dd>
                {celsius === null ? kUnknown : `${Math.round(celsius)}\u00a0°C`}
                {limit !== null && <small> of {Math.round(limit)}</small>}
                <Meter ratio={celsius === null || limit === null || limit <= 0 ? null : celsius / limit} level={limit !== null && celsius !== null && celsius >= limit ? 'critical' : null} />
              </dd>
            </div>
          );
        })}
        {powers.slice(0, kShown).map((each) => (
          <div key={`p ${each.sensor}`}>
            <dt>{each.sensor}</dt>
            <dd>
              <Value text={number(each.watts) === null ? kUnknown : `${each.watts!.toFixed(1)}\u00a0W`} reason="not known before the second reading" />
            </dd>
          </div>
        ))}
      </dl>
      <More shown={kShown} all={temperatures.length} />
      <More shown={kShown} all={powers.length} />
    </Section>
  );
}
