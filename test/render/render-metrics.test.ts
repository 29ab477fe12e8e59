import { Registry } from 'prom-client';
import { beforeEach, describe, expect, test } from 'vitest';
import type { EngineEvent } from '../../workers/render/engine/protocol.ts';
import { BusyShare } from '../../workers/render/busy-share.ts';
import { RenderMetrics } from '../../workers/render/render-metrics.ts';

let registry: Registry;
let metrics: RenderMetrics;

beforeEach(() => {
  registry = new Registry();
  metrics = new RenderMetrics(registry, 0);
});

function stepped(samples: number, texts = { hits: 0, misses: 0 }): EngineEvent {
  return {
    kind: 'stepped',
    lane: 'pocket-base.64x64',
    ms: 250,
    maxBatchSize: 8,
    rows: 2 * samples,
    texts,
    samples: Array.from({ length: samples }, (_, n) => ({ id: String(n), call: 1, calls: 4 })),
  };
}

function aboard(doing: 'step' | 'load'): EngineEvent {
  return { kind: 'aboard', doing, model: 'pocket-base', ids: [] };
}

test('a call is counted by its samples, its rows and its duration', async () => {
  metrics.onEvent(stepped(3), 1_000);
  const text = await registry.metrics();
  for (const line of [
    'kiln_batch_samples_bucket{le="2"} 0',
    'kiln_batch_samples_bucket{le="4"} 1',
    'kiln_batch_rows_sum 6',
    'kiln_step_seconds_sum{model="pocket-base"} 0.25',
    'kiln_sample_steps_total{model="pocket-base"} 3',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});

test('prompts are counted over the lives of engines, each of which begins anew', async () => {
  metrics.onEvent(stepped(1, { hits: 2, misses: 3 }), 1);
  metrics.onEvent(stepped(1, { hits: 7, misses: 3 }), 2);
  metrics.onExit(3);
  metrics.onEvent(stepped(1, { hits: 1, misses: 1 }), 4);
  const text = await registry.metrics();
  expect(text).toContain('kiln_text_cache_hits_total 8\n');
  expect(text).toContain('kiln_text_cache_misses_total 4\n');
  expect(text).toContain('kiln_engine_exits_total 1\n');
});

test('models are counted as they come, fail and go', async () => {
  const [kind, name] = ['model', 'pocket-base'] as const;
  metrics.onEvent({ kind, name, state: 'ready', ms: 1_500, bytes: 1_000 }, 1);
  expect(await registry.metrics()).toContain('kiln_model_memory_bytes{model="pocket-base"} 1000\n');
  metrics.onEvent({ kind, name, state: 'released' }, 2);
  metrics.onEvent({ kind, name, state: 'failed', error: 'broken' }, 3);
  const text = await registry.metrics();
  expect(text).not.toContain('kiln_model_memory_bytes{');
  expect(text).toContain('kiln_model_loads_total{model="pocket-base",outcome="ready"} 1\n');
  expect(text).toContain('kiln_model_loads_total{model="pocket-base",outcome="failed"} 1\n');
});

describe('the device is busy', () => {
  test('from what the engine is about to do until it says the next thing', async () => {
    metrics.onEvent(aboard('load'), 1_000);
    metrics.onEvent(aboard('step'), 3_000);
    metrics.onEvent(stepped(1), 4_000);
    const text = await registry.metrics();
    expect(text).toContain('kiln_device_busy_seconds_total{doing="load"} 2\n');
    expect(text).toContain('kiln_device_busy_seconds_total{doing="step"} 1\n');
    expect(metrics.busyShare(10_000)).toBeCloseTo(0.3);
  });

  test('also while a long call is still under way, and no more once the engine has died', () => {
    metrics.onEvent(aboard('step'), 0);
    expect(metrics.busyShare(5_000)).toBe(1);
    metrics.onExit(5_000);
    expect(metrics.busyShare(10_000)).toBeCloseTo(0.5);
  });

  test('by the last minute alone', () => {
    const share = new BusyShare(0);
    share.worked(0, 60_000);
    expect(share.at(60_000)).toBe(1);
    expect(share.at(90_000)).toBeCloseTo(25 / 55);
    expect(share.at(200_000)).toBe(0);
    share.worked(0, 300_000);
    expect(share.at(300_000)).toBe(1);
  });
});
