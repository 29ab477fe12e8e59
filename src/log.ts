import { pino, type Logger } from 'pino';

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
