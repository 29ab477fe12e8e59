/** What callers ask for, as texts: for each image its negative prompt and its prompt, in the order of the images. */
import { Random } from '../../test/support/random.ts';

export interface ImageTexts {
  readonly negativePrompt: string;
  readonly prompt: string;
}

/** Words that the pocket model knows, so that no two prompts become the same tokens. */
const PARTS = [
  ['large', 'small'],
  ['red', 'green', 'blue', 'yellow', 'purple', 'orange', 'cyan', 'white'],
  ['sphere', 'cube', 'cone', 'cylinder'],
  ['red', 'green', 'blue', 'yellow', 'purple', 'orange', 'cyan', 'white'],
  ['sphere', 'cube', 'cone', 'cylinder'],
  ['grey', 'green', 'brown', 'blue'],
] as const;

/** Scenes are numbered from 0; there are as many as combinations of words. */
const SCENES = PARTS.reduce((count, words) => count * words.length, 1);

/** @throws RangeError for a number that has no scene */
export function scene(number: number): string {
  if (number >= SCENES) throw new RangeError(`scene ${number} is not one of ${SCENES}`);
  let rest = number;
  const [size, colour, shape, otherColour, otherShape, floor] = PARTS.map((words) => {
    const word = words[rest % words.length]!;
    rest = Math.floor(rest / words.length);
    return word;
  });
  return `a ${size} ${colour} ${shape} left of a ${otherColour} ${otherShape} on a ${floor} floor`;
}

export interface BulkShape {
  readonly prompts: number;
  readonly imagesEach: number;
  /** The same for all. */
  readonly negativePrompt: string;
}

/** One job per prompt, as from an uploaded table. */
export function bulk({ prompts, imagesEach, negativePrompt }: BulkShape): ImageTexts[] {
  return Array.from({ length: prompts * imagesEach }, (_, i) => ({
    negativePrompt,
    prompt: scene(Math.floor(i / imagesEach)),
  }));
}

export interface CatalogueShape {
  readonly seed: number;
  readonly prompts: number;
  readonly images: number;
  readonly negativePrompt: string;
}

/**
 * The same prompts again and again, the n-th most popular 1/n as often as the first: how popular things are
 * (Zipf 1949, "Human Behavior and the Principle of Least Effort").
 */
export function catalogue({ seed, prompts, images, negativePrompt }: CatalogueShape): ImageTexts[] {
  const random = new Random(seed);
  let total = 0;
  const bounds = Array.from({ length: prompts }, (_, rank) => (total += 1 / (rank + 1)));
  return Array.from({ length: images }, () => {
    const at = random.next() * total;
    return { negativePrompt, prompt: scene(bounds.findIndex((bound) => at < bound)) };
  });
}
