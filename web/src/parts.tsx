// Small pieces that every page uses.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Maybe } from './api';
import { kUnknown } from './format';

/** Each level has a colour, a word and a shape: the colour is never alone. */
const kShapes: Record<string, { path: string; tone: string }> = {
  ok: { path: 'M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 0 1 0-9.6Z', tone: 'ok' },
  healthy: { path: 'M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 0 1 0-9.6Z', tone: 'ok' },
  warning: { path: 'M6 .8 11.6 11H.4Z', tone: 'warning' },
  moderate: { path: 'M6 .8 11.6 11H.4Z', tone: 'warning' },
  critical: { path: 'M6 .2 11.8 6 6 11.8.2 6Z', tone: 'critical' },
  emergency: { path: 'M3.6.3h4.8l3.3 3.3v4.8l-3.3 3.3H3.6L.3 8.4V3.6Z', tone: 'emergency' },
};
const kUnknownShape = { path: 'M1 5h10v2H1Z', tone: 'unknown' };

/** A word with a shape and a tone of its own. */
export function Mark({ path, tone, word }: { path: string; tone: string; word: string }) {
  return (
    <span class={`level tone-${tone}`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" focusable="false">
        <path d={path} />
      </svg>
      {word}
    </span>
  );
}

export function LevelMark({ level }: { level: Maybe<string> }) {
  return <Mark {...(kShapes[level ?? ''] ?? kUnknownShape)} word={level ?? 'unknown'} />;
}

/** The level of a device, or the state that keeps it from having one: asleep, stale, lost. */
export function StateMark({ state, level }: { state: Maybe<string>; level: Maybe<string> }) {
  if (state == null || state === 'ok') return <LevelMark level={level} />;
  return <span class={`state state-${state}`}>{state}</span>;
}

/** A value, or the dash with the reason why there is none. */
export function Value({ text, reason }: { text: string; reason?: Maybe<string> }) {
  if (!text.includes(kUnknown)) return <>{text}</>;
  return (
    <span class="unknown" title={reason ?? 'not known'}>
      {text}
      <span class="unseen"> ({reason ?? 'not known'})</span>
    </span>
  );
}

/** Where the same thing is to be had as JSON and on the command line. */
export function AsLinks({ title, json, command }: { title: string; json: string; command: string }) {
  return (
    <details class="as-links">
      <summary>
        as JSON, as command<span class="unseen"> for {title}</span>
      </summary>
      <p>
        <a href={`api/v1/${json}`}>as JSON</a>
        <code>{command}</code>
        <code>
          curl -s '{location.origin}
          {location.pathname}api/v1/{json}'
        </code>
      </p>
    </details>
  );
}

export function Section(props: {
  id: string;
  title: string;
  note?: ComponentChildren;
  json?: string;
  command?: string;
  choice?: ComponentChildren; // what is chosen about this section, in its head
  children: ComponentChildren;
}) {
  return (
    <section aria-labelledby={props.id} class="section">
      <header class="section-head">
        <h2 id={props.id}>{props.title}</h2>
        {props.note != null && <span class="note">{props.note}</span>}
        {props.choice}
        {props.json != null && props.command != null && <AsLinks title={props.title} json={props.json} command={props.command} />}
      </header>
      {props.children}
    </section>
  );
}

/** What stands where a list is empty: what would fill it. */
export function Empty({ children, command }: { children: ComponentChildren; command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command && <code>{command}</code>}
    </div>
  );
}

/** The sentence below a list that was cut. */
export function More({ shown, all }: { shown: number; all: number }) {
  return all > shown ? <p class="more">and {all - shown} more</p> : null;
}

/** A share of a whole as a short bar; the words beside it say the same. */
export function Meter({ ratio, level }: { ratio: Maybe<number>; level?: Maybe<string> }) {
  if (ratio == null) return null;
  const percent = Math.max(0, Math.min(100, 100 * ratio));
  return (
    <span class={`meter${level ? ` meter-${level}` : ''}`} aria-hidden="true">
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}

export interface Change {
  busy: boolean;
  said: string | null; // what became of the last change
  failed: boolean;
  make: (work: () => Promise<string>) => void;
}

/** One change at a time, and the daemon's answer to it. */
export function use_change(): Change {
  const [state, set_state] = useState<Omit<Change, 'make'>>({ busy: false, said: null, failed: false });
  const make = (work: () => Promise<string>) => {
    if (state.busy) return;
    set_state({ busy: true, said: null, failed: false });
    work().then(
      (said) => set_state({ busy: false, said, failed: false }),
      (error: Error) => set_state({ busy: false, said: error.message, failed: true }),
    );
  };
  return { ...state, make };
}

/** The answer in the place where the change was asked for. */
export function Answer({ change }: { change: Change }) {
  return (
    <span class={`answer${change.failed ? ' answer-failed' : ''}`} role="status">
      {change.busy ? 'asking' : change.said !== null && `${change.failed ? 'Refused: ' : ''}${change.said}`}
    </span>
  );
}

/**
 * A question that stands before the page until it is answered: Escape and "Cancel" do nothing, and the focus goes back to
 * where it was. `sure` may fail: the reason is shown, and the question stays.
 */
export function Dialog({ title, children, yes, danger, sure, close }: {
  title: string;
  children: ComponentChildren;
  yes: string; // the word of the button that does it
  danger?: boolean;
  sure: () => Promise<string>;
  close: (said: string | null) => void; // null: nothing was done
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const change = use_change();
  useEffect(() => {
    const shown = dialog.current!;
    const before = document.activeElement as HTMLElement | null;
    shown.showModal();
    return () => {
      shown.close(); // or nothing outside of it can have the focus
      before?.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="question" onCancel={() => close(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.make(async () => {
            const said = await sure();
            close(said);
            return said;
          });
        }}
      >
        <h2 id="question">{title}</h2>
        {children}
        <p class="buttons">
          <button type="button" onClick={() => close(null)}>
            Cancel
          </button>
          <button type="submit" class={danger ? 'danger' : 'primary'} disabled={change.busy}>
            {yes}
          </button>
          <Answer change={change} />
        </p>
      </form>
    </dialog>
  );
}
