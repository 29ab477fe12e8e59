/** What the engines of a farm did, UNet call by UNet call: read from the debug logs of their supervisors. */
import { readFileSync } from 'node:fs';
import { Type } from 'typebox';
import { Check } from 'typebox/value';
import type { Farm } from './farm.ts';

export interface EngineStep {
  /** End of the UNet call, as the supervisor heard of it; milliseconds since the epoch. */
  readonly at: number;
  readonly ms: number;
  readonly worker: string;
  /** One a sample: `<job>/<fence>/<n>`. */
  readonly samples: readonly string[];
}

const StepLine = Type.Object({
  msg: Type.Literal('Engine made a step'),
  time: Type.Number(),
  ms: Type.Number(),
  samples: Type.Array(Type.String()),
});

/** In order of time. The farm must have run with KILN_LOG_LEVEL=debug. */
export function engineSteps({ supervisors }: Pick<Farm, 'supervisors'>): EngineStep[] {
  const steps: EngineStep[] = [];
  for (const { name: worker, logFile } of supervisors) {
    for (const line of readFileSync(logFile, 'utf8').split('\n')) {
      if (!line.includes('Engine made a step')) continue;
      const entry: unknown = JSON.parse(line);
      if (Check(StepLine, entry)) {
        steps.push({ at: entry.time, ms: entry.ms, worker, samples: entry.samples });
      }
    }
  }
  return steps.toSorted((a, b) => a.at - b.at);
}

export function jobOf(sample: string): string {
  return sample.split('/')[0] ?? sample;
}
