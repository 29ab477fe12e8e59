/**
 * One engine and the jobs it renders: pulled, claimed, rendered, stored, committed.
 *
 *   lanes --intake--> running jobs --inputs, samples--> engine --images--> store --commit--> record
 *
 * Starting: take back what an earlier life left, start the engine, then pull. Stopping: pull no more, let running
 * jobs finish for `drainMs`, hand back the rest without using an attempt, stop the engine.
 *
 * While Redis is away the engine goes on with what it has, images are stored under their final keys, and commits
 * wait; no more jobs come in, so memory stays bounded.
 */
import type { Logger } from 'pino';
import type { Config } from '../../src/config.ts';
import { maxBatchSizeCap } from '../../src/domain/batch-limits.ts';
import type { JobRef } from '../../src/domain/job.ts';
import type { Subscription } from '../../src/queue/cancel-bus.ts';
import type { WorkerStatus } from '../../src/queue/farm-registry.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { LanePuller } from '../../src/queue/lane-puller.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { pause } from '../../src/waiting.ts';
import { Background } from './background.ts';
import { EngineKeeper } from './engine-keeper.ts';
import { EngineView, type ModelView } from './engine-view.ts';
import type { EngineEvent } from './engine/protocol.ts';
import { Intake } from './intake.ts';
import { JobEndings } from './job-endings.ts';
import { JobRuns } from './job-runs.ts';
import { keepLocks } from './lock-keeper.ts';
import { PreviewBoard } from './preview-board.ts';
import { ProgressReporter } from './progress-reporter.ts';
import type { RenderMetrics } from './render-metrics.ts';
import { RunningJobs } from './running-jobs.ts';

export interface SupervisorParts {
  readonly workerId: string;
  readonly config: Pick<
    Config,
    | 'device'
    | 'modelDirs'
    | 'dataDir'
    | 'maxBatchSize'
    | 'lockMs'
    | 'stepDeadlineMs'
    | 'drainMs'
    | 'maxLaneWaitMs'
  >;
  readonly records: JobRecords;
  readonly puller: LanePuller;
  readonly store: ObjectStore;
  /** Whether this worker takes jobs of a model; may change under way. */
  readonly isServed: (model: string) => boolean;
  readonly metrics: RenderMetrics;
  /** A model is being loaded, is ready, has failed or is gone. */
  readonly onModelChange: () => void;
  readonly subscribeCancels: (handler: (ref: JobRef) => void) => Subscription;
  readonly log: Logger;
}

export interface SupervisorStatus extends Pick<
  WorkerStatus,
  'state' | 'engine' | 'runningSamples' | 'slots' | 'stepMs' | 'busyShare'
> {
  /** By name; models that the engine has had nothing to do with are missing. */
  readonly models: ReadonlyMap<string, ModelView>;
  /** Ms a step of one sample, by engine lane. */
  readonly speeds: ReadonlyMap<string, number>;
}

/** For hand-backs and last commits, after the drain: a Redis that is away must not hold up the exit. */
const FAREWELL_MS = 5_000;

export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #jobs = new RunningJobs();
  readonly #view: EngineView;
  readonly #engine: EngineKeeper;
  readonly #runs: JobRuns;
  readonly #reporter: ProgressReporter;
  readonly #intake: Intake;
  readonly #endings: Background;
  readonly #loops: Background;
  readonly #stopIntake = new AbortController();
  readonly #stopAll = new AbortController();
  #state: SupervisorStatus['state'] = 'starting';
  #cancels: Subscription | undefined;
  #pulling: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    const { config, log } = parts;
    this.#endings = new Background();
    this.#loops = new Background();
    this.#view = new EngineView(
      config.maxBatchSize > 0 ? config.maxBatchSize : maxBatchSizeCap(config.device),
    );
    this.#engine = new EngineKeeper({
      stepDeadlineMs: config.stepDeadlineMs,
      onEvent: (event) => this.#onEvent(event),
      onExit: (exit) => {
        this.#view.onExit();
        parts.metrics.onExit(performance.now());
        this.#runs.onEngineExit(exit);
      },
      hasWork: () => this.#jobs.samplesInEngine > 0,
      log,
    });
    const board = new PreviewBoard({ records: parts.records, background: this.#loops });
    this.#runs = new JobRuns({
      jobs: this.#jobs,
      endings: new JobEndings({
        ...parts,
        folders: [...config.modelDirs, config.dataDir],
        random: Math.random,
      }),
      store: parts.store,
      background: this.#endings,
      signal: this.#stopAll.signal,
      toEngine: (command) => this.#engine.send(command),
      onProgress: (job) => this.#reporter.changed(job),
      onPreview: (job, event) => board.show(job, event),
      log,
    });
    this.#reporter = new ProgressReporter({
      ...parts,
      jobs: this.#jobs,
      onLost: (job) => this.#runs.abandon(job),
    });
    this.#intake = new Intake({
      ...parts,
      jobs: this.#jobs,
      hasRoom: () => this.#hasRoom(0),
      hasReserve: () => this.#hasRoom(this.#view.slots),
      models: {
        isServed: parts.isServed,
        loaded: this.#view.loaded,
        canAffordLoad: () => this.#view.canAffordLoad(performance.now()),
      },
      maxLaneWaitMs: config.maxLaneWaitMs,
      onJob: (job) => this.#runs.begin(job),
    });
  }

  get status(): SupervisorStatus {
    return {
      state: this.#state,
      engine: this.#engine.state,
      models: this.#view.models,
      runningSamples: this.#jobs.samplesInEngine,
      slots: this.#view.slots,
      stepMs: this.#view.stepMs,
      busyShare: this.#parts.metrics.busyShare(performance.now()),
      speeds: this.#view.speeds,
    };
  }

  /** Resolves when the engine is up and jobs are pulled, or when `stop` was called before that. */
  async start(): Promise<void> {
    const { puller, workerId, log } = this.#parts;
    await puller.start();
    const reclaimed = await puller.reclaim(workerId);
    if (reclaimed > 0) log.warn({ reclaimed }, 'Jobs of an earlier life of this worker were put back');
    this.#cancels = this.#parts.subscribeCancels((ref) => this.#runs.onCancel(ref));
    this.#loop('Keeping the engine', (signal) => this.#engine.run(signal));
    this.#loop('Keeping locks', (signal) => this.#keepLocks(signal));
    this.#loop('Reporting progress', (signal) => this.#reporter.run(signal));
    await this.#jobs.until(() => this.#engine.state === 'ready', this.#stopIntake.signal);
    if (this.#stopIntake.signal.aborted) return;
    this.#state = 'ready';
    this.#pulling = this.#intake.run(this.#stopIntake.signal);
    log.info({ workerId, device: this.#parts.config.device }, 'Worker is ready');
  }

  /** Hands over what cannot be finished in `drainMs`, then stops the engine. What Redis does not take then is
   * handed over by lock expiry. The puller and the connection stay the caller's to close; then await `ended`. */
  async stop(): Promise<void> {
    const { config, log } = this.#parts;
    this.#state = 'draining';
    this.#stopIntake.abort();
    log.info({ jobs: this.#jobs.all().length, drainMs: config.drainMs }, 'Worker is draining');
    const deadline = AbortSignal.timeout(config.drainMs);
    await Promise.race([this.#pulling, pause(config.drainMs, deadline)]);
    await this.#jobs.until(() => this.#jobs.all().length === 0, deadline);
    for (const job of this.#jobs.all()) this.#runs.end(job, { kind: 'drained' });
    await Promise.race([this.#endings.settled(), pause(FAREWELL_MS, this.#stopAll.signal)]);
    this.#cancels?.close();
    this.#stopAll.abort();
  }

  /** Resolves when nothing of this supervisor runs any more; commands that wait for Redis must have been cut off. */
  async ended(): Promise<void> {
    await Promise.all([this.#pulling, this.#endings.settled(), this.#loops.settled()]);
  }

  #onEvent(event: EngineEvent): void {
    const now = performance.now();
    this.#view.onEvent(event, now);
    this.#parts.metrics.onEvent(event, now);
    this.#runs.onEvent(event);
    if (event.kind === 'model') this.#parts.onModelChange();
    if (event.kind === 'ready' || event.kind === 'stepped') this.#jobs.touch();
  }

  /**
   * With so many samples beyond what the engine should hold. Jobs whose inputs are read and images being stored count
   * too: a slow store holds up the intake, not the memory.
   */
  #hasRoom(reserve: number): boolean {
    const { capacity } = this.#view;
    return (
      this.#engine.state === 'ready' &&
      this.#jobs.samplesToRender < capacity + reserve &&
      this.#jobs.samples < 2 * capacity + reserve
    );
  }

  #keepLocks(signal: AbortSignal): Promise<void> {
    const { puller, config, log } = this.#parts;
    const isProgressing = (): boolean => this.#engine.isProgressing;
    return keepLocks({ puller, jobs: this.#jobs, isProgressing, lockMs: config.lockMs, log }, signal);
  }

  #loop(title: string, run: (signal: AbortSignal) => Promise<void>): void {
    this.#loops.run(title, this.#parts.log, () => run(this.#stopAll.signal));
  }
}
