/** What a bench yields, and how it is shown: as a table in the terminal, as Markdown, or as JSON. */
import { cpus, totalmem } from 'node:os';
import { Type, type Static } from 'typebox';

const UNITS = [
  /** A quotient of two figures of the same run: the only kind that travels between machines. */
  'ratio',
  'ms',
  's',
  'MB',
  'GFLOP/s',
  'images/s',
  'requests/s',
  'rows/s',
  'samples',
] as const;

export const Figure = Type.Union([
  Type.Object({ name: Type.String(), value: Type.Number(), unit: Type.Enum(UNITS) }),
  Type.Object({ name: Type.String(), text: Type.String() }),
]);
export type Figure = Readonly<Static<typeof Figure>>;

export interface BenchResult {
  readonly bench: string;
  /** One sentence: what was compared, with which work. */
  readonly about: string;
  readonly figures: readonly Figure[];
}

export const REPORT_FORMATS = ['text', 'markdown', 'json'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export function hardwareLine(): string {
  const cores = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cores[0]?.model.trim() ?? 'unknown CPU'}, ${cores.length} cores, ${memory} GiB, Node ${process.versions.node}`;
}

export function formatReport(results: readonly BenchResult[], format: ReportFormat): string {
  switch (format) {
    case 'json':
      return JSON.stringify({ hardware: hardwareLine(), results });
    case 'markdown':
      return [`${hardwareLine()}\n`, ...results.map(markdownTable)].join('\n');
    case 'text':
      return [hardwareLine(), ...results.map(textTable)].join('\n\n');
  }
}

function textTable({ bench, about, figures }: BenchResult): string {
  const width = Math.max(...figures.map((figure) => figure.name.length));
  const rows = figures.map((figure) => `  ${figure.name.padEnd(width)}  ${shown(figure).padStart(16)}`);
  return [`${bench}: ${about}`, ...rows].join('\n');
}

function markdownTable({ bench, about, figures }: BenchResult): string {
  const rows = figures.map((figure) => `| ${figure.name} | ${shown(figure)} |`);
  return `**${bench}**: ${about}\n\n| | |\n|---|---:|\n${rows.join('\n')}\n`;
}

const THREE_DIGITS = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, useGrouping: false });

function shown(figure: Figure): string {
  if ('text' in figure) return figure.text;
  const { value, unit } = figure;
  return unit === 'ratio' ? value.toFixed(2) : `${THREE_DIGITS.format(value)} ${unit}`;
}
