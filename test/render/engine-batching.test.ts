import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { engineSample, renderAlone, TestEngine, type EngineOptions } from '../support/engine.ts';

const engines: TestEngine[] = [];

function startEngine(options: EngineOptions = {}): TestEngine {
  const engine = new TestEngine(options);
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
});

describe('continuous batching', () => {
  const mixed = [
    engineSample('euler', { steps: 6 }),
    engineSample('ddim', { sampler: 'ddim', prompt: 'a blue cube', seed: 8, steps: 3 }),
    engineSample('pndm', { sampler: 'pndm', negativePrompt: 'night', seed: 9, guidanceScale: 7.5 }),
    engineSample('free', { sampler: 'dpmpp_2m', guidanceScale: 1, seed: 10, steps: 5 }),
    engineSample('karras', { sampler: 'dpmpp_2m_karras', seed: 11, steps: 7 }),
    engineSample('ancestral', { sampler: 'euler_a', seed: 12, steps: 5 }),
    engineSample('sde', { sampler: 'dpmpp_2m_sde', seed: 13 }),
  ];
  const alone = new Map<string, Uint8Array>();

  beforeAll(async () => {
    for (const sample of mixed) alone.set(sample.id, await renderAlone(sample));
  });

  test('samples of any settings that join at any step are the same to the bit as alone', async () => {
    const later = [...mixed];
    const engine = startEngine({
      maxBatchSize: 4,
      onEvent: (event, self) => {
        const next = event.kind === 'stepped' ? later.shift() : undefined;
        if (next !== undefined) self.add(next);
      },
    });
    engine.add(later.shift()!);
    const images = await engine.images(...mixed.map(({ id }) => id));
    for (const { id } of mixed) expect(Buffer.from(images.get(id)!.rgb).equals(alone.get(id)!)).toBe(true);
    expect(Math.max(...engine.all('stepped').map((event) => event.samples.length))).toBe(4);
  });

  test('a sample that is set aside for an interactive one goes on where it was', async () => {
    const bulk = { ...mixed[0]!, priority: 'bulk' as const };
    const quick = { ...mixed[1]!, priority: 'interactive' as const };
    const engine = startEngine({
      maxBatchSize: 1,
      onEvent: (event, self) => {
        if (event.kind === 'stepped' && self.all('stepped').length === 2) self.add(quick);
      },
    });
    engine.add(bulk);
    const images = await engine.images(bulk.id, quick.id);
    const order = engine.all('stepped').map((event) => event.samples[0]!.id);
    expect(order).toEqual([
      ...Array<string>(2).fill(bulk.id),
      ...Array<string>(3).fill(quick.id),
      ...Array<string>(4).fill(bulk.id),
    ]);
    expect(Buffer.from(images.get(bulk.id)!.rgb).equals(alone.get(bulk.id)!)).toBe(true);
  });

  test('the place of a sample that is done is filled at the very next step', async () => {
    const engine = startEngine({ maxBatchSize: 2 });
    engine.add(
      engineSample('a', { steps: 2 }),
      engineSample('b', { steps: 4 }),
      engineSample('c', { steps: 2 }),
    );
    await engine.images('a', 'b', 'c');
    const aboard = engine.all('stepped').map((event) => event.samples.map(({ id }) => id).join(''));
    expect(aboard).toEqual(['ab', 'ab', 'bc', 'bc']);
  });

  test('the average batch counts the company at each of its steps', async () => {
    const engine = startEngine({ maxBatchSize: 2 });
    engine.add(engineSample('short', { steps: 2 }), engineSample('long', { steps: 4 }));
    const images = await engine.images('short', 'long');
    expect([images.get('short')!.averageBatch, images.get('long')!.averageBatch]).toEqual([2, 1.5]);
  });

  test('samples of two sizes never share a call', async () => {
    const engine = startEngine();
    engine.add(engineSample('small'), engineSample('wide', { width: 96 }));
    await engine.images('small', 'wide');
    expect(engine.all('stepped').every((event) => event.samples.length === 1)).toBe(true);
  });

  test('a solo sample rides alone', async () => {
    const engine = startEngine();
    engine.add(engineSample('a'), engineSample('suspect', {}, { solo: true }), engineSample('b'));
    await engine.images('a', 'suspect', 'b');
    const company = engine.all('stepped').filter(({ samples }) => samples.some(({ id }) => id === 'suspect'));
    expect(company.map(({ samples }) => samples.length)).toEqual([1, 1, 1, 1]);
  });

  test('who is aboard is said before each call', async () => {
    const engine = startEngine();
    engine.add(engineSample('a', { steps: 2 }), engineSample('b', { steps: 2 }));
    await engine.images('a', 'b');
    const said = engine.events.flatMap((event) => {
      if (event.kind === 'aboard') return [`${event.doing} ${event.ids.join(' ')}`];
      return event.kind === 'stepped' || event.kind === 'image' ? [event.kind] : [];
    });
    expect(said).toEqual([
      'load a b',
      'start a',
      'start b',
      'step a b',
      'stepped',
      'step a b',
      'stepped',
      'decode a',
      'image',
      'decode b',
      'image',
    ]);
  });
});

describe('dropped samples', () => {
  test('take part in no further call', async () => {
    const engine = startEngine({
      onEvent: (event, self) => {
        if (event.kind === 'stepped' && self.all('stepped').length === 2)
          self.send({ kind: 'drop', ids: ['gone'] });
      },
    });
    engine.add(engineSample('gone', { steps: 50 }), engineSample('stays'));
    await engine.images('stays');
    expect(engine.stepsOf('gone')).toEqual([1, 2]);
    expect(engine.end('gone')).toBeUndefined();
  });

  test('are not decoded when they are dropped after their last step', async () => {
    const engine = startEngine({
      onEvent: (event, self) => {
        if (event.kind === 'stepped' && event.samples.some(({ id, call }) => id === 'gone' && call === 2)) {
          self.send({ kind: 'drop', ids: ['gone'] });
        }
      },
    });
    engine.add(engineSample('gone', { steps: 2 }), engineSample('stays'));
    await engine.images('stays');
    expect(engine.all('aboard').filter(({ doing }) => doing === 'decode')).toEqual([
      { kind: 'aboard', doing: 'decode', model: 'pocket-base', ids: ['stays'] },
    ]);
  });

  test('leave an engine that waits for work', async () => {
    const engine = startEngine();
    engine.add(engineSample('gone', { steps: 50 }));
    engine.send({ kind: 'drop', ids: ['gone'] });
    engine.add(engineSample('next'));
    await engine.images('next');
    expect(engine.stepsOf('gone')).toEqual([]);
  });
});
