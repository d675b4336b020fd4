// How allocations move: the strategy in force, the words there are, and what another one would mean before it is set.
import { useState } from 'preact/hooks';
import { list, number, send_json, type Strategy } from './api';
import { use_setting } from './address';
import { kEstimators, kPostures, lends_text, percent_text, strategy_differences, strategy_name, strategy_preview, weight_text } from './components';
import { use_fetched } from './fetched';
import { format_duration, kUnknown } from './format';
import { Answer, LevelMark, Section, use_change, Value } from './parts';

const kAgainMs = 5000;
const kShown = 16;

const kAbout: Record<string, string> = {
  conservative: 'moves slowly and keeps most back',
  balanced: 'between the two others',
  aggressive: 'moves fast and gives most',
  adaptive: 'left to headroom: by the level of the node',
  dynamic: 'from what is used now',
  predictive: 'from what is foreseen',
  cooperative: 'from what is used now, and lends what lies idle',
};

const kTold: Record<string, string> = { ...kAbout, adaptive: 'by whichever of these has proven better on it' };

/** The word, or the one that leaves it to headroom when it is none of them. */
function known(words: readonly string[], word: unknown): string {
  return words.find((each) => each === word) ?? 'adaptive';
}

/** One of the two words. "adaptive" leaves it to headroom. */
function WordChoice({ title, name, words, chosen, choose }: { title: string; name: string; words: readonly string[]; chosen: string; choose: (word: string) => void }) {
  return (
    <fieldset class="choices strategy-choice">
      <legend>{title}</legend>
      {words.map((word) => (
        <label key={word}>
          <input type="radio" name={name} value={word} checked={word === chosen} onChange={() => choose(word)} />
          <span>{word}</span>
        </label>
      ))}
    </fieldset>
  );
}

function WordTable({ strategy, chosen }: { strategy: Strategy; chosen: string[] }) {
  const words = list(strategy.strategies).filter((word) => typeof word?.name === 'string').slice(0, kShown);
  const said = String(strategy.name ?? '').split('+');
  return (
    <table class="plain strategy-words" role="table">
      <caption class="unseen">The words of a strategy</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">word</th>
          <th role="columnheader" scope="col" class="num">buffer</th>
          <th role="columnheader" scope="col" class="num">kept back</th>
          <th role="columnheader" scope="col" class="num">short weighs</th>
          <th role="columnheader" scope="col" class="num">lends</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {words.map((word) => (
          <tr role="row" key={word.name} data-word={word.name} class={chosen.includes(word.name) ? 'chosen' : ''}>
            <th role="rowheader" scope="row">
              {word.name}
              {said.includes(word.name) && <span class="badge">in force</span>}
              <small>{kAbout[word.name]}</small>
            </th>
            <td role="cell" class="num"><Value text={percent_text(word.buffer_percent)} /></td>
            <td role="cell" class="num"><Value text={percent_text(word.reserve_percent)} /></td>
            <td role="cell" class="num"><Value text={weight_text(word.shortfall_weight)} /></td>
            <td role="cell" class="num"><Value text={lends_text(word.lends)} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Preview({ strategy, posture, estimator, components, readonly, seen }: {
  strategy: Strategy;
  posture: string;
  estimator: string;
  components: number;
  readonly: boolean;
  seen: () => void;
}) {
  const change = use_change();
  const now = strategy_name(known(kPostures, strategy.posture), known(kEstimators, strategy.estimator));
  const name = strategy_name(posture, estimator);
  const differences = strategy_differences(strategy, strategy_preview(strategy, posture, estimator));
  const same = name === now;
  const apply = () =>
    change.make(async () => {
      await send_json<Strategy>('PUT', 'strategy', { name });
      seen();
      return `${name} is in force, and stays so after a restart.`;
    });
  return (
    <div class="strategy-preview" data-preview={name} aria-live="polite">
      <h3>{same ? `${name} is in force` : `${now} → ${name}`}</h3>
      {same ? (
        <p class="quiet">Choose another word above: what it would change is shown here before it is set.</p>
      ) : (
        <>
          {differences.length > 0 ? (
            <dl class="differences">
              {differences.map((row) => (
                <div key={row.what}>
                  <dt>{row.what}</dt>
                  <dd>
                    {row.now} <span class="arrow">→</span> <strong>{row.then}</strong>
                  </dd>
                </div>
              ))}
            </dl>
          ) : (
            <p>At the level of now buffer, what is kept back, the weights and lending stay as they are.</p>
          )}
          <p class="quiet">
            {estimator !== known(kEstimators, strategy.estimator) && `A demand is told ${kTold[estimator]}. `}
            {posture === 'adaptive' ? 'These are the numbers of the level of now; they move with it. ' : ''}
            {components > 0 && `${components} component${components === 1 ? ' is' : 's are'} given ${components === 1 ? 'its allocation' : 'their allocations'} by it, none outside of its quota.`}
          </p>
        </>
      )}
      <p class="buttons">
        {!readonly && !same && (
          <button type="button" class="primary" disabled={change.busy} onClick={apply}>
            Set {name}
          </button>
        )}
        <Answer change={change} />
      </p>
    </div>
  );
}

export function StrategySwitch({ components, readonly }: { components: number; readonly: boolean }) {
  const [again, set_again] = useState(0);
  const asked = use_fetched<Strategy>('strategy', kAgainMs, again);
  const strategy = asked.document;
  const [posture, choose_posture] = use_setting('posture', known(kPostures, strategy?.posture));
  const [estimator, choose_estimator] = use_setting('estimator', known(kEstimators, strategy?.estimator));
  const chosen = [known(kPostures, posture), known(kEstimators, estimator)] as const;
  const name = strategy_name(...chosen);
  return (
    <Section id="strategy" title="Strategy" note="how allocations move" json="strategy" command={strategy && name !== (strategy.name ?? 'adaptive') ? `headroom strategy set ${name}` : 'headroom strategy'}>
      {asked.trouble && <p class="chart-trouble">It cannot be read: {asked.trouble}.</p>}
      {strategy === null || typeof strategy !== 'object' ? (
        !asked.trouble && <p class="waiting-text">Not read yet.</p>
      ) : (
        <div class="panel strategy">
          <dl class="strategy-now">
            <div><dt>in force</dt><dd><strong>{strategy.name ?? kUnknown}</strong></dd></div>
            <div><dt>node</dt><dd><LevelMark level={strategy.level} /></dd></div>
            <div><dt>moves every</dt><dd>{format_duration(number(strategy.cycle_seconds))}</dd></div>
            <div><dt>goes down after</dt><dd>{number(strategy.hold_seconds) === 0 ? 'at once' : format_duration(number(strategy.hold_seconds))}</dd></div>
            <div><dt>by at most</dt><dd>{percent_text(strategy.shrink_percent)}</dd></div>
          </dl>
          <div class="strategy-body">
            <div class="strategy-words-box">
              <WordTable strategy={strategy} chosen={name.split('+')} />
            </div>
            <div class="strategy-side">
              <WordChoice title="how boldly" name="posture" words={kPostures} chosen={chosen[0]} choose={choose_posture} />
              <WordChoice title="by what" name="estimator" words={kEstimators} chosen={chosen[1]} choose={choose_estimator} />
              <Preview strategy={strategy} posture={chosen[0]} estimator={chosen[1]} components={components} readonly={readonly} seen={() => set_again((count) => count + 1)} />
            </div>
          </div>
        </div>
      )}
    </Section>
  );
}
