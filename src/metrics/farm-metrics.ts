/**
 * The figures of the whole farm as Prometheus takes them. Any API answers the same, so a query over several takes
 * their `max`. Read from Redis when a collector asks, and not more often than every two seconds.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { FarmFigures, LaneFigures } from '../queue/farm-figures.ts';

const FRESH_MS = 2_000;
/** Callers can make a lane for every size; the lanes with the most jobs are named, the others counted together. */
const MAX_LANES = 50;
const OTHER_LANES = '(others)';

export interface FarmMetricsParts {
  /** Of the process that answers; the figures of the farm come beside its own. */
  readonly registry: Registry;
  readonly read: () => Promise<FarmFigures>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

export class FarmMetrics {
  readonly #parts: FarmMetricsParts;
  readonly #gauges: ReturnType<typeof farmGauges>;
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(parts: FarmMetricsParts) {
    this.#parts = parts;
    this.#gauges = farmGauges(parts.registry);
  }

  get registry(): Registry {
    return this.#parts.registry;
  }

  get contentType(): string {
    return this.#parts.registry.contentType;
  }

  /** Those of the farm and those of the process, as text. */
  async metrics(): Promise<string> {
    await this.#refresh();
    return this.#parts.registry.metrics();
  }

  /** Never rejects: without Redis the figures are missing, and `kiln_redis_up` says why. */
  async #refresh(): Promise<void> {
    if (this.#parts.now() - this.#readAt < FRESH_MS) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const figures = await this.#parts.read();
      this.#clear();
      this.#show(figures);
      this.#gauges.up.set(1);
    } catch {
      // The connection reports its outage itself; old figures would say that all is well.
      this.#clear();
      this.#gauges.up.set(0);
    }
    this.#readAt = this.#parts.now();
  }

  #clear(): void {
    for (const metric of Object.values(this.#gauges)) metric.reset();
  }

  #show({ entered, present, lanes, workers, bulks, backlogSeconds, unmeasuredJobs }: FarmFigures): void {
    const gauges = this.#gauges;
    for (const { state, kind, count } of entered) gauges.transitions.inc({ state, kind }, count);
    for (const { state, kind, count } of present) gauges.jobs.set({ state, kind }, count);
    for (const { lane, jobs, oldestSeconds, backlogSeconds: backlog } of namedLanes(lanes)) {
      gauges.laneJobs.set({ lane }, jobs);
      gauges.laneOldest.set({ lane }, oldestSeconds ?? 0);
      if (backlog !== null) gauges.laneBacklog.set({ lane }, backlog);
    }
    for (const { id, state, busyShare, runningSamples, slots } of workers) {
      gauges.workers.inc({ state });
      gauges.busy.set({ worker: id }, busyShare);
      gauges.running.set({ worker: id }, runningSamples);
      gauges.slots.set({ worker: id }, slots);
    }
    for (const [state, count] of bulks.states) gauges.bulks.set({ state }, count);
    gauges.bulkRowsWaiting.set(bulks.waitingRows);
    gauges.bulkRate.set(bulks.rowsPerMinute);
    gauges.backlog.set(backlogSeconds);
    gauges.unmeasured.set(unmeasuredJobs);
  }
}

/** The others come last, as one: all of their jobs and the longest of their waits. */
export function namedLanes(lanes: readonly LaneFigures[]): LaneFigures[] {
  const bySize = lanes.toSorted((a, b) => b.jobs - a.jobs);
  const others = bySize.slice(MAX_LANES);
  const named = bySize.slice(0, MAX_LANES);
  if (others.length === 0) return named;
  const rest: LaneFigures = {
    lane: OTHER_LANES,
    jobs: others.reduce((sum, { jobs }) => sum + jobs, 0),
    oldestSeconds: Math.max(...others.map(({ oldestSeconds }) => oldestSeconds ?? 0)),
    backlogSeconds: others.reduce((sum, { backlogSeconds }) => sum + (backlogSeconds ?? 0), 0),
  };
  return [...named, rest];
}

function farmGauges(registry: Registry) {
  const registers = [registry];
  const gauge = <const L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name, help, labelNames, registers });
  return {
    up: gauge('kiln_redis_up', '1 when the figures of the farm could be read'),
    transitions: new Counter({
      name: 'kiln_job_transitions_total',
      help: 'How often jobs have come into a state; a job that is tried again is queued again',
      labelNames: ['state', 'kind'],
      registers,
    }),
    jobs: gauge('kiln_jobs', 'Jobs that are queued or running now', ['state', 'kind']),
    laneJobs: gauge('kiln_lane_jobs', 'Jobs that wait in a lane', ['lane']),
    laneOldest: gauge('kiln_lane_oldest_seconds', 'How long the next job of a lane has waited', ['lane']),
    laneBacklog: gauge('kiln_lane_backlog_device_seconds', 'Device time that the jobs of a lane need', [
      'lane',
    ]),
    backlog: gauge(
      'kiln_backlog_device_seconds',
      'Device time that all waiting jobs and rows of bulks need, by measured speeds: what an autoscaler divides by',
    ),
    unmeasured: gauge(
      'kiln_backlog_unmeasured_jobs',
      'Waiting jobs of models that no device has run yet; they are missing in the backlog',
    ),
    workers: gauge('kiln_workers', 'Render workers that are alive', ['state']),
    busy: gauge('kiln_worker_busy_ratio', 'Share of the last minute in which the device worked', ['worker']),
    running: gauge('kiln_worker_running_samples', 'Samples in the engine of a worker', ['worker']),
    slots: gauge('kiln_worker_slots', 'Samples that the engine of a worker denoises at once', ['worker']),
    bulks: gauge('kiln_bulks', 'Bulks that are not over, by state', ['state']),
    bulkRowsWaiting: gauge('kiln_bulk_rows_waiting', 'Rows of bulks that are no jobs yet'),
    bulkRate: gauge(
      'kiln_bulk_rows_per_minute',
      'Rows of bulks that end a minute, over the last two minutes',
    ),
  };
}
