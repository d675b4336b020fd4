// Models: which are in memory and who would go first, what would fit then, and all that is known of.
import { useMemo, useState } from 'preact/hooks';
import { list, number, patch_json, type Items, type Maybe, type Model, type RoomItem } from './api';
import { use_setting } from './address';
import { use_fetched } from './fetched';
import { format_ago, format_bytes, format_duration, kUnknown, parse_time } from './format';
import { bytes_of, format_hits, format_needs, is_resident, may_go, model_key, model_matches, residents_on, room_without, sorted_models, stay_text } from './models';
import { Answer, More, Section, Value, use_change } from './parts';
import { is_readonly, room_items, type State } from './state';
import { use_now, use_state } from './store';
import { terms_of } from './room';
import { WhatFits } from './what_fits';

const kAgainMs = 2000;
const kShown = 200;
const kKept = 5000; // of the daemon's list, however long it is

/** What fills this page, in the three ways there are. */
function Teach({ children }: { children: string }) {
  const url = `${location.origin}${location.pathname}api/v1/models/sdxl`;
  return (
    <div class="empty teach">
      <p>{children} Tell of one with what it needs, and who is to be asked when its memory is wanted:</p>
      <code>headroom model set sdxl --gpu-mem 9G --hook comfy --priority low</code>
      <p>Or start what loads it in a lease, which waits until there is room; its size is learned:</p>
      <code>headroom run --model sdxl -- python serve.py</code>
      <p>Or from Python, with nothing to install:</p>
      <pre>
        <code>
          {`import json, urllib.request as http\n`}
          {`needs = json.dumps({"gpu_memory_bytes": 9 << 30, "priority": "low"}).encode()\n`}
          {`http.urlopen(http.Request("${url}", needs, {"Content-Type": "application/json"}, method="PUT"))`}
        </code>
      </pre>
    </div>
  );
}

/** Pin or unpin, and unload. `seen` is called with the model as the daemon has it now. */
function ModelButtons({ model, seen }: { model: Model; seen: () => void }) {
  const change = use_change();
  const ask = (body: unknown, done: (now: Model) => string) =>
    change.make(async () => {
      const now = await patch_json<Model>(`models/${encodeURIComponent(model.name)}`, body);
      seen();
      return done(now);
    });
  const about = <span class="unseen"> {model.name}</span>;
  const asked = model.state === 'draining';
  return (
    <span class="buttons">
      {model.pinned ? (
        <button type="button" disabled={change.busy} onClick={() => ask({ pinned: false }, () => 'It may go again.')}>
          Unpin{about}
        </button>
      ) : (
        <button type="button" disabled={change.busy} onClick={() => ask({ pinned: true }, () => 'It stays.')}>
          Pin{about}
        </button>
      )}
      {is_resident(model) && !asked && !model.pinned && (
        <button
          type="button"
          disabled={change.busy}
          onClick={() => ask({ resident: false }, (now) => (is_resident(now) ? 'Asked; its memory has not come back yet.' : 'It has gone.'))}
        >
          Unload{about}
        </button>
      )}
      <Answer change={change} />
    </span>
  );
}

function about_of(model: Model): string {
  const holder = model.lease ? model.lease : model.engine ? `in ${model.engine}` : null;
  const priority = model.priority && model.priority !== 'normal' ? model.priority : null;
  return [holder, priority, model.pinned ? 'pinned' : null].filter(Boolean).join(' · ');
}

function Used({ model, now }: { model: Model; now: number }) {
  const uses = number(model.uses) ?? 0;
  if (uses > 0) return <>in use{uses > 1 && <> ({uses})</>}</>;
  return <Value text={format_ago(parse_time(model.last_used), now)} reason="never, or its engine does not say" />;
}

function ResidentTable({ models, title, note, now, readonly, seen }: {
  models: Model[];
  title: string;
  note: string;
  now: number;
  readonly: boolean;
  seen: () => void;
}) {
  return (
    <table class="cards residents" role="table">
      <caption>
        {title} <small>{note}</small>
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col" class="order"><span class="unseen">place in the order of unloading</span></th>
          <th role="columnheader" scope="col">model</th>
          <th role="columnheader" scope="col" class="num">takes</th>
          <th role="columnheader" scope="col">last used</th>
          <th role="columnheader" scope="col">loaded</th>
          <th role="columnheader" scope="col">would it go?</th>
          {!readonly && <th role="columnheader" scope="col"><span class="unseen">change</span></th>}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {models.slice(0, kShown).map((model) => {
          const order = number(model.unload_order);
          const since = parse_time(model.resident_since);
          return (
            <tr role="row" key={model_key(model)} data-model={model.name} data-order={order ?? ''}>
              <td role="cell" data-label="goes" class="order">
                {order === null ? <span class="order-none">stays</span> : <span class="order-place">{order}<span class="unseen">. to go</span></span>}
              </td>
              <th role="rowheader" scope="row">
                <span class="lease-name" title={model.name}>{model.name}</span>
                <small>{about_of(model)}</small>
              </th>
              <td role="cell" data-label="takes" class="num"><Value text={format_bytes(bytes_of(model))} reason="not measured yet" /></td>
              <td role="cell" data-label="last used"><Used model={model} now={now} /></td>
              <td role="cell" data-label="loaded">
                <Value text={model.state === 'loading' ? 'loading' : format_ago(since, now)} reason="before it was seen first" />
              </td>
              <td role="cell" data-label="would it go?">
                <span class="cell-lines">
                  {stay_text(model)}
                  {model.hook && <small>through {model.hook === 'holder' ? 'its holder' : model.hook}</small>}
                </span>
              </td>
              {!readonly && <td role="cell" class="act"><ModelButtons model={model} seen={seen} /></td>}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** The devices that hold models, the machine's memory last. */
function devices_of(models: Model[]): (string | null)[] {
  const devices = [...new Set(models.filter(is_resident).map((model) => model.device ?? null))];
  const index = (device: string | null) => number(models.find((model) => model.device === device)?.device_index) ?? Infinity;
  return devices.sort((a, b) => Number(a === null) - Number(b === null) || index(a) - index(b));
}

function room_note(item: RoomItem | undefined, models: Model[], state: State): string {
  if (!item) return 'its room is not known';
  const room = terms_of(item).room;
  const after = room_without(item, may_go(models, item.device, 'critical'), state.leases ?? []);
  if (room === null || after === null) return item.why ?? 'its room is not known';
  return `${format_bytes(room)} room; ${format_bytes(after)} if all that may go have gone`;
}

function Residents({ state, models, trouble, now, readonly, seen }: {
  state: State;
  models: Model[] | null;
  trouble: string | null;
  now: number;
  readonly: boolean;
  seen: () => void;
}) {
  const items = room_items(state.snapshot);
  const all = models ?? [];
  const devices = devices_of(all);
  const waiting = all.filter((model) => model.state === 'waiting');
  const count = all.filter(is_resident).length;
  return (
    <Section
      id="models"
      title="Models in memory"
      note={count > 0 ? 'in the order in which they would be asked to go, 1 first' : null}
      json="models"
      command="headroom model"
    >
      {trouble && <p class="chart-trouble">The models cannot be read: {trouble}.</p>}
      {models === null ? (
        !trouble && <p class="waiting-text">Not read yet.</p>
      ) : devices.length === 0 ? (
        <Teach>No model is in memory.</Teach>
      ) : (
        devices.slice(0, 32).map((device) => {
          const item = items.find((each) => (device === null ? each.resource === 'memory' : each.resource === 'gpu_memory' && each.device === device));
          const here = residents_on(all, device);
          return (
            <div class="resident-group" key={device ?? ''} data-device={device ?? 'memory'}>
              <ResidentTable
                models={here}
                title={device === null ? 'Memory' : (item?.name ?? device)}
                note={room_note(item, all, state)}
                now={now}
                readonly={readonly}
                seen={seen}
              />
              <More shown={kShown} all={here.length} />
            </div>
          );
        })
      )}
      {waiting.length > 0 && (
        <p class="more">
          {waiting.slice(0, 5).map((model) => model.name).join(', ')} {waiting.length === 1 ? 'waits' : 'wait'} for room: see{' '}
          <a href="#/leases">the queue</a>.
        </p>
      )}
    </Section>
  );
}

/** On a phone a cell that says nothing is left out. */
function blank(text: Maybe<string>): string {
  return text == null || text === kUnknown ? ' blank' : '';
}

function Catalogue({ models, readonly, seen }: { models: Model[] | null; readonly: boolean; seen: () => void }) {
  const [words, set_words] = use_setting('filter', '');
  const all = models ?? [];
  const shown = sorted_models(all).filter((model) => words.trim() === '' || model_matches(model, words.trim()));
  return (
    <Section id="catalogue" title="Catalogue" note={all.length > 0 ? 'every model that is known of, with what it needs' : null} json="models" command="headroom model -o wide">
      {models === null ? (
        <p class="waiting-text">Not read yet.</p>
      ) : all.length === 0 ? (
        <p class="quiet">No model is known of. The commands above tell of the first one.</p>
      ) : (
        <>
          <form class="filters" onSubmit={(event) => event.preventDefault()}>
            <label class="field">
              <span>filter</span>
              <input type="search" value={words} placeholder="name, state, source, engine" onInput={(event) => set_words(event.currentTarget.value)} />
            </label>
            <span class="note" role="status">
              {shown.length} of {all.length}
            </span>
          </form>
          {shown.length === 0 ? (
            <p class="quiet">No model is like this.</p>
          ) : (
            <table class="cards plain catalogue" role="table">
              <caption class="unseen">All models</caption>
              <thead role="rowgroup">
                <tr role="row">
                  <th role="columnheader" scope="col">model</th>
                  <th role="columnheader" scope="col">state</th>
                  <th role="columnheader" scope="col">needs</th>
                  <th role="columnheader" scope="col">they come from</th>
                  <th role="columnheader" scope="col" class="num">footprint</th>
                  <th role="columnheader" scope="col" class="num">load time</th>
                  <th role="columnheader" scope="col" class="num">hits</th>
                  {!readonly && <th role="columnheader" scope="col"><span class="unseen">change</span></th>}
                </tr>
              </thead>
              <tbody role="rowgroup">
                {shown.slice(0, kShown).map((model) => {
                  const needs = format_needs(model);
                  const footprint = is_resident(model) ? format_bytes(bytes_of(model)) : kUnknown;
                  const load = format_duration(number(model.load_seconds));
                  const hits = format_hits(model);
                  return (
                    <tr role="row" key={model_key(model)} data-model={model.name}>
                      <th role="rowheader" scope="row">
                        <span class="lease-name" title={model.name}>{model.name}</span>
                        <small>{[about_of(model), model.notes].filter(Boolean).join(' · ')}</small>
                      </th>
                      <td role="cell" data-label="state">
                        <span class="cell-lines">
                          {model.state === 'known' ? 'not loaded' : (model.state ?? kUnknown)}
                          {number(model.device_index) !== null && <small>GPU {model.device_index}</small>}
                        </span>
                      </td>
                      <td role="cell" data-label="needs" class={blank(needs)}><Value text={needs} reason="nobody says; it is learned when it runs" /></td>
                      <td role="cell" data-label="they come from" class={`from${blank(model.needs_from)}`}>{model.needs_from ?? <Value text={kUnknown} reason="nobody says" />}</td>
                      <td role="cell" data-label="footprint" class={`num${blank(footprint)}`}>
                        <Value text={footprint} reason={is_resident(model) ? 'not measured yet' : 'not in memory'} />
                      </td>
                      <td role="cell" data-label="load time" class={`num${blank(load)}`}><Value text={load} reason="it was not seen to load" /></td>
                      <td role="cell" data-label="hits" class={`num${blank(hits)}`}><Value text={hits} reason="it was not asked for since the daemon started" /></td>
                      {!readonly && <td role="cell" class="act"><ModelButtons model={model} seen={seen} /></td>}
                    </tr>
                  );
                })}
              </tbody>
            </table>
          )}
          <More shown={kShown} all={shown.length} />
        </>
      )}
    </Section>
  );
}

export function ModelsPage() {
  const state = use_state();
  const now = use_now() + state.clock_ahead;
  const [again, set_again] = useState(0);
  const asked = use_fetched<Items<Model>>('models', kAgainMs, again);
  const models = useMemo(
    () => (asked.document ? list(asked.document.items).filter((model) => typeof model?.name === 'string').slice(0, kKept) : null),
    [asked.document],
  );
  const readonly = is_readonly(state);
  const seen = () => set_again((count) => count + 1);
  return (
    <>
      <Residents state={state} models={models} trouble={asked.trouble} now={now} readonly={readonly} seen={seen} />
      <WhatFits state={state} models={models ?? []} leases={state.leases ?? []} now={now} />
      <Catalogue models={models} readonly={readonly} seen={seen} />
    </>
  );
}
