/** Live progress as server-sent events: readable by any `EventSource`, or by `curl -N`. */
import { Type, type TSchema } from 'typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  BulkProgressEvent,
  BulkStateEvent,
  JobProgressEvent,
  JobStateEvent,
  PreviewEvent,
} from '../../src/contract/events.ts';
import { KilnError } from '../../src/domain/errors.ts';
import type { BulkReader } from '../bulk-reader.ts';
import { EventFeed } from '../events/event-feed.ts';
import { EventStreams } from '../events/event-streams.ts';
import { FROM_THE_START, type Followed } from '../events/followed.ts';
import { FollowedBulk } from '../events/followed-bulk.ts';
import { FollowedJob } from '../events/followed-job.ts';
import type { JobReader } from '../job-reader.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { PROBLEMS } from '../schemas.ts';

const EVENT_ID = /^\d{1,16}-\d{1,16}$/;

type Parts = Pick<ApiParts, 'config' | 'records' | 'bulks' | 'tail' | 'liveTail'> & {
  readonly reader: JobReader;
  readonly bulkReader: BulkReader;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
};

const headers = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ description: 'The id of the last event that was received: those after it follow' }),
  ),
});

const HOW =
  'Server-sent events. Every change of state is sent as `state` with an id, from the first one on, or from the one after ' +
  'Last-Event-ID. It ends after the last one; 204 means that there is nothing left to say. A comment every 15 s keeps ' +
  'the connection alive.';

export function eventRoutes(app: App, parts: Parts): void {
  const streams = new EventStreams(parts.config.eventStreams, parts.closing);
  const follow = (followed: Followed, request: FastifyRequest, reply: FastifyReply): Promise<unknown> =>
    send(followed, { request, reply, streams });

  const job = {
    summary: 'Follow a job',
    description: `${HOW} In between come \`progress\` and, if the job asks for them, \`preview\`.`,
    tags: ['jobs'],
    params: Type.Object({ id: Type.String({ description: '`job_` and a UUID' }) }),
    headers,
    response: { ...streamOf([JobStateEvent, JobProgressEvent, PreviewEvent]), ...PROBLEMS },
  };
  // A look at the headers alone would wait for the end.
  app.get('/jobs/:id/events', { schema: job, exposeHeadRoute: false }, (request, reply) => {
    const ref = { tenant: request.tenant, id: request.params.id };
    const origin = originOf(request, parts.config.publicUrl);
    return follow(new FollowedJob(ref, { ...parts, origin }), request, reply);
  });

  const bulk = {
    summary: 'Follow a bulk',
    description: `${HOW} In between come its counts as \`progress\`.`,
    tags: ['bulks'],
    params: Type.Object({ id: Type.String({ description: '`bulk_` and a UUID' }) }),
    headers,
    response: { ...streamOf([BulkStateEvent, BulkProgressEvent]), ...PROBLEMS },
  };
  app.get('/bulks/:id/events', { schema: bulk, exposeHeadRoute: false }, (request, reply) => {
    const ref = { tenant: request.tenant, id: request.params.id };
    const origin = originOf(request, parts.config.publicUrl);
    return follow(new FollowedBulk(ref, { ...parts, origin }), request, reply);
  });
}

interface Sending {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly streams: EventStreams;
}

async function send(followed: Followed, { request, reply, streams }: Sending): Promise<unknown> {
  const after = lastEventId(request.headers['last-event-id']) ?? FROM_THE_START;
  // It hears from now on, so that nothing falls between the look and the stream.
  const feed = streams.open(() => new EventFeed({ followed, log: request.log }, after));
  try {
    const first = await followed.look(after);
    if (first.isOver && first.changes.length === 0) {
      feed.destroy();
      return await reply.code(204).send();
    }
    feed.start(first, first.isOver ? [] : await followed.latest());
  } catch (error) {
    feed.destroy();
    throw error;
  }
  reply.headers({
    'content-type': 'text/event-stream; charset=utf-8',
    // For proxies that else wait for the end.
    'x-accel-buffering': 'no',
  });
  return reply.send(feed);
}

/** Browsers send back what they were sent, and nothing before the first event. */
function lastEventId(value: string | string[] | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && EVENT_ID.test(value)) return value;
  const faults = [{ field: 'last-event-id', value, message: 'is not the id of an event' }];
  throw new KilnError('invalid_request', 'The Last-Event-ID is none that was sent', { faults });
}

/** The shapes of `data`. OpenAPI has no words for a stream of them. */
function streamOf(shapes: readonly TSchema[]) {
  const schema = Type.Unsafe<string>({ type: 'string', contentMediaType: 'application/json' });
  const data = shapes.map((shape) => ('$id' in shape ? `\`${String(shape.$id)}\`` : ''));
  return {
    200: {
      description: `Events; their data are ${data.join(', ')}`,
      content: { 'text/event-stream': { schema } },
    },
    204: { description: 'Nothing came after Last-Event-ID, and nothing will', type: 'null' },
  };
}
