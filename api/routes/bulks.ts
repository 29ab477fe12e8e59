import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { BulkFilter, BulkList, BulkView } from '../../src/contract/bulk.ts';
import type { Bulk, BulkRef } from '../../src/domain/bulk.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { cancelBulk, pauseBulk, resumeBulk } from '../../src/queue/bulk-control.ts';
import type { BulkOutcome } from '../../src/queue/bulk-records.ts';
import { InvalidCursorError } from '../../src/queue/job-list.ts';
import type { BulkReader } from '../bulk-reader.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { readNumbers } from '../query-numbers.ts';
import { PROBLEMS, answer } from '../schemas.ts';

const Params = Type.Object({ id: Type.String({ description: '`bulk_` and a UUID' }) });
const tags = ['bulks'];

type Parts = Pick<ApiParts, 'config' | 'bulks' | 'records' | 'lanes'> & { readonly bulkReader: BulkReader };

/** Reading and steering bulks; all of them see the caller's own only. */
export function bulkRoutes(app: App, parts: Parts): void {
  readRoute(app, parts);
  listRoute(app, parts);
  for (const command of commandsOf(parts)) commandRoute(app, parts, command);
}

function readRoute(app: App, { config, bulkReader }: Parts): void {
  const schema = {
    summary: 'One bulk',
    description: 'Its counts are exact at every moment, and add up to its rows.',
    tags,
    params: Params,
    response: { 200: answer('The bulk as it is now', BulkView), ...PROBLEMS },
  };
  app.get('/bulks/:id', { schema }, async (request) => {
    const bulk = await bulkReader.bulk(refOf(request, request.params.id));
    return bulkReader.view(bulk, originOf(request, config.publicUrl));
  });
}

function listRoute(app: App, { config, bulks, bulkReader }: Parts): void {
  const schema = {
    summary: 'Bulks, newest first',
    tags,
    querystring: BulkFilter,
    response: { 200: answer('One page', BulkList), ...PROBLEMS },
  };
  app.get('/bulks', { schema, preValidation: readNumbers }, async (request) => {
    const { limit = LIMITS.pageDefault, ...filter } = request.query;
    const page = await bulks.list(request.tenant, { limit, ...filter }).catch((error: unknown) => {
      throw error instanceof InvalidCursorError ? wrongCursor(error, filter.cursor) : error;
    });
    const origin = originOf(request, config.publicUrl);
    return {
      bulks: await Promise.all(page.bulks.map((bulk) => bulkReader.view(bulk, origin))),
      cursor: page.cursor,
    };
  });
}

interface Command {
  readonly name: 'pause' | 'resume' | 'cancel' | 'retry';
  readonly summary: string;
  readonly description: string;
  readonly run: (ref: BulkRef) => Promise<BulkOutcome<object>>;
}

function commandsOf(parts: Parts): Command[] {
  return [
    {
      name: 'pause',
      summary: 'Pause a bulk',
      description:
        'No more of its rows start; those that run end. Others have its share of the farm meanwhile.',
      run: (ref) => pauseBulk(parts, ref),
    },
    {
      name: 'resume',
      summary: 'Go on with a bulk that is paused',
      description: 'It goes on where it was.',
      run: (ref) => resumeBulk(parts, ref),
    },
    {
      name: 'cancel',
      summary: 'Cancel a bulk',
      description: 'Rows that have not ended are cancelled; images that are there stay.',
      run: (ref) => cancelBulk(parts, ref),
    },
    {
      name: 'retry',
      summary: 'Run the failed rows of a bulk again',
      description: 'As new jobs, with the same seeds. Rows that succeeded stay as they are.',
      run: (ref) => parts.bulks.retry(ref),
    },
  ];
}

function commandRoute(app: App, { config, bulkReader }: Parts, command: Command): void {
  const { name, summary, description, run } = command;
  const schema = {
    summary,
    description,
    tags,
    params: Params,
    response: { 200: answer('The bulk after it', BulkView), ...PROBLEMS },
  };
  app.post(`/bulks/:id/${name}`, { schema }, async (request) => {
    const ref = refOf(request, request.params.id);
    const before = await bulkReader.bulk(ref);
    const outcome = await run(ref);
    if (outcome.kind === 'refused') throw refusal(name, before, outcome.state);
    return bulkReader.view(await bulkReader.bulk(ref), originOf(request, config.publicUrl));
  });
}

function refusal(command: Command['name'], { id }: Bulk, state: string): KilnError {
  const why = state === 'missing' ? 'its record has expired' : `it is ${state}`;
  return new KilnError('state_conflict', `Bulk ${id} does not take ${command}: ${why}`);
}

function wrongCursor(cause: InvalidCursorError, value: string | undefined): KilnError {
  const faults = [{ field: 'cursor', value, message: 'is not one that an earlier page gave' }];
  return new KilnError('invalid_request', cause.message, { faults, cause });
}

function refOf(request: FastifyRequest, id: string): BulkRef {
  return { tenant: request.tenant, id };
}
