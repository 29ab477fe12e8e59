import { describe, expect, test } from 'vitest';
import { openCsv } from '../../src/bulk-file/csv-records.ts';
import { check, CollectingHost, inPieces, refusal } from './collecting-host.ts';

const UPLOAD = `up_${'a'.repeat(64)}`;

function withUpload(): CollectingHost {
  const host = new CollectingHost();
  host.uploads.set(UPLOAD, { id: UPLOAD, width: 256, height: 128 });
  return host;
}

async function faultsOf(csv: string): Promise<string[]> {
  const { report } = await check(csv);
  return report.faults.map(({ line, field, message }) => `${line} ${field} ${message}`);
}

describe('a row of a table', () => {
  test('becomes the parameters of a job, by the names of its columns', async () => {
    const { host, report } = await check(
      'Kind,prompt,negative_prompt,seed,seeds,width,height,steps,guidance_scale,sampler,model,images,ref,' +
        'metadata.Colour,output.format,clip_skip,upscale\n' +
        'txt2img,a cube,blurry,7,,128,64,12,5.5,euler,pocket,2,first,red,webp,1,\n' +
        ',"two\r\nlines",,,1;2 3,,,20.0,,,,,,,,,TRUE\n',
    );
    expect(report).toMatchObject({ rows: 2, accepted: 2, images: 5, faults: [], format: 'csv' });
    const [first, second] = host.rows;
    expect(first).toMatchObject({
      row: 0,
      line: 2,
      ref: 'first',
      params: {
        kind: 'txt2img',
        prompt: 'a cube',
        negativePrompt: 'blurry',
        seeds: [7, 8],
        width: 128,
        height: 64,
        steps: 12,
        guidanceScale: 5.5,
        sampler: 'euler',
        model: 'pocket',
        clipSkip: 1,
        metadata: { Colour: 'red' },
        output: { format: 'webp', quality: 90 },
        priority: 'bulk',
      },
    });
    expect(second).toMatchObject({
      line: 3,
      params: { prompt: 'two\nlines', seeds: [1, 2, 3], steps: 20, upscale: { model: 'pocket' } },
    });
  });

  test('has the defaults of the upload where it is empty, and where its kind has the field', async () => {
    const { host, report } = await check(
      `kind,prompt,image,seed,output.quality\n,a,,,\nimg2img,b,${UPLOAD},9,70\n`,
      {
        defaults: new Map([
          ['steps', '30'],
          ['strength', '0.5'],
          ['seed', '1'],
          ['output.format', 'jpeg'],
          ['metadata.batch', 'spring'],
        ]),
      },
      { host: withUpload() },
    );
    expect(report.faults).toEqual([]);
    expect(host.rows).toMatchObject([
      { params: { kind: 'txt2img', steps: 30, seeds: [1], output: { format: 'jpeg', quality: 90 } } },
      {
        params: {
          kind: 'img2img',
          steps: 30,
          seeds: [9],
          strength: 0.5,
          output: { format: 'jpeg', quality: 70 },
        },
      },
    ]);
    expect(host.rows).toMatchObject([
      {},
      { params: { metadata: { batch: 'spring' }, width: 256, height: 128 } },
    ]);
  });

  test('puts its own seeds in place of those of the defaults, however they are given', async () => {
    const { host } = await check('prompt,seed,seeds,images\na,,4 5,\nb,3,,\nc,,,2\nd,,,\n', {
      defaults: new Map([['seeds', '1 2 3']]),
    });
    const seeds = host.rows.map((row) => ('params' in row ? row.params.seeds.length : 0));
    expect(seeds).toEqual([2, 1, 2, 3]);
  });

  test('without seeds gets some when it is accepted', async () => {
    const { host } = await check('prompt,images\na,3\n');
    const [row] = host.rows;
    const seeds = row !== undefined && 'params' in row ? row.params.seeds : [];
    expect(seeds).toEqual([seeds[0], (seeds[0] ?? 0) + 1, (seeds[0] ?? 0) + 2]);
    expect(row).toMatchObject({ hasOwnSeeds: false });
  });
});

describe('the faults of rows', () => {
  test('are those of a job, with the line and the column, all of a row', async () => {
    expect(
      await faultsOf(
        'kind,prompt,width,steps,strength,image,sampler,seed,seeds\n' +
          ',,65,999,,,eulr,,\n' +
          'img2img,a,,,0.0001,up_1,,,\n' +
          'sketch,a,,,,,,,\n' +
          ',a,,,0.5,,,,\n' +
          ',a,1e2,many,,,,1,2\n' +
          ',"a\u0007b",,,,,,,\n',
      ),
    ).toEqual([
      '2 prompt is required',
      '2 width must be divisible by 8',
      '2 steps must be at most 150',
      expect.stringMatching(/^2 sampler must be one of: ddim, /),
      '3 strength leaves none of 20 steps: must be at least 0.05, or the steps more',
      '4 kind must be one of: txt2img, img2img, depth, inpaint, upscale',
      '5 strength is not a field of the kind txt2img',
      '6 width must be divisible by 8',
      '6 steps must be of type integer',
      expect.stringMatching(/^7 prompt has the control character U\+0007/),
    ]);
  });

  test('tell a row that lost or won a cell', async () => {
    expect(await faultsOf('prompt,seed,steps\na,1\nb,2,20,,\nc,3,20,x\n')).toEqual([
      '2 (the row) has 2 of 3 cells',
      '4 (column 4) stands in a column without a name',
    ]);
  });

  test('name models that nobody has, and refs that are too long', async () => {
    expect(await faultsOf(`prompt,model,ref\na,sdxl,\nb,,${'r'.repeat(129)}\n`)).toEqual([
      '2 model must be one of: pocket',
      '3 ref must have at most 128 characters',
    ]);
  });

  test('are all in errors.csv, whose cells start no formula; the report has the first', async () => {
    const rows = Array.from({ length: 50 }, () => 'a,"=1+1"\nb,＝A1\n').join('');
    const { host, report } = await check(`prompt,sampler\n${rows}`);
    expect(report).toMatchObject({ rows: 100, accepted: 0 });
    expect(report.faults).toHaveLength(16);
    const { header, records } = await openCsv(inPieces(host.faults), () => true);
    expect(header.cells).toEqual(['line', 'ref', 'column', 'value', 'limit', 'message']);
    const faults = [];
    for await (const batch of records) faults.push(...batch.map(({ cells }) => cells.slice(0, 4)));
    expect(faults).toHaveLength(100);
    expect(faults.slice(0, 2)).toEqual([
      ['2', '', 'sampler', "'=1+1"],
      ['3', '', 'sampler', "'＝A1"],
    ]);
  });
});

describe('a table is refused as a whole', () => {
  test.each([
    ['an unknown column', 'prompt,sed\na,1\n', /column "sed" that is not known. Known are: kind, prompt,/],
    ['a column twice', 'prompt,seed,Seed\na,1,2\n', /names the column seed twice/],
    ['a group without a name', 'prompt,metadata.\na,1\n', /column "metadata\." that is not known/],
    ['__proto__', 'prompt,metadata.__proto__\na,1\n', /not known/],
    ['what is said once for the bulk', 'prompt,priority\na,bulk\n', /one for the whole bulk/],
    ['a header that is a row', 'a red cube\na blue cube\n', /column "a red cube" that is not known/],
    ['no rows', 'prompt,seed\n\n', /has no rows/],
    [
      'too many columns',
      `prompt,${Array.from({ length: 128 }, (_, n) => `metadata.${n}`).join(',')}\n`,
      /129 columns/,
    ],
  ])('for %s', async (_name, csv, message) => {
    expect((await refusal(check(csv))).faults.map((fault) => fault.message).join()).toMatch(message);
  });

  test('for defaults that no row could use', async () => {
    const defaults = new Map([
      ['stepz', '1'],
      ['width', 'wide'],
      ['kind', 'sketch'],
    ]);
    const error = await refusal(check('prompt\na\n', { defaults }));
    expect(error.faults.map(({ field, message }) => `${field} ${message}`)).toEqual([
      'kind must be one of: txt2img, img2img, depth, inpaint, upscale',
      'stepz is not a known field',
      'width must be of type integer',
    ]);
  });

  test('for more rows than are taken', async () => {
    const error = await refusal(check('prompt\na\nb\n\nc\n', { maxRows: 2 }));
    expect(error.faults).toMatchObject([{ field: 'file', limit: 2, message: 'has more than 2 rows' }]);
    expect((await check('prompt\na\nb\n\n\n', { maxRows: 2 })).report.rows).toBe(2);
  });
});

describe('JSON Lines', () => {
  const LINES = [
    '{"prompt":"a","seed":1,"ref":"one","metadata":{"a":"x"},"output":{"format":"webp"}}',
    '',
    '{"kind":"img2img","prompt":"b","image":"nowhere.png"}',
    'not json',
    '["a list"]',
    '{"prompt":"c","steps":"20"}',
    '{"prompt":"d","priority":"normal"}',
    '{"prompt":"e","metadata":{"__proto__":"x"}}',
    `{"prompt":"${'x'.repeat(70_000)}"}`,
    '{"prompt":"f","output":{"quality":50}}',
  ].join('\r\n');

  test('are bodies of jobs, one a line, and spoil no other when they are bad', async () => {
    const defaults = new Map([
      ['output.format', 'jpeg'],
      ['steps', '9'],
    ]);
    const { host, report } = await check(LINES, { format: 'jsonl', defaults });
    expect(host.rows).toMatchObject([
      {
        row: 0,
        line: 1,
        ref: 'one',
        params: { seeds: [1], steps: 9, output: { format: 'webp' }, metadata: { a: 'x' } },
      },
      { row: 1, line: 10, ref: null, params: { prompt: 'f', output: { format: 'jpeg', quality: 50 } } },
    ]);
    expect(report.faults.map(({ line, field, message }) => `${line} ${field} ${message}`)).toEqual([
      '3 image is neither an upload id nor an https URL; send files in a zip with the table',
      expect.stringMatching(/^4 \(the whole\) is not JSON/),
      expect.stringMatching(/^5 \(the whole\) must be a JSON object/),
      '6 steps must be of type integer',
      expect.stringMatching(/^7 priority is one for the whole bulk/),
      '8 (the whole) must not hold a field named __proto__',
      '9 (the row) has more than 65536 bytes',
    ]);
    expect(report.columns).toEqual(
      expect.arrayContaining(['kind', 'prompt', 'seed', 'metadata.a', 'output.format', 'output.quality']),
    );
  });
});
