// What was decided about allocations, and why.
import type { Decision } from './api';
import { change_text, decision_key, format_answer_time, outcome_text, percent_text, readable_decisions, taken_text, title_of } from './components';
import { Breaking } from './configuration';
import { format_ago, format_clock, kUnknown, parse_time } from './format';
import { More, Value } from './parts';

/** `named`: of several components. */
export function DecisionTable({ decisions, trouble, shown, now, named }: { decisions: Decision[] | null; trouble: string | null; shown: number; now: number; named?: boolean }) {
  if (trouble) return <p class="chart-trouble">They cannot be read: {trouble}.</p>;
  if (decisions === null) return <p class="waiting-text">Not read yet.</p>;
  const readable = readable_decisions(decisions);
  if (readable.length === 0) return <p class="quiet">Nothing was decided yet. Each move of an allocation leaves a line here, with its reason.</p>;
  return (
    <>
      <table class="cards plain decisions" role="table">
        <caption class="unseen">Decisions, newest first</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">{named ? 'component' : 'resource'}</th>
            <th role="columnheader" scope="col">at</th>
            <th role="columnheader" scope="col" class="num">change</th>
            <th role="columnheader" scope="col">outcome</th>
            <th role="columnheader" scope="col">why</th>
            <th role="columnheader" scope="col" class="num">sure</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {readable.slice(0, shown).map((decision) => {
            const at = parse_time(decision.at);
            const took = format_answer_time(decision.took_seconds);
            const sure = typeof decision.confidence === 'number' ? percent_text(Math.round(100 * decision.confidence)) : kUnknown;
            return (
              <tr role="row" key={decision_key(decision)} data-outcome={decision.outcome ?? ''}>
                <th role="rowheader" scope="row">
                  {named ? (
                    <>
                      {decision.component ? <a href={`#/components/${encodeURIComponent(decision.component)}`}><Breaking text={decision.component} /></a> : kUnknown}
                      <small>{title_of(decision.resource)}</small>
                    </>
                  ) : (
                    title_of(decision.resource)
                  )}
                </th>
                <td role="cell" data-label="at" class="event-time">
                  <time dateTime={decision.at ?? undefined} title={format_ago(at, now)}>
                    {format_clock(at, now, true)}
                  </time>
                </td>
                <td role="cell" data-label="change" class="num">
                  <span class="cell-lines">
                    {change_text(decision)}
                    {taken_text(decision) && <small>{taken_text(decision)}</small>}
                  </span>
                </td>
                <td role="cell" data-label="outcome" class="outcome-cell">
                  <span class="cell-lines">
                    <span class={`outcome outcome-${decision.outcome ?? ''}`}>{outcome_text(decision.outcome)}</span>
                    {took !== kUnknown && <small>in {took}</small>}
                  </span>
                </td>
                <td role="cell" data-label="why" class="reason">{decision.reason ?? <Value text={kUnknown} reason="no reason is given" />}</td>
                <td role="cell" data-label="sure" class={`num${sure === kUnknown ? ' blank' : ''}`}><Value text={sure} reason="not known" /></td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <More shown={shown} all={readable.length} />
    </>
  );
}
