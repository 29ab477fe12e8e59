import { expect, test } from 'vitest';
import { awaitsLoad, orderLanes, type LaneFacts } from '../../workers/render/lane-order.ts';

const MAX_WAIT_MS = 1_000;

function facts(known: Partial<LaneFacts> = {}): LaneFacts {
  return {
    loaded: new Set(),
    running: new Set(),
    sincePull: () => Infinity,
    maxWaitMs: MAX_WAIT_MS,
    canAffordLoad: true,
    ...known,
  };
}

/** Lanes with how long their oldest job has waited. */
function order(
  waiting: Record<string, number>,
  known: LaneFacts,
  interactive: ReadonlySet<string> = new Set(),
): string[] {
  const lanes = Object.entries(waiting).map(([lane, waitedMs]) => ({
    lane,
    waitedMs,
    isInteractive: interactive.has(lane),
  }));
  return orderLanes(lanes, known);
}

test('a lane whose samples are in the engine goes before one whose model is loaded, and that before a cold one', () => {
  const known = facts({ loaded: new Set(['warm']), running: new Set(['warm.128x128']) });
  const waiting = { 'cold.64x64': 30, 'warm.64x64': 20, 'warm.128x128': 10 };
  expect(order(waiting, known)).toEqual(['warm.128x128', 'warm.64x64', 'cold.64x64']);
});

test('among lanes of equal warmth the longest wait goes first', () => {
  expect(order({ 'a.64x64': 1, 'b.64x64': 2 }, facts())).toEqual(['b.64x64', 'a.64x64']);
});

test('a two-stage lane is cold until both of its models are loaded', () => {
  const waiting = { 'base/upscaler.64x64': 2, 'base.64x64': 1 };
  expect(order(waiting, facts({ loaded: new Set(['base']) }))[0]).toBe('base.64x64');
  expect(order(waiting, facts({ loaded: new Set(['base', 'upscaler']) }))[0]).toBe('base/upscaler.64x64');
});

test('a lane with an interactive job goes before those in the engine, unless one of these has one too', () => {
  const known = facts({ loaded: new Set(['warm']), running: new Set(['warm.64x64']) });
  const waiting = { 'warm.64x64': 20, 'warm.128x128': 1, 'cold.64x64': 2 };
  expect(order(waiting, known, new Set(['warm.128x128']))[0]).toBe('warm.128x128');
  expect(order(waiting, known, new Set(['cold.64x64']))[0]).toBe('cold.64x64');
  expect(order(waiting, { ...known, canAffordLoad: false }, new Set(['cold.64x64'])).at(-1)).toBe(
    'cold.64x64',
  );
  expect(order(waiting, known, new Set(Object.keys(waiting)))[0]).toBe('warm.64x64');
});

test('a cold lane that has waited too long has its turn', () => {
  const known = facts({ loaded: new Set(['warm']), running: new Set(['warm.64x64']) });
  expect(order({ 'warm.64x64': 5_000, 'cold.64x64': MAX_WAIT_MS }, known)[0]).toBe('warm.64x64');
  const justPulled = { ...known, sincePull: (lane: string) => (lane === 'warm.64x64' ? 1 : Infinity) };
  expect(order({ 'warm.64x64': 5_000, 'cold.64x64': MAX_WAIT_MS + 1 }, justPulled)[0]).toBe('cold.64x64');
});

test('a turn that costs a load waits until loads are affordable', () => {
  const known = facts({
    loaded: new Set(['warm']),
    sincePull: (lane) => (lane === 'warm.64x64' ? 1 : Infinity),
    canAffordLoad: false,
  });
  expect(order({ 'warm.64x64': 10, 'cold.64x64': 60_000 }, known)).toEqual(['warm.64x64', 'cold.64x64']);
});

test('of lanes that have waited too long the one neglected for longest goes first, whatever its jobs have waited', () => {
  const sincePull = (lane: string): number => (lane === 'a.64x64' ? 2_000 : Infinity);
  expect(order({ 'a.64x64': 3_600_000, 'b.64x64': 3_000 }, facts({ sincePull }))).toEqual([
    'b.64x64',
    'a.64x64',
  ]);
});

/**
 * A model of the whole policy: a device that holds three models, a job takes one tick and a load ten, and twenty lanes
 * with a backlog that never ends. Nothing here is timed.
 */
test('with twenty lanes and room for three models every lane has its turns, and loads do not eat up the device', () => {
  const LOAD = 10;
  const lanes = Array.from({ length: 20 }, (_, n) => `model-${n}.64x64`);
  const pulledAt = new Map<string, number>();
  const jobs = new Map(lanes.map((lane) => [lane, 0]));
  let loaded: string[] = [];
  let [now, loads, paidAt] = [0, 0, 0];
  while (now < 20_000) {
    const [lane = ''] = order(
      Object.fromEntries(lanes.map((name) => [name, now])),
      facts({
        loaded: new Set(loaded),
        sincePull: (name) => now - (pulledAt.get(name) ?? -Infinity),
        maxWaitMs: 100,
        canAffordLoad: now >= paidAt,
      }),
    );
    const model = lane.replace('.64x64', '');
    if (!loaded.includes(model)) {
      loaded = [...loaded.slice(-2), model];
      loads++;
      now += LOAD;
      paidAt = now + 4 * LOAD;
    } else loaded = [...loaded.filter((name) => name !== model), model];
    pulledAt.set(lane, now);
    jobs.set(lane, (jobs.get(lane) ?? 0) + 1);
    now += 1;
  }
  expect(Math.min(...jobs.values())).toBeGreaterThanOrEqual(Math.floor(20_000 / (20 * 5 * LOAD)) - 1);
  expect(loads * LOAD).toBeLessThanOrEqual(20_000 / 4);
});

test('a load is awaited while a lane in the engine has a model that is not loaded', () => {
  const running = new Set(['a.64x64']);
  expect(awaitsLoad({ loaded: new Set(), running })).toBe(true);
  expect(awaitsLoad({ loaded: new Set(['a']), running })).toBe(false);
});
