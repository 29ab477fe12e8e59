/** The log of what webhooks were told, and asking for it again. Messages are sent by the courier alone. */
import { randomUUID } from 'node:crypto';
import { Type } from 'typebox';
import {
  DeliveryList,
  DeliveryQuery,
  DeliveryView,
  RedeliverRange,
  Redelivered,
  TestWebhook,
} from '../../src/contract/webhook.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { messageId } from '../../src/domain/webhook.ts';
import { webhookFault } from '../../src/net/webhook-fault.ts';
import { InvalidCursorError } from '../../src/queue/job-list.ts';
import type {
  DeliveryFilter,
  DeliveryPage,
  LoggedDelivery,
  WebhookDeliveries,
} from '../../src/queue/webhook-deliveries.ts';
import { toDeliveryView } from '../delivery-view.ts';
import { originOf } from '../origin.ts';
import type { App, ApiParts } from '../parts.ts';
import { readNumbers } from '../query-numbers.ts';
import { PROBLEMS, answer, named } from '../schemas.ts';
import { shortText } from '../../src/domain/shorten.ts';

type Parts = Pick<ApiParts, 'config' | 'webhooks'>;

const Params = Type.Object({
  id: Type.String({ maxLength: 128, description: 'The webhook-id of a message' }),
});
const tags = ['webhooks'];
/** What a redelivery of a range is about when it does not say. */
const FAILED = ['exhausted', 'dropped'] as const;

export function webhookRoutes(app: App, parts: Parts): void {
  listRoute(app, parts);
  readRoute(app, parts);
  redeliverRoute(app, parts);
  redeliverRangeRoute(app, parts);
  testRoute(app, parts);
}

function listRoute(app: App, { config, webhooks }: Parts): void {
  const schema = {
    summary: 'What webhooks were told, newest first',
    tags,
    querystring: DeliveryQuery,
    response: { 200: answer('One page', DeliveryList), ...PROBLEMS },
  };
  app.get('/webhooks/deliveries', { schema, preValidation: readNumbers }, async (request) => {
    const { limit = LIMITS.pageDefault, state, ...rest } = request.query;
    const filter = { ...choiceOf(rest), limit, ...(state === undefined ? {} : { states: [state] }) };
    const page = await pageOf(webhooks, request.tenant, filter);
    const origin = originOf(request, config.publicUrl);
    return {
      deliveries: page.deliveries.map((delivery) => toDeliveryView(delivery, origin)),
      cursor: page.cursor,
    };
  });
}

function readRoute(app: App, { config, webhooks }: Parts): void {
  const schema = {
    summary: 'One delivery',
    tags,
    params: Params,
    response: { 200: answer('The delivery as it is now', DeliveryView), ...PROBLEMS },
  };
  app.get('/webhooks/deliveries/:id', { schema }, async (request) => {
    const delivery = await found(webhooks, request.tenant, request.params.id);
    return toDeliveryView(delivery, originOf(request, config.publicUrl));
  });
}

function redeliverRoute(app: App, { config, webhooks }: Parts): void {
  const schema = {
    summary: 'Deliver once more',
    description:
      'At once, under the same id and with all attempts before it, whatever came of it so far. An endpoint that was ' +
      'paused or disabled is sent to again.',
    tags,
    params: Params,
    response: { 202: answer('The delivery is due', DeliveryView), ...PROBLEMS },
  };
  app.post('/webhooks/deliveries/:id/redeliver', { schema }, async (request, reply) => {
    await found(webhooks, request.tenant, request.params.id);
    await webhooks.redeliver(request.tenant, request.params.id);
    const delivery = await found(webhooks, request.tenant, request.params.id);
    return reply.code(202).send(toDeliveryView(delivery, originOf(request, config.publicUrl)));
  });
}

function redeliverRangeRoute(app: App, { webhooks }: Parts): void {
  const schema = {
    summary: 'Deliver a range once more',
    description: 'What was made in a time and has failed, or is in the states given; newest first.',
    tags,
    body: named(RedeliverRange),
    response: { 202: answer('The deliveries are due', Redelivered), ...PROBLEMS },
  };
  app.post('/webhooks/deliveries/redeliver', { schema }, async (request, reply) => {
    const { states = FAILED, ...rest } = request.body;
    const filter = { ...choiceOf(rest), states, limit: LIMITS.pageMax };
    const page = await pageOf(webhooks, request.tenant, filter);
    const outcomes = await Promise.all(
      page.deliveries.map(({ id }) => webhooks.redeliver(request.tenant, id)),
    );
    const redelivered = outcomes.filter((outcome) => outcome === 'queued').length;
    return reply.code(202).send({ redelivered, cursor: page.cursor });
  });
}

function testRoute(app: App, { config, webhooks }: Parts): void {
  const schema = {
    summary: 'Try a webhook',
    description: 'Sends webhook.test, once; what came of it is in the delivery that Location leads to.',
    tags,
    body: named(TestWebhook),
    response: { 202: answer('The message is due', DeliveryView), ...PROBLEMS },
  };
  app.post('/webhooks/test', { schema }, async (request, reply) => {
    const url = request.body.url ?? config.webhooks.fallback?.url;
    if (url === undefined) throw faulty({ field: 'url', message: 'is required: the farm has no webhook' });
    const fault = webhookFault(url, 'url', config.webhooks.outbound);
    if (fault !== undefined) throw faulty(fault);
    const { tenant } = request;
    const subject = `trial_${randomUUID()}`;
    const id = messageId('test', subject);
    await webhooks.enqueue({ id, tenant, event: 'test', subject, url, at: Date.now() });
    const view = toDeliveryView(await found(webhooks, tenant, id), originOf(request, config.publicUrl));
    return reply.code(202).header('location', view.links.self).send(view);
  });
}

function faulty(fault: { field: string; message: string }): KilnError {
  return new KilnError('invalid_request', 'The webhook cannot be tried', { faults: [fault] });
}

async function found(webhooks: WebhookDeliveries, tenant: string, id: string): Promise<LoggedDelivery> {
  const delivery = await webhooks.read(tenant, id);
  if (delivery !== undefined) return delivery;
  throw new KilnError('not_found', `There is no delivery ${shortText(id)}, or no longer`);
}

async function pageOf(
  webhooks: WebhookDeliveries,
  tenant: string,
  filter: DeliveryFilter,
): Promise<DeliveryPage> {
  try {
    return await webhooks.list(tenant, filter);
  } catch (error) {
    if (!(error instanceof InvalidCursorError)) throw error;
    const faults = [
      { field: 'cursor', value: filter.cursor, message: 'is not one that an earlier page gave' },
    ];
    throw new KilnError('invalid_request', error.message, { faults, cause: error });
  }
}

/** Times as the log has them. */
function choiceOf<Rest extends { since?: string; until?: string }>({ since, until, ...rest }: Rest) {
  return {
    ...rest,
    ...(since === undefined ? {} : { since: Date.parse(since) }),
    ...(until === undefined ? {} : { until: Date.parse(until) }),
  };
}
