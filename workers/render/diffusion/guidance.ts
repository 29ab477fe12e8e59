/** Classifier-free guidance (Ho & Salimans 2022), with the rescale that keeps it from burning images out. */

interface Guidance {
  readonly guidanceScale: number;
  readonly guidanceRescale: number;
}

/**
 * The model's outputs for the rows of one sample -> one output. A single row, without guidance, passes through; of
 * two, the first is for the negative prompt, and the result leads away from it, along the prompt.
 */
export function guide(outputs: readonly Float32Array[], guidance: Guidance): Float32Array {
  const [first, prompted] = outputs;
  if (prompted === undefined) return first!;
  const { guidanceScale, guidanceRescale } = guidance;
  const guided = first!.map((negative, i) => negative + guidanceScale * (prompted[i]! - negative));
  return guidanceRescale === 0 ? guided : rescale(guided, prompted, guidanceRescale);
}

/**
 * Brings a share of the guided output back to the standard deviation of the prompted one (Lin et al. 2023, equations
 * 15 and 16). An output without any deviation has none to bring back.
 */
function rescale(guided: Float32Array, prompted: Float32Array, share: number): Float32Array {
  const deviation = standardDeviation(guided);
  if (deviation === 0) return guided;
  const factor = share * (standardDeviation(prompted) / deviation) + (1 - share);
  return guided.map((value) => value * factor);
}

/** Over all elements, with Bessel's correction, as `torch.std`. */
function standardDeviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
