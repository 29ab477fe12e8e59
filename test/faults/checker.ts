/** The offline checker: pure functions over what a run left behind. It never looks at a living farm. */
import {
  acceptedJobsAreNeverLost,
  acceptedJobsCanBeReadAtOnce,
  jobsSucceedUnlessCancelled,
  oneJobPerIdempotencyKey,
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
import { drainsEndWithExitCodeZero, enginesDieWithTheirSupervisor } from './checks/processes.ts';
import type { Evidence, Findings } from './evidence.ts';

const CHECKS = {
  'accepted-jobs-are-never-lost': acceptedJobsAreNeverLost,
  'accepted-jobs-can-be-read-at-once': acceptedJobsCanBeReadAtOnce,
  'jobs-succeed-unless-cancelled': jobsSucceedUnlessCancelled,
  'one-job-per-idempotency-key': oneJobPerIdempotencyKey,
  'only-legal-moves': onlyLegalMoves,
  'one-terminal-state-each': oneTerminalStateEach,
  'only-the-newest-fence-commits': onlyTheNewestFenceCommits,
  'one-terminal-event-each': oneTerminalEventEach,
  'images-readable-before-success': imagesAreReadableBeforeSuccessIsVisible,
  'images-match-their-digests': imagesMatchTheirDigests,
  'images-equal-a-calm-run': imagesEqualThoseOfACalmRun,
  'successes-billed-once': successesAreBilledOnce,
  'cancels-are-final': cancelsAreFinal,
  'cancels-cost-at-most-one-step': cancelsCostAtMostOneStep,
  'lanes-end-empty': lanesEndEmpty,
  'ended-jobs-have-a-document': endedJobsHaveADocument,
  'engines-die-with-their-supervisor': enginesDieWithTheirSupervisor,
  'drains-exit-zero': drainsEndWithExitCodeZero,
} as const satisfies Record<string, (evidence: Evidence) => Findings>;

export type CheckName = keyof typeof CHECKS | 'negative-control';

export interface Verdict {
  readonly name: CheckName;
  readonly outcome: 'ok' | 'FAIL' | 'skipped';
  readonly detail: string;
}

const FAULTS_SHOWN = 3;

export function check(evidence: Evidence): Verdict[] {
  return Object.entries(CHECKS).map(([name, judge]) => judged(name as keyof typeof CHECKS, judge(evidence)));
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
