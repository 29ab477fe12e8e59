/** Every kind of reference data that can stand in a folder. A new kind is one file and one line here. */
import type { Kind } from './golden-case.ts';
import { depthEstimators, textEncoders, unets, vaes } from './kinds/networks.ts';
import { looseCases, pipelines } from './kinds/pipelines.ts';
import { publishedConfigs } from './kinds/published-configs.ts';
import { randn } from './kinds/randn.ts';
import { resizes } from './kinds/resizes.ts';
import { tokenizers } from './kinds/tokenizers.ts';

export const KINDS: readonly Kind[] = [
  textEncoders,
  unets,
  vaes,
  depthEstimators,
  tokenizers,
  randn,
  resizes,
  publishedConfigs,
  pipelines,
  looseCases,
];

/** What the cases refer to, and what explains them. */
const SUPPORTING = [/^models$/, /^clip-tokenizer$/, /\.md$/, /^\./];

export function isSupporting(entry: string): boolean {
  return SUPPORTING.some((pattern) => pattern.test(entry));
}
