/** The offline checker: pure functions over what a run left behind. It never looks at a living farm. */
import {
  acceptedJobsAreNeverLost,
  acceptedJobsCanBeReadAtOnce,
  jobsSucceedUnlessCancelled,
  oneJobPerIdempotencyKey,
  submitsAreAcceptedOrPutOff,
} from './checks/acceptance.ts';
import { endedJobsHaveADocument, lanesEndEmpty, successesAreBilledOnce } from './checks/accounts.ts';
import { cancelsAreFinal, cancelsCostAtMostOneStep } from './checks/cancels.ts';
import {
  imagesAreReadableBeforeSuccessIsVisible,
  imagesEqualThoseOfACalmRun,
  imagesMatchTheirDigests,
} from './checks/images.ts';
import {
  oneTerminalEventEach,
  oneTerminalStateEach,
  onlyLegalMoves,
  onlyTheNewestFenceCommits,
} from './checks/moves.ts';
import {
  drainsEndWithExitCodeZero,
  enginesDieWithTheirSupervisor,
  processesDieOnlyWhenKilled,
} from './checks/processes.ts';
import type { Evidence, Findings } from './evidence.ts';

const CHECKS = [
  { name: 'submits-are-accepted-or-put-off', judge: submitsAreAcceptedOrPutOff },
  { name: 'accepted-jobs-are-never-lost', judge: acceptedJobsAreNeverLost },
  { name: 'accepted-jobs-can-be-read-at-once', judge: acceptedJobsCanBeReadAtOnce },
  { name: 'jobs-succeed-unless-cancelled', judge: jobsSucceedUnlessCancelled },
  { name: 'one-job-per-idempotency-key', judge: oneJobPerIdempotencyKey },
  { name: 'only-legal-moves', judge: onlyLegalMoves },
  { name: 'one-terminal-state-each', judge: oneTerminalStateEach },
  { name: 'only-the-newest-fence-commits', judge: onlyTheNewestFenceCommits },
  { name: 'one-terminal-event-each', judge: oneTerminalEventEach },
  { name: 'images-readable-before-success', judge: imagesAreReadableBeforeSuccessIsVisible },
  { name: 'images-match-their-digests', judge: imagesMatchTheirDigests },
  { name: 'images-equal-a-calm-run', judge: imagesEqualThoseOfACalmRun },
  { name: 'successes-billed-once', judge: successesAreBilledOnce },
  { name: 'cancels-are-final', judge: cancelsAreFinal },
  { name: 'cancels-cost-at-most-one-step', judge: cancelsCostAtMostOneStep },
  { name: 'lanes-end-empty', judge: lanesEndEmpty },
  { name: 'ended-jobs-have-a-document', judge: endedJobsHaveADocument },
  { name: 'engines-die-with-their-supervisor', judge: enginesDieWithTheirSupervisor },
  { name: 'processes-die-only-when-killed', judge: processesDieOnlyWhenKilled },
  { name: 'drains-exit-zero', judge: drainsEndWithExitCodeZero },
] as const satisfies ReadonlyArray<{ name: string; judge: (evidence: Evidence) => Findings }>;

export type CheckName = (typeof CHECKS)[number]['name'] | 'negative-control';

export interface Verdict {
  readonly name: CheckName;
  readonly outcome: 'ok' | 'FAIL' | 'skipped';
  readonly detail: string;
}

const FAULTS_SHOWN = 3;

export function check(evidence: Evidence): Verdict[] {
  return CHECKS.map(({ name, judge }) => judged(name, judge(evidence)));
}

function judged(name: CheckName, { examined, of, faults }: Findings): Verdict {
  if (faults.length > 0) {
    const more = faults.length > FAULTS_SHOWN ? `; and ${faults.length - FAULTS_SHOWN} more` : '';
    const shown = faults.slice(0, FAULTS_SHOWN).join('; ');
    return { name, outcome: 'FAIL', detail: `${faults.length} faults in ${examined} ${of}: ${shown}${more}` };
  }
  if (examined === 0) return { name, outcome: 'skipped', detail: `the run had no ${of}` };
  return { name, outcome: 'ok', detail: `${examined} ${of}` };
}
