/** What every store takes as a key: relative, in '/', and naming no way upwards. All stores refuse the same. */

export const MAX_KEY_BYTES = 1_024;
/** Marks a file that a local store is still writing; keys may not look like one in any store. */
export const PARTIAL = '.partial-';

/** Throws for a key that no store takes. */
export function checkKey(key: string, maxBytes = MAX_KEY_BYTES): void {
  const fault = keyFault(key, maxBytes);
  if (fault !== undefined) throw new Error(`object key ${JSON.stringify(key.slice(0, 100))} ${fault}`);
}

/** The folder that a prefix names, checked as a key is. Throws unless the prefix ends in '/'. */
export function folderOf(prefix: string): string {
  if (!prefix.endsWith('/')) throw new Error(`the prefix ${JSON.stringify(prefix)} does not end in '/'`);
  const folder = prefix.slice(0, -1);
  checkKey(folder);
  return folder;
}

/** Why a path of one or more parts cannot start or be a key; undefined when it can. */
export function pathFault(path: string): string | undefined {
  if (path.includes('\0') || path.includes('\\')) return 'holds NUL or a backslash';
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    return "holds an empty part, '.' or '..'";
  }
  return parts.some((part) => part.startsWith(PARTIAL))
    ? `holds a part that starts with ${PARTIAL}`
    : undefined;
}

/** Why the key cannot be taken; undefined when it can. */
export function keyFault(key: string, maxBytes = MAX_KEY_BYTES): string | undefined {
  if (key === '') return 'is empty';
  if (Buffer.byteLength(key) > maxBytes) return `is longer than ${maxBytes} bytes`;
  return pathFault(key);
}
