/** Jobs for tests: valid parameters, fresh refs, a result. */
import { newJobId } from '../../src/job-id.ts';
import type { Txt2ImgParams, JobRef, JobResult } from '../../src/domain/job.ts';

export function someParams(changes: Partial<Txt2ImgParams> = {}): Txt2ImgParams {
  return {
    kind: 'txt2img',
    upscale: null,
    model: 'pocket-base',
    prompt: 'a kiln at dusk',
    negativePrompt: '',
    width: 64,
    height: 64,
    steps: 4,
    guidanceScale: 7.5,
    guidanceRescale: 0,
    clipSkip: 0,
    eta: 0,
    seeds: [1, 2],
    sampler: 'ddim',
    priority: 'normal',
    output: { format: 'png', quality: 90 },
    metadata: {},
    webhook: null,
    bulk: null,
    preview: null,
    endStep: null,
    startFrom: null,
    ...changes,
  };
}

export function newRef(tenant = 'default'): JobRef {
  return { tenant, id: newJobId() };
}

export function someResult(ref: JobRef, fence: number): JobResult {
  const images = [0, 1].map((n) => ({
    n,
    key: `${ref.tenant}/jobs/${ref.id}/${fence}/${n}.png`,
    seed: n + 1,
    width: 64,
    height: 64,
    bytes: 10,
    sha256: '0'.repeat(64),
    contentType: 'image/png',
  }));
  return { images, averageBatch: 1.5, depthMap: null, latents: [] };
}
