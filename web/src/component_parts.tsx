// What both views of components show: a state with its shape, and the bar of one resource.
import type { Allotment, Maybe } from './api';
import { bar_places, format_allotted, format_bounds } from './components';
import { Mark } from './parts';

const kStates: Record<string, { path: string; tone: string }> = {
  connected: { path: 'M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 0 1 0-9.6Z', tone: 'ok' },
  registered: { path: 'M1.5 1.5h9v9h-9Zm1.6 1.6v5.8h5.8V3.1Z', tone: 'unknown' },
  known: { path: 'M1 5h10v2H1Z', tone: 'unknown' },
  unresponsive: { path: 'M6 .2 11.8 6 6 11.8.2 6Z', tone: 'critical' },
};
const kNoState = { path: 'M1 5h10v2H1Z', tone: 'unknown' };

/** Colour, shape and word: the colour is never alone. */
export function ComponentState({ state }: { state: Maybe<string> }) {
  return <Mark {...(kStates[state ?? ''] ?? kNoState)} word={state ?? 'unknown'} />;
}

/** What is given and used, the ends of the quota, and what is demanded. The words beside it say the same. */
export function AllotmentBar({ allotment, forecast }: { allotment: Allotment; forecast?: boolean }) {
  const places = bar_places(allotment);
  if (places === null) return null;
  const at = (percent: number) => ({ left: `${percent}%` });
  const { unit } = allotment;
  return (
    <span class="bar allotment-bar" title={`the whole is ${format_allotted(places.top, unit)}; ${format_bounds(allotment.least, allotment.most, unit)}`} aria-hidden="true">
      <span class="bar-track">
        <span class="segment seg-leases" style={{ width: `${places.used}%` }} />
        <span class="segment seg-promised" style={{ width: `${places.given}%` }} />
        <span class="segment seg-over" style={{ width: `${places.over}%` }} />
      </span>
      {places.amount !== null && <span class="tick tick-amount" style={at(places.amount)} />}
      {places.least !== null && <span class="tick tick-floor" style={at(places.least)} />}
      {places.most !== null && <span class="tick tick-ceiling" style={at(places.most)} />}
      {places.demand !== null && <span class="tick-demand" style={at(places.demand)} />}
      {forecast && places.forecast && (
        <span class="forecast-band" style={{ left: `${places.forecast.from}%`, width: `${places.forecast.to - places.forecast.from}%` }} />
      )}
    </span>
  );
}

export function AllotmentLegend({ forecast }: { forecast?: boolean }) {
  return (
    <ul class="legend" aria-hidden="true">
      <li><span class="swatch seg-leases" />used</li>
      <li><span class="swatch seg-promised" />given, not used</li>
      <li><span class="swatch seg-over" />used beyond it</li>
      <li><span class="tick-demand" />demand</li>
      <li><span class="swatch-tick" />floor and ceiling</li>
      <li><span class="swatch-tick tick-amount" />meant to have</li>
      {forecast && <li><span class="forecast-band" />foreseen</li>}
    </ul>
  );
}
