/** One fault per rule: where the file would stand, what it says, and which rule must object. */

export interface PlantedFault {
  readonly file: string;
  readonly source: string;
  readonly rule: string;
}

const IMPORTS = 'eslint(no-restricted-imports)';

/** Every import that crosses a border in the wrong direction: [importing file, imported module]. */
const WRONG_WAY: ReadonlyArray<readonly [string, string]> = [
  ['src/contract/fault.ts', '../queue/keys.ts'],
  ['src/contract/fault-package.ts', 'bullmq'],
  ['src/domain/fault.ts', 'node:fs'],
  ['src/domain/fault-queue.ts', '../queue/keys.ts'],
  ['src/domain/fault-package.ts', 'pino'],
  ['src/queue/fault.ts', '../storage/object-store.ts'],
  ['src/queue/fault-api.ts', '../../api/app.ts'],
  ['src/queue/scripts/fault.ts', '../../../workers/render/supervisor.ts'],
  ['src/storage/fault.ts', '../queue/keys.ts'],
  ['src/storage/fault-redis.ts', 'ioredis'],
  ['src/fault.ts', './cli/farm.ts'],
  ['src/images/fault-sharp.ts', 'sharp'],
  ['src/storage/fault-s3.ts', '@aws-sdk/client-s3'],
  ['api/fault-s3.ts', '@aws-sdk/client-s3'],
  ['workers/courier/fault-s3.ts', '@aws-sdk/client-s3'],
  ['workers/render/fault-s3.ts', '@aws-sdk/client-s3'],
  ['src/storage/s3/fault.ts', '../../queue/keys.ts'],
  ['api/fault.ts', '../workers/render/supervisor.ts'],
  ['api/routes/fault.ts', 'bullmq'],
  ['api/fault-engine.ts', 'onnxruntime-node'],
  ['api/fault-sharp.ts', 'sharp'],
  ['api/fault-cli.ts', '../src/cli/farm.ts'],
  ['workers/render/fault.ts', '../../api/app.ts'],
  ['workers/render/fault-web.ts', 'fastify'],
  ['workers/render/fault-redis.ts', 'ioredis'],
  ['workers/render/fault-courier.ts', '../courier/archive.ts'],
  ['workers/render/fault-sharp.ts', 'sharp'],
  ['workers/render/engine/fault.ts', 'onnxruntime-node'],
  ['workers/render/diffusion/fault.ts', '../../../src/queue/keys.ts'],
  ['workers/render/diffusion/fault-store.ts', '../../../src/storage/object-store.ts'],
  ['workers/render/onnx/fault.ts', 'onnxruntime-node'],
  ['workers/courier/fault.ts', '../render/supervisor.ts'],
  ['workers/courier/fault-engine.ts', 'onnxruntime-node'],
  ['workers/courier/fault-main.ts', './main.ts'],
  ['api/fault-main.ts', './main.ts'],
  ['src/cli/fault-main.ts', './main.ts'],
  ['test/fault-main.ts', '../api/main.ts'],
  ['workers/courier/fault-test.ts', '../../test/support/redis.ts'],
];

/** What is planted in an ordinary source file, by the rule that must object. */
const ORDINARY: Readonly<Record<string, string>> = {
  'typescript(no-explicit-any)': 'export function f(x: any): void { void x; }',
  'typescript(no-non-null-assertion)': 'export const f = (xs: string[]): string => xs[0]!;',
  'typescript(no-unsafe-type-assertion)': 'export const f = (x: unknown): string => x as string;',
  'typescript(no-floating-promises)': 'export function f(p: Promise<void>): void { p; }',
  'typescript(no-misused-promises)': 'export function f(p: Promise<boolean>): number { return p ? 1 : 2; }',
  'typescript(return-await)':
    'export async function f(p: Promise<number>): Promise<number> { try { return p; } finally { f.name.at(0); } }',
  'typescript(only-throw-error)': "export function f(): never { throw 'text'; }",
  'typescript(switch-exhaustiveness-check)':
    "export function f(x: 'a' | 'b'): number { switch (x) { case 'a': return 1; } return 2; }",
  'typescript(consistent-type-imports)': "import { Static } from 'typebox';\nexport type T = Static<never>;",
  'typescript(ban-ts-comment)': '// @ts-ignore\nexport const f = 1;',
  'typescript(no-unsafe-assignment)':
    "export const f = (): unknown => { const x = JSON.parse('1'); return x; };",
  'typescript(no-unsafe-member-access)': "export const f = (): unknown => JSON.parse('1').x;",
  'typescript(no-unsafe-call)': "export const f = (): void => { JSON.parse('1')(); };",
  'typescript(no-unsafe-return)': "export const f = (): number => JSON.parse('1');",
  'typescript(no-unnecessary-condition)': "export const f = (x: string): string => x ?? '';",
  'typescript(no-extraneous-class)': 'export class C { static f(): number { return 1; } }',
  'eslint(require-await)': 'export async function f(): Promise<number> { return 1; }',
  'eslint(no-console)': "console.log('x');",
  'eslint(no-empty)': 'export function f(): void { try { f(); } catch {} }',
  'eslint(no-useless-catch)': 'export function f(): void { try { f(); } catch (error) { throw error; } }',
  'eslint(no-warning-comments)': '// TODO later\nexport const f = 1;',
  'eslint(max-lines)': Array.from({ length: 301 }, (_, i) => `export const x${i} = ${i};`).join('\n'),
  'eslint(max-lines-per-function)': `export function f(): void {\n${'  f();\n'.repeat(60)}}`,
  'eslint(max-params)': 'export const f = (a: 1, b: 1, c: 1, d: 1, e: 1): number => a + b + c + d + e;',
  'eslint(max-depth)':
    'export function f(a: boolean): void { if (a) { while (a) { if (a) { while (a) { f(a); } } } } }',
  'eslint(complexity)': `export const f = (a: boolean[]): boolean => ${Array.from({ length: 13 }, (_, i) => `a[${i}] === true`).join(' || ')};`,
  'eslint(preserve-caught-error)':
    "export function f(): void { try { f(); } catch { throw new Error('x'); } }\nexport function g(): void { try { g(); } catch (e) { throw new Error('x'); } }",
  'eslint(no-var)': 'export var f = 1;',
  'eslint(prefer-const)': 'let f = 1;\nexport const g = f;',
  'eslint(eqeqeq)': 'export const f = (a: number | null): boolean => a == 1;',
  'eslint(id-denylist)': 'export const manager = 1;',
  'import(no-mutable-exports)': 'export let f = 1;\nf = 2;',
  'oxc(no-barrel-file)': "export * from './job.ts';",
  'node(no-process-env)': "export const f = process.env['X'];",
};

const ELSEWHERE: readonly PlantedFault[] = [
  { file: 'src/queue/faultName.ts', source: 'export const f = 1;', rule: 'unicorn(filename-case)' },
  {
    file: 'src/domain/fault-time.ts',
    source: 'export const f = (): number => Date.now();',
    rule: 'eslint(no-restricted-properties)',
  },
  {
    file: 'src/domain/fault-chance.ts',
    source: 'export const f = (): number => Math.random();',
    rule: 'eslint(no-restricted-properties)',
  },
  {
    file: 'src/domain/fault-timer.ts',
    source: 'setTimeout(() => undefined, 1);',
    rule: 'eslint(no-restricted-globals)',
  },
  {
    file: 'src/queue/cycle-a.ts',
    source: "import { b } from './cycle-b.ts';\nexport const a = (): unknown => b;",
    rule: 'import(no-cycle)',
  },
  {
    file: 'src/queue/cycle-b.ts',
    source: "import { a } from './cycle-a.ts';\nexport const b = (): unknown => a;",
    rule: 'import(no-cycle)',
  },
  ...(
    [
      ['no-restricted-vi-methods', "import { vi } from 'vitest';\nvi.mock('x');"],
      ['no-conditional-expect', "test('x', () => { if (Date.now() > 1) { expect(1).toBe(1); } });"],
      ['no-focused-tests', "test.only('x', () => { expect(1).toBe(1); });"],
      ['no-disabled-tests', "test.skip('x', () => { expect(1).toBe(1); });"],
      [
        'no-identical-title',
        "test('x', () => { expect(1).toBe(1); });\ntest('x', () => { expect(2).toBe(2); });",
      ],
    ] as const
  ).map(([rule, body]) => ({
    file: `test/${rule}.test.ts`,
    source: `import { expect, test } from 'vitest';\n${body}\nvoid [expect, test];`,
    rule: `vitest(${rule})`,
  })),
  {
    file: 'test/fault-sleep.test.ts',
    source: 'setTimeout(() => undefined, 1);',
    rule: 'eslint(no-restricted-globals)',
  },
];

/** Imports of the right direction, which nothing may object to. */
export const RIGHT_WAY: ReadonlyArray<{ readonly file: string; readonly source: string }> = (
  [
    ['src/contract/sound.ts', '../domain/job.ts'],
    ['src/domain/sound.ts', '../contract/samplers.ts'],
    ['src/queue/sound.ts', 'ioredis'],
    ['src/storage/sound.ts', '../domain/job.ts'],
    ['src/storage/s3/sound.ts', '@aws-sdk/client-s3'],
    ['src/images/decoder/canonical-png.ts', 'sharp'],
    ['api/sound.ts', 'fastify'],
    ['api/routes/sound.ts', '../../src/queue/keys.ts'],
    ['workers/courier/sound.ts', '../../src/queue/keys.ts'],
    ['workers/render/encode-image.ts', 'sharp'],
    ['workers/render/image/read-input.ts', 'sharp'],
    ['workers/render/onnx/session.ts', 'onnxruntime-node'],
    ['src/cli/sound.ts', '../../workers/render/onnx/model-folder.ts'],
    ['test/sound.ts', 'ioredis'],
  ] as const
).map(([file, module]) => ({ file, source: typeImport(module) }));

/** A type import, since those cross a border as much as any other. */
function typeImport(module: string): string {
  return `import type { Some } from '${module}';\nexport type Other = Some;`;
}

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  ...WRONG_WAY.map(([file, module]) => ({ file, source: typeImport(module), rule: IMPORTS })),
  ...Object.entries(ORDINARY).map(([rule, source]) => ({
    file: `src/queue/fault-${rule.replaceAll(/\W/g, '-')}x.ts`,
    source,
    rule,
  })),
  ...ELSEWHERE,
];
