// The configuration in force: what each value is, where it comes from, and how to change it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { fetch_json, list, patch_json, type Items, type Setting } from './api';
import { use_setting } from './address';
import { kUnknown } from './format';
import { Answer, More, Section, use_change } from './parts';
import { is_readonly } from './state';
import { dispatch, use_state } from './store';

const kShown = 400;

export function setting_text(value: unknown): string {
  if (value === null || value === undefined || value === '') return kUnknown;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value as a person types it: without the quotes of TOML. */
export function typed_text(value: unknown): string {
  const text = setting_text(value);
  if (text === kUnknown) return '';
  return /^"[^"\\]*"$/.test(text) ? text.slice(1, -1) : text;
}

/** Whether a setting has the words in its key, alias, value, origin or description. */
export function setting_matches(setting: Setting, words: string): boolean {
  const text = [setting.key, setting.alias, setting_text(setting.value), setting.origin, setting.about].join(' ').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function Editor({ setting, close }: { setting: Setting; close: (said: string) => void }) {
  const [text, set_text] = useState(typed_text(setting.value));
  const change = use_change();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const put = (value: string | null) =>
    change.make(async () => {
      await patch_json('config', { changes: { [setting.key]: value } });
      dispatch({ kind: 'settings', document: await fetch_json<Items<Setting>>('config') });
      const said = setting.at_start ? 'Written. It takes effect when the daemon starts again.' : 'In force.';
      close(said);
      return said;
    });
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        put(text);
      }}
      onKeyDown={(event) => event.key === 'Escape' && close('')}
    >
      <label>
        <span class="unseen">New value of {setting.key}</span>
        <input
          value={text}
          spellcheck={false}
          autocomplete="off"
          aria-invalid={change.failed}
          ref={field}
          onInput={(event) => set_text(event.currentTarget.value)}
        />
      </label>
      <span class="buttons">
        <button type="submit" disabled={change.busy}>
          Set
        </button>
        <button type="button" disabled={change.busy} onClick={() => put(null)}>
          Take back
        </button>
        <button type="button" onClick={() => close('')}>
          Cancel
        </button>
      </span>
      <Answer change={change} />
    </form>
  );
}

/** A dotted name that may break behind its dots, strokes and underscores. */
export function Breaking({ text }: { text: string }) {
  return (
    <>
      {(text.match(/[^._/]*[._/]?/g) ?? []).map((part) => (
        <>
          {part}
          <wbr />
        </>
      ))}
    </>
  );
}

function Row({ setting, readonly }: { setting: Setting; readonly: boolean }) {
  const [open, set_open] = useState(false);
  const [said, set_said] = useState('');
  const close = (text: string) => {
    set_open(false);
    set_said(text);
  };
  return (
    <tr role="row" data-key={setting.key}>
      <th role="rowheader" scope="row">
        <Breaking text={setting.key} />
        {setting.alias && (
          <small title="its name in the specifications">
            <Breaking text={setting.alias} />
          </small>
        )}
      </th>
      <td role="cell" data-label="value">
        {open ? (
          <Editor setting={setting} close={close} />
        ) : (
          <span class="cell-lines">
            <span class="setting-value">
              <span class="mono">{setting_text(setting.value)}</span>
              {!readonly && (
                <button type="button" class="link" onClick={() => set_open(true)}>
                  change<span class="unseen"> {setting.key}</span>
                </button>
              )}
            </span>
            <span class="answer" role="status">
              {said}
            </span>
          </span>
        )}
      </td>
      <td role="cell" data-label="from"><Breaking text={setting.origin ?? kUnknown} /></td>
      <td role="cell" data-label="about" class="wide">
        {setting.about ?? ''}
        {setting.at_start && <small> Takes effect at the next start.</small>}
      </td>
    </tr>
  );
}

export function Configuration() {
  const state = use_state();
  const [words, set_words] = use_setting('setting', '');
  const [changed, set_changed] = use_setting('changed', '');
  const settings = state.settings;
  const readonly = is_readonly(state);
  const shown = list(settings).filter(
    (setting) =>
      (words.trim() === '' || setting_matches(setting, words.trim())) && (!changed || !/^(built-in|default)/.test(setting.origin ?? '')),
  );
  return (
    <Section
      id="config"
      title="Configuration"
      note={readonly ? 'in force now; this daemon takes no changes (http.readonly)' : 'in force now'}
      json="config"
      command="headroom config show"
    >
      {settings === null ? (
        <p class="waiting-text">Not read yet, or not to be seen from here.</p>
      ) : (
        <>
          <form class="filters" onSubmit={(event) => event.preventDefault()}>
            <label class="field">
              <span>search</span>
              <input type="search" value={words} placeholder="key, alias, value, origin" onInput={(event) => set_words(event.currentTarget.value)} />
            </label>
            <label class="check">
              <input type="checkbox" checked={changed !== ''} onChange={(event) => set_changed(event.currentTarget.checked ? '1' : '')} />
              <span>only what is not built in</span>
            </label>
            <span class="note" role="status">
              {shown.length} of {settings.length}
            </span>
          </form>
          {shown.length > 0 ? (
            <table class="cards plain config" role="table">
              <caption class="unseen">Configuration in force, with where each value comes from</caption>
              <thead role="rowgroup">
                <tr role="row">
                  <th role="columnheader" scope="col">key</th>
                  <th role="columnheader" scope="col">value</th>
                  <th role="columnheader" scope="col">from</th>
                  <th role="columnheader" scope="col" class="wide">about</th>
                </tr>
              </thead>
              <tbody role="rowgroup">
                {shown.slice(0, kShown).map((setting) => (
                  <Row key={setting.key} setting={setting} readonly={readonly} />
                ))}
              </tbody>
            </table>
          ) : (
            <p class="quiet">No setting is like this.</p>
          )}
          <More shown={kShown} all={shown.length} />
        </>
      )}
    </Section>
  );
}
