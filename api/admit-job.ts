/**
 * From a request to its job, the dear things last: rules that need nothing, the models, then the images (which may have
 * to be fetched), and in the end the one script that makes the job real.
 */
import { randomInt } from 'node:crypto';
import type { CreateJob } from '../src/contract/create-job.ts';
import { KilnError } from '../src/domain/errors.ts';
import {
  inputsOf,
  toJobParams,
  type InputField,
  type InputImage,
  type JobMaterial,
} from '../src/domain/job-params.ts';
import type { JobRecord, JobRef } from '../src/domain/job.ts';
import { laneName } from '../src/domain/lane.ts';
import { areOffered, chooseModels, type ChosenModels } from '../src/domain/model-choice.ts';
import { checkRequest } from '../src/domain/request-rules.ts';
import { webhookFault } from '../src/net/webhook-fault.ts';
import { isRedisUnavailable } from '../src/queue/connection.ts';
import type { Idempotency, PriorJob } from '../src/queue/job-records.ts';
import type { ResolveInput } from '../src/inputs/resolve-input.ts';
import { resolveLatents } from '../src/inputs/resolve-latents.ts';
import type { JobReader } from './job-reader.ts';
import type { OfferCache } from './offer-cache.ts';
import type { ApiParts } from './parts.ts';

/** Random seeds stay in the range that other tools show and take. */
const RANDOM_SEEDS = 2 ** 32;

/** A command that timed out may still have been carried out, so 'nothing happened' would be a guess. */
const OUTCOME_UNKNOWN =
  'The queue did not answer in time, so it is not known whether the job was accepted. Send the same request again ' +
  'with the same Idempotency-Key; without one, look at GET /v1/jobs first';

export type AdmissionParts = Pick<ApiParts, 'config' | 'records' | 'store'> & {
  readonly reader: JobReader;
  readonly offers: OfferCache;
  readonly resolveInput: ResolveInput;
};

export interface Submission {
  /** Of the job, if it is a new one. */
  readonly ref: JobRef;
  readonly request: CreateJob;
  readonly idempotency: Idempotency | undefined;
}

/** Gives the job that the request stands for: a new one, or the one that its Idempotency-Key made before. */
export async function admitJob(submission: Submission, parts: AdmissionParts): Promise<JobRecord> {
  const { ref, request, idempotency } = submission;
  checkRequest(request);
  checkWebhook(request, parts.config);
  const inputs = inputsOf(request);
  // `admit` looks the key up as well; this spares a request sent again the fetching of its images.
  if (idempotency !== undefined && inputs.length > 0) {
    const prior = await parts.records.prior(ref.tenant, idempotency);
    if (prior !== undefined) return priorJob(prior, ref, parts);
  }
  const params = toJobParams(request, {
    models: await modelsFor(request, parts),
    inputs: await resolveAll(inputs, ref.tenant, parts),
    ...(await latentsOf(request, ref.tenant, parts)),
    randomSeed: () => randomInt(RANDOM_SEEDS),
  });
  const admission = await parts.records
    .admit({ ref, params, lane: laneName(params), ...(idempotency === undefined ? {} : { idempotency }) })
    .catch((error: unknown) => {
      throw unavailable(error, OUTCOME_UNKNOWN);
    });
  return admission.kind === 'admitted' ? admission.record : priorJob(admission, ref, parts);
}

export function acceptedButUnread({ id }: JobRef): string {
  return `Job ${id} was accepted, but the queue stopped to answer: read it later`;
}

/** Other errors than an absent Redis stay what they are. */
export function unavailable(error: unknown, message: string): unknown {
  return isRedisUnavailable(error) ? new KilnError('unavailable', message, { cause: error }) : error;
}

function checkWebhook({ webhook }: CreateJob, { webhooks }: AdmissionParts['config']): void {
  const fault = webhook && webhookFault(webhook.url, 'webhook.url', webhooks.outbound);
  if (fault) throw new KilnError('invalid_request', 'The webhook cannot be taken', { faults: [fault] });
}

async function modelsFor(request: CreateJob, { config, offers }: AdmissionParts): Promise<ChosenModels> {
  const { defaultModel } = config;
  const models = await offers.models((known) => areOffered(request, { models: known, defaultModel }));
  return chooseModels(request, { models, defaultModel });
}

/** Rejects with the first image that cannot be used. */
async function resolveAll(
  inputs: readonly [field: InputField, value: string][],
  tenant: string,
  { resolveInput }: AdmissionParts,
): Promise<Map<InputField, InputImage>> {
  const images = inputs.map(
    async ([field, value]) => [field, await resolveInput(value, field, tenant)] as const,
  );
  return new Map(await Promise.all(images));
}

async function latentsOf(
  { init_latent: name = null }: CreateJob,
  tenant: string,
  { reader, store }: AdmissionParts,
): Promise<Pick<JobMaterial, 'latents'>> {
  if (name === null) return {};
  const readJob = (ref: JobRef): Promise<JobRecord> => reader.record(ref);
  return { latents: await resolveLatents(name, tenant, { store, readJob }) };
}

async function priorJob(prior: PriorJob, { tenant }: JobRef, { reader }: AdmissionParts): Promise<JobRecord> {
  if (prior.kind === 'conflict') {
    const message = `This Idempotency-Key was used with another request; it made ${prior.id}`;
    throw new KilnError('idempotency_conflict', message);
  }
  const ref = { tenant, id: prior.id };
  try {
    return await reader.record(ref);
  } catch (error) {
    throw unavailable(error, acceptedButUnread(ref));
  }
}
