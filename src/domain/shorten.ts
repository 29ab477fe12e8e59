const SHOWN_CHARS = 64;

/** A value as an error message may show it: never longer than a line, and always well-formed text. */
export function shorten(value: unknown): unknown {
  if (typeof value === 'string') return shortText(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? '[array]' : '[object]';
  return value;
}

/** Cuts long text; halves of surrogate pairs, also those the cut makes, become U+FFFD. */
export function shortText(text: string): string {
  const cut = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  return cut.replace(/\p{Surrogate}/gu, '\uFFFD');
}
