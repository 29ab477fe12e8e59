/**
 * Preloaded into the processes of a farm: when the one that started them is gone, they stop too. They live in
 * process groups of their own (Ctrl-C must reach them in order), so nothing else would end them.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
