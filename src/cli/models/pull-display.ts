/** What a person sees of a pull: a bar that moves on a terminal, a line for each file in a log. */
import { Presets, SingleBar } from 'cli-progress';

const SECOND = 1_000;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const STEP = 1_024;

export interface PullDisplay {
  /** A sentence of its own, such as why something is tried again. */
  notice(line: string): void;
  /** @param here bytes that an earlier run left */
  begin(size: { readonly files: number; readonly bytes: number; readonly here: number }): void;
  /** @param bytes of all files, here by now */
  progress(path: string, bytes: number): void;
  finished(path: string, bytes: number): void;
  close(): void;
}

export function pullDisplay(): PullDisplay {
  return process.stdout.isTTY ? bar() : lines((line) => console.log(line));
}

function bar(): PullDisplay {
  const single = new SingleBar(
    {
      format: '  {bar} {percentage}%  {got} of {all}  {rate}/s  {path}',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  let began: { at: number; here: number; bytes: number } | null = null;
  let last = { path: '', bytes: 0 };
  const payload = (): object => {
    const { at, here, bytes: all } = began ?? { at: 0, here: 0, bytes: 0 };
    const seconds = Math.max(1, (performance.now() - at) / SECOND);
    const rate = Math.max(0, last.bytes - here) / seconds;
    return { path: last.path, got: formatBytes(last.bytes), all: formatBytes(all), rate: formatBytes(rate) };
  };
  return {
    // Above the bar, which is drawn again below it.
    notice: (line) => {
      single.stop();
      console.log(`  ${line}`);
      if (began !== null) single.start(began.bytes, last.bytes, payload());
    },
    begin: ({ bytes, here }) => {
      began = { at: performance.now(), here, bytes };
      single.start(bytes, 0, payload());
    },
    progress: (path, bytes) => {
      last = { path, bytes };
      single.update(bytes, payload());
    },
    finished: () => undefined,
    close: () => single.stop(),
  };
}

/** @param write prints one line */
export function lines(write: (line: string) => void): PullDisplay {
  let files = 0;
  let done = 0;
  return {
    notice: (line) => write(`  ${line}`),
    begin: (size) => {
      files = size.files;
      const left = size.here === 0 ? '' : `, ${formatBytes(size.here)} of them here from an earlier run`;
      write(`  ${files} files, ${formatBytes(size.bytes)}${left}`);
    },
    progress: () => undefined,
    finished: (path, bytes) => {
      done += 1;
      write(`  ${String(done).padStart(String(files).length)}/${files}  ${path}  ${formatBytes(bytes)}`);
    },
    close: () => undefined,
  };
}

/** Such as `3.2 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
