import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { array, assert, asyncProperty, constantFrom, string, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openCsv } from '../../src/bulk-file/csv-records.ts';
import { packageRoot } from '../../src/paths.ts';
import { inPieces, refusal } from './collecting-host.ts';

interface Read {
  readonly header: readonly string[];
  readonly rows: (readonly string[])[];
  readonly lines: number[];
}

async function read(text: string | Uint8Array, known: readonly string[] = [], size?: number): Promise<Read> {
  const { header, records } = await openCsv(inPieces(text, size), (name) => known.includes(name));
  const all = [];
  for await (const batch of records) all.push(...batch);
  return { header: header.cells, rows: all.map(({ cells }) => cells), lines: all.map(({ line }) => line) };
}

/** In two of the files the JSON is not quite that of the table: other line ends, another telephone number. */
function comparable(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value)
      .replaceAll('\\r\\n', '\\n')
      .replaceAll(/"\d{10}"/g, '"a number"'),
  );
}

describe('csv-spectrum', async () => {
  const folder = join(packageRoot(), 'node_modules', 'csv-spectrum');
  const names = (await readdir(join(folder, 'csvs'))).map((file) => file.replace('.csv', ''));

  test.each(names)('%s', async (name) => {
    const text = await readFile(join(folder, 'csvs', `${name}.csv`));
    const json: unknown = JSON.parse(await readFile(join(folder, 'json', `${name}.json`), 'utf8'));
    for (const size of [1, 7, 65_536]) {
      const { header, rows } = await read(text, [], size);
      const objects = rows.map((cells) =>
        Object.fromEntries(header.map((column, n) => [column, cells[n] ?? ''])),
      );
      expect(comparable(objects)).toEqual(comparable([json].flat()));
    }
  });
});

describe('rows', () => {
  test('are all there when lines end in three ways', async () => {
    const { rows, lines } = await read('a,b\r\n1,2\n3,4\r5,6\r\n\r\n\n7,8');
    expect(rows).toEqual([
      ['1', '2'],
      ['3', '4'],
      ['5', '6'],
      ['7', '8'],
    ]);
    expect(lines).toEqual([2, 3, 4, 7]);
  });

  test('of nothing but white space and delimiters are no rows', async () => {
    const { rows, lines } = await read('a,b\n,\n  ,  \n"",""\n1,\n\n');
    expect([rows, lines]).toEqual([[['1', '']], [5]]);
  });

  test('keep quotes that do not stand around a cell', async () => {
    const { rows } = await read('a,b\n5" pipe,say "hi"\n"a ""quoted"" word",x\n');
    expect(rows).toEqual([
      ['5" pipe', 'say "hi"'],
      ['a "quoted" word', 'x'],
    ]);
  });

  test('may have line ends and delimiters inside quotes, and say where they start', async () => {
    const { rows, lines } = await read('a,b\n"one\ntwo\r\nthree",2\n"x,y",3\n');
    expect(rows).toEqual([
      ['one\ntwo\r\nthree', '2'],
      ['x,y', '3'],
    ]);
    expect(lines).toEqual([2, 5]);
  });

  test('start where an editor would show them', async () => {
    const cell = string({ unit: constantFrom('a', ' ', '\n', '\r\n', '"', ',', 'ü'), maxLength: 8 });
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    const ends = constantFrom('\n', '\r\n', '\n\n', '\r\n\n\r\n');
    await assert(
      asyncProperty(array(tuple(cell, cell, ends), { maxLength: 20 }), async (records) => {
        let text = 'a,b\n';
        const expected: number[] = [];
        for (const [first, second, end] of records) {
          if (first !== '' || second !== '') expected.push(text.split(/\r\n|\n/).length);
          text += `${quoted(first)},${quoted(second)}${end}`;
        }
        expect((await read(text)).lines).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the delimiter', () => {
  const KNOWN = ['prompt', 'seed', 'negative_prompt'];

  test.each([
    ['semicolons', 'prompt;seed\na, b;1\n', ['a, b', '1']],
    ['tabs', 'prompt\tseed\na, b; c\t1\n', ['a, b; c', '1']],
    ['bars', 'prompt|seed\na|1\n', ['a', '1']],
    ['commas, though a name in quotes has a semicolon', '"prompt","x;y;z",seed\na,b,1\n', ['a', 'b', '1']],
    ['one column with commas in its rows', 'prompt\n"a, b"\n', ['a, b']],
    ['what Excel says above the table', 'sep=;\r\nprompt;seed\r\na, b;1\r\n', ['a, b', '1']],
    ['names in quotes', '"prompt";"seed"\n"a";"1"\n', ['a', '1']],
  ])('is told by the header: %s', async (_name, text, row) => {
    expect((await read(text, KNOWN)).rows).toEqual([row]);
  });

  test('above the table counts as a line', async () => {
    expect((await read('sep=;\nprompt;seed\na;1\n', KNOWN)).lines).toEqual([3]);
  });
});

describe('a file is refused as a whole', () => {
  const MANY = 'x,y\n'.repeat(5_000);

  test('for a quote that is never closed, with the row it is in', async () => {
    const error = await refusal(read(`a,b\n1,2\n\n3,"4\n5,6\n`));
    expect(error.message).toMatch(/never closed.*line 4/);
    const late = await refusal(read(`a,b\n${MANY}"open,1\nx,y\n`));
    expect(late.message).toMatch(/never closed.*line 5002/);
  });

  test('for a row beyond the limit, which most often is a quote that is never closed', async () => {
    const error = await refusal(read(`a,b\n1,2\n"open,3\n${MANY.repeat(10)}`));
    expect(error.message).toMatch(/more than 65536 bytes.*quote is never closed/);
    expect(error.faults).toMatchObject([{ field: 'file', limit: 65_536 }]);
  });

  test('without a single line', async () => {
    expect((await refusal(read('\n \n\n'))).message).toMatch(/is empty/);
  });

  test('whose first line never ends', async () => {
    expect((await refusal(read('x'.repeat(70_000)))).message).toMatch(/no line end|more than 65536/);
  });
});
