// A size against the room of each device, with and without the models that may go; and the daemon's own answer.
import { useEffect, useState } from 'preact/hooks';
import { list, number, send_json, type Gpu, type Lease, type Model, type RoomItem, type Verdict } from './api';
import { use_setting } from './address';
import { format_bytes, format_clock, format_until, kUnknown, parse_time } from './format';
import { fitting_of, flag_bytes, format_needs, kPriorities, places_of, typed_gib, type Fitting } from './models';
import { Section, Value } from './parts';
import { room_items, type State } from './state';

const kGiB = 2 ** 30;
const kSettleMs = 400; // a slider that still moves asks nobody
const kAgainMs = 5000;
const kShown = 32;

/** What is asked: a size, or a model with all that it needs. */
interface Question {
  bytes: number;
  model: Model | null;
  resource: string;
  priority: string;
}

function body_of({ bytes, model, resource, priority }: Question): unknown {
  if (model) return { model: model.name, priority };
  return { needs: { [`${resource}_bytes`]: bytes }, priority };
}

/** The daemon's answer to a question: asked once it has settled, and again while it is looked at. */
function use_verdict(question: Question | null): { verdict: Verdict | null; trouble: string | null } {
  const body = question ? JSON.stringify(body_of(question)) : null;
  const [told, set_told] = useState<{ of: string | null; verdict: Verdict | null; trouble: string | null }>({ of: null, verdict: null, trouble: null });
  useEffect(() => {
    if (body === null) return;
    let here = true;
    let timer = 0;
    const turn = async () => {
      if (!document.hidden) {
        try {
          const verdict = await send_json<Verdict>('POST', 'fit', JSON.parse(body));
          if (here) set_told({ of: body, verdict, trouble: null });
        } catch (error) {
          const trouble = (error as Error).message;
          if (here) set_told({ of: body, verdict: null, trouble });
        }
      }
      if (here) timer = window.setTimeout(() => void turn(), kAgainMs);
    };
    timer = window.setTimeout(() => void turn(), kSettleMs);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [body]);
  return told.of === body ? told : { verdict: null, trouble: null };
}

function names_of(models: Model[]): string {
  const names = models.map((model) => model.name);
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

/** The answer for one device in words; the bar beside it only shows it. */
export function fitting_text(fitting: Fitting): string {
  switch (fitting.answer) {
    case 'now':
      return 'fits now';
    case 'after':
      return `fits if ${names_of(fitting.goes)} ${fitting.goes.length === 1 ? 'goes' : 'go'}`;
    case 'short':
      return `${format_bytes(fitting.short)} short, whoever goes`;
    case 'never':
      return 'never: it is larger than the device';
    case 'unknown':
      return kUnknown;
  }
}

function FittingRow({ fitting, bytes, scale, gpu }: { fitting: Fitting; bytes: number; scale: number; gpu: Gpu | undefined }) {
  const { item, room, room_after, capacity } = fitting;
  const width = (amount: number) => ({ width: `${Math.min(100, (100 * Math.max(0, amount)) / scale)}%` });
  const more = Math.max(0, (room_after ?? 0) - (room ?? 0));
  const reason = item.why ?? 'not read';
  return (
    <tr role="row" data-fit={item.device ?? item.resource} data-answer={fitting.answer}>
      <th role="rowheader" scope="row">
        {item.name ?? item.device ?? item.resource}
        {gpu?.name && gpu.name !== 'simulated' && <small>{gpu.name}</small>}
      </th>
      <td role="cell" class="fit-bar">
        <span class="bar" aria-hidden="true">
          <span class="bar-track">
            <span class="segment fit-room" style={width(room ?? 0)} />
            <span class="segment fit-more" style={width(more)} />
            <span class="segment fit-taken" style={width((capacity ?? 0) - (room ?? 0) - more)} />
          </span>
          <span class="tick" style={{ left: `${Math.min(100, (100 * bytes) / scale)}%` }} />
        </span>
      </td>
      <td role="cell" data-label="room" class="num"><Value text={format_bytes(room)} reason={reason} /></td>
      <td role="cell" data-label="if models go" class="num"><Value text={format_bytes(room_after)} reason={reason} /></td>
      <td role="cell" data-label="answer" class={`fit-answer fit-${fitting.answer}`}><Value text={fitting_text(fitting)} reason={reason} /></td>
    </tr>
  );
}

const kVerdicts: Record<string, string> = {
  now: 'It fits now.',
  after: 'It fits once models have gone.',
  queued: 'It has to wait.',
  never: 'It can never fit here.',
};

function Exact({ verdict, trouble, state, now }: { verdict: Verdict | null; trouble: string | null; state: State; now: number }) {
  if (trouble) return <p class="chart-trouble">The daemon does not answer it: {trouble}.</p>;
  if (!verdict) return <p class="waiting-text">Asking the daemon.</p>;
  const items = room_items(state.snapshot);
  const place = items.find((item) => item.device != null && item.device === verdict.device);
  const earliest = parse_time(verdict.queue?.earliest);
  const steps = list(verdict.steps).slice(0, kShown);
  return (
    <div class="exact" data-verdict={verdict.verdict ?? ''}>
      <p role="status">
        <strong>{kVerdicts[verdict.verdict ?? ''] ?? `The daemon says: ${verdict.verdict ?? kUnknown}.`}</strong>
        {place && <> On {place.name ?? place.device}.</>} {verdict.why}
        {earliest !== null && <> Earliest {format_clock(earliest, now)}, {format_until(earliest, now)}.</>}
      </p>
      {steps.length > 0 && (
        <ol class="steps" aria-label="What would be unloaded, in this order">
          {steps.map((step, n) => (
            <li key={n}>
              {step.model ?? kUnknown}: {format_bytes(step.gpu_memory_bytes ?? step.memory_bytes)}
              {step.hook && <>, asked through {step.hook}</>}
              {step.why && <>; {step.why}</>}
            </li>
          ))}
        </ol>
      )}
      {list(verdict.help).length > 0 && (
        <ul class="recommendations">
          {list(verdict.help).slice(0, 8).map((help, n) => (
            <li key={n}>{help?.text ?? kUnknown}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function FitLegend() {
  return (
    <ul class="legend" aria-hidden="true">
      <li><span class="swatch fit-room" />room now</li>
      <li><span class="swatch fit-more" />more, if the models that may go have gone</li>
      <li><span class="swatch fit-taken" />taken or kept</li>
      <li><span class="swatch-tick" />the size</li>
    </ul>
  );
}

export function WhatFits({ state, models, leases, now }: { state: State; models: Model[]; leases: Lease[]; now: number }) {
  const [resource, choose_resource] = use_setting('of', 'gpu_memory');
  const [priority, choose_priority] = use_setting('priority', 'normal');
  const [asked_size, keep_size] = use_setting('size', '');
  const [chosen, choose_model] = use_setting('model', '');
  const [typed, set_typed] = useState<string | null>(null); // while it is typed or moved
  useEffect(() => {
    const turn = () => set_typed(null); // another address, not one that this view wrote
    addEventListener('hashchange', turn);
    return () => removeEventListener('hashchange', turn);
  }, []);

  const items = room_items(state.snapshot);
  const has_gpus = items.some((item) => item.resource === 'gpu_memory');
  const about = has_gpus && resource !== 'memory' ? 'gpu_memory' : 'memory';
  const gpus = list(state.snapshot?.gpu);
  const places: RoomItem[] = places_of(items, about).filter((item) => !gpus.some((gpu) => gpu.parent != null && gpu.parent === item.device));
  const amount = about === 'gpu_memory' ? 'gpu_memory_bytes' : 'memory_bytes';
  const needing = models.filter((model, n) => (number(model.needs?.[amount]) ?? 0) > 0 && models.findIndex((each) => each.name === model.name) === n);
  const model = needing.find((each) => each.name === chosen) ?? null;
  const largest = Math.max(0, ...places.map((item) => number(item.capacity_bytes) ?? 0));
  // Where nothing was asked yet: what half of the largest device has, at most 8 GiB.
  const text = typed ?? (asked_size || String(Math.max(0.5, Math.min(8, Math.floor(largest / kGiB) / 2))));
  const bytes = model ? number(model.needs?.[amount])! : typed_gib(text);
  const most = Math.max(kGiB, largest, bytes ?? 0);
  const question: Question | null = bytes === null || places.length === 0 ? null : { bytes, model, resource: about, priority };
  const { verdict, trouble } = use_verdict(question);
  const shown_text = model ? String(Math.round((10 * bytes!) / kGiB) / 10) : text;

  const move = (to: string) => {
    set_typed(to);
    if (chosen) choose_model('');
  };
  const settle = (to: string) => keep_size(typed_gib(to) === null ? asked_size : to);
  const flag = about === 'gpu_memory' ? '--gpu-mem' : '--mem';
  const command = model ? `headroom fit --model ${model.name}` : `headroom fit ${flag} ${flag_bytes(bytes ?? 8 * kGiB)}`;
  return (
    <Section
      id="fits"
      title="What fits if"
      note="a size against the room of each device, with and without the models that may go"
      json="room"
      command={`${command}${priority === 'normal' ? '' : ` --priority ${priority}`}`}
    >
      {state.snapshot === null ? (
        <p class="waiting-text">Waiting for the first sample.</p>
      ) : places.length === 0 ? (
        <p class="quiet">No memory can be read here, so nothing can be said.</p>
      ) : (
        <div class="panel fits">
          <form class="filters" onSubmit={(event) => event.preventDefault()}>
            <label class="field fit-slider">
              <span>size</span>
              <input
                type="range"
                min="0.5"
                max={Math.ceil(most / kGiB)}
                step="0.5"
                value={(bytes ?? 0) / kGiB}
                aria-valuetext={bytes === null ? 'no size' : format_bytes(bytes)}
                onInput={(event) => move(event.currentTarget.value)}
                onChange={(event) => settle(event.currentTarget.value)}
              />
            </label>
            <label class="field fit-number">
              <input
                type="text"
                inputMode="decimal"
                autocomplete="off"
                value={shown_text}
                aria-label="size in GiB"
                aria-invalid={bytes === null}
                onInput={(event) => move(event.currentTarget.value)}
                onChange={(event) => settle(event.currentTarget.value)}
              />
              <span>GiB</span>
            </label>
            {has_gpus && (
              <label class="field">
                <span>of</span>
                <select value={about} onChange={(event) => choose_resource(event.currentTarget.value)}>
                  <option value="gpu_memory">GPU memory</option>
                  <option value="memory">memory</option>
                </select>
              </label>
            )}
            {needing.length > 0 && (
              <label class="field">
                <span>as</span>
                <select value={model ? chosen : ''} onChange={(event) => choose_model(event.currentTarget.value)}>
                  <option value="">a size</option>
                  {needing.slice(0, 500).map((each) => (
                    <option key={each.name} value={each.name} title={format_needs(each)}>
                      {each.name}
                    </option>
                  ))}
                </select>
              </label>
            )}
            <label class="field">
              <span>priority</span>
              <select value={priority} onChange={(event) => choose_priority(event.currentTarget.value)}>
                {kPriorities.map((each) => (
                  <option key={each} value={each}>
                    {each}
                  </option>
                ))}
              </select>
            </label>
          </form>
          {bytes === null ? (
            <p class="answer answer-failed" role="status">"{text}" is no size: a number of GiB such as 9.5 is wanted.</p>
          ) : (
            <>
              <table class="cards plain fit-table" role="table">
                <caption class="unseen">Whether {format_bytes(bytes)} fit, by device</caption>
                <thead role="rowgroup">
                  <tr role="row">
                    <th role="columnheader" scope="col">{about === 'gpu_memory' ? 'device' : 'resource'}</th>
                    <th role="columnheader" scope="col"><span class="unseen">bar</span></th>
                    <th role="columnheader" scope="col" class="num">room</th>
                    <th role="columnheader" scope="col" class="num">if models go</th>
                    <th role="columnheader" scope="col">{format_bytes(bytes)}</th>
                  </tr>
                </thead>
                <tbody role="rowgroup">
                  {places.slice(0, kShown).map((item) => (
                    <FittingRow
                      key={item.device ?? item.resource}
                      fitting={fitting_of(item, bytes, models, leases, priority)}
                      bytes={bytes}
                      scale={most}
                      gpu={gpus.find((gpu) => gpu.id === item.device)}
                    />
                  ))}
                </tbody>
              </table>
              <FitLegend />
              <Exact verdict={verdict} trouble={trouble} state={state} now={now} />
            </>
          )}
        </div>
      )}
    </Section>
  );
}
