/** The hand that breaks things: carries a plan's faults out on living processes, and brings back what died. */
import { setTimeout as pause } from 'node:timers/promises';
import { isTerminal } from '../../src/domain/job-state.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { Farm } from '../support/farm.ts';
import { childrenOf, untilGone, type FarmProcess } from '../support/processes.ts';
import { allRecords } from './collect.ts';
import type { History } from './history.ts';
import type { Fault } from './plan.ts';

const ORPHAN_LIMIT_MS = 10_000;
const SHAKEN_LIMIT_MS = 20_000;
const IDLE_LIMIT_MS = 2_000;
const POLL_MS = 50;
const RESTARTS = 20;
const RESTART_PAUSE_MS = 500;

export interface InjectorParts {
  readonly farm: Farm;
  readonly records: JobRecords;
  readonly history: History;
}

export class Injector {
  readonly #farm: Farm;
  readonly #records: JobRecords;
  readonly #history: History;
  /** Jobs that ran when an engine was killed. */
  readonly #shaken = new Set<string>();

  constructor({ farm, records, history }: InjectorParts) {
    this.#farm = farm;
    this.#records = records;
    this.#history = history;
  }

  /** Faults of different targets may overlap, those of one target never do. Resolves when all is repaired. */
  async injectAll(faults: readonly Fault[]): Promise<void> {
    const lastOf = new Map<string, Promise<void>>();
    for (const fault of faults) {
      const before = targetsOf(fault).map((target) => lastOf.get(target));
      const done = Promise.all([...before, pause(fault.atMs)]).then(() => this.#inject(fault));
      for (const target of targetsOf(fault)) lastOf.set(target, done);
    }
    await Promise.all(lastOf.values());
  }

  /** A process that died without being asked to is a finding; it is started again so that the run can end. */
  async expectAlive(process: FarmProcess): Promise<void> {
    if (process.isRunning) return;
    const { code, signal } = await process.exited();
    this.#history.add({ kind: 'death', process: process.name, how: String(code ?? signal) });
    await restart(process);
  }

  async #inject(fault: Fault): Promise<void> {
    if (fault.kind === 'engine_kill' && !(await this.#shakenJobsEnd())) {
      this.#history.add({ kind: 'fault', fault, phase: 'skipped' });
      return;
    }
    this.#history.add({ kind: 'fault', fault, phase: 'begin' });
    await this.#carryOut(fault);
    this.#history.add({ kind: 'fault', fault, phase: 'end' });
  }

  async #carryOut(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case 'api_kill':
        return this.#killApi();
      case 'redis_kill':
        await this.#farm.redis.kill('SIGKILL');
        await pause(fault.forMs);
        return this.#farm.redis.restart();
      case 'engine_kill':
        return this.#killEngine(await this.#supervisor(fault.supervisor));
      case 'supervisor_kill':
        return this.#killSupervisor(await this.#supervisor(fault.supervisor));
      case 'supervisor_drain':
        return this.#drain(await this.#supervisor(fault.supervisor));
      case 'supervisor_freeze':
        return this.#freeze(await this.#supervisor(fault.supervisor), fault);
    }
  }

  async #killApi(): Promise<void> {
    const { api } = this.#farm;
    await this.expectAlive(api);
    api.signal('SIGKILL');
    await api.exited();
    await restart(api);
  }

  async #killEngine(supervisor: FarmProcess): Promise<void> {
    await this.#noteRunningJobs();
    for (const pid of await childrenOf(supervisor.pid)) process.kill(pid, 'SIGKILL');
    await this.#noteRunningJobs();
  }

  async #killSupervisor(supervisor: FarmProcess): Promise<void> {
    const engines = await childrenOf(supervisor.pid);
    supervisor.signal('SIGKILL');
    await supervisor.exited();
    for (const pid of engines) {
      this.#history.add({ kind: 'orphan', pid, goneMs: await untilGone(pid, ORPHAN_LIMIT_MS) });
    }
    await restart(supervisor);
  }

  async #freeze(supervisor: FarmProcess, { until, forMs }: FaultOf<'supervisor_freeze'>): Promise<void> {
    supervisor.signal('SIGSTOP');
    const held = await this.#jobsOf(supervisor);
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      await pause(POLL_MS);
      const stillHeld = await this.#jobsOf(supervisor);
      if (until === 'takeover' && held.some((id) => !stillHeld.includes(id))) break;
    }
    supervisor.signal('SIGCONT');
  }

  async #drain(supervisor: FarmProcess): Promise<void> {
    const exit = await supervisor.stop();
    this.#history.add({ kind: 'drain', process: supervisor.name, exitCode: exit?.code ?? null });
    await restart(supervisor);
  }

  async #supervisor(index: number): Promise<FarmProcess> {
    const supervisor = this.#farm.supervisors[index];
    if (supervisor === undefined)
      throw new Error(`the plan names supervisor ${index}, the farm has none such`);
    await this.expectAlive(supervisor);
    await this.#untilAtWork(supervisor);
    return supervisor;
  }

  /** A fault that finds its victim idle proves little, so it waits a while for work to arrive. */
  async #untilAtWork(supervisor: FarmProcess): Promise<void> {
    const end = performance.now() + IDLE_LIMIT_MS;
    while ((await this.#jobsOf(supervisor)).length === 0 && performance.now() < end) await pause(POLL_MS);
  }

  /** Ids of the jobs that it runs, as far as their records know. */
  async #jobsOf(supervisor: FarmProcess): Promise<string[]> {
    const running = await allRecords(this.#records, 'running');
    // A worker's id ends with its process id.
    return running.filter(({ worker }) => worker?.endsWith(`-${supervisor.pid}`)).map(({ id }) => id);
  }

  async #noteRunningJobs(): Promise<void> {
    for (const record of await allRecords(this.#records, 'running')) this.#shaken.add(record.id);
  }

  /**
   * A job whose engine died twice while it was alone is failed as poison, and rightly so. No innocent job shall
   * look like one: the next engine is killed only when all that the last kill shook have ended.
   */
  async #shakenJobsEnd(): Promise<boolean> {
    const end = performance.now() + SHAKEN_LIMIT_MS;
    for (;;) {
      const records = await allRecords(this.#records);
      if (!records.some(({ id, state }) => this.#shaken.has(id) && !isTerminal(state))) return true;
      if (performance.now() > end) return false;
      await pause(POLL_MS);
    }
  }
}

type FaultOf<Kind extends Fault['kind']> = Extract<Fault, { kind: Kind }>;

/** Engine kills also wait for each other, whichever supervisor they are of. */
function targetsOf(fault: Fault): string[] {
  switch (fault.kind) {
    case 'api_kill':
    case 'redis_kill':
      return [fault.kind];
    case 'engine_kill':
      return [`supervisor ${fault.supervisor}`, 'engines'];
    case 'supervisor_kill':
    case 'supervisor_freeze':
    case 'supervisor_drain':
      return [`supervisor ${fault.supervisor}`];
  }
}

/** As an orchestrator does: a process that cannot start, because Redis is away, is started again. */
async function restart(process: FarmProcess): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await process.start();
      return;
    } catch (error) {
      if (attempt === RESTARTS) throw error;
      await pause(RESTART_PAUSE_MS);
    }
  }
}
