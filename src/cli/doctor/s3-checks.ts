/** Everything that Kiln asks of a bucket, tried one by one on objects of its own. */
import { randomUUID } from 'node:crypto';
import { S3Probe } from '../../storage/s3/probe.ts';
import { S3Store } from '../../storage/s3/s3-store.ts';
import type { Patience } from '../../storage/s3/client.ts';
import type { S3Settings } from '../../storage/store-settings.ts';

/** A person waits; and a fault that passes is still worth to be told of. */
const PATIENCE: Patience = { connectMs: 2_000, answerMs: 10_000, attempts: 2, operationMs: 30_000 };
/** Links live for minutes and are signed by this machine's clock. S3 itself refuses from 15 minutes on. */
const MAX_SKEW_MS = 60_000;
const LINK = { seconds: 60, contentType: 'image/png', contentDisposition: 'inline; filename="doctor.png"' };

export interface S3Check {
  readonly name: string;
  /** What AWS calls the right to do it. */
  readonly permission?: string;
  /** Only with objects to try it on. */
  readonly needsObjects?: true;
  readonly needsLinks?: true;
  /** Resolves with what was seen, rejects with what is wrong. */
  run(patient: Patient): Promise<string> | string;
}

/** One bucket under examination, and the folder in it that nobody else uses. */
export class Patient {
  readonly settings: S3Settings;
  readonly store: S3Store;
  readonly probe: S3Probe;
  readonly folder = `doctor-${randomUUID()}/`;
  /** Odd on purpose: keys must arrive as they are. */
  readonly keys = ['a.png', 'b c+d.png', 'ä/1.png'].map((name) => this.folder + name);

  constructor(settings: S3Settings) {
    this.settings = settings;
    this.store = new S3Store(settings, { patience: PATIENCE, youngMs: 0, pageSize: 2 });
    this.probe = new S3Probe(settings, PATIENCE);
  }

  get key(): string {
    return `${this.folder}a.png`;
  }

  async link(): Promise<string> {
    const link = await this.store.signLink(this.key, LINK);
    if (link === undefined) throw new Error('no link was made: the object is gone');
    return link;
  }

  async cleanUp(): Promise<void> {
    const keys = await this.store.list(this.folder);
    await Promise.all(keys.map((key) => this.store.delete(key)));
  }
}

const BYTES = Buffer.from('Kiln was here, and cleans up after itself.');

export const S3_CHECKS: readonly S3Check[] = [
  {
    name: 'bucket',
    permission: 's3:ListBucket',
    async run({ probe, settings }) {
      await probe.lookAtBucket();
      return `${settings.bucket} is there`;
    },
  },
  {
    name: 'clock',
    run({ probe }) {
      const time = probe.serverTime();
      if (time === undefined) throw new Error('no answer told the time');
      const seconds = Math.round((Date.now() - time) / 1_000);
      const text = `this machine is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the server`;
      if (Math.abs(seconds) * 1_000 > MAX_SKEW_MS) throw new Error(`${text}; links need 60 s or less`);
      return text;
    },
  },
  {
    name: 'put',
    permission: 's3:PutObject and s3:GetObject',
    async run({ store, keys }) {
      for (const key of keys) await store.put(key, BYTES, 'image/png');
      return `${keys.length} objects are stored, and have their length and digest`;
    },
  },
  {
    name: 'get',
    permission: 's3:GetObject',
    needsObjects: true,
    async run({ store, keys }) {
      for (const key of keys) expectBytes(await store.get(key), BYTES);
      return 'the same bytes come back';
    },
  },
  {
    name: 'range',
    permission: 's3:GetObject',
    needsObjects: true,
    async run({ store, key }) {
      const part = await store.getStart(key, 4);
      expectBytes(part?.start, BYTES.subarray(0, 4));
      if (part?.size !== BYTES.length) throw new Error(`the size is told as ${part?.size ?? 'nothing'}`);
      return 'the first bytes can be read, with the size of the whole';
    },
  },
  {
    name: 'absent',
    permission: 's3:ListBucket',
    async run({ store, folder }) {
      if ((await store.get(`${folder}never.png`)) !== undefined) throw new Error('there is an object');
      if (await store.touch(`${folder}never.png`)) throw new Error('there is something to touch');
      return 'an object that is not there is told as that';
    },
  },
  {
    name: 'touch',
    permission: 's3:PutObject and s3:GetObject',
    needsObjects: true,
    async run({ store, keys }) {
      for (const key of keys) {
        if (!(await store.touch(key))) throw new Error('the object is gone');
        expectBytes(await store.get(key), BYTES);
      }
      return 'objects can be copied onto themselves, and are as before';
    },
  },
  {
    name: 'list',
    permission: 's3:ListBucket',
    needsObjects: true,
    async run({ store, keys, folder }) {
      const listed = (await store.list(folder)).toSorted();
      if (listed.join('\n') !== keys.toSorted().join('\n'))
        throw new Error(`${listed.length} of ${keys.length} objects are listed as they were put`);
      return `${keys.length} objects on 2 pages`;
    },
  },
  {
    name: 'link',
    permission: 's3:GetObject',
    needsObjects: true,
    needsLinks: true,
    async run(patient) {
      const answer = await fetchLink(await patient.link());
      if (answer.status !== 200) throw new Error(`a fresh link is answered with HTTP ${answer.status}`);
      expectBytes(answer.bytes, BYTES);
      expectHeader(answer.headers, 'content-type', LINK.contentType);
      expectHeader(answer.headers, 'content-disposition', LINK.contentDisposition);
      return `reads the object without credentials at ${answer.origin}`;
    },
  },
  {
    name: 'changed link',
    needsObjects: true,
    needsLinks: true,
    async run(patient) {
      const link = await patient.link();
      await expectRefusal(link.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'));
      return 'is refused';
    },
  },
  {
    name: 'expired link',
    needsObjects: true,
    needsLinks: true,
    async run({ probe, key }) {
      await expectRefusal(await probe.expiredLink(key));
      return 'is refused';
    },
  },
  {
    name: 'no signature',
    needsObjects: true,
    needsLinks: true,
    async run(patient) {
      const [unsigned = ''] = (await patient.link()).split('?');
      await expectRefusal(unsigned);
      return 'is refused: the bucket is not public';
    },
  },
  {
    name: 'delete',
    permission: 's3:DeleteObject',
    needsObjects: true,
    async run({ store, key }) {
      await store.delete(key);
      await store.delete(key);
      if ((await store.get(key)) !== undefined) throw new Error('the object is still there');
      return 'the object is gone, and a second delete is fine';
    },
  },
];

interface LinkAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly origin: string;
}

async function fetchLink(url: string): Promise<LinkAnswer> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE.answerMs) });
    const { status, headers } = answer;
    return {
      status,
      headers,
      bytes: new Uint8Array(await answer.arrayBuffer()),
      origin: new URL(url).origin,
    };
  } catch (error) {
    const reason =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(`${new URL(url).origin} does not answer: ${reason}`, { cause: error });
  }
}

/** A server that fails has refused nothing. */
async function expectRefusal(url: string): Promise<void> {
  const { status } = await fetchLink(url);
  if (status < 400 || status > 499) throw new Error(`it is answered with HTTP ${status}`);
}

function expectBytes(given: Uint8Array | undefined, expected: Uint8Array): void {
  if (given === undefined) throw new Error('the object is not there');
  if (Buffer.compare(given, expected) !== 0)
    throw new Error(`${given.length} other bytes come instead of ${expected.length}`);
}

function expectHeader(headers: Headers, name: string, expected: string): void {
  const value = headers.get(name);
  if (value !== expected) throw new Error(`${name} is ${value ?? 'not sent'}, not ${expected}`);
}
