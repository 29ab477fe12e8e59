/** What is asked of the processes themselves. */
import { entriesOf, type Evidence, type Findings } from '../evidence.ts';

/** An engine must not outlive its supervisor: it would hold the device, and nobody could reach it. */
export function enginesDieWithTheirSupervisor(evidence: Evidence): Findings {
  const orphans = entriesOf(evidence, 'orphan');
  const faults = orphans.flatMap(({ pid, goneMs }) =>
    goneMs === null ? [`engine ${pid} outlived its supervisor`] : [],
  );
  return { examined: orphans.length, of: 'orphaned engines', faults };
}

export function drainsEndWithExitCodeZero(evidence: Evidence): Findings {
  const drains = entriesOf(evidence, 'drain');
  const faults = drains.flatMap(({ worker, exitCode }) =>
    exitCode === 0 ? [] : [`${worker} ended with ${exitCode ?? 'a signal'}`],
  );
  return { examined: drains.length, of: 'drains', faults };
}
