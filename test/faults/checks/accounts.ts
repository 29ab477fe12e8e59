/** What is counted and what is left over: usage, lanes, documents. */
import type { Evidence, Findings } from '../evidence.ts';
import { succeededJobs } from './images.ts';

/** Usage counts every success once, however many workers rendered it. */
export function successesAreBilledOnce(evidence: Evidence): Findings {
  const succeeded = succeededJobs(evidence);
  const images = succeeded.reduce((sum, job) => sum + job.record.params.seeds.length, 0);
  const { usage } = evidence.end;
  const faults: string[] = [];
  if (usage.jobs !== succeeded.length) faults.push(`${usage.jobs} jobs billed of ${succeeded.length}`);
  if (usage.images !== images) faults.push(`${usage.images} images billed of ${images}`);
  return { examined: succeeded.length, of: 'successes', faults };
}

export function lanesEndEmpty(evidence: Evidence): Findings {
  const { lanes } = evidence.end;
  const faults = lanes.flatMap(({ name, left }) => (left === 0 ? [] : [`${name} still holds ${left} jobs`]));
  return { examined: lanes.length, of: 'lanes', faults };
}

export function endedJobsHaveADocument(evidence: Evidence): Findings {
  const faults = evidence.end.jobs.flatMap(({ record, documentState }) => {
    if (documentState === record.state) return [];
    return [`${record.id} is ${record.state}, job.json says ${documentState ?? 'nothing: it is missing'}`];
  });
  return { examined: evidence.end.jobs.length, of: 'jobs', faults };
}
