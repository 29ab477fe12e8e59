/** Which models came and went, and whether the engine stayed alive: read from a worker's log. */
import { readFile } from 'node:fs/promises';
import { Type, type Static } from 'typebox';
import { Check } from 'typebox/value';

const ModelLine = Type.Object({
  msg: Type.Literal('Model changed its state'),
  time: Type.Number(),
  model: Type.Object({
    state: Type.Enum(['loading', 'ready', 'failed', 'released']),
    name: Type.String(),
    /** Of `ready`: how long the load took. */
    ms: Type.Optional(Type.Number()),
  }),
});

type ModelEvent = Static<typeof ModelLine>['model'];

const DEATH = 'Engine died';

export interface Residency {
  /** Loads of each model, in order. */
  readonly loads: ReadonlyMap<string, readonly { readonly ms: number }[]>;
  readonly failedLoads: number;
  /** The most models that were in memory at once. */
  readonly mostAtOnce: number;
  readonly engineDeaths: number;
}

export async function readResidency(logFile: string): Promise<Residency> {
  const lines = (await readFile(logFile, 'utf8')).split('\n');
  const events = lines.filter((line) => line.includes('Model changed its state')).flatMap(modelEvents);
  return { ...follow(events), engineDeaths: lines.filter((line) => line.includes(DEATH)).length };
}

function modelEvents(line: string): ModelEvent[] {
  const entry: unknown = JSON.parse(line);
  return Check(ModelLine, entry) ? [entry.model] : [];
}

function follow(events: readonly ModelEvent[]): Omit<Residency, 'engineDeaths'> {
  const loads = new Map<string, { ms: number }[]>();
  const inMemory = new Set<string>();
  let mostAtOnce = 0;
  for (const { state, name, ms = 0 } of events) {
    if (state === 'released') inMemory.delete(name);
    if (state !== 'ready') continue;
    inMemory.add(name);
    mostAtOnce = Math.max(mostAtOnce, inMemory.size);
    loads.set(name, [...(loads.get(name) ?? []), { ms }]);
  }
  return { loads, mostAtOnce, failedLoads: events.filter(({ state }) => state === 'failed').length };
}
