// What the node costs: in an hour and in this month, beside its budget, and which leases cost most.
import { list, number, type Lease, type Maybe, type NodeCost } from './api';
import { format_clock, format_duration, format_ratio, format_until, kUnknown, parse_time } from './format';
import { Empty, Meter, More, Section, Value } from './parts';
import { use_state } from './store';

const kShown = 10;
const kNearly = 0.8; // of the budget: from here on an alert tells of it

/** Two decimals; of little the first two figures. */
export function format_money(amount: Maybe<number>): string {
  if (amount == null) return kUnknown;
  const small = amount !== 0 && Math.abs(amount) < 0.1;
  return small ? String(Number(amount.toFixed(4))) : amount.toFixed(2);
}

export function with_currency(amount: Maybe<number>, currency: Maybe<string>): string {
  return amount == null || !currency ? format_money(amount) : `${format_money(amount)}\u00a0${currency}`;
}

/** Those that cost most in an hour first. */
export function costly_leases(leases: Lease[]): Lease[] {
  return leases
    .filter((lease) => lease.state !== 'ended' && (number(lease.cost_per_hour) ?? 0) > 0)
    .sort((a, b) => (number(b.cost_per_hour) ?? 0) - (number(a.cost_per_hour) ?? 0) || (a.id < b.id ? -1 : 1));
}

function Budget({ cost, now }: { cost: NodeCost; now: number }) {
  const spent = number(cost.spent);
  const budget = number(cost.budget);
  if (budget === null || spent === null) return <Value text={kUnknown} reason="none is set: cost.budget" />;
  const ratio = spent / budget;
  const at = parse_time(cost.spent_at);
  const when = at === null ? 'lasts this month' : at <= now ? 'spent' : `spent ${format_until(at, now)}, ${format_clock(at, now)}`;
  return (
    <>
      {with_currency(budget, cost.currency)}
      <Meter ratio={ratio} level={ratio >= 1 ? 'critical' : ratio >= kNearly ? 'warning' : null} />
      <small>
        {format_ratio(ratio)} of it, {when}
      </small>
    </>
  );
}

function Costly({ leases, currency }: { leases: Lease[]; currency: Maybe<string> }) {
  if (leases.length === 0) return <p class="quiet">No lease has booked anything that has a price.</p>;
  return (
    <>
      <table class="cards plain" role="table">
        <caption>Leases that cost most</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">lease</th>
            <th role="columnheader" scope="col" class="num">in an hour</th>
            <th role="columnheader" scope="col" class="num">until now</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {leases.slice(0, kShown).map((lease) => (
            <tr role="row" key={lease.id}>
              <th role="rowheader" scope="row">
                <span class="lease-name">{lease.name || lease.id}</span>
                <small>{[lease.id, lease.owner].filter(Boolean).join(' · ')}</small>
              </th>
              <td role="cell" data-label="in an hour" class="num">{with_currency(number(lease.cost_per_hour), currency)}</td>
              <td role="cell" data-label="until now" class="num">{with_currency(number(lease.cost), currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <More shown={Math.min(kShown, leases.length)} all={leases.length} />
    </>
  );
}

export function Cost({ cost, now }: { cost: Maybe<NodeCost>; now: number }) {
  const state = use_state();
  if (cost == null) {
    return (
      <Section id="cost" title="What it costs">
        <Empty command="headroom config set cost.per_hour 1.20">Nothing has a price yet.</Empty>
      </Section>
    );
  }
  const hourly = number(cost.per_hour);
  const booked = number(cost.leases_per_hour);
  const idle = hourly === null || booked === null ? null : Math.max(0, hourly - booked);
  const until = parse_time(cost.until);
  return (
    <Section id="cost" title="What it costs" note="what is booked is paid for, used or not" json="node" command="headroom lease -o wide">
      <dl class="fact-list">
        <div>
          <dt>in an hour</dt>
          <dd>
            <Value text={with_currency(hourly, cost.currency)} reason="not known" />
            <Meter ratio={hourly === null || booked === null || hourly <= 0 ? null : booked / hourly} />
            <small>
              {format_money(booked)} booked, {format_money(idle)} idle
            </small>
          </dd>
        </div>
        <div>
          <dt>this month</dt>
          <dd>
            <Value text={with_currency(number(cost.spent), cost.currency)} reason="not known" />
            <small>{until === null ? cost.month : `ends in ${format_duration((until - now) / 1000)}`}</small>
          </dd>
        </div>
        <div>
          <dt>budget of a month</dt>
          <dd>
            <Budget cost={cost} now={now} />
          </dd>
        </div>
        <div>
          <dt>the month before</dt>
          <dd>
            <Value text={with_currency(number(cost.spent_before), cost.currency)} reason="no daemon ran then" />
          </dd>
        </div>
      </dl>
      <Costly leases={costly_leases(list(state.leases))} currency={cost.currency} />
    </Section>
  );
}
