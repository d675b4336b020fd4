// The shell of every page: who this is, how it is, whether the numbers are live, and the way about.
import { useEffect, useRef, useState } from 'preact/hooks';
import { parse_address } from './address';
import { number } from './api';
import { format_duration } from './format';
import { kPages, page_of } from './pages';
import { LevelMark } from './parts';
import { kStaleSeconds, sample_age, type State } from './state';
import { use_now, use_state } from './store';

const kLinkWords: Record<State['link'], string> = {
  starting: 'connecting',
  live: 'live',
  polling: 'polling',
  reconnecting: 'reconnecting',
};

function LiveMark({ state, age, stale }: { state: State; age: number | null; stale: boolean }) {
  const sample = number(state.snapshot?.sample);
  const title =
    state.link === 'polling'
      ? 'The event stream cannot be had just now; the numbers are asked for every 2 s.'
      : (state.trouble ?? 'The numbers come as they are measured.');
  return (
    <p class={`live link-${state.link}${stale ? ' stale' : ''}`} title={title} data-link={state.link}>
      <span class="live-dot" aria-hidden="true" />
      <strong>{kLinkWords[state.link]}</strong>
      {age !== null && (
        <span class="live-age" data-sample={sample ?? ''} data-stale={stale}>
          {stale ? `stale: last sample ${format_duration(age)} ago` : sample !== null ? `sample ${sample}` : ''}
        </span>
      )}
    </p>
  );
}

/** What stays in sight while the numbers below are not to be trusted. It has no age in it: it would be read out every second. */
function Banner({ state, stale }: { state: State; stale: boolean }) {
  if (state.link === 'reconnecting') {
    return (
      <p class="banner" role="status">
        <strong>Reconnecting.</strong> {state.trouble ? `Because ${state.trouble}. ` : ''}
        {state.snapshot ? (
          'The numbers below are the last ones that came.'
        ) : (
          <>
            Is the daemon running? <code>systemctl status headroomd</code>
          </>
        )}
      </p>
    );
  }
  if (!stale) return null;
  return (
    <p class="banner" role="status">
      <strong>Stale.</strong> The daemon has sent no new sample for more than {kStaleSeconds} s: the numbers below are old.
    </p>
  );
}

export function App() {
  const state = use_state();
  const now = use_now();
  const [page, set_page] = useState(() => page_of(location.hash));
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const turn = () => {
      set_page(page_of(location.hash));
      if (parse_address(location.hash).section) return; // the page goes there itself
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener('hashchange', turn);
    return () => removeEventListener('hashchange', turn);
  }, []);

  const age = sample_age(state, now);
  const stale = age !== null && age > kStaleSeconds;
  const node = state.node;
  const name = node?.name ?? 'headroom';
  useEffect(() => {
    document.title = page.path === '' ? `${name} · headroom` : `${page.title} · ${name} · headroom`;
  }, [page, name]);

  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the list of pages is wider than the screen: the one that is shown is in sight.
    const link = nav.current?.querySelector<HTMLElement>('[aria-current]');
    if (link) nav.current!.scrollLeft = link.offsetLeft - (nav.current!.clientWidth - link.offsetWidth) / 2;
  }, [page]);

  const View = page.view;
  const go_to_main = (event: Event) => {
    event.preventDefault();
    main.current?.focus();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={go_to_main}>
        To the content
      </a>
      <header class="top">
        <div class="top-row">
          <div class="who">
            <h1>{name}</h1>
            <span class="brand">headroom{node?.version ? ` ${node.version}` : ''}</span>
          </div>
          <dl class="facts">
            <div>
              <dt>health</dt>
              <dd>
                <LevelMark level={node?.health} />
              </dd>
            </div>
            <div>
              <dt>strategy</dt>
              <dd>{node?.strategy ?? '–'}</dd>
            </div>
            <div>
              <dt>up</dt>
              <dd>{format_duration(node?.uptime_seconds)}</dd>
            </div>
          </dl>
          <LiveMark state={state} age={age} stale={stale} />
        </div>
        <nav aria-label="Pages" ref={nav}>
          <ul>
            {kPages.map((each) => (
              <li key={each.path}>
                <a href={`#/${each.path}`} aria-current={each === page ? 'page' : undefined}>
                  {each.title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Banner state={state} stale={stale} />
        <View />
      </main>
    </>
  );
}
