import { describe, expect, test } from 'vitest';
import { check, CollectingHost } from './collecting-host.ts';

const UPLOAD = `up_${'a'.repeat(64)}`;

function withUpload(): CollectingHost {
  const host = new CollectingHost();
  host.uploads.set(UPLOAD, { id: UPLOAD, width: 256, height: 128 });
  return host;
}

describe('images of rows', () => {
  test('may be uploads, which must be there, and addresses, which are fetched later', async () => {
    const { host, report } = await check(
      'kind,prompt,image,mask\n' +
        `img2img,a,${UPLOAD},\n` +
        `inpaint,b,${UPLOAD},https://images.example/mask.png\n` +
        `img2img,c,up_${'b'.repeat(64)},\n` +
        'img2img,d,https://127.0.0.1/x.png,\n' +
        'img2img,e,ftp://images.example/x.png,\n' +
        'img2img,f,"data:image/png;base64,AAAA",\n' +
        'img2img,g,C:\\pictures\\x.png,\n',
      {},
      { host: withUpload() },
    );
    expect(host.rows).toMatchObject([
      { params: { kind: 'img2img', image: UPLOAD, width: 256, height: 128 } },
      {
        request: {
          kind: 'inpaint',
          image: UPLOAD,
          mask: 'https://images.example/mask.png',
          seed: expect.any(Number),
        },
        model: { name: 'pocket', defaultWidth: 128, defaultHeight: 64 },
      },
    ]);
    expect(report.faults.map(({ line, message }) => `${line} ${message}`)).toEqual([
      '4 names an upload that does not exist',
      '5 leads to an address that is not public',
      expect.stringMatching(/^6 has the scheme ftp/),
      expect.stringMatching(/^7 is a data: URL/),
      expect.stringMatching(/^8 is neither an upload id nor an https URL/),
    ]);
  });

  test('must have a size that the job can use', async () => {
    const { report } = await check(`kind,image\nupscale,${UPLOAD}\n`, {}, { host: withUpload() });
    expect(report.faults).toEqual([]);
    const host = withUpload();
    host.uploads.set(UPLOAD, { id: UPLOAD, width: 2_048, height: 128 });
    const large = await check(`kind,image\nupscale,${UPLOAD}\n`, {}, { host });
    expect(large.report.faults).toMatchObject([{ line: 2, field: 'image', value: '2048x128' }]);
  });
});

describe('the rows that are stored', () => {
  test('lie in chunks of a thousand, numbered as they were accepted', async () => {
    const rows = Array.from({ length: 2_300 }, (_, n) => `prompt ${n},${n % 100 === 99 ? 'x' : n}\n`).join(
      '',
    );
    const { host, report } = await check(`prompt,seed\n${rows}`);
    expect(report).toMatchObject({ rows: 2_300, accepted: 2_277 });
    expect(host.chunks).toHaveLength(3);
    const stored = host.rows;
    expect(stored.map(({ row }) => row)).toEqual(Array.from({ length: 2_277 }, (_, n) => n));
    expect(stored[99]).toMatchObject({ line: 102, params: { prompt: 'prompt 100' } });
  });

  test('are none in a dry run, whose report is the same', async () => {
    const csv = 'prompt,seed\na,1\nb,x\n';
    const dry = await check(csv, { isDry: true });
    expect(dry.host.chunks).toEqual([]);
    expect(dry.report).toEqual((await check(csv)).report);
  });

  test('cost the steps of all their images, by model and size', async () => {
    const { report } = await check(
      `kind,prompt,image,steps,images,strength,upscale.steps\n,a,,10,2,,\n,b,,10,,,8\nimg2img,c,${UPLOAD},10,,0.5,\n`,
      {},
      { host: withUpload() },
    );
    expect(report.costs).toEqual([
      { lane: 'pocket.128x64', model: 'pocket', width: 128, height: 64, sampleSteps: 30 },
      { lane: 'pocket.512x256', model: 'pocket', width: 512, height: 256, sampleSteps: 8 },
      { lane: 'pocket.256x128', model: 'pocket', width: 256, height: 128, sampleSteps: 5 },
    ]);
  });
});

describe('a file that is held against an earlier bulk', () => {
  async function against(before: string, after: string, failed: readonly number[] = []) {
    const first = await check(before);
    const host = new CollectingHost();
    for (const lines of first.host.chunks) {
      const succeeded = Uint8Array.from({ length: 1_000 }, (_, n) => (failed.includes(n) ? 0 : 1));
      host.previous.push({ lines, succeeded });
    }
    const { report } = await check(after, { isDiff: true }, { host });
    const reused = host.rows.map((row) => row.reused?.job ?? null);
    return { report, reused };
  }

  test('renders what is new or changed, and uses the rest again, wherever it stands', async () => {
    const { report, reused } = await against(
      'prompt,seed,metadata.note\na,1,x\nb,2,x\nc,3,x\n',
      'seed,prompt,steps,ref\n3,c,20,moved\n1,a,21,changed\n2,b,,same\n4,d,,new\n',
    );
    expect(reused).toEqual(['job_of_2', null, 'job_of_1', null]);
    expect(report).toMatchObject({ accepted: 4, reused: 2, images: 2 });
    expect(report.costs).toMatchObject([{ sampleSteps: 41 }]);
  });

  test('uses no row that failed', async () => {
    expect((await against('prompt,seed\na,1\nb,2\n', 'prompt,seed\na,1\nb,2\n', [0])).reused).toEqual([
      null,
      'job_of_1',
    ]);
  });

  test('uses rows without seeds again, each once: who asks twice for the same wants two pictures', async () => {
    const { reused } = await against('prompt\na\na\n', 'prompt\na\na\na\n');
    expect(reused).toEqual(['job_of_0', 'job_of_1', null]);
  });

  test('tells seeds that were chosen from those that were drawn', async () => {
    expect((await against('prompt,seed\na,1\n', 'prompt\na\n')).reused).toEqual([null]);
  });
});

test('a failure of the store ends the check', async () => {
  class Full extends CollectingHost {
    override writeRows(): Promise<void> {
      return Promise.reject(new Error('the disk is full'));
    }
  }
  const rows = 'a\n'.repeat(5_000);
  await expect(check(`prompt\n${rows}`, {}, { host: new Full() })).rejects.toThrow('the disk is full');
});
