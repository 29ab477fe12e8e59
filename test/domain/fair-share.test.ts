import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairShare, type Contender } from '../../src/domain/fair-share.ts';

const LANE = 'default/model.64x64';

function contender(bulk: string, weight = 1, lane = LANE): Contender {
  return { bulk, lane, weight };
}

/** How many of so many places each of them takes. */
function shareOut(
  shares: FairShare,
  contenders: readonly Contender[],
  places: number,
): Record<string, number> {
  const taken = new Map<string, number>();
  for (let n = 0; n < places; n++) {
    const bulk = shares.next(contenders)?.bulk ?? '';
    taken.set(bulk, (taken.get(bulk) ?? 0) + 1);
  }
  return Object.fromEntries(taken);
}

describe('the fair share of a lane', () => {
  it('goes to nobody when nobody wants it', () => {
    expect(new FairShare().next([])).toBeUndefined();
  });

  it('goes round among equals, and by weight among others', () => {
    const shares = new FairShare();
    expect(shareOut(shares, [contender('a'), contender('b')], 10)).toEqual({ a: 5, b: 5 });
    expect(shareOut(shares, [contender('a'), contender('b'), contender('c', 4)], 60)).toEqual({
      a: 10,
      b: 10,
      c: 40,
    });
  });

  it('is never far from the ratio of weights, at any moment', () => {
    const weights = fc.array(fc.constantFrom(1, 4, 16), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 400 }), (given, places) => {
        const contenders = given.map((weight, n) => contender(`b${n}`, weight));
        const taken = shareOut(new FairShare(), contenders, places);
        const sum = given.reduce((total, weight) => total + weight, 0);
        for (const { bulk, weight } of contenders) {
          const due = (places * weight) / sum;
          expect(Math.abs((taken[bulk] ?? 0) - due)).toBeLessThanOrEqual(weight + 1);
        }
      }),
    );
  });

  it('gives one that comes late, or back, neither a debt nor a claim', () => {
    const shares = new FairShare();
    shareOut(shares, [contender('old')], 1_000);
    expect(shareOut(shares, [contender('old'), contender('new')], 10)).toEqual({ old: 5, new: 5 });
    shareOut(shares, [contender('new')], 1_000);
    const { old = 0 } = shareOut(shares, [contender('old'), contender('new')], 10);
    expect(Math.abs(old - 5)).toBeLessThanOrEqual(1);
  });

  it('is counted for each lane on its own', () => {
    const shares = new FairShare();
    shareOut(shares, [contender('a', 1, 'default/other.64x64')], 1_000);
    expect(shareOut(shares, [contender('a'), contender('b')], 10)).toEqual({ a: 5, b: 5 });
  });

  it('forgets lanes and bulks that are gone', () => {
    const shares = new FairShare();
    shareOut(shares, [contender('a'), contender('b')], 3);
    shares.keepOnly(new Set(), new Set());
    expect(shares.next([contender('b'), contender('a')])?.bulk).toBe('b');
  });
});
