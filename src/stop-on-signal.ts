import process from 'node:process';
import type { Logger } from 'pino';

/**
 * SIGTERM or SIGINT ends the process in good order: `stop` is called once, then the exit code is 0. A stop that fails,
 * that takes longer than `deadlineMs`, or a second signal ends it at once with code 1.
 */
export function stopOnSignal(options: {
  readonly log: Logger;
  readonly deadlineMs: number;
  readonly stop: () => Promise<void>;
}): void {
  const { log, deadlineMs, stop } = options;
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'second signal, ending at once');
      process.exit(1);
    }
    stopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error({ deadlineMs }, 'not stopped in time, ending anyway');
      process.exit(1);
    }, deadlineMs).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stop failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
