// What the address after "#" says: the page, the section to show, and how its view is set.
// Every view has an address of its own: "#/processes?sort=mem&unbooked=1".
import { useEffect, useState } from 'preact/hooks';

export interface Address {
  page: string; // "gpus"; "" is the first page
  section: string | null; // "#/system/memory"
  query: URLSearchParams;
}

export function parse_address(hash: string): Address {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page = '', section] = path.split('/');
  return { page, section: section || null, query: new URLSearchParams(query) };
}

/** The address with one setting changed; null takes it out. */
export function address_with(hash: string, name: string, value: string | null): string {
  const { page, section, query } = parse_address(hash);
  if (value === null || value === '') query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  return `#/${page}${section ? `/${section}` : ''}${text ? `?${text}` : ''}`;
}

/**
 * One setting of this view and how to change it. It is kept in the address without a new entry in
 * the browser's history: the way back leads to another page, not through every key pressed.
 */
export function use_setting(name: string, otherwise: string): [string, (value: string) => void] {
  const read = () => parse_address(location.hash).query.get(name);
  const [value, set_value] = useState(read);
  useEffect(() => {
    const turn = () => set_value(read());
    addEventListener('hashchange', turn);
    addEventListener('headroom-setting', turn);
    return () => {
      removeEventListener('hashchange', turn);
      removeEventListener('headroom-setting', turn);
    };
  }, [name]);
  const change = (to: string) => {
    history.replaceState(null, '', address_with(location.hash, name, to === otherwise ? null : to));
    dispatchEvent(new Event('headroom-setting'));
  };
  return [value ?? otherwise, change];
}
