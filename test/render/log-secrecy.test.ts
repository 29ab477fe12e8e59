/** A whole farm at its most talkative: what its logs say, and above all what they do not. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { KilnClient } from '../../src/cli/client.ts';
import { startFarm, type Farm } from '../support/farm.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const KEY = 'kept-to-ourselves-api-key-0001';
const PROMPT = 'a confidential zebra';
const NEGATIVE = 'unspeakable stripes';
const WEBHOOK_SECRET = `whsec_${Buffer.from('thirty-two bytes that nobody sees').toString('base64')}`;
const TOKEN = 'token-in-the-address';

const SMALL = { kind: 'txt2img', width: 64, height: 64, steps: 2, prompt: PROMPT, negative_prompt: NEGATIVE };

let farm: Farm;
let folder: string;
let receiver: WebhookReceiver;
let job: { id: string; url: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-logs-'));
  receiver = await new WebhookReceiver().start();
  // Refused at first, so that the attempt is told of.
  receiver.answer(`/hook?access=${TOKEN}`, { status: 500, body: 'not now' }, { status: 204 });
  farm = await startFarm({
    folder,
    env: {
      KILN_LOG_LEVEL: 'trace',
      KILN_API_KEYS: KEY,
      KILN_THREADS: '1',
      KILN_WEBHOOK_ALLOW: receiver.origin,
      KILN_WEBHOOK_SECRETS: WEBHOOK_SECRET,
    },
  });
  job = await live(new KilnClient(farm.url, KEY));
}, 90_000);

afterAll(async () => {
  await farm.stop();
  await receiver.close();
  await rm(folder, { recursive: true, force: true });
});

/** Renders one job, and has others refused in every way that could quote them. */
async function live(client: KilnClient): Promise<{ id: string; url: string }> {
  const webhook = { url: `${receiver.origin}/hook?access=${TOKEN}` };
  const { id } = await client.submit({ ...SMALL, webhook });
  for (const fault of [{ steps: 0 }, { model: 'nobody-has-it' }, { negative_prompt: 7 }, { [PROMPT]: 1 }]) {
    await expect(client.submit({ ...SMALL, ...fault })).rejects.toThrow(/invalid_request|unknown_model/);
  }
  await expect(new KilnClient(farm.url, `${KEY}-almost`).workers()).rejects.toThrow(/unauthorized/);
  const ended = await vi.waitFor(
    async () => {
      const view = await client.job(id);
      expect(view.state).toBe('succeeded');
      return view;
    },
    { timeout: 60_000 },
  );
  const url = ended.images[0]?.url ?? '';
  await client.download(url);
  return { id, url };
}

async function logs(): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.join('');
}

test('no line has a prompt, a key, a secret of webhooks, a token of an address or a signature', async () => {
  await expect.poll(logs, { timeout: 20_000 }).toContain('webhook not delivered');
  const text = await logs();
  const signature = new URL(job.url).searchParams.get('signature') ?? 'none';
  expect(signature.length).toBeGreaterThan(20);
  for (const secret of [PROMPT, NEGATIVE, KEY, WEBHOOK_SECRET, WEBHOOK_SECRET.slice(6), TOKEN, signature]) {
    expect(text.split('\n').filter((line) => line.includes(secret))).toEqual([]);
  }
});

test('every line about a run names the job, its lane and its fence', async () => {
  const lines = (await logs()).split('\n').filter((line) => line.includes('"msg":"Job was'));
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({ job: job.id, lane: 'pocket-base.64x64', fence: 1, msg: 'Job was claimed' }),
    expect.objectContaining({ job: job.id, lane: 'pocket-base.64x64', fence: 1, msg: 'Job was committed' }),
  ]);
});
