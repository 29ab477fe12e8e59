/** What a whole-pipeline case is measured with. */
import type { SamplerName } from '../../../src/contract/samplers.ts';
import type { Measurement } from '../golden-case.ts';
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
  /** The parameters it follows; a case with any other is skipped. */
  readonly keys: readonly string[];
  /** Over all images of the case. */
  readonly measure: (golden: PipelineCase) => Promise<Measurement>;
}
