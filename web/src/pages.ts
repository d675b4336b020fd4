// The pages of the dashboard. A page is one line here: its place in the address, its name, its view.
import type { ComponentType } from 'preact';
import { EventsPage } from './events_page';
import { Overview } from './overview';
import { SystemPage } from './system_page';

export interface Page {
  path: string; // after "#/"
  title: string;
  view: ComponentType;
}

export const kPages: readonly Page[] = [
  { path: '', title: 'Overview', view: Overview },
  { path: 'events', title: 'Events', view: EventsPage },
  { path: 'system', title: 'System', view: SystemPage },
];

/** The page of an address like "#/events"; the first one when there is no such page. */
export function page_of(hash: string): Page {
  const path = hash.replace(/^#\/?/, '').split(/[?/]/)[0];
  return kPages.find((page) => page.path === path) ?? kPages[0]!;
}
