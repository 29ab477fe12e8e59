/** Inputs of about the size that normal noise has, without zeros and the same in every run. */
export function waves(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => 1.5 * Math.sin(i));
}
