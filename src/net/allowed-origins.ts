/** The origins of a comma-separated setting, as `URL.origin` writes them, so that they can be compared with one. */
export function originsOf(setting: string, list: string): ReadonlySet<string> {
  const entries = list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const wrong = entries.filter((entry) => !URL.canParse(entry) || !/^https?:$/.test(new URL(entry).protocol));
  if (wrong.length > 0) {
    throw new Error(`${setting}: ${wrong.join(', ')} is no origin such as http://files.internal:9000`);
  }
  return new Set(entries.map((entry) => new URL(entry).origin));
}
