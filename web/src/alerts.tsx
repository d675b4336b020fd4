// Open alerts: what is wrong, since when, what helps, and who has taken note of it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { list, patch_json, type Alert } from './api';
import { format_clock, format_duration, kUnknown, parse_time } from './format';
import { Answer, LevelMark, More, Section, use_change } from './parts';
import { is_readonly, sorted_alerts, type State } from './state';
import { dispatch } from './store';

const kShown = 50;
const kMuteSeconds = 3600;
const kNoAlerts: Alert[] = [];

/** Whether the device has to be named beside the text, which often names it itself. */
export function names_device(alert: Alert): boolean {
  if (!alert.name) return false;
  const apart = (side: string) => side === '' || !/[\w/]/.test(side); // "/" is not named by "/data", nor GPU 1 by GPU 12
  const text = alert.text ?? '';
  for (let at = text.indexOf(alert.name); at >= 0; at = text.indexOf(alert.name, at + 1))
    if (apart(text.charAt(at - 1)) && apart(text.charAt(at + alert.name.length))) return false;
  return true;
}

/** Says new alerts once to those who listen; the list itself is silent, or its ages would be read out. */
function AlertVoice({ alerts }: { alerts: Alert[] }) {
  const said = useRef(new Set<string>());
  const [text, set_text] = useState('');
  useEffect(() => {
    const fresh = alerts.filter((alert) => !said.current.has(`${alert.id} ${alert.severity}`));
    said.current = new Set(alerts.map((alert) => `${alert.id} ${alert.severity}`));
    if (fresh.length > 0) set_text(fresh.map((alert) => `${alert.severity ?? 'alert'}: ${names_device(alert) ? `${alert.name}: ` : ''}${alert.text ?? ''}`).join('. '));
    else if (alerts.length === 0) set_text('');
  }, [alerts]);
  return (
    <p class="unseen" aria-live="polite">
      {text}
    </p>
  );
}

function AlertButtons({ alert, muted }: { alert: Alert; muted: boolean }) {
  const change = use_change();
  const ask = (body: unknown, done: string) =>
    change.make(async () => {
      dispatch({ kind: 'alert', document: await patch_json<Alert>(`alerts/${encodeURIComponent(alert.id)}`, body) });
      return done;
    });
  const about = <span class="unseen"> {alert.text ?? alert.id}</span>;
  return (
    <p class="buttons">
      {!alert.acknowledged && (
        <button type="button" disabled={change.busy} onClick={() => ask({ acknowledged: true }, 'Acknowledged.')}>
          Acknowledge{about}
        </button>
      )}
      {muted ? (
        <button type="button" disabled={change.busy} onClick={() => ask({ mute_seconds: 0 }, 'No longer muted.')}>
          Unmute{about}
        </button>
      ) : (
        <button type="button" disabled={change.busy} onClick={() => ask({ mute_seconds: kMuteSeconds }, 'Muted for 1 h.')}>
          Mute for 1 h{about}
        </button>
      )}
      <Answer change={change} />
    </p>
  );
}

function AlertRow({ alert, now, readonly }: { alert: Alert; now: number; readonly: boolean }) {
  const since = parse_time(alert.since);
  const muted_until = parse_time(alert.muted_until);
  const muted = muted_until !== null && muted_until > now;
  return (
    <li class={`alert alert-${alert.severity ?? 'unknown'}`}>
      <div class="alert-head">
        <LevelMark level={alert.severity} />
        <span class="alert-text">
          {names_device(alert) && <span class="alert-device">{alert.name}: </span>}
          {alert.text ?? kUnknown}
        </span>
        <span class="alert-since">
          since {format_clock(since, now)}, {since === null ? kUnknown : format_duration((now - since) / 1000)}
          {alert.acknowledged ? ', acknowledged' : ''}
          {muted ? `, muted until ${format_clock(muted_until, now)}` : ''}
        </span>
      </div>
      <div class="alert-body">
        {list(alert.recommendations).length > 0 && (
          <ul class="recommendations">
            {list(alert.recommendations).map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        )}
        {!readonly && <AlertButtons alert={alert} muted={muted} />}
      </div>
    </li>
  );
}

export function AlertSection({ state, now }: { state: State; now: number }) {
  const open = state.alerts ?? kNoAlerts;
  const alerts = sorted_alerts(open);
  const readonly = is_readonly(state);
  return (
    <Section id="alerts" title="Alerts" note={alerts.length > 0 ? `${alerts.length} open` : null} json="alerts" command="headroom alert">
      <AlertVoice alerts={open} />
      {state.alerts === null ? (
        <p class="waiting-text">Not read yet.</p>
      ) : alerts.length === 0 ? (
        <p class="quiet">No open alerts. One appears here when a resource stays above its threshold, and closes itself.</p>
      ) : (
        <ul class="alerts">
          {alerts.slice(0, kShown).map((alert) => (
            <AlertRow key={alert.id} alert={alert} now={now} readonly={readonly} />
          ))}
        </ul>
      )}
      <More shown={kShown} all={alerts.length} />
    </Section>
  );
}
