import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { KeptChild, type ChildPlan } from '../../src/cli/farm/kept-child.ts';

const lives: ChildProcess[] = [];
const told: string[] = [];
let kept: KeptChild | undefined;
let onLaunch: (child: ChildProcess) => void = () => undefined;

afterEach(async () => {
  await kept?.stop();
  onLaunch = () => undefined;
  lives.length = 0;
  told.length = 0;
});

/** A real process that runs `script`, and is ready at its first output. */
function keep(script: string, stopMs = 5_000): KeptChild {
  const plan: ChildPlan = {
    name: 'probe',
    stopMs,
    launch: () => {
      const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      lives.push(child);
      onLaunch(child);
      return child;
    },
    ready: async ({ stdout }) => {
      if (stdout !== null) await once(stdout, 'data');
    },
  };
  kept = new KeptChild(plan, (line) => told.push(line));
  return kept;
}

const STAYS = "console.log('up'); setInterval(() => undefined, 1000);";

test('a process that ends before it is ready fails the start', async () => {
  await expect(keep('process.exit(3)').start()).rejects.toThrow('probe did not start (exit code 3)');
  expect(lives).toHaveLength(1);
});

test('a process that dies is started again', async () => {
  await keep(STAYS).start();
  const second = new Promise<ChildProcess>((resolve) => {
    onLaunch = resolve;
  });
  lives[0]?.kill('SIGKILL');
  await second;
  expect(told).toEqual(['probe ended (SIGKILL); starting it again in 0.5 s']);
});

test('a process that was stopped stays down', async () => {
  const child = keep(STAYS);
  await child.start();
  await child.stop();
  expect(lives).toHaveLength(1);
  expect(lives[0]?.signalCode).toBe('SIGTERM');
  expect(told).toEqual([]);
});

test('a process that ignores SIGTERM is killed when its time is over', async () => {
  const child = keep(`process.on('SIGTERM', () => undefined); ${STAYS}`, 100);
  await child.start();
  await child.stop();
  expect(lives[0]?.signalCode).toBe('SIGKILL');
  expect(told).toEqual(['probe did not stop within 0.1 s and was killed']);
});

test('a program that does not exist fails the start with its name', async () => {
  const plan: ChildPlan = {
    name: 'ghost',
    stopMs: 100,
    launch: () => spawn('/nowhere/kiln-ghost'),
    ready: () => new Promise(() => undefined),
  };
  kept = new KeptChild(plan, (line) => told.push(line));
  await expect(kept.start()).rejects.toThrow(/ghost did not start .*nowhere/);
});
