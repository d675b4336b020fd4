// A document that a view asks for while it is shown, again and again.
import { useEffect, useState } from 'preact/hooks';
import { fetch_json } from './api';

export interface Fetched<T> {
  document: T | null; // the last that came
  trouble: string | null; // why the last attempt failed
}

/**
 * Asks `path` at once and then every `every_ms` while the view is shown and the page is in sight; 0
 * asks once. A null path asks nothing. `again` asks anew when it changes.
 */
export function use_fetched<T>(path: string | null, every_ms: number, again: unknown = null): Fetched<T> {
  const [fetched, set_fetched] = useState<Fetched<T> & { of: string | null }>({ of: null, document: null, trouble: null });
  useEffect(() => {
    if (path === null) return;
    let here = true;
    let timer = 0;
    const turn = async () => {
      if (!document.hidden) {
        try {
          const read = await fetch_json<T>(path);
          if (here) set_fetched({ of: path, document: read, trouble: null });
        } catch (error) {
          const trouble = (error as Error).message;
          if (here) set_fetched((old) => ({ of: path, document: old.of === path ? old.document : null, trouble }));
        }
      }
      if (here && every_ms > 0) timer = window.setTimeout(() => void turn(), every_ms);
    };
    void turn();
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [path, every_ms, again]);
  return fetched.of === path ? fetched : { document: null, trouble: null };
}
