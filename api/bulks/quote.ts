/** What a bulk would cost, and when it would be done. */
import type { CheckReport, LaneCost } from '../../src/bulk-file/check-host.ts';
import type { BulkUpload } from '../../src/contract/bulk-upload.ts';
import { deviceSeconds, type Speeds } from '../../src/domain/device-time.ts';
import { isoTime } from '../../src/view/job-view.ts';

const SHOWN_LANES = 16;

export interface FarmNow {
  readonly speeds: Speeds;
  /** Device time that everything which waits needs. */
  readonly backlogSeconds: number;
  readonly workers: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function quoteOf(
  { images, costs }: Pick<CheckReport, 'images' | 'costs'>,
  { speeds, backlogSeconds, workers, now }: FarmNow,
): BulkUpload['quote'] {
  const unmeasured = costs.filter((cost) => secondsOf(cost, speeds) === null);
  const sum = costs.reduce((total, cost) => total + (secondsOf(cost, speeds) ?? 0), 0);
  const seconds = unmeasured.length === 0 ? sum : null;
  const isKnown = seconds !== null && workers > 0;
  return {
    images,
    device_seconds: seconds === null ? null : rounded(seconds),
    backlog_seconds: rounded(backlogSeconds),
    workers,
    finish_at: isKnown ? isoTime(Math.round(now + ((backlogSeconds + seconds) / workers) * 1_000)) : null,
    unmeasured: unmeasured.slice(0, SHOWN_LANES).map(({ lane }) => lane),
  };
}

function secondsOf({ lane, sampleSteps }: LaneCost, speeds: Speeds): number | null {
  return deviceSeconds(lane, sampleSteps, speeds);
}

function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
