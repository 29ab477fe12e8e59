const FORCED_EXIT_CODE = 130;

/**
 * Resolves at the first SIGINT or SIGTERM, which asks for a clean end. The second one means now: `force` is
 * called and the process exits.
 */
export function untilStopSignal(force: () => void): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) {
        force();
        process.exit(FORCED_EXIT_CODE);
      }
      asked = true;
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
