/** Whether Kiln can run what a model's configs describe; its weights need not be there yet. */
import { join } from 'node:path';
import { readJson } from '../../../workers/render/onnx/component-files.ts';
import { readDepthProcessor, readNoiseSchedule } from '../../../workers/render/onnx/model-plan.ts';
import { filesOf } from '../../../workers/render/onnx/model-folder.ts';
import { publishedLayout } from '../../../workers/render/onnx/model-layout.ts';
import { DEPTH_ESTIMATOR, TEXT_ENCODER, UNET, VAE } from '../../../workers/render/onnx/networks.ts';
import { kindsOf, readIndex } from '../../../workers/render/onnx/pipeline.ts';

/** @throws ModelError naming the file, the setting and what Kiln knows */
export async function checkConfigs(folder: string): Promise<void> {
  const parse = async <Config>(
    part: string,
    network: { parse: (json: unknown, where: string) => Config },
  ): Promise<Config> => {
    const path = join(folder, part, 'config.json');
    return network.parse(await readJson(path), path);
  };
  const unet = await parse('unet', UNET);
  const kinds = kindsOf(await readIndex(folder), unet, join(folder, 'unet', 'config.json'));
  await parse('vae', VAE);
  await parse('text_encoder', TEXT_ENCODER);
  if (kinds.includes('depth')) await parse('depth_estimator', DEPTH_ESTIMATOR);
  const { noiseSchedule, lowResSchedule, depthProcessor } = filesOf(publishedLayout(folder), kinds);
  await readNoiseSchedule(noiseSchedule);
  if (lowResSchedule !== null) await readNoiseSchedule(lowResSchedule);
  if (depthProcessor !== null) await readDepthProcessor(depthProcessor);
}
