// The state of this page, shared by its views.
import { useEffect, useState } from 'preact/hooks';
import { kStart, reduce, type Action, type State } from './state';

let state = kStart;
const listeners = new Set<() => void>();

export function current_state(): State {
  return state;
}

export function dispatch(action: Action): void {
  state = reduce(state, action);
  for (const listener of listeners) listener();
}

/** The state; the view is drawn again when it changes. */
export function use_state(): State {
  const [, draw] = useState(state);
  useEffect(() => {
    const listener = () => draw(state);
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return state;
}

/** The page's clock in ms, again every second: ages grow although nothing comes in. */
export function use_now(): number {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return Date.now();
}
