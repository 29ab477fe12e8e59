/** What a whole-pipeline case is measured with. */
import type { SamplerName } from '../../../src/contract/samplers.ts';
import type { LoadedModel } from '../../../workers/render/diffusion/loaded-model.ts';
import type { SampleRequest } from '../../../workers/render/diffusion/sample-request.ts';
import type { Json } from '../json.ts';

export interface PipelineCase {
  readonly request: Json;
  readonly sampler: SamplerName;
  /** Where the case's inputs and its `out` file stand. */
  readonly folder: string;
  readonly modelFolder: string;
  readonly tolerance: number;
}

export interface Task {
  /** The parameters it follows, besides those of every task; a case with any other is skipped. */
  readonly keys: readonly string[];
  /** One per image of the case, in order. */
  readonly requests: (golden: PipelineCase, model: LoadedModel) => Promise<SampleRequest[]>;
}
