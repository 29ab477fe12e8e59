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
  const faults = drains.flatMap(({ process, exitCode }) =>
    exitCode === 0 ? [] : [`${process} ended with ${exitCode ?? 'a signal'}`],
  );
  return { examined: drains.length, of: 'drains', faults };
}

/** An outage of one part is no reason for another to die. */
export function processesDieOnlyWhenKilled(evidence: Evidence): Findings {
  const faults = entriesOf(evidence, 'death').map(({ process, how }) => `${process} died of itself (${how})`);
  const examined = entriesOf(evidence, 'roll_call').reduce((sum, entry) => sum + entry.processes, 0);
  return { examined, of: 'processes', faults };
}
