import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { fastify, type FastifyBaseLogger } from 'fastify';
import { KilnError } from '../src/domain/errors.ts';
import { DEFAULT_TENANT } from '../src/domain/job.ts';
import { LIMITS } from '../src/domain/limits.ts';
import { asksForKey } from '../src/operations-settings.ts';
import { ImageIntake } from '../src/inputs/image-intake.ts';
import { inputResolver } from '../src/inputs/resolve-input.ts';
import { guard } from './access/guard.ts';
import { KnownKeys } from './access/known-keys.ts';
import { limitRates } from './access/rate-limit.ts';
import { BulkReader } from './bulk-reader.ts';
import { JobReader } from './job-reader.ts';
import { OfferCache } from './offer-cache.ts';
import type { ApiParts, App } from './parts.ts';
import { boundArrival, LONGEST_ARRIVAL_MS } from './plugins/bound-arrival.ts';
import { closeGracefully } from './plugins/graceful-close.ts';
import { measureRequests } from './plugins/http-metrics.ts';
import { readJsonBodies } from './plugins/json-body.ts';
import { refuseForeignHosts } from './plugins/loopback-only.ts';
import { boundLargeBodies } from './plugins/large-bodies.ts';
import { answerMalformedHttp } from './plugins/malformed-http.ts';
import { answerNotFound } from './plugins/not-found.ts';
import { describeApi } from './plugins/open-api.ts';
import { answerProblems, refuseUnrouted } from './plugins/problems.ts';
import { RequestLog } from './plugins/request-log.ts';
import { sendSecurityHeaders } from './plugins/security-headers.ts';
import { bulkResultRoutes } from './routes/bulk-results.ts';
import { bulkUploadRoute } from './routes/bulk-upload.ts';
import { bulkRoutes } from './routes/bulks.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { imageRoutes } from './routes/images.ts';
import { jobRoutes } from './routes/jobs.ts';
import { metricsRoute } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { samplerRoutes } from './routes/samplers.ts';
import { submitRoute } from './routes/submit-job.ts';
import { uploadRoutes } from './routes/uploads.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { workerRoutes } from './routes/workers.ts';
import { NAMED_SHAPES } from './schemas.ts';
import { schemaFaults } from '../src/domain/schema-faults.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose jobs the request sees. */
    tenant: string;
  }
}

/** Builds the API of given parts; it neither listens nor reads settings from anywhere else. */
export async function buildApp(parts: ApiParts): Promise<App> {
  const { config } = parts;
  const app = createServer(parts);
  const needsKey = asksForKey(config);
  app.decorateRequest('tenant', DEFAULT_TENANT);
  app.decorateRequest('caller', null);
  for (const shape of NAMED_SHAPES) app.addSchema(shape);

  sendSecurityHeaders(app);
  measureRequests(app, parts.metrics.registry);
  if (!needsKey) refuseForeignHosts(app, config.publicUrl);
  boundArrival(app);
  readJsonBodies(app);
  answerProblems(app);
  const limit = await limitRates(app, { ...parts, perMinute: config.rateLimit });
  const access = { known: needsKey ? knownKeys(parts) : null, limit };
  answerNotFound(app, limit);
  await describeApi(app, { needsKey });

  const offers = new OfferCache(parts.registry, () => performance.now());
  const intake = new ImageIntake(parts);
  const shared = {
    ...parts,
    intake,
    reader: new JobReader(parts),
    bulkReader: new BulkReader(parts),
    offers,
    closing: closeGracefully(app),
    resolveInput: inputResolver({ intake, config }),
  };
  healthRoutes(app, shared);
  // Outside the instance that asks for a key: the signature of an image link is the permission.
  imageRoutes(app, shared);
  await app.register((own, _options, done) => {
    guard(own, access);
    metricsRoute(own, parts);
    done();
  });
  await app.register(
    (v1, _options, done) => {
      guard(v1, access);
      // After the key: who has none takes no room.
      boundLargeBodies(v1);
      submitRoute(v1, shared);
      jobRoutes(v1, shared);
      v1.register((bulks) => bulkUploadRoute(bulks, shared));
      bulkRoutes(v1, shared);
      bulkResultRoutes(v1, shared);
      eventRoutes(v1, shared);
      modelRoutes(v1, shared);
      samplerRoutes(v1);
      v1.register((uploads) => uploadRoutes(uploads, shared));
      webhookRoutes(v1, shared);
      workerRoutes(v1, shared);
      done();
    },
    { prefix: '/v1' },
  );
  return app;
}

function knownKeys({ config, apiKeys }: ApiParts): KnownKeys {
  return new KnownKeys({ configured: config.apiKeys, records: apiKeys, now: () => performance.now() });
}

function createServer({ log }: ApiParts): App {
  const baseLog: FastifyBaseLogger = log;
  return fastify({
    loggerInstance: baseLog,
    logController: new RequestLog(),
    genReqId: () => randomUUID(),
    bodyLimit: LIMITS.bodyBytes,
    // Node looks for slow senders only every 30 s unless told; these bound how long a request may take to arrive.
    // None bounds the answer, so that `Prefer: wait` can take its time.
    http: { connectionsCheckingInterval: 500, headersTimeout: 5_000, maxHeaderSize: 16_384 },
    // Routes have bounds of their own, most of them far closer.
    requestTimeout: LONGEST_ARRIVAL_MS,
    // Longer than the longest wait and than the keep-alive of common proxies.
    connectionTimeout: (LIMITS.waitSecondsMax + 30) * 1_000,
    // A request that got through before the close is served: all it needs is still there.
    return503OnClosing: false,
    ajv: {
      customOptions: {
        removeAdditional: false,
        coerceTypes: false,
        useDefaults: false,
        allErrors: true,
        verbose: true,
        // A fault is told of the shape that `kind` chooses, not of every shape that a body could have had.
        discriminator: true,
        allowUnionTypes: true,
      },
    },
    schemaErrorFormatter: (errors, part) =>
      new KilnError('invalid_request', `The ${part} of the request is not valid`, {
        faults: schemaFaults(errors),
      }),
    frameworkErrors: refuseUnrouted,
    clientErrorHandler: answerMalformedHttp,
  }).withTypeProvider<TypeBoxTypeProvider>();
}
