// How far back a view looks, and the past of one resource within that.
import { useEffect, useMemo } from 'preact/hooks';
import { fetch_json, type History } from './api';
import { use_setting } from './address';
import { use_fetched } from './fetched';
import { joined, kChartSeconds, read_history, series_key, type Series } from './state';
import { dispatch, use_state } from './store';

export interface Window {
  word: string; // in the address and on the command line
  title: string;
  seconds: number;
  step: number; // seconds between two points: some 700 on a chart
}

export const kWindows: readonly Window[] = [
  { word: '15m', title: '15 min', seconds: kChartSeconds, step: 1 },
  { word: '1h', title: '1 h', seconds: 3600, step: 5 },
  { word: '24h', title: '24 h', seconds: 86400, step: 120 },
  { word: '30d', title: '30 d', seconds: 2592000, step: 3600 },
];

/** The window that the address of this view names, else the shortest. */
export function use_window(): [Window, (word: string) => void] {
  const [word, choose] = use_setting('window', kWindows[0]!.word);
  return [kWindows.find((each) => each.word === word) ?? kWindows[0]!, choose];
}

export function WindowChoice({ of }: { of: string }) {
  const [chosen, choose] = use_window();
  return (
    <fieldset class="choices windows">
      <legend class="unseen">How far back {of} looks</legend>
      {kWindows.map((each) => (
        <label key={each.word}>
          <input type="radio" name={`window ${of}`} checked={each === chosen} onChange={() => choose(each.word)} />
          <span>{each.title}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function history_path(resource: string, device: string | null, window: Window): string {
  const where = device ? `&device=${encodeURIComponent(device)}` : '';
  return `history?resource=${resource}${where}&window=${window.seconds}&step=${window.step}`;
}

export interface Past {
  series: Series;
  trouble: string | null; // why the daemon gave no past: the chart then begins with what comes
}

const kAgainMs = 15000;
const kNoSeries: Series = { at: [], value: [] };

/** The past of one resource, with what comes by the stream at its end. */
export function use_past(resource: string, device: string | null, window: Window): Past {
  const state = use_state();
  const key = series_key(resource, device);
  const short = window.seconds <= kChartSeconds;
  const path = history_path(resource, device, window);
  const opened = state.opened;
  useEffect(() => {
    if (!short) return;
    fetch_json<History>(path)
      .then((document) => dispatch({ kind: 'history', key, document }))
      .catch(() => {}); // the chart then begins with the samples that come
  }, [path, short, opened]);
  const asked = use_fetched<History>(short ? null : path, Math.max(kAgainMs, 250 * window.step));
  const past = useMemo(() => (asked.document ? read_history(asked.document) : kNoSeries), [asked.document]);
  const live = state.history[key];
  const series = useMemo(() => (short ? (live ?? kNoSeries) : joined(past, live)), [short, past, live]);
  return { series, trouble: short ? null : asked.trouble };
}
