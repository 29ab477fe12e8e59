/** From what a row asks for to what is stored of it, or to its faults. */
import { randomInt } from 'node:crypto';
import type { CreateJob } from '../contract/create-job.ts';
import type { ReadyRow, RowToFetch } from '../domain/bulk.ts';
import type { FieldFault } from '../domain/errors.ts';
import { inputsOf, toJobParams, type InputField, type InputImage } from '../domain/job-params.ts';
import { chooseModels, type ChosenModels, type Offers } from '../domain/model-choice.ts';
import type { OutboundPolicy } from '../net/outbound-url.ts';
import { webhookFault } from '../net/webhook-fault.ts';
import { checkedRequest, faultsOf } from './request-check.ts';
import type { RowImage, RowImages } from './row-images.ts';
import type { RowDraft } from './row-request.ts';

/** Random seeds stay in the range that other tools show and take. */
const RANDOM_SEEDS = 2 ** 32;
/** Models that were chosen are remembered by what was asked for, which callers can vary without end. */
const REMEMBERED = 1_000;

export type CheckedRow = TakenRow | { readonly faults: readonly FieldFault[] };

export interface TakenRow {
  readonly row: Unplaced<ReadyRow> | Unplaced<RowToFetch>;
  /** The caller chose the seeds; those of other rows are given to them here. */
  readonly hasOwnSeeds: boolean;
}

type Unplaced<Row> = Omit<Row, 'row' | 'line' | 'ref'>;

export interface RowRules {
  readonly offers: Offers;
  /** Where webhooks may lead. */
  readonly webhooks: OutboundPolicy;
}

export class RowChecker {
  readonly #rules: RowRules;
  readonly #images: RowImages;
  readonly #chosen = new Map<string, ChosenModels | { readonly faults: readonly FieldFault[] }>();

  constructor(rules: RowRules, images: RowImages) {
    this.#rules = rules;
    this.#images = images;
  }

  /** Nothing is waited for unless the row names an image. */
  check({ request: asked, faults }: RowDraft): CheckedRow | Promise<CheckedRow> {
    if (faults.length > 0) return { faults };
    const { request, faults: found } = checkedRequest(asked);
    if (request === null) return { faults: found };
    const { webhook = null } = request;
    const misled =
      webhook === null ? undefined : webhookFault(webhook.url, 'webhook.url', this.#rules.webhooks);
    if (misled !== undefined) return { faults: [misled] };
    const models = this.#choose(request);
    if ('faults' in models) return models;
    const inputs = inputsOf(request);
    return inputs.length === 0
      ? ready(request, models, new Map())
      : this.#withImages(request, models, inputs);
  }

  async #withImages(
    request: CreateJob,
    models: ChosenModels,
    inputs: readonly [field: InputField, value: string][],
  ): Promise<CheckedRow> {
    const found = await Promise.all(
      inputs.map(async ([field, value]) => ({ field, value, image: await this.#images.find(value) })),
    );
    const faults = found.flatMap(({ field, value, image }) => imageFaults(field, value, image));
    if (faults.length > 0) return { faults };
    const known = new Map<InputField, InputImage>();
    for (const { field, image } of found) if (isKnown(image)) known.set(field, image);
    return known.size === inputs.length ? ready(request, models, known) : toFetch(request, models, known);
  }

  #choose(request: CreateJob): ChosenModels | { readonly faults: readonly FieldFault[] } {
    const stage = request.kind === 'txt2img' ? (request.upscale ?? false) : false;
    const upscaler = typeof stage === 'object' ? [stage.model] : stage;
    const key = JSON.stringify([request.kind, request.model, upscaler]);
    const known = this.#chosen.get(key) ?? this.#chosenAnew(request);
    if (this.#chosen.size >= REMEMBERED) this.#chosen.clear();
    this.#chosen.set(key, known);
    return known;
  }

  #chosenAnew(request: CreateJob): ChosenModels | { readonly faults: readonly FieldFault[] } {
    try {
      return chooseModels(request, this.#rules.offers);
    } catch (error) {
      return { faults: faultsOf(error) };
    }
  }
}

function ready(
  request: CreateJob,
  models: ChosenModels,
  inputs: ReadonlyMap<InputField, InputImage>,
): CheckedRow {
  try {
    const params = toJobParams(request, { models, inputs, randomSeed: () => randomInt(RANDOM_SEEDS) });
    return { row: { params }, hasOwnSeeds: hasOwnSeeds(request) };
  } catch (error) {
    // Such as an image that is too large to enlarge.
    return { faults: faultsOf(error) };
  }
}

/** Seeds are chosen now, so that a row that is fed twice makes the same job. */
function toFetch(
  request: CreateJob,
  { model }: ChosenModels,
  known: ReadonlyMap<InputField, InputImage>,
): CheckedRow {
  const images = Object.fromEntries([...known].map(([field, { id }]) => [field, id]));
  const named: CreateJob = { ...request, ...images };
  const isSeeded = hasOwnSeeds(request);
  const seeded = isSeeded ? named : { ...named, seed: randomInt(RANDOM_SEEDS) };
  const { name, defaultWidth, defaultHeight } = model;
  return {
    row: { request: seeded, model: { name, defaultWidth, defaultHeight } },
    hasOwnSeeds: isSeeded,
  };
}

function hasOwnSeeds({ seed, seeds }: CreateJob): boolean {
  return seed !== undefined || seeds !== undefined;
}

function imageFaults(field: InputField, value: string, image: RowImage): FieldFault[] {
  if (typeof image === 'string' || 'id' in image) return [];
  return [{ field, value, ...image }];
}

function isKnown(image: RowImage): image is InputImage {
  return typeof image === 'object' && 'id' in image;
}
