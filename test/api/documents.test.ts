import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Parse } from 'typebox/value';
import { buildApp } from '../../api/app.ts';
import { SAMPLER_NAMES, SamplerList } from '../../src/contract/samplers.ts';
import { ERRORS } from '../../src/domain/errors.ts';
import { FAILURE_CODES } from '../../src/domain/failure.ts';
import { packageRoot } from '../../src/paths.ts';
import { MODEL, startApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly responses: Readonly<Record<string, unknown>>;
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

function bringsServer(message: unknown): message is { readonly fastify: FastifyInstance } {
  return typeof message === 'object' && message !== null && 'fastify' in message;
}

describe('/openapi.json', () => {
  let document: OpenApi;
  beforeAll(async () => {
    document = JSON.parse((await api.send('/openapi.json')).text);
  });
  const operations = (): string[] =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );

  test('has every route, and no route that is not there', async () => {
    const registered: string[] = [];
    const learnRoutes = (message: unknown): void => {
      if (!bringsServer(message)) throw new Error('Fastify announces its servers in another way');
      message.fastify.addHook('onRoute', ({ method, url }) => {
        for (const name of [method].flat()) registered.push(`${name.toLowerCase()} ${url}`);
      });
    };
    subscribe('fastify.initialization', learnRoutes);
    // A process has one API; here is a second one.
    api.parts.metrics.registry.removeSingleMetric('kiln_http_request_seconds');
    await (await buildApp(api.parts)).close();
    unsubscribe('fastify.initialization', learnRoutes);
    // The page itself and HEAD, which Fastify derives from GET, need no description.
    const described = registered.filter((route) => !/^head | \/docs/.test(route));
    expect(described.length).toBeGreaterThan(8);
    expect(described.map((route) => route.replace(/:(\w+)/g, '{$1}')).toSorted()).toEqual(
      operations().toSorted(),
    );
  });

  test('names the shapes that clients know', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.components.schemas).toSorted()).toEqual([
      'BulkList',
      'BulkProgressEvent',
      'BulkStateEvent',
      'BulkUpload',
      'BulkView',
      'CreateDepth',
      'CreateImg2Img',
      'CreateInpaint',
      'CreateJob',
      'CreateTxt2Img',
      'CreateUpscale',
      'DeliveryList',
      'DeliveryView',
      'EffectiveDepth',
      'EffectiveImg2Img',
      'EffectiveInpaint',
      'EffectiveRequest',
      'EffectiveTxt2Img',
      'EffectiveUpscale',
      'JobList',
      'JobProgressEvent',
      'JobStateEvent',
      'JobView',
      'Model',
      'ModelList',
      'PreviewEvent',
      'Problem',
      'RedeliverRange',
      'Redelivered',
      'Sampler',
      'SamplerList',
      'TestWebhook',
      'Upload',
      'Worker',
      'WorkerList',
    ]);
  });

  test('tells the shape of a request for each kind, and writes every shape once', () => {
    const { CreateJob, JobList } = document.components.schemas;
    expect(CreateJob).toMatchObject({
      discriminator: {
        propertyName: 'kind',
        mapping: {
          txt2img: '#/components/schemas/CreateTxt2Img',
          img2img: '#/components/schemas/CreateImg2Img',
          depth: '#/components/schemas/CreateDepth',
          inpaint: '#/components/schemas/CreateInpaint',
          upscale: '#/components/schemas/CreateUpscale',
        },
      },
      oneOf: ['Txt2Img', 'Img2Img', 'Depth', 'Inpaint', 'Upscale'].map((name) => ({
        $ref: `#/components/schemas/Create${name}`,
      })),
    });
    expect(JobList).toMatchObject({
      properties: { jobs: { items: { $ref: '#/components/schemas/JobView' } } },
    });
  });

  test('tells of every operation what it is for and how it fails', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const operation of Object.values(methods)) {
        expect(operation.summary, path).toBeTruthy();
        expect(operation.tags, path).toHaveLength(1);
        expect(Object.keys(operation.responses), path).toEqual(expect.arrayContaining(['4XX', '5XX']));
      }
    }
  });

  test('leads nowhere: every reference is to a part of itself', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, reference]) => reference,
    );
    expect(references.length).toBeGreaterThan(5);
    const names = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(references.filter((reference) => !names.includes(reference!))).toEqual([]);
  });
});

describe('/docs', () => {
  test('is a page that loads everything from here and runs no inline script', async () => {
    const page = await api.send('/docs/');
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      expect((await api.send(new URL(link, `${api.url}/docs/`).pathname)).status, link).toBe(200);
    }
    expect(page.text).not.toMatch(/<script(?![^>]*src=)[^>]*>/);
    expect((await api.send('/docs')).status).toBe(200);
    expect(JSON.parse((await api.send('/docs/json')).text)).toHaveProperty('openapi', '3.1.0');
  });
});

describe('docs/errors.md', () => {
  async function codesBelow(heading: string): Promise<string[]> {
    const text = await readFile(join(packageRoot(), 'docs/errors.md'), 'utf8');
    const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
    return [...section.matchAll(/^\| *`(\w+)` *\| *(\d*)/gm)].map(([, code, status]) =>
      `${code} ${status}`.trim(),
    );
  }

  test('lists every code of an answer with its status, and no other', async () => {
    const codes = Object.entries(ERRORS).map(([code, { status }]) => `${code} ${status}`);
    expect((await codesBelow('Codes of answers')).toSorted()).toEqual(codes.toSorted());
  });

  test('lists every code of a failed job, and no other', async () => {
    const codes = await codesBelow('Codes of failed jobs');
    expect(codes.toSorted()).toEqual(FAILURE_CODES.toSorted());
  });
});

describe('the farm', () => {
  test('shows models with what they are on each worker, and workers as they announced themselves', async () => {
    const startedAt = Date.UTC(2030, 0, 1);
    await api.parts.registry.announce({
      id: 'w1',
      host: 'box',
      pid: 7,
      device: 'cpu',
      state: 'ready',
      engine: 'ready',
      models: [
        { name: MODEL.name, state: 'ready', reason: null },
        { name: 'broken', state: 'refused', reason: 'config.json is missing' },
      ],
      runningSamples: 3,
      slots: 8,
      stepMs: null,
      busyShare: 0.25,
      startedAt,
      seenAt: startedAt + 1_500,
    });
    expect(JSON.parse((await api.send('/v1/models')).text)).toEqual({
      models: [
        {
          name: 'broken',
          kinds: [],
          digest: null,
          bytes: null,
          memory_bytes: null,
          default_width: null,
          default_height: null,
          is_default: false,
          state: 'failed',
          reason: 'config.json is missing',
          workers: [{ id: 'w1', state: 'failed', reason: 'config.json is missing' }],
        },
        {
          name: 'pocket-base',
          kinds: ['txt2img'],
          digest: 'sha256:0',
          bytes: 1,
          memory_bytes: 2,
          default_width: 128,
          default_height: 64,
          is_default: true,
          state: 'ready',
          reason: null,
          workers: [{ id: 'w1', state: 'ready', reason: null }],
        },
      ],
    });
    expect(JSON.parse((await api.send('/v1/workers')).text)).toEqual({
      workers: [
        {
          id: 'w1',
          host: 'box',
          pid: 7,
          device: 'cpu',
          state: 'ready',
          engine: 'ready',
          models: ['pocket-base'],
          running_samples: 3,
          slots: 8,
          step_ms: null,
          busy_share: 0.25,
          started_at: '2030-01-01T00:00:00.000Z',
          seen_at: '2030-01-01T00:00:01.500Z',
        },
      ],
    });
  });

  test('describes every sampler in one line, with the steps that make sense', async () => {
    const { samplers } = Parse(SamplerList, JSON.parse((await api.send('/v1/samplers')).text));
    expect(samplers.map(({ name }) => name)).toEqual(SAMPLER_NAMES);
    for (const { description, useful_steps: useful, max_steps: max } of samplers) {
      expect(description).toMatch(/^.{20,100}$/);
      expect(useful.from).toBeLessThan(useful.to);
      expect(useful.to).toBeLessThanOrEqual(max);
    }
    const stochastic = samplers.filter((sampler) => sampler.stochastic).map(({ name }) => name);
    expect(stochastic).toEqual(['euler_a', 'lcm', 'dpmpp_2m_sde', 'ddpm']);
    expect(samplers.filter((sampler) => sampler.takes_eta).map(({ name }) => name)).toEqual(['ddim']);
    expect(samplers.filter((sampler) => sampler.is_default).map(({ name }) => name)).toEqual(['dpmpp_2m']);
    expect(samplers.find(({ name }) => name === 'lcm')?.max_steps).toBe(50);
  });

  test('is alive and ready', async () => {
    expect(JSON.parse((await api.send('/healthz')).text)).toEqual({ status: 'alive' });
    expect(JSON.parse((await api.send('/readyz')).text)).toEqual({ status: 'ready', models: 1 });
  });
});
