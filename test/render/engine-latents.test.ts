import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { latentsFacts } from '../../src/latents-facts.ts';
import type { EngineSample } from '../../workers/render/engine/sample-message.ts';
import { modelFiles, sampleOfKind, TestEngine, type EventOf } from '../support/engine.ts';
import { writeTinyModel } from '../support/tiny-models.ts';

let dir: string;
let engine: TestEngine;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-tiny-'));
  await writeTinyModel(join(dir, 'tiny-base'), 'base');
  engine = new TestEngine({ models: modelFiles(dir) });
});
afterAll(async () => {
  await engine.stop();
  await rm(dir, { recursive: true });
});

const REQUEST = { kind: 'txt2img', steps: 5, sampler: 'euler_a' } as const;

function sample(id: string, rest: Partial<EngineSample> = {}): EngineSample {
  return sampleOfKind(id, REQUEST, { model: 'tiny-base', ...rest });
}

async function latentsOf(id: string): Promise<EventOf<'latents'>> {
  const found = (): EventOf<'latents'> | undefined => engine.all('latents').find((event) => event.id === id);
  await engine.until(() => found() !== undefined);
  return found()!;
}

describe('a sample that stops early', () => {
  test('gives its latents instead of an image, and another goes on to the same image', async () => {
    engine.add(sample('whole'), sample('first', { endStep: 2 }), sample('other'));
    const { file, averageBatch } = await latentsOf('first');
    expect(latentsFacts(file)).toMatchObject({ step: 2, calls: 5, model: 'tiny-base' });
    expect(averageBatch).toBe(3);
    engine.add(sample('rest', { inputs: { latents: file } }));
    const images = await engine.images('whole', 'rest');
    expect(Buffer.from(images.get('rest')!.rgb).equals(images.get('whole')!.rgb)).toBe(true);
    // Its calls are counted from where it begins.
    const steps = engine.all('stepped').flatMap(({ samples }) => samples.filter(({ id }) => id === 'rest'));
    expect(steps.map(({ call, calls }) => `${call}/${calls}`)).toEqual(['1/3', '2/3', '3/3']);
    expect(engine.end('first')).toBeUndefined();
  });

  test('after its last step leaves nothing but the decoding to do', async () => {
    engine.add(sample('all', { endStep: 5 }), sample('decoded'));
    const { file } = await latentsOf('all');
    engine.add(sample('only decode', { inputs: { latents: file } }));
    const images = await engine.images('decoded', 'only decode');
    expect(images.get('only decode')).toMatchObject({ averageBatch: 1 });
    expect(Buffer.from(images.get('only decode')!.rgb).equals(images.get('decoded')!.rgb)).toBe(true);
    expect(engine.stepsOf('only decode')).toEqual([]);
  });

  test('is refused where there is no such step', async () => {
    engine.add(sample('beyond', { endStep: 6 }), sample('blind', { inputs: { latents: new Uint8Array(9) } }));
    expect(await engine.failure('beyond')).toMatchObject({
      code: 'request_refused',
      message: expect.stringContaining('end_step is 6, but must be from 1 to 5'),
    });
    expect(await engine.failure('blind')).toMatchObject({ code: 'request_refused' });
  });
});
