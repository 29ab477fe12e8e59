/** What becomes of the store's operations when the network or the server fails in the middle. */
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import type { Patience } from '../../src/storage/s3/client.ts';
import { S3Store } from '../../src/storage/s3/s3-store.ts';
import { Secret } from '../../src/storage/secret.ts';
import { StoreError } from '../../src/storage/store-error.ts';
import type { S3Settings } from '../../src/storage/store-settings.ts';
import { s3Refusal, startFaultProxy, type ConnectionFault, type FaultProxy } from '../support/fault-proxy.ts';
import { S3_KEY, startS3, type TestS3 } from '../support/s3-server.ts';
import { bytes, text } from './store-contract.ts';

/** Silence is noticed at once; everything else is as for workers. */
const HASTY: Patience = { connectMs: 2_000, answerMs: 100, attempts: 4, operationMs: 10_000 };
const PATIENT: Patience = { ...HASTY, answerMs: 5_000 };
const BODY = 'x'.repeat(20_000);
/** Into the body of an answer that holds the object. */
const DEEP = 5_000;

let s3: TestS3;
let proxy: FaultProxy;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3.stop());
beforeEach(async () => {
  s3.objects.clear();
  proxy = await startFaultProxy(s3.port);
  await direct().put('t/x', bytes(BODY), 'image/png');
  s3.requests.length = 0;
});
afterEach(() => proxy.stop());

const direct = (): S3Store => new S3Store(s3.settings(), { patience: PATIENT });
const spoiled = (faults: readonly ConnectionFault[], patience = PATIENT): S3Store => {
  proxy.faults.push(...faults);
  return new S3Store(s3.settings({ endpoint: proxy.url }), { patience });
};
const times = (n: number, fault: ConnectionFault): ConnectionFault[] =>
  Array.from({ length: n }, () => fault);
const failureOf = (work: Promise<unknown>): Promise<StoreError> =>
  work.then(
    () => expect.unreachable('the operation succeeded'),
    (error: unknown) => {
      if (error instanceof StoreError) return error;
      throw error;
    },
  );

describe('a request that fails once', () => {
  const ONCE: Readonly<Record<string, ConnectionFault>> = {
    'with 500': s3Refusal(500, 'InternalError'),
    'by a reset before the answer': { kind: 'reset', afterBytes: 0 },
    'by a reset within the headers': { kind: 'reset', afterBytes: 20 },
    'by an end within the headers': { kind: 'end', afterBytes: 20 },
  };
  it.each(Object.entries(ONCE))('%s is sent again, whatever it asks for', async (_name, fault) => {
    await spoiled([fault]).put('t/y', bytes(BODY), 'image/png');
    expect(s3.objects.get('farm/t/y')?.bytes.toString()).toBe(BODY);
    expect(text(await spoiled([fault]).get('t/x'))).toBe(BODY);
    expect(text((await spoiled([fault]).getStart('t/x', 3))?.start)).toBe('xxx');
    expect((await spoiled([fault]).list('t/')).toSorted()).toEqual(['t/x', 't/y']);
    expect(await spoiled([fault]).touch('t/x')).toBe(true);
    await spoiled([fault]).delete('t/y');
    expect(s3.objects.has('farm/t/y')).toBe(false);
    expect(proxy.faults).toEqual([]);
  });

  it('because the server is busy is sent again', async () => {
    const busy = s3Refusal(503, 'SlowDown', ['Retry-After: 0']);
    await spoiled([busy]).put('t/y', bytes('y'), 'image/png');
    expect(text(await spoiled([busy]).get('t/y'))).toBe('y');
    expect(proxy.faults).toEqual([]);
  });

  it('by silence is sent again when the silence has lasted', async () => {
    const silence: ConnectionFault = { kind: 'stall', afterBytes: 0 };
    await spoiled([silence], HASTY).put('t/y', bytes('y'), 'image/png');
    expect(text(await spoiled([silence], HASTY).get('t/y'))).toBe('y');
  });
});

describe('a body', () => {
  const ONCE: readonly ConnectionFault[] = [
    { kind: 'reset', afterBytes: DEEP },
    { kind: 'end', afterBytes: DEEP },
    // Shorter than it was, and the header agrees: only the digest tells.
    {
      kind: 'reword',
      change: (answer) => answer.replace(/content-length: 20000/i, 'content-length: 19990').slice(0, -10),
    },
    { kind: 'reword', change: (answer) => answer.replace(/xx$/, 'xy') },
  ];
  it.each(ONCE)('that is not what was put is read again (%o)', async (fault) => {
    expect(text(await spoiled([fault]).get('t/x'))).toBe(BODY);
    expect(proxy.connections).toBe(2);
    const store = spoiled(times(3, fault));
    expect((await failureOf(store.get('t/x'))).message).toMatch(/object t\/x was not read/);
  });

  it('that goes silent is read again', async () => {
    expect(text(await spoiled([{ kind: 'stall', afterBytes: DEEP }], HASTY).get('t/x'))).toBe(BODY);
  });

  it('whose start is cut off is an error and never a shorter start', async () => {
    const failure = failureOf(spoiled([{ kind: 'end', afterBytes: 1_000 }]).getStart('t/x', 10_000));
    expect((await failure).key).toBe('t/x');
  });

  it('that comes whole though a part was asked for gives the part', async () => {
    const whole: ConnectionFault = {
      kind: 'answer',
      text: `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\nConnection: close\r\n\r\n${BODY}`,
    };
    expect(await spoiled([whole]).getStart('t/x', 3)).toEqual({ start: bytes('xxx'), size: BODY.length });
  });
});

describe('a put that was confirmed', () => {
  const confirmed = (etag: string): ConnectionFault => ({
    kind: 'answer',
    text: `HTTP/1.1 200 OK\r\nETag: ${etag}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  });

  it('but kept nothing is an error', async () => {
    const failure = await failureOf(spoiled([confirmed('"0"')]).put('t/y', bytes('y'), 'image/png'));
    expect(failure.message).toBe('object t/y was not written: the put was confirmed, but there is no object');
  });

  it('but kept another length is an error', async () => {
    const pass: ConnectionFault = { kind: 'reword', change: (answer) => answer };
    const shorter: ConnectionFault = {
      kind: 'reword',
      change: (answer) => answer.replace(/content-length: \d+/i, 'content-length: 7'),
    };
    const failure = await failureOf(spoiled([pass, shorter]).put('t/y', bytes(BODY), 'image/png'));
    expect(failure.message).toMatch(/the object has 7 bytes and not 20000/);
  });

  it('under an ETag that is no digest of the bytes is whole: encrypted objects have such', async () => {
    const other: ConnectionFault = {
      kind: 'reword',
      change: (answer) => answer.replace(/etag: "\w+"/i, 'etag: "0123456789abcdef0123456789abcdef"'),
    };
    await spoiled([other, other]).put('t/y', bytes(BODY), 'image/png');
    expect(text(await direct().get('t/y'))).toBe(BODY);
  });

  it('and was replaced by another put at once is whole', async () => {
    const replaced: ConnectionFault = {
      kind: 'reword',
      change: (answer) => {
        s3.objects.set('farm/t/y', {
          bytes: Buffer.from('later'),
          contentType: '',
          metadata: { sha256: 'other' },
          time: 0,
        });
        return answer;
      },
    };
    await spoiled([replaced]).put('t/y', bytes('sooner'), 'image/png');
    expect(s3.objects.get('farm/t/y')?.bytes.toString()).toBe('later');
  });
});

describe('a touch', () => {
  it('of an object that was put again meanwhile leaves the newer one alone', async () => {
    s3.objects.get('farm/t/x')!.time = 0;
    const replaced: ConnectionFault = {
      kind: 'reword',
      change: (answer) => {
        s3.objects.set('farm/t/x', { bytes: Buffer.from('new'), contentType: 'a/b', metadata: {}, time: 1 });
        return answer;
      },
    };
    expect(await spoiled([replaced]).touch('t/x')).toBe(true);
    expect(s3.objects.get('farm/t/x')).toMatchObject({ contentType: 'a/b', metadata: {}, time: 1 });
  });

  it('of an object that went meanwhile says so', async () => {
    s3.objects.get('farm/t/x')!.time = 0;
    const gone: ConnectionFault = {
      kind: 'reword',
      change: (answer) => {
        s3.objects.delete('farm/t/x');
        return answer;
      },
    };
    expect(await spoiled([gone]).touch('t/x')).toBe(false);
  });
});

describe('a sweep', () => {
  it('spares what was used after the list was made', async () => {
    s3.objects.get('farm/t/x')!.time = 0;
    const used: ConnectionFault = {
      kind: 'reword',
      change: (answer) => {
        s3.objects.get('farm/t/x')!.time = Date.now();
        return answer;
      },
    };
    expect(await spoiled([used]).deleteUnused('t/', 1_000)).toBe(0);
    expect(s3.objects.has('farm/t/x')).toBe(true);
  });

  it('and a list that leads in circles end with an error', async () => {
    const list =
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken>';
    const circle: ConnectionFault = {
      kind: 'reword',
      change: () => `HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${list}</ListBucketResult>`,
    };
    const failure = await failureOf(spoiled([circle, circle]).list('t/'));
    expect(failure.message).toBe('folder t/ was not listed: the list is not at its end, but leads nowhere');
  });
});

describe('a server that does not recover', () => {
  it('is asked as often as the patience says, and named with the reason', async () => {
    const store = spoiled(times(9, s3Refusal(503, 'SlowDown')), { ...PATIENT, attempts: 2 });
    const failure = await failureOf(store.put('t/y', bytes('y'), 'image/png'));
    expect(failure).toMatchObject({
      key: 't/y',
      message: 'object t/y was not written: SlowDown (HTTP 503): not now',
      cause: { code: 'SlowDown', status: 503 },
    });
    expect(proxy.connections).toBe(2);
  });

  it('is not asked again when it has refused', async () => {
    const store = spoiled(times(3, s3Refusal(403, 'AccessDenied')));
    expect((await failureOf(store.get('t/x'))).message).toMatch(/AccessDenied \(HTTP 403\)/);
    expect(proxy.connections).toBe(1);
  });

  it('is given up at the deadline of the whole operation, though it is never silent for long', async () => {
    const store = spoiled(times(9, { kind: 'stall', afterBytes: DEEP }), { ...PATIENT, operationMs: 200 });
    expect((await failureOf(store.get('t/x'))).message).toMatch(/there was no end after 200 ms/);
  });

  it('is named by the word of the network when nobody listens, and its address is for the log', async () => {
    const url = proxy.url;
    await proxy.stop();
    proxy = await startFaultProxy(s3.port);
    const store = new S3Store(s3.settings({ endpoint: url }), { patience: { ...PATIENT, attempts: 1 } });
    const failure = await failureOf(store.get('t/x'));
    expect(failure.message).toBe('object t/x was not read: ECONNREFUSED: no answer came');
    expect(failure.cause).toMatchObject({
      code: 'ECONNREFUSED',
      status: null,
      cause: { message: `connect ECONNREFUSED ${new URL(url).host}` },
    });
  });
});

describe('credentials', () => {
  const wrong: S3Settings['credentials'] = {
    accessKeyId: S3_KEY.accessKeyId,
    secretAccessKey: new Secret('WRONG+secret+of+forty+characters+or+so'),
  };

  it('are in no error, whatever the server repeats of the request', async () => {
    const store = new S3Store(s3.settings({ credentials: wrong }), { patience: PATIENT });
    const error = await failureOf(store.get('t/x'));
    expect(error.message).toBe(
      'object t/x was not read: SignatureDoesNotMatch (HTTP 403): The key [access key] may not',
    );
    const lines: string[] = [];
    pino({}, { write: (line: string) => lines.push(line) }).error({ err: error }, 'failed');
    const shown = [inspect(error, { depth: 9, showHidden: true }), ...lines].join('\n');
    expect(shown).not.toMatch(/KILNTESTKEY|WRONG|AWS4|StringToSign/);
  });

  it('are not in settings that are logged or written as JSON', () => {
    const settings = s3.settings({ credentials: wrong });
    const lines: string[] = [];
    pino({}, { write: (line: string) => lines.push(line) }).info({ settings }, 'settings');
    const shown = [inspect(settings, { depth: 9, showHidden: true }), JSON.stringify(settings), ...lines];
    expect(shown.join('\n')).not.toContain('WRONG');
  });
});
