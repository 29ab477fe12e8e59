/** Which models a job runs on: the one it names, or else the default, or else the first that can do its kind. */
import type { CreateJob } from '../contract/create-job.ts';
import { KilnError } from './errors.ts';
import type { JobKind } from './job.ts';

/** What this decision needs to know of a model that some worker has. */
export interface ModelOffer {
  readonly name: string;
  /** None when no worker could read its folder. */
  readonly kinds: readonly string[];
  readonly defaultWidth: number;
  readonly defaultHeight: number;
  /** Why no worker can run it; null when one can. */
  readonly refusal: string | null;
}

export interface Offers {
  readonly models: readonly ModelOffer[];
  /** Taken by a request that names no model, if it can do the kind. */
  readonly defaultModel: string;
}

export interface ChosenModels {
  readonly model: ModelOffer;
  /** Of the second stage. */
  readonly upscaler: ModelOffer | null;
}

/** A model that a request needs. */
interface Want {
  readonly field: 'model' | 'upscale.model';
  readonly kind: JobKind;
  /** Undefined: any, though rather the preferred one. */
  readonly name: string | undefined;
  readonly preferred: string | undefined;
}

/** Throws `unknown_model` when no worker offers it for the kind, `model_unusable` when all of them refuse it. */
export function chooseModels(request: CreateJob, offers: Offers): ChosenModels {
  const [model, upscaler] = wantsOf(request, offers).map((want) => {
    const found = find(want, offers.models);
    if (found === undefined) throw refusal(want, offers.models);
    return found;
  });
  if (model === undefined) throw new Error('every request wants a model');
  return { model, upscaler: upscaler ?? null };
}

/** False when news of the models might change the choice from a refusal to a model. */
export function areOffered(request: CreateJob, offers: Offers): boolean {
  return wantsOf(request, offers).every((want) => find(want, offers.models) !== undefined);
}

function wantsOf(request: CreateJob, { defaultModel }: Offers): Want[] {
  const { kind, model: name } = request;
  const wants: Want[] = [{ field: 'model', kind, name, preferred: defaultModel }];
  const stage = request.kind === 'txt2img' ? (request.upscale ?? false) : false;
  if (stage !== false) {
    const named = stage === true ? undefined : stage.model;
    wants.push({ field: 'upscale.model', kind: 'upscale', name: named, preferred: undefined });
  }
  return wants;
}

function find({ kind, name, preferred }: Want, models: readonly ModelOffer[]): ModelOffer | undefined {
  const able = models.filter((model) => model.refusal === null && model.kinds.includes(kind));
  if (name !== undefined) return able.find((model) => model.name === name);
  return able.find((model) => model.name === preferred) ?? able.toSorted(byName)[0];
}

function refusal(want: Want, models: readonly ModelOffer[]): KilnError {
  const { field, kind, name } = want;
  const refused = findRefused(want, models);
  if (refused !== undefined) {
    const message = `Every worker refuses ${refused.name}: ${refused.refusal}`;
    return new KilnError('model_unusable', message, {
      faults: [{ field, value: refused.name, message: `no worker can run it: ${refused.refusal}` }],
    });
  }
  const able = models.filter((model) => model.refusal === null && model.kinds.includes(kind));
  const names = able.map((model) => model.name).toSorted();
  const offered = names.length === 0 ? 'no model at all right now' : names.join(', ');
  const message = `No worker offers ${name ?? 'a model'} for ${kind}; offered: ${offered}`;
  const fault = { field, limit: names, message: `must be one of: ${offered}` };
  return new KilnError('unknown_model', message, {
    faults: [name === undefined ? fault : { ...fault, value: name }],
  });
}

/** The model that would have been taken if it could be run. Of an unreadable folder the kinds are not known. */
function findRefused({ kind, name, preferred }: Want, models: readonly ModelOffer[]): ModelOffer | undefined {
  const refused = models.filter((model) => model.refusal !== null);
  const named = refused.find((model) => model.name === (name ?? preferred));
  if (name !== undefined || named !== undefined) return named;
  return refused.filter((model) => model.kinds.includes(kind)).toSorted(byName)[0];
}

function byName(a: ModelOffer, b: ModelOffer): number {
  return a.name < b.name ? -1 : 1;
}
