import { SAMPLER_NAMES, SamplerList } from '../../src/contract/samplers.ts';
import { JOB_DEFAULTS } from '../../src/domain/job-defaults.ts';
import { SAMPLERS } from '../../src/domain/samplers.ts';
import type { App } from '../parts.ts';
import { PROBLEMS, answer } from '../schemas.ts';

export function samplerRoutes(app: App): void {
  const schema = {
    summary: 'Samplers a job may name',
    tags: ['farm'],
    response: { 200: answer('Every sampler', SamplerList), ...PROBLEMS },
  };
  app.get('/samplers', { schema }, () => ({
    samplers: SAMPLER_NAMES.map((name) => {
      const { description, stochastic, takesEta, usefulSteps, maxSteps } = SAMPLERS[name];
      return {
        name,
        description,
        stochastic,
        takes_eta: takesEta,
        useful_steps: { ...usefulSteps },
        max_steps: maxSteps,
        is_default: name === JOB_DEFAULTS.sampler,
      };
    }),
  }));
}
