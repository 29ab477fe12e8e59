const TAB = 0x09;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
/** What the loop below looks for, all at once, and a few it lets pass: nearly every text is free of both. */
const SUSPECT = /(?![\t\n])\p{Cc}|\p{Surrogate}/u;

/**
 * Why a text cannot be taken, or undefined when it can. JSON lets NUL, other C0 controls and halves of a surrogate
 * pair through; they break C strings, terminals, PNG text chunks and UTF-8, and no tokenizer gains from them.
 */
export function textFault(text: string): string | undefined {
  if (!SUSPECT.test(text)) return undefined;
  let position = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    if (code < SPACE && code !== TAB && code !== LINE_FEED) {
      return `has the control character ${name} at position ${position}; only tab and line feed are taken`;
    }
    // A whole pair iterates as one code point above U+FFFF, so what is left in this range is a half.
    if (code >= 0xd800 && code <= 0xdfff) {
      return `has ${name} at position ${position}, half of a surrogate pair: not a character`;
    }
    position += 1;
  }
  return undefined;
}
