/** Looks at a farm and its jobs, through its API. */
import { Command, Option } from 'commander';
import type { JobView } from '../../contract/job.ts';
import type { Worker } from '../../contract/worker.ts';
import { JOB_STATES } from '../../domain/job-state.ts';
import { seconds, shortPrompt } from '../demo/results.ts';
import { farmClient } from '../farm-client.ts';
import { formatTable, type Column } from '../table.ts';

const JOB_COLUMNS: ReadonlyArray<Column<JobView>> = [
  { title: 'id', align: 'left', text: ({ id }) => id },
  { title: 'state', align: 'left', text: ({ state }) => state },
  { title: 'kind', align: 'left', text: ({ request }) => request.kind },
  { title: 'step', align: 'right', text: ({ progress }) => `${progress.step}/${progress.steps}` },
  { title: 'queued', align: 'right', text: ({ timings }) => seconds(timings.queue_ms) },
  { title: 'rendered', align: 'right', text: ({ timings }) => seconds(timings.render_ms) },
  { title: 'prompt', align: 'left', text: shortPrompt },
];

const WORKER_COLUMNS: ReadonlyArray<Column<Worker>> = [
  { title: 'id', align: 'left', text: ({ id }) => id },
  { title: 'device', align: 'left', text: ({ device }) => device },
  { title: 'state', align: 'left', text: ({ state, engine }) => (state === 'ready' ? engine : state) },
  { title: 'samples', align: 'right', text: (worker) => `${worker.running_samples}/${worker.slots}` },
  { title: 'busy', align: 'right', text: (worker) => `${Math.round(worker.busy_share * 100)} %` },
  { title: 'step', align: 'right', text: (worker) => stepText(worker.step_ms) },
  { title: 'in memory', align: 'left', text: ({ models }) => models.join(', ') || '-' },
];

export function jobsCommand(): Command {
  return new Command('jobs')
    .description('the newest jobs')
    .addOption(new Option('--state <state>').choices(JOB_STATES))
    .option('--limit <count>', 'the newest so many', '20')
    .action(async ({ state, limit }: { state?: string; limit: string }) => {
      const jobs = await farmClient(process.env).jobs(Number(limit), state);
      console.log(jobs.length === 0 ? 'There are no jobs' : formatTable(JOB_COLUMNS, jobs));
    });
}

export function cancelCommand(): Command {
  return new Command('cancel')
    .description('cancel jobs and bulks')
    .argument('<id...>')
    .action(async (ids: string[]) => {
      const client = farmClient(process.env);
      for (const id of ids) {
        const { state } = id.startsWith('bulk_') ? await client.cancelBulk(id) : await client.cancel(id);
        console.log(`${id} ${state}`);
      }
    });
}

export function workersCommand(): Command {
  return new Command('workers').description('the render workers that are alive').action(async () => {
    const workers = await farmClient(process.env).workers();
    console.log(workers.length === 0 ? 'There are no workers' : formatTable(WORKER_COLUMNS, workers));
  });
}

function stepText(ms: number | null): string {
  return ms === null ? '-' : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
