// Keeps the state fed: by the event stream, and by asking every two seconds while there is none.
import { fetch_json, kApi, type Alert, type Happening, type Lease, type Snapshot } from './api';
import type { Action, State } from './state';

const kPollMs = 2000;
const kSlowMs = 5000; // what the stream does not carry: thresholds, health, what leases use
const kSilentMs = 15000; // a stream that says nothing for so long is taken for dead
const kHiddenMs = 60000; // a hidden page gives its connection back after this time
const kRetryMs = [1000, 2000, 4000, 8000, 15000];

/** Calls `work` again and again, `pause_ms` after each end, until stopped. */
class Loop {
  private round = 0;
  private running = false;
  private timer = 0;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly pause_ms: number,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    void this.turn(++this.round);
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
  }

  private async turn(round: number): Promise<void> {
    await this.work();
    if (this.running && round === this.round)
      this.timer = window.setTimeout(() => void this.turn(round), this.pause_ms);
  }
}

export class Live {
  private source: EventSource | null = null;
  private failures = 0;
  private retry_timer = 0;
  private silence_timer = 0;
  private hidden_timer = 0;
  private readonly polling = new Loop(() => this.poll(), kPollMs);
  private readonly slow = new Loop(() => this.ask_slow(), kSlowMs);

  constructor(
    private readonly dispatch: (action: Action) => void,
    private readonly state: () => State,
  ) {}

  start(): void {
    document.addEventListener('visibilitychange', () => {
      clearTimeout(this.hidden_timer);
      if (document.hidden) this.hidden_timer = window.setTimeout(() => this.rest(), kHiddenMs);
      else if (!this.source && !this.retry_timer) this.open();
    });
    this.open();
    this.read_all().catch(() => {}); // the stream's own failure says it, and polling tries again
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    clearTimeout(this.retry_timer);
    clearTimeout(this.silence_timer);
    this.retry_timer = this.silence_timer = 0;
  }

  /** Gives the connection back; a page that nobody looks at costs the daemon nothing. */
  private rest(): void {
    this.close();
    this.polling.stop();
    this.slow.stop();
  }

  private open(): void {
    this.close();
    const source = new EventSource(`${kApi}stream?types=snapshot,event,alert,lease`);
    this.source = source;
    this.heard();
    source.onopen = () => {
      this.failures = 0;
      this.polling.stop();
      this.dispatch({ kind: 'link', link: 'live', trouble: null });
      this.read_all().catch(() => {}); // what changed while there was no stream
      this.slow.start();
    };
    source.onerror = () => this.lost('the event stream broke off');
    const hear = <T>(type: string, take: (document: T) => void) =>
      source.addEventListener(type, (message) => {
        this.heard();
        let document: T;
        try {
          document = JSON.parse((message as MessageEvent<string>).data) as T;
        } catch {
          return; // half a document is skipped, the next one comes
        }
        take(document);
      });
    hear<Snapshot>('snapshot', (document) => this.take_snapshot(document));
    hear<Lease>('lease', (document) => this.dispatch({ kind: 'lease', document }));
    hear<Happening>('event', (document) => this.dispatch({ kind: 'event', document }));
    hear<Alert>('alert', (document) => this.dispatch({ kind: 'alert', document }));
  }

  private heard(): void {
    clearTimeout(this.silence_timer);
    this.silence_timer = window.setTimeout(() => this.lost('the event stream went silent'), kSilentMs);
  }

  private lost(trouble: string): void {
    this.close();
    this.slow.stop();
    if (this.state().link !== 'polling') this.dispatch({ kind: 'link', link: 'reconnecting', trouble });
    const wait = kRetryMs[Math.min(this.failures++, kRetryMs.length - 1)]!;
    this.retry_timer = window.setTimeout(() => this.open(), wait);
    this.polling.start();
  }

  private async poll(): Promise<void> {
    try {
      await this.read_all();
      if (this.state().link !== 'live') this.dispatch({ kind: 'link', link: 'polling', trouble: null });
    } catch (error) {
      if (this.state().link !== 'live')
        this.dispatch({ kind: 'link', link: 'reconnecting', trouble: (error as Error).message });
    }
  }

  private async ask_slow(): Promise<void> {
    await Promise.allSettled([this.ask('node', 'node'), this.ask('pressure', 'pressure'), this.ask('leases', 'leases')]);
  }

  /** Fails only when the snapshot does: a list that cannot be read keeps what it had. */
  private async read_all(): Promise<void> {
    const [snapshot] = await Promise.allSettled([
      fetch_json<Snapshot>('snapshot').then((document) => this.take_snapshot(document)),
      this.ask('node', 'node'),
      this.ask('leases', 'leases'),
      this.ask('alerts', 'alerts'),
      this.ask('pressure', 'pressure'),
      this.ask('events', 'events?limit=200'),
      this.ask_settings(),
    ]);
    if (snapshot.status === 'rejected') throw snapshot.reason;
  }

  private async ask(kind: 'node' | 'leases' | 'alerts' | 'pressure' | 'events', path: string): Promise<void> {
    this.dispatch({ kind, document: await fetch_json(path) } as Action);
  }

  /** Read when the stream opens, and while polling until it could be: a change of it is seen with the next opening. */
  private async ask_settings(): Promise<void> {
    if (this.state().link === 'polling' && this.state().settings !== null) return;
    this.dispatch({ kind: 'settings', document: await fetch_json('config') });
  }

  private take_snapshot(document: Snapshot): void {
    this.dispatch({ kind: 'snapshot', document, now: Date.now() });
  }
}
