// The pages of the dashboard. A page is one line here: its place in the address, its name, its view.
import type { ComponentType } from 'preact';
import { parse_address } from './address';
import { ComponentsPage } from './components_page';
import { EventsPage } from './events_page';
import { GpusPage } from './gpus_page';
import { LeasesPage } from './leases_page';
import { ModelsPage } from './models_page';
import { Overview } from './overview';
import { ProcessesPage } from './processes_page';
import { SystemPage } from './system_page';

export interface Page {
  path: string; // after "#/"
  title: string;
  view: ComponentType;
}

export const kPages: readonly Page[] = [
  { path: '', title: 'Overview', view: Overview },
  { path: 'gpus', title: 'GPUs', view: GpusPage },
  { path: 'leases', title: 'Leases', view: LeasesPage },
  { path: 'models', title: 'Models', view: ModelsPage },
  { path: 'components', title: 'Components', view: ComponentsPage },
  { path: 'processes', title: 'Processes', view: ProcessesPage },
  { path: 'events', title: 'Events', view: EventsPage },
  { path: 'system', title: 'System', view: SystemPage },
];

/** The page of an address like "#/events"; the first one when there is no such page. */
export function page_of(hash: string): Page {
  const { page } = parse_address(hash);
  return kPages.find((each) => each.path === page) ?? kPages[0]!;
}
