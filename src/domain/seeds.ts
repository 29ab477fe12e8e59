import { LIMITS } from './limits.ts';

/** The seeds of so many images. Wraps round after the largest; the sum itself would leave the exact doubles. */
export function countedUp(first: number, count: number): number[] {
  const room = LIMITS.seedMax - first;
  return Array.from({ length: count }, (_, n) => (n <= room ? first + n : n - room - 1));
}
