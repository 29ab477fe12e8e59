/** What the engines did, UNet call by UNet call: read from the debug logs of their supervisors. */
import { readFileSync } from 'node:fs';
import type { Farm } from '../support/farm.ts';

export interface EngineStep {
  readonly at: number;
  readonly worker: string;
  /** Jobs, not samples. */
  readonly ids: readonly string[];
}

/** The line a supervisor logs for each UNet call, at level debug. */
const STEP_MESSAGE = 'Engine made a step';

export function engineSteps(farm: Farm): EngineStep[] {
  return farm.supervisors
    .flatMap((supervisor) =>
      readFileSync(supervisor.logFile, 'utf8')
        .split('\n')
        .filter((line) => line.includes(STEP_MESSAGE))
        .map((line) => toStep(supervisor.name, JSON.parse(line))),
    )
    .toSorted((a, b) => a.at - b.at);
}

/** A sample's id is `<job>/<fence>/<n>`. */
function toStep(worker: string, line: { time: number; samples: string[] }): EngineStep {
  const ids = line.samples.map((sample) => sample.split('/')[0] ?? sample);
  return { at: line.time, worker, ids: [...new Set(ids)] };
}
