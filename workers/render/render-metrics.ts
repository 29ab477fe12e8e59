/** What a worker counts, all of it from what its engine says. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { laneModels } from '../../src/domain/lane.ts';
import { BusyShare } from './busy-share.ts';
import type { Doing, EngineEvent } from './engine/protocol.ts';

/** Up to what a large device takes; two rows a sample, when it is guided. */
const SAMPLES = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/** From the pocket model on a fast core to a large one on a slow core. */
const STEP_SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];
const LOAD_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 180];

export class RenderMetrics {
  readonly #metrics: ReturnType<typeof renderMetrics>;
  readonly #busy: BusyShare;
  /** Since when the device works, and on what; undefined while it waits. */
  #work: { readonly doing: Doing; readonly since: number } | undefined;
  #texts = { hits: 0, misses: 0 };

  /** `now` in ms of a monotonic clock. */
  constructor(registry: Registry, now: number) {
    this.#metrics = renderMetrics(registry);
    this.#busy = new BusyShare(now);
  }

  /** Share of the last minute in which the device worked. */
  busyShare(now: number): number {
    this.#settle(now, this.#work);
    return this.#busy.at(now);
  }

  onEvent(event: EngineEvent, now: number): void {
    const metrics = this.#metrics;
    // Whatever the engine says next, it is done with what it was about to do.
    this.#settle(now, undefined);
    switch (event.kind) {
      case 'aboard':
        this.#work = { doing: event.doing, since: now };
        break;
      case 'stepped':
        this.#onStep(event);
        break;
      case 'model':
        this.#onModel(event);
        break;
      case 'image':
        metrics.images.inc();
        break;
      case 'failed':
        metrics.failures.inc({ code: event.failure.code });
        break;
      case 'ready':
      case 'preview':
      case 'depth_map':
      case 'latents':
        break;
    }
  }

  onExit(now: number): void {
    this.#settle(now, undefined);
    this.#texts = { hits: 0, misses: 0 };
    this.#metrics.exits.inc();
    this.#metrics.modelBytes.reset();
  }

  #onStep({ lane, ms, samples, rows, texts }: EngineEvent & { kind: 'stepped' }): void {
    const metrics = this.#metrics;
    const model = laneModels(lane).join('/');
    metrics.samples.observe(samples.length);
    metrics.rows.observe(rows);
    metrics.stepSeconds.observe({ model }, ms / 1_000);
    metrics.sampleSteps.inc({ model }, samples.length);
    // The engine tells its totals, which begin anew with it.
    metrics.textHits.inc(Math.max(0, texts.hits - this.#texts.hits));
    metrics.textMisses.inc(Math.max(0, texts.misses - this.#texts.misses));
    this.#texts = texts;
  }

  #onModel(event: EngineEvent & { kind: 'model' }): void {
    const { name: model, state } = event;
    const { loads, loadSeconds, modelBytes } = this.#metrics;
    if (state === 'ready' || state === 'failed') loads.inc({ model, outcome: state });
    if (state === 'ready') {
      loadSeconds.observe(event.ms / 1_000);
      modelBytes.set({ model }, event.bytes);
    }
    if (state === 'released') modelBytes.remove({ model });
  }

  /** Books the work under way up to now, and what comes after it. */
  #settle(now: number, next: { readonly doing: Doing } | undefined): void {
    if (this.#work !== undefined) {
      const { doing, since } = this.#work;
      this.#busy.worked(since, now);
      this.#metrics.busySeconds.inc({ doing }, Math.max(0, now - since) / 1_000);
    }
    this.#work = next === undefined ? undefined : { doing: next.doing, since: now };
  }
}

function renderMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <const L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
  ) => new Counter<L>({ name, help, labelNames, registers });
  return {
    samples: new Histogram({
      name: 'kiln_batch_samples',
      help: 'Samples in one UNet call',
      buckets: SAMPLES,
      registers,
    }),
    rows: new Histogram({
      name: 'kiln_batch_rows',
      help: 'Rows in one UNet call: two for each guided sample',
      buckets: ROWS,
      registers,
    }),
    stepSeconds: new Histogram({
      name: 'kiln_step_seconds',
      help: 'Duration of a UNet call',
      labelNames: ['model'],
      buckets: STEP_SECONDS,
      registers,
    }),
    sampleSteps: counter('kiln_sample_steps_total', 'Steps made, one a sample in a UNet call', ['model']),
    busySeconds: counter('kiln_device_busy_seconds_total', 'Time in which the device worked', ['doing']),
    images: counter('kiln_images_rendered_total', 'Images that left the engine'),
    failures: counter('kiln_sample_failures_total', 'Samples that the engine gave up', ['code']),
    exits: counter('kiln_engine_exits_total', 'Ends of the engine process'),
    loads: counter('kiln_model_loads_total', 'Loads of models', ['model', 'outcome']),
    loadSeconds: new Histogram({
      name: 'kiln_model_load_seconds',
      help: 'Duration of loads that succeeded',
      buckets: LOAD_SECONDS,
      registers,
    }),
    modelBytes: new Gauge({
      name: 'kiln_model_memory_bytes',
      help: 'Memory of the models that are loaded, shared parts in each',
      labelNames: ['model'],
      registers,
    }),
    textHits: counter('kiln_text_cache_hits_total', 'Prompts that were encoded before'),
    textMisses: counter('kiln_text_cache_misses_total', 'Prompts that had to be encoded'),
  };
}
