/** `kiln models pull` as people run it: the built command, killed, stopped and started twice. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { onTestFinished, expect, test } from 'vitest';
import { pullCommand } from '../../src/cli/commands/models-pull.ts';
import { packageRoot } from '../../src/paths.ts';
import { COMMIT } from '../support/fake-hub.ts';
import {
  expectPublished,
  ID,
  publish,
  TEXT,
  TOKEN,
  UNET,
  untilThere,
  type PublishedModel,
} from '../support/pulls.ts';

const ARRIVED = 5_000;

interface Command {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

test('killed while it downloads, it goes on from what lies there, and shows its token to nobody', async () => {
  const published = await publish();
  const { hub, dir } = published;
  hub.token = TOKEN;
  hub.stalls.set(UNET, { after: ARRIVED, reached: () => undefined });
  const first = start(published);
  await untilArrived(dir);
  first.child.kill('SIGKILL');
  await first.ended;
  expect(await readdir(dir)).toEqual(['.lock-tiny', '.pull-tiny']);

  hub.stalls.clear();
  const { code, out, err } = await start(published).ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^Fetching tests\/tiny at main from http:\/\/127/);
  expect(out).toMatch(/  12 files, .* of them here from an earlier run\n/);
  expect(out).toMatch(
    new RegExp(`tiny is in ${join(dir, 'tiny')}: 12 files, [\\d.]+ KiB, commit ${COMMIT}\n`),
  );
  expect(out).toMatch(/Workers on this machine offer it now: "model": "tiny"\n$/);
  expect(hub.rangesOf(UNET)).toEqual([undefined, `bytes=${ARRIVED}-`]);
  expect(hub.rangesOf(TEXT)).toHaveLength(1);
  await expectPublished(hub, UNET, join(dir, 'tiny'));
  expect(await readdir(dir)).toEqual(['tiny']);
  const list = await promisify(execFile)(process.execPath, [main(), 'models', 'list'], {
    env: environment(published),
  });
  expect(list.stdout).toMatch(/^tiny +txt2img/m);
  expect([out, err, (await first.ended).out].join()).not.toContain(TOKEN);
});

test('a second pull of the same model is refused, and Ctrl-C stops the first one with its bytes kept', async () => {
  const published = await publish();
  const { hub, dir } = published;
  hub.stalls.set(UNET, { after: ARRIVED, reached: () => undefined });
  const first = start(published);
  await untilArrived(dir);
  const second = await start(published).ended;
  expect(second.code).toBe(1);
  expect(second.err).toMatch(
    new RegExp(`^kiln: another .* \\(process ${first.child.pid} on .*\\) fetches this model`),
  );

  first.child.kill('SIGINT');
  const { code, err } = await first.ended;
  expect(code).toBe(1);
  expect(err).toBe(
    `kiln: stopped; what has come is in ${join(dir, '.pull-tiny')}, and the same command goes on from there\n`,
  );
  expect(await readdir(dir)).toEqual(['.pull-tiny']);
});

test.each([
  [['../tiny'], /the id is "..\/tiny"; it has the form org\/name/],
  [[ID, '--name', '.hidden'], /--name is ".hidden"; up to 96 letters/],
  [[ID, '--variant', 'bf16'], /argument 'bf16' is invalid. Allowed choices are fp16/],
  [[ID, '--endpoint', 'https://user:secret@hub.example'], /--endpoint \(or HF_ENDPOINT\) is not an http/],
  [[ID, '--token', 'hf_a\nsecret'], /HF_TOKEN \(or --token\) holds characters that no token has/],
])('%j is refused', async (args, message) => {
  const command = pullCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const error = await command.parseAsync(args, { from: 'user' }).catch(String);
  expect(error).toMatch(message);
  expect(error).not.toContain('secret');
});

function start(published: PublishedModel): Command {
  return collect(spawn(process.execPath, [main(), 'models', 'pull', ID], { env: environment(published) }));
}

function collect(child: ChildProcess): Command {
  onTestFinished(() => void child.kill('SIGKILL'));
  const out = text(child.stdout!);
  const err = text(child.stderr!);
  const ended = once(child, 'close').then(async () => ({
    code: child.exitCode,
    out: await out,
    err: await err,
  }));
  return { child, ended };
}

function main(): string {
  return join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
}

function environment({ hub, dir }: PublishedModel): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], KILN_MODELS_DIR: dir, HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN };
}

async function untilArrived(dir: string): Promise<void> {
  await untilThere(join(dir, '.pull-tiny', 'model', 'unet'), /\.part$/, ARRIVED);
}
