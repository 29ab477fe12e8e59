import { Type } from 'typebox';
import { JobFilter, JobList, JobView } from '../../src/contract/job.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { InvalidCursorError } from '../../src/queue/job-list.ts';
import type { JobReader } from '../job-reader.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { readNumbers } from '../query-numbers.ts';
import { PROBLEMS, answer } from '../schemas.ts';

const Params = Type.Object({ id: Type.String({ description: '`job_` and a UUID' }) });
const tags = ['jobs'];

type Parts = Pick<ApiParts, 'config' | 'records' | 'lanes'> & { reader: JobReader };

/** Reading, listing and cancelling jobs; all of them see the caller's own jobs only. */
export function jobRoutes(app: App, parts: Parts): void {
  readRoute(app, parts);
  listRoute(app, parts);
  cancelRoute(app, parts);
}

function readRoute(app: App, { config, reader }: Parts): void {
  const schema = {
    summary: 'One job',
    tags,
    params: Params,
    response: { 200: answer('The job as it is now', JobView), ...PROBLEMS },
  };
  app.get('/jobs/:id', { schema }, async (request) => {
    const record = await reader.record({ tenant: request.tenant, id: request.params.id });
    return reader.view(record, originOf(request, config.publicUrl));
  });
}

function listRoute(app: App, { config, records, reader }: Parts): void {
  const schema = {
    summary: 'Jobs, newest first',
    tags,
    querystring: JobFilter,
    response: { 200: answer('One page', JobList), ...PROBLEMS },
  };
  app.get('/jobs', { schema, preValidation: readNumbers }, async (request) => {
    const { limit = LIMITS.pageDefault, ...filter } = request.query;
    const page = await records.list(request.tenant, { limit, ...filter }).catch((error: unknown) => {
      throw error instanceof InvalidCursorError ? wrongCursor(error, filter.cursor) : error;
    });
    const origin = originOf(request, config.publicUrl);
    return {
      jobs: await Promise.all(page.records.map((record) => reader.view(record, origin))),
      cursor: page.cursor,
    };
  });
}

function wrongCursor(cause: InvalidCursorError, value: string | undefined): KilnError {
  const faults = [{ field: 'cursor', value, message: 'is not one that an earlier page gave' }];
  return new KilnError('invalid_request', cause.message, { faults, cause });
}

function cancelRoute(app: App, { config, records, lanes, reader }: Parts): void {
  const schema = {
    summary: 'Cancel a job',
    description: 'A running job stops before its next step. A job that has ended stays as it is.',
    tags,
    params: Params,
    response: { 200: answer('The job after it', JobView), ...PROBLEMS },
  };
  app.post('/jobs/:id/cancel', { schema }, async (request) => {
    const ref = { tenant: request.tenant, id: request.params.id };
    const before = await reader.record(ref);
    const outcome = await records.cancel(ref);
    if (outcome.kind === 'cancelled') await lanes.remove(ref, before.lane);
    const record = await reader.record(ref);
    return reader.view(record, originOf(request, config.publicUrl));
  });
}
