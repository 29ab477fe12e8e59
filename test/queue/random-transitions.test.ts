import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isLegalMove, isTerminal } from '../../src/domain/job-state.ts';
import type { JobRef } from '../../src/domain/job.ts';
import type { JobRecords } from '../../src/queue/job-records.ts';
import { newRef, someResult } from '../support/jobs.ts';
import { FAILURE, queueFixture } from './fixture.ts';

const q = queueFixture();

/** What callers did so far: the fences that claims gave, newest last. A command may use any of them. */
interface Model {
  readonly fences: number[];
}
interface Real {
  readonly records: JobRecords;
  readonly ref: JobRef;
}
type Call = (real: Real, fence: number) => Promise<unknown>;

/** A holder's call, under the newest fence or, as a late holder would, under an older one. */
class HolderCall implements fc.AsyncCommand<Model, Real> {
  readonly #name: string;
  readonly #age: number;
  readonly #call: Call;

  constructor(name: string, age: number, call: Call) {
    this.#name = name;
    this.#age = age;
    this.#call = call;
  }

  check = (): boolean => true;

  async run(model: Model, real: Real): Promise<void> {
    await this.#call(real, model.fences.at(-1 - this.#age) ?? 0);
  }

  toString = (): string => `${this.#name}(-${this.#age})`;
}

class Claim implements fc.AsyncCommand<Model, Real> {
  check = (): boolean => true;

  async run(model: Model, { records, ref }: Real): Promise<void> {
    const claim = await records.claim(ref, `w${model.fences.length}`);
    if (claim.kind === 'claimed') model.fences.push(claim.fence);
  }

  toString = (): string => 'claim';
}

const CALLS: Record<string, Call> = {
  commit: ({ records, ref }, fence) => records.commit(ref, fence, someResult(ref, fence)),
  fail: ({ records, ref }, fence) => records.fail(ref, fence, FAILURE),
  handBack: ({ records, ref }, fence) => records.handBack(ref, fence, 'engine_crash'),
  progress: ({ records, ref }, fence) =>
    records.progress([{ ref, fence, progress: { step: 1, steps: 8, etaSeconds: null } }]),
  reject: ({ records, ref }) => records.reject(ref, FAILURE),
  cancel: ({ records, ref }) => records.cancel(ref),
};

it('any calls in any order leave a legal history with at most one end, the last, and growing fences', async () => {
  const holderCalls = Object.entries(CALLS).map(([name, call]) =>
    fc.nat(2).map((age) => new HolderCall(name, age, call)),
  );
  const claims = fc.constant(new Claim());
  const commands = fc.commands([claims, claims, ...holderCalls], { maxCommands: 25 });
  await fc.assert(
    fc.asyncProperty(commands, async (calls) => {
      const ref = newRef();
      await q().admitted(ref);
      const real = { records: q().records, ref };
      await fc.asyncModelRun(() => ({ model: { fences: [] }, real }), calls);
      await expectSoundHistory(ref);
    }),
    { numRuns: 120 },
  );
});

it('the same holds when the calls of many processes overlap', async () => {
  const names = fc.array(fc.constantFrom('claim', ...Object.keys(CALLS)), { minLength: 4, maxLength: 24 });
  await fc.assert(
    fc.asyncProperty(names, async (calls) => {
      const ref = newRef();
      await q().admitted(ref);
      const real = { records: q().records, ref };
      await Promise.all(
        calls.map((name, n) => CALLS[name]?.(real, 1 + (n % 3)) ?? q().records.claim(ref, `w${n}`)),
      );
      await expectSoundHistory(ref);
    }),
    { numRuns: 60 },
  );
});

async function expectSoundHistory(ref: JobRef): Promise<void> {
  const [history, record] = await Promise.all([q().records.history(ref), q().records.read(ref)]);
  expect(history[0]).toMatchObject({ from: null, to: 'queued', fence: 0 });
  for (const [n, { from, to, fence, at }] of history.entries()) {
    const before = history[n - 1];
    if (before === undefined) continue;
    expect(from).toBe(before.to);
    expect(isLegalMove(before.to, to)).toBe(true);
    expect(fence).toBeGreaterThanOrEqual(before.fence);
    expect(at).toBeGreaterThanOrEqual(before.at);
  }
  const ends = history.filter(({ to }) => isTerminal(to));
  expect(ends.length).toBeLessThanOrEqual(1);
  expect(record?.state).toBe(history.at(-1)?.to);
  expect(await q().indexedUnder(ref)).toEqual([':t:default:jobs', `:t:default:jobs:${record?.state}`]);
}
