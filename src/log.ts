import { pino, type Logger } from 'pino';
import type { JobRecord } from './domain/job.ts';

/** One logger a process. Secrets are redacted by path; prompts are personal data and are never logged. */
export function createLogger(name: string, level: string): Logger {
  return pino({
    name,
    level,
    redact: {
      paths: [
        'req.headers.authorization',
        'headers.authorization',
        'prompt',
        '*.prompt',
        'negativePrompt',
        '*.negativePrompt',
        // A Redis error carries the command it failed on, and `admit` has the prompt among its arguments.
        'err.command',
      ],
      censor: '[redacted]',
    },
  });
}

/** A logger whose every line names the job, the bulk it is a row of, its lane and the run. Made once a run. */
export function jobLog(log: Logger, job: Pick<JobRecord, 'id' | 'lane' | 'fence' | 'params'>): Logger {
  const { id, lane, fence, params } = job;
  const row = params.bulk === null ? {} : { bulk: params.bulk.id, row: params.bulk.row };
  return log.child({ job: id, ...row, lane, fence });
}
