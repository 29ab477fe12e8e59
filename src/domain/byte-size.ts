/** Amounts of memory as people write and read them. */

const UNIT: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
]);

/** `6GB`, `512 MB`, `2.5GiB` or bytes; undefined for anything else. */
export function parseByteSize(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim()) ?? [];
  const scale = UNIT.get(unit.toLowerCase());
  const bytes = Math.round(Number(number) * (scale ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Such as `5.2 GB`: decimal, as memory is sold and budgets are written. */
export function formatByteSize(bytes: number): string {
  for (const [unit, scale] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['KB', 1e3],
  ] as const)
    if (bytes >= scale) return `${(bytes / scale).toFixed(1)} ${unit}`;
  return `${bytes} B`;
}
