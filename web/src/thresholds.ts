// Where pressure changes: the lines that the charts and bars show.
import { list, number, type Maybe } from './api';
import type { Mark } from './plot';
import type { State } from './state';

/** The line of the level in force, in percent; null when there is none. */
export function threshold_of(state: State, resource: string, device: Maybe<string>): number | null {
  const found = list(state.pressure).find(
    (each) => each.resource === resource && (each.device ?? null) === (device ?? null) && each.unit !== 'celsius',
  );
  const threshold = number(found?.threshold);
  return threshold !== null && threshold > 0 && threshold <= 100 ? threshold : null;
}

const kLevels = ['warning', 'critical', 'emergency'];

/**
 * All lines of one resource in its own unit (percent, °C), as configured; where the configuration
 * cannot be read, the one in force.
 */
export function marks_of(state: State, resource: string, device: Maybe<string>): Mark[] {
  const marks: Mark[] = [];
  for (const level of kLevels) {
    const setting = state.settings?.find((each) => each.key === `pressure.${resource}.${level}`);
    const value = parseFloat(String(setting?.value ?? ''));
    if (Number.isFinite(value) && value > 0) marks.push({ value, label: level });
  }
  if (marks.length > 0) return marks;
  const threshold = threshold_of(state, resource, device);
  return threshold === null ? [] : [{ value: threshold, label: '' }];
}
